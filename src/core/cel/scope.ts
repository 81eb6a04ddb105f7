/** What compiling knows: the names in sight, and what a compiled part gives. */
import type { Run } from "./budget.ts";
import type { Param } from "./functions/table.ts";
import type { CelNode, CelTree } from "./parse.ts";
import type { CelValue } from "./values.ts";

/** A compiled part: the kind of its value where that is certain, and how to compute it. */
export interface Code {
  readonly kind: Param;
  readonly run: (run: Run) => CelValue;
}

export interface Binding {
  readonly slot: number;
  readonly kind: Param;
  /** A name of the scope rather than a variable of the expression. */
  readonly isRoot: boolean;
}

export interface CompilePass {
  readonly tree: CelTree;
  readonly names: ReadonlyMap<string, Binding>;
  readonly slots: { count: number };
  /** Compiles a part of the expression. */
  readonly compile: (pass: CompilePass, node: CelNode) => Code;
}

export const compileNode = (pass: CompilePass, node: CelNode): Code => pass.compile(pass, node);

/** The pass with one more variable in sight, in a slot of its own. */
export function withVariable(pass: CompilePass, name: string, kind: Param): { pass: CompilePass; slot: number } {
  const slot = pass.slots.count++;
  const names = new Map(pass.names).set(name, { slot, kind, isRoot: false });
  return { pass: { ...pass, names }, slot };
}

/** Why an expression cannot be compiled, and where. */
export class CelRefusal extends Error {
  override name = "CelRefusal";
  readonly offset: number;
  readonly suggestion: string | undefined;
  constructor(message: string, offset: number, suggestion?: string) {
    super(message);
    this.offset = offset;
    this.suggestion = suggestion;
  }
}
