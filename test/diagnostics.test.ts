/** What people read when a file is wrong: one broken file per mistake, with the text it gives next to it. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  compactDiagnostics,
  diagnosticsJson,
  githubAnnotations,
  renderDiagnostics,
  summaryLine,
} from "../src/cli/terminal/diagnostics.ts";
import { loadConfig } from "../src/config/config.ts";
import type { Diagnostic } from "../src/errors.ts";
import { compilePolicy } from "../src/policy/policy.ts";
import { ACTIONS, PROVIDERS } from "./support/providers.ts";

const FOLDER = new URL("fixtures/bad/", import.meta.url).pathname;
const TICKET =
  "id: ticket\ninitial: open\nstates:\n  open: { on: { MERGED: merged }, after: { 90d: merged } }\n  merged: { type: final }\nmanual: [MERGED]\n";
const broken = readdirSync(FOLDER).filter((name) => name.endsWith(".yaml"));
const golden = (name: string) => join(FOLDER, name.replace(/\.yaml$/, ".txt"));
const lacking = broken.filter((name) => !existsSync(golden(name)));

interface Diagnosed {
  diagnostics: readonly Diagnostic[];
  fileTexts: ReadonlyMap<string, string>;
}

async function diagnosed(name: string): Promise<Diagnosed> {
  const text = readFileSync(join(FOLDER, name), "utf8");
  if (name.startsWith("config-")) return diagnosedConfig(text);
  const file = name.startsWith("machine-") ? "statemachines/bad.yaml" : "rules/bad.yaml";
  const files = { "rules/templates/pushed.hbs": "{{event.title}}", "statemachines/ticket.yaml": TICKET, [file]: text };
  const { diagnostics } = compilePolicy(files, { actions: ACTIONS, vars: {}, lint: true });
  return { diagnostics, fileTexts: new Map(Object.entries(files)) };
}

async function diagnosedConfig(text: string): Promise<Diagnosed> {
  const dir = mkdtempSync(join(tmpdir(), "signalbox-bad-"));
  writeFileSync(join(dir, "signalbox.yaml"), text);
  const env = { GITHUB_SECRET: "correct horse battery", SLACK_URL: "https://example.com", EMPTY: "" };
  const loaded = await loadConfig({ dir, env, providers: PROVIDERS });
  rmSync(dir, { recursive: true });
  return loaded;
}

test("every broken file has its golden text, and every golden text its file", () => {
  expect(lacking).toEqual([]);
  const texts = readdirSync(FOLDER).filter((name) => name.endsWith(".txt"));
  expect(texts).toEqual(broken.map((name) => name.replace(/\.yaml$/, ".txt")));
});

describe.each(broken)("%s", (name) => {
  test("gives the text next to it", async () => {
    const { diagnostics: problems, fileTexts: sources } = await diagnosed(name);
    expect(problems).not.toEqual([]);
    await expect(renderDiagnostics(problems, { fileTexts: sources, color: false })).toMatchFileSnapshot(golden(name));
  });

  test("is told in words that keep the house's rules", async () => {
    for (const { code, message, file, line, col, endCol } of (await diagnosed(name)).diagnostics) {
      expect(message).toMatch(/^["A-Z]/);
      expect(message).not.toMatch(/\.$|TypeError|undefined|\[object/i);
      // What the parser of CEL found comes in its own words.
      if (code !== "SB0105") expect(message).not.toMatch(/\b(invalid|unexpected)\b/i);
      expect(file).toBeDefined();
      expect(endCol).toBeGreaterThan(col ?? Number.NaN);
      expect(line).toBeGreaterThan(0);
    }
  });

  test("shows no secret in any form", async () => {
    const { diagnostics: problems, fileTexts: sources } = await diagnosed(name);
    const forms = [
      renderDiagnostics(problems, { fileTexts: sources, color: true }),
      compactDiagnostics(problems),
      githubAnnotations(problems),
      JSON.stringify(diagnosticsJson(problems)),
    ];
    for (const form of forms) expect(form).not.toMatch(/hunter\d/);
  });
});

const ONE: Diagnostic = {
  code: "SB0101",
  severity: "error",
  message: '"whne" is not known here',
  file: "rules/bad.yaml",
  line: 3,
  col: 5,
  endCol: 9,
  suggestion: "when",
};
const SOURCES = new Map([["rules/bad.yaml", "- id: x\n    on: push\n    whne: true\n"]]);

test("a problem looks like those of rustc: code, place, line, caret, advice", () => {
  expect(renderDiagnostics([ONE], { fileTexts: SOURCES, color: false })).toBe(`error[SB0101]: "whne" is not known here
 --> rules/bad.yaml:3:5
  |
2 |     on: push
3 |     whne: true
  |     ^^^^ did you mean \`when\`?
  = help: Remove it or use the suggested name
  = more: signalbox explain SB0101
`);
});

test("help stands below the first problem of a kind only", () => {
  const text = renderDiagnostics([ONE, { ...ONE, line: 2 }], { fileTexts: SOURCES, color: false });
  expect(text.match(/= help:/g)).toHaveLength(1);
  expect(text.match(/error\[SB0101\]/g)).toHaveLength(2);
});

test("line numbers of several digits keep the bars below each other", () => {
  const sources = new Map([["f", `${"a\n".repeat(98)}b\nc\n`]]);
  const text = renderDiagnostics([{ ...ONE, file: "f", line: 100, col: 1, endCol: 2 }], {
    fileTexts: sources,
    color: false,
  });
  expect(text).toContain("   --> f:100:1\n    |\n 99 | b\n100 | c\n    | ^ did");
});

test("without colour there is no escape sequence; with colour only colour is added", () => {
  const plain = renderDiagnostics([ONE], { fileTexts: SOURCES, color: false });
  const coloured = renderDiagnostics([ONE], { fileTexts: SOURCES, color: true });
  // biome-ignore lint/suspicious/noControlCharactersInRegex: an escape sequence starts with one.
  const escapes = /\u001b\[[0-9;]*m/g;
  expect(plain).not.toMatch(escapes);
  expect(coloured).toMatch(escapes);
  expect(coloured.replaceAll(escapes, "")).toBe(plain);
});

test("what a file or message holds cannot steer the terminal", () => {
  const problem = { ...ONE, message: "A\u001b[2Jb", line: 1, suggestion: "\u0007x" };
  const text = renderDiagnostics([problem], {
    fileTexts: new Map([["rules/bad.yaml", "\u001b]0;owned\u0007 \u202egnp"]]),
    color: false,
  });
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
});

test("a tab in the line is a tab above the caret", () => {
  const sources = new Map([["rules/bad.yaml", "\tx: 1"]]);
  const text = renderDiagnostics([{ ...ONE, line: 1, col: 2, endCol: 3 }], { fileTexts: sources, color: false });
  expect(text).toContain("1 | \tx: 1\n  | \t^ did");
});

test("a problem without a place, or of a file that is not at hand, is told without an excerpt", () => {
  const { file: _, line: __, col: ___, endCol: ____, ...placeless } = ONE;
  expect(renderDiagnostics([placeless], { fileTexts: SOURCES, color: false })).toMatch(/^error.*\n {2}= help/);
  expect(renderDiagnostics([ONE], { fileTexts: new Map(), color: false })).toMatch(
    /^error.*\n --> rules\/bad.yaml:3:5\n {2}= help/,
  );
});

test("annotations for GitHub escape what would end a field", () => {
  const problem = { ...ONE, file: "rules/a,b:c.yaml", message: "100% wrong\nreally" };
  expect(githubAnnotations([problem])).toBe(
    '::error file=rules/a%2Cb%3Ac.yaml,line=3,endLine=3,col=5,endColumn=9,title=SB0101::100%25 wrong%0Areally; did you mean "when"?\n',
  );
});

test("one line per problem for problem matchers", () => {
  expect(compactDiagnostics([{ ...ONE, severity: "warning" }])).toBe(
    'rules/bad.yaml:3:5: warning SB0101: "whne" is not known here; did you mean "when"?\n',
  );
});

test("JSON carries place, suggestion, help and where to read on", () => {
  expect(diagnosticsJson([ONE])).toEqual([
    {
      code: "SB0101",
      severity: "error",
      message: '"whne" is not known here',
      file: "rules/bad.yaml",
      line: 3,
      endLine: 3,
      column: 5,
      endColumn: 9,
      suggestion: { replace: "when" },
      help: "Remove it or use the suggested name",
      docs: "docs/errors.md#sb0101",
    },
  ]);
});

test.each([
  [
    { rules: 14, machines: 2, templates: 6, errors: 0, warnings: 1, ms: 41.3 },
    "14 rules, 2 machines, 6 templates   0 errors, 1 warning   41 ms",
  ],
  [
    { rules: 1, machines: 1, templates: 1, errors: 1, warnings: 0, ms: 0.4 },
    "1 rule, 1 machine, 1 template   1 error, 0 warnings   0 ms",
  ],
  [
    { rules: 12408, machines: 0, templates: 0, errors: 2, warnings: 2, ms: 900 },
    "12,408 rules, 0 machines, 0 templates   2 errors, 2 warnings   900 ms",
  ],
])("the summary of %o", (summary, line) => {
  expect(summaryLine(summary)).toBe(line);
});
