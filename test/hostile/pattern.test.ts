/** Patterns that cannot mean what their author thinks, or were written to cost much, are answered with the way that works. */
import { describe, expect, test } from "vitest";
import { matches } from "../../src/core/match/evaluate.ts";
import { compilePattern, namesOf } from "../../src/core/match/pattern.ts";
import type { Event } from "../../src/model.ts";

const message = (match: unknown) => compilePattern(match).diagnostics[0]?.message ?? "";

function isMet(match: unknown, event: object): boolean {
  const { pattern, diagnostics } = compilePattern(match);
  expect(diagnostics).toStrictEqual([]);
  return matches(pattern, event as Event);
}

describe("two operators in one object", () => {
  test("a beginning and an end are a wildcard, and that finds what both would", () => {
    expect(message({ branch: [{ prefix: "a", suffix: "b" }] })).toMatch(/ for all at once \[\{"wildcard":"a\*b"\}\]$/);
    const wildcard =
      /\[\{"wildcard":"(.*)"\}\]$/.exec(message({ branch: [{ prefix: "a*", suffix: "\\b" }] }))?.[1] ?? "";
    const match = { branch: [{ wildcard: JSON.parse(`"${wildcard}"`) }] };
    expect(isMet(match, { branch: "a*--\\b" })).toBe(true);
    expect(isMet(match, { branch: "ax--\\b" })).toBe(false);
  });

  test.each([
    [
      { branch: [{ prefix: "a", "anything-but": "ab" }] },
      'when: \'event.branch.startsWith("a") && event.branch != "ab"\'',
    ],
    [
      { data: { n: [{ numeric: [">", 1], "anything-but": "x" }] } },
      "when: 'event.data.n > 1 && event.data.n != \"x\"'",
    ],
    [{ branch: { prefix: "a", suffix: "b", "anything-but": ["c"] } }, ""],
    [{ branch: [{ prefix: "a", "anything-but": ["c"] }] }, "say it in when, which is CEL"],
    [{ "data.a\\.b": [{ prefix: "a", "anything-but": "c" }] }, "say it in when, which is CEL"],
  ])("%j: what is meant is said in when", (match, words) => {
    expect(message(match)).toContain(words);
    expect(message(match)).not.toContain("make it one object each");
  });
});

describe("names with dots", () => {
  test.each([
    ["a.b", ["a", "b"]],
    ["a\\.b.c", ["a.b", "c"]],
    ["a\\\\.b", ["a\\", "b"]],
    ["a\\b", ["a\\b"]],
    ["\\.", ["."]],
    ["a.\\..b", ["a", ".", "b"]],
    ["a\\", ["a\\"]],
  ])("%s names %j", (key, names) => {
    expect(namesOf(key)).toStrictEqual(names);
  });

  test("are found where a dot would lead inside", () => {
    const event = { data: { labels: { "app.kubernetes.io/name": "web" } } };
    expect(isMet({ "data.labels.app\\.kubernetes\\.io/name": "web" }, event)).toBe(true);
    expect(isMet({ data: { labels: { "app\\.kubernetes\\.io/name": ["web"] } } }, event)).toBe(true);
    expect(isMet({ "data.labels.app.kubernetes.io/name": "web" }, event)).toBe(false);
    expect(message({ "data..x": 1 })).toContain("a dot that belongs to a name is written \\.");
  });
});

test("a payload that is a list is searched through, and one element meets all", () => {
  const event = {
    data: [
      { name: "api", up: true },
      { name: "web", up: false },
    ],
  };
  expect(isMet({ "data.name": "web" }, event)).toBe(true);
  expect(isMet({ data: { name: "web", up: true } }, event)).toBe(false);
  expect(isMet({ data: ["b"] }, { data: ["a", "b"] })).toBe(true);
});

test("a pattern that is a list is told of $or", () => {
  expect(message([{ branch: "main" }, { branch: "dev" }])).toContain("{ $or: [ … ] }");
});

describe("what would cost much is refused when it is read", () => {
  const deep = (levels: number): unknown => (levels === 0 ? { a: 1 } : { $or: [deep(levels - 1), { b: 1 }] });
  test.each<[string, unknown, string]>([
    ["a path of 100,000 names", { [`a${".a".repeat(100_000)}`]: 1 }, "at most 50 levels"],
    ["a path of 51 names, with and without dots", { "a.a": { [`${"a.".repeat(48)}a`]: 1 } }, "at most 50 levels"],
    [
      "$or that multiply",
      { a: { $or: Array(40).fill({ x: 1 }) }, b: { $or: Array(40).fill({ x: 1 }) } },
      "1600 combinations",
    ],
    [
      "$or beyond all numbers",
      Object.fromEntries(Array.from({ length: 600 }, (_, i) => [i, { $or: Array(10).fill({ x: 1 }) }])),
      "combinations",
    ],
    [
      "thousands of excluded wildcards",
      { a: [{ "anything-but": { wildcard: Array(1_001).fill("*a*b*") } }] },
      "at most 1000 conditions",
    ],
    ["thousands of values", { a: Array(1_001).fill("x") }, "at most 1000 conditions"],
    [
      "101 fields in each of many branches",
      { $or: Array.from({ length: 20 }, (_, i) => ({ [`f${i}`]: Array(60).fill(1) })) },
      "at most 1000 conditions",
    ],
  ])("%s", (_, match, words) => {
    expect(
      compilePattern(match)
        .diagnostics.map((diagnostic) => diagnostic.message)
        .join("\n"),
    ).toContain(words);
  });

  test("$or inside $or is read to its end", () => {
    expect(compilePattern(deep(90)).diagnostics).toStrictEqual([]);
  });

  test("a wildcard of many stars looks at each character of a text once", () => {
    const match = { title: [{ wildcard: `${"*a".repeat(2_000)}*b` }] };
    expect(isMet(match, { title: "a".repeat(500_000) })).toBe(false);
    expect(isMet(match, { title: `${"xa".repeat(2_000)}b` })).toBe(true);
  });
});
