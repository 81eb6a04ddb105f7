/** When two values are equal, and which comes first. */
import type { Run } from "./budget.ts";
import {
  CelType,
  type CelValue,
  CidrBlock,
  Duration,
  IpAddress,
  type ListValue,
  type MapValue,
  type Optional,
  Timestamp,
  Uint,
} from "./values.ts";

/** Values of different types differ, apart from numbers: 1, 1u and 1.0 are equal. */
export function isEqual(run: Run, a: CelValue, b: CelValue, depth = 0): boolean {
  run.enter(depth);
  const left = numberOf(a);
  if (left !== undefined) {
    const right = numberOf(b);
    return right !== undefined && compareNumbers(left, right) === 0;
  }
  if (typeof a === "string") return typeof b === "string" && isEqualText(run, a, b);
  if (typeof a !== "object" || a === null || typeof b !== "object" || b === null) return a === b;
  if (a instanceof Uint8Array) return b instanceof Uint8Array && isEqualBytes(run, a, b);
  if (b instanceof Uint8Array || a.kind !== b.kind) return false;
  return isEqualObject(run, a, b as typeof a, depth + 1);
}

function isEqualObject(run: Run, a: Exclude<CelValue & object, Uint8Array>, b: typeof a, depth: number): boolean {
  if (a.kind === "list") return isEqualList(run, a, b as ListValue, depth);
  if (a.kind === "map") return isEqualMap(run, a, b as MapValue, depth);
  if (a instanceof Timestamp || a instanceof Duration) return a.nanos === (b as typeof a).nanos;
  if (a instanceof CelType) return a.name === (b as CelType).name;
  if (a instanceof IpAddress) return isSameAddress(a, b as IpAddress);
  if (a instanceof CidrBlock)
    return a.prefix === (b as CidrBlock).prefix && isSameAddress(a.address, (b as CidrBlock).address);
  const [left, right] = [(a as Optional).value, (b as Optional).value];
  if (left === undefined || right === undefined) return left === right;
  return isEqual(run, left, right, depth);
}

const isSameAddress = (a: IpAddress, b: IpAddress): boolean => a.family === b.family && a.bits === b.bits;

function isEqualText(run: Run, a: string, b: string): boolean {
  if (a.length !== b.length) return false;
  run.chargeChars(a.length);
  return a === b;
}

function isEqualBytes(run: Run, a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  run.chargeChars(a.length);
  return a.every((byte, i) => byte === b[i]);
}

function isEqualList(run: Run, a: ListValue, b: ListValue, depth: number): boolean {
  if (a.size !== b.size) return false;
  for (let i = 0; i < a.size; i++) if (!isEqual(run, a.at(i) as CelValue, b.at(i) as CelValue, depth)) return false;
  return true;
}

function isEqualMap(run: Run, a: MapValue, b: MapValue, depth: number): boolean {
  if (a.size !== b.size) return false;
  for (const key of a.keys()) {
    const other = b.get(key);
    if (other === undefined || !isEqual(run, a.get(key) as CelValue, other, depth)) return false;
  }
  return true;
}

/** A number of any type as JavaScript compares it, undefined for what is none. */
export function numberOf(value: CelValue): bigint | number | undefined {
  if (typeof value === "bigint" || typeof value === "number") return value;
  return value instanceof Uint ? value.value : undefined;
}

/** Two whole numbers exactly; beside a double a whole number counts as the nearest double, as the specification has it. */
function compareNumbers(a: bigint | number, b: bigint | number): number {
  const [left, right] = typeof a === typeof b ? [a, b] : [Number(a), Number(b)];
  if (left < right) return -1;
  if (left > right) return 1;
  return left === right ? 0 : Number.NaN;
}

/** Below, above or 0; NaN when a NaN is among them; undefined when there is no order between the two. */
export function compare(run: Run, a: CelValue, b: CelValue): number | undefined {
  const [left, right] = [numberOf(a), numberOf(b)];
  if (left !== undefined || right !== undefined) {
    if (left === undefined || right === undefined) return undefined;
    return compareNumbers(left, right);
  }
  if (typeof a === "string" && typeof b === "string") {
    run.chargeChars(Math.min(a.length, b.length));
    return compareText(a, b);
  }
  if (typeof a === "boolean" && typeof b === "boolean") return Number(a) - Number(b);
  if (a instanceof Uint8Array && b instanceof Uint8Array) {
    run.chargeChars(Math.min(a.length, b.length));
    return Buffer.compare(a, b);
  }
  const sameTime =
    (a instanceof Timestamp && b instanceof Timestamp) || (a instanceof Duration && b instanceof Duration);
  return sameTime ? order(a.nanos, b.nanos) : undefined;
}

const order = (a: bigint, b: bigint): number => (a < b ? -1 : Number(a > b));

/** By characters: JavaScript orders halves of characters, which puts an emoji before U+FF5E. */
function compareText(a: string, b: string): number {
  if (a === b) return 0;
  let i = 0;
  while (i < a.length && i < b.length && a.charCodeAt(i) === b.charCodeAt(i)) i++;
  const [left, right] = [a.charCodeAt(i), b.charCodeAt(i)];
  if (Number.isNaN(left) || Number.isNaN(right)) return Number.isNaN(left) ? -1 : 1;
  const [leftHalf, rightHalf] = [isHalf(left), isHalf(right)];
  if (leftHalf !== rightHalf) return leftHalf ? 1 : -1;
  return left - right;
}

const isHalf = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdfff;
