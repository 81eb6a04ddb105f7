/** The encoders extension, and optional values. */
import { CelError, type CelValue, type ListValue, type MapValue, NONE, Optional } from "../values.ts";
import { define, type FunctionTable } from "./table.ts";

export function defineEncoders(table: FunctionTable): void {
  define(table, "base64::encode(bytes): string", (run, a: Uint8Array) => {
    run.chargeText(Math.ceil(a.length / 3) * 4);
    return Buffer.from(a).toString("base64");
  });
  define(table, "base64::decode(string): bytes", (run, a: string) => {
    run.chargeChars(a.length);
    // Node reads what it can and drops the rest.
    if (!/^[A-Za-z0-9+/]*={0,2}$/.test(a) || a.replace(/=+$/, "").length % 4 === 1)
      throw new CelError("base64.decode() takes base64 in the letters A-Z a-z 0-9 + /");
    return new Uint8Array(Buffer.from(a, "base64"));
  });
}

export function defineOptionals(table: FunctionTable): void {
  define(table, "optional::none(): optional", () => NONE);
  define(table, "optional::of(any): optional", (_run, a: CelValue) => new Optional(a));
  define(table, "optional::ofNonZeroValue(any): optional", (_run, a: CelValue) => (isZero(a) ? NONE : new Optional(a)));
  define(table, "optional.hasValue(): bool", (_run, a: Optional) => a.value !== undefined);
  define(table, "optional.value(): any", (_run, a: Optional) => {
    if (a.value === undefined)
      throw new CelError("The optional has no value, test with hasValue() or end with orValue(…)");
    return a.value;
  });
}

function isZero(value: CelValue): boolean {
  if (typeof value !== "object") return value === false || value === "" || value === 0n || value === 0;
  if (value === null) return true;
  if (value instanceof Uint8Array) return value.length === 0;
  switch (value.kind) {
    case "list":
    case "map":
      return (value as ListValue | MapValue).size === 0;
    case "uint":
      return value.value === 0n;
    case "duration":
      return value.nanos === 0n;
    case "timestamp":
      return value.nanos === 0n;
    case "optional":
      return value.value === undefined;
    default:
      return false;
  }
}
