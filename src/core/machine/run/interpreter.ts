/**
 * Runs a lowered machine in xstate, one macrostep at a time, from and to our own row. The only door to xstate; what is used of it beyond
 * its documentation is `_nodes`, the inspection hook and scopes without an actor. https://stately.ai/docs
 */
import {
  type AnyActorScope,
  type AnyMachineSnapshot,
  type AnyStateMachine,
  type AnyStateNode,
  assign,
  createMachine,
  enqueueActions,
  raise,
} from "xstate";
import { type Instance, type Json, type JsonObject, LIMITS } from "../../../model.ts";
import { type Call, type Effect, type StateNode, stateValue, type Tree } from "../file/tree.ts";
import {
  type ActionArgs,
  type ActionType,
  ANY,
  eventType,
  type Happening,
  lower,
  type Running,
  reference,
  stepScopeOf,
} from "./lower.ts";
import { assignedContext, newContext, perform, StepRefused, type StepRun, startCall } from "./step-run.ts";

/** Where an instance is between two macrosteps; outside of this file only its `status` is read. */
export type Snapshot = AnyMachineSnapshot;

/** A snapshot as a stored row has it. */
export interface SnapshotRow {
  readonly state: Json;
  readonly context: JsonObject;
  readonly history: Record<string, string[]>;
  readonly isDone: boolean;
  readonly output: Json | undefined;
}

/** All but `row` throw StepRefused when a limit is exceeded. */
export interface Interpreter {
  /** A new instance after its initial macrostep. */
  start(run: StepRun): Snapshot;
  /** The snapshot of a stored instance; undefined when its state is not one of this machine. Runs nothing. */
  restore(instance: Instance, run: StepRun): Snapshot | undefined;
  /** The active states of a stored instance in document order; undefined when they are not of this machine. */
  activeStates(state: Json): readonly StateNode[] | undefined;
  /** One macrostep; undefined when no transition is enabled. */
  react(snapshot: Snapshot, happening: Happening, run: StepRun): Snapshot | undefined;
  row(snapshot: Snapshot): SnapshotRow;
}

export function createInterpreter(tree: Tree): Interpreter {
  const machine = machineOf(tree);
  const nodes = tree.nodes.map((node): AnyStateNode => machine.getStateNodeById(reference(node)));
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const template = machine.resolveState({ value: {}, context: {} });
  return {
    start: (run) => startSnapshot(machine, tree, run),
    activeStates(state) {
      const active: StateNode[] = [tree.root];
      return activate(tree.root, state, active) === undefined ? undefined : active;
    },
    restore(instance, run) {
      const active: StateNode[] = [tree.root];
      const value = activate(tree.root, instance.state, active);
      if (value === undefined) return undefined;
      const running: Running = { data: instance.context, run };
      return {
        ...template,
        status: "active",
        context: running,
        value,
        _nodes: active.map(({ order }) => nodes[order]),
        historyValue: historyNodes(instance.history ?? {}, byId),
      } as Snapshot;
    },
    react: (snapshot, happening, run) => react(machine, snapshot, happening, run),
    row: snapshotRow,
  };
}

/** The context of the lowered machine, which only this file sets. */
const runningOf = (context: unknown): Running => context as Running;

/** What xstate does itself: assign, raise, and calls, which raise the event of their failure. `perform` is left to the scope. */
const ACTIONS = {
  assign: assign(({ context, event }: ActionArgs, { values }: Extract<Effect, { kind: "assign" }>) => ({
    data: assignedContext(context.run, values, stepScopeOf(context, event)),
  })),
  raise: raise((_: unknown, { name }: Extract<Effect, { kind: "raise" }>) => ({ type: name })),
  /** A call whose input cannot be rendered has failed at once: its onError is taken within the same step. */
  call: enqueueActions(({ context, event, enqueue }, call: Call) => {
    const running = runningOf(context);
    const scope = stepScopeOf(running, event);
    const message = startCall(running.run, call, scope);
    if (message === undefined) return;
    const view = { ...scope.event, error: { message } };
    const failed: Happening = { type: eventType({ kind: "failed", call: call.id }), view };
    enqueue.raise(failed);
  }),
} satisfies Partial<Record<ActionType, unknown>>;

