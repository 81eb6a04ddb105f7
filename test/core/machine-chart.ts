/** Random statecharts, as our file and as xstate's own configuration, for properties and comparison. */
import { type AnyStateMachine, assign, createMachine, raise } from "xstate";

type Raw = Record<string, unknown>;

/** A small generator of numbers, so that one integer of fast-check is one chart. */
export function chance(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0;
    return ((state ^ (state >>> 13)) >>> 0) % below;
  };
}

export const EVENTS = ["E0", "E1", "E2", "E3"];

const GUARDS: Record<string, (context: { n: number }, event: { n: number }) => boolean> = {
  "context.n > 1": (context) => context.n > 1,
  "context.n % 2 == 0": (context) => context.n % 2 === 0,
  "event.n > 2": (_, event) => event.n > 2,
};

interface State {
  path: string[];
  raw: Raw;
  parent: State | undefined;
}

/** With `effects` also timers, calls and actions; without, only what xstate's own actor can do as well. */
export function chartOf(seed: number, options: { effects: boolean }): Raw {
  const pick = chance(seed);
  const states: State[] = [];
  const root: Raw = { id: "m", startOn: ["START"], context: { n: 0 } };
  const top: State = { path: [], raw: root, parent: undefined };
  addChildren(top, 2 + pick(2), pick, states);
  for (const state of states) addBehaviour(state, states, pick, options.effects);
  return root;
}

function addChildren(parent: State, depth: number, pick: (below: number) => number, states: State[]): void {
  const isParallel = parent.path.length > 0 && pick(3) === 0;
  const names = Array.from({ length: 2 + pick(2) }, (_, i) => `${"abc"[i]}`);
  const children: Raw = {};
  for (const name of names) {
    const child: State = { path: [...parent.path, name], raw: {}, parent };
    children[name] = child.raw;
    states.push(child);
    if (depth > 1 && pick(2) === 0) addChildren(child, depth - 1, pick, states);
    else if (!isParallel && name !== "a" && pick(4) === 0) child.raw.type = "final";
  }
  parent.raw.states = children;
  if (isParallel) parent.raw.type = "parallel";
  else parent.raw.initial = "a";
  if (!isParallel && parent.parent && pick(3) === 0) {
    const raw = { type: "history", history: pick(2) === 0 ? "deep" : "shallow" };
    children.h = raw;
    states.push({ path: [...parent.path, "h"], raw, parent });
  }
}

function addBehaviour(state: State, states: State[], pick: (below: number) => number, effects: boolean): void {
  const { raw, path } = state;
  if (raw.type === "history") return;
  const name = path.join(".");
  raw.entry = [{ log: `in ${name}` }, ...(pick(4) === 0 ? [increase] : [])];
  raw.exit = [{ log: `out ${name}` }];
  if (raw.type === "final") return;
  const on: Raw = {};
  for (const event of EVENTS) if (pick(3) === 0) on[event] = transition(state, states, pick);
  raw.on = on;
  if (raw.states && pick(2) === 0) raw.onDone = transition(state, states, pick);
  if (pick(6) === 0 && !isInRegion(state)) addAlways(state, siblings(state, states), pick);
  if (!effects) return;
  if (pick(2) === 0) raw.after = { [`${1 + pick(5)}m`]: transition(state, states, pick) };
  if (pick(3) === 0)
    raw.invoke = {
      src: "x.call",
      input: { n: "{{context.n}}" },
      onDone: transition(state, states, pick),
      onError: transition(state, states, pick),
    };
  if (pick(3) === 0) (raw.entry as Raw[]).push({ "x.act": { at: "{{event.type}}" } });
}

// An eventless transition that changes no state is where we differ: xstate takes it again after signals that nothing took.
function addAlways(state: State, targets: State[], pick: (below: number) => number): void {
  const others = targets.filter((to) => to !== state);
  if (others.length === 0) return;
  const always = transition(state, others, pick);
  if (always.target) state.raw.always = { ...always, guard: guardOf(pick) };
}

const increase = { assign: { n: { cel: "(context.n + 1) % 7" } } };

function guardOf(pick: (below: number) => number): string {
  return Object.keys(GUARDS)[pick(2)] ?? "";
}

/** xstate takes eventless transitions of regions in the order in which they were entered, we in document order. */
function isInRegion(state: State): boolean {
  for (let at = state.parent; at; at = at.parent) if (at.raw.type === "parallel") return true;
  return false;
}

function siblings({ parent }: State, states: State[]): State[] {
  return states.filter((state) => state.parent === parent && state.raw.type !== "history");
}

function transition(from: State, states: State[], pick: (below: number) => number): Raw {
  const targets = states.filter((to) => to.raw.type !== "history" || !isInside(from, to.parent));
  const to = pick(5) === 0 ? undefined : targets[pick(targets.length)];
  return {
    ...(to ? { target: `#m.${to.path.join(".")}` } : {}),
    ...(pick(3) === 0 ? { guard: Object.keys(GUARDS)[pick(3)] } : {}),
    ...(pick(4) === 0 ? { reenter: true } : {}),
    actions: [
      { log: `${from.path.join(".")} moves` },
      ...(pick(3) === 0 ? [increase] : []),
      ...(pick(9) === 0 ? [{ raise: EVENTS[pick(4)] }] : []),
    ],
  };
}

function isInside(state: State, outer: State | undefined): boolean {
  for (let at: State | undefined = state; at; at = at.parent) if (at === outer) return true;
  return false;
}

/** The same chart written for xstate by hand, not by our lowering. */
export function nativeOf(chart: Raw, logs: string[]): AnyStateMachine {
  const { startOn: _, ...rest } = chart;
  const config = { ...convert(rest, logs), context: { n: 0, event: { n: 0 } }, options: { maxIterations: 1_000 } };
  return createMachine(config as never) as unknown as AnyStateMachine;
}

function convert(raw: Raw, logs: string[]): Raw {
  const converted: Raw = { ...raw };
  if (raw.states) converted.states = mapped(raw.states as Raw, (state) => convert(state as Raw, logs));
  if (raw.on) converted.on = mapped(raw.on as Raw, (one) => convertTransition(one as Raw, logs));
  for (const key of ["always", "onDone"]) if (raw[key]) converted[key] = convertTransition(raw[key] as Raw, logs);
  for (const key of ["entry", "exit"]) if (raw[key]) converted[key] = convertActions(raw[key] as Raw[], logs);
  return converted;
}

function mapped(record: Raw, change: (value: unknown) => unknown): Raw {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
}

// xstate's raised events carry no data, ours keep the event of the signal: here it is remembered in a variable.
let current = { n: 0 };
export function occurs(event: { n: number }): void {
  current = event;
}

function convertTransition(raw: Raw, logs: string[]): Raw {
  const guard = GUARDS[String(raw.guard)];
  return {
    ...raw,
    actions: convertActions(raw.actions as Raw[], logs),
    ...(guard ? { guard: ({ context }: { context: { n: number } }) => guard(context, current) } : {}),
  };
}

function convertActions(actions: Raw[], logs: string[]): unknown[] {
  return actions.map((action) => {
    if (action.log) return () => void logs.push(String(action.log));
    if (action.raise) return raise({ type: String(action.raise) });
    return assign({ n: ({ context }: { context: { n: number } }) => (context.n + 1) % 7 });
  });
}
