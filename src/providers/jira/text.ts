/** Plain text in the formats of Jira: an Atlassian Document (Cloud, REST v3) or wiki markup (Server and Data Center, REST v2). */
import type { JsonObject } from "../../model.ts";
import { cut } from "../kit/answer.ts";
import { inertAddress } from "../kit/markup.ts";

/** Jira takes 32,767 characters; an escaped wiki text may be twice as long as what it shows. */
const DOCUMENT_CHARS_MAX = 32_000;
const WIKI_CHARS_MAX = 16_000;
/** Ends before the punctuation that closes a sentence around it. */
const URL_IN_TEXT = /https?:\/\/[^\s<>"'|[\]{}\\^`]*[^\s<>"'|[\]{}\\^`.,;:!?)]/g;

/**
 * Paragraphs at empty lines, breaks at line ends, addresses as links. Text nodes are data, so nothing needs escaping.
 * https://developer.atlassian.com/cloud/jira/platform/apis/document/structure/
 */
export function document(text: string): JsonObject {
  const paragraphs = clean(text, DOCUMENT_CHARS_MAX).split(/\n{2,}/);
  return { type: "doc", version: 1, content: paragraphs.map((one) => ({ type: "paragraph", content: lines(one) })) };
}

/**
 * The same text as wiki markup that shows it as it is; addresses stay links.
 * https://jira.atlassian.com/secure/WikiRendererHelpAction.jspa?section=all
 */
export function wiki(text: string): string {
  return pieces(clean(text, WIKI_CHARS_MAX))
    .map(({ text: piece, isUrl }) => (isUrl ? `[${piece}]` : escaped(piece)))
    .join("");
}

/** A text inside wiki markup of the author. https://jira.atlassian.com/secure/WikiRendererHelpAction.jspa?section=all */
export function escapeWiki(text: string): string {
  const address = inertAddress(text);
  if (address !== undefined) return address;
  return (
    text
      .replace(/&(?=#?\w+;)/g, "&amp;")
      // Two backslashes are a line break in wiki markup, so a backslash cannot escape itself.
      .replace(/\\/g, "&#92;")
      .replace(/[{}[\]|!*_^~?(@]/g, "\\$&")
      // Between letters these are part of a name such as WEB-17.
      .replace(/(?<!\w)[-+](?=\S)|(?<=\S)[-+](?!\w)|(?<!\w)[-+](?!\w)/g, "\\$&")
      .replace(/^(\s*)#/gm, "$1\\#")
      .replace(/^(\s*(?:h[1-6]|bq))\./gm, "$1\\.")
  );
}

function lines(paragraph: string): JsonObject[] {
  return paragraph.split("\n").flatMap((line, index) => [
    ...(index > 0 ? [{ type: "hardBreak" }] : []),
    ...pieces(line).map(({ text, isUrl }) => ({
      type: "text",
      text,
      ...(isUrl ? { marks: [{ type: "link", attrs: { href: text } }] } : {}),
    })),
  ]);
}

/** The text in parts, addresses apart; no part is empty. */
function pieces(text: string): { text: string; isUrl: boolean }[] {
  const parts: { text: string; isUrl: boolean }[] = [];
  let end = 0;
  for (const match of text.matchAll(URL_IN_TEXT)) {
    parts.push({ text: text.slice(end, match.index), isUrl: false }, { text: match[0], isUrl: URL.canParse(match[0]) });
    end = match.index + match[0].length;
  }
  parts.push({ text: text.slice(end), isUrl: false });
  return parts.filter((part) => part.text !== "");
}

/** Two backslashes would be a line break in wiki markup, so a backslash is written as its number. */
function escaped(text: string): string {
  return text.replace(/[*_?\-+^~{}[\]!|#\\]/g, (character) => (character === "\\" ? "&#92;" : `\\${character}`));
}

/** Normalises line ends, removes control characters and lone surrogates, and cuts at `charsMax`. */
function clean(text: string, charsMax: number): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: Jira refuses documents that hold them.
  const plain = text.replace(/\r\n?/g, "\n").replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/g, "");
  return cut(plain.replace(/\p{Surrogate}/gu, "\ufffd").trim(), charsMax);
}
