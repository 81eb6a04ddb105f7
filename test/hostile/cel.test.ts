/**
 * Expressions and payloads that are made to cost much. Whoever writes a rule may write any of these, and a sender chooses what is in
 * the payload: nothing here may hang the process, fill its memory, or answer with something else than a value or a sentence.
 */
import { Type } from "typebox";
import { describe, expect, test } from "vitest";
import { decide, plan } from "../../src/core/decide.ts";
import { compileExpression } from "../../src/core/expr.ts";
import type { Json, JsonObject } from "../../src/model.ts";
import { compilePolicy } from "../../src/policy/policy.ts";

const STEPS = "needs more than 2000000 steps";
const TEXT = "builds a text of more than 262144 characters";
const DEEP = "nested more than 500 levels deep";

/** `[[[…]]]` */
function nestedLists(depth: number): Json {
  let value: Json = 1;
  for (let i = 0; i < depth; i++) value = [value];
  return value;
}

const data: JsonObject = {
  numbers: Array.from({ length: 5_000 }, (_, i) => i),
  words: Array.from({ length: 3_000 }, (_, i) => `${i}`.padEnd(300, "w")),
  long: "a".repeat(100_000),
  wide: Array.from({ length: 1_000 }, (_, i) => ({ a: { b: { c: [i, "x".repeat(100)] } } })),
  deep: nestedLists(100_000),
  deepToo: nestedLists(100_000),
  pattern: "(a{1,30}){1,3}",
  haystack: "a".repeat(500_000),
  needle: `${"a".repeat(100_000)}b${"a".repeat(100_000)}`,
};
const copy = JSON.parse(JSON.stringify({ wide: data.wide })) as JsonObject;

function outcome(source: string): string {
  const compiled = compileExpression(source);
  if (!compiled.ok) return `refused: ${compiled.diagnostic.message}`;
  const result = compiled.expression.evaluate({ event: { data }, context: copy });
  return result.ok ? `gives a value of ${JSON.stringify(result.value).length} characters` : result.detail;
}

describe("an evaluation pays for what each of its steps touches", () => {
  test.each<[string, string, string]>([
    ["loops in loops", "event.data.numbers.all(x, event.data.numbers.all(y, x + y >= 0))", STEPS],
    ["loops whose items all fail", "event.data.numbers.exists(x, event.data.numbers.exists(y, x / 0 == y))", STEPS],
    ["comparing nested values", "event.data.numbers.all(x, event.data.wide == context.wide)", STEPS],
    ["comparing long texts", "event.data.numbers.all(x, event.data.long == event.data.long)", STEPS],
    ["ordering long texts", "event.data.numbers.all(x, event.data.long <= event.data.long)", STEPS],
    [
      "looking for an item",
      "event.data.numbers.all(x, event.data.words.all(w, -1 in event.data.numbers) || true)",
      STEPS,
    ],
    ["looking inside a text", "event.data.numbers.all(x, !event.data.long.contains('b'))", STEPS],
    ["counting characters", "event.data.numbers.all(x, size(event.data.long) > 0)", STEPS],
    ["cutting texts", "event.data.numbers.all(x, event.data.long.substring(1) != '')", STEPS],
    [
      "trimming, replacing, splitting",
      "event.data.numbers.all(x, event.data.long.trim().replace('b', '').split('c') != [])",
      STEPS,
    ],
    ["joining lists", "event.data.numbers.map(x, event.data.numbers + event.data.numbers).size()", STEPS],
    ["sorting", "event.data.words.map(w, event.data.words.sort()).size()", STEPS],
    ["comparing each with each", "event.data.wide.distinct().size()", STEPS],
    ["comparing two lists as sets", "sets.equivalent(event.data.numbers, event.data.numbers)", STEPS],
    ["writing nested values as text", "event.data.numbers.all(x, '%s'.format([event.data.wide]) != '')", STEPS],
    ["matching texts", "event.data.numbers.all(x, !event.data.long.matches('a*b'))", STEPS],
    [
      "reading clocks of zones",
      "event.data.numbers.all(x, event.data.numbers.all(y, timestamp(x).getHours('Asia/Kathmandu') >= 0))",
      STEPS,
    ],
    ["a range without an end", "lists.range(9223372036854775807)", STEPS],
    ["ranges of ranges", "lists.range(1000000).map(x, lists.range(x))", STEPS],
  ])("%s", (_, source, words) => {
    expect(outcome(source)).toContain(words);
  });
});

