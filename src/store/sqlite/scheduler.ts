/** The order of the requests that wait for the thread. */
import type { Method, StoreRequest } from "./database.ts";

/** One transaction holds no more calls than this: the first of them must not wait too long. */
const BATCH_MAX = 512;

/** Requests that read or remove a window of rows. */
const LONG: ReadonlySet<Method> = new Set(["purge", "events", "deliveries", "instanceList", "countsByState", "scan"]);

/**
 * Runs requests in batches until none is left, those that arrive meanwhile included. Long requests run one at a time, and the urgent ones
 * that wait run between two of them: a sender waits for at most one window, and long requests are never put off for ever.
 */
export function createScheduler(run: (calls: readonly StoreRequest[]) => void) {
  return (first: readonly StoreRequest[], arrived: () => readonly StoreRequest[]): void => {
    const urgent: StoreRequest[] = [];
    const long: StoreRequest[] = [];
    let isTurnOfLong = false;
    const nextBatch = (): StoreRequest[] => {
      if (long.length > 0 && (isTurnOfLong || urgent.length === 0)) return long.splice(0, 1);
      return urgent.splice(0, BATCH_MAX);
    };
    const add = (call: StoreRequest) => (LONG.has(call.method) ? long : urgent).push(call);
    first.forEach(add);
    for (;;) {
      arrived().forEach(add);
      const urgentCount = urgent.length;
      const batch = nextBatch();
      if (batch.length === 0) return;
      run(batch);
      isTurnOfLong = urgentCount > 0 && urgent.length === 0;
    }
  };
}
