/** Raw request → verify → normalise → accept. web/ingest makes the HTTP response from the result. */
import { hash } from "node:crypto";
import { messageOf } from "../errors.ts";
import { LIMITS } from "../model.ts";
import type { Books } from "../ports/books.ts";
import type { Cache } from "../ports/cache.ts";
import type { Clock } from "../ports/clock.ts";
import type { Network } from "../ports/network.ts";
import type { Observer } from "../ports/observe.ts";
import type { Normalised, RawRequest, SourceConfig, Verdict, Webhook } from "../ports/provider.ts";
import type { Accept } from "./accept.ts";
import { createMemoryGate, type MemoryGate, valueBytes } from "./memory.ts";
import { createRefuse, type RefusalDetails, type Refuse } from "./refusals.ts";
import { encodingOf, unpack } from "./unpack.ts";

/** Longer ones are not repeated to their sender. */
const TYPE_CHARS_MAX = 100;

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
  /** Paths of fields that are not stored. */
  drop?: readonly string[];
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
  const memory = createMemoryGate(LIMITS.undecidedBytes / 4);
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
      return await receive({ ...deps, refuse, memory }, { configured, request, requestId, address });
    },
  };
}

interface ReceiveDeps extends ReceiverDeps {
  refuse: Refuse;
  memory: MemoryGate;
}

interface IncomingRequest {
  configured: ConfiguredSource;
  request: RawRequest;
  requestId: string;
  /** Address of the sender. */
  address: string;
}

async function receive(deps: ReceiveDeps, incoming: IncomingRequest): Promise<ReceiveResult> {
  const { request, configured, requestId } = incoming;
  const { source, config } = configured;
  const refuse = async (refusal: RefusalDetails) => {
    const { path, headers, body } = request;
    const delivery = headers[source.deliveryHeader?.(config.settings) ?? ""];
    const refusedRequest = { id: requestId, source: config.name, address: incoming.address, path, delivery, body };
    return { kind: "refused" as const, ...(await deps.refuse(refusedRequest, refusal)) };
  };
  const atMs = deps.clock.now();
  const verified = await verifiedRequest(deps, incoming, atMs);
  if (!verified.ok) return await refuse(verified.refusal);
  const bytes = valueBytes(verified.request.body.toString("latin1"));
  if (bytes > LIMITS.bodyValueBytes) {
    const detail = "The body holds so many values that reading it would take too much memory; send it in several parts";
    return await refuse({ code: "SB0506", detail });
  }
  const leave = await deps.memory.enter(bytes);
  try {
    const normalised = normalise(source, verified.request, config, atMs);
    if (normalised.kind === "malformed") return await refuse({ code: "SB0506", detail: normalised.detail });
    if (normalised.kind === "answer") return { kind: "answered", response: normalised.answer };
    return await store(deps, { ...incoming, request: verified.request }, normalised, atMs);
  } finally {
    leave();
  }
}

async function store(
  deps: ReceiveDeps,
  { configured, request, requestId }: IncomingRequest,
  { events, answer: response }: Extract<Normalised, { kind: "events" }>,
  atMs: number,
): Promise<ReceiveResult> {
  const origin = { ...configured, name: configured.config.name };
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

type Verified = { ok: true; request: RawRequest } | { ok: false; refusal: RefusalDetails };

/** The request with its body unpacked, once it is known to be its sender's; else why not. */
async function verifiedRequest(deps: ReceiverDeps, incoming: IncomingRequest, atMs: number): Promise<Verified> {
  const { configured, request, address } = incoming;
  if (configured.allows?.(address) === false) return refused({ code: "SB0503", reason: "ip_denied" });
  const typeProblem = contentTypeProblem(configured, request);
  if (typeProblem !== undefined) return refused({ code: "SB0505", detail: typeProblem });
  const verdict = await verify(deps, configured, request, atMs);
  if (encodingOf(request) === "identity") return verdict.ok ? { ok: true, request } : refused(refusalOf(verdict));
  // Some senders sign what they compress, others what they have compressed.
  const unpacked = await unpack(request, configured.bodyBytesMax);
  if (verdict.ok) return unpacked;
  if (!unpacked.ok) return refused(unpacked.refusal.code === "SB0504" ? unpacked.refusal : refusalOf(verdict));
  const second = await verify(deps, configured, unpacked.request, atMs);
  return second.ok ? unpacked : refused(refusalOf(second));
}

const refused = (refusal: RefusalDetails): Verified => ({ ok: false, refusal });

function refusalOf({ reason }: Extract<Verdict, { ok: false }>): RefusalDetails {
  return reason === "key_unavailable" ? { code: "SB0507" } : { code: "SB0503", reason };
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

/** Why a body of this media type is not taken. */
function contentTypeProblem({ source, config }: ConfiguredSource, { headers }: RawRequest): string | undefined {
  const type = (headers["content-type"] ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
  const accepted = [...source.contentTypes, ...(source.moreContentTypes?.(config.settings) ?? [])];
  // RFC 6839: JSON by another name, such as application/cloudevents+json.
  const isJson = /^application\/[a-z0-9.-]+\+json$/.test(type) && accepted.includes("application/json");
  // No media type at all is no wrong one: the signature decides, then the parser.
  if (type === "" || isJson || accepted.includes("*") || accepted.includes(type)) return undefined;
  return `Content-Type is ${JSON.stringify(type.slice(0, TYPE_CHARS_MAX))}, and this source takes ${accepted.join(", ")}`;
}

function trimmed(path: string): string {
  return path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;
}
