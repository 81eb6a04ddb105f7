import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { CompiledMachine } from "../../src/core/machine/file/compile.ts";
import { type Signal, type StepResult, step } from "../../src/core/machine/run/step.ts";
import { type Instance, LIMITS } from "../../src/model.ts";
import { thorough } from "../support/thorough.ts";
import { ACTIONS, chance, chartOf, EVENTS, type Options, type Pick, type Raw } from "./machine-chart.ts";
import { type Native, nativeOf } from "./machine-native.ts";
import { frozen, machineOf, T0 } from "./machine-story.ts";

const RUNS = thorough(20, 150);
const STEPS = 12;

/** One instance of ours and one actor of xstate, given the same signals. */
interface Duel {
  readonly machine: CompiledMachine;
  readonly native: Native;
  row: Instance | undefined;
  nowMs: number;
  /** When the armed timers are due. */
  readonly due: Map<string, number>;
  /** The states that told of their entry and not yet of their exit. */
  readonly inside: Set<string>;
}

/** What happened while they were followed. */
interface Told {
  /** Steps that moved both. */
  moved: number;
  done: number;
  failed: number;
  /** Signals that neither took to an end. */
  loops: number;
}

/** Follows both until they are over. Throws at the first difference. */
function follow(seed: number, path: number, told: Told, options: Options = {}): void {
  const pick = chance(path);
  const chart = chartOf(seed, options);
  const n = pick(6);
  const native = nativeOf(chart, n, { inOrder: options.always !== undefined });
  const duel: Duel = {
    machine: machineOf(chart),
    native,
    row: undefined,
    nowMs: T0,
    due: new Map(),
    inside: new Set(),
  };
  for (let i = 0; i < STEPS; i++) {
    const signal = duel.row ? next(duel, duel.row, pick) : begin(duel, n);
    if (!signal) return;
    const result = stepBoth(duel, signal);
    if (result.problems.some(({ code }) => code === "SB0405")) {
      expect(result.transition.ignored).toContain("in a loop");
      expect(native.errors.length > 0 || native.microsteps() > LIMITS.microsteps).toBe(true);
      told.loops += 1;
      return;
    }
    expect(native.microsteps()).toBeLessThanOrEqual(LIMITS.microsteps);
    compare(duel, result);
    if (duel.row?.status === "active") told.moved += result.instance ? 1 : 0;
    else {
      told[duel.row?.status === "done" ? "done" : "failed"] += 1;
      return;
    }
  }
}

function begin({ native }: Duel, n: number): Signal {
  native.start();
  return { kind: "signal", name: "START", event: { type: "START", n } };
}

/** The next timer, the end of a call or a signal, given to the actor already; undefined when xstate leaves open what comes next. */
function next({ due, native, nowMs }: Duel, row: Instance, pick: Pick): Signal | undefined {
  const kind = pick(6);
  const calls = Object.entries(row.calls);
  const [first, second] = Object.entries(row.timers).toSorted(([a], [b]) => (due.get(a) ?? 0) - (due.get(b) ?? 0));
  if (kind === 0 && first) {
    const [id, armedBy] = first;
    if (second && due.get(id) === due.get(second[0])) return undefined;
    native.wait((due.get(id) ?? 0) - nowMs);
    return { kind: "timer", name: "timer", event: { type: "timer.due", n: 0 }, timer: id, step: armedBy };
  }
  const n = pick(6);
  const call = calls[pick(calls.length || 1)];
  if (kind <= 2 && call) {
    const [id, startedBy] = call;
    const ok = pick(2) === 0;
    native.answer(id, ok, n);
    const outcome = ok ? { output: { n } } : { error: { message: "no" } };
    return { kind: "call", name: "outcome", event: { type: "outcome", n, ...outcome }, call: id, step: startedBy, ok };
  }
  const name = EVENTS[pick(EVENTS.length)] ?? "";
  native.send(name, n);
  return { kind: "signal", name, event: { type: name, n } };
}

