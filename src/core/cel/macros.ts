/** Which macro a call is, and the ones that give one value a name: `cel.bind(x, …, …)`, `a.optMap(x, …)`. */
import { defineLoops } from "./loops.ts";
import type { Macro, MacroCall, MacroTable } from "./macro.ts";
import type { CelNode } from "./parse.ts";
import { CelRefusal, type Code, type CompilePass, compileNode, withVariable } from "./scope.ts";
import { CelError, type CelValue, NONE, Optional, typeName } from "./values.ts";

function macroCall(node: CelNode): { macro: Macro; call: MacroCall } | undefined {
  if (node.op !== "rcall") return undefined;
  const [name, receiver, operands] = node.args as [string, CelNode, CelNode[]];
  const macro = MACROS.get(`${name}/${operands.length}`);
  if (macro === undefined) return undefined;
  const variables = operands.slice(0, macro.variables).map((operand) => {
    if (operand.op === "id") return operand.args as string;
    throw new CelRefusal(`${name}(…) begins with the name of a variable, as in ${name}(x, …)`, operand.pos);
  });
  if (new Set(variables).size < variables.length)
    throw new CelRefusal(`${name}(…) has two variables, give them different names`, node.pos);
  if (macro.isBind && (receiver.op !== "id" || receiver.args !== "cel")) return undefined;
  const [value, ...others] = operands.slice(macro.variables) as [CelNode, ...CelNode[]];
  const call = macro.isBind
    ? { name, receiver: value, variables, bodies: others, offset: node.pos }
    : { name, receiver, variables, bodies: [value, ...others], offset: node.pos };
  return { macro, call };
}

/** The variables that a call introduces and the parts that see them, undefined for any other call. */
export const macroScope = (node: CelNode): Omit<MacroCall, "name" | "offset"> | undefined => macroCall(node)?.call;

export function compileMacro(pass: CompilePass, node: CelNode): Code | undefined {
  const use = macroCall(node);
  return use?.macro.compile(pass, use.call);
}

// ---------------------------------------------------------------- one value under a name

/** Compiles a body that sees one variable, and how to give it its value. */
function compileBound(pass: CompilePass, call: MacroCall): { value: Code; body: Code; slot: number } {
  const value = compileNode(pass, call.receiver);
  const inner = withVariable(pass, call.variables[0] as string, "any");
  return { value, body: compileNode(inner.pass, call.bodies[0] as CelNode), slot: inner.slot };
}

function bind(pass: CompilePass, call: MacroCall): Code {
  const { value, body, slot } = compileBound(pass, call);
  return {
    kind: body.kind,
    run: (run) => {
      run.slots[slot] = value.run(run);
      return body.run(run);
    },
  };
}

/** `optMap` wraps what the body gives, `optFlatMap` takes an optional from it. */
const onOptional =
  (wrap: (value: CelValue) => CelValue): Macro["compile"] =>
  (pass, call) => {
    const { value, body, slot } = compileBound(pass, call);
    return {
      kind: "optional",
      run: (run) => {
        const optional = value.run(run);
        if (!(optional instanceof Optional))
          throw new CelError(() => `${call.name}(…) takes an optional, this is of type ${typeName(optional)}`);
        if (optional.value === undefined) return NONE;
        run.slots[slot] = optional.value;
        return wrap(body.run(run));
      },
    };
  };

const optMap = onOptional((value) => new Optional(value));
const optFlatMap = onOptional((value) => {
  if (value instanceof Optional) return value;
  throw new CelError(() => `optFlatMap(…) gives an optional, this is of type ${typeName(value)}`);
});

// ---------------------------------------------------------------- what an empty optional is replaced by

/** `a.or(b)` and `a.orValue(b)`: the operand is computed only when it is needed. */
export function compileAlternative(pass: CompilePass, node: CelNode): Code | undefined {
  const [name, receiver, operands] = node.args as [string, CelNode, CelNode[]];
  if ((name !== "or" && name !== "orValue") || operands.length !== 1) return undefined;
  const first = compileNode(pass, receiver);
  const second = compileNode(pass, operands[0] as CelNode);
  const optional = (value: CelValue): Optional => {
    if (value instanceof Optional) return value;
    throw new CelError(
      () => `${name}(…) goes with an optional, this is of type ${typeName(value)}; for bools write ||`,
    );
  };
  if (name === "or")
    return {
      kind: "optional",
      run: (run) => {
        const value = optional(first.run(run));
        return value.value === undefined ? optional(second.run(run)) : value;
      },
    };
  return { kind: "any", run: (run) => valueOr(optional(first.run(run)), () => second.run(run)) };
}

/** Null is a value. */
const valueOr = (optional: Optional, other: () => CelValue): CelValue =>
  optional.value === undefined ? other() : optional.value;

const MACROS: MacroTable = everyMacro();

function everyMacro(): MacroTable {
  const table: MacroTable = new Map();
  defineLoops(table);
  table.set("bind/3", { variables: 1, isBind: true, compile: bind });
  table.set("optMap/2", { variables: 1, compile: optMap });
  table.set("optFlatMap/2", { variables: 1, compile: optFlatMap });
  return table;
}
