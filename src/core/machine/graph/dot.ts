/** A graph in Graphviz's language. States inside states are clusters. https://graphviz.org/doc/info/lang.html */
import type { Graph, GraphEdge, GraphNode } from "./structure.ts";
import { childrenOf, isChoice, isFramed } from "./structure.ts";
import { edgeParts, linesBelow, nodeName } from "./words.ts";

const HEAD = [
  "  compound=true",
  "  newrank=true",
  "  rankdir=TB",
  '  graph [fontname="Helvetica", fontsize=12, style=rounded, color="#64748b", labeljust=l]',
  '  node [fontname="Helvetica", fontsize=12, shape=box, style=rounded, color="#64748b"]',
  '  edge [fontname="Helvetica", fontsize=10, color="#64748b"]',
];

/** The graph, ending with a newline. */
export function dot(graph: Graph): string {
  const [machine] = graph.nodes;
  if (!machine) return "digraph {\n}\n";
  const drawing: Drawing = {
    graph,
    children: childrenOf(graph.nodes),
    lines: linesBelow(graph),
    framed: isFramed(graph),
  };
  const states = drawing.framed ? stateLines(machine, drawing, "  ") : contentLines(machine, drawing, "  ");
  const edges = graph.edges.filter(({ internal }) => !internal).map((edge) => edgeLine(edge, drawing));
  return `${[`digraph ${quoted(graph.id)} {`, ...HEAD, ...states, ...edges, "}"].join("\n")}\n`;
}

interface Drawing {
  graph: Graph;
  children(parent: string): readonly GraphNode[];
  lines(state: string): readonly string[];
  framed: boolean;
}

function stateLines(node: GraphNode, drawing: Drawing, indent: string): string[] {
  const label = [nodeName(node), ...drawing.lines(node.id)];
  if (!isCluster(node)) {
    const look = node.history ? ["style=dashed"] : node.final ? ["peripheries=2"] : [];
    const shape = isChoice(node, drawing.graph) ? ["shape=diamond", "style=solid"] : [];
    return [`${indent}${quoted(nameOf(node.id))} ${attributes([`label=${text(label)}`, ...look, ...shape])}`];
  }
  const isRegion = drawing.graph.nodes.find(({ id }) => id === node.parent)?.kind === "parallel";
  return [
    `${indent}subgraph ${quoted(clusterOf(node.id))} {`,
    `${indent}  label=${text(label, LEFT)}`,
    `${indent}  style=${isRegion ? '"rounded,dashed"' : "rounded"}`,
    ...contentLines(node, drawing, `${indent}  `),
    `${indent}}`,
  ];
}

/** The point that stands for the state itself where an edge begins or ends, and an arrow from it to where it starts. */
function contentLines(node: GraphNode, drawing: Drawing, indent: string): string[] {
  const children = drawing.children(node.id);
  const first = node.kind === "compound" ? children.find(({ initial }) => initial) : undefined;
  const isNeeded = first !== undefined || node.id !== "" || drawing.framed;
  const point = quoted(anchorOf(node.id));
  const look = first ? ["shape=point", "width=0.12"] : ["shape=point", "style=invis"];
  return [
    ...(isNeeded ? [`${indent}${point} ${attributes(['label=""', ...look])}`] : []),
    ...children.flatMap((child) => stateLines(child, drawing, indent)),
    ...(first ? [`${indent}${point} -> ${headOf(first)}`] : []),
  ];
}

function headOf(first: GraphNode): string {
  const end = quoted(endOf(first));
  return isCluster(first) ? `${end} ${attributes([`lhead=${quoted(clusterOf(first.id))}`])}` : end;
}

function edgeLine(edge: GraphEdge, { graph }: Drawing): string {
  const [from, to] = [edge.from, edge.to].map((end) => graph.nodes.find(({ id }) => id === end));
  if (!from || !to) return "";
  const parts = edgeParts(edge);
  // An edge that begins or ends inside the cluster cannot be clipped at its border.
  const clips = [
    ...(isCluster(from) && !isWithin(to, from) ? [`ltail=${quoted(clusterOf(from.id))}`] : []),
    ...(isCluster(to) && !isWithin(from, to) ? [`lhead=${quoted(clusterOf(to.id))}`] : []),
  ];
  const look =
    edge.kind === "timer" ? ["style=dashed"] : ["always", "default"].includes(edge.kind) ? ["style=dotted"] : [];
  const label = parts.length > 0 ? [`label=${text(parts)}`] : [];
  const all = [...label, ...look, ...clips];
  return `  ${quoted(endOf(from))} -> ${quoted(endOf(to))}${all.length > 0 ? ` ${attributes(all)}` : ""}`;
}

function isCluster({ kind }: GraphNode): boolean {
  return kind === "compound" || kind === "parallel";
}

/** Also true for the state itself. */
function isWithin(inner: GraphNode, outer: GraphNode): boolean {
  return outer.path.every((key, i) => inner.path[i] === key);
}

// A state's name holds no slash, so no state has these names.
const nameOf = (id: string) => `state/${id}`;
const anchorOf = (id: string) => `start/${id}`;
const clusterOf = (id: string) => `cluster/${id}`;

/** Only nodes have edges: a cluster's is the point inside. */
function endOf(node: GraphNode): string {
  return isCluster(node) ? anchorOf(node.id) : nameOf(node.id);
}

function attributes(all: readonly string[]): string {
  return `[${all.join(", ")}]`;
}

/** What cannot stand in a name of Graphviz, and the sign that is written in its place. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters it is about.
const UNNAMEABLE = /[\u0000-\u001f\\"%\p{Surrogate}]/gu;

/** Names that differ stay different. */
function quoted(name: string): string {
  return `"${name.replace(UNNAMEABLE, (char) => `%${char.charCodeAt(0)};`)}"`;
}

/** Graphviz' ends of a line, which also say how the line is aligned. */
const MIDDLE = "\\n";
const LEFT = "\\l";

/** Lines below each other. Graphviz reads entities and its own `\N` in labels, so that `&` and the backslash are written out. */
function text(lines: readonly string[], end = MIDDLE): string {
  const escaped = lines.map((line) => line.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("&", "&amp;"));
  return `"${escaped.join(end)}${lines.length > 1 && end === LEFT ? end : ""}"`;
}
