/** Bodies whose few bytes become many values: a server with a small heap takes them all, one after the other if need be. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createMemoryGate, valueBytes } from "../../src/flow/memory.ts";
import { createRecentEvents } from "../../src/flow/recent.ts";
import { LIMITS } from "../../src/model.ts";
import { sqliteStore } from "../../src/store/sqlite/store.ts";
import { MAIN } from "../support/build.ts";
import { newEvent } from "../support/nouns.ts";
import { folderOf, freePort, GITHUB_SECRET, mergedPullRequest, signedByGithub, until } from "../support/served.ts";

const MIB = 1024 * 1024;
const COUNT = 20;
/** Enough for a server at work, and less than eight of these bodies would take if they were read at one time. */
const HEAP_MIB = 160;

/** A body of almost 1 MiB. */
const bodyOf = (value: string, n: number) => {
  const list = Array.from({ length: Math.floor((MIB - 2_000) / (value.length + 1)) }, () => value).join(",");
  return `{${mergedPullRequest(n).body.slice(1, -1)},"values":[${list}]}`;
};

const FILES = (port: number, admin: number) => ({
  "signalbox.yaml": `server: { host: 127.0.0.1, port: ${port}, admin: { port: ${admin} } }\nlog: warn\nsources: { github: { provider: github, secret: env:GITHUB } }\n`,
  "rules/all.yaml":
    "- id: all\n  event: github.*\n  match: { data.action: nothing }\n  send: { machine: one, key: x, event: GO }\n",
  "statemachines/one.yaml":
    "id: one\ninitial: a\nstartOn: [GO]\nstates:\n  a: { on: { GO: b } }\n  b: { type: final }\n",
});

async function withSmallHeap(folder: string, admin: number, act: () => Promise<void>): Promise<void> {
  const child = spawn(
    process.execPath,
    [`--max-old-space-size=${HEAP_MIB}`, MAIN, "serve", "--json", "--dir", folder],
    {
      ...{ stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, GITHUB: GITHUB_SECRET } },
    },
  );
  let output = "";
  let ended: unknown;
  child.stderr.on("data", (chunk) => {
    output += chunk;
  });
  child.once("exit", (code, signal) => {
    ended = code ?? signal;
  });
  const isAlive = () => {
    if (ended !== undefined) throw new Error(`The server ended with ${ended}: ${output.slice(-2_000)}`);
  };
  try {
    await until("it is ready", async () => {
      isAlive();
      return await fetch(`http://127.0.0.1:${admin}/readyz`).then(
        ({ ok }) => ok,
        () => false,
      );
    });
    await act();
    await until("every event is decided", async () => {
      isAlive();
      const { counts } = (await (await fetch(`http://127.0.0.1:${admin}/api/v1/status`)).json()) as {
        counts: { undecided: number; events: number };
      };
      return counts.undecided === 0 && counts.events === COUNT;
    });
    isAlive();
  } finally {
    child.kill("SIGKILL");
  }
}

describe.each(["{}"])("twenty bodies of 1 MiB that hold nothing but %s", (value) => {
  test("are all taken and decided in a small heap, though all come at one time", async () => {
    const [port, admin] = [await freePort(), await freePort()];
    await withSmallHeap(folderOf(FILES(port, admin)), admin, async () => {
      const post = async (n: number): Promise<void> => {
        const { body, headers } = signedByGithub("pull_request", bodyOf(value, n), { id: `id-${n}` });
        for (;;) {
          const response = await fetch(`http://127.0.0.1:${port}/hooks/github`, { method: "POST", body, headers });
          if (response.status === 202) return;
          // Asked to come again, and told when: nothing was lost.
          expect(response.status).toBe(503);
          expect(response.headers.get("retry-after")).toMatch(/^\d+$/);
        }
      };
      await Promise.all(Array.from({ length: COUNT }, (_, n) => post(n)));
    });
  });

  test("are decided in a small heap when they wait in the log since before a restart", async () => {
    const [port, admin] = [await freePort(), await freePort()];
    const folder = folderOf(FILES(port, admin));
    const store = await sqliteStore({ path: join(folder, "data/signalbox.db") });
    for (let n = 0; n < COUNT; n++) {
      const dataText = bodyOf(value, n);
      await store.append([{ ...newEvent(`evt_${n}`, { type: "github.pull_request.closed", data: {} }), dataText }]);
    }
    await store.close();
    await withSmallHeap(folder, admin, async () => {});
  });
});

describe("what a body becomes", () => {
  const heapOf = (text: string) => {
    const values: unknown[] = [];
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < 8; i++) values.push(JSON.parse(text));
    return { perText: (process.memoryUsage().heapUsed - before) / values.length, values };
  };

  test.each(["[]", "{}", '{"a":1}', "1.5", '"ab"', "1", "[[]]", '{"a":{}}', "null", '[{"a":[]}]'])(
    "%s by the thousand is not counted as less than half of it",
    (value) => {
      const text = bodyOf(value, 1);
      expect(valueBytes(text)).toBeGreaterThan(heapOf(text).perText / 2);
    },
  );

  test("hides in no form: escapes count", () => {
    const text = bodyOf("{}", 1);
    expect(valueBytes(encodeURIComponent(text))).toBeGreaterThan(valueBytes(text) / 2);
  });
});

describe("the room for bodies that are read", () => {
  test("is never exceeded but by one that is larger than all of it, everybody gets in, and in the order in which they came", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 150 }), { maxLength: 30 }), async (sizes) => {
        const gate = createMemoryGate(100);
        const inside = new Set<number>();
        const order: number[] = [];
        await Promise.all(
          sizes.map(async (size, index) => {
            const leave = await gate.enter(size);
            inside.add(index);
            order.push(index);
            const held = [...inside].reduce((sum, one) => sum + (sizes[one] ?? 0), 0);
            expect(inside.size === 1 || held <= 100).toBe(true);
            await new Promise((resolve) => setImmediate(resolve));
            inside.delete(index);
            leave();
          }),
        );
        expect(order).toEqual(sizes.map((_, index) => index));
      }),
      { numRuns: 50 },
    );
  });
});

describe("events that are kept for deciding", () => {
  test("take no more than their part, counted by what they are and not by their text", () => {
    const recent = createRecentEvents();
    const text = bodyOf("{}", 1);
    const data = JSON.parse(text);
    const events = Array.from({ length: 10 }, (_, n) => newEvent(`evt_${n}`, { data }));
    recent.remember(events.map((event, n) => (n % 2 === 0 ? event : { ...event, dataText: text })));
    expect([...recent.ids()].length * valueBytes(text)).toBeLessThanOrEqual(LIMITS.undecidedBytes / 4);
  });
});
