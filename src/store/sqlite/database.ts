/** One SQLite file and its requests: synchronous, many requests in one transaction. Without threads. */

import { chmodSync, closeSync, mkdirSync, openSync, statSync } from "node:fs";
import { dirname } from "node:path";
import SqliteDatabase, { type Database } from "better-sqlite3";
import { messageOf } from "../../errors.ts";
import { bookTables } from "./books.ts";
import { decisionTables } from "./decisions.ts";
import { logTables } from "./log.ts";
import { createPrepare } from "./prepare.ts";
import { questionTables } from "./questions.ts";
import { queueTables } from "./queue.ts";
import { retentionTables } from "./retention.ts";
import { migrateSchema } from "./schema.ts";

/** Frees all lanes when the file is opened, so that the lanes of a process that was killed are free at once. */
const FREE_LANES = `
  update lanes
  set owner = null
  where owner is not null`;

/** How long another process may hold the file before a call fails. */
const BUSY_MS = 10_000;
const RETRY_MS = 20;
const CACHE_KIB = 64 * 1024;

export type StoreMethods = ReturnType<typeof createMethods>;
export type Method = keyof StoreMethods;

/** Performs one request on the file, in one transaction with others. */
export type Ask = <M extends Method>(
  method: M,
  ...args: Parameters<StoreMethods[M]>
) => Promise<ReturnType<StoreMethods[M]>>;

export interface StoreRequest {
  id: number;
  method: Method;
  args: readonly unknown[];
}

export type StoreResponse = { id: number; value: unknown } | { id: number; error: string };

export interface SqliteFile {
  /** Responses in order, after the commit; a request that fails changes nothing and leaves the others valid. */
  run(calls: readonly StoreRequest[]): StoreResponse[];
  /** Copies the write-ahead log into the file and closes it. */
  close(): void;
}

const READS: ReadonlySet<Method> = new Set([
  "mark",
  "instances",
  "caused",
  "refusals",
  "definition",
  "policy",
  "event",
  "events",
  "scan",
  "delivery",
  "deliveries",
  "instanceList",
  "timersOf",
  "counts",
  "countsByState",
  "tokens",
  "audits",
]);

/** Opens or creates the file, for its owner only, and brings its tables up to date. Throws what SQLite throws, and SB0702. */
export function openSqliteFile(path: string, { cacheKib = CACHE_KIB } = {}): SqliteFile {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  // SQLite gives -wal and -shm the mode of the file itself. A backup or another tool may have made them readable for other users.
  closeSync(openSync(path, "a", 0o600));
  for (const file of [path, `${path}-wal`, `${path}-shm`, `${path}-journal`]) makePrivate(file);
  const db = new SqliteDatabase(path, { timeout: BUSY_MS });
  try {
    keepWriteAheadLog(db);
    db.pragma("synchronous = full");
    db.pragma("foreign_keys = on");
    db.pragma(`cache_size = -${cacheKib}`);
    migrateSchema(db);
    db.exec(FREE_LANES);
    return {
      run: batchRunner(db, assertSameFile(path)),
      close() {
        db.pragma("wal_checkpoint(truncate)");
        db.close();
      },
    };
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Two processes may create one file at once: SQLite does not wait for the other one here, so this function does. */
function keepWriteAheadLog(db: Database): void {
  for (let waitedMs = 0; ; waitedMs += RETRY_MS) {
    try {
      db.pragma("journal_mode = wal");
      return;
    } catch (error) {
      if ((error as { code?: string }).code !== "SQLITE_BUSY" || waitedMs >= BUSY_MS) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
    }
  }
}

/** Only the owner can change the mode of a file; a file of another user stays as it is. */
function makePrivate(file: string): void {
  try {
    chmodSync(file, 0o600);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOENT" && code !== "EPERM") throw error;
  }
}

/**
 * Whoever deletes or replaces the files under a running process leaves it writing into what nobody can open again. Returns what throws once
 * that has happened; a file that is put back is the same file.
 */
function assertSameFile(path: string): () => void {
  const identityOf = (file: string) => {
    const { dev, ino } = statSync(file, { throwIfNoEntry: false }) ?? {};
    return `${dev} ${ino}`;
  };
  const files = [path, `${path}-wal`].map((file) => ({ file, identity: identityOf(file) }));
  return () => {
    const lost = files.find(({ file, identity }) => identityOf(file) !== identity);
    if (lost)
      throw new Error(`${lost.file} was deleted or replaced; put it back, or restart to begin with what is there`);
  };
}

function createMethods(db: Database) {
  const prepare = createPrepare(db);
  return {
    ...logTables(prepare),
    ...decisionTables(prepare),
    ...queueTables(prepare),
    ...bookTables(prepare),
    ...questionTables(prepare),
    ...retentionTables(prepare),
  };
}

/** Group commit: one transaction and one fsync for the whole batch, a savepoint for each call. */
function batchRunner(db: Database, assertWritten: () => void): SqliteFile["run"] {
  const methods = createMethods(db);
  const begin = { reading: db.prepare("begin"), writing: db.prepare("begin immediate") };
  const commit = db.prepare("commit");
  const rollback = db.prepare("rollback");
  const savepoint = db.prepare("savepoint one_call");
  const undo = db.prepare("rollback to one_call");
  const release = db.prepare("release one_call");

  function respond({ id, method, args }: StoreRequest): StoreResponse {
    const perform = methods[method] as (...args: readonly unknown[]) => unknown;
    savepoint.run();
    try {
      const value = perform(...args);
      if (isRefusal(value)) undo.run();
      release.run();
      return { id, value };
    } catch (error) {
      // An error of the disk may end the transaction itself: then no request of the batch is stored.
      if (!db.inTransaction) throw error;
      undo.run();
      release.run();
      return { id, error: messageOf(error) };
    }
  }

  return (calls) => {
    try {
      const isReading = calls.every(({ method }) => READS.has(method));
      (isReading ? begin.reading : begin.writing).run();
      const answers = calls.map(respond);
      commit.run();
      // Only now: what was written while the file was still there is there.
      if (!isReading) assertWritten();
      return answers;
    } catch (error) {
      if (db.inTransaction) rollback.run();
      return calls.map(({ id }) => ({ id, error: messageOf(error) }));
    }
  };
}

/** Whether the result says that nothing was changed: false, or `ok: false`. */
function isRefusal(value: unknown): boolean {
  return value === false || (typeof value === "object" && value !== null && "ok" in value && value.ok === false);
}
