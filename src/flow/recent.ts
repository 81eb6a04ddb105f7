/** Events that were just stored and are undecided, so that they need not be read and parsed again. Further ones are read from the log. */
import type { Event, NewEvent } from "../model.ts";

const EVENTS_MAX = 500;
/** Bytes of JSON text; parsed it takes several times as much. */
const BYTES_MAX = 16 * 1024 * 1024;
/** Assumed for an event without its text: these are small events of Signalbox itself. */
const OWN_BYTES = 1_024;

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
        const bytes = dataText?.length ?? OWN_BYTES;
        if (byId.has(event.id) || byId.size >= EVENTS_MAX || total + bytes > BYTES_MAX) continue;
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
