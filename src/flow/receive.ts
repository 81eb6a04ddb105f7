/** Raw request → verify → normalise → append. A sender is answered only once its event is on disk. */
import { hash } from "node:crypto";
import { eventId } from "../core/ids.ts";
import { ERRORS, type ErrorCode, messageOf } from "../errors.ts";
import type { DedupeKey, Event, NewEvent } from "../model.ts";
import type { Cache } from "../ports/cache.ts";
import type { Clock } from "../ports/clock.ts";
import type { Appended } from "../ports/log.ts";
import type { Network } from "../ports/network.ts";
import type { Observer } from "../ports/observe.ts";
import type { EventDraft, Normalised, RawRequest, SourceConfig, Verdict, Webhook } from "../ports/provider.ts";
import type { Store } from "../ports/store.ts";

/** A sender's own retry comes within minutes; an equal body later is news, unless the provider knows better. */
const BODY_WINDOW_MS = 5 * 60_000;
const RETRY_AFTER_S = 5;
const EXCERPT_CHARS = 2_000;

export interface Route {
  source: string;
  bodyBytesMax: number;
}

export interface Receipt {
  status: number;
  contentType: string;
  body: string;
  headers?: Record<string, string>;
}

export interface ConfiguredSource {
  config: SourceConfig;
  source: Webhook;
  network: Network;
  /** Where it listens: `/hooks/<name>` and its aliases. */
  paths: readonly string[];
  bodyBytesMax: number;
  /** How long an equal body is the same event; absent = the provider's or the product's default. */
  dedupeWindowMs?: number;
}

export interface Receiver {
  /** Exact path, a trailing slash ignored. */
  route(path: string): Route | undefined;
  /** Answers every request; rejects only for our own faults. */
  receive(request: RawRequest, route: Route, requestId: string): Promise<Receipt>;
  /** Refuses before a body is read, counts it, and answers problem+json. */
  turnAway(code: ErrorCode, detail: { requestId: string; path: string; source?: string; bytes?: number }): Receipt;
}

export interface ReceiverDeps {
  sources: readonly ConfiguredSource[];
  store: Store;
  clock: Clock;
  cache: Cache;
  observe: Observer;
  /** Told of every event that is new in the log. */
  stored(events: readonly Event[]): void;
}

export function createReceiver(deps: ReceiverDeps): Receiver {
  const byPath = new Map<string, ConfiguredSource>();
  for (const source of deps.sources) for (const path of source.paths) byPath.set(trimmed(path), source);
  const byName = new Map(deps.sources.map((source) => [source.config.name, source]));

  return {
    route(path) {
      const found = byPath.get(trimmed(path));
      return found && { source: found.config.name, bodyBytesMax: found.bodyBytesMax };
    },
    turnAway(code, { requestId, source = "unknown" }) {
      const receipt = problem(code, requestId);
      deps.observe({ kind: "received", source, status: receipt.status, code, ms: 0, requestId });
      return receipt;
    },
    async receive(request, route, requestId) {
      const configured = byName.get(route.source);
      if (!configured) return problem("SB0501", requestId);
      const startedMs = deps.clock.now();
      const answer = await answerTo(deps, configured, request, requestId);
      deps.observe({
        kind: "received",
        source: route.source,
        status: answer.receipt.status,
        ms: deps.clock.now() - startedMs,
        requestId,
        ...answer.seen,
      });
      return answer.receipt;
    },
  };
}

interface Answer {
  receipt: Receipt;
  seen: { code?: string; reason?: string; event?: string; duplicate?: boolean };
}

async function answerTo(
  deps: ReceiverDeps,
  configured: ConfiguredSource,
  request: RawRequest,
  requestId: string,
): Promise<Answer> {
  const { source, config } = configured;
  if (!takes(source, request)) return refuse(deps, "SB0505", { configured, request, requestId });
  const nowMs = deps.clock.now();
  const verdict = await verify(deps, configured, request, nowMs);
  if (!verdict.ok) {
    if (verdict.reason === "key_unavailable") return refuse(deps, "SB0507", { configured, request, requestId });
    return refuse(deps, "SB0503", { configured, request, requestId, reason: verdict.reason });
  }
  const normalised = normalise(source, request, config, nowMs);
  switch (normalised.kind) {
    case "malformed":
      return refuse(deps, "SB0506", { configured, request, requestId, reason: normalised.detail, verified: true });
    case "answer":
      return { receipt: spoken(normalised.answer), seen: {} };
    case "events":
      return await keep(deps, { configured, request, requestId, normalised, nowMs });
  }
}

async function verify(
  deps: ReceiverDeps,
  { source, config, network }: ConfiguredSource,
  request: RawRequest,
  nowMs: number,
): Promise<Verdict> {
  try {
    return await source.verify(request, config, { nowMs, cache: deps.cache, network });
  } catch (error) {
    // An error while verifying is a refusal, never a pass; it is ours, so it is told as a fault as well.
    deps.observe({ kind: "fault", where: `verify ${config.name}`, message: messageOf(error) });
    return { ok: false, reason: "malformed_body" };
  }
}

