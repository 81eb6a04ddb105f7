/** Text that is cut where a reader sees the end of a character: a letter keeps its accents, a family emoji stays whole or goes. */

const SEGMENTER = new Intl.Segmenter("en", { granularity: "grapheme" });
/** Accents without end make one character of any size: what goes on after this many code units is cut off. */
const GRAPHEME_UNITS_MAX = 64;

/** The text, at most so many graphemes, or code units by `measure`, long; the last of them is `…` when something was cut. */
export function cutText(text: string, max: number, measure: (grapheme: string) => number = () => 1): string {
  if (text.length <= max) return text;
  const searched = text.slice(0, max * GRAPHEME_UNITS_MAX);
  let size = 0;
  let whole = "";
  // What is left when "…" must follow.
  let start = "";
  for (const { segment } of SEGMENTER.segment(searched)) {
    size += measure(segment);
    if (size > max) return `${start}…`;
    whole += segment;
    if (size < max) start = whole;
  }
  return searched.length === text.length ? whole : `${start}…`;
}
