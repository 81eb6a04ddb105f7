/** A log or a disk that cannot be written: the server goes on, says so, and acknowledges nothing that is not kept. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, copyFileSync, existsSync, openSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { lineWriter } from "../../src/log/lines.ts";
import { createLogger } from "../../src/log.ts";
import { MAIN } from "../support/build.ts";
import { type Started, startEngine } from "../support/engine.ts";
import { folderOf, freePort, GITHUB_SECRET, mergedPullRequest, until } from "../support/served.ts";

const failing = (code: string) => Object.assign(new Error(`${code}: it cannot be written`), { code });

/** A file that takes so many bytes at a time, or refuses with an error code. */
function fakeFile() {
  const file = {
    written: "",
    takes: Number.POSITIVE_INFINITY,
    refuses: undefined as string | undefined,
    write(_fd: number, bytes: Buffer): number {
      if (file.refuses !== undefined) throw failing(file.refuses);
      const taken = bytes.subarray(0, file.takes);
      file.written += taken.toString("utf8");
      return taken.length;
    },
  };
  return file;
}

describe("lines to a file", () => {
  test("arrive whole and in order when the file takes a few bytes at a time", () => {
    const file = fakeFile();
    file.takes = 3;
    const out = lineWriter(2, file.write);
    for (const line of ["first line\n", "second line\n"]) out.write(line);
    expect(file.written).toBe("first line\nsecond line\n");
  });

  test.each(["ENOSPC", "EPIPE", "EIO"])("that refuses with %s are dropped, and those after it are written", (code) => {
    const file = fakeFile();
    const out = lineWriter(2, file.write);
    file.refuses = code;
    expect(() => out.write("lost\n")).toThrow(code);
    file.refuses = undefined;
    out.write("kept\n");
    expect(file.written).toBe("kept\n");
  });

  test("are whole, in order, and either written or counted as dropped, whatever the file does", () => {
    const action = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.constantFrom("ENOSPC", "EPIPE", "EAGAIN"));
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60 }), fc.integer({ min: 1, max: 20 }), (actions, count) => {
        const file = fakeFile();
        const write = (fd: number, bytes: Buffer) => {
          const next = actions.shift();
          file.refuses = typeof next === "string" ? next : undefined;
          file.takes = typeof next === "number" ? next : Number.POSITIVE_INFINITY;
          return file.write(fd, bytes);
        };
        const out = lineWriter(2, write);
        const kept: string[] = [];
        const send = (line: string) => {
          try {
            out.write(line);
            kept.push(line);
          } catch {
            // Dropped, as it says.
          }
        };
        for (let i = 0; i < count; i++) send(`line ${i}\n`);
        actions.length = 0;
        send("last\n");
        expect(file.written).toBe(kept.join(""));
      }),
    );
  });

  test("wait for a slow reader, and are dropped when it is too slow; what is kept is bounded", () => {
    const file = fakeFile();
    const out = lineWriter(2, file.write);
    file.refuses = "EAGAIN";
    const line = `${"x".repeat(999)}\n`;
    let kept = 0;
    let dropped = 0;
    for (let i = 0; i < 1_000; i++) {
      try {
        out.write(line);
        kept += 1;
      } catch {
        dropped += 1;
      }
    }
    expect(dropped).toBeGreaterThan(500);
    expect(kept).toBeGreaterThan(100);
    file.refuses = undefined;
    out.write("last\n");
    expect(file.written).toBe(`${line.repeat(kept)}last\n`);
  });
});

describe("a log", () => {
  test("that cannot be written counts what it drops, and the first line that gets through says how many", () => {
    const lines: string[] = [];
    let isFull = false;
    const destination = {
      write(line: string) {
        if (isFull) throw failing("ENOSPC");
        lines.push(line);
      },
    };
    const log = createLogger({ level: "info", secrets: [], pretty: false, destination });
    log.info("before");
    isFull = true;
    for (let i = 0; i < 5; i++) log.info("lost");
    isFull = false;
    log.info("after");
    log.info("later");
    const told = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(told.map(({ message }) => message)).toEqual([
      "before",
      expect.stringContaining("dropped"),
      "after",
      "later",
    ]);
    expect(told[1]).toMatchObject({ level: "warn", lines: 5 });
    expect(log.dropped()).toBe(5);
  });
});

