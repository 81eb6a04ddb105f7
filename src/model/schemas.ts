/** The nouns as schemas: their types and the answers of the API are read from these. A title names a component of the OpenAPI document. */
import { type Static, Type } from "typebox";
import type { Address } from "./address.ts";
import { LIMITS, STATUSES } from "./limits.ts";
import { closed, count, instant, json, list, milliseconds, named, object, optional, text } from "./schema-kit.ts";

// ---------------------------------------------------------------- events

const AddressSchema = Type.Unsafe<Address>(
  closed("Address", {
    kind: optional(
      Type.Enum(["signal", "timer", "call", "migration"], { description: "May be left out of a request" }),
    ),
    machine: text(),
    key: text(),
    signal: optional(text("What the instance receives; absent for a migration")),
    timer: optional(text()),
    call: optional(text()),
    step: optional(count()),
    ok: optional(Type.Boolean({ description: "Whether the call was performed" })),
    definition: optional(text("The instance migrates to this definition")),
    timers: optional(
      list(
        Type.Object(
          { id: text(), step: count(), dueAtMs: milliseconds("When it is due") },
          { additionalProperties: false },
        ),
      ),
    ),
  }),
);

export const EventSchema = closed(
  "Event",
  {
    id: Type.String({ minLength: 1, maxLength: 200 }),
    type: Type.String({ minLength: 1, maxLength: LIMITS.eventNameChars, description: "<provider>.<event>[.<action>]" }),
    source: text("The configured source"),
    subject: optional(text("What it is about, stable across deliveries")),
    time: instant("When it happened, by the sender's account"),
    receivedAt: instant("When it was received"),
    delivery: optional(text("The sender's delivery id")),
    repo: optional(text()),
    branch: optional(text()),
    isDefaultBranch: optional(Type.Boolean({ description: "Whether branch is the repository's default branch" })),
    sha: optional(text()),
    number: optional(Type.Number()),
    title: optional(text()),
    actor: optional(text()),
    url: optional(text()),
    status: optional(Type.Enum([...STATUSES])),
    tickets: optional(list(text())),
    causedBy: optional(text("The event whose delivery, timer or emit caused this one")),
    hops: optional(count()),
    root: optional(text("The event with which the chain of causes began; absent = this one")),
    continues: optional(
      Type.Object(
        { event: text(), rule: text(), from: count() },
        {
          additionalProperties: false,
          description: "The items of a rule's forEach, from this number on, for another event",
        },
      ),
    ),
    cut: optional(
      Type.Object(
        { tickets: optional(count()) },
        { additionalProperties: false, description: "How many there were where only the first are kept" },
      ),
    ),
    redeliveryOf: optional(text()),
    to: optional(AddressSchema),
    data: object('The payload; {"redacted": true} without the scope payload:read'),
  },
  "What the log holds: a CloudEvents-shaped envelope, verified and normalised",
);

export const TransitionSchema = closed("Transition", {
  machine: text(),
  key: text(),
  signal: text(),
  rule: optional(text()),
  created: Type.Boolean(),
  from: json("State before"),
  to: json("State after"),
  taken: Type.Boolean(),
  ignored: optional(text("Why nothing changed")),
  step: count(),
});

export const PlaceSchema = closed("Place", { file: text(), line: count(), col: count() });

export const TraceProblemSchema = closed("TraceProblem", {
  code: text(),
  message: text(),
  rule: optional(text()),
  machine: optional(text()),
  place: optional(PlaceSchema),
});

const MODE = Type.Enum(["live", "observe"]);

export const TraceSchema = closed(
  "Trace",
  {
    policy: text("Revision of the policy that decided"),
    matched: list(Type.Object({ rule: text(), items: count(), mode: MODE }, { additionalProperties: false })),
    considered: count("Rules of this event type that were asked"),
    transitions: list(TransitionSchema),
    deliveries: list(
      Type.Object(
        { id: text(), connection: text(), action: text("connection.action") },
        { additionalProperties: false },
      ),
    ),
    timers: Type.Object({ set: list(text()), cancelled: list(text()) }, { additionalProperties: false }),
    emitted: list(text("Id of an event")),
    emittedEvents: list(
      Type.Object(
        { id: text(), type: optional(text()) },
        { additionalProperties: false, description: "0.1 did not store types" },
      ),
    ),
    problems: list(TraceProblemSchema),
    logs: optional(list(text())),
  },
  "What an event caused",
);

