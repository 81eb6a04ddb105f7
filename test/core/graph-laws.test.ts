/** What holds for the drawings of every machine: random charts, and names and guards made of whatever a file may hold. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { CompiledMachine } from "../../src/core/machine/file/compile.ts";
import { dot, type Graph, type GraphNode, graphOf, mermaid, withCounts } from "../../src/core/machine/graph/graph.ts";
import { isChoice, isFramed } from "../../src/core/machine/graph/structure.ts";
import { edgeParts, linesBelow, nodeName, nodeTitle, plain } from "../../src/core/machine/graph/words.ts";
import { createLayouts, type Layout, type Point, type Rectangle } from "../../src/graph/layout.ts";
import { createDrawing } from "../../src/graph/svg.ts";
import { thorough } from "../support/thorough.ts";
import { dotLines, elementsIn, Misfit, readDot, readMermaid, readXml } from "./graph-grammar.ts";
import { chartOf } from "./machine-chart.ts";
import { machineOf } from "./machine-story.ts";

type Definition = Record<string, unknown>;

const charts: fc.Arbitrary<Definition> = fc
  .integer({ min: 0 })
  .map((seed) => chartOf(seed, { waits: true, always: "anywhere" }));

/** What somebody once found to break a diagram, and whatever else fits into a line of YAML. */
const NASTY = [
  ..."\"'`;:,.!?|&<>{}()[]#%$@~^*+=-_/\\\n\t\u0000\u0007\u001b\u202e\ufeff\ufffe",
  ...[
    "--",
    "-->",
    "a --> b",
    "::",
    "%%",
    "%% x",
    "%%{init: {}}%%",
    "&&",
    "||",
    "]]>",
    "<!--",
    "<b>",
    "<script>alert(1)</script>",
  ],
  ...[
    "&amp;",
    "&lt;",
    "&#65;",
    "#quot;",
    "#35;",
    "#x;",
    "<<fork>>",
    "<<choice>>",
    "[[fork]]",
    "[*]",
    "end note",
    "End  Note",
    "note right of a",
  ],
  ...[
    "state",
    "state a",
    "note",
    "class",
    "classDef x",
    "style",
    "default",
    "root",
    "as",
    "direction LR",
    "hide empty description",
  ],
  ...[
    "constructor",
    "toString",
    "__proto",
    "a_start",
    "root_end",
    "\\N",
    "\\n",
    "\\",
    "\\l\\",
    '\\"',
    "-",
    "1",
    "é",
    "日本語",
    "😀",
    "e\u0301",
  ],
  ..."𝒳\u00a0\u3000\u200b\ud7ff",
];
const nasty = fc.oneof(
  fc.constantFrom(...NASTY),
  fc.string({ unit: "binary", minLength: 1, maxLength: 12 }),
  fc.array(fc.constantFrom(...NASTY), { minLength: 2, maxLength: 5 }).map((parts) => parts.join("")),
);
/** As the machine's file takes them; the rest is refused with a problem. */
const stateName = nasty.filter((name) => /^(?!__proto__$)[^\s.#*\\/()]([^.#*\\/()]*[^\s.#*\\/()])?$/.test(name));
const signalName = nasty.filter((name) => !name.includes("*") && name !== "__proto__" && !name.startsWith("xstate."));

const nastyCharts: fc.Arbitrary<Definition> = fc
  .record({
    states: fc.uniqueArray(stateName, { minLength: 3, maxLength: 3 }),
    signals: fc.uniqueArray(signalName, { minLength: 2, maxLength: 2 }),
    text: nasty,
    description: nasty,
  })
  .map(({ states: [a, b, c], signals: [x, y], text, description }) => {
    const guard = `event.text == ${JSON.stringify(text)}`;
    const inner = {
      initial: a!,
      states: { [a!]: { on: { [x!]: c!, [y!]: `#m.${b}` } }, [b!]: {}, [c!]: { type: "final" } },
      exit: { emit: text },
      onDone: { target: a!, guard },
      tags: text,
    };
    return {
      initial: a!,
      description,
      entry: [{ raise: x! }, { assign: { [text === "__proto__" ? "p" : text]: 1 } }],
      states: {
        [a!]: {
          tags: [text, x!],
          description: text,
          on: { [x!]: { target: b!, guard }, [y!]: { actions: { emit: text } } },
        },
        [b!]: { ...inner, on: { [x!]: `.${c}`, [y!]: { target: b!, guard: { not: guard }, reenter: true } } },
        [c!]: { type: "parallel", states: { [a!]: inner, [b!]: { always: { guard, target: `#m.${a}` } } } },
      },
    };
  });

/** All of them are enough for every part of the nasty list to have its turn. */
const RUNS = { numRuns: thorough(40, 150) };

const isEnd = ({ from, to }: { from: string; to: string }) => from.startsWith("[*]") || to.startsWith("[*]");
const kindOf = ({ nodes }: Graph, id: string | null) => nodes.find((node) => node.id === id)?.kind;

/** The machine itself only when it does something itself. */
const drawnOf = (graph: Graph) => graph.nodes.filter(({ parent }) => parent !== null || isFramed(graph));

function lawOf(law: (graph: Graph, machine: CompiledMachine) => void): void {
  for (const definitions of [charts, nastyCharts]) {
    fc.assert(
      fc.property(definitions, fc.boolean(), (definition, counted) => {
        const machine = machineOf(definition);
        const graph = graphOf(machine);
        law(counted ? withCounts(graph, new Map(graph.nodes.map(({ id }, i) => [id, i * 7]))) : graph, machine);
      }),
      RUNS,
    );
  }
}

const arrowsOf = ({ edges }: Graph) => edges.filter(({ internal }) => !internal);

describe("the graph", () => {
  test("has every state once, parents first, and every end of an edge is one of them", () => {
    lawOf(({ nodes, edges }, { tree }) => {
      expect(nodes.map(({ id }) => id)).toEqual(tree.nodes.map(({ id }) => id));
      const before = new Set<string>();
      for (const { id, parent, path } of nodes) {
        expect(before.has(id)).toBe(false);
        expect(parent === null ? path.length === 0 : before.has(parent)).toBe(true);
        before.add(id);
      }
      for (const { from, to, internal } of edges) {
        expect([before.has(from), before.has(to)]).toEqual([true, true]);
        if (internal) expect(to).toBe(from);
      }
      expect(new Set(edges.map(({ id }) => id)).size).toBe(edges.length);
    });
  });

  test("loses no transition: every target of every one has its edge, with its actions", () => {
    lawOf(({ edges }, { tree }) => {
      const wanted = tree.nodes.flatMap(({ id, transitions: moves, defaults }) => [
        ...defaults.map((to) => `${id} ${to.id} 0`),
        ...moves.flatMap(({ targets, effects }) =>
          (targets.length === 0 ? [{ id }] : targets).map((to) => `${id} ${to.id} ${effects.length}`),
        ),
      ]);
      expect(edges.map(({ from, to, actions }) => `${from} ${to} ${actions.length}`)).toEqual(wanted);
    });
  });

  test("and all drawings are the same for the same definition", () => {
    lawOf((graph, machine) => {
      const again = graphOf(machineOf(structuredClone(machine.definition) as Record<string, unknown>));
      const plainGraph = graphOf(machine);
      expect(JSON.stringify(again)).toBe(JSON.stringify(plainGraph));
      expect([mermaid(again), dot(again)]).toEqual([mermaid(plainGraph), dot(plainGraph)]);
      expect(graph.hash).toBe(machine.hash);
    });
  });
});

/** What is written beside an arrow. */
const labelOf = (edge: Graph["edges"][number]) => edgeParts(edge).join(" ");
const sorted = (all: readonly unknown[]) => all.map((one) => JSON.stringify(one)).toSorted();

describe("mermaid", () => {
  test("is a diagram by its grammar, with every state in its place, every arrow, and every text as it was", () => {
    lawOf((graph) => {
      const { states, arrows, regions } = readMermaid(mermaid(graph));
      const drawn = drawnOf(graph);
      const byId = new Map(drawn.map((node) => [node.id, node]));
      const below = linesBelow(graph);
      // The ids are Mermaid's own, and different without regard to case. What is seen must be the same; a choice is drawn without its name.
      expect(new Set([...states.keys()].map((id) => id.toLowerCase())).size).toBe(drawn.length);
      const seen = (id: string | undefined): string[] => {
        const state = states.get(id ?? "");
        return state ? [...seen(state.parent), state.isChoice ? "◇" : state.name] : [];
      };
      const wanted = (id: string | null): string[] => {
        const node = byId.get(id ?? "none");
        return node ? [...wanted(node.parent), isChoice(node, graph) ? "◇" : nodeName(node)] : [];
      };
      expect(sorted([...states].map(([id, { lines }]) => [seen(id), lines]))).toEqual(
        sorted(drawn.map(({ id }) => [wanted(id), below(id)])),
      );
      const [ends, others] = [arrows.filter(isEnd), arrows.filter((one) => !isEnd(one))];
      expect(sorted(others.map(({ from, to, label }) => [seen(from), seen(to), label]))).toEqual(
        sorted(arrowsOf(graph).map((edge) => [wanted(edge.from), wanted(edge.to), labelOf(edge)])),
      );
      const isFirst = ({ initial, parent }: GraphNode) => initial && kindOf(graph, parent) === "compound";
      const isLast = ({ final, parent }: GraphNode) => final && kindOf(graph, parent) === "compound";
      expect(
        sorted(ends.map(({ from, to }) => [from.startsWith("[*]"), seen(from.startsWith("[*]") ? to : from)])),
      ).toEqual(
        sorted([
          ...(isFramed(graph) ? [[true, wanted("")]] : []),
          ...drawn.filter(isFirst).map(({ id }) => [true, wanted(id)]),
          ...drawn.filter(isLast).map(({ id }) => [false, wanted(id)]),
        ]),
      );
      const parallel = graph.nodes.filter(({ kind }) => kind === "parallel");
      const counts = parallel.map(({ id }) => graph.nodes.filter(({ parent }) => parent === id).length);
      expect([...regions.values()].toSorted()).toEqual(counts.filter((count) => count > 1).toSorted());
    });
  });

  test("writes an arrow inside a state only when both its ends are the state's own, else it would draw them there twice", () => {
    lawOf((graph) => {
      const { states } = readMermaid(mermaid(graph));
      const lines = mermaid(graph).split("\n");
      for (const line of lines) {
        const [, indent = "", from = "", to = ""] = /^( *)(\w+) --> (\w+)/.exec(line) ?? [];
        if (indent.length <= 2) continue;
        expect(states.get(from)!.parent).toBe(states.get(to)!.parent);
      }
    });
  });

  test("and the reader of its grammar takes nothing else", () => {
    const bad = [
      "a --> b",
      "  a -> b",
      "  a --> b : x;y",
      '  state "x" y',
      "  state x {",
      "  a : b:c",
      "  class",
      "  --",
      "  }",
      "  a : %%",
    ];
    for (const line of bad) expect(() => readMermaid(`stateDiagram-v2\n${line}\n`), line).toThrow(Misfit);
  });
});

/** The state that a name of ours in Graphviz stands for. */
function stateIn(name: string): string {
  const written = name.slice(name.indexOf("/") + 1);
  return written.replaceAll(/%(\d+);/g, (_, code) => String.fromCharCode(Number(code)));
}

describe("dot", () => {
  test("is a graph by its grammar, with every state, every arrow, and every text as it was", () => {
    lawOf((graph) => {
      const { id, nodes, clusters, edges } = readDot(dot(graph));
      expect(id).toBe(graph.id);
      const below = linesBelow(graph);
      const labelsOf = (all: typeof nodes | typeof clusters) =>
        [...all].map(([name, { attributes }]) => [stateIn(name), dotLines(attributes.get("label")!)]);
      const states = new Map([...nodes].filter(([name]) => name.startsWith("state/")));
      expect(sorted([...labelsOf(states), ...labelsOf(clusters)])).toEqual(
        sorted(drawnOf(graph).map((node) => [node.id, [nodeName(node), ...below(node.id)]])),
      );
      const told = edges.map(({ from, to, attributes }) => {
        const lines = attributes.has("label") ? dotLines(attributes.get("label")!) : [];
        const isStart = lines.length === 0 && from.startsWith("start/");
        return { isStart, ends: [stateIn(from), stateIn(to)], label: lines.join(" ") };
      });
      const firsts = graph.nodes.filter(({ initial, parent }) => initial && kindOf(graph, parent) === "compound");
      expect(sorted(told)).toEqual(
        sorted([
          ...firsts.map(({ id: first, parent }) => ({ isStart: true, ends: [parent, first], label: "" })),
          ...arrowsOf(graph).map((edge) => ({ isStart: false, ends: [edge.from, edge.to], label: labelOf(edge) })),
        ]),
      );
      // An arrow is clipped at a cluster that its other end lies outside of.
      const isIn = (node: string, cluster: string): boolean => {
        for (let at = nodes.get(node)!.cluster; at !== undefined; at = clusters.get(at)!.parent)
          if (at === cluster) return true;
        return false;
      };
      for (const { from, to, attributes } of edges) {
        const [head, tail] = [attributes.get("lhead"), attributes.get("ltail")];
        if (head !== undefined) expect([isIn(to, head), isIn(from, head)]).toEqual([true, false]);
        if (tail !== undefined) expect([isIn(from, tail), isIn(to, tail)]).toEqual([true, false]);
      }
    });
  });

  test("and the reader of its grammar takes nothing else", () => {
    const bad = [
      '"a" -> "b"',
      '"a" [label="x]',
      '"a" [label="x" y="z"]',
      "a",
      '"a" [label="\\q"]',
      'subgraph "x" {}',
      '"a" }',
      '"a"\n"a"',
    ];
    for (const line of bad) expect(() => readDot(`digraph "m" {\n${line}\n}\n`), line).toThrow(Misfit);
  });
});

// ---------------------------------------------------------------- pictures

const layouts = createLayouts();
const draw = createDrawing();
/** A layout takes its time. */
const PICTURES = { numRuns: thorough(5, 30) };

function pictureLaw(law: (graph: Graph) => Promise<void>): () => Promise<void> {
  return async () => {
    for (const definitions of [charts, nastyCharts]) {
      const property = fc.asyncProperty(definitions, async (definition) => await law(graphOf(machineOf(definition))));
      await fc.assert(property, PICTURES);
    }
  };
}

describe("svg", () => {
  test(
    "is well-formed XML with every state, every arrow and every text, and nothing that runs or leads outside",
    pictureLaw(async (graph) => {
      const counted = withCounts(graph, new Map(graph.nodes.map(({ id }, i) => [id, i])));
      const elements = elementsIn(readXml(await draw(counted, "auto")));
      const known = ["svg", "title", "desc", "style", "rect", "g", "path", "circle", "text"];
      expect(elements.filter(({ name }) => !known.includes(name))).toEqual([]);
      expect(
        elements.flatMap(({ attributes }) => [...attributes.keys()]).filter((name) => /^on|href|src/.test(name)),
      ).toEqual([]);
      const values = (name: string) => elements.flatMap(({ attributes }) => attributes.get(name) ?? []);
      const { boxes, lines } = await layouts(graph);
      expect(values("data-state").toSorted()).toEqual(
        boxes.map(({ node }) => node.id && plain(node.id, 1_000)).toSorted(),
      );
      expect([...new Set(values("data-edge"))].toSorted()).toEqual(
        arrowsOf(graph)
          .map(({ id }) => id)
          .toSorted(),
      );
      const texts = elements.filter(({ name }) => name === "text").map(({ text }) => text);
      const wanted = [
        ...boxes.flatMap(({ node, lines: below }) => [nodeTitle(node), ...below]),
        ...lines.flatMap(({ label }) => label?.lines ?? []),
        ...counted.nodes
          .filter(({ id, count }) => count && boxes.some(({ node }) => node.id === id))
          .map(({ count }) => `${count}`),
      ];
      expect(texts.toSorted()).toEqual(wanted.toSorted());
    }),
    60_000,
  );

  test("and the reader of XML takes nothing else", () => {
    const bad = [
      "<a>",
      "<a></b>",
      "<a/><b/>",
      '<a x="1" x="2"/>',
      "<a x=1/>",
      "<a>&nope;</a>",
      "<a>&</a>",
      '<a x="<"/>',
      "<a>\u0000</a>",
      "a",
      "<a>]]></a>",
    ];
    for (const text of bad) expect(() => readXml(text), text).toThrow(Misfit);
    expect(readXml('<a x="&lt;"><b/>1 &amp; 2</a>')).toMatchObject({
      text: "1 & 2",
      attributes: new Map([["x", "<"]]),
    });
  });
});

describe("the layout", () => {
  test(
    "puts states into their parents, beside each other, and all into the picture",
    pictureLaw(async (graph) => {
      const layout = await layouts(graph);
      const { boxes } = layout;
      const drawn = drawnOf(graph);
      expect(boxes.map(({ node }) => node.id)).toEqual(drawn.map(({ id }) => id));
      for (const box of boxes) {
        expect(isInside(box, around(box.node.parent, layout)), `${box.node.id} in its parent`).toBe(true);
        const beside = boxes.filter((other) => other !== box && other.node.parent === box.node.parent);
        expect(beside.filter((other) => overlap(box, other)).map(({ node }) => node.id)).toEqual([]);
      }
      // Below a parent's name and what it does.
      for (const { node, y } of boxes) {
        const parent = boxes.find(({ node: one }) => one.id === node.parent && node.parent !== null);
        if (parent) expect(y - parent.y).toBeGreaterThanOrEqual(36 + 17 * parent.lines.length);
      }
    }),
    60_000,
  );

  test(
    "leads every arrow from the border of its state to that of its target, with its label on the way and over no other label",
    pictureLaw(async (graph) => {
      const layout = await layouts(graph);
      expect(layout.lines.map(({ edge }) => edge.id)).toEqual(arrowsOf(graph).map(({ id }) => id));
      const box = (id: string) => layout.boxes.find(({ node }) => node.id === id)!;
      for (const { edge, points, label } of layout.lines) {
        expect(isOnBorder(points[0]!, box(edge.from)), `${edge.id} begins at ${edge.from}`).toBe(true);
        expect(isOnBorder(points.at(-1)!, box(edge.to)), `${edge.id} ends at ${edge.to}`).toBe(true);
        expect(points.every((point) => isInside({ ...point, width: 0, height: 0 }, whole(layout)))).toBe(true);
        expect(label === undefined).toBe(edgeParts(edge).length === 0);
        if (label) expect(isInside(label, whole(layout))).toBe(true);
      }
      const labels = layout.lines.flatMap(({ label }) => label ?? []);
      expect(labels.filter((one) => labels.some((other) => other !== one && overlap(one, other)))).toEqual([]);
      expect(layout.starts.length).toBe(graph.nodes.filter(({ kind }) => kind === "compound").length);
    }),
    60_000,
  );

  test("puts the first state above and what follows in the file below, whichever way transitions lead", async () => {
    const states = { c: { on: { TO: "b" } }, b: { on: { BACK: "c" } }, a: { on: { BACK: "b", FAR: "c" } } };
    const downwards = async (initial: string) => {
      const { boxes, starts } = await layouts(graphOf(machineOf({ initial, states })));
      expect(starts[0]!.dot.y).toBeLessThan(Math.min(...boxes.map(({ y }) => y)));
      return boxes.toSorted((one, other) => one.y - other.y).map(({ node }) => node.id);
    };
    expect(await downwards("c")).toEqual(["c", "b", "a"]);
    expect(await downwards("a")).toEqual(["a", "c", "b"]);
    expect(await downwards("b")).toEqual(["b", "c", "a"]);
  });

  test("puts the regions of a parallel state beside each other, from left to right as in the file", async () => {
    const region = { initial: "a", states: { a: { on: { GO: "b", OUT: "#m.out" } }, b: { type: "final" } } };
    const states = {
      p: { type: "parallel", states: { three: region, one: region, two: region, four: region } },
      out: {},
    };
    const { boxes } = await layouts(graphOf(machineOf({ initial: "p", states })));
    const regions = boxes.filter(({ isRegion }) => isRegion);
    expect(regions.map(({ node }) => node.label)).toEqual(["three", "one", "two", "four"]);
    expect(regions.map(({ x }) => x)).toEqual(regions.map(({ x }) => x).toSorted((a, b) => a - b));
  });
});

function whole({ width, height }: Layout): Rectangle {
  return { x: 0, y: 0, width, height };
}

function around(parent: string | null, layout: Layout): Rectangle {
  return layout.boxes.find(({ node }) => node.id === parent) ?? whole(layout);
}

function isInside(inner: Rectangle, outer: Rectangle): boolean {
  return (
    inner.x >= outer.x &&
    inner.y >= outer.y &&
    inner.x + inner.width <= outer.x + outer.width &&
    inner.y + inner.height <= outer.y + outer.height
  );
}

function overlap(one: Rectangle, other: Rectangle): boolean {
  const isApart = (a: Rectangle, b: Rectangle) => a.x + a.width <= b.x || a.y + a.height <= b.y;
  return !isApart(one, other) && !isApart(other, one);
}

function isOnBorder({ x, y }: Point, box: Rectangle): boolean {
  const near = (a: number, b: number) => Math.abs(a - b) < 0.01;
  const isBeside = near(x, box.x) || near(x, box.x + box.width);
  const isAbove = near(y, box.y) || near(y, box.y + box.height);
  const within = (at: number, from: number, size: number) => at > from - 0.01 && at < from + size + 0.01;
  return (isBeside && within(y, box.y, box.height)) || (isAbove && within(x, box.x, box.width));
}
