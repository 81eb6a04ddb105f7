/** What the SQLite store promises beside the contract: durability, many calls per fsync, a free event loop, old and foreign files. */
import { spawn } from "node:child_process";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { createInterface } from "node:readline";
import type { Worker } from "node:worker_threads";
import SqliteDatabase from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import type { Store } from "../../src/ports/store.ts";
import { openSqliteFile } from "../../src/store/sqlite/database.ts";
import { migrateSchema, SCHEMA_MIGRATIONS } from "../../src/store/sqlite/schema.ts";
import { sqliteStore } from "../../src/store/sqlite/store.ts";
import { ARRIVAL_MS, decision, delivery, event, instance, newEvent, timer } from "../support/nouns.ts";
import {
  CLAIM,
  commit,
  expectNothingBeforeWhatWasShown,
  LEASE,
  load,
  sqliteStoreInThisThread,
  undecided,
} from "../support/stores.ts";

let folder: string;
let path: string;
const open: Store[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "signalbox-sqlite-"));
  path = join(folder, "signalbox.db");
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((store) => store.close()));
  rmSync(folder, { recursive: true });
});

async function opened(at = path): Promise<Store> {
  const store = await sqliteStore({ path: at });
  open.push(store);
  return store;
}

/** Without a thread, where the thread is not what is tested. */
function openedHere(): Store {
  const store = sqliteStoreInThisThread(path);
  open.push(store);
  return store;
}

const count = (n: number) => Array.from({ length: n }, (_, index) => index);

describe("durability", () => {
  test("everything is there after closing and opening again", async () => {
    const first = openedHere();
    await first.append([newEvent("evt_1", {}, [{ key: "id:a" }]), newEvent("evt_2")]);
    await commit(first, [
      decision("evt_1", {
        instances: [instance("a", 1)],
        timersSet: [timer("t")],
        deliveries: [delivery("dlv_1")],
      }),
    ]);
    const before = await first.counts();
    await first.close();
    const second = openedHere();
    expect(await second.counts()).toEqual(before);
    expect(await undecided(second, 10)).toEqual(["evt_2"]);
    expect(await second.instances([{ machine: "gate", key: "a" }])).toEqual([instance("a", 1)]);
    expect(await second.append([newEvent("evt_3", {}, [{ key: "id:a" }])])).toEqual([{ id: "evt_1", duplicate: true }]);
    expect((await second.timersDue(ARRIVAL_MS + 100, 1)).timers).toEqual([timer("t")]);
  });

  test("every event that was answered is there after SIGKILL, with its keys, and the log has no gap", async () => {
    const script = new URL("../support/append-until-killed.ts", import.meta.url).pathname;
    const child = spawn(process.execPath, ["--import", "tsx", script, path], { stdio: ["ignore", "pipe", "inherit"] });
    const ended = new Promise((resolve) => child.once("close", resolve));
    const answered: string[] = [];
    for await (const line of createInterface({ input: child.stdout })) {
      answered.push(line);
      if (answered.length === 400) child.kill("SIGKILL");
    }
    await ended;
    expect(answered.length).toBeGreaterThanOrEqual(400);
    const store = await opened();
    expect((await load(store, answered)).map(({ id }) => id)).toEqual(answered);
    const again = await store.append(answered.map((id) => newEvent(`again_${id}`, {}, [{ key: `id:${id}` }])));
    expect(again.every(({ duplicate }) => duplicate)).toBe(true);
    const { events, ...counts } = await store.counts();
    expect(counts.undecided).toBe(events);
    expect((await undecided(store, events + 1)).length).toBe(events);
  });

  test("close finishes what is pending, and what comes later is refused with SB0701", async () => {
    const store = await opened();
    const pending = count(50).map((n) => store.append([newEvent(`evt_${n}`)]));
    const closed = store.close();
    await expect(store.append([newEvent("late")])).rejects.toMatchObject({ code: "SB0701" });
    await Promise.all([...pending, closed]);
    expect((await (await opened()).counts()).events).toBe(50);
  });

  test("a crash of the thread rejects pending and later calls with SB0701, and closing still works", async () => {
    const threads: Worker[] = [];
    const remember = (message: unknown) => threads.push((message as { worker: Worker }).worker);
    subscribe("worker_threads", remember);
    const store = await opened();
    unsubscribe("worker_threads", remember);
    await store.append([newEvent("evt_1")]);
    const pending = store.append([newEvent("evt_2")]);
    const [thread] = threads;
    await Promise.all([expect(pending).rejects.toMatchObject({ code: "SB0701" }), thread?.terminate()]);
    await expect(store.counts()).rejects.toMatchObject({ code: "SB0701" });
    await expect(store.close()).resolves.toBeUndefined();
    expect((await load(await opened(), ["evt_1"])).length).toBe(1);
  });
});

