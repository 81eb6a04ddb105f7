/** Calls of functions, of methods and of macros. */
import { nearest } from "../../errors.ts";
import { compileRegex } from "../regex.ts";
import { compileHas } from "./access.ts";
import { FUNCTION_NAMES, FUNCTIONS, NAMESPACES } from "./functions/index.ts";
import { matchesRegex } from "./functions/standard.ts";
import { call, candidates, noOverload, type Overload, type Param } from "./functions/table.ts";
import { compileAlternative, compileMacro } from "./macros.ts";
import type { CelNode } from "./parse.ts";
import { CelRefusal, type Code, type CompilePass, compileNode } from "./scope.ts";

export function compileCall(pass: CompilePass, node: CelNode): Code {
  const [name, operands] = node.args as [string, CelNode[]];
  if (name === "has") return compileHas(pass, node, operands.length === 1 ? operands[0] : undefined);
  const overloads = FUNCTIONS.get(`${name}/${operands.length}`);
  if (overloads === undefined) throw unknownFunction(name, `${name}(…)`, node);
  return application(pass, node, name, withLiteralPattern(name, operands[1]) ?? overloads, operands);
}

export function compileMethod(pass: CompilePass, node: CelNode): Code {
  const [name, receiver, operands] = node.args as [string, CelNode, CelNode[]];
  const owner = receiver.op === "id" ? (receiver.args as string) : undefined;
  if (owner !== undefined && NAMESPACES.has(owner) && !pass.names.has(owner)) {
    const qualified = `${owner}.${name}`;
    const overloads = FUNCTIONS.get(`${qualified}/${operands.length}`) ?? FUNCTIONS.get(`${qualified}/*`);
    if (overloads !== undefined) return application(pass, node, qualified, overloads, operands);
  }
  const macro = compileMacro(pass, node) ?? compileAlternative(pass, node);
  if (macro !== undefined) return macro;
  if (owner !== undefined && NAMESPACES.has(owner) && !pass.names.has(owner))
    throw new CelRefusal(`${owner}.${name}() is not available`, node.pos);
  const overloads = FUNCTIONS.get(`.${name}/${operands.length + 1}`);
  if (overloads === undefined) throw unknownFunction(name, `.${name}(…)`, node);
  const allOverloads = withLiteralPattern(name, operands[0]) ?? overloads;
  return application(pass, node, `.${name}`, allOverloads, [receiver, ...operands]);
}

function application(
  pass: CompilePass,
  node: CelNode,
  name: string,
  overloads: readonly Overload[],
  operands: readonly CelNode[],
): Code {
  const codes = operands.map((operand) => compileNode(pass, operand));
  const kinds = codes.map(({ kind }) => kind);
  const fitting = candidates(overloads, kinds);
  if (fitting.length === 0) throw new CelRefusal(noOverload(name, kinds), node.pos);
  const results = new Set(fitting.map(({ result }) => result));
  const kind: Param = results.size === 1 ? ([...results][0] as Param) : "any";
  return {
    kind,
    run: (run) =>
      call(
        run,
        name,
        fitting,
        codes.map((code) => code.run(run)),
      ),
  };
}

/** A pattern that stands in the expression is compiled with it. */
function withLiteralPattern(name: string, pattern: CelNode | undefined): Overload[] | undefined {
  if (name !== "matches" || pattern?.op !== "value" || typeof pattern.args !== "string") return undefined;
  const regex = compileRegex(pattern.args);
  if (!regex.ok) throw new CelRefusal(regex.detail, pattern.pos);
  return [
    { params: ["string", "string"], result: "bool", apply: (run, text: string) => matchesRegex(run, text, regex) },
  ];
}

/** What people write who know another language. */
const FOREIGN: Readonly<Record<string, string>> = {
  len: "size(…)",
  length: "size()",
  count: "size()",
  includes: "contains(…)",
  contain: "contains(…)",
  has_key: '"key" in map',
  hasKey: '"key" in map',
  toLowerCase: "lowerAscii()",
  lower: "lowerAscii()",
  toUpperCase: "upperAscii()",
  upper: "upperAscii()",
  toString: "string(…)",
  str: "string(…)",
  match: "matches(…)",
  any: "exists(x, …)",
  some: "exists(x, …)",
  every: "all(x, …)",
  find: "filter(x, …)[0]",
  concat: "+",
  slice: "substring(…)",
  hex: '"%x".format([…])',
  base64: "base64.encode(…)",
  json: "a field of the payload, which is read already",
  now: "event.time",
};

function unknownFunction(name: string, shown: string, node: CelNode): CelRefusal {
  if (FUNCTION_NAMES.has(name))
    return new CelRefusal(`no such overload: ${shown} does not take these operands`, node.pos);
  const other = Object.hasOwn(FOREIGN, name) ? FOREIGN[name] : undefined;
  if (other !== undefined) return new CelRefusal(`no such overload: there is no ${shown}, write ${other}`, node.pos);
  const similar = nearest(name, FUNCTION_NAMES);
  const hint = similar === undefined ? "" : `, did you mean ${similar}`;
  return new CelRefusal(`no such overload: there is no ${shown} in CEL${hint}`, node.pos);
}
