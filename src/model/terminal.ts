/** What a person sees of text from outside: characters that act on a terminal instead of being shown never reach one. */

/**
 * C0 and C1 controls and DEL (they steer), line and paragraph separators (they forge lines), the marks, embeddings, overrides and
 * isolates of writing direction (they show text in another order than it has), and halves of surrogate pairs.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const ACTING = /[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]|\p{Surrogate}/gu;

/** What this program itself writes to order its output: lines, columns and colours. */
const OWN = /\r?\n|\t/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: a colour starts with one.
const OWN_WITH_COLORS = /\r?\n|\t|\u001b\[(?:0|[12]|3[1-46]|1;3[1-46])m/;

/** The text on one line, each acting character replaced by `by`, or by its escape (`\u001b`), which is also right within JSON. */
export function inert(text: string, by?: string): string {
  return text.replace(ACTING, (char) => by ?? `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** Finished output, in which everything that acts but lines, columns and our colours is shown as its escape. */
export function inertOutput(text: string, { color = false } = {}): string {
  const own = new RegExp(`(${(color ? OWN_WITH_COLORS : OWN).source})`);
  // Splitting by a group gives the text between at even places and our own characters at odd ones.
  return text
    .split(own)
    .map((part, i) => (i % 2 === 0 ? inert(part) : part))
    .join("");
}
