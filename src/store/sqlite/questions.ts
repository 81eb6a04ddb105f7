/** Listings, counts and scanning the log. Synchronous; reads inside the caller's transaction. */
import type { Timer } from "../../model.ts";
import type { DeliveryFilter, EventFilter, InstanceFilter } from "../../ports/questions.ts";
import {
  column,
  type DeliveryRow,
  type InstanceRow,
  SCAN_BYTES,
  type StateCountRow,
  type StoredEventRow,
} from "../rows.ts";
import {
  DELIVERY_COLUMNS,
  EVENT,
  equal,
  INSTANCE_COLUMNS,
  type Prepare,
  type WhereTerm,
  WINDOW,
  type Window,
  where,
} from "./prepare.ts";

const LAST_SEQ = `
  select coalesce(max(seq), 0) as seq
  from events`;

const EVENTS_AFTER = `
  select seq, envelope, data, decided_at_ms as decidedAtMs, trace
  from events
  join payloads using (seq)
  where seq > ?
  order by seq
  limit ?`;

const DELIVERY = `
  select ${DELIVERY_COLUMNS}
  from deliveries
  where id = ?`;

const LAST_DELIVERY = `
  select coalesce(max(n), 0) as n
  from deliveries`;

const TIMERS_OF = `
  select machine, key, id, step, due_at_ms as dueAtMs, caused_by as causedBy
  from timers
  where machine = ?
    and key = ?
  order by due_at_ms, id`;

/** The last row of a window over the events of one subject, newest first. */
const SUBJECT_FLOOR = `
  select seq
  from events
  where subject = ?
    and seq < ?
  order by seq desc
  limit 1 offset ${WINDOW - 1}`;

/**
 * Number of the instances in a window that were changed at the same time, and the end of the window. A query of its own, because a
 * combined one would read all instances that were changed at that time.
 */
const SAME_MOMENT = `
  select count(*) as instances, min(n) as n
  from (
    select n
    from instances
    where updated_at_ms = ?
      and n < ?
    order by n desc
    limit ${WINDOW}
  )`;

const EARLIER_FLOOR = `
  select updated_at_ms as updatedAtMs, n
  from instances
  where updated_at_ms < ?
  order by updated_at_ms desc, n desc
  limit 1 offset ?`;

const COUNTS = `
  select name, n
  from counters`;

const LAST_INSTANCE = `
  select coalesce(max(n), 0) as n
  from instances`;

const COUNTS_BY_STATE = `
  select definition, status, body -> '$.state' as state, count(*) as instances
  from instances
  where n > ?
    and n <= ?
    and machine = ?
  group by definition, status, state`;

/** A place in the order of the instances, last changed first: updatedAtMs and n. */
export type InstancePosition = readonly [updatedAtMs: number, n: number];
const TOP: InstancePosition = [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER];
const BOTTOM: InstancePosition = [Number.MIN_SAFE_INTEGER, 0];

/** In a listing `before` is the upper end of the window, and `floor` that of the next one. */
export function questionTables(prepare: Prepare) {
  const event = prepare<StoredEventRow>(EVENT);
  const delivery = prepare<DeliveryRow>(DELIVERY);
  const timersOf = prepare<Timer>(TIMERS_OF);
  const counts = prepare<{ name: string; n: number }>(COUNTS);
  return {
    event: (id: string) => event.get(id),
    events: eventLister(prepare),
    scan: scanner(prepare),
    delivery: (id: string) => delivery.get(id),
    deliveries: deliveryLister(prepare),
    instanceList: instanceLister(prepare),
    timersOf: ({ machine, key }: { machine: string; key: string }) => timersOf.all(machine, key),
    counts: () => Object.fromEntries(counts.all().map(({ name, n }) => [name, n])),
    countsByState: stateCounter(prepare),
  };
}

function scanner(prepare: Prepare) {
  const eventsAfter = prepare<StoredEventRow>(EVENTS_AFTER);
  return (afterSeq: number, limit: number): StoredEventRow[] => {
    const rows: StoredEventRow[] = [];
    let bytes = 0;
    for (const row of eventsAfter.iterate(afterSeq, limit)) {
      bytes += row.data?.length ?? 0;
      if (rows.length > 0 && bytes > SCAN_BYTES) break;
      rows.push(row);
    }
    return rows;
  };
}

function eventLister(prepare: Prepare) {
  const lastSeq = prepare<{ seq: number }>(LAST_SEQ);
  const subjectFloor = prepare<{ seq: number }>(SUBJECT_FLOOR);
  return (filter: EventFilter, before: number | undefined, limit: number): Window<StoredEventRow> => {
    const top = Math.min(before ?? Number.POSITIVE_INFINITY, (lastSeq.get()?.seq ?? 0) + 1);
    const { subject } = filter;
    const floor = subject === undefined ? top - WINDOW : subjectFloor.get(column(subject), top)?.seq;
    const bottom = Math.max(floor ?? 1, 1);
    const { clause, values } = where([["seq < ?", top], ["seq >= ?", bottom], ...conditions(filter)]);
    const rows = prepare<StoredEventRow>(`
      select seq, envelope, null as data, decided_at_ms as decidedAtMs, trace
      from events
      where ${clause}
      order by seq desc
      limit ?`).all(...values, limit);
    return bottom > 1 ? { rows, floor: bottom } : { rows };
  };
}

