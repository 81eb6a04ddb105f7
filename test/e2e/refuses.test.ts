/** What must be refused is refused, nothing runs because of it, nothing is lost, and the process lives. */
import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Started, startEngine } from "../support/engine.ts";
import { GITHUB_SECRET, mergedPullRequest, type Sink, startSink, until } from "../support/served.ts";

const SLOW_CONNECTIONS = 10_000;

let sink: Sink;
let started: Started;
const hook = () => `${started.ingestUrl}/hooks/github`;

beforeAll(async () => {
  sink = await startSink();
  started = await startEngine(
    {
      "signalbox.yaml": `
sources: { github: { provider: github, secret: env:GITHUB_WEBHOOK_SECRET } }
connections:
  sink: { provider: http, url: "${sink.url}", allowPrivate: true }
  outside: { provider: http, url: "http://localhost:${new URL(sink.url).port}/" }
  metadata: { provider: http, url: "http://169.254.169.254/" }
server: { host: 127.0.0.1, port: 0, admin: { port: 0 } }
`,
      "rules/all.yaml": `
- id: tell
  event: github.*
  do:
    - sink.request: { method: POST, json: { title: "{{default event.title event.type}}" } }
- id: forbidden
  event: github.pull_request.closed
  match: { title: [{ prefix: SSRF }] }
  do:
    - outside.request: { method: POST, json: {} }
    - metadata.request: { method: GET, path: /latest/meta-data/ }
`,
    },
    { GITHUB_WEBHOOK_SECRET: GITHUB_SECRET },
  );
});
afterAll(async () => {
  await started.stop();
  await sink.close();
});

async function post(body: string | Buffer, headers: Record<string, string>, url = hook(), method = "POST") {
  const answer = await fetch(url, {
    method,
    body: method === "GET" ? null : new Uint8Array(Buffer.from(body)),
    headers,
  });
  return {
    status: answer.status,
    headers: answer.headers,
    body: (await answer.json().catch(() => ({}))) as Record<string, unknown>,
  };
}

const signed = (body: string | Buffer, event = "pull_request", id = "d-1") => ({
  "content-type": "application/json",
  "x-github-event": event,
  "x-github-delivery": id,
  "x-hub-signature-256": `sha256=${createHmac("sha256", GITHUB_SECRET).update(body).digest("hex")}`,
});

const stored = async () => (await started.api<{ items: unknown[] }>("/api/v1/events?limit=200")).body.items.length;

describe("a request that is not proven", () => {
  const good = mergedPullRequest(1);
  const without = (name: string) => Object.fromEntries(Object.entries(good.headers).filter(([key]) => key !== name));
  test.each<[string, string | Buffer, Record<string, string>, number, string]>([
    ["without a signature", good.body, without("x-hub-signature-256"), 401, "SB0503"],
    ["with the wrong secret", good.body, mergedPullRequest(1, { secret: "another" }).headers, 401, "SB0503"],
    [
      "with a truncated signature",
      good.body,
      { ...good.headers, "x-hub-signature-256": good.headers["x-hub-signature-256"]!.slice(0, -1) },
      401,
      "SB0503",
    ],
    ["with a re-serialised body", JSON.stringify(JSON.parse(good.body), null, 1), good.headers, 401, "SB0503"],
    [
      "with only a SHA-1 signature",
      good.body,
      { ...without("x-hub-signature-256"), "x-hub-signature": "sha1=00" },
      401,
      "SB0503",
    ],
    ["with the signature of an empty secret", good.body, mergedPullRequest(1, { secret: "" }).headers, 401, "SB0503"],
    ["of another content type", good.body, { ...good.headers, "content-type": "text/xml" }, 415, "SB0505"],
    ["larger than allowed", Buffer.alloc(1024 * 1024 + 1, 32), good.headers, 413, "SB0504"],
    ["with malformed JSON and a good signature", '{"a":', signed('{"a":'), 400, "SB0506"],
    ["whose JSON is not an object", "[1]", signed("[1]"), 400, "SB0506"],
    ["that is nested without end", "[".repeat(100_000), signed("[".repeat(100_000)), 400, "SB0506"],
  ])("%s is refused and causes nothing", async (_name, body, headers, status, code) => {
    const before = await stored();
    const effects = sink.arrivals.length;
    const answer = await post(body, headers);
    expect([answer.status, answer.body.code]).toEqual([status, code]);
    expect(answer.headers.get("x-api-uuid")).toMatch(/^[0-9a-f-]{36}$/);
    expect(answer.headers.get("x-api-version")).toMatch(/^\d+\.\d+\.\d+$/);
    expect(await stored()).toBe(before);
    expect(sink.arrivals.length).toBe(effects);
  });

  test("an unknown source is 404, GET is 405", async () => {
    expect((await post("{}", {}, `${started.ingestUrl}/hooks/nobody`)).status).toBe(404);
    const got = await post("", {}, hook(), "GET");
    expect([got.status, got.headers.get("allow")]).toEqual([405, "POST"]);
  });

  test("what a known sender sent in vain is on record", async () => {
    const { body } = await started.api<{ items: { code: string; excerpt?: string }[] }>("/api/v1/refusals?limit=200");
    expect(body.items.filter(({ code }) => code === "SB0506").map(({ excerpt }) => excerpt)).toContain('{"a":');
    expect(body.items.filter(({ code }) => code === "SB0503").every(({ excerpt }) => excerpt === undefined)).toBe(true);
  });
});

