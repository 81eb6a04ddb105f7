/** How much each connection may do at once: concurrency, rate, and a circuit breaker. Kept in memory, lost without harm. */
import type { Delivery, Outcome } from "../model.ts";
import type { Clock } from "../ports/clock.ts";
import type { LeaseOrder } from "../ports/queue.ts";

/** Deliveries that fail, with no other passing meanwhile, before the target is judged to be down: at least as many, and more where more run side by side. */
const FAILURES_MIN = 5;
const FAILURES_PER_SLOT = 2;
/** Each time that the judgement proves wrong, because a probe of the first pause passes, twice as many failures are borne; so many times. */
const FALSE_ALARMS_MAX = 3;
const PAUSE_MS = 1_000;
/** How late the return of a target may be noticed. */
const PAUSE_MS_MAX = 15_000;
/** Attempts after a pause that find out whether the target is back; several, because any one delivery may be at fault itself. */
const PROBES = 4;
/** What a provider may ask for, for the whole connection; the delivery itself waits as long as it was asked to. */
const ASKED_MS_MAX = 60_000;
/** Most of the time that deliveries not tried before are owed. */
const LEAD_MS_MAX = 30_000;
/** Deliveries remembered for having asked for a pause. */
const ASKERS_MAX = 1_000;
/** Pauses after which those that fell due last are probed, because they were tried most often; in a longer outage each gets its turn. */
const NEWEST_PAUSES_MAX = 3;

export interface Room {
  /** How many attempts each connection takes now. */
  room: Record<string, number>;
  /** Which deliveries go first. */
  order: Record<string, LeaseOrder>;
  /** In how many milliseconds the first connection opens that takes none only for a while. */
  openInMs?: number;
}

export interface Gate {
  room(): Room;
  /** One attempt begins; the returned function ends it. Without an outcome the target was not asked. */
  enter(delivery: Pick<Delivery, "id" | "connection" | "attempts">): (outcome: Outcome | undefined) => void;
}

interface State {
  readonly concurrency: number;
  readonly ratePerSecond: number;
  running: number;
  /** Those of the running whose delivery was tried before. */
  triedRunning: number;
  /** How much longer attempts of deliveries tried before have lasted than those of the others since; never negative. */
  triedLeadMs: number;
  /** Attempts that may start at once, refilled with time. */
  tokens: number;
  filledAtMs: number;
  /** Ids of the deliveries that failed since the last one passed: one that fails again and again is one. */
  readonly failing: Set<string>;
  /** Pauses since the last delivery passed; > 0 = the target is judged to be down. */
  pauses: number;
  falseAlarms: number;
  pausedUntilMs: number;
  probesLeft: number;
  /** Until when the provider asked to be left alone. */
  askedUntilMs: number;
  /** Deliveries that passed, as a count. */
  passed: number;
  /** By id of a delivery that asked for a pause: how many had passed by then. */
  readonly askers: Map<string, number>;
}

interface Allowance {
  concurrency: number;
  ratePerSecond?: number;
}

/** What a delivery for a connection that is no longer configured goes through. */
export const UNKNOWN: Allowance = { concurrency: 16 };

export function createGate(connections: ReadonlyMap<string, Allowance>, clock: Pick<Clock, "monotonic">): Gate {
  const states = new Map<string, State>();
  const stateOf = (name: string): State => {
    const existing = states.get(name);
    if (existing) return existing;
    const state = newState(connections.get(name) ?? UNKNOWN, clock.monotonic());
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
          Math.max(0, state.pausedUntilMs - nowMs, state.askedUntilMs - nowMs) || tokenInMs(state, nowMs);
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
        if (outcome) judge(state, id, outcome, nowMs);
      };
    },
  };
}

function newState({ concurrency, ratePerSecond = Number.POSITIVE_INFINITY }: Allowance, nowMs: number): State {
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
    askedUntilMs: 0,
    passed: 0,
    askers: new Map(),
  };
}

/** Refills the tokens; in how long the next attempt may start, 0 = now. */
function tokenInMs(state: State, nowMs: number): number {
  if (!Number.isFinite(state.ratePerSecond)) return 0;
  const gained = ((nowMs - state.filledAtMs) / 1000) * state.ratePerSecond;
  state.tokens = Math.min(Math.max(1, state.ratePerSecond), state.tokens + gained);
  state.filledAtMs = nowMs;
  return state.tokens >= 1 ? 0 : Math.ceil(((1 - state.tokens) / state.ratePerSecond) * 1000);
}

function roomOf({ concurrency, running, tokens, pauses, probesLeft }: State): number {
  const allowed = Math.min(concurrency - running, Number.isFinite(tokens) ? Math.floor(tokens) : concurrency);
  return Math.max(0, pauses > 0 ? Math.min(allowed, probesLeft) : allowed);
}

/**
 * What was tried before and what was not get the same time, and a quarter is kept for the latter, so that deliveries that never pass do not take the
 * place of others that would. After a pause the newest go first: the oldest may all have the same fault.
 */
function orderOf(state: State, room: number): LeaseOrder {
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

function judge(state: State, id: string, outcome: Outcome, nowMs: number): void {
  if (outcome.kind === "done" || outcome.kind === "rejected") {
    if (state.pauses === 1) state.falseAlarms = Math.min(FALSE_ALARMS_MAX, state.falseAlarms + 1);
    state.passed += 1;
    state.failing.clear();
    state.pauses = 0;
    state.pausedUntilMs = 0;
    return;
  }
  state.failing.add(id);
  if (asksForConnection(state, id, outcome)) ask(state, outcome.afterMs, nowMs);
  const failuresMax = Math.max(FAILURES_MIN, FAILURES_PER_SLOT * state.concurrency) * 2 ** state.falseAlarms;
  const hasProbed = state.pauses > 0 && state.running === 0 && state.probesLeft <= 0;
  if (nowMs < state.pausedUntilMs || !(state.pauses === 0 ? state.failing.size >= failuresMax : hasProbed)) return;
  if (hasProbed) state.falseAlarms = 0;
  state.pausedUntilMs = nowMs + Math.min(PAUSE_MS_MAX, PAUSE_MS * 2 ** state.pauses);
  state.pauses += 1;
  state.probesLeft = PROBES;
  // What a target that is down asks for is believed once probes have failed as well.
  if (hasProbed) ask(state, outcome.afterMs, nowMs);
}

/**
 * Whether the wait that the provider asks for is the connection's. A 5xx may be the fault of what was sent; and a delivery that asks again
 * although others passed in between speaks for itself alone. It waits itself in any case.
 */
function asksForConnection({ askers, passed }: State, id: string, outcome: Outcome & { kind: "retry" | "uncertain" }) {
  if (!outcome.afterMs || (outcome.error.status ?? 0) >= 500) return false;
  const passedThen = askers.get(id);
  askers.set(id, passed);
  for (const oldest of askers.keys()) {
    if (askers.size <= ASKERS_MAX) break;
    askers.delete(oldest);
  }
  return passedThen === undefined || passedThen === passed;
}

function ask(state: State, afterMs = 0, nowMs: number): void {
  state.askedUntilMs = Math.max(state.askedUntilMs, nowMs + Math.min(afterMs, ASKED_MS_MAX));
}
