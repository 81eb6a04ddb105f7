import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { matches } from "../../src/core/match/evaluate.ts";
import { compilePattern, type Pattern } from "../../src/core/match/pattern.ts";
import type { Event } from "../../src/model.ts";

function compiled(match: unknown): Pattern {
  const { pattern, diagnostics: problems } = compilePattern(match);
  expect(problems).toStrictEqual([]);
  return pattern;
}
const asEvent = (data: unknown): Event => data as Event;
const met = (match: unknown, data: unknown): boolean => matches(compiled(match), asEvent(data));

describe("values", () => {
  test.each<[unknown, unknown, boolean]>([
    ["x", "x", true],
    [["x", "y"], "y", true],
    ["x", "X", false],
    ["1", 1, false],
    [1, "1", false],
    [300, 3e2, true],
    [0, -0, true],
    [true, "true", false],
    [null, null, true],
    [null, undefined, false],
    ["null", null, false],
    // Strings are strings: no address magic, no Unicode normalisation.
    ["::1", "0:0:0:0:0:0:0:1", false],
    ["\u00e9", "e\u0301", false],
    [[{ exactly: "x" }], "x", true],
    [[{ prefix: "rel" }], "release", true],
    [[{ prefix: "" }], "", true],
    [[{ prefix: "" }], 1, false],
    [[{ suffix: ".md" }], "a.md", true],
    [[{ suffix: ".md" }], "a.mdx", false],
    // The quotes of JSON are no part of a value (a bug of Event Ruler).
    [[{ suffix: '"x' }], "x", false],
    [[{ prefix: { "equals-ignore-case": "REL" } }], "release", true],
    [[{ suffix: { "equals-ignore-case": "ASE" } }], "release", true],
    [[{ suffix: { "equals-ignore-case": "ASX" } }], "release", false],
    [[{ "equals-ignore-case": "ÄPFEL" }], "äpfel", true],
    [[{ "equals-ignore-case": "straße" }], "STRASSE", false],
    [[{ "equals-ignore-case": "straße" }], "STRAẞE", true],
    [[{ "equals-ignore-case": "\u{10400}" }], "\u{10428}", true],
    [[{ wildcard: "a*c" }], "abbc", true],
    [[{ wildcard: "a*c" }], "ac", true],
    [[{ wildcard: "a*c" }], "abcd", false],
    [[{ wildcard: "ab*ba" }], "aba", false],
    [[{ wildcard: "a*bc*c" }], "abc", false],
    [[{ wildcard: "a*bc*c" }], "abcc", true],
    [[{ wildcard: "*a*b*" }], "xaxbx", true],
    [[{ wildcard: "*a*b*" }], "xbxax", false],
    [[{ wildcard: "*\\*" }], "x*", true],
    [[{ wildcard: "*\\**" }], "x*y", true],
    [[{ wildcard: "\\\\*" }], "\\x", true],
    [[{ wildcard: "*" }], 1, false],
    [[{ numeric: ["=", 5] }], 5, true],
    [[{ numeric: [">", 5] }], 5, false],
    [[{ numeric: [">=", 5] }], 5, true],
    [[{ numeric: [">", 0, "<=", 5] }], 5, true],
    [[{ numeric: [">", 0, "<", 5] }], 5, false],
    [[{ numeric: [">", 0] }], "5", false],
    [[{ cidr: "10.0.0.0/24" }], "10.0.0.255", true],
    [[{ cidr: "10.0.0.0/24" }], "10.0.1.0", false],
    [[{ cidr: "10.0.0.1/32" }], "10.0.0.1", true],
    [[{ cidr: "0.0.0.0/0" }], "::1", false],
    [[{ cidr: "0.0.0.0/0" }], 7, false],
    [[{ cidr: "0.0.0.0/0" }], "1.2.3", false],
    [[{ cidr: "10.0.0.0/8" }], "10.0.0.01", false],
    [[{ cidr: "10.0.0.0/8" }], "::ffff:10.0.0.1", false],
    [[{ cidr: "2001:db8::/32" }], "2001:0db8:1::", true],
    [[{ cidr: "2001:db8::/32" }], "2001:db9::", false],
    [[{ cidr: "::1/128" }], "0:0:0:0:0:0:0:1", true],
    [[{ cidr: "::/0" }], "::ffff:10.0.0.1", true],
    [[{ cidr: "::/0" }], "1::2::3", false],
    [[{ exists: true }], null, true],
    [[{ exists: true }], undefined, false],
    [[{ exists: true }], {}, false],
    [[{ exists: false }], undefined, true],
    [[{ exists: false }], {}, true],
    [[{ exists: false }], [], true],
    [[{ exists: false }], null, false],
    [[{ exists: false }, "x"], "x", true],
    [[{ exists: false }, "x"], "y", false],
    [[{ "anything-but": "x" }], "y", true],
    [[{ "anything-but": "x" }], "x", false],
    [[{ "anything-but": "x" }], undefined, false],
    [[{ "anything-but": ["x", "y"] }], 5, true],
    [[{ "anything-but": ["x", "y"] }], null, true],
    [[{ "anything-but": [1, 2] }], 2, false],
    [[{ "anything-but": { prefix: "rel" } }], "release", false],
    [[{ "anything-but": { prefix: ["a", "b"] } }], "bc", false],
    [[{ "anything-but": { suffix: ".md" } }], 1, true],
    [[{ "anything-but": { "equals-ignore-case": ["A"] } }], "a", false],
    [[{ "anything-but": { wildcard: "*/tmp/*" } }], "a/tmp/b", false],
    // A list is met when some element is.
    [[{ "anything-but": "x" }], ["x", "y"], true],
    [[{ "anything-but": "x" }], ["x"], false],
    [[{ "anything-but": "x" }], [], false],
    ["b", ["a", ["b"]], true],
    ["x", {}, false],
  ])("%j against %j: %s", (wanted, value, expected) => {
    expect(met({ field: wanted }, value === undefined ? {} : { field: value })).toBe(expected);
  });
});

