/** How an engine ends, and what it costs while it waits: nothing acknowledged is lost, nobody can keep it, nothing is left behind. */
import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadConfig } from "../../src/config/config.ts";
import { createEngine, createLog, loadProviders } from "../../src/engine.ts";
import type { Store } from "../../src/ports/store.ts";
import { memoryStore } from "../../src/store/memory.ts";
import { startEngine, startEngineIn } from "../support/engine.ts";
import {
  folderOf,
  freePort,
  GITHUB_SECRET,
  mergedPullRequest,
  type Sink,
  signedByGithub,
  startSink,
  until,
} from "../support/served.ts";

const ENV = { GITHUB_WEBHOOK_SECRET: GITHUB_SECRET };

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
    await until("its connections are closed", async () => (await sink.connections()) === 0, 1_500);
    expect(events).toBeGreaterThanOrEqual(acknowledged.length);
    const arrived = pulled();
    expect(acknowledged.filter((one) => !arrived.includes(one))).toEqual([]);
    expect(new Set(arrived).size).toBe(arrived.length);
  });

  test("is not held up by senders that never finish, on either listener, nor by idle connections", async () => {
    const started = await startEngine(files(), ENV);
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
    const startedMs = performance.now();
    await started.stop();
    expect(performance.now() - startedMs).toBeLessThan(10_000);
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
    let stoppedMs = 0;
    child.stdout.on("data", (text) => {
      if (String(text).includes("stopped")) stoppedMs = performance.now();
    });
    const code = await new Promise<number | null>((resolve) => {
      child.once("exit", resolve);
      setTimeout(() => child.kill("SIGKILL"), 15_000).unref();
    });
    expect(code).toBe(0);
    expect(stoppedMs).toBeGreaterThan(0);
    expect(performance.now() - stoppedMs).toBeLessThan(1_500);
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
    answer.writeHead(503, { "retry-after": "30" }).end();
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
    lease(nowMs, options) {
      asked += 1;
      return kept.lease(nowMs, options);
    },
  };
  const log = createLog({ level: "silent", secrets: [], pretty: false });
  const engine = await createEngine({ config: config!, providers, log, store });
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
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(asked - before).toBeLessThan(20);
    expect(requests).toBe(1);
  } finally {
    await engine.stop();
    target.close();
  }
});

test("events that are decided are not kept in memory", { timeout: 40_000 }, async () => {
  const engine = await startEngine(files(), ENV);
  const text = "x".repeat(200_000);
  const send = async (from: number, count: number) => {
    for (let n = from; n < from + count; n++) {
      const { status } = await engine.post(
        "github",
        signedByGithub("blob", JSON.stringify({ n, text }), { id: `blob-${n}` }),
      );
      expect(status).toBe(202);
    }
    await engine.quiet();
  };
  await send(0, 20);
  const before = used();
  await send(1_000, 100);
  const grown = used() - before;
  await engine.stop();
  // All of them would be 20 MB.
  expect(grown).toBeLessThan(10_000_000);
});

/** Bytes that this process holds on to. */
function used(): number {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
