/**
 * CEL expressions over an event: the only door to the CEL library. JSON numbers without a fraction are CEL ints, others doubles; the
 * two mix freely. An evaluation costs a bounded number of steps, reads own properties only and answers in plain JSON.
 */
import { Environment } from "@marcbachmann/cel-js";
import { type Diagnostic, nearest, newDiagnostic } from "../errors.ts";
import { type Event, type Json, type JsonObject, LIMITS } from "../model.ts";
import { toCel, toJson, Unfit } from "./cel-json.ts";
import { compileRegex, type Regex } from "./regex.ts";

/** What expressions and templates see. */
export interface Scope {
  event: Event | JsonObject;
  context?: JsonObject;
  item?: Json;
  vars?: JsonObject;
}

export type Evaluated = { ok: true; value: Json } | { ok: false; detail: string };

/** A compiled expression. Evaluating never throws, never changes what it reads, and starts from nothing each time. */
export interface Expression {
  readonly source: string;
  /** Dotted paths from the known names, e.g. `event.data.number`, for lint. */
  readonly reads: readonly string[];
  evaluate(scope: Scope): Evaluated;
}

/** The names an expression or template may start from. */
export const SCOPE_NAMES = ["event", "context", "item", "vars"] as const;

/** Longer logic belongs into several rules; the length also bounds what one step can cost. */
const SOURCE_CHARS_MAX = 4_096;
/** About half a second on a slow machine, far above what a condition over one payload needs. */
const STEPS_MAX = 2_000_000;
const STRING_CHARS_MAX = LIMITS.renderedBytes;
/** How many characters or items of an operand count as one step. */
const OPERAND_PER_STEP = 64;

/** The expression, or SB0105 with the offset at which it goes wrong. */
export function compileExpression(
  source: string,
): { ok: true; expression: Expression } | { ok: false; diagnostic: Diagnostic } {
  const first = prepare(source);
  if (!first.ok) return first;
  // Most expressions of a large policy are never evaluated: only what was found out about them is kept.
  let evaluate: Expression["evaluate"] | undefined;
  const expression: Expression = {
    source,
    reads: first.reads,
    evaluate(scope) {
      evaluate ??= evaluatorOf(source);
      return evaluate(scope);
    },
  };
  return { ok: true, expression };
}

function evaluatorOf(source: string): Expression["evaluate"] {
  const prepared = prepare(source);
  if (!prepared.ok) return () => ({ ok: false, detail: prepared.diagnostic.message });
  return evaluator(prepared.run, prepared.slot);
}

interface Prepared {
  ok: true;
  run: (context: Map<string, unknown>) => unknown;
  slot: MeterSlot;
  reads: readonly string[];
}

function prepare(source: string): Prepared | { ok: false; diagnostic: Diagnostic } {
  if (typeof source !== "string" || source.trim() === "") return refused("A CEL expression must not be empty", 0);
  if (source.length > SOURCE_CHARS_MAX)
    return refused(`A CEL expression has at most ${SOURCE_CHARS_MAX} characters, this one has ${source.length}`, 0);
  try {
    const run = environment.parse(source);
    const checked = run.check();
    if (!checked.valid) return explainError(checked.error);
    const root = run.ast as unknown as Node;
    const slot: MeterSlot = { meter: newMeter() };
    const refusal = instrument(root, slot);
    if (refusal !== undefined) return refused(refusal.message, refusal.offset);
    return { ok: true, run, slot, reads: readsOf(root) };
  } catch (error) {
    return explainError(error);
  }
}

// ---------------------------------------------------------------- running

/** What one evaluation has cost so far. */
interface Meter {
  spent: number;
  exceeded: string | undefined;
  /** The regular expression compiled last from a pattern that is no literal: a quantifier asks for it once per item. */
  lastRegex: { pattern: string; regex: Regex } | undefined;
}

const newMeter = (): Meter => ({ spent: 0, exceeded: undefined, lastRegex: undefined });

/** Where the nodes of an expression find the meter of the evaluation that runs: the library hands them operands only. */
interface MeterSlot {
  meter: Meter;
}

class CostExceeded extends Error {}

/** One object for all: a quantifier swallows it once per item, and a stack trace each would be the cost we want to bound. */
const COST_EXCEEDED = new CostExceeded("too costly");

function exceed(meter: Meter, why: string): never {
  meter.exceeded = why;
  throw COST_EXCEEDED;
}

function charge(meter: Meter, steps: number): void {
  meter.spent += steps;
  if (meter.spent > STEPS_MAX) exceed(meter, `The expression needs more than ${STEPS_MAX} steps`);
}

function evaluator(run: (context: Map<string, unknown>) => unknown, slot: MeterSlot): Expression["evaluate"] {
  return (scope) => {
    const meter = newMeter();
    slot.meter = meter;
    try {
      const result = run(variables(scope));
      if (meter.exceeded !== undefined) return { ok: false, detail: meter.exceeded };
      return { ok: true, value: toJson(result) };
    } catch (error) {
      return { ok: false, detail: meter.exceeded ?? runtimeDetail(error, scope) };
    }
  };
}

