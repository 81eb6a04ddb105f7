/** What a graph is, and what can be seen of its form alone. */
import type { StateNode } from "../file/tree.ts";

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
  /** Instances that are in it, where they were counted. */
  readonly count?: number;
}

/** `default`: from a history state to where it leads while there is nothing to remember. */
export type EdgeKind = "signal" | "timer" | "done" | "error" | "always" | "onDone" | "default";

export interface GraphEdge {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  /** The trigger in words: `MERGED`, `after 15m`, `move done`. Empty for a default. */
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

/** A state in which no instance ever rests: it only chooses, and one of its choices has no condition. */
export function isChoice({ id, kind, initial, entry, exit, invoke, timers }: GraphNode, { edges }: Graph): boolean {
  const isBusy = initial || [entry, exit, invoke, timers].some((list) => list.length > 0);
  const leaving = edges.filter(({ from }) => from === id);
  if (kind !== "atomic" || isBusy || leaving.length < 2) return false;
  const last = leaving.at(-1);
  return leaving.every(
    (edge) => edge.kind === "always" && !edge.internal && (edge.guard === undefined) === (edge === last),
  );
}

/** The states directly inside each state, in document order. */
export function childrenOf(nodes: readonly GraphNode[]): (parent: string) => readonly GraphNode[] {
  const children = new Map<string, GraphNode[]>();
  for (const node of nodes) {
    if (node.parent === null) continue;
    const list = children.get(node.parent);
    if (list) list.push(node);
    else children.set(node.parent, [node]);
  }
  return (parent) => children.get(parent) ?? [];
}

/** Whether the machine itself is drawn as a box: when it does something itself. */
export function isFramed({ nodes, edges }: Graph): boolean {
  const [machine] = nodes;
  if (!machine) return false;
  const isBusy = [machine.entry, machine.exit, machine.invoke, machine.timers].some((list) => list.length > 0);
  return isBusy || machine.kind === "parallel" || edges.some(({ from, to }) => from === "" || to === "");
}
