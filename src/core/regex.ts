/**
 * Regular expressions in the RE2 dialect that CEL's `matches` promises, in time linear in the text: the pattern is the author's but
 * the text comes from outside, and a backtracking engine would let it stop the process. https://github.com/google/re2/wiki/Syntax
 */

export type Regex = { ok: true; size: number; test(text: string): boolean } | { ok: false; detail: string };

/** A counted repetition is written out, so the size of the program is bounded rather than the pattern's. */
const PROGRAM_SIZE_MAX = 2_000;
const REPEAT_MAX = 1_000;

class Malformed extends Error {}

/** Whether the pattern occurs anywhere in a text, or a sentence on what is wrong with it. */
export function compileRegex(pattern: string): Regex {
  try {
    const program: Instruction[] = [];
    emit(parse(pattern), program);
    program.push({ kind: "match" });
    return { ok: true, size: program.length, test: (text) => run(program, text) };
  } catch (error) {
    const detail = error instanceof Malformed ? error.message : "it cannot be read";
    return { ok: false, detail: `The regular expression "${pattern.slice(0, 100)}" is not usable: ${detail}` };
  }
}

// ---------------------------------------------------------------- parsing

type Test = (char: string) => boolean;
type Assertion = "textStart" | "textEnd" | "lineStart" | "lineEnd" | "boundary" | "noBoundary";
type Tree =
  | { kind: "empty" }
  | { kind: "char"; test: Test }
  | { kind: "assert"; what: Assertion }
  | { kind: "all" | "any"; parts: Tree[] }
  | { kind: "repeat"; part: Tree; min: number; max: number };

interface Flags {
  i: boolean;
  s: boolean;
  m: boolean;
}

interface Reader {
  readonly chars: readonly string[];
  at: number;
  depth: number;
}

function parse(pattern: string): Tree {
  const reader: Reader = { chars: [...pattern], at: 0, depth: 0 };
  const tree = parseAny(reader, { i: false, s: false, m: false });
  if (reader.at < reader.chars.length) throw new Malformed("there is a ) without its (");
  return tree;
}

const peek = (reader: Reader): string | undefined => reader.chars[reader.at];

function eat(reader: Reader, text: string): boolean {
  const isNext = reader.chars.slice(reader.at, reader.at + text.length).join("") === text;
  if (isNext) reader.at += text.length;
  return isNext;
}

function parseAny(reader: Reader, outer: Flags): Tree {
  const flags = { ...outer };
  const parts = [parseAll(reader, flags)];
  while (eat(reader, "|")) parts.push(parseAll(reader, flags));
  return parts.length === 1 && parts[0] !== undefined ? parts[0] : { kind: "any", parts };
}

/** `flags` is changed by `(?i)`, which holds up to the end of the group. */
function parseAll(reader: Reader, flags: Flags): Tree {
  const parts: Tree[] = [];
  for (let next = peek(reader); next !== undefined && next !== "|" && next !== ")"; next = peek(reader))
    parts.push(parseRepeat(reader, parseAtom(reader, flags)));
  return { kind: "all", parts };
}

function parseRepeat(reader: Reader, part: Tree): Tree {
  const bounds = repeatBounds(reader);
  if (bounds === undefined) return part;
  // Lazy or greedy makes no difference to whether something matches.
  eat(reader, "?");
  if (peek(reader) === "+") throw new Malformed("possessive repetition is not part of RE2");
  return parseRepeat(reader, { kind: "repeat", part, ...bounds });
}

function repeatBounds(reader: Reader): { min: number; max: number } | undefined {
  if (eat(reader, "*")) return { min: 0, max: Number.POSITIVE_INFINITY };
  if (eat(reader, "+")) return { min: 1, max: Number.POSITIVE_INFINITY };
  if (eat(reader, "?")) return { min: 0, max: 1 };
  if (peek(reader) !== "{") return undefined;
  const match = /^\{(\d{1,4})(,(\d{1,4})?)?\}/.exec(reader.chars.slice(reader.at, reader.at + 12).join(""));
  if (match === null) return undefined;
  const min = Number(match[1]);
  const open = match[2] === undefined ? min : Number.POSITIVE_INFINITY;
  const max = match[3] === undefined ? open : Number(match[3]);
  if (min > max || min > REPEAT_MAX || (max !== Number.POSITIVE_INFINITY && max > REPEAT_MAX))
    throw new Malformed(`${match[0]} is not a repetition of at most ${REPEAT_MAX}`);
  reader.at += match[0].length;
  return { min, max };
}

