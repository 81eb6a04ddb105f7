/** A step under way: evaluates guards and values and collects the effects. xstate decides when, this file decides what. */
import { isObject, type Json, type JsonObject, LIMITS, type RetryPolicy, type TraceProblem } from "../../../model.ts";
import { parseDuration } from "../../duration.ts";
import type { Expression, Scope } from "../../expr.ts";
import type { Renderer } from "../../render.ts";
import {
  type Call,
  type Effect,
  type Guard,
  type StateNode,
  stateLabel,
  type TransitionNode,
  type Value,
} from "../file/tree.ts";

/** A delivery of a step; `index` is its place among all effects of the step. */
export interface StepDelivery {
  action: string;
  params: JsonObject;
  index: number;
  call?: string;
  retry?: RetryPolicy;
  timeoutMs?: number;
}

/** The step is given up and the instance stays as it was. */
export class StepRefused extends Error {
  override name = "StepRefused";
}

interface StepRunStart {
  readonly machine: string;
  readonly vars: JsonObject;
  /** What expressions see as `event`. */
  readonly view: JsonObject;
  readonly nowMs: number;
  /** Timers and calls of the old row, without the timer that fired or the call that ended. */
  readonly timers: Readonly<Record<string, number>>;
  readonly calls: Readonly<Record<string, number>>;
}

export interface StepRun extends StepRunStart {
  readonly problems: TraceProblem[];
  readonly logs: string[];
  readonly deliveries: StepDelivery[];
  readonly emits: { type: string; data: JsonObject; index: number }[];
  /** Set in this step: name → when due. */
  readonly timersSet: Map<string, number>;
  /** Set before this step and cancelled in it. */
  readonly timersCancelled: Set<string>;
  /** Started before this step and cancelled in it. */
  readonly callsCancelled: Set<string>;
  /** Guards of the signal's own transitions that did not hold. */
  readonly failedGuards: string[];
  effects: number;
  microsteps: number;
}

export function startStepRun(start: StepRunStart): StepRun {
  return {
    ...start,
    problems: [],
    logs: [],
    deliveries: [],
    emits: [],
    timersSet: new Map(),
    timersCancelled: new Set(),
    callsCancelled: new Set(),
    failedGuards: [],
    effects: 0,
    microsteps: 0,
  };
}

/** What guards and values are evaluated over. */
export interface StepScope {
  readonly context: JsonObject;
  readonly event: JsonObject;
}

// ---------------------------------------------------------------- guards

/** True when the guard holds. One that cannot be evaluated does not, and is reported. */
export function holds(run: StepRun, transition: TransitionNode, node: StateNode, stepScope: StepScope): boolean {
  const { guard, trigger } = transition;
  if (!guard) return true;
  const failures: string[] = [];
  const truth = truthOf(guard, scopeOf(run, stepScope), failures);
  if (truth === undefined) {
    addProblem(run, `The guard ${guardLabel(guard)} in ${stateLabel(node)} counts as false: ${failures.join("; ")}`);
  }
  if (truth !== true && trigger.kind !== "always") run.failedGuards.push(guardLabel(guard));
  return truth === true;
}

/** Undefined = cannot be evaluated, and decides neither `and` nor `or` unless another part does. */
function truthOf(guard: Guard, scope: Scope, failures: string[]): boolean | undefined {
  switch (guard.kind) {
    case "cel": {
      const result = guard.expression.evaluate(scope);
      if (!result.ok) failures.push(result.detail);
      else if (typeof result.value === "boolean") return result.value;
      else
        failures.push(
          `"${guard.expression.source}" gives ${JSON.stringify(result.value).slice(0, 60)}, not true or false`,
        );
      return undefined;
    }
    case "not": {
      const truth = truthOf(guard.guard, scope, failures);
      return truth === undefined ? undefined : !truth;
    }
    case "and":
    case "or": {
      const decisive = guard.kind === "or";
      const truths = guard.guards.map((one) => truthOf(one, scope, failures));
      if (truths.includes(decisive)) return decisive;
      return truths.includes(undefined) ? undefined : !decisive;
    }
  }
}

function guardLabel(guard: Guard): string {
  if (guard.kind === "cel") return `"${guard.expression.source}"`;
  if (guard.kind === "not") return `not ${guardLabel(guard.guard)}`;
  return `(${guard.guards.map(guardLabel).join(` ${guard.kind} `)})`;
}

// ---------------------------------------------------------------- values

/** The context of a new instance. A value that cannot be rendered is null, and reported. */
export function newContext(run: StepRun, values: readonly Value[]): JsonObject {
  const empty: JsonObject = {};
  for (const { key } of values) setKey(empty, key, null);
  return assignedContext(run, values, { context: empty, event: run.view });
}

/** The context with these keys renewed, all from the old one. A key that cannot be rendered keeps its value, and is reported. */
export function assignedContext(run: StepRun, values: readonly Value[], stepScope: StepScope): JsonObject {
  const scope = scopeOf(run, stepScope);
  const next: JsonObject = { ...stepScope.context };
  for (const { key, renderer } of values) {
    const result = render(run, renderer, scope, `context.${key}`);
    if (!result) continue;
    // Here and not only at the end: a loop that doubles a value must not grow past all memory first.
    if (bytesAtLeast(result.value) > LIMITS.contextBytes) throw new StepRefused(contextTooLarge(key));
    setKey(next, key, result.value);
  }
  return next;
}

