/**
 * The heart. One event + policy + instances + now → Decision, in two pure halves: `plan` says which instances must be
 * read, `decide` says what the event causes. Same input, same Decision, byte for byte. Never throws for data.
 */
import {
  type Cause,
  type Decision,
  type Delivery,
  type Event,
  type Instance,
  type InstanceKey,
  type Json,
  type JsonObject,
  LIMITS,
  type NewEvent,
  type Trace,
  type TraceProblem,
  type Transition,
} from "../model.ts";
import { deliveryId, eventId } from "./ids.ts";
import type { CompiledMachine } from "./machine/file/compile.ts";
import { moveStep } from "./machine/migration.ts";
import { type Signal, type StepResult, step } from "./machine/run/step.ts";
import type { RuleSet } from "./match/rule-set.ts";
import type { CompiledRule } from "./match/rules.ts";

/** What decides: rules, machines for new instances, and any definition that a living instance was started with. */
export interface DecisionPolicy {
  readonly revision: string;
  readonly rules: RuleSet;
  readonly machines: ReadonlyMap<string, CompiledMachine>;
  readonly vars: JsonObject;
  definition(hash: string): CompiledMachine | undefined;
}

interface PlannedSignal extends InstanceKey {
  signal: Signal;
  /** The instance is moved to this definition instead. */
  definition?: string;
  rule?: string;
  observe: boolean;
}

/** Matched and rendered, but nothing stepped yet. */
export interface Plan {
  event: Event;
  signals: PlannedSignal[];
  deliveries: Delivery[];
  trace: Trace;
  /** The instances that `decide` will ask for. */
  keys: InstanceKey[];
}

/** First half: which rules match, what they send and do. */
export function plan(policy: DecisionPolicy, event: Event, nowMs: number): Plan {
  if ((event.hops ?? 0) > LIMITS.causalChain) {
    return emptyPlan(policy, event, {
      code: "SB0403",
      message: `More than ${LIMITS.causalChain} events caused each other, "${event.causedBy}" the last but one: the loop is cut here`,
    });
  }
  const planned = emptyPlan(policy, event);
  if (event.to) planned.signals.push({ ...event.to, signal: addressedSignal(event, event.to), observe: false });
  const matches = policy.rules.match(event, policy.vars);
  planned.trace.considered = matches.considered;
  planned.trace.problems.push(...matches.problems);
  for (const { rule, items } of matches.matched) {
    planned.trace.matched.push({ rule: rule.id, items: items.length, mode: rule.mode });
    items.forEach((item, index) => {
      planItem(policy, planned, { rule, item, index, nowMs });
    });
  }
  planned.keys = uniqueKeys(planned.signals);
  return planned;
}

/** A plan to do nothing, and why. */
export function emptyPlan(policy: DecisionPolicy, event: Event, problem?: TraceProblem): Plan {
  const trace: Trace = {
    policy: policy.revision,
    matched: [],
    considered: 0,
    transitions: [],
    deliveries: [],
    timers: { set: [], cancelled: [] },
    emitted: [],
    problems: problem ? [problem] : [],
  };
  return { event, signals: [], deliveries: [], trace, keys: [] };
}

/** Second half: signals are applied in order, each on what the one before left. */
export function decide(
  policy: DecisionPolicy,
  planned: Plan,
  instanceOf: (key: InstanceKey) => Instance | undefined,
  nowMs: number,
): Decision {
  const { event, trace } = planned;
  const decision: Decision = {
    event: event.id,
    decidedAtMs: nowMs,
    instances: [],
    timersSet: [],
    timersCancelled: [],
    deliveries: [...planned.deliveries],
    cancelled: [],
    emitted: [],
    trace,
  };
  const current = new Map<string, Instance | undefined>();
  for (const signal of planned.signals) {
    const at = addressOf(signal);
    const before = current.has(at) ? current.get(at) : instanceOf(signal);
    const after = applySignal(policy, decision, { event, signal, before, nowMs });
    current.set(at, after);
  }
  trace.deliveries = decision.deliveries.map(({ id, action }) => ({ id, action }));
  trace.timers = {
    set: decision.timersSet.map(({ machine, key, id }) => `${machine}/${key}/${id}`),
    cancelled: decision.timersCancelled.map(({ machine, key, id }) => `${machine}/${key}/${id}`),
  };
  trace.emitted = decision.emitted.map(({ event: { id } }) => id);
  return decision;
}

