/** Where everything of a drawing lies (door to elkjs): sizes come from the text, places from ELK's layered layout. */
import { createHash } from "node:crypto";
import type { ElkExtendedEdge, ElkNode, LayoutOptions } from "elkjs/lib/elk-api.js";
import type { Graph, GraphEdge, GraphNode } from "../core/machine/graph/graph.ts";
import { childrenOf, isFramed } from "../core/machine/graph/structure.ts";
import { edgeParts, linesBelow, nodeTitle } from "../core/machine/graph/words.ts";
import { SignalboxError } from "../errors.ts";
import { widthOf, wrapped } from "./measure.ts";

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Rectangle extends Point {
  readonly width: number;
  readonly height: number;
}

/** A state. */
export interface Box extends Rectangle {
  readonly node: GraphNode;
  /** What stands below its name. */
  readonly lines: readonly string[];
  readonly hasChildren: boolean;
  /** Whether it is one of the states of a parallel one. */
  readonly isRegion: boolean;
  /** In how many boxes it lies. */
  readonly depth: number;
}

/** An arrow from state to state, in the order in which it is followed. */
export interface Line {
  readonly edge: GraphEdge;
  readonly points: readonly Point[];
  readonly label: (Rectangle & { readonly lines: readonly string[] }) | undefined;
}

/** The dot from which an arrow leads to the state that is entered first. */
export interface Start {
  readonly dot: Rectangle;
  readonly points: readonly Point[];
}

/** In pixels, from the upper left corner. Boxes before those that lie in them. */
export interface Layout {
  readonly width: number;
  readonly height: number;
  readonly boxes: readonly Box[];
  readonly starts: readonly Start[];
  readonly lines: readonly Line[];
}

/** Sizes that the painting must use as well. */
export const SIZES = {
  name: 14,
  text: 12,
  line: 17,
  /** From a box's upper edge to what stands below its name. */
  head: 36,
  padding: 16,
} as const;

const BOX_WIDTH_MIN = 72;
const DETAIL_WIDTH_MAX = 300;
const LABEL_WIDTH_MAX = 220;
const DOT = 12;
const LINES_MAX = 3;

/** A denser drawing takes minutes and cannot be read. */
const EDGES_MAX = 1_000;

/** Said at every level: ELK's options are not inherited. https://eclipse.dev/elk/reference/options.html */
const OPTIONS: LayoutOptions = {
  "elk.algorithm": "layered",
  "elk.direction": "DOWN",
  "elk.hierarchyHandling": "INCLUDE_CHILDREN",
  "elk.edgeRouting": "ORTHOGONAL",
  "elk.json.edgeCoords": "ROOT",
  "elk.json.shapeCoords": "ROOT",
  // Beside each other, states stand as their positions say. `considerModelOrder`, made for that, fails in states inside states.
  // https://github.com/eclipse-elk/elk/issues/1182
  "elk.layered.crossingMinimization.semiInteractive": "true",
  "elk.layered.nodePlacement.strategy": "BRANDES_KOEPF",
  "elk.layered.nodePlacement.bk.fixedAlignment": "BALANCED",
  "elk.padding": "[top=24,left=24,bottom=24,right=24]",
  "elk.spacing.nodeNode": "36",
  "elk.spacing.edgeNode": "18",
  "elk.spacing.edgeEdge": "14",
  "elk.spacing.edgeLabel": "4",
  "elk.spacing.nodeSelfLoop": "18",
  "elk.layered.spacing.nodeNodeBetweenLayers": "36",
  "elk.layered.spacing.edgeNodeBetweenLayers": "18",
  "elk.layered.spacing.edgeEdgeBetweenLayers": "14",
};

/** Lays graphs out and caches the latest layouts: a machine is drawn far more often than it changes. */
export function createLayouts({ layoutsMax = 50 }: { layoutsMax?: number } = {}): (graph: Graph) => Promise<Layout> {
  const answers = new Map<string, Promise<ElkNode>>();
  /** Rejects with SB0108 when there are too many transitions. Tens of milliseconds for a few states, seconds for hundreds. */
  return async (graph) => {
    const plan = planOf(graph);
    const elkGraph = question(plan);
    // Not the machine's own hash: that is the same for transitions in another order, which lie elsewhere.
    const key = createHash("sha256").update(JSON.stringify(elkGraph)).digest("base64");
    const answer = answers.get(key) ?? solve(elkGraph, graph);
    answers.delete(key);
    answers.set(key, answer);
    const [oldest] = answers.keys();
    if (oldest !== undefined && answers.size > layoutsMax) answers.delete(oldest);
    try {
      return read(await answer, plan);
    } catch (error) {
      answers.delete(key);
      throw error;
    }
  };
}

