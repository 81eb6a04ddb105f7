/** What every store promises of its questions: the sentences of src/ports/questions.ts, one test each, over every adapter. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { actionParts, type Instance } from "../../src/model.ts";
import type { Store } from "../../src/ports/store.ts";
import { ARRIVAL_MS, decision, delivery, instance, newEvent, timer, trace } from "../support/nouns.ts";
import { commit, LEASE, load, purge, STORES } from "../support/stores.ts";

const A = { machine: "gate", key: "a" };

describe.each(STORES)("$name store", ({ open }) => {
  let store: Store;
  let remove: () => Promise<void>;
  beforeEach(async () => {
    ({ store, remove } = await open());
  });
  afterEach(() => remove());

  /** Events in the log, so that something can be decided. */
  const given = (...ids: string[]) => store.append(ids.map((id) => newEvent(id)));
  const idsOf = (found: { items: { event: { id: string } }[] }) => found.items.map((record) => record.event.id);

  describe("questions", () => {
    const types = ["github.push", "github.pull_request.closed", "gitlab.push", "github.push", "githubx.push"];
    const rule = (name: string) => ({ rule: name, items: 1, mode: "live" as const });
    const problems = [{ code: "SB0402", message: "no such key", rule: "quiet" }];
    const log = async () => {
      await store.append(
        types.map((type, index) =>
          newEvent(`evt_${index}`, {
            type,
            source: index < 3 ? "one" : "two",
            receivedAt: new Date(ARRIVAL_MS + index).toISOString(),
            ...(index % 2 === 0 ? { repo: "acme/web", subject: `acme/web#${index}` } : {}),
          }),
        ),
      );
      await commit(store, [
        decision("evt_0", { trace: trace({ matched: [rule("loud"), rule("other")], considered: 2, problems }) }),
        decision("evt_1", { trace: trace({ considered: 3 }) }),
        decision("evt_2"),
        decision("evt_3", { trace: trace({ matched: [rule("louder")], considered: 1 }) }),
      ]);
    };

    test.each([
      { filter: {}, found: [4, 3, 2, 1, 0] },
      { filter: { type: "github.push" }, found: [3, 0] },
      { filter: { type: "github.*" }, found: [3, 1, 0] },
      { filter: { type: "git*" }, found: [4, 3, 2, 1, 0] },
      { filter: { type: "push" }, found: [] },
      { filter: { source: "two" }, found: [4, 3] },
      { filter: { repo: "acme/web" }, found: [4, 2, 0] },
      { filter: { subject: "acme/web#2" }, found: [2] },
      { filter: { rule: "loud" }, found: [0] },
      { filter: { rule: "quiet" }, found: [] },
      { filter: { outcome: "matched" }, found: [3, 0] },
      { filter: { outcome: "near-miss" }, found: [1] },
      { filter: { outcome: "no-rule" }, found: [2] },
      { filter: { outcome: "undecided" }, found: [4] },
      { filter: { outcome: "problem" }, found: [0] },
      { filter: { sinceMs: ARRIVAL_MS + 1, untilMs: ARRIVAL_MS + 3 }, found: [2, 1] },
      { filter: { type: "github.*", source: "one", outcome: "matched" }, found: [0] },
    ] as const)("events by $filter, newest first", async ({ filter, found }) => {
      await log();
      expect(idsOf(await store.events(filter, { limit: 10 }))).toEqual(found.map((index) => `evt_${index}`));
    });

    test("listed events carry everything but their data", async () => {
      await log();
      const [newest, second] = (await store.events({}, { limit: 2 })).items;
      expect(newest).toEqual({ event: { ...(await load(store, ["evt_4"]))[0], data: {} }, seq: 5 });
      expect(second?.trace?.matched).toEqual([rule("louder")]);
      expect(await store.event("evt_none")).toBeUndefined();
    });

    /** Every page, asked for one after the other; `between` may change things. */
    async function pages<T>(
      ask: (page: { limit: number; cursor?: string }) => Promise<{ items: T[]; cursor?: string }>,
      between: () => Promise<unknown> = async () => {},
    ): Promise<T[][]> {
      const all: T[][] = [];
      let cursor: string | undefined;
      do {
        const page = await ask(cursor === undefined ? { limit: 2 } : { limit: 2, cursor });
        all.push(page.items);
        cursor = page.cursor;
        await between();
      } while (cursor !== undefined);
      return all;
    }

    test("pages of events neither repeat nor skip while new ones come in", async () => {
      await log();
      let more = 0;
      const found = await pages(
        (page) => store.events({ type: "git*" }, page),
        () => given(`new_${more++}`),
      );
      expect(found.map((page) => page.map(({ event: { id } }) => id))).toEqual([
        ["evt_4", "evt_3"],
        ["evt_2", "evt_1"],
        ["evt_0"],
      ]);
    });

    test("a full page that is the last has no cursor", async () => {
      await given("evt_1", "evt_2");
      expect((await store.events({}, { limit: 2 })).cursor).toBeUndefined();
      expect((await store.events({}, { limit: 1 })).cursor).toBeDefined();
    });

    test("a cursor that no page gave is refused with SB0907", async () => {
      for (const cursor of ["", "x", "1; drop table events", "NaN"]) {
        await expect(store.events({}, { limit: 1, cursor })).rejects.toMatchObject({ code: "SB0907" });
        await expect(store.deliveries({}, { limit: 1, cursor })).rejects.toMatchObject({ code: "SB0907" });
        await expect(store.instanceList({}, { limit: 1, cursor })).rejects.toMatchObject({ code: "SB0907" });
      }
    });

    test("deliveries come newest first, filtered and in pages", async () => {
      await given("evt_1", "evt_2");
      const first = ["a", "b", "c"].map((id) => delivery(id));
      const second = delivery("d", { event: "evt_2", ...actionParts("jira.comment"), status: "dead" });
      await commit(store, [decision("evt_1", { deliveries: first }), decision("evt_2", { deliveries: [second] })]);
      const ids = async (filter: Parameters<Store["deliveries"]>[0]) =>
        (await pages((page) => store.deliveries(filter, page))).map((page) => page.map(({ id }) => id));
      expect(await ids({})).toEqual([
        ["d", "c"],
        ["b", "a"],
      ]);
      expect(await ids({ status: "dead" })).toEqual([["d"]]);
      expect(await ids({ status: "pending" })).toEqual([["c", "b"], ["a"]]);
      expect(await ids({ event: "evt_1", action: "slack.post" })).toEqual([["c", "b"], ["a"]]);
      expect(await ids({ action: "slack.update" })).toEqual([[]]);
    });

    test("instances come last changed first, filtered and in pages", async () => {
      await given("evt_1", "evt_2");
      const at = (key: string, ms: number, more = {}) => instance(key, 1, { updatedAtMs: ARRIVAL_MS + ms, ...more });
      const all = [
        at("a", 1),
        at("b", 3),
        at("c", 3),
        at("d", 2, { machine: "other" }),
        at("e", 9, { status: "done" }),
      ];
      await commit(store, [decision("evt_1", { instances: all })]);
      await commit(store, [decision("evt_2", { instances: [instance("a", 2, { updatedAtMs: ARRIVAL_MS + 5 })] })]);
      const keys = async (filter: Parameters<Store["instanceList"]>[0]) =>
        (await pages((page) => store.instanceList(filter, page))).map((page) => page.map(({ key }) => key));
      expect(await keys({})).toEqual([["e", "a"], ["c", "b"], ["d"]]);
      expect(await keys({ machine: "gate" })).toEqual([
        ["e", "a"],
        ["c", "b"],
      ]);
      expect(await keys({ status: "done" })).toEqual([["e"]]);
      expect(await keys({ key: "d" })).toEqual([["d"]]);
      expect(await keys({ machine: "gate", key: "d" })).toEqual([[]]);
      expect((await store.instanceList({ key: "a" }, { limit: 1 })).items[0]?.version).toBe(2);
    });

    test("timers of an instance come in the order they fall due", async () => {
      await given("evt_1");
      const timersSet = [timer("late"), timer("soon", { dueAtMs: 5 }), timer("x", { key: "b" }), timer("a")];
      await commit(store, [decision("evt_1", { timersSet })]);
      expect((await store.timersOf(A)).map(({ id }) => id)).toEqual(["soon", "a", "late"]);
    });

    test("counts follow everything that happens", async () => {
      await given("evt_1", "evt_2", "evt_3");
      await commit(store, [
        decision("evt_1", {
          instances: [instance("a", 1), instance("b", 1), instance("a", 2)],
          timersSet: [timer("t"), timer("u")],
          deliveries: ["1", "2", "3"].map((id) => delivery(id)).concat(delivery("4", { status: "observed" })),
          cancelled: ["1"],
        }),
      ]);
      const { leased } = await store.lease(ARRIVAL_MS, LEASE);
      const { lease } = leased.find((one) => one.delivery.id === "2")!;
      await store.settle([{ lease, delivery: delivery("2", { status: "dead" }) }]);
      await store.fire(timer("t"), newEvent("evt_4"));
      expect(await store.counts()).toEqual({
        events: 4,
        undecided: 3,
        instances: 2,
        timers: 1,
        deliveries: { pending: 1, done: 0, dead: 1, observed: 1, cancelled: 1 },
      });
    });

    test("scan walks the log in its order, with data and traces, whatever is gone", async () => {
      await log();
      await purge(store, { nowMs: ARRIVAL_MS, eventsMs: ARRIVAL_MS + 1, deliveriesMs: 0 }, 1);
      const [first, second, ...none] = await store.scan(0, 2);
      expect([first, second]).toEqual([await store.event("evt_1"), await store.event("evt_2")]);
      expect(none).toEqual([]);
      const rest = await store.scan(second!.seq, 100);
      expect(rest.map((record) => record.event.id)).toEqual(["evt_3", "evt_4"]);
      expect(rest[0]?.event.data).toEqual({ id: "evt_3" });
      expect(await store.scan(rest[1]!.seq, 100)).toEqual([]);
    });

    test("scan gives large events in smaller parts, and always one", async () => {
      const filler = "x".repeat(5 * 1024 * 1024);
      await store.append(["evt_1", "evt_2", "evt_3"].map((id) => newEvent(id, { data: { filler } })));
      const walked: number[] = [];
      for (let seq = 0, part = await store.scan(seq, 10); part.length > 0; part = await store.scan(seq, 10)) {
        walked.push(part.length);
        seq = part.at(-1)!.seq;
      }
      expect(walked).toEqual([1, 1, 1]);
    });

    test("instances of a machine are counted by definition, status and state, most first", async () => {
      await given("evt_1");
      const at = (key: string, more: Partial<Instance>) => instance(key, 1, { state: "open", ...more });
      const instances = [
        at("a", {}),
        at("b", { state: { gathering: { ci: "waiting" } } }),
        at("c", {}),
        at("d", { definition: "sha256-0" }),
        at("e", { status: "done" }),
        at("f", { machine: "other" }),
      ];
      await commit(store, [decision("evt_1", { instances })]);
      expect(await store.countsByState("gate")).toEqual([
        { definition: "sha256-1", status: "active", state: "open", instances: 2 },
        { definition: "sha256-0", status: "active", state: "open", instances: 1 },
        { definition: "sha256-1", status: "active", state: { gathering: { ci: "waiting" } }, instances: 1 },
        { definition: "sha256-1", status: "done", state: "open", instances: 1 },
      ]);
      expect(await store.countsByState("none")).toEqual([]);
    });
  });
});
