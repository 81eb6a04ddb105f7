import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createActor } from "xstate";
import { type Signal, step } from "../../src/core/machine/step.ts";
import type { Instance } from "../../src/model.ts";
import { chance, chartOf, EVENTS, nativeOf, occurs } from "./machine-chart.ts";
import { frozen, machineOf, T0 } from "./machine-story.ts";

const RUNS = 60;
const events = fc.array(fc.record({ name: fc.constantFrom(...EVENTS), n: fc.integer({ min: 0, max: 5 }) }), {
  maxLength: 12,
});

describe("our steps and xstate's own actor", () => {
  test("give the same states, contexts, order of effects and end, for any chart and signals", () => {
    let moved = 0;
    fc.assert(
      fc.property(fc.integer(), events, (seed, sequence) => {
        const chart = chartOf(seed, { effects: false });
        const logs: string[] = [];
        const errors: unknown[] = [];
        occurs({ n: 0 });
        const actor = createActor(nativeOf(chart, logs));
        actor.subscribe({ error: (error) => errors.push(error) });
        const machine = machineOf(chart);
        let row: Instance | undefined;
        const send = (name: string, n: number) => {
          logs.length = 0;
          occurs({ n });
          if (name === "START") actor.start();
          else actor.send({ type: name });
          const result = step(machine, "k", row, { name, event: { type: name, n } }, T0);
          if (errors.length > 0) {
            expect(result.problems.at(-1)?.message).toContain("microsteps");
            return false;
          }
          expect(result.problems).toEqual([]);
          if (result.instance && row) moved += 1;
          row = result.instance ?? row;
          const { value, context, status } = actor.getSnapshot();
          expect({ state: row?.state, n: row?.context.n, status: row?.status, logs: result.logs }).toEqual({
            state: value,
            n: (context as { n: number }).n,
            status,
            logs,
          });
          return status === "active";
        };
        if (!send("START", 0)) return;
        for (const { name, n } of sequence) if (!send(name, n)) return;
      }),
      { numRuns: RUNS },
    );
    expect(moved).toBeGreaterThan(RUNS);
  });
});

/** A signal that may or may not fit: events, timers and calls of now, and stale ones. */
function signalFor(row: Instance, pick: (below: number) => number): Signal {
  const timers = Object.entries(row.timers);
  const calls = Object.entries(row.calls);
  const kind = pick(6);
  const timer = timers[pick(timers.length || 1)];
  const call = calls[pick(calls.length || 1)];
  if (kind === 0 && timer)
    return { name: "timer", event: { type: "t" }, timer: { id: timer[0], step: timer[1] - (pick(5) === 0 ? 1 : 0) } };
  if (kind <= 2 && call) {
    const answer = { id: call[0], step: call[1] - (pick(5) === 0 ? 1 : 0), ok: pick(2) === 0 };
    return { name: "outcome", event: { type: "o", n: 1, output: { x: 1 }, error: { message: "no" } }, call: answer };
  }
  const name = EVENTS[pick(4)] ?? "";
  return { name, event: { type: name, n: pick(6) } };
}

describe("steps are pure", () => {
  test("a row that passes through JSON before each step goes the same way as one that is kept", () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer(), (seed, path) => {
        const machine = machineOf(chartOf(seed, { effects: true }));
        const pick = chance(path);
        const first: Signal = { name: "START", event: { type: "START", n: 0 } };
        let kept = step(machine, "k", undefined, first, T0).instance;
        let stored = kept && JSON.stringify(kept);
        for (let i = 0; i < 10 && kept && stored; i++) {
          const signal = signalFor(kept, pick);
          const hot = step(machine, "k", kept, signal, T0 + i);
          const cold = step(machine, "k", JSON.parse(stored) as Instance, signal, T0 + i);
          expect(JSON.stringify(cold)).toBe(JSON.stringify(hot));
          kept = hot.instance ?? kept;
          stored = JSON.stringify(kept);
        }
      }),
      { numRuns: RUNS },
    );
  });

  test("the same step twice, also in a machine compiled anew, has the same bytes, and its input is not written to", () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer(), (seed, path) => {
        const chart = chartOf(seed, { effects: true });
        const machine = machineOf(chart);
        const other = machineOf(JSON.parse(JSON.stringify(machine.definition)) as Record<string, unknown>);
        const pick = chance(path);
        let row: Instance | undefined;
        for (let i = 0; i < 6; i++) {
          const signal = frozen(row ? signalFor(row, pick) : { name: "START", event: { type: "START", n: 0 } });
          const once = step(machine, "k", frozen(row), signal, T0);
          step(machine, "other", undefined, { name: "START", event: { n: 5 } }, T0 + 5);
          expect(JSON.stringify(step(machine, "k", row, signal, T0))).toBe(JSON.stringify(once));
          expect(JSON.stringify(step(other, "k", row, signal, T0))).toBe(JSON.stringify(once));
          row = once.instance ?? row;
        }
      }),
      { numRuns: RUNS / 2 },
    );
  });

  test("what a row says is armed and awaited is what its steps set, cancelled, fired and started", () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer(), (seed, path) => {
        const machine = machineOf(chartOf(seed, { effects: true }));
        const pick = chance(path);
        const timers = new Map<string, number>();
        const calls = new Map<string, number>();
        let row: Instance | undefined;
        for (let i = 0; i < 12; i++) {
          const signal = row ? signalFor(row, pick) : { name: "START", event: { type: "START", n: 0 } };
          const result = step(machine, "k", row, signal, T0 + i);
          if (!result.instance) continue;
          const { version } = result.instance;
          expect(version).toBe((row?.version ?? 0) + 1);
          if (signal.timer) timers.delete(signal.timer.id);
          if (signal.call) calls.delete(signal.call.id);
          for (const id of result.timersCancelled) expect(timers.delete(id)).toBe(true);
          for (const { call, step: at } of result.callsCancelled) {
            expect(calls.get(call)).toBe(at);
            calls.delete(call);
          }
          for (const { id } of result.timersSet) timers.set(id, version);
          for (const { call } of result.deliveries) if (call !== undefined) calls.set(call, version);
          row = result.instance;
          expect(row.timers).toEqual(Object.fromEntries(timers));
          expect(row.calls).toEqual(Object.fromEntries(calls));
          const indexes = [...result.deliveries, ...result.emits].map(({ index }) => index);
          expect(new Set(indexes).size).toBe(indexes.length);
        }
      }),
      { numRuns: RUNS },
    );
  });
});
