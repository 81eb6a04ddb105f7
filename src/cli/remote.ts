/** Operations of a running server, asked over its API. */

import { type Diagnostic, ERRORS, type ErrorCode, SignalboxError } from "../errors.ts";
import type { Operations } from "../operations/operations.ts";
import { API_VERSION } from "../package.ts";

export interface RemoteOptions {
  /** Of the admin listener, without `/api/v1`. */
  url: string;
  token?: string;
  timeoutMs: number;
}

interface Call {
  method?: "GET" | "POST" | "DELETE";
  query?: Readonly<Record<string, string | number | undefined>>;
  body?: unknown;
}

/** Rejects with SB0902 when nothing or something else answers, otherwise with the code that the server answers. */
export function remoteOperations(options: RemoteOptions): Operations {
  const base = `${options.url.replace(/\/+$/, "")}/api/v1`;
  const call = <T>(path: string, how: Call = {}) => ask<T>(options, base + path, how);
  const part = encodeURIComponent;
  return {
    status: () => call("/status"),
    async ready() {
      await call("/status");
      return { ok: true, detail: "ready" };
    },
    events: (filter, page) => call("/events", { query: dateQuery({ ...filter, ...page }) }),
    event: (id) => call(`/events/${part(id)}`),
    explain: (id, at) => call(`/events/${part(id)}/explain`, { query: { at } }),
    decide: (event) => call("/decide", { method: "POST", body: { event } }),
    redeliver: (id) => call(`/events/${part(id)}/redeliver`, { method: "POST", body: {} }),
    deliveries: (filter, page) => call("/deliveries", { query: { ...filter, ...page } }),
    delivery: (id) => call(`/deliveries/${part(id)}`),
    retry: (id) => call(`/deliveries/${part(id)}/retry`, { method: "POST", body: {} }),
    instances: (filter, page) => call("/instances", { query: { ...filter, ...page } }),
    instance: (machine, key) => call(`/instances/${part(machine)}/${part(key)}`),
    signal: (machine, key, signal) =>
      call(`/instances/${part(machine)}/${part(key)}/signal`, { method: "POST", body: signal }),
    planMigration: (machine, plan) =>
      call(`/machines/${part(machine)}/migrations/plan`, { method: "POST", body: plan }),
    migrate: (machine, at) => call(`/machines/${part(machine)}/migrations`, { method: "POST", body: at }),
    audits: async (limit) => items(await call("/audit", { query: { limit } })),
    refusals: async (limit) => items(await call("/refusals", { query: { limit } })),
    policy: () => call("/policy"),
    async reload() {
      try {
        return await call("/policy/reload", { method: "POST", body: {} });
      } catch (error) {
        if (error instanceof SignalboxError && error.code === "SB0401") return await call("/policy");
        throw error;
      }
    },
    tokens: async () => items(await call("/tokens")),
    createToken: (token) => call("/tokens", { method: "POST", body: token }),
    async revokeToken(name) {
      await call(`/tokens/${part(name)}`, { method: "DELETE" });
    },
    async authenticate() {
      throw new SignalboxError("SB0906", "Only the server itself authenticates tokens");
    },
  };
}

function dateQuery({
  sinceMs,
  untilMs,
  ...rest
}: { sinceMs?: number; untilMs?: number } & Record<string, string | number | undefined>) {
  const date = (ms: number | undefined) => (ms === undefined ? undefined : new Date(ms).toISOString());
  return { ...rest, since: date(sinceMs), until: date(untilMs) };
}

function items<T>(answer: readonly T[] | { items: readonly T[] }): readonly T[] {
  return "items" in answer ? answer.items : answer;
}

async function ask<T>(options: RemoteOptions, url: string, { method = "GET", query = {}, body }: Call): Promise<T> {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, String(value));
  const target = search.size > 0 ? `${url}?${search}` : url;
  const headers: Record<string, string> = { accept: "application/json" };
  if (options.token) headers.authorization = `Bearer ${options.token}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  let response: Response;
  let text: string;
  try {
    const signal = AbortSignal.timeout(options.timeoutMs);
    const sent = body === undefined ? {} : { body: JSON.stringify(body) };
    response = await fetch(target, { method, headers, signal, redirect: "error", ...sent });
    text = await response.text();
  } catch (error) {
    throw new SignalboxError("SB0902", `No server answers at ${options.url} (${reasonOf(error)})`, { cause: error });
  }
  const version = response.headers.get("x-api-version");
  if (version === null) throw strange(options.url, response.status);
  if (version.split(".")[0] !== API_VERSION.split(".")[0]) {
    const ours = `this command speaks ${API_VERSION}`;
    throw new SignalboxError("SB0902", `The server at ${options.url} speaks version ${version} of the API, ${ours}`);
  }
  const answer = parsed(text);
  if (response.ok) return answer as T;
  throw refused(answer, { url: options.url, status: response.status });
}

function refused(answer: unknown, { url, status }: { url: string; status: number }): SignalboxError {
  if (typeof answer !== "object" || answer === null) return strange(url, status);
  const { code, detail, title, problems } = answer as Record<string, unknown>;
  if (typeof code !== "string" || !Object.hasOwn(ERRORS, code)) return strange(url, status);
  const message = String(detail ?? title ?? ERRORS[code as ErrorCode].title);
  return new SignalboxError(code as ErrorCode, message, {
    problems: Array.isArray(problems) ? (problems as Diagnostic[]) : [],
  });
}

function strange(url: string, status: number): SignalboxError {
  return new SignalboxError("SB0902", `What answers at ${url} is not Signalbox (status ${status})`);
}

function parsed(text: string): unknown {
  try {
    return text === "" ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Node hides the reason of a failed fetch in its cause. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === "TimeoutError") return "no answer in time";
  const { cause } = error as { cause?: { code?: unknown; message?: unknown } };
  return String(cause?.code ?? cause?.message ?? error.message);
}
