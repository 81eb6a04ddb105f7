/** Provider state shared by several processes: the only door to ioredis. An unreachable Redis costs time and causes no error. */
import { Redis } from "ioredis";
import type { Json } from "../model.ts";
import type { Cache, CacheTimes } from "../ports/cache.ts";
import type { Clock } from "../ports/clock.ts";
import type { Observer } from "../ports/observe.ts";
import { createCacheEntries, createSingleFlight, jittered } from "./memory.ts";

/** A slower cache would be slower than the provider. */
const COMMAND_MS_MAX = 250;
/** Time between two commands after a failure. */
const TRIAL_EVERY_MS = 1_000;
const RECONNECT_MS_MAX = 5_000;
/** Entries kept in this process while Redis is unreachable. */
const LOCAL_ENTRIES_MAX = 1_000;
/** Keys dropped while Redis was unreachable, which are deleted there later. */
const DROPPED_MAX = 10_000;
const NAMESPACE = "signalbox:cache:";

/** The Cache of many processes, at a redis:// or rediss:// address. Connects and reconnects by itself. */
export function redisCache(options: { url: string; clock: Clock; observe: Observer }): Cache {
  const { clock } = options;
  const redis = connectRedis(options);
  const localEntries = createCacheEntries({ clock, entriesMax: LOCAL_ENTRIES_MAX });
  const flights = createSingleFlight(clock);

  /** The cached text, from Redis, or from this process while Redis is unreachable. A text that is not JSON is deleted. */
  async function get(key: string): Promise<string | undefined> {
    const result = await redis.ask((client) => client.get(NAMESPACE + key));
    if (!result) return localEntries.get(key);
    localEntries.clear();
    if (result.value === null) return undefined;
    if (isJson(result.value)) return result.value;
    await redis.ask((client) => client.del(NAMESPACE + key));
    return undefined;
  }

  async function put(key: string, text: string, ttlMs: number): Promise<void> {
    const result = await redis.ask((client) => client.set(NAMESPACE + key, text, "PX", ttlMs));
    if (!result) localEntries.put(key, text, ttlMs);
  }

  return {
    async read<T extends Json>(key: string, { ttlMs, failMs }: CacheTimes, load: () => Promise<T>): Promise<T> {
      const text = await flights.join(key, failMs, async (isCurrent) => {
        const cachedText = await get(key);
        if (cachedText !== undefined) return cachedText;
        const loadedText = JSON.stringify(await load());
        if (isCurrent()) await put(key, loadedText, jittered(key, ttlMs));
        return loadedText;
      });
      return JSON.parse(text);
    },
    async drop(key) {
      flights.forget(key);
      localEntries.drop(key);
      const result = await redis.ask((client) => client.del(NAMESPACE + key));
      if (!result) redis.deleteLater(NAMESPACE + key);
    },
    healthy: () => redis.isUp(),
    close: async () => redis.close(),
  };
}

interface RedisConnection {
  /** The result of the command; undefined when Redis is unreachable. Takes no longer than COMMAND_MS_MAX. */
  ask<T>(command: (client: Redis) => Promise<T>): Promise<{ value: T } | undefined>;
  /** Deletes the key before any other command, once Redis is reachable. */
  deleteLater(key: string): void;
  isUp(): boolean;
  close(): void;
}

const CLIENT = {
  // RESP2 and no CLIENT SETINFO: the oldest servers understand it.
  protocol: 2,
  disableClientInfo: true,
  connectTimeout: COMMAND_MS_MAX,
  commandTimeout: COMMAND_MS_MAX,
  // A closed connection does not report its end, and its timer would keep the process alive.
  disconnectTimeout: COMMAND_MS_MAX,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  retryStrategy: (times: number) => Math.min(50 * 2 ** Math.min(times - 1, 10), RECONNECT_MS_MAX),
} as const;

/** One ioredis client and its state; changes are reported to `observe`. */
function connectRedis({ url, clock, observe }: { url: string; clock: Clock; observe: Observer }): RedisConnection {
  const client = new Redis(url, CLIENT);
  const location = address(url);
  const droppedKeys = new Set<string>();
  let isUp: boolean | undefined;
  let isClosed = false;
  let trialAtMs = 0;
  let resolveKnown = () => {};
  const firstState = new Promise<void>((resolve) => {
    resolveKnown = resolve;
  });

  function setState(ok: boolean, detail: string): void {
    if (isClosed || isUp === ok) return;
    isUp = ok;
    resolveKnown();
    observe({ kind: "cache", ok, detail: `Redis at ${location} ${detail}` });
  }

  function fail(error: unknown): void {
    trialAtMs = clock.monotonic() + TRIAL_EVERY_MS;
    setState(false, `cannot be reached: ${error instanceof Error ? error.message : String(error)}`);
  }

  /** Deletes the keys that were dropped meanwhile, before anything is read. */
  async function deleteDropped(): Promise<void> {
    const keys = [...droppedKeys];
    if (keys.length === 0) return;
    await client.del(...keys);
    for (const key of keys) droppedKeys.delete(key);
  }

  /** While Redis fails, one command per second tries it; the others return at once. */
  function canTry(): boolean {
    if (isUp) return true;
    if (clock.monotonic() < trialAtMs) return false;
    trialAtMs = clock.monotonic() + TRIAL_EVERY_MS;
    return true;
  }

  client.on("ready", () => {
    // `ready` is emitted even when the password was refused; only a response to PING proves the connection.
    client
      .ping()
      .then(deleteDropped)
      .then(() => setState(true, "is connected"), fail);
  });
  client.on("error", fail);
  client.on("close", () => fail("the connection was closed"));

  return {
    async ask(command) {
      if (isUp === undefined) await Promise.race([firstState, clock.sleep(COMMAND_MS_MAX)]);
      if (isClosed || client.status !== "ready" || !canTry()) return undefined;
      try {
        await deleteDropped();
        const value = await command(client);
        setState(true, "is connected");
        return { value };
      } catch (error) {
        fail(error);
        return undefined;
      }
    },
    deleteLater(key) {
      if (droppedKeys.size < DROPPED_MAX) droppedKeys.add(key);
    },
    isUp: () => isUp === true,
    close() {
      isClosed = true;
      isUp = false;
      client.disconnect();
    },
  };
}

/** Host, port and database of the URL, without its password. */
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
