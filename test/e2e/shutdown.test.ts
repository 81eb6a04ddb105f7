/** How an engine ends, and what it costs while it waits: nothing acknowledged is lost, nobody can keep it, nothing is left behind. */
import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { loadConfig } from "../../src/config/config.ts";
import { createEngine } from "../../src/engine.ts";
import { createLogger } from "../../src/log.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { Store } from "../../src/ports/store.ts";
import { loadProviders } from "../../src/providers/index.ts";
import { memoryStore } from "../../src/store/memory.ts";
import { woundClock } from "../support/clock.ts";
import { startEngine, startEngineIn } from "../support/engine.ts";
import {
  folderOf,
  freePort,
  GITHUB_SECRET,
  mergedPullRequest,
  type Sink,
  serve,
  signedByGithub,
  startSink,
  until,
} from "../support/served.ts";

const ENV = { GITHUB_WEBHOOK_SECRET: GITHUB_SECRET };
/** Enough for the server itself. */
const HEAP_MIB = 56;
const BLOB_BYTES = 512 * 1024;
/** More than the memory that it has for objects and texts, even without the server. */
const BLOBS = Math.ceil((1.1 * HEAP_MIB * 1024 * 1024) / BLOB_BYTES);

let sink: Sink;
beforeAll(async () => {
  sink = await startSink();
});
afterAll(() => sink.close());

const files = (more = "", { port = 0, host = "127.0.0.1" } = {}) => ({
  "signalbox.yaml": `
server: { host: ${host}, port: ${port}, admin: { port: 0 } }
sources: { github: { provider: github, secret: env:GITHUB_WEBHOOK_SECRET } }
connections: { sink: { provider: http, url: "${sink.url}", allowPrivate: true } }
${more}`,
  "rules/all.yaml": `[{ id: tell, event: github.lever, do: [{ sink.request: { method: POST, json: { pulled: "{{event.data.pulled}}" } } }] }]`,
});
const pull = (n: number) => signedByGithub("lever", `{"pulled":${n}}`, { id: `pull-${n}` });
const pulled = () => sink.arrivals.map(({ body }) => (JSON.parse(body) as { pulled: number }).pulled);

