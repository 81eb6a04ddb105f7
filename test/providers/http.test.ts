import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { memoryCache } from "../../src/cache/memory.ts";
import { validatorFor } from "../../src/core/check.ts";
import { createNetwork } from "../../src/network/network.ts";
import type { ActionContext, EventDraft, RawRequest, Webhook } from "../../src/ports/provider.ts";
import http from "../../src/providers/http/index.ts";
import { STANDARD_WEBHOOKS, verifySignature } from "../../src/providers/kit/signature.ts";

const NOW = Date.parse("2026-01-05T09:00:00Z");
const WHSEC = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/** JSON that a test takes apart. */
type Loose = ReturnType<typeof JSON.parse>;
const verify = { kind: "bearer", key: "utf8" } as const;
const source: Webhook<Loose> = http.source;
const clock = { now: () => NOW, monotonic: () => 0, sleep: async () => {} };

function requestOf(body: unknown, headers: Record<string, string> = {}): RawRequest {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return {
    method: "POST",
    path: "/",
    query: "",
    headers: { "content-type": "application/json", ...headers },
    body: Buffer.from(text),
  };
}

function normalised(settings: object, request: RawRequest, ticketProjects?: string[]) {
  const config = { name: "own", provider: "http", secrets: ["x"], settings: { verify, ...settings } };
  return source.normalise(request, ticketProjects ? { ...config, ticketProjects } : config, NOW);
}

function draft(settings: object, request: RawRequest, ticketProjects?: string[]): EventDraft {
  const result = normalised(settings, request, ticketProjects);
  if (result.kind !== "events") throw new Error(JSON.stringify(result));
  return result.events[0] as EventDraft;
}

describe("the type of an event", () => {
  const headers = { "x-event": "Build Finished" };
  test.each([
    [undefined, "http.received"],
    ["deploy.finished", "deploy.finished"],
    [{ field: "event" }, "http.deploy"],
    [{ field: "event", prefix: "own" }, "own.deploy"],
    [{ field: "nested.name" }, "http.a.b_c"],
    [{ header: "x-event" }, "http.build_finished"],
    [{ field: "missing" }, "http.received"],
    [{ field: "nested" }, "http.received"],
    [{ field: "constructor" }, "http.received"],
  ])("%j: %s", (type, expected) => {
    const body = { event: "deploy", nested: { name: ".A..b/c." } };
    expect(draft({ type }, requestOf(body, headers)).type).toBe(expected);
  });
});

describe("the delivery id", () => {
  test("comes from where it is said to be, and from webhook-id where that is signed", () => {
    const request = requestOf({ build: { id: 17 } }, { "x-id": "d1", "webhook-id": "msg_1" });
    expect(draft({ id: { header: "x-id" } }, request).delivery).toBe("d1");
    expect(draft({ id: { field: "build.id" } }, request).delivery).toBe("17");
    expect(draft({ verify: STANDARD_WEBHOOKS }, request).delivery).toBe("msg_1");
    expect(draft({}, request)).not.toHaveProperty("delivery");
    expect(draft({ id: { header: "x-other" } }, request)).not.toHaveProperty("delivery");
  });
});

describe("attributes", () => {
  test("are read from the paths that are named", () => {
    const attributes = {
      repo: "repo.name",
      branch: "ref",
      sha: "commit",
      number: "pr",
      title: "subject",
      status: "state",
      time: "at",
      tickets: ["notes.0.text"],
    };
    const body = {
      repo: { name: "acme/web" },
      ref: "main",
      commit: "abc",
      pr: "12",
      subject: "SOC-1 x",
      state: "Passed",
      at: 1767603600,
      notes: [{ text: "SOC-2" }],
    };
    expect(draft({ attributes }, requestOf(body))).toMatchObject({
      repo: "acme/web",
      branch: "main",
      sha: "abc",
      number: 12,
      title: "SOC-1 x",
      status: "success",
      time: "2026-01-05T09:00:00.000Z",
      tickets: ["SOC-2"],
    });
  });

  test.each([
    ["ready", "success"],
    ["error", "error"],
    ["building", undefined],
    [true, "success"],
    [false, "failure"],
    ["__proto__", undefined],
  ])("the state %j is %s", (state, status) => {
    const settings = { attributes: { status: "state" }, statuses: { ready: "success" } };
    expect(draft(settings, requestOf({ state })).status).toBe(status);
  });
});

