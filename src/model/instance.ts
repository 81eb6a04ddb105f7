/** Machines at run time: instances and their timers. */
import type { Static } from "typebox";
import type { InstanceKey } from "./address.ts";
import type { InstanceSchema, TimerSchema } from "./schemas.ts";

/** One living copy of a machine, addressed by (machine, key). Our own small row, not xstate's snapshot. */
export type Instance = Static<typeof InstanceSchema>;

/** One text for machine and key, however they are spelt; `more`: for what belongs to the instance. */
export function instanceAddress({ machine, key }: InstanceKey, ...more: string[]): string {
  return JSON.stringify([machine, key, ...more]);
}

/** A timer is a row; when due it becomes an event addressed to its instance. */
export type Timer = Static<typeof TimerSchema>;
