/** Reads a pattern as RE2 does, and says what RE2 would refuse: https://github.com/google/re2/wiki/Syntax */
import {
  type CharTest,
  type ClassPart,
  classTest,
  PERL_CLASSES,
  POSIX_CLASSES,
  propertySource,
  rangeSource,
} from "./classes.ts";

export type Assertion = "textStart" | "textEnd" | "lineStart" | "lineEnd" | "boundary" | "noBoundary";
type Form =
  | { kind: "char"; test: CharTest }
  | { kind: "assert"; what: Assertion }
  | { kind: "all" | "any"; parts: readonly RegexTree[] }
  | { kind: "repeat"; part: RegexTree; min: number; max: number };
export type RegexTree = Form & {
  /** How many instructions it becomes, known before any is written. */
  readonly size: number;
  /** How often the innermost part is repeated, inner and outer repetitions multiplied. */
  readonly times: number;
};

/** Why a pattern is not usable, in words that follow a colon. */
export class Malformed extends Error {}

/** RE2 has the same limit, for one repetition and for repetitions inside each other. */
const REPEAT_MAX = 1_000;
const GROUPS_DEEP_MAX = 100;

interface Flags {
  i: boolean;
  s: boolean;
  m: boolean;
  /** Prefers the shorter match, which makes no difference to whether there is one. */
  U: boolean;
}

interface Reader {
  readonly chars: readonly string[];
  at: number;
  depth: number;
  readonly names: Set<string>;
  /** Sets of one letter in either case, by the letter: a long text without regard to case has few. */
  readonly letters: Map<string, RegexTree>;
}

/** Takes time in proportion to the pattern. */
export function parseRegex(pattern: string): RegexTree {
  const reader: Reader = { chars: [...pattern], at: 0, depth: 0, names: new Set(), letters: new Map() };
  const tree = parseAny(reader, { i: false, s: false, m: false, U: false });
  if (reader.at < reader.chars.length) throw new Malformed("there is a ) without its (");
  return tree;
}

const single = (form: Form): RegexTree => ({ ...form, size: 1, times: 1 });

/** What is empty writes no instruction and takes no time, however often it is repeated. */
function all(parts: readonly RegexTree[]): RegexTree {
  const full = parts.filter(({ size }) => size > 0);
  const [only, second] = full;
  const times = timesOf(parts);
  if (only !== undefined && second === undefined) return { ...only, times };
  return { kind: "all", parts: full, size: sizeOf(full), times };
}

function any(parts: readonly RegexTree[]): RegexTree {
  const [only, second] = parts;
  if (only !== undefined && second === undefined) return only;
  return { kind: "any", parts, size: sizeOf(parts) + 2 * (parts.length - 1), times: timesOf(parts) };
}

function repeat(part: RegexTree, { min, max }: { min: number; max: number }): RegexTree {
  const isOpen = max === Number.POSITIVE_INFINITY;
  const times = part.times * Math.max(isOpen ? min : max, 1);
  if (times > REPEAT_MAX) throw new Malformed(`its repetitions inside each other come to more than ${REPEAT_MAX}`);
  if (part.size === 0 || max === 0) return { ...all([]), times };
  const size = min * part.size + (isOpen ? part.size + 2 : (max - min) * (part.size + 1));
  return { kind: "repeat", part, min, max, size, times };
}

const sizeOf = (parts: readonly RegexTree[]): number => parts.reduce((sum, { size }) => sum + size, 0);
const timesOf = (parts: readonly RegexTree[]): number => parts.reduce((most, { times }) => Math.max(most, times), 1);

const peek = (reader: Reader, ahead = 0): string | undefined => reader.chars[reader.at + ahead];
const textAt = ({ chars, at }: Reader, length: number): string => chars.slice(at, at + length).join("");

function eat(reader: Reader, text: string): boolean {
  const isNext = textAt(reader, text.length) === text;
  if (isNext) reader.at += text.length;
  return isNext;
}

/** What `form` finds at this place, which then is read. */
function eatForm(reader: Reader, form: RegExp, lengthMax: number): RegExpExecArray | null {
  const match = form.exec(textAt(reader, lengthMax));
  if (match !== null) reader.at += [...match[0]].length;
  return match;
}

// ---------------------------------------------------------------- groups and repetitions

/** `flags` is changed by `(?i)`, which holds up to the end of the group. */
function parseAny(reader: Reader, flags: Flags): RegexTree {
  const parts = [parseAll(reader, flags)];
  while (eat(reader, "|")) parts.push(parseAll(reader, flags));
  return any(parts);
}

function parseAll(reader: Reader, flags: Flags): RegexTree {
  const parts: RegexTree[] = [];
  let before = "";
  for (let next = peek(reader); next !== undefined && next !== "|" && next !== ")"; next = peek(reader)) {
    const bounds = readRepeat(reader);
    if (bounds === undefined) parts.push(...parseAtoms(reader, next, flags));
    else if (before !== "")
      throw new Malformed(`${before}${bounds.written} repeats a repetition, write ( ) around the inner one`);
    else {
      const part = parts.pop();
      if (part === undefined) throw new Malformed(`there is nothing before ${bounds.written} to repeat`);
      parts.push(repeat(part, bounds));
    }
    before = bounds?.written ?? "";
  }
  return all(parts);
}