test("keys such as __proto__ are data and change nothing", async () => {
  const body =
    '{"action":"__proto__","zen":"x","hook_id":1,"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}';
  expect((await post(body, signed(body, "ping", "proto"))).status).toBe(200);
  expect(({} as Record<string, unknown>).polluted).toBeUndefined();
});

test("a title is data: it is neither rendered as a template nor calls a channel", async () => {
  const title = 'WEB-9 {{constructor.constructor "return process"}} <!channel> {{event.data}}';
  const { headers, body } = mergedPullRequest(90, { title });
  expect((await post(body, headers)).status).toBe(202);
  await until("the sink has it", () => sink.arrivals.some((one) => one.body.includes("WEB-9")));
  expect(JSON.parse(sink.arrivals.find((one) => one.body.includes("WEB-9"))!.body)).toEqual({ title });
});

test("a request to a link-local address, or to a name that leads to loopback, is not made", async () => {
  const before = sink.arrivals.length;
  const { headers, body } = mergedPullRequest(91, { title: "SSRF" });
  await post(body, headers);
  const dead = async () => {
    const { body: page } = await started.api<{ items: { action: string; error: { message: string } }[] }>(
      "/api/v1/deliveries?status=dead",
    );
    return page.items.filter(({ action }) => action !== "sink.request");
  };
  await until("both are dead", async () => (await dead()).length === 2);
  expect((await dead()).map(({ action }) => action).sort()).toEqual(["metadata.request", "outside.request"]);
  // Only the allowed connection reached the sink.
  expect(sink.arrivals.length).toBe(before + 1);
});

test("a redelivery is one event, also under another delivery id", async () => {
  const { headers, body } = mergedPullRequest(92);
  const first = await post(body, headers);
  const again = await post(body, headers);
  const replayed = await post(body, { ...headers, "x-github-delivery": "a-captured-body" });
  expect([first.status, again.status, replayed.status]).toEqual([202, 200, 200]);
  expect([again.body.eventId, replayed.body.eventId]).toEqual([first.body.eventId, first.body.eventId]);
});

test(`${SLOW_CONNECTIONS} connections that send slowly do not keep others out`, async () => {
  const { port, hostname } = new URL(started.ingestUrl);
  const script = new URL("../support/slow-senders.ts", import.meta.url).pathname;
  const senders = spawn(process.execPath, ["--import", "tsx", script, port, hostname, String(SLOW_CONNECTIONS)]);
  try {
    const connected = await new Promise<string>((resolve) =>
      senders.stdout.once("data", (chunk) => resolve(String(chunk))),
    );
    expect(Number(connected)).toBe(SLOW_CONNECTIONS);
    const { headers, body } = mergedPullRequest(93);
    expect((await post(body, headers)).status).toBe(202);
  } finally {
    senders.kill("SIGKILL");
  }
  expect((await fetch(`${started.ingestUrl}/healthz`)).status).toBe(200);
});

test("a sink that redirects is not followed", async () => {
  const trap = createServer((_request, answer) => answer.writeHead(302, { location: "http://169.254.169.254/" }).end());
  await new Promise<void>((resolve) => trap.listen(0, "127.0.0.1", resolve));
  const { port } = trap.address() as AddressInfo;
  const other = await startEngine(
    {
      "signalbox.yaml": `
sources: { github: { provider: github, secret: env:S } }
connections: { trap: { provider: http, url: "http://127.0.0.1:${port}/", allowPrivate: true } }
server: { host: 127.0.0.1, port: 0, admin: { port: 0 } }
`,
      "rules/all.yaml": `[{ id: go, event: github.*, do: [{ trap.request: { method: POST, json: {} } }] }]`,
    },
    { S: GITHUB_SECRET },
  );
  const { headers, body } = mergedPullRequest(94);
  await fetch(`${other.ingestUrl}/hooks/github`, { method: "POST", headers, body });
  const dead = async () => (await other.api<{ items: unknown[] }>("/api/v1/deliveries?status=dead")).body.items;
  await until("it is dead", async () => (await dead()).length === 1);
  await other.stop();
  trap.close();
});
