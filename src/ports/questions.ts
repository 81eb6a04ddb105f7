/** What people and commands ask about what was stored. Read only. */
import type { Decision, Delivery, DeliveryStatus, Event, Instance, InstanceKey, Json, Timer } from "../model.ts";

/** What is known of an event beside the event itself. */
export interface EventRecord {
  event: Event;
  /** Position in the log. */
  seq: number;
  decidedAtMs?: number;
  trace?: Decision["trace"];
}

export interface EventFilter {
  /** Type, or a prefix ending in `*`. */
  type?: string;
  source?: string;
  repo?: string;
  subject?: string;
  /** Events in whose trace this rule matched. */
  rule?: string;
  outcome?: "matched" | "near-miss" | "no-rule" | "undecided" | "problem";
  sinceMs?: number;
  untilMs?: number;
}

export interface DeliveryFilter {
  status?: DeliveryStatus;
  event?: string;
  /** `connection.action`. */
  action?: string;
}

export interface InstanceFilter {
  machine?: string;
  status?: Instance["status"];
  key?: string;
}

export interface Page {
  limit: number;
  /** From the previous page. */
  cursor?: string;
  /** Whoever asked has left: nothing more is looked at. */
  signal?: AbortSignal;
}

/**
 * A page ends when it is full or when enough rows were looked at: with a rare filter it may hold fewer items than asked for, even none. Only
 * one without a cursor is the last.
 */
export interface Paged<T> {
  items: T[];
  cursor?: string;
}

/** May lag behind what was just written. */
export interface StoreCounts {
  events: number;
  undecided: number;
  instances: number;
  timers: number;
  deliveries: Record<DeliveryStatus, number>;
}

/** How many instances of a machine are in one state. */
export interface StateCount {
  definition: string;
  status: Instance["status"];
  state: Json;
  instances: number;
}

export interface Questions {
  event(id: string): Promise<EventRecord | undefined>;
  /** Newest first. `data` is left empty. */
  events(filter: EventFilter, page: Page): Promise<Paged<EventRecord>>;
  /** What comes after a position of the log, in its order, with data. None = the end; fewer than `limit` is not, large events come in smaller parts. */
  scan(afterSeq: number, limit: number): Promise<readonly EventRecord[]>;
  delivery(id: string): Promise<Delivery | undefined>;
  /** Newest first. */
  deliveries(filter: DeliveryFilter, page: Page): Promise<Paged<Delivery>>;
  /** Last changed first. */
  instanceList(filter: InstanceFilter, page: Page): Promise<Paged<Instance>>;
  timersOf(key: InstanceKey): Promise<readonly Timer[]>;
  counts(): Promise<StoreCounts>;
  /** The instances of one machine by definition, status and state, most first. */
  countsByState(machine: string): Promise<readonly StateCount[]>;
}