describe("looking for a long text that nearly occurs everywhere is as dear as it is", () => {
  test.each([
    "event.data.haystack.contains(event.data.needle)",
    "event.data.haystack.indexOf(event.data.needle) < 0",
    "event.data.haystack.indexOf(event.data.needle, 1) < 0",
    "event.data.haystack.lastIndexOf(event.data.needle) < 0",
    "event.data.haystack.lastIndexOf(event.data.needle, 400000) < 0",
    "event.data.haystack.split(event.data.needle).size() == 1",
    "event.data.haystack.replace(event.data.needle, '') == ''",
  ])("%s", (source) => expect(outcome(source)).toContain(STEPS));
});

describe("a result is bounded while it grows", () => {
  test.each<[string, string, string]>([
    ["texts put together", "[event.data.long].map(a, a + a).map(a, a + a).map(a, a + a)", TEXT],
    ["bytes put together", "[bytes(event.data.long)].map(a, a + a).map(a, a + a).map(a, a + a)", TEXT],
    ["a list joined", "event.data.words.join(',')", TEXT],
    ["a list joined by a long text", "event.data.numbers.map(n, '').join(event.data.long)", TEXT],
    ["every letter replaced by a long text", "event.data.long.replace('a', event.data.long)", TEXT],
    ["a long text put between all letters", "event.data.long.replace('', 'bbbb')", TEXT],
    ["a text quoted", "strings.quote(event.data.long + event.data.long)", TEXT],
    ["bytes written as letters", "base64.encode(bytes(event.data.long + event.data.long))", TEXT],
    ["a text made of many", "'%s%s%s'.format([event.data.long, event.data.long, event.data.long])", TEXT],
    ["digits that nobody asked for", "'%.9999f'.format([1.5])", "A precision is at most 100"],
    ["the payload once per item", "event.data.numbers.map(x, event.data.wide)", STEPS],
    [
      "a value that holds itself twice, twenty-two times over",
      `${Array.from({ length: 22 }, (_, i) => `cel.bind(v${i + 1}, [v${i}, v${i}], `)
        .join("")
        .replace("[v0, v0]", "[1, 1]")}v22${")".repeat(22)}`,
      STEPS,
    ],
  ])("%s", (_, source, words) => {
    expect(outcome(source)).toContain(words);
  });
});

describe("values that are nested without end", () => {
  test.each([
    "event.data.deep == event.data.deepToo",
    "event.data.deep in [event.data.deepToo]",
    "'%s'.format([event.data.deep]) == ''",
    "[event.data.deep, event.data.deep]",
    "[event.data.deep, event.data.deepToo].distinct().size() == 1",
  ])("%s", (source) => {
    expect(outcome(source)).toContain(DEEP);
  });
});

describe("nothing in an expression outlives its budget", () => {
  const endless = "event.data.numbers.all(x, event.data.numbers.all(y, true))";
  const long = "event.data.words.join('') == ''";
  const deep = "event.data.deep == event.data.deepToo";
  test.each([
    [endless, STEPS],
    [long, TEXT],
    [deep, DEEP],
  ])("%s", (part, words) => {
    expect(outcome(`${part} || true`)).toContain(words);
    expect(outcome(`true && (${part} || true)`)).toContain(words);
    expect(outcome(`(1 / 0 == 1) || ${part} || true`)).toContain(words);
    expect(outcome(`[1, 2].exists(z, z == 2 || ${part})`)).toContain(words);
    expect(outcome(`[1, 2].all(z, z == 1 && ${part})`)).toContain(words);
    expect(outcome(`[1].exists_one(z, ${part}) || true`)).toContain(words);
  });
});

describe("patterns that come from the payload", () => {
  test("cost what compiling them costs, once per pattern and not once per item", () => {
    expect(outcome("event.data.numbers.all(x, 'a'.matches(event.data.pattern))")).toContain("gives a value");
    expect(outcome("event.data.numbers.all(x, !'b'.matches(event.data.pattern + string(x)))")).toContain(STEPS);
  });
  test.each(["(a", "(?=a)", "(){1000}{1000}{1000}{1000}", "[[:", "\\"])("%j is answered", (pattern) => {
    const compiled = compileExpression("'a'.matches(event.data.p)");
    if (!compiled.ok) throw new Error(compiled.diagnostic.message);
    const result = compiled.expression.evaluate({ event: { data: { p: pattern } } });
    expect(result).toMatchObject({ ok: false, detail: expect.stringContaining("regular expression") });
  });
});

describe("what can be written can be read in bounded work", () => {
  test.each<[string, string]>([
    ["not not not …", `${"!".repeat(4_000)}true`],
    ["minus minus …", `${"-".repeat(4_000)}1`],
    ["brackets", "[".repeat(2_000) + "]".repeat(2_000)],
    ["parentheses", `${"(".repeat(2_000)}1${")".repeat(2_000)}`],
    ["maps", `${"{1:".repeat(1_300)}1${"}".repeat(1_300)}`],
    ["a long sum", `1${"+1".repeat(2_000)}`],
    ["a long path", `event${".a".repeat(1_500)}`],
    ["conditions in conditions", `${"true?".repeat(800)}1`],
    ["macros in macros", `${"[1].map(x,".repeat(300)}x${")".repeat(300)}`],
    ["optional elements", "[?".repeat(2_000)],
    ["quotes", '"'.repeat(4_095)],
    ["escapes", "'\\".repeat(2_000)],
    ["back quotes", "`".repeat(4_000)],
    ["points", ".5".repeat(1_500)],
    ["question marks", "?".repeat(4_000)],
    ["bytes", "b'ÿ".repeat(800)],
    ["a text that does not end", `'${"a".repeat(5_000)}`],
  ])("%s", (_, source) => {
    expect(outcome(source)).toContain("refused: ");
  });
  test("and what is just small enough is read", () => {
    expect(outcome(`true${" && true".repeat(400)}`)).toContain("gives a value");
    expect(outcome(`event.data.numbers${".map(x, x)".repeat(20)}.size()`)).toContain("gives a value");
  });
});

test("names of JavaScript are names like others, in payloads and in expressions", () => {
  const event = JSON.parse('{"data": {"__proto__": {"admin": true}, "constructor": {"name": "x"}}}') as JsonObject;
  const value = (source: string) => {
    const compiled = compileExpression(source);
    return compiled.ok ? compiled.expression.evaluate({ event }) : compiled.diagnostic.message;
  };
  expect(value("has(event.data.admin) || has(event.admin)")).toEqual({ ok: true, value: false });
  expect(value("event.data.constructor.name")).toEqual({ ok: true, value: "x" });
  expect(value("has(event.data.hasOwnProperty) || 'valueOf' in event.data")).toEqual({ ok: true, value: false });
  expect(value("{'__proto__': {'admin': true}}.admin")).toMatchObject({ ok: false });
  expect(({} as { admin?: boolean }).admin).toBeUndefined();
});

test("an event that a rule's expression is too costly for is decided, with a problem, and the other rules act", () => {
  const rules = `
- id: poisoned
  event: x.y
  when: "!('b'.matches(event.data.pattern)) && event.data.list.all(a, event.data.list.all(b, event.data.list.all(c, true)))"
  do: [{ out.post: { text: never } }]
- id: each
  event: x.y
  forEach: event.data.list.map(a, event.data.list)
  do: [{ out.post: { text: never } }]
- id: other
  event: x.y
  do: [{ out.post: { text: { cel: "event.data.list.map(a, event.data.list.map(b, event.data.list)).size()" } } }]
- id: healthy
  event: x.y
  do: [{ out.post: { text: done } }]
`;
  const actions = new Map([["out.post", { params: Type.Object({ text: Type.Any() }) }]]);
  const { policy, diagnostics } = compilePolicy({ "rules/a.yaml": rules }, { actions, vars: {} });
  if (!policy) throw new Error(JSON.stringify(diagnostics));
  const at = "2026-01-05T09:00:00.000Z";
  const list = Array.from({ length: 2_000 }, (_, i) => i);
  const event = { id: "evt_1", type: "x.y", source: "s", time: at, receivedAt: at, data: { list, pattern: "c" } };
  const running = { ...policy, definition: () => undefined };
  const { deliveries, trace } = decide(running, plan(running, event, 0), () => undefined, 0);
  expect(deliveries.map(({ params }) => params)).toEqual([{ text: "done" }]);
  const details = (trace.problems ?? []).map((problem) => JSON.stringify(problem));
  expect(details).toHaveLength(3);
  for (const detail of details) expect(detail).toContain(STEPS);
});
