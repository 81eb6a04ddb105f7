/** What people may ask of and do to a running engine: the one list behind the API and the command line. */
import type { Diagnostic } from "../errors.ts";
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
  TraceView,
} from "../model.ts";
import type { DeliveryFilter, EventFilter, EventRecord, Page, Paged, StoreCounts } from "../ports/questions.ts";

export interface StatusReport {
  version: string;
  startedAtMs: number;
  /** `sqlite ./data/signalbox.db`: what kind and where, never credentials. */
  store: string;
  cache: { backend: string; healthy: boolean };
  counts: StoreCounts;
  policy: PolicyReport;
  sources: { name: string; provider: string; paths: string[] }[];
  connections: { name: string; provider: string }[];
}

export interface PolicyReport {
  /** Of the policy that is running. */
  revision: string;
  loadedAtMs: number;
  rules: number;
  machines: string[];
  /** False while the files on disk were rejected; then `problems` says why. */
  current: boolean;
  problems: Diagnostic[];
  /** After a reload: machines that have instances of earlier definitions. */
  migrations?: MigrationReport[];
}

/** What would become of the instances of a machine that earlier definitions started. */
export interface MigrationReport {
  machine: string;
  /** Hash of the definition they would migrate to. */
  definition: string;
  /** How many can migrate. */
  migrating: number;
  /** The others, by reason; an instance with several reasons counts for each. */
  staying: { reason: string; count: number; keys: string[] }[];
  /** What happens beside, such as timers that start anew. */
  notes: string[];
  /** More instances are to be looked at from here. */
  cursor?: string;
}

/** A stored event as it is shown. */
export interface EventView extends Omit<EventRecord, "trace"> {
  trace?: TraceView;
}

export interface EventDetail extends EventView {
  deliveries: DeliveryView[];
}

export interface InstanceDetail {
  instance: Instance;
  timers: readonly Timer[];
  /** Events that a state of this instance accepts now. */
  accepts: string[];
}

/** Who asks, for the audit log: a token's name, or `local`. */
export interface Actor {
  who: string;
}

/** Rejects with SignalboxError: SB0905 unknown thing, SB0906 refused by state, SB0907 bad request. */
export interface Operations {
  status(): Promise<StatusReport>;
  /** Ready to take events: store writable, policy loaded. */
  ready(): Promise<{ ok: boolean; detail: string }>;
  events(filter: EventFilter, page: Page): Promise<Paged<EventView>>;
  event(id: string): Promise<EventDetail>;
  /**
   * With the running policy, or that of the revision `at` (its first characters will do when it runs or decided the event), or the one that
   * `decided` the event: SB0906 when none has yet.
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
  /** Gives one instance an event by hand, past the rules; audited. */
  signal(
    machine: string,
    key: string,
    signal: { event: string; data?: JsonObject; reason: string },
    actor: Actor,
  ): Promise<{ id: string }>;
  /** Which instances of earlier definitions could migrate to the running definition, or to the one that is given. A page at a time. */
  planMigration(machine: string, options: { definition?: JsonObject; cursor?: string }): Promise<MigrationReport>;
  /** Orders those to migrate that can, as events of the log; audited. A page at a time; the answer is what was ordered. */
  migrate(machine: string, options: { cursor?: string }, actor: Actor): Promise<MigrationReport>;
  refusals(limit: number): Promise<readonly Refusal[]>;
  /** What was done by hand, newest first. */
  audits(limit: number): Promise<readonly AuditEntry[]>;
  policy(): Promise<PolicyReport>;
  /** All or nothing; the report says whether the files on disk are now the running policy. */
  reload(actor: Actor): Promise<PolicyReport>;
  tokens(): Promise<readonly Omit<Token, "hash">[]>;
  /** The token is answered once and never again. */
  createToken(
    token: { name: string; scopes: string[]; expiresAtMs?: number },
    actor: Actor,
  ): Promise<{ token: string }>;
  revokeToken(name: string, actor: Actor): Promise<void>;
  /** The row of a token that is known and not expired. */
  authenticate(token: string): Promise<Token | undefined>;
}

export const SCOPES = ["read", "payload:read", "operate", "admin"] as const;
export type Scope = (typeof SCOPES)[number];
