/** Raw request → verify → normalise → accept. web/ingest makes the HTTP response from the result. */
import { hash } from "node:crypto";
import { messageOf } from "../errors.ts";
import type { Books } from "../ports/books.ts";
import type { Cache } from "../ports/cache.ts";
import type { Clock } from "../ports/clock.ts";
import type { Network } from "../ports/network.ts";
import type { Observer } from "../ports/observe.ts";
import type { Normalised, RawRequest, SourceConfig, Verdict, Webhook } from "../ports/provider.ts";
import type { Accept } from "./accept.ts";
import { createRefuse, type RefusalDetails, type Refuse } from "./refusals.ts";

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
  /** Address of the sender, behind trusted proxies; absent = that of the connection. */
  addressOf?(request: RawRequest): string;
  /** Whether this address may send; absent = all may. */
  allows?(address: string): boolean;
}

/** A response that the provider prescribes, to a ping or a challenge for example. */
type ProviderResponse = Extract<Normalised, { kind: "answer" }>["answer"];

export type ReceiveResult =
  | { kind: "stored"; eventIds: readonly string[]; isDuplicate: boolean; response?: ProviderResponse }
  | { kind: "answered"; response: ProviderResponse }
  | ({ kind: "refused" } & RefusalDetails);

export interface Receiver {
  /** Exact path, a trailing slash ignored. */
  route(path: string): Route | undefined;
  /** Rejects only for faults of Signalbox. A "stored" event is on disk. */
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
  const refuse = createRefuse(deps);
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
      const address = configured.addressOf?.(request) ?? request.remoteAddress ?? "";
      return await receive({ ...deps, refuse }, { configured, request, requestId, address });
    },
  };
}

interface IncomingRequest {
  configured: ConfiguredSource;
  request: RawRequest;
  requestId: string;
  /** Address of the sender. */
  address: string;
}

async function receive(deps: ReceiverDeps & { refuse: Refuse }, incoming: IncomingRequest): Promise<ReceiveResult> {
  const { request, configured, requestId } = incoming;
  const { source, config } = configured;
  const refuse = async (refusal: RefusalDetails) => {
    const { path, headers, body } = request;
    const delivery = headers[source.deliveryHeader?.(config.settings) ?? ""];
    const refusedRequest = { id: requestId, source: config.name, address: incoming.address, path, delivery, body };
    return { kind: "refused" as const, ...(await deps.refuse(refusedRequest, refusal)) };
  };
  const atMs = deps.clock.now();
  const refusal = await verificationProblem(deps, incoming, atMs);
  if (refusal) return await refuse(refusal);
  const normalised = normalise(source, request, config, atMs);
  if (normalised.kind === "malformed") return await refuse({ code: "SB0506", detail: normalised.detail });
  const { answer: response } = normalised;
  if (normalised.kind === "answer") return { kind: "answered", response: normalised.answer };
  const { events } = normalised;
  const origin = { ...configured, name: config.name };
  const requestInfo = { id: requestId, bodyHash: hash("sha256", request.body), atMs };
  try {
    const accepted = await deps.accept(origin, events, { request: requestInfo });
    return { kind: "stored", ...accepted, ...(response ? { response } : {}) };
  } catch (error) {
    // A store that cannot write cannot record the refusal either.
    deps.observe({ kind: "fault", where: "append", message: messageOf(error) });
    return { kind: "refused", code: "SB0507" };
  }
}

/** Why the request is refused; undefined = it is verified. */
async function verificationProblem(
  deps: ReceiverDeps,
  incoming: IncomingRequest,
  atMs: number,
): Promise<RefusalDetails | undefined> {
  const { configured, request, address } = incoming;
  if (configured.allows?.(address) === false) return { code: "SB0503", reason: "ip_denied" };
  if (!acceptsContentType(configured.source, request)) return { code: "SB0505" };
  const verdict = await verify(deps, configured, request, atMs);
  if (verdict.ok) return undefined;
  return verdict.reason === "key_unavailable" ? { code: "SB0507" } : { code: "SB0503", reason: verdict.reason };
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
    // An error while verifying is a refusal, and also a fault of Signalbox.
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

function acceptsContentType(source: Webhook, request: RawRequest): boolean {
  const type = (request.headers["content-type"] ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
  // A missing media type is accepted: signature and parser decide.
  return type === "" || source.contentTypes.some((accepted) => accepted === "*" || accepted === type);
}

function trimmed(path: string): string {
  return path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;
}
