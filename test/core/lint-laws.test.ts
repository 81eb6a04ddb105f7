/** Whatever lint claims of a rule, no event contradicts it: the evaluator is asked about many random rules and events. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { lint, type RuleDiagnostic } from "../../src/core/lint/lint.ts";
import { acceptedBy, disjoint, implies } from "../../src/core/lint/shapes.ts";
import { matches } from "../../src/core/match/evaluate.ts";
import type { Alternative } from "../../src/core/match/operators.ts";
import { compilePattern, conjunctionsOf, type Leaf, type Pattern } from "../../src/core/match/pattern.ts";
import { createRuleSet } from "../../src/core/match/rule-set.ts";
import { type CompiledRule, type CompileEnv, compileRule } from "../../src/core/match/rules.ts";
import { type Event, type Json, type Rule, STATUSES } from "../../src/model.ts";
import { thorough } from "../support/thorough.ts";

const RUNS = thorough(750, 3_000);
/** Where it is counted how often something was told, the small number of cases is the same every time. */
const SEED = thorough({ seed: 20260105 }, {});

const env: CompileEnv = {
  templates: new Map(),
  actions: new Map(),
  machines: undefined,
  place: (path) => ({ file: "rules/a.yaml", line: 1, col: path.length + 1 }),
};

function compiled(rule: Partial<Rule>): CompiledRule {
  const send = { machine: "m", key: "k", event: "E" };
  const { rule: made, diagnostics: problems } = compileRule({ id: "r", event: "a.b", send, ...rule } as Rule, env);
  expect(problems).toStrictEqual([]);
  if (made === undefined) throw new Error("no rule");
  return made;
}

// ---------------------------------------------------------------- two alternatives

/** Letters that fold to others, to themselves, or to a letter of ASCII: the Kelvin sign, the long s; and a capital I with a dot, which does neither. */
const letters = fc.constantFrom(
  "a",
  "b",
  "A",
  "B",
  "k",
  "K",
  "\u212a",
  "s",
  "\u017f",
  "i",
  "\u0130",
  "ß",
  "é",
  "É",
  "*",
);
const texts = fc.string({ unit: letters, maxLength: 3 });
const numbers = fc.constantFrom(-1, 0, 1, 1.5, 2, 3);
const scalars = fc.oneof(texts, numbers, fc.constantFrom<Json>(true, false, null));
const plain = texts.map((text) => text.replaceAll("*", "\\*"));
const wildcards = fc
  .array(fc.oneof(plain, fc.constant("*")), { maxLength: 4 })
  .map((pieces) => pieces.join("").replaceAll(/(?<!\\)\*(?:\*)+/g, "*"));
const comparisons = fc.oneof(
  fc.tuple(fc.constantFrom("=", "<", "<=", ">", ">="), numbers),
  fc
    .tuple(fc.constantFrom(">", ">="), numbers, fc.constantFrom("<", "<="), numbers)
    .filter(([, low, , high]) => low < high),
);
const filled = texts.filter((text) => text !== "");
const operators = fc.oneof(
  scalars,
  texts.map((text) => ({ exactly: text })),
  fc.tuple(fc.constantFrom("prefix", "suffix"), texts).map(([op, text]) => ({ [op]: text })),
  fc.tuple(fc.constantFrom("prefix", "suffix"), texts).map(([op, text]) => ({ [op]: { "equals-ignore-case": text } })),
  texts.map((text) => ({ "equals-ignore-case": text })),
  wildcards.map((text) => ({ wildcard: text })),
  comparisons.map((numeric) => ({ numeric })),
  fc.constant({ exists: true }),
  fc.array(texts, { minLength: 1, maxLength: 2 }).map((out) => ({ "anything-but": out })),
  fc.array(numbers, { minLength: 1, maxLength: 2 }).map((out) => ({ "anything-but": out })),
  fc
    .tuple(fc.constantFrom("prefix", "suffix", "equals-ignore-case"), fc.array(filled, { minLength: 1, maxLength: 2 }))
    .map(([op, out]) => ({ "anything-but": { [op]: out } })),
  wildcards.map((text) => ({ "anything-but": { wildcard: text } })),
  fc.constantFrom({ cidr: "10.0.0.0/8" }, { cidr: "10.1.0.0/16" }),
);

