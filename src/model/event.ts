/** The event: what the log holds. */
import type { Static } from "typebox";
import type { EventSchema } from "./schemas.ts";

/** What the log holds: a CloudEvents-shaped envelope, verified and normalised. Times are RFC 3339 UTC. */
export type Event = Static<typeof EventSchema>;
export type Status = NonNullable<Event["status"]>;

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
