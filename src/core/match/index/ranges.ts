/** An interval tree: finds all ranges that hold a number. A treap by (from, to) whose nodes know the largest end below them. */
import type { NumberRange } from "../operators.ts";

export interface Ranges<T> {
  get(key: NumberRange): T | undefined;
  set(key: NumberRange, value: T): void;
  /** Adds the values of all ranges that hold the number, their ends included. */
  collect(number: number, into: T[]): void;
}

interface Node<T> extends NumberRange {
  value: T;
  /** Larger above smaller: keeps the tree flat, whatever the order in which ranges come. */
  readonly rank: number;
  /** The largest `to` of this node and all below. */
  max: number;
  left: Node<T> | undefined;
  right: Node<T> | undefined;
}

export function createRanges<T>(): Ranges<T> {
  let root: Node<T> | undefined;
  let count = 0;
  const find = (key: NumberRange): Node<T> | undefined => {
    let node = root;
    while (node !== undefined) {
      const order = compare(key, node);
      if (order === 0) return node;
      node = order < 0 ? node.left : node.right;
    }
    return undefined;
  };
  return {
    get: (key) => find(key)?.value,
    set(key, value) {
      const existing = find(key);
      if (existing !== undefined) {
        existing.value = value;
        return;
      }
      count += 1;
      const { from, to } = key;
      const node: Node<T> = { from, to, value, rank: scattered(count), max: to, left: undefined, right: undefined };
      root = insert(root, node);
    },
    collect: (number, into) => collect(root, number, into),
  };
}

function compare(a: NumberRange, b: NumberRange): number {
  if (a.from !== b.from) return a.from < b.from ? -1 : 1;
  if (a.to !== b.to) return a.to < b.to ? -1 : 1;
  return 0;
}

/** As good as chance, and always the same. https://github.com/aappleby/smhasher/blob/master/src/MurmurHash3.cpp (fmix32) */
function scattered(count: number): number {
  let hash = count;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function collect<T>(node: Node<T> | undefined, number: number, into: T[]): void {
  if (node === undefined || node.max < number) return;
  collect(node.left, number, into);
  if (node.from > number) return;
  if (number <= node.to) into.push(node.value);
  collect(node.right, number, into);
}

function update<T>(node: Node<T>): Node<T> {
  node.max = Math.max(node.to, node.left?.max ?? -Infinity, node.right?.max ?? -Infinity);
  return node;
}

function insert<T>(node: Node<T> | undefined, added: Node<T>): Node<T> {
  if (node === undefined) return added;
  if (added.rank > node.rank) {
    [added.left, added.right] = split(node, added);
    return update(added);
  }
  if (compare(added, node) < 0) node.left = insert(node.left, added);
  else node.right = insert(node.right, added);
  return update(node);
}

/** Those before the key, and those after it. */
function split<T>(node: Node<T> | undefined, key: NumberRange): [Node<T> | undefined, Node<T> | undefined] {
  if (node === undefined) return [undefined, undefined];
  if (compare(node, key) < 0) {
    const [before, after] = split(node.right, key);
    node.right = before;
    return [update(node), after];
  }
  const [before, after] = split(node.left, key);
  node.left = after;
  return [before, update(node)];
}