describe("group commit", () => {
  test("500 appends made together take few transactions", async () => {
    const store = await opened();
    // A reader that holds its snapshot keeps the write-ahead log from being reset, so that every commit can be counted in it.
    const reader = new SqliteDatabase(path, { readonly: true });
    reader.exec("begin");
    reader.prepare("select count(*) from events").get();
    const before = commitsInLog(path);
    await Promise.all(count(500).map((n) => store.append([newEvent(`evt_${n}`)])));
    const commits = commitsInLog(path) - before;
    reader.close();
    expect(commits).toBeGreaterThan(0);
    expect(commits).toBeLessThan(50);
    expect((await store.counts()).events).toBe(500);
  });

  test("appends made one after the other are each committed when they return", async () => {
    const store = await opened();
    const other = new SqliteDatabase(path, { readonly: true });
    for (const n of count(5)) {
      await store.append([newEvent(`evt_${n}`)]);
      expect(other.prepare("select count(*) as n from events").get()).toEqual({ n: n + 1 });
    }
    other.close();
  });

  test("a call that fails does not undo the others of its batch, and leaves nothing behind", () => {
    const file = openSqliteFile(path);
    const row = (id: string | null) => ({
      id,
      type: "t",
      source: "s",
      subject: null,
      repo: null,
      receivedAtMs: 1,
      envelope: "{}",
    });
    const append = (id: number, ...ids: (string | null)[]) => ({
      id,
      method: "append" as const,
      args: [ids.map((name) => ({ ...row(name), data: "{}", keys: [] }))],
    });
    const answers = file.run([
      append(1, "evt_1"),
      append(2, "evt_2", null),
      { id: 3, method: "scan", args: [0, 10] },
      append(4, "evt_4"),
    ]);
    expect(answers).toEqual([
      { id: 1, value: [{ id: "evt_1", duplicate: false }] },
      { id: 2, error: expect.stringContaining("NOT NULL") },
      { id: 3, value: [expect.objectContaining({ seq: 1, data: "{}" })] },
      { id: 4, value: [{ id: "evt_4", duplicate: false }] },
    ]);
    file.close();
    const reopened = openSqliteFile(path);
    const claim = { nowMs: 0, leaseMs: 1, limit: 10, bytes: 100, held: [] };
    expect(reopened.run([{ id: 1, method: "claim", args: ["node", claim] }])).toMatchObject([
      { id: 1, value: { ids: ["evt_1", "evt_4"] } },
    ]);
    reopened.close();
  });

  test("an append that fails leaves no mark either", () => {
    const file = openSqliteFile(path);
    const row = { id: null, type: "t", source: "s", subject: null, repo: null, receivedAtMs: 1, envelope: "{}" };
    const rows = [{ ...row, data: "{}", keys: [] }];
    const answers = file.run([
      { id: 1, method: "append", args: [rows, { source: "queue", value: "7" }] },
      { id: 2, method: "mark", args: ["queue"] },
    ]);
    expect(answers).toEqual([
      { id: 1, error: expect.stringContaining("NOT NULL") },
      { id: 2, value: undefined },
    ]);
    file.close();
  });

  test("when the file cannot take a batch, every call of it is refused and nothing is written", () => {
    const file = openSqliteFile(path);
    const db = new SqliteDatabase(path);
    // Stands for a full disk: the commit itself fails.
    db.exec("create table t (x references events (id) deferrable initially deferred)");
    db.exec("create trigger breaks after insert on tokens begin insert into t values ('none'); end");
    const answers = file.run([
      { id: 1, method: "refuse", args: ["s", "{}"] },
      { id: 2, method: "addToken", args: ["ci", "{}"] },
    ]);
    expect(answers).toEqual([
      { id: 1, error: expect.stringContaining("FOREIGN KEY") },
      { id: 2, error: expect.stringContaining("FOREIGN KEY") },
    ]);
    expect(file.run([{ id: 3, method: "refusals", args: [9] }])).toEqual([{ id: 3, value: [] }]);
    db.close();
    file.close();
  });

  test("the event loop stays free while 2,000 events of 20 KB are written", async () => {
    const store = await opened();
    const dataText = JSON.stringify({ filler: "x".repeat(20_000) });
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    const startMs = performance.now();
    let next = 0;
    await Promise.all(
      count(64).map(async () => {
        while (next < 2_000) await store.append([{ ...newEvent(`evt_${next++}`, { data: {} }), dataText }]);
      }),
    );
    delay.disable();
    const perSecond = Math.round(2_000_000 / (performance.now() - startMs));
    const ms = (nanoseconds: number) => (nanoseconds / 1e6).toFixed(1);
    console.log(`${perSecond} appends/s; event loop delay p99 ${ms(delay.percentile(99))} ms, max ${ms(delay.max)} ms`);
    expect((await store.counts()).events).toBe(2_000);
  });
});

