/** The math extension. https://pkg.go.dev/github.com/google/cel-go/ext#Math */
import type { Run } from "../budget.ts";
import { numberOf } from "../compare.ts";
import { int, uint } from "../operators.ts";
import { CelError, type CelValue, kindOf, Uint } from "../values.ts";
import { define, type FunctionTable, noOverload } from "./table.ts";

export function defineMath(table: FunctionTable): void {
  const greatest = (run: Run, ...operands: CelValue[]) => extreme(run, "math.greatest", operands, (a, b) => a > b);
  const least = (run: Run, ...operands: CelValue[]) => extreme(run, "math.least", operands, (a, b) => a < b);
  define(table, "math::greatest(...): any", greatest as never);
  define(table, "math::least(...): any", least as never);
  defineRounding(table);
  defineSigns(table);
  defineBits(table);
}

/** Of several numbers, or of one list of them. */
function extreme(run: Run, name: string, operands: CelValue[], isBetter: (a: Worth, b: Worth) => boolean): CelValue {
  const [first] = operands;
  const isList = operands.length === 1 && typeof first === "object" && first !== null && "items" in first;
  const values = isList ? first.items : operands;
  run.charge(values.length);
  if (values.length === 0) throw new CelError(`${name}() needs at least one number`);
  let best = values[0] as CelValue;
  for (const value of values) {
    const worth = numberOf(value);
    if (worth === undefined) throw new CelError(() => noOverload(name, values.map(kindOf)));
    if (isBetter(worth, numberOf(best) as Worth)) best = value;
  }
  return best;
}

type Worth = bigint | number;

function defineRounding(table: FunctionTable): void {
  const rounding: Record<string, (value: number) => number> = {
    ceil: Math.ceil,
    floor: Math.floor,
    trunc: Math.trunc,
    round: (value) => Math.sign(value) * Math.round(Math.abs(value)),
  };
  for (const [name, apply] of Object.entries(rounding))
    define(table, `math::${name}(double): double`, (_run, a: number) => apply(a));
  define(table, "math::isNaN(double): bool", (_run, a: number) => Number.isNaN(a));
  define(table, "math::isInf(double): bool", (_run, a: number) => Math.abs(a) === Infinity);
  define(table, "math::isFinite(double): bool", (_run, a: number) => Number.isFinite(a));
  define(table, "math::sqrt(double): double", (_run, a: number) => Math.sqrt(a));
  define(table, "math::sqrt(int): double", (_run, a: bigint) => Math.sqrt(Number(a)));
  define(table, "math::sqrt(uint): double", (_run, a: Uint) => Math.sqrt(Number(a.value)));
}

function defineSigns(table: FunctionTable): void {
  define(table, "math::abs(int): int", (_run, a: bigint) => int(a < 0n ? -a : a));
  define(table, "math::abs(uint): uint", (_run, a: Uint) => a);
  define(table, "math::abs(double): double", (_run, a: number) => Math.abs(a));
  define(table, "math::sign(int): int", (_run, a: bigint) => (a > 0n ? 1n : a < 0n ? -1n : 0n));
  define(table, "math::sign(uint): uint", (_run, a: Uint) => new Uint(a.value > 0n ? 1n : 0n));
  define(table, "math::sign(double): double", (_run, a: number) => Math.sign(a));
}

function defineBits(table: FunctionTable): void {
  const both: Record<string, (a: bigint, b: bigint) => bigint> = {
    bitAnd: (a, b) => a & b,
    bitOr: (a, b) => a | b,
    bitXor: (a, b) => a ^ b,
  };
  for (const [name, apply] of Object.entries(both)) {
    define(table, `math::${name}(int, int): int`, (_run, a: bigint, b: bigint) => apply(a, b));
    define(table, `math::${name}(uint, uint): uint`, (_run, a: Uint, b: Uint) => new Uint(apply(a.value, b.value)));
  }
  define(table, "math::bitNot(int): int", (_run, a: bigint) => ~a);
  define(table, "math::bitNot(uint): uint", (_run, a: Uint) => new Uint(BigInt.asUintN(64, ~a.value)));
  const shift = (by: bigint) => {
    if (by < 0n) throw new CelError(`math: a shift by ${by}, negative offset`);
    return by > 63n ? undefined : by;
  };
  const left = (value: bigint, by: bigint | undefined) => (by === undefined ? 0n : value << by);
  const right = (value: bigint, by: bigint | undefined) => (by === undefined ? 0n : value >> by);
  // A shift moves the 64 bits of an int as they are, and a right shift fills with zeros.
  define(table, "math::bitShiftLeft(int, int): int", (_run, a: bigint, b: bigint) =>
    BigInt.asIntN(64, left(a, shift(b))),
  );
  define(table, "math::bitShiftLeft(uint, int): uint", (_run, a: Uint, b: bigint) =>
    uint(BigInt.asUintN(64, left(a.value, shift(b)))),
  );
  define(table, "math::bitShiftRight(int, int): int", (_run, a: bigint, b: bigint) =>
    BigInt.asIntN(64, right(BigInt.asUintN(64, a), shift(b))),
  );
  define(table, "math::bitShiftRight(uint, int): uint", (_run, a: Uint, b: bigint) => uint(right(a.value, shift(b))));
}
