/** The store in one SQLite file, owned by a thread. Many requests share one fsync; each is durable when it resolves. */
import type { AuditEntry, Refusal, Token } from "../../model.ts";
import type { Books } from "../../ports/books.ts";
import type { Log } from "../../ports/log.ts";
import type { Questions, StoreCounts } from "../../ports/questions.ts";
import type { Queue } from "../../ports/queue.ts";
import type { Store } from "../../ports/store.ts";
import {
  column,
  decisionRow,
  deliveryOf,
  eventOf,
  eventRecord,
  eventRow,
  instanceKeyRow,
  instanceOf,
  pageOf,
  positionOf,
  settlementRow,
  stateCounts,
  timerOf,
  timerRow,
} from "../rows.ts";
import type { Ask } from "./database.ts";
import { LANE } from "./log.ts";
import type { Window } from "./prepare.ts";
import type { InstancePosition } from "./questions.ts";
import { startThread } from "./thread.ts";

/**
 * Opens or creates the file at `path`, folders included (readable by their owner only). Rejects with SB0701 when it cannot be
 * opened and SB0702 when a newer version wrote it.
 */
export async function sqliteStore(options: { path: string }): Promise<Store> {
  const { ask, close } = await startThread(options.path);
  return storeOver(ask, close);
}

/** The ports of a store over a function that performs requests. */
export function storeOver(ask: Ask, close: () => Promise<void>): Store {
  return { ...log(ask), ...queue(ask), ...books(ask), ...questions(ask), close };
}

function log(ask: Ask): Log {
  return {
    append: async (events, mark) =>
      ask("append", events.map(eventRow), mark && { source: column(mark.source), value: JSON.stringify(mark.value) }),
    mark: async (source) => jsonOf(await ask("mark", column(source))),
    async claim(node, { held = [], ...options }) {
      const { fence, ids, events } = await ask("claim", node, { ...options, held: [...held] });
      return { lane: LANE, fence, ids, events: events.map(eventOf) };
    },
    instances: async (keys) => (await ask("instances", keys.map(instanceKeyRow))).map(instanceOf),
    commit: async (decisions, { lane, fence }) => ask("commit", decisions.map(decisionRow), { lane, fence }),
  };
}

function queue(ask: Ask): Queue {
  return {
    async timersDue(nowMs, limit) {
      const { timers, nextAtMs } = await ask("timersDue", nowMs, limit);
      return { timers: timers.map(timerOf), ...(nextAtMs !== undefined && { nextAtMs }) };
    },
    fire: async (timer, event) => ask("fire", timerRow(timer), eventRow(event)),
    async lease(nowMs, options) {
      const { leased, nextAtMs } = await ask("lease", nowMs, options);
      const untilMs = nowMs + options.leaseMs;
      return {
        leased: leased.map((row) => ({
          delivery: deliveryOf(row),
          lease: row.lease,
          untilMs,
          interrupted: row.interrupted,
        })),
        ...(nextAtMs !== undefined && { nextAtMs }),
      };
    },
    settle: async (settlements) => ask("settle", settlements.map(settlementRow)),
    retry: async (id, nowMs) => ask("retry", id, nowMs),
  };
}

function books(ask: Ask): Books {
  return {
    refuse: async (refusal) => ask("refuse", refusal.source, JSON.stringify(refusal)),
    refusals: async (limit) => (await ask("refusals", limit)).map((body): Refusal => JSON.parse(body)),
    saveDefinitions: async (definitions) =>
      ask(
        "saveDefinitions",
        definitions.map(({ hash, machine, definition }) => ({ hash, machine, definition: JSON.stringify(definition) })),
      ),
    definition: async (hash) => jsonOf(await ask("definition", hash)),
    savePolicy: async (revision, files, nowMs) => ask("savePolicy", revision, JSON.stringify(files), nowMs),
    policy: async (revision) => jsonOf(await ask("policy", revision)),
    tokens: async () => (await ask("tokens")).map((body): Token => JSON.parse(body)),
    addToken: async (row) => ask("addToken", row.name, JSON.stringify(row)),
    touchToken: async ({ name, hash }, usedAtMs) => ask("touchToken", name, hash, usedAtMs),
    dropToken: async (name) => ask("dropToken", name),
    audit: async (row) => ask("audit", row.atMs, JSON.stringify(row)),
    audits: async (limit) => (await ask("audits", limit)).map((body): AuditEntry => JSON.parse(body)),
    ping: async () => ask("ping"),
    purge: async (before, limit, from) => ask("purge", before, limit, from),
  };
}

function questions(ask: Ask): Questions {
  return {
    async event(id) {
      const row = await ask("event", id);
      return row && eventRecord(row);
    },
    async events(filter, page) {
      const rows = await readWindows(page.limit, positionOf(page.cursor)?.[0], (before, limit) =>
        ask("events", filter, before, limit),
      );
      return pageOf(rows.map(eventRecord), page.limit, ({ seq }) => [seq]);
    },
    scan: async (afterSeq, limit) => (await ask("scan", afterSeq, limit)).map(eventRecord),
    async delivery(id) {
      const row = await ask("delivery", id);
      return row && deliveryOf(row);
    },
    async deliveries(filter, page) {
      const rows = await readWindows(page.limit, positionOf(page.cursor)?.[0], (before, limit) =>
        ask("deliveries", filter, before, limit),
      );
      const { items, cursor } = pageOf(rows, page.limit, ({ n }) => [n]);
      return { items: items.map(deliveryOf), ...(cursor !== undefined && { cursor }) };
    },
    async instanceList(filter, page) {
      const [updatedAtMs, below = 0] = positionOf(page.cursor) ?? [];
      const start = updatedAtMs === undefined ? undefined : ([updatedAtMs, below] as const);
      const rows = await readWindows(page.limit, start, (before: InstancePosition | undefined, limit) =>
        ask("instanceList", filter, before, limit),
      );
      const { items, cursor } = pageOf(rows, page.limit, ({ updatedAtMs, n }) => [updatedAtMs, n]);
      return { items: items.map(instanceOf), ...(cursor !== undefined && { cursor }) };
    },
    timersOf: async (key) => (await ask("timersOf", instanceKeyRow(key))).map(timerOf),
    async counts() {
      const { events = 0, undecided = 0, instances = 0, timers = 0, ...deliveries } = await ask("counts");
      return { events, undecided, instances, timers, deliveries: deliveries as StoreCounts["deliveries"] };
    },
    async countsByState(machine) {
      const rows = await readWindows(Number.POSITIVE_INFINITY, undefined, (before: number | undefined) =>
        ask("countsByState", machine, before),
      );
      return stateCounts(rows);
    },
  };
}

function jsonOf(text: string | undefined) {
  return text === undefined ? undefined : JSON.parse(text);
}

/** Reads windows until there is one row more than the page holds; other requests run in between. */
async function readWindows<Row, Position>(
  limit: number,
  start: Position | undefined,
  readWindow: (before: Position | undefined, limit: number) => Promise<Window<Row, Position>>,
): Promise<Row[]> {
  const all: Row[] = [];
  let before = start;
  do {
    const { rows, floor } = await readWindow(before, limit + 1 - all.length);
    all.push(...rows);
    before = floor;
  } while (before !== undefined && all.length <= limit);
  return all;
}
