/** What the API withstands: tokens that race, tokens on loopback, questions that would never end. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Endpoint } from "../../src/api/endpoint.ts";
import { ENDPOINTS } from "../../src/api/index.ts";
import { createOperations, type OperateDeps } from "../../src/operations/operate.ts";
import type { Operations } from "../../src/operations/operations.ts";
import type { Store } from "../../src/ports/store.ts";
import type { Ask } from "../../src/store/sqlite/database.ts";
import { storeOver } from "../../src/store/sqlite/store.ts";
import { adminListener } from "../../src/web/admin.ts";
import { createMetrics } from "../../src/web/metrics.ts";
import { woundClock } from "../support/clock.ts";
import { type Started, startEngine } from "../support/engine.ts";
import { GITHUB_SECRET, mergedPullRequest, until } from "../support/served.ts";
import { STORES } from "../support/stores.ts";
import { keptOperations } from "../web/support/operations.ts";
import { closed, listening } from "../web/support/senders.ts";

const LOCAL = { who: "local" };

describe.each(STORES)("tokens in the $name store", ({ open }) => {
  let store: Store;
  let remove: () => Promise<void>;
  let tokensMade = 0;
  beforeEach(async () => {
    ({ store, remove } = await open());
  });
  afterEach(() => remove());

  function operationsOver(over: Partial<Store> = {}): Operations {
    const newToken = () => `sbx_number_${++tokensMade}`;
    return createOperations({
      store: { ...store, ...over },
      clock: woundClock(),
      newToken,
    } as Partial<OperateDeps> as OperateDeps);
  }

  test("a token that is revoked at any moment of a request that shows it does not come back", async () => {
    const { token } = await operationsOver().createToken({ name: "ci", scopes: ["read"] }, LOCAL);
    const touchToken: Store["touchToken"] = async (...args) => {
      await store.dropToken("ci");
      await store.touchToken(...args);
    };
    await operationsOver({ touchToken }).authenticate(token);
    expect(await store.tokens()).toEqual([]);
  });

  test("a token that was made anew under the name of one that is in use is not marked as used", async () => {
    const operations = operationsOver();
    const { token } = await operations.createToken({ name: "ci", scopes: ["read"] }, LOCAL);
    const touchToken: Store["touchToken"] = async (...args) => {
      await operations.revokeToken("ci", LOCAL);
      await operations.createToken({ name: "ci", scopes: ["admin"] }, LOCAL);
      await store.touchToken(...args);
    };
    await operationsOver({ touchToken }).authenticate(token);
    const tokens = await operations.tokens();
    expect(tokens).toMatchObject([{ name: "ci", scopes: ["admin"] }]);
    expect(tokens[0]).not.toHaveProperty("usedAtMs");
  });

  test("of two who create a token of one name at the same time one is refused, and the other's token works", async () => {
    const operations = operationsOver();
    const create = () => operations.createToken({ name: "ci", scopes: ["read"] }, LOCAL);
    const [one, other] = await Promise.allSettled([create(), create()]);
    expect([one.status, other.status].sort()).toEqual(["fulfilled", "rejected"]);
    const made = one.status === "fulfilled" ? one : (other as PromiseFulfilledResult<{ token: string }>);
    expect(await operations.authenticate(made.value.token)).toMatchObject({ name: "ci" });
  });

  test("a hundred requests with one token write its use once", async () => {
    let writes = 0;
    const touchToken: Store["touchToken"] = async (...args) => {
      writes += 1;
      await store.touchToken(...args);
    };
    const operations = operationsOver({ touchToken });
    const { token } = await operations.createToken({ name: "ci", scopes: ["read"] }, LOCAL);
    await Promise.all(Array.from({ length: 100 }, () => operations.authenticate(token)));
    expect(writes).toBe(1);
  });

  test("a token still opens the API when its use cannot be written down", async () => {
    const operations = operationsOver({ touchToken: () => Promise.reject(new Error("database or disk is full")) });
    const { token } = await operations.createToken({ name: "ci", scopes: ["read"] }, LOCAL);
    expect(await operations.authenticate(token)).toMatchObject({ name: "ci" });
  });
});

describe("on loopback, where nobody has to show a token", () => {
  let started: Started;
  beforeAll(async () => {
    started = await startEngine({ "signalbox.yaml": "server: { port: 0, admin: { port: 0 } }\nstore: memory\n" }, {});
  });
  afterAll(() => started.stop());

  const create = async (name: string, scopes: string[]) => {
    const made = await started.api<{ token: string }>("/api/v1/tokens", { name, scopes });
    return { authorization: `Bearer ${made.body.token}` };
  };

  test.each(["Bearer sbx_made_up", "Bearer", "Basic dTpw", "nonsense"])(
    "`Authorization: %s` is refused",
    async (authorization) => {
      expect((await started.api("/api/v1/events", undefined, { authorization })).status).toBe(401);
    },
  );

  test("a token with the scope read reads, and neither reloads nor creates tokens", async () => {
    const headers = await create("reader", ["read"]);
    expect((await started.api("/api/v1/events", undefined, headers)).status).toBe(200);
    expect((await started.api("/api/v1/policy/reload", {}, headers)).status).toBe(403);
    expect((await started.api("/api/v1/tokens", { name: "more", scopes: ["admin"] }, headers)).status).toBe(403);
  });

  test("the audit log names the token that was shown, and `local` when none was", async () => {
    const headers = await create("deployer", ["admin"]);
    await started.api("/api/v1/tokens", { name: "made-by-token", scopes: ["read"] }, headers);
    const { body } = await started.api<{ items: { who: string; target: string }[] }>("/api/v1/audit");
    const whoMade = (name: string) => body.items.find(({ target }) => target === name)?.who;
    expect(whoMade("made-by-token")).toBe("deployer");
    expect(whoMade("deployer")).toBe("local");
  });
});

describe("a question that would walk the whole log", () => {
  /** A store without an end in which nothing matches, and how often it was looked at. */
  function endlessStore(looked: (times: number) => void = () => {}) {
    let times = 0;
    const ask = async () => {
      looked(++times);
      return { rows: [], floor: 10 ** 12 - times };
    };
    return { store: storeOver(ask as unknown as Ask, async () => {}), times: () => times };
  }
  const QUESTIONS: [
    string,
    (store: Store, page: { limit: number; signal?: AbortSignal }) => Promise<{ items: unknown[]; cursor?: string }>,
  ][] = [
    ["events", (store, page) => store.events({ type: "rare" }, page)],
    ["deliveries", (store, page) => store.deliveries({ action: "rare.post" }, page)],
    ["instances", (store, page) => store.instanceList({ machine: "rare" }, page)],
  ];

  test.each(QUESTIONS)(
    "for %s ends after a bounded number of windows, with a cursor to go on from",
    async (_name, ask) => {
      const { store, times } = endlessStore();
      const page = await ask(store, { limit: 50 });
      expect(page).toEqual({ items: [], cursor: String(10 ** 12 - times()) });
      expect(times()).toBeLessThanOrEqual(50);
    },
  );

  test.each(QUESTIONS)("for %s ends when its client has left", async (_name, ask) => {
    const leaving = new AbortController();
    const { store, times } = endlessStore((count) => {
      if (count === 2) leaving.abort();
    });
    await ask(store, { limit: 50, signal: leaving.signal });
    expect(times()).toBe(2);
  });

  test("learns from the listener that its client has left", async () => {
    const operations = keptOperations();
    let left = false;
    let isAsked = false;
    operations.events = (_filter, { signal }) => {
      isAsked = true;
      return new Promise((resolve) => {
        signal?.addEventListener("abort", () => {
          left = true;
          resolve({ items: [] });
        });
      });
    };
    const log = { debug() {}, info() {}, warn() {}, error() {} };
    const shared = { metrics: createMetrics(), apiVersion: "1.0.0", requestId: () => "req", log };
    const server = adminListener({ operations, auth: { mode: "loopback" }, ...shared });
    const port = await listening(server);
    const client = new AbortController();
    const asked = fetch(`http://127.0.0.1:${port}/api/v1/events`, { signal: client.signal }).catch(() => "gone");
    await until("the question arrives", () => isAsked);
    client.abort();
    expect(await asked).toBe("gone");
    await until("the question is told", () => left);
    await closed(server);
  });
});

