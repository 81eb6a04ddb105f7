/** However long the log is, no call of the store takes long: what it reads and what it deletes is counted, never timed. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import SqliteDatabase from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { eventIdFrom } from "../../src/model/event.ts";
import type { PurgeBefore, PurgePosition } from "../../src/ports/books.ts";
import { type Method, openSqliteFile, type SqliteFile, type StoreRequest } from "../../src/store/sqlite/database.ts";
import { createScheduler } from "../../src/store/sqlite/scheduler.ts";
import { ARRIVAL_MS, decision, delivery, newEvent } from "../support/nouns.ts";
import { CLAIM, LEASE, purge, STORES } from "../support/stores.ts";

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "signalbox-retention-"));
  path = join(folder, "signalbox.db");
});
afterEach(() => rmSync(folder, { recursive: true }));

const DAY_MS = 86_400_000;

/** A store of `rows` events with as many deliveries and instances and twice as many keys; one event a second, the last one now. */
function filled(rows: number, more = ""): SqliteFile {
  openSqliteFile(path).close();
  const db = new SqliteDatabase(path);
  db.function("event_id", (n, atMs) => eventIdFrom(Number(atMs)) + String(n).padStart(16, "0"));
  db.exec(`
    create temp table numbers as
      with recursive counting (n) as (select 1 union all select n + 1 from counting where n < ${rows})
      select n, ${ARRIVAL_MS} - (${rows} - n) * 1000 as at from counting;
    insert into events (id, type, source, subject, repo, received_at_ms, envelope, decided_at_ms, outcome, trace)
      select event_id(n, at), 'common', 's', 'acme/web', 'acme/web', at, json_object('id', event_id(n, at)), at, 'no-rule', '{}' from numbers;
    insert into payloads (seq, data) select n, '{}' from numbers;
    insert into dedupe (key, seq, until_ms) select 'body:s:' || n, n, at + 300000 from numbers;
    insert into dedupe (key, seq) select 'id:s:' || n, n from numbers;
    insert into instances (machine, key, definition, version, status, updated_at_ms, body)
      select 'gate', 'k' || n, 'd', 1, 'active', ${ARRIVAL_MS}, json_object('state', 'open') from numbers;
    insert into timers (machine, key, id, step, due_at_ms, caused_by) select 'gate', 'k' || n, 't', 1, at, 'evt_' || n from numbers;
    insert into deliveries (id, event, action, connection, status, next_at_ms, wake_at_ms, settled_at_ms, attempts, body)
      select 'd' || n, event_id(n, at), 'slack.post', 'slack', iif(n % 2, 'done', 'pending'), at, at, iif(n % 2, at, null), '[]', '{}'
      from numbers;
    ${more}`);
  db.close();
  // Without a cache every page that a statement touches is read, and counted.
  return openSqliteFile(path, { cacheKib: 0 });
}

function ask(file: SqliteFile, method: Method, ...args: unknown[]): unknown {
  const [answer] = file.run([{ id: 1, method, args }]);
  if (answer === undefined || "error" in answer) throw new Error(answer?.error);
  return answer.value;
}

/** Every window of a walk: what it read of the file and what it dropped. */
function walk(file: SqliteFile, before: PurgeBefore, limit: number): { reads: number; gone: number }[] {
  const windows: { reads: number; gone: number }[] = [];
  let from: PurgePosition | undefined;
  do {
    const start = readCalls();
    const { gone, next } = ask(file, "purge", before, limit, from) as { gone: number; next?: PurgePosition };
    windows.push({ reads: readCalls() - start, gone });
    from = next;
  } while (from !== undefined);
  return windows;
}

/** How often this thread has read from files: without a cache, one for each page that a statement touches. */
function readCalls(): number {
  return Number(/syscr: (\d+)/.exec(readFileSync("/proc/thread-self/io", "utf8"))?.[1]);
}

const NOTHING_OLD = { nowMs: ARRIVAL_MS, eventsMs: 0, deliveriesMs: 0, keys: true };

describe.skipIf(process.platform !== "linux")("what one call reads", () => {
  const page = [undefined, 50] as const;
  const CALLS: readonly (readonly [Method, ...unknown[]])[] = [
    ["events", { type: "none" }, ...page],
    ["events", { type: "common", outcome: "problem" }, ...page],
    ["events", { source: "s", outcome: "matched" }, ...page],
    ["events", { repo: "acme/web", rule: "r" }, ...page],
    ["events", { subject: "acme/web", outcome: "matched" }, ...page],
    ["events", { type: "comm*", sinceMs: 0, untilMs: 1 }, ...page],
    ["events", { outcome: "undecided" }, ...page],
    ["deliveries", { status: "dead" }, ...page],
    ["deliveries", { status: "cancelled" }, ...page],
    ["deliveries", { action: "none.of" }, ...page],
    ["deliveries", { event: "evt_7" }, ...page],
    ["instanceList", { status: "error" }, ...page],
    ["instanceList", { machine: "none" }, ...page],
    ["instanceList", { key: "none" }, ...page],
    ["countsByState", "gate", undefined],
    ["counts"],
    ["timersOf", { machine: "gate", key: "k7" }],
    ["timersDue", 0, 200],
    ["lease", 0, LEASE],
    ["claim", "node", { ...CLAIM, nowMs: 0, limit: 100, held: [] }],
    ["refusals", 50],
    ["audits", 50],
    ["event", "evt_7"],
    ["delivery", "d7"],
    ["retry", "d7", 0],
  ];

  /** What a call of each kind reads of a file with so many rows; of a walk, its greatest window. */
  function readsAt(rows: number): Map<string, number> {
    const file = filled(rows);
    ask(file, "counts");
    const reads = new Map<string, number>();
    for (const [method, ...args] of CALLS) {
      const start = readCalls();
      ask(file, method, ...args);
      reads.set(`${method} ${JSON.stringify(args)}`, readCalls() - start);
    }
    const windows = (eventsMs: number) => walk(file, { ...NOTHING_OLD, eventsMs }, 200).map((window) => window.reads);
    reads.set("purge where nothing is old", Math.max(...windows(0)));
    reads.set("purge where half is old", Math.max(...windows(ARRIVAL_MS - rows * 500)));
    file.close();
    rmSync(path);
    return reads;
  }

  test("does not grow with the log", () => {
    const [small, large] = [readsAt(10_000), readsAt(40_000)];
    // A deeper tree costs a page more for each row that is looked up, and a commit may copy 1,000 pages of the write-ahead log back.
    const grown = [...large].filter(([call, count]) => count > 2 * (small.get(call) ?? 0) + 1_000);
    expect(grown).toEqual([]);
  });
});

