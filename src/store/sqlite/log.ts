/** The log: events are appended once, and claimed in order by the node that holds the lane. Synchronous; runs inside the caller's transaction. */
import type { Appended, ClaimOptions } from "../../ports/log.ts";
import { CLOCK_STEP_MS, type EventRow, NO_FENCE, type StoredEventRow } from "../rows.ts";
import { EVENT, type Prepare } from "./prepare.ts";

const LIVE_COPY = `
  select coalesce(events.id, dedupe.id) as id
  from dedupe
  left join events using (seq)
  where dedupe.key = ?
    and (
      until_ms >= ?
      or ((until_ms is null or while_kept = 1) and events.id is not null)
    )`;

const ADD_EVENT = `
  insert into events (id, type, source, subject, repo, received_at_ms, envelope)
  values (?, ?, ?, ?, ?, ?, ?)
  on conflict (id) do nothing`;

const ADD_PAYLOAD = `
  insert into payloads (seq, data)
  values (?, ?)`;

const CAUSED = `
  select n
  from caused
  where root = ?`;

const KEEP_KEY = `
  insert into dedupe (key, seq, until_ms, while_kept, id)
  values (?, ?, ?, ?, ?)
  on conflict (key) do update
  set seq = excluded.seq, until_ms = excluded.until_ms, while_kept = excluded.while_kept, id = excluded.id`;

const SAVE_MARK = `
  insert into marks (source, value)
  values (?, ?)
  on conflict (source) do update
  set value = excluded.value`;

const MARK = `
  select value
  from marks
  where source = ?`;

const UNDECIDED = `
  select id
  from events
  where decided_at_ms is null
  order by seq
  limit ?`;

const LANE_HOLDER = `
  select owner, fence, until_ms as untilMs
  from lanes
  where lane = ?`;

const HOLD_LANE = `
  update lanes
  set owner = ?, fence = ?, until_ms = ?
  where lane = ?`;

/** A file has one lane, so that its order is that of the whole log. */
export const LANE = 0;

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
    for (const { key, untilMs, whileKept } of row.keys) {
      keepKey.run(key, added.lastInsertRowid, untilMs, whileKept, untilMs === null ? null : id);
    }
    return { id, duplicate: false };
  };
}

export function logTables(prepare: Prepare) {
  const append = appender(prepare);
  const saveMark = prepare(SAVE_MARK);
  const mark = prepare<{ value: string }>(MARK);
  const caused = prepare<{ n: number }>(CAUSED);
  return {
    append(rows: readonly EventRow[], newMark?: { source: string; value: string }): Appended[] {
      if (newMark !== undefined) saveMark.run(newMark.source, newMark.value);
      return rows.map(append);
    },
    mark: (source: string) => mark.get(source)?.value,
    caused: (roots: readonly string[]) => roots.map((root) => caused.get(root)?.n ?? 0),
    claim: claimer(prepare),
  };
}

function claimer(prepare: Prepare) {
  const holdLane = laneHolder(prepare);
  const undecided = prepare<{ id: string }>(UNDECIDED);
  const event = prepare<StoredEventRow>(EVENT);
  return (node: string, options: Omit<ClaimOptions, "held"> & { held: readonly string[] }) => {
    const oldest = undecided.all(options.limit).map(({ id }) => id);
    const fence = holdLane(node, options, oldest.length > 0);
    if (fence === undefined) return { fence: NO_FENCE, ids: [], events: [] };
    const held = new Set(options.held);
    const events: StoredEventRow[] = [];
    let bytes = 0;
    for (const [index, id] of oldest.entries()) {
      const row = held.has(id) ? undefined : event.get(id);
      if (row === undefined) continue;
      bytes += row.data?.length ?? 0;
      if (index > 0 && bytes > options.bytes) return { fence, ids: oldest.slice(0, index), events };
      events.push(row);
    }
    return { fence, ids: oldest, events };
  };
}

/**
 * The fence of the node when it holds the lane. It takes a free lane, and one whose lease has ended if there are events to decide. A lease
 * is renewed when half of it is over and there are events, so that an idle store is not written.
 */
function laneHolder(prepare: Prepare) {
  const laneHolder = prepare<{ owner: string | null; fence: number; untilMs: number }>(LANE_HOLDER);
  const holdLane = prepare(HOLD_LANE);
  return (node: string, { nowMs, leaseMs }: { nowMs: number; leaseMs: number }, hasEvents: boolean) => {
    const { owner, fence, untilMs } = laneHolder.get(LANE) ?? { owner: null, fence: 0, untilMs: 0 };
    if (owner === node) {
      if (hasEvents && untilMs - nowMs < leaseMs / 2) holdLane.run(node, fence, nowMs + leaseMs, LANE);
      return fence;
    }
    // No lease ends that late, unless the clock was set back since.
    const hasEnded = untilMs <= nowMs || untilMs > nowMs + leaseMs + CLOCK_STEP_MS;
    if (owner !== null && !(hasEvents && hasEnded)) return undefined;
    holdLane.run(node, fence + 1, nowMs + leaseMs, LANE);
    return fence + 1;
  };
}
