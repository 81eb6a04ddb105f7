/** Sessions of connections: opened when a delivery needs one, shared, opened again after a break, closed when unused. */
import { messageOf } from "../errors.ts";
import type { Outcome } from "../model.ts";
import type { Clock } from "../ports/clock.ts";
import type { Network } from "../ports/network.ts";
import type { Connection, ConnectionConfig, Opened } from "../ports/provider.ts";

/** Time for greeting and login; shorter than an attempt, so that a session that hangs gives a retry and not an uncertain attempt. */
const OPEN_MS_MAX = 10_000;

export interface SessionParts {
  config: ConnectionConfig;
  provider: { connection?: Connection };
  network: Network;
}

export interface Sessions {
  /** The result of `run` with the session of the connection, or undefined for a connection without sessions. */
  use(name: string, run: (session: unknown) => Promise<Outcome>): Promise<Outcome>;
  /** Closes every session when no attempt is running. A later attempt opens another one. */
  close(): Promise<void>;
}

interface SessionEntry {
  opened: Promise<Opened<unknown>>;
  users: number;
  isBroken: boolean;
}

export function createSessions(connections: ReadonlyMap<string, SessionParts>, clock: Clock): Sessions {
  const entries = new Map<string, SessionEntry>();

  function entryOf(name: string, { config, provider, network }: SessionParts): SessionEntry {
    const existing = entries.get(name);
    if (existing) return existing;
    const context = { settings: config.settings, nowMs: clock.now(), network, broken: () => drop(name, entry) };
    const opened = Promise.resolve().then(() => provider.connection?.open?.(context) as Promise<Opened<unknown>>);
    const entry: SessionEntry = { opened: withinTime(opened, name, clock, network), users: 0, isBroken: false };
    // A session that opens too late is closed at once.
    const isLate = async (late: Opened<unknown>) => !(await entry.opened).ok && late.ok;
    void opened.then(async (late) => (await isLate(late)) && closeSession(provider.connection, late)).catch(() => {});
    entries.set(name, entry);
    return entry;
  }

  /** The next delivery opens another one; this one is closed by its last user. */
  function drop(name: string, entry: SessionEntry): void {
    entry.isBroken = true;
    if (entries.get(name) === entry) entries.delete(name);
    void closeUnused(name, entry);
  }

  async function closeUnused(name: string, entry: SessionEntry): Promise<void> {
    if (!entry.isBroken || entry.users > 0) return;
    entry.users = Number.POSITIVE_INFINITY;
    await closeSession(connections.get(name)?.provider.connection, await entry.opened);
  }

  return {
    async use(name, run) {
      const parts = connections.get(name);
      if (!parts?.provider.connection?.open) return await run(undefined);
      const entry = entryOf(name, parts);
      entry.users++;
      try {
        const opened = await entry.opened;
        if (opened.ok) return await run(opened.session);
        drop(name, entry);
        return opened.outcome;
      } catch (error) {
        drop(name, entry);
        throw error;
      } finally {
        entry.users--;
        await closeUnused(name, entry);
      }
    },
    async close() {
      const open = [...entries];
      entries.clear();
      await Promise.all(
        open.map(([name, entry]) => {
          entry.isBroken = true;
          return closeUnused(name, entry);
        }),
      );
    },
  };
}

/** Limits the time of opening. Without a session nothing was sent, so that a failure is no uncertain attempt. */
async function withinTime(
  opening: Promise<Opened<unknown>>,
  name: string,
  clock: Clock,
  network: Network,
): Promise<Opened<unknown>> {
  const done = new AbortController();
  const late = clock.sleep(OPEN_MS_MAX, done.signal).then(() => notOpened(name, `not within ${OPEN_MS_MAX} ms`));
  try {
    return await Promise.race([opening, late]);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : undefined;
    return notOpened(name, network.redact(messageOf(error)), code);
  } finally {
    done.abort();
  }
}

function notOpened(name: string, reason: string, code?: string): Opened<never> {
  const error = { message: `The session of "${name}" cannot be opened: ${reason}`, ...(code ? { code } : {}) };
  // A private address is refused at every attempt; other failures may be temporary.
  return { ok: false, outcome: { kind: code === "PRIVATE_ADDRESS" ? "rejected" : "retry", error } };
}

/** Errors while closing are ignored. */
async function closeSession(connection: Connection | undefined, opened: Opened<unknown>): Promise<void> {
  if (opened.ok) await connection?.close?.(opened.session).catch(() => {});
}
