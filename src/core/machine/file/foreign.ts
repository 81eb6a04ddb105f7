/**
 * What a machine written for xstate, or exported by Stately's editor, has and a file of ours has not: code named by a word. What can be
 * said as data is put into our form; of the rest it is told which construct it is and why it is outside. https://stately.ai/docs/machines
 */
import type { Diagnostic } from "../../../errors.ts";
import { isObject, type Path } from "./tree.ts";

/** The definition in our form as far as it can be, and a problem (SB0302) for each construct that has none. Changes nothing given. */
export function ourForm(definition: Record<string, unknown>): { own: Record<string, unknown>; problems: Diagnostic[] } {
  const problems: Diagnostic[] = [];
  return { own: stateOf(definition, [], problems), problems };
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

const refuse = (problems: Diagnostic[], path: Path, message: string, more: Partial<Diagnostic> = {}) =>
  problems.push({ code: "SB0302", severity: "error", message, path, ...more });

/** Without the keys that are another tool's. */
function known(raw: Record<string, unknown>, path: Path, problems: Diagnostic[]): Record<string, unknown> {
  const kept: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(raw)) {
    const reason = Object.hasOwn(REASONS, key) ? REASONS[key] : undefined;
    if (reason === undefined) define(kept, key, value);
    else refuse(problems, [...path, key], reason, { atKey: true });
  }
  return kept;
}

/** `__proto__` stays an ordinary key, to be refused by who knows why. */
function define(target: Record<string, unknown>, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, enumerable: true, writable: true, configurable: true });
}

function stateOf(raw: Record<string, unknown>, path: Path, problems: Diagnostic[]): Record<string, unknown> {
  const state = known(raw, path, problems);
  for (const key of ["entry", "exit"])
    if (Object.hasOwn(state, key))
      state[key] = each(state[key], [...path, key], (one, at) => actionOf(one, at, problems));
  for (const key of ["always", "onDone"])
    if (Object.hasOwn(state, key)) state[key] = transitionsOf(state[key], [...path, key], problems);
  for (const key of ["on", "after"])
    if (isObject(state[key]))
      state[key] = members(state[key], [...path, key], (one, at) => transitionsOf(one, at, problems));
    else if (Array.isArray(state[key])) state[key] = transitionsOf(state[key], [...path, key], problems);
  if (Object.hasOwn(state, "invoke"))
    state.invoke = each(state.invoke, [...path, "invoke"], (one, at) => callOf(one, at, problems));
  if (isObject(state.states))
    state.states = members(state.states, [...path, "states"], (one, at) =>
      isObject(one) ? stateOf(one, at, problems) : one,
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

function transitionsOf(value: unknown, path: Path, problems: Diagnostic[]): unknown {
  return each(value, path, (one, at) => {
    if (!isObject(one)) return one;
    const move = known(one, at, problems);
    if (Object.hasOwn(move, "actions"))
      move.actions = each(move.actions, [...at, "actions"], (action, place) => actionOf(action, place, problems));
    if (!isObject(move.guard) || typeof move.guard.type !== "string") return move;
    const words = `The guard "${move.guard.type}" is code; a guard here is CEL, such as "event.number > 3"`;
    refuse(problems, [...at, "guard"], words);
    const { guard: _, ...rest } = move;
    return rest;
  });
}

function callOf(value: unknown, path: Path, problems: Diagnostic[]): unknown {
  if (!isObject(value)) return value;
  const call = known(value, path, problems);
  for (const key of ["onDone", "onError"])
    if (Object.hasOwn(call, key)) call[key] = transitionsOf(call[key], [...path, key], problems);
  return call;
}

/** `{ type: slack.post, params: {…} }` is `slack.post: {…}`; any other name stands for code. */
function actionOf(value: unknown, path: Path, problems: Diagnostic[]): unknown {
  const isNamed = isObject(value) && typeof value.type === "string";
  if (typeof value !== "string" && !isNamed) return value;
  const name = typeof value === "string" ? value : String(value.type);
  const params = isNamed ? (value.params ?? {}) : {};
  if (/^[^.\s]+\.[^.\s]+$/.test(name) && !name.startsWith("xstate.") && isObject(params)) return { [name]: params };
  const words = `The action "${name}" is code; an action here is data: connection.action with its parameters, assign, raise, log or emit`;
  refuse(problems, path, words);
  return undefined;
}
