/** Machines of xstate and of Stately's editor: what is data loads, what is code is named, with the reason. */
import { describe, expect, test } from "vitest";
import { compileMachine } from "../../src/core/machine/file/compile.ts";
import { compilePolicy } from "../../src/policy/policy.ts";
import { env, MINUTE, machineOf, startRun, T0 } from "./machine-story.ts";

/** As Stately's editor writes it: lists everywhere, actions by type, delays in milliseconds. */
const EXPORTED = {
  context: { title: "" },
  id: "m",
  version: "1.0.0",
  initial: "prompt",
  states: {
    prompt: {
      on: {
        "feedback.good": [{ target: "thanks", actions: [], meta: {} }],
        "feedback.bad": [
          {
            target: "form",
            actions: [{ type: "slack.post", params: { channel: "#dev", text: "{{event.type}}" } }],
            meta: {},
          },
        ],
      },
      entry: { type: "slack.post", params: { channel: "#dev", text: "how was it?" } },
      description: "asks",
      tags: [],
    },
    form: {
      on: { back: [{ target: "prompt", actions: [] }] },
      after: { "1000": [{ target: "thanks", actions: [], meta: {} }] },
      always: [{ target: "thanks", guard: "size(context.title) > 3", actions: [] }],
      invoke: {
        src: "jira.comment",
        id: "save",
        input: {},
        onDone: [{ target: "thanks" }],
        onError: [{ target: "prompt" }],
      },
    },
    thanks: { type: "final" },
  },
};

test("an export that is inside the subset runs as it is", () => {
  const run = startRun(machineOf(EXPORTED));
  expect(run.send("feedback.bad").deliveries).toMatchObject([
    { action: "slack.post", params: { channel: "#dev", text: "how was it?" } },
    { action: "slack.post", params: { channel: "#dev", text: "feedback.bad" } },
    { action: "jira.comment", call: "save" },
  ]);
  run.nowMs = T0 + MINUTE;
  expect(run.row?.timers).toEqual({ "form.1000": 1 });
  expect(run.fire("form.1000").transition).toMatchObject({ to: "thanks" });
});

test("a timer of a number is due after so many milliseconds", () => {
  const { timersSet } = startRun(machineOf(EXPORTED)).send("feedback.bad");
  expect(timersSet).toEqual([{ id: "form.1000", dueAtMs: T0 + 1_000 }]);
});

test("the file may be JSON, by its name too", () => {
  const files = {
    "rules/a.yaml": "[]",
    "statemachines/m.json": JSON.stringify({ id: "m", initial: "a", states: { a: { on: { X: "a" } } } }),
  };
  const { policy, diagnostics: problems } = compilePolicy(files, { actions: new Map(), vars: {} });
  expect(problems).toEqual([]);
  expect([...(policy?.machines.keys() ?? [])]).toEqual(["m"]);
  const twice = compilePolicy(
    { ...files, "statemachines/m.yaml": files["statemachines/m.json"] },
    { actions: new Map(), vars: {} },
  );
  expect(twice.diagnostics.map(({ code }) => code)).toEqual(["SB0302"]);
});

test("what is given is left as it is", () => {
  const before = JSON.stringify(EXPORTED);
  compileMachine(EXPORTED, env());
  expect(JSON.stringify(EXPORTED)).toBe(before);
});

describe("outside the subset, with its place and why:", () => {
  const inState = (state: object, more: object = {}) => ({
    id: "m",
    initial: "a",
    startOn: ["X"],
    states: { a: state, b: {} },
    ...more,
  });
  test.each<[string, object, string[]]>([
    ["an action by name", inState({ entry: "track" }), ['states/a/entry: The action "track" is code']],
    [
      "actions by type",
      inState({
        on: { X: [{ actions: [{ type: "inc", params: { by: 1 } }, { log: "x" }, "save"] }] },
        exit: [{ type: "x" }],
      }),
      [
        'states/a/exit/0: The action "x" is code',
        'states/a/on/X/0/actions/0: The action "inc" is code',
        'states/a/on/X/0/actions/2: The action "save" is code',
      ],
    ],
    [
      "xstate's own actions",
      inState({ entry: { type: "xstate.raise", params: {} } }),
      ['states/a/entry: The action "xstate.raise" is code'],
    ],
    [
      "guards by type",
      inState({
        always: { target: "b", guard: { type: "isOpen" } },
        on: { X: { guard: { type: "isDone", params: {} }, target: "b" } },
      }),
      ['states/a/always/guard: The guard "isOpen" is code', 'states/a/on/X/guard: The guard "isDone" is code'],
    ],
    [
      "keys of earlier versions",
      inState({
        on: { X: { target: "b", cond: "x", internal: true } },
        activities: ["beep"],
        after: { "5": { target: "b", in: "#x" } },
      }),
      [
        'states/a/activities: "activities" run beside the machine',
        'states/a/on/X/cond: "cond" is called guard since version 5',
        'states/a/on/X/internal: "internal" is gone since version 5',
        'states/a/after/5/in: "in" asks for the state of another region',
      ],
    ],
    [
      "actors",
      inState({
        invoke: { src: "slack.post", systemId: "s", onSnapshot: { target: "b" }, onDone: { target: "b", spawn: "x" } },
      }),
      [
        'states/a/invoke/systemId: "systemId" names an actor',
        'states/a/invoke/onSnapshot: "onSnapshot" follows an actor',
        'states/a/invoke/onDone/spawn: "spawn" starts an actor',
      ],
    ],
    [
      "types and switches at the top",
      inState(
        {},
        {
          types: {},
          schemas: {},
          tsTypes: {},
          delays: {},
          predictableActionArguments: true,
          preserveActionOrder: true,
          strict: true,
        },
      ),
      [
        'types: "types" are types of TypeScript',
        'schemas: "schemas" are types of TypeScript',
        'tsTypes: "tsTypes" are types of TypeScript',
        'delays: "delays" names code',
        'predictableActionArguments: "predictableActionArguments" is gone',
        'preserveActionOrder: "preserveActionOrder" is gone',
        'strict: "strict" is gone',
      ],
    ],
  ])("%s", (_, definition, expected) => {
    const { machine, diagnostics: problems } = compileMachine(definition, env());
    expect(machine).toBeUndefined();
    const run = problems.map(({ code, path = [], message }) => `${code} ${path.join("/")}: ${message}`);
    expect(run).toEqual(
      expected.map(
        (start) =>
          expect.stringMatching(new RegExp(`^SB0302 ${start.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")}`)) as string,
      ),
    );
  });
});
