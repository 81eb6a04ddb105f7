/** The events that Signalbox itself puts into its log: outcomes, timers, schedules, signals by hand. Pure. */
import type { Delivery, Event, InstanceKey, JsonObject, NewEvent, Timer } from "../model.ts";
import { eventId } from "./ids.ts";

const SOURCE = "signalbox";

/** The event that tells the log what became of a delivery. Only for settled ones that report. */
export function reportOf(delivery: Delivery): NewEvent {
  const atMs = delivery.settledAtMs ?? delivery.nextAtMs;
  const cause = `delivery:${delivery.id}:${atMs}`;
  const time = new Date(atMs).toISOString();
  const done = delivery.status === "done";
  const event: Event = {
    id: eventId(atMs, cause),
    type: done ? "delivery.done" : "delivery.failed",
    source: SOURCE,
    subject: delivery.id,
    time,
    receivedAt: time,
    status: done ? "success" : "failure",
    causedBy: delivery.event,
    hops: delivery.hops + 1,
    data: {
      delivery: delivery.id,
      action: delivery.action,
      attempts: delivery.attempts.length,
      cause: { ...delivery.cause },
      ...(done ? { output: delivery.result ?? null } : { error: { ...delivery.error } }),
    },
  };
  const { cause: by } = delivery;
  if ("machine" in by && by.call !== undefined) {
    event.to = {
      machine: by.machine,
      key: by.key,
      signal: done ? `done.${by.call}` : `error.${by.call}`,
      call: by.call,
      step: by.step,
    };
  }
  return { event, keys: [{ key: cause }] };
}

/** A due timer, addressed to its instance. Waiting is not causing: the chain of hops starts anew. */
export function timerEvent(timer: Timer, nowMs: number): NewEvent {
  const { machine, key, id, step, dueAtMs, causedBy } = timer;
  const cause = `timer:${machine}/${key}/${id}/${step}/${dueAtMs}`;
  const event: Event = {
    id: eventId(nowMs, cause),
    type: "timer.due",
    source: SOURCE,
    subject: `${machine}/${key}`,
    time: new Date(dueAtMs).toISOString(),
    receivedAt: new Date(nowMs).toISOString(),
    causedBy,
    to: { machine, key, signal: `timer.${id}`, timer: id, step },
    data: { machine, key, timer: id, lateMs: nowMs - dueAtMs },
  };
  return { event, keys: [{ key: cause }] };
}

/** A schedule's tick. Its id depends on schedule and time alone, so that several nodes make one event of it. */
export function scheduleEvent(schedule: { id: string; data: JsonObject }, atMs: number, nowMs: number): NewEvent {
  const cause = `cron:${schedule.id}:${atMs}`;
  const event: Event = {
    id: eventId(atMs, cause),
    type: `cron.${schedule.id}`,
    source: "cron",
    subject: schedule.id,
    time: new Date(atMs).toISOString(),
    receivedAt: new Date(nowMs).toISOString(),
    data: schedule.data,
  };
  return { event, keys: [{ key: cause }] };
}

/** A signal given by hand, past the rules. Two equal ones are two signals. */
export function handSignal(
  to: InstanceKey,
  signal: { event: string; data?: JsonObject; reason: string },
  by: { who: string; nowMs: number; requestId: string },
): NewEvent {
  const time = new Date(by.nowMs).toISOString();
  const event: Event = {
    id: eventId(by.nowMs, `signal:${to.machine}/${to.key}/${signal.event}/${by.requestId}`),
    type: "signal.sent",
    source: SOURCE,
    subject: `${to.machine}/${to.key}`,
    time,
    receivedAt: time,
    actor: by.who,
    to: { machine: to.machine, key: to.key, signal: signal.event },
    data: { ...signal.data, reason: signal.reason },
  };
  return { event, keys: [] };
}

/** What traces call a move to another definition. */
export const MOVE = "instance.moved";

/** An instance is to move to another definition of its machine. The timers that it has then keep their due times. */
export function moveEvent(
  { machine, key }: InstanceKey,
  to: { definition: string; timers: readonly Timer[] },
  by: { who: string; nowMs: number; requestId: string },
): NewEvent {
  const cause = `move:${machine}/${key}/${to.definition}/${by.requestId}`;
  const time = new Date(by.nowMs).toISOString();
  const event: Event = {
    id: eventId(by.nowMs, cause),
    type: MOVE,
    source: SOURCE,
    subject: `${machine}/${key}`,
    time,
    receivedAt: time,
    actor: by.who,
    to: { machine, key, signal: MOVE, definition: to.definition },
    data: { definition: to.definition, timers: to.timers.map(({ id, step, dueAtMs }) => ({ id, step, dueAtMs })) },
  };
  return { event, keys: [{ key: cause }] };
}

/** A stored event once more: a new event with the old content, so that what it causes happens again. */
export function redelivered(event: Event, nowMs: number, requestId: string): NewEvent {
  const { to: _, causedBy: __, hops: ___, ...rest } = event;
  const again: Event = {
    ...rest,
    id: eventId(nowMs, `redeliver:${event.id}/${requestId}`),
    receivedAt: new Date(nowMs).toISOString(),
    redeliveryOf: event.id,
  };
  return { event: again, keys: [] };
}
