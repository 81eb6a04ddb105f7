import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compileExpression, type Evaluated, type Scope } from "../../src/core/expr.ts";
import type { Json, JsonObject } from "../../src/model.ts";

const hostile = JSON.parse('{"__proto__": {"polluted": true}, "constructor": 1}') as JsonObject;
const event: JsonObject = {
  type: "github.push",
  number: 412,
  score: 7.5,
  title: "Hello wörld",
  nothing: null,
  tickets: ["WEB-1", "WEB-2"],
  data: {
    commits: [
      { id: "a", n: 1 },
      { id: "b", n: 2 },
    ],
    hostile,
    long: "a".repeat(50_000),
    big: Array.from({ length: 5_000 }, (_, i) => i),
  },
};
const scope: Scope = { event, context: { n: 2, price: 2.5 }, vars: { limit: 10, map: { a: 1 } } };

function evaluate(source: string, over: Scope = scope): Evaluated {
  const compiled = compileExpression(source);
  if (!compiled.ok) throw new Error(compiled.diagnostic.message);
  return compiled.expression.evaluate(over);
}
const answer = (source: string): Json => {
  const result = evaluate(source);
  if (!result.ok) throw new Error(result.detail);
  return result.value;
};
const detailOf = (source: string): string => {
  const result = evaluate(source);
  return result.ok ? `gave ${JSON.stringify(result.value)}` : result.detail;
};

describe("JSON numbers and CEL numbers", () => {
  test.each<[string, Json]>([
    ["event.number > 5", true],
    ["event.number == 412", true],
    ["event.number == 412.0", true],
    ["event.number != 412", false],
    ["event.number % 2", 0],
    ["event.number / 5", 82],
    ["-event.number", -412],
    ["string(event.number)", "412"],
    ["string(event.score)", "7.5"],
    ["context.n + 1", 3],
    ["context.n * 1.5", 3],
    ["context.n + context.price", 4.5],
    ["event.score / 2", 3.75],
    ["event.score > 7", true],
    ["size(event.tickets) > 0", true],
    ["event.title.size()", 11],
    ["event.number in [1, 412]", true],
    ["event.data.big[3]", 3],
    ["event.data.commits.map(c, c.n)", [1, 2]],
    ["event.data.commits.filter(c, c.n > 1)", [{ id: "b", n: 2 }]],
    ["event.data.commits.exists_one(c, c.n == 1)", true],
    ["event.data.commits[0] == {'id': 'a', 'n': 1}", true],
    ["uint(5)", 5],
  ])("%s gives %j", (source, value) => {
    expect(answer(source)).toStrictEqual(value);
  });

  test("arithmetic on whole numbers is exact and agrees with JavaScript", () => {
    const compiled = compileExpression("context.a * context.b + context.a - context.b");
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: -1_000, max: 1_000 }), (a, b) => {
        const result = compiled.ok && compiled.expression.evaluate({ event, context: { a, b } });
        expect(result).toStrictEqual({ ok: true, value: a * b + a - b });
      }),
    );
  });
});

test.each<[string, Json]>([
  ["event", event],
  ["event.data.commits", (event.data as JsonObject).commits ?? null],
  ["{'a': [event.number], 'b': null}", { a: [412], b: null }],
  ["[1, 2.5, 'x', true]", [1, 2.5, "x", true]],
  ["timestamp('2026-01-05T09:00:00Z')", "2026-01-05T09:00:00.000Z"],
  ["timestamp('2026-01-05T09:00:00Z') - timestamp('2026-01-05T08:00:00Z')", "3600s"],
  ["duration('90s')", "90s"],
])("%s comes back as plain JSON", (source, value) => {
  expect(answer(source)).toStrictEqual(value);
});

test.each([
  ["1.0 / 0.0", "not a JSON number"],
  ["9007199254740993", "cannot hold exactly"],
  ["type(1)", "not JSON"],
  ["b'abc'", "not JSON"],
  ["5 / 0", "division by zero"],
  ["event.title + event.number", "string(…)"],
])("%s is an error value, never a throw", (source, words) => {
  expect(detailOf(source)).toContain(words);
});

describe("missing fields", () => {
  test("are an error that names the path and the key that was probably meant", () => {
    expect(detailOf("event.titel")).toBe('event has no "titel", it has "title"');
    expect(detailOf("event.data.pull_request.merged")).toBe('event.data has no "pull_request", test with has() first');
  });
  test("can be asked for with has()", () => {
    expect(answer("has(event.titel)")).toBe(false);
    expect(answer("has(event.data.commits)")).toBe(true);
    expect(answer("has(event.nothing) && event.nothing == null")).toBe(true);
  });
  test("item outside of forEach is said to be missing", () => {
    expect(detailOf("item == 1")).toContain("forEach");
    expect(evaluate("item == 1", { event, item: 1 })).toStrictEqual({ ok: true, value: true });
  });
});

