/** Events that were just stored and not yet decided, so that they need not be read and parsed again. What has no room is read from the log. */
import { type Event, LIMITS, type NewEvent } from "../model.ts";
import { valueBytes } from "./memory.ts";

const EVENTS_MAX = 500;
/** The rest is for requests under way. */
const BYTES_MAX = LIMITS.undecidedBytes / 4;

export interface RecentEvents {
  remember(events: readonly NewEvent[]): void;
  ids(): Iterable<string>;
  event(id: string): Event | undefined;
  forget(id: string): void;
  clear(): void;
}

export function createRecentEvents(): RecentEvents {
  const byId = new Map<string, { event: Event; bytes: number }>();
  let total = 0;
  const forget = (id: string): void => {
    total -= byId.get(id)?.bytes ?? 0;
    byId.delete(id);
  };
  return {
    remember(events) {
      for (const { event, dataText } of events) {
        if (byId.has(event.id) || byId.size >= EVENTS_MAX) continue;
        const text = dataText ?? JSON.stringify(event.data);
        if (total + text.length > BYTES_MAX) continue;
        const bytes = valueBytes(text);
        if (total + bytes > BYTES_MAX) continue;
        byId.set(event.id, { event, bytes });
        total += bytes;
      }
    },
    ids: () => byId.keys(),
    event: (id) => byId.get(id)?.event,
    forget,
    clear() {
      byId.clear();
      total = 0;
    },
  };
}
