/** What every store promises of its queue: the sentences of src/ports/queue.ts, one test each, over every adapter. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Attempt, actionParts, type Delivery } from "../../src/model.ts";
import type { DueDeliveries, LeaseOptions } from "../../src/ports/queue.ts";
import type { Store } from "../../src/ports/store.ts";
import { ARRIVAL_MS, decision, delivery, instance, newEvent, timer } from "../support/nouns.ts";
import { commit, LEASE, load, STORES, undecided } from "../support/stores.ts";

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

  const pending = async (...deliveries: Delivery[]) => {
    await given("evt_1");
    await commit(store, [decision("evt_1", { deliveries })]);
  };
  const at = (id: string, ms: number, action = "slack.post") =>
    delivery(id, { nextAtMs: ARRIVAL_MS + ms, ...actionParts(action) });
  const lease = (ms: number, more: Partial<LeaseOptions> = {}) => store.lease(ARRIVAL_MS + ms, { ...LEASE, ...more });
  const idsOf = ({ leased }: DueDeliveries) => leased.map((one) => one.delivery.id);
  /** The only delivery that is due. */
  const leaseOne = async (ms: number) => {
    const { leased } = await lease(ms);
    expect(leased).toHaveLength(1);
    return leased[0]!;
  };

  describe("timersDue", () => {
    test("gives out timers whose time has come, oldest first, and says when the next falls due", async () => {
      await given("evt_0");
      const timersSet = [
        timer("b", { dueAtMs: ARRIVAL_MS + 20 }),
        timer("a", { dueAtMs: ARRIVAL_MS + 10 }),
        timer("c", { dueAtMs: ARRIVAL_MS + 30 }),
      ];
      await commit(store, [decision("evt_0", { timersSet })]);
      const due = await store.timersDue(ARRIVAL_MS + 21, 100);
      expect(due.timers.map(({ id }) => id)).toEqual(["a", "b"]);
      expect(due.nextAtMs).toBe(ARRIVAL_MS + 30);
    });

    test("no timer waits: no next time", async () => {
      expect(await store.timersDue(ARRIVAL_MS, 100)).toEqual({ timers: [] });
    });

    test("timers are not leased: they are given out until they are fired", async () => {
      await given("evt_1");
      await commit(store, [decision("evt_1", { timersSet: [timer("t")] })]);
      await store.timersDue(ARRIVAL_MS + 100, 100);
      expect((await store.timersDue(ARRIVAL_MS + 100, 100)).timers).toEqual([timer("t")]);
    });

    test("a timer beyond the limit is next", async () => {
      await given("evt_1");
      const timersSet = [1, 2, 3].map((ms) => timer(`t${ms}`, { dueAtMs: ARRIVAL_MS + ms }));
      await commit(store, [decision("evt_1", { timersSet })]);
      const due = await store.timersDue(ARRIVAL_MS + 10, 2);
      expect(due.timers.map(({ id }) => id)).toEqual(["t1", "t2"]);
      expect(due.nextAtMs).toBe(ARRIVAL_MS + 3);
    });

    test("an overdue delivery does not wake who asks for timers, nor an overdue timer who asks for deliveries", async () => {
      await pending(at("dlv_1", 5));
      await given("evt_2");
      await commit(store, [decision("evt_2", { timersSet: [timer("t", { dueAtMs: ARRIVAL_MS + 3 })] })]);
      const timers = await store.timersDue(ARRIVAL_MS + 10, 100);
      expect([timers.timers.length, timers.nextAtMs]).toEqual([1, undefined]);
      expect(await lease(0)).toEqual({ leased: [], nextAtMs: ARRIVAL_MS + 5 });
    });
  });

  describe("lease", () => {
    test("gives out deliveries whose time has come, oldest first, and says when the next falls due", async () => {
      await pending(at("d30", 30), at("d10", 10, "jira.comment"), at("d20", 20), at("d60", 60), at("d21", 21));
      const due = await lease(21);
      expect(due.leased.map((one) => one.delivery)).toEqual([
        at("d10", 10, "jira.comment"),
        at("d20", 20),
        at("d21", 21),
      ]);
      expect(due.nextAtMs).toBe(ARRIVAL_MS + 30);
    });

    test("nothing waits: no next time", async () => {
      await pending(delivery("dlv_1", { status: "observed" }), delivery("dlv_2", { status: "dead" }));
      expect(await lease(ARRIVAL_MS)).toEqual({ leased: [] });
    });

    test("a leased delivery is nobody else's until the lease ends, and then it is leased as interrupted", async () => {
      await pending(at("dlv_1", 0));
      const [first, second] = await Promise.all([lease(0), lease(0)]);
      expect(first).toEqual({
        leased: [
          { delivery: at("dlv_1", 0), lease: expect.any(Number), untilMs: ARRIVAL_MS + 1_000, interrupted: false },
        ],
        nextAtMs: ARRIVAL_MS + 1_000,
      });
      expect(second).toEqual({ leased: [], nextAtMs: ARRIVAL_MS + 1_000 });
      expect(idsOf(await lease(999))).toEqual([]);
      const again = await leaseOne(1_000);
      expect(again).toMatchObject({ delivery: at("dlv_1", 0), interrupted: true, untilMs: ARRIVAL_MS + 2_000 });
      expect(again.lease).not.toBe(first.leased[0]?.lease);
      expect(await store.delivery("dlv_1")).toEqual(at("dlv_1", 0));
    });

    test("a delivery that was settled for another attempt is not interrupted", async () => {
      await pending(at("dlv_1", 0));
      const { delivery, lease } = await leaseOne(0);
      await store.settle([{ lease, delivery: { ...delivery, nextAtMs: ARRIVAL_MS + 50 } }]);
      expect(await leaseOne(50)).toMatchObject({ delivery: at("dlv_1", 50), interrupted: false });
    });

    test("a connection without room is skipped, however much waits behind it, and wakes nobody", async () => {
      const paused = Array.from({ length: 5 }, (_, index) => at(`s${index}`, index));
      await pending(...paused, at("j1", 40, "jira.comment"), at("j2", 70, "jira.comment"));
      const due = await lease(50, { room: { slack: 0 }, limit: 2 });
      expect(idsOf(due)).toEqual(["j1"]);
      expect(due.nextAtMs).toBe(ARRIVAL_MS + 70);
    });

    test("each connection gets as many as it has room for, whatever room another has", async () => {
      const slack = Array.from({ length: 5 }, (_, index) => at(`s${index}`, index));
      await pending(...slack, at("j1", 10, "jira.comment"), at("j2", 11, "jira.comment"), at("h1", 12, "hook.post"));
      const due = await lease(50, { room: { slack: 3, jira: 1, idle: 1 }, roomOfOthers: 1 });
      expect(idsOf(due)).toEqual(["s0", "s1", "s2", "j1", "h1"]);
      expect(due.nextAtMs).toBe(ARRIVAL_MS + 3);
      expect(idsOf(await lease(50, { room: { slack: 1, jira: 0 }, roomOfOthers: 0 }))).toEqual(["s3"]);
    });

    test("a connection that is not named has the room of others, also when its name is odd", async () => {
      await pending(at("d1", 1, "constructor.post"), at("d2", 2, "__proto__.post"));
      expect(idsOf(await lease(10, { roomOfOthers: 0 }))).toEqual([]);
      expect(idsOf(await lease(10, { roomOfOthers: 1 }))).toEqual(["d1", "d2"]);
    });

    test("what is beyond the limit stays due and is next", async () => {
      await pending(at("d1", 1), at("d2", 2, "jira.comment"), at("d3", 3));
      const due = await lease(10, { limit: 2 });
      expect(idsOf(due)).toEqual(["d1", "d2"]);
      expect(due.nextAtMs).toBe(ARRIVAL_MS + 3);
      expect(idsOf(await lease(10))).toEqual(["d3"]);
    });

    describe("of one connection", () => {
      const tried = (id: string, ms: number) => ({
        ...at(id, ms),
        attempts: [{ atMs: ARRIVAL_MS, ms: 1, outcome: "retry" as const, detail: "busy" }],
      });
      beforeEach(() => pending(at("a", 1), at("b", 2), tried("c", 3), tried("d", 4), at("e", 5), tried("late", 90)));

      test("those that were tried before come first, then the oldest", async () => {
        expect(idsOf(await lease(10, { roomOfOthers: 3 }))).toEqual(["c", "d", "a"]);
        expect(idsOf(await lease(10))).toEqual(["b", "e"]);
      });

      test("as many of them as there is room for, and those beyond that wake nobody once it is used up", async () => {
        expect(idsOf(await lease(10, { room: { slack: 3 }, order: { slack: { triedRoom: 1 } } }))).toEqual([
          "c",
          "a",
          "b",
        ]);
        const due = await lease(10, { room: { slack: 9 }, order: { slack: { triedRoom: 0 } } });
        expect(idsOf(due)).toEqual(["e"]);
        expect(due.nextAtMs).toBe(ARRIVAL_MS + 1_010);
      });

      test("the others come first when that is asked for", async () => {
        expect(idsOf(await lease(10, { room: { slack: 2 }, order: { slack: { untriedFirst: true } } }))).toEqual([
          "a",
          "b",
        ]);
        const order = { slack: { untriedFirst: true, triedRoom: 1 } };
        expect(idsOf(await lease(10, { room: { slack: 9 }, order }))).toEqual(["c", "e"]);
      });

      test("those that fell due last come first when that is asked for", async () => {
        const newest = (newestFirst: "all" | "untried") => ({
          room: { slack: 2 },
          order: { slack: { newestFirst, triedRoom: 1 } },
        });
        expect(idsOf(await lease(10, newest("all")))).toEqual(["d", "e"]);
        expect(idsOf(await lease(10, newest("untried")))).toEqual(["c", "b"]);
      });
    });

    test("what callers do to a leased delivery does not reach the store", async () => {
      await pending(at("dlv_1", 0));
      (await leaseOne(0)).delivery.params.text = "changed";
      expect(await store.delivery("dlv_1")).toEqual(at("dlv_1", 0));
    });
  });

  describe("setBack", () => {
    const walk = async (clock: { byMs: number; nowMs: number }) => {
      let from = (await store.setBack(clock)).next;
      while (from !== undefined) from = (await store.setBack(clock, from)).next;
    };

    test("deliveries and leases of a clock that ran ahead fall due that much earlier; what was stored before keeps its time", async () => {
      const ahead = { createdAtMs: ARRIVAL_MS + 5_000 };
      await pending(at("early", 9_000), { ...at("ahead", 9_000), ...ahead }, { ...at("leased", 5_000), ...ahead });
      expect(idsOf(await lease(5_000))).toEqual(["leased"]);
      await walk({ byMs: 4_000, nowMs: ARRIVAL_MS + 1_000 });
      const times = async (id: string) => (await store.delivery(id))!.nextAtMs - ARRIVAL_MS;
      expect([await times("early"), await times("ahead"), await times("leased")]).toEqual([9_000, 5_000, 1_000]);
      expect(idsOf(await lease(1_999))).toEqual([]);
      expect(await leaseOne(2_000)).toMatchObject({ delivery: { id: "leased" }, interrupted: true });
    });

    test("timers that a step set while the clock ran ahead fall due that much earlier", async () => {
      await given("evt_1");
      const instances = [instance("a", 1, { updatedAtMs: ARRIVAL_MS + 5_000 }), instance("b", 1)];
      const dueAtMs = ARRIVAL_MS + 9_000;
      const timersSet = [timer("t", { dueAtMs }), timer("t", { key: "b", dueAtMs }), timer("due", { dueAtMs: 7 })];
      await commit(store, [decision("evt_1", { instances, timersSet })]);
      await walk({ byMs: 4_000, nowMs: ARRIVAL_MS + 1_000 });
      const dueOf = async (key: string) => (await store.timersOf({ ...A, key })).map((one) => one.dueAtMs - ARRIVAL_MS);
      expect([await dueOf("a"), await dueOf("b")]).toEqual([[7 - ARRIVAL_MS, 5_000], [9_000]]);
    });
  });

  describe("fire", () => {
    test("the timer is gone and its event is in the log, once", async () => {
      await given("evt_1");
      await commit(store, [decision("evt_1", { timersSet: [timer("t")] })]);
      const [first, second] = await Promise.all([
        store.fire(timer("t"), newEvent("evt_2")),
        store.fire(timer("t"), newEvent("evt_3")),
      ]);
      expect([first, second]).toEqual([true, false]);
      expect(await store.timersOf(A)).toEqual([]);
      expect(await undecided(store, 10)).toEqual(["evt_2"]);
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
      await commit(store, [decision("evt_1", { timersSet: [timer("t")] })]);
      await commit(store, [decision("evt_2", meanwhile)]);
      expect(await store.fire(timer("t"), newEvent("evt_3"))).toBe(false);
      expect(await load(store, ["evt_3"])).toEqual([]);
      expect(await store.timersOf(A)).toEqual(left);
    });
  });

  describe("settle", () => {
    const attempt = (ms: number, more: Partial<Attempt> = {}): Attempt => ({
      atMs: ARRIVAL_MS + ms,
      ms: 12,
      outcome: "retry",
      status: 503,
      detail: "busy",
      ...more,
    });
    const attempts = [attempt(0)];
    beforeEach(() => pending(delivery("dlv_1")));

    test("a delivery gets its end and the event that reports it", async () => {
      const ended: Partial<Delivery> = { status: "done", attempts, result: { ts: "1" }, settledAtMs: ARRIVAL_MS + 20 };
      const { lease: token } = await leaseOne(0);
      const report = newEvent("evt_3", { type: "delivery.done" });
      expect(await store.settle([{ lease: token, delivery: delivery("dlv_1", ended), report }])).toEqual(["kept"]);
      expect(await store.delivery("dlv_1")).toEqual(delivery("dlv_1", ended));
      expect(await undecided(store, 10)).toEqual(["evt_3"]);
      expect(idsOf(await lease(2_000))).toEqual([]);
    });

    test("a delivery gets its next attempt, which is added to the earlier ones; what else it left is replaced", async () => {
      const error = { message: "busy", status: 503 };
      const first = await leaseOne(0);
      const next = delivery("dlv_1", { attempts, error, nextAtMs: ARRIVAL_MS + 70 });
      await store.settle([{ lease: first.lease, delivery: next }]);
      expect(await store.delivery("dlv_1")).toEqual(next);
      const second = await leaseOne(70);
      const both = [...attempts, attempt(70, { outcome: "done", detail: "done" })];
      const done = delivery("dlv_1", { attempts: both, result: null, status: "done" });
      await store.settle([{ lease: second.lease, delivery: done }]);
      expect(await store.delivery("dlv_1")).toEqual(done);
    });

    test("one that was cancelled meanwhile keeps its status but takes the attempt, and is still reported", async () => {
      const { lease: token } = await leaseOne(0);
      await given("evt_2");
      await commit(store, [decision("evt_2", { cancelled: ["dlv_1"] })]);
      const late = delivery("dlv_1", { status: "done", attempts, result: 1, settledAtMs: ARRIVAL_MS + 90 });
      const settled = await store.settle([{ lease: token, delivery: late, report: newEvent("evt_3") }]);
      expect(settled).toEqual(["kept"]);
      expect(await store.delivery("dlv_1")).toEqual(
        delivery("dlv_1", { status: "cancelled", attempts, settledAtMs: ARRIVAL_MS + 5 }),
      );
      expect(await undecided(store, 10)).toEqual(["evt_3"]);
    });

    test("a settlement after another worker took over is late: no third worker gets the delivery, and every attempt is kept", async () => {
      const slow = await leaseOne(0);
      const next = await leaseOne(1_000);
      expect(next.interrupted).toBe(true);
      const busy = { ...slow.delivery, attempts, nextAtMs: ARRIVAL_MS + 1_010, error: { message: "busy" } };
      const report = newEvent("evt_late");
      expect(await store.settle([{ lease: slow.lease, delivery: busy, report }])).toEqual(["late"]);
      expect(await store.delivery("dlv_1")).toEqual(delivery("dlv_1", { attempts }));
      expect(idsOf(await lease(1_999))).toEqual([]);
      expect(await undecided(store, 10)).toEqual([]);

      const last = attempt(1_100, { outcome: "done", detail: "done" });
      const done = { ...next.delivery, attempts: [last], status: "done" as const, settledAtMs: ARRIVAL_MS + 1_112 };
      expect(await store.settle([{ lease: next.lease, delivery: done }])).toEqual(["kept"]);
      expect(await store.delivery("dlv_1")).toEqual({ ...done, attempts: [...attempts, last] });
    });

    test("a lease ends with its settlement, and a retry by hand ends it too", async () => {
      const first = await leaseOne(0);
      const again = delivery("dlv_1", { attempts, nextAtMs: ARRIVAL_MS + 50 });
      const dead = delivery("dlv_1", { attempts: [attempt(60)], status: "dead", settledAtMs: ARRIVAL_MS + 72 });
      await store.settle([{ lease: first.lease, delivery: again }]);
      expect(await store.settle([{ lease: first.lease, delivery: dead }])).toEqual(["late"]);
      expect((await store.delivery("dlv_1"))?.status).toBe("pending");

      const second = await leaseOne(50);
      await given("evt_2");
      await commit(store, [decision("evt_2", { cancelled: ["dlv_1"] })]);
      await store.retry("dlv_1", ARRIVAL_MS + 60);
      expect(await store.settle([{ lease: second.lease, delivery: dead }])).toEqual(["late"]);
      expect((await store.delivery("dlv_1"))?.status).toBe("pending");
    });

    test("answers each settlement in order; one of a delivery that is gone is late and reports nothing", async () => {
      const { lease: token } = await leaseOne(0);
      const settled = await store.settle([
        { lease: 1, delivery: delivery("dlv_none", { status: "done", attempts }), report: newEvent("evt_none") },
        { lease: token, delivery: delivery("dlv_1", { status: "done", attempts }) },
      ]);
      expect(settled).toEqual(["late", "kept"]);
      expect(await undecided(store, 10)).toEqual([]);
    });

    test("what callers do to a settlement afterwards does not reach the store", async () => {
      const { lease: token } = await leaseOne(0);
      const mine = delivery("dlv_1", { status: "done", attempts: [attempt(0)], result: { ts: "1" } });
      await store.settle([{ lease: token, delivery: mine }]);
      const before = await store.delivery("dlv_1");
      mine.attempts[0]!.detail = "changed";
      mine.result = "changed";
      expect(await store.delivery("dlv_1")).toEqual(before);
      expect(before?.attempts).toEqual(attempts);
    });

    test.each(["dead", "cancelled"] as const)(
      "a %s delivery becomes pending again, with a fresh allowance of attempts beside those it had",
      async (status) => {
        const error = { message: "gone" };
        const ended = delivery("dlv_1", { status: "dead", attempts, error, settledAtMs: ARRIVAL_MS + 20 });
        if (status === "dead") await store.settle([{ lease: (await leaseOne(0)).lease, delivery: ended }]);
        else {
          await given("evt_2");
          await commit(store, [decision("evt_2", { cancelled: ["dlv_1"] })]);
        }
        expect(await store.retry("dlv_1", ARRIVAL_MS + 500)).toBe(true);
        const before = { attempts, attemptsBefore: 1, error };
        const fresh = delivery("dlv_1", { nextAtMs: ARRIVAL_MS + 500, ...(status === "dead" && before) });
        expect(await store.delivery("dlv_1")).toEqual(fresh);
        expect(idsOf(await lease(499))).toEqual([]);
        expect(await leaseOne(500)).toMatchObject({ delivery: fresh, interrupted: false });
      },
    );

    test.each(["pending", "done", "observed"] as const)("a %s delivery cannot be retried", async (status) => {
      await given("evt_2");
      await commit(store, [decision("evt_2", { deliveries: [delivery("dlv_3", { status })] })]);
      expect(await store.retry("dlv_3", ARRIVAL_MS + 500)).toBe(false);
      expect(await store.delivery("dlv_3")).toEqual(delivery("dlv_3", { status }));
      expect(await store.retry("dlv_none", ARRIVAL_MS)).toBe(false);
    });
  });
});
