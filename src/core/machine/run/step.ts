/**
 * One signal for one instance: row in, row and effects out. Pure: no clock, no chance, the same input gives the same bytes. A signal
 * that changes nothing says why, and what was armed and disarmed within the step never leaves it.
 */
import {
  type Instance,
  type JsonObject,
  LIMITS,
  type RetryPolicy,
  type TraceProblem,
  type Transition,
} from "../../../model.ts";
import type { CompiledMachine } from "../file/compile.ts";
import { nameOf, type Occasion } from "../file/tree.ts";
import type { Position, Rest } from "./interpreter.ts";
import { eventType } from "./lower.ts";
import { contextTooLarge, StepRefused, startTurn, type Turn } from "./step-run.ts";

/** What one instance receives: a signal by its name, or the end of a timer or a call with the step that set or started it. */
export type Signal = {
  readonly name: string;
  /** What expressions see as `event`: the log event, with `with`, `output` or `error` added. */
  readonly event: JsonObject;
} & (
  | {
      readonly kind: "signal";
      /** When it happened, where that counts: one older than the last taken for the same subject is stale. */
      readonly order?: SignalOrder;
    }
  | { readonly kind: "timer"; readonly timer: string; readonly step: number }
  | { readonly kind: "call"; readonly call: string; readonly step: number; readonly ok: boolean }
);

interface SignalOrder {
  readonly subject: string;
  readonly atMs: number;
}

export interface StepResult {
  /** Without the rule, which the caller knows. */
  transition: Transition;
  /** Absent = unchanged. */
  instance?: Instance;
  timersSet: { id: string; dueAtMs: number }[];
  timersCancelled: string[];
  /** `index` is the place among all effects of the step. */
  deliveries: {
    action: string;
    params: JsonObject;
    index: number;
    call?: string;
    retry?: RetryPolicy;
    timeoutMs?: number;
  }[];
  /** `step` is the one that started the call. */
  callsCancelled: { call: string; step: number }[];
  emits: { type: string; data: JsonObject; index: number }[];
  logs: string[];
  problems: TraceProblem[];
}

/** Never throws for data; what goes wrong is in `problems`, and then the instance is unchanged or the problem says what is missing. */
export function step(
  machine: CompiledMachine,
  key: string,
  instance: Instance | undefined,
  signal: Signal,
  nowMs: number,
): StepResult {
  const given: Given = { machine, key, instance, signal, nowMs };
  const refusal = refusalOf(given);
  if (refusal !== undefined) return unchanged(given, refusal);
  const turn = turnOf(given);
  try {
    return instance ? resume(given, instance, turn) : create(given, turn);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return failed(given, reason, error instanceof StepRefused ? turn.problems : []);
  }
}

interface Given {
  readonly machine: CompiledMachine;
  readonly key: string;
  readonly instance: Instance | undefined;
  readonly signal: Signal;
  readonly nowMs: number;
}

// ---------------------------------------------------------------- refusals

/** Why the signal never reaches the machine, if so. */
function refusalOf({ machine, instance, signal }: Given): string | undefined {
  const isNamed = signal.kind === "signal";
  if (isNamed && signal.name.startsWith("xstate.")) return "reserved name";
  if (!instance) return isNamed && machine.starts(signal.name) ? undefined : "no instance";
  if (instance.status === "done") return "final state";
  if (instance.status === "error") return "error state";
  return staleReason(signal, instance);
}

function staleReason(signal: Signal, { timers, calls, latest = {} }: Instance): string | undefined {
  switch (signal.kind) {
    case "timer": {
      const { timer, step } = signal;
      return timers[timer] === step ? undefined : `stale: timer "${timer}" of step ${step}`;
    }
    case "call": {
      const { call, step } = signal;
      return calls[call] === step ? undefined : `stale: call "${call}" of step ${step}`;
    }
    case "signal": {
      const { order } = signal;
      return order && isOlder(order, latest) ? `stale: older than what was taken for ${order.subject}` : undefined;
    }
  }
}

/** Of the same moment is not older: both are taken, and what ended the instance stays. */
function isOlder({ subject, atMs }: SignalOrder, latest: Readonly<Record<string, number>>): boolean {
  return Object.hasOwn(latest, subject) && atMs < (latest[subject] ?? 0);
}

/** An instance that serves more subjects than this forgets those that were quiet for longest. */
const SUBJECTS_MAX = 100;

