/** Arithmetic. An int and a double mix, because JSON writes both alike; nothing overflows silently. */
import type { Run } from "./budget.ts";
import { duration, timestamp } from "./time.ts";
import {
  CelError,
  CelList,
  type CelValue,
  type Duration,
  type Kind,
  kindOf,
  type ListValue,
  type Timestamp,
  TYPE_NAME,
  Uint,
} from "./values.ts";

export const INT_MAX = 2n ** 63n - 1n;
export const INT_MIN = -(2n ** 63n);
const UINT_MAX = 2n ** 64n - 1n;

export function int(value: bigint): bigint {
  if (value > INT_MAX || value < INT_MIN) throw new CelError(() => `${value} is out of range for an int`);
  return value;
}

export function uint(value: bigint): Uint {
  if (value < 0n || value > UINT_MAX) throw new CelError(() => `${value} is out of range for a uint`);
  return new Uint(value);
}

interface Operation {
  result: Kind;
  apply(run: Run, a: never, b: never): CelValue;
}

const whole: Readonly<Record<string, (a: bigint, b: bigint) => bigint>> = {
  "+": (a, b) => a + b,
  "-": (a, b) => a - b,
  "*": (a, b) => a * b,
  "/": (a, b) => a / nonZero(b, "division by zero"),
  "%": (a, b) => a % nonZero(b, "modulo by zero"),
};
const fractional: Readonly<Record<string, (a: number, b: number) => number>> = {
  "+": (a, b) => a + b,
  "-": (a, b) => a - b,
  "*": (a, b) => a * b,
  "/": (a, b) => a / b,
};

function nonZero(divisor: bigint, message: string): bigint {
  if (divisor === 0n) throw new CelError(message);
  return divisor;
}

/** By `left operator right`. */
const OPERATIONS: ReadonlyMap<string, Operation> = everyOperation();

function everyOperation(): Map<string, Operation> {
  const operations = new Map<string, Operation>();
  const define = (key: string, result: Kind, apply: Operation["apply"]) => operations.set(key, { result, apply });

  for (const [operator, apply] of Object.entries(whole)) {
    define(`int ${operator} int`, "int", (_run, a: bigint, b: bigint) => int(apply(a, b)));
    define(`uint ${operator} uint`, "uint", (_run, a: Uint, b: Uint) => uint(apply(a.value, b.value)));
  }
  for (const [operator, apply] of Object.entries(fractional)) {
    define(`double ${operator} double`, "double", (_run, a: number, b: number) => apply(a, b));
    define(`int ${operator} double`, "double", (_run, a: bigint, b: number) => apply(Number(a), b));
    define(`double ${operator} int`, "double", (_run, a: number, b: bigint) => apply(a, Number(b)));
  }
  define("string + string", "string", (run, a: string, b: string) => {
    run.chargeText(a.length + b.length);
    return a + b;
  });
  define("bytes + bytes", "bytes", (run, a: Uint8Array, b: Uint8Array) => {
    run.chargeText(a.length + b.length);
    const sum = new Uint8Array(a.length + b.length);
    sum.set(a);
    sum.set(b, a.length);
    return sum;
  });
  define("list + list", "list", (run, a: ListValue, b: ListValue) => {
    run.charge(a.size + b.size);
    return new CelList([...a.items, ...b.items]);
  });
  define("timestamp + duration", "timestamp", (_run, a: Timestamp, b: Duration) => timestamp(a.nanos + b.nanos));
  define("duration + timestamp", "timestamp", (_run, a: Duration, b: Timestamp) => timestamp(a.nanos + b.nanos));
  define("timestamp - duration", "timestamp", (_run, a: Timestamp, b: Duration) => timestamp(a.nanos - b.nanos));
  define("timestamp - timestamp", "duration", (_run, a: Timestamp, b: Timestamp) => duration(a.nanos - b.nanos));
  define("duration + duration", "duration", (_run, a: Duration, b: Duration) => duration(a.nanos + b.nanos));
  define("duration - duration", "duration", (_run, a: Duration, b: Duration) => duration(a.nanos - b.nanos));
  return operations;
}

/** The kind of a result by the kinds of the two sides, undefined when they do not go together. */
export const arithmeticKind = (operator: string, left: Kind, right: Kind): Kind | undefined =>
  OPERATIONS.get(`${left} ${operator} ${right}`)?.result;

export function arithmetic(run: Run, operator: string, a: CelValue, b: CelValue): CelValue {
  // What conditions do most, without the table.
  if (typeof a === "bigint" && typeof b === "bigint") return int((whole[operator] as (typeof whole)["+"])(a, b));
  const operation = OPERATIONS.get(`${kindOf(a)} ${operator} ${kindOf(b)}`);
  if (operation === undefined) throw new CelError(() => noOperation(operator, kindOf(a), kindOf(b)));
  return operation.apply(run, a as never, b as never);
}

export function noOperation(operator: string, left: Kind, right: Kind): string {
  const sentence = `no such overload: ${TYPE_NAME[left]} ${operator} ${TYPE_NAME[right]}`;
  const isText = operator === "+" && (left === "string") !== (right === "string");
  return isText ? `${sentence}, write string(…) around the other side` : sentence;
}

export function negate(value: CelValue): CelValue {
  if (typeof value === "bigint") return int(-value);
  if (typeof value === "number") return -value;
  throw new CelError(() => `no such overload: -${TYPE_NAME[kindOf(value)]}`);
}
