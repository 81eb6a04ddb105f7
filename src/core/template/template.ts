/**
 * What a parsed template means. Templates are interpreted, not turned into code: a missing value is a failure that names its path, only
 * own properties exist, and what is put into text is escaped for its destination.
 */
import { nearest } from "../../errors.ts";
import { type Json, LIMITS } from "../../model.ts";
import { HELPERS, type Helper, HelperFailure, joined, kindOf, type Valued } from "../helpers.ts";
import { charge, chargeChars, chargeWhole } from "./bounds.ts";
import { readPath, staticPath } from "./paths.ts";
import {
  addDiagnostic,
  type Frame,
  type Level,
  MISSING,
  offsetOf,
  type ReadValue,
  type RenderBudget,
  RenderFailure,
  type TemplatePass,
} from "./reading.ts";
import type {
  BlockNode,
  CallNode,
  ExpressionNode,
  LiteralNode,
  MustacheNode,
  PartialNode,
  ProgramNode,
  StatementNode,
} from "./syntax.ts";

/** Where text goes. */
export interface Output {
  text: string;
  /** UTF-16 units that may still be written; the exact count of bytes follows at the end. */
  left: number;
  escape(text: string): string;
}

export interface Template {
  write(scope: object, budget: RenderBudget, out: Output): void;
  /** When the template is nothing but one {{…}}: its value with its type. */
  lone: ((scope: object, budget: RenderBudget) => Valued) | undefined;
}

type Write = (frame: Frame, out: Output) => void;

const NODES_MAX = 10_000;
const PARTIALS_DEEP_MAX = 10;

const TOO_LONG = `The text is longer than ${LIMITS.renderedBytes} bytes`;

const ROOT_LEVEL: Level = { path: "", root: true, parent: undefined, names: new Map() };

/** A template that is ready, with its diagnostics added to the reading. */
export function readTemplate(program: ProgramNode, pass: TemplatePass): Template {
  const write = readProgram(program, ROOT_LEVEL, pass);
  const [only, ...more] = program.body;
  const lone =
    only?.type === "MustacheStatement" && more.length === 0
      ? readExpression(only, ROOT_LEVEL, { ...pass, diagnostics: [] }, false)
      : undefined;
  const frame = (value: object, budget: RenderBudget): Frame => ({ value, parent: undefined, names: {}, budget });
  return {
    write: (scope, budget, out) => write(frame(scope, budget), out),
    lone: lone && ((scope, budget) => lone(frame(scope, budget))),
  };
}

// ---------------------------------------------------------------- statements

function readProgram(program: ProgramNode | undefined, level: Level, pass: TemplatePass): Write {
  const writes = (program?.body ?? []).map((statement) => readStatement(statement, level, pass));
  return (frame, out) => {
    charge(frame.budget, writes.length);
    for (const write of writes) write(frame, out);
  };
}

const NOTHING: Write = () => undefined;

function isTooMany(node: StatementNode | ExpressionNode, pass: TemplatePass): boolean {
  pass.nodes += 1;
  if (pass.nodes === NODES_MAX) addDiagnostic(pass, node.loc, `A template has at most ${NODES_MAX} parts`);
  return pass.nodes >= NODES_MAX;
}

function readStatement(statement: StatementNode, level: Level, pass: TemplatePass): Write {
  if (isTooMany(statement, pass)) return NOTHING;
  switch (statement.type) {
    case "ContentStatement":
      return ({ budget }, out) => put(out, statement.value, budget);
    case "CommentStatement":
      return NOTHING;
    case "MustacheStatement":
      return readMustache(statement, level, pass);
    case "BlockStatement":
      return readBlock(statement, level, pass);
    case "PartialStatement":
      return readPartial(statement, level, pass);
    case "PartialBlockStatement":
    case "Decorator":
    case "DecoratorBlock":
      addDiagnostic(pass, statement.loc, "Inline partials are not available, make it a file in rules/templates/");
      return NOTHING;
  }
}

function put(out: Output, text: string, budget: RenderBudget): void {
  chargeChars(budget, text.length);
  out.left -= text.length;
  if (out.left < 0) throw new RenderFailure(TOO_LONG);
  out.text += text;
}

function readMustache(node: MustacheNode, level: Level, pass: TemplatePass): Write {
  if (!node.escaped) {
    addDiagnostic(
      pass,
      node.loc,
      "Text is escaped for its destination, which {{{ }}} and {{& }} would undo; write {{ }}",
    );
    return NOTHING;
  }
  const read = readExpression(node, level, pass, false);
  const name = nameOf(node);
  return (frame, out) => {
    const { value, own } = read(frame);
    chargeWhole(frame.budget, value);
    const text = asText(value, name);
    put(out, own ? text : out.escape(text), frame.budget);
  };
}