/** With the signal that was taken, or created the instance. */
function latestOf({ instance, signal }: Given): Record<string, number> | undefined {
  const before = instance?.latest;
  const order = signal.kind === "signal" ? signal.order : undefined;
  if (order === undefined || !Number.isFinite(order.atMs)) return before;
  const entries = Object.entries({ ...before, [order.subject]: order.atMs });
  return Object.fromEntries(entries.toSorted(([, a], [, b]) => b - a).slice(0, SUBJECTS_MAX));
}

function unchanged({ machine, key, instance, signal }: Given, ignored: string): StepResult {
  return nothingDone({ machine: machine.id, key, signal: signal.name }, instance, ignored);
}

/** A step that leaves the instance as it is, and why. */
export function nothingDone(
  at: Pick<Transition, "machine" | "key" | "signal">,
  instance: Instance | undefined,
  ignored: string,
): StepResult {
  const state = instance?.state ?? null;
  const step = instance?.version ?? 0;
  return {
    transition: { ...at, created: false, from: state, to: state, taken: false, ignored, step },
    timersSet: [],
    timersCancelled: [],
    deliveries: [],
    callsCancelled: [],
    emits: [],
    logs: [],
    problems: [],
  };
}

function failed(given: Given, reason: string, problems: readonly TraceProblem[]): StepResult {
  const { machine, key, signal } = given;
  const message = `"${signal.name}" for "${key}" changed nothing: ${reason}`;
  return {
    ...unchanged(given, `failed: ${reason}`),
    problems: [...problems, { code: "SB0405", machine: machine.id, message }],
  };
}

// ---------------------------------------------------------------- running

function turnOf({ machine, instance, signal, nowMs }: Given): Turn {
  return startTurn({
    machine: machine.id,
    vars: machine.vars,
    view: signal.event,
    nowMs,
    timers: without(instance?.timers, signal.kind === "timer" ? signal.timer : undefined),
    calls: without(instance?.calls, signal.kind === "call" ? signal.call : undefined),
  });
}

/** A timer that fired and a call that came back are over, whatever the machine makes of them. */
function without(armed: Readonly<Record<string, number>> = {}, id: string | undefined): Record<string, number> {
  if (id === undefined) return armed;
  const { [id]: _, ...rest } = armed;
  return rest;
}

function create(given: Given, turn: Turn): StepResult {
  const { engine } = given.machine;
  const begun = engine.begin(turn);
  const next = begun.status === "active" ? react(given, begun, turn) : undefined;
  return settled(given, turn, engine.rest(next ?? begun), { taken: next !== undefined });
}

function resume(given: Given, instance: Instance, turn: Turn): StepResult {
  const { machine, signal } = given;
  if (instance.definition !== machine.hash) {
    return failed(given, `it was started with the definition ${instance.definition}, this one is ${machine.hash}`, []);
  }
  const position = machine.engine.restore(instance, turn);
  if (!position) return failed(given, `its state ${JSON.stringify(instance.state)} is not one of the machine`, []);
  const next = react(given, position, turn);
  if (next) return settled(given, turn, machine.engine.rest(next), { taken: true });
  const ignored = reasonOf(given, instance, turn);
  if (signal.kind === "signal") return { ...unchanged(given, ignored), problems: turn.problems };
  const error = signal.kind === "call" && !signal.ok ? { error: errorOf(signal) } : {};
  return settled(given, turn, restOf(instance), { taken: false, ignored, ...error });
}

function react({ machine, signal }: Given, position: Position, turn: Turn): Position | undefined {
  const occasion = occasionOf(signal);
  const name = occasion.kind === "signal" ? machine.known(occasion.name) : eventType(occasion);
  return name === undefined ? undefined : machine.engine.react(position, { type: name, view: signal.event }, turn);
}

function occasionOf(signal: Signal): Occasion {
  switch (signal.kind) {
    case "signal":
      return { kind: "signal", name: signal.name };
    case "timer":
      return { kind: "timer", id: signal.timer };
    case "call":
      return { kind: signal.ok ? "done" : "failed", call: signal.call };
  }
}

function reasonOf({ machine, signal }: Given, instance: Instance, turn: Turn): string {
  const active = machine.engine.active(instance.state) ?? [];
  const leaves = active.filter(({ type }) => type === "atomic" || type === "final");
  const where = leaves.map(nameOf).join(", ");
  if (turn.failedGuards.length > 0) return `guard false: ${turn.failedGuards.join(", ")} in ${where}`;
  return `no transition: ${where} ${leaves.length > 1 ? "do" : "does"} not take ${signal.name}`;
}

