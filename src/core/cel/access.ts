/** Fields of maps, items of lists, and whether they are there. */
import { nearest } from "../../errors.ts";
import { type CelNode, isNode } from "./parse.ts";
import { CelRefusal, type Code, type CompilePass, compileNode } from "./scope.ts";
import {
  CelError,
  type CelValue,
  keyText,
  type ListValue,
  type MapValue,
  NONE,
  Optional,
  typeName,
  typeNamed,
  Uint,
} from "./values.ts";

/** The dotted path from a name of the scope, undefined for anything else. */
export function pathOf(node: CelNode, isRoot: (name: string) => boolean): string | undefined {
  if (node.op === "id") return isRoot(node.args as string) ? (node.args as string) : undefined;
  if (!/^(?:\.\??|\[\??\])$/.test(node.op)) return undefined;
  const [left, right] = node.args as [CelNode, unknown];
  const key = isNode(right) && right.op === "value" ? right.args : right;
  const head = typeof key === "string" ? pathOf(left, isRoot) : undefined;
  return head === undefined ? undefined : `${head}.${key}`;
}

const scopePath = (pass: CompilePass, node: CelNode) => pathOf(node, (name) => pass.names.get(name)?.isRoot ?? false);

export function compileSelect(pass: CompilePass, node: CelNode): Code {
  const [left, key] = node.args as [CelNode, string];
  const type = qualifiedType(pass, node);
  if (type !== undefined) return { kind: "type", run: () => type };
  const parent = compileNode(pass, left);
  if (node.op === ".?") return { kind: "optional", run: (run) => optionalMember(parent.run(run), key) };
  const path = scopePath(pass, left);
  refuseParent(parent, node, `has no field "${key}"`);
  return { kind: "any", run: (run) => member(parent.run(run), key, path) };
}

/** `google.protobuf.Timestamp` and the like, unless a variable has that name. */
function qualifiedType(pass: CompilePass, node: CelNode): CelValue | undefined {
  const path = pathOf(node, (name) => name === "google" || name === "net");
  return path === undefined || pass.names.has(path.slice(0, path.indexOf("."))) ? undefined : typeNamed(path);
}

export function compileIndex(pass: CompilePass, node: CelNode): Code {
  const [left, right] = node.args as [CelNode, CelNode];
  const parent = compileNode(pass, left);
  const key = compileNode(pass, right);
  if (node.op === "[?]") return { kind: "optional", run: (run) => optionalMember(parent.run(run), key.run(run)) };
  const path = scopePath(pass, left);
  refuseParent(parent, node, "has no [ ]");
  return { kind: "any", run: (run) => member(parent.run(run), key.run(run), path) };
}

function refuseParent(parent: Code, node: CelNode, words: string): void {
  if (!["any", "map", "list", "optional"].includes(parent.kind))
    throw new CelRefusal(`A value of type ${parent.kind} ${words}`, node.pos);
}

function member(parent: CelValue, key: CelValue, path: string | undefined): CelValue {
  if (parent instanceof Optional) return optionalMember(parent, key);
  const value = memberOrNothing(parent, key, path);
  if (value !== undefined) return value;
  throw new CelError(() => missingMember(parent, key, path));
}

function optionalMember(parent: CelValue, key: CelValue): CelValue {
  const inner = parent instanceof Optional ? parent.value : parent;
  if (inner === undefined) return NONE;
  const value = memberOrNothing(inner, key, undefined);
  return value === undefined ? NONE : new Optional(value);
}

function memberOrNothing(parent: CelValue, key: CelValue, path: string | undefined): CelValue | undefined {
  if (typeof parent === "object" && parent !== null && "kind" in parent) {
    if (parent.kind === "map") return parent.get(key);
    if (parent.kind === "list") return parent.at(listIndex(key));
  }
  const name = path ?? "The value";
  throw new CelError(() => `${name} is ${parent === null ? "null" : `of type ${typeName(parent)}`} and ${lacks(key)}`);
}

const lacks = (key: CelValue): string =>
  typeof key === "string" ? `has no "${key}", test with has() first` : `has no item ${keyText(key)}`;

function listIndex(key: CelValue): number {
  if (typeof key === "bigint") return Number(key);
  if (key instanceof Uint) return Number(key.value);
  if (typeof key === "number" && Number.isInteger(key)) return key;
  throw new CelError(() => `no such overload: list[${typeName(key)}], the place in a list is an int`);
}

/** Names the whole path, and the key that was probably meant. */
function missingMember(parent: CelValue, key: CelValue, path: string | undefined): string {
  const container = parent as ListValue | MapValue;
  if (container.kind === "list") return `index out of bounds: ${keyText(key)}, the list has ${container.size} items`;
  if (path === undefined || typeof key !== "string") return `There is no ${keyText(key)}, test with has() first`;
  const names = container.keys().filter((name) => typeof name === "string");
  const similar = nearest(key, names);
  return `${path} has no "${key}", ${similar === undefined ? "test with has() first" : `it has "${similar}"`}`;
}

/** `has(a.b)`: whether the field is there, null included. */
export function compileHas(pass: CompilePass, node: CelNode, argument: CelNode | undefined): Code {
  if (argument === undefined || (argument.op !== "." && argument.op !== ".?"))
    throw new CelRefusal(
      'has() takes a field, as in has(event.data.sha); for a computed key write "key" in map',
      node.pos,
    );
  const [left, key] = argument.args as [CelNode, string];
  const parent = compileNode(pass, left);
  const path = scopePath(pass, left);
  return {
    kind: "bool",
    run: (run) => {
      const value = parent.run(run);
      const inner = value instanceof Optional ? value.value : value;
      return inner !== undefined && memberOrNothing(inner, key, path) !== undefined;
    },
  };
}
