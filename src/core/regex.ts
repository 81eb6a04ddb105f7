/**
 * Regular expressions in the RE2 dialect that CEL's `matches` promises, in time linear in the text: a backtracking engine would let a
 * text from outside stop the process. Compiling is bounded as well, because an event may hold the pattern.
 */
import type { CharTest } from "./regex/classes.ts";
import { type Assertion, Malformed, parseRegex, type RegexTree } from "./regex/syntax.ts";

export type Regex =
  | {
      ok: true;
      /** How many instructions at most are visited for each character of a text, and once more at its end. */
      size: number;
      test(text: string): boolean;
    }
  | { ok: false; detail: string };

/** As long as a whole CEL expression may be. */
const PATTERN_CHARS_MAX = 4_096;
/** A counted repetition is written out, so the size of the program is bounded beside the pattern's. */
const PROGRAM_SIZE_MAX = 10_000;

/** Whether the pattern occurs anywhere in a text, or a sentence on what is wrong with it. */
export function compileRegex(pattern: string): Regex {
  try {
    if (pattern.length > PATTERN_CHARS_MAX) throw new Malformed(`it is longer than ${PATTERN_CHARS_MAX} characters`);
    const tree = parseRegex(pattern);
    if (tree.size > PROGRAM_SIZE_MAX) throw new Malformed("its repetitions, written out, are too large");
    let program: readonly Instruction[] | undefined;
    const test = (text: string) => {
      program ??= programOf(tree);
      return run(program, text);
    };
    return { ok: true, size: tree.size + 1, test };
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    return { ok: false, detail: `The regular expression "${pattern.slice(0, 100)}" is not usable: ${error.message}` };
  }
}

// ---------------------------------------------------------------- the program

type Instruction =
  | { kind: "char"; test: CharTest }
  | { kind: "assert"; what: Assertion }
  | { kind: "split"; to: number; or: number }
  | { kind: "match" };

function programOf(tree: RegexTree): readonly Instruction[] {
  const program: Instruction[] = [];
  emit(tree, program);
  program.push({ kind: "match" });
  return program;
}

function emit(tree: RegexTree, program: Instruction[]): void {
  switch (tree.kind) {
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

function emitAny(parts: readonly RegexTree[], program: Instruction[]): void {
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

function emitRepeat({ part, min, max }: { part: RegexTree; min: number; max: number }, program: Instruction[]): void {
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
