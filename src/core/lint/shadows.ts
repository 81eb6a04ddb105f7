/** Rules that are never considered, because an earlier rule with `stop` matches whenever they would. */
import { type Diagnostic, newWarning } from "../../errors.ts";
import type { Leaf } from "../match/pattern.ts";
import type { CompiledRule } from "../match/rules.ts";
import { selectorNames } from "../match/selector.ts";
import { type AcceptedValues, acceptedValuesOf, implies } from "./shapes.ts";

/**
 * What bounds the work: a rule is compared only with stopping rules that take its first event type and ask for a value that it asks for as
 * well, or for anything else of a field that it names; and after this many comparisons no more is looked for, which is about a second.
 */
const COMPARISONS_MAX = 3_000_000;

/** SB0312 for every rule that is never considered, by its position; paths are inside the rule. */
export function shadows(rules: readonly CompiledRule[]): Map<number, Diagnostic> {
  const shadowedRules = new Map<number, Diagnostic>();
  const stoppers: Stoppers = { count: 0, byType: new Map(), comparisonsLeft: COMPARISONS_MAX };
  for (const [position, rule] of rules.entries()) {
    const first = stopperOf(rule, stoppers);
    if (first !== undefined) shadowedRules.set(position, shadowed(rule, first));
    // A rule that is never considered stops nothing.
    else if (rule.stop && rule.mode === "live") add(rule, stoppers);
  }
  return shadowedRules;
}

function shadowed(rule: CompiledRule, by: CompiledRule): Diagnostic {
  const place = by.place(["id"]);
  const where = place === undefined ? "" : ` at ${place.file}:${place.line}:${place.col}`;
  const message = `Rule "${rule.id}" is never asked: whenever it would match, "${by.id}"${where} matches before and stops`;
  return newWarning("SB0312", message, { path: ["id"] });
}

// ---------------------------------------------------------------- rules that stop, found by what they ask for

interface Stoppers {
  count: number;
  /** By event type as written, then by one thing that a conjunction asks for: a field's value, a field, or nothing at all. */
  byType: Map<string, Map<string, Stopper[]>>;
  /** Comparisons that may still be made. */
  comparisonsLeft: number;
}

interface Stopper {
  rule: CompiledRule;
  names: ReadonlySet<string>;
  position: number;
  ways: readonly Way[];
}

/** The fields of a conjunction, all of which must be met; none = it is always met. */
type Way = readonly Field[];

interface Field {
  path: string;
  leaf: Leaf;
  /** Of the alternatives but absence. */
  shapes: readonly AcceptedValues[];
}

function add(rule: CompiledRule, stoppers: Stoppers): void {
  const names = new Set(selectorNames(rule.rule.event));
  const stopper: Stopper = { rule, names, position: stoppers.count, ways: waysOf(rule) };
  stoppers.count += 1;
  for (const name of names) {
    const byKey = stoppers.byType.get(name) ?? new Map<string, Stopper[]>();
    stoppers.byType.set(name, byKey);
    for (const key of new Set(stopper.ways.flatMap(keysToFind))) {
      const others = byKey.get(key);
      if (others === undefined) byKey.set(key, [stopper]);
      else others.push(stopper);
    }
  }
}

/** What asks for certain values is found by each of them, because only those values imply it. */
function keysToFind(way: Way): string[] {
  const certain = way.find(({ leaf, shapes }) => !leaf.absent && shapes.every(({ exact }) => exact !== undefined));
  if (certain === undefined) return [way[0]?.path ?? ""];
  return certain.shapes.map((shape) => valueKey(certain.path, shape));
}

const valueKey = (path: string, { want }: AcceptedValues): string => `${path} = ${JSON.stringify(want)}`;

/** The first rule that stops before this one whenever it would match. */
function stopperOf(rule: CompiledRule, stoppers: Stoppers): CompiledRule | undefined {
  if (stoppers.count === 0 || stoppers.comparisonsLeft <= 0) return undefined;
  const covering = selectorNames(rule.rule.event).map(coveringNames);
  const candidates = covering[0]?.flatMap((name) => stoppers.byType.get(name) ?? []) ?? [];
  if (candidates.length === 0) return undefined;
  const ways = waysOf(rule);
  const keys = ["", ...new Set((ways[0] ?? []).flatMap(keysOfField))];
  let first: Stopper | undefined;
  for (const near of candidates.flatMap((byKey) => keys.flatMap((key) => [byKey.get(key) ?? []]))) {
    const limit = first?.position ?? stoppers.count;
    const stopper = near.find((stopper) => {
      stoppers.comparisonsLeft -= 1;
      if (stopper.position >= limit || stoppers.comparisonsLeft < 0) return true;
      return isWider(stopper, rule, covering) && areMet(ways, stopper, stoppers);
    });
    if (stopper !== undefined && stopper.position < limit && stoppers.comparisonsLeft >= 0) first = stopper;
  }
  return first?.rule;
}

function keysOfField({ path, shapes: [shape] }: Field): string[] {
  return shape?.exact === undefined ? [path] : [path, valueKey(path, shape)];
}

/** Every selector that selects all types that this one selects. */
function coveringNames(name: string): string[] {
  const names = name === "*" ? [] : [name];
  for (let dot = name.indexOf("."); dot !== -1; dot = name.indexOf(".", dot + 1)) names.push(`${name.slice(0, dot)}.*`);
  return [...new Set(["*", ...names])];
}

// ---------------------------------------------------------------- whether one rule takes all that another takes

/** Whether the stopping rule selects all types of the other and has no `when` or `forEach` that the other lacks. */
function isWider({ rule, names }: Stopper, { when, forEach }: CompiledRule, covering: readonly string[][]): boolean {
  if (rule.when !== undefined && rule.when.source !== when?.source) return false;
  if (rule.forEach !== undefined && rule.forEach.source !== forEach?.source) return false;
  return covering.every((wider) => wider.some((name) => names.has(name)));
}

const areMet = (ways: readonly Way[], stopper: Stopper, stoppers: Stoppers): boolean =>
  ways.every((way) => stopper.ways.some((wide) => meets(way, wide, stoppers)));

function waysOf({ pattern }: CompiledRule): readonly Way[] {
  if (pattern === undefined) return [[]];
  return pattern.conjunctions.map(({ leaves }) =>
    [...leaves].map((leaf) => ({ path: leaf.fieldPath.join("\n"), leaf, shapes: acceptedValuesOf(leaf) })),
  );
}

/**
 * Whether every event that meets `narrow` meets `wide`: each field that `wide` names is asked for no less by `narrow`. With lists, too:
 * the element that was chosen for `narrow` serves `wide`. Only the absence of a field depends on which elements other fields choose, so
 * it is taken into account where there is no list around the field, at the top.
 */
function meets(narrow: Way, wide: Way, stoppers: Stoppers): boolean {
  stoppers.comparisonsLeft -= 1;
  for (const wideField of wide) {
    if (stoppers.comparisonsLeft < 0 || (wideField.leaf.absent && wideField.leaf.fieldPath.length > 1)) return false;
    if (!narrow.some((field) => impliesField(field, wideField, stoppers))) return false;
  }
  return true;
}

function impliesField(field: Field, wanted: Field, stoppers: Stoppers): boolean {
  if (field.path !== wanted.path || (field.leaf.absent && !wanted.leaf.absent)) return false;
  stoppers.comparisonsLeft -= field.shapes.length * wanted.shapes.length;
  return field.shapes.every((shape) => wanted.shapes.some((each) => implies(shape, each)));
}
