/** What the states of a machine file do: transitions, timers, calls, effects. */
import { LIMITS, type RetryPolicy } from "../../../model.ts";
import { parseDuration } from "../../duration.ts";
import { compileExpression, type Expression } from "../../expr.ts";
import { checkSignalName, readActions, readGuard, readParams, readValue, type Sources } from "./effects.ts";
import { capital, type Outlined } from "./outline.ts";
import type { Targets } from "./targets.ts";
import {
  type Call,
  type Effect,
  isInside,
  isObject,
  listOf,
  type Move,
  nameOf,
  type Path,
  type Report,
  type StateNode,
  type Trigger,
} from "./tree.ts";

/** What reading the states shares: where targets lead, and which timers and calls exist already. */
export interface Reading extends Sources {
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
export function readBehaviour({ node, raw }: Outlined, reading: Reading): void {
  const { path } = node;
  if (node.type === "history") {
    node.defaults = readDefaults(node, raw, reading);
    return;
  }
  const calls = listOf(raw.invoke).flatMap((invoke, i) => {
    const at = Array.isArray(raw.invoke) ? [...path, "invoke", i] : [...path, "invoke"];
    return isObject(invoke) ? [readCall(node, invoke, at, reading)].filter((call) => call !== undefined) : [];
  });
  const timers = readTimers(node, raw, reading);
  node.moves = [
    ...readOn(node, raw, reading),
    ...readMoves(node, { kind: "always" }, { holder: raw, key: "always", path }, reading),
    ...readMoves(node, { kind: "finished" }, { holder: raw, key: "onDone", path }, reading),
    ...timers.moves,
    ...calls.flatMap(({ moves }) => moves),
  ];
  node.entry = [
    ...readActions(raw, "entry", path, reading),
    ...timers.ids.map((id): Effect => ({ kind: "arm", id, delay: reading.timers.get(id)?.delay ?? 0 })),
    ...calls.map(({ call }) => call),
  ];
  node.exit = [
    ...readActions(raw, "exit", path, reading),
    ...timers.ids.map((id): Effect => ({ kind: "disarm", id })),
    ...calls.map(({ call }): Effect => ({ kind: "hangUp", id: call.id })),
  ];
  if (raw.output !== undefined) node.output = readValue(raw, "output", path, reading);
}

function readDefaults(node: StateNode, raw: Record<string, unknown>, { targets, report }: Reading): StateNode[] {
  const path = [...node.path, "target"];
  const found = targets.resolve(node, raw.target, path);
  const { parent } = node;
  if (parent && found.some((target) => !isInside(target, parent))) {
    report.add("SB0302", path, `${capital(nameOf(node))} remembers ${nameOf(parent)}, its target must lie inside`);
  }
  const other = found.find(({ type }) => type === "history");
  if (other)
    report.add("SB0302", path, `${capital(nameOf(node))} cannot lead to ${nameOf(other)}, a history state too`);
  if (!parent) report.add("SB0302", node.path, "The machine itself cannot be a history state");
  return found;
}

interface Place {
  readonly holder: Record<string, unknown>;
  readonly key: string;
  readonly path: Path;
}

/** The candidates at `holder[key]`, in order. */
function readMoves(node: StateNode, trigger: Trigger, place: Place, reading: Reading): Move[] {
  const { holder, key, path } = place;
  const raw = holder[key];
  return listOf(raw).flatMap((candidate, i) => {
    const at = Array.isArray(raw) ? [...path, key, i] : [...path, key];
    return readMove(node, trigger, { candidate, at }, reading);
  });
}

function readMove(
  node: StateNode,
  trigger: Trigger,
  { candidate, at }: { candidate: unknown; at: Path },
  reading: Reading,
): Move[] {
  if (typeof candidate === "string") {
    const targets = readTargets(node, candidate, at, reading);
    return [{ at, trigger, targets, guard: undefined, effects: [], reenter: false }];
  }
  if (!isObject(candidate)) return [];
  return [
    {
      at,
      trigger,
      targets: readTargets(node, candidate.target, [...at, "target"], reading),
      guard: readGuard(candidate.guard, [...at, "guard"], reading),
      effects: readActions(candidate, "actions", at, reading),
      reenter: candidate.reenter === true,
    },
  ];
}

/** A history state is for coming back: from inside, states would be entered that were not left. */
function readTargets(node: StateNode, target: unknown, path: Path, { targets, report }: Reading): StateNode[] {
  const found = targets.resolve(node, target, path);
  for (const one of found) {
    const { type, parent } = one;
    if (type !== "history" || !parent || !isInside(node, parent)) continue;
    const back = `${capital(nameOf(one))} leads back into ${nameOf(parent)} from outside`;
    report.add("SB0302", path, `${back}, ${nameOf(node)} lies inside`);
  }
  return found;
}

function readOn(node: StateNode, raw: Record<string, unknown>, reading: Reading): Move[] {
  const on = raw.on;
  if (!isObject(on)) return [];
  const path = [...node.path, "on"];
  return Object.keys(on).flatMap((name) => {
    const at = [...path, name];
    if (!checkSignalName(name, at, reading.report, { atKey: true })) return [];
    if (name.slice(0, -1).includes("*") || (name.endsWith("*") && name !== "*" && !name.endsWith(".*"))) {
      reading.report.add("SB0302", at, `"${name}": a star stands alone or at the end after a dot, as in "jira.*"`, {
        atKey: true,
      });
      return [];
    }
    return readMoves(node, { kind: "signal", name }, { holder: on, key: name, path }, reading);
  });
}

// ---------------------------------------------------------------- timers

function readTimers(node: StateNode, raw: Record<string, unknown>, reading: Reading): { ids: string[]; moves: Move[] } {
  const { after } = raw;
  const path = [...node.path, "after"];
  const ids = new Set<string>();
  const moves: Move[] = [];
  if (Array.isArray(after)) {
    after.forEach((entry, i) => {
      if (!isObject(entry)) return;
      const at = [...path, i];
      const id = delayedTimer(node, entry, at, reading);
      if (id === undefined) return;
      ids.add(id);
      moves.push(...readMove(node, { kind: "timer", id }, { candidate: entry, at }, reading));
    });
  } else if (isObject(after)) {
    for (const key of Object.keys(after)) {
      const delay = readDuration(key, [...path, key], reading.report, "key");
      const id = timerId(node, key);
      if (delay === undefined || !addTimer({ id, node, delay }, [...path, key], reading)) continue;
      ids.add(id);
      moves.push(...readMoves(node, { kind: "timer", id }, { holder: after, key, path }, reading));
    }
  }
  return { ids: [...ids], moves };
}

function timerId(node: StateNode, key: string): string {
  return node.id === "" ? key : `${node.id}.${key}`;
}

/** Entries with the same timer are its candidates; any other clash of names is a problem. */
function delayedTimer(node: StateNode, entry: Record<string, unknown>, at: Path, reading: Reading): string | undefined {
  const { delay: written } = entry;
  const path = [...at, "delay"];
  const computed = isObject(written);
  const delay = computed ? readDelay(written, path, reading) : readDuration(written, path, reading.report);
  if (delay === undefined) return undefined;
  const id = typeof entry.id === "string" ? entry.id : timerId(node, computed ? "computed" : String(written));
  if (!checkName(id, [...at, "id"], reading.report)) return undefined;
  return addTimer({ id, node, delay }, at, reading) ? id : undefined;
}

function readDelay(written: Record<string, unknown>, path: Path, { report, reads }: Reading): Expression | undefined {
  if (typeof written.cel !== "string") return undefined;
  const compiled = compileExpression(written.cel);
  if (!compiled.ok) {
    report.take([...path, "cel"], [compiled.problem]);
    return undefined;
  }
  reads.push({ at: [...path, "cel"], paths: compiled.expression.reads });
  return compiled.expression;
}

function addTimer({ id, node, delay }: Timer & { id: string }, path: Path, { timers, report }: Reading): boolean {
  const earlier = timers.get(id);
  if (earlier && (earlier.node !== node || !isSameDelay(earlier.delay, delay))) {
    report.add("SB0302", path, `There is a timer "${id}" in ${nameOf(earlier.node)} already, give this one an id`);
    return false;
  }
  for (const [other, timer] of timers) {
    if (other !== id && timer.node === node && isSameDelay(timer.delay, delay)) {
      report.add("SB0302", path, `The timers "${other}" and "${id}" are due at the same time, make them one`);
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

/** Milliseconds; undefined with a problem when it is none, or too long to wait for. */
function readDuration(written: unknown, path: Path, report: Report, at?: "key"): number | undefined {
  if (typeof written !== "string") return undefined;
  // A key that is a number is milliseconds, as in xstate.
  const ms = at === "key" && /^\d{1,15}$/.test(written) ? Number(written) : parseDuration(written);
  const more = at === "key" ? { atKey: true } : {};
  if (ms === undefined) {
    report.add("SB0107", path, `"${written}" is not a duration, write 90s, 15m, 1h30m or P3D`, more);
  } else if (ms > LIMITS.timerMs) {
    report.add("SB0108", path, `"${written}" is longer than ${LIMITS.timerMs / 86_400_000} days`, more);
    return undefined;
  }
  return ms;
}

// ---------------------------------------------------------------- calls

function readCall(
  node: StateNode,
  invoke: Record<string, unknown>,
  at: Path,
  reading: Reading,
): { call: Call; moves: Move[] } | undefined {
  const { report, calls } = reading;
  if (typeof invoke.src !== "string") return undefined;
  const { src } = invoke;
  const id = typeof invoke.id === "string" ? invoke.id : timerId(node, src);
  if (!checkName(id, [...at, "id"], report)) return undefined;
  const earlier = calls.get(id);
  if (earlier) report.add("SB0302", at, `There is a call "${id}" in ${nameOf(earlier)} already, give this one an id`);
  calls.set(id, node);
  if (invoke.input === undefined) invoke.input = {};
  const timeoutMs = readDuration(invoke.timeout, [...at, "timeout"], report);
  if (timeoutMs !== undefined && timeoutMs > LIMITS.attemptMs) {
    const most = LIMITS.attemptMs / 1000;
    report.add(
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
    input: readParams(invoke, "input", at, { ...reading, name: src, at: [...at, "src"] }),
    retry: readRetry(invoke.retry, [...at, "retry"], report),
    timeoutMs,
  };
  const moves = [
    ...readMoves(node, { kind: "done", call: id }, { holder: invoke, key: "onDone", path: at }, reading),
    ...readMoves(node, { kind: "failed", call: id }, { holder: invoke, key: "onError", path: at }, reading),
  ];
  return { call, moves };
}

function readRetry(raw: unknown, path: Path, report: Report): RetryPolicy | undefined {
  if (!isObject(raw)) return undefined;
  const initialMs = readDuration(raw.initial, [...path, "initial"], report);
  const maxMs = readDuration(raw.max, [...path, "max"], report);
  return {
    ...(typeof raw.attempts === "number" ? { attempts: raw.attempts } : {}),
    ...(initialMs === undefined ? {} : { initialMs }),
    ...(typeof raw.factor === "number" ? { factor: raw.factor } : {}),
    ...(maxMs === undefined ? {} : { maxMs }),
  };
}

function checkName(id: string, path: Path, report: Report): boolean {
  if (NAME.test(id)) return true;
  report.add("SB0302", path, `"${id}" cannot name a timer or a call`);
  return false;
}
