/**
 * A graph in Mermaid's state diagram language. Ids are made of plain characters; all other text stands in quotes, after a colon or in a
 * note, what its grammar could misread as entity codes. https://mermaid.js.org/syntax/stateDiagram.html
 */
import type { Graph, GraphEdge, GraphNode } from "./structure.ts";
import { childrenOf, isChoice, isFramed } from "./structure.ts";
import { edgeParts, linesBelow, nodeName } from "./words.ts";

/** The diagram, ending with a newline. */
export function mermaid(graph: Graph): string {
  const drawing = drawingOf(graph);
  const [machine] = graph.nodes;
  if (!machine) return "stateDiagram-v2\n";
  const inside = drawing.framed ? block(machine, drawing, "  ") : content(machine, drawing, "  ");
  const start = drawing.framed ? [`  [*] --> ${drawing.idOf(machine.id)}`] : [];
  const across = drawing.edges.filter((edge) => !drawing.homeOf.has(edge)).map((edge) => arrow(edge, drawing, "  "));
  return `${["stateDiagram-v2", ...start, ...inside, ...across].join("\n")}\n`;
}

interface Drawing {
  graph: Graph;
  /** Those that are arrows. */
  edges: readonly GraphEdge[];
  /** Whether the machine itself is a box: when it does something itself. */
  framed: boolean;
  idOf(node: string): string;
  lines(state: string): readonly string[];
  childrenOf(node: string): readonly GraphNode[];
  /** The state inside which an edge between its children is written. All others come at the end: whatever they named inside would be drawn there. */
  homeOf: ReadonlyMap<GraphEdge, string>;
}

function drawingOf(graph: Graph): Drawing {
  const { nodes } = graph;
  const children = childrenOf(nodes);
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const ids = idsOf(nodes);
  const edges = graph.edges.filter(({ internal }) => !internal);
  const homeOf = new Map<GraphEdge, string>();
  for (const edge of edges) {
    const home = byId.get(edge.from)?.parent ?? undefined;
    if (home !== undefined && byId.get(edge.to)?.parent === home && byId.get(home)?.kind === "compound")
      homeOf.set(edge, home);
  }
  return {
    graph,
    edges,
    framed: isFramed(graph),
    lines: linesBelow(graph),
    idOf: (node) => ids.get(node) ?? node,
    childrenOf: children,
    homeOf,
  };
}

// ---------------------------------------------------------------- states

/** A state with what is inside it. */
function block(node: GraphNode, drawing: Drawing, indent: string): string[] {
  const id = drawing.idOf(node.id);
  if (isChoice(node, drawing.graph)) return [`${indent}state ${id} <<choice>>`];
  const name = nodeName(node);
  const lines = drawing.lines(node.id);
  const named = name === id ? id : `state "${escaped(name)}" as ${id}`;
  if (node.kind !== "compound" && node.kind !== "parallel") {
    // The first such line takes the place of the id.
    const stateLines = lines.length > 0 ? [name, ...lines].map((line) => `${id} : ${escaped(line)}`) : [named];
    return stateLines.map((line) => indent + line);
  }
  const head = name === id ? `state ${id}` : named;
  return [`${indent}${head} {`, ...content(node, drawing, `${indent}  `), `${indent}}`, ...note(id, lines, indent)];
}

/** A state with others inside has no room for lines of its own. */
function note(id: string, lines: readonly string[], indent: string): string[] {
  if (lines.length === 0) return [];
  const noteLines = lines.map((line) => `${indent}  ${escaped(line)}`);
  return [`${indent}note right of ${id}`, ...noteLines, `${indent}end note`];
}

/** Start, states and transitions inside a state; the regions of a parallel one are separated by a line. */
function content(node: GraphNode, drawing: Drawing, indent: string): string[] {
  const children = drawing.childrenOf(node.id);
  const states = children.map((child) => block(child, drawing, indent));
  if (node.kind === "parallel") return states.flatMap((lines, i) => (i === 0 ? lines : [`${indent}--`, ...lines]));
  const edges = drawing.edges.filter((edge) => drawing.homeOf.get(edge) === node.id);
  const arrows = edges.map((edge) => arrow(edge, drawing, indent));
  const ends = children.filter(({ final }) => final).map(({ id }) => `${indent}${drawing.idOf(id)} --> [*]`);
  const first = children.find(({ initial }) => initial);
  const start = first ? [`${indent}[*] --> ${drawing.idOf(first.id)}`] : [];
  return [...start, ...states.flat(), ...arrows, ...ends];
}

function arrow(edge: GraphEdge, { idOf }: Drawing, indent: string): string {
  const label = edgeParts(edge).join(" ");
  const line = `${indent}${idOf(edge.from)} --> ${idOf(edge.to)}`;
  return label === "" ? line : `${line} : ${escaped(label)}`;
}

// ---------------------------------------------------------------- names and text

/** What Mermaid reads as something else, and names that every JavaScript object has. */
const RESERVED = new Set(
  `accdescr acctitle as class classdef click default href note root scale state statediagram style constructor hasownproperty
  isprototypeof propertyisenumerable tolocalestring tostring valueof`.split(/\s+/),
);
/** Mermaid calls the ends of a state's `[*]` so. */
const ENDS = /_(start|end)$/i;

/** The state's own name where it is plain and no other has it, else its path in plain characters; all different. */
function idsOf(nodes: readonly GraphNode[]): ReadonlyMap<string, string> {
  const uses = new Map<string, number>();
  for (const { label } of nodes) uses.set(label.toLowerCase(), (uses.get(label.toLowerCase()) ?? 0) + 1);
  const ids = new Map<string, string>();
  const usedIds = new Set<string>();
  for (const { id, label, path } of nodes) {
    const isOwn = path.length === 0 || uses.get(label.toLowerCase()) === 1;
    const name = (isOwn ? label : path.join("_")).replace(/\W/g, "_");
    const preferredId =
      /^[a-z]/i.test(name) && !RESERVED.has(name.toLowerCase()) && !ENDS.test(name) ? name : `s_${name}_`;
    let free = preferredId;
    for (let n = 2; usedIds.has(free.toLowerCase()); n++) free = `${preferredId}_${n}`;
    usedIds.add(free.toLowerCase());
    ids.set(id, free);
  }
  return ids;
}

/**
 * Every character that the grammar, or the page on which it is drawn, could read as its own.
 * A colon is only ever ours, and `end note` ends a note.
 */
const SPECIAL =
  /[^\p{L}\p{M}\p{N} _.,()[\]=+/!?'|<>&…-]|\[(?=\[)|-(?=[->])|(?<=-)[->]|<(?![ =])|&(?!&? )|e(?=nd\s*note)/giu;

/** https://mermaid.js.org/syntax/flowchart.html#entity-codes-to-escape-characters */
function escaped(text: string): string {
  return text.replace(SPECIAL, (char) => `#${char.codePointAt(0)};`);
}
