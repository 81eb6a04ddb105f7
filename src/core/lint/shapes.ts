/**
 * What an alternative accepts, as far as two of them can be compared: whether no value meets both, and whether every value that meets
 * one meets the other. A yes is certain; a no may also mean that it could not be decided.
 */
import { isObject, type Json } from "../../model.ts";
import type { Alternative } from "../match/operators.ts";
import type { Leaf } from "../match/pattern.ts";
import { typeOf } from "../words.ts";

const KINDS = ["string", "number", "boolean", "null"];

/** How every text begins or ends that is accepted. */
interface Affix {
  readonly text: string;
  readonly anyCase: boolean;
}

interface Range {
  readonly from: number;
  readonly fromOpen: boolean;
  readonly to: number;
  readonly toOpen: boolean;
}

export interface AcceptedValues {
  readonly op: string;
  readonly want: Json;
  /** JSON types of what is accepted. */
  readonly kinds: readonly string[];
  readonly test: (value: Json) => boolean;
  /** The one value that is accepted. */
  readonly exact?: { readonly value: Json };
  /** Every value is accepted but those that one of these accepts. */
  readonly except?: readonly AcceptedValues[];
  readonly range?: Range;
  readonly starts: Affix;
  readonly ends: Affix;
  /** The whole text, in any letter case. */
  readonly whole?: string;
  /** Set when the beginning, or the end, is all that is required. */
  readonly only?: "starts" | "ends";
}

const NOTHING: Affix = { text: "", anyCase: false };
const FREE = { starts: NOTHING, ends: NOTHING } as const;

export function acceptedExactly(value: Json): AcceptedValues {
  return {
    op: "equals",
    want: value,
    kinds: [typeOf(value)],
    exact: { value },
    test: (other) => other === value,
    ...FREE,
  };
}

export function acceptedPrefix(text: string): AcceptedValues {
  return {
    ...textShape("prefix", text, (value) => typeof value === "string" && value.startsWith(text)),
    starts: { text, anyCase: false },
    only: "starts",
  };
}

export const NUMBERS: AcceptedValues = {
  op: "numeric",
  want: null,
  kinds: ["number"],
  test: (value) => typeof value === "number",
  range: { from: -Infinity, fromOpen: false, to: Infinity, toOpen: false },
  ...FREE,
};

/** What an alternative other than absence accepts. */
export function acceptedBy({ op, want, exact, test }: Alternative): AcceptedValues {
  return exact ? acceptedExactly(want) : operatorShape(op, want, test);
}

/** What the alternatives of a leaf accept, absence left out. */
export function acceptedValuesOf(leaf: Leaf): AcceptedValues[] {
  return leaf.alternatives.filter(({ absent }) => !absent).map(acceptedBy);
}

function textShape(op: string, want: Json, test: AcceptedValues["test"]): AcceptedValues {
  return { op, want, kinds: ["string"], test, ...FREE };
}

function operatorShape(op: string, want: Json, test: AcceptedValues["test"]): AcceptedValues {
  const shape = textShape(op, want, test);
  switch (op) {
    case "exactly":
      return acceptedExactly(want);
    case "prefix":
    case "suffix": {
      const affix = affixOf(want);
      if (affix === undefined) return shape;
      return op === "prefix" ? { ...shape, starts: affix, only: "starts" } : { ...shape, ends: affix, only: "ends" };
    }
    case "equals-ignore-case": {
      if (typeof want !== "string") return shape;
      const affix = { text: want, anyCase: true };
      return { ...shape, whole: want, starts: affix, ends: affix };
    }
    case "wildcard":
      return typeof want === "string" ? wildcardShape(shape, want) : shape;
    case "numeric":
      return numericShape(shape, want);
    case "anything-but":
      return { ...shape, kinds: KINDS, except: excepted(want, (value) => !test(value)) };
    case "cidr":
      return shape;
    default:
      // `exists: true`.
      return { ...shape, kinds: KINDS };
  }
}

function affixOf(want: Json): Affix | undefined {
  if (typeof want === "string") return { text: want, anyCase: false };
  const text = isObject(want) ? want["equals-ignore-case"] : undefined;
  return typeof text === "string" ? { text, anyCase: true } : undefined;
}

/** The literal texts before the first and after the last star. */
function wildcardShape(shape: AcceptedValues, want: string): AcceptedValues {
  const pieces = [""];
  for (const [piece] of want.matchAll(/\\[\s\S]|[\s\S]/g)) {
    if (piece === "*") pieces.push("");
    else pieces[pieces.length - 1] += piece.length > 1 ? piece.slice(1) : piece;
  }
  const first = pieces[0] ?? "";
  const last = pieces.at(-1) ?? "";
  if (pieces.length === 1) return acceptedExactly(first);
  const ends = { starts: { text: first, anyCase: false }, ends: { text: last, anyCase: false } };
  if (pieces.length > 2 || (first !== "" && last !== "")) return { ...shape, ...ends };
  return { ...shape, ...ends, only: last === "" ? "starts" : "ends" };
}

