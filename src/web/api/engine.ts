/** The engine itself: is it well, what policy runs, who may ask. */
import { Type } from "typebox";
import { SignalboxError } from "../../errors.ts";
import type { Endpoint } from "./endpoint.ts";
import { LimitQuery, pageOf, TokenRequest } from "./requests.ts";
import { AuditShape, listed, PolicyShape, StatusShape, TokenShape } from "./shapes.ts";

const Health = Type.Object({ status: Type.Literal("ok") }, { title: "Health", additionalProperties: false });
const Readiness = Type.Object(
  {
    ready: Type.Boolean(),
    detail: Type.String(),
    policy: Type.Enum(["current", "stale"], { description: "stale: the files on disk were rejected" }),
  },
  { title: "Readiness", additionalProperties: false },
);
const NewToken = Type.Object(
  { token: Type.String({ description: "Shown once and never again" }) },
  { title: "NewToken", additionalProperties: false },
);

export const PROBE_ENDPOINTS: readonly Endpoint[] = [
  {
    id: "health",
    method: "GET",
    path: "/healthz",
    summary: "The process lives",
    answers: { 200: Health },
    reply: async () => ({ body: { status: "ok" } }),
  },
  {
    id: "readiness",
    method: "GET",
    path: "/readyz",
    summary: "Events are taken; a stale policy is told but is no reason to take the engine away",
    answers: { 200: Readiness, 503: Readiness },
    async reply({ seesPayload }, { operations }) {
      const { ok, detail } = await operations.ready();
      const { current } = await operations.policy();
      // Details name paths and hosts; a probe without a token has no use for them.
      const words = ok ? "ready" : "not ready";
      const body = { ready: ok, detail: seesPayload ? detail : words, policy: current ? "current" : "stale" };
      return { status: ok ? 200 : 503, body };
    },
  },
  {
    id: "metrics",
    method: "GET",
    path: "/metrics",
    summary: "Prometheus metrics",
    scope: "read",
    answers: { 200: Type.String() },
    produces: "text/plain; version=0.0.4; charset=utf-8",
    reply: async (_call, { metrics }) => ({ body: (await metrics.text()).body }),
  },
];

export const ENGINE_ENDPOINTS: readonly Endpoint[] = [
  {
    id: "getStatus",
    method: "GET",
    path: "/api/v1/status",
    summary: "What runs, where it keeps things, and how much there is",
    scope: "read",
    answers: { 200: StatusShape },
    reply: async (_call, { operations }) => ({ body: await operations.status() }),
  },
  {
    id: "getPolicy",
    method: "GET",
    path: "/api/v1/policy",
    summary: "The running policy, and whether the files on disk are that",
    scope: "read",
    answers: { 200: PolicyShape },
    reply: async (_call, { operations }) => ({ body: await operations.policy() }),
  },
  {
    id: "listAudit",
    method: "GET",
    path: "/api/v1/audit",
    summary: "What was done by hand, newest first",
    scope: "admin",
    query: LimitQuery,
    answers: { 200: listed("AuditLog", AuditShape) },
    async reply({ query }, { operations }) {
      return { body: { items: [...(await operations.audits(pageOf(query as LimitQuery).limit))] } };
    },
  },
  {
    id: "reloadPolicy",
    method: "POST",
    path: "/api/v1/policy/reload",
    summary: "Load the files: all of them or, with 409 and the problems, none",
    scope: "operate",
    answers: { 200: PolicyShape },
    async reply({ actor }, { operations }) {
      const report = await operations.reload(actor);
      if (report.current) return { body: report };
      const { revision, problems } = report;
      throw new SignalboxError("SB0401", `Policy ${revision} stays, the files have problems`, { problems });
    },
  },
  {
    id: "listTokens",
    method: "GET",
    path: "/api/v1/tokens",
    summary: "Tokens, without the tokens themselves",
    scope: "admin",
    answers: { 200: listed("Tokens", TokenShape) },
    async reply(_call, { operations }) {
      const rows = await operations.tokens();
      const items = rows.map(({ name, scopes, createdAtMs, expiresAtMs, usedAtMs }) => ({
        ...{ name, scopes, createdAtMs },
        ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
        ...(usedAtMs === undefined ? {} : { usedAtMs }),
      }));
      return { body: { items } };
    },
  },
  {
    id: "createToken",
    method: "POST",
    path: "/api/v1/tokens",
    summary: "A new token",
    scope: "admin",
    body: TokenRequest,
    answers: { 201: NewToken },
    async reply({ body, actor }, { operations }) {
      return { body: await operations.createToken(body as TokenRequest, actor) };
    },
  },
  {
    id: "revokeToken",
    method: "DELETE",
    path: "/api/v1/tokens/{name}",
    summary: "End a token now",
    scope: "admin",
    answers: { 204: undefined },
    async reply({ params, actor }, { operations }) {
      await operations.revokeToken(params.name ?? "", actor);
      return {};
    },
  },
  {
    id: "getOpenApi",
    method: "GET",
    path: "/api/v1/openapi.json",
    summary: "This document",
    answers: { 200: Type.Object({}, { additionalProperties: true }) },
    reply: async (_call, { document }) => ({ body: document }),
  },
];
