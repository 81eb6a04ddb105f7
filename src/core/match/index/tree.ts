/**
 * The discrimination tree. A branch holds a few conjunctions; when there come too many, each goes on below the value that its most
 * selective condition asks for. An event is led down by its own values, and meets only the conjunctions that are near.
 */
import type { Event } from "../../../model.ts";
import { metBy } from "../evaluate.ts";
import type { Probe } from "../operators.ts";
import type { Node } from "../pattern.ts";
import { type Condition, holds } from "./conditions.ts";
import { type Field, isListed, read } from "./fields.ts";
import { type Finder, findable, isExact, newFinder } from "./finders.ts";

/** One way to meet a rule: all of its conditions. */
export interface Candidate {
  readonly owner: Owner;
  /** Most selective first. */
  readonly conditions: Condition[];
  /** The same as a tree along the event, for lists. */
  readonly root: Node;
  /** In how many places of one branch's fields it may stand. */
  readonly placesMax: number;
  /** Where it stands. */
  readonly homes: Branch[];
}

/** What a candidate speaks for; `stamp` is the number of the last event that met it. */
export interface Owner {
  stamp: number;
}

/** A candidate in a branch, with the conditions that coming there does not prove. */
interface Guest {
  readonly owner: Owner;
  readonly candidate: Candidate;
  readonly open: readonly Condition[];
}

export interface Branch {
  /** The number of the last event that came by. */
  stamp: number;
  readonly guests: Guest[];
  fields: Lookup[];
  /** Whether it had too many guests and let them go on. */
  isSplit: boolean;
  /** The fields whose conditions are met by whoever comes here. */
  readonly proven: readonly Field[];
  readonly above: Above | undefined;
}

interface Above {
  readonly branch: Branch;
  readonly lookup: Lookup;
  readonly by: Probe["by"];
  readonly place: unknown;
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
}

const GUESTS_MAX = 8;
const DEPTH_MAX = 6;

export function newBranch(proven: readonly Field[] = [], above: Above | undefined = undefined): Branch {
  return { stamp: 0, guests: [], fields: [], isSplit: false, proven, above };
}

// ---------------------------------------------------------------- growing and shrinking

/** `open`: those of its conditions that coming to the branch does not prove. */
export function insert(branch: Branch, candidate: Candidate, open: readonly Condition[]): void {
  const condition = branch.isSplit ? nextCondition(branch, open, candidate.placesMax) : undefined;
  if (condition !== undefined) {
    insertBelow(branch, condition, candidate, open);
    return;
  }
  branch.guests.push({ owner: candidate.owner, candidate, open });
  candidate.homes.push(branch);
  if (branch.isSplit || branch.guests.length <= GUESTS_MAX || depthOf(branch) >= DEPTH_MAX) return;
  branch.isSplit = true;
  for (const guest of branch.guests.splice(0)) {
    const { homes } = guest.candidate;
    homes.splice(homes.indexOf(branch), 1);
    insert(branch, guest.candidate, guest.open);
  }
}

function depthOf(branch: Branch): number {
  let depth = 0;
  for (let { above } = branch; above !== undefined; above = above.branch.above) depth += 1;
  return depth;
}

/** The most selective condition on a field that was not asked on the way here; a long list of values would be copied too often. */
function nextCondition(branch: Branch, open: readonly Condition[], placesMax: number): Condition | undefined {
  return open.find(({ field, alternatives }) => {
    if (alternatives.length > placesMax) return false;
    for (let { above } = branch; above !== undefined; above = above.branch.above)
      if (above.lookup.field === field) return false;
    return true;
  });
}

