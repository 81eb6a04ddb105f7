import fc from "fast-check";
import { expect, test } from "vitest";
import { compileRegex } from "../../src/core/regex.ts";

function fits(pattern: string, text: string): boolean | string {
  const compiled = compileRegex(pattern);
  return compiled.ok ? compiled.test(text) : compiled.detail;
}

test.each([
  ["^feature/[a-z]+-\\d{2,4}$", "feature/web-17", true],
  ["^feature/[a-z]+-\\d{2,4}$", "feature/web-1", false],
  ["(?i)^HOTFIX", "hotFix/1", true],
  ["(?i:ß)", "ẞ", true],
  ["a|b|", "zzz", true],
  ["\\bfix\\b", "a fix!", true],
  ["\\bfix\\b", "prefix", false],
  ["^$", "", true],
  [".", "\n", false],
  ["(?s).", "\n", true],
  ["(?m)^b$", "a\nb\nc", true],
  ["^b$", "a\nb\nc", false],
  ["\\p{Lu}\\x{1F600}", "É😀", true],
  ["[^\\s\\d]{3}", "1 ab3", false],
  ["(?P<name>x){0}y", "y", true],
  ["\\.\\*", "a.*", true],
  ["^\\p{^Lu}$", "x", true],
  ["^\\P{^Lu}$", "x", false],
  ["^\\S+$", "a\u00a0b", true],
  ["\\s", "\v\u2028\u3000\ufeff", false],
  ["(?i)\\P{Lu}", "aA", false],
  ["(?i)[^\\P{Lu}]", "a", true],
  ["[\\_\\ \\&][]a][[:alpha:]]", "_]x", true],
  ["[^[:^alpha:]]", "1", false],
  ["\\p{Greek}[\\pL]", "σx", true],
  ["\\Qa+b\\E$", "a+b", true],
  ["(?U)\\141{2}", "aa", true],
])("%s on %j: %s", (pattern, text, expected) => {
  expect(fits(pattern, text)).toBe(expected);
});

test.each([
  "(",
  ")",
  "[a",
  "*a",
  "a{5,2}",
  "(?=a)",
  "(?<!a)",
  "(a)\\1",
  "a\\",
  "\\y",
  "a**+",
  "(?x)a",
  "a{1001}",
  "((a{100}){100}){100}",
  "a**",
  "a{1}{2}",
  "(?i)*",
  "[\\b]",
  "[[:alfa:]]",
  "[z-a]",
  "\\p{Letter}",
  "\\α",
  "(?P<n>a)(?P<n>b)",
])("%s is refused with a reason", (pattern) => {
  expect(fits(pattern, "a")).toContain("is not usable");
});

test("agrees with JavaScript where the dialects are the same", () => {
  const atom = fc.constantFrom("a", "b", ".", "[ab]", "[^a]", "\\d", "\\w", "^", "$", "\\b", "");
  const pattern = fc.letrec<{ node: string }>((tie) => ({
    node: fc.oneof(
      { maxDepth: 4 },
      atom,
      fc.tuple(tie("node"), tie("node")).map(([x, y]) => `${x}${y}`),
      fc.tuple(tie("node"), tie("node")).map(([x, y]) => `(?:${x}|${y})`),
      fc
        .tuple(tie("node"), fc.constantFrom("*", "+", "?", "{0,2}", "{2}", "*?"))
        .map(([x, repeat]) => `(?:${x})${repeat}`),
    ),
  })).node;
  fc.assert(
    fc.property(
      pattern,
      fc.string({ unit: fc.constantFrom("a", "b", "1", " ", "\n"), maxLength: 8 }),
      (source, text) => {
        expect(fits(source, text)).toBe(new RegExp(source, "u").test(text));
      },
    ),
    { numRuns: 3_000 },
  );
});

test("takes time in proportion to the text", () => {
  expect(fits("^(?:(?:a|a)*)*(?:a?){50}b$", `${"a".repeat(20_000)}c`)).toBe(false);
});
