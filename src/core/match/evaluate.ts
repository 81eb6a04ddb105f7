/**
 * The meaning of patterns, plainly: whether an event matches. Everything faster must agree with this file.
 *
 * Fields that lie in the same list of objects must be met by the same element. A field that must be absent is absent in the element
 * that the other fields choose; when no field chooses one, in all of them.
 */
import type { Event, Json } from "../../model.ts";
import type { Leaf, Node, Pattern } from "./pattern.ts";

/** How something is met: not; only by values that are absent; or by a value that is there, which chooses a list's element. */
export type Met = "not" | "absent" | "present";

/** Whether the event matches. */
export function matches(pattern: Pattern, event: Event): boolean {
  for (const { root } of pattern.conjunctions) if (metBy(root, event) !== "not") return true;
  return false;
}

/** How the value meets everything that a node asks of it and of what lies below it. */
export function metBy(node: Node, value: unknown): Met {
  let met: Met = "absent";
  for (const leaf of node.leaves) {
    const leafMet = leafMetBy(leaf, value);
    if (leafMet === "not") return "not";
    if (leafMet === "present") met = "present";
  }
  if (node.children.length === 0) return met;
  const below = Array.isArray(value) ? elementMetBy(node, value) : childrenMetBy(node, value);
  return below === "absent" ? met : below;
}

/** How a value meets the nodes below; one that is no object has none of the fields. */
export function childrenMetBy(node: Node, value: unknown): Met {
  let met: Met = "absent";
  for (let i = 0; i < node.keys.length; i++) {
    const child = node.children[i];
    if (child === undefined) continue;
    const childMet = metBy(child, ownValue(value, node.keys[i] ?? ""));
    if (childMet === "not") return "not";
    if (childMet === "present") met = "present";
  }
  return met;
}

function elementMetBy(node: Node, list: readonly unknown[]): Met {
  return chooseElement(node, list) ?? childrenMetBy(node, undefined);
}

/** Undefined when there is no object to choose. Lists inside lists are one list. */
function chooseElement(node: Node, list: readonly unknown[]): Met | undefined {
  let all: Met | undefined;
  for (const element of list) {
    if (typeof element !== "object" || element === null) continue;
    const met = Array.isArray(element) ? chooseElement(node, element) : childrenMetBy(node, element);
    if (met === "present") return "present";
    if (met === "not" || all === undefined) all = met ?? all;
  }
  return all;
}

/** How a field's value, or one of a list, meets one of the alternatives. Objects are never values. */
export function leafMetBy(leaf: Leaf, value: unknown): Met {
  if (value === undefined) return leaf.absent ? "absent" : "not";
  const met = scalarMet(leaf, value);
  if (met === "present") return "present";
  return leaf.absent && met === "absent" ? "absent" : "not";
}

/** present: some scalar meets the leaf; not: there are scalars, none does; absent: there is none. */
function scalarMet(leaf: Leaf, value: unknown): Met {
  if (!Array.isArray(value)) {
    if ((typeof value === "object" && value !== null) || value === undefined) return "absent";
    return meetsOne(leaf, value as Json) ? "present" : "not";
  }
  let met: Met = "absent";
  for (const element of value) {
    const elementMet = scalarMet(leaf, element);
    if (elementMet === "present") return "present";
    if (elementMet === "not") met = "not";
  }
  return met;
}

function meetsOne(leaf: Leaf, value: Json): boolean {
  for (const alternative of leaf.alternatives) if (!alternative.absent && alternative.test(value)) return true;
  return false;
}

/** Own properties only: a field named `constructor` is data like any other. */
export function ownValue(value: unknown, key: string): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value) || !Object.hasOwn(value, key))
    return undefined;
  return (value as Record<string, unknown>)[key];
}

/** The objects of a list, those of lists inside it included. */
export function objectsOf(list: readonly unknown[], into: object[] = []): object[] {
  for (const element of list) {
    if (Array.isArray(element)) objectsOf(element, into);
    else if (typeof element === "object" && element !== null) into.push(element);
  }
  return into;
}

/** The values of a list, those of lists inside it included; objects are never values. */
export function scalarsOf(list: readonly unknown[], into: Json[] = []): Json[] {
  for (const element of list) {
    if (Array.isArray(element)) scalarsOf(element, into);
    else if (typeof element !== "object" || element === null) into.push(element as Json);
  }
  return into;
}
