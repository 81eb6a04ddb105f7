/** Expressions as functions. A compiled part charges what its work depends on: see budget.ts. */
import { nearest } from "../../errors.ts";
import { compileIndex, compileSelect } from "./access.ts";
import type { Run } from "./budget.ts";
import { compileCall, compileMethod } from "./calls.ts";
import { compare, isEqual } from "./compare.ts";
import { NAMESPACES } from "./functions/index.ts";
import type { Param } from "./functions/table.ts";
import { arithmetic, arithmeticKind, INT_MAX, negate, noOperation } from "./operators.ts";
import type { CelNode, CelTree } from "./parse.ts";
import { CelRefusal, type Code, type CompilePass, compileNode } from "./scope.ts";
import {
  CelError,
  CelList,
  CelMap,
  type CelValue,
  type Kind,
  kindOf,
  Optional,
  TYPE_NAME,
  typeName,
  typeNamed,
  Uint,
} from "./values.ts";

export interface Program {
  /** How many slots a Run needs; the first are those of the names, in their order. */
  readonly slots: number;
  readonly code: Code;
}

export function compileTree(tree: CelTree, names: readonly string[]): Program {
  const bindings = names.map((name, slot) => [name, { slot, kind: "any", isRoot: true }] as const);
  const slots = { count: names.length };
  const code = compile({ tree, names: new Map(bindings), slots, compile }, tree.root);
  return { slots: slots.count, code };
}

function compile(pass: CompilePass, node: CelNode): Code {
  switch (node.op) {
    case "value":
      return literal(node);
    case "id":
      return identifier(pass, node);
    case ".":
    case ".?":
      return compileSelect(pass, node);
    case "[]":
    case "[?]":
      return compileIndex(pass, node);
    case "call":
      return compileCall(pass, node);
    case "rcall":
      return compileMethod(pass, node);
    case "list":
      return list(pass, node);
    case "map":
      return map(pass, node);
    default:
      return operator(pass, node);
  }
}

function operator(pass: CompilePass, node: CelNode): Code {
  switch (node.op) {
    case "?:":
      return ternary(pass, node);
    case "&&":
      return logical(pass, node, false);
    case "||":
      return logical(pass, node, true);
    case "!_":
      return not(pass, node);
    case "-_":
      return minus(pass, node);
    case "==":
    case "!=":
      return equality(pass, node);
    case "in":
      return membership(pass, node);
    case "<":
    case "<=":
    case ">":
    case ">=":
      return ordering(pass, node, node.op);
    default:
      return binary(pass, node);
  }
}

const constant = (value: CelValue): Code => ({ kind: kindOf(value), run: () => value });

function literal(node: CelNode): Code {
  const value = node.args as CelValue | { valueOf(): bigint };
  if (typeof value === "bigint" && value > INT_MAX)
    throw new CelRefusal(`${value} is out of range for an int`, node.pos);
  if (value instanceof Uint8Array) return constant(value);
  // The library's own unsigned integer, which is the only other object among literals.
  if (typeof value === "object" && value !== null && !("kind" in value)) return constant(new Uint(value.valueOf()));
  return constant(value as CelValue);
}

function identifier(pass: CompilePass, node: CelNode): Code {
  const name = node.args as string;
  const binding = pass.names.get(name);
  if (binding === undefined) {
    const type = typeNamed(name);
    if (type !== undefined) return constant(type);
    throw unknownName(pass, name, node);
  }
  const { slot, kind } = binding;
  const missing = new CelError(
    name === "item" ? "There is no item here; item exists under forEach" : `There is no ${name} here`,
  );
  return {
    kind,
    run: (run) => {
      const value = run.slots[slot];
      if (value === undefined) throw missing;
      return value;
    },
  };
}

function unknownName(pass: CompilePass, name: string, node: CelNode): CelRefusal {
  if (NAMESPACES.has(name))
    return new CelRefusal(`"${name}" is no value, write ${name}.…( ) to call its functions`, node.pos);
  const roots = [...pass.names].filter(([, binding]) => binding.isRoot).map(([root]) => root);
  const list = `${roots.slice(0, -1).join(", ")} or ${roots.at(-1)}`;
  const message = `"${name}" is not known here, an expression starts from ${list}`;
  return new CelRefusal(message, node.pos, nearest(name, pass.names.keys()));
}

