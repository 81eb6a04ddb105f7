/** What a schedule owes: which tick happens now, and which were missed while nothing ran. Pure. */
import type { JsonObject } from "../model.ts";
import { type Cron, lastTick, nextTick } from "./cron.ts";

/** A tick that is late by no more than this still happens: the process was busy, or was restarted. */
const LATE_MS_MAX = 60_000;
/** Counting stops here: a second's schedule misses millions in a month. */
const MISSED_COUNT_MAX = 1_000;

export const CATCH_UP = ["none", "last"] as const;
export type CatchUp = (typeof CATCH_UP)[number];

export interface Schedule {
  id: string;
  cron: string;
  /** IANA name; absent = UTC, whatever the machine's own is. */
  timezone?: string;
  /** What happens for ticks that were missed; absent = none, they are only recorded. */
  catchUp?: CatchUp;
  data: JsonObject;
}

export interface MissedTicks {
  count: number;
  /** There were more than `count`. */
  isCut: boolean;
  firstMs: number;
  lastMs: number;
}

export interface DueTicks {
  /** The last of all: the schedule is looked after until here. */
  lastMs: number;
  /** Whether the last one happens. */
  happens: boolean;
  missed?: MissedTicks;
}

/** What is due of the time after `afterMs`; undefined = nothing. */
export function dueTicks(cron: Cron, catchUp: CatchUp, afterMs: number, nowMs: number): DueTicks | undefined {
  const lastMs = lastTick(cron, afterMs, nowMs);
  if (lastMs === undefined) return undefined;
  const isOnTime = nowMs - lastMs <= LATE_MS_MAX;
  const missed = missedTicks(cron, afterMs, isOnTime ? lastMs - 1 : lastMs);
  const due = { lastMs, happens: isOnTime || catchUp === "last" };
  return missed === undefined ? due : { ...due, missed };
}

function missedTicks(cron: Cron, afterMs: number, untilMs: number): MissedTicks | undefined {
  const firstMs = nextTick(cron, afterMs);
  const lastMs = lastTick(cron, afterMs, untilMs);
  if (firstMs === undefined || lastMs === undefined) return undefined;
  let count = 1;
  let atMs: number | undefined = firstMs;
  while (atMs !== undefined && atMs < lastMs && count < MISSED_COUNT_MAX) {
    atMs = nextTick(cron, atMs);
    count++;
  }
  return { count, isCut: atMs !== undefined && atMs < lastMs, firstMs, lastMs };
}
