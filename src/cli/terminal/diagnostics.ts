/** Diagnostics as people, editors and build servers read them. */

import { type Diagnostic, ERRORS } from "../../errors.ts";
import { inert, type JsonObject } from "../../model.ts";
import { counted } from "./output.ts";

/** Longer source lines are cut around the marked place. */
const LINE_CHARS_MAX = 140;

/** What `check` checked, and how many diagnostics there are. */
export interface CheckSummary {
  rules: number;
  machines: number;
  templates: number;
  errors: number;
  warnings: number;
  ms: number;
}

/** Each diagnostic with its line and a caret below the exact place; help once per code. Ends with a newline unless empty. */
export function renderDiagnostics(
  diagnostics: readonly Diagnostic[],
  options: { fileTexts: ReadonlyMap<string, string>; color: boolean },
): string {
  const paint = painter(options.color);
  const explainedCodes = new Set<string>();
  const linesOf = new Map<string, string[]>();
  const blocks = diagnostics.map((problem) => {
    const { code, file = "" } = problem;
    const source = options.fileTexts.get(file);
    if (source !== undefined && !linesOf.has(file)) linesOf.set(file, source.split(/\r?\n/));
    const width = String(problem.line ?? 0).length;
    const block = [head(problem, paint), ...excerpt(problem, linesOf.get(file) ?? [], paint)];
    if (!explainedCodes.has(code)) block.push(...helpLines(problem, " ".repeat(width), paint));
    explainedCodes.add(code);
    return `${block.join("\n")}\n`;
  });
  return blocks.join("\n");
}

/** `14 rules, 2 machines, 6 templates   0 errors, 1 warning   41 ms` */
export function summaryLine({ rules, machines, templates, errors, warnings, ms }: CheckSummary): string {
  const contents = [counted(rules, "rule"), counted(machines, "machine"), counted(templates, "template")].join(", ");
  return `${contents}   ${counted(errors, "error")}, ${counted(warnings, "warning")}   ${Math.round(ms)} ms`;
}

/** One line each, for problem matchers: `file:line:col: severity SBnnnn: message`. */
export function compactDiagnostics(diagnostics: readonly Diagnostic[]): string {
  return diagnostics
    .map((problem) => `${placeText(problem)}${problem.severity} ${problem.code}: ${messageText(problem)}\n`)
    .join("");
}

/** https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#setting-an-error-message */
export function githubAnnotations(diagnostics: readonly Diagnostic[]): string {
  return diagnostics
    .map((problem) => {
      const { file, line, col, endCol, code } = problem;
      const properties = Object.entries({ file, line, endLine: line, col, endColumn: endCol, title: code })
        .filter(([, value]) => value !== undefined)
        .map(([name, value]) => `${name}=${escaped(String(value)).replaceAll(":", "%3A").replaceAll(",", "%2C")}`);
      return `::${problem.severity} ${properties.join(",")}::${escaped(messageText(problem))}\n`;
    })
    .join("");
}

/** The `diagnostics` of machine-readable output. Columns are 1-based, `endColumn` is the one after the last. */
export function diagnosticsJson(diagnostics: readonly Diagnostic[]): JsonObject[] {
  return diagnostics.map(({ code, severity, message, file, line, col, endCol, suggestion }) => ({
    code,
    severity,
    message,
    ...(file === undefined ? {} : { file }),
    ...(line === undefined ? {} : { line, endLine: line }),
    ...(col === undefined ? {} : { column: col }),
    ...(endCol === undefined ? {} : { endColumn: endCol }),
    ...(suggestion === undefined ? {} : { suggestion: { replace: suggestion } }),
    help: ERRORS[code].help,
    docs: `docs/errors.md#${code.toLowerCase()}`,
  }));
}

// ---------------------------------------------------------------- parts of a block

