/** Events: what they caused, and why rules matched or did not match. */
import { type Static, Type } from "typebox";
import { closed, count, instant, list, milliseconds, optional } from "../model/schema-kit.ts";
import { DeliverySchema, EventSchema, ExplanationSchema, RefusalSchema, TraceSchema } from "../model/schemas.ts";
import type { Endpoints } from "./endpoint.ts";
import { AcceptedSchema, filter, LimitQuery, listed, paged, query, rowPage } from "./schemas.ts";

const recordProperties = {
  event: EventSchema,
  seq: count("Position in the log"),
  decidedAtMs: optional(milliseconds("When it was decided")),
  trace: optional(TraceSchema),
};
export const EventRecordSchema = closed("EventRecord", recordProperties);
export type EventView = Static<typeof EventRecordSchema>;

export const EventDetailSchema = closed("EventDetail", { ...recordProperties, deliveries: list(DeliverySchema) });
export type EventDetail = Static<typeof EventDetailSchema>;

const EventsQuery = query({
  type: filter("A type, or a prefix ending in *"),
  source: filter(),
  repo: filter(),
  subject: filter(),
  rule: filter("Events that this rule matched"),
  outcome: Type.Optional(Type.Enum(["matched", "near-miss", "no-rule", "undecided", "problem"])),
  since: Type.Optional(instant("Received at or after")),
  until: Type.Optional(instant("Received before")),
  ...rowPage,
});

const ExplainQuery = query({
  at: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 100,
      description: "Revision of a policy, or `decided`: the one that decided the event; default: the running one",
    }),
  ),
});

const DecideRequestSchema = closed("DecideRequest", { event: EventSchema }, "An event in the log's form");

export const EVENT_ENDPOINTS = {
  listEvents: {
    method: "GET",
    path: "/api/v1/events",
    summary: "Events, newest first, without their payload",
    scope: "read",
    query: EventsQuery,
    responses: { 200: paged("Events", EventRecordSchema) },
  },
  getEvent: {
    method: "GET",
    path: "/api/v1/events/{id}",
    summary: "One event with its trace and deliveries",
    scope: "read",
    responses: { 200: EventDetailSchema },
  },
  explainEvent: {
    method: "GET",
    path: "/api/v1/events/{id}/explain",
    summary: "Why rules did (not) match, and what they would cause otherwise today",
    scope: "read",
    query: ExplainQuery,
    responses: { 200: ExplanationSchema },
  },
  redeliverEvent: {
    method: "POST",
    path: "/api/v1/events/{id}/redeliver",
    summary: "Process a stored event again with the running policy",
    scope: "operate",
    responses: { 202: AcceptedSchema },
  },
  decide: {
    method: "POST",
    path: "/api/v1/decide",
    summary: "What an event would cause; nothing is stored and nothing happens",
    scope: "read",
    body: DecideRequestSchema,
    responses: { 200: ExplanationSchema },
  },
  listRefusals: {
    method: "GET",
    path: "/api/v1/refusals",
    summary: "Requests that were not taken into the log, newest first",
    scope: "read",
    query: LimitQuery,
    responses: { 200: listed("Refusals", RefusalSchema) },
  },
} as const satisfies Endpoints;
