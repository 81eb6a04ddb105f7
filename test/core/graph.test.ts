/** One machine with everything, and the shipped ones: the graph, and what is drawn of it, against files that a person has looked at. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import type { CompiledMachine } from "../../src/core/machine/file/compile.ts";
import { dot, type Graph, graphOf, mermaid, withCounts } from "../../src/core/machine/graph/graph.ts";
import { createDrawing } from "../../src/graph/svg.ts";
import { readDot, readMermaid } from "./graph-grammar.ts";
import { machineOf } from "./machine-story.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
const FIXTURES = join(ROOT, "test/fixtures/graph");

function load(file: string): CompiledMachine {
  const templates = readdirSync(join(ROOT, "rules/templates")).map((name): [string, string] => [
    name.replace(/\.hbs$/, ""),
    readFileSync(join(ROOT, "rules/templates", name), "utf8"),
  ]);
  return machineOf(parse(readFileSync(file, "utf8")), { templates: new Map(templates) });
}

const everything = load(join(FIXTURES, "everything.yaml"));
const graph = graphOf(everything);
const node = (id: string) => graph.nodes.find((one) => one.id === id)!;
const edges = (from: string) =>
  graph.edges.filter((edge) => edge.from === from).map(({ id, from: _, ...rest }) => rest);

describe("the drawings are those that somebody has looked at; after a change look at them again and run vitest with -u", () => {
  const counted = withCounts(
    graph,
    new Map([
      ["", 12],
      ["work", 12],
      ["work.left", 12],
      ["work.left.one", 1_234],
    ]),
  );
  test.each<[string, (one: Graph) => string | Promise<string>, Graph]>([
    ["everything.json", (one) => `${JSON.stringify(one, null, 2)}\n`, graph],
    ["everything.mmd", mermaid, graph],
    ["everything.dot", dot, graph],
    ["everything.svg", (one) => createDrawing()(one, "auto"), graph],
    ["counted.mmd", mermaid, counted],
    ["counted.dot", dot, counted],
    ["counted-dark.svg", (one) => createDrawing()(one, "dark"), counted],
  ])("%s", async (file, draw, drawn) => {
    await expect(await draw(drawn)).toMatchFileSnapshot(join(FIXTURES, file));
  });

  const shipped = readdirSync(join(ROOT, "statemachines")).filter((name) => name.endsWith(".yaml"));
  test.each(shipped)("shipped %s", async (file) => {
    const drawn = mermaid(graphOf(load(join(ROOT, "statemachines", file))));
    await expect(drawn).toMatchFileSnapshot(join(FIXTURES, "shipped", file.replace(/yaml$/, "mmd")));
  });
});

describe("the graph of a machine", () => {
  test("has its states in document order, the machine itself first", () => {
    expect(graph.nodes.map(({ id }) => id)).toEqual(everything.tree.nodes.map(({ id }) => id));
    expect(node("")).toMatchObject({ label: "everything", parent: null, kind: "compound", initial: false, path: [] });
    expect(node("work.left.two")).toMatchObject({ label: "two", parent: "work.left", path: ["work", "left", "two"] });
    expect(graph).toMatchObject({
      id: "everything",
      hash: everything.hash,
      description: "One machine with everything",
    });
  });

  test("says of each state what it is and what it does, without the timers and calls in entry and exit", () => {
    expect(node("idle")).toMatchObject({ initial: true, tags: ["quiet", "a <b>"], kind: "atomic" });
    expect(node("work")).toMatchObject({
      kind: "parallel",
      initial: false,
      timers: [{ id: "work.30m", after: "30m" }],
    });
    expect([node("work.left"), node("work.right")]).toMatchObject([{ initial: true }, { initial: true }]);
    expect(node("work.left.back")).toMatchObject({ kind: "history", history: "deep", initial: false });
    expect(node("work.left.two")).toMatchObject({ entry: [], exit: ["log"] });
    expect(node("work.right.a")).toMatchObject({ invoke: [{ id: "call", src: "jira.transition" }], entry: [] });
    expect(node("done")).toMatchObject({ final: true, description: "It is over" });
    expect(node("late").timers).toEqual([
      { id: "soon", after: "context.n > 1 ? '1h' : '2d'" },
      { id: "later", after: "1d 2h 30m" },
    ]);
  });

  test("has an edge for each target of each transition, and one that stays where there is none", () => {
    expect(edges("")).toMatchObject([
      { label: "*", to: "", internal: true, guard: "context.n > 3", actions: ["log"], kind: "signal" },
      { label: "RESET", to: "idle", internal: false },
    ]);
    expect(edges("idle")).toEqual([
      {
        ...{ kind: "signal", trigger: "START", label: "START", to: "work", internal: false, actions: [] },
        guard: 'event.name != "<none>" && size(event.name) < 5',
      },
      {
        ...{ kind: "signal", trigger: "job.*", label: "job.*", to: "idle", internal: true },
        actions: ["raise again;", "emit x.told", "slack.post"],
      },
      { kind: "signal", trigger: "PING", label: "PING", to: "idle", internal: true, actions: [] },
    ]);
    expect(edges("work")).toMatchObject([
      { trigger: "STOP", to: "paused" },
      { trigger: "BOTH", to: "work.left.two" },
      { trigger: "BOTH", to: "work.right.b" },
      { kind: "onDone", trigger: "onDone", label: "done", to: "choosing" },
      { kind: "timer", trigger: "work.30m", label: "after 30m", to: "late" },
    ]);
    expect(edges("work.left.back")).toMatchObject([{ kind: "default", label: "", to: "work.left.two" }]);
    expect(edges("work.right.a")).toMatchObject([
      { kind: "done", trigger: "call", label: "call done", to: "work.right.b" },
      {
        ...{ kind: "error", trigger: "call", label: "call failed", to: "work.right.c" },
        guard: "event.error.status == 404 && !(context.n > 1 || context.n < -1)",
      },
      { kind: "error", to: "late", actions: ["assign n, why"] },
    ]);
    expect(edges("paused").at(-1)).toMatchObject({ trigger: "AGAIN", to: "paused", internal: false });
  });

  test.each([
    [
      { or: ["context.a", { and: ["context.b", "context.c ? 1 == 1 : 2 == 1"] }, { not: "context.d" }] },
      "context.a || (context.b && (context.c ? 1 == 1 : 2 == 1)) || !(context.d)",
    ],
    [{ and: ["context.a"] }, "context.a"],
    [{ and: [{ or: ["context.a", "context.b"] }, "context.c"] }, "(context.a || context.b) && context.c"],
    [{ not: { or: ["context.a", "context.b"] } }, "!(context.a || context.b)"],
  ])("writes %j as one CEL expression that means the same", (guard, written) => {
    const drawn = graphOf(machineOf({ initial: "x", states: { x: { on: { GO: { guard, target: "x" } } } } }));
    expect(drawn.edges[0]!.guard).toBe(written);
  });

  test("calls a call that has no name by its action", () => {
    const invoke = { src: "jira.transition", input: {}, onDone: "b" };
    const machine = machineOf({ id: "m", initial: "a", startOn: ["GO"], states: { a: { invoke }, b: {} } });
    expect(graphOf(machine).edges).toMatchObject([{ label: "jira.transition done", trigger: "a.jira.transition" }]);
  });

  test("is a choice in drawings only when no instance can rest there", () => {
    const choices = (always: unknown, more: object = {}) => {
      const states = { a: { on: { GO: "x" } }, x: { always, ...more }, b: {}, c: {} };
      const drawn = graphOf(machineOf({ id: "m", initial: "a", states }));
      const isChoice = readMermaid(mermaid(drawn)).states.get("x")!.isChoice;
      expect(readDot(dot(drawn)).nodes.get("state/x")?.attributes.get("shape") === "diamond").toBe(isChoice);
      return isChoice;
    };
    const open = { guard: "context.n > 1", target: "b" };
    expect(choices([open, "c"])).toBe(true);
    expect(choices([open, { ...open, target: "c" }])).toBe(false);
    expect(choices(["c"])).toBe(false);
    expect(choices([open, "c"], { entry: { log: "here" } })).toBe(false);
    expect(choices([open, "c"], { on: { GO: "c" } })).toBe(false);
  });
});