const SIGNS: Readonly<Record<string, [min: number, max: number]>> = {
  "*": [0, Number.POSITIVE_INFINITY],
  "+": [1, Number.POSITIVE_INFINITY],
  "?": [0, 1],
};

/** Undefined when none begins here. What looks nearly like one, `{,3}`, stands for itself. */
function readRepeat(reader: Reader): { min: number; max: number; written: string } | undefined {
  if (!"*+?{".includes(peek(reader) ?? " ")) return undefined;
  // Lazy or greedy makes no difference to whether something matches.
  const match = eatForm(reader, /^(?:([*+?])|\{(0|[1-9]\d*)(,(0|[1-9]\d*)?)?\})\??/, 40);
  if (match === null) return undefined;
  const [written, sign, from, comma, to] = match;
  const [min, max] = SIGNS[sign ?? ""] ?? [Number(from), Number(to ?? (comma === undefined ? from : Infinity))];
  if (min > max || min > REPEAT_MAX || (max > REPEAT_MAX && max !== Number.POSITIVE_INFINITY))
    throw new Malformed(`${written} is not a repetition of at most ${REPEAT_MAX}`);
  return { min, max, written };
}

function parseAtoms(reader: Reader, char: string, flags: Flags): RegexTree[] {
  if (char === "(") return parseGroup(reader, flags);
  if (char === "[") return [parseClass(reader, flags)];
  if (char === "\\") return parseEscape(reader, flags);
  reader.at += 1;
  if (char === ".") return [single({ kind: "char", test: flags.s ? () => true : (other) => other !== "\n" })];
  if (char === "^") return [single({ kind: "assert", what: flags.m ? "lineStart" : "textStart" })];
  if (char === "$") return [single({ kind: "assert", what: flags.m ? "lineEnd" : "textEnd" })];
  return [literal(reader, char, flags)];
}

function literal(reader: Reader, char: string, flags: Flags): RegexTree {
  if (!flags.i) return single({ kind: "char", test: (other) => other === char });
  const existing = reader.letters.get(char);
  if (existing !== undefined) return existing;
  const letter = setOf([{ source: rangeSource(char.codePointAt(0) ?? 0), negated: false }], flags);
  reader.letters.set(char, letter);
  return letter;
}

const setOf = (parts: readonly ClassPart[], { i }: Flags, negated = false): RegexTree =>
  single({ kind: "char", test: classTest(parts, negated, i) });

function parseGroup(reader: Reader, flags: Flags): RegexTree[] {
  reader.at += 1;
  const inner = { ...flags };
  if (eat(reader, "?") && readGroupHead(reader, inner) === "flags") {
    Object.assign(flags, inner);
    return [];
  }
  reader.depth += 1;
  if (reader.depth > GROUPS_DEEP_MAX) throw new Malformed("its groups are nested too deep");
  const tree = parseAny(reader, inner);
  if (!eat(reader, ")")) throw new Malformed("there is a ( without its )");
  reader.depth -= 1;
  return [tree];
}

/** What follows `(?`: a name or flags, for a group or, when it closes at once, for the rest of the group around it. */
function readGroupHead(reader: Reader, flags: Flags): "group" | "flags" {
  if (/^(?:[=!]|<[=!])/.test(textAt(reader, 2))) throw new Malformed("lookahead and lookbehind are not part of RE2");
  const name = eatForm(reader, /^P?<(\w+)>/, 200)?.[1];
  if (name !== undefined) {
    if (reader.names.has(name)) throw new Malformed(`two of its groups are named ${name}`);
    reader.names.add(name);
    return "group";
  }
  const head = eatForm(reader, /^([imsU]*)(?:-([imsU]+))?([:)])/, 100);
  if (head === null) throw new Malformed("the group after (? is not known, write (?:…), (?i:…), (?i) or (?P<name>…)");
  for (const flag of head[1] ?? "") flags[flag as keyof Flags] = true;
  for (const flag of head[2] ?? "") flags[flag as keyof Flags] = false;
  return head[3] === ")" ? "flags" : "group";
}

// ---------------------------------------------------------------- classes

function parseClass(reader: Reader, flags: Flags): RegexTree {
  reader.at += 1;
  const negated = eat(reader, "^");
  const parts: ClassPart[] = [];
  // A ] that stands first stands for itself.
  do parts.push(readPosix(reader) ?? readNamedClass(reader) ?? readRange(reader));
  while (!eat(reader, "]"));
  return setOf(parts, flags, negated);
}

