/** The real process: `signalbox serve` on a folder, with a sink on loopback that records what reaches it. */
import { type ChildProcess, spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { MAIN } from "./build.ts";
import { recordOutput } from "./records.ts";

export const GITHUB_SECRET = "It's a Secret to Everybody";

/** Below the ports that systems hand out by themselves, so that nobody takes it before it is used. */
const PORTS = { from: 10_000, count: 20_000 };
let nextPort = (process.pid * 151) % PORTS.count;

export async function freePort(): Promise<number> {
  for (;;) {
    const port = PORTS.from + nextPort;
    nextPort = (nextPort + 1) % PORTS.count;
    const server = createTcpServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false));
      server.listen(port, "127.0.0.1", () => resolve(true));
    });
    if (!isFree) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
}

export function folderOf(files: Record<string, string>): string {
  // Below the folder of the suite, if there is one: it is removed with it.
  const folder = mkdtempSync(join(process.env.SIGNALBOX_TEST_RECORDS ?? tmpdir(), "signalbox-test-"));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return folder;
}

export interface Arrival {
  key: string;
  body: string;
}

export interface Sink {
  url: string;
  arrivals: Arrival[];
  /** How long it takes to answer. */
  delayMs: number;
  /** How many are connected now. */
  connections(): Promise<number>;
  close(): Promise<void>;
}

export async function startSink(): Promise<Sink> {
  const arrivals: Arrival[] = [];
  const server: Server = createServer((request, answer) => {
    let body = "";
    request.on("data", (chunk) => {
      body += chunk;
    });
    request.on("end", () => {
      arrivals.push({ key: String(request.headers["idempotency-key"] ?? request.headers["webhook-id"]), body });
      setTimeout(() => answer.end("ok"), sink.delayMs);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const sink: Sink = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    arrivals,
    delayMs: 0,
    connections: () =>
      new Promise((resolve, reject) =>
        server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
      ),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return sink;
}

export interface Served {
  child: ChildProcess;
  /** All it wrote. */
  output(): string;
  /** Exit code or signal. */
  ended: Promise<number | string>;
}

/** Starts the process and waits until it answers. */
export async function serve(folder: string, port: number, env: Record<string, string>): Promise<Served> {
  let output = "";
  const child = spawn(process.execPath, [MAIN, "serve", "--dir", folder], {
    env: { ...process.env, NO_COLOR: "1", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk) => {
      output += chunk;
      recordOutput(String(chunk));
    });
  }
  const ended = new Promise<number | string>((resolve) =>
    child.once("exit", (code, signal) => resolve(code ?? signal ?? -1)),
  );
  let over = false;
  void ended.then(() => {
    over = true;
  });
  try {
    await until("serve answers", async () => {
      if (over) throw new Error(`serve ended: ${output}`);
      return await fetch(`http://127.0.0.1:${port}/healthz`).then(
        ({ ok }) => ok,
        () => false,
      );
    });
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }
  return { child, output: () => output, ended };
}

export interface Signed {
  id: string;
  headers: Record<string, string>;
  body: string;
}

/** A merged pull request as GitHub would send and sign it. */
export function mergedPullRequest(
  number: number,
  options: { merged?: boolean; title?: string; secret?: string } = {},
): Signed {
  const { merged = true, title = `WEB-${number} add login`, secret = GITHUB_SECRET } = options;
  const body = JSON.stringify({
    action: "closed",
    number,
    pull_request: {
      number,
      title,
      merged,
      state: "closed",
      body: null,
      html_url: `https://github.com/acme/web/pull/${number}`,
      closed_at: "2026-01-05T09:00:00Z",
      merge_commit_sha: "9f31c2e6b0d14dd4a3b1c5e0f2a49d8e7c6b5a40",
      user: { login: "octocat" },
      base: { ref: "main" },
      head: { ref: "feature/login", sha: "1".repeat(40) },
    },
    repository: { full_name: "acme/web", html_url: "https://github.com/acme/web", default_branch: "main" },
    sender: { login: "octocat" },
  });
  return signedByGithub("pull_request", body, {
    id: `00000000-0000-4000-8000-${String(number).padStart(12, "0")}`,
    secret,
  });
}

/** A request as GitHub sends and signs it. */
export function signedByGithub(
  event: string,
  body: string,
  { id, secret = GITHUB_SECRET }: { id: string; secret?: string },
): Signed {
  const signature = createHmac("sha256", secret).update(body).digest("hex");
  return {
    id,
    body,
    headers: {
      "content-type": "application/json",
      "x-github-event": event,
      "x-github-delivery": id,
      "x-hub-signature-256": `sha256=${signature}`,
    },
  };
}

export async function until(what: string, done: () => boolean | Promise<boolean>, timeoutMs = 100_000): Promise<void> {
  const endMs = Date.now() + timeoutMs;
  while (!(await done())) {
    if (Date.now() > endMs) throw new Error(`Waited ${timeoutMs} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
