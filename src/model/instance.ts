/** Machines at run time: instances and their timers. */
import type { Json, JsonObject } from "./json.ts";

/** One living copy of a machine, addressed by (machine, key). Our own small row, not xstate's snapshot. */
export interface Instance {
  machine: string;
  key: string;
  /** Content hash of the definition it was started with. */
  definition: string;
  /** Counts steps; a write succeeds only over the version that was read. */
  version: number;
  status: "active" | "done" | "error";
  state: Json;
  context: JsonObject;
  /** History state id → ids of the states it remembers. */
  history?: Record<string, string[]>;
  /** What is armed: name → the step that armed it. */
  timers: Record<string, number>;
  calls: Record<string, number>;
  /** Of signals in order of time: subject → when the last one taken happened, in ms. */
  latest?: Record<string, number>;
  output?: Json;
  error?: string;
  createdAtMs: number;
  updatedAtMs: number;
}

export interface InstanceKey {
  machine: string;
  key: string;
}

/** A timer is a row; when due it becomes an event addressed to its instance. */
export interface Timer extends InstanceKey {
  id: string;
  step: number;
  dueAtMs: number;
  /** The event that armed it. */
  causedBy: string;
}
