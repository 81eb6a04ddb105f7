/** The index answers what the plain evaluator answers, for any rules, events, and any order in which rules are added. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { matches } from "../../src/core/match/evaluate.ts";
import { createRuleIndex, type Entry } from "../../src/core/match/index/index.ts";
import { compilePattern } from "../../src/core/match/pattern.ts";
import type { CompiledRule } from "../../src/core/match/rules.ts";
import type { Event } from "../../src/model.ts";
import { thorough } from "../support/thorough.ts";

const RUNS = thorough(500, 5_000);
const EVENTS = 20;

const keys = fc.constantFrom("a", "b", "c", "constructor", "ключ");
const texts = fc.constantFrom(
  ...[
    "",
    "x",
    "X",
    "y",
    "xy",
    "release/1",
    "Release/1",
    "main",
    "ſtraße",
    "STRASSE",
    "İ",
    "ı",
    "é",
    "e\u0301",
    "😀",
    "\ud83d",
  ],
  ...["10.0.0.1", "10.0.1.255", "2001:db8::1", "::ffff:10.0.0.1", "0", "1", "true", "null", "abcabcabd"],
);
const numbers = fc.constantFrom(0, -0, 1, 300, 0.1, 0.30000000000000004, -5, 5, Number.MAX_SAFE_INTEGER, 5e-324);
const scalars = fc.oneof(
  { arbitrary: texts, weight: 4 },
  { arbitrary: numbers, weight: 2 },
  fc.constantFrom(true, false, null),
);
/** Numbers that a pattern may not name, an event may hold. */
const found = fc.oneof({ arbitrary: scalars, weight: 9 }, fc.constantFrom(1e21, 2 ** 53, 1.7976931348623157e308));
const bounds = fc.constantFrom(-1e9, -5, 0, 0.1, 1, 5, 300, 1e9);
const literal = texts.map((text) => text.replaceAll(/[*\\]/g, ""));
const operators = fc.oneof(
  scalars,
  texts.map((exactly) => ({ exactly })),
  texts.map((prefix) => ({ prefix })),
  texts.map((suffix) => ({ suffix })),
  texts.map((text) => ({ prefix: { "equals-ignore-case": text } })),
  texts.map((text) => ({ suffix: { "equals-ignore-case": text } })),
  texts.map((text) => ({ "equals-ignore-case": text })),
  fc.tuple(literal, literal, literal).map((pieces) => ({ wildcard: pieces.join("*").replaceAll(/\*+/g, "*") })),
  fc.oneof(texts, numbers, fc.array(texts, { minLength: 1, maxLength: 3 })).map((value) => ({ "anything-but": value })),
  fc.constantFrom("prefix", "suffix", "equals-ignore-case").map((op) => ({ "anything-but": { [op]: "x" } })),
  fc.tuple(fc.constantFrom("=", "<", "<=", ">", ">="), bounds).map((numeric) => ({ numeric })),
  fc
    .tuple(fc.constantFrom(">", ">="), bounds, fc.constantFrom("<", "<="), bounds)
    .filter(([, low, , high]) => low < high)
    .map((numeric) => ({ numeric })),
  fc
    .constantFrom("10.0.0.0/8", "10.0.0.0/24", "0.0.0.0/0", "::/0", "2001:db8::/32", "10.0.0.1/32")
    .map((cidr) => ({ cidr })),
  fc.constantFrom({ exists: true }, { exists: false }),
);
const alternatives = fc.oneof(
  { arbitrary: fc.array(operators, { minLength: 1, maxLength: 3 }), weight: 9 },
  fc.array(scalars, { minLength: 5, maxLength: 12 }),
);
const paths = fc.array(keys, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("."));
const patterns = fc.letrec<{ node: object }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 3 },
    { arbitrary: fc.dictionary(paths, alternatives, { minKeys: 1, maxKeys: 4 }), weight: 5 },
    fc
      .tuple(fc.dictionary(paths, alternatives, { maxKeys: 2 }), fc.array(tie("node"), { minLength: 2, maxLength: 3 }))
      .map(([fields, $or]) => ({ ...fields, $or })),
  ),
})).node;
const types = fc.constantFrom<string | string[]>("t.a", "t.a", "t.*", "*", "t.b", ["t.a", "t.*"], ["t.b", "t.a"]);

const values = fc.letrec<{ node: unknown; object: object }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 5, depthSize: "small" },
    { arbitrary: found, weight: 3 },
    tie("object"),
    fc.array(tie("node"), { maxLength: 4 }),
  ),
  object: fc.dictionary(keys, tie("node"), { maxKeys: 4 }),
}));
const wide = fc.array(fc.oneof(found, fc.record({ a: found, b: found }, { requiredKeys: [] })), {
  minLength: 20,
  maxLength: 80,
});
const events = fc.oneof(
  { arbitrary: values.object, weight: 12 },
  fc.record({ a: wide, b: values.node }),
  // Deep: sixty lists around one value.
  found.map((value) => ({ a: Array.from({ length: 60 }).reduce<unknown>((inner) => [inner, { b: value }], value) })),
);

