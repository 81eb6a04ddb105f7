/** What every store promises of its log: the sentences of src/ports/log.ts, one test each, over every adapter. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { NewEvent } from "../../src/model.ts";
import type { ClaimOptions } from "../../src/ports/log.ts";
import type { Store } from "../../src/ports/store.ts";
import { ARRIVAL_MS, decision, delivery, event, instance, newEvent, timer, trace } from "../support/nouns.ts";
import { CLAIM, commit, expectNothingBeforeWhatWasShown, LEASE, load, STORES, undecided } from "../support/stores.ts";

const OK = { ok: true };
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

  describe("append", () => {
    test("answers each event in order: stored, or the id of the earlier copy", async () => {
      await store.append([newEvent("evt_1", {}, [{ key: "id:a" }])]);
      const answers = await store.append([
        newEvent("evt_2", {}, [{ key: "id:b" }]),
        newEvent("evt_3", {}, [{ key: "id:a" }]),
        newEvent("evt_4"),
      ]);
      expect(answers).toEqual([
        { id: "evt_2", duplicate: false },
        { id: "evt_1", duplicate: true },
        { id: "evt_4", duplicate: false },
      ]);
      expect(await undecided(store, 10)).toEqual(["evt_1", "evt_2", "evt_4"]);
    });

    test("one key in common is enough, and only what is stored leaves its keys", async () => {
      await store.append([newEvent("evt_1", {}, [{ key: "id:a" }, { key: "body:x" }])]);
      const [copy] = await store.append([newEvent("evt_2", {}, [{ key: "id:b" }, { key: "body:x" }])]);
      expect(copy).toEqual({ id: "evt_1", duplicate: true });
      expect(await store.append([newEvent("evt_3", {}, [{ key: "id:b" }])])).toEqual([
        { id: "evt_3", duplicate: false },
      ]);
    });

    test("two copies in one call are one event", async () => {
      const keys = [{ key: "id:a" }];
      expect(await store.append([newEvent("evt_1", {}, keys), newEvent("evt_2", {}, keys)])).toEqual([
        { id: "evt_1", duplicate: false },
        { id: "evt_1", duplicate: true },
      ]);
    });

    test("an event whose id is in the log is a duplicate, with or without keys", async () => {
      await given("evt_1");
      expect(await store.append([newEvent("evt_1", { title: "changed" })])).toEqual([{ id: "evt_1", duplicate: true }]);
      expect((await load(store, ["evt_1"]))[0]?.title).toBeUndefined();
    });

    test.each([
      { arrives: "the moment the key ends", afterMs: 60_000, duplicate: true },
      { arrives: "a millisecond later", afterMs: 60_001, duplicate: false },
    ])("a copy that arrives $arrives: duplicate $duplicate", async ({ afterMs, duplicate }) => {
      const at = (id: string, ms: number): NewEvent =>
        newEvent(id, { receivedAt: new Date(ARRIVAL_MS + ms).toISOString() }, [
          { key: "body:x", untilMs: ARRIVAL_MS + ms + 60_000 },
        ]);
      await store.append([at("evt_1", 0)]);
      const [answer] = await store.append([at("evt_2", afterMs)]);
      expect(answer?.duplicate).toBe(duplicate);
      // An expired key was replaced: it now stands for the later event, with the later end.
      const [third] = await store.append([at("evt_3", afterMs + 60_000)]);
      expect(third).toEqual(duplicate ? { id: "evt_3", duplicate: false } : { id: "evt_2", duplicate: true });
    });

    test("what callers do to an event afterwards does not reach the log", async () => {
      const mine = newEvent("evt_1", { tickets: ["WEB-1"] });
      await store.append([mine]);
      mine.event.tickets?.push("WEB-2");
      const [loaded] = await load(store, ["evt_1"]);
      loaded!.data.id = "changed";
      expect((await load(store, ["evt_1"]))[0]).toEqual(event("evt_1", { tickets: ["WEB-1"] }));
    });

    test("gives an event back as it came, whatever text it holds", async () => {
      const odd = ["\ud800", "\0", "\u0000x", "\uffff", "😀", "日本", "'; drop table events; --", ""];
      const data = { odd, nested: { deep: [null, -0.5, 1e300, true] } };
      const full = odd.map((text, index) =>
        event(`evt_${index}`, {
          subject: text,
          repo: text,
          title: text,
          to: { kind: "timer", machine: text, key: text, signal: "GO", timer: "t", step: 1 },
          data,
        }),
      );
      await store.append(full.map((one) => ({ event: one, dataText: JSON.stringify(data), keys: [] })));
      expect(
        await load(
          store,
          full.map(({ id }) => id),
        ),
      ).toEqual(full);
      for (const [index, subject] of odd.entries()) {
        expect(idsOf(await store.events({ subject }, { limit: 9 }))).toEqual([`evt_${index}`]);
      }
    });
  });

  describe("marks", () => {
    const value = { page: 3, odd: ["\ud800", null] };

    test("the mark of a source is the one that was appended last, with events or without", async () => {
      expect(await store.mark("queue")).toBeUndefined();
      await store.append([newEvent("evt_1")], { source: "queue", value: "a" });
      await store.append([newEvent("evt_2")], { source: "\ud800", value: null });
      await store.append([], { source: "queue", value });
      expect(await store.mark("queue")).toEqual(value);
      expect(await store.mark("\ud800")).toBeNull();
      expect(await store.mark("\ud801")).toBeUndefined();
      expect(await undecided(store)).toEqual(["evt_1", "evt_2"]);
    });

    test("it moves on though every event is a duplicate", async () => {
      await given("evt_1");
      const [answer] = await store.append([newEvent("evt_1")], { source: "queue", value: 2 });
      expect([answer?.duplicate, await store.mark("queue")]).toEqual([true, 2]);
    });
  });

  describe("claim", () => {
    const claim = (node: string, ms: number, more: Partial<ClaimOptions> = {}) =>
      store.claim(node, { ...CLAIM, nowMs: ARRIVAL_MS + ms, ...more });

    test("undecided events come oldest first, in log order, at most as many as asked", async () => {
      await given("evt_9", "evt_1", "evt_5");
      await commit(store, [decision("evt_9")]);
      await given("evt_2");
      expect(await undecided(store, 10)).toEqual(["evt_1", "evt_5", "evt_2"]);
      expect(await undecided(store, 2)).toEqual(["evt_1", "evt_5"]);
      expect((await claim("a", 20_000, { limit: 2 })).events).toEqual([event("evt_1"), event("evt_5")]);
    });

    test("what the caller holds is named and not read", async () => {
      await given("evt_1", "evt_2", "evt_3");
      const { ids, events } = await claim("a", 0, { held: ["evt_3", "evt_1", "evt_none"] });
      expect(ids).toEqual(["evt_1", "evt_2", "evt_3"]);
      expect(events).toEqual([event("evt_2")]);
    });

    test("events are read up to a size, but always one; what is held weighs nothing", async () => {
      const filler = "x".repeat(1_000);
      await store.append(["evt_1", "evt_2", "evt_3", "evt_4"].map((id) => newEvent(id, { data: { filler } })));
      expect((await claim("a", 0, { bytes: 1 })).ids).toEqual(["evt_1"]);
      expect((await claim("a", 0, { bytes: 3_000 })).ids).toEqual(["evt_1", "evt_2"]);
      const held = ["evt_1", "evt_2", "evt_3"];
      expect((await claim("a", 0, { bytes: 1_500, held })).ids).toEqual(["evt_1", "evt_2", "evt_3", "evt_4"]);
      expect((await claim("a", 0, { bytes: 1, held })).ids).toEqual(held);
    });

    test("what claim has shown is never preceded by a later arrival", async () => {
      await expectNothingBeforeWhatWasShown(store, [store, store, store]);
    });

    test("while one node holds the lane another is shown nothing, and what it claims proves nothing", async () => {
      await given("evt_1");
      const held = await claim("a", 0);
      const other = await claim("b", 9_999);
      expect([other.ids, other.events]).toEqual([[], []]);
      expect(await store.commit([decision("evt_1")], other)).toEqual({ ok: false, why: "fenced" });
      expect(await store.commit([decision("evt_1")], held)).toEqual(OK);
    });

    test("a lease that has ended goes to another node, and the earlier holder is fenced", async () => {
      await given("evt_1");
      const held = await claim("a", 0);
      const taken = await claim("b", 10_000);
      expect(taken.ids).toEqual(["evt_1"]);
      expect((await claim("a", 10_001)).ids).toEqual([]);
      const whole = decision("evt_1", { instances: [instance("a", 1)], deliveries: [delivery("dlv_1")] });
      expect(await store.commit([whole], held)).toEqual({ ok: false, why: "fenced" });
      expect(await store.commit([whole], { ...taken, lane: taken.lane + 1 })).toEqual({ ok: false, why: "fenced" });
      expect(await undecided(store)).toEqual([]);
      expect((await claim("b", 10_002)).ids).toEqual(["evt_1"]);
      expect(await store.instances([A])).toEqual([]);
      expect(await store.commit([whole], taken)).toEqual(OK);
    });

    test("a holder that claims again keeps the lane, and its tenure", async () => {
      await given("evt_1");
      const first = await claim("a", 0);
      const second = await claim("a", 6_000);
      expect([second.lane, second.fence]).toEqual([first.lane, first.fence]);
      expect((await claim("b", 15_999)).ids).toEqual([]);
      expect(await store.commit([decision("evt_1")], first)).toEqual(OK);
    });
  });

  describe("caused", () => {
    test("counts what decisions emit and outcomes to come, for the event with which the chain of causes began", async () => {
      await given("evt_1", "evt_2");
      const deliveries = [
        delivery("dlv_1", { emitsOutcome: true }),
        delivery("dlv_2", { emitsOutcome: true, event: "evt_2", root: "evt_1" }),
        delivery("dlv_3"),
      ];
      const emitted = [
        newEvent("evt_3", { root: "evt_1" }),
        newEvent("evt_4", { root: "evt_gone" }),
        newEvent("evt_5"),
      ];
      const both = { deliveries, emitted };
      await commit(store, [decision("evt_1", both), decision("evt_2", both)]);
      expect(await store.caused(["evt_2", "evt_1", "evt_gone"])).toEqual([0, 3, 0]);
      expect(await store.caused([])).toEqual([]);
    });

    test("an outcome that comes is not counted again, and what is appended from outside not at all", async () => {
      await given("evt_1");
      await commit(store, [decision("evt_1", { deliveries: [delivery("dlv_1", { emitsOutcome: true })] })]);
      const [leased] = (await store.lease(ARRIVAL_MS, LEASE)).leased;
      const done = { ...leased!.delivery, status: "done" as const };
      await store.settle([{ lease: leased!.lease, delivery: done, report: newEvent("evt_2", { root: "evt_1" }) }]);
      await store.append([newEvent("evt_3", { root: "evt_1" })]);
      expect(await store.caused(["evt_1"])).toEqual([1]);
    });
  });

  describe("commit", () => {
    test("writes everything a decision causes", async () => {
      await given("evt_1");
      const stepped = instance("a", 1, { timers: { late: 1 }, history: { h: ["x"] }, output: null });
      const whole = decision("evt_1", {
        instances: [stepped],
        timersSet: [timer("late")],
        deliveries: [delivery("dlv_1")],
        emitted: [newEvent("evt_2", { causedBy: "evt_1", hops: 1 })],
        trace: trace({ matched: [{ rule: "tell", items: 1, mode: "live" }] }),
      });
      expect(await commit(store, [whole])).toEqual(OK);
      expect(await store.instances([A])).toEqual([stepped]);
      expect(await store.timersOf(A)).toEqual([timer("late")]);
      expect(await store.delivery("dlv_1")).toEqual(delivery("dlv_1"));
      expect(await undecided(store, 10)).toEqual(["evt_2"]);
      expect(await store.event("evt_1")).toEqual({
        event: event("evt_1"),
        seq: 1,
        decidedAtMs: whole.decidedAtMs,
        trace: whole.trace,
      });
    });

    test("what callers do to a decision or an answer afterwards does not reach the store", async () => {
      await given("evt_1");
      const mine = decision("evt_1", { instances: [instance("a", 1)], deliveries: [delivery("dlv_1")] });
      await commit(store, [mine]);
      mine.instances[0]!.context.sha = "changed";
      mine.deliveries[0]!.params.text = "changed";
      mine.trace.policy = "changed";
      mine.deliveries[0]!.attempts.push({ atMs: 1, ms: 1, outcome: "done", detail: "changed" });
      (await store.instances([A]))[0]!.context.sha = "changed";
      (await store.event("evt_1"))!.trace!.policy = "changed";
      (await store.delivery("dlv_1"))!.params.text = "changed";
      expect(await store.instances([A])).toEqual([instance("a", 1)]);
      expect(await store.delivery("dlv_1")).toEqual(delivery("dlv_1"));
      expect((await store.event("evt_1"))?.trace).toEqual(trace());
    });

    const stale = [
      { when: "an event is decided already", why: "decided", last: decision("evt_0") },
      { when: "an event does not exist", why: "decided", last: decision("evt_none") },
      { when: "an event is decided twice in the call", why: "decided", last: decision("evt_1") },
      {
        when: "an instance that should not exist does",
        why: "stepped",
        last: decision("evt_2", { instances: [instance("old", 1)] }),
      },
      {
        when: "an instance has moved on",
        why: "stepped",
        last: decision("evt_2", { instances: [instance("old", 3, { state: 3 })] }),
      },
      {
        when: "an instance is a version ahead",
        why: "stepped",
        last: decision("evt_2", { instances: [instance("old", 5)] }),
      },
      {
        when: "an instance does not exist",
        why: "stepped",
        last: decision("evt_2", { instances: [instance("new", 2)] }),
      },
    ];
    test.each(stale)("is refused as $why and writes nothing when $when", async ({ why, last }) => {
      await given("evt_0", "evt_1", "evt_2");
      const setUp = [1, 2, 3].map((version) => instance("old", version));
      await commit(store, [
        decision("evt_0", { instances: setUp, timersSet: [timer("keep")], deliveries: [delivery("d")] }),
      ]);
      const before = await store.counts();
      const first = decision("evt_1", {
        instances: [instance("a", 1)],
        timersSet: [timer("t")],
        timersCancelled: [{ ...A, id: "keep" }],
        deliveries: [delivery("dlv_1")],
        cancelled: ["d"],
        emitted: [newEvent("evt_3", {}, [{ key: "k" }])],
      });
      expect(await commit(store, [first, last])).toEqual({ ok: false, why, event: last.event });
      expect(await store.counts()).toEqual(before);
      expect(await undecided(store, 10)).toEqual(["evt_1", "evt_2"]);
      expect(await store.instances([A, { machine: "gate", key: "old" }])).toEqual([instance("old", 3)]);
      expect(await store.timersOf(A)).toEqual([timer("keep")]);
      expect((await store.delivery("d"))?.status).toBe("pending");
      expect(await store.delivery("dlv_1")).toBeUndefined();
      // The key of the emitted event was not kept either.
      expect(await store.append([newEvent("evt_4", {}, [{ key: "k" }])])).toEqual([{ id: "evt_4", duplicate: false }]);
    });

    test("may step one instance several times, each over the version before", async () => {
      await given("evt_1", "evt_2");
      const done = await commit(store, [
        decision("evt_1", { instances: [instance("a", 1), instance("a", 2)] }),
        decision("evt_2", { instances: [instance("a", 3, { status: "done", output: { ok: true } })] }),
      ]);
      expect(done).toEqual(OK);
      expect(await store.instances([A])).toEqual([instance("a", 3, { status: "done", output: { ok: true } })]);
    });

    test("of two that read the same version one wins", async () => {
      await given("evt_1", "evt_2");
      const both = await Promise.all([
        commit(store, [decision("evt_1", { instances: [instance("a", 1)] })]),
        commit(store, [decision("evt_2", { instances: [instance("a", 1)] })]),
      ]);
      expect(both).toEqual([OK, { ok: false, why: "stepped", event: "evt_2" }]);
      expect(await undecided(store, 10)).toEqual(["evt_2"]);
    });

    test("keeps a delivery whose id exists as it is", async () => {
      await given("evt_1", "evt_2");
      await commit(store, [decision("evt_1", { deliveries: [delivery("dlv_1")] })]);
      const [leased] = (await store.lease(ARRIVAL_MS, LEASE)).leased;
      await store.settle([{ lease: leased!.lease, delivery: delivery("dlv_1", { status: "done" }) }]);
      await commit(store, [decision("evt_2", { deliveries: [delivery("dlv_1", { params: { text: "again" } })] })]);
      expect(await store.delivery("dlv_1")).toEqual(delivery("dlv_1", { status: "done" }));
      expect((await store.counts()).deliveries).toMatchObject({ pending: 0, done: 1 });
    });

    test("cancels pending deliveries, also those it has just added, and leaves others alone", async () => {
      await given("evt_1", "evt_2");
      await commit(store, [
        decision("evt_1", { deliveries: [delivery("dlv_1"), delivery("dlv_2", { status: "observed" })] }),
      ]);
      const cancelled = ["dlv_1", "dlv_2", "dlv_3", "dlv_none"];
      await commit(store, [decision("evt_2", { deliveries: [delivery("dlv_3")], cancelled })]);
      const settledAtMs = ARRIVAL_MS + 5;
      expect(await store.delivery("dlv_1")).toEqual(delivery("dlv_1", { status: "cancelled", settledAtMs }));
      expect(await store.delivery("dlv_2")).toEqual(delivery("dlv_2", { status: "observed" }));
      expect(await store.delivery("dlv_3")).toEqual(delivery("dlv_3", { status: "cancelled", settledAtMs }));
      expect((await store.lease(ARRIVAL_MS, LEASE)).leased).toEqual([]);
    });

    test("a timer that is set again replaces the one before, also when cancelled by the same decision", async () => {
      await given("evt_1", "evt_2");
      await commit(store, [decision("evt_1", { timersSet: [timer("late"), timer("other")] })]);
      const again = timer("late", { step: 2, dueAtMs: ARRIVAL_MS + 900, causedBy: "evt_2" });
      const timersCancelled = [
        { ...A, id: "late" },
        { ...A, id: "other" },
      ];
      await commit(store, [decision("evt_2", { timersCancelled, timersSet: [again] })]);
      expect(await store.timersOf(A)).toEqual([again]);
      expect((await store.counts()).timers).toBe(1);
    });

    test("emitted events are deduplicated like any other", async () => {
      await store.append([newEvent("evt_1"), newEvent("evt_2", {}, [{ key: "emit:1" }])]);
      const emitted = [newEvent("evt_3", {}, [{ key: "emit:1" }]), newEvent("evt_4", {}, [{ key: "emit:2" }])];
      await commit(store, [decision("evt_1", { emitted })]);
      expect(await undecided(store, 10)).toEqual(["evt_2", "evt_4"]);
    });

    test("an event that is emitted by a call is not decided by the same call", async () => {
      await given("evt_1");
      const emitting = decision("evt_1", { emitted: [newEvent("evt_2")] });
      expect(await commit(store, [emitting, decision("evt_2")])).toMatchObject({
        ok: false,
        why: "decided",
        event: "evt_2",
      });
      expect(await undecided(store, 10)).toEqual(["evt_1"]);
    });

    test("instances are found by exact address, whatever text it holds", async () => {
      const odd = ["\ud800", "\ud801", "\ufffd", "\0", "\uffff", "a\u0000b", "a", "A", "é", "e\u0301", ""];
      await given("evt_1");
      await commit(store, [decision("evt_1", { instances: odd.map((key) => instance(key, 1, { machine: key })) })]);
      for (const key of odd) {
        expect(await store.instances([{ machine: key, key }])).toEqual([instance(key, 1, { machine: key })]);
      }
    });

    test("calls made side by side are each all or nothing", async () => {
      await given("evt_1", "evt_2");
      const [appended, refused, committed] = await Promise.all([
        store.append([newEvent("evt_3")]),
        commit(store, [decision("evt_1", { deliveries: [delivery("dlv_1")] }), decision("evt_none")]),
        commit(store, [decision("evt_2", { deliveries: [delivery("dlv_2")] })]),
      ]);
      expect(appended[0]?.duplicate).toBe(false);
      expect([refused, committed]).toEqual([{ ok: false, why: "decided", event: "evt_none" }, OK]);
      expect(await undecided(store, 10)).toEqual(["evt_1", "evt_3"]);
      expect(await store.delivery("dlv_1")).toBeUndefined();
      expect(await store.delivery("dlv_2")).toBeDefined();
    });
  });

  test("where nodes are told of each other's writes, everything that makes work is told, until the listener leaves", async () => {
    let told = 0;
    const leave = store.changed?.(() => {
      told += 1;
    });
    if (leave === undefined) return;
    const tells = async (act: () => Promise<unknown>) => {
      const before = told;
      await act();
      return told > before;
    };
    expect(await tells(() => given("evt_1", "evt_2", "evt_3"))).toBe(true);
    expect(await tells(() => given("evt_1"))).toBe(false);
    const deliveries = [delivery("dlv_1", { status: "dead" })];
    expect(await tells(() => commit(store, [decision("evt_1", { deliveries })]))).toBe(true);
    expect(await tells(() => commit(store, [decision("evt_2")]))).toBe(false);
    expect(await tells(() => commit(store, [decision("evt_3", { timersSet: [timer("t")] })]))).toBe(true);
    expect(await tells(() => store.retry("dlv_1", ARRIVAL_MS))).toBe(true);
    expect(await tells(() => store.fire(timer("t"), newEvent("evt_4")))).toBe(true);
    leave();
    expect(await tells(() => given("evt_5"))).toBe(false);
  });

  test("closing twice is closing once", async () => {
    await given("evt_1");
    await store.close();
    await expect(store.close()).resolves.toBeUndefined();
  });
});
