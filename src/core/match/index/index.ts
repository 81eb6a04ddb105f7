/**
 * All rules as one matcher: what an event costs grows with the rules that nearly match it, not with all there are, and a field that none
 * of these names is never read. Its answers are those of evaluate.ts.
 */
import type { Event } from "../../../model.ts";
import type { Probe } from "../operators.ts";
import type { Conjunction } from "../pattern.ts";
import type { CompiledRule } from "../rules.ts";
import { createTypeIndex, narrowest, selectorNames } from "../selector.ts";
import { type Condition, createConditions } from "./conditions.ts";
import { clearValues, type Field, newField } from "./fields.ts";
import { type Branch, type Candidate, collect, insert, newBranch, type Owner } from "./tree.ts";

/** A rule in its place among the others. */
export interface Entry {
  readonly rule: CompiledRule;
  /** Rules are in the order of their ranks; no two are equal. */
  readonly rank: number;
}

export interface RuleIndex {
  add(added: readonly Entry[]): void;
  /** The rules of the event's type whose pattern it matches, in order. */
  match(event: Event): readonly Entry[];
  /** Whether some rule selects events of this type. */
  has(type: string): boolean;
  /** The rules that select events of this type, in order. */
  ofType(type: string): CompiledRule[];
  /** How many rules select events of this type, up to and including `rank`. */
  count(type: string, rank?: number): number;
}

interface IndexedRule extends Entry, Owner {
  readonly candidates: Candidate[];
}

/** The rules that share a selecting name. */
interface Group {
  readonly root: Branch;
  readonly members: IndexedRule[];
}

/** Bounds how many branches one rule of many conjunctions with long lists is copied to. */
const PLACES_MAX = 1_000;

export function createRuleIndex(): RuleIndex {
  const root = newField("", undefined);
  const conditions = createConditions(root);
  const groups = createTypeIndex<Group>(() => ({ root: newBranch(), members: [] }));
  let stamp = 0;

  /** All conditions are counted before the first candidate is placed: the counts say how selective each condition is. */
  const indexed = ({ rule, rank }: Entry): IndexedRule => {
    const conjunctions = (rule.pattern?.conjunctions ?? [EVERYTHING]).map((conjunction) => ({
      conjunction,
      used: [...conjunction.leaves].map((leaf) => conditions.use(leaf)),
    }));
    const owner: IndexedRule = { rule, rank, stamp: 0, candidates: [] };
    const placesMax = Math.ceil(PLACES_MAX / conjunctions.length);
    for (const { conjunction, used } of conjunctions)
      owner.candidates.push({ owner, conditions: used, root: conjunction.root, placesMax });
    return owner;
  };

  return {
    add(added) {
      for (const owner of added.map(indexed)) {
        for (const { conditions: used } of owner.candidates) used.sort(bySelectivity);
        for (const name of namesOf(owner.rule)) {
          const group = groups.at(name);
          group.members.splice(countTo(group.members, owner.rank), 0, owner);
          for (const candidate of owner.candidates) insert(group.root, candidate, candidate.conditions);
        }
      }
    },
    match(event) {
      stamp += 1;
      root.raw = event;
      const matched: IndexedRule[] = [];
      const noted: Field[] = [];
      const walk = { event, stamp, noted, folds: { text: "", folded: "" } };
      for (const group of groups.find(event.type)) collect(group.root, walk, matched);
      for (const field of noted) clearValues(field);
      root.raw = undefined;
      return matched.length > 1 ? matched.sort((a, b) => a.rank - b.rank) : matched;
    },
    has: (type) => groups.find(type).length > 0,
    ofType: (type) =>
      groups
        .find(type)
        .flatMap(({ members }) => members)
        .sort((a, b) => a.rank - b.rank)
        .map(({ rule }) => rule),
    count: (type, rank = Number.POSITIVE_INFINITY) =>
      groups.find(type).reduce((sum, { members }) => sum + countTo(members, rank), 0),
  };
}

/** What a rule without a pattern asks. */
const EVERYTHING: Conjunction = { leaves: new Set(), root: { leaves: [], keys: [], children: [] } };

const namesOf = ({ rule }: CompiledRule) => narrowest(selectorNames(rule.event));

/** How many of the members, which are in order, have this rank or a lower one. */
function countTo(members: readonly IndexedRule[], rank: number): number {
  let [low, high] = [0, members.length];
  if (high === 0 || (members[high - 1]?.rank ?? 0) <= rank) return high;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((members[middle]?.rank ?? 0) <= rank) low = middle + 1;
    else high = middle;
  }
  return low;
}

// ---------------------------------------------------------------- which condition selects best

/** Of two equally selective ones the field that more rules ask for: fewer fields are then read. */
function bySelectivity(a: Condition, b: Condition): number {
  return shareOf(a) - shareOf(b) || b.field.popularity - a.field.popularity;
}

/** A guess at how many events meet a condition: as many as rules that name the field want the same, and more by its kind. */
function shareOf({ uses, field, alternatives }: Condition): number {
  const byKind = alternatives.reduce((sum, { probe }) => sum + KIND_SHARE[probe.by] * openness(probe), 0);
  return Math.max(uses / field.popularity, Math.min(1, byKind));
}

const KIND_SHARE: Readonly<Record<Probe["by"], number>> = {
  value: 0,
  folded: 0,
  prefix: 0.01,
  suffix: 0.01,
  foldedPrefix: 0.02,
  foldedSuffix: 0.02,
  pieces: 0.05,
  block: 0.05,
  range: 0.25,
  absence: 0.5,
  any: 0.95,
};

/** A half-open range takes about twice as many as a closed one. */
function openness({ by, key }: Probe): number {
  return by === "range" && key.to - key.from === Number.POSITIVE_INFINITY ? 2 : 1;
}
