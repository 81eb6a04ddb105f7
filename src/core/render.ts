/**
 * Values with templates in them: text is Handlebars, logic is CEL. The only door to handlebars, of which the parser is used and the code
 * generator is not. Text from outside is escaped for the destination that the schema of the value names.
 */
import Handlebars from "handlebars";
import type { TSchema } from "typebox";
import { type Diagnostic, nearest, newDiagnostic, type Path } from "../errors.ts";
import { type Json, type JsonObject, LIMITS } from "../model.ts";
import { type Escapes, wellFormed } from "./escape.ts";
import { compileExpression, SCOPE_NAMES, type Scope } from "./expr.ts";
import { type Slot, slotBelow, slotOf } from "./slot.ts";
import { charge, sizeProblem } from "./template/bounds.ts";
import { type RenderBudget, RenderFailure, type TemplatePass } from "./template/reading.ts";
import type { ProgramNode } from "./template/syntax.ts";
import { asText, type Output, readTemplate, type Template } from "./template/template.ts";

export type Rendered = { ok: true; value: Json } | { ok: false; detail: string; path: (string | number)[] };

/** What compiling needs to know of an action. */
export interface ActionForm {
  params: TSchema;
  /** Markup of the action's own system, by name. */
  escapes?: Escapes | undefined;
}

/** A value whose templates are ready. Pure; never throws. */
export interface Renderer {
  /** The value, or why not and at which path inside it. */
  render(scope: Scope): Rendered;
  /** Every dotted path the templates read, for lint. */
  readonly reads: readonly string[];
}

export interface CompileOptions {
  /** Where it carries `escape: "slack"`, values from outside are escaped for that destination, there and below. */
  schema?: TSchema;
  /** Template files by name, for { template: name } and {{> name}}. */
  templates?: ReadonlyMap<string, string>;
  /** The destinations that the schema may name beside the common ones. */
  escapes?: Escapes | undefined;
}

/** A value is copied faster than text is made. */
const VALUES_PER_STEP = 16;

/** What is shared by one rendering. */
interface Run {
  scope: Scope;
  bytes: number;
  budget: RenderBudget;
}

type Part = (run: Run) => Json;

interface RenderPass {
  templates: ReadonlyMap<string, string>;
  diagnostics: Diagnostic[];
  reads: Set<string>;
}

/** The renderer of what can be read, and every diagnostic (SB0105, SB0106, SB0204) with path and offset. */
export function compileValue(
  value: unknown,
  options: CompileOptions = {},
): { renderer: Renderer; diagnostics: Diagnostic[] } {
  const pass: RenderPass = { templates: options.templates ?? new Map(), diagnostics: [], reads: new Set() };
  const part = compilePart(value, slotOf(options.schema, options.escapes), [], pass);
  const renderer: Renderer = { reads: [...pass.reads], render: (scope) => renderPart(part, scope) };
  return { renderer, diagnostics: pass.diagnostics };
}

function renderPart(part: Part, scope: Scope): Rendered {
  try {
    return { ok: true, value: part({ scope, bytes: 0, budget: { steps: 0 } }) };
  } catch (error) {
    if (error instanceof PartFailure) return { ok: false, detail: error.message, path: [...error.path] };
    throw error;
  }
}

class PartFailure extends Error {
  readonly path: Path;
  constructor(message: string, path: Path) {
    super(message);
    this.path = path;
  }
}

// ---------------------------------------------------------------- the tree of the value

function compilePart(value: unknown, slot: Slot, path: Path, pass: RenderPass): Part {
  if (typeof value === "string") return value.includes("{{") ? textPart(value, slot, path, pass) : constant(value);
  if (Array.isArray(value)) {
    const parts = value.map((member, i) => compilePart(member, slotBelow(slot, i), path.concat(i), pass));
    return (run) => parts.map((part) => part(run));
  }
  if (typeof value !== "object" || value === null) return constant(value as Json);
  const [key, ...more] = Object.keys(value);
  if (key === "cel" && more.length === 0) return celPart((value as { cel: unknown }).cel, slot, path, pass);
  if (key === "template" && more.length === 0)
    return filePart((value as { template: unknown }).template, slot, path, pass);
  const members = Object.entries(value).map(
    ([name, member]) => [name, compilePart(member, slotBelow(slot, name), path.concat(name), pass)] as const,
  );
  return (run) => Object.fromEntries(members.map(([name, part]) => [name, part(run)]));
}