function setKey(target: JsonObject, key: string, value: Json): void {
  // Defined, not assigned: `__proto__` must stay an ordinary key.
  if (key === "__proto__") {
    Object.defineProperty(target, key, { value, enumerable: true, writable: true, configurable: true });
  } else target[key] = value;
}

function bytesAtLeast(value: Json): number {
  if (typeof value === "string") return value.length;
  return typeof value === "object" && value !== null ? JSON.stringify(value).length : 0;
}

/** The sentence for a context past its limit. */
export function contextTooLarge(key?: string): string {
  const limit = `${LIMITS.contextBytes / 1024} KiB`;
  return key === undefined
    ? `The context would be larger than ${limit}`
    : `"${key}" alone would make the context larger than ${limit}`;
}

/** What the machine or a final state gives when it is done; null and reported when it cannot be rendered. */
export function outputOf(run: StepRun, renderer: Renderer, stepScope: StepScope): Json {
  return render(run, renderer, scopeOf(run, stepScope), "output")?.value ?? null;
}

// ---------------------------------------------------------------- effects

/** Performs an effect other than assign, raise and call, which xstate runs. */
export function perform(run: StepRun, effect: Effect, stepScope: StepScope): void {
  switch (effect.kind) {
    case "deliver": {
      const index = run.effects++;
      const params = renderObject(run, effect.params, stepScope, effect.action);
      if (params) run.deliveries.push({ action: effect.action, params, index });
      return;
    }
    case "cancelCall":
      cancelCall(run, effect.id);
      return;
    case "setTimer":
      setTimer(run, effect.id, effect.delay, stepScope);
      return;
    case "cancelTimer":
      run.timersSet.delete(effect.id);
      if (Object.hasOwn(run.timers, effect.id)) run.timersCancelled.add(effect.id);
      return;
    case "emit": {
      const index = run.effects++;
      const data = effect.data ? renderObject(run, effect.data, stepScope, `emit ${effect.type}`) : {};
      if (data) run.emits.push({ type: effect.type, data, index });
      return;
    }
    case "log": {
      const text = render(run, effect.text, scopeOf(run, stepScope), "log");
      if (text) run.logs.push(typeof text.value === "string" ? text.value : JSON.stringify(text.value));
      return;
    }
    case "call":
    case "assign":
    case "raise":
      return;
  }
}

/** Starts a call; returns why it failed when its input cannot be rendered. */
export function startCall(
  run: StepRun,
  { id, action, input, retry, timeoutMs }: Call,
  stepScope: StepScope,
): string | undefined {
  cancelCall(run, id);
  const index = run.effects++;
  const params = renderObject(run, input, stepScope, action);
  if (!params) return `The input of ${action} could not be rendered`;
  const delivery: StepDelivery = { action, params, index, call: id };
  if (retry) delivery.retry = retry;
  if (timeoutMs !== undefined) delivery.timeoutMs = timeoutMs;
  run.deliveries.push(delivery);
  return undefined;
}

function cancelCall(run: StepRun, id: string): void {
  const started = run.deliveries.findIndex((delivery) => delivery.call === id);
  if (started >= 0) run.deliveries.splice(started, 1);
  if (Object.hasOwn(run.calls, id)) run.callsCancelled.add(id);
}

function setTimer(run: StepRun, id: string, delay: number | Expression, stepScope: StepScope): void {
  const ms = typeof delay === "number" ? delay : computedDelay(run, id, delay, stepScope);
  run.timersSet.delete(id);
  if (ms !== undefined) run.timersSet.set(id, run.nowMs + ms);
}

function computedDelay(run: StepRun, id: string, delay: Expression, stepScope: StepScope): number | undefined {
  const result = delay.evaluate(scopeOf(run, stepScope));
  if (!result.ok) {
    addProblem(run, `The timer "${id}" is not set: ${result.detail}`);
    return undefined;
  }
  const { value } = result;
  const ms = typeof value === "string" ? parseDuration(value) : value;
  if (typeof ms === "number" && ms >= 0 && ms <= LIMITS.timerMs) return Math.round(ms);
  const got = JSON.stringify(value).slice(0, 60);
  addProblem(run, `The timer "${id}" is not set: ${got} is no duration from 0s to ${LIMITS.timerMs / 86_400_000}d`);
  return undefined;
}

// ---------------------------------------------------------------- rendering

function scopeOf(run: StepRun, { context, event }: StepScope): Scope {
  return { event, context, vars: run.vars };
}

function render(run: StepRun, renderer: Renderer, scope: Scope, what: string): { value: Json } | undefined {
  const result = renderer.render(scope);
  if (result.ok) return result;
  addProblem(run, `${[what, ...result.path].join(".")}: ${result.detail}`);
  return undefined;
}

function renderObject(run: StepRun, renderer: Renderer, stepScope: StepScope, what: string): JsonObject | undefined {
  const result = render(run, renderer, scopeOf(run, stepScope), what);
  if (!result) return undefined;
  const { value } = result;
  if (isObject(value)) return value;
  addProblem(run, `${what}: the parameters are ${JSON.stringify(value).slice(0, 60)}, not an object`);
  return undefined;
}

/** Adds a sentence once per step: guards are evaluated again at every microstep. */
function addProblem(run: StepRun, message: string): void {
  if (run.problems.some((problem) => problem.message === message)) return;
  run.problems.push({ code: "SB0402", machine: run.machine, message });
}
