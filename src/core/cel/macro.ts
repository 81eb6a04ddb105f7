/** What looks like a method and introduces variables. */
import type { CelNode } from "./parse.ts";
import type { Code, CompilePass } from "./scope.ts";

export interface MacroCall {
  name: string;
  receiver: CelNode;
  variables: readonly string[];
  /** What sees the variables. */
  bodies: readonly CelNode[];
  offset: number;
}

export interface Macro {
  variables: 1 | 2;
  /** `cel.bind(x, value, body)`: the value stands behind the variable and does not see it. */
  isBind?: boolean;
  compile(pass: CompilePass, call: MacroCall): Code;
}

/** By name and number of operands. */
export type MacroTable = Map<string, Macro>;
