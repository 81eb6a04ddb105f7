/** Limits of each connection: concurrency, rate, and a circuit breaker. Kept in memory only. */
import { type Delivery, evictOldest, type Outcome } from "../model.ts";
import type { Clock } from "../ports/clock.ts";
import type { LeaseOrder } from "../ports/queue.ts";

/** Deliveries that fail, with no success in between, before a target counts as down: at least so many, and more with more concurrency. */
const FAILURES_MIN = 5;
const FAILURES_PER_SLOT = 2;
/** When a probe of the first pause succeeds, the target was not down: then twice as many failures are allowed, up to so many times. */
const FALSE_ALARMS_MAX = 3;
const PAUSE_MS = 1_000;
/** Longest pause, and so the delay until the return of a target is noticed. */
const PAUSE_MS_MAX = 15_000;
/** Attempts after a pause that test whether the target is back; several, because one delivery may fail by its own fault. */
const PROBES = 4;
/** Longest pause that a provider can request for the whole connection; the delivery itself waits as long as requested. */
const REQUESTED_PAUSE_MS_MAX = 60_000;
/** Bound of `triedLeadMs`. */
const LEAD_MS_MAX = 30_000;
/** Deliveries that are remembered because their provider requested a pause. */
const REQUESTS_MAX = 1_000;
/** Pauses after which the newest deliveries are probed; in a longer outage the oldest are probed too. */
const NEWEST_PAUSES_MAX = 3;

export interface Room {
  /** How many attempts may start on each connection now. */
  room: Record<string, number>;
  /** Which deliveries go first. */
  order: Record<string, LeaseOrder>;
  /** Milliseconds until the first of the closed connections opens. */
  openInMs?: number;
}

export interface Gate {
  room(): Room;
  /** One attempt begins; the returned function ends it. Without an outcome the target was not asked. */
  enter(delivery: Pick<Delivery, "id" | "connection" | "attempts">): (outcome: Outcome | undefined) => void;
}

interface ConnectionState {
  readonly concurrency: number;
  readonly ratePerSecond: number;
  running: number;
  /** Running attempts of deliveries that were tried before. */
  triedRunning: number;
  /** How much longer attempts of deliveries tried before took than those of the others; never negative. */
  triedLeadMs: number;
  /** Attempts that may start at once, refilled with time. */
  tokens: number;
  filledAtMs: number;
  /** Ids of the deliveries that failed since the last success; a delivery that fails repeatedly counts once. */
  readonly failing: Set<string>;
  /** Pauses since the last success; > 0 = the target counts as down. */
  pauses: number;
  falseAlarms: number;
  pausedUntilMs: number;
  probesLeft: number;
  /** End of the pause that the provider requested. */
  requestedUntilMs: number;
  /** Number of deliveries that succeeded. */
  passed: number;
  /** By id of a delivery whose provider requested a pause: `passed` at that time. */
  readonly requestsByDelivery: Map<string, number>;
}

interface Allowance {
  concurrency: number;
  ratePerSecond?: number;
}

/** Limits for deliveries of a connection that is no longer configured. */
export const UNKNOWN_CONNECTION: Allowance = { concurrency: 16 };

export function createGate(connections: ReadonlyMap<string, Allowance>, clock: Pick<Clock, "monotonic">): Gate {
  const states = new Map<string, ConnectionState>();
  const stateOf = (name: string): ConnectionState => {
    const existing = states.get(name);
    if (existing) return existing;
    const state = newState(connections.get(name) ?? UNKNOWN_CONNECTION, clock.monotonic());
    states.set(name, state);
    return state;
  };
  for (const name of connections.keys()) stateOf(name);

  return {
    room() {
      const nowMs = clock.monotonic();
      const result: Room = { room: {}, order: {} };
      for (const [name, state] of states) {
        const openInMs =
          Math.max(0, state.pausedUntilMs - nowMs, state.requestedUntilMs - nowMs) || tokenInMs(state, nowMs);
        const room = openInMs > 0 ? 0 : roomOf(state);
        result.room[name] = room;
        result.order[name] = orderOf(state, room);
        if (openInMs > 0) result.openInMs = Math.min(result.openInMs ?? openInMs, openInMs);
      }
      return result;
    },
    enter({ id, connection, attempts }) {
      const state = stateOf(connection);
      const wasTried = attempts.length > 0;
      state.running += 1;
      if (wasTried) state.triedRunning += 1;
      state.tokens -= 1;
      state.probesLeft -= 1;
      const startedMs = clock.monotonic();
      return (outcome) => {
        const nowMs = clock.monotonic();
        const leadMs = state.triedLeadMs + (wasTried ? nowMs - startedMs : startedMs - nowMs);
        state.triedLeadMs = Math.max(0, Math.min(LEAD_MS_MAX, leadMs));
        state.running -= 1;
        if (wasTried) state.triedRunning -= 1;
        if (outcome) countOutcome(state, id, outcome, nowMs);
      };
    },
  };
}

