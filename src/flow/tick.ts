/** Due timers and schedules become events. */

import { type Cron, compileCron, nextTick } from "../core/cron.ts";
import { missedEvent, scheduleEvent, timerEvent } from "../core/own-events.ts";
import { dueTicks, type MissedTicks, type Schedule } from "../core/schedule.ts";
import type { Json, NewEvent } from "../model.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Observer } from "../ports/observe.ts";
import type { Queue } from "../ports/queue.ts";
import type { Round } from "./loop.ts";

const BATCH = 200;
/** How far the clocks of two nodes may differ. */
const SKEW_MS_MAX = 60_000;

export interface TickDeps {
  store: Pick<Log, "append" | "mark"> & Pick<Queue, "timersDue" | "fire">;
  clock: Clock;
  observe: Observer;
  /** Called with events that are new in the log. */
  stored(events: readonly NewEvent[]): void;
}

/** One round of timers: each that is due is fired once. */
export async function fireTimers(deps: TickDeps): Promise<{ busy: boolean; nextAtMs?: number }> {
  const { store, clock, observe } = deps;
  const nowMs = clock.now();
  const due = await store.timersDue(nowMs, BATCH);
  await Promise.all(
    due.timers.map(async (timer) => {
      const event = timerEvent(timer, nowMs);
      if (!(await store.fire(timer, event))) return;
      const { machine, key, id, dueAtMs } = timer;
      observe({ kind: "fired", machine, key, timer: id, lateMs: nowMs - dueAtMs });
      deps.stored([event]);
    }),
  );
  const busy = due.timers.length === BATCH;
  return due.nextAtMs === undefined ? { busy } : { busy, nextAtMs: due.nextAtMs };
}

/** Marks of schedules lie beside those of sources, whose names have no slash. */
const markName = (id: string) => `schedule/${id}`;
/** Which schedules there were when one was last looked after: one that was not among them has missed nothing. */
const SCHEDULES_MARK = markName("");

/** A schedule with what this process remembers of it. */
interface Watched {
  schedule: Schedule;
  cron: Cron;
  /** What a mark of this schedule holds beside the time: ticks of another expression are not its own to miss. */
  meaning: string;
  /** Before this there is nothing to do. */
  nextAtMs: number;
}

/** A round of schedules: those that are due tick, each once on however many nodes, and what was missed before is recorded. */
export function createScheduleRound(schedules: readonly Schedule[], deps: TickDeps): Round {
  const { store, clock } = deps;
  const watched = schedules.map((schedule): Watched => {
    const { cron, timezone = "UTC" } = schedule;
    const nextAtMs = Number.NEGATIVE_INFINITY;
    return { schedule, cron: compileCron(cron, timezone), meaning: `${cron} ${timezone}`, nextAtMs };
  });
  let latestMs = clock.now();
  let begin: Promise<void> | undefined;
  return async () => {
    begin ??= forgetAbsent(schedules, store).catch((error) => {
      begin = undefined;
      throw error;
    });
    await begin;
    const nowMs = clock.now();
    // After a step back of the clock, what was next may lie far ahead.
    const due = watched.filter(({ nextAtMs }) => nowMs < latestMs || nextAtMs <= nowMs);
    latestMs = nowMs;
    for (const one of due) one.nextAtMs = await lookAfter(one, nowMs, deps);
    const nextAtMs = Math.min(...watched.map(({ nextAtMs }) => nextAtMs));
    return Number.isFinite(nextAtMs) ? { busy: false, nextAtMs } : { busy: false };
  };
}

/** Schedules that are new here, or were absent for a while, start now: what they would have done meanwhile was not missed. */
async function forgetAbsent(schedules: readonly Schedule[], store: TickDeps["store"]): Promise<void> {
  const before = (await store.mark(SCHEDULES_MARK)) ?? [];
  const ids = schedules.map(({ id }) => id);
  if (JSON.stringify(before) === JSON.stringify(ids)) return;
  for (const id of ids) {
    if (!(Array.isArray(before) && before.includes(id))) await store.append([], { source: markName(id), value: null });
  }
  await store.append([], { source: SCHEDULES_MARK, value: ids });
}

/** Answers when the schedule is to be looked after next. */
async function lookAfter(one: Watched, nowMs: number, deps: TickDeps): Promise<number> {
  const { schedule, cron, meaning } = one;
  const { id, catchUp = "none" } = schedule;
  const source = markName(id);
  let afterMs = markedUntil(await deps.store.mark(source), meaning);
  // A mark of the future was made before the clock stepped back. That a tick happens twice is prevented by its key.
  if (afterMs === undefined || afterMs > nowMs + SKEW_MS_MAX) {
    await deps.store.append([], { source, value: { meaning, atMs: nowMs } });
    afterMs = nowMs;
  }
  const due = dueTicks(cron, catchUp, afterMs, nowMs);
  if (due !== undefined) {
    const { lastMs, happens, missed } = due;
    const events = happens ? [scheduleEvent(schedule, lastMs, nowMs)] : [];
    if (missed !== undefined) events.unshift(missedEvent(id, missed, nowMs));
    const appended = await deps.store.append(events, { source, value: { meaning, atMs: lastMs } });
    const added = events.filter((_, i) => appended[i]?.duplicate === false);
    if (added.length > 0) deps.stored(added);
    if (missed !== undefined)
      deps.observe({ kind: "fault", where: source.replace("/", " "), message: missedText(missed) });
  }
  return nextTick(cron, due?.lastMs ?? afterMs) ?? Number.POSITIVE_INFINITY;
}

function markedUntil(mark: Json | undefined, meaning: string): number | undefined {
  if (typeof mark !== "object" || mark === null || Array.isArray(mark) || mark.meaning !== meaning) return undefined;
  return typeof mark.atMs === "number" ? mark.atMs : undefined;
}

function missedText({ count, isCut, firstMs }: MissedTicks): string {
  const others = count === 1 ? "" : `, and ${isCut ? "more than " : ""}${count - 1} after it`;
  return `The tick of ${new Date(firstMs).toISOString()} was missed${others}: the process was stopped, busy or asleep`;
}
