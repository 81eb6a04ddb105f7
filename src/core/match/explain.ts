/** The reason why (not): the conditions of a pattern as written, each with what was wanted and found. Computed on demand only. */
import { nearest } from "../../errors.ts";
import { type ConditionNode, cutText, type Event, type Json, type Place } from "../../model.ts";
import { childrenMetBy, leafMetBy, matches, objectsOf, ownValue, scalarsOf } from "./evaluate.ts";
import { hintFor } from "./hints.ts";
import type { Alternative } from "./operators.ts";
import { type All, type Any, type Conjunction, conjunctionsOf, type Leaf, type Node, type Pattern } from "./pattern.ts";

type PlaceOf = (path: readonly (string | number)[]) => Place | undefined;

/** Which element of each list was chosen; null when none need be. */
type Choices = Map<readonly unknown[], unknown>;

const GOT_CHARS_MAX = 200;
const GOT_ITEMS_MAX = 10;
/** How many elements of a list are tried in search of the nearest miss. */
const ELEMENTS_TRIED_MAX = 100;

/** The tree of conditions as written, in agreement with `matches`; `place` gets paths inside the pattern. */
export function explainPattern(pattern: Pattern, event: Event, place: PlaceOf): ConditionNode {
  const best = bestOf(pattern.conjunctions, event, new Map());
  const matched = matches(pattern, event);
  const context: Context = { event, place, chosen: best?.conjunction };
  const tree = showAll(pattern.written, best?.choices ?? new Map(), context);
  // Conditions that are met one by one, but by different elements of a list.
  if (tree.ok && !matched) Object.assign(tree, { ok: false, hint: "No single element of the list meets all of these" });
  return markHarmless(tree, false);
}

/** The least number of conditions that would have to change; 0 when the condition holds. */
export function distance(node: ConditionNode): number {
  if (node.ok) return 0;
  const children = node.children ?? [];
  if (node.kind === "leaf" || node.kind === "cel" || children.length === 0) return 1;
  const distances = children.map(distance);
  if (node.kind === "all")
    return Math.max(
      1,
      distances.reduce((sum, each) => sum + each, 0),
    );
  if (node.kind === "any") return Math.max(1, Math.min(...distances));
  return 1;
}

/** A failed condition that did no harm is drawn grey: everything failed below what holds. */
export function markHarmless(node: ConditionNode, harmless: boolean): ConditionNode {
  const inner = harmless || node.ok;
  const counts = node.ok || !harmless;
  if (node.children === undefined) return { ...node, counts };
  return { ...node, counts, children: node.children.map((child) => markHarmless(child, inner)) };
}

// ---------------------------------------------------------------- the nearest way to meet it

interface Best {
  conjunction: Conjunction;
  choices: Choices;
  misses: number;
}

function bestOf(conjunctions: readonly Conjunction[], event: Event, settled: Choices): Best | undefined {
  let best: Best | undefined;
  for (const conjunction of conjunctions) {
    const choices = new Map(settled);
    const misses = missesOf(conjunction.root, event, choices);
    if (best === undefined || misses < best.misses) best = { conjunction, choices, misses };
    if (misses === 0) break;
  }
  return best;
}

/** How many leaves fail with the best choice of elements, which is noted in `choices`. */
function missesOf(node: Node, value: unknown, choices: Choices): number {
  const here = node.leaves.filter((leaf) => leafMetBy(leaf, value) === "not").length;
  if (node.children.length === 0) return here;
  return here + (Array.isArray(value) ? missesInList(node, value, choices) : missesBelow(node, value, choices));
}

function missesBelow(node: Node, value: unknown, choices: Choices): number {
  return node.children.reduce(
    (sum, child, i) => sum + missesOf(child, ownValue(value, node.keys[i] ?? ""), choices),
    0,
  );
}

function missesInList(node: Node, list: readonly unknown[], choices: Choices): number {
  if (choices.has(list)) return missesBelow(node, choices.get(list) ?? undefined, choices);
  const objects = objectsOf(list);
  const met = objects.map((element) => childrenMetBy(node, element));
  const present = met.indexOf("present");
  if (present !== -1) return choose(node, list, { elements: [objects[present]], least: 0 }, choices);
  if (met.every((each) => each === "absent")) {
    choices.set(list, null);
    return missesBelow(node, undefined, choices);
  }
  if (isSingle(node)) return 1;
  // An element that only lacks what must be absent in all of them is no way to meet it: at least one is missed.
  return choose(node, list, { elements: objects.slice(0, ELEMENTS_TRIED_MAX), least: 1 }, choices);
}

/** Notes the element that misses least. */
function choose(
  node: Node,
  list: readonly unknown[],
  { elements, least }: { elements: readonly unknown[]; least: number },
  choices: Choices,
): number {
  let best: { element: unknown; misses: number; choices: Choices } | undefined;
  for (const element of elements) {
    const inner = new Map(choices);
    const misses = Math.max(least, missesBelow(node, element, inner));
    if (best === undefined || misses < best.misses) best = { element, misses, choices: inner };
  }
  for (const [key, chosen] of best?.choices ?? []) choices.set(key, chosen);
  choices.set(list, best?.element);
  return best?.misses ?? 0;
}

/** A single field has no other to agree with: all its values are shown. */
function isSingle(node: Node): boolean {
  const [child, ...more] = node.children;
  if (child === undefined || more.length > 0) return false;
  return child.leaves.length + (child.children.length > 0 ? (isSingle(child) ? 1 : 2) : 0) === 1;
}

