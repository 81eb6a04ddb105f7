/** Comparing texts as patterns do: letter case folded the Unicode way, and wildcards. */

/** Upper-cases to I but folds to itself: https://www.unicode.org/Public/UCD/latest/ucd/CaseFolding.txt */
const DOTLESS_I = "\u0131";
const ASCII = /^[\0-\x7f]*$/;

/** Unicode simple case folding: one character for one, so that ß is not ss. Two texts differ only in case when their folds are equal. */
export function fold(text: string): string {
  if (ASCII.test(text)) return text.toLowerCase();
  let folded = "";
  for (const char of text) folded += foldChar(char);
  return folded;
}

function foldChar(char: string): string {
  if (char === DOTLESS_I) return char;
  const upper = single(char.toUpperCase(), char);
  return single(upper.toLowerCase(), upper);
}

/** A mapping to several characters belongs to full folding, which this is not. */
function single(mapped: string, otherwise: string): string {
  const [first, second] = mapped;
  return first !== undefined && second === undefined ? first : otherwise;
}

/** `pieces`: the literal texts before, between and after the stars. */
export type Wildcard =
  | { ok: true; pieces: readonly string[]; test(text: string): boolean }
  | { ok: false; detail: string };

/** `*` stands for any run of characters, also none; `\*` and `\\` for themselves; the whole text must fit. Linear in the text. */
export function wildcard(pattern: string): Wildcard {
  const pieces = [""];
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern.charAt(at);
    const next = pattern.charAt(at + 1);
    if (char === "*") {
      if (next === "*") return { ok: false, detail: `Two stars follow each other in "${pattern}", write one` };
      pieces.push("");
      continue;
    }
    if (char === "\\" && next !== "*" && next !== "\\")
      return {
        ok: false,
        detail: `"\\${next}" in "${pattern}" is no escape, write \\* for a star and \\\\ for a backslash`,
      };
    pieces[pieces.length - 1] += char === "\\" ? next : char;
    if (char === "\\") at += 1;
  }
  return { ok: true, pieces, test: pieces.length === 1 ? (text) => text === pieces[0] : fits(pieces) };
}

/** The first piece starts the text, the last ends it, those between follow in order: the earliest place is always good enough. */
function fits(pieces: readonly string[]): (text: string) => boolean {
  const first = pieces[0] ?? "";
  const last = pieces.at(-1) ?? "";
  const between = pieces.slice(1, -1);
  return (text) => {
    if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false;
    const end = text.length - last.length;
    let at = first.length;
    for (const piece of between) {
      const index = text.indexOf(piece, at);
      if (index === -1 || index + piece.length > end) return false;
      at = index + piece.length;
    }
    return true;
  };
}
