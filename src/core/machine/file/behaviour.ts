/** What the states of a machine file do: transitions, timers, calls, effects. */
import type { Path } from "../../../errors.ts";
import { isObject, LIMITS, type RetryPolicy } from "../../../model.ts";
import { parseDuration } from "../../duration.ts";
import { compileExpression, type Expression } from "../../expr.ts";
import { checkSignalName, type EffectsPass, readActions, readGuard, readParams, readValue } from "./effects.ts";
import { capital, type StateOutline } from "./outline.ts";
import type { Targets } from "./targets.ts";
import {
  type Call,
  type DiagnosticList,
  type Effect,
  isInside,
  listOf,
  type StateNode,
  stateLabel,
  type TransitionNode,
  type Trigger,
} from "./tree.ts";

/** What one walk over the states collects: besides diagnostics, the timers and calls that exist already. */
export interface StatesPass extends EffectsPass {
  readonly targets: Targets;
  readonly timers: Map<string, Timer>;
  readonly calls: Map<string, StateNode>;
}

interface Timer {
  readonly node: StateNode;
  readonly delay: number | Expression;
}

/** Names of timers and calls are keys of stored rows. */
const NAME = /^(?!__proto__$)[^\s]([^\n]*[^\s])?$/;

/** Fills in what the outline left empty. */
export function readBehaviour({ node, raw }: StateOutline, pass: StatesPass): void {
  const { path } = node;
  if (node.type === "history") {
    node.defaults = readDefaults(node, raw, pass);
    return;
  }
  const calls = listOf(raw.invoke).flatMap((invoke, i) => {
    const at = Array.isArray(raw.invoke) ? [...path, "invoke", i] : [...path, "invoke"];
    return isObject(invoke) ? [readCall(node, invoke, at, pass)].filter((call) => call !== undefined) : [];
  });
  const timers = readTimers(node, raw, pass);
  node.transitions = [
    ...readOn(node, raw, pass),
    ...readTransitions(node, { kind: "always" }, { parent: raw, key: "always", path }, pass),
    ...readTransitions(node, { kind: "finished" }, { parent: raw, key: "onDone", path }, pass),
    ...timers.transitions,
    ...calls.flatMap(({ transitions }) => transitions),
  ];
  node.entry = [
    ...readActions(raw, "entry", path, pass),
    ...timers.ids.map((id): Effect => ({ kind: "setTimer", id, delay: pass.timers.get(id)?.delay ?? 0 })),
    ...calls.map(({ call }) => call),
  ];
  node.exit = [
    ...readActions(raw, "exit", path, pass),
    ...timers.ids.map((id): Effect => ({ kind: "cancelTimer", id })),
    ...calls.map(({ call }): Effect => ({ kind: "cancelCall", id: call.id })),
  ];
  if (raw.output !== undefined) node.output = readValue(raw, "output", path, pass);
}

function readDefaults(
  node: StateNode,
  raw: Record<string, unknown>,
  { targets, diagnostics }: StatesPass,
): StateNode[] {
  const path = [...node.path, "target"];
  const targetStates = targets.resolve(node, raw.target, path);
  const { parent } = node;
  if (parent && targetStates.some((target) => !isInside(target, parent))) {
    diagnostics.add(
      "SB0302",
      path,
      `${capital(stateLabel(node))} remembers ${stateLabel(parent)}, its target must lie inside`,
    );
  }
  const other = targetStates.find(({ type }) => type === "history");
  if (other)
    diagnostics.add(
      "SB0302",
      path,
      `${capital(stateLabel(node))} cannot lead to ${stateLabel(other)}, a history state too`,
    );
  if (!parent) diagnostics.add("SB0302", node.path, "The machine itself cannot be a history state");
  return targetStates;
}

interface KeyLocation {
  readonly parent: Record<string, unknown>;
  readonly key: string;
  readonly path: Path;
}

/** The candidates at `parent[key]`, in order. */
function readTransitions(node: StateNode, trigger: Trigger, place: KeyLocation, pass: StatesPass): TransitionNode[] {
  const { parent, key, path } = place;
  const raw = parent[key];
  return listOf(raw).flatMap((candidate, i) => {
    const at = Array.isArray(raw) ? [...path, key, i] : [...path, key];
    return readTransition(node, trigger, { candidate, at }, pass);
  });
}

