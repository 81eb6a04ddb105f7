/** Hints for a condition whose value is there but does not meet it. */
import type { Json } from "../../model.ts";
import type { Alternative } from "./operators.ts";
import { fold } from "./text.ts";

/** A sentence without full stop, or undefined when nothing useful can be said. */
export function hintFor(alternatives: readonly Alternative[], values: readonly Json[]): string | undefined {
  for (const alternative of alternatives) {
    for (const value of values) {
      const hint = hintForOne(alternative, value);
      if (hint !== undefined) return hint;
    }
  }
  return undefined;
}

function hintForOne(alternative: Alternative, value: Json): string | undefined {
  const { op, want } = alternative;
  if (op === "exists" || op === "anything-but") return undefined;
  if (op === "numeric")
    return typeof value === "string" && value.trim() !== "" && Number.isFinite(Number(value))
      ? "The value is a text that looks like a number, numeric compares numbers only"
      : undefined;
  if (typeof want !== "string" && !alternative.exact) return undefined;
  return hintAboutForm(alternative, value) ?? hintAboutType(want, value);
}

/** The same text in another form: asks the operator itself whether it would have been met. */
function hintAboutForm({ op, want, test }: Alternative, value: Json): string | undefined {
  if (typeof value !== "string" || typeof want !== "string") return undefined;
  if (test(value.trim()) || (op !== "wildcard" && value.trim() === want.trim())) return "Differs only by whitespace";
  if (op === "equals-ignore-case" || op === "cidr") return undefined;
  if (sameButCase(op, fold(want), fold(value))) return "Differs only in letter case";
  const ref = /^refs\/(?:heads|tags|remotes\/\w+)\//.exec(value)?.[0];
  if (ref !== undefined && test(value.slice(ref.length)))
    return `The value has the prefix "${ref}", the name follows it`;
  const wantedRef = /^refs\/(?:heads|tags)\//.exec(want)?.[0];
  if (wantedRef !== undefined && test(wantedRef + value))
    return `The value has no prefix "${wantedRef}", write the name alone`;
  return undefined;
}

function sameButCase(op: string, want: string, value: string): boolean {
  if (op === "prefix") return value.startsWith(want);
  if (op === "suffix") return value.endsWith(want);
  return value === want;
}

function hintAboutType(want: Json, value: Json): string | undefined {
  const wantedType = typeLabel(want);
  const actualType = typeLabel(value);
  if (wantedType === actualType) return undefined;
  const same = String(want) === String(value) ? " with the same letters" : "";
  return `The value is ${actualType}${same}, the pattern wants ${wantedType}`;
}

function typeLabel(value: Json): string {
  if (value === null) return "null";
  if (typeof value === "string") return "a text";
  if (typeof value === "number") return "a number";
  return typeof value === "boolean" ? "true or false" : "a list or an object";
}
