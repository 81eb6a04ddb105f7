/** How functions are declared, and which declaration answers a call. */
import type { Run } from "../budget.ts";
import { CelError, type CelValue, KINDS, type Kind, kindOf, TYPE_NAME } from "../values.ts";

export type Param = Kind | "any";

export interface Overload {
  readonly params: readonly Param[];
  readonly result: Param;
  readonly apply: (run: Run, ...operands: never[]) => CelValue;
}

/**
 * By what a call looks like: `size/1`, `.startsWith/2` for a call on a value, which counts as the first operand, `math.abs/1`. A
 * function that takes any number of operands is `math.least/*`.
 */
export type FunctionTable = Map<string, Overload[]>;

/** `size(string): int`, `string.charAt(int): string`, `math::abs(int): int`. */
const SIGNATURE = /^(?:(\w+)(\.|::))?(\w+)\(([^)]*)\): (\w+)$/;

export function define(table: FunctionTable, signature: string, apply: Overload["apply"]): void {
  const match = SIGNATURE.exec(signature);
  if (!match) throw new Error(`This signature cannot be read: ${signature}`);
  const [, owner = "", mark, name = "", list = "", result] = match;
  const written = list === "" ? [] : list.split(", ");
  const params = (mark === "." ? [owner, ...written] : written).map(param);
  const key = `${mark === "." ? "." : owner && `${owner}.`}${name}/${list === "..." ? "*" : params.length}`;
  const overload: Overload = { params: list === "..." ? [] : params, result: param(result as string), apply };
  const overloads = table.get(key);
  if (overloads === undefined) table.set(key, [overload]);
  else overloads.push(overload);
}

function param(text: string): Param {
  if (text === "any" || text === "..." || KINDS.some((kind) => kind === text)) return text as Param;
  throw new Error(`"${text}" is no kind of value`);
}

/** The overloads that operands of these kinds may choose. */
export const candidates = (overloads: readonly Overload[], kinds: readonly Param[]): Overload[] =>
  overloads.filter(({ params }) =>
    params.every((wanted, i) => wanted === "any" || kinds[i] === "any" || wanted === kinds[i]),
  );

export function call(run: Run, name: string, overloads: readonly Overload[], operands: readonly CelValue[]): CelValue {
  const kinds = operands.map(kindOf);
  const overload = overloads.find(({ params }) => params.every((wanted, i) => wanted === "any" || wanted === kinds[i]));
  if (overload === undefined) throw new CelError(() => noOverload(name, kinds));
  return overload.apply(run, ...(operands as never[]));
}

export function noOverload(name: string, kinds: readonly Param[]): string {
  const names = kinds.map((kind) => (kind === "any" ? "any" : TYPE_NAME[kind]));
  const shown = name.startsWith(".")
    ? `${names[0]}${name}(${names.slice(1).join(", ")})`
    : `${name}(${names.join(", ")})`;
  const way = otherWay(name, kinds);
  return `no such overload: ${shown}${way === undefined ? "" : `, write ${way}`}`;
}

function otherWay(name: string, kinds: readonly Param[]): string | undefined {
  if (name.startsWith("math.") && kinds.includes("int")) return "double(…) around a whole number";
  // Other implementations mean nanoseconds by these, which nobody expects.
  if (name === "int" && kinds.includes("duration")) return "….getSeconds()";
  return name === "duration" && kinds.includes("int") ? 'duration(string(…) + "s")' : undefined;
}
