/** How often ELK is really asked: it takes seconds for a large machine, and a page asks for the same one again and again. */
import type { ElkNode } from "elkjs/lib/elk-api.js";
import { beforeEach, expect, test, vi } from "vitest";
import { type Graph, graphOf, withCounts } from "../../src/core/machine/graph/graph.ts";
import { createLayouts } from "../../src/graph/layout.ts";
import { createDrawing } from "../../src/graph/svg.ts";
import { elementsIn, readXml } from "./graph-grammar.ts";
import { machineOf } from "./machine-story.ts";

const asked = vi.hoisted(() => ({ times: 0, fails: 0 }));

vi.mock("elkjs/lib/elk.bundled.js", async (original) => {
  const { default: elk } = await original<{ default: typeof import("elkjs/lib/elk.bundled.js") }>();
  class Counted {
    async layout(graph: ElkNode) {
      asked.times += 1;
      if (asked.fails-- > 0) throw new Error("out of memory");
      return await new elk.default().layout(graph);
    }
  }
  return { default: { default: Counted } };
});

beforeEach(() => {
  asked.times = 0;
  asked.fails = 0;
});

const machine = (on: object, more: object = {}) =>
  machineOf({ initial: "a", states: { a: { on }, bee: {}, sea: {} }, ...more });
const GRAPH = graphOf(machine({ X: "bee", Y: "sea" }));
const texts = (svg: string) => elementsIn(readXml(svg)).flatMap(({ name, text }) => (name === "text" ? [text] : []));

test("the same machine is laid out once, also when it is asked for twice at the same time", async () => {
  const layoutOf = createLayouts();
  const [one, other] = await Promise.all([layoutOf(GRAPH), layoutOf(GRAPH)]);
  expect(await layoutOf(structuredClone(GRAPH))).toEqual(one);
  expect(other).toEqual(one);
  expect(asked.times).toBe(1);
});

test("counts and descriptions change the picture and not the layout", async () => {
  const draw = createDrawing();
  const counted = (count: number): Graph => withCounts(GRAPH, new Map([["bee", count]]));
  const [none, three, many] = [
    await draw(GRAPH, "auto"),
    await draw(counted(3), "auto"),
    await draw(counted(12_345), "auto"),
  ];
  const described = await draw(graphOf(machine({ X: "bee", Y: "sea" }, { description: "What it is for" })), "auto");
  expect(asked.times).toBe(1);
  expect(texts(three).filter((text) => !texts(none).includes(text))).toEqual(["3"]);
  expect(texts(many).filter((text) => !texts(none).includes(text))).toEqual(["12,345"]);
  expect(many).toContain("<title>bee (12345)</title>");
  expect(described).toContain("<desc>What it is for (3 states, 2 transitions)</desc>");
});

test("a definition whose transitions stand in another order is laid out anew, though its hash is the same", async () => {
  const layoutOf = createLayouts();
  const swapped = graphOf(machine({ Y: "sea", X: "bee" }));
  expect(swapped.hash).toBe(GRAPH.hash);
  await layoutOf(GRAPH);
  const { lines, boxes } = await layoutOf(swapped);
  expect(asked.times).toBe(2);
  for (const { edge, points } of lines) {
    const target = boxes.find(({ node }) => node.id === edge.to)!;
    const { x } = points.at(-1)!;
    expect(x > target.x && x < target.x + target.width, `${edge.label} leads to ${edge.to}`).toBe(true);
  }
});

test("only the latest are kept", async () => {
  const layoutOf = createLayouts({ layoutsMax: 2 });
  const [a, b, c] = ["bee", "sea", "a"].map((to) => graphOf(machine({ X: to }))) as [Graph, Graph, Graph];
  for (const graph of [a, b, a, c, a]) await layoutOf(graph);
  expect(asked.times).toBe(3);
  await layoutOf(b);
  expect(asked.times).toBe(4);
});

test("a failure is told and not kept", async () => {
  const layoutOf = createLayouts();
  asked.fails = 1;
  await expect(layoutOf(GRAPH)).rejects.toThrow("out of memory");
  expect((await layoutOf(GRAPH)).boxes).toHaveLength(3);
});

test("more arrows than a picture can show are refused in words, before any work", async () => {
  const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`E${i}`, "bee"]));
  await expect(createLayouts()(graphOf(machine(many(1_000))))).rejects.toMatchObject({
    code: "SB0108",
    message: 'As SVG the machine "m" would have 1,001 arrows, at most 1,000 are drawn; dot and mermaid have no limit',
  });
  expect(asked.times).toBe(0);
});
