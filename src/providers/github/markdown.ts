/** Text from outside in GitHub's Markdown. */
import { inertAddress } from "../kit/markup.ts";

/** An invisible separator: GitHub does not recognise a mention or number after it. */
const ZERO_WIDTH_SPACE = "\u200b";

/**
 * GitHub's Markdown. Backslashes stop the markup of CommonMark; GitHub finds mentions, issue numbers and `GH-1` in the rendered text,
 * where only a separator prevents it. https://github.github.com/gfm/#backslash-escapes
 */
export function markdown(text: string): string {
  const address = inertAddress(text);
  if (address !== undefined) return address;
  return text
    .replace(/[\\`*_{}[\]()|~<>!&$]/g, "\\$&")
    .replace(/^([ \t]*)([-+=#]|\d+(?=[.)]))/gm, (_, indent: string, mark: string) =>
      /\d/.test(mark) ? `${indent}${mark}${ZERO_WIDTH_SPACE}` : `${indent}\\${mark}`,
    )
    .replace(/^[ \t]{4,}|^\t/gm, " ")
    .replace(/@(?=[\w-])/g, `@${ZERO_WIDTH_SPACE}`)
    .replace(/#(?=\d)/g, `#${ZERO_WIDTH_SPACE}`)
    .replace(/\b(GH-)(?=\d)/gi, `$1${ZERO_WIDTH_SPACE}`);
}
