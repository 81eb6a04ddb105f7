/** What people may ask about timers and schedules, and do to a timer. */
import { compileCron, nextTick } from "../core/cron.ts";
import { timerCancelled, timerFiredByHand } from "../core/own-events.ts";
import type { Schedule } from "../core/schedule.ts";
import { SignalboxError } from "../errors.ts";
import type { NewEvent, Timer } from "../model.ts";
import type { Clock } from "../ports/clock.ts";
import type { Store } from "../ports/store.ts";
import { type Actor, type Audit, notFound, type Operations, type TimerAddress } from "./operations.ts";

export interface TimerOperationsDeps {
  store: Pick<Store, "timersDue" | "timersOf" | "fire">;
  clock: Clock;
  schedules: readonly Schedule[];
  requestId(): string;
  wake(): void;
  audit: Audit;
}

export function timerOperations(
  deps: TimerOperationsDeps,
): Pick<Operations, "timers" | "fireTimer" | "cancelTimer" | "schedules"> {
  const { store, clock } = deps;

  /** The timer is gone and the event is in the log: both, or neither because the timer fired or was cancelled meanwhile. */
  const replace = async (
    what: "timer.fire" | "timer.cancel",
    eventOf: typeof timerCancelled,
    { machine, key, timer: id }: TimerAddress,
    reason: string,
    actor: Actor,
  ): Promise<{ id: string }> => {
    const target = `${machine}/${key}/${id}`;
    const timer = (await store.timersOf({ machine, key })).find((one) => one.id === id);
    if (timer === undefined) throw notFound("timer", target);
    const event: NewEvent = eventOf(timer, reason, { who: actor.who, nowMs: clock.now(), requestId: deps.requestId() });
    if (!(await store.fire(timer, event))) {
      throw new SignalboxError("SB0906", `The timer "${target}" fired, was cancelled or was set anew meanwhile`);
    }
    await deps.audit(actor, { what, target, reason });
    deps.wake();
    return { id: event.event.id };
  };

  return {
    timers: async (limit): Promise<readonly Timer[]> => (await store.timersDue(Number.MAX_SAFE_INTEGER, limit)).timers,
    fireTimer: (address, reason, actor) => replace("timer.fire", timerFiredByHand, address, reason, actor),
    cancelTimer: (address, reason, actor) => replace("timer.cancel", timerCancelled, address, reason, actor),
    async schedules() {
      return deps.schedules.map(({ id, cron, timezone = "UTC", catchUp = "none" }) => {
        const nextAtMs = nextTick(compileCron(cron, timezone), clock.now());
        return { id, cron, timezone, catchUp, ...(nextAtMs === undefined ? {} : { nextAtMs }) };
      });
    },
  };
}
