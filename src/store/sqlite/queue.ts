/** Timers and deliveries until they are due. Synchronous; runs inside the caller's transaction. */
import type { Timer } from "../../model.ts";
import type { LeaseOptions, LeaseOrder, Settled, WaitPosition } from "../../ports/queue.ts";
import type { DeliveryRow, EventRow, SettlementRow } from "../rows.ts";
import { appender } from "./log.ts";
import { DELIVERY_COLUMNS, type Prepare } from "./prepare.ts";

/** Rows that one call looks at when the clock was set back. */
const SET_BACK_WINDOW = 1_000;

/** Pending deliveries are in two indexes; each condition is that of one index. */
const UNTRIED = "status = 'pending' and attempts = '[]'";
const TRIED = "status = 'pending' and attempts <> '[]'";

/** Jumps from connection to connection in the index, however many deliveries each one has. */
const waitingConnections = (condition: string) => `
  with recursive waiting (connection) as (
    select min(connection)
    from deliveries
    where ${condition}
    union all
    select (
      select min(connection)
      from deliveries
      where ${condition}
        and connection > waiting.connection
    )
    from waiting
    where waiting.connection is not null
  )
  select connection
  from waiting
  where connection is not null`;

const dueOfConnection = (condition: string, order: "asc" | "desc") => `
  select n, wake_at_ms as availableAtMs, wake_at_ms > next_at_ms as interrupted
  from deliveries
  where ${condition}
    and connection = ?
    and wake_at_ms <= ?
  order by wake_at_ms ${order}, n ${order}
  limit ?`;

const nextOfConnection = (condition: string) => `
  select min(wake_at_ms) as atMs
  from deliveries
  where ${condition}
    and connection = ?`;

const LEASE = `
  update deliveries
  set wake_at_ms = ?, lease = lease + 1
  where n = ?
  returning ${DELIVERY_COLUMNS}, lease`;

const NEXT_TIMERS = `
  select machine, key, id, step, due_at_ms as dueAtMs, caused_by as causedBy
  from timers
  order by due_at_ms, machine, key, id
  limit ?`;

const CLAIM_TIMER = `
  delete from timers
  where machine = ?
    and key = ?
    and id = ?
    and step = ?
    and due_at_ms = ?`;

const SETTLE = `
  update deliveries
  set status = ?, next_at_ms = ?, wake_at_ms = ?, settled_at_ms = ?, result = ?, error = ?
  where id = ?
    and lease = ?
    and status = 'pending'`;

/** Ends a lease by raising its number. */
const END_LEASE = `
  update deliveries
  set lease = lease + 1
  where id = ?
    and lease = ?`;

const ADD_ATTEMPT = `
  update deliveries
  set attempts = json_insert(attempts, '$[#]', json(?))
  where id = ?`;

/** The delivery starts again: earlier attempts and the last error stay readable and no longer count. */
const RETRY = `
  update deliveries
  set status = 'pending', next_at_ms = ?, wake_at_ms = ?, settled_at_ms = null, result = null, lease = lease + 1,
    body = case attempts when '[]' then body else json_set(body, '$.attemptsBefore', json_array_length(attempts)) end
  where id = ?
    and status in ('dead', 'cancelled')`;

/** What was stored by a clock that ran ahead; a lease is always of the clock that ran last. */
const SET_BACK_DELIVERIES = `
  update deliveries
  set next_at_ms = next_at_ms - :byMs, wake_at_ms = wake_at_ms - :byMs
  where n > :after
    and n <= :last
    and status = 'pending'
    and wake_at_ms > :nowMs
    and (
      wake_at_ms > next_at_ms
      or coalesce(json_extract(attempts, '$[#-1].atMs'), json_extract(body, '$.createdAtMs')) > :nowMs
    )`;

const NEWEST_DELIVERY = `
  select max(n) as n
  from deliveries`;

/** A timer has no time of its own at which it was set: the step that set it changed its instance. */
const SET_BACK_TIMERS = `
  update timers
  set due_at_ms = due_at_ms - :byMs
  where due_at_ms > :after
    and due_at_ms <= :last
    and exists (
      select 1
      from instances
      where instances.machine = timers.machine
        and instances.key = timers.key
        and instances.updated_at_ms > :nowMs
    )`;

const LAST_TIMER_OF_WINDOW = `
  select max(due_at_ms) as atMs
  from (
    select due_at_ms
    from timers
    where due_at_ms > ?
    order by due_at_ms
    limit ${SET_BACK_WINDOW}
  )`;

export type LeasedRow = DeliveryRow & { lease: number; interrupted: boolean };

export function queueTables(prepare: Prepare) {
  const append = appender(prepare);
  const nextTimers = prepare<Timer>(NEXT_TIMERS);
  const claimTimer = prepare(CLAIM_TIMER);
  const retry = prepare(RETRY);
  const settle = settler(prepare);
  return {
    timersDue(nowMs: number, limit: number) {
      const upcoming = nextTimers.all(limit + 1);
      const timers = upcoming.slice(0, limit).filter(({ dueAtMs }) => dueAtMs <= nowMs);
      return { timers, nextAtMs: upcoming[timers.length]?.dueAtMs };
    },
    fire({ machine, key, id, step, dueAtMs }: Timer, event: EventRow): boolean {
      const isClaimed = claimTimer.run(machine, key, id, step, dueAtMs).changes === 1;
      if (isClaimed) append(event);
      return isClaimed;
    },
    lease: leaser(prepare),
    setBack: clockSetter(prepare),
    settle: (rows: readonly SettlementRow[]) => rows.map(settle),
    retry: (id: string, nowMs: number) => retry.run(nowMs, nowMs, id).changes === 1,
  };
}

