/** Regular expressions mean what RE2 says, held against RE2JS, which is RE2 in JavaScript. */
import fc from "fast-check";
import { RE2JS } from "re2js";
import { expect, test } from "vitest";
import { compileRegex } from "../../src/core/regex.ts";
import { thorough } from "../support/thorough.ts";

function ours(pattern: string, text: string): boolean | "refused" {
  const compiled = compileRegex(pattern);
  return compiled.ok ? compiled.test(text) : "refused";
}

function re2(pattern: string, text: string): boolean | "refused" {
  try {
    return RE2JS.compile(pattern).matcher(text).find();
  } catch {
    return "refused";
  }
}

const PIECES = [
  ...["a", "b", "K", "k", "s", "é", "ß", "σ", "_", " ", "-", "]", "{", "}", ".", "^", "$", "|", ":"],
  ...[
    "(",
    "(",
    ")",
    ")",
    "(?:",
    "(?i)",
    "(?i:",
    "(?-i)",
    "(?s)",
    "(?m)",
    "(?U)",
    "(?",
    "(?P<n>",
    "(?<m>",
    "(?=",
    "(?)",
  ],
  ...["*", "+", "?", "{2}", "{0,3}", "{1,}", "{,2}", "{01}", "{3,1}", "{1001}", "{40}"],
  ...["[", "[^", "[]", "[^]", "[a-", "[:alpha:]", "[:^space:]", "[:word:]", "[:nope:]", "[:", ":]", "[ab]", "[^a\\s]"],
  ...["\\d", "\\D", "\\w", "\\W", "\\s", "\\S", "\\b", "\\B", "\\A", "\\z", "\\Z", "\\n", "\\v", "\\a", "\\_", "\\ "],
  ...["\\p{Lu}", "\\P{Lu}", "\\p{^Lu}", "\\P{^Lu}", "\\pL", "\\PN", "\\p{Greek}", "\\p{Any}", "\\p{Letter}", "\\pC"],
  ...[
    "\\x41",
    "\\x{1F600}",
    "\\x{110000}",
    "\\141",
    "\\0",
    "\\1",
    "\\8",
    "\\Q",
    "\\E",
    "\\",
    "\\q",
    "\\é",
    "\\&",
    "\\]",
  ],
];
/** Letters that fold to three forms, white space that only JavaScript counts as such, a character of two units. */
const CHARS = [..."abkKſsSéÉßẞσςΣ1_- \t\n\v\f\r\u00a0\u2028\ufeff😀A]{}.:Ⅷ\0", "\u212a"];

const pattern = fc
  .array(fc.constantFrom(...PIECES), { maxLength: 7 })
  .map((pieces) => pieces.join(""))
  // RE2JS takes the colon of "[:]" for both ends of a named class, RE2 does not.
  .filter((source) => !source.includes("[:]"));
const text = fc.string({ unit: fc.constantFrom(...CHARS), maxLength: 6 });

test("any pattern of RE2's syntax is refused by both or finds the same", () => {
  fc.assert(
    fc.property(pattern, fc.array(text, { minLength: 3, maxLength: 3 }), (source, texts) => {
      for (const each of texts) expect([source, each, ours(source, each)]).toEqual([source, each, re2(source, each)]);
    }),
    { numRuns: thorough(3_000, 200_000) },
  );
});

const ATOMS = PIECES.filter((piece) => re2(piece, "") !== "refused" && re2(`(?i)[${piece}]`, "") !== "refused");

test("a class holds the same characters in RE2, each of them, with and without regard to case", () => {
  const members = fc.array(fc.constantFrom(...ATOMS, "a-k", "[:upper:]", "[:punct:]"), { minLength: 1, maxLength: 3 });
  fc.assert(
    fc.property(members, fc.constantFrom("", "(?i)"), fc.constantFrom("[", "[^"), (parts, flag, open) => {
      const source = `${flag}^${open}${parts.join("")}]$`;
      const found = (holds: (char: string) => boolean | "refused") => CHARS.filter((char) => holds(char) === true);
      expect([source, found((char) => ours(source, char))]).toEqual([source, found((char) => re2(source, char))]);
    }),
    { numRuns: thorough(500, 10_000) },
  );
});

// Cn, LC and properties such as Emoji came to RE2JS with Go 1.25 and are not in RE2; \C would match half a character.
test.each(["\\p{Cn}", "\\p{LC}", "\\p{Emoji}", "\\p{Letter}", "\\C"])("%s is no part of it", (source) => {
  expect(ours(source, "a")).toBe("refused");
});
