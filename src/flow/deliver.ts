/** Due delivery → check params → perform → settle. The only place where something happens elsewhere. */

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
import { createGate, type Gate, UNKNOWN } from "./gate.ts";
import { createSessions, type Sessions } from "./sessions.ts";

/** Until it ends nobody else takes the delivery; longer than the longest attempt, short enough to recover soon. */
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

export function createDeliver(given: DeliverDeps): Deliver {
  const sessions = createSessions(given.connections, given.clock);
  const deps: AttemptDeps = { ...given, sessions };
  const gate = createGate(deps.connections, deps.clock);
  const inFlight = new Set<Promise<void>>();

  return {
    async round() {
      const { room, openAtMs } = gate.room();
      const rooms = Object.values(room);
      const isFull = rooms.length > 0 && rooms.every((left) => left === 0);
      if (isFull) return openAtMs === undefined ? { busy: false } : { busy: false, nextAtMs: openAtMs };
      const limits = { room, roomOfOthers: UNKNOWN.concurrency, limit: BATCH, leaseMs: LEASE_MS };
      const due = await deps.store.lease(deps.clock.now(), limits);
      for (const leased of due.leased) {
        const running = attemptAndSettle(deps, gate, leased).finally(() => {
          inFlight.delete(running);
          deps.freed();
        });
        inFlight.add(running);
      }
      const wakeAt = [due.nextAtMs, openAtMs].filter((at) => at !== undefined);
      const busy = due.leased.length === BATCH;
      return wakeAt.length > 0 ? { busy, nextAtMs: Math.min(...wakeAt) } : { busy };
    },
    async drain() {
      while (inFlight.size > 0) await Promise.all(inFlight);
      await sessions.close();
    },
  };
}

async function attemptAndSettle(deps: AttemptDeps, gate: Gate, leased: Leased): Promise<void> {
  const { clock, observe } = deps;
  const { delivery } = leased;
  // This process was asleep: somebody else may have the delivery by now.
  if (clock.now() >= leased.untilMs) return;
  const leave = gate.enter(delivery.connection);
  const atMs = clock.now();
  let outcome: Outcome;
  try {
    outcome = await attempt(deps, leased, atMs);
  } catch (error) {
    const message = messageOf(error);
    observe({ kind: "fault", where: actionName(delivery), message });
    outcome = { kind: "uncertain", error: { message: `The action failed in an unforeseen way: ${message}` } };
  }
  leave(outcome);
  // The next may start while this one is being recorded.
  deps.freed();
  const settled = afterAttempt(delivery, outcome, atMs, clock.now() - atMs);
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
  await settle(deps, leased.lease, settled);
}

async function attempt(deps: AttemptDeps, { delivery, interrupted }: Leased, nowMs: number): Promise<Outcome> {
  const configured = deps.connections.get(delivery.connection);
  const action = configured?.provider.connection?.actions[delivery.action];
  if (!configured || !action) {
    return rejected("SB0203", `"${actionName(delivery)}" is not an action of a configured connection`);
  }
  const [problem] = validatorFor(action.params)(delivery.params);
  if (problem) return rejected("SB0601", [...(problem.path ?? []), problem.message].join(": "));
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
      perform(action, delivery, interrupted, { ...context, session: session as undefined }),
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

/** An outcome that cannot be recorded is not forgotten: the lease ends, and the next attempt looks first. */
async function settle(deps: DeliverDeps, lease: number, delivery: Delivery): Promise<void> {
  const report = delivery.emitsOutcome && delivery.status !== "pending" ? outcomeEvent(delivery) : undefined;
  for (let tries = 1; ; tries++) {
    try {
      const [settled] = await deps.store.settle([{ lease, delivery, ...(report && { report }) }]);
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
