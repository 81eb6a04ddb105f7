/** Feed → accept: each feed runs until the end, and after a break again from the mark that was stored last. */
import { messageOf } from "../errors.ts";
import type { Json } from "../model.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { SharedNetwork } from "../ports/network.ts";
import type { Observer } from "../ports/observe.ts";
import type { EventDraft, Feed, FeedContext, SourceConfig } from "../ports/provider.ts";
import type { Accept } from "./accept.ts";

/** Pause after a break: short for a connection that was reset, longer with each break for a system that is down. */
const PAUSE_MS = 1_000;
const PAUSE_MS_MAX = 60_000;
/** How long a feed may take to end; one that ignores its signal must not keep the process alive. */
const STOP_MS_MAX = 5_000;

/** Takes of one feed that are on their way to the disk at once: a feed that does not wait for them would fill the memory. */
const TAKES_MAX = 64;

export interface ConfiguredFeed {
  config: SourceConfig;
  source: Feed;
  network: SharedNetwork;
  /** How long an equal body is the same event; absent = the product's default. */
  dedupeWindowMs?: number;
  /** Paths of fields that are not stored. */
  drop?: readonly string[];
}

export interface FeedDeps {
  feeds: readonly ConfiguredFeed[];
  accept: Accept;
  store: Pick<Log, "mark">;
  clock: Clock;
  observe: Observer;
}

/** The returned function ends all feeds; it resolves when the events that they took are in the log. */
export function startFeeds(deps: FeedDeps): () => Promise<void> {
  const stopping = new AbortController();
  const runs = deps.feeds.map((feed) => keepRunning(feed, deps, stopping.signal));
  return async () => {
    stopping.abort();
    if (runs.length === 0) return;
    const ended = new AbortController();
    await Promise.race([Promise.all(runs), deps.clock.sleep(STOP_MS_MAX, ended.signal)]);
    ended.abort();
  };
}

async function keepRunning(feed: ConfiguredFeed, deps: FeedDeps, signal: AbortSignal): Promise<void> {
  const { clock, observe } = deps;
  let breaks = 0;
  while (!signal.aborted) {
    const progress = { taken: 0 };
    try {
      await runOnce(feed, deps, signal, progress);
    } catch (error) {
      if (signal.aborted) return;
      observe({ kind: "fault", where: `feed ${feed.config.name}`, message: feed.network.redact(messageOf(error)) });
    }
    // After events the next pause is a short one again.
    breaks = progress.taken > 0 ? 0 : breaks + 1;
    await clock.sleep(Math.min(PAUSE_MS_MAX, PAUSE_MS * 2 ** Math.max(0, breaks - 1)), signal);
  }
}

async function runOnce(
  { config, source, network, dedupeWindowMs, drop = [] }: ConfiguredFeed,
  { accept, store, clock }: FeedDeps,
  signal: AbortSignal,
  progress: { taken: number },
): Promise<void> {
  const origin = { name: config.name, drop, ...(dedupeWindowMs === undefined ? {} : { dedupeWindowMs }) };
  const pending = new Set<Promise<unknown>>();
  const take = async (drafts: readonly EventDraft[], mark?: Json): Promise<void> => {
    if (pending.size >= TAKES_MAX) {
      throw new Error(`More than ${TAKES_MAX} takes are under way; await each before the next`);
    }
    const accepting = accept(origin, drafts, mark === undefined ? {} : { mark });
    pending.add(accepting);
    await accepting.finally(() => pending.delete(accepting));
    progress.taken += drafts.length;
  };
  const mark = await store.mark(config.name);
  const context: FeedContext = { source: config, network: network.during(signal), clock, take, signal };
  try {
    await source.run(mark === undefined ? context : { ...context, mark });
  } finally {
    await Promise.allSettled(pending);
  }
}