function alternativeOf(written: unknown): Alternative {
  const { pattern, diagnostics: problems } = compilePattern({ field: [written] });
  expect(problems).toStrictEqual([]);
  return (pattern.written.children[0] as Leaf).alternatives[0]!;
}

test("what is called disjoint has no value in common, and what is called implied holds for every value", () => {
  const told = { disjoint: 0, implied: 0 };
  const values = fc.array(fc.oneof(scalars, fc.constantFrom("10.1.2.3", "10.2.3.4", "11.1.1.1")), { maxLength: 30 });
  fc.assert(
    fc.property(operators, operators, values, (first, second, some) => {
      const [one, other] = [alternativeOf(first), alternativeOf(second)];
      // What an operator names is where it is most likely met.
      const named = JSON.stringify([first, second]).match(/"[^"]*"|-?\d[.\d]*/g) ?? [];
      const all: Json[] = [...some, ...named.map((text) => JSON.parse(text) as Json)];
      if (disjoint(acceptedBy(one), acceptedBy(other))) {
        told.disjoint += 1;
        expect(all.filter((value) => one.test(value) && other.test(value))).toStrictEqual([]);
      }
      if (implies(acceptedBy(one), acceptedBy(other))) {
        told.implied += 1;
        expect(all.filter((value) => one.test(value) && !other.test(value))).toStrictEqual([]);
      }
    }),
    { numRuns: 10 * RUNS, ...SEED },
  );
  expect(told.disjoint).toBeGreaterThan((RUNS * 5) / 3);
  expect(told.implied).toBeGreaterThan(RUNS / 3);
});

// ---------------------------------------------------------------- rules and events

const few = fc.constantFrom("x", "y", "X", "xy");
const conditions = fc.oneof(
  { weight: 4, arbitrary: few },
  fc.constantFrom<Json>(1, 2, "1", null, true, "success", "failure", "passed", "a.b", "a.c"),
  fc.constantFrom<unknown>({ exists: false }, { exists: true }, { "anything-but": "x" }, { "anything-but": [1, 2] }),
  fc.constantFrom<unknown>({ prefix: "x" }, { prefix: "xy" }, { suffix: "y" }, { "equals-ignore-case": "x" }),
  fc.constantFrom<unknown>({ wildcard: "x*" }, { wildcard: "*" }, { "anything-but": { prefix: "x" } }),
  fc.constantFrom<unknown>({ numeric: [">", 1] }, { numeric: ["<=", 1] }, { numeric: [">=", 1, "<", 3] }),
);
const alternatives = fc.oneof(
  { weight: 2, arbitrary: conditions.map((one) => [one]) },
  fc.array(conditions, { minLength: 2, maxLength: 3 }),
);
const fields = fc.constantFrom(
  ...["branch", "actor", "number", "status", "type", "tickets", "data.a", "data.a.b", "data.b", "data.b.a", "brnch"],
  ...["repo.name", "data", "to", "id", "pull_request.a"],
);
const patterns = fc.letrec<{ node: object }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 2 },
    fc.dictionary(fields, alternatives, { minKeys: 1, maxKeys: 4 }),
    fc
      .tuple(
        fc.dictionary(fields, alternatives, { maxKeys: 3 }),
        fc.array(tie("node"), { minLength: 2, maxLength: 3 }),
        fc.option(fc.dictionary(fc.constantFrom("a", "b", "b.a"), alternatives, { minKeys: 1, maxKeys: 2 })),
      )
      .map(([named, $or, data]) => ({ ...named, $or, ...(data === null ? {} : { data }) })),
  ),
})).node;

