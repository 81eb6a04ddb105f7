/** docs/errors.md is the table of errors for people: complete, in the table's words, and its examples are wrong in just that way. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { actionCatalogue, loadConfig } from "../src/config/config.ts";
import { type Diagnostic, ERRORS, type ErrorCode } from "../src/errors.ts";
import { compilePolicy } from "../src/policy/policy.ts";
import { loadProviders } from "../src/providers/index.ts";

const document = readFileSync(new URL("../docs/errors.md", import.meta.url), "utf8");
const codes = Object.keys(ERRORS) as ErrorCode[];
const sections = new Map(
  document
    .split(/^### /m)
    .slice(1)
    .map((section) => [section.slice(0, section.indexOf("\n")), section] as const),
);
const examples = [...document.matchAll(/^```yaml bad (\S+) (\S+)\n([\s\S]*?)^```$/gm)].map(
  ([, code = "", file = "", text = ""]) => ({ code, file, text }),
);
const FIELDS_OF_FILES = /^SB0[0-3]/;

test("every code has one section, and nothing else has one", () => {
  expect(document.match(/^### .*$/gm)).toHaveLength(sections.size);
  expect([...sections.keys()].toSorted()).toEqual(codes.toSorted());
});

test.each(codes)("%s says what it means, what to do and which HTTP status it has", (code) => {
  const section = sections.get(code) ?? "";
  const row: { title: string; help: string; status?: number } = ERRORS[code];
  expect(section).toContain(`**${row.title}.**`);
  expect(section).toContain(`What to do: ${row.help}.`);
  expect(/HTTP status: (\d+)\./.exec(section)?.[1]).toBe(row.status?.toString());
});

test("every mistake in a file has an example", () => {
  const shown = examples.map(({ code }) => code);
  // A missing folder is shown by leaving it out.
  expect(codes.filter((code) => FIELDS_OF_FILES.test(code) && code !== "SB0003" && !shown.includes(code))).toEqual([]);
});

describe("the example of", () => {
  test.each(examples)(
    "$code in $file has that problem, in its own lines, and no other",
    async ({ code, file, text }) => {
      const problems = await problemsOf(code, file, text);
      expect(new Set(problems.map((problem) => problem.code))).toEqual(new Set([code]));
      for (const problem of problems) {
        expect(problem).toMatchObject({ file, line: expect.any(Number), col: expect.any(Number) });
        expect(problem.line).toBeLessThanOrEqual(text.split("\n").length);
      }
    },
  );
});

/** What is only warned of is looked for where it is the point: other examples leave much out. */
const CODE_OF_LINT = /^SB03[1-9]/;

async function problemsOf(code: string, file: string, text: string): Promise<Diagnostic[]> {
  const providers = await loadProviders();
  if (file === "signalbox.yaml") {
    const dir = mkdtempSync(join(tmpdir(), "signalbox-errors-"));
    writeFileSync(join(dir, file), text);
    const { diagnostics: problems } = await loadConfig({
      dir,
      env: {
        GITHUB_WEBHOOK_SECRET: "correct horse battery",
        OTHER_SECRET: "another horse battery",
        SHORT_SECRET: "correct horse",
      },
      providers,
    });
    rmSync(dir, { recursive: true });
    return problems;
  }
  const connections = [
    { config: { name: "slack", provider: "slack", settings: {} }, allowPrivate: false, concurrency: 1 },
  ];
  const machine =
    "id: ticket\ninitial: open\nstates:\n  open: { on: { MERGED: merged }, after: { 90d: merged } }\n  merged: { type: final }\nmanual: [MERGED]\n";
  const files = { "statemachines/ticket.yaml": machine, [file]: text };
  return compilePolicy(files, {
    actions: actionCatalogue(connections, providers),
    vars: {},
    lint: CODE_OF_LINT.test(code),
  }).diagnostics;
}
