/** What every store promises of its books: the sentences of src/ports/books.ts, one test each, over every adapter. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { NewEvent } from "../../src/model.ts";
import type { PurgePosition } from "../../src/ports/books.ts";
import type { Store } from "../../src/ports/store.ts";
import { ARRIVAL_MS, decision, delivery, instance, newEvent, refusal, timer } from "../support/nouns.ts";
import { commit, purge, STORES, undecided } from "../support/stores.ts";

describe.each(STORES)("$name store", ({ open }) => {
  let store: Store;
  let remove: () => Promise<void>;
  beforeEach(async () => {
    ({ store, remove } = await open());
  });
  afterEach(() => remove());

  /** Events in the log, so that something can be decided. */
  const given = (...ids: string[]) => store.append(ids.map((id) => newEvent(id)));

  describe("books", () => {
    test("refusals come newest first, at most 1,000 of a source, the oldest go first", async () => {
      await store.refuse({ ...refusal("other", "gitlab"), excerpt: "x", delivery: "d" });
      await Promise.all(Array.from({ length: 1_003 }, (_, index) => store.refuse(refusal(`r${index}`, "github"))));
      const all = await store.refusals(2_000);
      expect(all.length).toBe(1_001);
      expect(all[0]).toEqual(refusal("r1002", "github"));
      expect(all.at(-2)?.id).toBe("r3");
      expect(all.at(-1)).toEqual({ ...refusal("other", "gitlab"), excerpt: "x", delivery: "d" });
      expect((await store.refusals(2)).map(({ id }) => id)).toEqual(["r1002", "r1001"]);
    });

    test("definitions and policies are kept under their hash; the first to come stays", async () => {
      await store.saveDefinitions([{ hash: "h1", machine: "gate", definition: { initial: "open" } }]);
      await store.saveDefinitions([{ hash: "h1", machine: "gate", definition: { initial: "other" } }]);
      expect(await store.definition("h1")).toEqual({ initial: "open" });
      expect(await store.definition("h2")).toBeUndefined();
      await store.savePolicy("rev1", { "rules/a.yaml": "- id: a\n" }, ARRIVAL_MS);
      await store.savePolicy("rev1", { "rules/a.yaml": "changed" }, ARRIVAL_MS + 1);
      expect(await store.policy("rev1")).toEqual({ "rules/a.yaml": "- id: a\n" });
      expect(await store.policy("rev2")).toBeUndefined();
    });

    test("tokens are kept by name and dropped; the first of a name stays", async () => {
      const token = (name: string) => ({ name, hash: `hash-${name}`, scopes: ["read"], createdAtMs: ARRIVAL_MS });
      expect(await store.addToken(token("ci"))).toBe(true);
      expect(await store.addToken(token("alice"))).toBe(true);
      expect(await store.addToken({ ...token("ci"), hash: "another" })).toBe(false);
      expect(await store.tokens()).toEqual([token("alice"), token("ci")]);
      expect(await store.dropToken("alice")).toBe(true);
      expect(await store.dropToken("alice")).toBe(false);
      expect((await store.tokens()).map(({ name }) => name)).toEqual(["ci"]);
    });

    test("a token remembers when it was last used, and one that was dropped does not come back", async () => {
      const token = {
        name: "ci",
        hash: "hash",
        scopes: ["read"],
        createdAtMs: ARRIVAL_MS,
        expiresAtMs: ARRIVAL_MS + 9,
      };
      await store.addToken(token);
      await store.touchToken(token, ARRIVAL_MS + 5);
      expect(await store.tokens()).toEqual([{ ...token, usedAtMs: ARRIVAL_MS + 5 }]);
      await store.dropToken("ci");
      await store.touchToken(token, ARRIVAL_MS + 6);
      expect(await store.tokens()).toEqual([]);
      await store.addToken({ ...token, hash: "made anew" });
      await store.touchToken(token, ARRIVAL_MS + 7);
      expect(await store.tokens()).toEqual([{ ...token, hash: "made anew" }]);
    });

    test("a store that can be written to answers ping, and nothing else changes", async () => {
      const before = await store.counts();
      await expect(store.ping()).resolves.toBeUndefined();
      expect(await store.counts()).toEqual(before);
    });

    test("the audit log takes a row", async () => {
      const row = { atMs: ARRIVAL_MS, who: "local", what: "signal", target: "gate/a", reason: "why", detail: { x: 1 } };
      await expect(store.audit(row)).resolves.toBeUndefined();
    });
  });

  test("the audit log is read newest first", async () => {
    await store.audit({ atMs: 1, who: "a", what: "retry", target: "dlv_1" });
    await store.audit({ atMs: 2, who: "b", what: "signal", target: "m/k", reason: "because", detail: { event: "GO" } });
    expect((await store.audits(10)).map(({ who }) => who)).toEqual(["b", "a"]);
    expect(await store.audits(1)).toEqual([
      { atMs: 2, who: "b", what: "signal", target: "m/k", reason: "because", detail: { event: "GO" } },
    ]);
  });

  describe("purge", () => {
    const LATER = ARRIVAL_MS + 1_000_000;
    const ALL = { nowMs: LATER, eventsMs: LATER, deliveriesMs: LATER };
    const purgeAll = () => purge(store, ALL);

    test("decided events go with what they caused; undecided ones stay, and so do instances and timers", async () => {
      await given("evt_1", "evt_2");
      const done = delivery("dlv_1", { event: "evt_1", status: "observed", settledAtMs: ARRIVAL_MS });
      await commit(store, [
        decision("evt_1", { deliveries: [done], instances: [instance("a", 1)], timersSet: [timer("t")] }),
      ]);
      expect(await purgeAll()).toBe(2);
      expect(await store.event("evt_1")).toBeUndefined();
      expect(await store.delivery("dlv_1")).toBeUndefined();
      expect(await undecided(store, 10)).toEqual(["evt_2"]);
      expect(await store.counts()).toMatchObject({ events: 1, instances: 1, timers: 1 });
    });

    test.each(["pending", "dead"] as const)(
      "an event with a %s delivery stays, and the delivery too",
      async (status) => {
        await given("evt_1");
        await commit(store, [
          decision("evt_1", { deliveries: [delivery("dlv_1", { event: "evt_1", status, settledAtMs: ARRIVAL_MS })] }),
        ]);
        expect(await purgeAll()).toBe(0);
        expect(await store.event("evt_1")).toBeDefined();
        expect(await store.delivery("dlv_1")).toBeDefined();
      },
    );

    test("what is younger than asked for stays", async () => {
      await given("evt_1");
      await commit(store, [decision("evt_1")]);
      expect(await purge(store, { nowMs: LATER, eventsMs: ARRIVAL_MS, deliveriesMs: LATER })).toBe(0);
      expect(await store.event("evt_1")).toBeDefined();
    });

    test("oldest first, at most as many as allowed; afterwards a copy of a purged event is news", async () => {
      const keys = [{ key: "id:a" }];
      await store.append([newEvent("evt_1", {}, keys), newEvent("evt_2"), newEvent("evt_3")]);
      await commit(
        store,
        ["evt_1", "evt_2", "evt_3"].map((id) => decision(id)),
      );
      let gone = 0;
      for (let from: PurgePosition | undefined; gone === 0; ) {
        const purged = await store.purge({ ...ALL, keys: true }, 2, from);
        gone = purged.gone;
        from = purged.next;
      }
      expect(gone).toBe(2);
      expect((await store.events({}, { limit: 10 })).items.map((record) => record.event.id)).toEqual(["evt_3"]);
      expect(await store.append([newEvent("evt_4", {}, keys)])).toEqual([{ id: "evt_4", duplicate: false }]);
    });

    test("a key with a time of its own outlives its event; one that is also kept with its event lives as long as either", async () => {
      const brief = { key: "body:a", untilMs: LATER + 10 };
      const long = { key: "id:a", untilMs: ARRIVAL_MS + 10, whileKept: true } as const;
      const at = (id: string, ms: number, keys: NewEvent["keys"]) =>
        store.append([newEvent(id, { receivedAt: new Date(ms).toISOString() }, keys)]);
      await store.append([newEvent("evt_1", {}, [brief, long])]);
      await commit(store, [decision("evt_1")]);
      expect(await at("evt_2", LATER, [long])).toEqual([{ id: "evt_1", duplicate: true }]);
      expect(await purgeAll()).toBe(1);
      expect(await at("evt_3", LATER, [brief])).toEqual([{ id: "evt_1", duplicate: true }]);
      expect(await at("evt_4", LATER, [long])).toEqual([{ id: "evt_4", duplicate: false }]);
      expect(await at("evt_5", LATER + 11, [brief])).toEqual([{ id: "evt_5", duplicate: false }]);
    });

    test("deliveries added later are listed after those that were purged", async () => {
      await given("evt_1", "evt_2");
      const observed = (id: string, event: string) =>
        delivery(id, { event, status: "observed", settledAtMs: ARRIVAL_MS });
      await commit(store, [decision("evt_1", { deliveries: [observed("dlv_1", "evt_1")] })]);
      await purge(store, { nowMs: LATER, eventsMs: 0, deliveriesMs: LATER });
      await commit(store, [
        decision("evt_2", { deliveries: [observed("dlv_2", "evt_2"), observed("dlv_3", "evt_2")] }),
      ]);
      const { items } = await store.deliveries({}, { limit: 10 });
      expect(items.map(({ id }) => id)).toEqual(["dlv_3", "dlv_2"]);
    });
  });
});