function readTransition(
  node: StateNode,
  trigger: Trigger,
  { candidate, at }: { candidate: unknown; at: Path },
  pass: StatesPass,
): TransitionNode[] {
  if (typeof candidate === "string") {
    const targets = readTargets(node, candidate, at, pass);
    return [{ at, trigger, targets, guard: undefined, effects: [], reenter: false }];
  }
  if (!isObject(candidate)) return [];
  return [
    {
      at,
      trigger,
      targets: readTargets(node, candidate.target, [...at, "target"], pass),
      guard: readGuard(candidate.guard, [...at, "guard"], pass),
      effects: readActions(candidate, "actions", at, pass),
      reenter: candidate.reenter === true,
    },
  ];
}

/** A history state may be a target from outside its parent only: from inside, states would be entered that were not left. */
function readTargets(node: StateNode, target: unknown, path: Path, { targets, diagnostics }: StatesPass): StateNode[] {
  const targetStates = targets.resolve(node, target, path);
  for (const one of targetStates) {
    const { type, parent } = one;
    if (type !== "history" || !parent || !isInside(node, parent)) continue;
    const back = `${capital(stateLabel(one))} leads back into ${stateLabel(parent)} from outside`;
    diagnostics.add("SB0302", path, `${back}, ${stateLabel(node)} lies inside`);
  }
  return targetStates;
}

function readOn(node: StateNode, raw: Record<string, unknown>, pass: StatesPass): TransitionNode[] {
  const on = raw.on;
  if (!isObject(on)) return [];
  const path = [...node.path, "on"];
  return Object.keys(on).flatMap((name) => {
    const at = [...path, name];
    if (!checkSignalName(name, at, pass.diagnostics, { atKey: true })) return [];
    if (name.slice(0, -1).includes("*") || (name.endsWith("*") && name !== "*" && !name.endsWith(".*"))) {
      pass.diagnostics.add("SB0302", at, `"${name}": a star stands alone or at the end after a dot, as in "jira.*"`, {
        atKey: true,
      });
      return [];
    }
    return readTransitions(node, { kind: "signal", name }, { parent: on, key: name, path }, pass);
  });
}

// ---------------------------------------------------------------- timers

function readTimers(
  node: StateNode,
  raw: Record<string, unknown>,
  pass: StatesPass,
): { ids: string[]; transitions: TransitionNode[] } {
  const { after } = raw;
  const path = [...node.path, "after"];
  const ids = new Set<string>();
  const transitions: TransitionNode[] = [];
  if (Array.isArray(after)) {
    after.forEach((entry, i) => {
      if (!isObject(entry)) return;
      const at = [...path, i];
      const id = delayedTimer(node, entry, at, pass);
      if (id === undefined) return;
      ids.add(id);
      transitions.push(...readTransition(node, { kind: "timer", id }, { candidate: entry, at }, pass));
    });
  } else if (isObject(after)) {
    for (const key of Object.keys(after)) {
      const delay = readDuration(key, [...path, key], pass.diagnostics, "key");
      const id = timerId(node, key);
      if (delay === undefined || !addTimer({ id, node, delay }, [...path, key], pass)) continue;
      ids.add(id);
      transitions.push(...readTransitions(node, { kind: "timer", id }, { parent: after, key, path }, pass));
    }
  }
  return { ids: [...ids], transitions };
}

function timerId(node: StateNode, key: string): string {
  return node.id === "" ? key : `${node.id}.${key}`;
}

/** Entries with the same timer are its candidates; any other clash of names is a diagnostic. */
function delayedTimer(node: StateNode, entry: Record<string, unknown>, at: Path, pass: StatesPass): string | undefined {
  const { delay: written } = entry;
  const path = [...at, "delay"];
  const computed = isObject(written);
  const delay = computed ? readDelay(written, path, pass) : readDuration(written, path, pass.diagnostics);
  if (delay === undefined) return undefined;
  const id = typeof entry.id === "string" ? entry.id : timerId(node, computed ? "computed" : String(written));
  if (!checkName(id, [...at, "id"], pass.diagnostics)) return undefined;
  return addTimer({ id, node, delay }, at, pass) ? id : undefined;
}

function readDelay(
  written: Record<string, unknown>,
  path: Path,
  { diagnostics, reads }: StatesPass,
): Expression | undefined {
  if (typeof written.cel !== "string") return undefined;
  const compiled = compileExpression(written.cel);
  if (!compiled.ok) {
    diagnostics.addAll([...path, "cel"], [compiled.diagnostic]);
    return undefined;
  }
  reads.push({ at: [...path, "cel"], paths: compiled.expression.reads });
  return compiled.expression;
}

