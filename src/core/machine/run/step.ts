/**
 * One signal for one instance: row in, row and effects out. Pure: no clock, no chance, the same input gives the same bytes. A signal
 * that changes nothing says why, and what was armed and disarmed within the step never leaves it.
 */
import { messageOf } from "../../../errors.ts";
import {
  type Instance,
  isObject,
  type JsonObject,
  LIMITS,
  type TraceProblem,
  type Transition,
} from "../../../model.ts";
import type { CompiledMachine } from "../file/compile.ts";
import { type Occasion, stateLabel } from "../file/tree.ts";
import type { Snapshot, SnapshotRow } from "./interpreter.ts";
import { eventType } from "./lower.ts";
import { contextTooLarge, type StepDelivery, StepRefused, type StepRun, startStepRun } from "./step-run.ts";

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
  deliveries: StepDelivery[];
  /** `step` is the one that started the call. */
  callsCancelled: { call: string; step: number }[];
  emits: { type: string; data: JsonObject; index: number }[];
  logs: string[];
  problems: TraceProblem[];
}

/** Never throws for data; what goes wrong is in `problems`, and then the instance is unchanged, or the problem says what is missing. */
export function step(
  machine: CompiledMachine,
  key: string,
  instance: Instance | undefined,
  signal: Signal,
  nowMs: number,
): StepResult {
  const input: StepInput = { machine, key, instance, signal, nowMs };
  const ignored = ignoredReason(input);
  if (ignored !== undefined) return ignoredStep(input, ignored);
  const run = newStepRun(input);
  try {
    return instance ? resume(input, instance, run) : create(input, run);
  } catch (error) {
    const reason = messageOf(error);
    return failedStep(input, reason, error instanceof StepRefused ? run.problems : []);
  }
}

interface StepInput {
  readonly machine: CompiledMachine;
  readonly key: string;
  readonly instance: Instance | undefined;
  readonly signal: Signal;
  readonly nowMs: number;
}

// ---------------------------------------------------------------- refusals

