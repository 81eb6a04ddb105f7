/** Deliveries: actions to be performed, their attempts and outcomes. */
import type { Static } from "typebox";
import type { Json } from "./json.ts";
import type {
  AttemptSchema,
  CauseSchema,
  DELIVERY_STATUS,
  DeliverySchema,
  FailureSchema,
  RetryPolicySchema,
} from "./schemas.ts";

export type Failure = Static<typeof FailureSchema>;
export type Attempt = Static<typeof AttemptSchema>;
export type RetryPolicy = Static<typeof RetryPolicySchema>;
export type DeliveryStatus = Static<typeof DELIVERY_STATUS>;

/** What decided that an action is performed: a rule's action, an action of a step, or a call whose outcome a state awaits. */
export type Cause = Static<typeof CauseSchema>;

/** What became of an attempt; the kind says what happens next. */
export type Outcome =
  | { kind: "done"; result?: Json; note?: string }
  | { kind: "retry"; error: Failure; afterMs?: number }
  | { kind: "rejected"; error: Failure }
  | { kind: "uncertain"; error: Failure; afterMs?: number };

/** A delivery as the API and the command line show it: `action` is `connection.action`. */
export type DeliveryView = Static<typeof DeliverySchema>;

/** One action to be performed, such as `transition` of the connection `jira`. The id is a hash of its cause and is the idempotency key that is sent. */
export type Delivery = Omit<DeliveryView, "reports">;

/** `connection.action`, the name under which rules, machines and people know an action. */
export function actionName({ connection, action }: Pick<Delivery, "connection" | "action">): string {
  return `${connection}.${action}`;
}

/** The two parts of `connection.action`; names of connections have no dot. */
export function actionParts(name: string): Pick<Delivery, "connection" | "action"> {
  const [connection = "", ...action] = name.split(".");
  return { connection, action: action.join(".") };
}
