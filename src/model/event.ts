/** The event: what the log holds. */
import type { InstanceKey, Timer } from "./instance.ts";
import type { JsonObject } from "./json.ts";

export const STATUSES = ["success", "failure", "pending", "error", "cancelled"] as const;
export type Status = (typeof STATUSES)[number];

/** Where an event goes when it is meant for one instance and no rule is asked. */
export type Address = InstanceKey &
  (
    | {
        kind: "signal";
        /** The name of the signal that the instance receives; `xstate.*` never comes from outside. */
        signal: string;
      }
    | {
        kind: "timer";
        signal: string;
        timer: string;
        /** The step that set the timer: an instance that set it again since takes this one as stale. */
        step: number;
      }
    | {
        kind: "call";
        signal: string;
        call: string;
        /** The step that started the call. */
        step: number;
        /** Whether the action was performed. */
        ok: boolean;
      }
    | {
        kind: "migration";
        /** Hash of the definition that the instance goes over to. */
        definition: string;
        /** The timers that were set when the migration was ordered: they keep their due times. */
        timers: SetTimer[];
      }
  );

/** A timer of a known instance. */
export type SetTimer = Pick<Timer, "id" | "step" | "dueAtMs">;

/** What the log holds: a CloudEvents-shaped envelope, verified and normalised. Times are RFC 3339 UTC. */
export interface Event {
  id: string;
  type: string;
  source: string;
  subject?: string;
  time: string;
  receivedAt: string;
  delivery?: string;
  repo?: string;
  branch?: string;
  sha?: string;
  number?: number;
  title?: string;
  actor?: string;
  url?: string;
  status?: Status;
  tickets?: string[];
  /** The event whose delivery, timer or emit caused this one. */
  causedBy?: string;
  /** How many of our own effects lie between this event and the outside; absent = 0. */
  hops?: number;
  /** Set when a stored event is processed again on request. */
  redeliveryOf?: string;
  to?: Address;
  data: JsonObject;
}

/** An event on its way into the log. */
export interface NewEvent {
  event: Event;
  /** The exact JSON text of `event.data`, when it is at hand, so that it is not written again. */
  dataText?: string;
  /** What makes two deliveries one event, e.g. `id:github-acme:72d3162e`. Empty = never a duplicate. */
  keys: readonly DedupeKey[];
}

export interface DedupeKey {
  key: string;
  /** A copy that came after this is a new event; absent = as long as the event is kept. */
  untilMs?: number;
}
