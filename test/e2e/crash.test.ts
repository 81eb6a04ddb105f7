/** The real process, killed in the middle: nothing acknowledged is lost, and only what was in flight arrives twice, with the same key. */
import { rmSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  folderOf,
  freePort,
  GITHUB_SECRET,
  mergedPullRequest,
  type Served,
  type Sink,
  serve,
  startSink,
  until,
} from "../support/served.ts";
import { thorough } from "../support/thorough.ts";

const EVENTS = thorough(1_000, 5_000);
const SENDERS = 32;
/** Deliveries that one connection may have in flight. */
const CONCURRENCY = 8;

let sink: Sink;
let folder: string;
let port: number;
let adminPort: number;

async function pending(): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${adminPort}/api/v1/status`);
  return ((await answer.json()) as { counts: { deliveries: { pending: number } } }).counts.deliveries.pending;
}

beforeAll(async () => {
  sink = await startSink();
  port = await freePort();
  adminPort = await freePort();
  folder = folderOf({
    "signalbox.yaml": `
sources: { github: { provider: github, secret: env:GITHUB_WEBHOOK_SECRET } }
connections: { sink: { provider: http, url: "${sink.url}", allowPrivate: true, concurrency: ${CONCURRENCY} } }
server: { host: 127.0.0.1, port: ${port}, admin: { port: ${adminPort} } }
`,
    "rules/all.yaml": `
- id: merged
  event: github.pull_request.closed
  match: { data.pull_request.merged: true }
  do:
    - sink.request: { method: POST, json: { number: "{{event.number}}" } }
`,
    "statemachines/.keep": "",
  });
});
afterAll(async () => {
  await sink.close();
  rmSync(folder, { recursive: true, force: true });
});

test(`kill -9 in the middle of ${EVENTS} events, then SIGTERM`, async () => {
  const env = { GITHUB_WEBHOOK_SECRET: GITHUB_SECRET };
  let served: Served = await serve(folder, port, env);
  let restarting: Promise<void> | undefined;
  const acknowledged = new Set<number>();
  let next = 0;
  const send = async () => {
    for (let number = ++next; number <= EVENTS; number = ++next) {
      const { headers, body } = mergedPullRequest(number);
      for (;;) {
        const status = await fetch(`http://127.0.0.1:${port}/hooks/github`, { method: "POST", headers, body }).then(
          (answer) => answer.status,
          () => 0,
        );
        if (status === 202 || status === 200) break;
        expect([0, 503]).toContain(status);
        await restarting;
      }
      acknowledged.add(number);
      if (acknowledged.size === EVENTS / 2) {
        served.child.kill("SIGKILL");
        restarting = served.ended.then(async () => {
          served = await serve(folder, port, env);
        });
      }
    }
  };
  await Promise.all(Array.from({ length: SENDERS }, send));
  const numbers = () => new Set(sink.arrivals.map(({ body }) => (JSON.parse(body) as { number: number }).number));
  await until("every acknowledged event reaches the sink", () => numbers().size === EVENTS);
  // What was in flight when it was killed is leased for a while; only when nothing is pending is the count of repeats final.
  await until("nothing is pending", async () => (await pending()) === 0);

  const keysOf = new Map<string, Set<string>>();
  for (const { body, key } of sink.arrivals) keysOf.set(body, (keysOf.get(body) ?? new Set()).add(key));
  expect([...keysOf.values()].filter((keys) => keys.size > 1)).toEqual([]);
  expect(new Set(sink.arrivals.map(({ key }) => key)).size).toBe(EVENTS);
  expect(sink.arrivals.length - EVENTS).toBeLessThanOrEqual(CONCURRENCY);

  served.child.kill("SIGTERM");
  expect(await served.ended).toBe(0);
});

test("SIGTERM ends what is in flight and takes nothing new", async () => {
  const served = await serve(folder, port, { GITHUB_WEBHOOK_SECRET: GITHUB_SECRET });
  const before = sink.arrivals.length;
  sink.delayMs = 700;
  const { headers, body } = mergedPullRequest(EVENTS + 1);
  await fetch(`http://127.0.0.1:${port}/hooks/github`, { method: "POST", headers, body });
  await until("the delivery is in flight", () => sink.arrivals.length === before + 1);
  served.child.kill("SIGTERM");
  expect(await served.ended).toBe(0);
  sink.delayMs = 0;

  const again = await serve(folder, port, { GITHUB_WEBHOOK_SECRET: GITHUB_SECRET });
  // What is not pending is never sent again, however long one waits.
  expect(await pending()).toBe(0);
  again.child.kill("SIGTERM");
  await again.ended;
  expect(sink.arrivals.length).toBe(before + 1);
});
