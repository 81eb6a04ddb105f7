/**
 * What a parsed template means. Templates are interpreted, not turned into code: a missing value is a failure that names its path, only
 * own properties exist, and what is put into text is escaped for its destination.
 */
import { nearest } from "../../errors.ts";
import { type Json, LIMITS } from "../../model.ts";
import { HELPERS, type Helper, HelperFailure, joined, kindOf, type Valued } from "../helpers.ts";
import { readPath, staticPath } from "./paths.ts";
import {
  type Frame,
  type Level,
  MISSING,
  offsetOf,
  type Read,
  type Reading,
  RenderFailure,
  refuse,
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

/** One rendering: where text goes and what it may cost. */
export interface Output {
  text: string;
  /** UTF-16 units that may still be written; the exact count of bytes follows at the end. */
  left: number;
  steps: number;
  escape(text: string): string;
}

export interface Template {
  write(scope: object, out: Output): void;
  /** When the template is nothing but one {{…}}: its value with its type. */
  lone: ((scope: object) => Valued) | undefined;
}

type Write = (frame: Frame, out: Output) => void;

const STEPS_MAX = 500_000;
const NODES_MAX = 10_000;
const PARTIALS_DEEP_MAX = 10;

const ROOT_LEVEL: Level = { path: "", root: true, parent: undefined, names: new Map() };

/** A template that is ready, with its problems added to the reading. */
export function readTemplate(program: ProgramNode, reading: Reading): Template {
  const write = readProgram(program, ROOT_LEVEL, reading);
  const [only, ...more] = program.body;
  const lone =
    only?.type === "MustacheStatement" && more.length === 0
      ? readExpression(only, ROOT_LEVEL, { ...reading, problems: [] }, false)
      : undefined;
  const frame = (scope: object): Frame => ({ value: scope, parent: undefined, names: {} });
  return {
    write: (scope, out) => write(frame(scope), out),
    lone: lone && ((scope) => lone(frame(scope))),
  };
}

// ---------------------------------------------------------------- statements

function readProgram(program: ProgramNode | undefined, level: Level, reading: Reading): Write {
  const writes = (program?.body ?? []).map((statement) => readStatement(statement, level, reading));
  return (frame, out) => {
    for (const write of writes) write(frame, out);
  };
}

const NOTHING: Write = () => undefined;

function readStatement(statement: StatementNode, level: Level, reading: Reading): Write {
  reading.nodes += 1;
  if (reading.nodes === NODES_MAX) refuse(reading, statement.loc, `A template has at most ${NODES_MAX} parts`);
  if (reading.nodes >= NODES_MAX) return NOTHING;
  switch (statement.type) {
    case "ContentStatement":
      return (_, out) => put(out, statement.value);
    case "CommentStatement":
      return NOTHING;
    case "MustacheStatement":
      return readMustache(statement, level, reading);
    case "BlockStatement":
      return readBlock(statement, level, reading);
    case "PartialStatement":
      return readPartial(statement, level, reading);
    case "PartialBlockStatement":
    case "Decorator":
    case "DecoratorBlock":
      refuse(reading, statement.loc, "Inline partials are not available, make it a file in rules/templates/");
      return NOTHING;
  }
}

function put(out: Output, text: string): void {
  out.steps += 1;
  out.left -= text.length;
  if (out.left < 0) throw new RenderFailure(`The text is longer than ${LIMITS.renderedBytes} bytes`);
  if (out.steps > STEPS_MAX) throw new RenderFailure("The template repeats too often");
  out.text += text;
}

function readMustache(node: MustacheNode, level: Level, reading: Reading): Write {
  if (!node.escaped) {
    refuse(reading, node.loc, "Text is escaped for its destination, which {{{ }}} and {{& }} would undo; write {{ }}");
    return NOTHING;
  }
  const read = readExpression(node, level, reading, false);
  const name = nameOf(node);
  return (frame, out) => {
    const { value, own } = read(frame);
    const text = asText(value, name);
    put(out, own ? text : out.escape(text));
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

function readBlock(node: BlockNode, level: Level, reading: Reading): Write {
  const name = nameOf(node);
  const known = BLOCKS.find((block) => block === name);
  const [subject, ...more] = node.params;
  if (known === undefined) {
    const advice = "blocks are {{#if}}, {{#unless}}, {{#each}} and {{#with}}";
    refuse(reading, node.loc, `{{#${name}}} is not known, ${advice}`, nearest(name, BLOCKS));
    return NOTHING;
  }
  if (subject === undefined || more.length > 0 || hasHash(node)) {
    refuse(reading, node.loc, `{{#${known}}} takes exactly one value`);
    return NOTHING;
  }
  const otherwise = readProgram(node.inverse, level, reading);
  if (known === "if" || known === "unless") {
    const read = readExpression(subject, level, reading, true);
    const then = readProgram(node.program, level, reading);
    const wanted = known === "if";
    return (frame, out) => (isTruthy(read(frame).value) === wanted ? then : otherwise)(frame, out);
  }
  // With an {{else}} the author has said what to do when there is nothing.
  const read = readExpression(subject, level, reading, node.inverse !== undefined);
  const below = levelBelow(node, subject, known, level);
  const then = readProgram(node.program, below, reading);
  const names = node.program?.blockParams ?? [];
  return known === "with" ? writeWith(read, then, otherwise, names) : writeEach(read, then, otherwise, names);
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

function writeWith(read: Read, then: Write, otherwise: Write, names: readonly string[]): Write {
  return (frame, out) => {
    const { value } = read(frame);
    if (!isTruthy(value)) return otherwise(frame, out);
    then({ value, parent: frame, names: named(names, [value]) }, out);
  };
}

function writeEach(read: Read, then: Write, otherwise: Write, names: readonly string[]): Write {
  return (frame, out) => {
    const { value } = read(frame);
    const entries = entriesOf(value);
    if (entries.length === 0) return otherwise(frame, out);
    entries.forEach(([key, member], index) => {
      put(out, "");
      const data = { "@index": index, "@key": key, "@first": index === 0, "@last": index === entries.length - 1 };
      then({ value: member, parent: frame, names: { ...data, ...named(names, [member, key]) } }, out);
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

function readPartial(node: PartialNode, level: Level, reading: Reading): Write {
  const name = node.name.type === "PathExpression" ? node.name.original : undefined;
  if (name === undefined || node.params.length > 0 || hasHash(node)) {
    refuse(reading, node.loc, "A partial is {{> name}} and sees what its place sees");
    return NOTHING;
  }
  if (reading.inside.includes(name) || reading.inside.length >= PARTIALS_DEEP_MAX) {
    refuse(reading, node.loc, `Template "${name}" contains itself: ${[...reading.inside, name].join(" > ")}`);
    return NOTHING;
  }
  const found = reading.partial(name);
  if (found === undefined) {
    refuse(reading, node.loc, `There is no template "${name}"`, nearest(name, reading.partialNames));
    const last = reading.problems.at(-1);
    if (last !== undefined) last.code = "SB0204";
    return NOTHING;
  }
  const calledAt = reading.calledAt ?? offsetOf(reading.source, node.loc);
  const inner: Reading = { ...reading, source: found.source, inside: [...reading.inside, name], calledAt };
  const write = readProgram(found.program, level, inner);
  reading.nodes = inner.nodes;
  return write;
}

// ---------------------------------------------------------------- expressions

/** `lenient`: a missing value is no failure but undefined. */
function readExpression(node: ExpressionNode | MustacheNode, level: Level, reading: Reading, lenient: boolean): Read {
  switch (node.type) {
    case "PathExpression":
      return readPath(node, level, reading, lenient);
    case "SubExpression":
    case "MustacheStatement":
      return readCall(node, level, reading, lenient);
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

function readCall(node: CallNode | MustacheNode, level: Level, reading: Reading, lenient: boolean): Read {
  const name = nameOf(node);
  const isCall = node.params.length > 0 || hasHash(node) || node.type === "SubExpression";
  const helper = Object.hasOwn(HELPERS, name) ? HELPERS[name] : undefined;
  if (node.path.type !== "PathExpression") {
    refuse(reading, node.loc, "A template names a value: write {{event.title}}");
    return () => MISSING;
  }
  if (!isCall && helper === undefined) return readPath(node.path, level, reading, lenient);
  if (helper === undefined) {
    const known = Object.keys(HELPERS);
    refuse(reading, node.loc, `"${name}" is not a helper, known are ${known.join(", ")}`, nearest(name, known));
    return () => MISSING;
  }
  if (hasHash(node) || node.params.length < helper.min || node.params.length > helper.max) {
    refuse(reading, node.loc, `${name} is written ${helper.form}`);
    return () => MISSING;
  }
  return readHelper(helper, name, node, level, reading, lenient);
}

function readHelper(
  helper: Helper,
  name: string,
  node: CallNode | MustacheNode,
  level: Level,
  reading: Reading,
  lenient: boolean,
): Read {
  const reads = node.params.map((param, i) =>
    readExpression(param, level, reading, lenient || (helper.lenient === true && i === 0 && name === "default")),
  );
  return (frame) => {
    const values = reads.map((read) => read(frame));
    // Under {{#if}} a helper of something missing is as missing as that.
    if (lenient && helper.lenient !== true && values.some(({ value }) => value === undefined)) return MISSING;
    return trying(() => helper.apply(values));
  };
}
