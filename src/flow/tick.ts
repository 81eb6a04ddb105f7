/** Due timers and schedules become events. The only door to node-cron. */

import { schedule as cron } from "node-cron";
import { scheduleEvent, timerEvent } from "../core/own-events.ts";
import { messageOf } from "../errors.ts";
import type { JsonObject, NewEvent } from "../model.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Observer } from "../ports/observe.ts";
import type { Queue } from "../ports/queue.ts";

const BATCH = 200;
/** A tick that is late because the process was busy still counts; a later one, or one whose successor is due, is missed. */
const LATE_MS_MAX = 60_000;

export interface Schedule {
  id: string;
  cron: string;
  /** IANA name; absent = UTC. */
  timezone?: string;
  data: JsonObject;
}

export interface TickDeps {
  store: Pick<Log, "append"> & Pick<Queue, "timersDue" | "fire">;
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

/** Starts the schedules; returns the function that stops them. The event of a tick has the same id on every node. */
export function startSchedules(schedules: readonly Schedule[], deps: TickDeps): () => Promise<void> {
  const appending = new Set<Promise<void>>();
  const tasks = schedules.map(({ id, cron: expression, timezone = "UTC", data }) => {
    const fault = (message: string) => deps.observe({ kind: "fault", where: `schedule ${id}`, message });
    const append = async (date: Date): Promise<void> => {
      const atMs = Math.floor(date.getTime() / 1000) * 1000;
      const event = scheduleEvent({ id, data }, atMs, deps.clock.now());
      try {
        const [appended] = await deps.store.append([event]);
        if (appended && !appended.duplicate) deps.stored([event]);
      } catch (error) {
        fault(messageOf(error));
      }
    };
    const options = { timezone, missedExecutionTolerance: LATE_MS_MAX };
    const task = cron(
      expression,
      async ({ date }) => {
        const running = append(date).finally(() => appending.delete(running));
        appending.add(running);
        await running;
      },
      options,
    );
    // Without a listener node-cron writes to the console.
    task.on("execution:missed", ({ date }) =>
      fault(`The tick of ${date.toISOString()} was missed: the process was busy or asleep`),
    );
    return task;
  });
  return async () => {
    for (const task of tasks) await task.destroy();
    await Promise.all(appending);
  };
}
