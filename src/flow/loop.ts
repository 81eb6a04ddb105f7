/** Runs one arrow of the picture until stopped: wake-up, idle wait, and an end that waits for the round under way. */
import { messageOf } from "../errors.ts";
import type { Clock } from "../ports/clock.ts";
import type { Observer } from "../ports/observe.ts";

/** Even without a wake-up (another process may have written) an arrow looks again after this long. */
const IDLE_MS = 1_000;
/** After our own fault: neither spin nor stop for good. */
const FAULT_MS_MAX = 30_000;

/** One round. `busy` = look again at once; else sleep until the time, if one is known. */
export type Round = () => Promise<{ busy: boolean; nextAtMs?: number }>;

export interface Loop {
  /** Resolves when the round under way has ended. */
  stop(): Promise<void>;
}

/** How one arrow tells another that there is something to do. Kept until it is taken, so that none is lost while nobody sleeps. */
export interface WakeUp {
  wake(): void;
  /** Whether it was woken since it was last asked. */
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
      const nap = new AbortController();
      // With a reason of its own no exception is built, which would cost more than the rest of a wake-up.
      interrupt = () => nap.abort("woken");
      await clock.sleep(ms, nap.signal);
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
