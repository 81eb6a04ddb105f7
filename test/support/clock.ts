import type { Clock } from "../../src/ports/clock.ts";

/** A clock that moves only when wound. Sleepers wake when their time has come. */
export interface WoundClock extends Clock {
  wind(ms: number): void;
}

export function woundClock(startMs = Date.UTC(2026, 0, 5, 9)): WoundClock {
  let nowMs = startMs;
  const sleepers = new Set<{ atMs: number; wake: () => void }>();
  return {
    now: () => nowMs,
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
    wind(ms) {
      nowMs += ms;
      for (const sleeper of [...sleepers]) if (sleeper.atMs <= nowMs) sleeper.wake();
    },
  };
}
