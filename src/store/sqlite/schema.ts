/** The tables of an SQLite store, and the migration of files of earlier versions. */
import type { Database } from "better-sqlite3";
import { SignalboxError } from "../../errors.ts";

/**
 * Appended, never edited: a file at version n has run the first n of these. What is queried has a column, the rest is JSON text.
 * `events` stays narrow, because deciding an event rewrites its row; the payload is in a table of its own and is written once.
 * `deliveries.wake_at_ms` is when a delivery may be leased again: its next attempt, or the end of its lease. `deliveries.lease` grows with
 * every lease and with its end, so that only the current holder's number is equal.
 */
export const SCHEMA_MIGRATIONS: readonly string[] = [
  `
  create table events (
    seq integer primary key autoincrement,
    id text not null unique,
    type text not null,
    source text not null,
    subject text,
    repo text,
    received_at_ms integer not null,
    envelope text not null,
    decided_at_ms integer,
    outcome text,
    problem integer not null default 0,
    trace text
  );
  create index events_undecided on events (seq) where decided_at_ms is null;
  create index events_problem on events (seq) where problem = 1;
  create index events_type on events (type);
  create index events_source on events (source);
  create index events_subject on events (subject) where subject is not null;
  create index events_repo on events (repo) where repo is not null;

  create table payloads (
    seq integer primary key references events (seq) on delete cascade,
    data text not null
  );

  create table dedupe (
    key text primary key,
    seq integer not null,
    until_ms integer
  ) without rowid;

  create table instances (
    n integer primary key,
    machine text not null,
    key text not null,
    definition text not null,
    version integer not null,
    status text not null,
    updated_at_ms integer not null,
    body text not null,
    unique (key, machine)
  );
  create index instances_updated on instances (updated_at_ms);

  create table timers (
    machine text not null,
    key text not null,
    id text not null,
    step integer not null,
    due_at_ms integer not null,
    caused_by text not null,
    primary key (machine, key, id)
  ) without rowid;
  create index timers_due on timers (due_at_ms);

  create table deliveries (
    n integer primary key autoincrement,
    id text not null unique,
    event text not null,
    action text not null,
    connection text not null,
    status text not null,
    next_at_ms integer not null,
    wake_at_ms integer not null,
    settled_at_ms integer,
    attempts text not null,
    result text,
    error text,
    body text not null
  );
  create index deliveries_event on deliveries (event);
  create index deliveries_pending on deliveries (connection, wake_at_ms) where status = 'pending';
  create index deliveries_dead on deliveries (n) where status = 'dead';

  create table refusals (
    n integer primary key autoincrement,
    source text not null,
    body text not null
  );
  create index refusals_source on refusals (source);

  create table definitions (
    hash text primary key,
    machine text not null,
    definition text not null
  );
  create table policies (
    revision text primary key,
    files text not null,
    saved_at_ms integer not null
  );
  create table tokens (
    name text primary key,
    body text not null
  );
  create table audit (
    n integer primary key autoincrement,
    at_ms integer not null,
    body text not null
  );

  create table counters (
    name text primary key,
    n integer not null
  ) without rowid;
  insert into counters (name, n)
  values
    ('events', 0), ('undecided', 0), ('instances', 0), ('timers', 0), ('pending', 0),
    ('done', 0), ('dead', 0), ('observed', 0), ('cancelled', 0);

  create trigger events_added after insert on events begin
    update counters set n = n + 1 where name = 'events';
    update counters set n = n + 1 where name = 'undecided' and new.decided_at_ms is null;
  end;
  create trigger events_decided after update of decided_at_ms on events begin
    update counters
    set n = n + (new.decided_at_ms is null) - (old.decided_at_ms is null)
    where name = 'undecided';
  end;
  create trigger events_gone after delete on events begin
    update counters set n = n - 1 where name = 'events';
    update counters set n = n - 1 where name = 'undecided' and old.decided_at_ms is null;
  end;
  create trigger instances_added after insert on instances begin
    update counters set n = n + 1 where name = 'instances';
  end;
  create trigger instances_gone after delete on instances begin
    update counters set n = n - 1 where name = 'instances';
  end;
  create trigger timers_added after insert on timers begin
    update counters set n = n + 1 where name = 'timers';
  end;
  create trigger timers_gone after delete on timers begin
    update counters set n = n - 1 where name = 'timers';
  end;
  create trigger deliveries_added after insert on deliveries begin
    update counters set n = n + 1 where name = new.status;
  end;
  create trigger deliveries_moved after update of status on deliveries when old.status <> new.status begin
    update counters set n = n - 1 where name = old.status;
    update counters set n = n + 1 where name = new.status;
  end;
  create trigger deliveries_gone after delete on deliveries begin
    update counters set n = n - 1 where name = old.status;
  end;
  `,
  // Version 0.1 called a migration a move. Only names that are searched for are rewritten; other forms are read by model/earlier.ts.
  `
  update events
  set type = 'instance.migrated', envelope = json_set(envelope, '$.type', 'instance.migrated')
  where type = 'instance.moved'
    and json_extract(envelope, '$.to.definition') is not null;

  update audit
  set body = json_set(body, '$.what', 'migrate')
  where json_extract(body, '$.what') = 'move';
  `,
  `
  alter table deliveries add column lease integer not null default 0;

  create table lanes (
    lane integer primary key,
    owner text,
    fence integer not null default 0,
    until_ms integer not null default 0
  );
  insert into lanes (lane)
  values (0);

  create table marks (
    source text primary key,
    value text not null
  );

  create table pings (
    n integer not null
  );
  insert into pings (n)
  values (0);
  `,
  // A key with a time may outlive its event, and then needs the id of the event.
  `
  alter table dedupe add column while_kept integer;
  alter table dedupe add column id text;
  `,
  // What was tried before is leased first: each pending delivery lies in one of two indexes.
  `
  drop index deliveries_pending;
  create index deliveries_untried on deliveries (connection, wake_at_ms) where status = 'pending' and attempts = '[]';
  create index deliveries_tried on deliveries (connection, wake_at_ms) where status = 'pending' and attempts <> '[]';
  `,
  // How many events the one with which a chain of causes began has caused.
  `
  create table caused (
    root text primary key,
    n integer not null
  ) without rowid;
  create trigger caused_gone after delete on events begin
    delete from caused where root = old.id;
  end;
  `,
];

/** Runs the migrations that the file has not run, in one transaction, one process at a time. SB0702 when the file is of a newer version. */
export function migrateSchema(db: Database, migrations = SCHEMA_MIGRATIONS): void {
  db.exec("begin immediate");
  try {
    const version = Number(db.pragma("user_version", { simple: true }));
    if (version > migrations.length) {
      throw new SignalboxError(
        "SB0702",
        `The store is at schema version ${version}, this program knows versions up to ${migrations.length}`,
      );
    }
    for (const migration of migrations.slice(version)) db.exec(migration);
    db.pragma(`user_version = ${migrations.length}`);
    db.exec("commit");
  } catch (error) {
    if (db.inTransaction) db.exec("rollback");
    throw error;
  }
}
