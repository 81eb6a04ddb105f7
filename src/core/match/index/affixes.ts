/** A radix tree of texts: finds all that a given text begins with, or ends with, in time of the text's length. */

export interface Affixes<T> {
  readonly size: number;
  get(key: string): T | undefined;
  set(key: string, value: T): void;
  delete(key: string): void;
  /** Adds the values of all keys that `text` begins with (ends with). */
  collect(text: string, into: T[]): void;
}

interface Node<T> {
  /** What follows the key of the node above. */
  label: string;
  value: T | undefined;
  /** The first letters of the labels in `next`: few, and quicker to look through than a map. */
  letters: string;
  readonly next: Node<T>[];
}

/** `fromEnd`: keys are endings. */
export function affixes<T>(fromEnd: boolean): Affixes<T> {
  const root = newNode<T>("");
  const forward = (key: string) => (fromEnd ? reversed(key) : key);
  let size = 0;
  return {
    get size() {
      return size;
    },
    get: (key) => pathTo(root, forward(key))?.at(-1)?.value,
    set(key, value) {
      const node = makeNode(root, forward(key));
      if (node.value === undefined) size += 1;
      node.value = value;
    },
    delete(key) {
      const path = pathTo(root, forward(key));
      const node = path?.at(-1);
      if (path === undefined || node?.value === undefined) return;
      node.value = undefined;
      size -= 1;
      prune(path);
    },
    collect: (text, into) => collect(root, text, fromEnd, into),
  };
}

/** By code units, as texts are compared; a pair turned round is no character, and nobody reads it. */
function reversed(text: string): string {
  let turned = "";
  for (let at = text.length - 1; at >= 0; at--) turned += text[at];
  return turned;
}

function collect<T>(root: Node<T>, text: string, fromEnd: boolean, into: T[]): void {
  let node: Node<T> | undefined = root;
  let at = 0;
  while (node !== undefined) {
    if (node.value !== undefined) into.push(node.value);
    if (node.letters === "" || at >= text.length) return;
    node = node.next[node.letters.indexOf(letter(text, at, fromEnd))];
    if (node === undefined || !continues(text, node.label, at, fromEnd)) return;
    at += node.label.length;
  }
}

const letter = (text: string, at: number, fromEnd: boolean): string => text.charAt(fromEnd ? text.length - 1 - at : at);

/** Whether the label stands at that place; its first letter is known to. */
function continues(text: string, label: string, at: number, fromEnd: boolean): boolean {
  for (let i = 1; i < label.length; i++) if (letter(text, at + i, fromEnd) !== label.charAt(i)) return false;
  return true;
}

/** The nodes from the root to the key's own; undefined when there is none. */
function pathTo<T>(root: Node<T>, key: string): Node<T>[] | undefined {
  const path = [root];
  let node = root;
  for (let at = 0; at < key.length; at += node.label.length) {
    const next = node.next[node.letters.indexOf(key.charAt(at))];
    if (next === undefined || !key.startsWith(next.label, at)) return undefined;
    path.push(next);
    node = next;
  }
  return path;
}

function newNode<T>(label: string): Node<T> {
  return { label, value: undefined, letters: "", next: [] };
}

function makeNode<T>(root: Node<T>, key: string): Node<T> {
  let node = root;
  let at = 0;
  while (at < key.length) {
    const next = node.next[node.letters.indexOf(key.charAt(at))];
    if (next === undefined) return append(node, newNode(key.slice(at)));
    const shared = sharedLength(next.label, key, at);
    node = shared < next.label.length ? split(node, next, shared) : next;
    at += shared;
  }
  return node;
}

function append<T>(node: Node<T>, next: Node<T>): Node<T> {
  node.letters += next.label.charAt(0);
  node.next.push(next);
  return next;
}

function sharedLength(label: string, key: string, from: number): number {
  let length = 0;
  while (length < label.length && label.charCodeAt(length) === key.charCodeAt(from + length)) length += 1;
  return length;
}

/** Puts a node between the two, at `length` letters of the lower one's label. */
function split<T>(node: Node<T>, lower: Node<T>, length: number): Node<T> {
  const between = newNode<T>(lower.label.slice(0, length));
  node.next[node.next.indexOf(lower)] = between;
  lower.label = lower.label.slice(length);
  append(between, lower);
  return between;
}

function prune<T>(path: readonly Node<T>[]): void {
  for (let i = path.length - 1; i > 0; i--) {
    const [node, above] = [path[i], path[i - 1]];
    if (node === undefined || above === undefined || node.value !== undefined || node.next.length > 0) return;
    const at = above.next.indexOf(node);
    above.next.splice(at, 1);
    above.letters = above.letters.slice(0, at) + above.letters.slice(at + 1);
  }
}
