/**
 * Runs a lowered machine in xstate, one macrostep at a time, from and to our own row. With lower.ts the door to xstate; what is used
 * of it beyond its documentation (`_nodes`, the inspection hook, scopes without an actor) is used only here. https://stately.ai/docs
 */
import type { AnyActorScope, AnyMachineSnapshot, AnyStateMachine, AnyStateNode } from "xstate";
import { type Instance, type Json, type JsonObject, LIMITS } from "../../../model.ts";
import { type Effect, type StateNode, stateValue, type Tree } from "../file/tree.ts";
import { ANY, EFFECT, type Happening, lower, type Running, reference, sightOf } from "./lower.ts";
import { newContext, perform, StepRefused, type Turn } from "./step-run.ts";

/** Where an instance is between two macrosteps. Opaque outside of this file. */
export type Position = AnyMachineSnapshot;

/** A position in the words of the row. */
export interface Rest {
  readonly state: Json;
  readonly context: JsonObject;
  readonly history: Record<string, string[]>;
  readonly isDone: boolean;
  readonly output: Json | undefined;
}

/** All but rest throw StepRefused when a limit is exceeded. */
export interface Engine {
  /** A new instance after its initial macrostep. */
  begin(turn: Turn): Position;
  /** The position of a stored instance; undefined when its state is not one of this machine. Runs nothing. */
  restore(instance: Instance, turn: Turn): Position | undefined;
  /** The active states of a stored instance in document order; undefined when they are not of this machine. */
  active(state: Json): readonly StateNode[] | undefined;
  /** One macrostep; undefined when no transition is enabled. */
  react(position: Position, happening: Happening, turn: Turn): Position | undefined;
  rest(position: Position): Rest;
}

export function engineOf(tree: Tree): Engine {
  const machine = lower(tree);
  const nodes = tree.nodes.map((node): AnyStateNode => machine.getStateNodeById(reference(node)));
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const template = machine.resolveState({ value: {}, context: {} });
  return {
    begin: (turn) => begin(machine, tree, turn),
    active(state) {
      const active: StateNode[] = [tree.root];
      return activate(tree.root, state, active) === undefined ? undefined : active;
    },
    restore(instance, turn) {
      const active: StateNode[] = [tree.root];
      const value = activate(tree.root, instance.state, active);
      if (value === undefined) return undefined;
      const running: Running = { data: instance.context, turn };
      return {
        ...template,
        status: "active",
        context: running,
        value,
        _nodes: active.map(({ order }) => nodes[order]),
        historyValue: remembered(instance.history ?? {}, byId),
      } as Position;
    },
    react: (position, happening, turn) => react(machine, position, happening, turn),
    rest,
  };
}

function begin(machine: AnyStateMachine, tree: Tree, turn: Turn): Position {
  const running: Running = { data: newContext(turn, tree.context), turn };
  const scope = scopeOf(turn, (transitions) => {
    if (transitions > 0) count(turn);
  });
  const position = machine.getInitialSnapshot(scope, running) as Position;
  // The initial macrostep returns what it should have thrown.
  if (position.status === "error") throw position.error;
  return position;
}

/** Leaves the macrostep at once: xstate would go on to look for eventless transitions. */
const NOT_TAKEN = new Error("no transition");

function react(machine: AnyStateMachine, from: Position, happening: Happening, turn: Turn): Position | undefined {
  let isFirst = true;
  const scope = scopeOf(turn, (transitions) => {
    if (isFirst && transitions === 0) throw NOT_TAKEN;
    isFirst = false;
    count(turn);
  });
  const event = happening.type === "*" ? { ...happening, type: ANY } : happening;
  try {
    return machine.transition(from, event, scope) as Position;
  } catch (error) {
    if (error === NOT_TAKEN) return undefined;
    throw error;
  }
}

function count(turn: Turn): void {
  turn.microsteps += 1;
  if (turn.microsteps > LIMITS.microsteps) {
    throw new StepRefused(
      `More than ${LIMITS.microsteps} microsteps for one signal: transitions follow each other in a loop`,
    );
  }
}

interface Inspected {
  snapshot: { _nodes: AnyStateNode[]; value: unknown; machine: AnyStateMachine };
  _transitions: readonly unknown[];
}

/**
 * What xstate asks of an actor, without one: effects go to the turn, and after each microstep the active states are put into document
 * order. xstate keeps them in the order of entering, restores them in another, and takes conflicting transitions by that order.
 */
function scopeOf(turn: Turn, afterMicrostep: (transitions: number) => void): AnyActorScope {
  const scope = {
    self: NOBODY,
    id: "",
    sessionId: "",
    logger: nothing,
    defer: nothing,
    emit: nothing,
    stopChild: nothing,
    system: {
      _sendInspectionEvent({ snapshot, _transitions }: Inspected) {
        inDocumentOrder(snapshot);
        afterMicrostep(_transitions.length);
      },
    },
    actionExecutor({
      type,
      params,
      info,
    }: {
      type: string;
      params: unknown;
      info: { context: unknown; event: unknown };
    }) {
      if (type !== EFFECT) return;
      perform(turn, params as Effect, sightOf(info.context as Running, info.event as Happening));
    },
  };
  return scope as unknown as AnyActorScope;
}

const NOBODY = {};
function nothing(): void {}

function inDocumentOrder(snapshot: Inspected["snapshot"]): void {
  const nodes = snapshot._nodes;
  if (nodes.every((node, i) => i === 0 || (nodes[i - 1]?.order ?? -1) < node.order)) return;
  nodes.sort((a, b) => a.order - b.order);
  snapshot.value = stateValue(snapshot.machine.root, new Set(nodes), ({ states }) => Object.values(states));
}

function rest(position: Position): Rest {
  const history: Record<string, string[]> = {};
  const remembers = position.historyValue as Readonly<Record<string, readonly AnyStateNode[]>>;
  for (const id of Object.keys(remembers)) history[id] = (remembers[id] ?? []).map((node) => node.id);
  return {
    state: position.value as Json,
    context: (position.context as unknown as Running).data,
    history,
    isDone: position.status === "done",
    output: position.output as Json | undefined,
  };
}

/** The states that a stored value names, in document order, and the value in that order; undefined when it does not fit. */
function activate(node: StateNode, value: Json | undefined, active: StateNode[]): Json | undefined {
  const { type, states } = node;
  if (typeof value === "string") {
    const child = states.get(value);
    if (type !== "compound" || !child || (child.type !== "atomic" && child.type !== "final")) return undefined;
    active.push(child);
    return value;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const inside = [...states.values()].filter(({ key, type: kind }) => kind !== "history" && Object.hasOwn(value, key));
  if (inside.length !== Object.keys(value).length || inside.length !== expected(node)) return undefined;
  const entries: [string, Json][] = [];
  for (const child of inside) {
    active.push(child);
    const part = activate(child, value[child.key], active);
    if (part === undefined) return undefined;
    entries.push([child.key, part]);
  }
  return Object.fromEntries(entries);
}

/** How many states are active directly inside an active one. */
function expected({ type, states }: StateNode): number {
  if (type === "compound") return 1;
  return type === "parallel" ? [...states.values()].filter((child) => child.type !== "history").length : 0;
}

function remembered(
  history: Readonly<Record<string, readonly string[]>>,
  byId: ReadonlyMap<string, AnyStateNode>,
): Record<string, AnyStateNode[]> {
  const found: Record<string, AnyStateNode[]> = {};
  for (const id of Object.keys(history)) {
    const known = (history[id] ?? []).map((state) => byId.get(state)).filter((node) => node !== undefined);
    if (known.length > 0) found[id] = known;
  }
  return found;
}
