/** Reads the newest events of a store's file; creates, migrates and writes nothing. */
import SqliteDatabase, { type Database } from "better-sqlite3";
import type { Event } from "../../model.ts";
import { eventOf } from "../rows.ts";
import { SCHEMA_MIGRATIONS } from "./schema.ts";

export interface PeekOptions {
  /** Selects event types. */
  wants(type: string): boolean;
  /** Most events of each type. */
  perType: number;
  /** Most bytes of all payloads; each type gets an equal part. */
  bytes: number;
}

/** More types than a team has; further ones are left out. */
const TYPES_MAX = 500;
/** Short, because a reader must not wait for a running server. */
const BUSY_MS = 500;

/** Jumps from one type to the next in the index, instead of reading all events. */
const TYPES = `
  with recursive found (type) as (
    select min(type) from events
    union all
    select (select min(type) from events where type > found.type) from found where found.type is not null
  )
  select type from found where type is not null limit ${TYPES_MAX}`;

const NEWEST = `
  select envelope, data
  from events
  join payloads using (seq)
  where type = ?
  order by seq desc
  limit ?`;

/** Newest first within a type. None when there is no file, or it cannot be read, or another version of the program wrote it. */
export function peekEvents(path: string, peek: PeekOptions): Event[] {
  let db: Database | undefined;
  try {
    // A read-only connection would leave -wal and -shm files behind, so this one may write but has query_only. A checkpoint of a -wal file
    // that a crash left is allowed.
    db = new SqliteDatabase(path, { fileMustExist: true, timeout: BUSY_MS });
    db.pragma("query_only = on");
    if (db.pragma("user_version", { simple: true }) !== SCHEMA_MIGRATIONS.length) return [];
    return newestEvents(db, peek);
  } catch {
    // Without these events checking goes on; commands that need the store report its errors.
    return [];
  } finally {
    db?.close();
  }
}

function newestEvents(db: Database, { wants, perType, bytes }: PeekOptions): Event[] {
  const types = db.prepare<[], { type: string }>(TYPES).all();
  const selectedTypes = types.filter(({ type }) => wants(type));
  const ofType = db.prepare<[string, number], { envelope: string; data: string }>(NEWEST);
  return selectedTypes.flatMap(({ type }) => {
    let remainingBytes = bytes / selectedTypes.length;
    const events: Event[] = [];
    for (const row of ofType.iterate(type, perType)) {
      remainingBytes -= row.envelope.length + row.data.length;
      if (remainingBytes < 0) break;
      events.push(eventOf(row));
    }
    return events;
  });
}
