/** Runs one arrow until it is stopped: wake-up, idle wait, and an end that waits for the running round. */
import { messageOf } from "../errors.ts";
import type { Clock } from "../ports/clock.ts";
import type { Observer } from "../ports/observe.ts";

/** Time after which an arrow runs again without a wake-up, because another process may have written. */
const IDLE_MS = 1_000;
/** Longest pause after faults. */
const FAULT_MS_MAX = 30_000;

/** One round. `busy` = run again at once; otherwise sleep until `nextAtMs`, if given. */
export type Round = () => Promise<{ busy: boolean; nextAtMs?: number }>;

export interface Loop {
  /** Resolves when the round under way has ended. */
  stop(): Promise<void>;
}

/** Tells an arrow that there is work. Kept until `take`, so that a wake-up during a round is not lost. */
export interface WakeUp {
  wake(): void;
  /** Whether it was woken since the last `take`. */
  take(): boolean;
  /** Resolves after that many milliseconds, or once woken. */
  sleep(ms: number, clock: Clock): Promise<void>;
}

export function createWakeUp(): WakeUp {
  let isWoken = false;
  let interrupt: () => void = () => undefined;
  return {
    wake() {
      isWoken = true;
      interrupt();
    },
    take() {
      const wasWoken = isWoken;
      isWoken = false;
      return wasWoken;
    },
    async sleep(ms, clock) {
      if (isWoken) return;
      const sleeping = new AbortController();
      // Without a reason an exception would be created, which costs more than the rest of a wake-up.
      interrupt = () => sleeping.abort("woken");
      await clock.sleep(ms, sleeping.signal);
    },
  };
}

export function startLoop(
  name: string,
  round: Round,
  wakeUp: WakeUp,
  { clock, observe }: { clock: Clock; observe: Observer },
): Loop {
  const stopping = new AbortController();
  let faults = 0;

  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      wakeUp.take();
      try {
        const { busy, nextAtMs = Number.POSITIVE_INFINITY } = await round();
        faults = 0;
        if (!busy) await wakeUp.sleep(Math.max(0, Math.min(IDLE_MS, nextAtMs - clock.now())), clock);
      } catch (error) {
        faults++;
        observe({ kind: "fault", where: name, message: messageOf(error) });
        await clock.sleep(Math.min(FAULT_MS_MAX, 100 * 2 ** faults), stopping.signal);
      }
    }
  };
  const ended = run();
  return {
    async stop() {
      stopping.abort();
      wakeUp.wake();
      await ended;
    },
  };
}