function clockSetter(prepare: Prepare) {
  const setBackDeliveries = prepare(SET_BACK_DELIVERIES);
  const newestDelivery = prepare<{ n: number | null }>(NEWEST_DELIVERY);
  const setBackTimers = prepare(SET_BACK_TIMERS);
  const lastOfWindow = prepare<{ atMs: number | null }>(LAST_TIMER_OF_WINDOW);
  return (clock: { byMs: number; nowMs: number }, from: WaitPosition = { deliveries: 0 }): { next?: WaitPosition } => {
    if ("deliveries" in from) {
      const last = from.deliveries + SET_BACK_WINDOW;
      setBackDeliveries.run({ ...clock, after: from.deliveries, last });
      const isEnd = last >= (newestDelivery.get()?.n ?? 0);
      return { next: isEnd ? { timersMs: clock.nowMs } : { deliveries: last } };
    }
    const last = lastOfWindow.get(from.timersMs)?.atMs ?? null;
    if (last === null) return {};
    setBackTimers.run({ ...clock, after: from.timersMs, last });
    return { next: { timersMs: last } };
  };
}

function settler(prepare: Prepare): (row: SettlementRow) => Settled {
  const append = appender(prepare);
  const settle = prepare(SETTLE);
  const endLease = prepare(END_LEASE);
  const addAttempt = prepare(ADD_ATTEMPT);
  return ({ id, lease, status, nextAtMs, settledAtMs, attempt, result, error, report }) => {
    settle.run(status, nextAtMs, nextAtMs, settledAtMs, result, error, id, lease);
    if (attempt !== null) addAttempt.run(attempt, id);
    if (endLease.run(id, lease).changes === 0) return "late";
    if (report !== null) append(report);
    return "kept";
  };
}

interface Due {
  n: number;
  availableAtMs: number;
  interrupted: 0 | 1;
}

/** The waiting deliveries of one index. */
function waitingIn(prepare: Prepare, condition: string) {
  const connections = prepare<{ connection: string }>(waitingConnections(condition));
  const oldest = prepare<Due>(dueOfConnection(condition, "asc"));
  const newest = prepare<Due>(dueOfConnection(condition, "desc"));
  const next = prepare<{ atMs: number | null }>(nextOfConnection(condition));
  return {
    connections: () => connections.all().map(({ connection }) => connection),
    due: (connection: string, { nowMs, limit, isReversed }: { nowMs: number; limit: number; isReversed: boolean }) =>
      limit > 0 ? (isReversed ? newest : oldest).all(connection, nowMs, limit) : [],
    nextAtMs: (connection: string) => next.get(connection)?.atMs ?? undefined,
  };
}

/** Runs many times a second: its cost grows with the due deliveries, not with all pending ones. */
function leaser(prepare: Prepare) {
  const tried = waitingIn(prepare, TRIED);
  const untried = waitingIn(prepare, UNTRIED);
  const lease = prepare<DeliveryRow & { lease: number }>(LEASE);

  /** The due deliveries of one connection, and the indexes from which it may take more. */
  const dueOf = (connection: string, nowMs: number, { left, order }: { left: number; order: LeaseOrder }) => {
    const { triedRoom = left, untriedFirst, newestFirst } = order;
    const fresh = (limit: number) => untried.due(connection, { nowMs, limit, isReversed: newestFirst !== undefined });
    const again = (limit: number) =>
      tried.due(connection, { nowMs, limit: Math.min(limit, triedRoom), isReversed: newestFirst === "all" });
    const waiting = triedRoom > 0 ? [untried, tried] : [untried];
    if (untriedFirst) {
      const first = fresh(left);
      return { fresh: first, again: again(left - first.length), waiting };
    }
    const first = again(left);
    return { fresh: fresh(left - first.length), again: first, waiting };
  };

  return (nowMs: number, { room, order = {}, roomOfOthers, limit, leaseMs }: LeaseOptions) => {
    const rooms = new Map(Object.entries(room));
    const orders = new Map(Object.entries(order));
    const connections = [...new Set([...tried.connections(), ...untried.connections()])]
      .map((name) => ({ name, left: Math.min(limit, rooms.get(name) ?? roomOfOthers) }))
      .filter(({ left }) => left > 0)
      .map(({ name, left }) => ({ name, ...dueOf(name, nowMs, { left, order: orders.get(name) ?? {} }) }));
    const byTime = (a: Due, b: Due) => a.availableAtMs - b.availableAtMs || a.n - b.n;
    const again = connections.flatMap((one) => one.again).sort(byTime);
    const fresh = connections.flatMap((one) => one.fresh).sort(byTime);
    const leased = [...again, ...fresh].slice(0, limit).flatMap(({ n, interrupted }): LeasedRow[] => {
      const row = lease.get(nowMs + leaseMs, n);
      return row === undefined ? [] : [{ ...row, interrupted: interrupted === 1 }];
    });
    const times = connections.flatMap(({ name, waiting }) => waiting.flatMap(({ nextAtMs }) => nextAtMs(name) ?? []));
    return { leased, nextAtMs: times.length > 0 ? Math.min(...times) : undefined };
  };
}