describe("shape", () => {
  const event = { type: "t", data: { pull_request: { merged: true, labels: [{ name: "bug" }, { name: "p1" }] } } };
  test.each<[unknown, boolean]>([
    [{ "data.pull_request.merged": true }, true],
    [{ data: { "pull_request.merged": [true] } }, true],
    [{ "data.pull_request": { merged: [false] } }, false],
    [{ "data.pull_request.labels.name": "p1", type: ["t", "u"] }, true],
    [{ "data.pull_request.labels": "p1" }, false],
    [{ data: { merged: [true] } }, false],
  ])("%j: %s", (match, expected) => {
    expect(met(match, event)).toBe(expected);
  });

  test("a literal dot in a key of an event is not addressed by a dotted path", () => {
    expect(met({ "a.b": 1 }, { "a.b": 1 })).toBe(false);
  });

  test("keys such as __proto__ and constructor are plain data", () => {
    const match = JSON.parse('{"data": {"__proto__": [1], "constructor": {"name": ["x"]}}}') as unknown;
    const data = JSON.parse('{"data": {"__proto__": 1, "constructor": {"name": "x"}}}') as unknown;
    expect(met(match, data)).toBe(true);
    expect(met(match, { data: {} })).toBe(false);
    expect(met({ "data.constructor.name": "Object" }, { data: {} })).toBe(false);
    expect(met({ "data.toString": [{ exists: false }] }, { data: {} })).toBe(true);
  });
});