const values = fc.oneof(
  { weight: 4, arbitrary: few as fc.Arbitrary<Json> },
  fc.constantFrom<Json>(1, 2, 3, "1", null, true, "success", "a.b"),
);
const payloads = (withLists: boolean) =>
  fc.letrec<{ node: Json; object: { [key: string]: Json } }>((tie) => ({
    node: fc.oneof(
      { maxDepth: 3 },
      values,
      tie("object"),
      ...(withLists ? [fc.array(tie("node"), { maxLength: 3 })] : []),
    ),
    object: fc.dictionary(fc.constantFrom("a", "b"), tie("node"), { maxKeys: 2 }),
  })).object;
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const eventsWith = (data: fc.Arbitrary<Event["data"]>): fc.Arbitrary<Event> =>
  fc
    .record({
      id: few,
      type: fc.constantFrom("a.b", "a.c", "b.c"),
      source: few,
      time: few,
      receivedAt: few,
      branch: maybe(few),
      actor: maybe(few),
      repo: maybe(few),
      number: maybe(fc.constantFrom(1, 2, 3)),
      status: maybe(fc.constantFrom(...STATUSES)),
      tickets: maybe(fc.array(few, { maxLength: 2 })),
      data,
    })
    .map((event) => Object.fromEntries(Object.entries(event).filter(([, value]) => value !== undefined)) as never);
/** Other ones in every run; the rules are asked about all of them. */
const single = fc.sample(eventsWith(payloads(false)), 250);
const listed = [...single, ...fc.sample(eventsWith(payloads(true)), 250)];

const selectors = fc.constantFrom<string | string[]>("a.b", "a.*", "*", ["a.b", "a.c"], ["a.b", "b.*"]);

/** The leaves that a finding is about: those below the marked key, or the one whose value is marked. */
function leavesAt({ rule, diagnostic: problem }: RuleDiagnostic): Leaf[] {
  const at = (problem.path ?? []).slice(1);
  const all = [...new Set(rule.pattern!.conjunctions.flatMap(({ leaves }) => [...leaves]))];
  const isWithin = (inner: Leaf["patternPath"], outer: Leaf["patternPath"]) =>
    outer.every((step, i) => inner[i] === step);
  const found = all.filter((leaf) => isWithin(leaf.patternPath, at) || isWithin(at, leaf.patternPath));
  expect(found).not.toStrictEqual([]);
  return found;
}

function patternOf(leaves: readonly Leaf[]): Pattern {
  const written = { kind: "all" as const, patternPath: [], children: leaves };
  return { written, conjunctions: conjunctionsOf(written) };
}

const lieOnOneWay = (a: Leaf, b: Leaf) =>
  a.fieldPath.every((part, i) => b.fieldPath[i] === undefined || part === b.fieldPath[i]);

/** What must not match any event for the finding to be right; for SB0313, what must match every event. */
function claimed(finding: RuleDiagnostic): Pattern[] {
  const { rule, diagnostic: problem } = finding;
  const leaves = leavesAt(finding);
  if (problem.code === "SB0313") return leaves.filter(({ absent }) => absent).map((leaf) => patternOf([leaf]));
  if (problem.code === "SB0314") {
    const leaf = leaves[0]!;
    const alternative = leaf.alternatives[problem.path?.at(-1) as number]!;
    return [patternOf([{ ...leaf, alternatives: [alternative], absent: alternative.absent }])];
  }
  // An absent one below a strange key is met by every event; it is marked because of the others.
  if (problem.code === "SB0310")
    return leaves
      .filter((leaf) => !leaf.absent || leaf.fieldPath[0] === "type" || leaf.fieldPath[0] === "id")
      .map((leaf) => patternOf([leaf]));
  const ways = rule.pattern!.conjunctions.filter((way) => leaves.some((leaf) => way.leaves.has(leaf)));
  return ways.map((way) => patternOf([...way.leaves].filter((leaf) => lieOnOneWay(leaf, leaves[0]!))));
}

