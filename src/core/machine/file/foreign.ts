/**
 * What a machine written for xstate, or exported by Stately's editor, has and a file of ours has not: code named by a word. What can be
 * said as data is put into our form; for the rest a diagnostic names the construct and says why it is not supported. https://stately.ai/docs/machines
 */

import type { Diagnostic, Path } from "../../../errors.ts";
import { isObject } from "../../../model.ts";

/** The definition in our form as far as it can be, and a diagnostic (SB0302) for each construct that has none. Changes nothing given. */
export function inOwnForm(definition: Record<string, unknown>): {
  own: Record<string, unknown>;
  diagnostics: Diagnostic[];
} {
  const diagnostics: Diagnostic[] = [];
  return { own: stateOf(definition, [], diagnostics), diagnostics };
}

const AT_RUN_TIME = "instances are rows between two steps, nothing lives beside them";
const REASONS: Readonly<Record<string, string>> = {
  activities: `"activities" run beside the machine; ${AT_RUN_TIME}. Use invoke`,
  cond: '"cond" is called guard since version 5 of xstate',
  delays: '"delays" names code; write the duration, or { delay: { cel: … } }, under after',
  internal: '"internal" is gone since version 5 of xstate; a transition is internal unless it says reenter: true',
  in: '"in" asks for the state of another region; give the other region the transition, or keep it in the context',
  systemId: `"systemId" names an actor; ${AT_RUN_TIME}`,
  onSnapshot: `"onSnapshot" follows an actor while it runs; ${AT_RUN_TIME}. A call answers once, see onDone and onError`,
  spawn: `"spawn" starts an actor; ${AT_RUN_TIME}. Use invoke, or emit an event that a rule sends to another machine`,
  schemas: '"schemas" are types of TypeScript, a file has none',
  types: '"types" are types of TypeScript, a file has none',
  tsTypes: '"tsTypes" are types of TypeScript, a file has none',
  predictableActionArguments: '"predictableActionArguments" is gone since version 5 of xstate, it is always so',
  preserveActionOrder: '"preserveActionOrder" is gone since version 5 of xstate, it is always so',
  strict: '"strict" is gone since version 5 of xstate',
};

const addDiagnostic = (diagnostics: Diagnostic[], path: Path, message: string, more: Partial<Diagnostic> = {}) =>
  diagnostics.push({ code: "SB0302", severity: "error", message, path, ...more });

/** A copy without the keys of other tools, each of which gives a diagnostic. */
function withoutForeignKeys(
  raw: Record<string, unknown>,
  path: Path,
  diagnostics: Diagnostic[],
): Record<string, unknown> {
  const own: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(raw)) {
    const reason = Object.hasOwn(REASONS, key) ? REASONS[key] : undefined;
    if (reason === undefined) define(own, key, value);
    else addDiagnostic(diagnostics, [...path, key], reason, { atKey: true });
  }
  return own;
}

/** `__proto__` stays an ordinary key, so that the schema can refuse it. */
function define(target: Record<string, unknown>, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, enumerable: true, writable: true, configurable: true });
}

function stateOf(raw: Record<string, unknown>, path: Path, diagnostics: Diagnostic[]): Record<string, unknown> {
  const state = withoutForeignKeys(raw, path, diagnostics);
  for (const key of ["entry", "exit"])
    if (Object.hasOwn(state, key))
      state[key] = each(state[key], [...path, key], (one, at) => actionOf(one, at, diagnostics));
  for (const key of ["always", "onDone"])
    if (Object.hasOwn(state, key)) state[key] = transitionsOf(state[key], [...path, key], diagnostics);
  for (const key of ["on", "after"])
    if (isObject(state[key]))
      state[key] = members(state[key], [...path, key], (one, at) => transitionsOf(one, at, diagnostics));
    else if (Array.isArray(state[key])) state[key] = transitionsOf(state[key], [...path, key], diagnostics);
  if (Object.hasOwn(state, "invoke"))
    state.invoke = each(state.invoke, [...path, "invoke"], (one, at) => callOf(one, at, diagnostics));
  if (isObject(state.states))
    state.states = members(state.states, [...path, "states"], (one, at) =>
      isObject(one) ? stateOf(one, at, diagnostics) : one,
    );
  return state;
}

/** One or several; what gives undefined is left out of a list, and is an empty list by itself. */
function each(value: unknown, path: Path, change: (one: unknown, at: Path) => unknown): unknown {
  if (Array.isArray(value)) return value.map((one, i) => change(one, [...path, i])).filter((one) => one !== undefined);
  const changed = change(value, path);
  return changed === undefined ? [] : changed;
}

function members(
  value: Record<string, unknown>,
  path: Path,
  change: (one: unknown, at: Path) => unknown,
): Record<string, unknown> {
  const changed: Record<string, unknown> = {};
  for (const [key, one] of Object.entries(value)) define(changed, key, change(one, [...path, key]));
  return changed;
}

function transitionsOf(value: unknown, path: Path, diagnostics: Diagnostic[]): unknown {
  return each(value, path, (one, at) => {
    if (!isObject(one)) return one;
    const transition = withoutForeignKeys(one, at, diagnostics);
    if (Object.hasOwn(transition, "actions"))
      transition.actions = each(transition.actions, [...at, "actions"], (action, place) =>
        actionOf(action, place, diagnostics),
      );
    if (!isObject(transition.guard) || typeof transition.guard.type !== "string") return transition;
    const words = `The guard "${transition.guard.type}" is code; a guard here is CEL, such as "event.number > 3"`;
    addDiagnostic(diagnostics, [...at, "guard"], words);
    const { guard: _, ...rest } = transition;
    return rest;
  });
}

function callOf(value: unknown, path: Path, diagnostics: Diagnostic[]): unknown {
  if (!isObject(value)) return value;
  const call = withoutForeignKeys(value, path, diagnostics);
  for (const key of ["onDone", "onError"])
    if (Object.hasOwn(call, key)) call[key] = transitionsOf(call[key], [...path, key], diagnostics);
  return call;
}

/** `{ type: slack.post, params: {…} }` is `slack.post: {…}`; any other name stands for code. */
function actionOf(value: unknown, path: Path, diagnostics: Diagnostic[]): unknown {
  const isNamed = isObject(value) && typeof value.type === "string";
  if (typeof value !== "string" && !isNamed) return value;
  const name = typeof value === "string" ? value : String(value.type);
  const params = isNamed ? (value.params ?? {}) : {};
  if (/^[^.\s]+\.[^.\s]+$/.test(name) && !name.startsWith("xstate.") && isObject(params)) return { [name]: params };
  const words = `The action "${name}" is code; an action here is data: connection.action with its parameters, assign, raise, log or emit`;
  addDiagnostic(diagnostics, path, words);
  return undefined;
}