describe("fields in one list are met by one element", () => {
  const people = {
    e: [
      { f: "Anna", l: "Smith" },
      { f: "Peter", l: "Jones" },
    ],
  };
  test.each<[unknown, unknown, boolean]>([
    [{ e: { f: "Anna", l: "Smith" } }, people, true],
    [{ e: { f: "Anna", l: "Jones" } }, people, false],
    [{ "e.f": "Anna", "e.l": "Jones" }, people, false],
    [{ e: { f: "Anna" }, $or: [{ "e.l": "Jones" }, { "e.l": "Miller" }] }, people, false],
    [{ e: { f: "Anna" }, $or: [{ "e.l": "Jones" }, { "e.l": "Smith" }] }, people, true],
    // Sibling lists are independent, nested lists hold at every level.
    [{ a: { x: 1 }, b: { x: 2 } }, { a: [{ x: 1 }], b: [{ x: 1 }, { x: 2 }] }, true],
    [
      { a: { x: 1, b: { y: 2 } } },
      {
        a: [
          { x: 1, b: [{ y: 1 }] },
          { x: 2, b: [{ y: 2 }] },
        ],
      },
      false,
    ],
    [{ a: { x: 1, "b.y": 2 } }, { a: [[{ x: 1, b: [{ y: 1 }, { y: 2 }] }]] }, true],
    // Values directly in a list do not choose an element.
    [{ a: [1], "a.b": [2] }, { a: [1, { b: 2 }] }, true],
    [{ $or: [{ tags: "a" }, { tags: "z" }], tags: "b" }, { tags: ["a", "b"] }, true],
    [{ "e.a": "x", "e.a.b": [{ exists: false }] }, { e: [{ a: "x" }, { a: "y" }] }, true],
    // Absent: in the chosen element, in whatever order; in all of them when nothing chooses one.
    [{ e: { c: "x", d: [{ exists: false }] } }, { e: [{ d: 1, c: "y" }, { c: "x" }] }, true],
    [{ e: { b: [{ exists: false }], c: "x" } }, { e: [{ b: 1, c: "y" }, { c: "x" }] }, true],
    [{ e: { c: "x", d: [{ exists: false }] } }, { e: [{ d: 1, c: "x" }, { c: "y" }] }, false],
    [{ "e.d": [{ exists: false }] }, { e: [{ d: 1 }, { c: 1 }] }, false],
    [{ "e.d": [{ exists: false }] }, { e: [{ c: 1 }] }, true],
    [{ "e.d": [{ exists: false }] }, { e: 5 }, true],
  ])("%j against %j: %s", (match, event, expected) => {
    expect(met(match, event)).toBe(expected);
  });
});

describe("$or", () => {
  const match = { type: "t", $or: [{ a: 1 }, { b: [{ prefix: "x" }], $or: [{ c: 1 }, { d: 1 }] }] };
  test.each<[unknown, boolean]>([
    [{ type: "t", a: 1 }, true],
    [{ type: "t", b: "xy", c: 1 }, true],
    [{ type: "t", b: "xy", d: 1 }, true],
    [{ type: "t", b: "xy" }, false],
    [{ a: 1 }, false],
  ])("%j: %s", (event, expected) => {
    expect(met(match, event)).toBe(expected);
  });
  test("a field that is set before and inside must meet both", () => {
    expect(met({ n: [{ numeric: [">", 5] }], $or: [{ n: [{ numeric: ["<", 3] }] }, { x: 1 }] }, { n: 2 })).toBe(false);
  });
});