describe("retention", () => {
  test("looks at no more than a window at a time, deletes no more than that, and ends at the first window that is young", () => {
    const file = filled(10_000);
    const week = {
      ...NOTHING_OLD,
      eventsMs: ARRIVAL_MS - 9_000_000,
      deliveriesMs: ARRIVAL_MS - 9_000_000,
      keys: false,
    };
    const windows = walk(file, week, 200);
    expect(Math.max(...windows.map(({ gone }) => gone))).toBeLessThanOrEqual(200);
    // 1,000 of 10,000 rows are old, and half of the deliveries wait: five windows of each kind.
    expect(windows.map(({ gone }) => gone)).toEqual([100, 100, 100, 100, 100, 100, 100, 100, 100, 100]);
    file.close();
  });

  test("goes past what is held back and past times of the future, whatever order a wrong clock left", () => {
    const file = filled(
      2_000,
      `update events set received_at_ms = ${ARRIVAL_MS + DAY_MS} where seq between 300 and 900;
       update events set received_at_ms = 5 where seq = 1000;
       update deliveries set status = 'dead' where n < 200;`,
    );
    const all = { ...NOTHING_OLD, eventsMs: ARRIVAL_MS - 1_000_000, deliveriesMs: ARRIVAL_MS - 1_000_000 };
    walk(file, all, 100);
    const kept = ask(file, "scan", 0, 10_000) as { seq: number }[];
    const waiting = (seq: number) => seq < 200 || seq % 2 === 0;
    const expected = Array.from({ length: 2_000 }, (_, index) => index + 1).filter(
      (seq) => waiting(seq) || (seq >= 300 && seq <= 900) || seq > 1_000,
    );
    expect(kept.map(({ seq }) => seq)).toEqual(expected);
    file.close();
  });

  test("drops the keys of events that are gone and those that ended, and no others", () => {
    const file = filled(1_000);
    walk(file, { ...NOTHING_OLD, eventsMs: ARRIVAL_MS - 500_000 }, 100);
    file.close();
    const db = new SqliteDatabase(path);
    const counts = db
      .prepare(
        "select count(*) filter (where key like 'id:%') as ids, count(*) filter (where key like 'body:%') as bodies from dedupe",
      )
      .get();
    db.close();
    // Of the 500 old events the 250 whose deliveries wait are kept; a body is remembered for 300 seconds.
    expect(counts).toEqual({ ids: 750, bodies: 301 });
  });
});

describe("what senders wait for", () => {
  const call = (id: number, method: Method): StoreRequest => ({ id, method, args: [] });

  test("is done before long work and between its windows, which is not put off for ever", () => {
    const order: string[] = [];
    const coming = [[], [call(1, "append")], [], [call(2, "append"), call(3, "settle")]];
    const perform = createScheduler((calls) => order.push(calls.map(({ method }) => method).join("+")));
    perform([call(4, "purge"), call(5, "events"), call(6, "append"), call(7, "purge")], () => coming.shift() ?? []);
    expect(order).toEqual(["append", "purge", "append", "events", "append+settle", "purge"]);
  });
});

describe.each(STORES)("$name store", ({ open }) => {
  test("a walk that is cut into windows drops what one without windows drops", async () => {
    const { store, remove } = await open();
    const ids = Array.from({ length: 20 }, (_, index) => `evt_${String(index).padStart(2, "0")}`);
    await store.append(ids.map((id) => newEvent(id)));
    const claim = await store.claim("node", CLAIM);
    const settled = (event: string, index: number) =>
      delivery(`d_${event}`, index % 3 === 0 ? { event } : { event, status: "observed", settledAtMs: ARRIVAL_MS });
    await store.commit(
      ids.map((id, index) => decision(id, { deliveries: [settled(id, index)] })),
      claim,
    );
    const later = ARRIVAL_MS + DAY_MS;
    const gone = await purge(store, { nowMs: later, eventsMs: later, deliveriesMs: later }, 3);
    expect(gone).toBe(26);
    expect((await store.scan(0, 100)).map(({ event }) => event.id)).toEqual(ids.filter((_, index) => index % 3 === 0));
    await remove();
  });
});
