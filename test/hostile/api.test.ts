/** What the API withstands: tokens that race, tokens on loopback, questions that would never end. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createOperations, type OperateDeps } from "../../src/operations/operate.ts";
import type { Operations } from "../../src/operations/operations.ts";
import type { Store } from "../../src/ports/store.ts";
import { woundClock } from "../support/clock.ts";
import { type Started, startEngine } from "../support/engine.ts";
import { STORES } from "../support/stores.ts";

const LOCAL = { who: "local" };

describe.each(STORES)("tokens in the $name store", ({ open }) => {
  let store: Store;
  let remove: () => Promise<void>;
  let tokensMade = 0;
  beforeEach(async () => {
    ({ store, remove } = await open());
  });
  afterEach(() => remove());

  function operationsOver(over: Partial<Store> = {}): Operations {
    const newToken = () => `sbx_number_${++tokensMade}`;
    return createOperations({
      store: { ...store, ...over },
      clock: woundClock(),
      newToken,
    } as Partial<OperateDeps> as OperateDeps);
  }

  test("a token that is revoked at any moment of a request that shows it does not come back", async () => {
    const { token } = await operationsOver().createToken({ name: "ci", scopes: ["read"] }, LOCAL);
    const touchToken: Store["touchToken"] = async (...args) => {
      await store.dropToken("ci");
      await store.touchToken(...args);
    };
    await operationsOver({ touchToken }).authenticate(token);
    expect(await store.tokens()).toEqual([]);
  });

  test("a token that was made anew under the name of one that is in use is not marked as used", async () => {
    const operations = operationsOver();
    const { token } = await operations.createToken({ name: "ci", scopes: ["read"] }, LOCAL);
    const touchToken: Store["touchToken"] = async (...args) => {
      await operations.revokeToken("ci", LOCAL);
      await operations.createToken({ name: "ci", scopes: ["admin"] }, LOCAL);
      await store.touchToken(...args);
    };
    await operationsOver({ touchToken }).authenticate(token);
    const tokens = await operations.tokens();
    expect(tokens).toMatchObject([{ name: "ci", scopes: ["admin"] }]);
    expect(tokens[0]).not.toHaveProperty("usedAtMs");
  });

  test("of two who create a token of one name at the same time one is refused, and the other's token works", async () => {
    const operations = operationsOver();
    const create = () => operations.createToken({ name: "ci", scopes: ["read"] }, LOCAL);
    const [one, other] = await Promise.allSettled([create(), create()]);
    expect([one.status, other.status].sort()).toEqual(["fulfilled", "rejected"]);
    const made = one.status === "fulfilled" ? one : (other as PromiseFulfilledResult<{ token: string }>);
    expect(await operations.authenticate(made.value.token)).toMatchObject({ name: "ci" });
  });

  test("a hundred requests with one token write its use once", async () => {
    let writes = 0;
    const touchToken: Store["touchToken"] = async (...args) => {
      writes += 1;
      await store.touchToken(...args);
    };
    const operations = operationsOver({ touchToken });
    const { token } = await operations.createToken({ name: "ci", scopes: ["read"] }, LOCAL);
    await Promise.all(Array.from({ length: 100 }, () => operations.authenticate(token)));
    expect(writes).toBe(1);
  });

  test("a token still opens the API when its use cannot be written down", async () => {
    const operations = operationsOver({ touchToken: () => Promise.reject(new Error("database or disk is full")) });
    const { token } = await operations.createToken({ name: "ci", scopes: ["read"] }, LOCAL);
    expect(await operations.authenticate(token)).toMatchObject({ name: "ci" });
  });
});

describe("on loopback, where nobody has to show a token", () => {
  let started: Started;
  beforeAll(async () => {
    started = await startEngine({ "signalbox.yaml": "server: { port: 0, admin: { port: 0 } }\nstore: memory\n" }, {});
  });
  afterAll(() => started.stop());

  const create = async (name: string, scopes: string[]) => {
    const made = await started.api<{ token: string }>("/api/v1/tokens", { name, scopes });
    return { authorization: `Bearer ${made.body.token}` };
  };

  test.each(["Bearer sbx_made_up", "Bearer", "Basic dTpw", "nonsense"])(
    "`Authorization: %s` is refused",
    async (authorization) => {
      expect((await started.api("/api/v1/events", undefined, { authorization })).status).toBe(401);
    },
  );

  test("a token with the scope read reads, and neither reloads nor creates tokens", async () => {
    const headers = await create("reader", ["read"]);
    expect((await started.api("/api/v1/events", undefined, headers)).status).toBe(200);
    expect((await started.api("/api/v1/policy/reload", {}, headers)).status).toBe(403);
    expect((await started.api("/api/v1/tokens", { name: "more", scopes: ["admin"] }, headers)).status).toBe(403);
  });

  test("the audit log names the token that was shown, and `local` when none was", async () => {
    const headers = await create("deployer", ["admin"]);
    await started.api("/api/v1/tokens", { name: "made-by-token", scopes: ["read"] }, headers);
    const { body } = await started.api<{ items: { who: string; target: string }[] }>("/api/v1/audit");
    const whoMade = (name: string) => body.items.find(({ target }) => target === name)?.who;
    expect(whoMade("made-by-token")).toBe("deployer");
    expect(whoMade("deployer")).toBe("local");
  });
});
