/** What the API is asked, as schemas: filters, pages and bodies. */
import { type Static, Type } from "typebox";
import { LIMITS } from "../../model.ts";
import { SCOPES } from "../../operations/operations.ts";
import type { Page } from "../../ports/questions.ts";
import { instant } from "./schema-kit.ts";
import { DELIVERY_STATUS, EventShape, INSTANCE_STATUS } from "./shapes.ts";

/** A page is one answer of the store; longer ones hold up the senders. */
const PAGE_LIMIT_MAX = 200;
const PAGE_LIMIT = 50;

const Limit = Type.Optional(Type.Integer({ minimum: 1, maximum: PAGE_LIMIT_MAX, default: PAGE_LIMIT }));
const Cursor = Type.Optional(Type.String({ minLength: 1, maxLength: 1_000, description: "From the previous page" }));
const page = { limit: Limit, cursor: Cursor };
const filter = (description?: string) =>
  Type.Optional(Type.String({ minLength: 1, maxLength: 1_000, ...(description ? { description } : {}) }));

/** No parameters: a misspelt filter that is ignored would answer something that was not asked. */
export const NoQuery = Type.Object({}, { additionalProperties: false });

export const EventsQuery = Type.Object(
  {
    type: filter("A type, or a prefix ending in *"),
    source: filter(),
    repo: filter(),
    subject: filter(),
    rule: filter("Events that this rule matched"),
    outcome: Type.Optional(Type.Enum(["matched", "near-miss", "no-rule", "undecided", "problem"])),
    since: Type.Optional(instant("Received at or after")),
    until: Type.Optional(instant("Received before")),
    ...page,
  },
  { additionalProperties: false },
);
export type EventsQuery = Static<typeof EventsQuery>;

export const DeliveriesQuery = Type.Object(
  { status: Type.Optional(DELIVERY_STATUS), event: filter(), action: filter(), ...page },
  { additionalProperties: false },
);
export type DeliveriesQuery = Static<typeof DeliveriesQuery>;

export const InstancesQuery = Type.Object(
  { machine: filter(), status: Type.Optional(INSTANCE_STATUS), key: filter(), ...page },
  { additionalProperties: false },
);
export type InstancesQuery = Static<typeof InstancesQuery>;

export const LimitQuery = Type.Object({ limit: Limit }, { additionalProperties: false });
export type LimitQuery = Static<typeof LimitQuery>;

export const DecideRequest = Type.Object(
  { event: EventShape },
  { title: "DecideRequest", additionalProperties: false, description: "An event in the log's form" },
);

export const TokenRequest = Type.Object(
  {
    name: Type.String({ pattern: "^[a-z0-9][a-z0-9._-]*$", maxLength: 100 }),
    scopes: Type.Array(Type.Enum([...SCOPES]), { minItems: 1, uniqueItems: true }),
    expiresAtMs: Type.Optional(Type.Integer({ minimum: 0, description: "When it ends, ms since 1970; absent: never" })),
  },
  { title: "TokenRequest", additionalProperties: false },
);
export type TokenRequest = Static<typeof TokenRequest>;

export const SignalRequest = Type.Object(
  {
    event: Type.String({ minLength: 1, maxLength: LIMITS.eventNameChars }),
    data: Type.Optional(
      Type.Record(Type.String(), Type.Unknown(), { description: "What the machine reads as event.data" }),
    ),
    reason: Type.String({ minLength: 1, maxLength: 1_000, description: "Why, for the audit log" }),
  },
  { title: "SignalRequest", additionalProperties: false },
);

const cursor = Type.Optional(Type.String({ minLength: 1, maxLength: 100, description: "From the page before" }));

export const MigrationPlanRequest = Type.Object(
  {
    definition: Type.Optional(
      Type.Record(Type.String(), Type.Unknown(), {
        description:
          "A machine file as JSON, with the templates it uses under `templates`; default: the running definition",
      }),
    ),
    cursor,
  },
  { title: "MigrationPlanRequest", additionalProperties: false },
);

export const MigrationRequest = Type.Object({ cursor }, { title: "MigrationRequest", additionalProperties: false });

export function pageOf({ limit = PAGE_LIMIT, cursor }: { limit?: number; cursor?: string }): Page {
  return { limit, ...(cursor === undefined ? {} : { cursor }) };
}
