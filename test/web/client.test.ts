/** The client that is read from the table: over HTTP and without a socket it gives the same, and pages lead to pages. */
import type { Server } from "node:http";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ApiClient } from "../../src/api/client.ts";
import type { API_ENDPOINTS } from "../../src/api/index.ts";
import { httpClient } from "../../src/cli/http-client.ts";
import { deliveryView, eventView } from "../../src/operations/views.ts";
import { API_VERSION } from "../../src/package.ts";
import { memoryStore } from "../../src/store/memory.ts";
import { adminListener } from "../../src/web/admin.ts";
import { localClient } from "../../src/web/api/index.ts";
import { createMetrics } from "../../src/web/metrics.ts";
import { createWorld } from "../support/world.ts";
import { eventOf, INSTANCE, type KeptOperations, keptOperations } from "./support/operations.ts";
import { closed, listening } from "./support/senders.ts";

const id = "evt_1";
const { machine, key } = INSTANCE;

/** The compiler wants a call for each endpoint. */
const CALLS: { [Id in keyof typeof API_ENDPOINTS]: (api: ApiClient) => Promise<unknown> } = {
  getStatus: (api) => api.getStatus(),
  getPolicy: (api) => api.getPolicy(),
  listAudit: (api) => api.listAudit({ query: { limit: 1 } }),
  reloadPolicy: (api) => api.reloadPolicy(),
  listTokens: (api) => api.listTokens(),
  createToken: (api) => api.createToken({ body: { name: "new", scopes: ["read"] } }),
  revokeToken: (api) => api.revokeToken({ params: { name: "bob" } }),
  getOpenApi: (api) => api.getOpenApi(),
  listEvents: (api) => api.listEvents({ query: { limit: 2, type: "github.push", since: "2026-01-05T00:00:00Z" } }),
  getEvent: (api) => api.getEvent({ params: { id } }),
  explainEvent: (api) => api.explainEvent({ params: { id }, query: { at: "decided" } }),
  redeliverEvent: (api) => api.redeliverEvent({ params: { id } }),
  decide: (api) => api.decide({ body: { event: eventOf(1) } }),
  listRefusals: (api) => api.listRefusals(),
  listDeliveries: (api) => api.listDeliveries({ query: { status: "dead" } }),
  getDelivery: (api) => api.getDelivery({ params: { id: "dlv_1" } }),
  retryDelivery: (api) => api.retryDelivery({ params: { id: "dlv_1" } }),
  listInstances: (api) => api.listInstances({ query: { machine } }),
  getInstance: (api) => api.getInstance({ params: { machine, key } }),
  signalInstance: (api) =>
    api.signalInstance({ params: { machine, key }, body: { event: "PUSH", data: { a: [1, null] }, reason: "stuck" } }),
  listTimers: (api) => api.listTimers({ query: { limit: 5 } }),
  fireTimer: (api) => api.fireTimer({ params: { machine, key, timer: "after 30m" }, body: { reason: "now" } }),
  cancelTimer: (api) => api.cancelTimer({ params: { machine, key, timer: "after 30m" }, body: { reason: "never" } }),
  listSchedules: (api) => api.listSchedules(),
  planMigration: (api) => api.planMigration({ params: { machine: "ticket" }, body: { definition: { id: "ticket" } } }),
  migrateInstances: (api) =>
    api.migrateInstances({ params: { machine: "ticket" }, body: { cursor: "1767603600000.7" } }),
};

const REFUSED: { name: string; code: string; call: (api: ApiClient) => Promise<unknown> }[] = [
  { name: "an event that does not exist", code: "SB0905", call: (api) => api.getEvent({ params: { id: "nope" } }) },
  { name: "a cursor of no page", code: "SB0907", call: (api) => api.listEvents({ query: { cursor: "x" } }) },
  { name: "a limit over the highest", code: "SB0907", call: (api) => api.listAudit({ query: { limit: 201 } }) },
  { name: "a delivery that is done", code: "SB0906", call: (api) => api.retryDelivery({ params: { id: "dlv_2" } }) },
];

