/** The doors of the house. Types only; each is implemented in one place and promised in one contract suite. */
import type { TSchema } from "typebox";
import type {
  AuditRow,
  Decision,
  Delivery,
  DeliveryStatus,
  Event,
  Instance,
  InstanceKey,
  Json,
  JsonObject,
  NewEvent,
  Outcome,
  Refusal,
  Timer,
  TokenRow,
} from "./model.ts";

export type { AuditRow, Refusal, TokenRow } from "./model.ts";

/** Time, and nothing else. Everything that waits, waits here, so that tests and simulations can wind it. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Resolves after that many milliseconds, or at once when the signal aborts. Never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

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
  /** Connections (the part of `action` before the dot) that take no more work now. */
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

  tokens(): Promise<readonly TokenRow[]>;
  saveToken(row: TokenRow): Promise<void>;
  dropToken(name: string): Promise<boolean>;
  audit(row: AuditRow): Promise<void>;
  /** Newest first. */
  audits(limit: number): Promise<readonly AuditRow[]>;
  /**
   * Drops what has had its time, oldest first: decided events received before `eventsMs` none of whose deliveries is pending or dead; settled
   * deliveries that ended before `deliveriesMs` (dead ones stay, somebody may still retry them); keys that ended. At most `limit` of
   * each; answers how many events and deliveries went. Instances, timers and definitions stay.
   */
  forget(before: { nowMs: number; eventsMs: number; deliveriesMs: number }, limit: number): Promise<number>;

  /** Writes what is pending and lets go. Idempotent. */
  close(): Promise<void>;
}

/** Provider state that may be lost. Works, slower, when its backend is down; never throws for that. */
export interface Cache {
  /**
   * The value kept under the key, or what `load` gives. One load at a time per key and process (single flight). Kept for ttlMs
   * with up to 10 % jitter taken from the key. `load` returns only validated answers; what it throws is thrown on and not kept.
   */
  read<T extends Json>(key: string, ttlMs: number, load: () => Promise<T>): Promise<T>;
  /** On the first sign that it is wrong. */
  drop(key: string): Promise<void>;
  /** False while the backend cannot be reached. */
  healthy(): boolean;
  close(): Promise<void>;
}

/** A request as it arrived; header names in lower case, a repeated header joined with ", ". */
export interface RawRequest {
  method: string;
  path: string;
  query: string;
  headers: Readonly<Record<string, string>>;
  body: Buffer;
  remoteAddress?: string;
}

export type VerifyReason =
  | "missing_header"
  | "malformed_header"
  | "malformed_body"
  | "signature_mismatch"
  | "timestamp_stale"
  | "timestamp_future"
  | "unsupported_algorithm"
  | "issuer_mismatch"
  | "body_hash_mismatch"
  | "insufficient_coverage"
  | "unknown_key"
  | "no_secret"
  | "ip_denied"
  | "key_unavailable";

/** Verified, or the reason why not. `keyUnavailable`-like reasons are our fault and answered 503. */
export type Verdict =
  | { ok: true; scheme: string; secretIndex?: number }
  | { ok: false; reason: VerifyReason; detail?: string };

/** One configured way in, with its secrets resolved. */
export interface SourceConfig<Settings = JsonObject> {
  name: string;
  provider: string;
  /** At least one non-empty secret unless the provider's scheme needs none. Several while rotating: any may match. */
  secrets: readonly string[];
  settings: Settings;
  /** How ticket keys are found: an allow-list of project keys, or none. */
  ticketProjects?: readonly string[];
}

export interface SourceContext {
  nowMs: number;
  cache: Cache;
  http: HttpClient;
}

/** The normalised part of an event; the flow adds id, source, receivedAt. */
export interface EventDraft extends Omit<Event, "id" | "source" | "receivedAt" | "time" | "data"> {
  /** RFC 3339, by the sender's account; absent = when it was received. */
  time?: string;
  data: JsonObject;
  /** The exact JSON text of data, when nothing was taken out of it. */
  dataText?: string;
}

/** A verified request in our words; `malformed` is answered 400 and recorded; `answer` replaces 202 (pings, challenges). */
export type Normalised =
  | {
      kind: "events";
      events: EventDraft[];
      /** How long an equal body counts as the same event; absent = the source's or product's default. 0 = never. */
      bodyWindowMs?: number;
      answer?: { status: number; contentType?: string; body: string };
    }
  | { kind: "answer"; answer: { status: number; contentType?: string; body: string } }
  | { kind: "malformed"; detail: string };

