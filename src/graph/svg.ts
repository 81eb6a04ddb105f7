/**
 * A machine as an SVG picture: no browser, no script, no font of its own, nothing that leads outside. What is drawn carries
 * `data-state` and `data-edge`, so that a page that holds the picture can find it.
 */

import type { Graph, GraphNode } from "../core/machine/graph/graph.ts";
import { edgeParts, nodeName, nodeTitle, plain } from "../core/machine/graph/words.ts";
import {
  type Box,
  createLayouts,
  type Layout,
  type Line,
  type Point,
  type Rectangle,
  SIZES,
  type Start,
} from "./layout.ts";
import { widthOf } from "./measure.ts";
import { styleOf, type Theme } from "./theme.ts";

export { THEMES, type Theme } from "./theme.ts";

const FONT = `system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif`;
const CORNER = 10;
const BEND = 7;
const ARROW = { length: 9, half: 4.5 };
const BADGE_HEIGHT = 18;
/** Texts of tooltips; in the picture they are shorter. */
const TOOLTIP_CHARS_MAX = 1_000;

/** Draws graphs; the layouts of the latest are cached. Rejects with SB0108 when there are too many transitions for a picture. */
export function createDrawing(options: { layoutsMax?: number } = {}): (graph: Graph, theme: Theme) => Promise<string> {
  const layoutOf = createLayouts(options);
  return async (graph, theme) => paint(graph, await layoutOf(graph), theme);
}

function paint(graph: Graph, layout: Layout, theme: Theme): string {
  const [width, height] = [Math.ceil(layout.width), Math.ceil(layout.height)];
  const around = layout.boxes.filter(({ hasChildren }) => hasChildren);
  const inner = layout.boxes.filter(({ hasChildren }) => !hasChildren);
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img"`,
    `  class="signalbox-${theme}" font-family="${escaped(FONT)}" font-size="${SIZES.text}">`,
    `<title>${escaped(plain(graph.id))}</title>`,
    `<desc>${escaped(describe(graph))}</desc>`,
    `<style>${styleOf(theme)}</style>`,
    `<rect class="paper" width="${width}" height="${height}"/>`,
    ...around.map(frame),
    ...layout.starts.map(start),
    ...layout.lines.map(arrow),
    // Above the arrows that cross them.
    ...around.map(heading),
    ...inner.map(state),
    ...layout.boxes.map(badge).filter((mark) => mark !== ""),
    ...layout.lines.map(label).filter((mark) => mark !== ""),
    "</svg>",
  ];
  return `${parts.join("\n")}\n`;
}

function describe({ description, nodes, edges }: Graph): string {
  const count = `${nodes.length - 1} states, ${edges.length} transitions`;
  return description === undefined ? count : `${plain(description, TOOLTIP_CHARS_MAX)} (${count})`;
}

// ---------------------------------------------------------------- states

function state(box: Box): string {
  const { node } = box;
  const ring = node.final ? outline(inset(box, 4), { look: "ring", corner: CORNER - 3 }) : "";
  const corner = node.history ? box.height / 2 : CORNER;
  const rim = outline(box, { look: "box", corner, dashed: node.history !== null || box.isRegion });
  return `<g data-state="${placeOf(node.id)}">${tooltip(node)}${rim}${ring}${words(box)}</g>`;
}

/** The machine itself has an empty path. */
function placeOf(id: string): string {
  return id === "" ? "" : escaped(plain(id, TOOLTIP_CHARS_MAX));
}

/** A state with others inside, without its name. */
function frame(box: Box): string {
  const look = box.depth % 2 === 0 ? "even" : "odd";
  const rim = outline(box, { look, corner: CORNER, dashed: box.isRegion });
  return `<g data-state="${placeOf(box.node.id)}">${tooltip(box.node)}${rim}</g>`;
}

function heading(box: Box): string {
  return `<g class="${box.depth % 2 === 0 ? "on-even" : "on-odd"}">${words(box)}</g>`;
}

function words({ x, y, width, node, lines, hasChildren }: Box): string {
  const left = x + SIZES.padding;
  const name = hasChildren
    ? text(nodeTitle(node), { x: left, y: y + 23, look: "name" })
    : text(nodeTitle(node), { x: x + width / 2, y: y + 23, look: "name middle" });
  const rest = lines.map((line, i) => text(line, { x: left, y: y + SIZES.head + 12 + i * SIZES.line, look: "quiet" }));
  return [name, ...rest].join("");
}

function tooltip(node: GraphNode): string {
  const about = node.description === undefined ? "" : `: ${node.description}`;
  return `<title>${escaped(plain(`${nodeName(node)}${about}`, TOOLTIP_CHARS_MAX))}</title>`;
}

