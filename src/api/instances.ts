/** Instances: their states, sending a signal to one by hand, and migrating those of earlier definitions. */
import { type Static, Type } from "typebox";
import { closed, count, list, object, optional, text } from "../model/schema-kit.ts";
import { INSTANCE_STATUS, InstanceSchema, TimerSchema } from "../model/schemas.ts";
import { LIMITS } from "../model.ts";
import type { Endpoints } from "./endpoint.ts";
import { AcceptedSchema, changePage, filter, paged, query } from "./schemas.ts";

export const InstanceDetailSchema = closed("InstanceDetail", {
  instance: InstanceSchema,
  timers: list(TimerSchema),
  accepts: list(text("A signal that it accepts now")),
});
export type InstanceDetail = Static<typeof InstanceDetailSchema>;

export const MigrationReportSchema = closed(
  "MigrationReport",
  {
    machine: text(),
    definition: text("Hash of the definition they would migrate to"),
    migrating: count("How many can migrate"),
    staying: list(
      Type.Object(
        { reason: text(), count: count(), keys: list(text()) },
        { additionalProperties: false, description: "Those that cannot, by reason, with some of their keys" },
      ),
    ),
    notes: list(text("A further effect of the migration")),
    cursor: optional(text("Start of the next page; absent on the last")),
  },
  "Which instances of earlier definitions can migrate",
);
export type MigrationReport = Static<typeof MigrationReportSchema>;

const SignalRequestSchema = closed("SignalRequest", {
  event: Type.String({ minLength: 1, maxLength: LIMITS.eventNameChars }),
  data: optional(object("What the machine reads as event.data")),
  reason: Type.String({ minLength: 1, maxLength: 1_000, description: "Why, for the audit log" }),
});

const { cursor } = changePage;

const MigrationPlanRequestSchema = closed("MigrationPlanRequest", {
  definition: optional(
    object("A machine file as JSON, with the templates it uses under `templates`; default: the running definition"),
  ),
  cursor,
});

const MigrationRequestSchema = closed("MigrationRequest", { cursor });

export const INSTANCE_ENDPOINTS = {
  listInstances: {
    method: "GET",
    path: "/api/v1/instances",
    summary: "Instances, last changed first",
    scope: "read",
    query: query({ machine: filter(), status: Type.Optional(INSTANCE_STATUS), key: filter(), ...changePage }),
    responses: { 200: paged("Instances", InstanceSchema) },
  },
  getInstance: {
    method: "GET",
    path: "/api/v1/instances/{machine}/{key}",
    summary: "One instance, its timers and the signals it accepts now",
    scope: "read",
    responses: { 200: InstanceDetailSchema },
  },
  signalInstance: {
    method: "POST",
    path: "/api/v1/instances/{machine}/{key}/signal",
    summary: "Send a signal to one instance, without a rule; audited",
    scope: "operate",
    body: SignalRequestSchema,
    responses: { 202: AcceptedSchema },
  },
  planMigration: {
    method: "POST",
    path: "/api/v1/machines/{machine}/migrations/plan",
    summary: "Which instances of earlier definitions could migrate, and why the others could not; changes nothing",
    scope: "read",
    body: MigrationPlanRequestSchema,
    responses: { 200: MigrationReportSchema },
  },
  migrateInstances: {
    method: "POST",
    path: "/api/v1/machines/{machine}/migrations",
    summary: "Migrate the instances of earlier definitions that can, to the running one; audited",
    scope: "operate",
    body: MigrationRequestSchema,
    responses: { 202: MigrationReportSchema },
  },
} as const satisfies Endpoints;
