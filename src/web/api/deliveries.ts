/** Deliveries: what was tried, and trying a dead one again. */
import type { Endpoint } from "./endpoint.ts";
import { withoutPayload } from "./payload.ts";
import { DeliveriesQuery, pageOf } from "./requests.ts";
import { DeliveryShape, paged } from "./shapes.ts";

export const DELIVERY_ENDPOINTS: readonly Endpoint[] = [
  {
    id: "listDeliveries",
    method: "GET",
    path: "/api/v1/deliveries",
    summary: "Deliveries, newest first",
    scope: "read",
    query: DeliveriesQuery,
    answers: { 200: paged("Deliveries", DeliveryShape) },
    async reply({ query, seesPayload }, { operations }) {
      const { limit: _limit, cursor: _cursor, ...filter } = query as DeliveriesQuery;
      const found = await operations.deliveries(filter, pageOf(query as DeliveriesQuery));
      return { body: { ...found, items: seesPayload ? found.items : found.items.map(withoutPayload.delivery) } };
    },
  },
  {
    id: "getDelivery",
    method: "GET",
    path: "/api/v1/deliveries/{id}",
    summary: "One delivery with its attempts",
    scope: "read",
    answers: { 200: DeliveryShape },
    async reply({ params, seesPayload }, { operations }) {
      const delivery = await operations.delivery(params.id ?? "");
      return { body: seesPayload ? delivery : withoutPayload.delivery(delivery) };
    },
  },
  {
    id: "retryDelivery",
    method: "POST",
    path: "/api/v1/deliveries/{id}/retry",
    summary: "Try a dead or cancelled delivery again",
    scope: "operate",
    answers: { 202: DeliveryShape },
    async reply({ params, actor, seesPayload }, { operations }) {
      const delivery = await operations.retry(params.id ?? "", actor);
      return { body: seesPayload ? delivery : withoutPayload.delivery(delivery) };
    },
  },
];
