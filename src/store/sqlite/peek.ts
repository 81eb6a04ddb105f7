/** A look at the newest events of a store's file, for those who must not touch it: nothing is created, migrated or written. */
import SqliteDatabase, { type Database } from "better-sqlite3";
import type { Event } from "../../model.ts";
import { eventOf } from "../rows.ts";
import { MIGRATIONS } from "./schema.ts";

export interface Peek {
  /** Which event types are wanted. */
  wants(type: string): boolean;
  /** Of each type at most. */
  perType: number;
  /** Of all payloads together; the types share them evenly. */
  bytes: number;
}

/** More types than a team has; the others are not looked at. */
const TYPES_MAX = 500;
/** Who looks does not wait for who works. */
const BUSY_MS = 500;

/** From one entry of the index to the next, instead of through all events. */
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
export function peekEvents(path: string, peek: Peek): Event[] {
  let db: Database | undefined;
  try {
    // A connection that may only read would leave -wal and -shm files behind; this one takes them along, and is told not to write. What a
    // crash left in the -wal file may get where the next opening would put it.
    db = new SqliteDatabase(path, { fileMustExist: true, timeout: BUSY_MS });
    db.pragma("query_only = on");
    if (db.pragma("user_version", { simple: true }) !== MIGRATIONS.length) return [];
    return newest(db, peek);
  } catch {
    // What a look would have told is not worth an error; the commands that need the store tell what is wrong with it.
    return [];
  } finally {
    db?.close();
  }
}

function newest(db: Database, { wants, perType, bytes }: Peek): Event[] {
  const types = db.prepare<[], { type: string }>(TYPES).all();
  const wanted = types.filter(({ type }) => wants(type));
  const ofType = db.prepare<[string, number], { envelope: string; data: string }>(NEWEST);
  return wanted.flatMap(({ type }) => {
    let left = bytes / wanted.length;
    const events: Event[] = [];
    for (const row of ofType.iterate(type, perType)) {
      left -= row.envelope.length + row.data.length;
      if (left < 0) break;
      events.push(eventOf(row));
    }
    return events;
  });
}
