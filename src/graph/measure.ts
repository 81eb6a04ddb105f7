/** How wide text will be, without a font: by classes of characters, after a wide sans-serif so that others have room to spare. */

/** In em. The first class that a character fits counts. */
const CLASSES: readonly (readonly [RegExp, number])[] = [
  [/[\p{M}\u200c\u200d]/u, 0],
  [/[ijlI|.,:;'!`·]/, 0.34],
  [/[ \u00a0frt()[\]{}/\\"*-]/, 0.42],
  [/[mwMW@%—…]/, 0.98],
  [/[a-z\d_<>=+~^?#$&]/, 0.66],
  [/[A-Z]/, 0.73],
  [/[\p{Emoji_Presentation}\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Katakana}\uff00-\uff60]/u, 1.3],
];
const OTHER = 0.75;
/** Bold letters are wider by about this. */
const BOLD = 1.08;

const classWidth = (char: string) => CLASSES.find(([form]) => form.test(char))?.[1] ?? OTHER;

/** In pixels. */
export function widthOf(text: string, { size, bold = false }: { size: number; bold?: boolean }): number {
  let ems = 0;
  for (const char of text) ems += classWidth(char);
  return Math.ceil(ems * size * (bold ? BOLD : 1));
}

/** The text in lines that are at most so wide where a blank allows it; what is left after the last is cut. */
export function wrapped(
  text: string,
  { size, width, lines }: { size: number; width: number; lines: number },
): string[] {
  const done: string[] = [];
  let line = "";
  for (const word of text.split(" ").flatMap((long) => pieces(long, size, width))) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (line === "" || widthOf(longer, { size }) <= width) line = longer;
    else {
      done.push(line);
      line = word;
    }
  }
  const all = [...done, line];
  return all.length > lines ? [...all.slice(0, lines - 1), `${all[lines - 1]}…`] : all;
}

/** A word that is too long for a line, in parts that are not. */
function pieces(word: string, size: number, width: number): string[] {
  const done: string[] = [];
  let piece = "";
  for (const char of word) {
    if (piece !== "" && widthOf(piece + char, { size }) > width) {
      done.push(piece);
      piece = "";
    }
    piece += char;
  }
  return [...done, piece];
}