export interface Source<Settings = JsonObject> {
  summary: string;
  /** What `sources.<name>` may say beside provider, secret, paths, maxBody and tickets. */
  settings: TSchema;
  /** Whether a secret must be configured; `false` only where the scheme has its own keys. */
  needsSecret: boolean | ((settings: Settings) => boolean);
  /** Media types that are taken, e.g. ["application/json", "application/x-www-form-urlencoded"]. `*` = any. */
  contentTypes: readonly string[];
  /** On the bytes that arrived, before anything parses them. May throw only for our own faults: refused. */
  verify(request: RawRequest, source: SourceConfig<Settings>, context: SourceContext): Verdict | Promise<Verdict>;
  /** Pure. Only for verified requests. */
  normalise(request: RawRequest, source: SourceConfig<Settings>, nowMs: number): Normalised;
  /** Documented event types and, for `send`, a sample of each. */
  events: Readonly<Record<string, { summary: string; sample?: () => Sample }>>;
  /** Signs a sample as the sender would; used by `send`, demo and tests. */
  sign?(sample: Sample, source: SourceConfig<Settings>, nowMs: number): Record<string, string>;
}

export interface Sample {
  headers: Record<string, string>;
  body: JsonObject;
}

/** One configured way out, with its secrets resolved. */
export interface ConnectionConfig<Settings = JsonObject> {
  name: string;
  provider: string;
  settings: Settings;
}

export interface HttpRequest {
  method: string;
  url: string;
  headers?: Record<string, string>;
  body?: string | Buffer;
  /** Whole exchange; default 15,000. */
  timeoutMs?: number;
}

/** An answer, or how it failed: `refused` before the request can have been taken, `uncertain` after. */
export type HttpAnswer =
  | { kind: "answer"; status: number; headers: Record<string, string>; text: string; ms: number }
  | { kind: "refused"; code: string; detail: string; ms: number; permanent?: boolean }
  | { kind: "uncertain"; code: string; detail: string; ms: number };

/** HTTP with limits: no private addresses unless allowed, no redirects, bounded time and answer. Never throws for the network. */
export interface HttpClient {
  request(request: HttpRequest): Promise<HttpAnswer>;
}

export interface ActionContext<Settings = JsonObject> {
  connection: ConnectionConfig<Settings>;
  /** The delivery's id, sent as idempotency key where the provider has one. */
  idempotencyKey: string;
  /** 1 for the first try. */
  attempt: number;
  nowMs: number;
  http: HttpClient;
  cache: Cache;
  signal: AbortSignal;
}

export interface Action<Params = JsonObject, Settings = JsonObject> {
  summary: string;
  /** Schema and documentation; string fields that are shown to people carry `escape` (see core/render.ts). */
  params: TSchema;
  example: Params;
  idempotency: "key" | "read-before-write" | "state" | "none";
  perform(params: Params, context: ActionContext<Settings>): Promise<Outcome>;
  /** Looks whether an uncertain earlier attempt was taken: its outcome, or undefined = it was not, perform again. */
  probe?(params: Params, context: ActionContext<Settings>): Promise<Outcome | undefined>;
}

/** An outside system. One file in src/providers/, default export, found by reading the folder. */
export interface Provider {
  name: string;
  summary: string;
  /** Vendor's documentation. */
  docs?: string;
  // biome-ignore lint/suspicious/noExplicitAny: each provider's settings type is its own; the schema checks it at the door.
  source?: Source<any>;
  /** What `connections.<name>` may say beside provider. Required with actions. */
  connection?: TSchema;
  // biome-ignore lint/suspicious/noExplicitAny: as above.
  actions?: Readonly<Record<string, Action<any, any>>>;
}

/** Everything worth a metric or a log line, told once; metrics and log are two listeners. */
export type Observation =
  | {
      kind: "received";
      source: string;
      status: number;
      code?: string;
      reason?: string;
      event?: string;
      duplicate?: boolean;
      ms: number;
      requestId: string;
    }
  | {
      kind: "decided";
      event: string;
      type: string;
      matched: string[];
      considered: number;
      problems: string[];
      ms: number;
    }
  | {
      kind: "attempted";
      delivery: string;
      action: string;
      outcome: Outcome["kind"];
      attempt: number;
      ms: number;
      detail: string;
      dead: boolean;
    }
  | { kind: "fired"; machine: string; key: string; timer: string; lateMs: number }
  | { kind: "stored"; operation: string; rows: number; ms: number }
  | { kind: "policy"; ok: boolean; revision: string; problems: number }
  | { kind: "cache"; ok: boolean; detail: string }
  | { kind: "fault"; where: string; message: string };

export type Observer = (observation: Observation) => void;
