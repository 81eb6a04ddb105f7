/** What every Cache promises, on both; and what Redis promises beside when it is away. */
import type { ChildProcess } from "node:child_process";
import { createServer, type Server } from "node:net";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { jittered, memoryCache } from "../../src/cache/memory.ts";
import { redisCache } from "../../src/cache/redis.ts";
import type { Cache } from "../../src/ports/cache.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { Observation } from "../../src/ports/observe.ts";
import { hasRedisServer, killRedis, startRedis } from "../support/redis.ts";
import { freePort } from "../support/served.ts";
import { hasService, isListening } from "../support/services.ts";

const REDIS_URL = process.env.REDIS_URL ?? "redis://127.0.0.1:6379";
const NAMESPACE = "signalbox:cache:";
const MINUTE_MS = 60_000;
const MINUTE = { ttlMs: MINUTE_MS };

/** Its sleeps end with the timers below, so that the bound on a first connection holds, and it can be wound. */
function woundClock(): Clock & { advance(ms: number): void } {
  let nowMs = 1_700_000_000_000;
  return {
    now: () => nowMs,
    monotonic: () => nowMs,
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms).unref()),
    advance: (ms) => {
      nowMs += ms;
    },
  };
}

interface Backend {
  name: string;
  open(): Promise<{ cache: Cache; pass(key: string, ms: number): Promise<void>; done(): Promise<void> }>;
}

const memory: Backend = {
  name: "memory",
  async open() {
    const clock = woundClock();
    const cache = memoryCache({ clock });
    return { cache, pass: async (_key, ms) => clock.advance(ms), done: () => cache.close() };
  },
};

const redis: Backend = {
  name: "Redis",
  async open() {
    const admin = new Redis(REDIS_URL);
    const cache = redisCache({ url: REDIS_URL, clock: woundClock(), observe: () => {} });
    return {
      cache,
      // Time passes for one entry: its remaining life is cut by that much.
      async pass(key, ms) {
        const left = await admin.pttl(NAMESPACE + key);
        if (left > 0) await admin.pexpire(NAMESPACE + key, Math.max(0, left - ms));
      },
      async done() {
        const keys = await admin.keys(`${NAMESPACE}test:${process.pid}:*`);
        if (keys.length > 0) await admin.del(...keys);
        admin.disconnect();
        await cache.close();
      },
    };
  },
};

const hasRedis = hasService({
  name: "Redis",
  isThere: await isListening(REDIS_URL),
  unchecked: "the cache contract on Redis (test/contract/cache.test.ts)",
  remedy: "start `redis-server`, or name one with REDIS_URL",
});
const hasServer = hasRedisServer("a cache whose Redis dies, hangs or refuses (test/contract/cache.test.ts)");

// A timer ends when a test says so: how busy this machine is does not decide when Redis is given up on.
const fakeTimers = () => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
beforeAll(fakeTimers);
afterAll(() => void vi.useRealTimers());

let count = 0;
const newKey = () => `test:${process.pid}:${++count}`;

/** A load that counts and gives what it is told to. */
function loader<T>(...values: T[]) {
  let loads = 0;
  const load = async (): Promise<T> => values[Math.min(loads++, values.length - 1)] as T;
  return Object.assign(load, { count: () => loads });
}