function isNamedTwice(finding: RuleDiagnostic): boolean {
  const { conjunctions } = finding.rule.pattern!;
  const isSame = (a: Leaf, b: Leaf) => a !== b && a.fieldPath.length === b.fieldPath.length && lieOnOneWay(a, b);
  const ways = (leaf: Leaf) => conjunctions.filter(({ leaves }) => leaves.has(leaf));
  return leavesAt(finding).some((leaf) => ways(leaf).some((way) => [...way.leaves].some((one) => isSame(one, leaf))));
}

test("a condition that is called dead, idle, contradictory or named twice is so for every event, with lists where that is said", () => {
  const told: Record<string, number> = {};
  fc.assert(
    fc.property(patterns, selectors, (match, event) => {
      const rule = compiled({ event, match: match as Rule["match"] & object });
      const taken = createRuleSet([rule]);
      for (const finding of lint([rule])) {
        const { code, message } = finding.diagnostic;
        const isOfSingle = message.includes("only a list that holds both");
        const key = isOfSingle ? `${code} single` : code;
        told[key] = (told[key] ?? 0) + 1;
        if (code === "SB0315") {
          expect(isNamedTwice(finding), message).toBe(true);
          continue;
        }
        const claims = claimed(finding);
        expect(claims).not.toStrictEqual([]);
        const asked = (isOfSingle ? single : listed).filter(({ type }) => taken.listensTo(type));
        const holds = (pattern: Pattern, one: Event) => matches(pattern, one) === (code === "SB0313");
        const against = asked.find((one) => !claims.every((pattern) => holds(pattern, one)));
        expect(against, message).toBeUndefined();
        if (message.includes("so the rule never"))
          expect(asked.find((one) => matches(rule.pattern!, one))).toBeUndefined();
      }
    }),
    { numRuns: RUNS, ...SEED },
  );
  for (const kind of ["SB0310", "SB0311", "SB0311 single", "SB0313", "SB0314", "SB0315"])
    expect(told[kind], kind).toBeGreaterThan(RUNS / 30);
});

test("a rule that is called shadowed is never asked, though events come that it would match", () => {
  let shadowed = 0;
  let missed = 0;
  const narrow = fc.dictionary(
    fc.constantFrom("branch", "actor", "tickets", "data.a", "data.a.b", "data.b"),
    alternatives,
    { minKeys: 1, maxKeys: 2 },
  );
  const rules = fc.array(
    fc.record(
      {
        event: selectors,
        match: fc.oneof(narrow, narrow, patterns) as fc.Arbitrary<NonNullable<Rule["match"]>>,
        when: fc.constantFrom("event.branch == 'x'", "true"),
        mode: fc.constantFrom("live" as const, "live" as const, "observe" as const),
        stop: fc.constantFrom(true, true, false),
      },
      { requiredKeys: ["event", "match", "stop"] },
    ),
    { minLength: 2, maxLength: 4 },
  );
  fc.assert(
    fc.property(rules, fc.boolean(), (written, narrows) => {
      // Every other time the rules ask for what the first does, and for more.
      const [first] = written as [Partial<Rule>];
      const asked = written.map((rule) =>
        narrows ? { ...rule, ...first, stop: rule.stop, match: { ...rule.match, ...first.match } } : rule,
      );
      const all = asked.map((rule, i) => compiled({ ...rule, id: `r${i}` }));
      const set = createRuleSet(all);
      for (const { rule, diagnostic: problem } of lint(all)) {
        if (problem.code !== "SB0312") continue;
        shadowed += 1;
        const own = createRuleSet([rule]);
        const wanted = listed.filter((event) => own.match(event, {}).matched.length > 0);
        missed += wanted.length;
        expect(wanted.find((event) => set.match(event, {}).matched.some((one) => one.rule === rule))).toBeUndefined();
      }
    }),
    { numRuns: RUNS, ...SEED },
  );
  expect(shadowed).toBeGreaterThan(RUNS / 10);
  expect(missed).toBeGreaterThan(RUNS / 1.5);
});
