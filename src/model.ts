/** The nouns, used the same in code, files, command line, API and docs. Schema = type = name. Imports nothing of ours. */
import { type Static, Type } from "typebox";

export type * from "./model/explanation.ts";

export type Json = null | boolean | number | string | Json[] | JsonObject;
export type JsonObject = { [key: string]: Json };

/** Every limit with its reason. Past one: a clear refusal, nothing lost. */
export const LIMITS = {
  /** GitHub's documented cap is 25 MB, ordinary deliveries stay far below 1 MiB; a source may raise it to 25 MiB. */
  bodyBytes: 1024 * 1024,
  bodyBytesMax: 25 * 1024 * 1024,
  /** Longer names are never a vendor's; they would become index keys. */
  eventNameChars: 256,
  rules: 100_000,
  conditionsPerRule: 1_000,
  /** One event must not become an unbounded number of deliveries. */
  forEachItems: 100,
  machineStates: 2_000,
  /** A machine that needs more for one signal is looping. */
  microsteps: 100,
  contextBytes: 64 * 1024,
  renderedBytes: 256 * 1024,
  attempts: 12,
  /** One attempt with all its requests; shorter than the lease, so that nobody else takes the delivery meanwhile. */
  attemptMs: 25_000,
  attemptsWindowMs: 24 * 3_600_000,
  timerMs: 400 * 24 * 3_600_000,
  /** Events caused by our own deliveries count up; past it the loop is cut and reported. */
  causalChain: 16,
  /** Tickets found in one event; more is a release note, not a change. */
  tickets: 20,
  jsonDepth: 200,
} as const;

// ---------------------------------------------------------------- events

export const STATUSES = ["success", "failure", "pending", "error", "cancelled"] as const;
export type Status = (typeof STATUSES)[number];

/** Where a signal goes when it is meant for one instance and no rule is asked: timers, outcomes, signals by hand. */
export interface Address {
  machine: string;
  key: string;
  /** The event name the instance receives; `xstate.*` never comes from outside. */
  signal: string;
  /** The timer or call that this answers, with the step that armed it: no longer fitting = stale. */
  timer?: string;
  call?: string;
  step?: number;
  /** Instead of taking a signal the instance is moved to this definition. */
  definition?: string;
}

/** What the log holds: a CloudEvents-shaped envelope, verified and normalised. Times are RFC 3339 UTC. */
export interface Event {
  id: string;
  type: string;
  source: string;
  subject?: string;
  time: string;
  receivedAt: string;
  delivery?: string;
  repo?: string;
  branch?: string;
  sha?: string;
  number?: number;
  title?: string;
  actor?: string;
  url?: string;
  status?: Status;
  tickets?: string[];
  /** The event whose delivery, timer or emit caused this one. */
  causedBy?: string;
  /** How many of our own effects lie between this event and the outside; absent = 0. */
  hops?: number;
  /** Set when a stored event is processed again on request. */
  redeliveryOf?: string;
  to?: Address;
  data: JsonObject;
}

/** An event on its way into the log. */
export interface NewEvent {
  event: Event;
  /** The exact JSON text of `event.data`, when it is at hand, so that it is not written again. */
  dataText?: string;
  /** What makes two deliveries one event, e.g. `id:github-acme:72d3162e`. Empty = never a duplicate. */
  keys: readonly DedupeKey[];
}

export interface DedupeKey {
  key: string;
  /** A copy that came after this is a new event; absent = as long as the event is kept. */
  untilMs?: number;
}

// ---------------------------------------------------------------- rules (file form)

const Template = Type.Unknown({
  description: "A value; a string with {{ }} is a Handlebars template, { cel: … } is a CEL expression",
});

export const Send = Type.Object(
  {
    machine: Type.String({ minLength: 1, description: "The machine that receives the signal" }),
    key: Type.String({ minLength: 1, description: 'Which instance, a template: "{{item}}"' }),
    event: Type.String({ minLength: 1, maxLength: LIMITS.eventNameChars, description: "The name of the signal" }),
    with: Type.Optional(
      Type.Record(Type.String(), Template, { description: "Values the machine reads as `event.with`" }),
    ),
    order: Type.Optional(
      Type.Literal("time", {
        description: "Events older than the last that the instance took for their subject are stale and change nothing",
      }),
    ),
  },
  { additionalProperties: false, description: "Gives an event to an instance of a machine" },
);
export type Send = Static<typeof Send>;

export const Rule = Type.Object(
  {
    id: Type.String({
      pattern: "^[a-z0-9][a-z0-9-]*$",
      maxLength: 100,
      description: "The rule's name: a-z, 0-9 and -",
    }),
    description: Type.Optional(Type.String()),
    event: Type.Union([Type.String({ minLength: 1 }), Type.Array(Type.String({ minLength: 1 }), { minItems: 1 })], {
      description: "Event type, a list of them, or a prefix such as `github.*`",
    }),
    match: Type.Optional(
      Type.Record(Type.String(), Type.Unknown(), {
        description: "An EventBridge event pattern; dotted keys and bare values are shorthand",
      }),
    ),
    when: Type.Optional(
      Type.String({ minLength: 1, description: "CEL over event and vars, for what a pattern cannot say" }),
    ),
    forEach: Type.Optional(
      Type.String({ minLength: 1, description: "CEL that gives a list; the rule acts once per item" }),
    ),
    send: Type.Optional(Type.Union([Send, Type.Array(Send, { minItems: 1 })])),
    do: Type.Optional(
      Type.Array(Type.Record(Type.String(), Type.Unknown(), { minProperties: 1, maxProperties: 1 }), {
        minItems: 1,
        description: "Actions, each one key `connection.action` with its parameters",
      }),
    ),
    stop: Type.Optional(Type.Boolean({ description: "When this rule matches, later rules are not asked" })),
    mode: Type.Optional(
      Type.Union([Type.Literal("live"), Type.Literal("observe")], {
        description: "observe: decided and recorded, not performed",
      }),
    ),
  },
  { additionalProperties: false, description: "When an event matches, send signals and perform actions" },
);
export type Rule = Static<typeof Rule>;

