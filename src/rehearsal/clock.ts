/** A clock that only `advance` moves. */
import type { Clock } from "../ports/clock.ts";

export interface VirtualClock extends Clock {
  /** Moves the clock forward and ends every `sleep` that is over then. */
  advance(ms: number): void;
}

/** Starts on a Monday at 9:00 UTC unless another time is given. */
export function virtualClock(startMs = Date.UTC(2026, 0, 5, 9)): VirtualClock {
  let nowMs = startMs;
  const sleepers = new Set<{ atMs: number; wake: () => void }>();
  return {
    now: () => nowMs,
    monotonic: () => nowMs - startMs,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        const sleeper = {
          atMs: nowMs + ms,
          wake() {
            sleepers.delete(sleeper);
            resolve();
          },
        };
        if (ms <= 0 || signal?.aborted) return resolve();
        sleepers.add(sleeper);
        signal?.addEventListener("abort", sleeper.wake);
      }),
    advance(ms) {
      nowMs += ms;
      for (const sleeper of [...sleepers]) if (sleeper.atMs <= nowMs) sleeper.wake();
    },
  };
}
