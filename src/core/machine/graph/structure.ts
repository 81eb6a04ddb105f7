/** What can be seen of a graph's form alone. */
import type { Graph, GraphNode } from "./graph.ts";

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