async function solve(elkGraph: ElkNode, { id }: Graph): Promise<ElkNode> {
  const count = elkGraph.edges?.length ?? 0;
  if (count > EDGES_MAX) {
    const limits = `${count.toLocaleString("en-US")} arrows, at most ${EDGES_MAX.toLocaleString("en-US")} are drawn`;
    throw new SignalboxError(
      "SB0108",
      `As SVG the machine "${id}" would have ${limits}; dot and mermaid have no limit`,
    );
  }
  // Loaded when something is drawn: it is large.
  const { default: elk } = await import("elkjs/lib/elk.bundled.js");
  return await new elk.default().layout(elkGraph);
}

// ---------------------------------------------------------------- what is laid out

// A state's name holds no slash, so no state has these ids.
const stateId = (id: string) => `state/${id}`;
const dotId = (id: string) => `dot/${id}`;

interface Plan {
  readonly graph: Graph;
  readonly framed: boolean;
  readonly byId: ReadonlyMap<string, GraphNode>;
  children(parent: string): readonly GraphNode[];
  /** What stands below a state's name: what it does, and transitions that leave nothing. */
  lines(state: string): readonly string[];
  /** Whether it leads back to an earlier state. ELK is told of it the other way round, so that the order alone decides what is above. */
  isUpward(edge: GraphEdge): boolean;
}

function planOf(graph: Graph): Plan {
  const { nodes } = graph;
  const lines = linesBelow(graph);
  const byId = new Map(nodes.map((node) => [node.id, node]));
  // In the file's order, but what is entered first is above.
  const ranks = new Map(nodes.map(({ id, initial }, order) => [id, initial ? 0 : order]));
  const rank = (path: readonly string[]) => ranks.get(path.join(".")) ?? 0;
  return {
    graph,
    byId,
    framed: isFramed(graph),
    children: childrenOf(nodes),
    lines: (state) => lines(state).flatMap((line) => inset(inLines(line, DETAIL_WIDTH_MAX))),
    isUpward({ from, to }) {
      const [a, b] = [byId.get(from)?.path ?? [], byId.get(to)?.path ?? []];
      const fork = a.findIndex((key, i) => key !== b[i]);
      return fork >= 0 && fork < b.length && rank(a.slice(0, fork + 1)) > rank(b.slice(0, fork + 1));
    },
  };
}

function inLines(text: string, width: number): string[] {
  return wrapped(text, { size: SIZES.text, width, lines: LINES_MAX });
}

/** What a line goes on with stands further in. */
function inset(lines: readonly string[]): string[] {
  return lines.map((line, i) => (i === 0 ? line : `\u00a0\u00a0\u00a0${line}`));
}

/** The child that a dot and an arrow mark as the first. */
function firstOf(node: GraphNode, { children }: Plan): GraphNode | undefined {
  return node.kind === "compound" ? children(node.id).find(({ initial }) => initial) : undefined;
}

// ---------------------------------------------------------------- what ELK is asked

function question(plan: Plan): ElkNode {
  const { graph, framed } = plan;
  const [machine] = graph.nodes;
  const children = machine === undefined ? [] : framed ? [stateOf(machine, plan)] : insideOf(machine, plan);
  const starts = graph.nodes.flatMap((node) => {
    const first = firstOf(node, plan);
    return first ? [{ id: dotId(node.id), sources: [dotId(node.id)], targets: [stateId(first.id)] }] : [];
  });
  const edges = graph.edges.filter(({ internal }) => !internal).map((edge) => edgeOf(edge, plan));
  return { id: "drawing", layoutOptions: OPTIONS, children, edges: [...starts, ...edges] };
}

