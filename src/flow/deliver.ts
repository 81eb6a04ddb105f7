/** Due delivery → check params → perform → settle. The only place where actions are performed. */

import { validatorFor } from "../core/check.ts";
import { outcomeEvent } from "../core/own-events.ts";
import { afterAttempt, mayHaveHappened } from "../core/retry.ts";
import { messageOf } from "../errors.ts";
import { actionName, type Delivery, LIMITS, type Outcome } from "../model.ts";
import type { Cache } from "../ports/cache.ts";
import type { Clock } from "../ports/clock.ts";
import type { SharedNetwork } from "../ports/network.ts";
import type { Observer } from "../ports/observe.ts";
import type { Action, ActionContext, ConnectionConfig, Provider } from "../ports/provider.ts";
import type { Leased, Queue } from "../ports/queue.ts";
import { createGate, type Gate, UNKNOWN_CONNECTION } from "./gate.ts";
import { createSessions, type Sessions } from "./sessions.ts";

/** Time in which no other worker takes the delivery: longer than the longest attempt, short enough to recover soon after a crash. */
const LEASE_MS = 30_000;
/** Of all connections together in one transaction. */
const BATCH = 64;
const SETTLE_TRIES = 5;

export interface ConfiguredConnection {
  config: ConnectionConfig;
  provider: Provider;
  network: SharedNetwork;
  concurrency: number;
  ratePerSecond?: number;
}

export interface DeliverDeps {
  store: Pick<Queue, "lease" | "settle">;
  clock: Clock;
  cache: Cache;
  observe: Observer;
  connections: ReadonlyMap<string, ConfiguredConnection>;
  /** An outcome entered the log. */
  reported(): void;
  /** An attempt ended: there is room for more. */
  freed(): void;
}

export interface Deliver {
  round(): Promise<{ busy: boolean; nextAtMs?: number }>;
  /** Resolves when nothing is in flight and every session is closed. */
  drain(): Promise<void>;
}

/** The collaborators of one attempt. */
interface AttemptDeps extends DeliverDeps {
  sessions: Sessions;
}

/** A running attempt of this process, with its current lease. */
interface InFlight extends Leased {
  untilMonotonicMs: number;
  /** Resolves when the outcome is recorded. */
  ended: Promise<void>;
}

export function createDeliver(options: DeliverDeps): Deliver {
  const sessions = createSessions(options.connections, options.clock);
  const deps: AttemptDeps = { ...options, sessions };
  const gate = createGate(deps.connections, deps.clock);
  const inFlight = new Map<string, InFlight>();

  return {
    async round() {
      const { openInMs, ...rooms } = gate.room();
      const openAtMs = openInMs === undefined ? undefined : deps.clock.now() + openInMs;
      const openings = Object.values(rooms.room);
      const isFull = openings.length > 0 && openings.every((room) => room === 0);
      if (isFull) return openAtMs === undefined ? { busy: false } : { busy: false, nextAtMs: openAtMs };
      const limits = { ...rooms, roomOfOthers: UNKNOWN_CONNECTION.concurrency, limit: BATCH, leaseMs: LEASE_MS };
      const askedAtMs = deps.clock.monotonic();
      const due = await deps.store.lease(deps.clock.now(), limits);
      for (const leased of due.leased) {
        const { id } = leased.delivery;
        const own = inFlight.get(id);
        // The wall clock was set forward, so that the lease has ended before the attempt: the attempt goes on under the new one.
        if (own) own.lease = leased.lease;
        else {
          const attempt: InFlight = { ...leased, untilMonotonicMs: askedAtMs + LEASE_MS, ended: Promise.resolve() };
          inFlight.set(id, attempt);
          attempt.ended = attemptAndSettle(deps, gate, attempt).finally(() => {
            inFlight.delete(id);
            deps.freed();
          });
        }
      }
      const wakeAt = [due.nextAtMs, openAtMs].filter((at) => at !== undefined);
      const busy = due.leased.length === BATCH;
      return wakeAt.length > 0 ? { busy, nextAtMs: Math.min(...wakeAt) } : { busy };
    },
    async drain() {
      while (inFlight.size > 0) await Promise.all([...inFlight.values()].map(({ ended }) => ended));
      await sessions.close();
    },
  };
}