function insertBelow(branch: Branch, condition: Condition, candidate: Candidate, open: readonly Condition[]): void {
  const { field } = condition;
  let lookup = branch.fields.find((each) => each.field === field);
  if (lookup === undefined) {
    lookup = { field, proven: [...branch.proven, field], finders: [] };
    branch.fields.push(lookup);
  }
  const { proven } = lookup;
  const within = { branch, lookup };
  const left = open.length === 1 ? NONE : open.filter((each) => each !== condition);
  const found = new Map<Branch, readonly Condition[]>();
  for (const alternative of condition.alternatives) {
    const probe = findable(alternative.probe);
    const { by } = probe;
    const exact = isExact(probe);
    const next = finderFor(lookup, by).open(probe, (place) =>
      newBranch(exact ? proven : branch.proven, { ...within, by, place }),
    );
    found.set(next, exact ? left : open);
  }
  for (const [next, stillOpen] of found) insert(next, candidate, stillOpen);
}

const NONE: readonly Condition[] = [];

function finderFor({ finders }: Lookup, by: Probe["by"]): Finder<Branch> {
  const known = finders.find((each) => each.by === by);
  if (known !== undefined) return known.finder;
  const finder = newFinder<Branch>(by);
  finders.push({ by, finder });
  return finder;
}

/** Takes a candidate out, and every branch that is left empty. */
export function remove(candidate: Candidate): void {
  for (const branch of candidate.homes.splice(0)) {
    const at = branch.guests.findIndex((guest) => guest.candidate === candidate);
    if (at !== -1) branch.guests.splice(at, 1);
    prune(branch);
  }
}

function prune(branch: Branch): void {
  let empty = branch;
  while (empty.guests.length === 0 && empty.fields.length === 0) {
    empty.isSplit = false;
    if (empty.above === undefined) return;
    const { branch: above, lookup, by, place } = empty.above;
    const at = lookup.finders.findIndex((each) => each.by === by);
    const found = lookup.finders[at];
    found?.finder.close(place);
    if (found?.finder.size === 0) lookup.finders.splice(at, 1);
    if (lookup.finders.length === 0) above.fields = above.fields.filter((each) => each !== lookup);
    empty = above;
  }
}

// ---------------------------------------------------------------- matching

/** Adds the owners of the conjunctions that the event meets, each once, in no order. */
export function collect<O extends Owner>(root: Branch, walk: Walk, into: O[]): void {
  const { stamp, noted } = walk;
  const open: Branch[] = [root];
  for (let branch = open.pop(); branch !== undefined; branch = open.pop()) {
    if (branch.stamp === stamp) continue;
    branch.stamp = stamp;
    for (const guest of branch.guests) {
      const { owner } = guest;
      if (owner.stamp === stamp || !isMet(guest, branch, walk)) continue;
      owner.stamp = stamp;
      into.push(owner as O);
    }
    for (const lookup of branch.fields) {
      read(lookup.field, stamp, noted);
      lead(lookup, open);
    }
  }
}

/** To the branches that the field's values lead to. */
function lead({ field, finders }: Lookup, open: Branch[]): void {
  const { single, several } = field;
  const isBare = single === undefined && several === undefined;
  for (const { by, finder } of finders) {
    if (by === "absence") {
      // In some element of a list it may be absent, although there are values in others.
      if (isBare || isListed(field)) finder.collect(null, open);
    } else if (single !== undefined) finder.collect(single, open);
    else if (several !== undefined) for (const value of several) finder.collect(value, open);
  }
}

/** Values of two fields in lists must be of the same element: that is left to the evaluator, when all else holds. */
function isMet({ candidate, open }: Guest, { proven }: Branch, { event, stamp, noted }: Walk): boolean {
  let listed = 0;
  let isOpen = false;
  for (const condition of open) {
    const isHeld = holds(condition, stamp, noted);
    const isInList = isListed(condition.field);
    if (isInList) listed += 1;
    if (isHeld) continue;
    if (!condition.absent || !isInList) return false;
    isOpen = true;
  }
  for (const field of proven) if (isListed(field)) listed += 1;
  return listed < 2 ? !isOpen : metBy(candidate.root, event) !== "not";
}
