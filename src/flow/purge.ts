/** What is older than its retention goes, a little at a time, so that nobody waits for it. */
import type { Books } from "../ports/books.ts";
import type { Clock } from "../ports/clock.ts";

const PURGE_MS = 3_600_000;
const BATCH = 500;

/** One round: busy while there is more, then quiet for an hour. */
export function createPurge(deps: {
  store: Pick<Books, "purge">;
  clock: Clock;
  retention: { eventsMs: number; deliveriesMs: number };
}): () => Promise<{ busy: boolean }> {
  const { store, clock, retention } = deps;
  let nextAtMs = 0;
  return async () => {
    const nowMs = clock.now();
    if (nowMs < nextAtMs) return { busy: false };
    const before = { nowMs, eventsMs: nowMs - retention.eventsMs, deliveriesMs: nowMs - retention.deliveriesMs };
    const busy = (await store.purge(before, BATCH)) >= BATCH;
    if (!busy) nextAtMs = nowMs + PURGE_MS;
    return { busy };
  };
}
