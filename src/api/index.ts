/** The API as one table: the listener, its OpenAPI document and every client are read from it. No handlers, nothing of HTTP. */
import { DELIVERY_ENDPOINTS } from "./deliveries.ts";
import { ENGINE_ENDPOINTS, PROBE_ENDPOINTS } from "./engine.ts";
import { EVENT_ENDPOINTS } from "./events.ts";
import { INSTANCE_ENDPOINTS } from "./instances.ts";

/** What is under /api/v1: for people and their tools. */
export const API_ENDPOINTS = {
  ...ENGINE_ENDPOINTS,
  ...EVENT_ENDPOINTS,
  ...DELIVERY_ENDPOINTS,
  ...INSTANCE_ENDPOINTS,
};

/** Everything that the admin listener answers. */
export const ENDPOINTS = { ...PROBE_ENDPOINTS, ...API_ENDPOINTS };
export type ApiTable = typeof API_ENDPOINTS;