function deliveryLister(prepare: Prepare) {
  const lastDelivery = prepare<{ n: number }>(LAST_DELIVERY);
  return (filter: DeliveryFilter, before: number | undefined, limit: number): Window<DeliveryRow & { n: number }> => {
    const top = Math.min(before ?? Number.POSITIVE_INFINITY, (lastDelivery.get()?.n ?? 0) + 1);
    const bottom = filter.event === undefined ? Math.max(top - WINDOW, 1) : 1;
    const { clause, values } = where([
      ["n < ?", top],
      ["n >= ?", bottom],
      // A literal, because SQLite uses a partial index only for literals.
      ...(filter.status === "dead" ? [["status = 'dead'"] as const] : equal("status", filter.status)),
      ...equal("event", filter.event),
      ...equal("action", filter.action),
    ]);
    const rows = prepare<DeliveryRow & { n: number }>(`
      select ${DELIVERY_COLUMNS}
      from deliveries
      where ${clause}
      order by n desc
      limit ?`).all(...values, limit);
    return bottom > 1 ? { rows, floor: bottom } : { rows };
  };
}

function instanceLister(prepare: Prepare) {
  const floorOf = instanceWindow(prepare);
  return (
    filter: InstanceFilter,
    before: InstancePosition | undefined,
    limit: number,
  ): Window<InstanceRow & { n: number }, InstancePosition> => {
    const top = before ?? TOP;
    const { key, machine, status } = filter;
    const floor = key === undefined ? floorOf(top) : undefined;
    const rows: (InstanceRow & { n: number })[] = [];
    for (const range of key === undefined
      ? instanceRanges(top, floor)
      : [[["(updated_at_ms, n) < (?, ?)", ...top] as const]]) {
      const filters = [...equal("machine", machine), ...equal("status", status), ...equal("key", key)];
      const { clause, values } = where([...range, ...filters]);
      const matchingRows = prepare<InstanceRow & { n: number }>(`
        select n, ${INSTANCE_COLUMNS}
        from instances
        where ${clause}
        order by updated_at_ms desc, n desc
        limit ?`).all(...values, limit - rows.length);
      rows.push(...matchingRows);
    }
    return floor === undefined ? { rows } : { rows, floor };
  };
}

/** The lower end of the window below `top`; undefined = it reaches the last row. */
function instanceWindow(prepare: Prepare): (top: InstancePosition) => InstancePosition | undefined {
  const sameMoment = prepare<{ instances: number; n: number }>(SAME_MOMENT);
  const earlierFloor = prepare<{ updatedAtMs: number; n: number }>(EARLIER_FLOOR);
  return ([updatedAtMs, below]) => {
    const { instances, n } = sameMoment.get(updatedAtMs, below) ?? { instances: 0, n: 0 };
    if (instances === WINDOW) return [updatedAtMs, n];
    const floor = earlierFloor.get(updatedAtMs, WINDOW - instances - 1);
    return floor && [floor.updatedAtMs, floor.n];
  };
}

/** The window as up to three ranges of the index: at the time of `top`, between, and at the time of `floor`. */
function instanceRanges(top: InstancePosition, floor: InstancePosition = BOTTOM): WhereTerm[][] {
  const [topMs, topN] = top;
  const [floorMs, floorN] = floor;
  if (topMs === floorMs)
    return [
      [
        ["updated_at_ms = ?", topMs],
        ["n < ?", topN],
        ["n >= ?", floorN],
      ],
    ];
  return [
    [
      ["updated_at_ms = ?", topMs],
      ["n < ?", topN],
    ],
    [
      ["updated_at_ms < ?", topMs],
      ["updated_at_ms > ?", floorMs],
    ],
    [
      ["updated_at_ms = ?", floorMs],
      ["n >= ?", floorN],
    ],
  ];
}

/** The counts of one window: reading every instance at once would keep writers waiting. */
function stateCounter(prepare: Prepare) {
  const lastInstance = prepare<{ n: number }>(LAST_INSTANCE);
  const countsByState = prepare<StateCountRow>(COUNTS_BY_STATE);
  return (machine: string, before: number | undefined): Window<StateCountRow> => {
    const top = before ?? lastInstance.get()?.n ?? 0;
    const floor = Math.max(top - WINDOW, 0);
    const rows = countsByState.all(floor, top, column(machine));
    return floor > 0 ? { rows, floor } : { rows };
  };
}

function conditions(filter: EventFilter): WhereTerm[] {
  const { source, repo, subject, sinceMs, untilMs } = filter;
  return [
    ...(filter.type === undefined ? [] : [ofType(filter.type)]),
    ...(filter.rule === undefined ? [] : [ofRule(filter.rule)]),
    ...(filter.outcome === undefined ? [] : [ofOutcome(filter.outcome)]),
    ...equal("source", source),
    ...equal("repo", repo),
    ...equal("subject", subject),
    ...(sinceMs === undefined ? [] : [["received_at_ms >= ?", sinceMs] as const]),
    ...(untilMs === undefined ? [] : [["received_at_ms < ?", untilMs] as const]),
  ];
}

function ofType(type: string): WhereTerm {
  if (!type.endsWith("*")) return ["type = ?", column(type)];
  const prefix = type.slice(0, -1);
  return ["type >= ? and type < ?", prefix, `${prefix}\u{10ffff}`];
}

function ofRule(rule: string): WhereTerm {
  // `instr` is tested first: reading the JSON of every trace would cost ten times as much.
  const matched = "exists (select 1 from json_each(trace, '$.matched') where value ->> 'rule' = ?)";
  return [`instr(trace, ?) > 0 and ${matched}`, JSON.stringify(rule), rule];
}

function ofOutcome(outcome: NonNullable<EventFilter["outcome"]>): WhereTerm {
  if (outcome === "undecided") return ["decided_at_ms is null"];
  return outcome === "problem" ? ["problem = 1"] : ["outcome = ?", outcome];
}
