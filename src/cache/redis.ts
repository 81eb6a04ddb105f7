/** Provider state shared by several processes: the only door to ioredis. A Redis that is away costs time, never an error. */
import { Redis } from "ioredis";
import type { Json } from "../model.ts";
import type { Cache, CacheTimes } from "../ports/cache.ts";
import type { Clock } from "../ports/clock.ts";
import type { Observer } from "../ports/observe.ts";
import { jittered, memoryShelf, singleFlight } from "./memory.ts";

/** A cache that is slower than the provider it stands for is worth nothing. */
const COMMAND_MS_MAX = 250;
/** After a failure the connection is asked again at most this often. */
const TRIAL_EVERY_MS = 1_000;
const RECONNECT_MS_MAX = 5_000;
/** Kept in process while Redis is away. */
const NEAR_ENTRIES_MAX = 1_000;
/** Keys dropped while Redis was away, which it must not bring back. */
const FORGOTTEN_MAX = 10_000;
const NAMESPACE = "signalbox:cache:";

/** The Cache of many processes, at a redis:// or rediss:// address. Connects and reconnects by itself. */
export function redisCache(options: { url: string; clock: Clock; observe: Observer }): Cache {
  const { clock } = options;
  const redis = connection(options);
  const near = memoryShelf({ clock, entriesMax: NEAR_ENTRIES_MAX });
  const flights = singleFlight(clock);

  /** What is kept, from Redis, or from this process while Redis is away. A text that is not JSON is not kept. */
  async function get(key: string): Promise<string | undefined> {
    const asked = await redis.ask((client) => client.get(NAMESPACE + key));
    if (!asked) return near.get(key);
    near.clear();
    if (asked.value === null) return undefined;
    if (isJson(asked.value)) return asked.value;
    await redis.ask((client) => client.del(NAMESPACE + key));
    return undefined;
  }

  async function put(key: string, text: string, ttlMs: number): Promise<void> {
    const asked = await redis.ask((client) => client.set(NAMESPACE + key, text, "PX", ttlMs));
    if (!asked) near.put(key, text, ttlMs);
  }

  return {
    async read<T extends Json>(key: string, { ttlMs, failMs }: CacheTimes, load: () => Promise<T>): Promise<T> {
      const text = await flights.join(key, failMs, async (isCurrent) => {
        const kept = await get(key);
        if (kept !== undefined) return kept;
        const loaded = JSON.stringify(await load());
        if (isCurrent()) await put(key, loaded, jittered(key, ttlMs));
        return loaded;
      });
      return JSON.parse(text);
    },
    async drop(key) {
      flights.forget(key);
      near.drop(key);
      const asked = await redis.ask((client) => client.del(NAMESPACE + key));
      if (!asked) redis.forgetLater(NAMESPACE + key);
    },
    healthy: () => redis.isUp(),
    close: async () => redis.close(),
  };
}

interface Connection {
  /** The command's reply, or undefined when Redis is away. Takes no longer than COMMAND_MS_MAX. */
  ask<T>(command: (client: Redis) => Promise<T>): Promise<{ value: T } | undefined>;
  /** Deletes the key before anything else is asked, once Redis is back. */
  forgetLater(key: string): void;
  isUp(): boolean;
  close(): void;
}

const CLIENT = {
  // RESP2 and no CLIENT SETINFO: the oldest servers understand it.
  protocol: 2,
  disableClientInfo: true,
  connectTimeout: COMMAND_MS_MAX,
  commandTimeout: COMMAND_MS_MAX,
  // A connection that is gone already never says so; its timer would keep the process.
  disconnectTimeout: COMMAND_MS_MAX,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  retryStrategy: (times: number) => Math.min(50 * 2 ** Math.min(times - 1, 10), RECONNECT_MS_MAX),
} as const;

/** One ioredis client with what is known about it; tells `observe` when that changes. */
function connection({ url, clock, observe }: { url: string; clock: Clock; observe: Observer }): Connection {
  const client = new Redis(url, CLIENT);
  const where = address(url);
  const forgotten = new Set<string>();
  let up: boolean | undefined;
  let closed = false;
  let trialAtMs = 0;
  let known = () => {};
  const isKnown = new Promise<void>((resolve) => {
    known = resolve;
  });

  function turn(ok: boolean, detail: string): void {
    if (closed || up === ok) return;
    up = ok;
    known();
    observe({ kind: "cache", ok, detail: `Redis at ${where} ${detail}` });
  }

  function fail(error: unknown): void {
    trialAtMs = clock.monotonic() + TRIAL_EVERY_MS;
    turn(false, `cannot be reached: ${error instanceof Error ? error.message : String(error)}`);
  }

  /** Nothing is read before what was dropped meanwhile is gone. */
  async function forget(): Promise<void> {
    const keys = [...forgotten];
    if (keys.length === 0) return;
    await client.del(...keys);
    for (const key of keys) forgotten.delete(key);
  }

  /** While Redis fails, one command at a time finds out whether it still does; the others do not wait for it. */
  function mayTry(): boolean {
    if (up) return true;
    if (clock.monotonic() < trialAtMs) return false;
    trialAtMs = clock.monotonic() + TRIAL_EVERY_MS;
    return true;
  }

  client.on("ready", () => {
    // Ready is said even when the password was refused; an answer is the proof.
    client
      .ping()
      .then(forget)
      .then(() => turn(true, "is connected"), fail);
  });
  client.on("error", fail);
  client.on("close", () => fail("the connection was closed"));

  return {
    async ask(command) {
      if (up === undefined) await Promise.race([isKnown, clock.sleep(COMMAND_MS_MAX)]);
      if (closed || client.status !== "ready" || !mayTry()) return undefined;
      try {
        await forget();
        const value = await command(client);
        turn(true, "is connected");
        return { value };
      } catch (error) {
        fail(error);
        return undefined;
      }
    },
    forgetLater(key) {
      if (forgotten.size < FORGOTTEN_MAX) forgotten.add(key);
    },
    isUp: () => up === true,
    close() {
      closed = true;
      up = false;
      client.disconnect();
    },
  };
}

/** Host, port and database: what may be shown of a URL that may hold a password. */
function address(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  return parsed?.hostname ? `${parsed.hostname}:${parsed.port || "6379"}${parsed.pathname}` : "an unreadable address";
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
