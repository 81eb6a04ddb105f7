import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { chanceOf, deliveryId, eventId } from "../../src/core/ids.ts";
import { outcomeEvent, scheduleEvent, timerEvent } from "../../src/core/own-events.ts";
import { afterAttempt, mayHaveHappened } from "../../src/core/retry.ts";
import { type Delivery, LIMITS, type Outcome } from "../../src/model.ts";

const AT = Date.UTC(2026, 0, 5, 9);

const delivery = (over: Partial<Delivery> = {}): Delivery => ({
  id: "dlv_TEST",
  event: "evt_TEST",
  cause: { kind: "rule", rule: "r", item: 0, index: 0 },
  connection: "slack",
  action: "post",
  params: { text: "x" },
  status: "pending",
  attempts: [],
  nextAtMs: AT,
  emitsOutcome: false,
  hops: 0,
  createdAtMs: AT,
  ...over,
});
const retry: Outcome = { kind: "retry", error: { message: "busy", status: 503 } };
const failures = (count: number, id = "dlv_TEST") => {
  let one = delivery({ id });
  for (let i = 0; i < count; i++) one = afterAttempt(one, retry, one.nextAtMs, 5);
  return one;
};

describe("an attempt's outcome says what happens next", () => {
  test.each<[Outcome, Delivery["status"]]>([
    [{ kind: "done", result: { ok: 1 } }, "done"],
    [retry, "pending"],
    [{ kind: "rejected", error: { message: "no", status: 404 } }, "dead"],
    [{ kind: "uncertain", error: { message: "lost" } }, "pending"],
  ])("%o leaves it %s", (outcome, status) => {
    const after = afterAttempt(delivery(), outcome, AT, 20);
    expect(after.status).toBe(status);
    expect(after.attempts).toHaveLength(1);
    expect(after.settledAtMs).toBe(status === "pending" ? undefined : AT + 20);
  });

  test("it is dead after as many attempts as allowed, its own number first", () => {
    expect(failures(LIMITS.attempts - 1).status).toBe("pending");
    expect(failures(LIMITS.attempts).status).toBe("dead");
    const few = delivery({ retry: { attempts: 2 } });
    const once = afterAttempt(few, retry, AT, 1);
    expect([once.status, afterAttempt(once, retry, AT, 1).status]).toEqual(["pending", "dead"]);
  });

  test("a retry by hand gives a fresh allowance beside the attempts that were made before", () => {
    const dead = failures(LIMITS.attempts);
    let again: Delivery = { ...dead, status: "pending", attemptsBefore: LIMITS.attempts };
    for (let i = 1; i < LIMITS.attempts; i++) again = afterAttempt(again, retry, again.nextAtMs, 5);
    expect([again.status, again.attempts.length]).toEqual(["pending", 2 * LIMITS.attempts - 1]);
    expect(afterAttempt(again, retry, again.nextAtMs, 5).status).toBe("dead");
    const first = afterAttempt({ ...dead, status: "pending", attemptsBefore: LIMITS.attempts }, retry, AT, 0);
    expect(first.nextAtMs - AT).toBeLessThanOrEqual(1_000);
  });

  test("success after failures forgets the error", () => {
    expect(afterAttempt(failures(2), { kind: "done" }, AT, 1).error).toBeUndefined();
  });
});

describe("back-off", () => {
  test("is the same for the same delivery and attempt, and differs between deliveries", () => {
    expect(failures(3)).toEqual(failures(3));
    expect(failures(3, "dlv_A").nextAtMs).not.toBe(failures(3, "dlv_B").nextAtMs);
  });

  test("never comes before Retry-After, and a Retry-After of years is not believed", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1e12 }), fc.string(), (afterMs, id) => {
        const next = afterAttempt(delivery({ id }), { ...retry, afterMs } as Outcome, AT, 0).nextAtMs;
        expect(next).toBeGreaterThan(AT + Math.min(afterMs, 86_400_000));
        expect(next).toBeLessThanOrEqual(AT + Math.min(afterMs, 86_400_000) + 1_000);
      }),
    );
  });

  test("all attempts together span at most about a day", () => {
    const last = failures(LIMITS.attempts - 1);
    expect(last.nextAtMs - AT).toBeLessThan(26 * 3_600_000);
  });
});

