/** The lists and sets extensions. */
import type { Run } from "../budget.ts";
import { compare, isEqual } from "../compare.ts";
import { CelError, CelList, type CelValue, type ListValue, mapKey, NONE, Optional, typeName } from "../values.ts";
import { define, type FunctionTable } from "./table.ts";

export function defineLists(table: FunctionTable): void {
  define(table, "list.slice(int, int): list", (run, a: ListValue, from: bigint, to: bigint) => {
    if (from < 0n || to < from || to > BigInt(a.size))
      throw new CelError(`slice(${from}, ${to}) is outside of a list of ${a.size}`);
    run.charge(Number(to - from));
    return new CelList(a.items.slice(Number(from), Number(to)));
  });
  define(table, "list.reverse(): list", (run, a: ListValue) => {
    run.charge(a.size);
    return new CelList([...a.items].reverse());
  });
  define(table, "list.flatten(): list", (run, a: ListValue) => new CelList(flattened(run, a, 1n)));
  define(table, "list.flatten(int): list", (run, a: ListValue, depth: bigint) => {
    if (depth < 0n) throw new CelError("flatten() takes a depth of 0 or more");
    return new CelList(flattened(run, a, depth));
  });
  define(table, "list.distinct(): list", (run, a: ListValue) => new CelList(distinct(run, a)));
  define(table, "list.sort(): list", (run, a: ListValue) => sortedBy(run, a.items, a.items));
  define(table, "list.first(): optional", (_run, a: ListValue) => (a.size === 0 ? NONE : new Optional(a.at(0))));
  define(table, "list.last(): optional", (_run, a: ListValue) =>
    a.size === 0 ? NONE : new Optional(a.at(a.size - 1)),
  );
  define(table, "lists::range(int): list", (run, size: bigint) => {
    run.charge(Number(size));
    return new CelList(Array.from({ length: Math.max(0, Number(size)) }, (_, i) => BigInt(i)));
  });
  defineSets(table);
}

function flattened(run: Run, list: ListValue, depth: bigint): CelValue[] {
  run.charge(1 + list.size);
  return list.items.flatMap((item) => {
    const isList = typeof item === "object" && item !== null && !(item instanceof Uint8Array) && item.kind === "list";
    return isList && depth > 0n ? flattened(run, item, depth - 1n) : [item];
  });
}

/** What has a key is told apart by it, anything else by comparing each with each. */
function distinct(run: Run, list: ListValue): CelValue[] {
  const keys = new Set<unknown>();
  const result: CelValue[] = [];
  const others: CelValue[] = [];
  for (const item of list.items) {
    run.charge(1);
    const key = mapKey(item);
    if (key === undefined ? others.some((other) => isEqual(run, item, other)) : keys.has(key)) continue;
    if (key === undefined) others.push(item);
    else keys.add(key);
    result.push(item);
  }
  return result;
}

/** The items in the order of their keys; equal ones stay in their order. */
export function sortedBy(run: Run, items: readonly CelValue[], keys: readonly CelValue[]): CelValue {
  run.charge(items.length);
  const order = items.map((_, i) => i);
  order.sort((a, b) => {
    const [left, right] = [keys[a] as CelValue, keys[b] as CelValue];
    run.charge(1);
    const difference = compare(run, left, right);
    if (difference !== undefined) return difference;
    throw new CelError(() => `${typeName(left)} and ${typeName(right)} have no order, sort a list of one type`);
  });
  return new CelList(order.map((i) => items[i] as CelValue));
}

const holds = (run: Run, list: ListValue, wanted: CelValue) => list.items.some((item) => isEqual(run, item, wanted));

function defineSets(table: FunctionTable): void {
  const contains = (run: Run, a: ListValue, b: ListValue) => b.items.every((item) => holds(run, a, item));
  define(table, "sets::contains(list, list): bool", contains);
  define(table, "sets::equivalent(list, list): bool", (run, a: ListValue, b: ListValue) => {
    return contains(run, a, b) && contains(run, b, a);
  });
  define(table, "sets::intersects(list, list): bool", (run, a: ListValue, b: ListValue) => {
    return b.items.some((item) => holds(run, a, item));
  });
}
