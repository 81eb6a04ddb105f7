/** What must survive a crash. */
import type {
  AuditEntry,
  Decision,
  Delivery,
  DeliveryStatus,
  Event,
  Instance,
  InstanceKey,
  Json,
  NewEvent,
  Refusal,
  Timer,
  Token,
} from "../model.ts";

export interface Appended {
  /** The id under which the event is kept: its own, or that of the earlier copy. */
  id: string;
  duplicate: boolean;
}

/** What a due delivery is leased with: until the lease ends nobody else gets it. */
export interface DueLimits {
  timers: number;
  deliveries: number;
  leaseMs: number;
  /** Connections that take no more work now. */
  paused?: readonly string[];
}

export interface Due {
  timers: Timer[];
  deliveries: Delivery[];
  /** When the next timer or delivery falls due, if any is waiting: how long a loop may sleep. */
  nextAtMs?: number;
}

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

export interface Page {
  limit: number;
  /** From the previous page. */
  cursor?: string;
}

export interface Paged<T> {
  items: T[];
  cursor?: string;
}

export interface DeliveryFilter {
  status?: DeliveryStatus;
  event?: string;
  /** `connection.action`. */
  action?: string;
}

export interface StoreCounts {
  events: number;
  undecided: number;
  instances: number;
  timers: number;
  deliveries: Record<DeliveryStatus, number>;
}

/**
 * Everything that must survive a crash. Each method is one transaction: all of it, or none; durable on return.
 * Rejects with SignalboxError SB0701 when the disk or server fails; never for data.
 */

export interface Store {
  /** Durable on return. One answer per event, in order: stored, or the id of the earlier copy (one key in common is enough). */
  append(events: readonly NewEvent[]): Promise<readonly Appended[]>;
  /** Ids of undecided events, oldest first, in log order. */
  undecided(limit: number): Promise<readonly string[]>;
  /** The named events in the order asked; those that do not exist are left out. */
  load(ids: readonly string[]): Promise<readonly Event[]>;
  /** The instances that exist among these. */
  instances(keys: readonly InstanceKey[]): Promise<readonly Instance[]>;
  /**
   * Events decided, instances written, timers set and cancelled, deliveries and emitted events added: one transaction for
   * the whole batch. False, and nothing written, when an instance is no longer at `version - 1` or an event is decided already.
   * A delivery whose id exists is kept as it is.
   */
  commit(decisions: readonly Decision[]): Promise<boolean>;
  /** Timers that are due, and due deliveries, leased until nowMs + leaseMs. Oldest first. */
  due(nowMs: number, limits: DueLimits): Promise<Due>;
  /** The timer is gone and its event is in the log: both or none. False when the timer was cancelled or fired meanwhile. */
  fire(timer: Timer, event: NewEvent): Promise<boolean>;
  /**
   * What became of leased deliveries: the new row (with its next attempt or its end) and the event that reports it, if any. Rows that
   * meanwhile left `pending` (cancelled) keep their status but take the attempts.
   */
  settle(settlements: readonly { delivery: Delivery; report?: NewEvent }[]): Promise<void>;

  /** A dead or cancelled delivery becomes pending again; false when it is in another state. */
  retry(id: string, nowMs: number): Promise<boolean>;
  refuse(refusal: Refusal): Promise<void>;
  refusals(limit: number): Promise<readonly Refusal[]>;

  /** Definitions by content hash and policies by revision, kept as long as anything refers to them. */
  saveDefinitions(definitions: readonly { hash: string; machine: string; definition: Json }[]): Promise<void>;
  definition(hash: string): Promise<Json | undefined>;
  savePolicy(revision: string, files: Readonly<Record<string, string>>, nowMs: number): Promise<void>;
  policy(revision: string): Promise<Record<string, string> | undefined>;

  event(id: string): Promise<EventRecord | undefined>;
  /** Newest first. `data` is left empty. */
  events(filter: EventFilter, page: Page): Promise<Paged<EventRecord>>;
  delivery(id: string): Promise<Delivery | undefined>;
  /** Newest first. */
  deliveries(filter: DeliveryFilter, page: Page): Promise<Paged<Delivery>>;
  /** Last changed first. */
  instanceList(
    filter: { machine?: string; status?: Instance["status"]; key?: string },
    page: Page,
  ): Promise<Paged<Instance>>;
  timersOf(key: InstanceKey): Promise<readonly Timer[]>;
  counts(): Promise<StoreCounts>;

  tokens(): Promise<readonly Token[]>;
  saveToken(row: Token): Promise<void>;
  dropToken(name: string): Promise<boolean>;
  audit(row: AuditEntry): Promise<void>;
  /** Newest first. */
  audits(limit: number): Promise<readonly AuditEntry[]>;
  /**
   * Drops what has had its time, oldest first: decided events received before `eventsMs` none of whose deliveries is pending or dead; settled
   * deliveries that ended before `deliveriesMs` (dead ones stay, somebody may still retry them); keys that ended. At most `limit` of
   * each; answers how many events and deliveries went. Instances, timers and definitions stay.
   */
  forget(before: { nowMs: number; eventsMs: number; deliveriesMs: number }, limit: number): Promise<number>;

  /** Writes what is pending and lets go. Idempotent. */
  close(): Promise<void>;
}
