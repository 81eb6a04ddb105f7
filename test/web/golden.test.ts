/**
 * Answers as version 0.1.0 gave them, in test/fixtures/api: whoever reads them today can go on reading them. A key that
 * is new in an answer is allowed, one that is gone or another is not. UPDATE_GOLDEN=1 writes the files.
 */
import { readFileSync, writeFileSync } from "node:fs";
import type { Server } from "node:http";
import { afterEach, describe, expect, test } from "vitest";
import { adminListener } from "../../src/web/admin.ts";
import { createMetrics } from "../../src/web/metrics.ts";
import { type KeptOperations, keptOperations } from "./support/operations.ts";
import { type ApiRequest, EVERY, KEY, MACHINE } from "./support/requests.ts";
import { closed, listening } from "./support/senders.ts";

interface Recorded {
  request: ApiRequest;
  response: { status: number; headers: Record<string, string>; body?: unknown };
}

/** Headers that are another with every request, or that only say how the connection is kept. */
const UNSTABLE = new Set(["date", "connection", "keep-alive", "transfer-encoding", "content-length"]);

/** What is under /machines was renamed before the first release, /timers and /schedules came after it. */
const KEPT = EVERY.filter(({ path }) => !/^\/api\/v1\/(?:machines|timers|schedules)\b/.test(path));
const PAGED: ApiRequest[] = [{ path: "/api/v1/events?limit=3" }, { path: "/api/v1/events?limit=3&cursor=3" }];
const REFUSED: ApiRequest[] = [
  { path: "/api/v1/nothing" },
  { path: "/api/v1/events/nope" },
  { path: "/api/v1/deliveries/nope" },
  { path: `/api/v1/instances/${MACHINE}/nope` },
  { path: "/api/v1/events?limit=0" },
  { path: "/api/v1/events?limit=201" },
  { path: "/api/v1/events?outcome=fine" },
  { path: "/api/v1/events?sinse=2026-01-05T09:00:00Z" },
  { path: "/api/v1/events?since=2026-13-45T99:99:99Z" },
  { path: "/api/v1/status?verbose=1" },
  { method: "PUT", path: "/api/v1/events" },
  { method: "DELETE", path: "/api/v1/tokens/nope" },
  { method: "POST", path: "/api/v1/deliveries/dlv_2/retry" },
  { method: "POST", path: "/api/v1/tokens", body: { name: 5, scopes: ["root"] } },
  { method: "POST", path: "/api/v1/tokens", body: "{" },
  { method: "POST", path: "/api/v1/tokens", body: "a=1", headers: { "content-type": "text/plain" } },
  { method: "POST", path: `/api/v1/instances/${MACHINE}/${KEY}/signal`, body: { event: "PUSH" } },
  { method: "POST", path: "/api/v1/decide", body: { event: { id: "x" } } },
];

let server: Server | undefined;
afterEach(async () => {
  if (server) await closed(server);
  server = undefined;
});

async function listener(mode: "loopback" | "token"): Promise<{ operations: KeptOperations; url: string }> {
  const operations = keptOperations();
  await operations.createToken({ name: "bob", scopes: ["read", "operate"] }, { who: "test" });
  const quiet = () => {};
  server = adminListener({
    operations,
    auth: { mode },
    metrics: createMetrics(),
    apiVersion: "1.0.0",
    requestId: () => "req-1",
    log: { debug: quiet, info: quiet, warn: quiet, error: quiet },
  });
  return { operations, url: `http://127.0.0.1:${await listening(server)}` };
}

async function ask(
  url: string,
  { method = "GET", path, body, headers = {} }: ApiRequest,
): Promise<Recorded["response"]> {
  const type: Record<string, string> = body === undefined ? {} : { "content-type": "application/json" };
  const sent = body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) };
  const response = await fetch(url + path, { method, headers: { ...type, ...headers }, ...sent });
  const text = await response.text();
  const stable = [...response.headers].filter(([name]) => !UNSTABLE.has(name)).sort();
  return { status: response.status, headers: Object.fromEntries(stable), ...bodyOf(path, text) };
}

/** The document has a file and a test of its own; of the metrics the names count. */
function bodyOf(path: string, text: string): { body?: unknown } {
  if (text === "" || path.endsWith("openapi.json")) return {};
  if (path === "/metrics") {
    const types = text.split("\n").filter((line) => /^# TYPE signalbox_/.test(line));
    return { body: Object.fromEntries(types.map((line) => [line, true])) };
  }
  return { body: JSON.parse(text) };
}

/** A listener of its own for each request, so that none sees what another changed. */
async function recordAll(mode: "loopback" | "token", requests: readonly ApiRequest[]): Promise<Recorded[]> {
  const all: Recorded[] = [];
  for (const request of requests) {
    const { operations, url } = await listener(mode);
    const { token } =
      mode === "token"
        ? await operations.createToken({ name: "carol", scopes: ["read", "operate"] }, { who: "x" })
        : {};
    const headers = { ...request.headers, ...(token ? { authorization: `Bearer ${token}` } : {}) };
    const { status: _, ...asked } = request as ApiRequest & { status?: number };
    all.push({ request: asked, response: await ask(url, { ...request, headers }) });
    if (server) await closed(server);
    server = undefined;
  }
  return all;
}

describe.each([
  { file: "open", mode: "loopback", requests: [...KEPT, ...PAGED] },
  { file: "withheld", mode: "token", requests: KEPT },
  { file: "refused", mode: "loopback", requests: REFUSED },
] as const)("$file.json", ({ file, mode, requests }) => {
  test("is answered today as it was then", async () => {
    const path = new URL(`../fixtures/api/${file}.json`, import.meta.url);
    if (process.env.UPDATE_GOLDEN === "1")
      writeFileSync(path, `${JSON.stringify(await recordAll(mode, requests), null, 1)}\n`);
    const golden = JSON.parse(readFileSync(path, "utf8")) as Recorded[];
    expect(golden).toHaveLength(requests.length);
    const today = await recordAll(
      mode,
      golden.map(({ request }) => request),
    );
    for (const [at, { request, response }] of golden.entries()) {
      const { method = "GET", path } = request;
      expect(today[at]?.response, `${method} ${path}`).toMatchObject(response);
    }
  });
});
