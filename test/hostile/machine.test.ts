/** Machine files that would take long to compile are refused by their size, before anything in them is read. */
import { expect, test } from "vitest";
import { compileMachine } from "../../src/core/machine/file/compile.ts";

const ENV = { id: "m", templates: new Map(), actions: undefined, vars: {} };
const many = <T>(count: number, make: (i: number) => T) =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`s${i}`, make(i)]));
const compiled = (states: object, more: object = {}) =>
  compileMachine({ id: "m", startOn: ["GO"], initial: "s0", states, ...more }, ENV);
const messages = (states: object, more: object = {}) =>
  compiled(states, more).diagnostics.map(({ message }) => message);

test.each([
  ["guards", { on: { GO: Array.from({ length: 30_000 }, (_, i) => ({ target: "s0", guard: `context.a == ${i}` })) } }],
  ["signals", { on: many(50_000, () => "s0") }],
  ["assignments", { entry: Array.from({ length: 30_000 }, () => ({ assign: { a: "{{event.x}}" } })) }],
  ["unknown keys", many(50_000, () => 1)],
])("tens of thousands of %s", (_, state) => {
  expect(messages({ s0: state })).toStrictEqual(["A machine file holds at most 40,000 values"]);
});

test("a file that is nested without end, or holds itself", () => {
  const inside: Record<string, unknown> = {};
  inside.states = { s0: inside };
  expect(messages({ s0: inside })).toStrictEqual(["A machine file is nested at most 200 deep"]);
});

test("as many states as a machine may have are compiled; of thousands of unknown targets a hundred are compared with them", () => {
  expect(compiled(many(1_999, () => ({ on: { GO: "s1" } }))).diagnostics).toStrictEqual([]);
  const { diagnostics } = compiled(many(1_500, (i) => ({ on: { GO: `s${i}x` } })));
  expect(diagnostics).toHaveLength(1_500);
  expect(diagnostics.filter(({ suggestion }) => suggestion !== undefined).length).toBeLessThanOrEqual(100);
});