// ---------------------------------------------------------------- deliveries

const OUTCOME = Type.Enum(["done", "retry", "rejected", "uncertain"]);
export const DELIVERY_STATUS = Type.Enum(["pending", "done", "dead", "observed", "cancelled"]);

export const FailureSchema = closed("Failure", {
  message: text(),
  status: optional(Type.Integer({ description: "HTTP status of the answer" })),
  code: optional(text()),
  body: optional(text("The answer, redacted and cut; withheld without the scope payload:read")),
});

export const AttemptSchema = closed("Attempt", {
  atMs: milliseconds("When it was made"),
  ms: Type.Number(),
  outcome: OUTCOME,
  status: optional(Type.Integer()),
  detail: text(),
});

export const CauseSchema = Type.Union(
  [
    Type.Object(
      { kind: Type.Literal("rule"), rule: text(), item: count(), index: count() },
      { additionalProperties: false },
    ),
    Type.Object(
      { kind: Type.Literal("step"), machine: text(), key: text(), step: count(), index: count() },
      { additionalProperties: false },
    ),
    Type.Object(
      { kind: Type.Literal("call"), machine: text(), key: text(), step: count(), index: count(), call: text() },
      { additionalProperties: false },
    ),
  ],
  { title: "Cause" },
);

export const RetryPolicySchema = closed("RetryPolicy", {
  attempts: optional(count()),
  initialMs: optional(Type.Number()),
  factor: optional(Type.Number()),
  maxMs: optional(Type.Number()),
});

export const DeliverySchema = closed(
  "Delivery",
  {
    id: text("A hash of its cause; sent as idempotency key"),
    event: text("The event that caused it"),
    cause: CauseSchema,
    connection: text("A configured way out"),
    action: text("connection.action"),
    params: object('Withheld as {"redacted": true} without the scope payload:read'),
    status: DELIVERY_STATUS,
    attempts: list(AttemptSchema),
    attemptsBefore: optional(count("Attempts before it was last retried by hand; its allowance does not count them")),
    nextAtMs: milliseconds("When it is due"),
    retry: optional(RetryPolicySchema),
    timeoutMs: optional(count()),
    emitsOutcome: Type.Boolean({ description: "Its outcome enters the log as an event" }),
    reports: Type.Boolean({ description: "Same as emitsOutcome" }),
    hops: count(),
    root: optional(text("The event with which the chain of causes began; absent = the event that caused it")),
    result: optional(json("What the provider answered; withheld without the scope payload:read")),
    error: optional(FailureSchema),
    createdAtMs: milliseconds("When it was decided"),
    settledAtMs: optional(milliseconds("When it ended")),
  },
  "One action to be performed, with its attempts",
);

// ---------------------------------------------------------------- the reason why

/** A condition has conditions inside. */
interface Condition extends Static<typeof ConditionSchema> {}
export const ConditionSchema = closed("Condition", {
  kind: Type.Enum(["all", "any", "not", "leaf", "cel"]),
  ok: Type.Boolean(),
  counts: Type.Boolean({ description: "False for a failed leaf that did no harm" }),
  place: optional(PlaceSchema),
  children: optional(Type.Array(named<Condition>("Condition"))),
  path: optional(text()),
  op: optional(text()),
  want: optional(json("What was wanted")),
  got: optional(json("What was found; withheld without the scope payload:read")),
  missing: optional(Type.Boolean()),
  hint: optional(text()),
});

export const RuleExplanationSchema = closed("RuleExplanation", {
  id: text(),
  place: optional(PlaceSchema),
  matched: Type.Boolean(),
  distance: count("The least number of conditions that would have to change; 0 = matched"),
  tree: ConditionSchema,
});

