/** Raw request → verify → normalise → accept. The result says what became of it; web/ingest makes the HTTP response. */
import { hash } from "node:crypto";
import { ERRORS, type ErrorCode, messageOf, statusOf } from "../errors.ts";
import type { Books } from "../ports/books.ts";
import type { Cache } from "../ports/cache.ts";
import type { Clock } from "../ports/clock.ts";
import type { Network } from "../ports/network.ts";
import type { Observer } from "../ports/observe.ts";
import type { Normalised, RawRequest, SourceConfig, Verdict, VerifyReason, Webhook } from "../ports/provider.ts";
import type { Accept } from "./accept.ts";

const EXCERPT_CHARS = 2_000;
/** UTF-8 needs at most this many bytes for a character. */
const CHAR_BYTES_MAX = 4;

export interface Route {
  source: string;
  bodyBytesMax: number;
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

/** A response that the provider prescribes, to a ping or a challenge for example. */
type ProviderResponse = Extract<Normalised, { kind: "answer" }>["answer"];

export type ReceiveResult =
  | { kind: "stored"; eventIds: readonly string[]; isDuplicate: boolean; response?: ProviderResponse }
  | { kind: "answered"; response: ProviderResponse }
  | { kind: "refused"; code: ErrorCode; reason?: VerifyReason; detail?: string };

export interface Receiver {
  /** Exact path, a trailing slash ignored. */
  route(path: string): Route | undefined;
  /** Rejects only for our own faults. A "stored" event is on disk. */
  receive(request: RawRequest, route: Route, requestId: string): Promise<ReceiveResult>;
}

export interface ReceiverDeps {
  sources: readonly ConfiguredSource[];
  accept: Accept;
  store: Pick<Books, "refuse">;
  clock: Clock;
  cache: Cache;
  observe: Observer;
}

export function createReceiver(deps: ReceiverDeps): Receiver {
  const byPath = new Map<string, ConfiguredSource>();
  for (const source of deps.sources) for (const path of source.paths) byPath.set(trimmed(path), source);
  const byName = new Map(deps.sources.map((source) => [source.config.name, source]));

  return {
    route(path) {
      const configured = byPath.get(trimmed(path));
      return configured && { source: configured.config.name, bodyBytesMax: configured.bodyBytesMax };
    },
    async receive(request, route, requestId) {
      const configured = byName.get(route.source);
      if (!configured) return { kind: "refused", code: "SB0501" };
      return await receive(deps, { configured, request, requestId });
    },
  };
}

interface Receiving {
  configured: ConfiguredSource;
  request: RawRequest;
  requestId: string;
}

async function receive(deps: ReceiverDeps, receiving: Receiving): Promise<ReceiveResult> {
  const { request, configured, requestId } = receiving;
  const { source, config } = configured;
  if (!acceptsContentType(source, request)) return await refuse(deps, receiving, { code: "SB0505" });
  const atMs = deps.clock.now();
  const verdict = await verify(deps, configured, request, atMs);
  if (!verdict.ok) {
    const { reason } = verdict;
    if (reason === "key_unavailable") return await refuse(deps, receiving, { code: "SB0507" });
    return await refuse(deps, receiving, { code: "SB0503", reason });
  }
  const normalised = normalise(source, request, config, atMs);
  if (normalised.kind === "malformed") {
    return await refuse(deps, receiving, { code: "SB0506", detail: normalised.detail });
  }
  const { answer: response } = normalised;
  if (normalised.kind === "answer") return { kind: "answered", response: normalised.answer };
  const { events, bodyWindowMs } = normalised;
  const origin = { ...configured, name: config.name };
  const carrier = { id: requestId, bodyHash: hash("sha256", request.body), atMs };
  const window = bodyWindowMs === undefined ? {} : { bodyWindowMs };
  try {
    const accepted = await deps.accept(origin, events, { request: carrier, ...window });
    return { kind: "stored", ...accepted, ...(response ? { response } : {}) };
  } catch (error) {
    // A store that cannot write cannot record the refusal either.
    deps.observe({ kind: "fault", where: "append", message: messageOf(error) });
    return { kind: "refused", code: "SB0507" };
  }
}

async function verify(
  { cache, observe }: ReceiverDeps,
  { source, config, network }: ConfiguredSource,
  request: RawRequest,
  nowMs: number,
): Promise<Verdict> {
  try {
    return await source.verify(request, config, { nowMs, cache, network });
  } catch (error) {
    // An error while verifying is a refusal, never a pass; it is ours, so it is reported as a fault as well.
    observe({ kind: "fault", where: `verify ${config.name}`, message: messageOf(error) });
    return { ok: false, reason: "verify_failed" };
  }
}

function normalise(source: Webhook, request: RawRequest, config: SourceConfig, nowMs: number): Normalised {
  try {
    return source.normalise(request, config, nowMs);
  } catch (error) {
    return { kind: "malformed", detail: messageOf(error) };
  }
}

type Refusal = Omit<Extract<ReceiveResult, { kind: "refused" }>, "kind">;

/** Records the refusal. Only the body of a verified sender is kept in part. */
async function refuse(
  { store, clock, observe }: ReceiverDeps,
  { configured, request, requestId }: Receiving,
  refusal: Refusal,
): Promise<ReceiveResult> {
  const { code, reason, detail } = refusal;
  const row = {
    id: requestId,
    atMs: clock.now(),
    source: configured.config.name,
    status: statusOf(code),
    code,
    reason: reason ?? detail ?? ERRORS[code].title,
    bytes: request.body.length,
    bodySha256: hash("sha256", request.body),
    ...(code === "SB0506" ? { excerpt: excerptOf(request.body) } : {}),
  };
  try {
    await store.refuse(row);
  } catch (error) {
    observe({ kind: "fault", where: "refuse", message: messageOf(error) });
  }
  return { kind: "refused", ...refusal };
}

function excerptOf(body: Buffer): string {
  return body
    .subarray(0, CHAR_BYTES_MAX * EXCERPT_CHARS)
    .toString("utf8")
    .slice(0, EXCERPT_CHARS);
}

function acceptsContentType(source: Webhook, request: RawRequest): boolean {
  const type = (request.headers["content-type"] ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
  // No media type at all is no wrong one: the signature decides, then the parser.
  return type === "" || source.contentTypes.some((accepted) => accepted === "*" || accepted === type);
}

function trimmed(path: string): string {
  return path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;
}
