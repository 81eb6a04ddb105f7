/**
 * Ratios measured side by side in one run: verified durable ingest and the whole path to a loopback sink, each against the same
 * work written by hand, and deciding alone. Arguments: [events per measurement] [rounds].
 */
import { type ChildProcess, fork } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { decideAlone } from "./decide.ts";
import { load, type Percentiles, percentiles, startSink } from "./load.ts";
import { pullRequest, SECRET, type Signed } from "./payload.ts";

const EVENTS = Number(process.argv[2] ?? 4_000);
const ROUNDS = Number(process.argv[3] ?? 3);
const BYTES = 20_000;
const CONCURRENCY = 64;
/** Until the compilers of V8 have come to rest. */
const WARM_UP = 3_000;

const RULES = {
  ingest: `[]`,
  path: `
- id: merged
  event: github.pull_request.closed
  match: { data.pull_request.merged: true }
  do:
    - sink.request: { method: POST, json: { id: "{{event.delivery}}", text: "{{event.title}} is merged" } }
`,
  machine: `
- id: merged
  event: github.pull_request.closed
  match: { data.pull_request.merged: true }
  forEach: event.tickets
  send: { machine: tell, key: "{{item}}", event: MERGED }
`,
};
const MACHINE = `
id: tell
startOn: [MERGED]
context: { title: "{{event.title}}", delivery: "{{event.delivery}}" }
initial: idle
states:
  idle: { on: { MERGED: telling } }
  telling:
    invoke:
      src: sink.request
      input: { method: POST, json: { id: "{{context.delivery}}", text: "{{context.title}} is merged" } }
      onDone: told
      onError: told
  told: { type: final }
`;

interface Measured {
  perSecond: number;
  answerMs: Percentiles;
  /** CPU seconds of the server per 10,000 events. */
  cpu: number;
  /** From the answer to the sender until the sink had it. */
  ackToSinkMs?: Percentiles;
}

type Kind = "floor" | "floor+sink" | "ingest" | "path" | "machine";

let number = 0;
const batch = (count: number): Signed[] => Array.from({ length: count }, () => pullRequest(++number, BYTES));

async function measure(kind: Kind, count: number, rate?: number): Promise<Measured> {
  const folder = mkdtempSync(join(tmpdir(), "signalbox-bench-"));
  const sink = await startSink();
  const child = start(kind, folder, sink.url);
  try {
    const { url } = await message<{ url: string }>(child);
    const toSink = kind === "path" || kind === "machine" || kind === "floor+sink";
    const warming = batch(WARM_UP);
    await load({ url, events: warming, concurrency: CONCURRENCY });
    if (toSink) await until(() => warming.every(({ id }) => sink.arrived.has(id)));
    const before = await cpuOf(child);
    const events = batch(count);
    const acknowledged = new Map<string, number>();
    const startedMs = performance.now();
    const result = await load({ url, events, concurrency: CONCURRENCY, acknowledged, ...(rate ? { rate } : {}) });
    if (result.refused > 0) throw new Error(`${result.refused} of ${count} refused by ${kind}`);
    if (toSink) await until(() => events.every(({ id }) => sink.arrived.has(id)));
    const seconds = (performance.now() - startedMs) / 1000;
    const cpu = (await cpuOf(child)) - before;
    const lags = events.map(({ id }) => Math.max(0, (sink.arrived.get(id) ?? 0) - (acknowledged.get(id) ?? 0)));
    return {
      perSecond: toSink ? count / seconds : result.perSecond,
      answerMs: result.answerMs,
      cpu: (cpu / count) * 10_000,
      ...(toSink ? { ackToSinkMs: percentiles(lags) } : {}),
    };
  } finally {
    child.disconnect();
    await new Promise((resolve) => child.once("exit", resolve));
    sink.server.close();
    sink.server.closeAllConnections();
    rmSync(folder, { recursive: true, force: true });
  }
}

