/** What is wrong with a file's syntax, in words that say what to do. */
import type { ErrorCode } from "../errors.ts";

/** A mistake at a span of the text. */
export interface Mistake {
  code: ErrorCode;
  message: string;
  start: number;
  end: number;
  suggestion?: string;
}

/** https://yaml.org/spec/1.2.2/#51-character-set: what the library lets through. */
export function forbiddenCharacter(text: string): Mistake | undefined {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  const match = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/.exec(text);
  if (match === null) return undefined;
  const name = `U+${match[0].charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
  const message = `The character ${name} may not stand in YAML; write it as an escape inside double quotes`;
  return { code: "SB0001", message, start: match.index, end: match.index + 1 };
}

/** The library's finding in words that say what to do, none of them its own: it speaks of flow collections, implicit keys and scalars. */
export function syntaxMistake(
  text: string,
  found: { code: string; message: string; start: number; end: number; quote: number | undefined },
): Mistake {
  const { start, end, quote } = found;
  const lineStart = text.lastIndexOf("\n", start - 1) + 1;
  const line = (text.slice(lineStart).split("\n", 1)[0] ?? "").trimEnd();
  const template = /(?::|-)\s+(\{\{.*?\}\}.*)$/.exec(line)?.[1];
  if (template !== undefined) {
    const at = lineStart + line.indexOf(template);
    return unquotedTemplate(template, at, at + template.length);
  }
  if (quote !== undefined) {
    return { code: "SB0001", message: "The quote that opens here is never closed", start: quote, end: quote + 1 };
  }
  if (found.message.startsWith("Sequence item without")) {
    const message = 'In a list every item starts with "- "; what continues an item stands below its first key';
    return { code: "SB0001", message, start, end: lineStart + line.length };
  }
  return { code: "SB0001", message: inWords(found), start, end };
}

function inWords({ code, message }: { code: string; message: string }): string {
  if (code === "BAD_DQ_ESCAPE") {
    const written = message.replace("Invalid escape sequence ", "").replace(/"$/, "");
    return `${written} is no escape inside double quotes; write \\\\ for a backslash, or use single quotes`;
  }
  return FINER.find(([form]) => form.test(message))?.[1] ?? WORDS[code] ?? "This is not well-formed YAML";
}

/** `text: {{x}}` without quotes is, to YAML, a mapping whose key is a mapping. */
export function unquotedTemplate(template: string, start: number, end: number): Mistake {
  const suggestion = template.includes('"') ? `'${template.replaceAll("'", "''")}'` : `"${template}"`;
  const message = "A value that starts with {{ must be quoted, or YAML reads it as a mapping";
  return { code: "SB0001", message, start, end, suggestion };
}

const NO_TAGS = "Tags such as !x are not used here; write the plain value";

/** Where one code of the library stands for several mistakes. */
const FINER: readonly (readonly [form: RegExp, words: string])[] = [
  [
    /need to be followed by map values/,
    'A ":" and a value are missing after this key; a text over several lines must be quoted',
  ],
  [/same line with directives-end/, "What follows --- starts on its own line"],
  [/^(?:Tags and anchors|Comments) must be separated/, "A space is missing before or after this"],
  [/^Missing space after :/, "A space is missing after the colon"],
  [/^Missing , (?:or : )?between/, "A comma is missing between the items of this list or mapping in brackets"],
  [/^Unexpected (?:, in|empty item)/, "There is nothing before this comma; remove it"],
  [
    /leading empty lines/,
    "The first line of a text after | or > decides its indentation; indent no empty line further",
  ],
  [
    /block scalar header|Block scalar header/,
    "After | or > stand at most + or - and a number from 1 to 9, and the text starts on the next line",
  ],
];

const WORDS: Readonly<Record<string, string>> = {
  ALIAS_PROPS: "An alias such as *x stands alone, without an anchor or a tag",
  BAD_ALIAS: "After & or * the name of an anchor is missing; a text that starts so must be quoted",
  BAD_COLLECTION_TYPE: NO_TAGS,
  BAD_DIRECTIVE: "A line that starts with % is not used here; remove it, or quote the text",
  BAD_INDENT: "The indentation does not fit the lines above; if a bracket is open, close it",
  BAD_PROP_ORDER: "An anchor stands before the value that it names, after - or the key",
  BAD_SCALAR_START: "A value that starts with this character must be quoted",
  BLOCK_AS_IMPLICIT_KEY: 'A value with ": " in it must be quoted; a nested mapping starts on its own line',
  BLOCK_IN_FLOW:
    "A comma is missing, or this list or mapping needs brackets of its own, as everything inside brackets does",
  KEY_OVER_1024_CHARS: "A key has at most 1,024 characters",
  MISSING_CHAR: "Something is missing here: a bracket, a colon, a space or a line with ---",
  MULTILINE_IMPLICIT_KEY: "A key stands on one line, with its colon; is this a list item or a text among keys?",
  MULTIPLE_ANCHORS: "A value has at most one anchor",
  MULTIPLE_TAGS: NO_TAGS,
  TAB_AS_INDENT: "A tab may not indent YAML; use spaces",
  TAG_RESOLVE_FAILED: NO_TAGS,
  UNEXPECTED_TOKEN: "This does not continue the value before it; quote the whole value, or start a new line",
};

/** The variable, template or word that begins there, or one character. */
export function wordAt(text: string, start: number): string {
  const match = /^(?:\$\{[^}\n]*\}?|\{\{[^}\n]*\}{0,3}|[\w.$-]+|)/.exec(text.slice(start, start + 200))?.[0];
  return match === undefined || match === "" ? " " : match;
}
