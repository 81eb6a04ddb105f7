/**
 * CEL expressions over an event. JSON numbers without a fraction are CEL ints, others doubles; the two mix freely. An evaluation
 * costs a bounded number of steps, reads own properties only and answers in plain JSON.
 */
import { type Diagnostic, newDiagnostic } from "../errors.ts";
import type { Event, Json, JsonObject } from "../model.ts";
import { OutOfBudget, Run } from "./cel/budget.ts";
import { compileTree, type Program } from "./cel/compile.ts";
import { toCel, toJson } from "./cel/json.ts";
import { type CelTree, parseCel, Unreadable } from "./cel/parse.ts";
import { readsOf } from "./cel/reads.ts";
import { CelRefusal } from "./cel/scope.ts";
import { CelError } from "./cel/values.ts";

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

/** Longer logic belongs into several rules; the length also bounds what compiling can cost. */
const SOURCE_CHARS_MAX = 4_096;

/** The expression, or SB0105 with the offset at which it goes wrong. */
export function compileExpression(
  source: string,
): { ok: true; expression: Expression } | { ok: false; diagnostic: Diagnostic } {
  const first = compile(source);
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
  const again = compile(source);
  if (!again.ok) return () => ({ ok: false, detail: again.diagnostic.message });
  return (scope) => evaluate(again.program, scope);
}

type Compiled = { ok: true; program: Program; reads: readonly string[] };

function compile(source: string): Compiled | { ok: false; diagnostic: Diagnostic } {
  if (typeof source !== "string" || source.trim() === "") return refused("A CEL expression must not be empty", 0);
  if (source.length > SOURCE_CHARS_MAX)
    return refused(`A CEL expression has at most ${SOURCE_CHARS_MAX} characters, this one has ${source.length}`, 0);
  let tree: CelTree | undefined;
  try {
    tree = parseCel(source);
    return { ok: true, program: compileTree(tree, SCOPE_NAMES), reads: readsOf(tree.root, SCOPE_NAMES) };
  } catch (error) {
    if (error instanceof CelRefusal)
      return refused(error.message, tree?.writtenOffset(error.offset) ?? error.offset, error.suggestion);
    return syntaxError(error, source);
  }
}

function evaluate(program: Program, scope: Scope): Evaluated {
  const run = new Run(new Array(program.slots));
  try {
    SCOPE_NAMES.forEach((name, slot) => {
      // An event in which no ticket was found has none: `size(event.tickets) == 0` is a plain question and no error.
      const value = name === "event" ? { tickets: [], ...scope.event } : scope[name];
      if (value !== undefined) run.slots[slot] = toCel(value as Json);
    });
    return { ok: true, value: toJson(run, program.code.run(run)) };
  } catch (error) {
    if (error instanceof CelError || error instanceof OutOfBudget) return { ok: false, detail: error.message };
    return { ok: false, detail: `The expression cannot be evaluated: ${String(error)}` };
  }
}

function refused(message: string, offset: number, suggestion?: string): { ok: false; diagnostic: Diagnostic } {
  return { ok: false, diagnostic: newDiagnostic("SB0105", message, { offset, suggestion }) };
}

/** What stands where reading stopped, with what CEL writes for it. */
const SLIPS: readonly [RegExp, string][] = [
  [/^=(?!=)/, "write == to compare"],
  [/^and\b/i, "write && for and"],
  [/^or\b/i, "write || for or"],
  [/^&(?!&)/, "write && for and"],
  [/^\|(?!\|)/, "write || for or"],
];

function syntaxError(error: unknown, source: string): { ok: false; diagnostic: Diagnostic } {
  const { message, offset } = error instanceof Unreadable ? error : { message: String(error), offset: 0 };
  const slip = SLIPS.find(([form]) => form.test(source.slice(offset)));
  return refused(`The CEL expression is not well formed: ${message}${slip ? `, ${slip[1]}` : ""}`, offset);
}