function readPosix(reader: Reader): ClassPart | undefined {
  if (peek(reader) !== "[" || peek(reader, 1) !== ":") return undefined;
  const match = eatForm(reader, /^\[:(\^?)(.*?):\]/su, reader.chars.length);
  if (match === null) return undefined;
  const [written, caret, name = ""] = match;
  const source = Object.hasOwn(POSIX_CLASSES, name) ? POSIX_CLASSES[name] : undefined;
  if (source === undefined)
    throw new Malformed(`${written} is not known, known are ${Object.keys(POSIX_CLASSES).join(", ")}`);
  return { source, negated: caret === "^" };
}

/** `\d`, `\pL`, `\P{Greek}` and their like, inside [ ] and outside. */
function readNamedClass(reader: Reader): ClassPart | undefined {
  const perl = eatForm(reader, /^\\([dswDSW])/, 2)?.[1];
  if (perl !== undefined)
    return { source: PERL_CLASSES[perl.toLowerCase()] ?? "", negated: perl !== perl.toLowerCase() };
  const match = eatForm(reader, /^\\([pP])(?:\{(\^?)([^}]*)\}|([^{]))/u, 60);
  if (match === null) return undefined;
  const [written, sign, caret, long, short] = match;
  const source = propertySource(long ?? short ?? "");
  if (source === undefined)
    throw new Malformed(`${written} is not known, RE2 has categories such as \\p{Lu} and scripts such as \\p{Greek}`);
  return { source, negated: (sign === "P") !== (caret === "^") };
}

function readRange(reader: Reader): ClassPart {
  const start = reader.at;
  const from = readClassChar(reader);
  const isRange = peek(reader) === "-" && peek(reader, 1) !== "]" && peek(reader, 1) !== undefined;
  if (!isRange) return { source: rangeSource(from), negated: false };
  reader.at += 1;
  const to = readClassChar(reader);
  if (from > to)
    throw new Malformed(`${reader.chars.slice(start, reader.at).join("")} is no range, its end lies before its start`);
  return { source: rangeSource(from, to), negated: false };
}

function readClassChar(reader: Reader): number {
  const char = peek(reader);
  if (char === undefined) throw new Malformed("there is a [ without its ]");
  if (char === "\\") return readEscapedChar(reader);
  reader.at += 1;
  return char.codePointAt(0) ?? 0;
}

// ---------------------------------------------------------------- escapes

const ASSERTIONS: Readonly<Record<string, Assertion>> = {
  A: "textStart",
  z: "textEnd",
  b: "boundary",
  B: "noBoundary",
};
const CONTROLS: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r", f: "\f", v: "\v", a: "\x07" };

function parseEscape(reader: Reader, flags: Flags): RegexTree[] {
  const named = readNamedClass(reader);
  if (named !== undefined) return [setOf([named], flags)];
  const what = ASSERTIONS[peek(reader, 1) ?? ""];
  if (what !== undefined) {
    reader.at += 2;
    return [single({ kind: "assert", what })];
  }
  if (eat(reader, "\\Q")) return parseQuoted(reader, flags);
  return [literal(reader, String.fromCodePoint(readEscapedChar(reader)), flags)];
}

/** `\Q…\E`: everything between stands for itself. */
function parseQuoted(reader: Reader, flags: Flags): RegexTree[] {
  const quoted: RegexTree[] = [];
  for (let char = peek(reader); char !== undefined && !eat(reader, "\\E"); char = peek(reader)) {
    reader.at += 1;
    quoted.push(literal(reader, char, flags));
  }
  return quoted;
}

const INSTEAD: Readonly<Record<string, string>> = {
  Z: ", write \\z for the end of the text",
  h: ", write [ \\t]",
  R: ", write \\r?\\n",
  C: ", a text is made of characters and not of bytes",
  b: " inside [ ], write \\x08 for a backspace",
  E: " without its \\Q",
};

/** The code of the character that an escape stands for. */
function readEscapedChar(reader: Reader): number {
  const code = eatForm(reader, /^\\(?:x([0-9a-fA-F]{2})|x\{([0-9a-fA-F]+)\})/, 40);
  if (code !== null) {
    const value = Number.parseInt(code[1] ?? code[2] ?? "", 16);
    if (value > 0x10ffff) throw new Malformed(`${code[0]} is not a character`);
    return value;
  }
  const octal = eatForm(reader, /^\\(0[0-7]{0,2}|[1-7][0-7]{1,2})/, 4)?.[1];
  if (octal !== undefined) return Number.parseInt(octal, 8);
  const char = peek(reader, 1);
  if (char === undefined) throw new Malformed("it ends with a single \\");
  if (/[1-9]/.test(char)) throw new Malformed("back references are not part of RE2");
  const control = CONTROLS[char];
  if (control === undefined && !/^[!-/:-@[-`{-~\0- \x7f]$/.test(char))
    throw new Malformed(`\\${char} is not known${INSTEAD[char] ?? ""}`);
  reader.at += 2;
  return (control ?? char).charCodeAt(0);
}