/** Our step, once from the row that is kept and once from what a store would give back. */
function stepBoth(duel: Duel, signal: Signal): StepResult {
  const { machine, row } = duel;
  if (signal.kind === "timer") duel.nowMs = duel.due.get(signal.timer) ?? duel.nowMs;
  const result = step(machine, "k", row, signal, duel.nowMs);
  const stored = row && (JSON.parse(JSON.stringify(row)) as Instance);
  expect(JSON.stringify(step(machine, "k", stored, signal, duel.nowMs))).toBe(JSON.stringify(result));
  for (const { id, dueAtMs } of result.timersSet) duel.due.set(id, dueAtMs);
  duel.row = result.instance ?? row;
  return result;
}

function compare({ machine, native, row, inside }: Duel, result: StepResult): void {
  const { state, context, status, output, calls } = row ?? {};
  const done = native.done();
  const effects = [...result.deliveries.filter(({ call }) => !call), ...result.emits];
  const isFailed = status === "error";
  expect({
    ...{ state, context, status, output, calls: Object.keys(calls ?? {}).toSorted() },
    logs: result.logs,
    effects: effects.toSorted((a, b) => a.index - b.index).map(({ index: _, ...effect }) => effect),
    problems: result.problems.map(({ code }) => code),
  }).toEqual({
    ...native.seen(),
    logs: done.flatMap(({ log }) => (log ? [log] : [])),
    effects: done.filter(({ log }) => !log),
    problems: isFailed ? ["SB0406"] : [],
  });
  if (!result.instance || isFailed) return;
  const misfits = result.logs.filter((line) => !fits(line, inside));
  const active = status === "done" ? [] : (machine.interpreter.activeStates(state ?? null) ?? []);
  expect([misfits, ...[...inside].toSorted()]).toEqual([[], ...active.map(({ id }) => id).toSorted()]);
}

/** Enters and leaves as the line tells; false when that state was entered, or left, already. */
function fits(line: string, inside: Set<string>): boolean {
  const [, way, state = ""] = /^(in|out) (.*)$/.exec(line) ?? [];
  if (way === "in") return inside.size < inside.add(state).size;
  return way === undefined || inside.delete(state);
}

describe("our steps and xstate's own actor", () => {
  const run = (): Told => ({ moved: 0, done: 0, failed: 0, loops: 0 });
  const each = (numRuns: number, what: (seed: number, path: number) => void) =>
    fc.assert(fc.property(fc.integer(), fc.integer(), what), { numRuns, ...thorough({ seed: 20260105 }, {}) });

  test("give the same states, contexts, effects in their order, end and output, for any chart and signals", () => {
    const all = run();
    each(RUNS * 2, (seed, path) => follow(seed, path, all));
    expect(all.moved).toBeGreaterThan(RUNS * 2);
  });

  test("give the same with timers and calls, which are xstate's own there", () => {
    const all = run();
    each(RUNS, (seed, path) => follow(seed, path, all, { waits: true }));
    expect(all.moved).toBeGreaterThan(RUNS);
    expect(all.done + all.failed).toBeGreaterThan(0);
  });

  test("give the same with eventless transitions in several regions, where xstate's active states are kept in document order", () => {
    const all = run();
    each(RUNS, (seed, path) => follow(seed, path, all, { always: "anywhere" }));
    expect(all.moved).toBeGreaterThan(RUNS);
  });
});

