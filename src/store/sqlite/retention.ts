/**
 * Removes old rows, one window per request, so that requests of senders run in between. A walk goes through deliveries, events and, if
 * `keys` is set, dedupe keys. Rows are ordered by age, so that the walk ends at the first window that is young enough.
 * Synchronous; runs inside the caller's transaction.
 */
import { eventIdFrom } from "../../model/event.ts";
import type { PurgeBefore, Purged, PurgePosition } from "../../ports/books.ts";
import type { Prepare } from "./prepare.ts";

const DELIVERIES_WINDOW = `
  select n as last, event
  from deliveries
  where n > ?
  order by n
  limit 1 offset ?`;

const DROP_DELIVERIES = `
  delete from deliveries
  where n > ?
    and n <= ?
    and status in ('done', 'observed', 'cancelled')
    and settled_at_ms < ?`;

const EVENTS_WINDOW = `
  select seq as last, received_at_ms as receivedAtMs
  from events
  where seq > ?
  order by seq
  limit 1 offset ?`;

/** The payload of an event is removed with it. An event with a pending or dead delivery stays. */
const DROP_EVENTS = `
  delete from events
  where seq > ?
    and seq <= ?
    and received_at_ms < ?
    and decided_at_ms is not null
    and not exists (
      select 1
      from deliveries
      where deliveries.event = events.id
        and status in ('pending', 'dead')
    )`;

const KEYS_WINDOW = `
  select key as last
  from dedupe
  where key > ?
  order by key
  limit 1 offset ?`;

/** Keys have a walk of their own, because an index by event would slow every append. Events are looked up only up to `walkedSeq`. */
const DROP_KEYS = `
  delete from dedupe
  where key > ?
    and key <= ?
    and (until_ms is null or until_ms < ?)
    and not (
      (until_ms is null or while_kept is 1)
      and (
        seq > ?
        or exists (
          select 1
          from events
          where events.seq = dedupe.seq
        )
      )
    )`;

/** Greater than every key. */
const LAST_KEY = "\u{10ffff}";

export function retentionTables(prepare: Prepare) {
  const walks = {
    deliveries: deliveriesWalk(prepare),
    events: eventsWalk(prepare),
    keys: keysWalk(prepare),
  };
  return {
    /** Reads no more than `limit` rows. */
    purge(before: PurgeBefore, limit: number, from: PurgePosition = { walk: "deliveries", after: 0 }): Purged {
      return walks[from.walk](before, limit, from);
    },
  };
}

type Walk = (before: PurgeBefore, limit: number, from: PurgePosition) => Purged;

function deliveriesWalk(prepare: Prepare): Walk {
  const endOf = prepare<{ last: number; event: string }>(DELIVERIES_WINDOW);
  const drop = prepare(DROP_DELIVERIES);
  return ({ nowMs, deliveriesMs }, limit, { after }) => {
    const end = endOf.get(after, limit - 1);
    const gone = drop.run(after, end?.last ?? Number.MAX_SAFE_INTEGER, deliveriesMs).changes;
    // A delivery is younger than its event, whose id begins with its time. An id of the future does not count: a clock was wrong.
    const isOver = end === undefined || (end.event >= eventIdFrom(deliveriesMs) && end.event <= eventIdFrom(nowMs));
    return { gone, next: isOver ? { walk: "events", after: 0 } : { walk: "deliveries", after: end.last } };
  };
}

function eventsWalk(prepare: Prepare): Walk {
  const endOf = prepare<{ last: number; receivedAtMs: number }>(EVENTS_WINDOW);
  const drop = prepare(DROP_EVENTS);
  return ({ nowMs, eventsMs, keys }, limit, { after }) => {
    const end = endOf.get(after, limit - 1);
    const last = end?.last ?? Number.MAX_SAFE_INTEGER;
    const gone = drop.run(after, last, eventsMs).changes;
    const isOver = end === undefined || (end.receivedAtMs >= eventsMs && end.receivedAtMs <= nowMs);
    if (!isOver) return { gone, next: { walk: "events", after: end.last } };
    return keys ? { gone, next: { walk: "keys", after: "", walkedSeq: last } } : { gone };
  };
}

function keysWalk(prepare: Prepare): Walk {
  const endOf = prepare<{ last: string }>(KEYS_WINDOW);
  const drop = prepare(DROP_KEYS);
  return ({ nowMs }, limit, { after, walkedSeq = 0 }) => {
    const end = endOf.get(after, limit - 1);
    drop.run(after, end?.last ?? LAST_KEY, nowMs, walkedSeq);
    return end === undefined ? { gone: 0 } : { gone: 0, next: { walk: "keys", after: end.last, walkedSeq } };
  };
}
