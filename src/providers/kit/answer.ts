/** The outcome of a response: one table for every provider, after the options of the vendor. */
import { cutText, type Failure, type Json, type Outcome } from "../../model.ts";
import type { HttpResponse, NoResponse } from "../../ports/network.ts";
import { at, parseJson } from "./body.ts";

/** Longest wait that a provider can request: as long as the attempts of a delivery last. */
const WAIT_MS_MAX = 86_400_000;
const BODY_CHARS_MAX = 2_000;

/** How a request ended, over any transport. */
export type Exchange = HttpResponse | NoResponse;

/**
 * done · retry: not taken, ask again · uncertain: perhaps taken · rejected: asking again cannot help · auth: the credential is
 * wrong · gone: the target no longer exists.
 */
export type AnswerClass = "done" | "retry" | "uncertain" | "rejected" | "auth" | "gone";

export interface OutcomeOptions {
  nowMs: number;
  /** Named in the failure, e.g. "github". */
  target?: string;
  /** Statuses that confirm the action; default 2xx. */
  ok?: (status: number) => boolean;
  /** Whether performing twice does no harm: then an uncertain attempt is simply retried. */
  repeatable?: boolean;
  /** The vendor's own meaning of a response; undefined = that of the table. */
  classify?: (answer: HttpResponse) => AnswerClass | undefined;
}

/** The outcome of an attempt. `done` has no result: the action adds it. */
export function outcomeOf(answer: Exchange, options: OutcomeOptions): Outcome {
  const kind = kindOf(answer, options);
  if (kind === "done") return { kind };
  const error = { ...failure(answer, options.target), ...codeFor(kind, answer) };
  if (kind === "auth" || kind === "gone" || kind === "rejected") return { kind: "rejected", error };
  const afterMs = waitMs(answer, options.nowMs);
  return { kind, error, ...(afterMs === undefined ? {} : { afterMs }) };
}

/** The outcome of a failed read (a probe, a read before a write): it changed nothing, and the earlier attempt stays unknown. */
export function unsure(outcome: Outcome): Outcome {
  return outcome.kind === "retry" ? { ...outcome, kind: "uncertain" } : outcome;
}

function kindOf(answer: Exchange, options: OutcomeOptions): AnswerClass {
  const { ok = (status) => status >= 200 && status < 300, repeatable = false } = options;
  const kind =
    answer.kind === "refused"
      ? answer.permanent
        ? "rejected"
        : "retry"
      : answer.kind === "uncertain"
        ? "uncertain"
        : (options.classify?.(answer) ?? (ok(answer.status) ? "done" : byStatus(answer.status)));
  return kind === "uncertain" && repeatable ? "retry" : kind;
}

function byStatus(status: number): AnswerClass {
  switch (status) {
    case 401:
      return "auth";
    case 410:
      return "gone";
    case 408:
    case 425:
    case 429:
    case 503:
      return "retry";
    case 501:
    case 505:
      return "rejected";
    default:
      return status >= 500 ? "uncertain" : "rejected";
  }
}

/** The failure for people. The client has redacted the response; the body is cut here. */
export function failure(answer: Exchange, target?: string): Failure {
  const who = target ? `${target} ` : "";
  if (answer.kind !== "answered") return { message: `${who}${answer.detail}`, code: answer.code };
  const { status, text } = answer;
  const moved = status >= 300 && status < 400 ? "; redirects are not followed" : "";
  return {
    message: `${who}answered ${status}${moved}`,
    status,
    ...(text === "" ? {} : { body: cut(text, BODY_CHARS_MAX) }),
  };
}

function codeFor(kind: AnswerClass, answer: Exchange): { code?: string } {
  if (answer.kind !== "answered") return {};
  if (kind === "retry")
    return { code: answer.status === 429 || answer.status === 403 ? "rate_limited" : "unavailable" };
  return { code: kind };
}

/** The text, at most so many UTF-16 code units long, as vendors count. It never ends in a part of a visible character. */
export function cut(text: string, charsMax: number): string {
  return cutText(text, charsMax, ({ length }) => length);
}

/** How long the provider asks to wait, in any of the usual forms; undefined when it does not. */
function waitMs(answer: Exchange, nowMs: number): number | undefined {
  if (answer.kind !== "answered") return undefined;
  const { headers } = answer;
  const candidates = [
    retryAfter(headers["retry-after"], nowMs),
    headers["x-ratelimit-remaining"] === "0" ? resetAt(headers["x-ratelimit-reset"], nowMs) : undefined,
    ...bodyWaits(answer),
  ];
  const wait = candidates.find((ms) => ms !== undefined && Number.isFinite(ms) && ms >= 0);
  return wait === undefined ? undefined : Math.min(Math.ceil(wait), WAIT_MS_MAX);
}

/** RFC 9110 10.2.3: seconds, or a date. */
function retryAfter(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d+(\.\d+)?$/.test(value)) return Number(value) * 1000;
  return /[A-Za-z]{3}/.test(value) ? Math.max(0, Date.parse(value) - nowMs) : undefined;
}

/** GitHub writes seconds since the epoch, Jira an ISO time. */
function resetAt(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined) return undefined;
  return Math.max(0, (/^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value)) - nowMs);
}

/** Telegram, Discord and Matrix have it in the body. */
function bodyWaits({ status, text }: HttpResponse): (number | undefined)[] {
  const parsed = status === 429 ? parseJson(Buffer.from(text)) : undefined;
  if (!parsed?.ok) return [];
  const number = (value: Json | undefined) => (typeof value === "number" ? value : Number.NaN);
  return [
    number(at(parsed.data, "parameters", "retry_after")) * 1000,
    number(at(parsed.data, "retry_after")) * 1000,
    number(at(parsed.data, "retry_after_ms")),
  ];
}
