/** Events, deliveries and decisions as text, the same in every command. */
import { formatDuration } from "../../core/duration.ts";
import {
  type Attempt,
  type Cause,
  cutText,
  type DeliveryView,
  type Event,
  type Json,
  type TraceView,
  type Transition,
} from "../../model.ts";
import type { EventView } from "../../operations/operations.ts";
import type { Context } from "../context.ts";
import { aligned, clockTime, counted, moment, type Paint, relative, safe, stateText } from "./output.ts";

const DETAIL_CHARS_MAX = 100;

/** How text is printed: colour, the current time, the time zone. */
export interface Screen {
  paint: Paint;
  nowMs: number;
  utc: boolean;
}

export function screenOf({ paint, nowMs, utc }: Context): Screen {
  return { paint, nowMs: nowMs(), utc };
}

/** `evt_01…  github.pull_request.closed  acme/web#412  "WEB-17 add login"`. */
export function eventLine({ id, type, subject, title }: Event, { paint }: Screen): string {
  const parts = [paint.bold(safe(id)), safe(type), safe(subject ?? ""), title ? `"${safe(cutText(title, 60))}"` : ""];
  return parts.filter((part) => part !== "").join("  ");
}

/** The outcome of an event as a table cell. */
export function outcomeCell({ event, trace }: EventView, { paint }: Screen): string {
  if (!trace) return paint.yellow("… undecided");
  const [problem] = trace.problems;
  if (problem) return paint.red(`✗ problem ${problem.code}`);
  if (trace.matched.length > 0) return paint.green(`✓ matched ${trace.matched.map(({ rule }) => rule).join(", ")}`);
  const [transition] = trace.transitions;
  if (event.to && transition) return `→ ${transitionText(transition)}`;
  if (trace.considered > 0) return `≈ near miss (${counted(trace.considered, "rule")})`;
  return paint.dim("· no rule");
}

/** `jira-ticket/WEB-17  waiting → moving`. */
export function transitionText({ machine, key, from, to, taken, created, ignored }: Transition): string {
  const name = safe(`${machine}/${key}`);
  if (!taken) return `${name} stays in ${stateText(from)} (${safe(ignored ?? "ignored")})`;
  const start = created && from === null ? "(new)" : stateText(from);
  return `${name}  ${start} → ${stateText(to)}`;
}

const STATUS: Record<DeliveryView["status"], readonly [symbol: string, color: keyof Paint]> = {
  pending: ["…", "yellow"],
  done: ["✓", "green"],
  dead: ["✗", "red"],
  observed: ["·", "dim"],
  cancelled: ["-", "dim"],
};

/** `✓ done`, `… pending`, `✗ dead`. */
export function statusCell({ status }: DeliveryView, { paint }: Screen): string {
  const [symbol, color] = STATUS[status];
  return paint[color](`${symbol} ${status}`);
}

/** Detail of the last attempt, or the result, or the time of the next attempt. */
export function lastAnswerCell({ status, attempts, nextAtMs, result }: DeliveryView, { nowMs }: Screen): string {
  const last = attempts.at(-1);
  const lastAnswer =
    last && last.detail !== "done" ? `${safe(cutText(last.detail, DETAIL_CHARS_MAX))}${statusText(last)}` : "";
  const resultSummary = status === "done" && result !== undefined && result !== null ? resultText(result) : "";
  const next = status === "pending" && attempts.length > 0 ? `next ${relative(nextAtMs, nowMs)}` : "";
  return [lastAnswer, resultSummary, next].filter((part) => part !== "").join(", ");
}

/** `to Done, from In Review`: the plain fields of a result. */
function resultText(result: Json): string {
  if (typeof result !== "object" || result === null || Array.isArray(result)) return safe(cutText(String(result), 60));
  const plain = Object.entries(result).filter(([, value]) => typeof value === "string" || typeof value === "number");
  return safe(cutText(plain.map(([name, value]) => `${name} ${value}`).join(", "), DETAIL_CHARS_MAX));
}

