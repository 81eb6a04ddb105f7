/**
 * The heart. One event + policy + instances + now → Decision, in two pure halves: `plan` says which instances must be
 * read, `decide` says what the event causes. Same input, same Decision, byte for byte. Never throws for data.
 */
import {
  type Address,
  type Cause,
  type Decision,
  type Delivery,
  type Event,
  eventAsJson,
  type Instance,
  type InstanceKey,
  instanceAddress,
  type Json,
  type JsonObject,
  type NewEvent,
  type Trace,
  type TraceProblem,
  type Transition,
} from "../model.ts";
import { chainProblem, cutProblems, cutToBudget, partsOf } from "./bounds.ts";
import { deliveryId } from "./ids.ts";
import type { CompiledMachine } from "./machine/file/compile.ts";
import { type MigrationOrder, migrationStep } from "./machine/migration.ts";
import { type Signal, type StepResult, step } from "./machine/run/step.ts";
import type { RuleMatches, RuleSet } from "./match/rule-set.ts";
import type { CompiledRule } from "./match/rules.ts";
import { newDelivery, observed } from "./new-delivery.ts";
import { emittedEvent } from "./own-events.ts";

/** What decides: rules, machines for new instances, and any definition that a living instance was started with. */
export interface DecisionPolicy {
  readonly revision: string;
  readonly rules: RuleSet;
  readonly machines: ReadonlyMap<string, CompiledMachine>;
  readonly vars: JsonObject;
  definition(hash: string): CompiledMachine | undefined;
}

interface PlannedSignal extends InstanceKey {
  readonly signal: Signal;
  readonly rule?: string;
  readonly observe: boolean;
}

interface PlannedMigration extends InstanceKey {
  readonly migration: MigrationOrder;
  readonly observe: false;
}

type PlannedStep = PlannedSignal | PlannedMigration;

/** Matched and rendered, but nothing stepped yet. Never changed: a plan may be decided again. */
export interface Plan {
  readonly event: Event;
  readonly steps: readonly PlannedStep[];
  readonly deliveries: readonly Delivery[];
  /** Events that go on with the items of a rule for which this decision has no room. */
  readonly continuations: readonly NewEvent[];
  readonly trace: Readonly<Pick<Trace, "policy" | "considered">> & {
    readonly matched: readonly Trace["matched"][number][];
    readonly problems: readonly TraceProblem[];
  };
  /** The instances that `decide` will ask for. */
  readonly keys: readonly InstanceKey[];
}

/** What planning collects. */
interface PlanPass {
  readonly policy: DecisionPolicy;
  readonly event: Event;
  /** What conditions and templates see: another event when this one goes on with the items of that one. */
  readonly seen: Event;
  readonly nowMs: number;
  readonly steps: PlannedStep[];
  readonly deliveries: Delivery[];
  readonly problems: TraceProblem[];
}

/** First half: which rules match, what they send and do. `continued` is the event whose items this one goes on with, if it does. */
export function plan(policy: DecisionPolicy, event: Event, nowMs: number, continued?: Event): Plan {
  const tooLong = chainProblem(event);
  if (tooLong) return emptyPlan(policy, event, tooLong);
  const { continues } = event;
  if (continues) return planContinuation(policy, event, { ...continues, seen: continued, nowMs });
  const { matched, considered, problems } = policy.rules.match(event, policy.vars);
  const steps = event.to ? [addressedStep(event, event.to)] : [];
  const pass: PlanPass = {
    policy,
    event,
    seen: event,
    nowMs,
    steps,
    deliveries: [],
    problems: [...cutProblems(event), ...problems],
  };
  const continuations: NewEvent[] = [];
  for (const { rule, items } of matched) {
    const { first, others } = partsOf(event, { rule: rule.id, items }, nowMs);
    first.forEach((item, index) => void planItem(pass, rule, { item, index }));
    continuations.push(...others);
  }
  return planOf(pass, { matched, considered, continuations });
}

/** The rest of the items of one rule; other rules had their turn when the first were decided. */
function planContinuation(
  policy: DecisionPolicy,
  event: Event,
  continuation: { event: string; rule: string; from: number; seen: Event | undefined; nowMs: number },
): Plan {
  const { from, seen, nowMs } = continuation;
  const rule = policy.rules.rule(continuation.rule);
  const items = Array.isArray(event.data.items) ? event.data.items : [];
  if (!rule || !seen) {
    const gone = rule ? `event "${continuation.event}"` : `rule "${continuation.rule}"`;
    const message = `The ${gone} is gone: nothing was done for its items ${from} to ${from + items.length - 1}`;
    return emptyPlan(policy, event, { code: "SB0402", message, rule: continuation.rule });
  }
  const pass: PlanPass = { policy, event, seen, nowMs, steps: [], deliveries: [], problems: [] };
  items.forEach((item, index) => void planItem(pass, rule, { item, index: from + index }));
  return planOf(pass, { matched: [{ rule, items }], considered: 1, continuations: [] });
}

