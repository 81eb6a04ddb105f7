/** What JSON can say. */
export type Json = null | boolean | number | string | Json[] | JsonObject;
export type JsonObject = { [key: string]: Json };

/** Whether a value is an object, neither a list nor null. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The fields that are set, so that an absent attribute is an absent key. */
export function withoutUndefined<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;
}

const NUMBER = /-?\d[\d.eE+-]*/y;
/** A double keeps this many digits whatever they are. */
const EXACT_DIGITS = 15;

/**
 * The value of a JSON text. A number that JavaScript cannot hold is the text of its digits: a whole one past 2^53, and 1e400. `isExact` tells
 * that there was none. Throws what JSON.parse throws.
 */
export function parseJsonText(text: string): { value: Json; isExact: boolean } {
  const value = JSON.parse(text) as Json;
  const quoted = hasLargeNumber(value) ? withNumbersQuoted(text) : text;
  return quoted === text ? { value, isExact: true } : { value: JSON.parse(quoted) as Json, isExact: false };
}

/** Whether any number is larger than those of which JavaScript knows each one. */
function hasLargeNumber(value: Json): boolean {
  const rest: Json[] = [value];
  for (let next = rest.pop(); next !== undefined; next = rest.pop()) {
    if (typeof next === "number" && Math.abs(next) > Number.MAX_SAFE_INTEGER) return true;
    if (typeof next !== "object" || next === null) continue;
    for (const inner of Object.values(next)) if (typeof inner !== "string") rest.push(inner);
  }
  return false;
}

/** The index of the quote that ends the string which begins at `start`. */
export function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let slashes = 0;
    while (text.charCodeAt(end - 1 - slashes) === 0x5c) slashes++;
    if (slashes % 2 === 0) return end;
  }
  return text.length;
}

function withNumbersQuoted(text: string): string {
  let quoted = "";
  let from = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x22) at = endOfString(text, at);
    else if (code === 0x2d || (code >= 0x30 && code <= 0x39)) {
      const number = numberAt(text, at);
      const end = at + number.length;
      if (!isKept(number)) {
        quoted += `${text.slice(from, at)}"${number}"`;
        from = end;
      }
      at = end - 1;
    }
  }
  return quoted + text.slice(from);
}

function numberAt(text: string, at: number): string {
  NUMBER.lastIndex = at;
  return NUMBER.exec(text)?.[0] ?? "";
}

/** Whether JavaScript's number says what is written; a fraction may be rounded, its size is the same. */
function isKept(number: string): boolean {
  const value = Number(number);
  if (!/[.eE]/.test(number)) return Number.isSafeInteger(value);
  if (Math.abs(value) <= Number.MAX_SAFE_INTEGER) return true;
  return Number.isFinite(value) && significantDigits(number.split(/[eE]/, 1)[0] ?? "") <= EXACT_DIGITS;
}

/** How many digits there are from the first to the last that is not zero. */
function significantDigits(mantissa: string): number {
  const digits = mantissa.replace(/\D/g, "");
  const first = digits.search(/[1-9]/);
  let end = digits.length;
  while (end > 0 && digits.charCodeAt(end - 1) === 0x30) end--;
  return first < 0 ? 0 : end - first;
}
