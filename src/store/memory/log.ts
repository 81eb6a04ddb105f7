/** Appending, claiming and committing, in memory. */
import { type Decision, type DedupeKey, type Delivery, instanceAddress, type NewEvent } from "../../model.ts";
import type { Appended, ClaimOptions, Committed, Log } from "../../ports/log.ts";
import { CLOCK_STEP_MS, NO_FENCE, receivedAtMs } from "../rows.ts";
import { type EventEntry, type MemoryTables, tellListeners } from "./tables.ts";

export function memoryLog(tables: MemoryTables): Log {
  const { undecided, instances, marks, lane, listeners } = tables;
  return {
    async append(events, mark) {
      if (mark !== undefined) marks.set(mark.source, structuredClone(mark.value));
      return events.map((event) => append(tables, event));
    },
    mark: async (source) => structuredClone(marks.get(source)),
    async claim(node, options) {
      const isHolder = claimLane(lane, node, options, Math.min(undecided.size, options.limit) > 0);
      const claimed = isHolder ? oldestWithin([...undecided.values()], options) : [];
      const heldIds = new Set(options.held);
      return {
        lane: 0,
        fence: isHolder ? lane.fence : NO_FENCE,
        ids: claimed.map(({ event }) => event.id),
        events: claimed.filter(({ event }) => !heldIds.has(event.id)).map(({ event }) => structuredClone(event)),
      };
    },
    instances: async (keys) =>
      keys
        .flatMap((key) => instances.get(instanceAddress(key))?.instance ?? [])
        .map((instance) => structuredClone(instance)),
    caused: async (roots) => roots.map((root) => tables.caused.get(root) ?? 0),
    async commit(decisions, tenure) {
      if (tenure.lane !== 0 || tenure.fence !== lane.fence) return { ok: false, why: "fenced" };
      const refusal = commitProblem(tables, decisions);
      if (refusal !== undefined) return refusal;
      for (const decision of structuredClone(decisions)) write(tables, decision);
      return { ok: true };
    },
    changed(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

export function append(tables: MemoryTables, { event, dataText, keys }: NewEvent): Appended {
  const { log, byId, undecided, dedupe } = tables;
  const atMs = receivedAtMs(event);
  for (const { key } of keys) {
    const copy = dedupe.get(key);
    if (copy !== undefined && isAlive(copy, byId.has(copy.id), atMs)) return { id: copy.id, duplicate: true };
  }
  const { id } = event;
  if (byId.has(id)) return { id, duplicate: true };
  const bytes = (dataText ?? JSON.stringify(event.data)).length;
  const record: EventEntry = { event: structuredClone(event), seq: log.length + 1, bytes };
  log.push(record);
  byId.set(id, record);
  undecided.set(id, record);
  for (const { key, ...life } of keys) dedupe.set(key, { id, ...life });
  tellListeners(tables);
  return { id, duplicate: false };
}

/** Whether the key still marks an event as a duplicate. */
export function isAlive({ untilMs, whileKept }: Omit<DedupeKey, "key">, isEventKept: boolean, atMs: number): boolean {
  if (untilMs !== undefined && untilMs >= atMs) return true;
  return isEventKept && (untilMs === undefined || whileKept === true);
}

/** Whether the node holds the lane now. It takes a free lane, and one whose lease has ended if there are events to decide. */
function claimLane(
  lane: MemoryTables["lane"],
  node: string,
  { nowMs, leaseMs }: ClaimOptions,
  hasEvents: boolean,
): boolean {
  if (lane.owner === node) {
    if (hasEvents && lane.untilMs - nowMs < leaseMs / 2) lane.untilMs = nowMs + leaseMs;
    return true;
  }
  // No lease ends that late, unless the clock was set back since.
  const hasEnded = lane.untilMs <= nowMs || lane.untilMs > nowMs + leaseMs + CLOCK_STEP_MS;
  if (lane.owner !== undefined && !(hasEvents && hasEnded)) return false;
  Object.assign(lane, { owner: node, fence: lane.fence + 1, untilMs: nowMs + leaseMs });
  return true;
}

function oldestWithin(events: readonly EventEntry[], { limit, bytes, held }: ClaimOptions): EventEntry[] {
  const heldIds = new Set(held);
  const first = events.slice(0, limit);
  let bytesRead = 0;
  const end = first.findIndex((record, index) => {
    if (heldIds.has(record.event.id)) return false;
    bytesRead += record.bytes;
    return index > 0 && bytesRead > bytes;
  });
  return end < 0 ? first : first.slice(0, end);
}

/** Why the decisions cannot be committed; undefined = they can. All are checked before anything is written, so that no decision of the batch decides an event that another one emits. */
function commitProblem({ undecided, instances }: MemoryTables, decisions: readonly Decision[]): Committed | undefined {
  const versions = new Map<string, number>();
  const events = new Set<string>();
  for (const { event, instances: stepped } of decisions) {
    if (events.has(event) || !undecided.has(event)) return { ok: false, why: "decided", event };
    events.add(event);
    for (const instance of stepped) {
      const address = instanceAddress(instance);
      const version = versions.get(address) ?? instances.get(address)?.instance.version ?? 0;
      if (instance.version !== version + 1) return { ok: false, why: "stepped", event };
      versions.set(address, instance.version);
    }
  }
  return undefined;
}

function write(tables: MemoryTables, decision: Decision): void {
  const { byId, undecided, instances, timers, pending } = tables;
  const record = byId.get(decision.event);
  if (record !== undefined) Object.assign(record, { decidedAtMs: decision.decidedAtMs, trace: decision.trace });
  undecided.delete(decision.event);
  for (const instance of decision.instances) {
    const address = instanceAddress(instance);
    instances.set(address, { n: instances.get(address)?.n ?? instances.size + 1, instance });
  }
  // Cancelled before set: a state that is entered again cancels its timer and sets it again.
  for (const timer of decision.timersCancelled) timers.delete(instanceAddress(timer, timer.id));
  for (const timer of decision.timersSet) timers.set(instanceAddress(timer, timer.id), timer);
  // Added before cancelled: two signals of one event may start a call and cancel it.
  for (const delivery of decision.deliveries) addDelivery(tables, delivery);
  if (decision.deliveries.length + decision.timersSet.length > 0) tellListeners(tables);
  for (const id of decision.cancelled) {
    const stored = pending.get(id);
    if (stored === undefined) continue;
    stored.delivery = { ...stored.delivery, status: "cancelled", settledAtMs: decision.decidedAtMs };
    pending.delete(id);
  }
  for (const emitted of decision.emitted)
    if (!append(tables, emitted).duplicate) countCaused(tables, emitted.event.root);
}

/** Only for roots that are kept, with which the count goes again. */
function countCaused({ byId, caused }: MemoryTables, root: string | undefined): void {
  if (root !== undefined && byId.has(root)) caused.set(root, (caused.get(root) ?? 0) + 1);
}

function addDelivery(tables: MemoryTables, delivery: Delivery): void {
  const { deliveries, pending } = tables;
  if (deliveries.has(delivery.id)) return;
  tables.deliveriesAdded += 1;
  const stored = { n: tables.deliveriesAdded, delivery, availableAtMs: delivery.nextAtMs, lease: 0 };
  deliveries.set(delivery.id, stored);
  if (delivery.emitsOutcome) countCaused(tables, delivery.root ?? delivery.event);
  if (delivery.status === "pending") pending.set(delivery.id, stored);
}
