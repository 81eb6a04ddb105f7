/** The store that needs nothing installed: one SQLite file, owned by a thread. Many calls share one fsync, each is durable on return. */
import { Worker } from "node:worker_threads";
import { SignalboxError } from "../../errors.ts";
import type { AuditEntry, Delivery, Refusal, Token } from "../../model.ts";
import type { Store, StoreCounts } from "../../ports/store.ts";
import {
  type DeliveryRow,
  decisionRow,
  deliveryOf,
  deliveryRow,
  eventOf,
  eventRecord,
  eventRow,
  instanceKeyRow,
  instanceOf,
  pageOf,
  positionOf,
  timerOf,
  timerRow,
} from "../rows.ts";
import type { Call, Method, Tables } from "./database.ts";
import type { FromWorker, ToWorker } from "./worker.ts";

/**
 * Opens or creates the file at `path`, folders included (readable by their owner only). Rejects with SB0701 when it cannot be
 * opened and SB0702 when a newer version wrote it.
 */
export async function sqliteStore(options: { path: string }): Promise<Store> {
  const { ask, close } = await startThread(options.path);
  return {
    append: async (events) => ask("append", events.map(eventRow)),
    undecided: async (limit) => ask("undecided", limit),
    load: async (ids) => (await ask("load", ids)).map(eventOf),
    instances: async (keys) => (await ask("instances", keys.map(instanceKeyRow))).map(instanceOf),
    commit: async (decisions) => ask("commit", decisions.map(decisionRow)),
    async due(nowMs, limits) {
      const { timers, deliveries, nextAtMs } = await ask("due", nowMs, limits);
      const due = { timers: timers.map(timerOf), deliveries: deliveries.map(handedOut) };
      return nextAtMs === null ? due : { ...due, nextAtMs };
    },
    fire: async (timer, event) => ask("fire", timerRow(timer), eventRow(event)),
    settle: async (settlements) =>
      ask(
        "settle",
        settlements.map(({ delivery, report }) => ({
          delivery: deliveryRow(delivery),
          report: report === undefined ? null : eventRow(report),
        })),
      ),
    retry: async (id, nowMs) => ask("retry", id, nowMs),
    ...books(ask),
    ...questions(ask),
    close,
  };
}

function handedOut({ row, interrupted }: { row: DeliveryRow; interrupted: boolean }): Delivery {
  return interrupted ? { ...deliveryOf(row), interrupted } : deliveryOf(row);
}

type Ask = <M extends Method>(method: M, ...args: Parameters<Tables[M]>) => Promise<ReturnType<Tables[M]>>;

function books(ask: Ask) {
  return {
    refuse: async (refusal) => ask("refuse", refusal.source, JSON.stringify(refusal)),
    refusals: async (limit) => (await ask("refusals", limit)).map((body): Refusal => JSON.parse(body)),
    saveDefinitions: async (definitions) =>
      ask(
        "saveDefinitions",
        definitions.map(({ hash, machine, definition }) => ({ hash, machine, definition: JSON.stringify(definition) })),
      ),
    definition: async (hash) => parsed(await ask("definition", hash)),
    savePolicy: async (revision, files, nowMs) => ask("savePolicy", revision, JSON.stringify(files), nowMs),
    policy: async (revision) => parsed(await ask("policy", revision)),
    tokens: async () => (await ask("tokens")).map((body): Token => JSON.parse(body)),
    saveToken: async (row) => ask("saveToken", row.name, JSON.stringify(row)),
    dropToken: async (name) => ask("dropToken", name),
    audit: async (row) => ask("audit", row.atMs, JSON.stringify(row)),
    audits: async (limit) => (await ask("audits", limit)).map((body): AuditEntry => JSON.parse(body)),
    forget: async (before, limit) => ask("forget", before, limit),
  } satisfies Partial<Store>;
}

function questions(ask: Ask) {
  return {
    async event(id) {
      const row = await ask("event", id);
      return row && eventRecord(row);
    },
    async events(filter, page) {
      const found = await gather(page.limit, positionOf(page.cursor)?.[0], (before, limit) =>
        ask("events", filter, before, limit),
      );
      return pageOf(found.map(eventRecord), page.limit, ({ seq }) => [seq]);
    },
    async delivery(id) {
      const row = await ask("delivery", id);
      return row && deliveryOf(row);
    },
    async deliveries(filter, page) {
      const found = await gather(page.limit, positionOf(page.cursor)?.[0], (before, limit) =>
        ask("deliveries", filter, before, limit),
      );
      const { items, cursor } = pageOf(found, page.limit, ({ n }) => [n]);
      return { items: items.map(deliveryOf), ...(cursor !== undefined && { cursor }) };
    },
    async instanceList(filter, page) {
      const found = await gather(page.limit, positionOf(page.cursor), (before, limit) =>
        ask("instanceList", filter, before, limit),
      );
      const { items, cursor } = pageOf(found, page.limit, ({ updatedAtMs, n }) => [updatedAtMs, n]);
      return { items: items.map(instanceOf), ...(cursor !== undefined && { cursor }) };
    },
    timersOf: async (key) => (await ask("timersOf", instanceKeyRow(key))).map(timerOf),
    async counts() {
      const { events = 0, undecided = 0, instances = 0, timers = 0, ...deliveries } = await ask("counts");
      return { events, undecided, instances, timers, deliveries: deliveries as StoreCounts["deliveries"] };
    },
  } satisfies Partial<Store>;
}