/** Commit frames since the log was last reset: https://www.sqlite.org/fileformat2.html#walformat */
function commitsInLog(database: string): number {
  const log = readFileSync(`${database}-wal`);
  if (log.length < 32) return 0;
  const frameBytes = 24 + log.readUInt32BE(8);
  const salt = log.subarray(16, 24);
  let commits = 0;
  for (let at = 32; at + frameBytes <= log.length; at += frameBytes) {
    const isCurrent = log.subarray(at + 8, at + 16).equals(salt);
    if (isCurrent && log.readUInt32BE(at + 4) > 0) commits += 1;
  }
  return commits;
}

describe("the file", () => {
  test("folders are made, and only their owner can read what is in them", async () => {
    const nested = join(folder, "a/b/signalbox.db");
    const store = await opened(nested);
    await store.append([newEvent("evt_1")]);
    const mode = (name: string) => (statSync(join(folder, name)).mode & 0o777).toString(8);
    expect([mode("a"), mode("a/b")]).toEqual(["700", "700"]);
    expect(["", "-wal", "-shm"].map((end) => mode(`a/b/signalbox.db${end}`))).toEqual(["600", "600", "600"]);
  });

  test.each([
    { what: "is no database", content: "rules: []\n".repeat(500) },
    { what: "is a folder", content: undefined },
  ])("a path that $what is refused with SB0701 that names it", async ({ content }) => {
    if (content !== undefined) writeFileSync(path, content);
    const at = content === undefined ? folder : path;
    await expect(sqliteStore({ path: at })).rejects.toMatchObject({
      code: "SB0701",
      message: expect.stringContaining(at),
    });
    if (content !== undefined) expect(readFileSync(path, "utf8")).toBe(content);
  });

  test("who opens a file is the one who decides: a process that was killed holds nothing back, and one that lives on is fenced", async () => {
    const first = openedHere();
    await first.append([newEvent("evt_1")]);
    const held = await first.claim("killed", CLAIM);
    const second = openedHere();
    const taken = await second.claim("started", CLAIM);
    expect(taken.ids).toEqual(["evt_1"]);
    expect(await first.commit([decision("evt_1")], held)).toEqual({ ok: false, why: "fenced" });
    expect((await first.claim("killed", CLAIM)).ids).toEqual([]);
    expect(await second.commit([decision("evt_1")], taken)).toEqual({ ok: true });
  });

  test("what claim has shown is never preceded by a later arrival, whoever else writes to the file", async () => {
    const [one, two] = [await opened(), await opened()];
    await expectNothingBeforeWhatWasShown(one, [one, two, two]);
  });

  test("a file that cannot be written to is noticed by ping, though it can still be read", async () => {
    const store = await opened();
    await store.append([newEvent("evt_1")]);
    await store.ping();
    const db = new SqliteDatabase(path);
    // Stands for a full disk: no page can be changed.
    db.exec("create trigger full before update on pings begin select raise(abort, 'database or disk is full'); end");
    db.close();
    await expect(store.ping()).rejects.toMatchObject({ code: "SB0701", message: expect.stringContaining("full") });
    expect((await store.counts()).events).toBe(1);
  });

  test("a claim that changes nothing writes nothing: an idle store leaves its file alone", async () => {
    const store = openedHere();
    await store.append([newEvent("evt_1")]);
    await commit(store, [decision("evt_1")]);
    const before = commitsInLog(path);
    for (let ms = 0; ms < 60_000; ms += 1_000) await store.claim("node-1", { ...CLAIM, nowMs: ARRIVAL_MS + ms });
    expect(commitsInLog(path)).toBe(before);
  });

  test("that another process is creating at this moment is waited for", () => {
    const locked = Object.assign(new Error("database is locked"), { code: "SQLITE_BUSY" });
    const pragma = vi.spyOn(SqliteDatabase.prototype, "pragma").mockImplementationOnce(() => {
      throw locked;
    });
    onTestFinished(() => pragma.mockRestore());
    openSqliteFile(path).close();
    expect(pragma.mock.calls.slice(0, 2)).toEqual([["journal_mode = wal"], ["journal_mode = wal"]]);
  });

  test("two handles on one file see each other's work and never both win", async () => {
    const [one, two] = await Promise.all([opened(), opened()]);
    const keys = (n: number) => [{ key: `id:${n}` }];
    const [a, b] = await Promise.all(
      [one, two].map((store, side) =>
        Promise.all(count(100).map((n) => store.append([newEvent(`evt_${side}_${n}`, {}, keys(n))]))),
      ),
    );
    const stored = [...a!, ...b!].flat().filter(({ duplicate }) => !duplicate);
    expect(stored.length).toBe(100);
    expect((await one.counts()).events).toBe(100);
    const { ids, ...tenure } = await two.claim("two", CLAIM);
    const commits = await Promise.all(
      ids.flatMap((id) =>
        [one, two].map((store) => store.commit([decision(id, { deliveries: [delivery(`d_${id}`)] })], tenure)),
      ),
    );
    expect(commits.filter(({ ok }) => ok).length).toBe(100);
    const due = await Promise.all([one, two].map((store) => store.lease(ARRIVAL_MS, LEASE)));
    const leased = due.flatMap((one) => one.leased.map(({ delivery }) => delivery.id));
    expect([leased.length, new Set(leased).size]).toEqual([100, 100]);
  });
});