describe.runIf(existsSync("/dev/full"))("a server whose output", () => {
  const YAML = (port: number, admin: number) =>
    `server: { host: 127.0.0.1, port: ${port}, admin: { port: ${admin} } }\nlog: debug\nsources: { github: { provider: github, secret: env:GITHUB } }\n`;
  let child: ChildProcess;
  let port: number;
  let admin: number;

  async function start(stdio: ("ignore" | "pipe" | number)[]): Promise<void> {
    [port, admin] = [await freePort(), await freePort()];
    const folder = folderOf({ "signalbox.yaml": YAML(port, admin), "rules/.keep": "", "statemachines/.keep": "" });
    child = spawn(process.execPath, [MAIN, "serve", "--json", "--dir", folder], {
      ...{ stdio: stdio as ["ignore", "pipe", "pipe"], env: { ...process.env, GITHUB: GITHUB_SECRET } },
    });
    await until("it answers", () =>
      fetch(`http://127.0.0.1:${port}/healthz`).then(
        ({ ok }) => ok,
        () => false,
      ),
    );
  }

  async function post(number: number): Promise<number> {
    const { body, headers } = mergedPullRequest(number);
    return (await fetch(`http://127.0.0.1:${port}/hooks/github`, { method: "POST", body, headers })).status;
  }

  async function expectItWorksAndEnds(): Promise<void> {
    for (let number = 1; number <= 3; number++) expect(await post(number)).toBe(202);
    expect((await fetch(`http://127.0.0.1:${admin}/readyz`)).status).toBe(200);
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGTERM");
    expect(await ended).toBe(0);
  }

  const droppedLines = async () => {
    const metrics = await (await fetch(`http://127.0.0.1:${admin}/metrics`)).text();
    return Number(/^signalbox_log_dropped_lines (\d+)/m.exec(metrics)?.[1]);
  };

  test("goes to a full disk stores events, counts the lines it drops, and ends as asked", async () => {
    const full = openSync("/dev/full", "w");
    await start(["ignore", full, full]);
    closeSync(full);
    expect(await post(0)).toBe(202);
    expect(await droppedLines()).toBeGreaterThan(0);
    await expectItWorksAndEnds();
  });

  test("goes to a pipe that is closed stores events, and ends as asked", async () => {
    await start(["ignore", "pipe", "pipe"]);
    child.stdout?.destroy();
    child.stderr?.destroy();
    await expectItWorksAndEnds();
  });

  test("goes to a reader that has stopped reading answers all the same, and drops what does not fit", async () => {
    await start(["ignore", "pipe", "pipe"]);
    child.stderr?.pause();
    const requests = 4_000;
    for (let i = 0; i < requests / 100; i++) {
      await Promise.all(
        Array.from({ length: 100 }, () => fetch(`http://127.0.0.1:${port}/nothing-is-here`, { method: "POST" })),
      );
    }
    expect(await post(0)).toBe(202);
    expect(await droppedLines()).toBeGreaterThan(0);
    child.stderr?.resume();
    await expectItWorksAndEnds();
  });
});

describe("a store whose file", () => {
  let started: Started;
  let number = 0;
  const file = (suffix = "") => join(started.folder, `data/signalbox.db${suffix}`);
  const post = async () => (await started.post("github", mergedPullRequest(++number))).status;
  const ready = async () => (await started.api("/readyz")).status;

  beforeEach(async () => {
    const yaml =
      "server: { host: 127.0.0.1, port: 0, admin: { port: 0 } }\nsources: { github: { provider: github, secret: env:GITHUB } }\n";
    started = await startEngine({ "signalbox.yaml": yaml }, { GITHUB: GITHUB_SECRET });
    expect(await post()).toBe(202);
    expect(await ready()).toBe(200);
    return () => started.stop();
  });

  test.each(["", "-wal"])("signalbox.db%s is deleted acknowledges nothing more, and is not ready", async (suffix) => {
    rmSync(file(suffix));
    expect(await post()).toBe(503);
    expect(await ready()).toBe(503);
  });

  test("is replaced by another, as by a backup that is put back, acknowledges nothing more", async () => {
    copyFileSync(file(), file(".backup"));
    renameSync(file(".backup"), file());
    expect(await post()).toBe(503);
    expect(await ready()).toBe(503);
  });

  test("is moved away and put back works again", async () => {
    renameSync(file(), file(".away"));
    expect(await post()).toBe(503);
    renameSync(file(".away"), file());
    expect(await post()).toBe(202);
    expect(await ready()).toBe(200);
  });
});