function parseAtom(reader: Reader, flags: Flags): Tree {
  const char = peek(reader) ?? "";
  if (char === "(") return parseGroup(reader, flags);
  if (char === "[") return { kind: "char", test: classTest(readClass(reader), flags) };
  if (char === "\\") return parseEscape(reader, flags);
  if ("*+?".includes(char)) throw new Malformed(`there is nothing before ${char} to repeat`);
  reader.at += 1;
  if (char === ".") return { kind: "char", test: flags.s ? () => true : (other) => other !== "\n" };
  if (char === "^") return { kind: "assert", what: flags.m ? "lineStart" : "textStart" };
  if (char === "$") return { kind: "assert", what: flags.m ? "lineEnd" : "textEnd" };
  return literal(char, flags);
}

function literal(char: string, flags: Flags): Tree {
  if (!flags.i) return { kind: "char", test: (other) => other === char };
  return { kind: "char", test: classTest(`[${/[\w\s]/.test(char) ? char : escapeInClass(char)}]`, flags) };
}

const escapeInClass = (char: string): string => (/[\^\-\]\\[]/.test(char) ? `\\${char}` : char);

function parseGroup(reader: Reader, flags: Flags): Tree {
  reader.at += 1;
  reader.depth += 1;
  if (reader.depth > 100) throw new Malformed("its groups are nested too deep");
  const inner = { ...flags };
  if (eat(reader, "?")) {
    if (/^(?:[=!]|<[=!])/.test(reader.chars.slice(reader.at, reader.at + 2).join("")))
      throw new Malformed("lookahead and lookbehind are not part of RE2");
    const head = /^(?:P?<\w+>|([ims]*)(?:-([ims]+))?([:)]))/.exec(
      reader.chars.slice(reader.at, reader.at + 100).join(""),
    );
    if (head === null) throw new Malformed("the group after (? is not known");
    reader.at += head[0].length;
    for (const flag of head[1] ?? "") inner[flag as keyof Flags] = true;
    for (const flag of head[2] ?? "") inner[flag as keyof Flags] = false;
    if (head[3] === ")") {
      Object.assign(flags, inner);
      reader.depth -= 1;
      return { kind: "empty" };
    }
  }
  const tree = parseAny(reader, inner);
  if (!eat(reader, ")")) throw new Malformed("there is a ( without its )");
  reader.depth -= 1;
  return tree;
}

/** A character class as written; its meaning for one character is JavaScript's, which agrees with RE2 there. */
function readClass(reader: Reader): string {
  const start = reader.at;
  reader.at += 1;
  eat(reader, "^");
  if (peek(reader) === "]") throw new Malformed("write \\] for a ] inside [ ]");
  for (let next = peek(reader); next !== "]"; next = peek(reader)) {
    if (next === undefined) throw new Malformed("there is a [ without its ]");
    if (next === "[" && reader.chars[reader.at + 1] === ":") throw new Malformed("write [a-z] instead of [[:alpha:]]");
    reader.at += next === "\\" ? 2 : 1;
  }
  reader.at += 1;
  return reader.chars.slice(start, reader.at).join("");
}

function classTest(source: string, flags: Flags): Test {
  // An unescaped [ is a plain character in RE2 and needs no escape in this mode of JavaScript either.
  try {
    const single = new RegExp(`^${source}$`, flags.i ? "iu" : "u");
    return (char) => single.test(char);
  } catch {
    throw new Malformed(`${source} is not a character class`);
  }
}

const ASSERTIONS: Readonly<Record<string, Assertion>> = {
  A: "textStart",
  z: "textEnd",
  b: "boundary",
  B: "noBoundary",
};
const CONTROL: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r", f: "\f", v: "\v", a: "\x07" };

function parseEscape(reader: Reader, flags: Flags): Tree {
  const match = /^\\(?:([pP])(?:\{(\^?)([\w=]+)\}|(\w))|x([0-9a-fA-F]{2})|x\{([0-9a-fA-F]{1,6})\}|(.))/su.exec(
    reader.chars.slice(reader.at, reader.at + 60).join(""),
  );
  if (match === null) throw new Malformed("it ends with a single \\");
  const [whole, property, , name, short, hex, longHex, char = ""] = match;
  reader.at += [...whole].length;
  if (property !== undefined) return { kind: "char", test: classTest(`\\${property}{${name ?? short}}`, flags) };
  const code = hex ?? longHex;
  if (code !== undefined) {
    if (Number.parseInt(code, 16) > 0x10ffff) throw new Malformed(`${whole} is not a character`);
    return literal(String.fromCodePoint(Number.parseInt(code, 16)), flags);
  }
  if ("dDsSwW".includes(char)) return { kind: "char", test: classTest(`\\${char}`, flags) };
  const what = ASSERTIONS[char];
  if (what !== undefined) return { kind: "assert", what };
  if (/[1-9]/.test(char)) throw new Malformed("back references are not part of RE2");
  const control = CONTROL[char];
  if (control === undefined && /[A-Za-z0]/.test(char)) throw new Malformed(`\\${char} is not known`);
  return literal(control ?? char, flags);
}

