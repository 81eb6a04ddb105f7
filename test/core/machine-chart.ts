/** Random statecharts in the form of our files, with what our subset has and xstate's own actor has as well. */

export type Raw = Record<string, unknown>;
export type Pick = (below: number) => number;

/** A small generator of numbers, so that one integer of fast-check is one chart. */
export function chance(seed: number): Pick {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0;
    return ((state ^ (state >>> 13)) >>> 0) % below;
  };
}

/** What is sent from outside and raised inside. Some have keys of their own, some only fit a star. */
export const EVENTS = ["E0", "E1", "job.done", "job.done.late", "job.lost", "else"];
const KEYS = [...EVENTS.slice(0, 4), "job.done.*", "job.*", "*"];

interface Context {
  n: number;
}

/** What a guard asks, in CEL and in TypeScript. The last one reads the event. */
export const GUARDS: Record<string, (context: Context, event: { n: number }) => boolean> = {
  "context.n > 1": (context) => context.n > 1,
  "context.n % 2 == 0": (context) => context.n % 2 === 0,
  "event.n > 2": (_, event) => event.n > 2,
};

/** The shapes of actions that nativeOf knows how to write for xstate. */
export const ACTIONS = {
  increase: { assign: { n: { cel: "(context.n + 1) % 7" }, before: "{{context.n}}" } },
  take: { assign: { got: { cel: "has(event.output) ? event.output.n : context.got" } } },
  act: { "x.act": { n: "{{context.n}}", got: "{{context.got}}" } },
  emit: { emit: { type: "x.told", data: { n: "{{context.n}}" } } },
};
export const OUTPUT = { n: "{{context.n}}" };
export const MACHINE_OUTPUT = { n: "{{context.n}}", last: { cel: "has(event.output) ? event.output.n : -1" } };

export interface Options {
  /** Timers and calls. */
  waits?: boolean;
  /** Eventless transitions in the regions of parallel states, where xstate goes by the order in which they were entered. */
  always?: "anywhere";
}

interface State {
  path: string[];
  raw: Raw;
  parent: State | undefined;
}

interface Drawing extends Options {
  states: State[];
  pick: Pick;
}

/** A chart of 2 to 50 states. The same seed gives the same chart. */
export function chartOf(seed: number, options: Options = {}): Raw {
  const drawing: Drawing = { ...options, states: [], pick: chance(seed) };
  const { pick, states } = drawing;
  const root: Raw = { id: "m", startOn: ["START"], context: { n: 0, before: 0, got: -1 }, output: MACHINE_OUTPUT };
  const top: State = { path: [], raw: root, parent: undefined };
  addChildren(top, 2 + pick(2), drawing);
  addBehaviour(top, drawing);
  for (const state of states) addBehaviour(state, drawing);
  return root;
}

function addChildren(parent: State, depth: number, drawing: Drawing): void {
  const { pick, states } = drawing;
  const isParallel = pick(parent.parent ? 3 : 12) === 0;
  const children: Raw = {};
  for (const name of ["a", "b", "c"].slice(0, 2 + pick(2))) {
    const child: State = { path: [...parent.path, name], raw: {}, parent };
    children[name] = child.raw;
    states.push(child);
    if (depth > 1 && pick(2) === 0) addChildren(child, depth - 1, drawing);
    else if (!isParallel && name !== "a" && pick(3) === 0) child.raw.type = "final";
  }
  parent.raw.states = children;
  if (isParallel) parent.raw.type = "parallel";
  else parent.raw.initial = "a";
  if (parent.parent && pick(3) === 0) addHistory(parent, children, drawing);
}

function addHistory(parent: State, children: Raw, { pick, states }: Drawing): void {
  const inside = states.filter((state) => isInside(state, parent) && state.raw.type !== "history");
  const raw: Raw = { type: "history", history: pick(2) === 0 ? "deep" : "shallow" };
  if (pick(2) === 0) raw.target = refer(one(inside, pick));
  children.h = raw;
  states.push({ path: [...parent.path, "h"], raw, parent });
}

function addBehaviour(state: State, drawing: Drawing): void {
  const { raw, path, parent } = state;
  const { pick } = drawing;
  if (raw.type === "history") return;
  const name = path.join(".");
  raw.entry = [{ log: `in ${name}` }, ...someActions(pick)];
  raw.exit = [...someActions(pick), { log: `out ${name}` }];
  if (raw.type === "final") {
    if (pick(2) === 0) raw.output = OUTPUT;
    return;
  }
  const on: Raw = {};
  for (const key of KEYS) if (pick(parent ? 4 : 16) === 0) on[key] = candidates(state, drawing);
  raw.on = on;
  if (raw.states && parent && pick(3) > 0) raw.onDone = candidates(state, drawing);
  if (pick(drawing.always ? 2 : 5) === 0 && (drawing.always || !isInRegion(state))) addAlways(state, drawing);
  if (drawing.waits) addWaits(state, drawing);
}

