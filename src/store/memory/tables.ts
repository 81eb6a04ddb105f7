/** The tables of the memory store, by key. Maps keep the order of insertion. */
import type { AuditEntry, DedupeKey, Delivery, Instance, Json, Refusal, Timer, Token } from "../../model.ts";
import type { EventRecord } from "../../ports/questions.ts";

export interface EventEntry extends EventRecord {
  /** Length of its data as JSON text. */
  bytes: number;
}

export interface DeliveryEntry {
  n: number;
  delivery: Delivery;
  /** Time when it may be leased again: its next attempt, or the end of its lease. */
  availableAtMs: number;
  /** Grows with every lease and with its end, so that only the current holder's number is equal. */
  lease: number;
}

export interface InstanceEntry {
  n: number;
  instance: Instance;
}

export function emptyTables() {
  return {
    /** By seq - 1; undefined = purged. */
    log: [] as (EventEntry | undefined)[],
    byId: new Map<string, EventEntry>(),
    /** By the event with which a chain of causes began: how many events it has caused. */
    caused: new Map<string, number>(),
    undecided: new Map<string, EventEntry>(),
    dedupe: new Map<string, Omit<DedupeKey, "key"> & { id: string }>(),
    marks: new Map<string, Json>(),
    lane: { owner: undefined as string | undefined, fence: 0, untilMs: 0 },
    instances: new Map<string, InstanceEntry>(),
    timers: new Map<string, Timer>(),
    deliveries: new Map<string, DeliveryEntry>(),
    pending: new Map<string, DeliveryEntry>(),
    refusals: [] as Refusal[],
    definitions: new Map<string, Json>(),
    policies: new Map<string, Record<string, string>>(),
    tokens: new Map<string, Token>(),
    audits: [] as AuditEntry[],
    deliveriesAdded: 0,
    listeners: new Set<() => void>(),
  };
}

export type MemoryTables = ReturnType<typeof emptyTables>;

/** Tells the listeners that events or deliveries may have been added. */
export function tellListeners({ listeners }: MemoryTables): void {
  for (const listener of listeners) listener();
}

/** The order of SQLite for all text without surrogates. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
