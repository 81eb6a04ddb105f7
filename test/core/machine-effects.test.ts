import { Type } from "typebox";
import { describe, expect, test } from "vitest";
import { machineOf, startRun } from "./machine-story.ts";

describe("actions", () => {
  test("an action becomes a delivery with its parameters rendered, in order, with its place in the step", () => {
    const run = startRun(
      machineOf({
        initial: "a",
        context: { room: "#dev" },
        vars: { who: "team" },
        aliases: { done: "Done" },
        states: {
          a: {
            on: {
              GO: {
                target: "b",
                actions: [
                  {
                    "slack.post": {
                      channel: "{{context.room}}",
                      text: "{{event.title}} for {{vars.who}}",
                      n: "{{event.n}}",
                    },
                  },
                  { assign: { room: "#ops" } },
                  { "jira.transition": { to: "{{vars.aliases.done}}", room: { cel: "context.room" } } },
                ],
              },
            },
          },
          b: { entry: { emit: { type: "deploy.ready", data: { room: "{{context.room}}" } } }, exit: { emit: "left" } },
        },
        startOn: ["START"],
      }),
    );
    run.send("START");
    const result = run.send("GO", { title: "Fix", n: 3 });
    expect(result.deliveries).toEqual([
      { action: "slack.post", params: { channel: "#dev", text: "Fix for team", n: 3 }, index: 0 },
      { action: "jira.transition", params: { to: "Done", room: "#ops" }, index: 1 },
    ]);
    expect(result.emits).toEqual([{ type: "deploy.ready", data: { room: "#ops" }, index: 2 }]);
    expect(result.problems).toEqual([]);
  });

  test("assign computes all keys from the old context and leaves others alone", () => {
    const run = startRun(
      machineOf({
        initial: "a",
        context: { a: 1, b: 2, c: { deep: true } },
        states: { a: { on: { SWAP: { actions: { assign: { a: "{{context.b}}", b: "{{context.a}}" } } } } } },
      }),
    );
    run.send("SWAP");
    expect(run.row?.context).toEqual({ a: 2, b: 1, c: { deep: true } });
  });

  test("what cannot be rendered is a problem and the step goes on without it", () => {
    const run = startRun(
      machineOf({
        initial: "a",
        context: { ok: "{{event.type}}", bad: { cel: "event.none.at.all" } },
        states: {
          a: {
            on: {
              GO: {
                target: "b",
                actions: [
                  { assign: { ok: { cel: "event.none.at.all" }, more: 1 } },
                  { "slack.post": { text: { cel: "event.none.at.all" } } },
                  { emit: { type: "e", data: { x: { cel: "event.none.at.all" } } } },
                  { log: { cel: "event.none.at.all" } },
                  { "slack.post": { text: "still" } },
                ],
              },
            },
          },
          b: {},
        },
        startOn: ["START"],
      }),
    );
    const created = run.send("START");
    expect(created.problems).toMatchObject([{ code: "SB0402", machine: "m" }]);
    expect(created.problems[0]?.message).toMatch(/^context\.bad: /);
    expect(run.row?.context).toEqual({ ok: "START", bad: null });
    const result = run.send("GO");
    expect(run.row).toMatchObject({ state: "b", context: { ok: "START", bad: null, more: 1 } });
    expect(result.problems.map(({ code, message }) => `${code} ${message.split(":")[0]}`)).toEqual([
      "SB0402 context.ok",
      "SB0402 slack.post.text",
      "SB0402 emit e.x",
      "SB0402 log",
    ]);
    expect(result.deliveries).toEqual([{ action: "slack.post", params: { text: "still" }, index: 2 }]);
    expect([result.emits, result.logs]).toEqual([[], []]);
  });

  test("parameters that become something else than an object are a problem", () => {
    const run = startRun(
      machineOf({ initial: "a", states: { a: { on: { GO: { actions: { "x.y": { cel: "[1]" } } } } } } }),
    );
    const { deliveries, problems } = run.send("GO");
    expect([deliveries, problems[0]?.code]).toEqual([[], "SB0402"]);
  });

  test("log lines are rendered; other values are written as JSON", () => {
    const run = startRun(
      machineOf({
        initial: "a",
        states: { a: { on: { GO: { actions: [{ log: "{{event.n}} of" }, { log: "{{event.n}}" }] } } } },
      }),
    );
    expect(run.send("GO", { n: 2 }).logs).toEqual(["2 of", "2"]);
  });

  test("a template file is rendered where it is named, and is part of the definition from then on", () => {
    const params = Type.Object({ text: Type.String() });
    const templates = new Map([
      ["ready", "{{> who}} is ready\n"],
      ["who", "{{event.title}}"],
      ["unused", "x"],
    ]);
    const state = { on: { GO: { actions: { "slack.post": { text: { template: "ready" } } } } } };
    const machine = machineOf(
      { initial: "a", states: { a: state } },
      { templates, actions: new Map([["slack.post", { params }]]) },
    );
    expect(Object.keys((machine.definition as { templates: object }).templates)).toEqual(["ready", "who"]);
    const again = machineOf(machine.definition as Record<string, unknown>, {
      templates: new Map([["who", "changed"]]),
    });
    expect(again.hash).toBe(machine.hash);
    for (const one of [machine, again]) {
      expect(startRun(one).send("GO", { title: "WEB-1" }).deliveries[0]?.params).toEqual({ text: "WEB-1 is ready\n" });
    }
    const edited = machineOf(
      { initial: "a", states: { a: state } },
      { templates: new Map([...templates, ["who", "y"]]) },
    );
    expect(edited.hash).not.toBe(machine.hash);
  });
});