function start(kind: Kind, folder: string, sink: string): ChildProcess {
  const run = (file: string, args: string[]) =>
    fork(new URL(file, import.meta.url), args, {
      execArgv: ["--import", "tsx"],
      env: { ...process.env, BENCH_SECRET: SECRET },
    });
  if (kind === "floor") return run("./floor.ts", [join(folder, "log")]);
  if (kind === "floor+sink") return run("./floor.ts", [join(folder, "log"), sink]);
  mkdirSync(join(folder, "rules"));
  mkdirSync(join(folder, "statemachines"));
  writeFileSync(join(folder, "rules/bench.yaml"), RULES[kind]);
  if (kind === "machine") writeFileSync(join(folder, "statemachines/tell.yaml"), MACHINE);
  writeFileSync(
    join(folder, "signalbox.yaml"),
    `sources: { github: { provider: github, secret: env:BENCH_SECRET } }
connections: { sink: { provider: http, url: "${sink}", allowPrivate: true, concurrency: 16 } }
server: { host: 127.0.0.1, port: 0, admin: { port: 0 } }
`,
  );
  return run("./engine-child.ts", [folder]);
}

function message<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    child.once("message", (value) => resolve(value as T));
    child.once("exit", (code) => reject(new Error(`The server ended with ${code}`)));
  });
}

async function cpuOf(child: ChildProcess): Promise<number> {
  child.send("cpu");
  const { cpu } = await message<{ cpu: NodeJS.CpuUsage }>(child);
  return (cpu.user + cpu.system) / 1e6;
}

async function until(done: () => boolean): Promise<void> {
  for (let tries = 0; !done(); tries++) {
    if (tries > 12_000) throw new Error("The sink did not get everything");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function median(values: readonly number[]): number {
  return percentiles(values).p50;
}

function line(name: string, all: readonly Measured[], floor: readonly Measured[]): string {
  const rate = median(all.map(({ perSecond }) => perSecond));
  const ratio = rate / median(floor.map(({ perSecond }) => perSecond));
  const cells = [
    name.padEnd(34),
    rate.toFixed(0).padStart(8),
    ratio.toFixed(2).padStart(7),
    median(all.map(({ answerMs }) => answerMs.p50))
      .toFixed(1)
      .padStart(8),
    median(all.map(({ answerMs }) => answerMs.p99))
      .toFixed(1)
      .padStart(8),
    median(all.map(({ cpu }) => cpu))
      .toFixed(2)
      .padStart(9),
  ];
  const lag = all[0]?.ackToSinkMs;
  return cells.join(" ") + (lag ? ` ${lag.p50.toFixed(1).padStart(9)} ${lag.p99.toFixed(1).padStart(8)}` : "");
}

const rounds: Record<Kind, Measured[]> = { floor: [], "floor+sink": [], ingest: [], path: [], machine: [] };
for (let round = 1; round <= ROUNDS; round++) {
  for (const kind of Object.keys(rounds) as Kind[]) {
    process.stderr.write(`round ${round} of ${ROUNDS}: ${kind}\n`);
    rounds[kind].push(await measure(kind, EVENTS));
  }
}
const half = median(rounds.path.map(({ perSecond }) => perSecond)) / 2;
process.stderr.write(`half of the highest rate: ${half.toFixed(0)}/s\n`);
const calm = await measure("path", Math.max(500, Math.floor(EVENTS / 2)), half);

console.log(
  `${new Date().toISOString().slice(0, 10)}  node ${process.version}  ${cpus().length} × ${cpus()[0]?.model.trim()}`,
);
console.log(`${EVENTS} events of ${BYTES / 1000} KB, ${CONCURRENCY} in flight, median of ${ROUNDS} rounds\n`);
console.log(
  "                                     events/s   ratio  answer ms p50, p99  CPU s/10k  ack→sink ms p50, p99",
);
console.log(line("floor: verify, parse, fsync", rounds.floor, rounds.floor));
console.log(line("verified durable ingest", rounds.ingest, rounds.floor));
console.log(line("floor to the sink, by hand", rounds["floor+sink"], rounds["floor+sink"]));
console.log(line("whole path: rule → sink", rounds.path, rounds["floor+sink"]));
console.log(line("whole path: rule → machine → sink", rounds.machine, rounds["floor+sink"]));
console.log(line("rule → sink at half the rate", [calm], rounds["floor+sink"]));
console.log();
for (const row of decideAlone()) console.log(row);
