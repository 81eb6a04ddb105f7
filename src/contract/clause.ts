/** A clause of the contract, and how it says that it does not hold. */
import { isDeepStrictEqual } from "node:util";
import type { Diagnostic } from "../errors.ts";

export interface Clause {
  /** Its subject: a provider, its source, its connection, or an action such as `slack.post`. */
  subject: string;
  text: string;
  /** Rejects with a sentence that says what is wrong. */
  hold(): Promise<void>;
}

/** Fails with the sentence. */
export function demand(holds: boolean, sentence: string): asserts holds {
  if (!holds) throw new Error(sentence);
}

/** Fails with both values. */
export function demandEqual(actual: unknown, expected: unknown, what: string): void {
  demand(isDeepStrictEqual(actual, expected), `${what} is ${shown(actual)}, and should be ${shown(expected)}`);
}

/** Fails with the first of the diagnostics. */
export function demandNone(diagnostics: readonly Diagnostic[], what: string): void {
  const [first] = diagnostics;
  demand(!first, `${what}: ${[...(first?.path ?? []), first?.message].join(": ")}`);
}

/** A value on one line. */
export function shown(value: unknown): string {
  return JSON.stringify(value) ?? String(value);
}
