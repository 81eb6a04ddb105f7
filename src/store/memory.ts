/** The store that forgets: every promise of the port but durability. For tests, simulations and trying things out. */
import {
  type AuditEntry,
  actionName,
  type Decision,
  type Delivery,
  type Event,
  type Instance,
  type InstanceKey,
  type Json,
  type NewEvent,
  type Refusal,
  type Timer,
  type Token,
} from "../model.ts";
import type {
  Appended,
  DeliveryFilter,
  Due,
  DueLimits,
  EventFilter,
  EventRecord,
  Store,
  StoreCounts,
} from "../ports/store.ts";
import { outcomeOf, pageOf, positionOf, REFUSALS_MAX, receivedAtMs } from "./rows.ts";

interface KeptDelivery {
  n: number;
  delivery: Delivery;
  /** When it may be handed out again: its next attempt, or the end of its lease. */
  wakeAtMs: number;
}

interface KeptInstance {
  n: number;
  instance: Instance;
}

/** Everything there is, by what it is found by. Maps keep the order in which things were added. */
function emptyShelves() {
  return {
    /** By seq - 1; what was forgotten leaves a hole. */
    log: [] as (EventRecord | undefined)[],
    byId: new Map<string, EventRecord>(),
    undecided: new Map<string, EventRecord>(),
    dedupe: new Map<string, { id: string; untilMs?: number }>(),
    instances: new Map<string, KeptInstance>(),
    timers: new Map<string, Timer>(),
    deliveries: new Map<string, KeptDelivery>(),
    pending: new Map<string, KeptDelivery>(),
    refusals: [] as Refusal[],
    definitions: new Map<string, Json>(),
    policies: new Map<string, Record<string, string>>(),
    tokens: new Map<string, Token>(),
    audits: [] as AuditEntry[],
    deliveriesAdded: 0,
  };
}

type Shelves = ReturnType<typeof emptyShelves>;

/** A store in this process. What goes in and what comes out is copied, so that nobody can change what is kept. */
export function memoryStore(): Store {
  const shelves = emptyShelves();
  const { log, byId, undecided, instances } = shelves;
  return {
    append: async (events) => events.map((event) => append(shelves, event)),
    undecided: async (limit) => [...undecided.keys()].slice(0, limit),
    load: async (ids) => ids.flatMap((id) => byId.get(id)?.event ?? []).map((event) => structuredClone(event)),
    instances: async (keys) =>
      keys.flatMap((key) => instances.get(addressOf(key))?.instance ?? []).map((instance) => structuredClone(instance)),
    async commit(decisions) {
      if (!isCurrent(shelves, decisions)) return false;
      for (const decision of structuredClone(decisions)) write(shelves, decision);
      return true;
    },
    forget: async (before, limit) => forget(shelves, before, limit),
    ...queue(shelves),
    ...books(shelves),
    async event(id) {
      return structuredClone(byId.get(id));
    },
    async events(filter, page) {
      const before = positionOf(page.cursor)?.[0] ?? log.length + 1;
      const found: EventRecord[] = [];
      for (let seq = before - 1; seq >= 1 && found.length <= page.limit; seq--) {
        const record = log[seq - 1];
        if (record !== undefined && passes(record, filter)) found.push(withoutData(record));
      }
      return pageOf(found, page.limit, ({ seq }) => [seq]);
    },
    ...questions(shelves),
    close: async () => {},
  };
}

function append({ log, byId, undecided, dedupe }: Shelves, { event, keys }: NewEvent): Appended {
  const atMs = receivedAtMs(event);
  for (const { key } of keys) {
    const copy = dedupe.get(key);
    if (copy !== undefined && byId.has(copy.id) && (copy.untilMs ?? Number.POSITIVE_INFINITY) >= atMs)
      return { id: copy.id, duplicate: true };
  }
  const { id } = event;
  if (byId.has(id)) return { id, duplicate: true };
  const record: EventRecord = { event: structuredClone(event), seq: log.length + 1 };
  log.push(record);
  byId.set(id, record);
  undecided.set(id, record);
  for (const { key, untilMs } of keys) dedupe.set(key, untilMs === undefined ? { id } : { id, untilMs });
  return { id, duplicate: false };
}

