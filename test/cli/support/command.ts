/** Runs the command line: as a process of its own, or in this one with its streams held. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { run } from "../../../src/cli/program.ts";
import type { Shell } from "../../../src/cli/shell.ts";
import { MAIN } from "../../support/build.ts";

export const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

export interface Ran {
  code: number;
  out: string;
  err: string;
}

export interface How {
  cwd?: string;
  env?: Record<string, string>;
  input?: string;
  tty?: boolean;
  /** What a person types when asked. */
  typed?: string;
  /** Parts of the shell that are otherwise. */
  shell?: Partial<Shell>;
}

/** Nothing of the machine that the tests run on. */
function cleanEnv(env: Record<string, string> = {}): Record<string, string> {
  return { PATH: process.env.PATH ?? "", HOME: "/nonexistent", TZ: "UTC", ...env };
}

/** The command in this process: the real program, its streams held. */
export async function command(args: string[], how: How = {}): Promise<Ran> {
  const ran: Ran = { code: -1, out: "", err: "" };
  const tty = how.tty ?? false;
  const shell: Shell = {
    argv: args,
    env: cleanEnv(how.env),
    cwd: how.cwd ?? tmpdir(),
    tempDir: tmpdir(),
    nodeVersion: process.versions.node,
    platform: "test",
    pid: process.pid,
    tty: { in: tty, out: tty, err: tty },
    out: (text) => {
      ran.out += text;
    },
    err: (text) => {
      ran.err += text;
    },
    readIn: async () => how.input ?? "",
    ask: async (question) => {
      ran.err += question;
      return how.typed ?? "";
    },
    on() {},
    exit() {},
    ...how.shell,
  };
  ran.code = await run(shell);
  return ran;
}

export interface Started {
  process: ChildProcess;
  /** Resolves when standard error has said it. */
  said(text: string | RegExp): Promise<string>;
  ended: Promise<Ran>;
  signal(name: NodeJS.Signals): void;
}

/** The command as a process; ended with the test at the latest. */
export function start(args: string[], how: How = {}): Started {
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd: how.cwd ?? ROOT,
    env: cleanEnv(how.env),
    stdio: ["pipe", "pipe", "pipe"],
  });
  const ran: Ran = { code: -1, out: "", err: "" };
  const waiting = new Set<() => void>();
  const heard = () => {
    for (const look of waiting) look();
  };
  child.stdout.on("data", (chunk) => {
    ran.out += chunk;
    heard();
  });
  child.stderr.on("data", (chunk) => {
    ran.err += chunk;
    heard();
  });
  child.stdin.on("error", () => {});
  child.stdin.end(how.input ?? "");
  const ended = new Promise<Ran>((resolve) => {
    child.once("close", (code, signal) => {
      ran.code = code ?? (signal === null ? -1 : 128);
      heard();
      resolve(ran);
    });
  });
  return {
    process: child,
    ended,
    signal: (name) => void child.kill(name),
    said: (text) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const found = typeof text === "string" ? ran.err.includes(text) : text.test(ran.err);
          if (found) resolve(ran.err);
          else if (ran.code >= 0) reject(new Error(`It ended with ${ran.code} and never said ${text}:\n${ran.err}`));
          else return;
          waiting.delete(look);
        };
        waiting.add(look);
        look();
      }),
  };
}

/** The command as a process, to its end. */
export async function process_(args: string[], how: How = {}): Promise<Ran> {
  return await start(args, how).ended;
}

/** A folder that is gone after the test. */
export function temporary(): string {
  const dir = mkdtempSync(join(tmpdir(), "signalbox-cli-"));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** A new project as `init` writes it, with other files on top; gone after the test. */
export async function project(files: Record<string, string> = {}): Promise<string> {
  const dir = temporary();
  await fill(dir, files);
  return dir;
}

/** The same for longer than one test. */
export async function startsProject(files: Record<string, string>): Promise<{ dir: string; remove(): void }> {
  const dir = mkdtempSync(join(tmpdir(), "signalbox-cli-"));
  await fill(dir, files);
  return { dir, remove: () => rmSync(dir, { recursive: true, force: true }) };
}

async function fill(dir: string, files: Record<string, string>): Promise<void> {
  const { code, err } = await command(["init", dir]);
  if (code !== 0) throw new Error(err);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), text);
  }
}

/** The one JSON document on standard output. */
export function json({ out }: Ran): Record<string, unknown> & { kind: string } {
  return JSON.parse(out);
}
