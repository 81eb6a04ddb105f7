/** A rule's pattern as it is written: where its keys and values stand, and the words for them. */
import type { Path } from "../../errors.ts";
import type { Alternative } from "../match/operators.ts";
import { type Leaf, namesOf } from "../match/pattern.ts";
import type { CompiledRule } from "../match/rules.ts";
import { quoted } from "../words.ts";

/** A key of the pattern; dotted ones name several parts of the field's path, from `from` on. */
export interface Key {
  /** Where in the pattern. */
  at: Path;
  parts: readonly string[];
  from: number;
}

/** The keys that lead to a leaf, outermost first. */
export function keysOf({ patternPath: at }: Leaf): Key[] {
  const keys: Key[] = [];
  let from = 0;
  for (const [i, step] of at.entries()) {
    if (typeof step === "number" || step === "$or") continue;
    const parts = namesOf(step);
    keys.push({ at: at.slice(0, i + 1), parts, from });
    from += parts.length;
  }
  return keys;
}

/** The key that names that part of the leaf's path. */
export function keyOf(leaf: Leaf, part: number): Key {
  const keys = keysOf(leaf);
  return (
    keys.find(({ from, parts }) => part < from + parts.length) ?? {
      at: leaf.patternPath,
      parts: leaf.fieldPath,
      from: 0,
    }
  );
}

/** Where in the pattern the alternative of that number stands: a bare value stands for itself. */
export function alternativeAt(rule: CompiledRule, leaf: Leaf, index: number): Path {
  const member = leaf.patternPath.reduce<unknown>(
    (value, step) =>
      typeof value === "object" && value !== null ? (value as Record<string, unknown>)[step] : undefined,
    rule.rule.match,
  );
  return Array.isArray(member) ? [...leaf.patternPath, index] : leaf.patternPath;
}

/** `"main"`, `prefix "release/"`. */
export function wordsOf({ op, want, exact }: Alternative): string {
  if (exact) return quoted(want);
  if (op === "exists") return want === false ? "no value" : "some value";
  return `${op} ${quoted(want)}`;
}

const WORDS_MAX = 4;

/** `"main"`, `one of "main", prefix "release/"`. */
export function alternativesOf({ alternatives }: Leaf): string {
  const words = alternatives.map(wordsOf);
  return words.length === 1 ? listed(words) : `one of ${shortened(words).join(", ")}`;
}

/** `a, b and c`, cut when there are many. */
export function listed(words: readonly string[], join: "and" | "or" = "and", wordsMax = WORDS_MAX): string {
  const shown = shortened(words, wordsMax);
  const last = shown.at(-1) ?? "none";
  return shown.length < 2 ? last : `${shown.slice(0, -1).join(", ")} ${join} ${last}`;
}

function shortened(words: readonly string[], wordsMax = WORDS_MAX): readonly string[] {
  if (words.length <= wordsMax + 1) return words;
  return [...words.slice(0, wordsMax), `${words.length - wordsMax} more`];
}

/** Shorter names that differ by a letter are probably two names. */
const SLIP_CHARS_MIN = 4;

/**
 * Whether one text is the other with a slip of the pen: letter case, `-` and `_` aside, or one letter that is wrong, missing, too much or
 * swapped with its neighbour. Digits and letters that stand alone tell things apart: `team-a`, `v2`.
 */
export function isSlip(a: string, b: string): boolean {
  if (a === b) return false;
  const [one, other] = [a.toLowerCase(), b.toLowerCase()];
  if (bare(one) === bare(other) && bare(one) !== "") return true;
  if (Math.min(a.length, b.length) < SLIP_CHARS_MIN || Math.abs(a.length - b.length) > 1) return false;
  let start = 0;
  while (start < one.length && one[start] === other[start]) start += 1;
  let end = 0;
  while (end < Math.min(one.length, other.length) - start && one.at(-1 - end) === other.at(-1 - end)) end += 1;
  const [here, there] = [one.slice(start, one.length - end), other.slice(start, other.length - end)];
  const isSwap = here.length === 2 && here === [...there].reverse().join("");
  if (!isSwap && (here.length > 1 || there.length > 1)) return false;
  const isInWord = /[a-z]$/.test(one.slice(0, start)) || /^[a-z]/.test(one.slice(one.length - end));
  return isInWord && /^[a-z]*$/.test(here + there);
}

const bare = (text: string): string => text.replaceAll(/(?<=[a-z])[-_ ](?=[a-z])/g, "");