function forget(shelves: Shelves, before: Parameters<Store["forget"]>[0], limit: number): number {
  const { log, byId, dedupe, deliveries } = shelves;
  const ended = [...deliveries.values()].filter(
    ({ delivery: { status, settledAtMs } }) =>
      status !== "pending" && status !== "dead" && settledAtMs !== undefined && settledAtMs < before.deliveriesMs,
  );
  const goneDeliveries = ended.slice(0, limit);
  for (const { delivery } of goneDeliveries) deliveries.delete(delivery.id);
  const awaited = new Set(
    [...deliveries.values()].flatMap(({ delivery: { status, event } }) =>
      status === "pending" || status === "dead" ? [event] : [],
    ),
  );
  const goneEvents = [...byId.values()]
    .filter(({ event, decidedAtMs }) => decidedAtMs !== undefined && receivedAtMs(event) < before.eventsMs)
    .filter(({ event }) => !awaited.has(event.id))
    .slice(0, limit);
  for (const { event, seq } of goneEvents) {
    byId.delete(event.id);
    log[seq - 1] = undefined;
  }
  if (goneDeliveries.length < limit && goneEvents.length < limit) {
    for (const [key, { id, untilMs }] of dedupe) {
      if (!byId.has(id) || (untilMs !== undefined && untilMs < before.nowMs)) dedupe.delete(key);
    }
  }
  return goneDeliveries.length + goneEvents.length;
}

function isCurrent({ undecided, instances }: Shelves, decisions: readonly Decision[]): boolean {
  const events = new Set(decisions.map(({ event }) => event));
  if (events.size < decisions.length || ![...events].every((id) => undecided.has(id))) return false;
  const versions = new Map<string, number>();
  return decisions
    .flatMap((decision) => decision.instances)
    .every((instance) => {
      const address = addressOf(instance);
      const version = versions.get(address) ?? instances.get(address)?.instance.version ?? 0;
      versions.set(address, instance.version);
      return instance.version === version + 1;
    });
}

function write(shelves: Shelves, decision: Decision): void {
  const { byId, undecided, instances, timers, deliveries, pending } = shelves;
  const record = byId.get(decision.event);
  if (record !== undefined) Object.assign(record, { decidedAtMs: decision.decidedAtMs, trace: decision.trace });
  undecided.delete(decision.event);
  for (const instance of decision.instances) {
    const address = addressOf(instance);
    instances.set(address, { n: instances.get(address)?.n ?? instances.size + 1, instance });
  }
  // Cancelled before set: a state that is entered again disarms its timer and arms it anew.
  for (const timer of decision.timersCancelled) timers.delete(addressOf(timer, timer.id));
  for (const timer of decision.timersSet) timers.set(addressOf(timer, timer.id), timer);
  // Added before cancelled: a call may be made and given up by two signals of one event.
  for (const { interrupted, ...delivery } of decision.deliveries) {
    if (deliveries.has(delivery.id)) continue;
    shelves.deliveriesAdded += 1;
    const kept = { n: shelves.deliveriesAdded, delivery, wakeAtMs: delivery.nextAtMs };
    deliveries.set(delivery.id, kept);
    if (delivery.status === "pending") pending.set(delivery.id, kept);
  }
  for (const id of decision.cancelled) {
    const kept = pending.get(id);
    if (kept === undefined) continue;
    kept.delivery = { ...kept.delivery, status: "cancelled", settledAtMs: decision.decidedAtMs };
    pending.delete(id);
  }
  for (const emitted of decision.emitted) append(shelves, emitted);
}

