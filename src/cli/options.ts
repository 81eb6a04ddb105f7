/** Options of a command line, and how a command reads them. */
import { parseDuration } from "../core/duration.ts";
import { nearest, SignalboxError } from "../errors.ts";

/** Options as given, by their long names in camel case. */
export type Options = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

/** The text given for an option. */
export function textOf(options: Options, name: string): string | undefined {
  const value = options[name];
  return typeof value === "string" ? value : undefined;
}

/** All texts given for an option that repeats. */
export function textsOf(options: Options, name: string): readonly string[] {
  const value = options[name];
  return Array.isArray(value) ? value : [];
}

/** A whole number given for an option; SB0901 when it is none or outside the limits. */
export function numberOf(
  options: Options,
  name: string,
  { min, max, standard }: { min: number; max: number; standard: number },
): number {
  const text = textOf(options, name);
  if (text === undefined) return standard;
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw usage(`--${kebab(name)} is "${text}", write a whole number from ${min} to ${max}`);
}

/** Milliseconds given for an option; SB0901 when it is no duration. */
export function durationOf(options: Options, name: string): number | undefined {
  const text = textOf(options, name);
  if (text === undefined) return undefined;
  const ms = parseDuration(text);
  if (ms === undefined) throw usage(`--${kebab(name)} is "${text}", write a duration such as 90s, 15m, 24h or 7d`);
  return ms;
}

/** A command line that cannot be carried out; exit 2. */
export function usage(message: string): SignalboxError {
  return new SignalboxError("SB0901", message);
}

/** No `kind` has that name: SB0905, with the nearest of the names there are. */
export function notFound(kind: string, name: string, names: readonly string[]): SignalboxError {
  const near = nearest(name, names);
  return new SignalboxError("SB0905", `There is no ${kind} "${name}"${near ? `; did you mean "${near}"?` : ""}`);
}

function kebab(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
