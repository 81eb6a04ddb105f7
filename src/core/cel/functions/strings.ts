/** The strings extension. Positions count characters, as size() does. */
import type { Run } from "../budget.ts";
import { CelError, CelList, type CelValue, type ListValue } from "../values.ts";
import { format } from "./format.ts";
import { define, type FunctionTable } from "./table.ts";

export function defineStrings(table: FunctionTable): void {
  definePositions(table);
  definePieces(table);
  defineTransformations(table);
}

const isPlain = (text: string): boolean => !/[\ud800-\udfff]/.test(text);

/** A text whose characters have numbers. Most texts have no character of two halves, and nothing is counted then. */
class Characters {
  readonly text: string;
  readonly #chars: readonly string[] | undefined;
  constructor(run: Run, text: string) {
    run.chargeChars(text.length);
    this.text = text;
    if (isPlain(text)) return;
    run.charge(text.length);
    this.#chars = Array.from(text);
  }
  get size(): number {
    return this.#chars?.length ?? this.text.length;
  }
  slice(start: number, end: number): string {
    return this.#chars?.slice(start, end).join("") ?? this.text.slice(start, end);
  }
  /** Where JavaScript puts what CEL counts as this position. */
  offset(position: number): number {
    return this.#chars === undefined ? position : this.slice(0, position).length;
  }
  position(offset: number): bigint {
    if (offset < 0 || this.#chars === undefined) return BigInt(offset);
    return BigInt(Array.from(this.text.slice(0, offset)).length);
  }
  /** A position of an argument, which may be the end. */
  index(position: bigint): number {
    if (position < 0n || position > BigInt(this.size)) throw new CelError(`index out of range: ${position}`);
    return Number(position);
  }
}

function definePositions(table: FunctionTable): void {
  define(table, "string.charAt(int): string", (run, a: string, at: bigint) => {
    const chars = new Characters(run, a);
    const index = chars.index(at);
    return chars.slice(index, index + 1);
  });
  define(table, "string.indexOf(string): int", (run, a: string, b: string) => {
    run.chargeSearch(a, b);
    return new Characters(run, a).position(a.indexOf(b));
  });
  define(table, "string.indexOf(string, int): int", (run, a: string, b: string, from: bigint) => {
    const chars = new Characters(run, a);
    run.chargeSearch(a, b);
    return chars.position(a.indexOf(b, chars.offset(chars.index(from))));
  });
  define(table, "string.lastIndexOf(string): int", (run, a: string, b: string) => {
    run.chargeSearch(a, b);
    return new Characters(run, a).position(a.lastIndexOf(b));
  });
  define(table, "string.lastIndexOf(string, int): int", (run, a: string, b: string, from: bigint) => {
    const chars = new Characters(run, a);
    run.chargeSearch(a, b);
    return chars.position(a.lastIndexOf(b, chars.offset(chars.index(from))));
  });
  define(table, "string.substring(int): string", (run, a: string, from: bigint) => {
    const chars = new Characters(run, a);
    return chars.slice(chars.index(from), chars.size);
  });
  define(table, "string.substring(int, int): string", (run, a: string, from: bigint, to: bigint) => {
    const chars = new Characters(run, a);
    const [start, end] = [chars.index(from), chars.index(to)];
    if (start > end) throw new CelError(`invalid substring range. start: ${start}, end: ${end}`);
    return chars.slice(start, end);
  });
}

function definePieces(table: FunctionTable): void {
  define(table, "string.split(string): list", (run, a: string, separator: string) => split(run, a, separator, -1));
  define(table, "string.split(string, int): list", (run, a: string, separator: string, limit: bigint) =>
    split(run, a, separator, limit > 2n ** 31n ? -1 : Number(limit)),
  );
  define(table, "list.join(): string", (run, a: ListValue) => join(run, a, ""));
  define(table, "list.join(string): string", (run, a: ListValue, separator: string) => join(run, a, separator));
  define(table, "string.replace(string, string): string", (run, a: string, from: string, to: string) =>
    replace(run, a, from, to, -1),
  );
  define(table, "string.replace(string, string, int): string", (run, a: string, from: string, to: string, n: bigint) =>
    replace(run, a, from, to, n > 2n ** 31n ? -1 : Number(n)),
  );
}

function split(run: Run, text: string, separator: string, limit: number): CelValue {
  run.chargeSearch(text, separator);
  run.charge(text.length / Math.max(1, separator.length));
  if (limit === 0) return new CelList([]);
  const parts = separator === "" ? Array.from(text) : text.split(separator);
  if (limit < 0 || parts.length <= limit) return new CelList(parts);
  const rest = parts.slice(limit - 1).join(separator);
  return new CelList([...parts.slice(0, limit - 1), rest]);
}

function join(run: Run, list: ListValue, separator: string): string {
  run.charge(list.size);
  let chars = separator.length * Math.max(0, list.size - 1);
  for (const item of list.items) {
    if (typeof item !== "string")
      throw new CelError("join() takes a list of texts, write .map(x, string(x)) in front of it");
    chars += item.length;
  }
  run.chargeText(chars);
  return list.items.join(separator);
}

/** The first `limit` occurrences, all of them when it is negative. */
function replace(run: Run, text: string, from: string, to: string, limit: number): string {
  run.chargeSearch(text, from);
  // Between all characters, as in Go: an empty text occurs before and after each.
  const parts = from === "" ? ["", ...Array.from(text), ""] : text.split(from);
  run.charge(parts.length);
  const count = limit < 0 ? parts.length - 1 : Math.min(limit, parts.length - 1);
  run.chargeText(text.length + count * (to.length - from.length));
  return `${parts.slice(0, count + 1).join(to)}${parts
    .slice(count + 1)
    .map((part) => from + part)
    .join("")}`;
}

const SPACE = "\\t\\n\\v\\f\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const SPACE_BEFORE = new RegExp(`^[${SPACE}]+`);
const SPACE_CHAR = new RegExp(`[${SPACE}]`);

function trim(text: string): string {
  let end = text.length;
  // From the end by hand: a regular expression would try every run of blanks inside the text.
  while (end > 0 && SPACE_CHAR.test(text.charAt(end - 1))) end--;
  return text.slice(0, end).replace(SPACE_BEFORE, "");
}

const QUOTED: Readonly<Record<string, string>> = {
  "\u0007": "\\a",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\v": "\\v",
  "\\": "\\\\",
  '"': '\\"',
};

/** A half of a character becomes U+FFFD, as in every text that is written as UTF-8. */
const quote = (text: string): string =>
  `"${Array.from(text, (char) => QUOTED[char] ?? (/[\ud800-\udfff]/.test(char) && char.length === 1 ? "\ufffd" : char)).join("")}"`;

function defineTransformations(table: FunctionTable): void {
  const onText = (signature: string, apply: (text: string) => string, growth = 1) =>
    define(table, signature, (run, a: string) => {
      run.chargeText(a.length * growth);
      return apply(a);
    });
  // Letters of ASCII only, as the names say: what İ becomes depends on the language.
  onText("string.lowerAscii(): string", (text) => text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()));
  onText("string.upperAscii(): string", (text) => text.replace(/[a-z]+/g, (letters) => letters.toUpperCase()));
  onText("string.trim(): string", trim);
  onText("string.reverse(): string", (text) => Array.from(text).reverse().join(""));
  onText("strings::quote(string): string", quote, 2);
  define(table, "string.format(list): string", format);
}
