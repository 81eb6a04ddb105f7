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

/** The library's finding in words that say what to do; its own words where they do. */
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
  return { code: "SB0001", message: WORDS[found.code] ?? found.message.replace(/\.$/, ""), start, end };
}

/** `text: {{x}}` without quotes is, to YAML, a mapping whose key is a mapping. */
export function unquotedTemplate(template: string, start: number, end: number): Mistake {
  const suggestion = template.includes('"') ? `'${template.replaceAll("'", "''")}'` : `"${template}"`;
  const message = "A value that starts with {{ must be quoted, or YAML reads it as a mapping";
  return { code: "SB0001", message, start, end, suggestion };
}

const WORDS: Readonly<Partial<Record<string, string>>> = {
  TAB_AS_INDENT: "A tab may not indent YAML; use spaces",
  BLOCK_AS_IMPLICIT_KEY: 'A value with ": " in it must be quoted; a nested mapping starts on its own line',
  BAD_SCALAR_START: "A value that starts with this character must be quoted",
  UNEXPECTED_TOKEN: "This does not continue the value before it; quote the whole value, or start a new line",
  BAD_INDENT: "The indentation does not fit the lines above; if a bracket is open, close it",
  TAG_RESOLVE_FAILED: "Tags such as !x are not used here; write the plain value",
};
