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
  /** There is something to do. */
  wake(): void;
  /** Resolves when the round under way has ended. */
  stop(): Promise<void>;
}

export function startLoop(name: string, round: Round, deps: { clock: Clock; observe: Observer }): Loop {
  const { clock, observe } = deps;
  const stopping = new AbortController();
  let interrupt: () => void = () => undefined;
  let woken = false;
  let faults = 0;

  const rest = async (ms: number): Promise<void> => {
    if (woken || stopping.signal.aborted) return;
    const nap = new AbortController();
    // With a reason of its own no exception is built, which would be the dearest part of a wake-up.
    interrupt = () => nap.abort("woken");
    await clock.sleep(ms, nap.signal);
  };
  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      woken = false;
      try {
        const { busy, nextAtMs } = await round();
        faults = 0;
        if (!busy) await rest(Math.max(0, Math.min(IDLE_MS, (nextAtMs ?? Number.POSITIVE_INFINITY) - clock.now())));
      } catch (error) {
        faults++;
        observe({ kind: "fault", where: name, message: messageOf(error) });
        await clock.sleep(Math.min(FAULT_MS_MAX, 100 * 2 ** faults), stopping.signal);
      }
    }
  };
  const ended = run();
  return {
    wake() {
      woken = true;
      interrupt();
    },
    async stop() {
      stopping.abort();
      interrupt();
      await ended;
    },
  };
}
