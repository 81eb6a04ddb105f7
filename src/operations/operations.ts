/** What people can read and do in a running engine: the operations behind the API and the command line. */
import type { PolicyReport, StatusReport } from "../api/engine.ts";
import type { EventDetail, EventView } from "../api/events.ts";
import type { InstanceDetail, MigrationReport } from "../api/instances.ts";
import type { ScheduleView } from "../api/timers.ts";
import { SignalboxError } from "../errors.ts";
import type {
  AuditEntry,
  DeliveryView,
  Event,
  Explanation,
  Instance,
  JsonObject,
  Refusal,
  Timer,
  Token,
} from "../model.ts";
import type { DeliveryFilter, EventFilter, Page, Paged } from "../ports/questions.ts";

export type { EventDetail, EventView, InstanceDetail, MigrationReport, PolicyReport, StatusReport };

/** Who did it, for the audit log: a token's name, or `local`. */
export interface Actor {
  who: string;
}

/** Adds to the audit log what an actor just did. */
export type Audit = (actor: Actor, row: Omit<AuditEntry, "atMs" | "who">) => Promise<void>;

/** A timer of an instance. */
export interface TimerAddress {
  machine: string;
  key: string;
  timer: string;
}

/** Rejects with SignalboxError: SB0905 unknown thing, SB0906 impossible in this state, SB0907 bad request. */
export interface Operations {
  status(): Promise<StatusReport>;
  /** Ready for events: the store can write. `detail` also says whether the policy is stale. */
  ready(): Promise<{ ok: boolean; detail: string }>;
  events(filter: EventFilter, page: Page): Promise<Paged<EventView>>;
  event(id: string): Promise<EventDetail>;
  /**
   * With the running policy, or that of the revision `at` (a prefix is enough for the running policy and the one that decided the event), or
   * with the policy that `decided` the event: SB0906 when the event is undecided.
   */
  explain(id: string, at?: string): Promise<Explanation>;
  /** An event that is not stored: `event` in the log's form. No side effects. */
  decide(event: Event): Promise<Explanation>;
  /** Processes a stored event again with the running policy. */
  redeliver(id: string, actor: Actor): Promise<{ id: string }>;
  deliveries(filter: DeliveryFilter, page: Page): Promise<Paged<DeliveryView>>;
  delivery(id: string): Promise<DeliveryView>;
  retry(id: string, actor: Actor): Promise<DeliveryView>;
  instances(
    filter: { machine?: string; status?: Instance["status"]; key?: string },
    page: Page,
  ): Promise<Paged<Instance>>;
  instance(machine: string, key: string): Promise<InstanceDetail>;
  /** Sends a signal to one instance by hand, without a rule; audited. */
  signal(
    machine: string,
    key: string,
    signal: { event: string; data?: JsonObject; reason: string },
    actor: Actor,
  ): Promise<{ id: string }>;
  /** Which instances of earlier definitions could migrate to the running definition, or to `definition`. A page at a time. */
  planMigration(machine: string, options: { definition?: JsonObject; cursor?: string }): Promise<MigrationReport>;
  /** Migrates those that can, by events of the log; audited. A page at a time; the report counts the events. */
  migrate(machine: string, options: { cursor?: string }, actor: Actor): Promise<MigrationReport>;
  /** Those that fire next first, at most `limit`. */
  timers(limit: number): Promise<readonly Timer[]>;
  /** Fires a timer before its time, or takes it away; audited. SB0906 when it fired meanwhile. */
  fireTimer(timer: TimerAddress, reason: string, actor: Actor): Promise<{ id: string }>;
  cancelTimer(timer: TimerAddress, reason: string, actor: Actor): Promise<{ id: string }>;
  schedules(): Promise<readonly ScheduleView[]>;
  refusals(limit: number): Promise<readonly Refusal[]>;
  /** What was done by hand, newest first. */
  audits(limit: number): Promise<readonly AuditEntry[]>;
  policy(): Promise<PolicyReport>;
  /** All or nothing; the report says whether the files on disk are now the running policy. */
  reload(actor: Actor): Promise<PolicyReport>;
  tokens(): Promise<readonly Omit<Token, "hash">[]>;
  /** Returns the token, which is not readable afterwards. */
  createToken(
    token: { name: string; scopes: string[]; expiresAtMs?: number },
    actor: Actor,
  ): Promise<{ token: string }>;
  revokeToken(name: string, actor: Actor): Promise<void>;
  /** The stored token; undefined when it is unknown or expired. */
  authenticate(token: string): Promise<Token | undefined>;
}

export function notFound(what: string, id: string): SignalboxError {
  return new SignalboxError("SB0905", `There is no ${what} "${id}"`);
}
