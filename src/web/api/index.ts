/** The responder of each endpoint, and a client without a socket. */
import { type ApiClient, createClient } from "../../api/client.ts";
import { PROBE_ENDPOINTS } from "../../api/engine.ts";
import { API_ENDPOINTS, type ApiTable } from "../../api/index.ts";
import type { Operations } from "../../operations/operations.ts";
import { LOCAL_PRINCIPAL } from "../access.ts";
import { openApiDocument } from "../openapi.ts";
import { deliveryHandlers } from "./deliveries.ts";
import { createResponders, type EndpointDeps, type Responder } from "./endpoint.ts";
import { engineHandlers, type ProbeDeps, probeHandlers } from "./engine.ts";
import { eventHandlers } from "./events.ts";
import { instanceHandlers } from "./instances.ts";
import { timerHandlers } from "./timers.ts";

const HANDLERS = { ...engineHandlers, ...eventHandlers, ...deliveryHandlers, ...instanceHandlers, ...timerHandlers };

export function probeResponders(deps: ProbeDeps): readonly Responder[] {
  return Object.values(createResponders(PROBE_ENDPOINTS, probeHandlers, deps));
}

/** By operationId. */
export function apiResponders(deps: EndpointDeps): Readonly<Record<keyof ApiTable, Responder>> {
  return createResponders(API_ENDPOINTS, HANDLERS, deps);
}

/** A client with the rights of this machine. Requests are checked as by the listener. */
export function localClient(operations: Operations, apiVersion: string): ApiClient {
  const responders = apiResponders({ operations, document: () => openApiDocument(apiVersion) });
  return createClient(async (id, { params = {}, query = {}, body }) => {
    const definedQuery = Object.fromEntries(Object.entries(query).filter(([, value]) => value !== undefined));
    return (await responders[id].respond({ params, query: definedQuery, body, principal: LOCAL_PRINCIPAL })).body;
  });
}
