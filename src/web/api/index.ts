/** The handlers of all endpoints, and a client that asks them without a socket. */
import { type ApiClient, createClient } from "../../api/client.ts";
import { API_ENDPOINTS } from "../../api/index.ts";
import type { Operations } from "../../operations/operations.ts";
import { LOCAL_PRINCIPAL } from "../access.ts";
import { openApiDocument } from "../openapi.ts";
import { deliveryHandlers } from "./deliveries.ts";
import { createResponders } from "./endpoint.ts";
import { engineHandlers, probeHandlers } from "./engine.ts";
import { eventHandlers } from "./events.ts";
import { instanceHandlers } from "./instances.ts";

const API_HANDLERS = { ...engineHandlers, ...eventHandlers, ...deliveryHandlers, ...instanceHandlers };
export const HANDLERS = { ...probeHandlers, ...API_HANDLERS };

/** As one who is on this machine. Requests are checked and answered as the listener does. */
export function localClient(operations: Operations, apiVersion: string): ApiClient {
  const deps = { operations, document: () => openApiDocument(apiVersion) };
  const responders = createResponders(API_ENDPOINTS, API_HANDLERS, deps);
  return createClient(API_ENDPOINTS, async (id, { params = {}, query = {}, body }) => {
    const given = Object.fromEntries(Object.entries(query).filter(([, value]) => value !== undefined));
    return (await responders[id].respond({ params, query: given, body, principal: LOCAL_PRINCIPAL })).body;
  });
}
