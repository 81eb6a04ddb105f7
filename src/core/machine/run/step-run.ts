/** One step while it runs: evaluates guards and values, and keeps what is to be done. xstate decides when, this what. */
import { type Json, type JsonObject, LIMITS, type RetryPolicy, type TraceProblem } from "../../../model.ts";
import { parseDuration } from "../../duration.ts";
import type { Expression, Scope } from "../../expr.ts";
import type { Renderer } from "../../render.ts";
import { type Call, type Effect, type Guard, type Move, nameOf, type StateNode, type Value } from "../file/tree.ts";

/** A delivery of a step; `index` is its place among all effects of the step. */
interface StepDelivery {
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

interface TurnStart {
  readonly machine: string;
  readonly vars: JsonObject;
  /** What expressions see as `event`. */
  readonly view: JsonObject;
  readonly nowMs: number;
  /** Armed and awaited before, without what just fired or came back. */
  readonly timers: Readonly<Record<string, number>>;
  readonly calls: Readonly<Record<string, number>>;
}

export interface Turn extends TurnStart {
  readonly problems: TraceProblem[];
  readonly logs: string[];
  readonly deliveries: StepDelivery[];
  readonly emits: { type: string; data: JsonObject; index: number }[];
  /** Armed in this step: name → when due. */
  readonly armed: Map<string, number>;
  /** Armed before this step and no longer. */
  readonly disarmed: Set<string>;
  /** Awaited before this step and no longer. */
  readonly hungUp: Set<string>;
  /** Guards of the signal's own transitions that did not hold. */
  readonly failedGuards: string[];
  effects: number;
  microsteps: number;
}

export function startTurn(start: TurnStart): Turn {
  return {
    ...start,
    problems: [],
    logs: [],
    deliveries: [],
    emits: [],
    armed: new Map(),
    disarmed: new Set(),
    hungUp: new Set(),
    failedGuards: [],
    effects: 0,
    microsteps: 0,
  };
}

/** What guards and values are evaluated over. */
export interface Sight {
  readonly context: JsonObject;
  readonly event: JsonObject;
}

// ---------------------------------------------------------------- guards

/** True when the guard holds. One that cannot be evaluated does not, and is reported. */
export function holds(turn: Turn, move: Move, node: StateNode, sight: Sight): boolean {
  const { guard, trigger } = move;
  if (!guard) return true;
  const failures: string[] = [];
  const truth = truthOf(guard, scopeOf(turn, sight), failures);
  if (truth === undefined) {
    note(turn, `The guard ${written(guard)} in ${nameOf(node)} counts as false: ${failures.join("; ")}`);
  }
  if (truth !== true && trigger.kind !== "always") turn.failedGuards.push(written(guard));
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

function written(guard: Guard): string {
  if (guard.kind === "cel") return `"${guard.expression.source}"`;
  if (guard.kind === "not") return `not ${written(guard.guard)}`;
  return `(${guard.guards.map(written).join(` ${guard.kind} `)})`;
}

// ---------------------------------------------------------------- values

/** The context of a new instance. A value that cannot be rendered is null, and reported. */
export function newContext(turn: Turn, values: readonly Value[]): JsonObject {
  const empty: JsonObject = {};
  for (const { key } of values) put(empty, key, null);
  return assign(turn, values, { context: empty, event: turn.view });
}

/** The context with these keys renewed, all from the old one. A key that cannot be rendered keeps its value, and is reported. */
export function assign(turn: Turn, values: readonly Value[], sight: Sight): JsonObject {
  const scope = scopeOf(turn, sight);
  const next: JsonObject = { ...sight.context };
  for (const { key, renderer } of values) {
    const result = render(turn, renderer, scope, `context.${key}`);
    if (!result) continue;
    // Here and not only at the end: a loop that doubles a value must not grow past all memory first.
    if (bytesAtLeast(result.value) > LIMITS.contextBytes) throw new StepRefused(contextTooLarge(key));
    put(next, key, result.value);
  }
  return next;
}

function put(target: JsonObject, key: string, value: Json): void {
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
export function outputOf(turn: Turn, renderer: Renderer, sight: Sight): Json {
  return render(turn, renderer, scopeOf(turn, sight), "output")?.value ?? null;
}

// ---------------------------------------------------------------- effects

/** Everything but assign and raise, which are xstate's, and call. */
export function perform(turn: Turn, effect: Effect, sight: Sight): void {
  switch (effect.kind) {
    case "deliver": {
      const index = turn.effects++;
      const params = renderObject(turn, effect.params, sight, effect.action);
      if (params) turn.deliveries.push({ action: effect.action, params, index });
      return;
    }
    case "hangUp":
      hangUp(turn, effect.id);
      return;
    case "arm":
      arm(turn, effect.id, effect.delay, sight);
      return;
    case "disarm":
      turn.armed.delete(effect.id);
      if (Object.hasOwn(turn.timers, effect.id)) turn.disarmed.add(effect.id);
      return;
    case "emit": {
      const index = turn.effects++;
      const data = effect.data ? renderObject(turn, effect.data, sight, `emit ${effect.type}`) : {};
      if (data) turn.emits.push({ type: effect.type, data, index });
      return;
    }
    case "log": {
      const text = render(turn, effect.text, scopeOf(turn, sight), "log");
      if (text) turn.logs.push(typeof text.value === "string" ? text.value : JSON.stringify(text.value));
      return;
    }
    case "call":
    case "assign":
    case "raise":
      return;
  }
}

/** Starts a call; answers why it failed when its input cannot be rendered. */
export function call(turn: Turn, { id, action, input, retry, timeoutMs }: Call, sight: Sight): string | undefined {
  hangUp(turn, id);
  const index = turn.effects++;
  const params = renderObject(turn, input, sight, action);
  if (!params) return `The input of ${action} could not be rendered`;
  const delivery: StepDelivery = { action, params, index, call: id };
  if (retry) delivery.retry = retry;
  if (timeoutMs !== undefined) delivery.timeoutMs = timeoutMs;
  turn.deliveries.push(delivery);
  return undefined;
}

function hangUp(turn: Turn, id: string): void {
  const started = turn.deliveries.findIndex((delivery) => delivery.call === id);
  if (started >= 0) turn.deliveries.splice(started, 1);
  if (Object.hasOwn(turn.calls, id)) turn.hungUp.add(id);
}

function arm(turn: Turn, id: string, delay: number | Expression, sight: Sight): void {
  const ms = typeof delay === "number" ? delay : computedDelay(turn, id, delay, sight);
  turn.armed.delete(id);
  if (ms !== undefined) turn.armed.set(id, turn.nowMs + ms);
}

function computedDelay(turn: Turn, id: string, delay: Expression, sight: Sight): number | undefined {
  const result = delay.evaluate(scopeOf(turn, sight));
  if (!result.ok) {
    note(turn, `The timer "${id}" is not set: ${result.detail}`);
    return undefined;
  }
  const { value } = result;
  const ms = typeof value === "string" ? parseDuration(value) : value;
  if (typeof ms === "number" && ms >= 0 && ms <= LIMITS.timerMs) return Math.round(ms);
  const got = JSON.stringify(value).slice(0, 60);
  note(turn, `The timer "${id}" is not set: ${got} is no duration from 0s to ${LIMITS.timerMs / 86_400_000}d`);
  return undefined;
}

// ---------------------------------------------------------------- rendering

function scopeOf(turn: Turn, { context, event }: Sight): Scope {
  return { event, context, vars: turn.vars };
}

function render(turn: Turn, renderer: Renderer, scope: Scope, what: string): { value: Json } | undefined {
  const result = renderer.render(scope);
  if (result.ok) return result;
  note(turn, `${[what, ...result.path].join(".")}: ${result.detail}`);
  return undefined;
}

function renderObject(turn: Turn, renderer: Renderer, sight: Sight, what: string): JsonObject | undefined {
  const result = render(turn, renderer, scopeOf(turn, sight), what);
  if (!result) return undefined;
  const { value } = result;
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  note(turn, `${what}: the parameters are ${JSON.stringify(value).slice(0, 60)}, not an object`);
  return undefined;
}

/** The same sentence once per step: guards are asked again at every microstep. */
function note(turn: Turn, message: string): void {
  if (turn.problems.some((problem) => problem.message === message)) return;
  turn.problems.push({ code: "SB0402", machine: turn.machine, message });
}
