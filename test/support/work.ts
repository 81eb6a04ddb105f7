/** Counts what a piece of code does with bytes, so that cost can be promised without a clock. */
import crypto from "node:crypto";
import { syncBuiltinESMExports } from "node:module";

export interface Work {
  /** Calls that make, cut, search, hash or verify bytes. */
  calls: number;
  /** Bytes that those calls read. */
  bytes: number;
}

type Method = (this: unknown, ...args: unknown[]) => unknown;

const sizeOf = (value: unknown): number =>
  typeof value === "string" || value instanceof Uint8Array
    ? value.length
    : Array.isArray(value)
      ? value.reduce((sum: number, one) => sum + sizeOf(one), 0)
      : 0;

const hashes = [crypto.createHash("sha256"), crypto.createHmac("sha256", "x")].map((one) => Object.getPrototypeOf(one));

/** Whose bytes a call reads: its own, or those of its arguments. */
const COUNTED: readonly [owner: object, names: readonly string[], reads: "own" | "given" | "none"][] = [
  [Buffer, ["from", "concat"], "given"],
  [Buffer, ["alloc", "allocUnsafe"], "none"],
  [Buffer.prototype, ["toString"], "own"],
  [Buffer.prototype, ["subarray", "slice", "indexOf", "includes", "equals"], "none"],
  ...hashes.map((prototype) => [prototype, ["update"], "given"] as [object, string[], "given"]),
  [crypto, ["verify", "timingSafeEqual"], "given"],
  [TextDecoder.prototype, ["decode"], "given"],
  [String.prototype, ["split", "replace", "trim"], "own"],
];

/** What `act` did. Not for code that runs beside other code. */
export async function workOf(act: () => unknown): Promise<Work> {
  const work: Work = { calls: 0, bytes: 0 };
  const undo = COUNTED.flatMap(([owner, names, reads]) =>
    names.map((name) => {
      const methods = owner as Record<string, Method>;
      const own = Object.getOwnPropertyDescriptor(owner, name);
      const original = methods[name] as Method;
      methods[name] = function (...args) {
        work.calls += 1;
        if (reads === "own") work.bytes += sizeOf(typeof this === "object" ? this : String(this));
        if (reads === "given") work.bytes += args.reduce((sum: number, arg) => sum + sizeOf(arg), 0);
        return original.apply(this, args);
      };
      return () => {
        if (own) Object.defineProperty(owner, name, own);
        else delete methods[name];
      };
    }),
  );
  syncBuiltinESMExports();
  try {
    await act();
  } finally {
    for (const one of undo) one();
    syncBuiltinESMExports();
  }
  return work;
}