// ---------------------------------------------------------------- drawing it

interface Context {
  event: Event;
  place: PlaceOf;
  /** The conjunction that `choices` were made for. */
  chosen: Conjunction | undefined;
}

function showAll(all: All, choices: Choices, context: Context): ConditionNode {
  const children = all.children.map((child) =>
    child.kind === "leaf" ? showLeaf(child, choices, context) : showAny(child, choices, context),
  );
  return node({ kind: "all", ok: children.every(({ ok }) => ok), children }, context.place(all.patternPath));
}

function showAny(any: Any, choices: Choices, context: Context): ConditionNode {
  const children = any.children.map((branch) => {
    if (context.chosen !== undefined && belongsTo(branch, context.chosen)) return showAll(branch, choices, context);
    // A branch that was not chosen is shown as its nearest miss, with the elements that are chosen already.
    const own = bestOf(conjunctionsOf(branch), context.event, choices);
    return showAll(branch, own?.choices ?? choices, { ...context, chosen: own?.conjunction });
  });
  return node({ kind: "any", ok: children.some(({ ok }) => ok), children }, context.place(any.patternPath));
}

function belongsTo(branch: All, conjunction: Conjunction): boolean {
  return branch.children.every((child) =>
    child.kind === "leaf"
      ? conjunction.leaves.has(child)
      : child.children.some((inner) => belongsTo(inner, conjunction)),
  );
}

function showLeaf(leaf: Leaf, choices: Choices, context: Context): ConditionNode {
  const lookup = lookUpField(leaf.fieldPath, context.event, choices);
  const at = context.place(leaf.patternPath);
  if (leaf.alternatives.every(({ exact }) => exact)) {
    const [only] = leaf.alternatives;
    if (leaf.alternatives.length === 1 && only !== undefined) return showAlternatives(leaf, [only], lookup, at);
    return showAlternatives(leaf, leaf.alternatives, lookup, at);
  }
  if (leaf.alternatives.length === 1) return showAlternatives(leaf, leaf.alternatives, lookup, at);
  const children = leaf.alternatives.map((each) => showAlternatives(leaf, [each], lookup, at));
  return node({ kind: "any", ok: children.some(({ ok }) => ok), children }, at);
}

function showAlternatives(
  leaf: Leaf,
  alternatives: readonly Alternative[],
  lookup: FieldLookup,
  place: Place | undefined,
): ConditionNode {
  const ok = alternatives.some((each) =>
    each.absent ? lookup.values.length === 0 : lookup.values.some((value) => each.test(value)),
  );
  const [first] = alternatives;
  const several = alternatives.length > 1;
  const shown: Partial<ConditionNode> = {
    path: leaf.fieldPath.join("."),
    op: several ? "in" : (first?.op ?? ""),
    want: several ? alternatives.map(({ want }) => want) : (first?.want ?? null),
  };
  if (lookup.values.length === 0) shown.missing = true;
  else shown.got = small(lookup.values.length === 1 ? (lookup.values[0] ?? null) : [...lookup.values]);
  const hint = ok ? undefined : (missingHint(leaf.fieldPath, lookup) ?? hintFor(alternatives, lookup.values));
  if (hint !== undefined) shown.hint = hint;
  return node({ kind: "leaf", ok, ...shown }, place);
}

function node(shown: Omit<ConditionNode, "counts">, place: Place | undefined): ConditionNode {
  return place === undefined ? { counts: true, ...shown } : { counts: true, ...shown, place };
}

/** What is shown of a value: enough to recognise it. */
function small(value: Json): Json {
  if (typeof value === "string") return cutText(value, GOT_CHARS_MAX);
  return Array.isArray(value) ? value.slice(0, GOT_ITEMS_MAX).map(small) : value;
}

// ---------------------------------------------------------------- finding the value

interface FieldLookup {
  values: readonly Json[];
  /** How many names of the path lead somewhere, and what is there. */
  depth: number;
  last: unknown;
}

function lookUpField(path: readonly string[], event: Event, choices: Choices): FieldLookup {
  let values: unknown[] = [event];
  for (const [depth, key] of path.entries()) {
    const objects = values.flatMap((parent) => elementsOf(parent, choices));
    const below = objects.map((parent) => ownValue(parent, key)).filter((value) => value !== undefined);
    if (below.length === 0) return { values: [], depth, last: objects[0] ?? values[0] };
    values = below;
  }
  return { values: scalarsOf(values), depth: path.length, last: values[0] };
}

function elementsOf(value: unknown, choices: Choices): unknown[] {
  if (!Array.isArray(value)) return [value];
  const element = choices.get(value);
  return element === undefined || element === null ? objectsOf(value) : [element];
}

function missingHint(path: readonly string[], lookup: FieldLookup): string | undefined {
  if (lookup.values.length > 0) return undefined;
  const parent = path.slice(0, lookup.depth).join(".") || "the event";
  if (lookup.depth === path.length) {
    if (Array.isArray(lookup.last)) return `\`${path.join(".")}\` is a list without values of its own`;
    return `\`${path.join(".")}\` is an object, name one of its fields`;
  }
  if (typeof lookup.last !== "object" || lookup.last === null || Array.isArray(lookup.last))
    return `\`${parent}\` has no fields`;
  const key = path[lookup.depth] ?? "";
  const similar = nearest(key, Object.keys(lookup.last));
  return similar === undefined ? `\`${parent}\` has no \`${key}\`` : `\`${parent}\` has \`${similar}\``;
}
