/** The event: what the log holds. */
import type { Static } from "typebox";
import type { JsonObject } from "./json.ts";
import type { EventSchema } from "./schemas.ts";

/** What the log holds: a CloudEvents-shaped envelope, verified and normalised. Times are RFC 3339 UTC. */
export type Event = Static<typeof EventSchema>;
export type Status = NonNullable<Event["status"]>;

/** The event as the JSON that it is, which TypeScript does not see because of its optional keys. */
export const eventAsJson = (event: Event): JsonObject => event as unknown as JsonObject;

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
  /** A copy that came after this is a new event, even when the first is no longer kept; absent = as long as the event is kept. */
  untilMs?: number;
  /** With `untilMs`: whichever is longer, that or as long as the event is kept. */
  whileKept?: true;
}

/** https://www.crockford.com/base32.html: digits and letters that sort as they count. */
export const CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/** How the ids of events of this moment begin; no id of an earlier one is greater. */
export function eventIdFrom(atMs: number): string {
  let time = "";
  for (let rest = Math.max(0, Math.floor(atMs)), i = 0; i < 10; i++, rest = Math.floor(rest / 32)) {
    time = CROCKFORD.charAt(rest % 32) + time;
  }
  return `evt_${time}`;
}