function head({ code, severity, message }: Diagnostic, paint: Painter): string {
  const label = `${severity}[${code}]`;
  return `${severity === "error" ? paint.red(label) : paint.yellow(label)}${paint.bold(`: ${printable(message)}`)}`;
}

function excerpt(problem: Diagnostic, lines: readonly string[], paint: Painter): string[] {
  const { file, line, col } = problem;
  if (file === undefined) return [];
  const width = " ".repeat(String(line ?? 0).length);
  const place = [printable(file), line, col].filter((part) => part !== undefined).join(":");
  const arrow = `${width}${paint.blue("-->")} ${place}`;
  const text = line === undefined ? undefined : lines[line - 1];
  if (line === undefined || col === undefined || text === undefined) return [arrow];
  const bar = (number: string, rest: string) => `${paint.blue(`${number} |`)}${rest === "" ? "" : ` ${rest}`}`;
  const from = text.length > LINE_CHARS_MAX ? Math.max(0, col - 1 - LINE_CHARS_MAX / 2) : 0;
  const before = lines[line - 2];
  const context =
    before === undefined || before.slice(from).trim() === "" ? [] : [String(line - 1).padStart(width.length)];
  return [
    arrow,
    bar(width, ""),
    ...context.map((number) => bar(number, cut(before ?? "", from))),
    bar(String(line), cut(text, from)),
    bar(width, `${caret(problem, text, from, paint)}`),
  ];
}

function caret(
  { severity, col = 1, endCol = col + 1, suggestion }: Diagnostic,
  text: string,
  from: number,
  paint: Painter,
) {
  const visibleText = text.slice(from, from + LINE_CHARS_MAX);
  const start = col - 1 - from;
  const lead = (from > 0 ? " " : "") + blank(visibleText.slice(0, start));
  const marks = "^".repeat(Math.max(1, blank(visibleText.slice(start, endCol - 1 - from)).length));
  const advice = suggestion === undefined ? "" : ` did you mean \`${printable(suggestion)}\`?`;
  return `${lead}${severity === "error" ? paint.red(marks + advice) : paint.yellow(marks + advice)}`;
}

function helpLines({ code }: Diagnostic, width: string, paint: Painter): string[] {
  const equals = `${width} ${paint.blue("=")}`;
  return [`${equals} help: ${ERRORS[code].help}`, `${equals} more: signalbox explain ${code}`];
}

function cut(line: string, from: number): string {
  const visibleText = printable(line.slice(from, from + LINE_CHARS_MAX));
  return `${from > 0 ? "…" : ""}${visibleText}${line.length > from + LINE_CHARS_MAX ? "…" : ""}`;
}

/** Blanks of the text's width on a terminal: tabs stay, a character of two columns gives two blanks. */
function blank(text: string): string {
  return [...text].map((char) => (char === "\t" ? "\t" : WIDE.test(char) ? "  " : " ")).join("");
}

const WIDE = /[\p{Emoji_Presentation}\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60]/u;

/** Replaces control characters but tabs: the text of a file must not control the terminal. */
function printable(text: string): string {
  return text
    .split("\t")
    .map((part) => inert(part, "\ufffd"))
    .join("\t");
}

function messageText({ message, suggestion }: Diagnostic): string {
  return suggestion === undefined ? message : `${message}; did you mean "${suggestion}"?`;
}

function placeText({ file, line, col }: Diagnostic): string {
  return file === undefined ? "" : `${[file, line, col].filter((part) => part !== undefined).join(":")}: `;
}

/** https://github.com/actions/toolkit/blob/main/packages/core/src/command.ts */
function escaped(text: string): string {
  return text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
}

type Painter = Record<"red" | "yellow" | "blue" | "bold", (text: string) => string>;

function painter(color: boolean): Painter {
  const sgr = (codes: string) => (text: string) => (color ? `\u001b[${codes}m${text}\u001b[0m` : text);
  return { red: sgr("1;31"), yellow: sgr("1;33"), blue: sgr("1;34"), bold: sgr("1") };
}
