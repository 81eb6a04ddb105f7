/** YAML files, however strange, give JSON or a mistake in plain words. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { readYaml } from "../../src/yaml.ts";
import { thorough } from "../support/thorough.ts";

const message = (text: string) => readYaml("f.yaml", text).diagnostics[0]?.message;

test.each([
  "a: !!binary aGk=",
  "a: !!timestamp 2020-01-01",
  "!!timestamp 2020-01-01: a",
  "a: [!!binary aGk=]",
  "a: !!set {x, y}",
  "a: !!omap [x: 1]",
  "a: !!pairs [x: 1]",
  "a: !<tag:yaml.org,2002:binary> aGk=",
  "%TAG !y! tag:yaml.org,2002:\n---\na: !y!binary aGk=",
  "a: !!python/object:os.system ls",
  "a: !!js/function 'function () {}'",
  "a: !secret x",
])("%s, a tag for what JSON has not, is refused", (text) => {
  expect(message(text)).toBe("Tags such as !x are not used here; write the plain value");
});

test.each<[string, unknown]>([
  ["a: 2020-01-01", { a: "2020-01-01" }],
  ["a: !!str 2020", { a: "2020" }],
  ["a: yes", { a: "yes" }],
  ["&k a: 1\nb: *k", { a: 1, b: "a" }],
])("%s is plain", (text, value) => {
  expect(readYaml("f.yaml", text)).toMatchObject({ value, diagnostics: [] });
});

test.each([
  ['a: "C:\\dir"', "\\d is no escape inside double quotes"],
  ["a: |x\n  y", "the text starts on the next line"],
  ["a: |\n      \n  x", "indent no empty line further"],
  ["a: *.js", "a text that starts with * must be quoted"],
  ["a: *", "a text that starts so must be quoted"],
  ["a: [1,,2]", "nothing before this comma"],
  ["a: {b: 1 c: 2}", "A comma is missing"],
  ['a: {"b": 1 "c": 2}', "A comma is missing"],
  ["a: 1\nb", 'A ":" and a value are missing'],
  ["k: v\n- x", "A key stands on one line"],
  ["--- a: 1", "starts on its own line"],
  ["%TAB a\n---\na: 1", "starts with %"],
  ["a: &x &y 1", "at most one anchor"],
  ["a: 'b'#c", "A space is missing"],
  [`${"x".repeat(1_100)}: 1`, "at most 1,024 characters"],
])("%s: the message names the cause", (text, words) => {
  expect(message(text)).toContain(words);
});

/** Words of the parser, and of nobody who writes a rule. */
const JARGON =
  /\b(?:implicit|scalar|flow|node|props?|tokens?|collections?|indicator|directive|sequence|verbatim|unresolved|suffix|compact)\b/i;
const PIECES = [
  ...["a", "b: ", "- ", ": ", "? ", "\n", "\n  ", "\n\t", " ", "{", "}", "[", "]", ",", '"', "'", "\\q", "\\x4"],
  ...[
    "&x ",
    "*x",
    "&",
    "*",
    "|",
    ">",
    "|2",
    "|x",
    "#",
    " #",
    "!t ",
    "!!binary ",
    "!<",
    "---",
    "...",
    "%YAML 1.2\n",
    "%",
    "@",
    "`",
    "{{",
    "}}",
  ],
];

test("of no text does a message speak the parser's language", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...PIECES), { maxLength: 12 }), (pieces) => {
      const { diagnostics } = readYaml("f.yaml", pieces.join(""));
      for (const diagnostic of diagnostics) expect(diagnostic.message).not.toMatch(JARGON);
    }),
    { numRuns: thorough(3_000, 50_000) },
  );
});
