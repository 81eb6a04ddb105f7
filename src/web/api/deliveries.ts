/** Handlers for deliveries. */
import type { DELIVERY_ENDPOINTS } from "../../api/deliveries.ts";
import { type HandlersOf, pageOf } from "./endpoint.ts";

export const deliveryHandlers: HandlersOf<typeof DELIVERY_ENDPOINTS> = {
  async listDeliveries({ query, view, signal }, { operations }) {
    const { limit: _limit, cursor: _cursor, ...filter } = query;
    const page = await operations.deliveries(filter, pageOf(query, signal));
    return { body: { ...page, items: page.items.map(view.delivery) } };
  },
  async getDelivery({ params, view }, { operations }) {
    return { body: view.delivery(await operations.delivery(params.id)) };
  },
  async retryDelivery({ params, principal, view }, { operations }) {
    return { body: view.delivery(await operations.retry(params.id, principal)) };
  },
};
