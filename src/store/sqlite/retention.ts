/** What has had its time goes. Synchronous; runs inside the caller's transaction. */
import type { PurgeBefore } from "../../ports/books.ts";
import type { Prepare } from "./prepare.ts";

const DROP_DELIVERIES = `
  delete from deliveries
  where n in (
    select n
    from deliveries
    where status in ('done', 'observed', 'cancelled')
      and settled_at_ms < ?
    order by n
    limit ?
  )`;

/** Payloads go with their events. What still waits, or may be retried, keeps its event. */
const DROP_EVENTS = `
  delete from events
  where seq in (
    select seq
    from events
    where received_at_ms < ?
      and decided_at_ms is not null
      and not exists (
        select 1
        from deliveries
        where deliveries.event = events.id
          and status in ('pending', 'dead')
      )
    order by seq
    limit ?
  )`;

/** Keys have no index by event, which every event would pay for; the walk over them is paid once per purge. */
const DROP_KEYS = `
  delete from dedupe
  where until_ms < ?
    or not exists (
      select 1
      from events
      where events.seq = dedupe.seq
    )`;

export function retentionTables(prepare: Prepare) {
  const dropDeliveries = prepare(DROP_DELIVERIES);
  const dropEvents = prepare(DROP_EVENTS);
  const dropKeys = prepare(DROP_KEYS);
  return {
    purge(before: PurgeBefore, limit: number): number {
      const deliveries = dropDeliveries.run(before.deliveriesMs, limit).changes;
      const events = dropEvents.run(before.eventsMs, limit).changes;
      if (deliveries < limit && events < limit) dropKeys.run(before.nowMs);
      return deliveries + events;
    },
  };
}
