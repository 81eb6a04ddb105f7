/** Handlers for instances, and for signals by hand. */
import type { INSTANCE_ENDPOINTS } from "../../api/instances.ts";
import { type HandlersOf, pageOf } from "./endpoint.ts";

export const instanceHandlers: HandlersOf<typeof INSTANCE_ENDPOINTS> = {
  async listInstances({ query, view, signal }, { operations }) {
    const { limit: _limit, cursor: _cursor, ...filter } = query;
    const page = await operations.instances(filter, pageOf(query, signal));
    return { body: { ...page, items: page.items.map(view.instance) } };
  },
  async getInstance({ params, view }, { operations }) {
    const detail = await operations.instance(params.machine, params.key);
    return { body: { ...detail, instance: view.instance(detail.instance) } };
  },
  signalInstance: async ({ params: { machine, key }, body, principal }, { operations }) => ({
    body: await operations.signal(machine, key, body, principal),
  }),
  planMigration: async ({ params, body }, { operations }) => ({
    body: await operations.planMigration(params.machine, body),
  }),
  migrateInstances: async ({ params, body, principal }, { operations }) => ({
    body: await operations.migrate(params.machine, body, principal),
  }),
};