describe("where xstate's own actor depends on its past", () => {
  const guard = "context.n > 1";
  const quiet = (state: Raw): Raw => ({ entry: [], exit: [], ...state });
  const move = (target: string, more: Raw = {}): Raw => ({ target: `#m.${target}`, actions: [], ...more });
  const again = quiet({ on: { E0: move("p.first.now") } });
  const now = quiet({ on: { E0: move("p.first.again") }, always: move("x", { guard }) });
  const first = quiet({ initial: "now", states: { again, now } });
  const second = quiet({ initial: "now", states: { now: quiet({ always: move("y", { guard }) }) } });
  /** Both regions leave as soon as the guard holds. */
  const chart: Raw = {
    id: "m",
    startOn: ["START"],
    initial: "p",
    context: { n: 0, before: 0 },
    states: { p: quiet({ type: "parallel", states: { first, second } }), x: quiet({}), y: quiet({}) },
    on: { E1: { actions: [ACTIONS.increase, ACTIONS.increase] } },
  };

  test("the first region in the file wins, also when it was entered last", () => {
    const native = nativeOf(chart, 0);
    const inOrder = nativeOf(chart, 0, { inOrder: true });
    const machine = machineOf(chart);
    let row: Instance | undefined;
    for (const name of ["START", "E0", "E0", "E1"]) {
      for (const actor of [native, inOrder]) {
        if (name === "START") actor.start();
        else actor.send(name, 0);
      }
      row = step(machine, "k", row, { kind: "signal", name, event: { type: name } }, T0).instance;
    }
    expect(native.seen().state).toBe("y");
    expect(inOrder.seen().state).toBe("x");
    expect(row?.state).toBe("x");
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
    return {
      kind: "timer",
      name: "timer",
      event: { type: "t" },
      timer: timer[0],
      step: timer[1] - (pick(5) === 0 ? 1 : 0),
    };
  if (kind <= 2 && call) {
    const end = { call: call[0], step: call[1] - (pick(5) === 0 ? 1 : 0), ok: pick(2) === 0 };
    const event = { type: "o", n: 1, output: { x: 1 }, error: { message: "no" } };
    return { kind: "call", name: "outcome", event, ...end };
  }
  const name = EVENTS[pick(EVENTS.length)] ?? "";
  return { kind: "signal", name, event: { type: name, n: pick(6) } };
}

const START: Signal = { kind: "signal", name: "START", event: { type: "START", n: 0 } };

describe("steps are pure", () => {
  test("the same step twice, also from a stored row in a machine compiled anew, has the same bytes, and its input is not written to", () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer(), (seed, path) => {
        const chart = chartOf(seed, { waits: true });
        const machine = machineOf(chart);
        const other = machineOf(JSON.parse(JSON.stringify(machine.definition)) as Record<string, unknown>);
        const pick = chance(path);
        let row: Instance | undefined;
        for (let i = 0; i < 6; i++) {
          const signal = frozen(row ? signalFor(row, pick) : START);
          const once = step(machine, "k", frozen(row), signal, T0);
          step(machine, "other", undefined, { kind: "signal", name: "START", event: { n: 5 } }, T0 + 5);
          expect(JSON.stringify(step(machine, "k", row, signal, T0))).toBe(JSON.stringify(once));
          const stored = row && (JSON.parse(JSON.stringify(row)) as Instance);
          expect(JSON.stringify(step(other, "k", stored, signal, T0))).toBe(JSON.stringify(once));
          row = once.instance ?? row;
        }
      }),
      { numRuns: RUNS },
    );
  });

  test("what a row says is armed and awaited is what its steps set, cancelled, fired and started", () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer(), (seed, path) => {
        const machine = machineOf(chartOf(seed, { waits: true }));
        const pick = chance(path);
        const timers = new Map<string, number>();
        const calls = new Map<string, number>();
        let row: Instance | undefined;
        for (let i = 0; i < 12; i++) {
          const signal = row ? signalFor(row, pick) : START;
          const result = step(machine, "k", row, signal, T0 + i);
          if (!result.instance) continue;
          const { version } = result.instance;
          expect(version).toBe((row?.version ?? 0) + 1);
          if (signal.kind === "timer") timers.delete(signal.timer);
          if (signal.kind === "call") calls.delete(signal.call);
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
