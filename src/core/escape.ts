/** Making text from outside dead for its destination: it is shown as it is and can neither call people nor change the layout. */

export type Escape = "none" | "slack" | "markdown" | "html" | "url" | "jira";

/** C0 controls except tab and newline: no destination shows them and some act on them. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const CONTROLS = /[\0-\x08\x0b-\x1f\x7f]/g;
const LONE_SURROGATES = /\p{Surrogate}/gu;
/** Nothing but one web address: escaped by percent signs, which keeps it a link everywhere. */
const WEB_ADDRESS = /^https?:\/\/[^\s<>"'`\\^{}|]+$/;
/** Shows nothing and separates: what follows is no longer recognised. */
const ZERO_WIDTH_SPACE = "\u200b";

/** Well-formed text whatever came in: half a surrogate pair cannot be stored or sent. */
export function wellFormed(text: string): string {
  return text.replace(LONE_SURROGATES, "\ufffd");
}

const clean = (text: string): string => wellFormed(text).replace(CONTROLS, "");

const HTML: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
const entity = (char: string): string => HTML[char] ?? char;

/** https://docs.slack.dev/messaging/formatting-message-text#escaping — these three are all that Slack reads as control. */
const slack = (text: string): string => clean(text).replace(/[&<>]/g, entity);

/** In a web address, everything that one of the markups below reads, in the form that leaves the address the same. */
const percent = (address: string): string =>
  address.replace(/[!*'()[\]_~@]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);

/**
 * GitHub's Markdown. Backslashes stop the markup of CommonMark; mentions, issue numbers and `GH-1` are found by GitHub in the finished
 * text, where only a character between helps. https://github.github.com/gfm/#backslash-escapes
 */
function markdown(text: string): string {
  const safe = clean(text);
  if (WEB_ADDRESS.test(safe)) return percent(safe);
  return safe
    .replace(/[\\`*_{}[\]()|~<>!&$]/g, "\\$&")
    .replace(/^([ \t]*)([-+=#]|\d+(?=[.)]))/gm, (_, indent: string, mark: string) =>
      /\d/.test(mark) ? `${indent}${mark}${ZERO_WIDTH_SPACE}` : `${indent}\\${mark}`,
    )
    .replace(/^[ \t]{4,}|^\t/gm, " ")
    .replace(/@(?=[\w-])/g, `@${ZERO_WIDTH_SPACE}`)
    .replace(/#(?=\d)/g, `#${ZERO_WIDTH_SPACE}`)
    .replace(/\b(GH-)(?=\d)/gi, `$1${ZERO_WIDTH_SPACE}`);
}

/** Wiki markup of Jira Server and Data Center. https://jira.atlassian.com/secure/WikiRendererHelpAction.jspa?section=all */
function jira(text: string): string {
  const safe = clean(text);
  if (WEB_ADDRESS.test(safe)) return percent(safe);
  return (
    safe
      .replace(/&(?=#?\w+;)/g, "&amp;")
      // Two backslashes are a line break there, so a backslash cannot escape itself.
      .replace(/\\/g, "&#92;")
      .replace(/[{}[\]|!*_^~?(@]/g, "\\$&")
      // Between letters these are part of a name such as WEB-17.
      .replace(/(?<!\w)[-+](?=\S)|(?<=\S)[-+](?!\w)|(?<!\w)[-+](?!\w)/g, "\\$&")
      .replace(/^(\s*)#/gm, "$1\\#")
      .replace(/^(\s*(?:h[1-6]|bq))\./gm, "$1\\.")
  );
}

/** By destination. `none` changes nothing but broken characters. */
export const ESCAPES: Readonly<Record<Escape, (text: string) => string>> = {
  none: wellFormed,
  slack,
  markdown,
  html: (text) => clean(text).replace(/[&<>"']/g, entity),
  url: (text) => urlEncode(text),
  jira,
};

/** For one part of a URL, and safe inside every markup as well. */
export function urlEncode(text: string): string {
  return encodeURIComponent(clean(text)).replace(
    /[!'()*_~]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
