/**
 * What the API answers, as schemas. A schema with a title becomes a component of the OpenAPI document. That each
 * covers its type in model.ts, ports.ts or operations.ts, key by key, is checked by the compiler in test/web/api.test.ts.
 */
import { type TSchema, Type } from "typebox";
import { LIMITS, STATUSES } from "../../model.ts";
import { closed, count, instant, json, list, milliseconds, named, object, optional, text } from "./schema-kit.ts";
import { AddressShape, CauseShape } from "./tagged-shapes.ts";

// ---------------------------------------------------------------- events

export const EventShape = closed(
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
    sha: optional(text()),
    number: optional(Type.Number()),
    title: optional(text()),
    actor: optional(text()),
    url: optional(text()),
    status: optional(Type.Enum([...STATUSES])),
    tickets: optional(list(text())),
    causedBy: optional(text("The event whose delivery, timer or emit caused this one")),
    hops: optional(count()),
    redeliveryOf: optional(text()),
    to: optional(AddressShape),
    data: object('The payload; {"redacted": true} without the scope payload:read'),
  },
  "What the log holds: a CloudEvents-shaped envelope, verified and normalised",
);

export const TransitionShape = closed("Transition", {
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

export const PlaceShape = closed("Place", { file: text(), line: count(), col: count() });

export const TraceProblemShape = closed("TraceProblem", {
  code: text(),
  message: text(),
  rule: optional(text()),
  machine: optional(text()),
  place: optional(PlaceShape),
});

const MODE = Type.Enum(["live", "observe"]);

export const TraceShape = closed(
  "Trace",
  {
    policy: text("Revision of the policy that decided"),
    matched: list(Type.Object({ rule: text(), items: count(), mode: MODE }, { additionalProperties: false })),
    considered: count("Rules of this event type that were asked"),
    transitions: list(TransitionShape),
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
    problems: list(TraceProblemShape),
    logs: optional(list(text())),
  },
  "What an event caused",
);

const recordProperties = {
  event: EventShape,
  seq: count("Position in the log"),
  decidedAtMs: optional(milliseconds("When it was decided")),
  trace: optional(TraceShape),
};
export const EventRecordShape = closed("EventRecord", recordProperties);

// ---------------------------------------------------------------- deliveries

const OUTCOME = Type.Enum(["done", "retry", "rejected", "uncertain"]);
export const DELIVERY_STATUS = Type.Enum(["pending", "done", "dead", "observed", "cancelled"]);

export const FailureShape = closed("Failure", {
  message: text(),
  status: optional(Type.Integer({ description: "HTTP status of the answer" })),
  code: optional(text()),
  body: optional(text("The answer, redacted and cut; withheld without the scope payload:read")),
});

export const AttemptShape = closed("Attempt", {
  atMs: milliseconds("When it was made"),
  ms: Type.Number(),
  outcome: OUTCOME,
  status: optional(Type.Integer()),
  detail: text(),
});

const RetryPolicyShape = closed("RetryPolicy", {
  attempts: optional(count()),
  initialMs: optional(Type.Number()),
  factor: optional(Type.Number()),
  maxMs: optional(Type.Number()),
});

export const DeliveryShape = closed(
  "Delivery",
  {
    id: text("A hash of its cause; sent as idempotency key"),
    event: text("The event that caused it"),
    cause: CauseShape,
    connection: text("A configured way out"),
    action: text("connection.action"),
    params: object('Withheld as {"redacted": true} without the scope payload:read'),
    status: DELIVERY_STATUS,
    attempts: list(AttemptShape),
    nextAtMs: milliseconds("When it is due"),
    retry: optional(RetryPolicyShape),
    timeoutMs: optional(count()),
    emitsOutcome: Type.Boolean({ description: "Its outcome enters the log as an event" }),
    reports: Type.Boolean({ description: "Same as emitsOutcome" }),
    hops: count(),
    result: optional(json("What the provider answered; withheld without the scope payload:read")),
    error: optional(FailureShape),
    createdAtMs: milliseconds("When it was decided"),
    settledAtMs: optional(milliseconds("When it ended")),
  },
  "One action to be performed, with its attempts",
);

export const EventDetailShape = closed("EventDetail", { ...recordProperties, deliveries: list(DeliveryShape) });

// ---------------------------------------------------------------- the reason why

export const ConditionShape = closed("Condition", {
  kind: Type.Enum(["all", "any", "not", "leaf", "cel"]),
  ok: Type.Boolean(),
  counts: Type.Boolean({ description: "False for a failed leaf that did no harm" }),
  place: optional(PlaceShape),
  children: optional(Type.Array(named<unknown>("Condition"))),
  path: optional(text()),
  op: optional(text()),
  want: optional(json("What was wanted")),
  got: optional(json("What was found; withheld without the scope payload:read")),
  missing: optional(Type.Boolean()),
  hint: optional(text()),
});

export const RuleOutcomeShape = closed("RuleOutcome", {
  id: text(),
  place: optional(PlaceShape),
  matched: Type.Boolean(),
  distance: count("The least number of conditions that would have to change; 0 = matched"),
  tree: ConditionShape,
});

const EffectShape = Type.Union(
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
  { title: "Effect", description: "What a rule causes: a delivery, a signal, or a problem" },
);

const RuleEndShape = closed("RuleEnd", {
  outcome: Type.Enum(["matched", "observed", "missed", "unasked", "absent"], {
    description: "unasked: it is for other event types; absent: there is no such rule",
  }),
  items: count("How many items it matched for"),
  effects: Type.Array(EffectShape, { description: "Only those that the other time has not" }),
});

const ChangesShape = closed(
  "Changes",
  {
    policy: text("Revision of the running policy"),
    complete: Type.Boolean({
      description: "False: the rules of the policy that decided are gone, only the recorded matches were compared",
    }),
    rules: Type.Array(
      closed("RuleChange", { rule: text(), place: optional(PlaceShape), was: RuleEndShape, now: RuleEndShape }),
      { description: "Empty: it would cause the same" },
    ),
  },
  "What the running policy would do otherwise; absent when it decided the event",
);

export const ExplanationShape = closed(
  "Explanation",
  {
    event: EventShape,
    policy: text("Revision of the policy that this was computed with"),
    rules: list(RuleOutcomeShape),
    notConsidered: Type.Object({ count: count(), ids: list(text()) }, { additionalProperties: false }),
    decided: optional(
      Type.Object({ atMs: milliseconds("When it was decided"), trace: TraceShape }, { additionalProperties: false }),
    ),
    changes: optional(ChangesShape),
    deliveries: list(DeliveryShape),
  },
  "Why an event did (not) cause what it did",
);

// ---------------------------------------------------------------- instances

export const INSTANCE_STATUS = Type.Enum(["active", "done", "error"]);

export const InstanceShape = closed("Instance", {
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

export const TimerShape = closed("Timer", {
  machine: text(),
  key: text(),
  id: text(),
  step: count(),
  dueAtMs: milliseconds("When it fires"),
  causedBy: text("The event that armed it"),
});

export const InstanceDetailShape = closed("InstanceDetail", {
  instance: InstanceShape,
  timers: list(TimerShape),
  accepts: list(text("An event that it accepts now")),
});

// ---------------------------------------------------------------- the engine

export const ProblemShape = closed("Finding", {
  code: text(),
  severity: Type.Enum(["error", "warning"]),
  message: text(),
  path: optional(list(Type.Union([Type.String(), Type.Number()]))),
  atKey: optional(Type.Boolean()),
  offset: optional(count()),
  file: optional(text()),
  line: optional(count()),
  col: optional(count()),
  endCol: optional(count()),
  suggestion: optional(text()),
});

export const ProblemDetailsShape = closed(
  "Problem",
  {
    type: text(),
    title: text(),
    status: Type.Integer(),
    code: Type.String({ pattern: "^SB\\d{4}$", description: "See docs/errors.md" }),
    detail: text("What went wrong this time"),
    hint: text("What to do about it"),
    instance: text("The request's id, as in x-api-uuid"),
    problems: optional(list(ProblemShape)),
  },
  "RFC 9457 problem details",
);

export const MigrationReportShape = closed(
  "MigrationReport",
  {
    machine: text(),
    definition: text("Hash of the definition they would migrate to"),
    migrating: count("How many can migrate"),
    staying: list(
      Type.Object(
        { reason: text(), count: count(), keys: list(text()) },
        { additionalProperties: false, description: "Those that cannot, by reason, with some of their keys" },
      ),
    ),
    notes: list(text("What happens beside")),
    cursor: optional(text("More instances are to be looked at from here")),
  },
  "What becomes of the instances of earlier definitions",
);

export const PolicyShape = closed("Policy", {
  revision: text("Of the policy that is running"),
  loadedAtMs: milliseconds("When it was loaded"),
  rules: count(),
  machines: list(text()),
  current: Type.Boolean({ description: "False while the files on disk were rejected" }),
  problems: list(ProblemShape),
  migrations: optional(list(MigrationReportShape)),
});

export const CountsShape = closed("Counts", {
  events: count(),
  undecided: count(),
  instances: count(),
  timers: count(),
  deliveries: Type.Object(
    { pending: count(), done: count(), dead: count(), observed: count(), cancelled: count() },
    { additionalProperties: false },
  ),
});

export const StatusShape = closed("Status", {
  version: text(),
  startedAtMs: milliseconds("When it was started"),
  store: text(),
  cache: Type.Object({ backend: text(), healthy: Type.Boolean() }, { additionalProperties: false }),
  counts: CountsShape,
  policy: PolicyShape,
  sources: list(Type.Object({ name: text(), provider: text(), paths: list(text()) }, { additionalProperties: false })),
  connections: list(Type.Object({ name: text(), provider: text() }, { additionalProperties: false })),
});

export const RefusalShape = closed("Refusal", {
  id: text(),
  atMs: milliseconds("When it was refused"),
  source: text(),
  status: Type.Integer(),
  code: text(),
  reason: text(),
  delivery: optional(text()),
  bytes: count(),
  bodySha256: text(),
  excerpt: optional(text("Of verified requests; withheld without the scope payload:read")),
});

export const AuditShape = closed("Audit", {
  atMs: milliseconds("When it was done"),
  who: text("A token's name, or `local`"),
  what: text("retry, redeliver, signal, migrate, reload, token.create, token.revoke"),
  target: text(),
  reason: optional(text()),
  detail: optional(json("What it was about")),
});

export const TokenShape = closed("Token", {
  name: text(),
  scopes: list(text()),
  createdAtMs: milliseconds("When it was created"),
  expiresAtMs: optional(milliseconds("When it ends")),
  usedAtMs: optional(milliseconds("When it was last used")),
});

export const paged = <T extends TSchema>(title: string, items: T) =>
  closed(title, { items: Type.Array(items), cursor: optional(text("Of the next page; absent on the last")) });
export const listed = <T extends TSchema>(title: string, items: T) => closed(title, { items: Type.Array(items) });