describe("a long log", () => {
  /** More rows than one look covers, and the one that is asked for at the far end. */
  beforeEach(async () => {
    await openedHere().close();
    const db = new SqliteDatabase(path);
    db.exec(`
      create temp table numbers as
        with recursive counting (n) as (select 1 union all select n + 1 from counting where n < 45000)
        select n from counting;
      insert into events (id, type, source, subject, received_at_ms, envelope)
        select 'evt_' || n, iif(n = 3, 'rare', 'common'), 's', 'acme/web#' || n, n, json_object('id', 'evt_' || n)
        from numbers;
      insert into instances (machine, key, definition, version, status, updated_at_ms, body)
        select 'gate', 'k' || n, 'd', 1, iif(n = 3, 'error', 'active'), n / 7,
          json_object('state', iif(n % 3 = 0, 'open', 'shut'))
        from numbers;
      insert into deliveries (id, event, action, connection, status, next_at_ms, wake_at_ms, attempts, body)
        select 'd' || n, 'evt_' || n, 'slack.post', 'slack', iif(n = 3, 'cancelled', 'pending'), n, n, '[]', '{"cause":{"rule":"r"}}'
        from numbers;`);
    db.close();
  });

  test("what is rare is found however far back", async () => {
    const store = openedHere();
    const events = await store.events({ type: "rare" }, { limit: 5 });
    expect(events.items.map((record) => record.event.id)).toEqual(["evt_3"]);
    const instances = await store.instanceList({ status: "error" }, { limit: 5 });
    expect(instances.items.map(({ key }) => key)).toEqual(["k3"]);
    const deliveries = await store.deliveries({ status: "cancelled" }, { limit: 5 });
    expect(deliveries.items.map(({ id }) => id)).toEqual(["d3"]);
    expect([events.cursor, instances.cursor, deliveries.cursor]).toEqual([undefined, undefined, undefined]);
    expect((await store.events({ subject: "acme/web#7" }, { limit: 5 })).items.length).toBe(1);
    expect((await store.deliveries({ event: "evt_9" }, { limit: 5 })).items.map(({ id }) => id)).toEqual(["d9"]);
  });

  test("instances are counted by state over all of it", async () => {
    const counts = await openedHere().countsByState("gate");
    const at = (status: string, state: string, instances: number) => ({ definition: "d", status, state, instances });
    expect(counts).toEqual([at("active", "shut", 30_000), at("active", "open", 14_999), at("error", "open", 1)]);
  });

  test("pages over all of it hold everything once, in order", async () => {
    const store = openedHere();
    const keys: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await store.instanceList({}, { limit: 9_999, ...(cursor !== undefined && { cursor }) });
      keys.push(...page.items.map(({ key }) => key));
      cursor = page.cursor;
    } while (cursor !== undefined);
    expect(keys).toEqual(count(45_000).map((n) => `k${45_000 - n}`));
  });
});