function stateOf(node: GraphNode, plan: Plan): ElkNode {
  const lines = plan.lines(node.id);
  const name = widthOf(nodeTitle(node), { size: SIZES.name, bold: true });
  const width = Math.max(BOX_WIDTH_MIN, Math.max(name, textWidth(lines)) + 2 * SIZES.padding);
  const height = SIZES.head + (lines.length > 0 ? lines.length * SIZES.line + SIZES.padding / 2 : 0);
  const id = stateId(node.id);
  const children = insideOf(node, plan);
  if (children.length === 0) return { id, width, height };
  const { padding } = SIZES;
  const layoutOptions = {
    ...OPTIONS,
    "elk.padding": `[top=${height + 4},left=${padding},bottom=${padding},right=${padding}]`,
    "elk.nodeSize.constraints": "MINIMUM_SIZE",
    "elk.nodeSize.minimum": `(${width},${height + padding})`,
  };
  return { id, children, layoutOptions };
}

function insideOf(node: GraphNode, plan: Plan): ElkNode[] {
  const dot = firstOf(node, plan) ? [{ id: dotId(node.id), width: DOT, height: DOT }] : [];
  const states = plan.children(node.id).map((child) => stateOf(child, plan));
  return [...dot, ...states].map((one: ElkNode, i) => {
    return { ...one, layoutOptions: { ...one.layoutOptions, "elk.position": `(${i},${i})` } };
  });
}

function edgeOf(edge: GraphEdge, plan: Plan): ElkExtendedEdge {
  const ends = [stateId(edge.from), stateId(edge.to)];
  const [source = "", target = ""] = plan.isUpward(edge) ? ends.reverse() : ends;
  const lines = labelLines(edge);
  const size = { width: textWidth(lines) + 10, height: lines.length * SIZES.line + 4 };
  // A label without a text is left where it is; on the line it cuts it in two, which its background hides.
  const label = { text: "label", ...size, layoutOptions: { "elk.edgeLabels.inline": "true" } };
  return { id: edge.id, sources: [source], targets: [target], labels: lines.length > 0 ? [label] : [] };
}

function labelLines(edge: GraphEdge): string[] {
  return edgeParts(edge).flatMap((part) => inLines(part, LABEL_WIDTH_MAX));
}

function textWidth(lines: readonly string[]): number {
  return Math.max(0, ...lines.map((line) => widthOf(line, { size: SIZES.text })));
}

// ---------------------------------------------------------------- what ELK answers

function read(answer: ElkNode, plan: Plan): Layout {
  const { graph, byId, framed } = plan;
  const placed = new Map(placesIn(answer).map((place) => [place.id, place]));
  const routed = new Map((answer.edges ?? []).map((edge) => [edge.id, edge]));
  const boxes = graph.nodes.flatMap((node): Box[] => {
    const place = placed.get(stateId(node.id));
    if (!place) return [];
    const hasChildren = plan.children(node.id).length > 0;
    const isRegion = byId.get(node.parent ?? "")?.kind === "parallel" && node.parent !== null;
    const depth = node.path.length - (framed ? 0 : 1);
    return [{ ...rectangle(place), node, lines: plan.lines(node.id), hasChildren, isRegion, depth }];
  });
  const starts = graph.nodes.flatMap(({ id }): Start[] => {
    const [dot, arrow] = [placed.get(dotId(id)), routed.get(dotId(id))];
    return dot && arrow ? [{ dot: rectangle(dot), points: pointsOf(arrow) }] : [];
  });
  const lines = graph.edges.flatMap((edge): Line[] => {
    const route = routed.get(edge.id);
    return route ? [lineOf(edge, route, plan)] : [];
  });
  return { width: answer.width ?? 0, height: answer.height ?? 0, boxes, starts, lines };
}

function placesIn(node: ElkNode): ElkNode[] {
  return [node, ...(node.children ?? []).flatMap(placesIn)];
}

function lineOf(edge: GraphEdge, route: ElkExtendedEdge, plan: Plan): Line {
  const points = pointsOf(route);
  const [label] = route.labels ?? [];
  return {
    edge,
    points: plan.isUpward(edge) ? points.reverse() : points,
    label: label && { ...rectangle(label), lines: labelLines(edge) },
  };
}

function pointsOf({ sections = [] }: ElkExtendedEdge): Point[] {
  return sections.flatMap(({ startPoint, bendPoints = [], endPoint }) => [startPoint, ...bendPoints, endPoint]);
}

function rectangle({ x = 0, y = 0, width = 0, height = 0 }: Partial<Rectangle>): Rectangle {
  return { x, y, width, height };
}