interface Item {
  rule: CompiledRule;
  item: Json;
  index: number;
  nowMs: number;
}

function planItem(policy: DecisionPolicy, planned: Plan, { rule, item, index, nowMs }: Item): void {
  const { event, trace } = planned;
  const scope = { event, item, vars: policy.vars };
  for (const send of rule.sends) {
    const key = send.key.render(scope);
    const values = send.with?.render(scope);
    const failed = key.ok ? values : key;
    if (failed && !failed.ok) {
      trace.problems.push(unrendered(rule.id, `send to ${send.machine}: ${failed.detail}`));
    } else if (key.ok) {
      const view = values?.ok ? { ...event, with: values.value } : event;
      planned.signals.push({
        machine: send.machine,
        key: text(key.value),
        signal: {
          name: send.event,
          event: view as unknown as JsonObject,
          ...(send.inOrder ? { order: { subject: event.subject ?? event.source, atMs: Date.parse(event.time) } } : {}),
        },
        rule: rule.id,
        observe: rule.mode === "observe",
      });
    }
  }
  rule.actions.forEach(({ action, params }, position) => {
    const rendered = params.render(scope);
    if (!rendered.ok) {
      const where = [action, ...rendered.path].join(".");
      trace.problems.push(unrendered(rule.id, `${where}: ${rendered.detail}`));
      return;
    }
    const delivery = newDelivery(policy, event, {
      id: deliveryId("rule", event.id, rule.id, index, position),
      cause: { rule: rule.id, item: index, index: position },
      action,
      params: rendered.value as JsonObject,
      nowMs,
    });
    planned.deliveries.push(rule.mode === "observe" ? observed(delivery, nowMs) : delivery);
  });
}

interface Applied {
  event: Event;
  signal: PlannedSignal;
  before: Instance | undefined;
  nowMs: number;
}

/** Steps one instance and adds what it causes to the decision; returns the instance as it is then. */
function applySignal(policy: DecisionPolicy, decision: Decision, applied: Applied): Instance | undefined {
  const { signal, before, nowMs } = applied;
  const { trace } = decision;
  if (signal.definition !== undefined)
    return take(policy, decision, applied, moveStep(policy, signal.definition, applied));
  const machine = before ? policy.definition(before.definition) : policy.machines.get(signal.machine);
  if (!machine) {
    const what = before ? `definition ${before.definition}` : "machine";
    trace.problems.push({
      code: "SB0405",
      machine: signal.machine,
      message: `The ${what} of "${signal.machine}" is not there, "${signal.signal.name}" for "${signal.key}" changed nothing`,
    });
    return before;
  }
  return take(policy, decision, applied, step(machine, signal.key, before, signal.signal, nowMs));
}

/** Puts what a step gave into the decision; returns the instance as it is then. */
function take(policy: DecisionPolicy, decision: Decision, applied: Applied, result: StepResult): Instance | undefined {
  const { signal, before, nowMs } = applied;
  const { trace } = decision;
  const transition: Transition = signal.rule ? { ...result.transition, rule: signal.rule } : result.transition;
  trace.problems.push(...result.problems.map((problem) => ({ ...problem, machine: signal.machine })));
  if (result.logs.length > 0) trace.logs = [...(trace.logs ?? []), ...result.logs];
  if (signal.observe) {
    trace.transitions.push({ ...transition, taken: false, ignored: transition.ignored ?? "observed" });
    decision.deliveries.push(...stepDeliveries(policy, applied, result).map((delivery) => observed(delivery, nowMs)));
    return before;
  }
  trace.transitions.push(transition);
  if (!result.instance) return before;
  collect(policy, decision, applied, result, result.instance);
  return result.instance;
}

function collect(
  policy: DecisionPolicy,
  decision: Decision,
  applied: Applied,
  result: StepResult,
  instance: Instance,
): void {
  const { event, before, nowMs } = applied;
  const { machine, key, version } = instance;
  decision.instances.push(instance);
  // A timer set by an earlier signal of this event and cancelled by a later one never leaves the decision.
  const cancelled = new Set(result.timersCancelled);
  decision.timersSet = decision.timersSet.filter(
    (timer) => timer.machine !== machine || timer.key !== key || !cancelled.has(timer.id),
  );
  for (const id of cancelled) decision.timersCancelled.push({ machine, key, id });
  for (const { id, dueAtMs } of result.timersSet) {
    decision.timersSet.push({ machine, key, id, step: version, dueAtMs, causedBy: event.id });
  }
  for (const { call, step: armedAt } of result.callsCancelled) {
    const id = deliveryId("call", machine, key, (before ?? instance).createdAtMs, armedAt, call);
    const fresh = decision.deliveries.findIndex((delivery) => delivery.id === id);
    if (fresh >= 0) decision.deliveries.splice(fresh, 1);
    else decision.cancelled.push(id);
  }
  decision.deliveries.push(...stepDeliveries(policy, applied, result));
  for (const { type, data, index } of result.emits) {
    decision.emitted.push(emitted(event, instance, { type, data, index }, nowMs));
  }
}

