/** Decisions: all that one event causes, and the trace that is stored of it. */
import type { Delivery } from "./delivery.ts";
import type { NewEvent } from "./event.ts";
import type { Instance, InstanceKey, Timer } from "./instance.ts";
import type { Json } from "./json.ts";

export interface Place {
  file: string;
  line: number;
  col: number;
}

export interface Transition {
  machine: string;
  key: string;
  signal: string;
  rule?: string;
  created: boolean;
  from: Json;
  to: Json;
  taken: boolean;
  /** Why nothing changed: no instance, no transition, guard false, stale, final, … */
  ignored?: string;
  step: number;
}

/** What went wrong inside a decision, in the words of the error table; never silent, never a crash. */
export interface TraceProblem {
  code: string;
  message: string;
  rule?: string;
  machine?: string;
  place?: Place;
}

/** What is stored per event: small; the full reason why not is computed on demand from event and policy. */
export interface Trace {
  policy: string;
  matched: { rule: string; items: number; mode: "live" | "observe" }[];
  /** Rules of this event type that were considered. */
  considered: number;
  transitions: Transition[];
  deliveries: Pick<Delivery, "id" | "connection" | "action">[];
  timers: { set: string[]; cancelled: string[] };
  /** Version 0.1 did not store the types. */
  emitted: { id: string; type?: string }[];
  problems: TraceProblem[];
  logs?: string[];
}

/** What one event causes: all of it is committed, or none. */
export interface Decision {
  event: string;
  decidedAtMs: number;
  /** `version` of each is the new one; the store writes only over `version - 1` (0 = must not exist). */
  instances: Instance[];
  timersSet: Timer[];
  timersCancelled: (InstanceKey & { id: string })[];
  deliveries: Delivery[];
  /** Pending deliveries of calls whose state was left. */
  cancelled: string[];
  emitted: NewEvent[];
  trace: Trace;
}