function addTimer(
  { id, node, delay }: Timer & { id: string },
  path: Path,
  { timers, diagnostics }: StatesPass,
): boolean {
  const earlier = timers.get(id);
  if (earlier && (earlier.node !== node || !isSameDelay(earlier.delay, delay))) {
    diagnostics.add(
      "SB0302",
      path,
      `There is a timer "${id}" in ${stateLabel(earlier.node)} already, give this one an id`,
    );
    return false;
  }
  for (const [other, timer] of timers) {
    if (other !== id && timer.node === node && isSameDelay(timer.delay, delay)) {
      diagnostics.add("SB0302", path, `The timers "${other}" and "${id}" are due at the same time, make them one`);
      return false;
    }
  }
  timers.set(id, { node, delay });
  return true;
}

function isSameDelay(a: number | Expression, b: number | Expression): boolean {
  if (typeof a === "number" || typeof b === "number") return a === b;
  return a.source === b.source;
}

/** Milliseconds; undefined with a diagnostic when it is none, or too long to wait for. */
function readDuration(written: unknown, path: Path, diagnostics: DiagnosticList, at?: "key"): number | undefined {
  if (typeof written !== "string") return undefined;
  // A key that is a number is milliseconds, as in xstate.
  const ms = at === "key" && /^\d{1,15}$/.test(written) ? Number(written) : parseDuration(written);
  const more = at === "key" ? { atKey: true } : {};
  if (ms === undefined) {
    diagnostics.add("SB0107", path, `"${written}" is not a duration, write 90s, 15m, 1h30m or P3D`, more);
  } else if (ms > LIMITS.timerMs) {
    diagnostics.add("SB0108", path, `"${written}" is longer than ${LIMITS.timerMs / 86_400_000} days`, more);
    return undefined;
  }
  return ms;
}

// ---------------------------------------------------------------- calls

function readCall(
  node: StateNode,
  invoke: Record<string, unknown>,
  at: Path,
  pass: StatesPass,
): { call: Call; transitions: TransitionNode[] } | undefined {
  const { diagnostics, calls } = pass;
  if (typeof invoke.src !== "string") return undefined;
  const { src } = invoke;
  const id = typeof invoke.id === "string" ? invoke.id : timerId(node, src);
  if (!checkName(id, [...at, "id"], diagnostics)) return undefined;
  const earlier = calls.get(id);
  if (earlier)
    diagnostics.add("SB0302", at, `There is a call "${id}" in ${stateLabel(earlier)} already, give this one an id`);
  calls.set(id, node);
  if (invoke.input === undefined) invoke.input = {};
  const timeoutMs = readDuration(invoke.timeout, [...at, "timeout"], diagnostics);
  if (timeoutMs !== undefined && timeoutMs > LIMITS.attemptMs) {
    const most = LIMITS.attemptMs / 1000;
    diagnostics.add(
      "SB0108",
      [...at, "timeout"],
      `One attempt may take at most ${most}s; for a longer wait use after and retry`,
    );
  }
  const call: Call = {
    kind: "call",
    at,
    id,
    action: src,
    input: readParams(invoke, "input", at, { ...pass, name: src, at: [...at, "src"] }),
    retry: readRetry(invoke.retry, [...at, "retry"], diagnostics),
    timeoutMs,
  };
  const transitions = [
    ...readTransitions(node, { kind: "done", call: id }, { parent: invoke, key: "onDone", path: at }, pass),
    ...readTransitions(node, { kind: "failed", call: id }, { parent: invoke, key: "onError", path: at }, pass),
  ];
  return { call, transitions };
}

function readRetry(raw: unknown, path: Path, diagnostics: DiagnosticList): RetryPolicy | undefined {
  if (!isObject(raw)) return undefined;
  const initialMs = readDuration(raw.initial, [...path, "initial"], diagnostics);
  const maxMs = readDuration(raw.max, [...path, "max"], diagnostics);
  return {
    ...(typeof raw.attempts === "number" ? { attempts: raw.attempts } : {}),
    ...(initialMs === undefined ? {} : { initialMs }),
    ...(typeof raw.factor === "number" ? { factor: raw.factor } : {}),
    ...(maxMs === undefined ? {} : { maxMs }),
  };
}

function checkName(id: string, path: Path, diagnostics: DiagnosticList): boolean {
  if (NAME.test(id)) return true;
  diagnostics.add("SB0302", path, `"${id}" cannot name a timer or a call`);
  return false;
}