function newState(
  { concurrency, ratePerSecond = Number.POSITIVE_INFINITY }: Allowance,
  nowMs: number,
): ConnectionState {
  return {
    concurrency,
    ratePerSecond,
    running: 0,
    triedRunning: 0,
    triedLeadMs: 0,
    tokens: Math.max(1, ratePerSecond),
    filledAtMs: nowMs,
    failing: new Set(),
    pauses: 0,
    falseAlarms: 0,
    pausedUntilMs: 0,
    probesLeft: 0,
    requestedUntilMs: 0,
    passed: 0,
    requestsByDelivery: new Map(),
  };
}

/** Refills the tokens; returns the milliseconds until the next attempt may start, 0 = now. */
function tokenInMs(state: ConnectionState, nowMs: number): number {
  if (!Number.isFinite(state.ratePerSecond)) return 0;
  const gained = ((nowMs - state.filledAtMs) / 1000) * state.ratePerSecond;
  state.tokens = Math.min(Math.max(1, state.ratePerSecond), state.tokens + gained);
  state.filledAtMs = nowMs;
  return state.tokens >= 1 ? 0 : Math.ceil(((1 - state.tokens) / state.ratePerSecond) * 1000);
}

function roomOf({ concurrency, running, tokens, pauses, probesLeft }: ConnectionState): number {
  const allowed = Math.min(concurrency - running, Number.isFinite(tokens) ? Math.floor(tokens) : concurrency);
  return Math.max(0, pauses > 0 ? Math.min(allowed, probesLeft) : allowed);
}

/**
 * Deliveries that were tried before and new ones get the same time, and a quarter of the concurrency is kept for new ones, so that deliveries
 * that always fail do not block others. After a pause the newest go first: the oldest may all have the same fault.
 */
function orderOf(state: ConnectionState, room: number): LeaseOrder {
  const { concurrency, triedRunning, triedLeadMs, pauses } = state;
  const untriedFirst = triedLeadMs > 0;
  if (pauses > 0) {
    const isLong = pauses > NEWEST_PAUSES_MAX;
    const triedRoom = Math.max(1, isLong ? Math.floor(room / 2) : room - 1);
    return { triedRoom, untriedFirst: untriedFirst && room === 1, newestFirst: isLong ? "untried" : "all" };
  }
  const triedRoom = concurrency - Math.floor(concurrency / 4) - triedRunning;
  return { triedRoom: Math.max(0, triedRoom), untriedFirst };
}

function countOutcome(state: ConnectionState, id: string, outcome: Outcome, nowMs: number): void {
  if (outcome.kind === "done" || outcome.kind === "rejected") {
    if (state.pauses === 1) state.falseAlarms = Math.min(FALSE_ALARMS_MAX, state.falseAlarms + 1);
    state.passed += 1;
    state.failing.clear();
    state.pauses = 0;
    state.pausedUntilMs = 0;
    return;
  }
  state.failing.add(id);
  if (isPauseOfConnection(state, id, outcome)) extendRequestedPause(state, outcome.afterMs, nowMs);
  const failuresMax = Math.max(FAILURES_MIN, FAILURES_PER_SLOT * state.concurrency) * 2 ** state.falseAlarms;
  const hasProbed = state.pauses > 0 && state.running === 0 && state.probesLeft <= 0;
  if (nowMs < state.pausedUntilMs || !(state.pauses === 0 ? state.failing.size >= failuresMax : hasProbed)) return;
  if (hasProbed) state.falseAlarms = 0;
  state.pausedUntilMs = nowMs + Math.min(PAUSE_MS_MAX, PAUSE_MS * 2 ** state.pauses);
  state.pauses += 1;
  state.probesLeft = PROBES;
  // The pause that a target requests counts only after probes have failed too.
  if (hasProbed) extendRequestedPause(state, outcome.afterMs, nowMs);
}

/**
 * Whether the requested pause is for the whole connection. A 5xx may be caused by the delivery itself, and a second request of one delivery
 * after successes of others is for that delivery alone. The delivery itself waits in any case.
 */
function isPauseOfConnection(
  { requestsByDelivery: askers, passed }: ConnectionState,
  id: string,
  outcome: Outcome & { kind: "retry" | "uncertain" },
) {
  if (!outcome.afterMs || (outcome.error.status ?? 0) >= 500) return false;
  const passedThen = askers.get(id);
  askers.set(id, passed);
  evictOldest(askers, REQUESTS_MAX);
  return passedThen === undefined || passedThen === passed;
}

function extendRequestedPause(state: ConnectionState, afterMs = 0, nowMs: number): void {
  state.requestedUntilMs = Math.max(state.requestedUntilMs, nowMs + Math.min(afterMs, REQUESTED_PAUSE_MS_MAX));
}