function numericShape(shape: AcceptedValues, want: Json): AcceptedValues {
  if (!Array.isArray(want)) return shape;
  const [sign, bound] = want;
  if (sign === "=" && typeof bound === "number") return acceptedExactly(bound);
  const range = { from: -Infinity, fromOpen: false, to: Infinity, toOpen: false };
  for (let at = 0; at < want.length; at += 2) {
    const [comparison, limit] = want.slice(at);
    if (typeof limit !== "number") return shape;
    if (comparison === ">" || comparison === ">=") Object.assign(range, { from: limit, fromOpen: comparison === ">" });
    else Object.assign(range, { to: limit, toOpen: comparison === "<" });
  }
  return { ...shape, kinds: ["number"], range };
}

/** `rest` accepts what any of the excepted accept: each is tested by all of them, which is as good for what is asked below. */
function excepted(want: Json, rest: AcceptedValues["test"]): AcceptedValues[] {
  if (!isObject(want)) return [want].flat().map((value) => acceptedExactly(value as Json));
  return Object.entries(want).flatMap(([op, texts]) =>
    [texts].flat().map((text) => operatorShape(op, text as Json, rest)),
  );
}

// ---------------------------------------------------------------- comparing

/** Whether certainly no value meets both. */
export function disjoint(a: AcceptedValues, b: AcceptedValues): boolean {
  if (!a.kinds.some((kind) => b.kinds.includes(kind))) return true;
  if (a.exact) return !b.test(a.exact.value);
  if (b.exact) return !a.test(b.exact.value);
  if (a.except) return a.except.some((out) => implies(b, out));
  if (b.except) return b.except.some((out) => implies(a, out));
  if (a.range && b.range) return isBelow(a.range, b.range) || isBelow(b.range, a.range);
  return wholeMisses(a, b) || wholeMisses(b, a) || apart(a.starts, b.starts, "starts") || apart(a.ends, b.ends, "ends");
}

/** Whether certainly every value that meets `a` meets `b`. */
export function implies(a: AcceptedValues, b: AcceptedValues): boolean {
  if (a.exact) return b.test(a.exact.value);
  if (!a.kinds.every((kind) => b.kinds.includes(kind))) return false;
  if (a.op === b.op && isSame(a.want, b.want)) return true;
  if (b.except) return b.except.every((out) => disjoint(a, out));
  if (b.op === "exists") return true;
  if (a.range && b.range) return isInside(a.range, b.range);
  if (a.whole !== undefined && foldsCase(b)) return b.test(a.whole);
  if (b.only === undefined) return false;
  return covers(a[b.only], b[b.only], b.only);
}

const isSame = (a: Json, b: Json): boolean =>
  a === b || (typeof a === "object" && JSON.stringify(a) === JSON.stringify(b));

/** A text that is known but for letter case decides about conditions that do not see it; about others by its length and letters. */
function wholeMisses(a: AcceptedValues, b: AcceptedValues): boolean {
  if (a.whole === undefined) return false;
  if (foldsCase(b)) return !b.test(a.whole);
  const { whole } = a;
  return [b.starts, b.ends].some(({ text }) => isPlain(whole) && isPlain(text) && text.length > whole.length);
}

const foldsCase = (shape: AcceptedValues): boolean =>
  shape.whole !== undefined || (shape.only !== undefined && shape[shape.only].anyCase);

/** Beyond ASCII letter case is a matter of tables, and then nothing is certain here. */
const isPlain = (text: string): boolean => /^[\x20-\x7e]*$/.test(text);

/** Whether no text begins (ends) in both ways. */
function apart(a: Affix, b: Affix, at: "starts" | "ends"): boolean {
  const length = Math.min(a.text.length, b.text.length);
  const outer = ({ text }: Affix) => (at === "starts" ? text.slice(0, length) : text.slice(text.length - length));
  if (!a.anyCase && !b.anyCase) return outer(a) !== outer(b);
  return isPlain(a.text) && isPlain(b.text) && outer(a).toLowerCase() !== outer(b).toLowerCase();
}

/** Whether every text that begins (ends) as `narrow` says does so as `wide` says. */
function covers(narrow: Affix, wide: Affix, at: "starts" | "ends"): boolean {
  if (wide.text === "") return true;
  const within = (text: string, part: string) => (at === "starts" ? text.startsWith(part) : text.endsWith(part));
  if (!wide.anyCase) return !narrow.anyCase && within(narrow.text, wide.text);
  if (!isPlain(narrow.text) || !isPlain(wide.text)) return false;
  return within(narrow.text.toLowerCase(), wide.text.toLowerCase());
}

const isBelow = (a: Range, b: Range): boolean => a.to < b.from || (a.to === b.from && (a.toOpen || b.fromOpen));

function isInside(a: Range, b: Range): boolean {
  const isFrom = a.from > b.from || (a.from === b.from && (a.fromOpen || !b.fromOpen));
  const isTo = a.to < b.to || (a.to === b.to && (a.toOpen || !b.toOpen));
  return isFrom && isTo;
}
