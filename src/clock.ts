/** The clock of the machine. Everything else takes a `Clock`, so that tests and rehearsals can set the time. */
import type { Clock } from "./ports/clock.ts";

/** Node's timers fire at once when asked for more. */
const TIMER_MS_MAX = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const wake = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", wake);
        resolve();
      };
      const timer = setTimeout(wake, Math.min(ms, TIMER_MS_MAX));
      signal?.addEventListener("abort", wake);
    }),
};
