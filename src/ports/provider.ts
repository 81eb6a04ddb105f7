/** What an outside system is: its sources, its connection and its actions. */
import type { TSchema } from "typebox";
import type { Event, JsonObject, Outcome } from "../model.ts";
import type { Cache } from "./cache.ts";
import type { HttpClient } from "./network.ts";

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
  | "no_secret"
  | "ip_denied"
  | "key_unavailable"
  /** The provider's own check threw. */
  | "verify_failed";

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
