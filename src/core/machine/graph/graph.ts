/** A machine as a graph: what every drawing of it is made from, and the JSON form itself. Nodes and edges in document order. */
import type { CompiledMachine } from "../file/compile.ts";
import { type Call, type Effect, isObject, listOf, type Move, type StateNode, type Tree } from "../file/tree.ts";
import { actionsText, delayText, guardText } from "./words.ts";

export { dot } from "./dot.ts";
export { mermaid } from "./mermaid.ts";

export interface Graph {
  /** The machine's id. */
  readonly id: string;
  /** What instances are pinned to: 16 hex digits over the definition. */
  readonly hash: string;
  readonly description?: string;
  /** Parents before their children; the first is the machine itself. */
  readonly nodes: readonly GraphNode[];
  readonly edges: readonly GraphEdge[];
}

export interface GraphNode {
  /** Dotted path below the machine, empty for the machine itself. */
  readonly id: string;
  readonly path: readonly string[];
  /** The name as written, not escaped for anything. */
  readonly label: string;
  readonly kind: StateNode["type"];
  /** Null for the machine itself. */
  readonly parent: string | null;
  /** Whether it is entered with its parent. In a parallel state all are. */
  readonly initial: boolean;
  readonly final: boolean;
  readonly history: "shallow" | "deep" | null;
  readonly tags: readonly string[];
  /** Calls that start when it is entered. */
  readonly invoke: readonly { readonly id: string; readonly src: string }[];
  readonly entry: readonly string[];
  readonly exit: readonly string[];
  /** `after`: `15m`, or the expression that gives it. */
  readonly timers: readonly { readonly id: string; readonly after: string }[];
  readonly description?: string;
  /** Instances that are in it, when somebody counted. */
  readonly count?: number;
}

/** `default`: from a history state to where it leads while there is nothing to remember. */
export type EdgeKind = "signal" | "timer" | "done" | "error" | "always" | "onDone" | "default";

export interface GraphEdge {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  /** What a reader is told of the trigger: `MERGED`, `after 15m`, `move done`. Empty for a default. */
  readonly label: string;
  /** The signal's, timer's or call's name; else the kind. */
  readonly trigger: string;
  /** As CEL, combinations written out. */
  readonly guard?: string;
  readonly actions: readonly string[];
  readonly kind: EdgeKind;
  /** True when nothing is left or entered; then `to` is `from`. */
  readonly internal: boolean;
}

/** The same graph for the same definition, byte for byte. */
export function graphOf(machine: CompiledMachine): Graph {
  const { id, hash, tree, definition } = machine;
  const nodes = tree.nodes.map((node) => nodeOf(node, tree, definition));
  const edges = tree.nodes.flatMap(edgesOf).map((edge, index) => ({ id: `e${index}`, ...edge }));
  return { id, hash, ...describedAt(definition, []), nodes, edges };
}

/** The graph with how many instances stand in each state; what no node of it names counts for nothing. */
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
const isTimer = (effect: Effect): effect is Extract<Effect, { kind: "arm" }> => effect.kind === "arm";

type NewEdge = Omit<GraphEdge, "id">;

function edgesOf(node: StateNode): NewEdge[] {
  const remembered = node.defaults.map(
    (to): NewEdge => ({
      ...{ from: node.id, to: to.id, label: "", trigger: "default" },
      ...{ actions: [], kind: "default", internal: false },
    }),
  );
  return [...remembered, ...node.moves.flatMap((move) => edgesOfMove(node, move))];
}

/** One edge for each target; without any, one that stays. */
function edgesOfMove(node: StateNode, move: Move): NewEdge[] {
  const { targets, guard, effects } = move;
  const shared = {
    ...occasionOf(node, move),
    ...(guard ? { guard: guardText(guard) } : {}),
    actions: actionsText(effects),
  };
  if (targets.length === 0) return [{ from: node.id, to: node.id, ...shared, internal: true }];
  return targets.map((to) => ({ from: node.id, to: to.id, ...shared, internal: false }));
}

function occasionOf(node: StateNode, { trigger }: Move): Pick<NewEdge, "kind" | "trigger" | "label"> {
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
