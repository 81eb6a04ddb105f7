/** Notices that the wall clock was set back, and lets what waits in the store wait no longer for that. */
import type { Clock } from "../ports/clock.ts";
import type { Observer } from "../ports/observe.ts";
import type { Questions } from "../ports/questions.ts";
import type { Queue, WaitPosition } from "../ports/queue.ts";

/** Less is how a clock is kept right, and delays nothing that anybody would notice. */
const STEP_MS = 1_000;

export interface WallClockDeps {
  store: Pick<Queue, "setBack"> & Pick<Questions, "events">;
  clock: Clock;
  observe: Observer;
}

/** Looks at the clock; resolves when what waits has the times of the present clock. Forward there is nothing to do: what is due is due. */
export function createWallClockWatch({ store, clock, observe }: WallClockDeps): () => Promise<void> {
  let aheadMs: number | undefined;
  let adjusting: Promise<void> | undefined;

  /** By how much the wall clock was set back since it was looked at, or since the last event was stored by an earlier process. */
  async function setBackByMs(offsetMs: number): Promise<number> {
    if (aheadMs !== undefined) return aheadMs - offsetMs;
    const [newest] = (await store.events({}, { limit: 1 })).items;
    return newest ? Date.parse(newest.event.receivedAt) - clock.now() : 0;
  }

  async function adjust(): Promise<void> {
    const offsetMs = clock.now() - clock.monotonic();
    const byMs = await setBackByMs(offsetMs);
    if (byMs >= STEP_MS) {
      const nowMs = clock.now();
      let from: WaitPosition | undefined;
      do from = (await store.setBack({ byMs, nowMs }, from)).next;
      while (from !== undefined);
      const message = `The clock was set back by ${Math.round(byMs / 1_000)} s: what waits falls due that much earlier`;
      observe({ kind: "fault", where: "clock", message });
    }
    aheadMs = offsetMs;
  }

  return async () => {
    const isSame = aheadMs !== undefined && Math.abs(clock.now() - clock.monotonic() - aheadMs) < STEP_MS;
    if (isSame && adjusting === undefined) return;
    adjusting ??= adjust().finally(() => {
      adjusting = undefined;
    });
    await adjusting;
  };
}
