/** What a start costs, beside bare node: wall and CPU time of commands as they are built (`npm run build` first). */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const RUNS = Number(process.argv[2] ?? 7);
const MAIN = fileURLToPath(new URL("../dist/main.js", import.meta.url));

interface Case {
  name: string;
  args: string[];
  goalMs?: number;
  /** Standard error says this when it has started; then it is ended. */
  ready?: RegExp;
}

interface Cost {
  wallMs: number;
  cpuMs: number;
}

const dir = mkdtempSync(join(tmpdir(), "signalbox-start-"));
const probe = join(dir, "probe.cjs");
const tell = 'process.on("exit", () => require("fs").writeSync(3, JSON.stringify(process.cpuUsage())))';
writeFileSync(probe, `if (require("worker_threads").isMainThread) ${tell};`);
const project = join(dir, "project");
const env = { PATH: process.env.PATH, HOME: dir };

async function measure({ args, ready }: Case): Promise<Cost> {
  const startedMs = performance.now();
  const child = spawn(process.execPath, ["--require", probe, ...args], {
    env,
    cwd: dir,
    stdio: ["ignore", "ignore", "pipe", "pipe"],
  });
  let wallMs = 0;
  let said = "";
  child.stderr?.on("data", (chunk) => {
    said += chunk;
    if (wallMs > 0 || !ready?.test(said)) return;
    wallMs = performance.now() - startedMs;
    child.kill("SIGTERM");
  });
  const usage = await textOf(child);
  if (usage === "" || (ready && wallMs === 0)) throw new Error(`node ${args.join(" ")} failed:\n${said}`);
  const { user, system } = JSON.parse(usage);
  return { wallMs: wallMs || performance.now() - startedMs, cpuMs: (user + system) / 1_000 };
}

function textOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    child.stdio[3]?.on("data", (chunk) => {
      text += chunk;
    });
    child.once("close", () => resolve(text));
  });
}

const CASES: Case[] = [
  { name: "bare node", args: ["-e", "0"] },
  { name: "version", args: [MAIN, "version"], goalMs: 250 },
  { name: "--help", args: [MAIN, "--help"], goalMs: 250 },
  { name: "check, ten rules", args: [MAIN, "check", "-C", project], goalMs: 500 },
  {
    name: "serve, until ready",
    args: [MAIN, "serve", "-C", project, "--port", "0", "--admin-port", "0"],
    goalMs: 700,
    ready: /ready in/,
  },
];

const TENTH =
  '- id: tenth\n  event: github.push\n  do:\n    - slack.post: { channel: "#dev", text: "{{event.title}}" }\n';

try {
  // The shipped policy has nine rules.
  await measure({ name: "init", args: [MAIN, "init", project, "--template", "all"] });
  writeFileSync(join(project, "rules", "tenth.yaml"), TENTH);
  const costs = new Map<Case, Cost[]>(CASES.map((one) => [one, []]));
  // In turns, so that a busy moment of the machine meets all of them.
  for (let run = 0; run < RUNS; run += 1) for (const one of CASES) costs.get(one)!.push(await measure(one));
  const bare = smallest(costs.get(CASES[0]!)!, "cpuMs");
  console.log(`node ${process.versions.node}, ${RUNS} runs, milliseconds (smallest / median)`);
  for (const [{ name, goalMs }, all] of costs) {
    const [wall, cpu] = [spread(all, "wallMs"), spread(all, "cpuMs")];
    const ratio = (smallest(all, "cpuMs") / bare).toFixed(1).padStart(5);
    console.log(`${name.padEnd(20)} wall ${wall}  cpu ${cpu}  ${ratio} × bare  ${goalMs ? `goal ${goalMs}` : ""}`);
  }
} finally {
  rmSync(dir, { recursive: true, force: true });
}

function smallest(costs: readonly Cost[], key: keyof Cost): number {
  return Math.min(...costs.map((cost) => cost[key]));
}

function spread(costs: readonly Cost[], key: keyof Cost): string {
  const sorted = costs.map((cost) => cost[key]).sort((a, b) => a - b);
  return [sorted[0], sorted[sorted.length >> 1]].map((ms) => ms!.toFixed(0).padStart(5)).join(" /");
}
