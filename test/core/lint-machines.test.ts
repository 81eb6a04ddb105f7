/** What check tells of machines: each finding in its place, and nothing about what is only unusual. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { lintMachine } from "../../src/core/lint/machines.ts";
import { machineOf } from "./machine-story.ts";

const SENT = new Set(["GO", "STOP", "A", "B"]);
const found = (text: string, sent: ReadonlySet<string> | null = SENT) =>
  lintMachine(machineOf(parse(text) as Record<string, unknown>), sent ?? undefined).map(
    ({ code, path = [], message, suggestion }) =>
      `${code} ${path.join("/")}: ${message}${suggestion === undefined ? "" : ` (${suggestion})`}`,
  );

describe("states", () => {
  test.each<[string, string, string[]]>([
    [
      "unreachable, told once for all that lies inside",
      "{ initial: a, states: { a: { on: { GO: a } }, b: { initial: x, states: { x: { on: { GO: y } }, y: {} } } } }",
      ['SB0320 states/b: No transition leads to "b"'],
    ],
    [
      "reached only by a transition whose guard never holds",
      '{ initial: a, states: { a: { on: { GO: { target: b, guard: "1 > 2" } } }, b: { on: { GO: a } } } }',
      [
        'SB0320 states/b: No transition leads to "b"',
        "SB0325 states/a/on/GO/guard: This guard never holds, so the transition is never taken",
      ],
    ],
    [
      "reached through history, regions, parents and targets inside",
      `{ initial: p, states: {
        p: { type: parallel, states: { l: { initial: x, states: { x: { on: { GO: y } }, y: {} } }, r: { initial: z, states: { z: {} } } }, on: { A: c.d.e, B: c.h } },
        c: { initial: q, states: { q: {}, h: { type: history, target: d }, d: { initial: f, states: { e: {}, f: {} } } }, on: { GO: p } } } }`,
      ['SB0320 states/c/states/q: No transition leads to "c.q"'],
    ],
    [
      "a dead end",
      "{ initial: a, states: { a: { on: { GO: b } }, b: {} } }",
      ['SB0321 states/b: "b" has no outgoing transition: make it final, or give it a way out'],
    ],
    [
      "left by a transition of a state around it",
      "{ initial: a, states: { a: { on: { GO: b } }, b: {} }, on: { STOP: .a } }",
      [],
    ],
    [
      "no end",
      "{ initial: a, states: { a: { on: { GO: b, STOP: z }, after: { 1d: z } }, b: { on: { GO: c } }, c: { on: { GO: b } }, z: { type: final } } }",
      [
        'SB0322 states/b: From "b" no final state can be reached',
        'SB0322 states/c: From "c" no final state can be reached',
      ],
    ],
    [
      "an end that only another region leads to",
      `{ initial: p, states: { p: { type: parallel, states: {
        l: { initial: x, states: { x: { on: { GO: x2 } }, x2: {} } }, r: { initial: y, states: { y: { after: { 1h: "#z" } } } } } }, z: { id: z, type: final } } }`,
      [],
    ],
    [
      "a parallel state entered at one place: its other regions are entered too",
      `{ initial: a, states: { a: { on: { GO: p.l.y } }, p: { type: parallel, on: { STOP: a }, states: {
        l: { initial: x, states: { x: {}, y: {} } }, r: { initial: z, states: { z: {} } } } } } }`,
      ['SB0320 states/p/states/l/states/x: No transition leads to "p.l.x"'],
    ],
    [
      "a region that only waits for the other",
      "{ type: parallel, states: { l: { initial: x, states: { x: {} } }, r: { initial: y, states: { y: { on: { GO: y2 } }, y2: { on: { GO: y } } } } } }",
      [],
    ],
    [
      "a wait for a signal that would end a state around it",
      "{ initial: c, states: { c: { initial: i, states: { i: { on: { GO: f } }, f: { type: final } }, onDone: z }, z: { type: final } } }",
      ['SB0323 states/c/states/i: "c.i" waits for GO without an end; give it an after'],
    ],
    [
      "a wait without an end",
      "{ initial: a, states: { a: { on: { GO: z, A: a } }, b: {}, z: { type: final } } }",
      [
        'SB0320 states/b: No transition leads to "b"',
        'SB0323 states/a: "a" waits for GO, A without an end; give it an after',
      ],
    ],
    [
      "a wait in a machine that never ends",
      "{ initial: a, states: { a: { on: { GO: b } }, b: { on: { GO: a } } } }",
      [],
    ],
    [
      "waits that end: a timer around them, a call, an always",
      `{ initial: a, after: { 3d: .z }, states: { a: { on: { GO: z } }, z: { type: final } } }`,
      [],
    ],
    [
      "a call is a wait that ends",
      "{ initial: a, states: { a: { invoke: { src: slack.post, onDone: z, onError: z }, on: { GO: z } }, z: { type: final } } }",
      [],
    ],
  ])("%s", (_, text, expected) => {
    expect(found(text)).toEqual(expected);
  });
});

describe("transitions", () => {
  test.each<[string, string, string[]]>([
    [
      "always in a circle through first states",
      "{ initial: a, startOn: [GO], states: { a: { always: b }, b: { initial: x, states: { x: { always: '#top' } } }, c: { id: top, always: a } } }",
      [
        'SB0324 states/a/always: These transitions follow each other without end: "a" → "b.x" → "c" → "a"; give one a guard',
      ],
    ],
    [
      "always in a circle, told once",
      "{ initial: a, startOn: [GO], states: { a: { always: b }, b: { always: [{ target: a }] } } }",
      ['SB0324 states/a/always: These transitions follow each other without end: "a" → "b" → "a"; give one a guard'],
    ],
    [
      "always without a target",
      "{ initial: a, states: { a: { on: { GO: a }, always: { actions: [{ log: x }] } } } }",
      ['SB0324 states/a/always: These transitions follow each other without end: "a" → "a"; give one a guard'],
    ],
    [
      "always that a guard ends",
      '{ initial: a, startOn: [GO], context: { n: 0 }, states: { a: { on: { A: b }, always: { target: b, guard: "context.n > 3" } }, b: { always: a } } }',
      [],
    ],
    [
      "one that an earlier one always comes before",
      "{ initial: a, states: { a: { on: { GO: [b, { target: a, guard: event.x }] } }, b: { on: { GO: a } } } }",
      ["SB0328 states/a/on/GO/1: Never taken: a transition before it on the same occasion has no guard"],
    ],
    [
      "one with the same guard",
      "{ initial: a, states: { a: { on: { GO: [{ target: b, guard: event.x }, { target: a, guard: event.x }, b] } }, b: { on: { GO: a } } } }",
      ["SB0328 states/a/on/GO/1: Never taken: a transition before it on the same occasion has the same guard"],
    ],
    [
      "one with the same guard as a later one",
      "{ initial: a, states: { a: { on: { GO: [{ target: b, guard: event.x }, { target: b, guard: event.y }, { target: a, guard: event.y }] } }, b: { on: { GO: a } } } }",
      ["SB0328 states/a/on/GO/2: Never taken: a transition before it on the same occasion has the same guard"],
    ],
    [
      "a guard over constants",
      '{ initial: a, vars: { on: false }, states: { a: { on: { GO: { target: b, guard: { or: [vars.on, "false"] } }, A: { guard: { not: vars.on }, target: b } } }, b: { on: { GO: a } } } }',
      ["SB0325 states/a/on/GO/guard: This guard never holds, so the transition is never taken"],
    ],
    [
      "a call without onError",
      "{ initial: a, startOn: [GO], states: { a: { invoke: [{ src: slack.post, onDone: b }, { src: jira.comment, id: c, onDone: b, onError: b }] }, b: { on: { GO: a } } } }",
      [
        "SB0327 states/a/invoke/0: No onError handles a permanent failure of slack.post: the instance would end in error; add one",
      ],
    ],
  ])("%s", (_, text, expected) => {
    expect(found(text)).toEqual(expected);
  });
});

describe("names", () => {
  test("signals that nobody sends", () => {
    const text =
      "{ initial: a, manual: [HAND], states: { a: { on: { GO: b, GOO: b, HAND: b, OWN: b, '*': b, 'x.*': b }, entry: { raise: OWN } }, b: { on: { GO: a } } } }";
    expect(found(text)).toEqual([
      'SB0326 states/a/on/GOO: No rule sends "GOO" to this machine; name it under manual when people send it by hand (GO)',
    ]);
    expect(found(text, null)).toEqual([]);
    expect(found("{ initial: a, states: { a: { on: { GO: a } } } }", new Set())).toEqual([
      "SB0326 id: No rule sends a signal to this machine; name under manual what people send by hand",
    ]);
  });

  test("context that is never assigned", () => {
    const text = `
context: { title: x }
initial: a
migrate: { context: { title: "{{context.old}}", moved: true } }
states:
  a:
    entry: [{ log: "{{context.titel}} {{context.title}} {{context.late}} {{context.moved}}" }]
    on:
      GO: { target: a, guard: "context.late > 1 || context.tries > 1", actions: [{ assign: { late: 1 } }] }
`;
    expect(found(text).toSorted()).toEqual([
      "SB0329 states/a/entry/0/log: context.titel is read here and never assigned (context.title)",
      "SB0329 states/a/on/GO/guard: context.tries is read here and never assigned",
    ]);
  });
});

test("random machines are read without harm, always to the same findings", () => {
  const names = fc.constantFrom("a", "b", "c");
  const move = fc.oneof(
    names.map((target): object => ({ target })),
    fc.record({ target: names, guard: fc.constantFrom("false", "true", "event.x", "context.n > 1") }),
  );
  const state = fc.record(
    { on: fc.dictionary(fc.constantFrom("GO", "A", "*"), move), always: move, after: fc.constant({ "1h": "a" }) },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(fc.tuple(state, state, state), ([a, b, c]) => {
      const definition = { initial: "a", startOn: ["GO"], states: { a, b, c, z: { type: "final" } } };
      const once = lintMachine(machineOf(definition), SENT);
      expect(lintMachine(machineOf(definition), SENT)).toEqual(once);
    }),
    { numRuns: 500 },
  );
});
