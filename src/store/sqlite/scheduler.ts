/** Which calls come first when several wait for the thread. */
import type { Call, Method } from "./database.ts";

/** One transaction holds no more calls than this: the first of them must not wait for ever. */
const BATCH_MAX = 512;

/** Windows of long work. */
const LONG: ReadonlySet<Method> = new Set(["purge", "events", "deliveries", "instanceList", "countsByState", "scan"]);

/**
 * Runs calls in batches until none is left, whatever arrives meanwhile included. Long work is done one call at a time, and all that waits is
 * done between two of them: a sender never waits for more than one window of it, and it is not put off for ever either.
 */
export function scheduler(run: (calls: readonly Call[]) => void) {
  return (first: readonly Call[], arrived: () => readonly Call[]): void => {
    const urgent: Call[] = [];
    const long: Call[] = [];
    let isTurnOfLong = false;
    const nextBatch = (): Call[] => {
      if (long.length > 0 && (isTurnOfLong || urgent.length === 0)) return long.splice(0, 1);
      return urgent.splice(0, BATCH_MAX);
    };
    const add = (call: Call) => (LONG.has(call.method) ? long : urgent).push(call);
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
