/** Deliveries: their attempts, and retrying a dead one. */
import { Type } from "typebox";
import { DELIVERY_STATUS, DeliverySchema } from "../model/schemas.ts";
import type { Endpoints } from "./endpoint.ts";
import { filter, paged, query, rowPage } from "./schemas.ts";

export const DELIVERY_ENDPOINTS = {
  listDeliveries: {
    method: "GET",
    path: "/api/v1/deliveries",
    summary: "Deliveries, newest first",
    scope: "read",
    query: query({ status: Type.Optional(DELIVERY_STATUS), event: filter(), action: filter(), ...rowPage }),
    responses: { 200: paged("Deliveries", DeliverySchema) },
  },
  getDelivery: {
    method: "GET",
    path: "/api/v1/deliveries/{id}",
    summary: "One delivery with its attempts",
    scope: "read",
    responses: { 200: DeliverySchema },
  },
  retryDelivery: {
    method: "POST",
    path: "/api/v1/deliveries/{id}/retry",
    summary: "Try a dead or cancelled delivery again",
    scope: "operate",
    responses: { 202: DeliverySchema },
  },
} as const satisfies Endpoints;
