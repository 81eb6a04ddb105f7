/** Output: colours, aligned columns, times, and values as JSON. */
import { formatDuration } from "../../core/duration.ts";
import { inert, type Json, type JsonObject } from "../../model.ts";

export type Paint = Record<"bold" | "dim" | "red" | "green" | "yellow" | "blue", (text: string) => string>;

/** Colours that do nothing when colour is off. */
export function paintWith(color: boolean): Paint {
  const sgr = (code: number) => (text: string) => (color && text !== "" ? `\u001b[${code}m${text}\u001b[0m` : text);
  return { bold: sgr(1), dim: sgr(2), red: sgr(31), green: sgr(32), yellow: sgr(33), blue: sgr(36) };
}

/** Whether to use colour on a stream: the flag before the environment, NO_COLOR before FORCE_COLOR. https://no-color.org */
export function wantsColor(flag: unknown, env: Readonly<Record<string, string | undefined>>, isTty: boolean): boolean {
  if (flag === "always") return true;
  if (flag === "never" || flag === false) return false;
  if (env.NO_COLOR) return false;
  if (env.FORCE_COLOR) return env.FORCE_COLOR !== "0";
  return isTty && env.TERM !== "dumb";
}

/** Replaces control characters: text of senders must not control the terminal or add lines. */
export function safe(text: string): string {
  return inert(text, "\ufffd");
}

/** Columns two spaces apart, headed; the last is not padded. Empty columns are left out. */
export function table(headers: readonly string[], rows: readonly (readonly string[])[], paint: Paint): string {
  const used = headers.map((_, column) => rows.some((row) => (row[column] ?? "") !== ""));
  const visibleRows = [headers.map((header) => paint.dim(header)), ...rows].map((row) => row.filter((_, i) => used[i]));
  return aligned(visibleRows);
}

/** Rows with their columns below each other. Ends with a newline unless empty. */
export function aligned(rows: readonly (readonly string[])[], indent = ""): string {
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, i) => Math.max(0, ...rows.map((row) => width(row[i] ?? ""))));
  return rows
    .map((row) => row.map((cell, i) => cell + " ".repeat(Math.max(0, (widths[i] ?? 0) - width(cell)))).join("  "))
    .map((line) => `${indent}${line}`.trimEnd())
    .map((line) => `${line}\n`)
    .join("");
}

/** Number of visible characters. */
export function width(text: string): number {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: an escape sequence starts with one.
  return [...text.replaceAll(/\u001b\[[0-9;]*m/g, "")].length;
}

/** `14:07:31 (3m 2s ago)`; with the day when it is another one. Local time unless `utc`. */
export function moment(ms: number, { nowMs, utc }: { nowMs: number; utc: boolean }): string {
  return `${clockTime(ms, { nowMs, utc })} (${relative(ms, nowMs)})`;
}

/** `14:07:31`, or `2026-01-05 14:07:31` on another day. */
export function clockTime(ms: number, { nowMs, utc }: { nowMs: number; utc: boolean }): string {
  const [day, time] = stamp(ms, utc);
  return day === stamp(nowMs, utc)[0] ? time : `${day} ${time}`;
}

/** `3m 2s ago`, `in 14m 58s`, `just now`. */
export function relative(ms: number, nowMs: number): string {
  const distance = nowMs - ms;
  if (Math.abs(distance) < 1_000) return "just now";
  const words = formatDuration(Math.floor(Math.abs(distance) / 1_000) * 1_000);
  return distance > 0 ? `${words} ago` : `in ${words}`;
}

function stamp(ms: number, utc: boolean): [day: string, time: string] {
  const date = new Date(ms);
  const two = (number: number) => String(number).padStart(2, "0");
  if (utc) return [date.toISOString().slice(0, 10), date.toISOString().slice(11, 19)];
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return [day, `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`];
}

/** `1 rule`, `12,408 events`. */
export function counted(count: number, noun: string, plural = `${noun}s`): string {
  return `${count.toLocaleString("en-US")} ${count === 1 ? noun : plural}`;
}

/** A state as people write it: `waiting`, `gathering.push.seen, gathering.ci.waiting`. */
export function stateText(state: Json): string {
  if (typeof state === "string") return safe(state);
  if (state === null || typeof state !== "object" || Array.isArray(state)) return safe(JSON.stringify(state));
  const leaves = Object.entries(state).flatMap(([key, inner]) => {
    const below = stateText(inner);
    return below === "" || below === "{}" ? [safe(key)] : below.split(", ").map((leaf) => `${safe(key)}.${leaf}`);
  });
  return leaves.join(", ");
}

/** Keys whose values come from senders, providers and machines, and stay as they are. */
const FOREIGN = new Set(["data", "params", "context", "output", "result", "detail", "state", "from", "to", "vars"]);

/** The value with times in milliseconds as RFC 3339, `decidedAtMs` → `decidedAt`. */
export function dated(value: unknown): Json {
  if (Array.isArray(value)) return value.map(dated);
  if (typeof value !== "object" || value === null) return (value ?? null) as Json;
  const result: JsonObject = {};
  for (const [key, inner] of Object.entries(value)) {
    if (inner === undefined) continue;
    if (/^(.*A|a)tMs$/.test(key) && typeof inner === "number") result[key.slice(0, -2)] = new Date(inner).toISOString();
    else result[key] = FOREIGN.has(key) ? (inner as Json) : dated(inner);
  }
  return result;
}