function constant(value: Json): Part {
  return () => value;
}

function celPart(source: unknown, slot: Slot, path: Path, pass: RenderPass): Part {
  const compiled = compileExpression(typeof source === "string" ? source : "");
  if (!compiled.ok) {
    pass.diagnostics.push({ ...compiled.diagnostic, path: [...path, "cel"] });
    return constant(null);
  }
  const { expression } = compiled;
  for (const read of expression.reads) pass.reads.add(read);
  const written = ownSlot(source, slot);
  return (run) =>
    guarded(path, () => {
      const result = expression.evaluate(run.scope);
      if (!result.ok) throw new PartFailure(result.detail, path);
      return escapeValue(result.value, written, run, path);
    });
}

/** An expression that names nothing but vars gives the author's own words. */
function ownSlot(source: unknown, slot: Slot): Slot {
  const outside = SCOPE_NAMES.filter((name) => name !== "vars").join("|");
  return new RegExp(`\\b(?:${outside})\\b`).test(String(source)) ? slot : unescaped(slot);
}

/** The place, for what needs no escaping: the author's own text. */
function unescaped(slot: Slot): Slot {
  return { ...slot, escape: wellFormed, schemas: [] };
}

function filePart(name: unknown, slot: Slot, path: Path, pass: RenderPass): Part {
  const source = typeof name === "string" ? pass.templates.get(name) : undefined;
  if (source !== undefined) return textPart(source, slot, path, pass, String(name));
  const message = `There is no template "${String(name)}" in rules/templates/`;
  const suggestion = nearest(String(name), pass.templates.keys());
  pass.diagnostics.push(newDiagnostic("SB0204", message, { path: [...path, "template"], suggestion }));
  return constant(null);
}

function textPart(source: string, slot: Slot, path: Path, pass: RenderPass, file?: string): Part {
  const at = file === undefined ? path : [...path, "template"];
  const { templates } = pass;
  const first = readText(source, { templates, diagnostics: [], reads: pass.reads }, file);
  pass.diagnostics.push(...first.diagnostics.map((diagnostic) => ({ ...diagnostic, path: at })));
  if (first.template === undefined) return constant(null);
  // Most templates of a large policy are never rendered: they are read for their diagnostics, and stay from the first rendering on.
  let template: Template | undefined;
  return (run) =>
    guarded(path, () => {
      template ??= readText(source, { templates, diagnostics: [], reads: new Set() }, file).template;
      if (template?.lone !== undefined && !slot.text)
        return escapeLone(template.lone(run.scope, run.budget), source, slot, run, path);
      const out: Output = { text: "", left: LIMITS.renderedBytes, escape: slot.escape };
      template?.write(run.scope, run.budget, out);
      return counted(wellFormed(out.text), run, path);
    });
}

function readText(
  source: string,
  { templates, diagnostics, reads }: RenderPass,
  file: string | undefined,
): { template?: Template; diagnostics: Diagnostic[] } {
  const parsed = parse(source);
  if (!parsed.ok) {
    const diagnostic = file === undefined ? parsed.diagnostic : inTemplate(parsed.diagnostic, file);
    return { diagnostics: [diagnostic] };
  }
  const partials = new Map<string, ReturnType<TemplatePass["partial"]>>();
  const templatePass: TemplatePass = {
    source,
    diagnostics,
    reads,
    nodes: 0,
    inside: file === undefined ? [] : [file],
    partialNames: [...templates.keys()],
    partial(name) {
      if (!partials.has(name)) partials.set(name, partialOf(name, templates, diagnostics));
      return partials.get(name);
    },
    ...(file === undefined ? {} : { calledAt: () => 0 }),
  };
  return { template: readTemplate(parsed.program, templatePass), diagnostics };
}

function guarded(path: Path, render: () => Json): Json {
  try {
    return render();
  } catch (error) {
    if (error instanceof RenderFailure) throw new PartFailure(error.message, path);
    throw error;
  }
}

// ---------------------------------------------------------------- values from outside

/** A lone {{path}} keeps its type; nothing at all is a failure as it is inside text. */
function escapeLone(
  { value, own }: { value: Json | undefined; own: boolean },
  source: string,
  slot: Slot,
  run: Run,
  path: Path,
): Json {
  if (value === undefined || value === null) return asText(value, source.slice(2, -2).trim());
  return escapeValue(value, own ? unescaped(slot) : slot, run, path);
}

