/** The functions of the language itself: sizes, conversions, texts, times. */
import type { Regex } from "../../regex.ts";
import type { Run } from "../budget.ts";
import { INT_MAX, INT_MIN, int, uint } from "../operators.ts";
import {
  DURATION_GETTERS,
  durationText,
  localDate,
  parseDuration,
  parseTimestamp,
  secondsOf,
  TIMESTAMP_GETTERS,
  timestampOfSeconds,
  timestampText,
  utcDate,
} from "../time.ts";
import {
  CelError,
  type CelValue,
  type Duration,
  KINDS,
  type ListValue,
  type MapValue,
  quotedText,
  type Timestamp,
  typeOf,
  type Uint,
} from "../values.ts";
import { define, type FunctionTable } from "./table.ts";

export function defineStandard(table: FunctionTable): void {
  defineSizes(table);
  defineConversions(table);
  defineNumbers(table);
  define(table, "string.startsWith(string): bool", (run, a: string, b: string) => {
    run.chargeChars(b.length);
    return a.startsWith(b);
  });
  define(table, "string.endsWith(string): bool", (run, a: string, b: string) => {
    run.chargeChars(b.length);
    return a.endsWith(b);
  });
  define(table, "string.contains(string): bool", (run, a: string, b: string) => {
    run.chargeSearch(a, b);
    return a.includes(b);
  });
  for (const signature of ["string.matches(string): bool", "matches(string, string): bool"])
    define(table, signature, (run, text: string, pattern: string) => matchesRegex(run, text, run.regex(pattern)));
  for (const [name, read] of Object.entries(TIMESTAMP_GETTERS)) {
    define(table, `timestamp.${name}(): int`, (_run, a: Timestamp) => BigInt(read(utcDate(a))));
    define(table, `timestamp.${name}(string): int`, (run, a: Timestamp, zone: string) => {
      run.charge(run.zoneFormats.has(zone) ? ZONE_STEPS : NEW_ZONE_STEPS);
      return BigInt(read(localDate(a, zone, run.zoneFormats)));
    });
  }
  for (const [name, read] of Object.entries(DURATION_GETTERS))
    define(table, `duration.${name}(): int`, (_run, a: Duration) => read(a));
}

/** Reading the clock of a zone takes the time of so many ordinary steps, the first time more. */
const ZONE_STEPS = 20;
const NEW_ZONE_STEPS = 500;

/** CEL's `matches` is RE2, which is linear; JavaScript's engine is not, and the text comes from outside. */
export function matchesRegex(run: Run, text: string, regex: Regex): boolean {
  if (!regex.ok) throw new CelError(regex.detail);
  run.charge(((text.length + 1) * regex.size) / 8);
  return regex.test(text);
}

function defineSizes(table: FunctionTable): void {
  for (const form of ["size(K): int", "K.size(): int"]) {
    define(table, form.replace("K", "string"), (run, a: string) => {
      run.chargeChars(a.length * 4);
      return BigInt(charCount(a));
    });
    define(table, form.replace("K", "bytes"), (_run, a: Uint8Array) => BigInt(a.length));
    define(table, form.replace("K", "list"), (_run, a: ListValue) => BigInt(a.size));
    define(table, form.replace("K", "map"), (_run, a: MapValue) => BigInt(a.size));
  }
}

/** Characters, not halves of them. */
function charCount(text: string): number {
  let count = text.length;
  for (let i = 0; i < text.length - 1; i++) {
    const unit = text.charCodeAt(i);
    const next = text.charCodeAt(i + 1);
    if (unit >= 0xd800 && unit < 0xdc00 && next >= 0xdc00 && next < 0xe000) count--;
  }
  return count;
}

const BOOLS: Readonly<Record<string, boolean>> = {
  ...{ "1": true, t: true, true: true, TRUE: true, True: true },
  ...{ "0": false, f: false, false: false, FALSE: false, False: false },
};

