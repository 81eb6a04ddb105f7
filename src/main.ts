#!/usr/bin/env node
/** The process: argv, environment, streams, signals, exit codes. The only file that touches `process`. */
import { existsSync } from "node:fs";
import * as nodeModule from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Shell } from "./cli/shell.ts";

const NODE_WANTED = [20, 19] as const;

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < NODE_WANTED[0] || (major === NODE_WANTED[0] && minor < NODE_WANTED[1])) {
  console.error(`signalbox needs Node ${NODE_WANTED.join(".")} or newer; this is ${process.versions.node}`);
  process.exit(1);
}

// A reader that has seen enough, such as `head`, is no failure.
let endsWithOutput = true;
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (endsWithOutput) process.exit(error.code === "EPIPE" ? 0 : 70);
  });
}

// V8 keeps what it compiled for the next start, where Node can (22.1). In the user's own folder: what lies there is run.
const { XDG_CACHE_HOME = "", HOME = "" } = process.env;
const { enableCompileCache } = nodeModule as { enableCompileCache?: (folder: string) => unknown };
const cacheHome = XDG_CACHE_HOME || HOME;
// Node 22 makes missing parents without end where the system refuses them, so the home has to exist.
if (existsSync(cacheHome)) enableCompileCache?.(join(cacheHome, XDG_CACHE_HOME ? "" : ".cache", "signalbox"));

const shell: Shell = {
  argv: process.argv.slice(2),
  env: process.env,
  cwd: process.cwd(),
  tempDir: tmpdir(),
  nodeVersion: process.versions.node,
  platform: `${process.platform} ${process.arch}`,
  pid: process.pid,
  tty: { in: process.stdin.isTTY === true, out: process.stdout.isTTY === true, err: process.stderr.isTTY === true },
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  errFd: 2,
  ignoreClosedOutput() {
    endsWithOutput = false;
  },
  async readIn() {
    const chunks: Buffer[] = [];
    for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk));
    return Buffer.concat(chunks).toString("utf8");
  },
  ask(question) {
    const lines = createInterface({ input: process.stdin, output: process.stderr });
    return new Promise((resolve) => {
      let answer = "";
      lines.once("close", () => resolve(answer));
      lines.question(question, (typed) => {
        answer = typed;
        lines.close();
      });
    });
  },
  on: (signal, listener) => void process.on(signal, listener),
  exit: (code) => process.exit(code),
};

// Not imported before the guard: an old Node could not even read it.
const { run, failWith: fail } = await import("./cli/program.ts");
for (const event of ["uncaughtException", "unhandledRejection"] as const) {
  process.on(event, (error: unknown) => process.exit(fail(shell, error)));
}
const code = await run(shell);
// What still waits for its reader is written first; what still runs in the background is not waited for.
await Promise.all([process.stdout, process.stderr].map((stream) => new Promise((done) => stream.write("", done))));
process.exit(code);
