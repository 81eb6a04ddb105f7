/** The words of a drawing: guards, actions and delays as a reader would write them, and text that is safe to draw. */
import { formatDuration, parseDuration } from "../../duration.ts";
import { wellFormed } from "../../escape.ts";
import type { Expression } from "../../expr.ts";
import type { Effect, Guard } from "../file/tree.ts";
import type { Graph, GraphEdge, GraphNode } from "./structure.ts";

/** Longer guards and names are cut in drawings; JSON has them whole. */
const WORDS_CHARS_MAX = 80;

/** A guard as one CEL expression. */
export function guardText(guard: Guard): string {
  if (guard.kind === "cel") return guard.expression.source.trim();
  if (guard.kind === "not") return `!(${guardText(guard.guard)})`;
  const [only, ...more] = guard.guards;
  if (only !== undefined && more.length === 0) return guardText(only);
  return guard.guards.map(operand).join(guard.kind === "and" ? " && " : " || ");
}

function operand(guard: Guard): string {
  const text = guardText(guard);
  return guard.kind !== "not" && /&&|\|\||\?/.test(text) ? `(${text})` : text;
}

/** What is done, one entry for each action; timers and calls are listed apart. */
export function actionsText(effects: readonly Effect[]): string[] {
  return effects.flatMap((effect) => {
    switch (effect.kind) {
      case "deliver":
        return effect.action;
      case "assign":
        return `assign ${effect.values.map(({ key }) => key).join(", ")}`.trimEnd();
      case "raise":
        return `raise ${effect.name}`;
      case "emit":
        return `emit ${effect.type}`;
      case "log":
        return "log";
      default:
        return [];
    }
  });
}

/** With all units, where formatDuration gives the two largest: `1d 2h 30m`. */
export function delayText(delay: number | Expression): string {
  if (typeof delay !== "number") return delay.source.trim();
  const words: string[] = [];
  for (let rest = delay; rest > 0; ) {
    const word = formatDuration(rest);
    words.push(word);
    rest -= parseDuration(word.replaceAll(" ", "")) ?? rest;
  }
  return words.join(" ") || "0s";
}

/** Control characters, what turns the direction of writing, and what is no character. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters it is about.
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufffe\uffff]/g;

/** One line that can be drawn anywhere, and is never empty. */
export function plain(text: string, max = WORDS_CHARS_MAX): string {
  const line = wellFormed(text.replace(/\s+/g, " ")).replace(UNSEEN, "\ufffd").trim();
  const chars = [...line];
  if (chars.length > max) return `${chars.slice(0, max - 1).join("")}…`;
  return line === "" ? "\ufffd" : line;
}

/** An edge's label in parts: trigger, guard, actions. Empty for a default. */
export function edgeParts({ label, guard, actions }: GraphEdge): string[] {
  return [
    ...(label === "" ? [] : [plain(label)]),
    ...(guard === undefined ? [] : [`[${plain(guard)}]`]),
    ...(actions.length === 0 ? [] : [`/ ${plain(actions.join(", "))}`]),
  ];
}

/** The lines below a state's name, by its id: tags, what it does, and transitions without a target. */
export function linesBelow({ nodes, edges }: Graph): (state: string) => readonly string[] {
  const lines = new Map(nodes.map((node) => [node.id, detailsOf(node)]));
  for (const edge of edges) if (edge.internal) lines.get(edge.from)?.push(edgeParts(edge).join(" "));
  return (state) => lines.get(state) ?? [];
}

function detailsOf({ tags, entry, exit, invoke }: GraphNode): string[] {
  return [
    ...(tags.length === 0 ? [] : [`tags ${plain(tags.join(", "))}`]),
    ...invoke.map(({ src }) => `invoke ${plain(src)}`),
    ...(entry.length === 0 ? [] : [`entry / ${plain(entry.join(", "))}`]),
    ...(exit.length === 0 ? [] : [`exit / ${plain(exit.join(", "))}`]),
  ];
}

/** The name, with H or H* before that of a history state. */
export function nodeTitle({ label, history }: GraphNode): string {
  const mark = history === null ? "" : history === "deep" ? "H* " : "H ";
  return mark + plain(label);
}

/** The name and, where instances were counted, how many are in the state: `waiting (12)`. No instance is ever in a history state. */
export function nodeName(node: GraphNode): string {
  const { count, history } = node;
  return count === undefined || history !== null ? nodeTitle(node) : `${nodeTitle(node)} (${count})`;
}