function variables(scope: Scope): Map<string, unknown> {
  const seen = new Map<string, unknown>();
  for (const name of SCOPE_NAMES) {
    // An event in which no ticket was found has none: `size(event.tickets) == 0` is a plain question and no error.
    const value = name === "event" ? { tickets: [], ...scope.event } : scope[name];
    if (value !== undefined) seen.set(name, toCel(value));
  }
  return seen;
}

function runtimeDetail(error: unknown, scope: Scope): string {
  const { summary, node } = celError(error);
  const unknown = /^Unknown variable: (\w+)$/.exec(summary)?.[1];
  if (unknown === "item") return "There is no item here; item exists under forEach";
  if (unknown !== undefined) return `There is no ${unknown} here`;
  const key = /^No such key: (\S+)$/.exec(summary)?.[1];
  if (key !== undefined && node !== undefined) return missingKey(key, node, scope);
  if (/^no such overload: .*\bstring\b.* \+ |^no such overload: .* \+ .*\bstring\b/.test(summary))
    return `${summary}, write string(…) around the other side`;
  return summary;
}

/** Names the whole path, and the key that was probably meant. */
function missingKey(key: string, node: Node, scope: Scope): string {
  const path = node.op === "." || node.op === "[]" ? pathOf((node.args as Node[])[0] as Node, new Set()) : undefined;
  if (path === undefined) return `There is no ${key}, test with has() first`;
  const [head = "", ...keys] = path.split(".");
  let holder: unknown = scope[head as keyof Scope];
  for (const step of keys) holder = isRecord(holder) && Object.hasOwn(holder, step) ? holder[step] : undefined;
  const similar = isRecord(holder) ? nearest(key, Object.keys(holder)) : undefined;
  return `${path} has no "${key}", ${similar === undefined ? "test with has() first" : `it has "${similar}"`}`;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

// ---------------------------------------------------------------- the environment

const environment = buildEnvironment();

function buildEnvironment(): Environment {
  const built = new Environment({
    unlistedVariablesAreDyn: false,
    homogeneousAggregateLiterals: false,
    limits: { maxAstNodes: 1_000, maxDepth: 50, maxListElements: 500, maxMapEntries: 200 },
  });
  for (const name of SCOPE_NAMES) built.registerVariable(name, "dyn");
  const arithmetic: [string, (a: number, b: number) => number][] = [
    ["+", (a, b) => a + b],
    ["-", (a, b) => a - b],
    ["*", (a, b) => a * b],
    ["/", (a, b) => a / b],
  ];
  for (const [operator, apply] of arithmetic) {
    const mixed = (a: number | bigint, b: number | bigint) => apply(Number(a), Number(b));
    built.registerOperator(`int ${operator} double: double`, mixed);
    built.registerOperator(`double ${operator} int: double`, mixed);
  }
  return built;
}

// ---------------------------------------------------------------- what the library does not bound, bounded here

type Handle = (...operands: unknown[]) => unknown;

/** What we use of the library's syntax tree beyond its documented part: where a checked node keeps the function it runs. */
interface Node {
  op: string;
  args: unknown;
  pos: number;
  handle?: Handle;
  meta: { alternate?: Node; macro?: object };
}

const isNode = (value: unknown): value is Node =>
  typeof value === "object" && value !== null && "op" in value && "meta" in value;

/** The parts of a node that are evaluated. */
function childrenOf(node: Node): Node[] {
  if (node.meta.alternate !== undefined) return [node.meta.alternate];
  if (node.op !== "comprehension") return [node.args].flat(3).filter(isNode);
  const { iterable, init, step } = node.args as Record<string, unknown>;
  return [iterable, init, step].filter(isNode);
}

function countNodes(node: Node): number {
  return childrenOf(node).reduce((sum, child) => sum + countNodes(child), 1);
}

const METERED = new Set(["rcall", "call", "comprehension", "[]", "in", "==", "!=", "+", "<", "<=", ">", ">="]);

/** Puts the meter in front of everything whose cost depends on data. Refuses what it cannot meter. */
function instrument(node: Node, slot: MeterSlot): { message: string; offset: number } | undefined {
  if (node.meta.macro !== undefined) {
    const macro = (node.args as unknown[])[0];
    return macro === "has" ? undefined : { message: `${macro}() is not available`, offset: node.pos };
  }
  if (METERED.has(node.op) && node.meta.alternate === undefined) {
    const { handle } = node;
    if (handle === undefined) return { message: "This form is not available", offset: node.pos };
    const pattern = literalPattern(node);
    const regex = pattern && compileRegex(pattern.args);
    if (pattern && regex?.ok === false) return { message: regex.detail, offset: pattern.pos };
    node.handle = metered(node, handle, slot, regex);
  }
  for (const child of childrenOf(node)) {
    const refusal = instrument(child, slot);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

function metered(node: Node, handle: Handle, slot: MeterSlot, literal: Regex | undefined): Handle {
  if (node.op === "comprehension") {
    const perItem = countNodes((node.args as { step: Node }).step);
    return (items, ...rest) => {
      charge(slot.meter, 1 + sizeOf(items) * perItem);
      return handle(items, ...rest);
    };
  }
  const method = node.op === "rcall" ? (node.args as unknown[])[0] : undefined;
  return (...operands) => {
    const { meter } = slot;
    const values = node.op === "rcall" || node.op === "call" ? (operands[0] as unknown[]) : operands.slice(0, 2);
    charge(meter, 1 + values.reduce<number>((sum, value) => sum + sizeOf(value) / OPERAND_PER_STEP, 0));
    if (method === "matches") return matchesRegex(values, () => handle(...operands), meter, literal);
    if (method === "join") boundJoin(values, meter);
    const result = handle(...operands);
    if (typeof result === "string" && result.length > STRING_CHARS_MAX) tooLong(meter);
    return result;
  };
}

function sizeOf(value: unknown): number {
  if (typeof value === "string" || Array.isArray(value)) return value.length;
  return value instanceof Map ? value.size : 0;
}

function tooLong(meter: Meter): never {
  exceed(meter, `The expression builds a text of more than ${STRING_CHARS_MAX} characters`);
}

function boundJoin([list, separator]: readonly unknown[], meter: Meter): void {
  if (!Array.isArray(list)) return;
  const chars = list.reduce<number>((sum, item) => sum + sizeOf(item), list.length * sizeOf(separator ?? ""));
  if (chars > STRING_CHARS_MAX) tooLong(meter);
}

/** CEL's `matches` is RE2, which is linear; JavaScript's engine is not, and the text comes from outside. */
function matchesRegex(
  [text, pattern]: readonly unknown[],
  fail: () => unknown,
  meter: Meter,
  literal: Regex | undefined,
): unknown {
  if (typeof text !== "string" || typeof pattern !== "string") return fail();
  const regex = literal ?? computedRegex(pattern, meter);
  if (!regex.ok) throw new Unfit(regex.detail);
  charge(meter, (text.length * regex.size) / 8);
  return regex.test(text);
}

function computedRegex(pattern: string, meter: Meter): Regex {
  if (meter.lastRegex?.pattern !== pattern) meter.lastRegex = { pattern, regex: compileRegex(pattern) };
  return meter.lastRegex.regex;
}

function literalPattern(node: Node): { args: string; pos: number } | undefined {
  if (node.op !== "rcall") return undefined;
  const [method, , [pattern] = []] = node.args as [string, Node, Node[]];
  if (method !== "matches" || pattern?.op !== "value" || typeof pattern.args !== "string") return undefined;
  return { args: pattern.args, pos: pattern.pos };
}

// ---------------------------------------------------------------- reading and explaining

function readsOf(root: Node): string[] {
  const paths = new Set<string>();
  collectReads(root, paths, new Set());
  return [...paths];
}

function collectReads(node: Node, paths: Set<string>, bound: ReadonlySet<string>): void {
  const path = pathOf(node, bound);
  if (path !== undefined) {
    paths.add(path);
    return;
  }
  if (node.op === "comprehension") {
    const { iterVarName } = node.args as { iterVarName: string };
    const inner = new Set([...bound, iterVarName]);
    for (const child of childrenOf(node)) collectReads(child, paths, inner);
    return;
  }
  for (const child of childrenOf(node)) collectReads(child, paths, bound);
}

function pathOf(node: Node, bound: ReadonlySet<string>): string | undefined {
  if (node.op === "id") {
    const name = String(node.args);
    return SCOPE_NAMES.some((known) => known === name) && !bound.has(name) ? name : undefined;
  }
  if (node.op !== "." && node.op !== "[]") return undefined;
  const [left, right] = node.args as [Node, unknown];
  const key = isNode(right) && right.op === "value" ? right.args : right;
  const head = pathOf(left, bound);
  return head !== undefined && typeof key === "string" ? `${head}.${key}` : undefined;
}

function refused(message: string, offset: number, suggestion?: string): { ok: false; diagnostic: Diagnostic } {
  return { ok: false, diagnostic: newDiagnostic("SB0105", message, { offset, suggestion }) };
}

function explainError(error: unknown): { ok: false; diagnostic: Diagnostic } {
  const { summary, offset } = celError(error);
  const unknown = /^Unknown variable: (\w+)$/.exec(summary)?.[1];
  if (unknown === undefined) return refused(`The CEL expression is not well formed: ${summary}`, offset);
  const suggestion = nearest(unknown, SCOPE_NAMES);
  return refused(
    `"${unknown}" is not known here, an expression starts from event, context, item or vars`,
    offset,
    suggestion,
  );
}

function celError(error: unknown): { summary: string; offset: number; node: Node | undefined } {
  const { summary, range, node, message } = error as {
    summary?: unknown;
    range?: { start?: unknown };
    node?: unknown;
    message?: unknown;
  };
  const sentence = typeof summary === "string" ? summary : String(message ?? error);
  return {
    summary: (sentence.split("\n", 1)[0] ?? sentence).replace(/dyn<(\w+(?:<\S+>)?)>/g, "$1"),
    offset: typeof range?.start === "number" ? range.start : 0,
    node: isNode(node) ? node : undefined,
  };
}
