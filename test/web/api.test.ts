import { request as httpRequest, type Server } from "node:http";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ENDPOINTS } from "../../src/api/index.ts";
import { SignalboxError } from "../../src/errors.ts";
import type { Event } from "../../src/model.ts";
import { adminListener, assertAdminExposure } from "../../src/web/admin.ts";
import { createMetrics } from "../../src/web/metrics.ts";
import { openApiDocument } from "../../src/web/openapi.ts";
import { DELIVERY, eventOf, INSTANCE, type KeptOperations, keptOperations } from "./support/operations.ts";
import { type ApiRequest, EVERY, KEY, MACHINE } from "./support/requests.ts";
import { closed, listening } from "./support/senders.ts";

const VERSION = "1.0.0";
const document = openApiDocument(VERSION);
const ajv = new Ajv2020({ strict: false });
ajv.addSchema({ $id: "api", ...document });

let operations: KeptOperations;
let server: Server;
let port: number;
let lines: { level: string; message: string; fields: Record<string, unknown> }[];

async function start(mode: "loopback" | "token"): Promise<void> {
  operations = keptOperations();
  lines = [];
  let count = 0;
  const at = (level: string) => (message: string, fields?: object) =>
    void lines.push({ level, message, fields: { ...fields } });
  server = adminListener({
    operations,
    auth: { mode },
    metrics: createMetrics(),
    apiVersion: VERSION,
    requestId: () => `req-${++count}`,
    log: { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") },
  });
  port = await listening(server);
}

beforeEach(() => start("loopback"));
afterEach(() => closed(server));

/** Restarts with authentication, and answers a token for each set of scopes. */
async function withTokens(): Promise<(...scopes: string[]) => Promise<{ authorization: string }>> {
  await closed(server);
  await start("token");
  return async (...scopes) => {
    const name = scopes.join("-").replaceAll(":", "-");
    const { token } = await operations.createToken({ name, scopes }, { who: "test" });
    return { authorization: `Bearer ${token}` };
  };
}

interface Answer {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: what the tests look at is validated against the document before.
  body: any;
}

/** Every answer is checked against the OpenAPI document before a test sees it. */
async function ask({ method = "GET", path, body, headers = {} }: ApiRequest): Promise<Answer> {
  const payload = body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) };
  const type: Record<string, string> = body === undefined ? {} : { "content-type": "application/json" };
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    method,
    headers: { ...type, ...headers },
    ...payload,
  });
  const text = await response.text();
  const kind = response.headers.get("content-type")?.split(";")[0] ?? "";
  const answer = {
    status: response.status,
    headers: response.headers,
    body: /json$/.test(kind) ? JSON.parse(text) : text,
  };
  fitsDocument(method, path, kind, answer);
  return answer;
}

function fitsDocument(method: string, path: string, kind: string, { status, body, headers }: Answer): void {
  expect(headers.get("x-api-uuid")).toMatch(/^req-\d+$/);
  expect(headers.get("x-api-version")).toBe(VERSION);
  expect(headers.get("x-powered-by")).toBe(null);
  expect(headers.get("x-content-type-options")).toBe("nosniff");
  expect(headers.get("content-security-policy")).toBe("default-src 'none'; frame-ancestors 'none'");
  if (path.startsWith("/api")) expect(headers.get("cache-control")).toBe("no-store");
  const known = documented(method, path);
  const pointer = known?.responses[status] ? `${known.pointer}/responses/${status}` : "/components/responses/Problem";
  if (status >= 400 && status !== 503) expect(kind).toBe("application/problem+json");
  if (status === 204) {
    expect(body).toBe("");
    return;
  }
  const schema = `api#${pointer}/content/${kind.replaceAll("/", "~1")}/schema`;
  const validate = ajv.compile({ $ref: schema });
  if (!validate(body))
    throw new Error(`${method} ${path}: ${JSON.stringify(validate.errors)} in ${JSON.stringify(body)}`);
}

const matches = (pattern: string, path: string) =>
  new RegExp(`^${pattern.replace(/\{\w+\}/g, "[^/]+")}$`).test(path.split("?")[0] ?? "");

