/** Keys that a vendor serves: what forged requests may cause, and what a change of keys does. */
import { expect, test } from "vitest";
import { memoryCache } from "../../src/cache/memory.ts";
import type { Verdict } from "../../src/ports/provider.ts";
import { verifyWithKeys } from "../../src/providers/kit/fetched-keys.ts";
import { woundClock } from "../support/clock.ts";

const MINUTE_MS = 67_000;

function vendor(keys: string[] | Error) {
  const clock = woundClock();
  const cache = memoryCache({ clock });
  const served = { keys, fetches: 0 };
  const load = async () => {
    served.fetches++;
    if (served.keys instanceof Error) throw served.keys;
    return served.keys;
  };
  const ask = (key: string): Promise<Verdict> =>
    verifyWithKeys(
      { cacheKey: "vendor", load },
      (known) => (known.includes(key) ? { ok: true } : { ok: false, reason: "signature_mismatch" }),
      { cache },
    );
  return { served, clock, ask };
}

test("a thousand forged requests cause two fetches a minute", async () => {
  const { served, clock, ask } = vendor(["old"]);
  for (let i = 0; i < 1_000; i++) expect(await ask("forged")).toMatchObject({ ok: false });
  expect(served.fetches).toBe(2);
  clock.advance(MINUTE_MS);
  for (let i = 0; i < 1_000; i++) expect(await ask("forged")).toMatchObject({ ok: false });
  expect(served.fetches).toBe(3);
});

test("new keys are taken with the first request that they have signed", async () => {
  const { served, ask } = vendor(["old"]);
  expect(await ask("old")).toMatchObject({ ok: true });
  served.keys = ["new"];
  expect(await ask("new")).toMatchObject({ ok: true });
  expect(await ask("old")).toMatchObject({ ok: false, reason: "signature_mismatch" });
});

test("while the vendor is away one fetch a minute is tried, and what is known stays in use", async () => {
  const { served, clock, ask } = vendor(new Error("down"));
  for (let i = 0; i < 10; i++)
    expect(await ask("old")).toEqual({ ok: false, reason: "key_unavailable", detail: "down" });
  expect(served.fetches).toBe(1);
  clock.advance(MINUTE_MS);
  served.keys = ["old"];
  expect(await ask("old")).toMatchObject({ ok: true });
  served.keys = new Error("down again");
  expect(await ask("forged")).toMatchObject({ ok: false, reason: "signature_mismatch" });
  expect(await ask("old")).toMatchObject({ ok: true });
});
