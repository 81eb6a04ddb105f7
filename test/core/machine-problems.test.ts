import { Type } from "typebox";
import { describe, expect, test } from "vitest";
import { compileMachine } from "../../src/core/machine/file/compile.ts";
import { LIMITS } from "../../src/model.ts";
import { around, env, frozen } from "./machine-story.ts";

const actions = new Map([
  [
    "slack.post",
    { params: Type.Object({ channel: Type.String(), text: Type.String() }, { additionalProperties: false }) },
  ],
  ["slack.update", { params: Type.Object({}) }],
]);

function problemsOf(definition: unknown, more: Parameters<typeof env>[0] = { actions }) {
  return compileMachine(definition, env(more)).diagnostics.map(({ code, path, message, suggestion }) => ({
    code,
    at: path?.join("/"),
    message,
    suggestion,
  }));
}

describe("what is wrong with a machine file is told, each with its place", () => {
  test.each([
    {
      what: "an unknown key",
      file: around({ entri: { log: "x" } }),
      code: "SB0101",
      at: "states/a/entri",
      suggestion: "entry",
    },
    { what: "a list instead of a mapping", file: [], code: "SB0102", at: "" },
    { what: "no states", file: { id: "m", initial: "a", startOn: ["X"] }, code: "SB0103", at: "" },
    { what: "another id than the file", file: { ...around({}), id: "n" }, code: "SB0302", at: "id", suggestion: "m" },
    { what: "no initial", file: { ...around({}), initial: undefined }, code: "SB0103", at: "" },
    {
      what: "an unknown initial",
      file: { ...around({}), initial: "aa" },
      code: "SB0201",
      at: "initial",
      suggestion: "a",
    },
    { what: "no initial inside", file: around({ states: { x: {} } }), code: "SB0103", at: "states/a" },
    {
      what: "initial in a parallel state",
      file: around({ type: "parallel", initial: "x", states: { x: {} } }),
      code: "SB0302",
      at: "states/a/initial",
    },
    {
      what: "a history state as initial",
      file: around({ initial: "h", states: { h: { type: "history" }, x: {} } }),
      code: "SB0302",
      at: "states/a/initial",
    },
    { what: "a parallel state without regions", file: around({ type: "parallel" }), code: "SB0302", at: "states/a" },
    {
      what: "an unknown target",
      file: around({ on: { GO: "bb" } }),
      code: "SB0201",
      at: "states/a/on/GO",
      suggestion: "b",
    },
    {
      what: "an unknown target in a list",
      file: around({ on: { GO: [{ guard: "true", target: "b" }, { target: "x" }] } }),
      code: "SB0201",
      at: "states/a/on/GO/1/target",
    },
    {
      what: "a target that lies elsewhere",
      file: around({ initial: "x", states: { x: { on: { GO: "b" } } } }),
      code: "SB0201",
      at: "states/a/states/x/on/GO",
      suggestion: "#m.b",
    },
    {
      what: "a child without its dot",
      file: around({}, { on: { GO: "b" } }),
      code: "SB0201",
      at: "on/GO",
      suggestion: ".b",
    },
    {
      what: "an unknown target of a timer",
      file: around({ after: { "1m": "c" } }),
      code: "SB0201",
      at: "states/a/after/1m",
    },
    {
      what: "two targets in one region",
      file: around({ on: { GO: { target: ["a", "b"] } } }),
      code: "SB0302",
      at: "states/a/on/GO/target",
    },
    {
      what: "a final state with transitions",
      file: around({ type: "final", on: { GO: "b" } }),
      code: "SB0302",
      at: "states/a/on",
    },
    {
      what: "what does not even fit the schema, once",
      file: around({ type: "final", on: 3 }),
      code: "SB0102",
      at: "states/a/on",
    },
    {
      what: "a final state with a timer",
      file: around({ type: "final", after: { "1m": "b" } }),
      code: "SB0302",
      at: "states/a/after",
    },
    {
      what: "a history state with entry",
      file: around({ initial: "x", states: { x: {}, h: { type: "history", entry: { log: "x" } } } }),
      code: "SB0302",
      at: "states/a/states/h/entry",
    },
    { what: "output of a state that is not final", file: around({ output: 1 }), code: "SB0302", at: "states/a/output" },
    {
      what: "onDone of a state with nothing inside",
      file: around({ onDone: "b" }),
      code: "SB0302",
      at: "states/a/onDone",
    },
    {
      what: "a broken guard",
      file: around({ on: { GO: { guard: "event.x ==", target: "b" } } }),
      code: "SB0105",
      at: "states/a/on/GO/guard",
    },
    {
      what: "a broken guard inside",
      file: around({ always: { guard: { and: ["true", { not: "1 +" }] }, target: "b" } }),
      code: "SB0105",
      at: "states/a/always/guard/and/1/not",
    },
    {
      what: "a broken template",
      file: around({ entry: [{ log: "{{event.x" }] }),
      code: "SB0106",
      at: "states/a/entry/0/log",
    },
    {
      what: "broken CEL in a value",
      file: around({ entry: { assign: { n: { cel: "1 +" } } } }),
      code: "SB0105",
      at: "states/a/entry/assign/n/cel",
    },
    {
      what: "a broken template in the context",
      file: around({}, { context: { x: "{{#if}}" } }),
      code: "SB0106",
      at: "context/x",
    },
    { what: "no duration", file: around({ after: { soon: "b" } }), code: "SB0107", at: "states/a/after/soon" },
    {
      what: "no duration in the list form",
      file: around({ after: [{ delay: "5", target: "b" }] }),
      code: "SB0107",
      at: "states/a/after/0/delay",
    },
    {
      what: "no timeout",
      file: around({ invoke: { src: "slack.update", timeout: "x" } }),
      code: "SB0107",
      at: "states/a/invoke/timeout",
    },
    {
      what: "a timeout longer than an attempt may take",
      file: around({ invoke: { src: "slack.update", timeout: "26s" } }),
      code: "SB0108",
      at: "states/a/invoke/timeout",
    },
    {
      what: "a duration past the limit",
      file: around({ after: { P401D: "b" } }),
      code: "SB0108",
      at: "states/a/after/P401D",
    },
    {
      what: "the same timer twice",
      file: around({
        after: [
          { delay: "1m", id: "t", target: "b" },
          { delay: "2m", id: "t", target: "b" },
        ],
      }),
      code: "SB0302",
      at: "states/a/after/1",
    },
    {
      what: "two timers at the same time",
      file: around({ after: { "60s": "b", "1m": "b" } }),
      code: "SB0302",
      at: "states/a/after/1m",
    },
    {
      what: "the same call twice",
      file: around({ invoke: [{ src: "slack.update" }, { src: "slack.update" }] }),
      code: "SB0302",
      at: "states/a/invoke/1",
    },
    {
      what: "an unknown action",
      file: around({ entry: { "slack.pots": {} } }),
      code: "SB0203",
      at: "states/a/entry/slack.pots",
      suggestion: "slack.post",
    },
    {
      what: "an unknown call",
      file: around({ invoke: { src: "jira.move" } }),
      code: "SB0203",
      at: "states/a/invoke/src",
    },
    {
      what: "parameters that do not fit",
      file: around({ entry: { "slack.post": { channel: 3, text: "{{event.x}}" } } }),
      code: "SB0102",
      at: "states/a/entry/slack.post/channel",
    },
    {
      what: "an unknown parameter",
      file: around({ entry: { "slack.post": { channel: "x", text: "x", txt: "y" } } }),
      code: "SB0101",
      at: "states/a/entry/slack.post/txt",
    },
    {
      what: "a missing parameter of a call",
      file: around({ invoke: { src: "slack.post", input: { text: "x" } } }),
      code: "SB0103",
      at: "states/a/invoke/input",
    },
    {
      what: "an unknown template file",
      file: around({ entry: { log: { template: "nope" } } }),
      code: "SB0204",
      at: "states/a/entry/log/template",
    },
    {
      what: "a reserved signal",
      file: around({ on: { "xstate.init": "b" } }),
      code: "SB0302",
      at: "states/a/on/xstate.init",
    },
    {
      what: "a reserved signal raised",
      file: around({ entry: { raise: "xstate.stop" } }),
      code: "SB0302",
      at: "states/a/entry/raise",
    },
    {
      what: "a reserved signal that starts",
      file: around({}, { startOn: ["xstate.x"] }),
      code: "SB0302",
      at: "startOn/0",
    },
    { what: "a signal without a name", file: around({ on: { "": "b" } }), code: "SB0302", at: "states/a/on/" },
    { what: "a star in the middle", file: around({ on: { "a.*.b": "b" } }), code: "SB0302", at: "states/a/on/a.*.b" },
    {
      what: "a signal that is too long",
      file: around({ on: { ["x".repeat(257)]: "b" } }),
      code: "SB0302",
      at: `states/a/on/${"x".repeat(257)}`,
    },
    {
      what: "a state named __proto__",
      file: JSON.parse('{"id":"m","initial":"a","startOn":["X"],"states":{"a":{},"__proto__":{"on":{"X":"a"}}}}'),
      code: "SB0302",
      at: "states/__proto__",
    },
    {
      what: "a state with a dot in its name",
      file: around({}, { states: { a: {}, "b.c": {} } }),
      code: "SB0302",
      at: "states/b.c",
    },
    {
      what: "an id that stands twice",
      file: around({ id: "x", initial: "y", states: { y: { id: "x" } } }),
      code: "SB0302",
      at: "states/a/states/y/id",
    },
    {
      what: "nothing that could start it",
      file: { id: "m", initial: "a", states: { a: { always: "b" }, b: {} } },
      code: "SB0302",
      at: "",
    },
    {
      what: "two kinds of aliases",
      file: around({}, { vars: { aliases: 1 }, aliases: { x: "y" } }),
      code: "SB0302",
      at: "vars/aliases",
    },
    { what: "a null transition", file: around({ on: { GO: null } }), code: "SB0102", at: "states/a/on/GO" },
    {
      what: "a history target outside",
      file: around({ initial: "x", states: { x: {}, h: { type: "history", target: "#m.b" } } }),
      code: "SB0302",
      at: "states/a/states/h/target",
    },
  ])("$what", ({ file, code, at, suggestion }) => {
    const found = problemsOf(frozen(file));
    expect(found.map((problem) => `${problem.code} ${problem.at}`)).toEqual([`${code} ${at}`]);
    if (suggestion !== undefined) expect(found[0]?.suggestion).toBe(suggestion);
    expect(found[0]?.message).toMatch(/^[A-Z"].*[^.]$/s);
    expect(compileMachine(file, env({ actions })).machine).toBeUndefined();
  });

  test("all of them in one run", () => {
    const file = around({ on: { GO: "x" }, entry: [{ "slack.nope": {} }, { log: "{{" }], foo: 1 }, { initial: "c" });
    expect(
      problemsOf(file)
        .map(({ code }) => code)
        .sort(),
    ).toEqual(["SB0101", "SB0106", "SB0201", "SB0201", "SB0203"]);
  });

  test("past the limit of states", () => {
    const many = (count: number) =>
      around(
        {},
        { states: Object.fromEntries(Array.from({ length: count }, (_, i) => [i === 0 ? "a" : `s${i}`, {}])) },
      );
    expect(problemsOf(many(LIMITS.machineStates + 1)).map(({ code }) => code)).toEqual(["SB0108"]);
    expect(problemsOf(many(LIMITS.machineStates - 1))).toEqual([]);
  });

  test("what contains itself, or is nested without end, is refused and nothing throws", () => {
    const loop: Record<string, unknown> = { id: "m" };
    loop.states = { a: loop };
    let deep: object = {};
    for (let i = 0; i < 20_000; i++) deep = { states: { a: deep } };
    for (const file of [loop, deep]) expect(problemsOf(file).map(({ code }) => code)).toEqual(["SB0108"]);
  });

  test.each([
    null,
    undefined,
    3,
    "x",
    [],
    { states: [] },
    { states: { a: 3 } },
    { id: {}, on: [], context: [], invoke: 3 },
  ])("%j is refused and nothing throws", (file) => {
    const { machine, diagnostics: problems } = compileMachine(file, env());
    expect([machine, problems.length > 0]).toEqual([undefined, true]);
  });

  test("a problem inside a template file names the file", () => {
    const [found] = problemsOf(around({ entry: { log: { template: "t" } } }), {
      actions,
      templates: new Map([["t", "{{#if}}"]]),
    });
    expect(found).toMatchObject({ code: "SB0106", at: "states/a/entry/log/template" });
    expect(found?.message).toMatch(/template "t"/);
  });

  test("without known actions names and parameters are not checked", () => {
    expect(
      problemsOf(around({ entry: { "x.y": { any: 1 } }, invoke: { src: "u.v" } }), { actions: undefined }),
    ).toEqual([]);
  });
});
