/** Delivery + outcome → the delivery as it is then: tried again at a time, done, or dead. Pure. */
import { type Attempt, type Delivery, LIMITS, type Outcome } from "../model.ts";
import { chanceOf } from "./ids.ts";

/** 1 s, 3 s, 9 s, … : twelve attempts span about a day. */
const INITIAL_MS = 1_000;
const FACTOR = 3;
/** A provider that asks for more is not believed. */
const RETRY_AFTER_MS_MAX = 86_400_000;

/** The delivery after one more attempt. `atMs` is when the attempt began, `ms` how long it took. */
export function afterAttempt(delivery: Delivery, outcome: Outcome, atMs: number, ms: number): Delivery {
  const attempt: Attempt = { atMs, ms, outcome: outcome.kind, detail: detailOf(outcome) };
  const status = "error" in outcome ? outcome.error.status : undefined;
  if (status !== undefined) attempt.status = status;
  const attempts = [...delivery.attempts, attempt];
  const endMs = atMs + ms;
  const next: Delivery = { ...delivery, attempts };
  switch (outcome.kind) {
    case "done":
      delete next.error;
      return { ...next, status: "done", result: outcome.result ?? null, settledAtMs: endMs };
    case "rejected":
      return { ...next, status: "dead", error: outcome.error, settledAtMs: endMs };
    case "retry":
    case "uncertain": {
      // The allowance is a fresh one after a retry by hand.
      const used = attempts.length - (delivery.attemptsBefore ?? 0);
      const nextAtMs = endMs + waitMs(delivery, { used, all: attempts.length }, outcome.afterMs);
      const over = used >= (delivery.retry?.attempts ?? LIMITS.attempts);
      return over
        ? { ...next, status: "dead", error: outcome.error, settledAtMs: endMs }
        : { ...next, error: outcome.error, nextAtMs };
    }
  }
}

/** Exponential back-off with full jitter taken from the id and the attempt; never before Retry-After. */
function waitMs(delivery: Delivery, { used, all }: { used: number; all: number }, afterMs = 0): number {
  const { initialMs = INITIAL_MS, factor = FACTOR, maxMs = LIMITS.attemptsWindowMs } = delivery.retry ?? {};
  const ceiling = Math.min(maxMs, initialMs * factor ** (used - 1));
  const jittered = Math.ceil(ceiling * chanceOf(`${delivery.id}/${all}`));
  return Math.min(RETRY_AFTER_MS_MAX, Math.max(0, afterMs)) + Math.max(1, jittered);
}

function detailOf(outcome: Outcome): string {
  if (outcome.kind === "done") return outcome.note ?? "done";
  const { message, status } = outcome.error;
  return status === undefined ? message : `${status} ${message}`;
}

/** Whether the next attempt must look first: an earlier one may have been taken. `interrupted` = a lease ended without an outcome. */
export function mayHaveHappened(delivery: Delivery, interrupted: boolean): boolean {
  return interrupted || delivery.attempts.at(-1)?.outcome === "uncertain";
}
