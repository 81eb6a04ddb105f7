/** Deliveries: actions to be performed, their attempts and outcomes. */
import type { InstanceKey } from "./instance.ts";
import type { Json, JsonObject } from "./json.ts";

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

/** What decided that an action is performed: a rule's action, an action of a step, or a call whose outcome a state awaits. */
export type Cause =
  | { kind: "rule"; rule: string; item: number; index: number }
  | ({ kind: "step"; step: number; index: number } & InstanceKey)
  | ({ kind: "call"; step: number; index: number; call: string } & InstanceKey);

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
  /** A configured way out, such as `jira`. */
  connection: string;
  /** An action of its provider, such as `transition`. */
  action: string;
  params: JsonObject;
  status: DeliveryStatus;
  attempts: Attempt[];
  nextAtMs: number;
  retry?: RetryPolicy;
  timeoutMs?: number;
  /** Whether the outcome enters the log as an event: an instance awaits it or a rule listens. */
  emitsOutcome: boolean;
  hops: number;
  result?: Json;
  error?: Failure;
  createdAtMs: number;
  settledAtMs?: number;
}

/** `connection.action`, the name under which rules, machines and people know an action. */
export function actionName({ connection, action }: Pick<Delivery, "connection" | "action">): string {
  return `${connection}.${action}`;
}

/** The two parts of `connection.action`; names of connections have no dot. */
export function actionParts(name: string): Pick<Delivery, "connection" | "action"> {
  const [connection = "", ...action] = name.split(".");
  return { connection, action: action.join(".") };
}
