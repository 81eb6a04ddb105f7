/** A connection to a target that fails: it judges the target and not the item, and is open again within seconds once anything passes. */
import { describe, expect, test } from "vitest";
import { createGate } from "../../src/flow/gate.ts";
import type { Outcome } from "../../src/model.ts";
import { woundClock } from "../support/clock.ts";
import { deliverAll, TARGETS } from "../support/targets.ts";

const BUSY: Outcome = { kind: "retry", error: { message: "busy", status: 503 } };
const DONE: Outcome = { kind: "done" };
const CONCURRENCY = 4;
/** Different deliveries that fail with none passing, until the target is judged to be down. */
const FAILURES = 8;

function gateOf() {
  const clock = woundClock();
  const gate = createGate(new Map([["out", { concurrency: CONCURRENCY }]]), clock);
  let count = 0;
  const attempt = (outcome: Outcome | undefined, id = `${count++}`) =>
    gate.enter({ id, connection: "out", attempts: [] })(outcome);
  const fail = (times: number) => {
    for (let i = 0; i < times; i++) attempt(BUSY);
  };
  return { clock, gate, attempt, fail, room: () => gate.room().room.out };
}

describe("500 deliveries to a target that", () => {
  test.each(TARGETS.map((target) => ({ target, name: target.name })))(
    "is of this temper are done in at most three times the best possible: $name",
    async ({ target }) => {
      const { doneMs, bestMs, ownWaitMs, dead } = await deliverAll(target, { deliveries: 500, concurrency: 16 });
      expect(doneMs).toBeGreaterThan(0);
      expect(doneMs).toBeLessThan(3 * (bestMs + ownWaitMs));
      expect(dead).toBe(0);
    },
  );

  test("fails the first try of every delivery are done in twice the best possible, also one at a time", async () => {
    const target = TARGETS.find(({ name }) => name.startsWith("fails the first try"))!;
    for (const concurrency of [1, 4, 16]) {
      const { doneMs, bestMs, requests } = await deliverAll(target, { deliveries: 500, concurrency });
      expect(doneMs).toBeLessThan(2 * bestMs);
      expect(requests).toBe(1_000);
    }
  });

  test("is down for ten minutes get few requests meanwhile, and none is given up", async () => {
    const target = TARGETS.find(({ name }) => name.startsWith("dead for"))!;
    const { requests, dead } = await deliverAll(target, { deliveries: 500, concurrency: 16 });
    expect(requests).toBeLessThan(800);
    expect(dead).toBe(0);
  });
});

describe("the breaker", () => {
  test("one poisoned delivery never holds others back, however often it fails and whatever it asks for", () => {
    const { attempt, room } = gateOf();
    attempt(DONE);
    for (let i = 0; i < 1_000; i++) attempt({ ...BUSY, afterMs: 60_000 } as Outcome, "poisoned");
    expect(room()).toBe(CONCURRENCY);
  });

  test("a delivery that asks for a pause again although others passed in between speaks for itself", () => {
    const { clock, attempt, room } = gateOf();
    const limited: Outcome = { kind: "retry", error: { message: "slow down", status: 429 }, afterMs: 5_000 };
    attempt(limited, "poisoned");
    expect(room()).toBe(0);
    clock.advance(5_000);
    attempt(DONE);
    attempt(limited, "poisoned");
    expect(room()).toBe(CONCURRENCY);
    attempt(limited, "another");
    expect(room()).toBe(0);
  });

  test("different deliveries that fail with none passing close the connection for a second", () => {
    const { clock, gate, fail, room } = gateOf();
    fail(FAILURES - 1);
    expect(room()).toBe(CONCURRENCY);
    fail(1);
    expect(gate.room()).toMatchObject({ room: { out: 0 }, openInMs: 1_000 });
    clock.advance(1_000);
    expect(room()).toBe(4);
  });

  test("a success that comes during a pause ends it at once", () => {
    const { gate, fail, room } = gateOf();
    const running = gate.enter({ id: "slow", connection: "out", attempts: [] });
    fail(FAILURES);
    expect(room()).toBe(0);
    running(DONE);
    expect(room()).toBe(CONCURRENCY);
  });

  test("pauses grow while probes fail, to no more than 15 s", () => {
    const { clock, gate, fail } = gateOf();
    fail(FAILURES);
    const pauses = Array.from({ length: 7 }, () => {
      const { openInMs = 0 } = gate.room();
      clock.advance(openInMs);
      fail(4);
      return openInMs;
    });
    expect(pauses).toEqual([1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000]);
  });

  test("an attempt that never reached the target says nothing about it", () => {
    const { attempt, fail, room } = gateOf();
    fail(FAILURES - 1);
    attempt(undefined);
    fail(1);
    expect(room()).toBe(0);
  });
});
