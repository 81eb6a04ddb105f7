/** `"%d of %s".format([1, "x"])`. https://pkg.go.dev/github.com/google/cel-go/ext#Strings */
import type { Run } from "../budget.ts";
import { durationText, timestampText } from "../time.ts";
import {
  CelError,
  type CelType,
  type CelValue,
  type Duration,
  kindOf,
  type ListValue,
  type MapValue,
  type Timestamp,
  TYPE_NAME,
  Uint,
} from "../values.ts";
import { addressText, networkText } from "./network.ts";
import { utf8Text } from "./standard.ts";

/** Go allows more; the digits of a double end long before. */
const PRECISION_MAX = 100;
const PRECISION_USUAL = 6;
/** Writing a number exactly takes the time of so many ordinary steps. */
const CLAUSE_STEPS = 64;

export function format(run: Run, pattern: string, list: ListValue): string {
  run.chargeChars(pattern.length);
  const parts = pattern.split("%");
  let result = parts[0] ?? "";
  let used = 0;
  for (let i = 1; i < parts.length; i++) {
    const part = parts[i] as string;
    if (part === "" && i + 1 < parts.length) {
      // Two signs in a row stand for one.
      result += `%${parts[++i]}`;
      continue;
    }
    const clause = /^(?:\.(\d{1,4}))?([a-zA-Z])/.exec(part);
    if (!clause) throw new CelError(`could not parse formatting clause: "%${part.slice(0, 5)}", a percent sign is %%`);
    if (used >= list.size) throw new CelError(`index ${used} out of range: the list of format() is too short`);
    const text = formatClause(run, clause[2] as string, clause[1], list.at(used++) as CelValue);
    run.limitText(result.length + text.length + part.length);
    result += text + part.slice(clause[0].length);
  }
  return result;
}

function formatClause(run: Run, verb: string, digits: string | undefined, value: CelValue): string {
  const precision = digits === undefined ? PRECISION_USUAL : Number(digits);
  if (precision > PRECISION_MAX)
    throw new CelError(`A precision is at most ${PRECISION_MAX}, this one is ${precision}`);
  run.charge(CLAUSE_STEPS);
  switch (verb) {
    case "s":
      return valueText(run, value, 0);
    case "d":
      return decimal(value);
    case "f":
      return fixed(fractionOf(value, "fixed-point"), precision);
    case "e":
      return scientific(fractionOf(value, "scientific"), precision);
    case "b":
      return typeof value === "boolean" ? String(Number(value)) : wholeOf(value, "binary").toString(2);
    case "o":
      return wholeOf(value, "octal").toString(8);
    case "x":
      return hex(run, value);
    case "X":
      return hex(run, value).toUpperCase();
    default:
      throw new CelError(`could not parse formatting clause: unrecognized formatting clause "${verb}"`);
  }
}

function unfit(clause: string, value: CelValue): never {
  throw new CelError(`error during formatting: ${clause} cannot be used on ${TYPE_NAME[kindOf(value)]}`);
}

function wholeOf(value: CelValue, clause: string): bigint {
  if (typeof value === "bigint") return value;
  return value instanceof Uint ? value.value : unfit(`the ${clause} clause`, value);
}

function decimal(value: CelValue): string {
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  return String(wholeOf(value, "decimal"));
}

function fractionOf(value: CelValue, clause: string): number {
  if (typeof value === "number") return value;
  return typeof value === "bigint" || value instanceof Uint
    ? Number(value instanceof Uint ? value.value : value)
    : unfit(`the ${clause} clause`, value);
}

function hex(run: Run, value: CelValue): string {
  if (typeof value !== "string" && !(value instanceof Uint8Array)) return wholeOf(value, "hex").toString(16);
  run.chargeText(value.length * 2);
  return Buffer.from(value).toString("hex");
}

