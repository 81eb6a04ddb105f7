/** Provider state in this process, with a bound on its size and a TTL for each entry. */
import { createHash } from "node:crypto";
import { evictOldest, type Json } from "../model.ts";
import type { Cache, CacheTimes } from "../ports/cache.ts";
import type { Clock } from "../ports/clock.ts";

/** Several times the transitions of every status of a large Jira site. */
const ENTRIES_MAX = 10_000;
/** Failures that are remembered, so that many callers cause one load. */
const FAILURES_MAX = 1_000;
/** Share by which a TTL varies, so that entries written together are not loaded again at the same time. */
const JITTER = 0.1;

/** The Cache of a single process. When it is full, the least recently read entries are removed first. */
export function memoryCache(options: { clock: Clock; entriesMax?: number }): Cache {
  const entries = createCacheEntries(options);
  const flights = createSingleFlight(options.clock);
  return {
    async read<T extends Json>(key: string, { ttlMs, failMs }: CacheTimes, load: () => Promise<T>): Promise<T> {
      const text = await flights.join(key, failMs, async (isCurrent) => {
        const cachedText = entries.get(key);
        if (cachedText !== undefined) return cachedText;
        const loadedText = JSON.stringify(await load());
        if (isCurrent()) entries.put(key, loadedText, jittered(key, ttlMs));
        return loadedText;
      });
      return JSON.parse(text);
    },
    drop: async (key) => {
      flights.forget(key);
      entries.drop(key);
    },
    healthy: () => true,
    close: async () => entries.clear(),
  };
}

/** JSON texts with a TTL, for the cache in memory and while Redis is unreachable. Texts, so that no caller changes the value of another. */
export interface CacheEntries {
  get(key: string): string | undefined;
  put(key: string, text: string, ttlMs: number): void;
  drop(key: string): void;
  clear(): void;
}

/** No entries at first, at most `entriesMax` (default 10,000) entries. */
export function createCacheEntries({
  clock,
  entriesMax = ENTRIES_MAX,
}: {
  clock: Clock;
  entriesMax?: number;
}): CacheEntries {
  // A Map keeps insertion order: an entry that is read moves to the end, and the first is removed when it is full.
  const entries = new Map<string, { text: string; untilMs: number }>();
  return {
    get(key) {
      const entry = entries.get(key);
      if (!entry) return undefined;
      entries.delete(key);
      if (entry.untilMs <= clock.monotonic()) return undefined;
      entries.set(key, entry);
      return entry.text;
    },
    put(key, text, ttlMs) {
      entries.delete(key);
      entries.set(key, { text, untilMs: clock.monotonic() + ttlMs });
      evictOldest(entries, entriesMax);
    },
    drop: (key) => void entries.delete(key),
    clear: () => entries.clear(),
  };
}

/** One load at a time per key. Its result is not cached when the key was dropped meanwhile. */
export interface SingleFlight {
  /** A load that failed less than `failMs` ago is not repeated: its error is thrown again. */
  join(key: string, failMs: number | undefined, load: (isCurrent: () => boolean) => Promise<string>): Promise<string>;
  forget(key: string): void;
}

/** Shares loads between the callers of this process. */
export function createSingleFlight(clock: Clock): SingleFlight {
  const flights = new Map<string, Promise<string>>();
  const failures = new Map<string, { error: unknown; untilMs: number }>();

  function addFailure(key: string, error: unknown, failMs: number): void {
    failures.delete(key);
    failures.set(key, { error, untilMs: clock.monotonic() + failMs });
    evictOldest(failures, FAILURES_MAX);
  }

  return {
    async join(key, failMs = 0, load) {
      const failure = failures.get(key);
      if (failure && clock.monotonic() < failure.untilMs) throw failure.error;
      const flightOfKey = flights.get(key);
      if (flightOfKey !== undefined) return flightOfKey;
      const isCurrent = () => flights.get(key) === flight;
      const flight: Promise<string> = load(isCurrent)
        .catch((error) => {
          if (failMs > 0 && isCurrent()) addFailure(key, error, failMs);
          throw error;
        })
        .finally(() => {
          if (isCurrent()) flights.delete(key);
        });
      flights.set(key, flight);
      return flight;
    },
    forget(key) {
      flights.delete(key);
      failures.delete(key);
    },
  };
}

/** The TTL minus up to 10 %, always the same for a key. */
export function jittered(key: string, ttlMs: number): number {
  const share = createHash("sha256").update(key).digest().readUInt32BE(0) / 2 ** 32;
  return Math.max(1, Math.round(ttlMs * (1 - JITTER * share)));
}
