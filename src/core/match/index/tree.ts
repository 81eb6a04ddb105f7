/**
 * The discrimination tree. A branch holds a few conjunctions; when there come too many, each goes on below the value that its most
 * selective condition asks for. An event is led down by its own values, and meets only the conjunctions that are near.
 */
import type { Event } from "../../../model.ts";
import { metBy } from "../evaluate.ts";
import type { Probe } from "../operators.ts";
import type { Node } from "../pattern.ts";
import { type Condition, evaluateCondition } from "./conditions.ts";
import { type Field, isListed, read } from "./fields.ts";
import { type Finder, type FoldMemo, findable, isExact, newFinder } from "./finders.ts";

/** One way to meet a rule: all of its conditions. */
export interface Candidate {
  readonly owner: Owner;
  /** Most selective first. */
  readonly conditions: Condition[];
  /** The same as a tree along the event, for lists. */
  readonly root: Node;
  /** Into how many branches below one branch it may be copied. */
  readonly placesMax: number;
}

/** The rule that a candidate belongs to; `stamp` is the number of the last event that met it. */
export interface Owner {
  stamp: number;
}

/** A candidate in a branch, with the conditions that reaching the branch does not prove. */
interface BranchEntry {
  readonly owner: Owner;
  readonly candidate: Candidate;
  readonly open: readonly Condition[];
}

export interface Branch {
  /** The number of the last event that reached the branch. */
  stamp: number;
  readonly entries: BranchEntry[];
  readonly lookups: Lookup[];
  /** Whether it had too many entries and moved them to branches below. */
  isSplit: boolean;
  /** The fields whose conditions are met by every event that reaches the branch. */
  readonly proven: readonly Field[];
  readonly above: Above | undefined;
}

interface Above {
  readonly branch: Branch;
  readonly field: Field;
}

interface Lookup {
  readonly field: Field;
  /** What is proven below by finders that are exact. */
  readonly proven: readonly Field[];
  readonly finders: { by: Probe["by"]; finder: Finder<Branch> }[];
}

/** One event on its way down. */
export interface Walk {
  readonly event: Event;
  readonly stamp: number;
  /** The fields that were read. */
  readonly noted: Field[];
  readonly folds: FoldMemo;
}

const ENTRIES_MAX = 8;
const DEPTH_MAX = 6;

export function newBranch(proven: readonly Field[] = [], above: Above | undefined = undefined): Branch {
  return { stamp: 0, entries: [], lookups: [], isSplit: false, proven, above };
}

// ---------------------------------------------------------------- growing

/** `open`: those of its conditions that reaching the branch does not prove. */
export function insert(branch: Branch, candidate: Candidate, open: readonly Condition[]): void {
  const condition = branch.isSplit ? nextCondition(branch, open, candidate.placesMax) : undefined;
  if (condition !== undefined) {
    insertBelow(branch, condition, candidate, open);
    return;
  }
  branch.entries.push({ owner: candidate.owner, candidate, open });
  if (branch.isSplit || branch.entries.length <= ENTRIES_MAX || depthOf(branch) >= DEPTH_MAX) return;
  branch.isSplit = true;
  for (const entry of branch.entries.splice(0)) insert(branch, entry.candidate, entry.open);
}

function depthOf(branch: Branch): number {
  let depth = 0;
  for (let { above } = branch; above !== undefined; above = above.branch.above) depth += 1;
  return depth;
}

/** The most selective condition on a field that no branch above looks up; a long list of values would be copied too often. */
function nextCondition(branch: Branch, open: readonly Condition[], placesMax: number): Condition | undefined {
  return open.find(({ field, alternatives }) => {
    if (alternatives.length > placesMax) return false;
    for (let { above } = branch; above !== undefined; above = above.branch.above)
      if (above.field === field) return false;
    return true;
  });
}

function insertBelow(branch: Branch, condition: Condition, candidate: Candidate, open: readonly Condition[]): void {
  const { field } = condition;
  let lookup = branch.lookups.find((each) => each.field === field);
  if (lookup === undefined) {
    lookup = { field, proven: [...branch.proven, field], finders: [] };
    branch.lookups.push(lookup);
  }
  const { proven } = lookup;
  const above = { branch, field };
  const others = open.length === 1 ? NONE : open.filter((each) => each !== condition);
  const openByBranch = new Map<Branch, readonly Condition[]>();
  for (const alternative of condition.alternatives) {
    const probe = findable(alternative.probe);
    const exact = isExact(probe);
    const next = finderFor(lookup, probe.by).open(probe, () => newBranch(exact ? proven : branch.proven, above));
    openByBranch.set(next, exact ? others : open);
  }
  for (const [next, stillOpen] of openByBranch) insert(next, candidate, stillOpen);
}

const NONE: readonly Condition[] = [];

function finderFor({ finders }: Lookup, by: Probe["by"]): Finder<Branch> {
  const existing = finders.find((each) => each.by === by);
  if (existing !== undefined) return existing.finder;
  const finder = newFinder<Branch>(by);
  finders.push({ by, finder });
  return finder;
}

// ---------------------------------------------------------------- matching

/** Adds the owners of the conjunctions that the event meets, each once, in no order. */
export function collect<O extends Owner>(root: Branch, walk: Walk, into: O[]): void {
  const { stamp, noted, folds } = walk;
  const open: Branch[] = [root];
  for (let branch = open.pop(); branch !== undefined; branch = open.pop()) {
    if (branch.stamp === stamp) continue;
    branch.stamp = stamp;
    for (const entry of branch.entries) {
      const { owner } = entry;
      if (owner.stamp === stamp || !isMet(entry, branch, walk)) continue;
      owner.stamp = stamp;
      into.push(owner as O);
    }
    for (const lookup of branch.lookups) {
      read(lookup.field, stamp, noted);
      lead(lookup, open, folds);
    }
  }
}

/** Adds the branches that the field's values lead to. */
function lead({ field, finders }: Lookup, open: Branch[], folds: FoldMemo): void {
  const { single, several } = field;
  const isBare = single === undefined && several === undefined;
  for (const { by, finder } of finders) {
    if (by === "absence") {
      // In some element of a list it may be absent, although there are values in others.
      if (isBare || isListed(field)) finder.collect(null, open, folds);
    } else if (single !== undefined) finder.collect(single, open, folds);
    else if (several !== undefined) for (const value of several) finder.collect(value, open, folds);
  }
}

/** Values of two fields in lists must be of the same element: that is left to the evaluator, when all else holds. */
function isMet({ candidate, open }: BranchEntry, { proven }: Branch, { event, stamp, noted }: Walk): boolean {
  let listFieldCount = 0;
  let needsEvaluator = false;
  for (const condition of open) {
    const isConditionMet = evaluateCondition(condition, stamp, noted);
    const isInList = isListed(condition.field);
    if (isInList) listFieldCount += 1;
    if (isConditionMet) continue;
    if (!condition.absent || !isInList) return false;
    needsEvaluator = true;
  }
  for (const field of proven) if (isListed(field)) listFieldCount += 1;
  return listFieldCount < 2 ? !needsEvaluator : metBy(candidate.root, event) !== "not";
}
