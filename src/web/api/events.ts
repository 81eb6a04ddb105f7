/** Events: what came, what it caused, and why (not). */
import { type Static, Type } from "typebox";
import { SignalboxError } from "../../errors.ts";
import type { Event } from "../../model.ts";
import type { EventFilter } from "../../ports/questions.ts";
import type { Endpoint } from "./endpoint.ts";
import { withoutPayload } from "./payload.ts";
import { DecideRequest, EventsQuery, LimitQuery, pageOf } from "./requests.ts";
import { EventDetailShape, EventRecordShape, ExplanationShape, listed, paged, RefusalShape } from "./shapes.ts";

const Redelivered = Type.Object({ id: Type.String() }, { title: "Accepted", additionalProperties: false });

const ExplainQuery = Type.Object(
  {
    at: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 100,
        description: "Revision of a policy, or `decided`: the one that decided the event; default: the running one",
      }),
    ),
  },
  { additionalProperties: false },
);

export const EVENT_ENDPOINTS: readonly Endpoint[] = [
  {
    id: "listEvents",
    method: "GET",
    path: "/api/v1/events",
    summary: "Events, newest first, without their payload",
    scope: "read",
    query: EventsQuery,
    answers: { 200: paged("Events", EventRecordShape) },
    async reply({ query, seesPayload }, { operations }) {
      const { since, until, limit: _limit, cursor: _cursor, ...rest } = query as EventsQuery;
      const filter: EventFilter = {
        ...rest,
        ...(since === undefined ? {} : { sinceMs: instantOf("since", since) }),
        ...(until === undefined ? {} : { untilMs: instantOf("until", until) }),
      };
      const found = await operations.events(filter, pageOf(query as EventsQuery));
      return { body: { ...found, items: seesPayload ? found.items : found.items.map(withoutPayload.record) } };
    },
  },
  {
    id: "getEvent",
    method: "GET",
    path: "/api/v1/events/{id}",
    summary: "One event with its trace and deliveries",
    scope: "read",
    answers: { 200: EventDetailShape },
    async reply({ params, seesPayload }, { operations }) {
      const detail = await operations.event(params.id ?? "");
      if (seesPayload) return { body: detail };
      return { body: { ...withoutPayload.record(detail), deliveries: detail.deliveries.map(withoutPayload.delivery) } };
    },
  },
  {
    id: "explainEvent",
    method: "GET",
    path: "/api/v1/events/{id}/explain",
    summary: "Why rules did (not) match, and what they would cause otherwise today",
    scope: "read",
    query: ExplainQuery,
    answers: { 200: ExplanationShape },
    async reply({ params, query, seesPayload }, { operations }) {
      const explanation = await operations.explain(params.id ?? "", (query as Static<typeof ExplainQuery>).at);
      return { body: seesPayload ? explanation : withoutPayload.explanation(explanation) };
    },
  },
  {
    id: "redeliverEvent",
    method: "POST",
    path: "/api/v1/events/{id}/redeliver",
    summary: "Process a stored event again with the running policy",
    scope: "operate",
    answers: { 202: Redelivered },
    reply: async ({ params, actor }, { operations }) => ({ body: await operations.redeliver(params.id ?? "", actor) }),
  },
  {
    id: "decide",
    method: "POST",
    path: "/api/v1/decide",
    summary: "What an event would cause; nothing is stored and nothing happens",
    scope: "read",
    body: DecideRequest,
    answers: { 200: ExplanationShape },
    // The schema leaves `data` open; that it is JSON is certain, since it was parsed from it.
    reply: async ({ body }, { operations }) => ({ body: await operations.decide((body as { event: Event }).event) }),
  },
  {
    id: "listRefusals",
    method: "GET",
    path: "/api/v1/refusals",
    summary: "Requests that were not taken into the log, newest first",
    scope: "read",
    query: LimitQuery,
    answers: { 200: listed("Refusals", RefusalShape) },
    async reply({ query, seesPayload }, { operations }) {
      const items = await operations.refusals(pageOf(query as LimitQuery).limit);
      return { body: { items: seesPayload ? items : items.map(withoutPayload.refusal) } };
    },
  },
];

function instantOf(name: string, text: string): number {
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) throw new SignalboxError("SB0907", `Query parameter "${name}" is no moment in time: "${text}"`);
  return ms;
}
