/** Atlassian Document Format in the stand-in Jira: the nodes of a plain comment, and no others. */
import { isObject } from "../../model.ts";

/** https://developer.atlassian.com/cloud/jira/platform/apis/document/structure/ */
const BLOCKS = new Set([
  "paragraph",
  "heading",
  "blockquote",
  "codeBlock",
  "bulletList",
  "orderedList",
  "listItem",
  "rule",
]);
const MARKS = new Set(["strong", "em", "code", "link", "strike", "underline"]);
const NOT_A_DOCUMENT = "Operation value must be an Atlassian Document (see the Atlassian Document Format)";

type Node = Record<string, unknown>;

/** Why Jira would refuse the document; undefined = it is valid. */
export function adfProblem(value: unknown): string | undefined {
  if (!isObject(value) || value.type !== "doc" || value.version !== 1) return NOT_A_DOCUMENT;
  return childrenOf(value).every(isBlock) && Array.isArray(value.content) ? undefined : "INVALID_INPUT";
}

/** The plain text of a document; wiki text stays as it is. */
export function plainText(value: unknown): string {
  if (typeof value === "string") return value;
  if (!isObject(value)) return "";
  if (value.type === "text") return String(value.text);
  if (value.type === "hardBreak") return "\n";
  return childrenOf(value)
    .map(plainText)
    .join(value.type === "doc" ? "\n\n" : "");
}

function isBlock(node: unknown): boolean {
  if (!isObject(node) || !BLOCKS.has(String(node.type))) return false;
  return childrenOf(node).every((child) => isInline(child) || isBlock(child));
}

function isInline(node: unknown): boolean {
  if (!isObject(node)) return false;
  if (node.type === "hardBreak") return true;
  if (node.type !== "text" || typeof node.text !== "string" || node.text === "") return false;
  return ((node.marks ?? []) as unknown[]).every(isMark);
}

function isMark(mark: unknown): boolean {
  if (!isObject(mark) || !MARKS.has(String(mark.type))) return false;
  if (mark.type !== "link") return true;
  return isObject(mark.attrs) && URL.canParse(String(mark.attrs.href));
}

function childrenOf(node: Node): unknown[] {
  return Array.isArray(node.content) ? node.content : [];
}