function defineConversions(table: FunctionTable): void {
  define(table, "dyn(any): any", (_run, a: CelValue) => a);
  define(table, "type(any): type", (_run, a: CelValue) => typeOf(a));
  for (const kind of KINDS)
    if (["bool", "int", "uint", "double", "string", "bytes", "timestamp", "duration"].includes(kind))
      define(table, `${kind}(${kind}): ${kind}`, (_run, a: CelValue) => a);
  define(table, "bool(string): bool", (_run, a: string) => {
    const value = Object.hasOwn(BOOLS, a) ? BOOLS[a] : undefined;
    return value ?? unreadable("bool", a);
  });
  define(table, "bytes(string): bytes", (run, a: string) => {
    run.chargeText(a.length);
    return new TextEncoder().encode(a);
  });
  define(table, "string(bool): string", (_run, a: boolean) => String(a));
  define(table, "string(int): string", (_run, a: bigint) => String(a));
  define(table, "string(uint): string", (_run, a: Uint) => String(a.value));
  define(table, "string(double): string", (_run, a: number) => doubleText(a));
  define(table, "string(timestamp): string", (_run, a: Timestamp) => timestampText(a, 0));
  define(table, "string(duration): string", (_run, a: Duration) => durationText(a));
  define(table, "string(bytes): string", (run, a: Uint8Array) => utf8Text(run, a));
  define(table, "timestamp(string): timestamp", (_run, a: string) => parseTimestamp(a));
  define(table, "timestamp(int): timestamp", (_run, a: bigint) => timestampOfSeconds(a));
  define(table, "duration(string): duration", (_run, a: string) => parseDuration(a));
}

function defineNumbers(table: FunctionTable): void {
  define(table, "int(uint): int", (_run, a: Uint) => int(a.value));
  define(table, "int(double): int", (_run, a: number) => doubleToInt(a));
  define(table, "int(timestamp): int", (_run, a: Timestamp) => secondsOf(a));
  define(table, "int(string): int", (_run, a: string) => int(digits("int", a, /^[+-]?\d{1,30}$/)));
  define(table, "uint(int): uint", (_run, a: bigint) => uint(a));
  define(table, "uint(double): uint", (_run, a: number) => {
    if (!Number.isFinite(a) || a >= 2 ** 64) throw new CelError(() => `${a} is out of range for a uint`);
    return uint(BigInt(Math.trunc(a)));
  });
  define(table, "uint(string): uint", (_run, a: string) => uint(digits("uint", a, /^\d{1,30}$/)));
  define(table, "double(int): double", (_run, a: bigint) => Number(a));
  define(table, "double(uint): double", (_run, a: Uint) => Number(a.value));
  define(table, "double(string): double", (_run, a: string) => readDouble(a));
}

/** Not the ends of the range either: a double near them has been rounded, and nobody knows from what. */
function doubleToInt(value: number): bigint {
  const isInside = value > Number(INT_MIN) && value < Number(INT_MAX);
  if (!isInside) throw new CelError(() => `${value} is out of range for an int`);
  return BigInt(Math.trunc(value));
}

function digits(kind: string, text: string, form: RegExp): bigint {
  if (!form.test(text)) unreadable(kind, text);
  return BigInt(text.replace(/^\+/, ""));
}

function readDouble(text: string): number {
  if (/^[+-]?inf(?:inity)?$/i.test(text)) return text.startsWith("-") ? -Infinity : Infinity;
  if (/^nan$/i.test(text)) return Number.NaN;
  if (text.length > 400 || !/^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(text)) unreadable("double", text);
  const value = Number(text);
  return Number.isFinite(value) ? value : unreadable("double", text);
}

function unreadable(kind: string, text: string): never {
  throw new CelError(`${kind}(…) cannot read ${quotedText(text)}`);
}

export function doubleText(value: number): string {
  if (value === Infinity) return "+Inf";
  return value === -Infinity ? "-Inf" : String(value);
}

export function utf8Text(run: Run, bytes: Uint8Array): string {
  run.chargeText(bytes.length);
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new CelError("These bytes are not valid UTF-8");
  }
}