// ---------------------------------------------------------------- the program

type Instruction =
  | { kind: "char"; test: Test }
  | { kind: "assert"; what: Assertion }
  | { kind: "split"; to: number; or: number }
  | { kind: "match" };

function emit(tree: Tree, program: Instruction[]): void {
  if (program.length > PROGRAM_SIZE_MAX) throw new Malformed("it is too large");
  switch (tree.kind) {
    case "empty":
      return;
    case "char":
    case "assert":
      program.push(tree);
      return;
    case "all":
      for (const part of tree.parts) emit(part, program);
      return;
    case "any":
      emitAny(tree.parts, program);
      return;
    case "repeat":
      emitRepeat(tree, program);
  }
}

function emitAny(parts: readonly Tree[], program: Instruction[]): void {
  const ends: { kind: "split"; to: number; or: number }[] = [];
  parts.forEach((part, i) => {
    const last = i === parts.length - 1;
    const split = { kind: "split" as const, to: program.length + 1, or: 0 };
    if (!last) program.push(split);
    emit(part, program);
    if (last) return;
    const end = { kind: "split" as const, to: 0, or: 0 };
    program.push(end);
    ends.push(end);
    split.or = program.length;
  });
  for (const end of ends) Object.assign(end, { to: program.length, or: program.length });
}

function emitRepeat({ part, min, max }: { part: Tree; min: number; max: number }, program: Instruction[]): void {
  for (let i = 0; i < min; i++) emit(part, program);
  if (max === Number.POSITIVE_INFINITY) {
    const split = { kind: "split" as const, to: program.length + 1, or: 0 };
    const start = program.length;
    program.push(split);
    emit(part, program);
    program.push({ kind: "split", to: start, or: start });
    split.or = program.length;
    return;
  }
  const splits: { kind: "split"; to: number; or: number }[] = [];
  for (let i = min; i < max; i++) {
    const split = { kind: "split" as const, to: program.length + 1, or: 0 };
    program.push(split);
    splits.push(split);
    emit(part, program);
  }
  for (const split of splits) split.or = program.length;
}

// ---------------------------------------------------------------- running all threads side by side

const isWord = (char: string | undefined): boolean => char !== undefined && /^\w$/.test(char);

function holds(what: Assertion, before: string | undefined, after: string | undefined): boolean {
  switch (what) {
    case "textStart":
      return before === undefined;
    case "textEnd":
      return after === undefined;
    case "lineStart":
      return before === undefined || before === "\n";
    case "lineEnd":
      return after === undefined || after === "\n";
    case "boundary":
      return isWord(before) !== isWord(after);
    case "noBoundary":
      return isWord(before) === isWord(after);
  }
}

function run(program: readonly Instruction[], text: string): boolean {
  const marks = new Int32Array(program.length).fill(-1);
  let threads: number[] = [];
  let before: string | undefined;
  let position = 0;
  const chars = text[Symbol.iterator]();
  for (let next = chars.next(); ; next = chars.next()) {
    const char: string | undefined = next.done === true ? undefined : next.value;
    // Threads wait at characters; a new one starts at every position, since the pattern may occur anywhere.
    const reached = follow(program, [...threads, 0], { marks, position, before, after: char });
    if (reached === "match") return true;
    if (char === undefined) return false;
    threads = advance(program, reached, char);
    before = char;
    position += 1;
  }
}

interface At {
  marks: Int32Array;
  position: number;
  before: string | undefined;
  after: string | undefined;
}

/** Where the threads wait for a character after everything that takes none; each instruction is visited once per position. */
function follow(program: readonly Instruction[], from: number[], at: At): number[] | "match" {
  const waiting: number[] = [];
  const stack = from;
  for (let pc = stack.pop(); pc !== undefined; pc = stack.pop()) {
    if (at.marks[pc] === at.position) continue;
    at.marks[pc] = at.position;
    const instruction = program[pc];
    if (instruction === undefined) continue;
    if (instruction.kind === "match") return "match";
    if (instruction.kind === "char") waiting.push(pc);
    else if (instruction.kind === "split") stack.push(instruction.to, instruction.or);
    else if (holds(instruction.what, at.before, at.after)) stack.push(pc + 1);
  }
  return waiting;
}

function advance(program: readonly Instruction[], waiting: readonly number[], char: string): number[] {
  const next: number[] = [];
  for (const pc of waiting) {
    const instruction = program[pc];
    if (instruction?.kind === "char" && instruction.test(char)) next.push(pc + 1);
  }
  return next;
}
