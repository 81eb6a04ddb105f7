/** The log: events appended once, read in order, found again. Synchronous; runs inside the caller's transaction. */
import type { Appended, EventFilter } from "../../ports/store.ts";
import { column, type EventRow, type StoredEventRow } from "../rows.ts";
import { type Condition, equal, type Prepare, WINDOW, type Window, where } from "./prepare.ts";

const LIVE_COPY = `
  select events.id
  from dedupe
  join events using (seq)
  where dedupe.key = ?
    and (until_ms is null or until_ms >= ?)`;

const ADD_EVENT = `
  insert into events (id, type, source, subject, repo, received_at_ms, envelope)
  values (?, ?, ?, ?, ?, ?, ?)
  on conflict (id) do nothing`;

const ADD_PAYLOAD = `
  insert into payloads (seq, data)
  values (?, ?)`;

const KEEP_KEY = `
  insert into dedupe (key, seq, until_ms)
  values (?, ?, ?)
  on conflict (key) do update
  set seq = excluded.seq, until_ms = excluded.until_ms`;

const UNDECIDED = `
  select id
  from events
  where decided_at_ms is null
  order by seq
  limit ?`;

const EVENT = `
  select seq, envelope, data, decided_at_ms as decidedAtMs, trace
  from events
  join payloads using (seq)
  where id = ?`;

const LAST_SEQ = `
  select coalesce(max(seq), 0) as seq
  from events`;

/** Appends one event unless a key of it is alive; an id that is stored already counts as a key in common. */
export function appender(prepare: Prepare): (row: EventRow) => Appended {
  const liveCopy = prepare<{ id: string }>(LIVE_COPY);
  const addEvent = prepare(ADD_EVENT);
  const addPayload = prepare(ADD_PAYLOAD);
  const keepKey = prepare(KEEP_KEY);
  return (row) => {
    for (const { key } of row.keys) {
      const copy = liveCopy.get(key, row.receivedAtMs);
      if (copy !== undefined) return { id: copy.id, duplicate: true };
    }
    const { id, type, source, subject, repo } = row;
    const added = addEvent.run(id, type, source, subject, repo, row.receivedAtMs, row.envelope);
    if (added.changes === 0) return { id, duplicate: true };
    addPayload.run(added.lastInsertRowid, row.data);
    for (const { key, untilMs } of row.keys) keepKey.run(key, added.lastInsertRowid, untilMs);
    return { id, duplicate: false };
  };
}

export function logTables(prepare: Prepare) {
  const append = appender(prepare);
  const undecided = prepare<{ id: string }>(UNDECIDED);
  const event = prepare<StoredEventRow>(EVENT);
  const lastSeq = prepare<{ seq: number }>(LAST_SEQ);
  return {
    append: (rows: readonly EventRow[]) => rows.map(append),
    undecided: (limit: number) => undecided.all(limit).map(({ id }) => id),
    load: (ids: readonly string[]) =>
      ids.flatMap((id) => event.get(id) ?? []).map(({ envelope, data }) => ({ envelope, data })),
    event: (id: string) => event.get(id),
    /** Newest first, below `before`; `floor` is where the next window starts, absent at the end. */
    events(filter: EventFilter, before: number | undefined, limit: number): Window<StoredEventRow> {
      const top = before ?? (lastSeq.get()?.seq ?? 0) + 1;
      const bottom = filter.subject === undefined ? Math.max(top - WINDOW, 1) : 1;
      const { clause, values } = where([["seq < ?", top], ["seq >= ?", bottom], ...conditions(filter)]);
      const found = prepare<StoredEventRow>(`
        select seq, envelope, null as data, decided_at_ms as decidedAtMs, trace
        from events
        where ${clause}
        order by seq desc
        limit ?`).all(...values, limit);
      return bottom > 1 ? { found, floor: bottom } : { found };
    },
  };
}

function conditions(filter: EventFilter): Condition[] {
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

function ofType(type: string): Condition {
  if (!type.endsWith("*")) return ["type = ?", column(type)];
  const prefix = type.slice(0, -1);
  return ["type >= ? and type < ?", prefix, `${prefix}\u{10ffff}`];
}

function ofRule(rule: string): Condition {
  // The text is looked at first: reading the JSON of every trace would cost ten times as much.
  const matched = "exists (select 1 from json_each(trace, '$.matched') where value ->> 'rule' = ?)";
  return [`instr(trace, ?) > 0 and ${matched}`, JSON.stringify(rule), rule];
}

function ofOutcome(outcome: NonNullable<EventFilter["outcome"]>): Condition {
  if (outcome === "undecided") return ["decided_at_ms is null"];
  return outcome === "problem" ? ["problem = 1"] : ["outcome = ?", outcome];
}
