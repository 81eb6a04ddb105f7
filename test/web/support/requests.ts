/** One request for every endpoint, and some that are refused: what the tests of the API share. */
import { eventOf, INSTANCE } from "./operations.ts";

export interface ApiRequest {
  method?: string;
  path: string;
  body?: unknown;
  headers?: Record<string, string>;
}

export const KEY = encodeURIComponent(INSTANCE.key);
export const MACHINE = encodeURIComponent(INSTANCE.machine);

/** In this order nothing that one changes is asked by a later one. `status` is that of the listener on this machine. */
export const EVERY: (ApiRequest & { status: number })[] = [
  { path: "/healthz", status: 200 },
  { path: "/readyz", status: 200 },
  { path: "/metrics", status: 200 },
  { path: "/api/v1/status", status: 200 },
  { path: "/api/v1/policy", status: 200 },
  { method: "POST", path: "/api/v1/policy/reload", status: 200 },
  { path: "/api/v1/tokens", status: 200 },
  { method: "POST", path: "/api/v1/tokens", body: { name: "alice", scopes: ["read"], expiresAtMs: 1 }, status: 201 },
  { method: "DELETE", path: "/api/v1/tokens/bob", status: 204 },
  { path: "/api/v1/openapi.json", status: 200 },
  { path: "/api/v1/events", status: 200 },
  { path: "/api/v1/events/evt_1", status: 200 },
  { path: "/api/v1/events/evt_1/explain", status: 200 },
  { method: "POST", path: "/api/v1/events/evt_1/redeliver", status: 202 },
  { method: "POST", path: "/api/v1/decide", body: { event: eventOf(1) }, status: 200 },
  { path: "/api/v1/refusals", status: 200 },
  { path: "/api/v1/audit", status: 200 },
  { path: "/api/v1/deliveries", status: 200 },
  { path: "/api/v1/deliveries/dlv_1", status: 200 },
  { method: "POST", path: "/api/v1/deliveries/dlv_1/retry", status: 202 },
  { path: "/api/v1/instances", status: 200 },
  { path: `/api/v1/instances/${MACHINE}/${KEY}`, status: 200 },
  {
    ...{ method: "POST", path: `/api/v1/instances/${MACHINE}/${KEY}/signal`, status: 202 },
    body: { event: "PUSH", data: { a: 1 }, reason: "stuck" },
  },
  { path: "/api/v1/timers", status: 200 },
  {
    ...{ method: "POST", path: `/api/v1/timers/${MACHINE}/${KEY}/after%2030m/fire`, status: 202 },
    body: { reason: "now" },
  },
  {
    ...{ method: "POST", path: `/api/v1/timers/${MACHINE}/${KEY}/after%2030m/cancel`, status: 202 },
    body: { reason: "never" },
  },
  { path: "/api/v1/schedules", status: 200 },
  {
    ...{ method: "POST", path: "/api/v1/machines/ticket/migrations/plan", status: 200 },
    body: { definition: { id: "ticket" } },
  },
  { method: "POST", path: "/api/v1/machines/ticket/migrations", status: 202, body: {} },
];
