/** Timers and schedules: what will happen by the clock, and firing or cancelling a timer by hand. */
import { type Static, Type } from "typebox";
import { closed, milliseconds, optional, text } from "../model/schema-kit.ts";
import { TimerSchema } from "../model/schemas.ts";
import type { Endpoints } from "./endpoint.ts";
import { AcceptedSchema, LimitQuery, listed } from "./schemas.ts";

export const ScheduleSchema = closed("Schedule", {
  id: text(),
  cron: text(),
  timezone: text(),
  catchUp: Type.Enum(["none", "last"], { description: "What happens for ticks that were missed while nothing ran" }),
  nextAtMs: optional(milliseconds("When it ticks next")),
});
export type ScheduleView = Static<typeof ScheduleSchema>;

const TimerRequestSchema = closed("TimerRequest", {
  reason: Type.String({ minLength: 1, maxLength: 1_000, description: "Why, for the audit log" }),
});

export const TIMER_ENDPOINTS = {
  listTimers: {
    method: "GET",
    path: "/api/v1/timers",
    summary: "Timers that machines have set, those that fire next first",
    scope: "read",
    query: LimitQuery,
    responses: { 200: listed("Timers", TimerSchema) },
  },
  fireTimer: {
    method: "POST",
    path: "/api/v1/timers/{machine}/{key}/{timer}/fire",
    summary: "Fire a timer now, before its time; audited",
    scope: "operate",
    body: TimerRequestSchema,
    responses: { 202: AcceptedSchema },
  },
  cancelTimer: {
    method: "POST",
    path: "/api/v1/timers/{machine}/{key}/{timer}/cancel",
    summary: "Take a timer away, so that it never fires; audited",
    scope: "operate",
    body: TimerRequestSchema,
    responses: { 202: AcceptedSchema },
  },
  listSchedules: {
    method: "GET",
    path: "/api/v1/schedules",
    summary: "The schedules of signalbox.yaml, and when each ticks next",
    scope: "read",
    responses: { 200: listed("Schedules", ScheduleSchema) },
  },
} as const satisfies Endpoints;
