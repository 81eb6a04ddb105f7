/** Regular expressions that were written to stop the process, by an author or inside an event, do not. */
import { Type } from "typebox";
import { expect, test } from "vitest";
import { decide, plan } from "../../src/core/decide.ts";
import { compileExpression } from "../../src/core/expr.ts";
import { compileRegex } from "../../src/core/regex.ts";
import type { Event } from "../../src/model.ts";
import { compilePolicy } from "../../src/policy/policy.ts";

/** Each would be written out to millions of parts, or takes as many rounds to write nothing. */
const TOO_LARGE = [
  "(){1000}{1000}{1000}{1000}",
  "((((){1000}){1000}){1000}){1000}",
  "(((a{1000}){1000}){1000}){0,1000}",
  "((a{2,}){30}){40}",
  "(?:(?:x?){100}){100}",
  "(?:(?:^){1000}|(?:\\b){1000}){1000}",
  "a{1000}".repeat(11),
  "(|||||||||||||||){1000}",
  `(?i)${"ab".repeat(2_047)}`.repeat(2),
  "(".repeat(100_000),
  "[[:".repeat(100_000),
  "\\Q".repeat(100_000),
];

test.each(TOO_LARGE.map((pattern) => [pattern.slice(0, 40), pattern]))("%s… is refused in words", (_, pattern) => {
  const compiled = compileRegex(pattern);
  expect(compiled).toMatchObject({ ok: false });
  expect(compiled.ok ? "" : compiled.detail).toMatch(/repetition|too large|too deep|longer than/);
});

test.each(["(){1000}", "((){1000}|){1}", "(?:){1000}x{0}(?:y{1000}){0}"])(
  "%s costs nothing, for it says nothing",
  (pattern) => {
    const compiled = compileRegex(pattern);
    expect(compiled.ok && compiled.size).toBeLessThan(10);
    expect(compiled.ok && compiled.test("")).toBe(true);
  },
);

test("what a text costs is bounded by the size that is known before a part of the pattern is written out", () => {
  const largest = compileRegex(`^${"(?:a?b?c?d?){100}".repeat(12)}$`);
  expect(largest.ok && largest.size).toBeLessThanOrEqual(10_001);
  expect(largest.ok && largest.size).toBeGreaterThan(9_000);
  expect(largest.ok && largest.test("abcd".repeat(300))).toBe(true);
  expect(largest.ok && largest.test(`${"abcd".repeat(300)}!`)).toBe(false);
});

test.each([
  ["^(a+)+$", "a"],
  ["^(a|a)*$", "a"],
  ["^(a|aa)+$", "a"],
  ["(x+x+)+y", "x"],
  ["^(([a-z])+.)+[A-Z]([a-z])+$", "a"],
  ["(?i)^(\\pL|\\w)*!", "é"],
])("%s, which a backtracking engine never finishes, is decided", (pattern, char) => {
  const compiled = compileRegex(pattern);
  expect(compiled.ok && compiled.test(`${char.repeat(20_000)}\n`)).toBe(false);
});

const ACTIONS = new Map([["out.post", { params: Type.Object({ text: Type.String() }) }]]);
const RULES = `
- { id: poisoned, event: x.*, when: '"aaaaaaaaaaaaaaaa".matches(event.data.pattern)', do: [{ out.post: { text: t } }] }
- { id: beside, event: x.*, do: [{ out.post: { text: t } }] }
`;

test.each(TOO_LARGE.map((pattern) => [pattern.slice(0, 40), pattern]))(
  "an event that holds %s… is decided with the problem in its trace, and other rules go on",
  (_, pattern) => {
    const compiled = compilePolicy({ "rules/a.yaml": RULES }, { actions: ACTIONS, vars: {} });
    if (compiled.policy === undefined) throw new Error(JSON.stringify(compiled.diagnostics));
    const policy = { ...compiled.policy, definition: () => undefined };
    const event = { id: "evt_1", type: "x.y", source: "s", tickets: [], data: { pattern } } as unknown as Event;
    const decision = decide(policy, plan(policy, event, 0), () => undefined, 0);
    expect(decision.trace.problems).toMatchObject([{ rule: "poisoned" }]);
    expect(decision.deliveries.map(({ cause }) => cause)).toMatchObject([{ rule: "beside" }]);
  },
);

test("a large pattern costs also where the text is empty, again and again", () => {
  const compiled = compileExpression('event.list.all(x, "".matches("(?:a?b?c?d?){1000}"))');
  if (!compiled.ok) throw new Error(compiled.diagnostic.message);
  const result = compiled.expression.evaluate({ event: { list: Array(10_000).fill(0) } });
  expect(result).toMatchObject({ ok: false, detail: expect.stringContaining("steps") });
});
