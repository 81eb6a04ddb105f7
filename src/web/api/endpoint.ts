/** What an endpoint is: routing, validation and the OpenAPI document are all read from this one description. */
import type { TObject, TSchema } from "typebox";
import type { Actor, Operations, Scope } from "../../operations/operations.ts";
import type { MetricsText } from "../metrics.ts";

/** What endpoints work with. */
export interface Desk {
  operations: Operations;
  metrics: { text(): Promise<MetricsText> };
  /** The OpenAPI document. */
  document: unknown;
}

/** A request that was let in and fits its schemas. */
export interface Call {
  params: Readonly<Record<string, string>>;
  query: Readonly<Record<string, unknown>>;
  body: unknown;
  actor: Actor;
  /** Whether payloads may be shown. */
  seesPayload: boolean;
}

export interface Reply {
  /** The first of `answers` when absent. */
  status?: number;
  body?: unknown;
}

export interface Endpoint {
  /** operationId: `listEvents`. */
  id: string;
  method: "GET" | "POST" | "DELETE";
  /** As in OpenAPI: `/api/v1/events/{id}`. */
  path: string;
  summary: string;
  /** Absent: for everybody who reaches the listener. */
  scope?: Scope;
  query?: TObject;
  body?: TSchema;
  /** Status → schema of the body; undefined = no body. */
  answers: Readonly<Record<number, TSchema | undefined>>;
  /** application/json when absent. */
  produces?: string;
  /** Rejects with SignalboxError. */
  reply(call: Call, desk: Desk): Promise<Reply>;
}