export const EffectSchema = Type.Union(
  [
    Type.Object(
      { action: text(), params: object('As it was rendered; {"redacted": true} without the scope payload:read') },
      { additionalProperties: false },
    ),
    Type.Object(
      {
        machine: text(),
        key: text(),
        signal: text(),
        definition: optional(text("Content hash of the machine's definition")),
        params: object('Its values; {"redacted": true} without the scope payload:read'),
      },
      { additionalProperties: false },
    ),
    Type.Object({ code: text(), message: text() }, { additionalProperties: false }),
  ],
  { title: "RuleEffect", description: "What a rule causes: a delivery, a signal, or a problem" },
);

const RuleEndSchema = closed("RuleEnd", {
  outcome: Type.Enum(["matched", "observed", "missed", "unasked", "absent"], {
    description: "unasked: it is for other event types; absent: there is no such rule",
  }),
  items: count("How many items it matched for"),
  effects: Type.Array(EffectSchema, { description: "Only those that the other time has not" }),
});

export const RuleChangeSchema = closed("RuleChange", {
  rule: text(),
  place: optional(PlaceSchema),
  was: RuleEndSchema,
  now: RuleEndSchema,
});

const ChangesSchema = closed(
  "Changes",
  {
    policy: text("Revision of the running policy"),
    complete: Type.Boolean({
      description: "False: the rules of the policy that decided are gone, only the recorded matches were compared",
    }),
    rules: Type.Array(RuleChangeSchema, { description: "Empty: it would cause the same" }),
  },
  "What the running policy would do otherwise; absent when it decided the event",
);

export const ExplanationSchema = closed(
  "Explanation",
  {
    event: EventSchema,
    policy: text("Revision of the policy that this was computed with"),
    rules: list(RuleExplanationSchema),
    notConsidered: Type.Object({ count: count(), ids: list(text()) }, { additionalProperties: false }),
    decided: optional(
      Type.Object({ atMs: milliseconds("When it was decided"), trace: TraceSchema }, { additionalProperties: false }),
    ),
    changes: optional(ChangesSchema),
    deliveries: list(DeliverySchema),
  },
  "Why an event did (not) cause what it did",
);

// ---------------------------------------------------------------- instances

export const INSTANCE_STATUS = Type.Enum(["active", "done", "error"]);

export const InstanceSchema = closed("Instance", {
  machine: text(),
  key: text(),
  definition: text("Content hash of the definition it was started with"),
  version: count("Counts steps"),
  status: INSTANCE_STATUS,
  state: json("Where it is"),
  context: object('{"redacted": true} without the scope payload:read'),
  history: optional(Type.Record(Type.String(), list(text()))),
  timers: Type.Record(Type.String(), Type.Integer()),
  calls: Type.Record(Type.String(), Type.Integer()),
  latest: optional(
    Type.Record(Type.String(), Type.Integer(), {
      description: "Of signals in order of time: the last taken of each subject, in ms",
    }),
  ),
  output: optional(json("Withheld without the scope payload:read")),
  error: optional(text()),
  createdAtMs: milliseconds("When it was started"),
  updatedAtMs: milliseconds("When it last changed"),
});

export const TimerSchema = closed("Timer", {
  machine: text(),
  key: text(),
  id: text(),
  step: count(),
  dueAtMs: milliseconds("When it fires"),
  causedBy: text("The event that set it"),
});

// ---------------------------------------------------------------- what is kept beside the log

export const RefusalSchema = closed("Refusal", {
  id: text(),
  atMs: milliseconds("When it was refused"),
  source: text(),
  status: Type.Integer(),
  code: text(),
  reason: text(),
  delivery: optional(text("The sender's own name of it, by its account")),
  address: optional(text("Where it came from")),
  path: optional(text("Where it was sent to")),
  bytes: count(),
  bodySha256: text(),
  excerpt: optional(text("Of verified requests; withheld without the scope payload:read")),
});

export const AuditSchema = closed("Audit", {
  atMs: milliseconds("When it was done"),
  who: text("A token's name, or `local`"),
  what: text("retry, redeliver, signal, timer.fire, timer.cancel, migrate, reload, token.create, token.revoke"),
  target: text(),
  reason: optional(text()),
  detail: optional(json("What it was about")),
});

export const TokenSchema = closed("Token", {
  name: text(),
  scopes: list(text()),
  createdAtMs: milliseconds("When it was created"),
  expiresAtMs: optional(milliseconds("When it ends")),
  usedAtMs: optional(milliseconds("When it was last used")),
});
