/** A machine as a graph: what every drawing of it is made from, and the JSON form itself. Nodes and edges in document order. */
import { isObject } from "../../../model.ts";
import type { CompiledMachine } from "../file/compile.ts";
import { type Call, type Effect, listOf, type StateNode, type TransitionNode, type Tree } from "../file/tree.ts";
import type { Graph, GraphEdge, GraphNode } from "./structure.ts";
import { actionsText, delayText, guardText } from "./words.ts";

export { dot } from "./dot.ts";
export { mermaid } from "./mermaid.ts";
export type * from "./structure.ts";

/** The same graph for the same definition, byte for byte. */
export function graphOf(machine: CompiledMachine): Graph {
  const { id, hash, tree, definition } = machine;
  const nodes = tree.nodes.map((node) => nodeOf(node, tree, definition));
  const edges = tree.nodes.flatMap(edgesOf).map((edge, index) => ({ id: `e${index}`, ...edge }));
  return { id, hash, ...describedAt(definition, []), nodes, edges };
}

/** The graph with how many instances are in each state; counts of states that it does not have are left out. */
export function withCounts(graph: Graph, counts: ReadonlyMap<string, number>): Graph {
  return { ...graph, nodes: graph.nodes.map((node) => ({ ...node, count: counts.get(node.id) ?? 0 })) };
}

function nodeOf(node: StateNode, tree: Tree, definition: unknown): GraphNode {
  const { id, type, parent, entry, exit } = node;
  const raw = rawAt(definition, node.path);
  const tags = isObject(raw) ? listOf(raw.tags) : [];
  return {
    id,
    path: keysOf(node),
    label: parent ? node.key : tree.id,
    kind: type,
    parent: parent ? parent.id : null,
    initial: parent?.type === "parallel" ? type !== "history" : parent?.initial === node,
    final: type === "final",
    history: type === "history" ? (node.deep ? "deep" : "shallow") : null,
    tags: tags.filter((tag) => typeof tag === "string"),
    invoke: entry.filter(isCall).map((call) => ({ id: call.id, src: call.action })),
    entry: actionsText(entry),
    exit: actionsText(exit),
    timers: entry.filter(isTimer).map((timer) => ({ id: timer.id, after: delayText(timer.delay) })),
    ...describedAt(definition, node.path),
  };
}

function keysOf({ parent, key }: StateNode): string[] {
  return parent ? [...keysOf(parent), key] : [];
}

function rawAt(definition: unknown, path: StateNode["path"]): unknown {
  return path.reduce((at, key) => (isObject(at) ? at[key] : undefined), definition);
}

function describedAt(definition: unknown, path: StateNode["path"]): { description?: string } {
  const raw = rawAt(definition, path);
  return isObject(raw) && typeof raw.description === "string" ? { description: raw.description } : {};
}

const isCall = (effect: Effect): effect is Call => effect.kind === "call";
const isTimer = (effect: Effect): effect is Extract<Effect, { kind: "setTimer" }> => effect.kind === "setTimer";

type NewEdge = Omit<GraphEdge, "id">;

function edgesOf(node: StateNode): NewEdge[] {
  const defaultEdges = node.defaults.map(
    (to): NewEdge => ({
      ...{ from: node.id, to: to.id, label: "", trigger: "default" },
      ...{ actions: [], kind: "default", internal: false },
    }),
  );
  return [...defaultEdges, ...node.transitions.flatMap((move) => edgesOfTransition(node, move))];
}

/** One edge for each target; without any, one that stays. */
function edgesOfTransition(node: StateNode, transition: TransitionNode): NewEdge[] {
  const { targets, guard, effects } = transition;
  const shared = {
    ...triggerParts(node, transition),
    ...(guard ? { guard: guardText(guard) } : {}),
    actions: actionsText(effects),
  };
  if (targets.length === 0) return [{ from: node.id, to: node.id, ...shared, internal: true }];
  return targets.map((to) => ({ from: node.id, to: to.id, ...shared, internal: false }));
}

function triggerParts(node: StateNode, { trigger }: TransitionNode): Pick<NewEdge, "kind" | "trigger" | "label"> {
  switch (trigger.kind) {
    case "signal":
      return { kind: "signal", trigger: trigger.name, label: trigger.name };
    case "timer": {
      const timer = node.entry.filter(isTimer).find(({ id }) => id === trigger.id);
      return { kind: "timer", trigger: trigger.id, label: `after ${timer ? delayText(timer.delay) : trigger.id}` };
    }
    case "done":
      return { kind: "done", trigger: trigger.call, label: `${callText(node, trigger.call)} done` };
    case "failed":
      return { kind: "error", trigger: trigger.call, label: `${callText(node, trigger.call)} failed` };
    case "always":
      return { kind: "always", trigger: "always", label: "always" };
    case "finished":
      return { kind: "onDone", trigger: "onDone", label: "done" };
  }
}

/** A call that was given no name is called by its state's path and its action; the state is seen in the drawing. */
function callText(node: StateNode, id: string): string {
  const call = node.entry.filter(isCall).find((one) => one.id === id);
  return call && id === `${node.id}.${call.action}` ? call.action : id;
}