function normalise(source: Webhook, request: RawRequest, config: SourceConfig, nowMs: number): Normalised {
  try {
    return source.normalise(request, config, nowMs);
  } catch (error) {
    return { kind: "malformed", detail: messageOf(error) };
  }
}

interface Keeping {
  configured: ConfiguredSource;
  request: RawRequest;
  requestId: string;
  normalised: Extract<Normalised, { kind: "events" }>;
  nowMs: number;
}

async function keep(deps: ReceiverDeps, keeping: Keeping): Promise<Answer> {
  const { normalised, requestId } = keeping;
  const events = normalised.events.map((draft, index) => newEvent(keeping, draft, index));
  let appended: readonly Appended[];
  try {
    appended = await deps.store.append(events);
    deps.observe({ kind: "stored", operation: "append", rows: events.length, ms: deps.clock.now() - keeping.nowMs });
  } catch (error) {
    deps.observe({ kind: "fault", where: "append", message: messageOf(error) });
    return { receipt: problem("SB0507", requestId, { "retry-after": `${RETRY_AFTER_S}` }), seen: { code: "SB0507" } };
  }
  deps.stored(events.filter((_, index) => appended[index]?.duplicate === false).map(({ event }) => event));
  const duplicate = appended.length > 0 && appended.every((one) => one.duplicate);
  const ids = appended.map(({ id }) => id);
  const first = ids[0];
  const seen = { duplicate, ...(first === undefined ? {} : { event: first }) };
  if (normalised.answer) return { receipt: spoken(normalised.answer), seen };
  const outcome = duplicate ? "duplicate" : "stored";
  const body = ids.length === 1 ? { eventId: first, outcome } : { eventIds: ids, outcome };
  return {
    receipt: { status: duplicate ? 200 : 202, contentType: "application/json", body: JSON.stringify(body) },
    seen,
  };
}

function newEvent(
  { configured, request, requestId, normalised, nowMs }: Keeping,
  draft: EventDraft,
  index: number,
): NewEvent {
  const { config, dedupeWindowMs } = configured;
  const { dataText, time, ...rest } = draft;
  const bodyHash = hash("sha256", request.body);
  const keys: DedupeKey[] = [];
  if (draft.delivery) keys.push({ key: `id:${config.name}:${draft.delivery}#${index}` });
  const windowMs = dedupeWindowMs ?? normalised.bodyWindowMs ?? BODY_WINDOW_MS;
  if (windowMs > 0) keys.push({ key: `body:${config.name}:${bodyHash}#${index}`, untilMs: nowMs + windowMs });
  const receivedAt = new Date(nowMs).toISOString();
  const event: Event = {
    ...rest,
    // Always a list: a rule may ask for its size.
    tickets: rest.tickets ?? [],
    id: eventId(nowMs, `${config.name}:${draft.delivery ?? requestId}:${bodyHash}#${index}`),
    source: config.name,
    time: time ?? receivedAt,
    receivedAt,
  };
  return { event, keys, ...(dataText === undefined ? {} : { dataText }) };
}

interface Refused {
  configured: ConfiguredSource;
  request: RawRequest;
  requestId: string;
  reason?: string;
  /** Only what a known sender sent may be kept in part. */
  verified?: boolean;
}

async function refuse(deps: ReceiverDeps, code: ErrorCode, refused: Refused): Promise<Answer> {
  const { configured, request, requestId, reason, verified } = refused;
  const headers = code === "SB0507" ? { "retry-after": `${RETRY_AFTER_S}` } : {};
  const receipt = problem(code, requestId, headers, reason);
  const seen = { code, ...(reason === undefined ? {} : { reason }) };
  const row = {
    id: requestId,
    atMs: deps.clock.now(),
    source: configured.config.name,
    status: receipt.status,
    code,
    reason: reason ?? ERRORS[code].title,
    bytes: request.body.length,
    bodySha256: hash("sha256", request.body),
    ...(verified
      ? {
          excerpt: request.body
            .subarray(0, 4 * EXCERPT_CHARS)
            .toString("utf8")
            .slice(0, EXCERPT_CHARS),
        }
      : {}),
  };
  try {
    await deps.store.refuse(row);
  } catch (error) {
    deps.observe({ kind: "fault", where: "refuse", message: messageOf(error) });
  }
  return { receipt, seen };
}

function takes(source: Webhook, request: RawRequest): boolean {
  const type = (request.headers["content-type"] ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
  // No media type at all is no wrong one: the signature decides, then the parser.
  return type === "" || source.contentTypes.some((taken) => taken === "*" || taken === type);
}

function spoken({
  status,
  contentType = "application/json",
  body,
}: {
  status: number;
  contentType?: string;
  body: string;
}): Receipt {
  return { status, contentType, body };
}

/** RFC 9457 problem details with the code of the error table. */
function problem(code: ErrorCode, requestId: string, headers?: Record<string, string>, reason?: string): Receipt {
  const row: { title: string; help: string; status?: number } = ERRORS[code];
  const status = row.status ?? 500;
  const body = { type: "about:blank", title: row.title, status, code, detail: row.help, reason, instance: requestId };
  return {
    status,
    contentType: "application/problem+json",
    body: JSON.stringify(body),
    ...(headers ? { headers } : {}),
  };
}

function trimmed(path: string): string {
  return path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;
}
