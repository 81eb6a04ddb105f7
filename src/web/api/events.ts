/** Handlers for events. */
import type { EVENT_ENDPOINTS } from "../../api/events.ts";
import { SignalboxError } from "../../errors.ts";
import type { EventFilter } from "../../ports/questions.ts";
import { type HandlersOf, pageOf } from "./endpoint.ts";

export const eventHandlers: HandlersOf<typeof EVENT_ENDPOINTS> = {
  async listEvents({ query, view, signal }, { operations }) {
    const { since, until, limit: _limit, cursor: _cursor, ...rest } = query;
    const filter: EventFilter = {
      ...rest,
      ...(since === undefined ? {} : { sinceMs: instantMs("since", since) }),
      ...(until === undefined ? {} : { untilMs: instantMs("until", until) }),
    };
    const page = await operations.events(filter, pageOf(query, signal));
    return { body: { ...page, items: page.items.map(view.record) } };
  },
  async getEvent({ params, view }, { operations }) {
    const { deliveries, ...record } = await operations.event(params.id);
    return { body: { ...view.record(record), deliveries: deliveries.map(view.delivery) } };
  },
  async explainEvent({ params, query, view }, { operations }) {
    return { body: view.explanation(await operations.explain(params.id, query.at)) };
  },
  redeliverEvent: async ({ params, principal }, { operations }) => ({
    body: await operations.redeliver(params.id, principal),
  }),
  // Nothing is withheld: the payload comes from the client itself.
  decide: async ({ body }, { operations }) => ({ body: await operations.decide(body.event) }),
  async listRefusals({ query, view }, { operations }) {
    const refusals = await operations.refusals(pageOf(query).limit);
    return { body: { items: refusals.map(view.refusal) } };
  },
};

function instantMs(name: "since" | "until", text: string): number {
  const ms = Date.parse(text);
  if (!Number.isNaN(ms)) return ms;
  const message = `Query parameter "${name}" is no moment in time: "${text}"`;
  throw new SignalboxError("SB0907", message, {
    problems: [{ code: "SB0907", severity: "error", message, path: ["query", name] }],
  });
}