/** `2 attempts  188ms`, or nothing before the first. */
export function effortCell({ attempts }: DeliveryView): string {
  if (attempts.length === 0) return "";
  const ms = attempts.reduce((sum, attempt) => sum + attempt.ms, 0);
  return `${counted(attempts.length, "attempt")}, ${formatDuration(ms)}`;
}

function statusText({ status, detail }: Attempt): string {
  return status === undefined || detail.includes(String(status)) ? "" : ` (${status})`;
}

/** `rule merged-pr-moves-ticket`, or `jira-ticket/WEB-17 step 2`. */
export function causeText(cause: Cause): string {
  if (cause.kind === "rule") return `rule ${cause.rule}`;
  return safe(`${cause.machine}/${cause.key} step ${cause.step}`);
}

/** The decision for an event and its deliveries. Ends with a newline. */
export function decisionLines(
  { atMs, trace }: { atMs: number; trace: TraceView },
  deliveries: readonly DeliveryView[],
  screen: Screen,
): string {
  const { paint } = screen;
  const head = `decided ${moment(atMs, screen)} by policy ${trace.policy.slice(0, 8)}\n`;
  return (
    head +
    aligned(
      [...effectRows(trace, deliveries, screen)].map(([what, text]) => [paint.dim(what), text]),
      "  ",
    )
  );
}

/** The effects of an event, one row each: kind and text. */
export function effectRows(trace: TraceView, deliveries: readonly DeliveryView[], screen: Screen): [string, string][] {
  const { paint } = screen;
  const matched = trace.matched.map(({ rule, items, mode }): [string, string] => {
    const more = [items > 1 ? `${items} items` : "", mode === "observe" ? "observe only" : ""]
      .filter(Boolean)
      .join(", ");
    return ["matched", `${paint.green("✓")} ${rule}${more ? ` (${more})` : ""}`];
  });
  const none: [string, string][] =
    matched.length === 0 && trace.considered > 0 ? [["matched", `none of ${counted(trace.considered, "rule")}`]] : [];
  const transitionRows = trace.transitions.map((transition): [string, string] => [
    transition.taken ? "moved" : "ignored",
    `${transitionText(transition)}  ${paint.dim(`on ${safe(transition.signal)}`)}`,
  ]);
  const deliveryRows = deliveries.map((delivery): [string, string] => ["delivery", deliveryText(delivery, screen)]);
  const timers = [
    ...trace.timers.set.map((timer): [string, string] => ["timer", `${safe(timer)} set`]),
    ...trace.timers.cancelled.map((timer): [string, string] => ["timer", `${safe(timer)} cancelled`]),
  ];
  const emitted = trace.emittedEvents.map(({ id, type }): [string, string] => [
    "emitted",
    type === undefined ? id : `${safe(type)}  ${paint.dim(id)}`,
  ]);
  const problems = trace.problems.map(({ code, message, place }): [string, string] => [
    "problem",
    `${paint.red(`✗ ${code}`)} ${safe(message)}${place ? paint.dim(`  ${place.file}:${place.line}:${place.col}`) : ""}`,
  ]);
  const logs = (trace.logs ?? []).map((text): [string, string] => ["log", safe(text)]);
  return [...matched, ...none, ...transitionRows, ...deliveryRows, ...timers, ...emitted, ...problems, ...logs];
}

function deliveryText(delivery: DeliveryView, screen: Screen): string {
  const { paint } = screen;
  const parts = [
    statusCell(delivery, screen),
    delivery.action,
    effortCell(delivery),
    lastAnswerCell(delivery, screen),
    paint.dim(delivery.id),
  ];
  return parts.filter((part) => part !== "").join("  ");
}

/** One line per attempt: time, outcome, duration, detail. */
export function attemptLines(attempts: readonly Attempt[], screen: Screen): string {
  const rows = attempts.map((attempt, i) => [
    `${i + 1}`,
    clockTime(attempt.atMs, screen),
    attempt.outcome,
    formatDuration(attempt.ms),
    `${safe(cutText(attempt.detail, DETAIL_CHARS_MAX))}${statusText(attempt)}`,
  ]);
  return aligned(rows, "  ");
}
