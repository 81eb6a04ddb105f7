/** YAML to JSON: nothing is bent or lost on the way, and every value knows its place. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Json } from "../src/model.ts";
import { readYaml } from "../src/yaml.ts";

const codes = (text: string) =>
  readYaml("f.yaml", text).diagnostics.map(({ code, line, col }) => `${code} ${line}:${col}`);
const value = (text: string) => readYaml("f.yaml", text).value;

const key = fc.string({ minLength: 1, maxLength: 8 }).filter((text) => text !== "__proto__");
const json = fc.letrec<{ node: Json }>((tie) => ({
  node: fc.oneof(
    { depthSize: "small" },
    fc.constant(null),
    fc.boolean(),
    fc.integer(),
    fc
      .double({ noNaN: true, noDefaultInfinity: true })
      .map((number) => (Number.isSafeInteger(number) || !Number.isInteger(number) ? number : 0)),
    fc.string({ maxLength: 20 }),
    fc.array(tie("node"), { maxLength: 4 }),
    fc.dictionary(key, tie("node"), { maxKeys: 4, noNullPrototype: true }),
  ),
})).node;

test("JSON is YAML: every JSON document reads as itself", () => {
  fc.assert(
    fc.property(json, fc.constantFrom(undefined, 2), (given, indent) => {
      const text = JSON.stringify(given, null, indent).replaceAll("\u007f", "\\u007f");
      const read = readYaml("f.yaml", text);
      expect(read.diagnostics).toEqual([]);
      expect(read.value).toEqual(JSON.parse(text));
    }),
  );
});

test("no text makes it throw, and what is refused has a place in the text", () => {
  const pieces = [
    "- ",
    "a",
    ": ",
    "\n",
    "  ",
    "\t",
    "{",
    "}",
    "[",
    "]",
    ",",
    '"',
    "'",
    "&x ",
    "*x",
    "|",
    ">",
    "#",
    "!t ",
    "---",
    "?",
    "%",
    "{{",
    "\u0000",
  ];
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...pieces), { maxLength: 30 }), (parts) => {
      const text = parts.join("");
      const read = readYaml("f.yaml", text);
      expect(read.value === undefined).toBe(read.diagnostics.length > 0);
      for (const { line = 0, col = 0, endCol = 0 } of read.diagnostics) {
        expect(line).toBeGreaterThan(0);
        expect(line).toBeLessThanOrEqual(text.split("\n").length);
        expect(endCol).toBeGreaterThan(col);
      }
    }),
    { numRuns: 2_000 },
  );
});

const QUOTES: Record<string, (text: string) => string> = {
  plain: (text) => `k: ${text}`,
  single: (text) => `k: '${text.replaceAll("'", "''")}'`,
  double: (text) => `k: ${JSON.stringify(text)}`,
  literal: (text) => `k: |\n  ${text.replaceAll(" ", "\n  ")}\n`,
  folded: (text) => `k: >-\n  ${text.replaceAll(" ", "\n  ")}\n`,
  "flow, broken over lines": (text) => `k: ["${text.replaceAll(/["\\]/g, "\\$&").replaceAll(" ", "\n   ")}"]`,
};

test.each(Object.keys(QUOTES))("the place inside a %s text is that of its character", (style) => {
  const word = fc.stringMatching(/^[a-z{}'"\\>$.é🎉]{1,6}$/u);
  const words = style === "plain" ? fc.stringMatching(/^[a-z.]{1,6}$/) : word;
  fc.assert(
    fc.property(fc.array(words, { minLength: 1, maxLength: 5 }), fc.nat(), (parts, at) => {
      const file = (QUOTES[style] ?? String)(parts.join(" "));
      const read = readYaml("f.yaml", file);
      const path = style.startsWith("flow") ? ["k", 0] : ["k"];
      const [found] = [(read.value as { k: Json }).k].flat();
      const text = String(found);
      const offset = at % text.length;
      if (/\s/.test(text.charAt(offset))) return;
      const { line, col } = read.place(path, { offset });
      const shown = file.split("\n")[line - 1]?.slice(col - 1) ?? "";
      const escaped = style === "single" ? "''" : `\\${text.charAt(offset)}`;
      expect(shown.startsWith(text.charAt(offset)) || shown.startsWith(escaped)).toBe(true);
    }),
  );
});

describe("places", () => {
  const text = "a:\n  - { b: 1, c: [x, yy] }\nd.e.f: &v { g: 2 }\nh: *v\n'1': one\n";
  const { place, forget } = readYaml("f.yaml", text);
  test.each([
    { path: ["a", 0, "c", 1], at: {}, marked: "2:yy" },
    { path: ["a", 0, "c"], at: {}, marked: "2:[x, yy]" },
    { path: ["a", 0, "c"], at: { atKey: true }, marked: "2:c" },
    { path: ["a", 0, "nothing"], at: { atKey: true }, marked: "2:{ b: 1, c: [x, yy] }" },
    { path: ["d", "e", "f", "g"], at: {}, marked: "3:2" },
    { path: ["h"], at: {}, marked: "4:*v" },
    { path: ["h", "g"], at: {}, marked: "3:2" },
    { path: ["1"], at: {}, marked: "5:one" },
    { path: [], at: {}, marked: "1:a:" },
  ])("$path $at is $marked", ({ path, at, marked }) => {
    const { line, col, endCol } = place(path, at);
    expect(`${line}:${text.split("\n")[line - 1]?.slice(col - 1, endCol - 1)}`).toBe(marked);
    forget();
    expect(place(path, at)).toEqual({ line, col, endCol });
  });
});

test.each([
  ["on, yes and off are texts", "a: on\nb: yes\nc: off\n", { a: "on", b: "yes", c: "off" }],
  ["times are texts", "a: 2026-01-05\nb: 12:30\n", { a: "2026-01-05", b: "12:30" }],
  ["keys are texts", "1: a\ntrue: b\n", { "1": "a", true: "b" }],
  ["aliases stand for what they name", "a: &x [1, 2]\nb: *x\n", { a: [1, 2], b: [1, 2] }],
  ["a redefined anchor counts from there", "a: &x 1\nb: &x 2\nc: *x\n", { a: 1, b: 2, c: 2 }],
  ["an empty file is null", "# nothing\n", null],
  ["a mark of byte order is no content", "\ufeffa: 1\n", { a: 1 }],
  ["Windows' line ends are line ends", "a: 1\r\nb: |\r\n  x\r\n", { a: 1, b: "x\n" }],
])("%s", (_name, text, expected) => {
  expect(value(text)).toEqual(expected);
});

test.each([
  ["a: 1\na: 2\n", "SB0002 2:1"],
  ["a: { b: 1, b: 1 }\n", "SB0002 1:12"],
  ["1: a\n'1': b\n", "SB0002 2:1"],
  ["a: 1\n---\nb: 2\n", "SB0001 2:1"],
  ["a: *x\n", "SB0001 1:4"],
  ["a: &x { b: *x }\n", "SB0001 1:12"],
  ["a: !!js/function 'x'\n", "SB0001 1:4"],
  ["%YAML 1.1\n---\na: yes\n", "SB0001 1:1"],
  ["? [a]\n: 1\n", "SB0001 1:3"],
  ["__proto__: { admin: true }\n", "SB0001 1:1"],
  ["a: .inf\n", "SB0102 1:4"],
  ["a: 9007199254740993\n", "SB0102 1:4"],
  ["a: \u0000\n", "SB0001 1:4"],
])("%j is refused", (text, expected) => {
  expect(codes(text)).toEqual([expected]);
  expect(value(text)).toBeUndefined();
});

test("nesting has an end, in brackets, in blocks and through aliases, and great depth does not end the process", () => {
  const deep = (levels: number) => "[".repeat(levels) + "]".repeat(levels);
  expect(codes(deep(200))).toEqual([]);
  expect(codes(deep(201))).toEqual(["SB0108 1:1"]);
  expect(codes(deep(200_000))).toEqual(["SB0108 1:202"]);
  expect(codes(Array.from({ length: 400 }, (_, i) => `${" ".repeat(i)}a:`).join("\n"))).toEqual(["SB0108 202:202"]);
  const steps = Array.from({ length: 300 }, (_, i) => `a${i + 1}: &a${i + 1} [*a${i}]`);
  expect(codes(`a0: &a0 [x]\n${steps.join("\n")}\n`)[0]).toMatch(/^SB0108/);
});

test("nested aliases that would make billions of values are refused at once", () => {
  const lines = Array.from({ length: 30 }, (_, i) => `a${i + 1}: &a${i + 1} [${Array(10).fill(`*a${i}`).join(", ")}]`);
  expect(codes(`a0: &a0 [x]\n${lines.join("\n")}\n`)).toEqual(["SB0108 7:9"]);
});

test("every repeated key is told, with the line of the first", () => {
  const { diagnostics: problems } = readYaml("f.yaml", "a: 1\nb: 1\na: 2\nb: 2\n");
  expect(problems.map(({ message }) => message)).toEqual([
    'The key "a" stands twice, first in line 1',
    'The key "b" stands twice, first in line 2',
  ]);
});

test("values that nobody may see are blotted out, also behind an alias, and every other character stays in its place", () => {
  const text = "a: &s geheim\nb: [x, *s]\nc: |\n  viele\n  zeilen\nd: 1\n";
  const shown = readYaml("f.yaml", text).hidden([["b", 1], ["c"]]);
  expect(shown).toBe("a: &s ••••••\nb: [x, *s]\nc: •\n  •••••\n  ••••••\nd: 1\n");
});
