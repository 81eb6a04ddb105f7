/** A queue read by a feed, and a process that is killed between storing a message and acknowledging it: nothing is lost, nothing counts twice. */
import { rmSync } from "node:fs";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { folderOf, freePort, type Served, type Sink, serve, startSink, until } from "../support/served.ts";

/** Takes `MSG <n>`, says `STORED <n>` once the message is on disk, and acknowledges it with `ACK <n>` when told `GO`. */
const QUEUE = `export default {
  name: "queue",
  summary: "Messages of a queue that speaks lines over TCP",
  source: {
    kind: "feed",
    summary: "A message of the queue",
    settings: {
      type: "object",
      properties: { port: { type: "integer", description: "Where the queue listens" } },
      required: ["port"],
      additionalProperties: false,
    },
    needsSecret: false,
    events: { "queue.message": { summary: "A message" } },
    async run({ source, network, take, signal }) {
      const connected = await network.connect({ host: "127.0.0.1", port: source.settings.port });
      if (connected.kind !== "connected") throw new Error(connected.detail);
      const { socket } = connected;
      signal.addEventListener("abort", () => socket.destroy());
      let rest = "";
      for await (const chunk of socket.setEncoding("utf8")) {
        const lines = (rest + chunk).split("\\n");
        rest = lines.pop();
        for (const line of lines) {
          const [word, n] = line.split(" ");
          if (word === "GO") socket.write("ACK " + n + "\\n");
          if (word !== "MSG") continue;
          await take([{ type: "queue.message", delivery: n, number: Number(n), data: { n: Number(n) } }]);
          socket.write("STORED " + n + "\\n");
        }
      }
    },
  },
};
`;

const MESSAGES = 6;
/** Acknowledged at the very moment when the process is killed; no rule is for it, so that no lease is waited for. */
const ACKNOWLEDGED_AT = 1;
/** Stored, and not acknowledged when the process is killed. */
const KILLED_AT = 3;

const waiting = new Set(Array.from({ length: MESSAGES }, (_, i) => i + 1));
const given = new Map<number, number>();
let onStored = (_n: number): "go" | "kill" => "go";
let onAcknowledged = (_n: number): unknown => undefined;
/** Whether messages are given now, and who waits until they are. */
let isGiving = false;
let paused: (() => void)[] = [];
let broker: Server;
let sink: Sink;
let folder = "";
let port = 0;
let adminPort = 0;

/** One message after the other to whoever connects; what was not acknowledged is given again. */
function giveTo(socket: Socket): void {
  const next = () => {
    if (!isGiving) {
      paused.push(next);
      return;
    }
    const n = Math.min(...waiting);
    if (waiting.size === 0) return;
    given.set(n, (given.get(n) ?? 0) + 1);
    socket.write(`MSG ${n}\n`);
  };
  let rest = "";
  socket.setEncoding("utf8").on("data", (chunk) => {
    const lines = `${rest}${chunk}`.split("\n");
    rest = lines.pop() ?? "";
    for (const [word, n] of lines.map((line) => line.split(" "))) {
      if (word === "STORED" && onStored(Number(n)) === "go") socket.write(`GO ${n}\n`);
      if (word !== "ACK") continue;
      waiting.delete(Number(n));
      onAcknowledged(Number(n));
      next();
    }
  });
  socket.on("error", () => {});
  next();
}

async function deliveriesDone(): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${adminPort}/api/v1/status`);
  return ((await answer.json()) as { counts: { deliveries: { done: number } } }).counts.deliveries.done;
}

beforeAll(async () => {
  broker = createServer(giveTo);
  await new Promise<void>((resolve) => broker.listen(0, "127.0.0.1", resolve));
  sink = await startSink();
  port = await freePort();
  adminPort = await freePort();
  folder = folderOf({
    "providers/queue.mjs": QUEUE,
    "signalbox.yaml": `
sources: { jobs: { provider: queue, port: ${(broker.address() as AddressInfo).port}, allowPrivate: true } }
connections: { sink: { provider: http, url: "${sink.url}", allowPrivate: true } }
server: { host: 127.0.0.1, port: ${port}, admin: { port: ${adminPort} } }
`,
    "rules/all.yaml": `
- id: all
  event: queue.message
  match: { number: [{ numeric: [">", ${ACKNOWLEDGED_AT}] }] }
  do:
    - sink.request: { method: POST, json: { n: "{{event.data.n}}" } }
`,
    "statemachines/.keep": "",
  });
});
afterAll(async () => {
  broker.close();
  await sink.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Starts the process, and gives it messages once `prepare` has said what happens then. */
async function serveThen(prepare: (served: Served) => void): Promise<Served> {
  isGiving = false;
  paused = [];
  const served = await serve(folder, port, {});
  prepare(served);
  isGiving = true;
  for (const next of paused.splice(0)) next();
  return served;
}

/** Runs the process until `killWhen` has it killed. */
async function runUntilKilled(killWhen: (kill: () => void) => void): Promise<void> {
  const served = await serveThen(({ child }) =>
    killWhen(() => {
      isGiving = false;
      child.kill("SIGKILL");
    }),
  );
  await served.ended;
  onStored = () => "go";
  onAcknowledged = () => undefined;
}

test("killed at any moment between take and acknowledge: every message is one event and one effect", async () => {
  await runUntilKilled((kill) => {
    onAcknowledged = (n) => n === ACKNOWLEDGED_AT && kill();
  });
  await runUntilKilled((kill) => {
    onStored = (n) => {
      if (n !== KILLED_AT) return "go";
      // Only once its effects are settled, so that the next process need not wait for the lease of a delivery.
      void until("what is stored has its effect", async () => (await deliveriesDone()) === KILLED_AT - 1).then(kill);
      return "kill";
    };
  });
  expect(waiting.has(KILLED_AT)).toBe(true);

  const last = await serveThen(() => {});
  await until("every message is acknowledged", () => waiting.size === 0);
  await until("every message but one has its effect", () => sink.arrivals.length >= MESSAGES - 1);
  const answer = await fetch(`http://127.0.0.1:${adminPort}/api/v1/events?type=queue.message&limit=100`);
  const { items } = (await answer.json()) as { items: { event: { delivery: string } }[] };
  last.child.kill("SIGTERM");
  await last.ended;

  expect(given.get(KILLED_AT)).toBe(2);
  expect(items.map(({ event }) => Number(event.delivery)).sort()).toEqual([1, 2, 3, 4, 5, 6]);
  expect(sink.arrivals.length).toBe(MESSAGES - 1);
});
