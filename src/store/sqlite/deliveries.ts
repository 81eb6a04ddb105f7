/** What waits for its time: deliveries and timers. Synchronous; runs inside the caller's transaction. */
import type { Timer } from "../../model.ts";
import type { DeliveryFilter, DueLimits } from "../../ports/store.ts";
import type { DeliveryRow, EventRow } from "../rows.ts";
import { appender } from "./log.ts";
import { equal, type Prepare, WINDOW, type Window, where } from "./prepare.ts";

const COLUMNS = `
  n, id, event, action, connection, status, next_at_ms as nextAtMs, settled_at_ms as settledAtMs,
  attempts, result, error, body`;

/** Skips from connection to connection along the index, however many deliveries wait behind each. */
const WAITING_CONNECTIONS = `
  with recursive waiting (connection) as (
    select min(connection)
    from deliveries
    where status = 'pending'
    union all
    select (
      select min(connection)
      from deliveries
      where status = 'pending'
        and connection > waiting.connection
    )
    from waiting
    where waiting.connection is not null
  )
  select connection
  from waiting
  where connection is not null`;

const DUE_OF_CONNECTION = `
  select n, wake_at_ms as wakeAtMs, wake_at_ms > next_at_ms as interrupted
  from deliveries
  where status = 'pending'
    and connection = ?
    and wake_at_ms <= ?
  order by wake_at_ms, n
  limit ?`;

const NEXT_OF_CONNECTION = `
  select min(wake_at_ms) as atMs
  from deliveries
  where status = 'pending'
    and connection = ?`;

const LEASE = `
  update deliveries
  set wake_at_ms = ?
  where n = ?
  returning ${COLUMNS}`;

const NEXT_TIMERS = `
  select machine, key, id, step, due_at_ms as dueAtMs, caused_by as causedBy
  from timers
  order by due_at_ms, machine, key, id
  limit ?`;

const TAKE_TIMER = `
  delete from timers
  where machine = ?
    and key = ?
    and id = ?
    and step = ?
    and due_at_ms = ?`;

const SETTLE = `
  update deliveries
  set status = ?, next_at_ms = ?, wake_at_ms = ?, settled_at_ms = ?, attempts = ?, result = ?, error = ?
  where id = ?
    and status = 'pending'`;

const TAKE_ATTEMPTS = `
  update deliveries
  set attempts = ?
  where id = ?`;

/** A fresh allowance: earlier attempts are forgotten, so that core counts from none; the last error stays to be read. */
const RETRY = `
  update deliveries
  set status = 'pending', next_at_ms = ?, wake_at_ms = ?, settled_at_ms = null, attempts = '[]', result = null
  where id = ?
    and status in ('dead', 'cancelled')`;

const DELIVERY = `
  select ${COLUMNS}
  from deliveries
  where id = ?`;

const LAST_N = `
  select coalesce(max(n), 0) as n
  from deliveries`;

export function deliveryTables(prepare: Prepare) {
  const append = appender(prepare);
  const takeTimer = prepare(TAKE_TIMER);
  const settle = prepare(SETTLE);
  const takeAttempts = prepare(TAKE_ATTEMPTS);
  const retry = prepare(RETRY);
  const delivery = prepare<DeliveryRow>(DELIVERY);
  const lastN = prepare<{ n: number }>(LAST_N);
  return {
    due: dueReader(prepare),
    fire({ machine, key, id, step, dueAtMs }: Timer, event: EventRow): boolean {
      const taken = takeTimer.run(machine, key, id, step, dueAtMs).changes === 1;
      if (taken) append(event);
      return taken;
    },
    settle(settlements: readonly { delivery: DeliveryRow; report: EventRow | null }[]): void {
      for (const { delivery, report } of settlements) {
        const { id, status, nextAtMs, settledAtMs, attempts, result, error } = delivery;
        const settled = settle.run(status, nextAtMs, nextAtMs, settledAtMs, attempts, result, error, id);
        if (settled.changes === 0) takeAttempts.run(attempts, id);
        if (report !== null) append(report);
      }
    },
    retry: (id: string, nowMs: number) => retry.run(nowMs, nowMs, id).changes === 1,
    delivery: (id: string) => delivery.get(id),
    /** Newest first, below `before`; `floor` is where the next window starts, absent at the end. */
    deliveries(filter: DeliveryFilter, before: number | undefined, limit: number): Window<DeliveryRow & { n: number }> {
      const top = before ?? (lastN.get()?.n ?? 0) + 1;
      const bottom = filter.event === undefined ? Math.max(top - WINDOW, 1) : 1;
      const { clause, values } = where([
        ["n < ?", top],
        ["n >= ?", bottom],
        // Written out, not bound: only so does SQLite see that its partial index fits.
        ...(filter.status === "dead" ? [["status = 'dead'"] as const] : equal("status", filter.status)),
        ...equal("event", filter.event),
        ...equal("action", filter.action),
      ]);
      const found = prepare<DeliveryRow & { n: number }>(`
        select ${COLUMNS}
        from deliveries
        where ${clause}
        order by n desc
        limit ?`).all(...values, limit);
      return bottom > 1 ? { found, floor: bottom } : { found };
    },
  };
}

/** Asked many times a second: costs as much as there is due, not as much as there waits. */
function dueReader(prepare: Prepare) {
  const nextTimers = prepare<Timer>(NEXT_TIMERS);
  const waitingConnections = prepare<{ connection: string }>(WAITING_CONNECTIONS);
  const dueOf = prepare<{ n: number; wakeAtMs: number; interrupted: 0 | 1 }>(DUE_OF_CONNECTION);
  const nextOf = prepare<{ atMs: number | null }>(NEXT_OF_CONNECTION);
  const lease = prepare<DeliveryRow>(LEASE);
  return (nowMs: number, limits: DueLimits) => {
    // A kind that is not asked for does not wake the one who asks either.
    const upcoming = limits.timers === 0 ? [] : nextTimers.all(limits.timers + 1);
    const timers = upcoming.slice(0, limits.timers).filter(({ dueAtMs }) => dueAtMs <= nowMs);
    const connections = (limits.deliveries === 0 ? [] : waitingConnections.all())
      .map(({ connection }) => connection)
      .filter((connection) => !limits.paused?.includes(connection));
    const deliveries = connections
      .flatMap((connection) => dueOf.all(connection, nowMs, limits.deliveries))
      .sort((a, b) => a.wakeAtMs - b.wakeAtMs || a.n - b.n)
      .slice(0, limits.deliveries)
      .flatMap(({ n, interrupted }) => {
        const row = lease.get(nowMs + limits.leaseMs, n);
        return row === undefined ? [] : [{ row, interrupted: interrupted === 1 }];
      });
    const waiting = [upcoming[timers.length]?.dueAtMs, ...connections.map((name) => nextOf.get(name)?.atMs)];
    const times = waiting.filter((atMs) => typeof atMs === "number");
    return { timers, deliveries, nextAtMs: times.length > 0 ? Math.min(...times) : null };
  };
}
