/** Why an event matched or did not match: the trees of conditions as text. */
import {
  type ConditionNode,
  cutText,
  type Explanation,
  type Json,
  type Place,
  type RuleExplanation,
} from "../../model.ts";
import { renderChanges } from "./changes.ts";
import { decisionLines, eventLine, type Screen } from "./describe.ts";
import { aligned, safe, width } from "./output.ts";

const NEAR_MISSES_MAX = 5;
const VALUE_CHARS_MAX = 80;

export interface ExplainOptions {
  /** Only this rule. */
  rule?: string;
  /** Every near miss, not only the nearest. */
  all?: boolean;
}

/** Event, matched rules, near misses by distance, rules not considered, and the decision of a stored event. */
export function renderExplanation(explanation: Explanation, screen: Screen, options: ExplainOptions = {}): string {
  const { event, rules, notConsidered, decided, changes, deliveries, policy } = explanation;
  const matched = rules.filter((rule) => rule.matched);
  const missed = rules.filter((rule) => !rule.matched).toSorted((a, b) => a.distance - b.distance);
  const requestedRules =
    options.rule === undefined ? [...matched, ...missed] : rules.filter(({ id }) => id === options.rule);
  const visibleRules =
    options.rule === undefined && !options.all ? [...matched, ...missed.slice(0, NEAR_MISSES_MAX)] : requestedRules;
  const { paint } = screen;
  const total = rules.length + notConsidered.count;
  const counts = `${matched.length} matched · ${missed.length} near miss · ${notConsidered.count} for other event types`;
  const parts = [
    `${eventLine(event, screen)}\n`,
    `${counts}   ${paint.dim(`(${total} rule${total === 1 ? "" : "s"}, policy ${policy.slice(0, 8)})`)}\n`,
    ...visibleRules.map((rule) => renderRule(rule, screen)),
  ];
  const hiddenCount = requestedRules.length - visibleRules.length;
  if (hiddenCount > 0) parts.push(paint.dim(`${hiddenCount} more near misses: --all\n`));
  if (notConsidered.ids.length > 0) parts.push(`${notConsideredLine(notConsidered)}\n`);
  if (decided) parts.push(decisionLines(decided, deliveries, screen));
  if (decided && changes) parts.push(renderChanges(changes, decided.trace.policy, screen, options));
  return parts.join("\n");
}

function notConsideredLine({ count, ids }: Explanation["notConsidered"]): string {
  const more = count > ids.length ? `, and ${count - ids.length} more` : "";
  return `not considered: ${ids.join(", ")}${more} (other event types)`;
}

/** `MATCHED` or `MISSED by n`, the place of the rule, and its tree. Ends with a newline. */
export function renderRule({ id, place, matched, distance, tree }: RuleExplanation, screen: Screen): string {
  const { paint } = screen;
  const label = matched ? paint.green("MATCHED") : paint.red(`MISSED by ${distance}`);
  const where = place ? paint.dim(`   ${place.file}:${place.line}`) : "";
  return `${label}  ${paint.bold(id)}${where}\n${renderTree(tree, screen, place?.file)}`;
}

/** The tree below a rule of `file`; places elsewhere are named in full. */
function renderTree(tree: ConditionNode, screen: Screen, file?: string): string {
  const lines = linesOf(tree, "", "", { screen, file });
  const widest = Math.max(0, ...lines.map(({ text, note }) => (note === "" ? 0 : width(text))));
  return lines
    .map(({ text, note }) => (note === "" ? text : `${text}${" ".repeat(widest - width(text))}   ${note}`))
    .map((line) => `  ${line}\n`)
    .join("");
}

interface Line {
  text: string;
  /** The value of the event and the place of the condition, in a column of its own. */
  note: string;
}

interface TreeStyle {
  screen: Screen;
  file: string | undefined;
}

function linesOf(node: ConditionNode, lead: string, below: string, style: TreeStyle): Line[] {
  const { paint } = style.screen;
  const children = node.kind === "all" ? (node.children ?? []).flatMap(unwrapped) : (node.children ?? []);
  const dim = node.counts ? (text: string) => text : paint.dim;
  const own = { text: `${paint.dim(lead)}${symbolOf(node, style)} ${dim(wordsOf(node))}`, note: noteOf(node, style) };
  const bar = children.length > 0 ? "│    " : "     ";
  const hint = node.hint && !node.ok ? [{ text: `${paint.dim(below + bar)}hint: ${safe(node.hint)}`, note: "" }] : [];
  const inner = children.flatMap((child, i) => {
    const isLast = i === children.length - 1;
    return linesOf(child, `${below}${isLast ? "└─ " : "├─ "}`, `${below}${isLast ? "   " : "│  "}`, style);
  });
  return [own, ...hint, ...inner];
}

/** Nested `all` nodes as one. */
function unwrapped(node: ConditionNode): ConditionNode[] {
  return node.kind === "all" && node.hint === undefined ? (node.children ?? []).flatMap(unwrapped) : [node];
}

function symbolOf({ ok, counts }: ConditionNode, { screen: { paint } }: TreeStyle): string {
  if (ok) return paint.green("✓");
  return counts ? paint.red("✗") : paint.dim("·");
}

function wordsOf({ kind, path, op, want }: ConditionNode): string {
  if (kind === "all" || kind === "any" || kind === "not") return kind;
  if (kind === "cel") return `${op ?? "when"} ${safe(cutText(String(want ?? path ?? ""), VALUE_CHARS_MAX))}`;
  return [path, op, want === undefined ? undefined : valueText(want)]
    .filter((part) => part !== undefined && part !== "")
    .map((part) => safe(String(part)))
    .join(" ");
}

/** Value and place of a condition that is not met; empty for other nodes. */
function noteOf({ kind, ok, got, missing, place }: ConditionNode, { screen: { paint }, file }: TreeStyle): string {
  if (ok || (kind !== "leaf" && kind !== "cel")) return "";
  const foundText = missing ? "missing" : got === undefined ? "" : `got ${safe(valueText(got))}`;
  return [foundText, place ? paint.dim(placeText(place, file)) : ""].filter((part) => part !== "").join("   ");
}

function placeText({ file, line, col }: Place, here: string | undefined): string {
  return `${file === here ? "" : file}:${line}:${col}`;
}

function valueText(value: Json): string {
  return cutText(JSON.stringify(value), VALUE_CHARS_MAX);
}

/** The conditions that are not met and count as misses. */
export function missesOf(node: ConditionNode): ConditionNode[] {
  if (node.ok || !node.counts) return [];
  const inner = (node.children ?? []).flatMap(missesOf);
  return inner.length > 0 ? inner : [node];
}

/** `data.pull_request.merged equals true   got false   rules/pull-requests.yaml:7:31`. */
export function missText(node: ConditionNode): string {
  const foundText = node.missing ? "missing" : node.got === undefined ? "" : `got ${safe(valueText(node.got))}`;
  const where = node.place ? placeText(node.place, undefined) : "";
  return aligned([[wordsOf(node), foundText, where]]).trimEnd();
}
