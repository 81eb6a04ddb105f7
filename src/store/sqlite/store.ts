/** The store in one SQLite file, owned by a thread. Many requests share one fsync; each is durable when it resolves. */
import type { AuditEntry, Refusal, Token } from "../../model.ts";
import type { Books } from "../../ports/books.ts";
import type { Log } from "../../ports/log.ts";
import type { Page, Paged, Questions, StoreCounts } from "../../ports/questions.ts";
import type { Queue } from "../../ports/queue.ts";
import type { Store } from "../../ports/store.ts";
import {
  column,
  cursorOf,
  decisionRow,
  deliveryOf,
  eventOf,
  eventRecord,
  eventRow,
  instanceKeyRow,
  instanceOf,
  pageOf,
  positionOf,
  type StateCountRow,
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
    caused: async (roots) => ask("caused", [...roots]),
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
    setBack: async (clock, from) => ask("setBack", clock, from),
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
      const [start] = positionOf(page.cursor) ?? [];
      const { items, ...rest } = await readPage(
        page,
        start,
        (before, limit) => ask("events", filter, before, limit),
        ({ seq }) => [seq],
      );
      return { items: items.map(eventRecord), ...rest };
    },
    scan: async (afterSeq, limit) => (await ask("scan", afterSeq, limit)).map(eventRecord),
    async delivery(id) {
      const row = await ask("delivery", id);
      return row && deliveryOf(row);
    },
    async deliveries(filter, page) {
      const [start] = positionOf(page.cursor) ?? [];
      const { items, ...rest } = await readPage(
        page,
        start,
        (before, limit) => ask("deliveries", filter, before, limit),
        ({ n }) => [n],
      );
      return { items: items.map(deliveryOf), ...rest };
    },
    async instanceList(filter, page) {
      const [updatedAtMs, below = 0] = positionOf(page.cursor) ?? [];
      const start = updatedAtMs === undefined ? undefined : ([updatedAtMs, below] as const);
      const { items, ...rest } = await readPage(
        page,
        start,
        (before: InstancePosition | undefined, limit) => ask("instanceList", filter, before, limit),
        ({ updatedAtMs, n }) => [updatedAtMs, n],
      );
      return { items: items.map(instanceOf), ...rest };
    },
    timersOf: async (key) => (await ask("timersOf", instanceKeyRow(key))).map(timerOf),
    async counts() {
      const { events = 0, undecided = 0, instances = 0, timers = 0, ...deliveries } = await ask("counts");
      return { events, undecided, instances, timers, deliveries: deliveries as StoreCounts["deliveries"] };
    },
    async countsByState(machine) {
      const all: StateCountRow[] = [];
      let before: number | undefined;
      do {
        const { rows, floor } = await ask("countsByState", machine, before);
        all.push(...rows);
        before = floor;
      } while (before !== undefined);
      return stateCounts(all);
    },
  };
}

function jsonOf(text: string | undefined) {
  return text === undefined ? undefined : JSON.parse(text);
}

/** Windows that one page looks at: with a rare filter the next page goes on where this one ended. */
const PAGE_WINDOWS_MAX = 50;

/** Window by window until the page is full, enough was looked at, or nobody waits any more; other calls get their turn in between. */
async function readPage<Row, Position extends number | readonly number[]>(
  page: Page,
  start: Position | undefined,
  readWindow: (before: Position | undefined, limit: number) => Promise<Window<Row, Position>>,
  positionOfRow: (row: Row) => readonly number[],
): Promise<Paged<Row>> {
  const all: Row[] = [];
  let before = start;
  for (let windows = 0; windows < PAGE_WINDOWS_MAX && !page.signal?.aborted; windows++) {
    const { rows, floor } = await readWindow(before, page.limit + 1 - all.length);
    all.push(...rows);
    if (floor === undefined || all.length > page.limit) return pageOf(all, page.limit, positionOfRow);
    before = floor;
  }
  return { items: all, ...(before !== undefined && { cursor: cursorOf([before].flat()) }) };
}
