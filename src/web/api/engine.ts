/** Handlers for the engine itself. */
import type { ENGINE_ENDPOINTS, PROBE_ENDPOINTS } from "../../api/engine.ts";
import { SignalboxError } from "../../errors.ts";
import type { MetricsText } from "../metrics.ts";
import { type EndpointDeps, type HandlersOf, pageOf } from "./endpoint.ts";

export interface ProbeDeps extends EndpointDeps {
  metrics: { text(): Promise<MetricsText> };
}

export const probeHandlers: HandlersOf<typeof PROBE_ENDPOINTS, ProbeDeps> = {
  health: async () => ({ body: { status: "ok" } }),
  async readiness({ view }, { operations }) {
    const { ok, detail } = await operations.ready();
    const { current } = await operations.policy();
    // Details name paths and hosts; a probe without a token has no use for them.
    const words = ok ? "ready" : "not ready";
    const body = { ready: ok, detail: view.isWhole ? detail : words, policy: current ? "current" : "stale" } as const;
    return { status: ok ? 200 : 503, body };
  },
  metrics: async (_request, { metrics }) => ({ body: (await metrics.text()).body }),
};

export const engineHandlers: HandlersOf<typeof ENGINE_ENDPOINTS> = {
  getStatus: async (_request, { operations }) => ({ body: await operations.status() }),
  getPolicy: async (_request, { operations }) => ({ body: await operations.policy() }),
  listAudit: async ({ query }, { operations }) => ({
    body: { items: [...(await operations.audits(pageOf(query).limit))] },
  }),
  async reloadPolicy({ principal }, { operations }) {
    const report = await operations.reload(principal);
    if (report.current) return { body: report };
    const { revision, problems } = report;
    throw new SignalboxError("SB0401", `Policy ${revision} stays, the files have problems`, { problems });
  },
  async listTokens(_request, { operations }) {
    const tokens = await operations.tokens();
    const items = tokens.map(({ name, scopes, createdAtMs, expiresAtMs, usedAtMs }) => ({
      ...{ name, scopes, createdAtMs },
      ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
      ...(usedAtMs === undefined ? {} : { usedAtMs }),
    }));
    return { body: { items } };
  },
  createToken: async ({ body, principal }, { operations }) => ({ body: await operations.createToken(body, principal) }),
  async revokeToken({ params, principal }, { operations }) {
    await operations.revokeToken(params.name, principal);
    return { body: undefined };
  },
  getOpenApi: async (_request, { document }) => ({ body: document() }),
};