function nameOf({ path }: { path: ExpressionNode }): string {
  return path.type === "PathExpression" ? path.original : String((path as LiteralNode).value);
}

/** A value inside text. Objects are refused: their text would be of no use to anyone. */
export function asText(value: Json | undefined, name: string): string {
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (value === null || value === undefined)
    throw new RenderFailure(`${name} is ${kindOf(value)}, write {{default ${name} "…"}} if that can be`);
  if (Array.isArray(value)) return trying(() => joined(value, ", "));
  throw new RenderFailure(`${name} is an object, write {{json ${name}}} or name one of its fields`);
}

function trying<T>(compute: () => T): T {
  try {
    return compute();
  } catch (error) {
    throw error instanceof HelperFailure ? new RenderFailure(error.message) : error;
  }
}

// ---------------------------------------------------------------- blocks

const BLOCKS = ["if", "unless", "each", "with"] as const;

function readBlock(node: BlockNode, level: Level, pass: TemplatePass): Write {
  const name = nameOf(node);
  const block = BLOCKS.find((block) => block === name);
  const [subject, ...more] = node.params;
  if (block === undefined) {
    const advice = "blocks are {{#if}}, {{#unless}}, {{#each}} and {{#with}}";
    addDiagnostic(pass, node.loc, `{{#${name}}} is not known, ${advice}`, nearest(name, BLOCKS));
    return NOTHING;
  }
  if (subject === undefined || more.length > 0 || hasHash(node)) {
    addDiagnostic(pass, node.loc, `{{#${block}}} takes exactly one value`);
    return NOTHING;
  }
  const otherwise = readProgram(node.inverse, level, pass);
  if (block === "if" || block === "unless") {
    const read = readExpression(subject, level, pass, true);
    const then = readProgram(node.program, level, pass);
    const whenTrue = block === "if";
    return (frame, out) => (isTruthy(read(frame).value) === whenTrue ? then : otherwise)(frame, out);
  }
  // With an {{else}} the author has said what to do when there is nothing.
  const read = readExpression(subject, level, pass, node.inverse !== undefined);
  const below = levelBelow(node, subject, block, level);
  const then = readProgram(node.program, below, pass);
  const names = node.program?.blockParams ?? [];
  return block === "with" ? writeWith(read, then, otherwise, names) : writeEach(read, then, otherwise, names);
}

const hasHash = (node: { hash?: object }): boolean => node.hash !== undefined;

/** As Handlebars has it: false, null, "", 0 and the empty list count as no. */
function isTruthy(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 : Boolean(value);
}

function levelBelow(node: BlockNode, subject: ExpressionNode, block: "each" | "with", level: Level): Level {
  const head = subject.type === "PathExpression" ? staticPath(subject, level) : undefined;
  const path = head === undefined || block === "with" ? head : `${head}.*`;
  const [item, index] = node.program?.blockParams ?? [];
  const names = new Map<string, string | undefined>();
  if (item !== undefined) names.set(item, path);
  if (index !== undefined) names.set(index, undefined);
  return { path, root: false, parent: level, names };
}

function writeWith(read: ReadValue, then: Write, otherwise: Write, names: readonly string[]): Write {
  return (frame, out) => {
    const { value } = read(frame);
    if (!isTruthy(value)) return otherwise(frame, out);
    then({ value, parent: frame, names: named(names, [value]), budget: frame.budget }, out);
  };
}

function writeEach(read: ReadValue, then: Write, otherwise: Write, names: readonly string[]): Write {
  return (frame, out) => {
    const { value } = read(frame);
    const entries = entriesOf(value);
    if (entries.length === 0) return otherwise(frame, out);
    entries.forEach(([key, member], index) => {
      charge(frame.budget, 1);
      const data = { "@index": index, "@key": key, "@first": index === 0, "@last": index === entries.length - 1 };
      const inside = { ...data, ...named(names, [member, key]) };
      then({ value: member, parent: frame, names: inside, budget: frame.budget }, out);
    });
  };
}

function entriesOf(value: Json | undefined): [string | number, unknown][] {
  if (Array.isArray(value)) return value.map((member, index) => [index, member]);
  if (typeof value === "object" && value !== null) return Object.entries(value);
  if (value === undefined || value === null) return [];
  throw new RenderFailure(`{{#each}} needs a list, not ${kindOf(value)}`);
}

function named(names: readonly string[], values: readonly unknown[]): Record<string, unknown> {
  return Object.fromEntries(names.map((name, i) => [name, values[i]]));
}

// ---------------------------------------------------------------- partials

