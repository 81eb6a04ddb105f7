/** The text of a YAML file in tokens, within limits: the other part of the door to yaml. */
import { CST, Lexer, type LineCounter, Parser } from "yaml";
import { LIMITS } from "../model.ts";
import type { Mistake } from "./words.ts";

/** Values after aliases are followed. Nobody writes more; a few lines of nested aliases make billions. */
export const VALUES_MAX = 1_000_000;
/** Words, signs, blanks and line ends; a rule has about a hundred. */
const LEXEMES_MAX = 8_000_000;

/**
 * The text in tokens. What no file may hold is noticed on the way: a token is many times the size of its text, so that some MiB of brackets
 * or of dashes would fill the memory.
 */
export function tokensOf(text: string, lines: LineCounter): { tokens: CST.Token[]; excess?: Mistake } {
  const parser = new Parser(lines.addNewLine);
  lines.addNewLine(0);
  const tokens: CST.Token[] = [];
  const count: LexemeCount = { lexemes: 0, values: 0, documents: 0, open: 0, inLine: 0 };
  let offset = 0;
  let isScalar = false;
  for (const lexeme of new Lexer().lex(text)) {
    // The text of a scalar follows its mark and may look like anything.
    if (!isScalar) addLexeme(count, lexeme);
    isScalar = lexeme === CST.SCALAR;
    const message = excessOf(count);
    if (message !== undefined) return { tokens, excess: { code: "SB0108", message, start: offset, end: offset + 1 } };
    // What follows a second document changes nothing: it is refused.
    if (count.documents > 2) break;
    tokens.push(...parser.next(lexeme));
    if (lexeme !== CST.SCALAR && lexeme !== CST.DOCUMENT && lexeme !== CST.FLOW_END) offset += lexeme.length;
  }
  tokens.push(...parser.end());
  const deep = tooDeep(tokens);
  return deep === undefined ? { tokens } : { tokens, excess: deep };
}

interface LexemeCount {
  lexemes: number;
  values: number;
  documents: number;
  /** Brackets and braces that are open. */
  open: number;
  /** Lists and keys that begin in this line: each lies inside the one before. */
  inLine: number;
}

function addLexeme(count: LexemeCount, lexeme: string): void {
  count.lexemes += 1;
  switch (CST.tokenType(lexeme)) {
    case "scalar":
    case "single-quoted-scalar":
    case "double-quoted-scalar":
      count.values += 1;
      break;
    case "doc-start":
      count.documents += 1;
      break;
    case "flow-map-start":
    case "flow-seq-start":
      count.values += 1;
      count.open += 1;
      break;
    case "flow-map-end":
    case "flow-seq-end":
      count.open -= 1;
      break;
    case "seq-item-ind":
    case "explicit-key-ind":
      count.inLine += 1;
      break;
    case "newline":
      count.inLine = 0;
  }
}

function excessOf({ lexemes, values, open, inLine }: LexemeCount): string | undefined {
  // One level more is told where it begins, when the values are read.
  if (Math.max(open, inLine) > LIMITS.jsonDepth + 1) return `The nesting is deeper than ${LIMITS.jsonDepth} levels`;
  if (values > 2 * VALUES_MAX) return `More than ${VALUES_MAX.toLocaleString("en-US")} values and keys`;
  return lexemes > LEXEMES_MAX ? `More than ${LEXEMES_MAX.toLocaleString("en-US")} words and signs` : undefined;
}

/** Checked before composing, which is recursive and at great depth ends the process (V8 cannot compile a regexp then). */
function tooDeep(tokens: readonly CST.Token[]): Mistake | undefined {
  const open: { token: CST.Token | null | undefined; depth: number }[] = tokens.map((token) => ({ token, depth: 0 }));
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { token, depth } = next;
    if (!token) continue;
    if (depth > LIMITS.jsonDepth) {
      const message = `The nesting is deeper than ${LIMITS.jsonDepth} levels`;
      return { code: "SB0108", message, start: token.offset, end: token.offset + 1 };
    }
    if (token.type === "document") open.push({ token: token.value, depth });
    else if ("items" in token) {
      for (const item of token.items) {
        open.push({ token: item.key, depth: depth + 1 }, { token: item.value, depth: depth + 1 });
      }
    }
  }
  return undefined;
}