describe("own properties only", () => {
  test.each([
    "event.constructor",
    "event.__proto__",
    "event.toString",
    "event.data.hostile.toString",
    "vars.map.valueOf",
  ])("%s is a missing key", (source) => {
    expect(detailOf(source)).toContain("has no");
  });
  test("data with such names is plain data", () => {
    expect(answer("event.data.hostile['__proto__']")).toStrictEqual({ polluted: true });
    expect(answer("event.data.hostile.constructor")).toBe(1);
    expect(answer("'toString' in event.data.hostile")).toBe(false);
    expect(answer("size(event.data.hostile)")).toBe(2);
  });
});

test("what an expression reads is left as it was", () => {
  const before = JSON.stringify(scope);
  for (const source of ["event.data.commits.map(c, c)", "event.data", "event.tickets + event.tickets"])
    evaluate(source);
  expect(JSON.stringify(scope)).toBe(before);
});

test.each([
  ["", 0, "empty"],
  ["event.number >", 14, "not well formed"],
  ["evnt.number > 5", 0, '"evnt" is not known here'],
  ["event.number > 5 && tickets.size() > 0", 20, '"tickets" is not known here'],
  ["event.toString()", 0, "overload"],
  ["'a' + 1", 0, "overload"],
  ["cel.block([1], 2)", 0, "not available"],
  ["event.title.matches('(a')", 20, "without its )"],
  ["event.title.matches('(?=a)')", 20, "lookahead"],
  [`event.title == '${"x".repeat(5_000)}'`, 0, "at most"],
])("%j is a problem at offset %d", (source, offset, words) => {
  const compiled = compileExpression(source);
  expect(compiled.ok).toBe(false);
  if (compiled.ok) return;
  expect(compiled.diagnostic).toMatchObject({ code: "SB0105", offset });
  expect(compiled.diagnostic.message).toContain(words);
});

test("an unknown name suggests the one that was probably meant", () => {
  const compiled = compileExpression("evnt.number > 5");
  expect(compiled.ok || compiled.diagnostic.suggestion).toBe("event");
});

test("what an expression reads is known without evaluating it", () => {
  const compiled = compileExpression(
    "event.data.commits.exists(c, c.id == context.id) && has(event.sha) && vars['limit'] > item",
  );
  expect(compiled.ok && [...compiled.expression.reads].sort()).toStrictEqual([
    "context.id",
    "event.data.commits",
    "event.sha",
    "item",
    "vars.limit",
  ]);
});

describe("an evaluation is bounded", () => {
  test.each([
    ["event.data.big.all(x, event.data.big.all(y, event.data.big.all(z, z >= 0)))", "steps"],
    ["event.data.big.map(x, event.data.big.map(y, x + y)).size()", "steps"],
    ["event.data.big.exists(x, event.data.big.exists(y, x < 0 && y < 0)) || true", "steps"],
    ["event.data.long.split('').join(event.data.long)", "text of more than"],
    ["[1].map(i, event.data.long + event.data.long).map(a, a + a).map(a, a + a).map(a, a + a)", "text of more than"],
    ["event.data.big.all(x, event.data.long.matches('a*b') == false)", "steps"],
    ["event.data.big.all(x, event.data.long.contains('b') == false)", "steps"],
  ])("%s is cut", (source, words) => {
    expect(detailOf(source)).toContain(words);
  });
  test("one that was cut leaves the next evaluation its full measure", () => {
    const compiled = compileExpression("event.data.big.all(x, event.data.big.all(y, context.n > 0))");
    if (!compiled.ok) throw new Error(compiled.diagnostic.message);
    expect(compiled.expression.evaluate(scope).ok).toBe(false);
    const small = { ...scope, event: { data: { big: [1, 2] } } };
    expect(compiled.expression.evaluate(small)).toStrictEqual({ ok: true, value: true });
  });
  test("a pattern that makes backtracking engines hang is answered", () => {
    const text = `${"a".repeat(50_000)}!`;
    expect(evaluate("event.text.matches('^(a+)+$')", { event: { text } })).toStrictEqual({ ok: true, value: false });
  });

  test("each pattern of an evaluation is its own, also when the event holds them", () => {
    const over: Scope = { event: { patterns: ["^a", "z$", "^a"] } };
    const value = [true, false, true];
    expect(evaluate("event.patterns.map(p, 'abc'.matches(p))", over)).toStrictEqual({ ok: true, value });
  });
});

test("compiling and evaluating anything never throws", () => {
  const words = [
    "event",
    ".",
    "data",
    "(",
    ")",
    "[",
    "]",
    "==",
    "+",
    "1",
    "'a'",
    "map",
    "has",
    ",",
    "x",
    "?",
    ":",
    "!",
    " ",
  ];
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...words), { maxLength: 12 }), fc.jsonValue(), (parts, data) => {
      const compiled = compileExpression(parts.join(""));
      if (compiled.ok) compiled.expression.evaluate({ event: { data: data as Json } });
    }),
    { numRuns: 500 },
  );
});
