/** Removes rows older than their retention, a few at a time, so that other requests do not wait. */
import type { Books, PurgePosition } from "../ports/books.ts";
import type { Clock } from "../ports/clock.ts";

const PURGE_MS = 3_600_000;
/** Time between two walks over all dedupe keys; expired keys only take space until then. */
const KEYS_MS = 24 * PURGE_MS;
/** Rows per call: a millisecond or two, even when each has a payload of 20 KB. */
const WINDOW = 200;

/** One round purges one window: busy until the walk is over, then idle for an hour. */
export function createPurge(deps: {
  store: Pick<Books, "purge">;
  clock: Clock;
  retention: { eventsMs: number; deliveriesMs: number };
}): () => Promise<{ busy: boolean }> {
  const { store, clock, retention } = deps;
  let walkAtMs = Number.NEGATIVE_INFINITY;
  let keysAtMs = Number.NEGATIVE_INFINITY;
  let from: PurgePosition | undefined;
  return async () => {
    const atMs = clock.monotonic();
    if (from === undefined && atMs < walkAtMs) return { busy: false };
    const nowMs = clock.now();
    const before = {
      nowMs,
      eventsMs: nowMs - retention.eventsMs,
      deliveriesMs: nowMs - retention.deliveriesMs,
      keys: atMs >= keysAtMs,
    };
    from = (await store.purge(before, WINDOW, from)).next;
    if (from !== undefined) return { busy: true };
    walkAtMs = atMs + PURGE_MS;
    if (before.keys) keysAtMs = atMs + KEYS_MS;
    return { busy: false };
  };
}
