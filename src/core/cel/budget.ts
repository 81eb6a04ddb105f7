/** What one evaluation may cost. Every step charges what it touches before it touches it. */
import { LIMITS } from "../../model.ts";
import { compileRegex, type Regex } from "../regex.ts";
import type { ZoneFormats } from "./time.ts";
import type { CelValue } from "./values.ts";

/** About half a second on a slow machine, far above what a condition over one payload needs. */
export const STEPS_MAX = 2_000_000;
export const TEXT_CHARS_MAX = LIMITS.renderedBytes;
/** How many characters that are read or copied count as one step. */
const CHARS_PER_STEP = 64;
/** How many comparisons of a search take the time of reading one character. */
const COMPARISONS_PER_CHAR = 4;
/** Reading one character of a pattern takes the time of so many ordinary steps. */
const STEPS_PER_PATTERN_CHAR = 16;
/** Deeper than any payload of a sender, and far from the end of the stack. */
export const VALUE_DEPTH_MAX = 500;

/** Ends an evaluation. Nothing in an expression can swallow it, neither `||` nor a quantifier. */
export class OutOfBudget {
  readonly message: string;
  constructor(message: string) {
    this.message = message;
  }
}

/** One evaluation: its variables by slot, and what it has spent. */
export class Run {
  readonly slots: (CelValue | undefined)[];
  spent = 0;
  /** The regular expression compiled last from a pattern that is no literal: a quantifier asks for it once per item. */
  #lastRegex: { pattern: string; regex: Regex } | undefined;
  readonly zoneFormats: ZoneFormats = new Map();
  constructor(slots: (CelValue | undefined)[]) {
    this.slots = slots;
  }
  charge(steps: number): void {
    this.spent += steps;
    if (this.spent > STEPS_MAX) throw new OutOfBudget(`The expression needs more than ${STEPS_MAX} steps`);
  }
  /** Before texts or bytes of this length are read or copied. */
  chargeChars(chars: number): void {
    this.charge(1 + chars / CHARS_PER_STEP);
  }
  /** Before one text is looked for in another: at worst, each character is compared with each of those that are looked for. */
  chargeSearch(text: string, wanted: string): void {
    const places = Math.max(0, text.length - wanted.length);
    this.chargeChars(text.length + wanted.length + (places * wanted.length) / COMPARISONS_PER_CHAR);
  }
  /** Before a text or bytes of this length are built. */
  chargeText(chars: number): void {
    this.limitText(chars);
    this.chargeChars(chars);
  }
  /** While a text grows whose parts have been charged. */
  limitText(chars: number): void {
    if (chars > TEXT_CHARS_MAX)
      throw new OutOfBudget(`The expression builds a text of more than ${TEXT_CHARS_MAX} characters`);
  }
  regex(pattern: string): Regex {
    if (this.#lastRegex?.pattern === pattern) return this.#lastRegex.regex;
    this.charge(pattern.length * STEPS_PER_PATTERN_CHAR);
    const regex = compileRegex(pattern);
    this.charge(regex.ok ? regex.size : 0);
    this.#lastRegex = { pattern, regex };
    return regex;
  }
  enter(depth: number): void {
    if (depth > VALUE_DEPTH_MAX) throw new OutOfBudget(`A value is nested more than ${VALUE_DEPTH_MAX} levels deep`);
    this.charge(1);
  }
}
