/** What is older than its retention goes, a little at a time, so that nobody waits for it. */
import type { Clock } from "../ports/clock.ts";
import type { Store } from "../ports/store.ts";

const SWEEP_MS = 3_600_000;
const BATCH = 500;

/** One round of the sweep: busy while there is more, then quiet for an hour. */
export function createForget(deps: {
  store: Store;
  clock: Clock;
  retention: { eventsMs: number; deliveriesMs: number };
}): () => Promise<{ busy: boolean }> {
  const { store, clock, retention } = deps;
  let nextAtMs = 0;
  return async () => {
    const nowMs = clock.now();
    if (nowMs < nextAtMs) return { busy: false };
    const before = { nowMs, eventsMs: nowMs - retention.eventsMs, deliveriesMs: nowMs - retention.deliveriesMs };
    const busy = (await store.forget(before, BATCH)) >= BATCH;
    if (!busy) nextAtMs = nowMs + SWEEP_MS;
    return { busy };
  };
}