describe.each([memory, ...(hasRedis ? [redis] : [])])("a cache in $name", (backend) => {
  let opened: Awaited<ReturnType<Backend["open"]>>;
  beforeAll(async () => {
    opened = await backend.open();
  });
  afterAll(() => opened.done());

  test("a value that is kept is not loaded again", async () => {
    const key = newKey();
    const load = loader({ a: [1, "ü", null, true] }, { a: [2] });
    expect(await opened.cache.read(key, MINUTE, load)).toEqual({ a: [1, "ü", null, true] });
    expect(await opened.cache.read(key, MINUTE, load)).toEqual({ a: [1, "ü", null, true] });
    expect(load.count()).toBe(1);
    expect(opened.cache.healthy()).toBe(true);
  });

  test.each([null, false, 0, "", [], {}])("the value %j is kept like any other", async (value) => {
    const key = newKey();
    const load = loader<unknown>(value, "something else");
    await opened.cache.read(key, MINUTE, load as never);
    expect(await opened.cache.read(key, MINUTE, load as never)).toEqual(value);
    expect(load.count()).toBe(1);
  });

  test("keys do not know each other", async () => {
    const [one, two] = [newKey(), newKey()];
    await opened.cache.read(one, MINUTE, loader("one"));
    expect(await opened.cache.read(two, MINUTE, loader("two"))).toBe("two");
  });

  test("a value is gone after its time, and not long before", async () => {
    const key = newKey();
    const load = loader(1, 2);
    await opened.cache.read(key, MINUTE, load);
    await opened.pass(key, 0.85 * MINUTE_MS);
    expect(await opened.cache.read(key, MINUTE, load)).toBe(1);
    await opened.pass(key, 0.15 * MINUTE_MS);
    expect(await opened.cache.read(key, MINUTE, load)).toBe(2);
  });

  test("a dropped value is loaded again", async () => {
    const key = newKey();
    const load = loader(1, 2);
    await opened.cache.read(key, MINUTE, load);
    await opened.cache.drop(key);
    expect(await opened.cache.read(key, MINUTE, load)).toBe(2);
  });

  test("what load throws is thrown on and not kept", async () => {
    const key = newKey();
    await expect(opened.cache.read(key, MINUTE, () => Promise.reject(new Error("401")))).rejects.toThrow("401");
    expect(await opened.cache.read(key, MINUTE, loader("right"))).toBe("right");
  });

  test("a failed load is thrown again and not repeated while it is remembered, and a drop forgets it", async () => {
    const key = newKey();
    const times = { ttlMs: MINUTE_MS, failMs: MINUTE_MS };
    let loads = 0;
    const failing = () => {
      loads++;
      return Promise.reject(new Error("down"));
    };
    for (let i = 0; i < 3; i++) await expect(opened.cache.read(key, times, failing)).rejects.toThrow("down");
    expect(loads).toBe(1);
    await expect(opened.cache.read(newKey(), times, loader("other"))).resolves.toBe("other");
    await opened.cache.drop(key);
    expect(await opened.cache.read(key, times, loader("up"))).toBe("up");
  });

  test("many readers at once cause one load", async () => {
    const key = newKey();
    const load = loader("once");
    const values = await Promise.all(Array.from({ length: 50 }, () => opened.cache.read(key, MINUTE, load)));
    expect(new Set(values)).toEqual(new Set(["once"]));
    expect(load.count()).toBe(1);
  });

  test("a value that was dropped while it was being loaded is not kept", async () => {
    const key = newKey();
    let finish = (_value: string) => {};
    let reading: Promise<string> | undefined;
    await new Promise<void>((begun) => {
      reading = opened.cache.read(key, MINUTE, () => {
        begun();
        return new Promise<string>((resolve) => {
          finish = resolve;
        });
      });
    });
    await opened.cache.drop(key);
    finish("stale");
    expect(await reading).toBe("stale");
    expect(await opened.cache.read(key, MINUTE, loader("fresh"))).toBe("fresh");
    expect(await opened.cache.read(key, MINUTE, loader("another"))).toBe("fresh");
  });

  test("a reader cannot change what others read", async () => {
    const key = newKey();
    const first = await opened.cache.read(key, MINUTE, loader({ list: [1] }));
    first.list.push(2);
    expect(await opened.cache.read(key, MINUTE, loader({ list: [9] }))).toEqual({ list: [1] });
  });
});

describe("a cache in memory", () => {
  test("a failed load is repeated once its time is over", async () => {
    const clock = woundClock();
    const cache = memoryCache({ clock });
    const times = { ttlMs: MINUTE_MS, failMs: 10_000 };
    await expect(cache.read("k", times, () => Promise.reject(new Error("down")))).rejects.toThrow("down");
    clock.advance(9_999);
    await expect(cache.read("k", times, loader("up"))).rejects.toThrow("down");
    clock.advance(1);
    expect(await cache.read("k", times, loader("up"))).toBe("up");
  });

  test("holds no more than it may and lets go of what was not read for longest", async () => {
    const cache = memoryCache({ clock: woundClock(), entriesMax: 3 });
    for (const key of ["a", "b", "c"]) await cache.read(key, MINUTE, loader(key));
    await cache.read("a", MINUTE, loader("never"));
    await cache.read("d", MINUTE, loader("d"));
    expect(await cache.read("a", MINUTE, loader("again"))).toBe("a");
    expect(await cache.read("b", MINUTE, loader("again"))).toBe("again");
  });
});