describe("whatever is asked, the answer is an answer or 400, never a fault", () => {
  const VALUES = [
    ...[
      "",
      "0",
      "-1",
      "1.5",
      "1e3",
      "0x10",
      "201",
      "00000000000000000001",
      "NaN",
      "Infinity",
      "null",
      "undefined",
      "[]",
      "{}",
    ],
    ...[
      "9999999999999999",
      "999999999999999",
      "99999999999999999999999",
      "-9007199254740993",
      "1.2.3",
      "1.",
      ".1",
      "1.-1",
    ],
    ...[
      "999999999999999.999999999999999",
      "0.0",
      "'; drop table events; --",
      "%",
      "*",
      "**",
      "\u0000",
      "\ufffd",
      "\ud800",
      "é".repeat(500),
    ],
    ...[
      "x".repeat(1_001),
      "2026-13-45T99:99:99Z",
      "0000-01-01T00:00:00Z",
      "9999-12-31T23:59:59.999999999999Z",
      "+275760-09-13T00:00:00Z",
    ],
    ...["decided", "__proto__", "constructor", "../..", "a/b", "a\\b", "\n", "true"],
  ];
  let started: Started;
  let eventId: string;
  beforeAll(async () => {
    const yaml =
      "server: { host: 127.0.0.1, port: 0, admin: { port: 0 } }\nsources: { github: { provider: github, secret: env:GITHUB } }\n";
    started = await startEngine({ "signalbox.yaml": yaml }, { GITHUB: GITHUB_SECRET });
    const { body } = await started.post("github", mergedPullRequest(1));
    eventId = String(body.eventId);
  });
  afterAll(() => started.stop());

  const asked = Object.values<Endpoint>(ENDPOINTS).filter(
    ({ method, produces }) => method === "GET" && produces === undefined,
  );
  const queries = asked.flatMap(({ path, query }) =>
    Object.keys(query?.properties ?? {}).map((name) => [path, name] as const),
  );
  const targetOf = (path: string) => path.replace("{id}", eventId).replace(/\{\w+\}/g, "x");
  const statusOf = async (path: string) => (await started.api(path)).status;

  test.each(queries)("%s?%s=…", async (path, name) => {
    for (const value of VALUES) {
      const once = `${name}=${encodeURIComponent(value.replace(/[\ud800-\udfff]/g, "?"))}`;
      for (const search of [once, `${once}&${once}`, `${name}[]=1`, `${name}=%ff`]) {
        expect(await statusOf(`${targetOf(path)}?${search}`), search).toBeOneOf([200, 400, 404, 409]);
      }
    }
  });

  test.each(asked.filter(({ path }) => path.includes("{")).map(({ path }) => [path]))(
    "%s with any name",
    async (path) => {
      for (const value of VALUES.filter((one) => one !== "")) {
        const name = encodeURIComponent(value.replace(/[\ud800-\udfff]/g, "?"));
        expect(await statusOf(path.replace(/\{\w+\}/g, () => name)), name).toBeOneOf([200, 400, 404, 409]);
      }
      expect(await statusOf(path.replace(/\{\w+\}/g, "%zz"))).toBe(400);
    },
  );

  test.each(["limit", "cursor"])("a %s that is none is 400 and says which", async (name) => {
    for (const value of ["0", "-1", "1.5", "x", "9999999999999999"]) {
      const { status, body } = await started.api(`/api/v1/events?${name}=${value}`);
      if (name === "cursor" && value === "0") continue;
      expect(status, value).toBe(400);
      expect(JSON.stringify(body.problems)).toContain(name);
    }
  });

  test("a cursor from beyond the end shows what is newest", async () => {
    const { body } = await started.api<{ items: unknown[] }>("/api/v1/events?cursor=999999999999999");
    expect(body.items.length).toBeGreaterThan(0);
    const deliveries = await started.api("/api/v1/deliveries?cursor=999999999999999");
    expect(deliveries.body).toEqual({ items: [] });
  });

  const deep = (levels: number) => `${'{"a":'.repeat(levels)}1${"}".repeat(levels)}`;
  test.each(
    Object.values<Endpoint>(ENDPOINTS)
      .filter(({ body }) => body !== undefined)
      .map(({ method, path }) => [method, path]),
  )("%s %s with any body", async (_method, path) => {
    const bodies = [
      "",
      "null",
      "1",
      '"x"',
      "[]",
      "{}",
      "{",
      '{"__proto__":{}}',
      deep(100),
      deep(100_000),
      "[".repeat(500_000),
    ];
    for (const body of [
      ...bodies,
      `{"event":${deep(100_000)}}`,
      `{"definition":${deep(20_000)},"data":${deep(20_000)}}`,
    ]) {
      const response = await fetch(`${started.adminUrl}${targetOf(path)}`, {
        ...{ method: "POST", body, headers: { "content-type": "application/json" } },
      });
      expect(response.status, body.slice(0, 40)).toBeOneOf([200, 201, 202, 400, 404, 409, 413]);
    }
  });
});
