/** What the memory store holds, by what it is found by. Maps keep the order in which things were added. */
import type { AuditEntry, DedupeKey, Delivery, Instance, Json, Refusal, Timer, Token } from "../../model.ts";
import type { EventRecord } from "../../ports/questions.ts";

export interface StoredEvent extends EventRecord {
  /** Of its data as JSON text. */
  bytes: number;
}

export interface StoredDelivery {
  n: number;
  delivery: Delivery;
  /** When it may be leased again: its next attempt, or the end of its lease. */
  availableAtMs: number;
  /** Grows with every lease and with its end, so that only the current holder's number fits. */
  lease: number;
}

export interface StoredInstance {
  n: number;
  instance: Instance;
}

export function emptyTables() {
  return {
    /** By seq - 1; what was purged leaves a hole. */
    log: [] as (StoredEvent | undefined)[],
    byId: new Map<string, StoredEvent>(),
    undecided: new Map<string, StoredEvent>(),
    dedupe: new Map<string, Omit<DedupeKey, "key"> & { id: string }>(),
    marks: new Map<string, Json>(),
    lane: { owner: undefined as string | undefined, fence: 0, untilMs: 0 },
    instances: new Map<string, StoredInstance>(),
    timers: new Map<string, Timer>(),
    deliveries: new Map<string, StoredDelivery>(),
    pending: new Map<string, StoredDelivery>(),
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

/** There may be something new to decide or to do. */
export function tellListeners({ listeners }: MemoryTables): void {
  for (const listener of listeners) listener();
}

/** The order of SQLite's columns for all text without surrogates. */
export function order(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