describe("forms", () => {
  const form = { "content-type": "application/x-www-form-urlencoded; charset=utf-8" };

  test("become an object of texts", () => {
    expect(draft({}, requestOf("event=deploy&title=caf%C3%A9+au+lait", form)).data).toEqual({
      event: "deploy",
      title: "café au lait",
    });
  });

  test("in which a field stands twice, or is not UTF-8, are malformed", () => {
    for (const text of ["a=1&a=2", "a=%ff", "a=%z"])
      expect(normalised({}, requestOf(text, form)).kind).toBe("malformed");
  });

  test("of which one field is signed are only that field", () => {
    const signed = {
      verify: { ...STANDARD_WEBHOOKS, message: ["formfield:payload"] },
      type: { field: "event" },
    };
    const text = `payload=${encodeURIComponent('{"event":"real"}')}&event=forged`;
    const { type, data } = draft(signed, requestOf(text, form));
    expect({ type, data }).toEqual({ type: "http.real", data: { event: "real" } });
  });

  test("with keys that look like others' fields change nothing", () => {
    const { data, type } = draft(
      {},
      requestOf("__proto__=x&projects%5B%5D=Servers&instanceName=Other&constructor=y", form),
    );
    expect(type).toBe("http.received");
    expect(Object.hasOwn(data, "__proto__")).toBe(false);
    expect(Object.getPrototypeOf(data)).toBe(Object.prototype);
  });
});

test("a source without a way to verify is not configured", () => {
  const check = validatorFor(http.source.settings);
  expect(check({})).not.toEqual([]);
  expect(check({ verify: { kind: "none" } })).not.toEqual([]);
  expect(check({ verify: { kind: "hmac" } })).not.toEqual([]);
  for (const good of [verify, STANDARD_WEBHOOKS, { kind: "ip", cidrs: ["10.0.0.0/8"] }])
    expect(check({ verify: good })).toEqual([]);
});