/** Why the signal never reaches the machine, if so. */
function ignoredReason({ machine, instance, signal }: StepInput): string | undefined {
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

/** A signal of the same moment is not older: both are taken, and an instance that ended stays ended. */
function isOlder({ subject, atMs }: SignalOrder, latest: Readonly<Record<string, number>>): boolean {
  return Object.hasOwn(latest, subject) && atMs < (latest[subject] ?? 0);
}

/** An instance of more subjects than this forgets the subjects whose last signal is oldest. */
const SUBJECTS_MAX = 100;

/** `latest` of the new row: with the signal that was taken, or that created the instance. */
function latestOf({ instance, signal }: StepInput): Record<string, number> | undefined {
  const before = instance?.latest;
  const order = signal.kind === "signal" ? signal.order : undefined;
  if (order === undefined || !Number.isFinite(order.atMs)) return before;
  const entries = Object.entries({ ...before, [order.subject]: order.atMs });
  return Object.fromEntries(entries.toSorted(([, a], [, b]) => b - a).slice(0, SUBJECTS_MAX));
}

function ignoredStep({ machine, key, instance, signal }: StepInput, ignored: string): StepResult {
  return unchangedStep({ machine: machine.id, key, signal: signal.name }, instance, ignored);
}

/** A step that leaves the instance as it is, and why. */
export function unchangedStep(
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

function failedStep(input: StepInput, reason: string, problems: readonly TraceProblem[]): StepResult {
  const { machine, key, signal } = input;
  const message = `"${signal.name}" for "${key}" changed nothing: ${reason}`;
  return {
    ...ignoredStep(input, `failed: ${reason}`),
    problems: [...problems, { code: "SB0405", machine: machine.id, message }],
  };
}

// ---------------------------------------------------------------- running

function newStepRun({ machine, instance, signal, nowMs }: StepInput): StepRun {
  return startStepRun({
    machine: machine.id,
    vars: machine.vars,
    view: signal.event,
    nowMs,
    timers: withoutEntry(instance?.timers, signal.kind === "timer" ? signal.timer : undefined),
    calls: withoutEntry(instance?.calls, signal.kind === "call" ? signal.call : undefined),
  });
}

/** Removes the timer that fired, or the call that ended, even when no transition reacts to it. */
function withoutEntry(armed: Readonly<Record<string, number>> = {}, id: string | undefined): Record<string, number> {
  if (id === undefined) return armed;
  const { [id]: _, ...rest } = armed;
  return rest;
}

function create(input: StepInput, run: StepRun): StepResult {
  const { interpreter } = input.machine;
  const first = interpreter.start(run);
  const next = first.status === "active" ? react(input, first, run) : undefined;
  return stepResult(input, run, interpreter.row(next ?? first), { taken: next !== undefined });
}

function resume(input: StepInput, instance: Instance, run: StepRun): StepResult {
  const { machine, signal } = input;
  if (instance.definition !== machine.hash) {
    return failedStep(
      input,
      `it was started with the definition ${instance.definition}, this one is ${machine.hash}`,
      [],
    );
  }
  const snapshot = machine.interpreter.restore(instance, run);
  if (!snapshot) return failedStep(input, `its state ${JSON.stringify(instance.state)} is not one of the machine`, []);
  const next = react(input, snapshot, run);
  if (next) return stepResult(input, run, machine.interpreter.row(next), { taken: true });
  const ignored = notTakenReason(input, instance, run);
  if (signal.kind === "signal") return { ...ignoredStep(input, ignored), problems: run.problems };
  const error = signal.kind === "call" && !signal.ok ? { error: errorText(signal) } : {};
  return stepResult(input, run, unchangedRow(instance), { taken: false, ignored, ...error });
}

function react({ machine, signal }: StepInput, snapshot: Snapshot, run: StepRun): Snapshot | undefined {
  const occasion = occasionOf(signal);
  const name = occasion.kind === "signal" ? machine.handlerKey(occasion.name) : eventType(occasion);
  return name === undefined ? undefined : machine.interpreter.react(snapshot, { type: name, view: signal.event }, run);
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

function notTakenReason({ machine, signal }: StepInput, instance: Instance, run: StepRun): string {
  const active = machine.interpreter.activeStates(instance.state) ?? [];
  const leaves = active.filter(({ type }) => type === "atomic" || type === "final");
  const where = leaves.map(stateLabel).join(", ");
  if (run.failedGuards.length > 0) return `guard false: ${run.failedGuards.join(", ")} in ${where}`;
  return `no transition: ${where} ${leaves.length > 1 ? "do" : "does"} not take ${signal.name}`;
}

function errorText({ name, event }: Signal): string {
  const { error } = event;
  const message = isObject(error) ? error.message : error;
  return typeof message === "string" ? message : name;
}

function unchangedRow({ state, context, history }: Instance): SnapshotRow {
  return { state, context, history: history ?? {}, isDone: false, output: undefined };
}

// ---------------------------------------------------------------- the new row

interface StepOutcome {
  taken: boolean;
  ignored?: string;
  /** Set when a call failed and no onError handles it: the instance ends in error. */
  error?: string;
}

function stepResult(input: StepInput, run: StepRun, rest: SnapshotRow, outcome: StepOutcome): StepResult {
  const { machine, key, instance, signal } = input;
  const { taken, ignored, error } = outcome;
  if (rest.context !== instance?.context && bytesOf(rest.context) > LIMITS.contextBytes) {
    throw new StepRefused(contextTooLarge());
  }
  const latest = latestOf(input);
  const next = { ...rowOf(input, run, rest, error), ...(latest === undefined ? {} : { latest }) };
  if (error !== undefined) run.problems.push(unhandled(machine, signal, error));
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
    ...timersAndCalls(run, next),
    deliveries: run.deliveries.filter(({ call }) => call === undefined || Object.hasOwn(next.calls, call)),
    emits: run.emits,
    logs: run.logs,
    problems: run.problems,
  };
}

function rowOf(
  { machine, key, instance, nowMs }: StepInput,
  run: StepRun,
  rest: SnapshotRow,
  error: string | undefined,
): Instance {
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
    timers: isOver ? {} : remaining(run.timers, run.timersCancelled, run.timersSet.keys(), version),
    calls: isOver ? {} : remaining(run.calls, run.callsCancelled, callsOf(run), version),
    ...(output === undefined ? {} : { output }),
    ...(error === undefined ? {} : { error }),
    createdAtMs: instance?.createdAtMs ?? nowMs,
    updatedAtMs: nowMs,
  };
}

function callsOf(run: StepRun): string[] {
  return run.deliveries.flatMap(({ call }) => (call === undefined ? [] : [call]));
}

/** Entries of the old row that were not removed, and those that this step adds. */
function remaining(
  before: Readonly<Record<string, number>>,
  gone: ReadonlySet<string>,
  added: Iterable<string>,
  version: number,
): Record<string, number> {
  const left = Object.entries(before).filter(([id]) => !gone.has(id));
  return Object.fromEntries([...left, ...[...added].map((id): [string, number] => [id, version])]);
}

function timersAndCalls(
  run: StepRun,
  next: Instance,
): Pick<StepResult, "timersSet" | "timersCancelled" | "callsCancelled"> {
  const { timers, calls, version } = next;
  return {
    timersSet: [...run.timersSet].filter(([id]) => timers[id] === version).map(([id, dueAtMs]) => ({ id, dueAtMs })),
    // A timer that is set again is not cancelled: its new row replaces the old one.
    timersCancelled: Object.keys(run.timers).filter((id) => !Object.hasOwn(timers, id)),
    callsCancelled: Object.entries(run.calls)
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