function parsed(text: string | undefined) {
  return text === undefined ? undefined : JSON.parse(text);
}

/** Window by window until there is one more than the page holds; other calls get their turn in between. */
async function gather<Row, Position>(
  limit: number,
  start: Position | undefined,
  look: (before: Position | undefined, limit: number) => Promise<{ found: Row[]; floor?: Position }>,
): Promise<Row[]> {
  const all: Row[] = [];
  let before = start;
  do {
    const { found, floor } = await look(before, limit + 1 - all.length);
    all.push(...found);
    before = floor;
  } while (before !== undefined && all.length <= limit);
  return all;
}

interface Pending {
  resolve(value: unknown): void;
  reject(error: SignalboxError): void;
}

/** The calls of one turn of the event loop cross together; the thread writes whatever has gathered in one transaction. */
async function startThread(path: string): Promise<{ ask: Ask; close(): Promise<void> }> {
  const worker = workerFor(path);
  const pending = new Map<number, Pending>();
  let outgoing: Call[] = [];
  let lastId = 0;
  let ended: SignalboxError | undefined;
  let closing: Promise<void> | undefined;

  function send(): void {
    if (outgoing.length === 0) return;
    worker.postMessage(outgoing satisfies ToWorker);
    outgoing = [];
  }
  function end(error: SignalboxError): void {
    ended ??= error;
    for (const { reject } of pending.values()) reject(error);
    pending.clear();
  }
  const failure = (message: string, cause?: unknown) => new SignalboxError("SB0701", `${message}: ${path}`, { cause });
  const exited = new Promise<void>((resolve) => {
    worker.once("exit", () => {
      end(failure("The store's thread has ended"));
      resolve();
    });
  });
  worker.on("error", (cause) => end(failure("The store's thread has crashed", cause)));
  await opened(worker, path);
  worker.on("message", (message: FromWorker) => {
    if (message.kind !== "answers") return;
    for (const answer of message.answers) {
      const call = pending.get(answer.id);
      pending.delete(answer.id);
      if ("error" in answer) call?.reject(failure(`The store failed: ${answer.error}`));
      else call?.resolve(answer.value);
    }
  });
  return {
    ask: (method, ...args) =>
      new Promise((resolve, reject) => {
        if (ended !== undefined) return reject(ended);
        lastId += 1;
        pending.set(lastId, { resolve: resolve as Pending["resolve"], reject });
        if (outgoing.length === 0) setImmediate(send);
        outgoing.push({ id: lastId, method, args });
      }),
    close() {
      closing ??= (() => {
        if (ended === undefined) {
          send();
          worker.postMessage("close" satisfies ToWorker);
          ended = failure("The store is closed");
        }
        return exited;
      })();
      return closing;
    },
  };
}

/** The compiled thread beside the compiled store; from sources, one that can read TypeScript. */
function workerFor(path: string): Worker {
  const options = { workerData: { path } };
  if (!import.meta.url.endsWith(".ts")) return new Worker(new URL("./worker.js", import.meta.url), options);
  // Node 20 does not apply --import tsx to the first module of a thread, so that module is written here.
  const tsx = import.meta.resolve("tsx/esm/api");
  const url = new URL("./worker.ts", import.meta.url).href;
  const start = `import("${tsx}").then(({ register }) => { register(); return import("${url}"); })`;
  return new Worker(start, { ...options, eval: true, execArgv: [] });
}

function opened(worker: Worker, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (code: "SB0701" | "SB0702", message: string, cause?: unknown) =>
      reject(new SignalboxError(code, `Cannot open the store ${path}: ${message}`, { cause }));
    worker.once("error", (cause) => fail("SB0701", cause.message, cause));
    worker.once("exit", () => fail("SB0701", "its thread has ended"));
    worker.once("message", (message: FromWorker) => {
      if (message.kind === "failed") fail(message.code, message.message);
      else resolve();
    });
  });
}