test("only an uncertain or interrupted attempt is looked for before the next", () => {
  const uncertain = afterAttempt(delivery(), { kind: "uncertain", error: { message: "lost" } }, AT, 1);
  expect(mayHaveHappened(delivery(), false)).toBe(false);
  expect(mayHaveHappened(failures(1), false)).toBe(false);
  expect(mayHaveHappened(uncertain, false)).toBe(true);
  expect(mayHaveHappened(delivery(), true)).toBe(true);
});

describe("our own events", () => {
  test("an outcome that a call waits for is addressed to its instance, with the step that asked", () => {
    const cause: Delivery["cause"] = { kind: "call", machine: "m", key: "k", step: 7, index: 0, call: "move" };
    const done = afterAttempt(
      delivery({ cause, emitsOutcome: true, hops: 3 }),
      { kind: "done", result: { to: "Done" } },
      AT,
      9,
    );
    const { event } = outcomeEvent(done);
    expect(event).toMatchObject({
      type: "delivery.done",
      causedBy: "evt_TEST",
      hops: 4,
      to: { kind: "call", machine: "m", key: "k", call: "move", step: 7, ok: true },
      data: { output: { to: "Done" } },
    });
    expect(outcomeEvent(done).keys).toEqual(outcomeEvent(done).keys);
    expect(outcomeEvent(done).keys).toHaveLength(1);
    const dead = afterAttempt(delivery({ cause }), { kind: "rejected", error: { message: "no" } }, AT, 9);
    expect(outcomeEvent(dead).event).toMatchObject({
      ...{ type: "delivery.failed", to: { kind: "call", ok: false } },
      data: { action: "slack.post", error: { message: "no" } },
    });
  });

  test("a schedule's tick is the same event on every node, whenever it is told", () => {
    const one = scheduleEvent({ id: "nightly", data: {} }, AT, AT + 3);
    const other = scheduleEvent({ id: "nightly", data: {} }, AT, AT + 900);
    expect(one.event.id).toBe(other.event.id);
    expect(one.keys).toEqual(other.keys);
    expect(scheduleEvent({ id: "nightly", data: {} }, AT + 60_000, AT).keys).not.toEqual(one.keys);
  });

  test("a timer carries the step that armed it and starts a new chain", () => {
    const { event } = timerEvent(
      { machine: "m", key: "k", id: "t", step: 2, dueAtMs: AT, causedBy: "evt_TEST" },
      AT + 5,
    );
    expect(event.to).toMatchObject({ kind: "timer", timer: "t", step: 2 });
    expect(event.hops).toBeUndefined();
  });
});

describe("ids", () => {
  test("sort by time and depend on the cause alone", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 2 ** 45 }),
        fc.integer({ min: 1, max: 1e9 }),
        fc.string(),
        fc.string(),
        (at, later, a, b) => {
          expect(eventId(at, a)).toBe(eventId(at, a));
          expect(eventId(at, a) < eventId(at + later, b)).toBe(true);
          expect(eventId(at, a)).toMatch(/^evt_[0-9A-HJKMNP-TV-Z]{26}$/);
        },
      ),
    );
  });

  test("of deliveries do not run together where causes do", () => {
    expect(deliveryId("rule", "e", "ab", 1, 2)).not.toBe(deliveryId("rule", "e", "a", "b1", 2));
    expect(deliveryId("x", 1)).toMatch(/^dlv_[0-9A-HJKMNP-TV-Z]{26}$/);
    expect(chanceOf("x")).toBe(chanceOf("x"));
  });
});