// ---------------------------------------------------------------- request

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function outside(settings: object, answer = { status: 200, body: "" }) {
  const all: RawRequest[] = [];
  const server = createServer(async (incoming, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const headers = incoming.headers as Record<string, string>;
    all.push({
      method: incoming.method ?? "",
      path: incoming.url ?? "",
      query: "",
      headers,
      body: Buffer.concat(chunks),
    });
    response.writeHead(answer.status).end(answer.body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const client = createNetwork({ allowPrivate: true, redact: String });
  closers.push(() => client.close());
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const context: ActionContext<object> = {
    connection: { name: "own", provider: "http", settings: { url: `${base}/api/`, ...settings } },
    idempotencyKey: "dlv_1.2",
    attempt: 1,
    nowMs: NOW,
    network: client,
    cache: memoryCache({ clock }),
    session: undefined,
  };
  return { all, base, context };
}

const { request } = http.connection.actions;

describe("request", () => {
  test("joins path and query to the connection, sends JSON, keeps the answer", async () => {
    const { all, context } = await outside({ token: "t0ken" }, { status: 202, body: '{"id":7}' });
    const outcome = await request.perform(
      { path: "/deploys", query: { q: "a b&c", n: 1 }, json: { app: "web" } },
      context,
    );
    expect(outcome).toEqual({ kind: "done", result: { status: 202, body: { id: 7 } } });
    expect(all[0]).toMatchObject({
      method: "POST",
      path: "/api/deploys?q=a+b%26c&n=1",
      headers: { authorization: "Bearer t0ken", "content-type": "application/json", "idempotency-key": "dlv_1.2" },
    });
    expect(all[0]?.body.toString()).toBe('{"app":"web"}');
  });

  test("sends forms and texts, with user and password", async () => {
    const { all, context } = await outside({ username: "u", password: "p:w" });
    await request.perform({ path: "/", form: { a: "b c" } }, context);
    await request.perform({ method: "PUT", path: "/", body: "plain" }, context);
    expect(all.map(({ method, headers, body }) => [method, headers["content-type"], body.toString()])).toEqual([
      ["POST", "application/x-www-form-urlencoded", "a=b+c"],
      ["PUT", "text/plain; charset=utf-8", "plain"],
    ]);
    expect(all[0]?.headers.authorization).toBe(`Basic ${Buffer.from("u:p:w").toString("base64")}`);
  });

  test("the connection's headers cannot be overruled by a rule", async () => {
    const { all, context } = await outside({ headers: { "X-Env": "prod" }, token: "t0ken" });
    await request.perform(
      { path: "/", headers: { "x-env": "test", Authorization: "Bearer other", "x-more": "1" } },
      context,
    );
    expect(all[0]?.headers).toMatchObject({ "x-env": "prod", authorization: "Bearer t0ken", "x-more": "1" });
  });

  test("is signed as Standard Webhooks, the same id on every try", async () => {
    const { all, context } = await outside({ sign: { secret: WHSEC } });
    await request.perform({ path: "/", json: { type: "x" } }, context);
    await request.perform({ path: "/", json: { type: "x" } }, { ...context, nowMs: NOW + 60_000, attempt: 2 });
    for (const [index, sent] of all.entries()) {
      expect(verifySignature(STANDARD_WEBHOOKS, sent, [WHSEC], NOW + index * 60_000)).toMatchObject({ ok: true });
    }
    expect(all.map(({ headers }) => headers["webhook-id"])).toEqual(["dlv_1_2", "dlv_1_2"]);
  });

  test.each([
    [{ expect: [404] }, 404, "done"],
    [{ expect: [404] }, 200, "rejected"],
    [{}, 500, "uncertain"],
    [{ method: "PUT" as const }, 500, "retry"],
    [{}, 410, "rejected"],
    [{}, 301, "rejected"],
  ])("%j answered %i: %s", async (params, status, kind) => {
    const { context } = await outside({}, { status, body: "" });
    expect((await request.perform({ path: "/", ...params }, context)).kind).toBe(kind);
  });

  test("a signed request is repeated after a 500: its receiver knows the id", async () => {
    const { context } = await outside({ sign: { secret: WHSEC } }, { status: 500, body: "" });
    expect((await request.perform({ path: "/" }, context)).kind).toBe("retry");
  });

  test.each([
    ...[301, 400, 401, 403, 404, 409, 422, 429, 500, 501, 503].map((status) => [{}, status, "retry"] as const),
    [{}, 410, "rejected"],
    [{}, 204, "done"],
    [{ expect: [404] }, 404, "done"],
    [{ expect: [202] }, 200, "rejected"],
  ] as const)("a request that is signed as Standard Webhooks, %j, answered %i: %s", async (params, status, kind) => {
    const { context } = await outside({ sign: { secret: WHSEC } }, { status, body: "" });
    const { expect: expected } = params as { expect?: readonly number[] };
    const outcome = await request.perform({ path: "/", ...(expected ? { expect: [...expected] } : {}) }, context);
    expect(outcome.kind).toBe(kind);
  });

  describe("takes no credential elsewhere", () => {
    test.each([
      ["another host", { url: "http://127.0.0.2/x" }],
      ["a host that begins alike", { url: "http://127.0.0.1.evil.example/x" }],
      ["a way out of the connection's url", { path: "/../../admin" }],
      ["an encoded way out", { path: "/%2e%2e/admin" }],
      ["an address that is none", { url: "http://" }],
      ["url and path", { url: "http://x/", path: "/" }],
      ["two bodies", { path: "/", json: 1, body: "x" }],
    ])("%s", async (_what, params) => {
      const { all, context } = await outside({ token: "t0ken" });
      expect(await request.perform(params, context)).toMatchObject({ kind: "rejected", error: { code: "not_sent" } });
      expect(all).toEqual([]);
    });

    test.each(["//127.0.0.2/x", "/\\127.0.0.2/x", "/@127.0.0.2/x", "/x#y"])(
      "a path %s stays on the host",
      async (path) => {
        const { all, context } = await outside({ token: "t0ken" });
        await request.perform({ path }, context);
        expect(all[0]?.path).toMatch(/^\/api\//);
      },
    );

    test("a connection with credentials and no url sends nothing", async () => {
      const { all, base, context } = await outside({ token: "t0ken", url: undefined });
      expect(await request.perform({ url: base }, context)).toMatchObject({ kind: "rejected" });
      expect(all).toEqual([]);
    });

    test("a connection without either calls any url", async () => {
      const { all, base, context } = await outside({ url: undefined });
      expect(await request.perform({ url: `${base}/any` }, context)).toMatchObject({ kind: "done" });
      expect(all).toHaveLength(1);
    });
  });
});
