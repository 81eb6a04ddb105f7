/** What readiness and tokens promise whatever the store does meanwhile. */
import { expect, test } from "vitest";
import { createOperations, type OperateDeps } from "../../src/operations/operate.ts";
import type { Store } from "../../src/ports/store.ts";
import { memoryStore } from "../../src/store/memory.ts";
import { woundClock } from "../support/clock.ts";

const LOCAL = { who: "local" } as never;

function operationsOver(store: Store) {
  const deps: Partial<OperateDeps> = {
    store,
    clock: woundClock(),
    newToken: () => "sbx_of_the_tests",
    report: () => ({ current: true }) as never,
  };
  return createOperations(deps as OperateDeps);
}

test("a store that can be read and not written to is not ready", async () => {
  const store = memoryStore();
  expect(await operationsOver(store).ready()).toEqual({ ok: true, detail: "ready" });
  const ping = () => Promise.reject(new Error("database or disk is full"));
  expect(await operationsOver({ ...store, ping }).ready()).toEqual({ ok: false, detail: "database or disk is full" });
});

test("a token that is revoked while somebody comes in with it does not come back", async () => {
  const store = memoryStore();
  const racing: Store = {
    ...store,
    async tokens() {
      const tokens = await store.tokens();
      await store.dropToken("ci");
      return tokens;
    },
  };
  const { token } = await operationsOver(store).createToken({ name: "ci", scopes: ["read"] } as never, LOCAL);
  await operationsOver(racing).authenticate(token);
  expect(await store.tokens()).toEqual([]);
});

test("a token remembers when it was last used", async () => {
  const store = memoryStore();
  const operations = operationsOver(store);
  const { token } = await operations.createToken({ name: "ci", scopes: ["read"] } as never, LOCAL);
  await operations.authenticate(token);
  expect((await operations.tokens())[0]?.usedAtMs).toBe(woundClock().now());
});
