/** An event and everything it caused, read from the log until all of it is settled, and printed in order. */
import type { ApiClient } from "../../api/client.ts";
import type { EventDetail } from "../../api/events.ts";
import { systemClock } from "../../clock.ts";
import { formatDuration } from "../../core/duration.ts";
import { effectRows, eventLine, type Screen } from "./describe.ts";
import { missesOf, missText } from "./explanation.ts";
import { aligned, counted } from "./output.ts";

const PAGE = 100;
const PAGES_MAX = 10;
const LOOK_AGAIN_MS = 15;
const NEAR_MISSES_SHOWN = 3;

export interface EventStory {
  /** The event first, then the events of its deliveries and timers, in order. */
  events: EventDetail[];
  /** Everything is decided and no delivery is pending. */
  settled: boolean;
  /** From the event's arrival to the last change. */
  ms: number;
}

/** Reads until the event and all it caused are settled, or until the timeout. */
export async function follow(api: ApiClient, id: string, timeoutMs: number): Promise<EventStory> {
  const endMs = systemClock.now() + timeoutMs;
  let before: EventStory | undefined;
  for (;;) {
    const story = await readStory(api, id);
    // The event of an outcome may enter the log after a read: settled = two reads with the same events.
    if (story.settled && before?.settled && before.events.length === story.events.length) return story;
    if (systemClock.now() >= endMs) return { ...story, settled: false };
    before = story;
    await systemClock.sleep(LOOK_AGAIN_MS);
  }
}

async function readStory(api: ApiClient, id: string): Promise<EventStory> {
  const root = await api.getEvent({ params: { id } });
  const sinceMs = Date.parse(root.event.receivedAt);
  const later = await eventsSince(api, new Date(sinceMs).toISOString());
  const chain = new Set([id]);
  for (const event of later) if (event.causedBy !== undefined && chain.has(event.causedBy)) chain.add(event.id);
  chain.delete(id);
  const events = [root];
  for (const each of chain) events.push(await api.getEvent({ params: { id: each } }));
  const settled = events.every(({ decidedAtMs, deliveries }) => {
    return decidedAtMs !== undefined && deliveries.every(({ status }) => status !== "pending");
  });
  const lastMs = Math.max(...events.flatMap(lastMsOf));
  return { events, settled, ms: Math.max(0, lastMs - sinceMs) };
}

function lastMsOf({ event, decidedAtMs, deliveries }: EventDetail): number[] {
  const settled = deliveries.map(({ settledAtMs, createdAtMs }) => settledAtMs ?? createdAtMs);
  return [Date.parse(event.receivedAt), decidedAtMs ?? 0, ...settled];
}

/** Oldest first. */
async function eventsSince(api: ApiClient, since: string) {
  const events: { id: string; causedBy?: string }[] = [];
  let cursor: string | undefined;
  for (let pageNumber = 0; pageNumber < PAGES_MAX; pageNumber++) {
    const page = await api.listEvents({ query: { since, limit: PAGE, ...(cursor === undefined ? {} : { cursor }) } });
    events.push(...page.items.map(({ event }) => event));
    if (page.cursor === undefined) break;
    cursor = page.cursor;
  }
  return events.reverse();
}

/** The story as lines; a near miss is shown with the conditions that are not met. Ends with a newline. */
export async function storyLines(api: ApiClient, story: EventStory, screen: Screen): Promise<string> {
  const { paint } = screen;
  const [root] = story.events;
  if (!root) return "";
  const startMs = Date.parse(root.event.receivedAt);
  const rows = story.events.flatMap(({ event, decidedAtMs, trace, deliveries }) => {
    const effects = trace ? effectRows(trace, deliveries, screen) : [];
    const after = formatDuration(Math.max(0, (decidedAtMs ?? startMs) - startMs));
    const causeRow: [string, string][] =
      event.id === root.event.id ? [] : [["then", paint.dim(`${event.type} after ${after}`)]];
    return [...causeRow, ...effects];
  });
  const misses = root.trace && root.trace.matched.length === 0 ? await missRows(api, root.event.id, screen) : [];
  const lines = aligned(
    [...rows, ...misses].map(([what, text]) => [paint.dim(what), text]),
    "  ",
  );
  const end = story.settled ? `settled after ${formatDuration(story.ms)}` : "not settled yet";
  return `${eventLine(root.event, screen)}\n${lines}  ${paint.dim(end)}\n`;
}

async function missRows(api: ApiClient, id: string, { paint }: Screen): Promise<[string, string][]> {
  const { rules } = await api.explainEvent({ params: { id } });
  const missed = rules.filter(({ matched }) => !matched).toSorted((a, b) => a.distance - b.distance);
  return missed.slice(0, NEAR_MISSES_SHOWN).flatMap((rule): [string, string][] => {
    const conditions = missesOf(rule.tree).slice(0, rule.distance || 1);
    const head = `${paint.yellow("≈")} ${rule.id} by ${counted(rule.distance, "condition")}`;
    return [
      ["missed", head],
      ...conditions.map((node): [string, string] => ["", `    ${paint.red("✗")} ${missText(node)}`]),
    ];
  });
}