describe("jitter", () => {
  test("takes at most a tenth, comes from the key alone and spreads", () => {
    const ttls = Array.from({ length: 1_000 }, (_, index) => jittered(`key ${index}`, 100_000));
    expect(Math.min(...ttls)).toBeGreaterThanOrEqual(90_000);
    expect(Math.max(...ttls)).toBeLessThanOrEqual(100_000);
    expect(new Set(ttls).size).toBeGreaterThan(900);
    expect(jittered("key 7", 100_000)).toBe(ttls[7]);
  });
});

// ---------------------------------------------------------------- Redis that is away

/** Observations of a cache, and a wait for the next one. */
function watch() {
  const seen: Extract<Observation, { kind: "cache" }>[] = [];
  let wake = () => {};
  return {
    seen,
    observe: (observation: Observation) => {
      if (observation.kind === "cache") seen.push(observation);
      wake();
    },
    async until(number: number) {
      while (seen.length < number) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}

describe("Redis that cannot be reached", () => {
  test("is no error: values are loaded, kept in process for their time, and it is told once", async () => {
    const clock = woundClock();
    const watched = watch();
    const url = `redis://user:geheim@127.0.0.1:${await freePort()}/3`;
    const cache = redisCache({ url, clock, observe: watched.observe });
    const load = loader("first", "second");
    expect(await cache.read("k", MINUTE, load)).toBe("first");
    expect(await cache.read("k", MINUTE, load)).toBe("first");
    expect(cache.healthy()).toBe(false);
    clock.advance(MINUTE_MS);
    expect(await cache.read("k", MINUTE, load)).toBe("second");
    await cache.drop("k");
    expect(await cache.read("k", MINUTE, loader("third"))).toBe("third");
    await cache.close();
    await cache.close();
    expect(watched.seen).toHaveLength(1);
    expect(watched.seen[0]).toMatchObject({ ok: false, detail: expect.stringContaining("127.0.0.1") });
    expect(JSON.stringify(watched.seen)).not.toContain("geheim");
  });

  test("and does not even answer costs a reader no more than a moment", async () => {
    const sockets = new Set<{ destroy(): void }>();
    const silent: Server = createServer((socket) => void sockets.add(socket));
    const port = await new Promise<number>((resolve) => {
      silent.listen(0, "127.0.0.1", () => resolve((silent.address() as { port: number }).port));
    });
    const cache = redisCache({ url: `redis://127.0.0.1:${port}`, clock: woundClock(), observe: () => {} });
    const reading = cache.read("k", MINUTE, loader("loaded"));
    await vi.advanceTimersByTimeAsync(1_500);
    expect(await reading).toBe("loaded");
    await cache.close();
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => silent.close(resolve));
  });
});

describe.runIf(hasServer)("Redis that goes and comes", () => {
  const servers: ChildProcess[] = [];
  const start = async (port: number, ...more: string[]) => {
    const server = await startRedis(port, ...more);
    servers.push(server);
    return server;
  };
  afterEach(async () => {
    for (const server of servers.splice(0)) await killRedis(server);
  });

  test("dies in the middle of a read without an error and is used again when it is back", async () => {
    // Here it is the timers that bring it back.
    vi.useRealTimers();
    onTestFinished(fakeTimers);
    const port = await freePort();
    const watched = watch();
    const first = await start(port);
    const cache = redisCache({ url: `redis://127.0.0.1:${port}`, clock: woundClock(), observe: watched.observe });
    await cache.read("kept", MINUTE, loader("kept"));
    await watched.until(1);
    const value = await cache.read("k", MINUTE, async () => {
      await killRedis(first);
      return "loaded";
    });
    expect(value).toBe("loaded");
    expect(await cache.read("k", MINUTE, loader("never"))).toBe("loaded");
    expect(cache.healthy()).toBe(false);
    await start(port);
    await watched.until(3);
    expect(cache.healthy()).toBe(true);
    await cache.read("shared", MINUTE, loader("from the first process"));
    const other = redisCache({ url: `redis://127.0.0.1:${port}`, clock: woundClock(), observe: () => {} });
    expect(await other.read("shared", MINUTE, loader("loaded twice"))).toBe("from the first process");
    expect(watched.seen.map(({ ok }) => ok)).toEqual([true, false, true]);
    await Promise.all([cache.close(), other.close()]);
  });

  test("stops answering: readers wait a moment once, then not at all, until it answers again", async () => {
    const port = await freePort();
    const clock = woundClock();
    const watched = watch();
    const server = await start(port);
    const cache = redisCache({ url: `redis://127.0.0.1:${port}`, clock, observe: watched.observe });
    await cache.read("k", MINUTE, loader("kept"));
    server.kill("SIGSTOP");
    const reading = cache.read("k", MINUTE, loader("loaded"));
    await vi.advanceTimersByTimeAsync(1_500);
    expect(await reading).toBe("loaded");
    expect(cache.healthy()).toBe(false);
    // No timer ends any more: whoever waited for Redis would wait for ever.
    for (let index = 0; index < 20; index++) await cache.read(`other ${index}`, MINUTE, loader(index));
    server.kill("SIGCONT");
    clock.advance(1_000);
    expect(await cache.read("k", MINUTE, loader("never"))).toBe("kept");
    expect(watched.seen.map(({ ok }) => ok)).toEqual([true, false, true]);
    await cache.close();
  });

  test("does not bring back what was dropped while it was away", async () => {
    const port = await freePort();
    const clock = woundClock();
    const server = await start(port);
    const cache = redisCache({ url: `redis://127.0.0.1:${port}`, clock, observe: () => {} });
    await cache.read("k", MINUTE, loader("wrong"));
    server.kill("SIGSTOP");
    // From here on nothing is sent any more, not even the order to delete.
    const reading = cache.read("other", MINUTE, loader("loaded"));
    await vi.advanceTimersByTimeAsync(1_500);
    await reading;
    await cache.drop("k");
    server.kill("SIGCONT");
    clock.advance(1_000);
    expect(await cache.read("k", MINUTE, loader("right"))).toBe("right");
    await cache.close();
  });

  test("a text that is no JSON is a miss, and gone", async () => {
    const port = await freePort();
    await start(port);
    const admin = new Redis(port, "127.0.0.1");
    const cache = redisCache({ url: `redis://127.0.0.1:${port}`, clock: woundClock(), observe: () => {} });
    await admin.set(`${NAMESPACE}k`, '{"half":');
    await expect(cache.read("k", MINUTE, () => Promise.reject(new Error("down too")))).rejects.toThrow("down too");
    expect(await admin.exists(`${NAMESPACE}k`)).toBe(0);
    expect(await cache.read("k", MINUTE, loader("whole"))).toBe("whole");
    expect(await admin.get(`${NAMESPACE}k`)).toBe('"whole"');
    expect(await admin.pttl(`${NAMESPACE}k`)).toBeGreaterThan(0.85 * MINUTE_MS);
    admin.disconnect();
    await cache.close();
  });

  test("refuses the password: told once, never shown, and values are loaded", async () => {
    const port = await freePort();
    await start(port, "--requirepass", "richtig");
    const watched = watch();
    const url = `redis://:falsch-geheim@127.0.0.1:${port}`;
    const cache = redisCache({ url, clock: woundClock(), observe: watched.observe });
    expect(await cache.read("k", MINUTE, loader("loaded"))).toBe("loaded");
    await watched.until(1);
    expect(cache.healthy()).toBe(false);
    expect(watched.seen.map(({ ok }) => ok)).toEqual([false]);
    expect(JSON.stringify(watched.seen)).not.toContain("geheim");
    await cache.close();
  });
});
