/** Two conditions on one field, of which both must be met and no value meets both. */
import type { Diagnostic } from "../../errors.ts";
import type { Leaf } from "../match/pattern.ts";
import { isScalarAttribute, type Scope, soNever } from "./never.ts";
import { disjoint, type Shape, shapesOf } from "./shapes.ts";
import { alternativesOf } from "./written.ts";

/** Leaves with more pairs of alternatives than this are not compared: nobody could read the answer. */
const PAIRS_MAX = 10_000;
/** Comparisons for one pattern; a pattern of many equal fields has more, and people do not write it. */
const COMPARISONS_MAX = 200_000;

/** SB0311 with paths inside the pattern, at the later or inner one of the two; one for each leaf at most. */
export function contradictions(scopes: readonly Scope[]): Diagnostic[] {
  let left = COMPARISONS_MAX;
  return scopes.flatMap((scope) => {
    const before = [...scope.around];
    return scope.own.flatMap((leaf): Diagnostic[] => {
      left -= before.length;
      if (left < 0) return [];
      const found = before.map((other) => conflict(other, leaf, scope)).find((problem) => problem !== undefined);
      before.push(leaf);
      return found === undefined ? [] : [found];
    });
  });
}

function conflict(other: Leaf, leaf: Leaf, scope: Scope): Diagnostic | undefined {
  const depth = Math.min(other.path.length, leaf.path.length);
  for (let i = 0; i < depth; i++) if (other.path[i] !== leaf.path[i]) return undefined;
  const message =
    other.path.length === leaf.path.length ? onOneField(other, leaf, scope) : onFieldAndBelow(other, leaf, scope);
  return message === undefined ? undefined : { code: "SB0311", severity: "warning", message, path: leaf.at };
}

function onOneField(other: Leaf, leaf: Leaf, scope: Scope): string | undefined {
  if (other.absent && leaf.absent) return undefined;
  const [ours, theirs] = [shapesOf(leaf), shapesOf(other)];
  const field = `"${leaf.path.join(".")}"`;
  // A list is no way out here: it has no value at all, or it has one.
  if (ours.length === 0 || theirs.length === 0)
    return `${field} is asked to have no value and to be ${alternativesOf(ours.length === 0 ? other : leaf)} at once, ${soNever(scope)}`;
  if (!areApart(ours, theirs)) return undefined;
  const words = `of ${field} is both ${alternativesOf(other)} and ${alternativesOf(leaf)}`;
  if (isScalarAttribute(leaf.path)) return `No value ${words}, ${soNever(scope)}`;
  // Tickets are always a list, which may well hold both.
  return leaf.path[0] === "data" ? `No single value ${words}; only a list that holds both could match` : undefined;
}

function areApart(ours: readonly Shape[], theirs: readonly Shape[]): boolean {
  if (ours.length * theirs.length > PAIRS_MAX) return false;
  return ours.every((one) => theirs.every((another) => disjoint(one, another)));
}

/** A field cannot be a value and hold fields, too; but its absence is no value, and so is a mapping. */
function onFieldAndBelow(other: Leaf, leaf: Leaf, scope: Scope): string | undefined {
  if (leaf.path[0] !== "data" || leaf.path.length === 1 || other.path.length === 1) return undefined;
  if (other.absent || leaf.absent) return undefined;
  const [upper, lower] = other.path.length < leaf.path.length ? [other, leaf] : [leaf, other];
  const below = lower.path.slice(upper.path.length).join(".");
  const where = scope.inBranch ? " in this branch of $or" : "";
  return `"${upper.path.join(".")}" cannot be a value and hold "${below}"${where}, a mapping is no value; only a list that holds both could match`;
}
