/** The engine: health, status, the running policy, and tokens. */
import { type Static, Type } from "typebox";
import { closed, count, list, milliseconds, optional, text } from "../model/schema-kit.ts";
import { AuditSchema, TokenSchema } from "../model/schemas.ts";
import { type Endpoints, TOKEN_SCOPES } from "./endpoint.ts";
import { MigrationReportSchema } from "./instances.ts";
import { DiagnosticSchema, LimitQuery, listed } from "./schemas.ts";

export const PolicySchema = closed("Policy", {
  revision: text("Of the policy that is running"),
  loadedAtMs: milliseconds("When it was loaded"),
  rules: count(),
  machines: list(text()),
  current: Type.Boolean({ description: "False while the files on disk were rejected" }),
  problems: Type.Array(DiagnosticSchema, { description: "Why the files on disk were rejected" }),
  migrations: optional(
    Type.Array(MigrationReportSchema, {
      description: "After a reload: machines that have instances of earlier definitions",
    }),
  ),
});

export const CountsSchema = closed("Counts", {
  events: count(),
  undecided: count(),
  instances: count(),
  timers: count(),
  deliveries: Type.Object(
    { pending: count(), done: count(), dead: count(), observed: count(), cancelled: count() },
    { additionalProperties: false },
  ),
});

export type PolicyReport = Static<typeof PolicySchema>;

export const StatusSchema = closed("Status", {
  version: text(),
  startedAtMs: milliseconds("When it was started"),
  store: text("What kind and where, without credentials: sqlite ./data/signalbox.db"),
  cache: Type.Object({ backend: text(), healthy: Type.Boolean() }, { additionalProperties: false }),
  counts: CountsSchema,
  policy: PolicySchema,
  sources: list(Type.Object({ name: text(), provider: text(), paths: list(text()) }, { additionalProperties: false })),
  connections: list(Type.Object({ name: text(), provider: text() }, { additionalProperties: false })),
});
export type StatusReport = Static<typeof StatusSchema>;

const HealthSchema = closed("Health", { status: Type.Literal("ok") });
const ReadinessSchema = closed("Readiness", {
  ready: Type.Boolean(),
  detail: text(),
  policy: Type.Enum(["current", "stale"], { description: "stale: the files on disk were rejected" }),
});
const NewTokenSchema = closed("NewToken", { token: text("Shown once and never again") });

const TokenRequestSchema = closed("TokenRequest", {
  name: Type.String({ pattern: "^[a-z0-9][a-z0-9._-]*$", maxLength: 100 }),
  scopes: Type.Array(Type.Enum([...TOKEN_SCOPES]), { minItems: 1, uniqueItems: true }),
  expiresAtMs: Type.Optional(Type.Integer({ minimum: 0, description: "When it ends, ms since 1970; absent: never" })),
});

export const PROBE_ENDPOINTS = {
  health: {
    method: "GET",
    path: "/healthz",
    summary: "The process lives",
    responses: { 200: HealthSchema },
  },
  readiness: {
    method: "GET",
    path: "/readyz",
    summary: "Ready for events; a stale policy is reported but counts as ready",
    responses: { 200: ReadinessSchema, 503: ReadinessSchema },
  },
  metrics: {
    method: "GET",
    path: "/metrics",
    summary: "Prometheus metrics",
    scope: "read",
    responses: { 200: Type.String() },
    produces: "text/plain; version=0.0.4; charset=utf-8",
  },
} as const satisfies Endpoints;

export const ENGINE_ENDPOINTS = {
  getStatus: {
    method: "GET",
    path: "/api/v1/status",
    summary: "What runs, where it keeps things, and how much there is",
    scope: "read",
    responses: { 200: StatusSchema },
  },
  getPolicy: {
    method: "GET",
    path: "/api/v1/policy",
    summary: "The running policy, and whether the files on disk are that",
    scope: "read",
    responses: { 200: PolicySchema },
  },
  listAudit: {
    method: "GET",
    path: "/api/v1/audit",
    summary: "What was done by hand, newest first",
    scope: "admin",
    query: LimitQuery,
    responses: { 200: listed("AuditLog", AuditSchema) },
  },
  reloadPolicy: {
    method: "POST",
    path: "/api/v1/policy/reload",
    summary: "Load the files: all of them or, with 409 and the problems, none",
    scope: "operate",
    responses: { 200: PolicySchema },
  },
  listTokens: {
    method: "GET",
    path: "/api/v1/tokens",
    summary: "Tokens, without the tokens themselves",
    scope: "admin",
    responses: { 200: listed("Tokens", TokenSchema) },
  },
  createToken: {
    method: "POST",
    path: "/api/v1/tokens",
    summary: "A new token",
    scope: "admin",
    body: TokenRequestSchema,
    responses: { 201: NewTokenSchema },
  },
  revokeToken: {
    method: "DELETE",
    path: "/api/v1/tokens/{name}",
    summary: "End a token now",
    scope: "admin",
    responses: { 204: undefined },
  },
  getOpenApi: {
    method: "GET",
    path: "/api/v1/openapi.json",
    summary: "This document",
    responses: { 200: Type.Object({}, { additionalProperties: true }) },
  },
} as const satisfies Endpoints;
