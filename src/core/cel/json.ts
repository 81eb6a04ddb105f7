/** JSON values as expressions read them, and results as JSON. */
import type { Json, JsonObject } from "../../model.ts";
import type { Run } from "./budget.ts";
import { addressText, networkText } from "./functions/network.ts";
import { durationText, timestampText } from "./time.ts";
import {
  CelError,
  type CelValue,
  CidrBlock,
  Duration,
  IpAddress,
  keyText,
  type ListValue,
  type MapValue,
  Optional,
  Timestamp,
  Uint,
} from "./values.ts";

/** A JSON object as a map: values are converted when they are first asked for, and only own properties exist. */
class JsonMap implements MapValue {
  readonly kind = "map";
  readonly raw: Readonly<JsonObject>;
  #converted: Map<string, CelValue> | undefined;
  constructor(raw: JsonObject) {
    this.raw = raw;
  }
  get size(): number {
    return Object.keys(this.raw).length;
  }
  get(key: CelValue): CelValue | undefined {
    if (typeof key !== "string" || !Object.hasOwn(this.raw, key)) return undefined;
    const raw = this.raw[key];
    if (raw === undefined) return undefined;
    if (typeof raw !== "object" || raw === null) return toCel(raw);
    const existing = this.#converted?.get(key);
    if (existing !== undefined) return existing;
    const value = toCel(raw);
    this.#converted ??= new Map();
    this.#converted.set(key, value);
    return value;
  }
  keys(): readonly string[] {
    return Object.keys(this.raw);
  }
}

class JsonList implements ListValue {
  readonly kind = "list";
  readonly raw: readonly Json[];
  #items: readonly CelValue[] | undefined;
  constructor(raw: readonly Json[]) {
    this.raw = raw;
  }
  get size(): number {
    return this.raw.length;
  }
  at(index: number): CelValue | undefined {
    return index >= 0 && index < this.raw.length ? this.items[index] : undefined;
  }
  get items(): readonly CelValue[] {
    this.#items ??= this.raw.map(toCel);
    return this.#items;
  }
}

/** A JSON value as CEL sees it: whole numbers are ints, other numbers doubles. */
export function toCel(value: Json): CelValue {
  if (typeof value === "number") return Number.isSafeInteger(value) ? BigInt(value) : value;
  if (typeof value !== "object" || value === null) return value;
  return Array.isArray(value) ? new JsonList(value) : new JsonMap(value);
}

/** The result of an expression as JSON: times, durations and addresses are texts. Throws CelError when there is no JSON for it. */
export const toJson = (run: Run, value: CelValue): Json => resultJson({ run, seen: new Set() }, value, 0);

interface ResultPass {
  run: Run;
  /** Parts of the payload that the result holds: once they cost nothing, each further time what they would be in JSON. */
  seen: Set<object>;
}

function resultJson(pass: ResultPass, value: CelValue, depth: number): Json {
  pass.run.enter(depth);
  if (value === null || typeof value === "boolean") return value;
  if (typeof value === "string") {
    pass.run.chargeChars(value.length);
    return value;
  }
  if (typeof value === "number" || typeof value === "bigint") return numberJson(value);
  if (value instanceof JsonMap || value instanceof JsonList) return rawJson(pass, value.raw as Json & object);
  if (value instanceof Uint8Array)
    throw new CelError("The expression gives bytes, which are not JSON, write string(…) or base64.encode(…) around it");
  if (value.kind === "list") return value.items.map((item) => resultJson(pass, item, depth + 1));
  if (value.kind === "map") return mapJson(pass, value, depth);
  return objectJson(value);
}

function objectJson(value: Exclude<CelValue & object, Uint8Array | ListValue | MapValue>): Json {
  if (value instanceof Timestamp) return timestampText(value, 3);
  if (value instanceof Duration) return durationText(value);
  if (value instanceof Uint) return numberJson(value.value);
  if (value instanceof IpAddress) return addressText(value);
  if (value instanceof CidrBlock) return networkText(value);
  if (value instanceof Optional)
    throw new CelError("The expression gives an optional, which is not JSON, end it with .orValue(…)");
  throw new CelError("The expression gives a type, which is not JSON, compare it as in type(x) == string");
}

function mapJson(pass: ResultPass, map: MapValue, depth: number): Json {
  const entries = new Map<string, Json>();
  for (const key of map.keys()) {
    const name = keyText(key);
    if (entries.has(name)) throw new CelError(`Two keys of the map are both "${name}" in JSON`);
    entries.set(name, resultJson(pass, map.get(key) as CelValue, depth + 1));
  }
  return Object.fromEntries(entries);
}

function rawJson(pass: ResultPass, raw: Json & object): Json {
  if (pass.seen.has(raw)) chargeRaw(pass.run, raw, 0);
  pass.seen.add(raw);
  return raw;
}

function chargeRaw(run: Run, raw: Json, depth: number): void {
  run.enter(depth);
  if (typeof raw === "string") run.chargeChars(raw.length * 4);
  if (typeof raw !== "object" || raw === null) return;
  for (const part of Array.isArray(raw) ? raw : Object.values(raw)) chargeRaw(run, part, depth + 1);
}

function numberJson(value: number | bigint): number {
  const number = Number(value);
  if (!Number.isFinite(number)) throw new CelError(`The expression gives ${number}, which is not a JSON number`);
  if (typeof value === "bigint" && BigInt(number) !== value)
    throw new CelError(
      `The expression gives ${value}, which a JSON number cannot hold exactly, write string(…) around it`,
    );
  return number;
}
