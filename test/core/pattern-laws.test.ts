import fc from "fast-check";
import { expect, test } from "vitest";
import { matches } from "../../src/core/match/evaluate.ts";
import { distance, explainPattern } from "../../src/core/match/explain.ts";
import { compilePattern, type Leaf, type Pattern } from "../../src/core/match/pattern.ts";
import { fold } from "../../src/core/match/text.ts";
import type { ConditionNode, Event, Json } from "../../src/model.ts";

function compiled(match: unknown): Pattern {
  const { pattern, diagnostics: problems } = compilePattern(match);
  expect(problems).toStrictEqual([]);
  return pattern;
}
const asEvent = (data: unknown): Event => data as Event;
const met = (match: unknown, data: unknown): boolean => matches(compiled(match), asEvent(data));
const explained = (match: unknown, data: unknown): ConditionNode =>
  explainPattern(compiled(match), asEvent(data), () => undefined);

// ---------------------------------------------------------------- an independent definition

interface Value {
  path: string;
  scalar: Json;
  /** Every list that an object around the value is an element of, with that element. */
  trail: Map<unknown, number>;
}

/** All values of an event as Event Ruler sees them: flat. A value inside an object carries the lists around that object. */
function flatten(value: unknown, path: string, trail: Map<unknown, number>, into: Value[], around = trail): Value[] {
  if (Array.isArray(value)) {
    value.forEach((element, i) => {
      flatten(element, path, trail, into, new Map([...around, [value, i]]));
    });
  } else if (typeof value === "object" && value !== null) {
    for (const [key, member] of Object.entries(value)) flatten(member, `${path}.${key}`, around, into);
  } else into.push({ path, scalar: value as Json, trail });
  return into;
}

/** By trying every choice of one value, or of absence, for every field. */
function oracle(leaves: readonly Leaf[], values: readonly Value[]): boolean {
  const [leaf, ...rest] = leaves;
  const choose = (remaining: readonly Leaf[], chosen: Map<unknown, number>, absent: readonly string[]): boolean => {
    const [next, ...others] = remaining;
    const compatible = (value: Value) => [...value.trail].every(([list, i]) => (chosen.get(list) ?? i) === i);
    if (next === undefined)
      return absent.every((path) => !values.some((value) => value.path === path && compatible(value)));
    const path = `.${next.fieldPath.join(".")}`;
    if (next.absent && choose(others, chosen, [...absent, path])) return true;
    return values.some(
      (value) =>
        value.path === path &&
        compatible(value) &&
        next.alternatives.some((each) => !each.absent && each.test(value.scalar)) &&
        choose(others, new Map([...chosen, ...value.trail]), absent),
    );
  };
  return leaf === undefined || choose([leaf, ...rest], new Map(), []);
}

const keys = fc.constantFrom("a", "b", "c");
const scalars = fc.constantFrom<Json>("x", "y", "X", 1, null);
const events = fc.letrec<{ node: unknown; object: object }>((tie) => ({
  node: fc.oneof({ maxDepth: 4 }, scalars, tie("object"), fc.array(tie("node"), { maxLength: 3 })),
  object: fc.dictionary(keys, tie("node"), { maxKeys: 3 }),
})).object;
const alternatives = fc.array(
  fc.oneof(
    scalars,
    fc.constantFrom<unknown>({ exists: false }, { exists: true }, { "anything-but": "x" }, { prefix: "x" }),
    fc.constant({ "equals-ignore-case": "x" }),
  ),
  { minLength: 1, maxLength: 2 },
);
const path = fc.array(keys, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("."));
const patterns = fc.letrec<{ node: object }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 3 },
    fc.dictionary(path, alternatives, { minKeys: 1, maxKeys: 3 }),
    fc
      .tuple(fc.dictionary(path, alternatives, { maxKeys: 2 }), fc.array(tie("node"), { minLength: 2, maxLength: 3 }))
      .map(([fields, $or]) => ({ ...fields, $or })),
    fc.tuple(keys, tie("node")).map(([key, inner]) => ({ [key]: inner })),
  ),
})).node;

test("the evaluator agrees with the definition by flat values and places in lists", () => {
  fc.assert(
    fc.property(patterns, events, (match, event) => {
      const pattern = compiled(match);
      const values = flatten(event, "", new Map(), []);
      const expected = pattern.conjunctions.some(({ leaves }) => oracle([...leaves], values));
      expect(matches(pattern, asEvent(event))).toBe(expected);
    }),
    { numRuns: 10_000 },
  );
});

test("the reason agrees with the verdict, and is 0 away exactly when it matches", () => {
  let matched = 0;
  fc.assert(
    fc.property(patterns, events, (match, event) => {
      const verdict = met(match, event);
      const tree = explained(match, event);
      expect(tree.ok).toBe(verdict);
      expect(distance(tree) === 0).toBe(verdict);
      if (verdict) matched += 1;
    }),
    { numRuns: 5_000 },
  );
  expect(matched).toBeGreaterThan(100);
});

test("a rule is missed by no more than the number of its fields", () => {
  fc.assert(
    fc.property(patterns, events, (match, event) => {
      const pattern = compiled(match);
      const most = Math.max(...pattern.conjunctions.map(({ leaves }) => leaves.size));
      expect(distance(explained(match, event))).toBeLessThanOrEqual(most);
    }),
  );
});

test("wildcards agree with the regular expression they stand for", () => {
  const piece = fc.constantFrom("a", "b", "ab", "*", "\\*", "\\\\");
  const text = fc.string({ unit: fc.constantFrom("a", "b", "*", "\\"), maxLength: 8 });
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 6 }), text, (pieces, value) => {
      const wildcard = pieces.filter((each, i) => each !== "*" || pieces[i - 1] !== "*");
      const source = wildcard.map((each) => (each === "*" ? ".*" : each)).join("");
      expect(met({ field: [{ wildcard: wildcard.join("") }] }, { field: value })).toBe(
        new RegExp(`^${source}$`, "s").test(value),
      );
    }),
    { numRuns: 3_000 },
  );
});

test("folding agrees with the simple case folding of JavaScript's own Unicode tables", () => {
  for (let code = 0; code < 0x1_ea00; code++) {
    if (code >= 0xd800 && code <= 0xdfff) continue;
    const char = String.fromCodePoint(code);
    if (char.toLowerCase() === char && char.toUpperCase() === char) {
      if (fold(char) !== char) throw new Error(`U+${code.toString(16)} has no case`);
      continue;
    }
    const single = new RegExp(`^\\u{${code.toString(16)}}$`, "iu");
    for (const other of [fold(char), char.toLowerCase(), char.toUpperCase()]) {
      if ([...other].length !== 1) continue;
      if (single.test(other) !== (fold(other) === fold(char))) throw new Error(`U+${code.toString(16)} and ${other}`);
    }
  }
});