describe("stopping", () => {
  test("under load loses nothing that was acknowledged, and delivers it once, before or after", async () => {
    const first = await startEngine(files(), ENV);
    const acknowledged: number[] = [];
    let n = 0;
    let isStopping = false;
    const sender = async () => {
      while (!isStopping) {
        n += 1;
        const mine = n;
        const status = await first.post("github", pull(mine)).then(
          (answer) => answer.status,
          () => 0,
        );
        if (status === 202) acknowledged.push(mine);
      }
    };
    const senders = Array.from({ length: 8 }, sender);
    await until("some are acknowledged", () => acknowledged.length > 50);
    const stopping = first.stop();
    await stopping;
    isStopping = true;
    await Promise.all(senders);
    expect(first.stop()).toEqual(stopping);
    expect(first.lines.filter((line) => line.includes('"Fault"'))).toEqual([]);

    const second = await startEngineIn(first.folder, ENV);
    await second.quiet();
    const { events } = (await second.engine.status()).counts;
    await second.stop();
    await until("its connections are closed", async () => (await sink.connections()) === 0);
    expect(events).toBeGreaterThanOrEqual(acknowledged.length);
    const arrived = pulled();
    expect(acknowledged.filter((one) => !arrived.includes(one))).toEqual([]);
    expect(new Set(arrived).size).toBe(arrived.length);
  });

  test("is not held up by senders that never finish, on either listener, nor by idle connections", async () => {
    const sleeps: number[] = [];
    const clock: Clock = {
      ...systemClock,
      sleep(ms, signal) {
        sleeps.push(ms);
        return systemClock.sleep(Math.min(ms, 100), signal);
      },
    };
    const started = await startEngine(files(), ENV, { clock });
    const sockets = [started.ingestUrl, started.adminUrl].flatMap((url) => {
      const { port } = new URL(url);
      const head = "POST /hooks/github HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n";
      return ["", head, `${head}Content-Length: 1000\r\n\r\n{`].map((text) => {
        const socket = connect(Number(port), "127.0.0.1");
        socket.on("error", () => undefined);
        if (text) socket.write(text);
        return socket;
      });
    });
    await until("they are connected", () => sockets.every(({ readyState }) => readyState === "open"));
    expect((await started.api("/api/v1/status")).status).toBe(200);
    sleeps.length = 0;
    await started.stop();
    // Only its clock ends the wait for these senders: once for each of the two listeners, so less than 10 s in all.
    expect(Math.max(...sleeps)).toBeLessThan(5_000);
    for (const socket of sockets) socket.destroy();
  });

  test("leaves nothing behind that keeps the process: no timer, no connection, no worker", async () => {
    const closed = await freePort();
    const folder = folderOf({
      ...files(`cache: "redis://127.0.0.1:${closed}"\nschedules: { beat: { cron: "* * * * * *" } }`),
      "statemachines/.keep": "",
    });
    const script = new URL("../support/run-and-stop.ts", import.meta.url).pathname;
    const child = spawn(process.execPath, ["--import", "tsx", script, folder, "20"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    onTestFinished(() => void child.kill("SIGKILL"));
    let output = "";
    child.stdout.on("data", (text) => {
      output += text;
    });
    expect(await new Promise((resolve) => child.once("close", resolve))).toBe(0);
    expect(output).toBe("[]\n");
  });
});

describe("an address", () => {
  test("that is taken is SB0909 with the address; nothing is left open and another start works", async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = other.address() as AddressInfo;
    const folder = folderOf({ ...files("", { port }), "statemachines/.keep": "" });
    const failed = startEngineIn(folder, ENV);
    await expect(failed).rejects.toMatchObject({
      code: "SB0909",
      message: expect.stringContaining(`127.0.0.1:${port}`),
    });
    await new Promise((resolve) => other.close(resolve));
    const started = await startEngineIn(folder, ENV);
    expect((await started.post("github", mergedPullRequest(1))).status).toBe(202);
    await started.stop();
  });

  test("that is not this machine's is SB0915 and says so", async () => {
    // TEST-NET-1: nobody has it.
    const failed = startEngine(files("", { host: "192.0.2.1" }), ENV);
    await expect(failed).rejects.toMatchObject({
      code: "SB0915",
      message: expect.stringContaining("192.0.2.1 is not an address of this machine"),
    });
  });
});

test("an engine whose target asks for patience waits: it does not ask its store over and over", async () => {
  let requests = 0;
  const target = createServer((request, answer) => {
    requests += 1;
    request.resume();
    answer.writeHead(429, { "retry-after": "30" }).end();
  });
  await new Promise<void>((resolve) => target.listen(0, "127.0.0.1", resolve));
  const { port } = target.address() as AddressInfo;
  const folder = folderOf({
    "signalbox.yaml": `
server: { host: 127.0.0.1, port: 0, admin: { port: 0 } }
sources: { github: { provider: github, secret: env:GITHUB_WEBHOOK_SECRET } }
connections: { sink: { provider: http, url: "http://127.0.0.1:${port}", allowPrivate: true, concurrency: 1 } }
`,
    "rules/all.yaml": files()["rules/all.yaml"],
    "statemachines/.keep": "",
  });
  const providers = await loadProviders();
  const { config } = await loadConfig({ dir: folder, env: ENV, providers });
  let asked = 0;
  const kept = memoryStore();
  const store: Store = {
    ...kept,
    async lease(nowMs, options) {
      asked += 1;
      // Lets others run, also when it is asked over and over.
      await new Promise((resolve) => setImmediate(resolve));
      return await kept.lease(nowMs, options);
    },
  };
  const log = createLogger({ level: "silent", secrets: [], pretty: false });
  const clock = woundClock();
  const engine = await createEngine({ config: config!, providers, log, store, clock });
  await engine.start();
  try {
    for (let n = 0; n < 10; n++) {
      const { body, headers } = pull(10_000 + n);
      await fetch(`${engine.ingestUrl}/hooks/github`, { method: "POST", body, headers });
    }
    await until(
      "the target was asked and the rest waits",
      async () => requests > 0 && (await kept.counts()).deliveries.pending === 10,
    );
    const before = asked;
    for (let ms = 0; ms < 1_500; ms += 100) {
      clock.advance(100);
      // Turns of the event loop in which it would ask if it did not wait for the clock.
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(asked - before).toBeLessThan(20);
    expect(requests).toBe(1);
    clock.advance(30_000);
    await until("the time has come and it asks again", () => requests === 2);
  } finally {
    await engine.stop();
    target.close();
  }
});

test("events that are decided are not kept in memory", async () => {
  const [port, adminPort] = [await freePort(), await freePort()];
  const folder = folderOf({
    "signalbox.yaml": `
server: { host: 127.0.0.1, port: ${port}, admin: { port: ${adminPort} } }
sources: { github: { provider: github, secret: env:GITHUB_WEBHOOK_SECRET } }
connections: { sink: { provider: http, url: "${sink.url}", allowPrivate: true } }
`,
    "rules/all.yaml": files()["rules/all.yaml"],
    "statemachines/.keep": "",
  });
  const { child, ended, output } = await serve(folder, port, {
    ...ENV,
    NODE_OPTIONS: `--max-old-space-size=${HEAP_MIB}`,
  });
  const text = "x".repeat(BLOB_BYTES);
  for (let n = 0; n < BLOBS; n++) {
    const { headers, body } = signedByGithub("blob", JSON.stringify({ n, text }), { id: `blob-${n}` });
    const answer = await fetch(`http://127.0.0.1:${port}/hooks/github`, { method: "POST", headers, body });
    expect(answer.status).toBe(202);
    await answer.text();
  }
  await until("all are decided", async () => {
    const { counts } = (await fetch(`http://127.0.0.1:${adminPort}/api/v1/status`).then((answer) => answer.json())) as {
      counts: { events: number; undecided: number };
    };
    return counts.events === BLOBS && counts.undecided === 0;
  });
  child.kill("SIGTERM");
  expect(await ended, output()).toBe(0);
});
