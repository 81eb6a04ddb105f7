/** JSON values as the CEL library reads them, and its results as JSON. */
import type { Json, JsonObject } from "../model.ts";

/**
 * A JSON object as the CEL library reads maps: values are converted when they are first asked for, nothing is copied, and only own
 * properties exist.
 */
class JsonMap extends Map<string, unknown> {
  readonly raw: Readonly<Record<string, unknown>>;
  constructor(raw: object) {
    super();
    this.raw = raw as Readonly<Record<string, unknown>>;
  }
  override get(key: unknown): unknown {
    if (typeof key !== "string") return undefined;
    const cached = super.get(key);
    if (cached !== undefined || !Object.hasOwn(this.raw, key)) return cached;
    const value = toCel(this.raw[key]);
    if (typeof value === "object" && value !== null) super.set(key, value);
    return value;
  }
  override has(key: unknown): boolean {
    return typeof key === "string" && Object.hasOwn(this.raw, key) && this.raw[key] !== undefined;
  }
  override get size(): number {
    return Object.keys(this.raw).length;
  }
  override keys(): MapIterator<string> {
    return Object.keys(this.raw).values();
  }
  override *entries(): MapIterator<[string, unknown]> {
    for (const key of Object.keys(this.raw)) yield [key, this.get(key)];
    return undefined;
  }
  override [Symbol.iterator](): MapIterator<[string, unknown]> {
    return this.entries();
  }
}
// The library recognises maps by their constructor.
Object.defineProperty(JsonMap.prototype, "constructor", { value: Map });

/** A JSON value as CEL sees it: whole numbers are ints, other numbers doubles. */
export function toCel(value: unknown): unknown {
  if (typeof value === "number") return Number.isSafeInteger(value) ? BigInt(value) : value;
  if (typeof value !== "object" || value === null) return value;
  return Array.isArray(value) ? value.map(toCel) : new JsonMap(value);
}

/** The result of an expression as JSON: timestamps and durations are texts. Throws Unfit when there is no JSON for it. */
export function toJson(value: unknown): Json {
  if (value === null || typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "number" || typeof value === "bigint") return numberToJson(value);
  if (typeof value !== "object") throw new Unfit(`The expression gives a ${typeof value}, which is not JSON`);
  if (value instanceof JsonMap) return value.raw as JsonObject;
  if (Array.isArray(value)) return value.map(toJson);
  if (value instanceof Date) return value.toISOString();
  const kind = Object.prototype.toString.call(value);
  if (kind === "[object google.protobuf.Duration]") return String(value);
  if (Object.getPrototypeOf(value) === Object.prototype) {
    const entries = Object.entries(value).map(([key, member]): [string, Json] => [key, toJson(member)]);
    return Object.fromEntries(entries);
  }
  const number = (value as { value?: unknown }).value;
  if (typeof number === "bigint") return numberToJson(number);
  throw new Unfit("The expression gives a value that is not JSON, write string(…) around it");
}

/** Why an expression has no usable result, in a sentence. Thrown inside an evaluation only, which turns it into its answer. */
export class Unfit extends Error {
  override name = "Unfit";
}

function numberToJson(value: number | bigint): number {
  const number = Number(value);
  if (!Number.isFinite(number)) throw new Unfit(`The expression gives ${number}, which is not a JSON number`);
  if (typeof value === "bigint" && BigInt(number) !== value)
    throw new Unfit(`The expression gives ${value}, which a JSON number cannot hold exactly`);
  return number;
}
