/** A radix tree of texts: finds all that a given text begins with, or ends with, in time of the text's length. */

export interface Affixes<T> {
  get(key: string): T | undefined;
  set(key: string, value: T): void;
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
export function createAffixes<T>(fromEnd: boolean): Affixes<T> {
  const root = newNode<T>("");
  const forward = (key: string) => (fromEnd ? reversed(key) : key);
  return {
    get: (key) => nodeAt(root, forward(key))?.value,
    set(key, value) {
      nodeFor(root, forward(key)).value = value;
    },
    collect: (text, into) => collect(root, text, fromEnd, into),
  };
}

/** By code units, as texts are compared: a reversed surrogate pair is no character, but it is only compared, never shown. */
function reversed(text: string): string {
  let backwards = "";
  for (let at = text.length - 1; at >= 0; at--) backwards += text[at];
  return backwards;
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

/** Whether the text goes on with the label from its second letter on; the first was compared before. */
function continues(text: string, label: string, at: number, fromEnd: boolean): boolean {
  for (let i = 1; i < label.length; i++) if (letter(text, at + i, fromEnd) !== label.charAt(i)) return false;
  return true;
}

/** The key's node; undefined when there is none. */
function nodeAt<T>(root: Node<T>, key: string): Node<T> | undefined {
  let node = root;
  for (let at = 0; at < key.length; at += node.label.length) {
    const next = node.next[node.letters.indexOf(key.charAt(at))];
    if (next === undefined || !key.startsWith(next.label, at)) return undefined;
    node = next;
  }
  return node;
}

function newNode<T>(label: string): Node<T> {
  return { label, value: undefined, letters: "", next: [] };
}

/** The key's node, made when it is new. */
function nodeFor<T>(root: Node<T>, key: string): Node<T> {
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

/** Puts a new node between the two; its label is the first `length` letters of the lower node's label. */
function split<T>(node: Node<T>, lower: Node<T>, length: number): Node<T> {
  const between = newNode<T>(lower.label.slice(0, length));
  node.next[node.next.indexOf(lower)] = between;
  lower.label = lower.label.slice(length);
  append(between, lower);
  return between;
}
