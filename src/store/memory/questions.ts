/** Listings and counts, in memory. */
import { actionName, type Delivery, type Event } from "../../model.ts";
import type { DeliveryFilter, EventFilter, EventRecord, Questions, StoreCounts } from "../../ports/questions.ts";
import { eventOutcome, pageOf, positionOf, receivedAtMs, SCAN_BYTES, stateCounts } from "../rows.ts";
import { compareText, type EventEntry, type MemoryTables } from "./tables.ts";

export function memoryQuestions(tables: MemoryTables): Questions {
  const { log, byId, undecided, instances, timers, deliveries } = tables;
  return {
    async event(id) {
      const stored = byId.get(id);
      return stored && recordOf(stored);
    },
    async events(filter, page) {
      const before = positionOf(page.cursor)?.[0] ?? log.length + 1;
      const matching: EventRecord[] = [];
      for (let seq = before - 1; seq >= 1 && matching.length <= page.limit; seq--) {
        const stored = log[seq - 1];
        if (stored !== undefined && eventMatches(stored, filter)) matching.push(recordOf(stored, {}));
      }
      return pageOf(matching, page.limit, ({ seq }) => [seq]);
    },
    async scan(afterSeq, limit) {
      const records: EventRecord[] = [];
      let bytes = 0;
      for (let seq = afterSeq + 1; seq <= log.length && records.length < limit; seq++) {
        const stored = log[seq - 1];
        if (stored === undefined) continue;
        bytes += stored.bytes;
        if (records.length > 0 && bytes > SCAN_BYTES) break;
        records.push(recordOf(stored));
      }
      return records;
    },
    delivery: async (id) => structuredClone(deliveries.get(id)?.delivery),
    async deliveries(filter, page) {
      const before = positionOf(page.cursor)?.[0] ?? Number.POSITIVE_INFINITY;
      const matching = [...deliveries.values()]
        .reverse()
        .filter(({ n, delivery }) => n < before && deliveryMatches(delivery, filter));
      const { items, cursor } = pageOf(matching, page.limit, ({ n }) => [n]);
      const rows = items.map(({ delivery }) => structuredClone(delivery));
      return { items: rows, ...(cursor !== undefined && { cursor }) };
    },
    async instanceList({ machine, status, key }, page) {
      const [beforeMs = Number.POSITIVE_INFINITY, beforeN = 0] = positionOf(page.cursor) ?? [];
      const matching = [...instances.values()]
        .filter(
          ({ n, instance }) =>
            (instance.updatedAtMs < beforeMs || (instance.updatedAtMs === beforeMs && n < beforeN)) &&
            (machine ?? instance.machine) === instance.machine &&
            (status ?? instance.status) === instance.status &&
            (key ?? instance.key) === instance.key,
        )
        .sort((a, b) => b.instance.updatedAtMs - a.instance.updatedAtMs || b.n - a.n);
      const { items, cursor } = pageOf(matching, page.limit, ({ n, instance }) => [instance.updatedAtMs, n]);
      const rows = items.map(({ instance }) => structuredClone(instance));
      return { items: rows, ...(cursor !== undefined && { cursor }) };
    },
    timersOf: async ({ machine, key }) =>
      structuredClone([...timers.values()])
        .filter((timer) => timer.machine === machine && timer.key === key)
        .sort((a, b) => a.dueAtMs - b.dueAtMs || compareText(a.id, b.id)),
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
    async countsByState(machine) {
      const ofMachine = [...instances.values()].filter(({ instance }) => instance.machine === machine);
      return stateCounts(
        ofMachine.map(({ instance: { definition, status, state } }) => ({
          definition,
          status,
          state: JSON.stringify(state),
          instances: 1,
        })),
      );
    },
  };
}

/** A copy without the fields that only the store uses. */
function recordOf({ bytes: _, event, ...rest }: EventEntry, data = event.data): EventRecord {
  return structuredClone({ ...rest, event: { ...event, data } });
}

function eventMatches(record: EventRecord, filter: EventFilter): boolean {
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

function isOfType({ type }: Event, selector: string): boolean {
  return selector.endsWith("*") ? type.startsWith(selector.slice(0, -1)) : type === selector;
}

function hasOutcome({ trace }: EventRecord, outcome: NonNullable<EventFilter["outcome"]>): boolean {
  if (trace === undefined) return outcome === "undecided";
  return outcome === "problem" ? trace.problems.length > 0 : eventOutcome(trace) === outcome;
}

function deliveryMatches(delivery: Delivery, { status, event, action }: DeliveryFilter): boolean {
  return (
    (status ?? delivery.status) === delivery.status &&
    (event ?? delivery.event) === delivery.event &&
    (action === undefined || action === actionName(delivery))
  );
}
