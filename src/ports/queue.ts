/** Timers, and deliveries with their leases. */
import type { Delivery, NewEvent, Timer } from "../model.ts";

export interface DueTimers {
  timers: readonly Timer[];
  /** When the next of the others falls due: how long a loop may sleep. */
  nextAtMs?: number;
}

export interface LeaseOptions {
  /** How many deliveries each connection takes now; one with no room is neither leased for nor waited for. */
  room: Readonly<Record<string, number>>;
  /** The room of every connection that is not named. */
  roomOfOthers: number;
  /** Which deliveries of a connection come first, by its name. Absent: those that were tried before, then the others, the oldest first. */
  order?: Readonly<Record<string, LeaseOrder>>;
  /** Of all connections together. */
  limit: number;
  leaseMs: number;
}

/** Which deliveries of one connection come first. */
export interface LeaseOrder {
  /** How many of them may have been tried before; absent = all. */
  triedRoom?: number;
  /** Those that were not tried yet come before the others. */
  untriedFirst?: boolean;
  /** Those that fell due last come first: of all, or of the untried ones. */
  newestFirst?: "all" | "untried";
}

/** A delivery that is one worker's alone until `untilMs`. */
export interface Leased {
  delivery: Delivery;
  /** The fence of this lease: the number that proves who holds it. */
  lease: number;
  untilMs: number;
  /** An earlier lease ended without being settled (a crash): its attempt may have happened. */
  interrupted: boolean;
}

export interface DueDeliveries {
  leased: readonly Leased[];
  /** When the next of the others becomes available: how long a loop may sleep. */
  nextAtMs?: number;
}

export interface Settlement {
  lease: number;
  /** As it is after the attempt; the last of its attempts is the one that is added. */
  delivery: Delivery;
  /** The event that reports its end. */
  report?: NewEvent;
}

/**
 * "late": the lease is no longer the current one, so another worker has the delivery or it was retried by hand: the attempt is added to its
 * attempts and nothing else changes.
 */
export type Settled = "kept" | "late";

/** Where a walk over what waits goes on. */
export type WaitPosition = { deliveries: number } | { timersMs: number };

/** Each method is one transaction: all of it, or none; durable on return. Rejects with SB0701 when the disk or server fails, never for data. */
export interface Queue {
  /** Timers whose time has come, oldest first. They are not leased: they are given out until they are fired. */
  timersDue(nowMs: number, limit: number): Promise<DueTimers>;
  /** The timer is gone and its event is in the log: both or none. False when the timer was cancelled, set anew or fired meanwhile. */
  fire(timer: Timer, event: NewEvent): Promise<boolean>;
  /** Due deliveries, those that were tried before first and else the oldest, leased until nowMs + leaseMs. */
  lease(nowMs: number, options: LeaseOptions): Promise<DueDeliveries>;
  /**
   * What became of leased deliveries, one answer each, in order. One that was cancelled while its lease was current keeps its status, takes
   * the attempt, and is reported all the same.
   */
  settle(settlements: readonly Settlement[]): Promise<readonly Settled[]>;
  /**
   * The wall clock was set back by `byMs` to `nowMs`: pending deliveries, leases and timers that were stored while it ran ahead fall due that
   * much earlier. One call looks at some of them; `next` = where to go on, absent at the end.
   */
  setBack(clock: { byMs: number; nowMs: number }, from?: WaitPosition): Promise<{ next?: WaitPosition }>;
  /** A dead or cancelled delivery becomes pending again, with a fresh allowance of attempts beside those it had; false when it is in another state. */
  retry(id: string, nowMs: number): Promise<boolean>;
}