function fixed(value: number, precision: number): string {
  if (!Number.isFinite(value)) return String(value);
  const digits = String(roundedDigits(Math.abs(value), precision)).padStart(precision + 1, "0");
  const whole = digits.slice(0, digits.length - precision);
  return `${signOf(value)}${whole}${precision === 0 ? "" : `.${digits.slice(-precision)}`}`;
}

function scientific(value: number, precision: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  let exponent = Number(size.toExponential(20).split("e")[1]);
  let digits = String(roundedDigits(size, precision - exponent)).padEnd(precision + 1, "0");
  // 9.99 may have become 10.0.
  if (digits.length > precision + 1) {
    exponent++;
    digits = digits.slice(0, precision + 1);
  }
  const fraction = precision === 0 ? "" : `.${digits.slice(1)}`;
  const power = String(Math.abs(exponent)).padStart(2, "0");
  return `${signOf(value)}${digits.charAt(0)}${fraction}e${exponent < 0 ? "-" : "+"}${power}`;
}

const signOf = (value: number): string => (value < 0 || Object.is(value, -0) ? "-" : "");

/** Every double is a whole multiple of 2 to the power of -1074. */
const SMALLEST_PARTS = 2n ** 1_074n;

/** A number times 10 to the power of `places`, rounded from the exact value, halves to even; JavaScript rounds halves up. */
function roundedDigits(value: number, places: number): bigint {
  const power = 10n ** BigInt(Math.abs(places));
  const [dividend, divisor] = places < 0 ? [1n, SMALLEST_PARTS * power] : [power, SMALLEST_PARTS];
  const exact = exactMultiple(value) * dividend;
  const quotient = exact / divisor;
  const twice = (exact % divisor) * 2n;
  const isUp = twice > divisor || (twice === divisor && quotient % 2n === 1n);
  return isUp ? quotient + 1n : quotient;
}

function exactMultiple(value: number): bigint {
  const bits = new DataView(new ArrayBuffer(8));
  bits.setFloat64(0, value);
  const raw = bits.getBigUint64(0);
  const exponent = raw >> 52n;
  const mantissa = raw & (2n ** 52n - 1n);
  return exponent === 0n ? mantissa : (mantissa | (2n ** 52n)) << (exponent - 1n);
}

/** What %s writes. */
function valueText(run: Run, value: CelValue, depth: number): string {
  run.enter(depth);
  const text = scalarText(run, value) ?? containerText(run, value as ListValue | MapValue, depth);
  run.chargeText(text.length);
  return text;
}

function scalarText(run: Run, value: CelValue): string | undefined {
  if (typeof value !== "object" || value === null) return String(value);
  if (value instanceof Uint8Array) return utf8Text(run, value);
  switch (value.kind) {
    case "uint":
      return String((value as Uint).value);
    case "timestamp":
      return timestampText(value as Timestamp, 0);
    case "duration":
      return durationText(value as Duration);
    case "type":
      return (value as CelType).name;
    case "ip":
      return addressText(value);
    case "cidr":
      return networkText(value);
    case "optional":
      return unfit("%s", value);
    default:
      return undefined;
  }
}

function containerText(run: Run, value: ListValue | MapValue, depth: number): string {
  if (value.kind === "list") return `[${joined(run, value.items, (item) => valueText(run, item, depth + 1))}]`;
  run.charge(value.size * 16);
  const keys = value.keys().map((key) => ({ key, name: valueText(run, key, depth + 1) }));
  keys.sort((a, b) => (a.name < b.name ? -1 : 1));
  return `{${joined(run, keys, ({ key, name }) => `${name}: ${valueText(run, value.get(key) as CelValue, depth + 1)}`)}}`;
}

function joined<T>(run: Run, items: readonly T[], text: (item: T) => string): string {
  let chars = 0;
  const texts = items.map((item) => {
    const one = text(item);
    chars += one.length + 2;
    run.limitText(chars);
    return one;
  });
  return texts.join(", ");
}
