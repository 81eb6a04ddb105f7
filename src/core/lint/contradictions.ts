/** Two conditions on one field, of which both must be met: no value meets both, or it is easily overlooked that one value has to. */
import { type Diagnostic, newWarning } from "../../errors.ts";
import type { Leaf } from "../match/pattern.ts";
import { isScalarAttribute, type PatternBranch, soNever } from "./never.ts";
import { type AcceptedValues, acceptedValuesOf, disjoint } from "./shapes.ts";
import { alternativesOf } from "./written.ts";

/** Leaves with more pairs of alternatives than this are not compared: the message could not be read. */
const PAIRS_MAX = 10_000;
/** Comparisons for one pattern, so that a generated pattern of many equal fields does not hold up `check`. */
const COMPARISONS_MAX = 200_000;

/** SB0311 and SB0315 with paths inside the pattern, at the later or inner one of the two; one for each leaf at most. */
export function contradictions(branches: readonly PatternBranch[]): Diagnostic[] {
  let comparisonsLeft = COMPARISONS_MAX;
  return branches.flatMap((branch) => {
    const before = [...branch.around];
    return branch.own.flatMap((leaf): Diagnostic[] => {
      comparisonsLeft -= before.length;
      if (comparisonsLeft < 0) return [];
      const contradiction = before
        .map((other) => conflict(other, leaf, branch) ?? twice(other, leaf, branch))
        .filter((diagnostic) => diagnostic !== undefined)
        .sort((one, another) => one.code.localeCompare(another.code))[0];
      before.push(leaf);
      return contradiction === undefined ? [] : [contradiction];
    });
  });
}

function conflict(other: Leaf, leaf: Leaf, branch: PatternBranch): Diagnostic | undefined {
  const depth = Math.min(other.fieldPath.length, leaf.fieldPath.length);
  for (let i = 0; i < depth; i++) if (other.fieldPath[i] !== leaf.fieldPath[i]) return undefined;
  const message =
    other.fieldPath.length === leaf.fieldPath.length
      ? onOneField(other, leaf, branch)
      : onFieldAndBelow(other, leaf, branch);
  return message === undefined ? undefined : newWarning("SB0311", message, { path: leaf.patternPath });
}

/** In EventBridge the one inside would take the place of the one beside, so that nobody can be sure what was meant. */
function twice(other: Leaf, leaf: Leaf, { inBranch, own }: PatternBranch): Diagnostic | undefined {
  if (other.fieldPath.join("\n") !== leaf.fieldPath.join("\n")) return undefined;
  const where = inBranch && !own.includes(other) ? "beside $or and inside it" : "twice";
  const message = `"${leaf.fieldPath.join(".")}" is named ${where}, and one value must be both ${alternativesOf(other)} and ${alternativesOf(leaf)}; say it in one condition, or in when`;
  return newWarning("SB0315", message, { path: leaf.patternPath });
}

function onOneField(other: Leaf, leaf: Leaf, branch: PatternBranch): string | undefined {
  if (other.absent && leaf.absent) return undefined;
  const [ours, theirs] = [acceptedValuesOf(leaf), acceptedValuesOf(other)];
  const field = `"${leaf.fieldPath.join(".")}"`;
  // A list is no way out here: it has no value at all, or it has one.
  if (ours.length === 0 || theirs.length === 0)
    return `${field} is asked to have no value and to be ${alternativesOf(ours.length === 0 ? other : leaf)} at once, ${soNever(branch)}`;
  if (!areApart(ours, theirs)) return undefined;
  const words = `of ${field} is both ${alternativesOf(other)} and ${alternativesOf(leaf)}`;
  if (isScalarAttribute(leaf.fieldPath)) return `No value ${words}, ${soNever(branch)}`;
  // Tickets are always a list, which may well hold both.
  return leaf.fieldPath[0] === "data" ? `No single value ${words}; only a list that holds both could match` : undefined;
}

function areApart(ours: readonly AcceptedValues[], theirs: readonly AcceptedValues[]): boolean {
  if (ours.length * theirs.length > PAIRS_MAX) return false;
  return ours.every((one) => theirs.every((another) => disjoint(one, another)));
}

/** A field cannot be a value and hold fields, too; but its absence is no value, and so is a mapping. */
function onFieldAndBelow(other: Leaf, leaf: Leaf, branch: PatternBranch): string | undefined {
  if (leaf.fieldPath[0] !== "data" || leaf.fieldPath.length === 1 || other.fieldPath.length === 1) return undefined;
  if (other.absent || leaf.absent) return undefined;
  const [upper, lower] = other.fieldPath.length < leaf.fieldPath.length ? [other, leaf] : [leaf, other];
  const below = lower.fieldPath.slice(upper.fieldPath.length).join(".");
  const where = branch.inBranch ? " in this branch of $or" : "";
  return `"${upper.fieldPath.join(".")}" cannot be a value and hold "${below}"${where}, a mapping is no value; only a list that holds both could match`;
}