describe("migrations", () => {
  test.each(count(SCHEMA_MIGRATIONS.length).map((index) => ({ version: index + 1 })))(
    "a file of schema version $version is brought forward and keeps what it holds",
    async ({ version }) => {
      const old = new SqliteDatabase(path);
      old.pragma("journal_mode = wal");
      migrateSchema(old, SCHEMA_MIGRATIONS.slice(0, version));
      old.exec(`
        insert into events (id, type, source, received_at_ms, envelope)
        values ('evt_1', 'github.push', 'github-acme', 1, '${JSON.stringify({ ...event("evt_1"), data: undefined })}');
        insert into payloads (seq, data) values (1, '{"id":"evt_1"}');
        insert into dedupe (key, seq) values ('id:a', 1);`);
      old.close();
      const store = openedHere();
      expect(await load(store, ["evt_1"])).toEqual([event("evt_1")]);
      expect(await store.counts()).toMatchObject({ events: 1, undecided: 1 });
      expect(await store.append([newEvent("evt_2", {}, [{ key: "id:a" }])])).toEqual([
        { id: "evt_1", duplicate: true },
      ]);
      const now = new SqliteDatabase(path, { readonly: true });
      expect(now.pragma("user_version", { simple: true })).toBe(SCHEMA_MIGRATIONS.length);
      now.close();
    },
  );

  test("only what the file has not run yet is run, once", () => {
    const db = new SqliteDatabase(path);
    const first = "create table a (x); insert into a values (1)";
    const second = "create table b (x); insert into b select x + 1 from a";
    migrateSchema(db, [first]);
    migrateSchema(db, [first, second]);
    migrateSchema(db, [first, second]);
    expect(db.prepare("select a.x as a, b.x as b from a, b").all()).toEqual([{ a: 1, b: 2 }]);
    db.close();
  });

  test("a migration that fails leaves the file as it was", () => {
    const db = new SqliteDatabase(path);
    migrateSchema(db, ["create table a (x)"]);
    expect(() => migrateSchema(db, ["create table a (x)", "create table b (x)", "create table b (y)"])).toThrow(
      "already exists",
    );
    expect(db.pragma("user_version", { simple: true })).toBe(1);
    expect(db.prepare("select name from sqlite_master").all()).toEqual([{ name: "a" }]);
    db.close();
  });

  test("a file that a newer version wrote is refused with SB0702 and left alone", async () => {
    await (await opened()).close();
    const db = new SqliteDatabase(path);
    db.pragma(`user_version = ${SCHEMA_MIGRATIONS.length + 1}`);
    db.close();
    await expect(sqliteStore({ path })).rejects.toMatchObject({ code: "SB0702" });
    const after = new SqliteDatabase(path, { readonly: true });
    expect(after.pragma("user_version", { simple: true })).toBe(SCHEMA_MIGRATIONS.length + 1);
    after.close();
  });

  test("two that open an old file at once both succeed", async () => {
    const stores = await Promise.all([opened(), opened(), opened()]);
    await stores[0]?.append([newEvent("evt_1")]);
    expect((await stores[2]?.counts())?.events).toBe(1);
  });
});