describe("problems", () => {
  test.each<[unknown, (string | number)[], string, string?]>([
    [{}, [], "empty pattern"],
    [[], [], "mapping of fields"],
    [{ a: {} }, ["a"], "empty pattern"],
    [{ a: [] }, ["a"], "empty list"],
    [{ a: [["x"]] }, ["a", 0], "list inside a list"],
    [{ a: ["x", { prefx: "y" }] }, ["a", 1], "not an operator", "prefix"],
    [{ a: [{}] }, ["a", 0], "empty object"],
    [{ a: [{ prefix: "x", suffix: "y" }] }, ["a", 0], "one operator"],
    [{ a: [{ prefix: 5 }] }, ["a", 0, "prefix"], "takes a text"],
    [{ a: [{ suffix: { wildcard: "x" } }] }, ["a", 0, "suffix"], "takes a text"],
    [{ a: [{ wildcard: "a**b" }] }, ["a", 0, "wildcard"], "stars"],
    [{ a: [{ wildcard: "a\\b" }] }, ["a", 0, "wildcard"], "escape"],
    [{ a: [{ numeric: ["=>", 5] }] }, ["a", 0, "numeric", 0], "comparison"],
    [{ a: [{ numeric: [">", "5"] }] }, ["a", 0, "numeric", 0], "number"],
    [{ a: [{ numeric: [">", 5, "<", 5] }] }, ["a", 0, "numeric"], "No number is"],
    [{ a: [{ numeric: ["<", 9, ">", 5] }] }, ["a", 0, "numeric"], "lower bound"],
    [{ a: [{ numeric: [">", 1, "<", 5, "<", 7] }] }, ["a", 0, "numeric"], "lower bound"],
    [{ a: [{ numeric: [] }] }, ["a", 0, "numeric"], "takes a list"],
    [{ a: [{ cidr: "10.0.0.0" }] }, ["a", 0, "cidr"], "block"],
    [{ a: [{ cidr: "10.0.0.0/33" }] }, ["a", 0, "cidr"], "0 to 32"],
    [{ a: [{ cidr: "::/129" }] }, ["a", 0, "cidr"], "0 to 128"],
    [{ a: [{ exists: "yes" }] }, ["a", 0, "exists"], "true or false"],
    [{ a: [{ "anything-but": [] }] }, ["a", 0, "anything-but"], "at least one"],
    [{ a: [{ "anything-but": ["x", 1] }] }, ["a", 0, "anything-but"], "not both"],
    [{ a: [{ "anything-but": [true] }] }, ["a", 0, "anything-but"], "texts or numbers"],
    [{ a: [{ "anything-but": { cidr: "::/0" } }] }, ["a", 0, "anything-but"], "one of prefix"],
    [{ a: [{ "anything-but": { prefix: "" } }] }, ["a", 0, "anything-but", "prefix"], "empty prefix"],
    [{ a: [2 ** 53] }, ["a", 0], "too large"],
    [{ a: [Number.POSITIVE_INFINITY] }, ["a", 0], "not a number that JSON knows"],
    [{ a: [undefined] }, ["a", 0], "A condition is"],
    [{ $or: [{ a: 1 }] }, ["$or"], "at least two"],
    [{ $or: { a: 1 } }, ["$or"], "at least two"],
    [{ $or: [{ a: 1 }, {}] }, ["$or", 1], "empty pattern"],
    [{ "a..b": 1 }, ["a..b"], "empty part"],
    // An operator outside of a list would silently name a field.
    [{ a: { prefix: "x" } }, ["a", "prefix"], "stands in a list"],
    [{ a: { numeric: [">", 5] } }, ["a", "numeric"], "stands in a list"],
    [{ a: { "anything-but": ["x"] } }, ["a", "anything-but"], "stands in a list"],
  ])("%j at %j: %s", (match, path, words, suggestion) => {
    const [problem, ...more] = compilePattern(match).diagnostics;
    expect(more).toStrictEqual([]);
    expect(problem).toMatchObject({ code: "SB0104", path });
    expect(problem?.message).toContain(words);
    expect(problem?.suggestion).toBe(suggestion);
  });

  test("all problems are told at once", () => {
    const { diagnostics: problems } = compilePattern({ a: [], b: [{ prefx: "x" }], $or: [{ c: [] }, { d: [] }] });
    expect(problems.map(({ path }) => path)).toStrictEqual([["a"], ["b", 0], ["$or", 0, "c"], ["$or", 1, "d"]]);
  });

  test.each<[string, unknown, string]>([
    ["conditions", { a: Array.from({ length: 1_001 }, (_, i) => i) }, "1000 conditions"],
    ["fields", Object.fromEntries(Array.from({ length: 257 }, (_, i) => [`f${i}`, 1])), "256 fields"],
    [
      "combinations",
      {
        $or: Array.from({ length: 40 }, (_, i) => ({ a: i })),
        b: { $or: Array.from({ length: 40 }, (_, i) => ({ c: i })) },
      },
      "1600 combinations",
    ],
    ["combinations beyond memory", nestedOrs(60), "combinations"],
  ])("too many %s are refused", (_, match, words) => {
    expect(compilePattern(match).diagnostics).toContainEqual(
      expect.objectContaining({ code: "SB0108", message: expect.stringContaining(words) as string }),
    );
  });

  test("anything at all is answered with problems, never a throw", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (match, data) => {
        const { pattern, diagnostics: problems } = compilePattern(match);
        if (problems.length === 0) matches(pattern, asEvent(data));
      }),
    );
  });
});

function nestedOrs(count: number): unknown {
  const fields = Array.from({ length: count }, (_, i) => [`f${i}`, { $or: [{ a: 1 }, { b: 1 }] }]);
  return Object.fromEntries(fields);
}