function documented(method: string, path: string) {
  for (const [pattern, methods] of Object.entries(
    document.paths as Record<string, Record<string, { responses: object }>>,
  )) {
    const operation = methods[method.toLowerCase()];
    if (!operation || !matches(pattern, path)) continue;
    const pointer = `/paths/${pattern.replaceAll("/", "~1").replaceAll("{", "%7B").replaceAll("}", "%7D")}/${method.toLowerCase()}`;
    return { pointer, responses: operation.responses as Record<number, unknown> };
  }
  return undefined;
}

/** Headers that fetch does not let one choose. */
async function rawAsk(method: string, path: string, headers: Record<string, string>): Promise<number> {
  return await new Promise((resolve, reject) => {
    const request = httpRequest({ port, host: "127.0.0.1", method, path, headers }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    request.on("error", reject);
    request.end();
  });
}

describe("every endpoint", () => {
  test("is asked below", () => {
    const asked = EVERY.map(({ method = "GET", path }) => documented(method, path)?.pointer);
    expect(new Set(asked).size).toBe(Object.keys(ENDPOINTS).length);
  });

  test.each(EVERY)("$method $path answers $status as documented", async ({ status, ...asked }) => {
    await operations.createToken({ name: "bob", scopes: ["read"] }, { who: "test" });
    const answer = await ask(asked);
    expect(answer.status).toBe(status);
  });

  test.each(EVERY)("$method $path without a token is 401 unless it is open", async ({ status, ...asked }) => {
    await withTokens();
    const answer = await ask(asked);
    const isOpen = ["/healthz", "/readyz", "/api/v1/openapi.json"].includes(asked.path);
    expect(answer.status).toBe(isOpen ? status : 401);
    if (isOpen) return;
    expect(answer.headers.get("www-authenticate")).toBe('Bearer realm="signalbox"');
    expect(answer.body.code).toBe("SB0903");
    expect(operations.audit).toEqual([]);
  });

  test.each(EVERY)("$method $path knows no other method", async ({ path }) => {
    const patterns = Object.keys(document.paths as object).filter((pattern) => matches(pattern, path));
    const allowed = new Set(
      Object.values(ENDPOINTS)
        .filter((one) => patterns.includes(one.path))
        .map((one) => one.method as string),
    );
    for (const method of ["PUT", "PATCH", "OPTIONS", "DELETE", "POST"].filter((one) => !allowed.has(one))) {
      const answer = await ask({ method, path });
      expect([method, answer.status]).toEqual([method, 405]);
      expect(answer.body.code).toBe("SB0911");
      expect(
        answer.headers
          .get("allow")
          ?.split(", ")
          .filter((one) => one !== "HEAD")
          .sort(),
      ).toEqual([...allowed].sort());
    }
  });
});

describe("events", () => {
  test("come filtered and in pages, every filter passed on, moments as milliseconds", async () => {
    const since = "2026-01-05T10:00:00+01:00";
    const filter = "type=github.*&source=s&repo=a%2Fb&subject=c%231&rule=r&outcome=near-miss";
    await ask({
      path: `/api/v1/events?${filter}&since=${encodeURIComponent(since)}&until=2026-01-06T00:00:00Z&limit=200&cursor=412`,
    });
    expect(operations.asked.events).toEqual({
      filter: {
        ...{ type: "github.*", source: "s", repo: "a/b", subject: "c#1", rule: "r", outcome: "near-miss" },
        ...{ sinceMs: Date.UTC(2026, 0, 5, 9), untilMs: Date.UTC(2026, 0, 6) },
      },
      page: { limit: 200, cursor: "412" },
    });
  });

  test("can be read page by page without a loss", async () => {
    const ids: string[] = [];
    let cursor: string | undefined;
    do {
      const { body } = await ask({ path: `/api/v1/events?limit=3${cursor ? `&cursor=${cursor}` : ""}` });
      ids.push(...body.items.map(({ event }: { event: Event }) => event.id));
      cursor = body.cursor;
    } while (cursor);
    expect(ids).toEqual([6, 5, 4, 3, 2, 1, 0].map((index) => `evt_${index}`));
  });

  test("are explained as of a policy, when one is named", async () => {
    await ask({ path: "/api/v1/events/evt_1/explain" });
    expect(operations.asked.explain).toEqual({ id: "evt_1", at: undefined });
    await ask({ path: "/api/v1/events/evt_1/explain?at=decided" });
    expect(operations.asked.explain).toEqual({ id: "evt_1", at: "decided" });
  });

  test.each(["at=", "att=decided", "at=a&at=b"])("are not explained with ?%s", async (query) => {
    const { status, body } = await ask({ path: `/api/v1/events/evt_1/explain?${query}` });
    expect([status, body.code]).toEqual([400, "SB0907"]);
  });

  test("without a limit come fifty at most", async () => {
    await ask({ path: "/api/v1/events" });
    expect(operations.asked.events).toEqual({ filter: {}, page: { limit: 50 } });
  });

  test.each([
    "limit=0",
    "limit=201",
    "limit=ten",
    "limit=1.5",
    "limit=1&limit=2",
    "outcome=fine",
    "since=yesterday",
    "since=2026-13-45T99:99:99Z",
    "sinse=2026-01-05T09:00:00Z",
    "type=",
  ])("?%s is refused and says why", async (query) => {
    const { status, body } = await ask({ path: `/api/v1/events?${query}` });
    expect([status, body.code]).toEqual([400, "SB0907"]);
    expect(body.detail.toLowerCase()).toContain(query.split("=")[0]);
    expect(operations.asked.events).toBeUndefined();
  });

  test("an endpoint without parameters takes none", async () => {
    expect((await ask({ path: "/api/v1/status?verbose=1" })).status).toBe(400);
  });

  test("that do not exist are 404", async () => {
    for (const path of ["/api/v1/events/nope", "/api/v1/events/nope/explain", "/api/v1/deliveries/nope"]) {
      const { status, body } = await ask({ path });
      expect([path, status, body.code]).toEqual([path, 404, "SB0905"]);
      expect(body.detail).toContain('"nope"');
    }
  });
});

describe("deliveries and instances", () => {
  test("filters are passed on", async () => {
    await ask({ path: "/api/v1/deliveries?status=dead&event=e&action=jira.transition&limit=1" });
    expect(operations.asked.deliveries).toEqual({
      filter: { status: "dead", event: "e", action: "jira.transition" },
      page: { limit: 1 },
    });
    await ask({ path: "/api/v1/instances?machine=m&status=active&key=k%2F1&cursor=1767603600000.7" });
    expect(operations.asked.instances).toEqual({
      filter: { machine: "m", status: "active", key: "k/1" },
      page: { limit: 50, cursor: "1767603600000.7" },
    });
  });

  test("a delivery that is done cannot be retried", async () => {
    const { status, body } = await ask({ method: "POST", path: "/api/v1/deliveries/dlv_2/retry" });
    expect([status, body.code, body.detail]).toEqual([409, "SB0906", 'Delivery "dlv_2" is done, not dead']);
  });

  test("a key with / # ? % in it finds its instance, and a signal reaches it with data and reason", async () => {
    const path = `/api/v1/instances/${MACHINE}/${KEY}`;
    expect((await ask({ path })).body.instance.key).toBe(INSTANCE.key);
    const signal = { event: "PUSH", data: { deep: [1, null] }, reason: "stuck" };
    await ask({ method: "POST", path: `${path}/signal`, body: signal });
    expect(operations.audit).toEqual([
      { who: "local", what: "signal", target: `${INSTANCE.machine} ${INSTANCE.key}`, detail: signal },
    ]);
  });

  test("a path that cannot be decoded is 400, not a fault", async () => {
    const { status, body } = await ask({ path: "/api/v1/instances/m/%E0%A4%A" });
    expect([status, body.code]).toEqual([400, "SB0907"]);
  });
});

describe("what no page and no log can have named", () => {
  const CURSORS = ["", "abc", "1.5.2", "-1", "1e3", "0x1", "1".repeat(16), "%00", " 1", "1&cursor=2"];
  const lists = [
    ...["events", "deliveries"].map((list) => ({ list, cursors: [...CURSORS, "1.2"] })),
    { list: "instances", cursors: [...CURSORS, "12"] },
  ];
  const queries = lists.flatMap(({ list, cursors }) =>
    cursors.map((cursor) => ({ query: `${list}?cursor=${cursor}`, place: "query/cursor" })),
  );
  const texts = [
    { query: "events?type=a%00b", place: "query/type" },
    { query: "deliveries?action=%00", place: "query/action" },
    { query: `instances?key=${"k".repeat(1_001)}`, place: "query/key" },
    { query: "refusals?limit=1e1", place: "query/limit" },
    { query: "audit?limit=-1", place: "query/limit" },
    { query: "events?since=2026-02-30", place: "query/since" },
    { query: "events?until=2026-01-05T99:00:00Z", place: "query/until" },
    { query: "events/%00", place: "params/id" },
    { query: "instances/m/a%00b", place: "params/key" },
  ];

  test.each([...queries, ...texts])("$query is refused at $place", async ({ query, place }) => {
    const { status, body } = await ask({ path: `/api/v1/${query}` });
    expect([status, body.code]).toEqual([400, "SB0907"]);
    const places = body.problems.map(({ code, path }: { code: string; path: string[] }) => [code, path.join("/")]);
    expect(places).toContainEqual([expect.stringMatching(/^SB\d{4}$/), place]);
    expect(operations.asked).toEqual({});
  });

  test.each(["-1.2", "x", "5"])("a body with the cursor %j is refused", async (cursor) => {
    for (const path of ["/api/v1/machines/ticket/migrations", "/api/v1/machines/ticket/migrations/plan"]) {
      const { status, body } = await ask({ method: "POST", path, body: { cursor } });
      expect([status, body.problems[0].path]).toEqual([400, ["body", "cursor"]]);
    }
  });
});

describe("a body", () => {
  const path = "/api/v1/tokens";
  const post = (body: unknown, headers: Record<string, string> = {}) => ask({ method: "POST", path, body, headers });

  test("keeps the digits that JavaScript cannot hold", async () => {
    const body = '{"event":"GO","data":{"id":9007199254740993},"reason":"stuck"}';
    const signal = `/api/v1/instances/${MACHINE}/${KEY}/signal`;
    expect((await ask({ method: "POST", path: signal, body })).status).toBe(202);
    expect(operations.audit.at(-1)?.detail).toMatchObject({ data: { id: "9007199254740993" } });
  });

  test.each<[string, unknown, Record<string, string>, number, string]>([
    ["that is not JSON", "{", {}, 400, "SB0907"],
    ["that is missing", undefined, {}, 400, "SB0907"],
    ["that is a form", "name=a", { "content-type": "application/x-www-form-urlencoded" }, 415, "SB0912"],
    ["of no type", "{}", { "content-type": "" }, 415, "SB0912"],
    ["in a strange charset", "{}", { "content-type": "application/json; charset=x" }, 415, "SB0912"],
    ["that is compressed", "{}", { "content-encoding": "gzip" }, 415, "SB0912"],
    ["over 1 MiB", { name: "x".repeat(1024 * 1024) }, {}, 413, "SB0913"],
    ["with an unknown key", { name: "a", scopes: ["read"], scope: "x" }, {}, 400, "SB0907"],
    ["without a required key", { name: "a" }, {}, 400, "SB0907"],
    ["with an unknown scope", { name: "a", scopes: ["root"] }, {}, 400, "SB0907"],
    ["with no scope at all", { name: "a", scopes: [] }, {}, 400, "SB0907"],
    ["with a name that is none", { name: "../a", scopes: ["read"] }, {}, 400, "SB0907"],
    ["that is a list", [], {}, 400, "SB0907"],
  ])("%s is refused", async (_name, body, headers, status, code) => {
    const answer = await post(body, headers);
    expect([answer.status, answer.body.code]).toEqual([status, code]);
    expect(operations.audit).toEqual([]);
  });

  test("that is wrong in several places says all of them and where", async () => {
    const { body } = await post({ name: 5, scopes: ["root"] });
    const places = body.problems.map((one: { path: unknown[] }) => one.path.slice(0, 2).join("/"));
    expect(places).toEqual(expect.arrayContaining(["body/name", "body/scopes"]));
  });

  test("of an event to decide must have the event's form", async () => {
    const { id: _, ...headless } = eventOf(1);
    const { status } = await ask({ method: "POST", path: "/api/v1/decide", body: { event: headless } });
    expect(status).toBe(400);
  });
});

describe("tokens", () => {
  test("are shown once, and never their hash", async () => {
    const created = await ask({ method: "POST", path: "/api/v1/tokens", body: { name: "alice", scopes: ["operate"] } });
    expect(created.body.token).toMatch(/^sbx_/);
    const { body } = await ask({ path: "/api/v1/tokens" });
    expect(body.items).toHaveLength(1);
    expect(JSON.stringify(body)).not.toContain(operations.tokenRows[0]!.hash);
    expect((await ask({ method: "DELETE", path: "/api/v1/tokens/alice" })).status).toBe(204);
    expect((await ask({ method: "DELETE", path: "/api/v1/tokens/alice" })).status).toBe(404);
  });

  test.each([
    ["unknown", "Bearer sbx_unknown", 'Bearer realm="signalbox", error="invalid_token"'],
    ["of another scheme", "Basic YTpi", 'Bearer realm="signalbox"'],
    ["empty", "Bearer ", 'Bearer realm="signalbox"'],
  ])("%s: 401", async (_name, authorization, challenge) => {
    await withTokens();
    const { status, headers } = await ask({ path: "/api/v1/status", headers: { authorization } });
    expect([status, headers.get("www-authenticate")]).toEqual([401, challenge]);
  });

  test("revoked: 401", async () => {
    const token = await withTokens();
    const headers = await token("read");
    expect((await ask({ path: "/api/v1/status", headers })).status).toBe(200);
    await operations.revokeToken("read", { who: "test" });
    expect((await ask({ path: "/api/v1/status", headers })).status).toBe(401);
  });

  test.each<[string[], { read: number; operate: number; admin: number }]>([
    [["read"], { read: 200, operate: 403, admin: 403 }],
    [["payload:read"], { read: 200, operate: 403, admin: 403 }],
    [["operate"], { read: 200, operate: 202, admin: 403 }],
    [["admin"], { read: 200, operate: 202, admin: 200 }],
    [["something"], { read: 403, operate: 403, admin: 403 }],
  ])("with %j may do just that", async (scopes, expected) => {
    const token = await withTokens();
    const headers = await token(...scopes);
    const read = await ask({ path: "/api/v1/events", headers });
    const operate = await ask({ method: "POST", path: "/api/v1/events/evt_1/redeliver", headers });
    const admin = await ask({ path: "/api/v1/tokens", headers });
    expect({ read: read.status, operate: operate.status, admin: admin.status }).toEqual(expected);
    if (operate.status === 403) {
      expect(operate.body.detail).toContain('"operate"');
      expect(operate.headers.get("www-authenticate")).toContain('error="insufficient_scope", scope="operate"');
    }
  });

  test("name who did it in the audit and in the log", async () => {
    const token = await withTokens();
    await ask({ method: "POST", path: "/api/v1/events/evt_1/redeliver", headers: await token("operate") });
    expect(operations.audit.at(-1)).toEqual({ who: "operate", what: "redeliver", target: "evt_1" });
    expect(lines.at(-1)?.fields).toMatchObject({ who: "operate", method: "POST", status: 202 });
  });
});

describe("payloads", () => {
  const paths = EVERY.filter(({ path, status }) => /events|deliveries|instances|refusals/.test(path) && status < 300);
  const reads = paths.filter(({ path }) => !path.endsWith("redeliver") && !path.endsWith("signal"));

  test.each(reads)("$method $path shows them only with payload:read", async ({ status, ...asked }) => {
    const token = await withTokens();
    const blind = await ask({ ...asked, headers: await token("read", "operate") });
    expect(blind.status).toBe(status);
    expect(JSON.stringify(blind.body)).not.toContain("HUSH");
    const seeing = await ask({ ...asked, headers: await token("payload:read", "operate") });
    expect(JSON.stringify(seeing.body)).toContain("HUSH");
  });

  test("are replaced visibly, and the envelope stays", async () => {
    const token = await withTokens();
    const headers = await token("read");
    const event = await ask({ path: "/api/v1/events/evt_1", headers });
    expect(event.body.event).toEqual({ ...eventOf(1), data: { redacted: true } });
    const instance = await ask({ path: `/api/v1/instances/${MACHINE}/${KEY}`, headers });
    expect(instance.body.instance).toMatchObject({ context: { redacted: true }, state: INSTANCE.state });
    const delivery = await ask({ path: "/api/v1/deliveries/dlv_1", headers });
    expect(delivery.body).toMatchObject({
      params: { redacted: true },
      error: { message: "refused" },
      action: DELIVERY.action,
    });
    const explained = await ask({ path: "/api/v1/events/evt_1/explain", headers });
    const [branch, word] = explained.body.rules[0].tree.children;
    expect(branch).toMatchObject({ path: "branch", want: "dev", got: "main", hint: "is main" });
    expect(word).toMatchObject({ path: "data.word", want: "x", got: "(redacted)" });
    expect(word).not.toHaveProperty("hint");
    const [{ was, now }] = explained.body.changes.rules;
    expect(was.effects).toEqual([{ action: "jira.transition", params: { redacted: true } }]);
    expect(now.effects).toEqual([
      { machine: "m", key: "k", signal: "S", definition: "abc", params: { redacted: true } },
      { code: "SB0402", message: "x is missing" },
    ]);
  });

  test("are open to who is on this machine", async () => {
    const { body } = await ask({ path: "/api/v1/events/evt_1" });
    expect(body.event.data).toEqual({ word: "HUSH" });
  });
});

describe("without tokens, on this machine", () => {
  test.each([
    ["localhost", 200],
    ["LOCALHOST:8081", 200],
    ["127.0.0.1:1", 200],
    ["[::1]:8081", 200],
    ["evil.example", 403],
    ["127.0.0.1.evil.example", 403],
    ["localhost.evil.example:8081", 403],
    ["127.evil.example", 403],
    ["0.0.0.0", 403],
    ["[::1].evil.example", 403],
    ["localhost:8081@evil.example", 403],
  ])("asked as %s: %i", async (host, status) => {
    expect(await rawAsk("GET", "/api/v1/status", { host })).toBe(status);
  });

  test.each([
    [undefined, 202],
    ["http://localhost:8081", 202],
    ["http://evil.example", 403],
    ["http://localhost:3000", 403],
    ["https://localhost:8081", 403],
    ["null", 403],
  ])("written to from a page of %s: %i", async (origin, status) => {
    const headers: Record<string, string> = { host: "localhost:8081", ...(origin ? { origin } : {}) };
    expect(await rawAsk("POST", "/api/v1/events/evt_1/redeliver", headers)).toBe(status);
    expect(operations.audit).toHaveLength(status === 202 ? 1 : 0);
  });

  test("no other origin is invited", async () => {
    const { headers, status } = await ask({
      method: "OPTIONS",
      path: "/api/v1/events",
      headers: { origin: "http://127.0.0.1" },
    });
    expect(status).toBe(403);
    expect([...headers.keys()].filter((name) => name.startsWith("access-control"))).toEqual([]);
  });

  test.each([
    ["127.0.0.1", 0, undefined],
    ["::1", 0, undefined],
    ["localhost", 0, undefined],
    ["127.1.2.3", 0, undefined],
    ["0.0.0.0", 1, undefined],
    ["0.0.0.0", 0, "SB0908"],
    ["::", 0, "SB0908"],
    ["192.168.1.5", 0, "SB0908"],
    ["127.evil.example", 0, "SB0908"],
    ["", 0, "SB0908"],
  ])("bound to %j with %i tokens: %s", (host, tokens, code) => {
    expect(assertAdminExposure(host, tokens)?.code).toBe(code);
  });
});

describe("failures", () => {
  test("of ours show no internals, and are logged under the request's id", async () => {
    operations.broken = new TypeError("cannot read /var/secret of undefined");
    const answer = await ask({ path: "/api/v1/status" });
    expect([answer.status, answer.body.code]).toEqual([500, "SB0910"]);
    expect(JSON.stringify(answer.body)).not.toContain("secret");
    const line = lines.find(({ level }) => level === "error");
    expect(line?.fields).toMatchObject({ requestId: answer.headers.get("x-api-uuid"), error: operations.broken });
  });

  test("of the store keep their code but not their words", async () => {
    operations.broken = new SignalboxError("SB0701", "cannot open /var/x.db");
    const { status, body } = await ask({ path: "/api/v1/status" });
    expect([status, body.code]).toEqual([500, "SB0701"]);
    expect(JSON.stringify(body)).not.toContain("/var");
    expect(lines.some(({ level }) => level === "error")).toBe(true);
  });

  test("a reload that is rejected is 409 with the problems, and a policy that is stale is told", async () => {
    const problems = [
      {
        code: "SB0101",
        severity: "error",
        message: 'Key "wehn" is not known',
        file: "a.yaml",
        line: 3,
        col: 1,
      } as const,
    ];
    operations.report = { ...operations.report, current: false, problems: [...problems] };
    const { status, body } = await ask({ method: "POST", path: "/api/v1/policy/reload" });
    expect([status, body.code, body.problems]).toEqual([409, "SB0401", problems]);
    expect((await ask({ path: "/api/v1/policy" })).body.current).toBe(false);
    const ready = await ask({ path: "/readyz" });
    expect([ready.status, ready.body.policy]).toEqual([200, "stale"]);
  });

  test("not being ready is 503, with details only for who may see them", async () => {
    operations.isReady = false;
    const here = await ask({ path: "/readyz" });
    expect([here.status, here.body]).toEqual([503, { ready: false, detail: "disk /var/x is full", policy: "current" }]);
    await withTokens();
    operations.isReady = false;
    const probe = await ask({ path: "/readyz" });
    expect([probe.status, probe.body.detail]).toEqual([503, "not ready"]);
  });

  test.each(["/", "/api", "/api/v1", "/api/v2/status", "/api/v1/nothing", "/API/V1/status/x", "/../etc/passwd"])(
    "%s is nothing: 404",
    async (path) => {
      const { status, body } = await ask({ path });
      expect([status, body.code]).toEqual([404, "SB0905"]);
    },
  );
});

test("every request is logged under the id that its answer carries", async () => {
  const answers = [
    await ask({ path: "/healthz" }),
    await ask({ method: "POST", path: "/api/v1/events/evt_1/redeliver" }),
    await ask({ path: "/api/v1/nothing" }),
  ];
  const told = lines.map(({ level, fields }) => [level, fields.requestId, fields.status, fields.path]);
  const ids = answers.map(({ headers }) => headers.get("x-api-uuid"));
  expect(told).toEqual([
    ["debug", ids[0], 200, "/healthz"],
    ["info", ids[1], 202, "/api/v1/events/evt_1/redeliver"],
    ["warn", ids[2], 404, "/api/v1/nothing"],
  ]);
});

test("metrics come as Prometheus text, HEAD as GET without a body", async () => {
  const { body, headers } = await ask({ path: "/metrics" });
  expect(headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  expect(body).toMatch(/^signalbox_undecided /m);
  const head = await fetch(`http://127.0.0.1:${port}/api/v1/status`, { method: "HEAD" });
  expect([head.status, await head.text()]).toEqual([200, ""]);
});