function stepDeliveries(
  policy: DecisionPolicy,
  { event, signal, before, nowMs }: Applied,
  result: StepResult,
): Delivery[] {
  const { machine, key } = signal;
  // A new instance has no earlier life; its creation time tells lives of the same key apart.
  const born = before?.createdAtMs ?? nowMs;
  const stepNumber = result.transition.step;
  return result.deliveries.map(({ action, params, index, call, retry, timeoutMs }) => {
    const id =
      call === undefined
        ? deliveryId("step", machine, key, born, stepNumber, index)
        : deliveryId("call", machine, key, born, stepNumber, call);
    const cause: Cause = { machine, key, step: stepNumber, index, ...(call === undefined ? {} : { call }) };
    const delivery = newDelivery(policy, event, { id, cause, action, params, nowMs });
    if (retry) delivery.retry = retry;
    if (timeoutMs !== undefined) delivery.timeoutMs = timeoutMs;
    return delivery;
  });
}

interface Wish {
  id: string;
  cause: Cause;
  action: string;
  params: JsonObject;
  nowMs: number;
}

function newDelivery(policy: DecisionPolicy, event: Event, { id, cause, action, params, nowMs }: Wish): Delivery {
  const awaited = "machine" in cause && cause.call !== undefined;
  return {
    id,
    event: event.id,
    cause,
    action,
    params,
    status: "pending",
    attempts: [],
    nextAtMs: nowMs,
    reports: awaited || policy.rules.listensTo("delivery.done") || policy.rules.listensTo("delivery.failed"),
    hops: event.hops ?? 0,
    createdAtMs: nowMs,
  };
}

function observed(delivery: Delivery, nowMs: number): Delivery {
  return { ...delivery, status: "observed", reports: false, settledAtMs: nowMs };
}

function emitted(
  event: Event,
  { machine, key, createdAtMs, version }: Instance,
  emit: { type: string; data: JsonObject; index: number },
  nowMs: number,
): NewEvent {
  const cause = `emit:${machine}/${key}/${createdAtMs}/${version}/${emit.index}`;
  const time = new Date(nowMs).toISOString();
  return {
    event: {
      id: eventId(nowMs, cause),
      type: emit.type,
      source: "signalbox",
      subject: `${machine}/${key}`,
      time,
      receivedAt: time,
      causedBy: event.id,
      hops: (event.hops ?? 0) + 1,
      data: emit.data,
    },
    keys: [{ key: cause }],
  };
}

/** A timer, an outcome or a signal by hand goes to one instance; outcomes carry output or error where `event` is read. */
function addressedSignal(event: Event, to: NonNullable<Event["to"]>): Signal {
  const { output, error } = event.data;
  const view = {
    ...event,
    ...(to.call === undefined || output === undefined ? {} : { output }),
    ...(to.call === undefined || error === undefined ? {} : { error }),
  };
  const signal: Signal = { name: to.signal, event: view as unknown as JsonObject };
  if (to.timer !== undefined) signal.timer = { id: to.timer, step: to.step ?? -1 };
  if (to.call !== undefined) signal.call = { id: to.call, step: to.step ?? -1, ok: event.type === "delivery.done" };
  return signal;
}

function unrendered(rule: string, message: string): TraceProblem {
  return { code: "SB0402", rule, message };
}

/** One text for machine and key, however they are spelt. */
export function addressOf({ machine, key }: InstanceKey): string {
  return JSON.stringify([machine, key]);
}

function uniqueKeys(signals: readonly PlannedSignal[]): InstanceKey[] {
  const keys = new Map<string, InstanceKey>();
  for (const { machine, key } of signals) keys.set(addressOf({ machine, key }), { machine, key });
  return [...keys.values()];
}

/** An instance key is text; numbers from a lone {{path}} are written as such. */
function text(value: Json): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
