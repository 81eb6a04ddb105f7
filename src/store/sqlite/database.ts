/** One SQLite file and the calls it answers: synchronous, many calls in one transaction. Knows nothing of threads. */
import { chmodSync, closeSync, mkdirSync, openSync, statSync } from "node:fs";
import { dirname } from "node:path";
import SqliteDatabase, { type Database } from "better-sqlite3";
import { bookTables } from "./books.ts";
import { decisionTables } from "./decisions.ts";
import { logTables } from "./log.ts";
import { preparer } from "./prepare.ts";
import { questionTables } from "./questions.ts";
import { queueTables } from "./queue.ts";
import { retentionTables } from "./retention.ts";
import { migrate } from "./schema.ts";

/** Who opens a file is the only one who works on it, or the one who is there last: lanes of a process that was killed are free at once. */
const FREE_LANES = `
  update lanes
  set owner = null
  where owner is not null`;

/** How long another process may hold the file before a call fails. */
const BUSY_MS = 10_000;
const RETRY_MS = 20;
const CACHE_KIB = 64 * 1024;

export type Tables = ReturnType<typeof tables>;
export type Method = keyof Tables;

/** Performs one call on the file, grouped with others into one transaction. */
export type Ask = <M extends Method>(method: M, ...args: Parameters<Tables[M]>) => Promise<ReturnType<Tables[M]>>;

export interface Call {
  id: number;
  method: Method;
  args: readonly unknown[];
}

export type Answer = { id: number; value: unknown } | { id: number; error: string };

export interface SqliteFile {
  /** Answers in order, durable; a call that fails leaves no trace and does not harm the others. */
  run(calls: readonly Call[]): Answer[];
  /** Copies the write-ahead log back and lets go. */
  close(): void;
}

const READS: ReadonlySet<Method> = new Set([
  "mark",
  "instances",
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
  // SQLite gives -wal and -shm the mode of the file itself. A backup or another tool may have made them for everybody to read.
  closeSync(openSync(path, "a", 0o600));
  for (const file of [path, `${path}-wal`, `${path}-shm`, `${path}-journal`]) makePrivate(file);
  const db = new SqliteDatabase(path, { timeout: BUSY_MS });
  try {
    keepWriteAheadLog(db);
    db.pragma("synchronous = full");
    db.pragma("foreign_keys = on");
    db.pragma(`cache_size = -${cacheKib}`);
    migrate(db);
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

/** SQLite waits for others in all it does but this, so two processes that create one file at once must wait here. */
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

/** Only the owner may change a mode, so that a file of another user stays as it is. */
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

function tables(db: Database) {
  const prepare = preparer(db);
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
  const methods = tables(db);
  const begin = { reading: db.prepare("begin"), writing: db.prepare("begin immediate") };
  const commit = db.prepare("commit");
  const rollback = db.prepare("rollback");
  const savepoint = db.prepare("savepoint one_call");
  const undo = db.prepare("rollback to one_call");
  const release = db.prepare("release one_call");

  function answer({ id, method, args }: Call): Answer {
    const perform = methods[method] as (...args: readonly unknown[]) => unknown;
    savepoint.run();
    try {
      const value = perform(...args);
      if (saysNothingHappened(value)) undo.run();
      release.run();
      return { id, value };
    } catch (error) {
      // A full disk or a failing one ends the transaction itself: then no call of the batch was kept.
      if (!db.inTransaction) throw error;
      undo.run();
      release.run();
      return { id, error: reason(error) };
    }
  }

  return (calls) => {
    try {
      const isReading = calls.every(({ method }) => READS.has(method));
      (isReading ? begin.reading : begin.writing).run();
      const answers = calls.map(answer);
      commit.run();
      // Only now: what was written while the file was still there is there.
      if (!isReading) assertWritten();
      return answers;
    } catch (error) {
      if (db.inTransaction) rollback.run();
      return calls.map(({ id }) => ({ id, error: reason(error) }));
    }
  };
}

/** Everywhere in the ports: false, or an answer that is not ok. */
function saysNothingHappened(value: unknown): boolean {
  return value === false || (typeof value === "object" && value !== null && "ok" in value && value.ok === false);
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