function planOf(
  { policy, event, steps, deliveries, problems }: PlanPass,
  { matched, considered, continuations }: Omit<RuleMatches, "problems"> & Pick<Plan, "continuations">,
): Plan {
  return {
    event,
    steps,
    deliveries,
    continuations,
    trace: {
      policy: policy.revision,
      matched: matched.map(({ rule, items }) => ({ rule: rule.id, items: items.length, mode: rule.mode })),
      considered,
      problems,
    },
    keys: uniqueKeys(steps),
  };
}

/** A plan to do nothing, and why. */
export function emptyPlan(policy: DecisionPolicy, event: Event, problem: TraceProblem): Plan {
  const trace = { policy: policy.revision, matched: [], considered: 0, problems: [problem] };
  return { event, steps: [], deliveries: [], continuations: [], trace, keys: [] };
}

/** Second half: signals are applied in order, each on what the one before left. `caused` = the events that the root of this one has caused. */
export function decide(
  policy: DecisionPolicy,
  planned: Plan,
  instanceOf: (key: InstanceKey) => Instance | undefined,
  nowMs: number,
  caused = 0,
): Decision {
  const { event } = planned;
  const decision = newDecision(planned, nowMs);
  const current = new Map<string, Instance | undefined>();
  for (const plannedStep of planned.steps) {
    const at = instanceAddress(plannedStep);
    const before = current.has(at) ? current.get(at) : instanceOf(plannedStep);
    current.set(at, applyStep(policy, decision, { event, planned: plannedStep, before, nowMs }));
  }
  cutToBudget(decision, event, caused);
  const { trace } = decision;
  trace.deliveries = decision.deliveries.map(({ id, connection, action }) => ({ id, connection, action }));
  trace.timers = {
    set: decision.timersSet.map(({ machine, key, id }) => `${machine}/${key}/${id}`),
    cancelled: decision.timersCancelled.map(({ machine, key, id }) => `${machine}/${key}/${id}`),
  };
  trace.emitted = decision.emitted.map(({ event: { id, type } }) => ({ id, type }));
  return decision;
}

/** The decision before its first step. */
function newDecision({ event, deliveries, continuations, trace }: Plan, nowMs: number): Decision {
  return {
    event: event.id,
    decidedAtMs: nowMs,
    instances: [],
    timersSet: [],
    timersCancelled: [],
    deliveries: [...deliveries],
    cancelled: [],
    emitted: [...continuations],
    trace: {
      policy: trace.policy,
      matched: [...trace.matched],
      considered: trace.considered,
      transitions: [],
      deliveries: [],
      timers: { set: [], cancelled: [] },
      emitted: [],
      problems: [...trace.problems],
    },
  };
}