function errorOf({ name, event }: Signal): string {
  const { error } = event;
  const message = typeof error === "object" && error !== null && !Array.isArray(error) ? error.message : error;
  return typeof message === "string" ? message : name;
}

function restOf({ state, context, history }: Instance): Rest {
  return { state, context, history: history ?? {}, isDone: false, output: undefined };
}

// ---------------------------------------------------------------- the new row

interface Outcome {
  taken: boolean;
  ignored?: string;
  /** Set when a call failed and nothing takes that: the instance ends in error. */
  error?: string;
}

function settled(given: Given, turn: Turn, rest: Rest, outcome: Outcome): StepResult {
  const { machine, key, instance, signal } = given;
  const { taken, ignored, error } = outcome;
  if (rest.context !== instance?.context && bytesOf(rest.context) > LIMITS.contextBytes) {
    throw new StepRefused(contextTooLarge());
  }
  const latest = latestOf(given);
  const next = { ...rowOf(given, turn, rest, error), ...(latest === undefined ? {} : { latest }) };
  if (error !== undefined) turn.problems.push(unhandled(machine, signal, error));
  return {
    transition: {
      machine: machine.id,
      key,
      signal: signal.name,
      created: instance === undefined,
      from: instance?.state ?? null,
      to: next.state,
      taken,
      ...(ignored === undefined ? {} : { ignored }),
      step: next.version,
    },
    instance: next,
    ...armedAndAwaited(turn, next),
    deliveries: turn.deliveries.filter(({ call }) => call === undefined || Object.hasOwn(next.calls, call)),
    emits: turn.emits,
    logs: turn.logs,
    problems: turn.problems,
  };
}

function rowOf({ machine, key, instance, nowMs }: Given, turn: Turn, rest: Rest, error: string | undefined): Instance {
  const { state, context, history, isDone, output } = rest;
  const version = (instance?.version ?? 0) + 1;
  const isOver = isDone || error !== undefined;
  return {
    machine: machine.id,
    key,
    definition: machine.hash,
    version,
    status: error !== undefined ? "error" : isDone ? "done" : "active",
    state,
    context,
    ...(Object.keys(history).length > 0 ? { history } : {}),
    timers: isOver ? {} : remaining(turn.timers, turn.disarmed, turn.armed.keys(), version),
    calls: isOver ? {} : remaining(turn.calls, turn.hungUp, callsOf(turn), version),
    ...(output === undefined ? {} : { output }),
    ...(error === undefined ? {} : { error }),
    createdAtMs: instance?.createdAtMs ?? nowMs,
    updatedAtMs: nowMs,
  };
}

function callsOf(turn: Turn): string[] {
  return turn.deliveries.flatMap(({ call }) => (call === undefined ? [] : [call]));
}

/** What was there and stays, with what this step adds. */
function remaining(
  before: Readonly<Record<string, number>>,
  gone: ReadonlySet<string>,
  added: Iterable<string>,
  version: number,
): Record<string, number> {
  const left = Object.entries(before).filter(([id]) => !gone.has(id));
  return Object.fromEntries([...left, ...[...added].map((id): [string, number] => [id, version])]);
}

function armedAndAwaited(
  turn: Turn,
  next: Instance,
): Pick<StepResult, "timersSet" | "timersCancelled" | "callsCancelled"> {
  const { timers, calls, version } = next;
  return {
    timersSet: [...turn.armed].filter(([id]) => timers[id] === version).map(([id, dueAtMs]) => ({ id, dueAtMs })),
    // One that is armed again is not cancelled: the new row takes the place of the old one.
    timersCancelled: Object.keys(turn.timers).filter((id) => !Object.hasOwn(timers, id)),
    callsCancelled: Object.entries(turn.calls)
      .filter(([id, startedAt]) => calls[id] !== startedAt)
      .map(([call, startedAt]) => ({ call, step: startedAt })),
  };
}

function unhandled(machine: CompiledMachine, { name }: Signal, error: string): TraceProblem {
  return {
    code: "SB0406",
    machine: machine.id,
    message: `No onError takes "${name}", the instance ends in error: ${error}`,
  };
}

function bytesOf(context: JsonObject): number {
  const text = JSON.stringify(context);
  // UTF-8 needs at most three bytes for one UTF-16 unit.
  return text.length * 3 <= LIMITS.contextBytes ? text.length : Buffer.byteLength(text);
}