function compileAll(pass: CompilePass, nodes: readonly CelNode[]): Code[] {
  return nodes.map((node) => compileNode(pass, node));
}

function list(pass: CompilePass, node: CelNode): Code {
  const nodes = node.args as CelNode[];
  const elements = compileAll(pass, nodes);
  const isOptional = nodes.map((element) => pass.tree.optionalAt.has(element.start));
  if (!isOptional.includes(true))
    return { kind: "list", run: (run) => new CelList(elements.map((element) => element.run(run))) };
  return {
    kind: "list",
    run: (run) => {
      const items = elements.flatMap((element, i) => {
        const value = element.run(run);
        return isOptional[i] ? presentValue(value) : [value];
      });
      return new CelList(items);
    },
  };
}

/** The value of an optional as a list of one, nothing as an empty list. */
function presentValue(value: CelValue): CelValue[] {
  if (!(value instanceof Optional))
    throw new CelError(() => `What stands after ? is an optional, this is of type ${typeName(value)}`);
  return value.value === undefined ? [] : [value.value];
}

const KEY_KINDS: readonly Param[] = ["any", "string", "int", "uint", "bool"];

function map(pass: CompilePass, node: CelNode): Code {
  const entries = (node.args as [CelNode, CelNode][]).map(([key, value]) => ({
    key: compileNode(pass, key),
    value: compileNode(pass, value),
    isOptional: pass.tree.optionalAt.has(key.start),
    at: key.start,
  }));
  const written = new CelMap();
  (node.args as [CelNode, CelNode][]).forEach(([key], i) => {
    const kind = entries[i]?.key.kind ?? "any";
    if (!KEY_KINDS.includes(kind))
      throw new CelRefusal(
        `The key of a map is a text, a whole number or a bool, this one is of type ${kind}`,
        key.pos,
      );
    if (key.op === "value") refuseTwice(written, key, literal(key).run(undefined as never));
  });
  return {
    kind: "map",
    run: (run) => {
      const result = new CelMap();
      for (const { key, value, isOptional } of entries) {
        const name = key.run(run);
        const member = value.run(run);
        for (const one of isOptional ? presentValue(member) : [member]) result.set(name, one);
      }
      return result;
    },
  };
}

function refuseTwice(written: CelMap, node: CelNode, key: CelValue): void {
  try {
    written.set(key, null);
  } catch (error) {
    if (error instanceof CelError) throw new CelRefusal(error.message, node.pos);
    throw error;
  }
}

function ternary(pass: CompilePass, node: CelNode): Code {
  const [condition, yes, no] = compileAll(pass, node.args as CelNode[]) as [Code, Code, Code];
  return {
    kind: yes.kind === no.kind ? yes.kind : "any",
    run: (run) => {
      const value = condition.run(run);
      if (value === true) return yes.run(run);
      if (value === false) return no.run(run);
      throw new CelError(() => `no such overload: ${typeName(value)} ? … : …, a condition is a bool`);
    },
  };
}

/** `decisive` on either side is the answer, whatever the other side is, an error included. */
function logical(pass: CompilePass, node: CelNode, decisive: boolean): Code {
  const [left, right] = compileAll(pass, node.args as CelNode[]) as [Code, Code];
  const noBool = (value: CelValue) =>
    new CelError(() => `no such overload: ${typeName(value)} ${node.op} …, it takes bools`);
  const bool = (code: Code, run: Run): boolean => {
    const value = code.run(run);
    if (typeof value === "boolean") return value;
    throw noBool(value);
  };
  const run = (run: Run): boolean => {
    let first: boolean;
    try {
      first = bool(left, run);
    } catch (error) {
      if (!(error instanceof CelError)) throw error;
      return decidedByRight(run, error);
    }
    return first === decisive ? decisive : bool(right, run);
  };
  const decidedByRight = (run: Run, error: CelError): boolean => {
    run.charge(1);
    let second: CelValue;
    try {
      second = right.run(run);
    } catch (other) {
      throw other instanceof CelError ? error : other;
    }
    if (second === decisive) return decisive;
    throw error;
  };
  return { kind: "bool", run };
}