/** How many instances stand there, on the corner of the box: the picture stays the same whatever it says. */
function badge({ x, y, width, node }: Box): string {
  const { count = 0 } = node;
  if (count === 0) return "";
  const label = count.toLocaleString("en-US");
  const wide = Math.max(BADGE_HEIGHT, widthOf(label, { size: SIZES.text, bold: true }) + 10);
  const at = { x: x + width - wide / 2 - 6, y: y - BADGE_HEIGHT / 2, width: wide, height: BADGE_HEIGHT };
  const rim = outline(at, { look: "badge", corner: BADGE_HEIGHT / 2 });
  return `<g class="count">${rim}${text(label, { x: at.x + wide / 2, y: at.y + 13, look: "middle" })}</g>`;
}

function outline(box: Rectangle, { look, corner, dashed = false }: { look: string; corner: number; dashed?: boolean }) {
  const place = `x="${round(box.x)}" y="${round(box.y)}" width="${round(box.width)}" height="${round(box.height)}"`;
  return `<rect class="${look}${dashed ? " dashed" : ""}" ${place} rx="${round(corner)}"/>`;
}

function inset({ x, y, width, height }: Rectangle, by: number): Rectangle {
  return { x: x + by, y: y + by, width: width - 2 * by, height: height - 2 * by };
}

// ---------------------------------------------------------------- arrows

function start({ dot, points }: Start): string {
  const radius = dot.width / 2;
  const circle = `<circle class="head" cx="${round(dot.x + radius)}" cy="${round(dot.y + radius)}" r="${radius}"/>`;
  return `<g class="edge">${circle}${stroke(points)}</g>`;
}

function arrow({ edge, points }: Line): string {
  return `<g class="edge ${edge.kind}" data-edge="${edge.id}">${stroke(points)}</g>`;
}

/** A line with round bends, and its head. */
function stroke(points: readonly Point[]): string {
  const [tip, before] = [points.at(-1), points.at(-2)];
  if (!tip || !before) return "";
  const towards = towardsFrom(tip, before);
  // The line ends inside the head: its own end would stand out at the tip.
  const shortened = [...points.slice(0, -1), towards(ARROW.length - 1)];
  const back = towards(ARROW.length);
  const across = {
    x: ((before.y - tip.y) / distance(tip, before)) * ARROW.half,
    y: ((tip.x - before.x) / distance(tip, before)) * ARROW.half,
  };
  const head = [tip, { x: back.x + across.x, y: back.y + across.y }, { x: back.x - across.x, y: back.y - across.y }];
  return `<path class="line" d="${pathOf(shortened)}"/><path class="head" d="M${head.map(place).join("L")}z"/>`;
}

function pathOf(points: readonly Point[]): string {
  const last = points.length - 1;
  const parts = points.map((point, i) => {
    const [before, after] = [points[i - 1], points[i + 1]];
    if (!before) return `M${place(point)}`;
    if (!after || i === last) return `L${place(point)}`;
    const near = (other: Point) => towardsFrom(point, other)(Math.min(BEND, distance(point, other) / 2));
    return `L${place(near(before))}Q${place(point)} ${place(near(after))}`;
  });
  return parts.join("");
}

/** Where one is after so many pixels on the way from one point to another. */
function towardsFrom(from: Point, to: Point): (length: number) => Point {
  const all = distance(from, to);
  return (length) => ({ x: from.x + ((to.x - from.x) * length) / all, y: from.y + ((to.y - from.y) * length) / all });
}

/** Never zero: points may lie on each other. */
function distance(a: Point, b: Point): number {
  return Math.hypot(a.x - b.x, a.y - b.y) || 1;
}

function label({ edge, label: placed }: Line): string {
  if (!placed) return "";
  const { x, y, width, lines } = placed;
  const whole = `<title>${escaped(plain(edgeParts(edge).join(" "), TOOLTIP_CHARS_MAX))}</title>`;
  const tspans = lines.map((line, i) => {
    const look = i === 0 ? "middle" : "quiet middle";
    return text(line, { x: x + width / 2, y: y + 14 + i * SIZES.line, look });
  });
  return `<g data-edge="${edge.id}">${whole}${outline(placed, { look: "behind", corner: 4 })}${tspans.join("")}</g>`;
}

// ---------------------------------------------------------------- text

function text(words: string, { x, y, look }: Point & { look: string }): string {
  return `<text class="${look}" x="${round(x)}" y="${round(y)}">${escaped(words)}</text>`;
}

const place = ({ x, y }: Point) => `${round(x)} ${round(y)}`;

/** Coordinates are rounded to a tenth of a pixel. */
function round(length: number): number {
  return Math.round(length * 10) / 10;
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function escaped(words: string): string {
  return words.replaceAll(/[&<>"']/g, (char) => ENTITIES[char] ?? char);
}
