/** Decisions: all that one event causes, and the trace that is stored of it. */
import type { Static } from "typebox";
import type { InstanceKey } from "./address.ts";
import type { Delivery } from "./delivery.ts";
import type { NewEvent } from "./event.ts";
import type { Instance, Timer } from "./instance.ts";
import type { PlaceSchema, TraceProblemSchema, TraceSchema, TransitionSchema } from "./schemas.ts";

export type Place = Static<typeof PlaceSchema>;
export type Transition = Static<typeof TransitionSchema>;

/** What went wrong inside a decision, in the words of the error table; never silent, never a crash. */
export type TraceProblem = Static<typeof TraceProblemSchema>;

/** A trace as the API and the command line show it: `emitted` are ids, and actions are `connection.action`. */
export type TraceView = Static<typeof TraceSchema>;

/** What is stored per event: small; the full reason why not is computed on demand from event and policy. */
export type Trace = Omit<TraceView, "emitted" | "emittedEvents"> & { emitted: TraceView["emittedEvents"] };

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