function not(pass: CompilePass, node: CelNode): Code {
  const code = compileNode(pass, node.args as CelNode);
  if (code.kind !== "any" && code.kind !== "bool")
    throw new CelRefusal(`no such overload: !${TYPE_NAME[code.kind]}`, node.pos);
  return {
    kind: "bool",
    run: (run) => {
      const value = code.run(run);
      if (typeof value !== "boolean") throw new CelError(() => `no such overload: !${typeName(value)}`);
      return !value;
    },
  };
}

function minus(pass: CompilePass, node: CelNode): Code {
  const operand = node.args as CelNode;
  if (pass.tree.optionalAt.has(node.start)) return compileNode(pass, operand);
  // The smallest int has no positive counterpart: its minus belongs to the number.
  if (operand.op === "value" && typeof operand.args === "bigint" && operand.args <= INT_MAX + 1n)
    return constant(-operand.args);
  const code = compileNode(pass, operand);
  if (!["any", "int", "double"].includes(code.kind))
    throw new CelRefusal(`no such overload: -${TYPE_NAME[code.kind as Kind]}`, node.pos);
  return { kind: code.kind, run: (run) => negate(code.run(run)) };
}

function equality(pass: CompilePass, node: CelNode): Code {
  const [left, right] = compileAll(pass, node.args as CelNode[]) as [Code, Code];
  const whenEqual = node.op === "==";
  return { kind: "bool", run: (run) => isEqual(run, left.run(run), right.run(run)) === whenEqual };
}

function membership(pass: CompilePass, node: CelNode): Code {
  const [left, right] = compileAll(pass, node.args as CelNode[]) as [Code, Code];
  const fail = (kind: Kind) => `no such overload: … in ${TYPE_NAME[kind]}, it takes a list or a map`;
  if (!["any", "list", "map"].includes(right.kind)) throw new CelRefusal(fail(right.kind as Kind), node.pos);
  return {
    kind: "bool",
    run: (run) => {
      const element = left.run(run);
      const container = right.run(run);
      if (typeof container === "object" && container !== null && "kind" in container) {
        if (container.kind === "list") return container.items.some((item) => isEqual(run, element, item));
        if (container.kind === "map") return container.get(element) !== undefined;
      }
      throw new CelError(() => fail(kindOf(container)));
    },
  };
}

const ORDERED: Readonly<Record<string, (difference: number) => boolean>> = {
  "<": (difference) => difference < 0,
  "<=": (difference) => difference <= 0,
  ">": (difference) => difference > 0,
  ">=": (difference) => difference >= 0,
};
const NUMBERS: readonly Param[] = ["int", "uint", "double"];
const ORDERED_KINDS: readonly Param[] = [...NUMBERS, "bool", "string", "bytes", "timestamp", "duration"];

function ordering(pass: CompilePass, node: CelNode, sign: string): Code {
  const [left, right] = compileAll(pass, node.args as CelNode[]) as [Code, Code];
  const decide = ORDERED[sign] as (difference: number) => boolean;
  if (left.kind !== "any" && right.kind !== "any") {
    const isNumeric = NUMBERS.includes(left.kind) && NUMBERS.includes(right.kind);
    if (!isNumeric && (left.kind !== right.kind || !ORDERED_KINDS.includes(left.kind)))
      throw new CelRefusal(noOperation(sign, left.kind, right.kind), node.pos);
  }
  return {
    kind: "bool",
    run: (run) => {
      const [a, b] = [left.run(run), right.run(run)];
      const difference = compare(run, a, b);
      if (difference === undefined) throw new CelError(() => noOperation(sign, kindOf(a), kindOf(b)));
      return decide(difference);
    },
  };
}

function binary(pass: CompilePass, node: CelNode): Code {
  const sign = node.op;
  const [left, right] = compileAll(pass, node.args as CelNode[]) as [Code, Code];
  let kind: Param = "any";
  if (left.kind !== "any" && right.kind !== "any") {
    const result = arithmeticKind(sign, left.kind, right.kind);
    if (result === undefined) throw new CelRefusal(noOperation(sign, left.kind, right.kind), node.pos);
    kind = result;
  }
  return { kind, run: (run) => arithmetic(run, sign, left.run(run), right.run(run)) };
}
