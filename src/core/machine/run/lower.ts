/**
 * A read machine in the form that xstate runs: timers and calls become entry and exit effects plus ordinary transitions, so that
 * xstate only ever computes a macrostep, and hands what is to be done to the turn. With engine.ts the door to xstate.
 */
import { type AnyStateMachine, assign, createMachine, enqueueActions, raise } from "xstate";
import type { JsonObject } from "../../../model.ts";
import type { Call, Effect, Move, Occasion, StateNode, Tree } from "../file/tree.ts";
import { assign as assignValues, call, holds, outputOf, type Sight, type Turn } from "./step-run.ts";

/** xstate's context: ours, and the step that runs. Nothing of it is stored. */
export interface Running {
  data: JsonObject;
  turn: Turn;
}

/** xstate's event. `view` is what expressions see; raised events have none and keep that of the signal. */
export interface Happening {
  type: string;
  view?: JsonObject;
  output?: unknown;
}

/** The type of the actions that engine.ts hands to the turn; `params` is the effect. */
export const EFFECT = "effect";

/** The type of a signal that only `*` takes; xstate refuses a star itself, and would keep a memo for each name it is told. */
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
export function sightOf({ data, turn }: Running, event: Happening): Sight {
  if (event.view) return { context: data, event: event.view };
  if (event.output === undefined) return { context: data, event: turn.view };
  return { context: data, event: { ...turn.view, output: event.output as JsonObject } };
}

/** Throws only when the tree is not one that reading would let through. */
export function lower(tree: Tree): AnyStateMachine {
  const config = {
    ...lowerState(tree.root),
    // The factory is xstate's; what it is given is what an instance starts with.
    context: ({ input }: { input: Running }) => input,
  };
  return createMachine(config as Parameters<typeof createMachine>[0]) as unknown as AnyStateMachine;
}

function isOwn({ type }: Happening): boolean {
  return type.startsWith("xstate.") && type !== ANY;
}

type Lowered = Record<string, unknown>;

interface Given {
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
    ...lowerMoves(node),
    entry: node.entry.map(lowerEffect),
    exit: node.exit.map(lowerEffect),
    ...(output
      ? { output: ({ context, event }: Given) => outputOf(context.turn, output, sightOf(context, event)) }
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

function lowerMoves(node: StateNode): Lowered {
  const on = new Map<string, Lowered[]>();
  const always: Lowered[] = [];
  const onDone: Lowered[] = [];
  for (const move of node.moves) {
    const { trigger } = move;
    const lowered = lowerMove(node, move);
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

function lowerMove(node: StateNode, move: Move): Lowered {
  const { trigger, targets, effects, reenter, guard } = move;
  // xstate's star takes its own events too: a reached final state, an outcome that nobody waits for. Ours is for signals.
  const isStar = trigger.kind === "signal" && trigger.name === "*";
  const isGuarded = isStar || guard !== undefined;
  return {
    ...(targets.length > 0 ? { target: targets.map(reference) } : {}),
    ...(isGuarded
      ? {
          guard: ({ context, event }: Given) =>
            !(isStar && isOwn(event)) && holds(context.turn, move, node, sightOf(context, event)),
        }
      : {}),
    ...(reenter ? { reenter } : {}),
    actions: effects.map(lowerEffect),
  };
}

function lowerEffect(effect: Effect): unknown {
  switch (effect.kind) {
    case "assign":
      return assign(({ context, event }: Given) => ({
        data: assignValues(context.turn, effect.values, sightOf(context, event)),
      }));
    case "raise":
      return raise({ type: effect.name });
    case "call":
      return lowerCall(effect);
    default:
      return { type: EFFECT, params: effect };
  }
}

/** A call whose input cannot be rendered has failed at once: its onError is taken within the same step. */
function lowerCall(effect: Call): unknown {
  const type = eventType({ kind: "failed", call: effect.id });
  return enqueueActions(({ context, event, enqueue }) => {
    const running = context as unknown as Running;
    const sight = sightOf(running, event);
    const message = call(running.turn, effect, sight);
    if (message === undefined) return;
    const failed: Happening = { type, view: { ...sight.event, error: { message } } };
    enqueue.raise(failed);
  });
}
