/** Schedules alone, without the rest of the flow. */
import type { Schedule } from "../../src/core/schedule.ts";
import { createWakeUp, startLoop } from "../../src/flow/loop.ts";
import { createScheduleRound, type TickDeps } from "../../src/flow/tick.ts";

/** Starts the schedules; returns what stops them. */
export function startSchedules(schedules: readonly Schedule[], deps: TickDeps): () => Promise<void> {
  const loop = startLoop("schedules", createScheduleRound(schedules, deps), createWakeUp(), deps);
  return () => loop.stop();
}
