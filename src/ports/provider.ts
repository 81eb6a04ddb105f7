/** What an outside system is: its sources, its connection and its actions. */
import type { TSchema } from "typebox";
import type { Event, Json, JsonObject, Outcome } from "../model.ts";
import type { Cache } from "./cache.ts";
import type { Clock } from "./clock.ts";
import type { Network } from "./network.ts";

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

/** Verified, or the reason why not. `key_unavailable` is a fault on our side: the response is 503. */
export type Verdict = { ok: true; secretIndex?: number } | { ok: false; reason: VerifyReason; detail?: string };

/** One configured source, with its secrets resolved. */
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
  network: Network;
}

/** The attributes that a source can set. */
type Attribute =
  | "type"
  | "subject"
  | "delivery"
  | "repo"
  | "branch"
  | "isDefaultBranch"
  | "sha"
  | "number"
  | "title"
  | "actor"
  | "url"
  | "status"
  | "tickets"
  | "data";

/** The normalised part of an event; the flow adds the rest, so that no sender can address an instance or hide a cause. */
export interface EventDraft extends Pick<Event, Attribute> {
  /** RFC 3339, by the sender's account; absent = when it was received. */
  time?: string;
  /** The exact JSON text of data, when nothing was taken out of it. */
  dataText?: string;
  /**
   * Whether an equal body is the same event: "never" where `delivery` is proven by the signature, so that it decides alone; "if-asked" = only
   * where the source's `dedupe` says so, for what carries no time or number of its own. Absent = within the window, beside `delivery`.
   */
  bodyCounts?: "never" | "if-asked";
  /** Until then the request would be believed once more, so that its `delivery` is remembered at least as long. */
  provenUntilMs?: number;
}

/** A verified request in our words; `malformed` is answered 400 and recorded; `answer` replaces 202 (pings, challenges). */
export type Normalised =
  | {
      kind: "events";
      events: EventDraft[];
      answer?: { status: number; contentType?: string; body: string };
    }
  | { kind: "answer"; answer: { status: number; contentType?: string; body: string } }
  | { kind: "malformed"; detail: string };

interface SourceCommon<Settings> {
  summary: string;
  /** What `sources.<name>` may say beside the common keys. */
  settings: TSchema;
  /** Paths in the payload under which the vendor sends secrets; they are not stored. */
  secretFields?: readonly string[];
  /** Whether a secret must be configured; `false` only where the scheme has its own keys. */
  needsSecret: boolean | ((settings: Settings) => boolean);
  /** Documented event types and, for `send`, a sample of each. */
  events: Readonly<Record<string, { summary: string; sample?: () => Sample }>>;
}

/** Senders call us. */
export interface Webhook<Settings = JsonObject> extends SourceCommon<Settings> {
  kind: "webhook";
  /** Media types that are taken, e.g. ["application/json", "application/x-www-form-urlencoded"]. `*` = any. */
  contentTypes: readonly string[];
  /** Media types that the settings of a source add. */
  moreContentTypes?(settings: Settings): readonly string[];
  /** The header in which the sender names its delivery, to find a refused one again on the sender's side. */
  deliveryHeader?(settings: Settings): string | undefined;
  /** On the bytes that arrived, before anything parses them; where they are gzip, on what they become as well. May throw only for our own faults: refused. */
  verify(request: RawRequest, source: SourceConfig<Settings>, context: SourceContext): Verdict | Promise<Verdict>;
  /** Pure. Only for verified requests. */
  normalise(request: RawRequest, source: SourceConfig<Settings>, nowMs: number): Normalised;
  /** Signs a sample as the sender would; used by `send`, demo and tests. */
  sign?(sample: Sample, source: SourceConfig<Settings>, nowMs: number): Record<string, string>;
  /** Webhooks at the vendor, set up over a connection of the same provider. Never used by `serve` itself. */
  // biome-ignore lint/suspicious/noExplicitAny: the connection's settings are those of the provider.
  registration?: Registration<any>;
}

/** We consume a queue, poll, or follow a stream. */
export interface Feed<Settings = JsonObject> extends SourceCommon<Settings> {
  kind: "feed";
  /** Runs until the signal aborts. What it throws is a break: it is run again after a pause, with the last stored mark. */
  run(context: FeedContext<Settings>): Promise<void>;
}

export interface FeedContext<Settings = JsonObject> {
  source: SourceConfig<Settings>;
  network: Network;
  clock: Clock;
  /** What was stored with the last drafts that were taken; absent = nothing was. */
  mark?: Json;
  /** Resolves once the drafts are on disk, in one transaction with the mark. Only then is a message acknowledged. */
  take(drafts: readonly EventDraft[], mark?: Json): Promise<void>;
  signal: AbortSignal;
}