interface Drawn {
  type: string | string[];
  match: object | undefined;
}

function ruleOf({ type, match }: Drawn, id: number): CompiledRule {
  const base = { rule: { id: `r${id}`, event: type }, id: `r${id}`, mode: "live", stop: false, sends: [], actions: [] };
  const rule = { ...base, place: () => undefined } as CompiledRule;
  if (match === undefined) return rule;
  const { pattern, diagnostics: problems } = compilePattern(match);
  expect(problems).toStrictEqual([]);
  return { ...rule, pattern };
}

const selects = (name: string, type: string) =>
  name === type || (name.endsWith("*") && type.startsWith(name.slice(0, -1)));

function plainly(entries: readonly Entry[], event: Event): string[] {
  return entries
    .filter(({ rule: { rule } }) => [rule.event].flat().some((name) => selects(name, event.type)))
    .filter(({ rule: { pattern } }) => pattern === undefined || matches(pattern, event))
    .toSorted((a, b) => a.rank - b.rank)
    .map(({ rule: { id } }) => id);
}

const drawn = fc.record({ type: types, match: fc.option(patterns, { nil: undefined, freq: 20 }) });
const anything = fc.tuple(
  fc.oneof(
    fc.array(drawn, { maxLength: 12 }),
    // Many that ask the same fields, so that branches are split, and split again.
    fc.array(drawn, { minLength: 30, maxLength: 60, size: "max" }),
  ),
  fc.array(events, { minLength: EVENTS, maxLength: EVENTS, size: "max" }),
);

/** Lists of objects whose fields must be met by one element, or be absent from it: few names and values, so that all of it happens. */
const few = fc.constantFrom<unknown>("x", "y", 1);
const elements = fc.record(
  { b: few, c: few, d: fc.array(fc.record({ b: few, c: few }, { requiredKeys: [] })) },
  { requiredKeys: [] },
);
const inLists = fc.record(
  { a: fc.oneof(fc.array(elements, { maxLength: 3 }), elements), b: few },
  { requiredKeys: ["a"] },
);
const fewOperators = fc.oneof(
  few,
  few,
  fc.constantFrom<unknown>({ exists: false }, { exists: true }, { "anything-but": "x" }),
);
const someOf = fc.array(fewOperators, { minLength: 1, maxLength: 2 });
const aboutLists = fc.tuple(
  fc.array(
    fc.record({
      type: fc.constant("t.a"),
      match: fc.dictionary(fc.constantFrom("a.b", "a.c", "a.d.b", "a.d.c", "b"), someOf, { minKeys: 1, maxKeys: 4 }),
    }),
    { minLength: 5, maxLength: 40, size: "max" },
  ),
  fc.array(inLists, { minLength: EVENTS, maxLength: EVENTS, size: "max" }),
);

test(`in ${RUNS * EVENTS} cases the index finds the rules that the evaluator finds, in their order`, () => {
  let matched = 0;
  let asked = 0;
  fc.assert(
    fc.property(
      fc.oneof({ arbitrary: anything, weight: 3 }, aboutLists),
      fc.nat({ max: 70 }),
      ([policy, seen], rank) => {
        const index = createRuleIndex();
        // In an order of their own: ranks are the places of the rules, not the time at which they come.
        const entries: Entry[] = policy.map((each, i) => ({ rule: ruleOf(each, i), rank: i }));
        index.add(entries.filter((entry) => entry.rank % 3 !== 1));
        for (const entry of entries.filter((entry) => entry.rank % 3 === 1)) index.add([entry]);
        for (const event of seen) {
          const whole = { ...event, type: "t.a" } as unknown as Event;
          const before = JSON.stringify(whole);
          const expected = plainly(entries, whole);
          expect(index.match(whole).map(({ rule: { id } }) => id)).toStrictEqual(expected);
          expect(JSON.stringify(whole)).toBe(before);
          const ofType = entries.filter((each) => [each.rule.rule.event].flat().some((name) => selects(name, "t.a")));
          expect(index.count("t.a", rank)).toBe(ofType.filter((each) => each.rank <= rank).length);
          asked += 1;
          matched += expected.length;
        }
      },
    ),
    { numRuns: RUNS },
  );
  expect(asked).toBe(RUNS * EVENTS);
  expect(matched).toBeGreaterThan(RUNS * EVENTS);
});
