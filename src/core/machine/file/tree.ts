/** A machine as read: names resolved, values compiled, every diagnostic found. What lower.ts turns into xstate's form. */
import type { Diagnostic, ErrorCode, Path } from "../../../errors.ts";
import type { Json, RetryPolicy } from "../../../model.ts";
import type { Expression } from "../../expr.ts";
import type { Renderer } from "../../render.ts";

export type Guard =
  | { readonly kind: "cel"; readonly expression: Expression }
  | { readonly kind: "and" | "or"; readonly guards: readonly Guard[] }
  | { readonly kind: "not"; readonly guard: Guard };

/** What is done while a step runs, in order. */
export type Effect =
  | { readonly kind: "deliver"; readonly action: string; readonly params: Renderer }
  | Call
  | { readonly kind: "cancelCall"; readonly id: string }
  | { readonly kind: "setTimer"; readonly id: string; readonly delay: number | Expression }
  | { readonly kind: "cancelTimer"; readonly id: string }
  | { readonly kind: "assign"; readonly values: readonly Value[] }
  | { readonly kind: "raise"; readonly name: string }
  | { readonly kind: "emit"; readonly type: string; readonly data: Renderer | undefined }
  | { readonly kind: "log"; readonly text: Renderer };

/** A delivery whose outcome the state waits for. */
export interface Call {
  readonly kind: "call";
  /** Where it stands in the file. */
  readonly at: Path;
  readonly id: string;
  readonly action: string;
  readonly input: Renderer;
  readonly retry: RetryPolicy | undefined;
  readonly timeoutMs: number | undefined;
}

/** A key of the context and what it becomes. */
export interface Value {
  readonly key: string;
  readonly renderer: Renderer;
}

/** What comes from outside the step. */
export type Occasion =
  | { readonly kind: "signal"; readonly name: string }
  | { readonly kind: "timer"; readonly id: string }
  | { readonly kind: "done" | "failed"; readonly call: string };

export type Trigger = Occasion | { readonly kind: "always" } | { readonly kind: "finished" };

/** What an expression or a template reads, and where it stands. */
export interface Reads {
  readonly at: Path;
  /** Dotted paths, such as `context.title`. */
  readonly paths: readonly string[];
}

/** A transition. No targets: nothing is left or entered. */
export interface TransitionNode {
  /** Where it stands in the file. */
  readonly at: Path;
  readonly trigger: Trigger;
  readonly targets: readonly StateNode[];
  readonly guard: Guard | undefined;
  readonly effects: readonly Effect[];
  readonly reenter: boolean;
}

export interface StateNode {
  /** Dotted path below the machine; empty for the machine itself. */
  readonly id: string;
  readonly key: string;
  readonly path: Path;
  readonly parent: StateNode | undefined;
  /** Position in the document, parents first: the order in which states are entered. */
  readonly order: number;
  readonly type: "atomic" | "compound" | "parallel" | "final" | "history";
  readonly states: ReadonlyMap<string, StateNode>;
  initial: StateNode | undefined;
  /** Of a history state. */
  readonly deep: boolean;
  defaults: readonly StateNode[];
  entry: readonly Effect[];
  exit: readonly Effect[];
  transitions: readonly TransitionNode[];
  output: Renderer | undefined;
}

/** The whole machine, its states in document order. */
export interface Tree {
  readonly id: string;
  readonly root: StateNode;
  readonly nodes: readonly StateNode[];
  readonly context: readonly Value[];
  readonly reads: readonly Reads[];
}

/** What the file says of instances that an earlier definition started. */
export interface Migration {
  /** Path of an old state → the state that it is now. */
  readonly states: ReadonlyMap<string, StateNode>;
  /** Computed from the old context. */
  readonly context: readonly Value[];
}

/** Where diagnostics are collected. */
export interface DiagnosticList {
  readonly diagnostics: Diagnostic[];
  add(code: ErrorCode, path: Path, message: string, more?: Partial<Diagnostic>): void;
  /** Diagnostics of a value that stands at this path. */
  addAll(path: Path, diagnostics: readonly Diagnostic[]): void;
}

export function createDiagnosticList(): DiagnosticList {
  const diagnostics: Diagnostic[] = [];
  return {
    diagnostics,
    add(code, path, message, more) {
      diagnostics.push({ code, severity: "error", message, path, ...more });
    },
    addAll(path, found) {
      for (const diagnostic of found) diagnostics.push({ ...diagnostic, path: [...path, ...(diagnostic.path ?? [])] });
    },
  };
}

/** One or several, as the file form allows nearly everywhere. */
export function listOf(value: unknown): readonly unknown[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [value];
}

/** Whether a state lies inside another; not inside itself. */
export function isInside(node: StateNode, outer: StateNode): boolean {
  for (let at = node.parent; at; at = at.parent) if (at === outer) return true;
  return false;
}

/** How messages name a state. */
export function stateLabel(node: StateNode): string {
  return node.id === "" ? "the machine" : `"${node.id}"`;
}

/** Whether a key of `on` selects a signal: its own name, a prefix such as `jira.*` (which selects `jira` too), or `*`. */
export function isSelectedBy(name: string, descriptor: string): boolean {
  if (descriptor === name || descriptor === "*") return true;
  if (!descriptor.endsWith(".*")) return false;
  const prefix = descriptor.slice(0, -2);
  return name === prefix || name.startsWith(`${prefix}.`);
}

/** A state as a row holds it: the name of an active leaf, else its states by name, in document order. */
export function stateValue<N extends { readonly key: string; readonly type: string }>(
  node: N,
  active: ReadonlySet<N>,
  childrenOf: (node: N) => Iterable<N>,
): Json {
  const inside = [...childrenOf(node)].filter((child) => active.has(child));
  const [only] = inside;
  if (node.type === "compound" && only && (only.type === "atomic" || only.type === "final")) return only.key;
  return Object.fromEntries(inside.map((child) => [child.key, stateValue(child, active, childrenOf)]));
}
