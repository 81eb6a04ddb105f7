/**
 * A machine as read in the form that xstate runs, as plain data and guards: timers and calls become entry and exit effects plus ordinary
 * transitions, so that xstate only computes a macrostep. interpreter.ts gives it to xstate and says what each effect does.
 */
import type { JsonObject } from "../../../model.ts";
import type { Effect, Occasion, StateNode, TransitionNode, Tree } from "../file/tree.ts";
import { holds, outputOf, type StepRun, type StepScope } from "./step-run.ts";

/** xstate's context: ours, and the step that runs. Nothing of it is stored. */
export interface Running {
  data: JsonObject;
  run: StepRun;
}

/** xstate's event. `view` is what expressions see; raised events have none and keep that of the signal. */
export interface Happening {
  type: string;
  view?: JsonObject;
  output?: unknown;
}

/** The types of actions. `assign`, `raise` and `call` are xstate's own kinds of work, every other effect is `perform`. */
export type ActionType = "assign" | "raise" | "call" | "perform";

/** The type of a signal that only `*` takes; xstate refuses the event "*", and would cache every name that it is given. */
export const ANY = "xstate.any";

// Parentheses cannot stand in the name of a state.
const ROOT = "(machine)";

/** xstate's id of a state: ours, but for the machine itself. */
function xstateId(node: StateNode): string {
  return node.id === "" ? ROOT : node.id;
}

/** A target that finds it. xstate reads the dots as a path, and our ids are paths. */
export function reference(node: StateNode): string {
  return `#${xstateId(node)}`;
}

/** Names of our own making begin with `xstate.`, which no signal may. */
export function eventType(occasion: Occasion): string {
  switch (occasion.kind) {
    case "signal":
      return occasion.name;
    case "timer":
      return `xstate.after.${occasion.id}`;
    case "done":
    case "failed":
      return `xstate.call.${occasion.kind}.${occasion.call}`;
  }
}

/** What expressions see as `event` while this happens. A finished state's output is in `event.output`. */
export function stepScopeOf({ data, run }: Running, event: Happening): StepScope {
  if (event.view) return { context: data, event: event.view };
  if (event.output === undefined) return { context: data, event: run.view };
  return { context: data, event: { ...run.view, output: event.output as JsonObject } };
}

/** The configuration of the machine without its context. */
export function lower(tree: Tree): Lowered {
  return lowerState(tree.root);
}

function isOwn({ type }: Happening): boolean {
  return type.startsWith("xstate.") && type !== ANY;
}

export type Lowered = Record<string, unknown>;

/** What xstate hands to guards, actions and outputs. */
export interface ActionArgs {
  context: Running;
  event: Happening;
}

function lowerState(node: StateNode): Lowered {
  const states = Object.fromEntries([...node.states].map(([key, child]) => [key, lowerState(child)]));
  const { output } = node;
  return {
    id: xstateId(node),
    type: node.type,
    ...(node.states.size > 0 ? { states } : {}),
    ...(node.initial ? { initial: node.initial.key } : {}),
    ...(node.type === "history" ? lowerHistory(node) : {}),
    ...lowerTransitions(node),
    entry: node.entry.map(lowerEffect),
    exit: node.exit.map(lowerEffect),
    ...(output
      ? { output: ({ context, event }: ActionArgs) => outputOf(context.run, output, stepScopeOf(context, event)) }
      : {}),
  };
}

function lowerHistory({ deep, defaults, parent }: StateNode): Lowered {
  // By itself xstate leads to the parallel state, which it then enters even where it was not left.
  const regions =
    parent?.type === "parallel" ? [...parent.states.values()].filter(({ type }) => type !== "history") : [];
  const targets = defaults.length > 0 ? defaults : regions;
  return { history: deep ? "deep" : "shallow", ...(targets.length > 0 ? { target: targets.map(reference) } : {}) };
}

function lowerTransitions(node: StateNode): Lowered {
  const on = new Map<string, Lowered[]>();
  const always: Lowered[] = [];
  const onDone: Lowered[] = [];
  for (const transition of node.transitions) {
    const { trigger } = transition;
    const lowered = lowerTransition(node, transition);
    if (trigger.kind === "always") always.push(lowered);
    else if (trigger.kind === "finished") onDone.push(lowered);
    else {
      const type = eventType(trigger);
      on.set(type, [...(on.get(type) ?? []), lowered]);
    }
  }
  return {
    on: Object.fromEntries(on),
    ...(always.length > 0 ? { always } : {}),
    ...(onDone.length > 0 ? { onDone } : {}),
  };
}

function lowerTransition(node: StateNode, transition: TransitionNode): Lowered {
  const { trigger, targets, effects, reenter, guard } = transition;
  // xstate's star takes its own events too: a reached final state, an outcome that no state waits for. Ours takes signals only.
  const isStar = trigger.kind === "signal" && trigger.name === "*";
  const isGuarded = isStar || guard !== undefined;
  return {
    ...(targets.length > 0 ? { target: targets.map(reference) } : {}),
    ...(isGuarded
      ? {
          guard: ({ context, event }: ActionArgs) =>
            !(isStar && isOwn(event)) && holds(context.run, transition, node, stepScopeOf(context, event)),
        }
      : {}),
    ...(reenter ? { reenter } : {}),
    actions: effects.map(lowerEffect),
  };
}

function lowerEffect(effect: Effect): { type: ActionType; params: Effect } {
  const { kind } = effect;
  return { type: kind === "assign" || kind === "raise" || kind === "call" ? kind : "perform", params: effect };
}
