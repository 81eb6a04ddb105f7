/** How much each connection may do at once: concurrency, rate, and a circuit breaker. Kept in memory, lost without harm. */
import type { Outcome } from "../model.ts";
import type { Clock } from "../ports/clock.ts";

/** Failures in a row after which a connection is left alone for a while. */
const BREAKER_FAILURES = 5;
const BREAKER_MS = 5_000;
const BREAKER_MS_MAX = 60_000;

export interface Gate {
  /** How many attempts each connection takes now, and when the first of those that take none opens again. */
  room(): { room: Record<string, number>; openAtMs?: number };
  /** One attempt begins; the returned function ends it. */
  enter(connection: string): (outcome: Outcome) => void;
}

interface State {
  concurrency: number;
  ratePerSecond: number;
  running: number;
  /** Attempts that may start at once, refilled with time. */
  tokens: number;
  filledAtMs: number;
  failures: number;
  closedUntilMs: number;
}

interface Allowance {
  concurrency: number;
  ratePerSecond?: number;
}

/** What a delivery for a connection that is no longer configured goes through. */
export const UNKNOWN: Allowance = { concurrency: 16 };

export function createGate(connections: ReadonlyMap<string, Allowance>, clock: Clock): Gate {
  const states = new Map<string, State>();
  const stateOf = (name: string): State => {
    const known = states.get(name);
    if (known) return known;
    const { concurrency, ratePerSecond = Number.POSITIVE_INFINITY } = connections.get(name) ?? UNKNOWN;
    const state: State = {
      concurrency,
      ratePerSecond,
      running: 0,
      tokens: Math.max(1, ratePerSecond),
      filledAtMs: clock.now(),
      failures: 0,
      closedUntilMs: 0,
    };
    states.set(name, state);
    return state;
  };
  for (const name of connections.keys()) stateOf(name);

  return {
    room() {
      const nowMs = clock.now();
      const room: Record<string, number> = {};
      let openAtMs: number | undefined;
      for (const [name, state] of states) {
        const { room: roomLeft, atMs } = roomOf(state, nowMs);
        room[name] = roomLeft;
        if (atMs !== undefined) openAtMs = Math.min(openAtMs ?? atMs, atMs);
      }
      return { room, ...(openAtMs === undefined ? {} : { openAtMs }) };
    },
    enter(connection) {
      const state = stateOf(connection);
      state.running++;
      state.tokens -= 1;
      return (outcome) => {
        state.running--;
        judge(state, outcome, clock.now());
      };
    },
  };
}

/** How many may start on this connection now; when none may, since when it may again (if that is a matter of time). */
function roomOf(state: State, nowMs: number): { room: number; atMs?: number } {
  if (nowMs < state.closedUntilMs) return { room: 0, atMs: state.closedUntilMs };
  if (Number.isFinite(state.ratePerSecond)) {
    const gained = ((nowMs - state.filledAtMs) / 1000) * state.ratePerSecond;
    state.tokens = Math.min(Math.max(1, state.ratePerSecond), state.tokens + gained);
    state.filledAtMs = nowMs;
    if (state.tokens < 1)
      return { room: 0, atMs: nowMs + Math.ceil(((1 - state.tokens) / state.ratePerSecond) * 1000) };
  }
  // After a row of failures one attempt goes first and finds out.
  const concurrency = state.failures >= BREAKER_FAILURES ? 1 : state.concurrency;
  const tokens = Number.isFinite(state.tokens) ? Math.floor(state.tokens) : state.concurrency;
  return { room: Math.max(0, Math.min(concurrency - state.running, tokens)) };
}

function judge(state: State, outcome: Outcome, nowMs: number): void {
  if (outcome.kind === "done" || outcome.kind === "rejected") {
    state.failures = 0;
    return;
  }
  state.failures++;
  const asked = Math.min(outcome.afterMs ?? 0, BREAKER_MS_MAX);
  const opened = state.failures - BREAKER_FAILURES;
  const backOff = opened < 0 ? 0 : Math.min(BREAKER_MS_MAX, BREAKER_MS * 2 ** opened);
  state.closedUntilMs = Math.max(state.closedUntilMs, nowMs + Math.max(asked, backOff));
}