/** Guarded by the context alone, and never back to where it is: xstate asks again after signals that nothing took, we do not. */
function addAlways(state: State, drawing: Drawing): void {
  const { pick, states } = drawing;
  const guard = Object.keys(GUARDS)[pick(2)];
  const elsewhere = states.filter((to) => to.raw.type !== "history" && areExclusive(state, to));
  if (pick(3) === 0 || elsewhere.length === 0) {
    state.raw.always = { guard: "context.n % 2 == 0", actions: [{ log: "even" }, ACTIONS.increase] };
  } else {
    const actions = [{ log: "on" }, ACTIONS.increase, ...someActions(pick)];
    state.raw.always = { guard, target: refer(one(elsewhere, pick)), actions };
  }
}

function addWaits(state: State, drawing: Drawing): void {
  const { pick } = drawing;
  if (pick(2) === 0) state.raw.after = { [`${60 + pick(100_000)}s`]: candidates(state, drawing) };
  if (pick(3) > 0) return;
  state.raw.invoke = {
    src: "x.call",
    id: ["call", ...state.path].join("-"),
    input: { n: "{{context.n}}" },
    ...(pick(3) > 0 ? { onDone: candidates(state, drawing) } : {}),
    ...(pick(3) > 0 ? { onError: candidates(state, drawing) } : {}),
  };
}

/** xstate takes eventless transitions of regions in the order in which they were entered, we in document order. */
function isInRegion(state: State): boolean {
  for (let at = state.parent; at; at = at.parent) if (at.raw.type === "parallel") return true;
  return false;
}

function candidates(from: State, drawing: Drawing): Raw | Raw[] {
  if (drawing.pick(3) > 0) return transition(from, drawing);
  const guarded = { ...transition(from, drawing), guard: one(Object.keys(GUARDS), drawing.pick) };
  return [guarded, transition(from, drawing)];
}

function transition(from: State, drawing: Drawing): Raw {
  const { pick, states } = drawing;
  const targets = pick(5) === 0 ? [] : targetsOf(from, states, pick);
  const references = targets.map(refer);
  return {
    ...(references.length > 0 ? { target: references.length === 1 ? references[0] : references } : {}),
    ...(pick(3) === 0 ? { guard: one(Object.keys(GUARDS), pick) } : {}),
    ...(pick(4) === 0 ? { reenter: true } : {}),
    actions: [{ log: `${from.path.join(".")} moves` }, ...someActions(pick)],
  };
}

/** One target; sometimes one in each of several regions. */
function targetsOf(from: State, states: State[], pick: Pick): State[] {
  const possible = states.filter((to) => isAllowed(from, to));
  const first = one(possible, pick);
  const apart = pick(2) === 0 ? possible.filter((other) => meetInParallel(reach(first), reach(other))) : [];
  return [first, ...(apart.length > 0 ? [one(apart, pick)] : [])];
}

/** Not from inside a state to its own history, which is refused, nor from a parallel one itself, which xstate enters without leaving it. */
function isAllowed(from: State, { raw, parent }: State): boolean {
  if (raw.type !== "history") return true;
  return !isInside(from, parent) && (from !== parent || from.raw.type !== "parallel" || raw.target !== undefined);
}

/** A few of them, in any order. */
function someActions(pick: Pick): Raw[] {
  const some = pick(4) === 0 ? [ACTIONS.increase] : [];
  const drawn = Array.from({ length: pick(3) }, () => one([ACTIONS.act, ACTIONS.emit, ACTIONS.take], pick));
  const raised = pick(20) === 0 ? [{ raise: one(EVENTS, pick) }] : [];
  return pick(2) === 0 ? [...some, ...drawn, ...raised] : [...raised, ...drawn, ...some];
}

function one<T>(from: readonly T[], pick: Pick): T {
  const found = from[pick(from.length)];
  if (found === undefined) throw new Error("nothing to choose from");
  return found;
}

function refer({ path }: State): string {
  return `#m.${path.join(".")}`;
}

function isInside(state: State, outer: State | undefined): boolean {
  for (let at = state.parent; at; at = at.parent) if (at === outer) return true;
  return false;
}

/** Whether one step may enter both. */
function meetInParallel(a: State, b: State): boolean {
  return areApart(a, b) && meetingOf(a, b)?.raw.type === "parallel";
}

/** Whether only one of them can be active. */
function areExclusive(a: State, b: State): boolean {
  return areApart(a, b) && meetingOf(a, b)?.raw.type !== "parallel";
}

function areApart(a: State, b: State): boolean {
  return a !== b && !isInside(a, b) && !isInside(b, a);
}

/** A history state stands for anything inside its parent. */
function reach(state: State): State {
  return state.raw.type === "history" && state.parent ? state.parent : state;
}

function meetingOf(a: State, b: State): State | undefined {
  let at = a.parent;
  while (at && !isInside(b, at)) at = at.parent;
  return at;
}