function planItem(pass: PlanPass, rule: CompiledRule, { item, index }: { item: Json; index: number }): void {
  const { policy, event, seen, nowMs, problems } = pass;
  const scope = { event: seen, item, vars: policy.vars };
  for (const send of rule.sends) {
    const key = send.key.render(scope);
    const values = send.with?.render(scope);
    const failed = key.ok ? values : key;
    if (failed && !failed.ok) {
      problems.push(unrendered(rule.id, `send to ${send.machine}: ${failed.detail}`));
    } else if (key.ok) {
      const view = eventAsJson(seen);
      pass.steps.push({
        machine: send.machine,
        key: text(key.value),
        signal: {
          kind: "signal",
          name: send.event,
          event: values?.ok ? { ...view, with: values.value } : view,
          ...(send.inOrder ? { order: { subject: seen.subject ?? seen.source, atMs: Date.parse(seen.time) } } : {}),
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
      problems.push(unrendered(rule.id, `${where}: ${rendered.detail}`));
      return;
    }
    const delivery = newDelivery(policy.rules, event, {
      id: deliveryId("rule", event.id, rule.id, index, position),
      cause: { kind: "rule", rule: rule.id, item: index, index: position },
      action,
      params: rendered.value as JsonObject,
      nowMs,
    });
    pass.deliveries.push(rule.mode === "observe" ? observed(delivery, nowMs) : delivery);
  });
}

interface Applied {
  event: Event;
  planned: PlannedStep;
  before: Instance | undefined;
  nowMs: number;
}

/** Steps one instance and adds what it causes to the decision; returns the instance as it is then. */
function applyStep(policy: DecisionPolicy, decision: Decision, applied: Applied): Instance | undefined {
  const { event, planned, before, nowMs } = applied;
  if ("migration" in planned) {
    const migrated = migrationStep(policy, planned, { event, before, nowMs });
    return recordStep(policy, decision, applied, migrated);
  }
  const machine = before ? policy.definition(before.definition) : policy.machines.get(planned.machine);
  if (!machine) {
    const what = before ? `definition ${before.definition}` : "machine";
    decision.trace.problems.push({
      code: "SB0405",
      machine: planned.machine,
      message: `The ${what} of "${planned.machine}" is not there, "${planned.signal.name}" for "${planned.key}" changed nothing`,
    });
    return before;
  }
  return recordStep(policy, decision, applied, step(machine, planned.key, before, planned.signal, nowMs));
}

/** Puts what a step gave into the decision; returns the instance as it is then. */
function recordStep(
  policy: DecisionPolicy,
  decision: Decision,
  applied: Applied,
  result: StepResult,
): Instance | undefined {
  const { planned, before, nowMs } = applied;
  const { trace } = decision;
  const rule = "migration" in planned ? undefined : planned.rule;
  const transition: Transition = rule === undefined ? result.transition : { ...result.transition, rule };
  trace.problems.push(...result.problems.map((problem) => ({ ...problem, machine: planned.machine })));
  if (result.logs.length > 0) trace.logs = [...(trace.logs ?? []), ...result.logs];
  if (planned.observe) {
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
    decision.emitted.push(emittedEvent(event, instance, { type, data, index }, nowMs));
  }
}

function stepDeliveries(
  policy: DecisionPolicy,
  { event, planned, before, nowMs }: Applied,
  result: StepResult,
): Delivery[] {
  const { machine, key } = planned;
  // A new instance has no earlier life; its creation time tells lives of the same key apart.
  const born = before?.createdAtMs ?? nowMs;
  const stepNumber = result.transition.step;
  return result.deliveries.map(({ action, params, index, call, retry, timeoutMs }) => {
    const id =
      call === undefined
        ? deliveryId("step", machine, key, born, stepNumber, index)
        : deliveryId("call", machine, key, born, stepNumber, call);
    const stepCause = { machine, key, step: stepNumber, index };
    const cause: Cause = call === undefined ? { kind: "step", ...stepCause } : { kind: "call", ...stepCause, call };
    const delivery = newDelivery(policy.rules, event, { id, cause, action, params, nowMs });
    if (retry) delivery.retry = retry;
    if (timeoutMs !== undefined) delivery.timeoutMs = timeoutMs;
    return delivery;
  });
}

/** A timer, an outcome, a signal by hand or a migration is for one instance, whatever rules say. */
function addressedStep(event: Event, to: Address): PlannedStep {
  const { machine, key } = to;
  if (to.kind === "migration") return { machine, key, migration: to, observe: false };
  return { machine, key, signal: addressedSignal(event, to), observe: false };
}

function addressedSignal(event: Event, to: Exclude<Address, { kind: "migration" }>): Signal {
  const base = { name: to.signal, event: eventAsJson(event) };
  switch (to.kind) {
    case "signal":
      return { kind: "signal", ...base };
    case "timer":
      return { kind: "timer", ...base, timer: to.timer, step: to.step };
    case "call": {
      // Expressions read what a call gave as `event.output` or `event.error`.
      const { output, error } = event.data;
      const view = { ...base.event, ...(output !== undefined && { output }), ...(error !== undefined && { error }) };
      return { kind: "call", ...base, event: view, call: to.call, step: to.step, ok: to.ok };
    }
  }
}

function unrendered(rule: string, message: string): TraceProblem {
  return { code: "SB0402", rule, message };
}

function uniqueKeys(steps: readonly PlannedStep[]): InstanceKey[] {
  const keys = new Map<string, InstanceKey>();
  for (const { machine, key } of steps) keys.set(instanceAddress({ machine, key }), { machine, key });
  return [...keys.values()];
}

/** An instance key is text; numbers from a lone {{path}} are written as such. */
function text(value: Json): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