/** Escapes every text inside for its place. What needs no change is not copied. */
function escapeValue(value: Json, slot: Slot, run: Run, path: Path): Json {
  charge(run.budget, 1 / VALUES_PER_STEP);
  if (typeof value === "string") return counted(slot.escape(value), run, path);
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((member, i) => escapeValue(member, slotBelow(slot, i), run, path));
  const members = Object.entries(value).map(([name, member]): [string, Json] => [
    name,
    escapeValue(member, slotBelow(slot, name), run, path),
  ]);
  return Object.fromEntries(members) as JsonObject;
}

/** The limit holds for all texts of one value together. */
function counted(text: string, run: Run, path: Path): string {
  run.bytes += Buffer.byteLength(text);
  if (run.bytes > LIMITS.renderedBytes)
    throw new PartFailure(`The text is longer than ${LIMITS.renderedBytes} bytes`, path);
  return text;
}

// ---------------------------------------------------------------- parsing

type Parsed = { ok: true; program: ProgramNode } | { ok: false; diagnostic: Diagnostic };

function parse(source: string): Parsed {
  const problem = sizeProblem(source);
  if (problem !== undefined) return { ok: false, diagnostic: syntax(problem.message, problem.offset) };
  try {
    return { ok: true, program: Handlebars.parse(source) as unknown as ProgramNode };
  } catch (error) {
    return { ok: false, diagnostic: parseDiagnostic(source, error) };
  }
}

function partialOf(name: string, templates: ReadonlyMap<string, string>, diagnostics: Diagnostic[]) {
  const source = templates.get(name);
  if (source === undefined) return undefined;
  const parsed = parse(source);
  if (parsed.ok) return { source, program: parsed.program };
  diagnostics.push({ ...inTemplate(parsed.diagnostic, name), offset: 0 });
  return { source, program: { body: [] } };
}

function inTemplate(diagnostic: Diagnostic, template: string): Diagnostic {
  return { ...diagnostic, message: `In template "${template}": ${diagnostic.message}`, template };
}

/** Translates the parser's message, which shows the place as a drawing of the line. */
function parseDiagnostic(source: string, error: unknown): Diagnostic {
  const { message, lineNumber, column } = error as { message: string; lineNumber?: number; column?: number };
  const crossed = /^(.+) doesn't match (.+) - \d+:\d+$/.exec(message);
  if (crossed !== null) {
    const offset =
      source
        .split("\n")
        .slice(0, (lineNumber ?? 1) - 1)
        .join("\n").length +
      (column ?? 0) +
      (lineNumber === 1 ? 0 : 1);
    return syntax(`{{#${crossed[1]}}} is closed by {{/${crossed[2]}}}`, offset);
  }
  const [head = "", shown = "", arrow = ""] = message.split("\n");
  const line = Number(/line (\d+)/.exec(head)?.[1] ?? 1);
  const before =
    source
      .split("\n")
      .slice(0, line - 1)
      .join("\n").length + (line > 1 ? 1 : 0);
  const snippet = shown.slice(0, arrow.indexOf("^")).replace(/^\.\.\./, "");
  const flat = source.replaceAll("\n", "");
  const index = flat.indexOf(shown.replace(/^\.\.\.|\.\.\.$/g, ""));
  const offset = index === -1 ? before : unflatten(source, index + snippet.length);
  return syntax(syntaxWords(message), offset);
}

const syntax = (message: string, offset: number) => newDiagnostic("SB0106", message, { offset });

/** The position in a text of a position in the same text without its newlines. */
function unflatten(source: string, flatOffset: number): number {
  let remaining = flatOffset;
  for (let i = 0; i < source.length; i++) {
    if (source[i] === "\n") continue;
    if (remaining === 0) return i;
    remaining -= 1;
  }
  return source.length;
}

function syntaxWords(message: string): string {
  const got = /got '(\w+)'/.exec(message)?.[1];
  if (got === "EOF") return "The template ends inside a block, close it with {{/if}}, {{/each}}, …";
  if (got === "OPEN_ENDBLOCK" || got === "INVERSE") return "This closes a block that was not opened";
  if (got === "NUMBER") return "A position in a list is written in brackets: {{event.tickets.[0]}}";
  if (got === "CLOSE") return "A value is missing before }}";
  return "The template is not well formed here, write {{event.title}} or {{helper value}}";
}
