/** The events that Signalbox itself puts into its log: outcomes, timers, what machines emit, schedules, signals by hand, migrations. Pure. */
import {
  actionName,
  type Delivery,
  type Event,
  type Instance,
  type InstanceKey,
  type Json,
  type JsonObject,
  type NewEvent,
  type SetTimer,
  type Timer,
} from "../model.ts";
import { eventId } from "./ids.ts";
import type { MissedTicks } from "./schedule.ts";

const SOURCE = "signalbox";

/** Who does something, when, and with what request: two requests are two events. */
interface ByHand {
  who: string;
  nowMs: number;
  requestId: string;
}

/** The event that tells the log what became of a settled delivery. Only for those whose outcome enters the log. */
export function outcomeEvent(delivery: Delivery): NewEvent {
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
    root: delivery.root ?? delivery.event,
    data: {
      delivery: delivery.id,
      action: actionName(delivery),
      attempts: delivery.attempts.length,
      cause: { ...delivery.cause },
      ...(done ? { output: delivery.result ?? null } : { error: { ...delivery.error } }),
    },
  };
  const { cause: by } = delivery;
  if (by.kind === "call") {
    const { machine, key, call, step } = by;
    event.to = { kind: "call", machine, key, signal: `${done ? "done" : "error"}.${call}`, call, step, ok: done };
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
    to: { kind: "timer", machine, key, signal: `timer.${id}`, timer: id, step },
    data: { machine, key, timer: id, lateMs: nowMs - dueAtMs },
  };
  return { event, keys: [{ key: cause }] };
}

/** A timer that somebody fires before its time. Its instance takes it as if it were due. */
export function timerFiredByHand(timer: Timer, reason: string, by: ByHand): NewEvent {
  const { event, keys } = timerEvent({ ...timer, dueAtMs: by.nowMs }, by.nowMs);
  return { event: { ...event, actor: by.who, data: { ...event.data, reason } }, keys };
}

/** A timer that somebody took away. It is addressed to nobody: the instance stays where it is. */
export function timerCancelled({ machine, key, id, dueAtMs, causedBy }: Timer, reason: string, by: ByHand): NewEvent {
  const time = new Date(by.nowMs).toISOString();
  const event: Event = {
    id: eventId(by.nowMs, `cancel:${machine}/${key}/${id}/${by.requestId}`),
    type: "timer.cancelled",
    source: SOURCE,
    subject: `${machine}/${key}`,
    time,
    receivedAt: time,
    actor: by.who,
    causedBy,
    data: { machine, key, timer: id, due: new Date(dueAtMs).toISOString(), reason },
  };
  return { event, keys: [] };
}

/** An event that a step emits, one link further down the chain of causes. */
export function emittedEvent(
  event: Event,
  { machine, key, createdAtMs, version }: Instance,
  emit: { type: string; data: JsonObject; index: number },
  nowMs: number,
): NewEvent {
  const cause = `emit:${machine}/${key}/${createdAtMs}/${version}/${emit.index}`;
  const time = new Date(nowMs).toISOString();
  const emitted: Event = {
    id: eventId(nowMs, cause),
    type: emit.type,
    source: SOURCE,
    subject: `${machine}/${key}`,
    time,
    receivedAt: time,
    causedBy: event.id,
    hops: (event.hops ?? 0) + 1,
    root: event.root ?? event.id,
    data: emit.data,
  };
  return { event: emitted, keys: [{ key: cause }] };
}

/** The items of a rule's forEach that one decision has no room for, as an event of its own. The same cause goes on: no hop is added. */
export function continuationEvent(
  event: Event,
  { rule, from, items }: { rule: string; from: number; items: readonly Json[] },
  nowMs: number,
): NewEvent {
  const cause = `continue:${event.id}/${rule}/${from}`;
  const time = new Date(nowMs).toISOString();
  const continuation: Event = {
    id: eventId(nowMs, cause),
    type: "rule.continued",
    source: SOURCE,
    subject: rule,
    time,
    receivedAt: time,
    causedBy: event.id,
    ...(event.hops === undefined ? {} : { hops: event.hops }),
    root: event.root ?? event.id,
    continues: { event: event.id, rule, from },
    data: { rule, from, items: [...items] },
  };
  return { event: continuation, keys: [{ key: cause }] };
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

/** What a schedule did not do while nothing ran. Its key depends on the first missed tick, so that several nodes record it once. */
export function missedEvent(id: string, { count, isCut, firstMs, lastMs }: MissedTicks, nowMs: number): NewEvent {
  const cause = `missed:${id}:${firstMs}`;
  const time = new Date(nowMs).toISOString();
  const event: Event = {
    id: eventId(nowMs, cause),
    type: "schedule.missed",
    source: SOURCE,
    subject: id,
    time,
    receivedAt: time,
    data: {
      schedule: id,
      count,
      ...(isCut ? { more: true } : {}),
      first: new Date(firstMs).toISOString(),
      last: new Date(lastMs).toISOString(),
    },
  };
  return { event, keys: [{ key: cause }] };
}

/** A signal given by hand, past the rules. Two equal ones are two signals. */
export function handSignal(
  to: InstanceKey,
  signal: { event: string; data?: JsonObject; reason: string },
  by: ByHand,
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
    to: { kind: "signal", machine: to.machine, key: to.key, signal: signal.event },
    data: { ...signal.data, reason: signal.reason },
  };
  return { event, keys: [] };
}

/** What traces call a migration. */
export const MIGRATION = "instance.migrated";

/** An instance is to go over to another definition of its machine. The timers that it has then keep their due times. */
export function migrationEvent(
  { machine, key }: InstanceKey,
  { definition, timers }: { definition: string; timers: readonly SetTimer[] },
  by: ByHand,
): NewEvent {
  const cause = `migrate:${machine}/${key}/${definition}/${by.requestId}`;
  const time = new Date(by.nowMs).toISOString();
  const setTimers = timers.map(({ id, step, dueAtMs }) => ({ id, step, dueAtMs }));
  const event: Event = {
    id: eventId(by.nowMs, cause),
    type: MIGRATION,
    source: SOURCE,
    subject: `${machine}/${key}`,
    time,
    receivedAt: time,
    actor: by.who,
    to: { kind: "migration", machine, key, definition, timers: setTimers },
    data: { definition },
  };
  return { event, keys: [{ key: cause }] };
}

/** A stored event once more: a new event with the old content, so that what it causes happens again. */
export function redelivered(event: Event, nowMs: number, requestId: string): NewEvent {
  const { to: _, causedBy: __, hops: ___, root: ____, ...rest } = event;
  const again: Event = {
    ...rest,
    id: eventId(nowMs, `redeliver:${event.id}/${requestId}`),
    receivedAt: new Date(nowMs).toISOString(),
    redeliveryOf: event.id,
  };
  return { event: again, keys: [] };
}
