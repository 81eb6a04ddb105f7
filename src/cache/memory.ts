/** Provider state kept in this process: bounded, forgetful, never wrong for longer than its TTL. */
import { createHash } from "node:crypto";
import type { Json } from "../model.ts";
import type { Cache, CacheTimes } from "../ports/cache.ts";
import type { Clock } from "../ports/clock.ts";

/** Transitions of every status of a large Jira site fit a few times over. */
const ENTRIES_MAX = 10_000;
/** A failure is remembered so that many callers cause one load; a few keys are loaded at a time. */
const FAILURES_MAX = 1_000;
/** Entries written together must not all be loaded again in the same moment. */
const JITTER = 0.1;

/** The Cache of a single process. Least recently read entries go first when it is full. */
export function memoryCache(options: { clock: Clock; entriesMax?: number }): Cache {
  const shelf = memoryShelf(options);
  const flights = singleFlight(options.clock);
  return {
    async read<T extends Json>(key: string, { ttlMs, failMs }: CacheTimes, load: () => Promise<T>): Promise<T> {
      const text = await flights.join(key, failMs, async (isCurrent) => {
        const kept = shelf.get(key);
        if (kept !== undefined) return kept;
        const loaded = JSON.stringify(await load());
        if (isCurrent()) shelf.put(key, loaded, jittered(key, ttlMs));
        return loaded;
      });
      return JSON.parse(text);
    },
    drop: async (key) => {
      flights.forget(key);
      shelf.drop(key);
    },
    healthy: () => true,
    close: async () => shelf.clear(),
  };
}

/** JSON texts with an end: what memory keeps, and what Redis falls back to. Texts, so that no reader can change a copy of another. */
export interface Shelf {
  get(key: string): string | undefined;
  put(key: string, text: string, ttlMs: number): void;
  drop(key: string): void;
  clear(): void;
}

/** An empty Shelf for at most `entriesMax` (default 10,000) entries. */
export function memoryShelf({ clock, entriesMax = ENTRIES_MAX }: { clock: Clock; entriesMax?: number }): Shelf {
  // A Map keeps insertion order: whatever is read moves to the end, the first is the one to go.
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
      for (const oldest of entries.keys()) {
        if (entries.size <= entriesMax) break;
        entries.delete(oldest);
      }
    },
    drop: (key) => void entries.delete(key),
    clear: () => entries.clear(),
  };
}

/** One load at a time per key; a load that was forgotten meanwhile is answered to those who wait for it, and not kept. */
export interface Flights {
  /** A load that failed less than `failMs` ago is not repeated: its error is thrown again. */
  join(key: string, failMs: number | undefined, load: (isCurrent: () => boolean) => Promise<string>): Promise<string>;
  forget(key: string): void;
}

/** Flights of this process, none under way. */
export function singleFlight(clock: Clock): Flights {
  const flights = new Map<string, Promise<string>>();
  const failures = new Map<string, { error: unknown; untilMs: number }>();

  function addFailure(key: string, error: unknown, failMs: number): void {
    failures.delete(key);
    failures.set(key, { error, untilMs: clock.now() + failMs });
    // A Map keeps insertion order: the oldest failure goes first.
    for (const oldest of failures.keys()) {
      if (failures.size <= FAILURES_MAX) break;
      failures.delete(oldest);
    }
  }

  return {
    async join(key, failMs = 0, load) {
      const failure = failures.get(key);
      if (failure && clock.now() < failure.untilMs) throw failure.error;
      const under = flights.get(key);
      if (under !== undefined) return under;
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

/** The TTL less up to 10 %, the same for the same key: never longer than asked for. */
export function jittered(key: string, ttlMs: number): number {
  const share = createHash("sha256").update(key).digest().readUInt32BE(0) / 2 ** 32;
  return Math.max(1, Math.round(ttlMs * (1 - JITTER * share)));
}
