/** The API as one table: the listener, its OpenAPI document and every client are read from it. It has no handlers. */
import { DELIVERY_ENDPOINTS } from "./deliveries.ts";
import { ENGINE_ENDPOINTS, PROBE_ENDPOINTS } from "./engine.ts";
import { EVENT_ENDPOINTS } from "./events.ts";
import { INSTANCE_ENDPOINTS } from "./instances.ts";
import { TIMER_ENDPOINTS } from "./timers.ts";

/** The endpoints under /api/v1. */
export const API_ENDPOINTS = {
  ...ENGINE_ENDPOINTS,
  ...EVENT_ENDPOINTS,
  ...DELIVERY_ENDPOINTS,
  ...INSTANCE_ENDPOINTS,
  ...TIMER_ENDPOINTS,
};

/** All endpoints of the admin listener. */
export const ENDPOINTS = { ...PROBE_ENDPOINTS, ...API_ENDPOINTS };
export type ApiTable = typeof API_ENDPOINTS;
