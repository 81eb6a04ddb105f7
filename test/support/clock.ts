/** Clocks of the tests: the one of the rehearsal by the name that tests use for it, and one whose wall time can be set. */
import { type VirtualClock, virtualClock } from "../../src/rehearsal/clock.ts";

export { type VirtualClock as WoundClock, virtualClock as woundClock };

export interface SetClock extends VirtualClock {
  /** Sets the wall clock forward by that many milliseconds, or back; no time passes. */
  set(byMs: number): void;
  /** In how many milliseconds the next sleeper wakes; undefined = nobody sleeps. */
  nextInMs(): number | undefined;
}

/** A clock whose wall time somebody sets while the monotonic one goes on. */
export function setClock(): SetClock {
  const clock = virtualClock();
  const wakes = new Set<{ atMs: number }>();
  let aheadMs = 0;
  return {
    now: () => clock.now() + aheadMs,
    monotonic: clock.monotonic,
    async sleep(ms, signal) {
      const wake = { atMs: clock.monotonic() + ms };
      wakes.add(wake);
      await clock.sleep(ms, signal);
      wakes.delete(wake);
    },
    advance: clock.advance,
    set(byMs) {
      aheadMs += byMs;
    },
    nextInMs() {
      const times = [...wakes].map(({ atMs }) => atMs - clock.monotonic());
      return times.length > 0 ? Math.min(...times) : undefined;
    },
  };
}
