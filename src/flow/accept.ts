/** Drafts → log: adds ids, dedupe keys and the time of receipt. Every event from outside enters here. */
import { hash } from "node:crypto";
import { eventId } from "../core/ids.ts";
import { type DedupeKey, type Event, type Json, LIMITS, type NewEvent } from "../model.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Observer } from "../ports/observe.ts";
import type { EventDraft } from "../ports/provider.ts";
import { withoutFields } from "./drop.ts";

/** Longer than any sender repeats a delivery by itself or by hand: GitHub keeps them for three days. */
const REMEMBERED_MS = 7 * 24 * 3_600_000;

export interface AcceptDeps {
  store: Pick<Log, "append">;
  clock: Clock;
  observe: Observer;
  /** Called with the events that are new in the log. */
  stored(events: readonly NewEvent[]): void;
}

/** The source that the drafts come from. */
export interface EventOrigin {
  name: string;
  /** How long an equal body is the same event; absent = the default, where the draft lets it count. 0 = never. */
  dedupeWindowMs?: number;
  /** Paths of fields that are not stored. */
  drop?: readonly string[];
}

export interface AcceptOptions {
  /** The webhook request that carried all of the drafts. Absent = each draft is a message of its own, as from a feed. */
  request?: { id: string; bodyHash: string; atMs: number };
  /** How far a feed has been read; stored in the transaction of the append. */
  mark?: Json;
}

export interface Accepted {
  /** One for each draft, in order: its own id, or that of the earlier copy. */
  eventIds: readonly string[];
  /** Whether all of them were in the log already. */
  isDuplicate: boolean;
}

/** Resolves when all drafts, or their earlier copies, are on disk; rejects when the store cannot write. */
export type Accept = (origin: EventOrigin, drafts: readonly EventDraft[], options?: AcceptOptions) => Promise<Accepted>;

export function createAccept({ store, clock, observe, stored }: AcceptDeps): Accept {
  return async (origin, drafts, options = {}) => {
    const nowMs = options.request?.atMs ?? clock.now();
    const seen = new Map<string | undefined, number>();
    const events = drafts.map((draft, index) => {
      // Each draft of a feed is a message of its own.
      const earlier = options.request ? (seen.get(draft.delivery) ?? 0) : 0;
      seen.set(draft.delivery, earlier + 1);
      return withDropped(newEvent(origin, draft, { ...options, nowMs, index, earlier }), origin.drop ?? []);
    });
    const startedMs = clock.monotonic();
    const { mark: value } = options;
    const appended = await store.append(events, value === undefined ? undefined : { source: origin.name, value });
    observe({ kind: "stored", operation: "append", rows: events.length, ms: clock.monotonic() - startedMs });
    stored(events.filter((_, index) => appended[index]?.duplicate === false));
    return {
      eventIds: appended.map(({ id }) => id),
      isDuplicate: appended.length > 0 && appended.every(({ duplicate }) => duplicate),
    };
  };
}

/** The event without the fields that its source drops; what the sender sent as a whole still tells it from others. */
function withDropped(added: NewEvent, drop: readonly string[]): NewEvent {
  const data = withoutFields(added.event.data, drop);
  if (data === added.event.data) return added;
  const { dataText: _, ...rest } = added;
  return { ...rest, event: { ...added.event, data } };
}

interface DraftPosition extends AcceptOptions {
  nowMs: number;
  /** Position of the draft in its request. */
  index: number;
  /** How many drafts before it in its request have the same id. */
  earlier: number;
}

function newEvent({ name, dedupeWindowMs }: EventOrigin, draft: EventDraft, position: DraftPosition): NewEvent {
  const { request, nowMs, index, earlier } = position;
  const { dataText, time, bodyCounts, provenUntilMs = 0, ...attributes } = draft;
  const bodyHash = request?.bodyHash ?? hash("sha256", dataText ?? JSON.stringify(draft.data));
  const place = request ? index : 0;
  const windowMs = dedupeWindowMs ?? (bodyCounts === "if-asked" ? 0 : REMEMBERED_MS);
  // A feed's message id comes from an authenticated connection, so an equal body under another id is another event.
  const isNamed = bodyCounts === "never" || (request === undefined && draft.delivery !== undefined);
  const keys: DedupeKey[] = [];
  if (draft.delivery) {
    const untilMs = Math.max(nowMs + REMEMBERED_MS, provenUntilMs);
    keys.push({ key: `id:${name}:${draft.delivery}#${earlier}`, untilMs, whileKept: true });
  }
  if (windowMs > 0 && !isNamed) keys.push({ key: `body:${name}:${bodyHash}#${place}`, untilMs: nowMs + windowMs });
  const receivedAt = new Date(nowMs).toISOString();
  const tickets = attributes.tickets ?? [];
  const event: Event = {
    ...attributes,
    // Always a list: a rule may ask for its size.
    tickets: tickets.slice(0, LIMITS.tickets),
    ...(tickets.length > LIMITS.tickets ? { cut: { tickets: tickets.length } } : {}),
    id: eventId(nowMs, `${name}:${draft.delivery ?? request?.id ?? ""}:${bodyHash}#${place}`),
    source: name,
    time: time ?? receivedAt,
    receivedAt,
  };
  return { event, keys, ...(dataText === undefined ? {} : { dataText }) };
}
