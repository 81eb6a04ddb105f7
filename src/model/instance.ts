/** Machines at run time: instances and their timers. */
import type { Static } from "typebox";
import type { InstanceSchema, TimerSchema } from "./schemas.ts";

/** One living copy of a machine, addressed by (machine, key). Our own small row, not xstate's snapshot. */
export type Instance = Static<typeof InstanceSchema>;

/** A timer is a row; when due it becomes an event addressed to its instance. */
export type Timer = Static<typeof TimerSchema>;