/** Throws only when the tree is not one that reading would let through. */
function machineOf(tree: Tree): AnyStateMachine {
  // A new instance begins with the context that it is handed.
  const config = { ...lower(tree), context: ({ input }: { input: Running }) => input };
  const implementations = { actions: ACTIONS } as unknown as Parameters<typeof createMachine>[1];
  return createMachine(config as Parameters<typeof createMachine>[0], implementations) as unknown as AnyStateMachine;
}

function startSnapshot(machine: AnyStateMachine, tree: Tree, run: StepRun): Snapshot {
  const running: Running = { data: newContext(run, tree.context), run };
  const scope = scopeOf(run, (transitions) => {
    if (transitions > 0) countMicrostep(run);
  });
  const snapshot = machine.getInitialSnapshot(scope, running) as Snapshot;
  // The initial macrostep returns what it should have thrown.
  if (snapshot.status === "error") throw snapshot.error;
  return snapshot;
}

/** Thrown to leave the macrostep at once: xstate would look for eventless transitions next. */
const NOT_TAKEN = new Error("no transition");

function react(machine: AnyStateMachine, from: Snapshot, happening: Happening, run: StepRun): Snapshot | undefined {
  let isFirst = true;
  const scope = scopeOf(run, (transitions) => {
    if (isFirst && transitions === 0) throw NOT_TAKEN;
    isFirst = false;
    countMicrostep(run);
  });
  const event = happening.type === "*" ? { ...happening, type: ANY } : happening;
  try {
    return machine.transition(from, event, scope) as Snapshot;
  } catch (error) {
    if (error === NOT_TAKEN) return undefined;
    throw error;
  }
}

function countMicrostep(run: StepRun): void {
  run.microsteps += 1;
  if (run.microsteps > LIMITS.microsteps) {
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
 * What xstate asks of an actor, without one: effects go to the step run, and after each microstep the active states are put into document
 * order. xstate keeps them in the order of entering, restores them in another, and takes conflicting transitions by that order.
 */
function scopeOf(run: StepRun, afterMicrostep: (transitions: number) => void): AnyActorScope {
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
      if (type !== ("perform" satisfies ActionType)) return;
      perform(run, params as Effect, stepScopeOf(info.context as Running, info.event as Happening));
    },
  };
  return scope as unknown as AnyActorScope;
}

const NOBODY = Object.freeze({});
function nothing(): void {}

function inDocumentOrder(snapshot: Inspected["snapshot"]): void {
  const nodes = snapshot._nodes;
  if (nodes.every((node, i) => i === 0 || (nodes[i - 1]?.order ?? -1) < node.order)) return;
  nodes.sort((a, b) => a.order - b.order);
  snapshot.value = stateValue(snapshot.machine.root, new Set(nodes), ({ states }) => Object.values(states));
}

function snapshotRow(snapshot: Snapshot): SnapshotRow {
  const history: Record<string, string[]> = {};
  const remembers = snapshot.historyValue as Readonly<Record<string, readonly AnyStateNode[]>>;
  for (const id of Object.keys(remembers)) history[id] = (remembers[id] ?? []).map((node) => node.id);
  return {
    state: snapshot.value as Json,
    context: runningOf(snapshot.context).data,
    history,
    isDone: snapshot.status === "done",
    output: snapshot.output as Json | undefined,
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
  if (inside.length !== Object.keys(value).length || inside.length !== activeChildCount(node)) return undefined;
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
function activeChildCount({ type, states }: StateNode): number {
  if (type === "compound") return 1;
  return type === "parallel" ? [...states.values()].filter((child) => child.type !== "history").length : 0;
}

function historyNodes(
  history: Readonly<Record<string, readonly string[]>>,
  byId: ReadonlyMap<string, AnyStateNode>,
): Record<string, AnyStateNode[]> {
  const nodes: Record<string, AnyStateNode[]> = {};
  for (const id of Object.keys(history)) {
    const states = (history[id] ?? []).map((state) => byId.get(state)).filter((node) => node !== undefined);
    if (states.length > 0) nodes[id] = states;
  }
  return nodes;
}