async function attemptAndSettle(deps: AttemptDeps, gate: Gate, inFlight: InFlight): Promise<void> {
  const { clock, observe } = deps;
  const { delivery } = inFlight;
  // After a long pause, which the monotonic clock may not count, another worker may have the delivery.
  if (clock.monotonic() >= inFlight.untilMonotonicMs || clock.now() >= inFlight.untilMs) return;
  const leave = gate.enter(delivery);
  const atMs = clock.now();
  const startedMs = clock.monotonic();
  const { outcome, wasAsked } = await attempted(deps, inFlight, atMs);
  leave(wasAsked ? outcome : undefined);
  // The next attempt may start while this one is being recorded.
  deps.freed();
  const settled = afterAttempt(delivery, outcome, atMs, Math.round(clock.monotonic() - startedMs));
  const last = settled.attempts.at(-1);
  observe({
    kind: "attempted",
    delivery: delivery.id,
    action: actionName(delivery),
    outcome: outcome.kind,
    attempt: settled.attempts.length,
    ms: last?.ms ?? 0,
    detail: last?.detail ?? "",
    dead: settled.status === "dead",
  });
  await settle(deps, inFlight, settled);
}

/** The outcome of one attempt, and whether its target was asked. Never rejects. */
async function attempted(
  deps: AttemptDeps,
  leased: Leased,
  nowMs: number,
): Promise<{ outcome: Outcome; wasAsked: boolean }> {
  const { delivery } = leased;
  const configured = deps.connections.get(delivery.connection);
  const action = configured?.provider.connection?.actions[delivery.action];
  if (!configured || !action) {
    const message = `"${actionName(delivery)}" is not an action of a configured connection`;
    return { outcome: rejected("SB0203", message), wasAsked: false };
  }
  const [problem] = validatorFor(action.params)(delivery.params);
  if (problem) {
    const message = [...(problem.path ?? []), problem.message].join(": ");
    return { outcome: rejected("SB0601", message), wasAsked: false };
  }
  try {
    return { outcome: await performWithin(deps, { ...leased, configured, action }, nowMs), wasAsked: true };
  } catch (error) {
    const message = messageOf(error);
    deps.observe({ kind: "fault", where: actionName(delivery), message });
    const failure = { message: `The action failed unexpectedly: ${message}` };
    return { outcome: { kind: "uncertain", error: failure }, wasAsked: true };
  }
}

interface Performed extends Pick<Leased, "delivery" | "interrupted"> {
  configured: ConfiguredConnection;
  action: Action;
}

/** The outcome of the action, or uncertain when it takes too long. */
async function performWithin(
  deps: AttemptDeps,
  { delivery, interrupted, configured, action }: Performed,
  nowMs: number,
): Promise<Outcome> {
  const limitMs = Math.min(LIMITS.attemptMs, delivery.timeoutMs ?? LIMITS.attemptMs);
  const over = new AbortController();
  const done = new AbortController();
  const context: Omit<ActionContext, "session"> = {
    connection: configured.config,
    idempotencyKey: delivery.id,
    attempt: delivery.attempts.length + 1,
    nowMs,
    network: configured.network.during(over.signal),
    cache: deps.cache,
  };
  const late = deps.clock.sleep(limitMs, done.signal).then((): Outcome => {
    over.abort();
    return { kind: "uncertain", error: { code: "timeout", message: `No answer within ${limitMs} ms` } };
  });
  try {
    const performed = deps.sessions.use(delivery.connection, (session) =>
      perform(action, delivery, interrupted, { ...context, session }),
    );
    return await Promise.race([performed, late]);
  } finally {
    done.abort("done");
  }
}

/** Looks first when an earlier attempt may have been taken. */
async function perform(
  action: Action,
  delivery: Delivery,
  interrupted: boolean,
  context: ActionContext,
): Promise<Outcome> {
  if (action.probe && mayHaveHappened(delivery, interrupted)) {
    const seen = await action.probe(delivery.params, context);
    if (seen) return seen;
  }
  return await action.perform(delivery.params, context);
}

/** When an outcome cannot be recorded, the lease ends and the next attempt probes first. */
async function settle(deps: DeliverDeps, inFlight: Pick<InFlight, "lease">, delivery: Delivery): Promise<void> {
  const report = delivery.emitsOutcome && delivery.status !== "pending" ? outcomeEvent(delivery) : undefined;
  for (let tries = 1; ; tries++) {
    try {
      const [settled] = await deps.store.settle([{ lease: inFlight.lease, delivery, ...(report && { report }) }]);
      if (settled === "late") {
        const message = `The outcome of ${delivery.id} came after its lease had ended: its attempt is kept, and whoever has it now decides`;
        deps.observe({ kind: "fault", where: "settle", message });
      } else if (report) deps.reported();
      return;
    } catch (error) {
      const message = messageOf(error);
      deps.observe({ kind: "fault", where: "settle", message });
      if (tries >= SETTLE_TRIES) return;
      await deps.clock.sleep(100 * 2 ** tries);
    }
  }
}

function rejected(code: string, message: string): Outcome {
  return { kind: "rejected", error: { code, message } };
}
