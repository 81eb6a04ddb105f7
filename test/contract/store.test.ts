/** What every store promises: the sentences of `Store` in src/ports/, one test each, over every adapter. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { actionParts, type NewEvent } from "../../src/model.ts";
import type { Store } from "../../src/ports/store.ts";
import { ARRIVAL_MS, decision, delivery, event, instance, newEvent, refusal, timer, trace } from "../support/nouns.ts";
import { STORES } from "../support/stores.ts";

const ALL = { timers: 100, deliveries: 100, leaseMs: 1_000 };
const A = { machine: "gate", key: "a" };

describe.each(STORES)("$name store", ({ open }) => {
  let store: Store;
  let remove: () => Promise<void>;
  beforeEach(async () => {
    ({ store, remove } = await open());
  });
  afterEach(() => remove());

  /** An event in the log, so that something can be decided. */
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
      expect(await store.undecided(10)).toEqual(["evt_1", "evt_2", "evt_4"]);
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
      expect((await store.load(["evt_1"]))[0]?.title).toBeUndefined();
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
      const [loaded] = await store.load(["evt_1"]);
      loaded!.data.id = "changed";
      expect((await store.load(["evt_1"]))[0]).toEqual(event("evt_1", { tickets: ["WEB-1"] }));
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
      expect(await store.load(full.map(({ id }) => id))).toEqual(full);
      for (const [index, subject] of odd.entries()) {
        expect(idsOf(await store.events({ subject }, { limit: 9 }))).toEqual([`evt_${index}`]);
      }
    });
  });

  describe("undecided and load", () => {
    test("undecided events come oldest first, in log order, at most as many as asked", async () => {
      await given("evt_9", "evt_1", "evt_5");
      await store.commit([decision("evt_9")]);
      await given("evt_2");
      expect(await store.undecided(10)).toEqual(["evt_1", "evt_5", "evt_2"]);
      expect(await store.undecided(2)).toEqual(["evt_1", "evt_5"]);
    });

    test("loads the named events in the order asked and leaves out those that do not exist", async () => {
      await given("evt_1", "evt_2");
      expect(await store.load(["evt_2", "evt_0", "evt_1"])).toEqual([event("evt_2"), event("evt_1")]);
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
      expect(await store.commit([whole])).toBe(true);
      expect(await store.instances([A])).toEqual([stepped]);
      expect(await store.timersOf(A)).toEqual([timer("late")]);
      expect(await store.delivery("dlv_1")).toEqual(delivery("dlv_1"));
      expect(await store.undecided(10)).toEqual(["evt_2"]);
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
      const settlement = { delivery: delivery("dlv_1", { attempts: [] }) };
      await store.commit([mine]);
      await store.settle([settlement]);
      mine.instances[0]!.context.sha = "changed";
      mine.deliveries[0]!.params.text = "changed";
      mine.trace.policy = "changed";
      settlement.delivery.attempts.push({ atMs: 1, ms: 1, outcome: "done", detail: "changed" });
      (await store.instances([A]))[0]!.context.sha = "changed";
      (await store.event("evt_1"))!.trace!.policy = "changed";
      (await store.due(ARRIVAL_MS, ALL)).deliveries[0]!.params.text = "changed";
      expect(await store.instances([A])).toEqual([instance("a", 1)]);
      expect(await store.delivery("dlv_1")).toEqual(delivery("dlv_1"));
      expect((await store.event("evt_1"))?.trace).toEqual(trace());
    });

    const stale = [
      { why: "an event is decided already", last: decision("evt_0") },
      { why: "an event does not exist", last: decision("evt_none") },
      { why: "an event is decided twice in the call", last: decision("evt_1") },
      { why: "an instance that should not exist does", last: decision("evt_2", { instances: [instance("old", 1)] }) },
      { why: "an instance has moved on", last: decision("evt_2", { instances: [instance("old", 3, { state: 3 })] }) },
      { why: "an instance is a version ahead", last: decision("evt_2", { instances: [instance("old", 5)] }) },
      { why: "an instance does not exist", last: decision("evt_2", { instances: [instance("new", 2)] }) },
    ];
    test.each(stale)("is refused and writes nothing when $why", async ({ last }) => {
      await given("evt_0", "evt_1", "evt_2");
      const setUp = [1, 2, 3].map((version) => instance("old", version));
      await store.commit([
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
      expect(await store.commit([first, last])).toBe(false);
      expect(await store.counts()).toEqual(before);
      expect(await store.undecided(10)).toEqual(["evt_1", "evt_2"]);
      expect(await store.instances([A, { machine: "gate", key: "old" }])).toEqual([instance("old", 3)]);
      expect(await store.timersOf(A)).toEqual([timer("keep")]);
      expect((await store.delivery("d"))?.status).toBe("pending");
      expect(await store.delivery("dlv_1")).toBeUndefined();
      // The key of the emitted event was not kept either.
      expect(await store.append([newEvent("evt_4", {}, [{ key: "k" }])])).toEqual([{ id: "evt_4", duplicate: false }]);
    });

    test("may step one instance several times, each over the version before", async () => {
      await given("evt_1", "evt_2");
      const done = await store.commit([
        decision("evt_1", { instances: [instance("a", 1), instance("a", 2)] }),
        decision("evt_2", { instances: [instance("a", 3, { status: "done", output: { ok: true } })] }),
      ]);
      expect(done).toBe(true);
      expect(await store.instances([A])).toEqual([instance("a", 3, { status: "done", output: { ok: true } })]);
    });

    test("of two that read the same version one wins", async () => {
      await given("evt_1", "evt_2");
      const both = await Promise.all([
        store.commit([decision("evt_1", { instances: [instance("a", 1)] })]),
        store.commit([decision("evt_2", { instances: [instance("a", 1)] })]),
      ]);
      expect(both).toEqual([true, false]);
      expect(await store.undecided(10)).toEqual(["evt_2"]);
    });

    test("keeps a delivery whose id exists as it is", async () => {
      await given("evt_1", "evt_2");
      await store.commit([decision("evt_1", { deliveries: [delivery("dlv_1")] })]);
      await store.settle([{ delivery: delivery("dlv_1", { status: "done" }) }]);
      await store.commit([decision("evt_2", { deliveries: [delivery("dlv_1", { params: { text: "again" } })] })]);
      expect(await store.delivery("dlv_1")).toEqual(delivery("dlv_1", { status: "done" }));
      expect((await store.counts()).deliveries).toMatchObject({ pending: 0, done: 1 });
    });

    test("cancels pending deliveries, also those it has just added, and leaves others alone", async () => {
      await given("evt_1", "evt_2");
      await store.commit([
        decision("evt_1", { deliveries: [delivery("dlv_1"), delivery("dlv_2", { status: "observed" })] }),
      ]);
      const cancelled = ["dlv_1", "dlv_2", "dlv_3", "dlv_none"];
      await store.commit([decision("evt_2", { deliveries: [delivery("dlv_3")], cancelled })]);
      const settledAtMs = ARRIVAL_MS + 5;
      expect(await store.delivery("dlv_1")).toEqual(delivery("dlv_1", { status: "cancelled", settledAtMs }));
      expect(await store.delivery("dlv_2")).toEqual(delivery("dlv_2", { status: "observed" }));
      expect(await store.delivery("dlv_3")).toEqual(delivery("dlv_3", { status: "cancelled", settledAtMs }));
      expect((await store.due(ARRIVAL_MS, ALL)).deliveries).toEqual([]);
    });

    test("a timer that is set again replaces the one before, also when cancelled by the same decision", async () => {
      await given("evt_1", "evt_2");
      await store.commit([decision("evt_1", { timersSet: [timer("late"), timer("other")] })]);
      const again = timer("late", { step: 2, dueAtMs: ARRIVAL_MS + 900, causedBy: "evt_2" });
      const timersCancelled = [
        { ...A, id: "late" },
        { ...A, id: "other" },
      ];
      await store.commit([decision("evt_2", { timersCancelled, timersSet: [again] })]);
      expect(await store.timersOf(A)).toEqual([again]);
      expect((await store.counts()).timers).toBe(1);
    });

    test("emitted events are deduplicated like any other", async () => {
      await store.append([newEvent("evt_1"), newEvent("evt_2", {}, [{ key: "emit:1" }])]);
      const emitted = [newEvent("evt_3", {}, [{ key: "emit:1" }]), newEvent("evt_4", {}, [{ key: "emit:2" }])];
      await store.commit([decision("evt_1", { emitted })]);
      expect(await store.undecided(10)).toEqual(["evt_2", "evt_4"]);
    });

    test("an event that is emitted by a call is not decided by the same call", async () => {
      await given("evt_1");
      const emitting = decision("evt_1", { emitted: [newEvent("evt_2")] });
      expect(await store.commit([emitting, decision("evt_2")])).toBe(false);
      expect(await store.undecided(10)).toEqual(["evt_1"]);
    });

    test("instances are found by exact address, whatever text it holds", async () => {
      const odd = ["\ud800", "\ud801", "\ufffd", "\0", "\uffff", "a\u0000b", "a", "A", "é", "e\u0301", ""];
      await given("evt_1");
      await store.commit([decision("evt_1", { instances: odd.map((key) => instance(key, 1, { machine: key })) })]);
      for (const key of odd) {
        expect(await store.instances([{ machine: key, key }])).toEqual([instance(key, 1, { machine: key })]);
      }
    });

    test("calls made side by side are each all or nothing", async () => {
      await given("evt_1", "evt_2");
      const [appended, refused, committed] = await Promise.all([
        store.append([newEvent("evt_3")]),
        store.commit([decision("evt_1", { deliveries: [delivery("dlv_1")] }), decision("evt_none")]),
        store.commit([decision("evt_2", { deliveries: [delivery("dlv_2")] })]),
      ]);
      expect([appended[0]?.duplicate, refused, committed]).toEqual([false, false, true]);
      expect(await store.undecided(10)).toEqual(["evt_1", "evt_3"]);
      expect(await store.delivery("dlv_1")).toBeUndefined();
      expect(await store.delivery("dlv_2")).toBeDefined();
    });
  });

  describe("due", () => {
    const pending = async (...deliveries: ReturnType<typeof delivery>[]) => {
      await given("evt_1");
      await store.commit([decision("evt_1", { deliveries })]);
    };
    const at = (id: string, ms: number, action = "slack.post") =>
      delivery(id, { nextAtMs: ARRIVAL_MS + ms, ...actionParts(action) });
    const ids = (due: { deliveries: { id: string }[] }) => due.deliveries.map(({ id }) => id);

    test("gives out timers and deliveries whose time has come, oldest first, and says when the next falls due", async () => {
      await given("evt_0");
      await store.commit([
        decision("evt_0", {
          timersSet: [timer("b", { dueAtMs: ARRIVAL_MS + 20 }), timer("a", { dueAtMs: ARRIVAL_MS + 10 }), timer("c")],
        }),
      ]);
      await pending(at("d30", 30), at("d10", 10, "jira.comment"), at("d20", 20), at("d60", 60), at("d21", 21));
      const due = await store.due(ARRIVAL_MS + 21, ALL);
      expect(due.timers.map(({ id }) => id)).toEqual(["a", "b"]);
      expect(due.deliveries).toEqual([at("d10", 10, "jira.comment"), at("d20", 20), at("d21", 21)]);
      expect(due.nextAtMs).toBe(ARRIVAL_MS + 30);
    });

    test("nothing waits: no next time", async () => {
      await pending(delivery("dlv_1", { status: "observed" }), delivery("dlv_2", { status: "dead" }));
      expect(await store.due(ARRIVAL_MS * 2, ALL)).toEqual({ timers: [], deliveries: [] });
    });

    test("a leased delivery is nobody else's until the lease ends, and then it is handed out as interrupted", async () => {
      await pending(at("dlv_1", 0));
      const [first, second] = await Promise.all([store.due(ARRIVAL_MS, ALL), store.due(ARRIVAL_MS, ALL)]);
      expect(first).toEqual({ timers: [], deliveries: [at("dlv_1", 0)], nextAtMs: ARRIVAL_MS + 1_000 });
      expect(second).toEqual({ timers: [], deliveries: [], nextAtMs: ARRIVAL_MS + 1_000 });
      expect(ids(await store.due(ARRIVAL_MS + 999, ALL))).toEqual([]);
      const again = await store.due(ARRIVAL_MS + 1_000, ALL);
      expect(again.deliveries).toEqual([{ ...at("dlv_1", 0), interrupted: true }]);
      expect(await store.delivery("dlv_1")).toEqual(at("dlv_1", 0));
    });

    test("a delivery that was settled for another attempt is not interrupted", async () => {
      await pending(at("dlv_1", 0));
      const [leased] = (await store.due(ARRIVAL_MS, ALL)).deliveries;
      await store.settle([{ delivery: { ...leased!, nextAtMs: ARRIVAL_MS + 50 } }]);
      expect((await store.due(ARRIVAL_MS + 50, ALL)).deliveries).toEqual([at("dlv_1", 50)]);
    });

    test("timers are not leased: they are given out until they are fired", async () => {
      await given("evt_1");
      await store.commit([decision("evt_1", { timersSet: [timer("t")] })]);
      await store.due(ARRIVAL_MS + 100, ALL);
      expect((await store.due(ARRIVAL_MS + 100, ALL)).timers).toEqual([timer("t")]);
    });

    test("skips paused connections, however much waits behind them, and does not wake for them", async () => {
      const paused = Array.from({ length: 5 }, (_, index) => at(`s${index}`, index));
      await pending(...paused, at("j1", 40, "jira.comment"), at("j2", 70, "jira.comment"));
      const due = await store.due(ARRIVAL_MS + 50, { ...ALL, deliveries: 2, paused: ["slack"] });
      expect(ids(due)).toEqual(["j1"]);
      expect(due.nextAtMs).toBe(ARRIVAL_MS + 70);
    });

    test("what is not asked for does not wake the one who asks: an overdue delivery the timers, an overdue timer the deliveries", async () => {
      await pending(at("dlv_1", 5));
      await given("evt_2");
      await store.commit([decision("evt_2", { timersSet: [timer("t", { dueAtMs: ARRIVAL_MS + 3 })] })]);
      const onlyTimers = await store.due(ARRIVAL_MS + 10, { ...ALL, deliveries: 0 });
      expect([onlyTimers.timers.length, onlyTimers.nextAtMs]).toEqual([1, undefined]);
      const onlyDeliveries = await store.due(ARRIVAL_MS, { ...ALL, timers: 0 });
      expect(onlyDeliveries).toEqual({ timers: [], deliveries: [], nextAtMs: ARRIVAL_MS + 5 });
    });

    test("what is beyond the limit stays due and is next", async () => {
      await pending(at("d1", 1), at("d2", 2, "jira.comment"), at("d3", 3));
      const due = await store.due(ARRIVAL_MS + 10, { ...ALL, deliveries: 2 });
      expect(ids(due)).toEqual(["d1", "d2"]);
      expect(due.nextAtMs).toBe(ARRIVAL_MS + 3);
      expect(ids(await store.due(ARRIVAL_MS + 10, ALL))).toEqual(["d3"]);
    });

    test("a timer beyond the limit is next", async () => {
      await given("evt_1");
      const timersSet = [1, 2, 3].map((ms) => timer(`t${ms}`, { dueAtMs: ARRIVAL_MS + ms }));
      await store.commit([decision("evt_1", { timersSet })]);
      const due = await store.due(ARRIVAL_MS + 10, { ...ALL, timers: 2 });
      expect(due.timers.map(({ id }) => id)).toEqual(["t1", "t2"]);
      expect(due.nextAtMs).toBe(ARRIVAL_MS + 3);
    });
  });

  describe("fire", () => {
    test("the timer is gone and its event is in the log, once", async () => {
      await given("evt_1");
      await store.commit([decision("evt_1", { timersSet: [timer("t")] })]);
      const [first, second] = await Promise.all([
        store.fire(timer("t"), newEvent("evt_2")),
        store.fire(timer("t"), newEvent("evt_3")),
      ]);
      expect([first, second]).toEqual([true, false]);
      expect(await store.timersOf(A)).toEqual([]);
      expect(await store.undecided(10)).toEqual(["evt_2"]);
    });

    test.each([
      { why: "cancelled", meanwhile: { timersCancelled: [{ ...A, id: "t" }] }, left: [] },
      {
        why: "armed by a later step",
        meanwhile: { timersSet: [timer("t", { step: 2 })] },
        left: [timer("t", { step: 2 })],
      },
      { why: "moved", meanwhile: { timersSet: [timer("t", { dueAtMs: 7 })] }, left: [timer("t", { dueAtMs: 7 })] },
    ])("a timer that was $why meanwhile does not fire", async ({ meanwhile, left }) => {
      await given("evt_1", "evt_2");
      await store.commit([decision("evt_1", { timersSet: [timer("t")] })]);
      await store.commit([decision("evt_2", meanwhile)]);
      expect(await store.fire(timer("t"), newEvent("evt_3"))).toBe(false);
      expect(await store.load(["evt_3"])).toEqual([]);
      expect(await store.timersOf(A)).toEqual(left);
    });
  });

  describe("settle and retry", () => {
    const attempts = [{ atMs: ARRIVAL_MS, ms: 12, outcome: "retry" as const, status: 503, detail: "busy" }];
    beforeEach(async () => {
      await given("evt_1", "evt_2");
      await store.commit([decision("evt_1", { deliveries: [delivery("dlv_1"), delivery("dlv_2")] })]);
    });

    test("a delivery gets its end and the event that reports it", async () => {
      const ended = delivery("dlv_1", {
        status: "done",
        attempts,
        result: { ts: "1" },
        settledAtMs: ARRIVAL_MS + 20,
      });
      await store.settle([{ delivery: ended, report: newEvent("evt_3", { type: "delivery.done" }) }]);
      expect(await store.delivery("dlv_1")).toEqual(ended);
      expect(await store.undecided(10)).toEqual(["evt_2", "evt_3"]);
      expect((await store.due(ARRIVAL_MS, ALL)).deliveries).toEqual([delivery("dlv_2")]);
    });

    test("a delivery gets its next attempt, and what an earlier attempt left is replaced", async () => {
      const error = { message: "busy", status: 503 };
      await store.settle([{ delivery: delivery("dlv_1", { attempts, error, nextAtMs: ARRIVAL_MS + 70 }) }]);
      expect(await store.delivery("dlv_1")).toEqual(delivery("dlv_1", { attempts, error, nextAtMs: ARRIVAL_MS + 70 }));
      await store.settle([{ delivery: delivery("dlv_1", { attempts, result: null, status: "done" }) }]);
      expect(await store.delivery("dlv_1")).toEqual(delivery("dlv_1", { attempts, result: null, status: "done" }));
    });

    test("one that was cancelled meanwhile keeps its status but takes the attempts, and is still reported", async () => {
      await store.commit([decision("evt_2", { cancelled: ["dlv_1"] })]);
      const late = delivery("dlv_1", { status: "done", attempts, result: 1, settledAtMs: ARRIVAL_MS + 90 });
      await store.settle([{ delivery: late, report: newEvent("evt_3") }]);
      expect(await store.delivery("dlv_1")).toEqual(
        delivery("dlv_1", { status: "cancelled", attempts, settledAtMs: ARRIVAL_MS + 5 }),
      );
      expect(await store.undecided(10)).toEqual(["evt_3"]);
    });

    test.each(["dead", "cancelled"] as const)(
      "a %s delivery becomes pending again, with a fresh allowance of attempts",
      async (status) => {
        const error = { message: "gone" };
        const ended = delivery("dlv_1", { status: "dead", attempts, error, settledAtMs: ARRIVAL_MS + 20 });
        if (status === "dead") await store.settle([{ delivery: ended }]);
        else await store.commit([decision("evt_2", { cancelled: ["dlv_1"] })]);
        expect(await store.retry("dlv_1", ARRIVAL_MS + 500)).toBe(true);
        const fresh = delivery("dlv_1", { nextAtMs: ARRIVAL_MS + 500, ...(status === "dead" && { error }) });
        expect(await store.delivery("dlv_1")).toEqual(fresh);
        expect((await store.due(ARRIVAL_MS + 499, ALL)).deliveries).toEqual([delivery("dlv_2")]);
        expect((await store.due(ARRIVAL_MS + 500, ALL)).deliveries).toEqual([fresh]);
      },
    );

    test.each(["pending", "done", "observed"] as const)("a %s delivery cannot be retried", async (status) => {
      await store.commit([decision("evt_2", { deliveries: [delivery("dlv_3", { status })] })]);
      expect(await store.retry("dlv_3", ARRIVAL_MS + 500)).toBe(false);
      expect(await store.delivery("dlv_3")).toEqual(delivery("dlv_3", { status }));
      expect(await store.retry("dlv_none", ARRIVAL_MS)).toBe(false);
    });
  });

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

    test("tokens are kept by name, replaced and dropped", async () => {
      const token = (name: string) => ({ name, hash: `hash-${name}`, scopes: ["read"], createdAtMs: ARRIVAL_MS });
      await store.saveToken(token("ci"));
      await store.saveToken(token("alice"));
      await store.saveToken({ ...token("ci"), usedAtMs: ARRIVAL_MS + 1 });
      expect(await store.tokens()).toEqual([token("alice"), { ...token("ci"), usedAtMs: ARRIVAL_MS + 1 }]);
      expect(await store.dropToken("alice")).toBe(true);
      expect(await store.dropToken("alice")).toBe(false);
      expect((await store.tokens()).map(({ name }) => name)).toEqual(["ci"]);
    });

    test("the audit log takes a row", async () => {
      const row = { atMs: ARRIVAL_MS, who: "local", what: "signal", target: "gate/a", reason: "why", detail: { x: 1 } };
      await expect(store.audit(row)).resolves.toBeUndefined();
    });

    test("counts follow everything that happens", async () => {
      await given("evt_1", "evt_2", "evt_3");
      await store.commit([
        decision("evt_1", {
          instances: [instance("a", 1), instance("b", 1), instance("a", 2)],
          timersSet: [timer("t"), timer("u")],
          deliveries: ["1", "2", "3"].map((id) => delivery(id)).concat(delivery("4", { status: "observed" })),
          cancelled: ["1"],
        }),
      ]);
      await store.settle([{ delivery: delivery("2", { status: "dead" }) }]);
      await store.fire(timer("t"), newEvent("evt_4"));
      expect(await store.counts()).toEqual({
        events: 4,
        undecided: 3,
        instances: 2,
        timers: 1,
        deliveries: { pending: 1, done: 0, dead: 1, observed: 1, cancelled: 1 },
      });
    });
  });

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
      await store.commit([
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
      expect(newest).toEqual({ event: { ...(await store.load(["evt_4"]))[0], data: {} }, seq: 5 });
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
      await store.commit([decision("evt_1", { deliveries: first }), decision("evt_2", { deliveries: [second] })]);
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
      await store.commit([decision("evt_1", { instances: all })]);
      await store.commit([decision("evt_2", { instances: [instance("a", 2, { updatedAtMs: ARRIVAL_MS + 5 })] })]);
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
      await store.commit([decision("evt_1", { timersSet })]);
      expect((await store.timersOf(A)).map(({ id }) => id)).toEqual(["soon", "a", "late"]);
    });
  });

  test("closing twice is closing once", async () => {
    await given("evt_1");
    await store.close();
    await expect(store.close()).resolves.toBeUndefined();
  });

  describe("forget", () => {
    const LATER = ARRIVAL_MS + 1_000_000;
    const forgetAll = (limit = 100) => store.forget({ nowMs: LATER, eventsMs: LATER, deliveriesMs: LATER }, limit);

    test("decided events go with what they caused; undecided ones stay, and so do instances and timers", async () => {
      await given("evt_1", "evt_2");
      const done = delivery("dlv_1", { event: "evt_1", status: "observed", settledAtMs: ARRIVAL_MS });
      await store.commit([
        decision("evt_1", { deliveries: [done], instances: [instance("a", 1)], timersSet: [timer("t")] }),
      ]);
      expect(await forgetAll()).toBe(2);
      expect(await store.event("evt_1")).toBeUndefined();
      expect(await store.delivery("dlv_1")).toBeUndefined();
      expect(await store.undecided(10)).toEqual(["evt_2"]);
      expect(await store.counts()).toMatchObject({ events: 1, instances: 1, timers: 1 });
    });

    test.each(["pending", "dead"] as const)(
      "an event with a %s delivery stays, and the delivery too",
      async (status) => {
        await given("evt_1");
        await store.commit([
          decision("evt_1", { deliveries: [delivery("dlv_1", { event: "evt_1", status, settledAtMs: ARRIVAL_MS })] }),
        ]);
        expect(await forgetAll()).toBe(0);
        expect(await store.event("evt_1")).toBeDefined();
        expect(await store.delivery("dlv_1")).toBeDefined();
      },
    );

    test("what is younger than asked for stays", async () => {
      await given("evt_1");
      await store.commit([decision("evt_1")]);
      expect(await store.forget({ nowMs: LATER, eventsMs: ARRIVAL_MS, deliveriesMs: LATER }, 100)).toBe(0);
      expect(await store.event("evt_1")).toBeDefined();
    });

    test("oldest first, at most as many as allowed; afterwards a copy of a forgotten event is news", async () => {
      const keys = [{ key: "id:a" }];
      await store.append([newEvent("evt_1", {}, keys), newEvent("evt_2"), newEvent("evt_3")]);
      await store.commit(["evt_1", "evt_2", "evt_3"].map((id) => decision(id)));
      expect(await forgetAll(2)).toBe(2);
      expect((await store.events({}, { limit: 10 })).items.map((record) => record.event.id)).toEqual(["evt_3"]);
      expect(await store.append([newEvent("evt_4", {}, keys)])).toEqual([{ id: "evt_4", duplicate: false }]);
    });

    test("deliveries added later are listed after those that were forgotten", async () => {
      await given("evt_1", "evt_2");
      const observed = (id: string, event: string) =>
        delivery(id, { event, status: "observed", settledAtMs: ARRIVAL_MS });
      await store.commit([decision("evt_1", { deliveries: [observed("dlv_1", "evt_1")] })]);
      await store.forget({ nowMs: LATER, eventsMs: 0, deliveriesMs: LATER }, 100);
      await store.commit([decision("evt_2", { deliveries: [observed("dlv_2", "evt_2"), observed("dlv_3", "evt_2")] })]);
      const { items } = await store.deliveries({}, { limit: 10 });
      expect(items.map(({ id }) => id)).toEqual(["dlv_3", "dlv_2"]);
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
});