describe("guards", () => {
  const truth = (guard: unknown, event: Record<string, boolean | number> = {}) => {
    const run = startRun(machineOf({ initial: "a", states: { a: { on: { GO: { guard, target: "b" } } }, b: {} } }));
    const { transition, problems } = run.send("GO", event);
    return `${transition.taken}${problems.length > 0 ? " with a problem" : ""}`;
  };
  const unknown = "event.nothing.here";

  test.each([
    { guard: "event.x", expected: "true" },
    { guard: "!event.x", expected: "false" },
    { guard: { and: ["event.x", "event.n == 1"] }, expected: "true" },
    { guard: { and: ["event.x", "event.n == 2"] }, expected: "false" },
    { guard: { or: ["event.n == 2", "event.x"] }, expected: "true" },
    { guard: { or: ["event.n == 2", "!event.x"] }, expected: "false" },
    { guard: { not: "event.x" }, expected: "false" },
    { guard: { not: { or: ["!event.x", { not: "event.n == 1" }] } }, expected: "true" },
    { guard: unknown, expected: "false with a problem" },
    { guard: { not: unknown }, expected: "false with a problem" },
    { guard: { and: ["event.x", unknown] }, expected: "false with a problem" },
    { guard: { and: ["!event.x", unknown] }, expected: "false" },
    { guard: { or: [unknown, "event.x"] }, expected: "true" },
    { guard: { or: [unknown, "!event.x"] }, expected: "false with a problem" },
    { guard: "event.n", expected: "false with a problem" },
  ])("$guard is $expected", ({ guard, expected }) => {
    expect(truth(guard, { x: true, n: 1 })).toBe(expected);
  });

  test("the first candidate whose guard holds is taken", () => {
    const machine = machineOf({
      initial: "a",
      states: {
        a: { on: { GO: [{ guard: "event.n > 9", target: "big" }, { guard: "event.n > 5", target: "mid" }, "small"] } },
        big: {},
        mid: {},
        small: {},
      },
    });
    const at = (n: number) => startRun(machine).send("GO", { n }).transition.to;
    expect([at(10), at(9), at(1)]).toEqual(["big", "mid", "small"]);
  });

  test("guards see the context, vars and what the rule sent with the signal", () => {
    const machine = machineOf(
      {
        initial: "a",
        context: { min: 2 },
        vars: { max: 4 },
        states: {
          a: { on: { GO: { guard: "event.with.n > context.min && event.with.n < vars.max && vars.on", target: "b" } } },
          b: {},
        },
      },
      { vars: { max: 1, on: true } },
    );
    expect(startRun(machine).send("GO", { with: { n: 3 } }).transition.to).toBe("b");
    expect(startRun(machine).send("GO", { with: { n: 4 } }).transition.to).toBe("a");
  });
});