function readPartial(node: PartialNode, level: Level, pass: TemplatePass): Write {
  const name = node.name.type === "PathExpression" ? node.name.original : undefined;
  if (name === undefined || node.params.length > 0 || hasHash(node)) {
    addDiagnostic(pass, node.loc, "A partial is {{> name}} and sees what its place sees");
    return NOTHING;
  }
  if (pass.inside.includes(name) || pass.inside.length >= PARTIALS_DEEP_MAX) {
    addDiagnostic(pass, node.loc, `Template "${name}" contains itself: ${[...pass.inside, name].join(" > ")}`);
    return NOTHING;
  }
  const partial = pass.partial(name);
  if (partial === undefined) {
    addDiagnostic(pass, node.loc, `There is no template "${name}"`, nearest(name, pass.partialNames));
    const last = pass.diagnostics.at(-1);
    if (last !== undefined) last.code = "SB0204";
    return NOTHING;
  }
  const calledAt = pass.calledAt ?? (() => offsetOf(pass.source, node.loc));
  const inner: TemplatePass = { ...pass, source: partial.source, inside: [...pass.inside, name], calledAt };
  const write = readProgram(partial.program, level, inner);
  pass.nodes = inner.nodes;
  const { indent = "" } = node;
  return indent === "" ? write : (frame, out) => writeIndented(write, indent, frame, out);
}

/** As Handlebars has it: a partial that stands alone on its line gives its indentation to every line of its text. */
function writeIndented(write: Write, indent: string, frame: Frame, out: Output): void {
  const inner: Output = { ...out, text: "" };
  write(frame, inner);
  const ends = inner.text.endsWith("\n") ? inner.text.length - 1 : inner.text.length;
  const lines = inner.text.slice(0, ends).split("\n");
  if (inner.text.length + lines.length * indent.length > out.left) throw new RenderFailure(TOO_LONG);
  if (inner.text !== "") put(out, indent + lines.join(`\n${indent}`) + inner.text.slice(ends), frame.budget);
}

// ---------------------------------------------------------------- expressions

/** `lenient`: a missing value is no failure but undefined. */
function readExpression(
  node: ExpressionNode | MustacheNode,
  level: Level,
  pass: TemplatePass,
  lenient: boolean,
): ReadValue {
  if (node.type !== "MustacheStatement" && isTooMany(node, pass)) return () => MISSING;
  switch (node.type) {
    case "PathExpression":
      return readPath(node, level, pass, lenient);
    case "SubExpression":
    case "MustacheStatement":
      return readCall(node, level, pass, lenient);
    case "NullLiteral":
    case "UndefinedLiteral":
      return () => MISSING;
    case "StringLiteral":
    case "NumberLiteral":
    case "BooleanLiteral": {
      const literal: Valued = { value: node.value ?? "", own: true };
      return () => literal;
    }
  }
}

function readCall(node: CallNode | MustacheNode, level: Level, pass: TemplatePass, lenient: boolean): ReadValue {
  const name = nameOf(node);
  const isCall = node.params.length > 0 || hasHash(node) || node.type === "SubExpression";
  const helper = Object.hasOwn(HELPERS, name) ? HELPERS[name] : undefined;
  if (node.path.type !== "PathExpression") {
    addDiagnostic(pass, node.loc, "A template names a value: write {{event.title}}");
    return () => MISSING;
  }
  if (!isCall && helper === undefined) return readPath(node.path, level, pass, lenient);
  if (helper === undefined) {
    const helperNames = Object.keys(HELPERS);
    addDiagnostic(
      pass,
      node.loc,
      `"${name}" is not a helper, known are ${helperNames.join(", ")}`,
      nearest(name, helperNames),
    );
    return () => MISSING;
  }
  if (hasHash(node) || node.params.length < helper.min || node.params.length > helper.max) {
    addDiagnostic(pass, node.loc, `${name} is written ${helper.form}`);
    return () => MISSING;
  }
  return readHelper(helper, name, node, level, pass, lenient);
}

function readHelper(
  helper: Helper,
  name: string,
  node: CallNode | MustacheNode,
  level: Level,
  pass: TemplatePass,
  lenient: boolean,
): ReadValue {
  const reads = node.params.map((param, i) =>
    readExpression(param, level, pass, lenient || (helper.lenient === true && i === 0 && name === "default")),
  );
  return (frame) => {
    const values = reads.map((read) => read(frame));
    // Under {{#if}} a helper of something missing is as missing as that.
    if (lenient && helper.lenient !== true && values.some(({ value }) => value === undefined)) return MISSING;
    for (const { value } of values) {
      if (helper.readsAll === true) chargeWhole(frame.budget, value);
      else chargeChars(frame.budget, typeof value === "string" ? value.length : 0);
    }
    return trying(() => helper.apply(values));
  };
}