let server: Server;

async function clients(operations: KeptOperations): Promise<{ local: ApiClient; remote: ApiClient }> {
  const quiet = () => {};
  server = adminListener({
    operations,
    auth: { mode: "loopback" },
    metrics: createMetrics(),
    apiVersion: API_VERSION,
    requestId: () => "req-1",
    log: { debug: quiet, info: quiet, warn: quiet, error: quiet },
  });
  const url = `http://127.0.0.1:${await listening(server)}/`;
  return { local: localClient(operations, API_VERSION), remote: httpClient({ url, timeoutMs: 10_000 }) };
}

afterEach(() => closed(server));

describe("over HTTP and without a socket", () => {
  /** What a client gives and what it left in the audit log, over rows of its own. */
  async function outcome(kind: "local" | "remote", call: (api: ApiClient) => Promise<unknown>) {
    const operations = keptOperations();
    await operations.createToken({ name: "bob", scopes: ["read"] }, { who: "test" });
    const { [kind]: api } = await clients(operations);
    const result = await call(api).catch(({ code, message, problems }) => ({ code, message, problems }));
    if (kind === "local") return { result, audit: operations.audit };
    await closed(server);
    return { result, audit: operations.audit };
  }

  test.each(Object.entries(CALLS))("%s gives the same", async (_id, call) => {
    const remote = await outcome("remote", call);
    expect(await outcome("local", call)).toEqual(remote);
    expect(remote.result ?? {}).not.toHaveProperty("code");
  });

  test.each(REFUSED)("$name is refused alike", async ({ code, call }) => {
    const remote = await outcome("remote", call);
    expect(remote.result).toMatchObject({ code });
    expect(await outcome("local", call)).toEqual(remote);
  });
});

describe("the pages of a store", () => {
  let api: ApiClient;

  beforeEach(async () => {
    const store = memoryStore();
    const files = {
      "rules/a.yaml": [
        "- id: count",
        "  event: in.ping",
        '  send: { machine: counter, key: "{{event.delivery}}", event: PING }',
        "  do: [{ out.post: { text: hello } }]",
      ].join("\n"),
      "statemachines/counter.yaml": "id: counter\ninitial: idle\nstates: { idle: { on: { PING: idle } } }\n",
    };
    const world = createWorld({ store, files });
    for (const number of [1, 2, 3, 4, 5]) {
      await world.send({ type: "in.ping", id: `p${number}`, data: {} });
      await world.settle();
    }
    const operations = keptOperations();
    operations.events = async (filter, page) => {
      const { items, ...rest } = await store.events(filter, page);
      return { ...rest, items: items.map(eventView) };
    };
    operations.deliveries = async (filter, page) => {
      const { items, ...rest } = await store.deliveries(filter, page);
      return { ...rest, items: items.map(deliveryView) };
    };
    operations.instances = (filter, page) => store.instanceList(filter, page);
    api = (await clients(operations)).remote;
  });

  async function readAll<T>(
    page: (query: { limit: number; cursor?: string }) => Promise<{ items: T[]; cursor?: string }>,
  ) {
    const all: T[] = [];
    for (let query: { limit: number; cursor?: string } | undefined = { limit: 2 }; query; ) {
      const { items, cursor }: { items: T[]; cursor?: string } = await page(query);
      all.push(...items);
      query = cursor === undefined ? undefined : { limit: 2, cursor };
    }
    return all;
  }

  test("are followed by the cursors that they give", async () => {
    const events = await readAll((query) => api.listEvents({ query: { type: "in.ping", ...query } }));
    expect(events.map(({ event }) => event.delivery)).toEqual(["p5", "p4", "p3", "p2", "p1"]);
    const deliveries = await readAll((query) => api.listDeliveries({ query }));
    expect(new Set(deliveries.map((delivery) => delivery.id)).size).toBe(5);
    const instances = await readAll((query) => api.listInstances({ query }));
    expect(instances.map((instance) => instance.key).sort()).toEqual(["p1", "p2", "p3", "p4", "p5"]);
  });
});
