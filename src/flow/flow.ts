/**
 * The only wiring of the arrows. The engine runs them in loops; tests and rehearsals run them by `settle` on a virtual clock, all but feeds
 * and the purge, which only loops run. An arrow that leaves work for another one wakes it, in both cases.
 */
import type { Schedule } from "../core/schedule.ts";
import type { Decision } from "../model.ts";
import type { Clock } from "../ports/clock.ts";
import type { Observer } from "../ports/observe.ts";
import type { Store } from "../ports/store.ts";
import { type Accept, createAccept } from "./accept.ts";
import { type AdvanceDeps, createAdvance } from "./advance.ts";
import { createDeliver, type DeliverDeps } from "./deliver.ts";
import { type ConfiguredFeed, startFeeds } from "./feed.ts";
import { createWakeUp, type Loop, type Round, startLoop } from "./loop.ts";
import { createPurge } from "./purge.ts";
import { createReceiver, type Receiver, type ReceiverDeps } from "./receive.ts";
import { createScheduleRound, fireTimers, type TickDeps } from "./tick.ts";
import { createWallClockWatch } from "./wall-clock.ts";

/** More rounds than a burst of events needs; after them the events cause each other without end. */
const SETTLE_ROUNDS_MAX = 1_000;

export interface FlowParts
  extends Pick<AdvanceDeps, "node" | "policy" | "definition">,
    Pick<DeliverDeps, "cache" | "connections">,
    Pick<ReceiverDeps, "sources"> {
  store: Store;
  clock: Clock;
  observe: Observer;
  /** The sources that are consumed or polled; they run with the loops. */
  feeds?: readonly ConfiguredFeed[];
  schedules?: readonly Schedule[];
  /** Called with committed decisions. */
  decided?(decisions: readonly Decision[]): void;
}

export interface RunSettings {
  retention: { eventsMs: number; deliveriesMs: number };
}

export interface Flow {
  receiver: Receiver;
  accept: Accept;
  rounds: Readonly<Record<"advance" | "schedules" | "tick" | "deliver", Round>>;
  /** Wakes every arrow after another part of the program, such as an operation, wrote into the store. */
  wake(): void;
  /** Runs the rounds until none has work now; resolves with the time of the next work, if any. Feeds and the purge are not run. */
  settle(): Promise<number | undefined>;
  /** Runs every round, the feeds and the purge in loops of their own. */
  start(settings: RunSettings): RunningFlow;
}

export interface RunningFlow {
  /** Ends schedules and feeds; resolves when their last events are in the log. */
  stopSchedules(): Promise<void>;
  /** Ends the rounds and the attempts under way. */
  stop(): Promise<void>;
}

export function createFlow(parts: FlowParts): Flow {
  const { store, clock, observe } = parts;
  const wakeUps = { advance: createWakeUp(), schedules: createWakeUp(), tick: createWakeUp(), deliver: createWakeUp() };
  const advance = createAdvance({
    ...parts,
    committed(decisions) {
      parts.decided?.(decisions);
      if (decisions.some(({ deliveries }) => deliveries.length > 0)) wakeUps.deliver.wake();
      if (decisions.some(({ timersSet }) => timersSet.length > 0)) wakeUps.tick.wake();
    },
  });
  const intake: TickDeps = {
    ...{ store, clock, observe },
    stored(events) {
      advance.remember(events);
      wakeUps.advance.wake();
    },
  };
  const accept = createAccept(intake);
  const deliver = createDeliver({ ...parts, reported: wakeUps.advance.wake, freed: wakeUps.deliver.wake });
  const watchWallClock = createWallClockWatch(parts);
  const rounds = {
    advance: () => advance.round(),
    schedules: createScheduleRound(parts.schedules ?? [], intake),
    tick: async () => {
      await watchWallClock();
      return await fireTimers(intake);
    },
    deliver: async () => {
      await watchWallClock();
      return await deliver.round();
    },
  };

  const wake = () => {
    for (const wakeUp of Object.values(wakeUps)) wakeUp.wake();
  };

  return {
    receiver: createReceiver({ ...parts, accept }),
    accept,
    rounds,
    wake,
    async settle() {
      for (let count = 0; count < SETTLE_ROUNDS_MAX; count++) {
        const advanced = await rounds.advance();
        const scheduled = await rounds.schedules();
        const ticked = await rounds.tick();
        const delivered = await rounds.deliver();
        await deliver.drain();
        const isWoken = Object.values(wakeUps).filter(({ take }) => take()).length > 0;
        if (isWoken || advanced.busy || ticked.busy || delivered.busy) continue;
        const later = [scheduled.nextAtMs, ticked.nextAtMs, delivered.nextAtMs].filter(
          (atMs) => atMs !== undefined && atMs > clock.now(),
        );
        return later.length > 0 ? Math.min(...(later as number[])) : undefined;
      }
      throw new Error(`The flow is not at rest after ${SETTLE_ROUNDS_MAX} rounds`);
    },
    start({ retention }) {
      const loop = (name: keyof typeof rounds): Loop => startLoop(name, rounds[name], wakeUps[name], parts);
      const purge = createPurge({ store, clock, retention });
      const loops = [loop("advance"), loop("deliver"), loop("tick"), startLoop("purge", purge, createWakeUp(), parts)];
      const stopListening = store.changed?.(wake);
      const schedules = loop("schedules");
      const stopFeeds = startFeeds({ feeds: parts.feeds ?? [], accept, store, clock, observe });
      return {
        async stopSchedules() {
          await Promise.all([schedules.stop(), stopFeeds()]);
        },
        async stop() {
          stopListening?.();
          await Promise.all(loops.map((one) => one.stop()));
          await deliver.drain();
        },
      };
    },
  };
}