function queue(shelves: Shelves) {
  const { timers, deliveries, pending } = shelves;
  return {
    due: async (nowMs, limits) => due(shelves, nowMs, limits),
    async fire(timer, event) {
      const address = addressOf(timer, timer.id);
      const armed = timers.get(address);
      if (armed?.step !== timer.step || armed.dueAtMs !== timer.dueAtMs) return false;
      timers.delete(address);
      append(shelves, event);
      return true;
    },
    async settle(settlements) {
      for (const { delivery, report } of structuredClone(settlements)) {
        const kept = deliveries.get(delivery.id);
        if (kept?.delivery.status === "pending") {
          kept.delivery = settled(kept.delivery, delivery);
          kept.wakeAtMs = delivery.nextAtMs;
          if (delivery.status !== "pending") pending.delete(delivery.id);
        } else if (kept !== undefined) {
          kept.delivery.attempts = delivery.attempts;
        }
        if (report !== undefined) append(shelves, report);
      }
    },
    /** A fresh allowance: earlier attempts are forgotten, the last error stays to be read. */
    async retry(id, nowMs) {
      const kept = deliveries.get(id);
      if (kept?.delivery.status !== "dead" && kept?.delivery.status !== "cancelled") return false;
      const { settledAtMs, result, ...delivery } = kept.delivery;
      kept.delivery = { ...delivery, status: "pending", attempts: [], nextAtMs: nowMs };
      kept.wakeAtMs = nowMs;
      pending.set(id, kept);
      return true;
    },
  } satisfies Partial<Store>;
}

function due({ timers, pending }: Shelves, nowMs: number, limits: DueLimits): Due {
  // A kind that is not asked for does not wake the one who asks either.
  const upcoming = (limits.timers === 0 ? [] : [...timers.values()]).sort(
    (a, b) => a.dueAtMs - b.dueAtMs || order(a.machine, b.machine) || order(a.key, b.key) || order(a.id, b.id),
  );
  const firing = upcoming.slice(0, limits.timers).filter(({ dueAtMs }) => dueAtMs <= nowMs);
  const waiting = (limits.deliveries === 0 ? [] : [...pending.values()]).filter(
    ({ delivery }) => !limits.paused?.includes(delivery.connection),
  );
  const leased = waiting
    .filter(({ wakeAtMs }) => wakeAtMs <= nowMs)
    .sort((a, b) => a.wakeAtMs - b.wakeAtMs || a.n - b.n)
    .slice(0, limits.deliveries)
    .map((kept) => {
      const delivery = structuredClone(kept.delivery);
      const interrupted = kept.wakeAtMs > delivery.nextAtMs;
      kept.wakeAtMs = nowMs + limits.leaseMs;
      return interrupted ? { ...delivery, interrupted } : delivery;
    });
  const nextTimer = upcoming[firing.length]?.dueAtMs ?? Number.POSITIVE_INFINITY;
  const nextAtMs = waiting.reduce((least, { wakeAtMs }) => Math.min(least, wakeAtMs), nextTimer);
  const found = { timers: structuredClone(firing), deliveries: leased };
  return nextAtMs === Number.POSITIVE_INFINITY ? found : { ...found, nextAtMs };
}

/** What was decided stays; what became of it is new. */
function settled(kept: Delivery, { status, nextAtMs, attempts, result, error, settledAtMs }: Delivery): Delivery {
  const { result: _result, error: _error, settledAtMs: _settledAtMs, ...decided } = kept;
  return {
    ...decided,
    status,
    nextAtMs,
    attempts,
    ...(result !== undefined && { result }),
    ...(error !== undefined && { error }),
    ...(settledAtMs !== undefined && { settledAtMs }),
  };
}

function books({ refusals, definitions, policies, tokens, audits }: Shelves) {
  return {
    async refuse(refusal) {
      refusals.push(structuredClone(refusal));
      const ofSource = refusals.filter(({ source }) => source === refusal.source);
      const oldest = ofSource[0];
      if (ofSource.length > REFUSALS_MAX && oldest !== undefined) refusals.splice(refusals.indexOf(oldest), 1);
    },
    refusals: async (limit) => structuredClone(refusals.slice(-limit).reverse()),
    async saveDefinitions(rows) {
      for (const { hash, definition } of rows) {
        if (!definitions.has(hash)) definitions.set(hash, structuredClone(definition));
      }
    },
    definition: async (hash) => structuredClone(definitions.get(hash)),
    async savePolicy(revision, files) {
      if (!policies.has(revision)) policies.set(revision, { ...files });
    },
    policy: async (revision) => structuredClone(policies.get(revision)),
    tokens: async () => structuredClone([...tokens.values()].sort((a, b) => order(a.name, b.name))),
    async saveToken(row) {
      tokens.set(row.name, structuredClone(row));
    },
    dropToken: async (name) => tokens.delete(name),
    async audit(row) {
      audits.push(structuredClone(row));
    },
    audits: async (limit) => structuredClone(audits.slice(-limit).reverse()),
  } satisfies Partial<Store>;
}