export const RuleFile = Type.Array(Rule, { $id: "rules", title: "Signalbox rules" });

// ---------------------------------------------------------------- machines at run time

/** One living copy of a machine, addressed by (machine, key). Our own small row, not xstate's snapshot. */
export interface Instance {
  machine: string;
  key: string;
  /** Content hash of the definition it was started with. */
  definition: string;
  /** Counts steps; a write succeeds only over the version that was read. */
  version: number;
  status: "active" | "done" | "error";
  state: Json;
  context: JsonObject;
  /** History state id → ids of the states it remembers. */
  history?: Record<string, string[]>;
  /** What is armed: name → the step that armed it. */
  timers: Record<string, number>;
  calls: Record<string, number>;
  /** Of signals in order of time: subject → when the last one taken happened, in ms. */
  latest?: Record<string, number>;
  output?: Json;
  error?: string;
  createdAtMs: number;
  updatedAtMs: number;
}

export interface InstanceKey {
  machine: string;
  key: string;
}

/** A timer is a row; when due it becomes an event addressed to its instance. */
export interface Timer extends InstanceKey {
  id: string;
  step: number;
  dueAtMs: number;
  /** The event that armed it. */
  causedBy: string;
}

// ---------------------------------------------------------------- deliveries

export interface Failure {
  message: string;
  /** HTTP status of the answer, if there was one. */
  status?: number;
  code?: string;
  /** The answer, redacted and cut. */
  body?: string;
}

/** What became of an attempt; the kind says what happens next. */
export type Outcome =
  | { kind: "done"; result?: Json; note?: string }
  | { kind: "retry"; error: Failure; afterMs?: number }
  | { kind: "rejected"; error: Failure }
  | { kind: "uncertain"; error: Failure; afterMs?: number };

export interface Attempt {
  atMs: number;
  ms: number;
  outcome: Outcome["kind"];
  status?: number;
  detail: string;
}

export type Cause =
  | { rule: string; item: number; index: number }
  | { machine: string; key: string; step: number; index: number; call?: string };

export interface RetryPolicy {
  attempts?: number;
  initialMs?: number;
  factor?: number;
  maxMs?: number;
}

export type DeliveryStatus = "pending" | "done" | "dead" | "observed" | "cancelled";

/** One action to be performed. The id is a hash of its cause and is the idempotency key that is sent. */
export interface Delivery {
  id: string;
  /** The event that caused it. */
  event: string;
  cause: Cause;
  /** `connection.action`, e.g. `jira.transition`. */
  action: string;
  params: JsonObject;
  status: DeliveryStatus;
  attempts: Attempt[];
  nextAtMs: number;
  retry?: RetryPolicy;
  timeoutMs?: number;
  /** Whether the outcome enters the log: an instance waits for it or a rule listens. */
  reports: boolean;
  /** A lease ended without an answer (a crash): the attempt may have happened. Set by `due`, never stored. */
  interrupted?: boolean;
  hops: number;
  result?: Json;
  error?: Failure;
  createdAtMs: number;
  settledAtMs?: number;
}

// ---------------------------------------------------------------- decisions

export interface Place {
  file: string;
  line: number;
  col: number;
}

export interface Transition {
  machine: string;
  key: string;
  signal: string;
  rule?: string;
  created: boolean;
  from: Json;
  to: Json;
  taken: boolean;
  /** Why nothing changed: no instance, no transition, guard false, stale, final, … */
  ignored?: string;
  step: number;
}

/** What went wrong inside a decision, in the words of the error table; never silent, never a crash. */
export interface TraceProblem {
  code: string;
  message: string;
  rule?: string;
  machine?: string;
  place?: Place;
}

/** What is stored per event: small; the full reason why not is computed on demand from event and policy. */
export interface Trace {
  policy: string;
  matched: { rule: string; items: number; mode: "live" | "observe" }[];
  /** Rules of this event type that were asked. */
  considered: number;
  transitions: Transition[];
  deliveries: { id: string; action: string }[];
  timers: { set: string[]; cancelled: string[] };
  emitted: string[];
  problems: TraceProblem[];
  logs?: string[];
}

/** What one event causes: all of it is committed, or none. */
export interface Decision {
  event: string;
  decidedAtMs: number;
  /** `version` of each is the new one; the store writes only over `version - 1` (0 = must not exist). */
  instances: Instance[];
  timersSet: Timer[];
  timersCancelled: (InstanceKey & { id: string })[];
  deliveries: Delivery[];
  /** Pending deliveries of calls whose state was left. */
  cancelled: string[];
  emitted: NewEvent[];
  trace: Trace;
}

// ---------------------------------------------------------------- what is kept beside the log

/** A request that was not taken into the log; bounded, oldest dropped first. */
export interface Refusal {
  id: string;
  atMs: number;
  source: string;
  status: number;
  code: string;
  reason: string;
  delivery?: string;
  bytes: number;
  bodySha256: string;
  /** Only of verified requests: the first 2,000 characters. */
  excerpt?: string;
}

export interface TokenRow {
  name: string;
  /** sha256 of the token, hex; the token itself is never kept. */
  hash: string;
  scopes: string[];
  createdAtMs: number;
  expiresAtMs?: number;
  usedAtMs?: number;
}

export interface AuditRow {
  atMs: number;
  who: string;
  what: string;
  target: string;
  reason?: string;
  detail?: Json;
}