export type Source<Settings = JsonObject> = Webhook<Settings> | Feed<Settings>;

export interface Sample {
  headers: Record<string, string>;
  body: JsonObject;
}

/** One configured connection, with its secrets resolved. */
export interface ConnectionConfig<Settings = JsonObject> {
  name: string;
  provider: string;
  settings: Settings;
}

export interface ActionContext<Settings = JsonObject, Session = unknown> {
  connection: ConnectionConfig<Settings>;
  /** What `open` of the connection gave. */
  session: Session;
  /** The delivery's id, sent as idempotency key where the provider has one. */
  idempotencyKey: string;
  /** 1 for the first try. */
  attempt: number;
  nowMs: number;
  /** Ends with the attempt. */
  network: Network;
  cache: Cache;
}

export interface Action<Params = JsonObject, Settings = JsonObject, Session = unknown> {
  summary: string;
  /** Schema and documentation; string fields that are shown to people carry `escape` (see core/render.ts). */
  params: TSchema;
  example: Params;
  /** What `done` carries: `event.output` of a machine, `event.data.output` of `delivery.done`. Absent = nothing. */
  result?: TSchema;
  idempotency: "key" | "read-before-write" | "state" | "none";
  perform(params: Params, context: ActionContext<Settings, Session>): Promise<Outcome>;
  /** Looks whether an uncertain earlier attempt was taken: its outcome, or undefined = it was not, perform again. */
  probe?(params: Params, context: ActionContext<Settings, Session>): Promise<Outcome | undefined>;
}

export type Opened<Session> = { ok: true; session: Session } | { ok: false; outcome: Outcome };

export interface ConnectionContext<Settings = JsonObject> {
  settings: Settings;
  nowMs: number;
  network: Network;
}

/** What can be done at an outside system, and how it is reached. */
export interface Connection<Settings = JsonObject, Session = unknown> {
  /** What `connections.<name>` may say beside the common keys. */
  settings: TSchema;
  /**
   * A session that deliveries share, such as a channel or a pool of connections: opened when the first delivery needs it, and again
   * after `broken` was called or an action threw. The network given here lasts as long as the process.
   */
  open?(context: ConnectionContext<Settings> & { broken(): void }): Promise<Opened<Session>>;
  /** Called once per session, when no delivery uses it any more. */
  close?(session: Session): Promise<void>;
  /** Whether the other side can be reached with these credentials. Changes nothing there. */
  test?(context: ConnectionContext<Settings> & { session: Session }): Promise<Outcome>;
  // biome-ignore lint/suspicious/noExplicitAny: each action's parameters are its own; the schema checks them at the door.
  actions: Readonly<Record<string, Action<any, Settings, Session>>>;
  /** Markup of this system by name, for `escape` in parameters: the text with its markup escaped. */
  escapes?: Readonly<Record<string, (text: string) => string>>;
}

/** One webhook as it is, or shall be, at the vendor. */
export interface HookTarget {
  /** Where the vendor sends to. */
  url: string;
  secret: string;
  /** The vendor's names of events. */
  events: readonly string[];
  /** What the webhook belongs to, e.g. owner/name of a repository. */
  scope: string;
}

export interface Registration<Settings = JsonObject> {
  /** Done with `{ installed }`: whether the vendor sends to that url now. */
  status(hook: Pick<HookTarget, "url" | "scope">, context: ConnectionContext<Settings>): Promise<Outcome>;
  /** Done when the vendor sends to that url; an existing webhook for it is changed, not doubled. */
  install(hook: HookTarget, context: ConnectionContext<Settings>): Promise<Outcome>;
  /** Done when the vendor no longer sends to that url. */
  remove(hook: Pick<HookTarget, "url" | "scope">, context: ConnectionContext<Settings>): Promise<Outcome>;
}

/** What `signalbox init` writes for a provider: the default export of starter.ts in its folder. */
export interface Starter {
  /** The value of `connections.<name>` in signalbox.yaml. */
  connection: string;
  /** Lines of .env, with the variables that the connection names. */
  variables: readonly string[];
}

/** An outside system: the default export of a file or folder in src/providers/ or in a project's providers/. */
export interface Provider {
  name: string;
  summary: string;
  /** Vendor's documentation. */
  docs?: string;
  // biome-ignore lint/suspicious/noExplicitAny: each provider's settings type is its own; the schema checks it.
  source?: Source<any>;
  // biome-ignore lint/suspicious/noExplicitAny: as above, and what its session is.
  connection?: Connection<any, any>;
}
