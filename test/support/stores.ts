/** Every store that keeps the promises of the ports: the contract suites run over this list. A new adapter adds one entry. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { SignalboxError } from "../../src/errors.ts";
import type { Decision, Event } from "../../src/model.ts";
import type { PurgeBefore, PurgePosition } from "../../src/ports/books.ts";
import type { Committed } from "../../src/ports/log.ts";
import type { Store } from "../../src/ports/store.ts";
import { memoryStore } from "../../src/store/memory.ts";
import { type Ask, openSqliteFile, type StoreRequest } from "../../src/store/sqlite/database.ts";
import { storeOver } from "../../src/store/sqlite/store.ts";
import { ARRIVAL_MS, decision, newEvent } from "./nouns.ts";

export interface StoreFactory {
  name: string;
  /** An empty store, and how to be rid of it. */
  open(): Promise<{ store: Store; remove(): Promise<void> }>;
}

export const STORES: readonly StoreFactory[] = [
  { name: "memory", open: async () => ({ store: memoryStore(), remove: async () => {} }) },
  {
    name: "sqlite",
    async open() {
      const folder = mkdtempSync(join(tmpdir(), "signalbox-store-"));
      const store = sqliteStoreInThisThread(join(folder, "signalbox.db"));
      return {
        store,
        async remove() {
          await store.close();
          rmSync(folder, { recursive: true });
        },
      };
    },
  },
];

/** All of the SQLite store but its thread, which takes half a second to start: the calls of one turn are one transaction. */
export function sqliteStoreInThisThread(path: string): Store {
  const file = openSqliteFile(path);
  let waiting: { call: StoreRequest; resolve(value: unknown): void; reject(error: Error): void }[] = [];
  let isClosed = false;
  function run(): void {
    const batch = waiting;
    waiting = [];
    for (const [index, answer] of file.run(batch.map(({ call }) => call)).entries()) {
      if ("error" in answer) batch[index]?.reject(new SignalboxError("SB0701", answer.error));
      else batch[index]?.resolve(answer.value);
    }
  }
  const ask: Ask = (method, ...args) =>
    new Promise((resolve, reject) => {
      if (isClosed) return reject(new SignalboxError("SB0701", "The store is closed"));
      if (waiting.length === 0) setImmediate(run);
      const call = { id: waiting.length, method, args: structuredClone(args) };
      waiting.push({ call, resolve: resolve as (value: unknown) => void, reject });
    });
  return storeOver(ask, async () => {
    if (isClosed) return;
    isClosed = true;
    run();
    file.close();
  });
}

const NODE = "node-1";
export const CLAIM = { nowMs: ARRIVAL_MS, leaseMs: 10_000, limit: 10_000, bytes: 2 ** 30 };

/** Ids of undecided events in order, claimed by the one node of most tests. */
export async function undecided(store: Store, limit = CLAIM.limit): Promise<readonly string[]> {
  return (await store.claim(NODE, { ...CLAIM, limit })).ids;
}

/** Commits as the one node of most tests. */
export async function commit(store: Store, decisions: readonly Decision[]): Promise<Committed> {
  return store.commit(decisions, await store.claim(NODE, { ...CLAIM, limit: 0 }));
}

/** Walks through all that had its time, keys included; answers how many events and deliveries went. */
export async function purge(store: Store, before: Omit<PurgeBefore, "keys">, limit = 100): Promise<number> {
  let gone = 0;
  let from: PurgePosition | undefined;
  do {
    const purged = await store.purge({ ...before, keys: true }, limit, from);
    expect(purged.gone).toBeLessThanOrEqual(2 * limit);
    gone += purged.gone;
    from = purged.next;
  } while (from !== undefined);
  return gone;
}

/** The named events in the order asked; those that do not exist are left out. */
export async function load(store: Store, ids: readonly string[]): Promise<Event[]> {
  const records = await Promise.all(ids.map((id) => store.event(id)));
  return records.flatMap((record) => record?.event ?? []);
}

/** A lease as a test takes it: plenty of room, unless it says otherwise. */
export const LEASE = { room: {}, roomOfOthers: 100, limit: 100, leaseMs: 1_000 };

/**
 * Claims and decides while others append: what is shown is shown in the order of the log, shown again at the same place until it is decided,
 * and nothing that came later stands before it.
 */
export async function expectNothingBeforeWhatWasShown(store: Store, appending: readonly Store[]): Promise<void> {
  const shown: string[] = [];
  const append = async (to: Store, side: number) => {
    for (let n = 0; n < 40; n++) await to.append([newEvent(`evt_${side}_${n}`), newEvent(`evt_${side}_${n}b`)]);
  };
  const decide = async () => {
    for (let rounds = 0; rounds < 60; rounds++) {
      const { ids, ...tenure } = await store.claim(NODE, { ...CLAIM, limit: 7 });
      const before = ids.filter((id) => shown.includes(id));
      expect(ids.slice(0, before.length)).toEqual(shown.slice(shown.length - before.length));
      shown.push(...ids.slice(before.length));
      const decided = ids.slice(0, 3).map((id) => decision(id));
      expect(await store.commit(decided, tenure)).toEqual({ ok: true });
    }
  };
  await Promise.all([...appending.map(append), decide()]);
  expect(shown.length).toBeGreaterThan(50);
  const log = await store.scan(0, 1_000);
  expect(log.slice(0, shown.length).map(({ event }) => event.id)).toEqual(shown);
}