function questions({ byId, undecided, instances, timers, deliveries }: Shelves) {
  return {
    delivery: async (id) => structuredClone(deliveries.get(id)?.delivery),
    async deliveries(filter, page) {
      const before = positionOf(page.cursor)?.[0] ?? Number.POSITIVE_INFINITY;
      const found = [...deliveries.values()]
        .reverse()
        .filter(({ n, delivery }) => n < before && fits(delivery, filter));
      const { items, cursor } = pageOf(found, page.limit, ({ n }) => [n]);
      const rows = items.map(({ delivery }) => structuredClone(delivery));
      return { items: rows, ...(cursor !== undefined && { cursor }) };
    },
    async instanceList({ machine, status, key }, page) {
      const [beforeMs = Number.POSITIVE_INFINITY, beforeN = 0] = positionOf(page.cursor) ?? [];
      const found = [...instances.values()]
        .filter(
          ({ n, instance }) =>
            (instance.updatedAtMs < beforeMs || (instance.updatedAtMs === beforeMs && n < beforeN)) &&
            (machine ?? instance.machine) === instance.machine &&
            (status ?? instance.status) === instance.status &&
            (key ?? instance.key) === instance.key,
        )
        .sort((a, b) => b.instance.updatedAtMs - a.instance.updatedAtMs || b.n - a.n);
      const { items, cursor } = pageOf(found, page.limit, ({ n, instance }) => [instance.updatedAtMs, n]);
      const rows = items.map(({ instance }) => structuredClone(instance));
      return { items: rows, ...(cursor !== undefined && { cursor }) };
    },
    timersOf: async ({ machine, key }) =>
      structuredClone([...timers.values()])
        .filter((timer) => timer.machine === machine && timer.key === key)
        .sort((a, b) => a.dueAtMs - b.dueAtMs || order(a.id, b.id)),
    async counts() {
      const byStatus: StoreCounts["deliveries"] = { pending: 0, done: 0, dead: 0, observed: 0, cancelled: 0 };
      for (const { delivery } of deliveries.values()) byStatus[delivery.status] += 1;
      return {
        events: byId.size,
        undecided: undecided.size,
        instances: instances.size,
        timers: timers.size,
        deliveries: byStatus,
      };
    },
  } satisfies Partial<Store>;
}

function addressOf({ machine, key }: InstanceKey, ...more: string[]): string {
  return JSON.stringify([machine, key, ...more]);
}

function order(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function withoutData(record: EventRecord): EventRecord {
  const { event, ...rest } = record;
  return structuredClone({ ...rest, event: { ...event, data: {} } });
}

function passes(record: EventRecord, filter: EventFilter): boolean {
  const { event, trace } = record;
  const atMs = receivedAtMs(event);
  return (
    (filter.type === undefined || isOfType(event, filter.type)) &&
    (filter.source ?? event.source) === event.source &&
    (filter.repo ?? event.repo) === event.repo &&
    (filter.subject ?? event.subject) === event.subject &&
    (filter.rule === undefined || trace?.matched.some(({ rule }) => rule === filter.rule) === true) &&
    (filter.outcome === undefined || hasOutcome(record, filter.outcome)) &&
    (filter.sinceMs ?? atMs) <= atMs &&
    (filter.untilMs === undefined || atMs < filter.untilMs)
  );
}

function isOfType({ type }: Event, wanted: string): boolean {
  return wanted.endsWith("*") ? type.startsWith(wanted.slice(0, -1)) : type === wanted;
}

function hasOutcome({ trace }: EventRecord, outcome: NonNullable<EventFilter["outcome"]>): boolean {
  if (trace === undefined) return outcome === "undecided";
  return outcome === "problem" ? trace.problems.length > 0 : outcomeOf(trace) === outcome;
}

function fits(delivery: Delivery, { status, event, action }: DeliveryFilter): boolean {
  return (
    (status ?? delivery.status) === delivery.status &&
    (event ?? delivery.event) === delivery.event &&
    (action === undefined || action === actionName(delivery))
  );
}
