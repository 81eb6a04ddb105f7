/**
 * The ingest listener: collects the bodies of senders and passes them to flow/receive. Plain node:http, because every event takes this
 * path. Time, bytes and connections are bounded, and a refused sender still gets a response.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { type ErrorCode, messageOf, statusOf } from "../errors.ts";
import type { ReceiveResult, Receiver, Route } from "../flow/receive.ts";
import { encodingOf, unpackedBytesMax } from "../flow/unpack.ts";
import { LIMITS } from "../model.ts";
import type { Clock } from "../ports/clock.ts";
import type { Observer } from "../ports/observe.ts";
import type { RawRequest } from "../ports/provider.ts";
import { createBodyBuffer } from "./body-buffer.ts";
import { problemResponse, type TextResponse } from "./problem.ts";

/** Longer ones are not repeated to their sender. */
const ENCODING_CHARS_MAX = 100;

export interface IngestLimits {
  headersTimeoutMs: number;
  /** From the first byte of a request to the last of its body. */
  requestTimeoutMs: number;
  keepAliveTimeoutMs: number;
  headerBytesMax: number;
  /** Bytes of all bodies in memory, counted as they arrive and not as they are declared. */
  heldBytesMax: number;
  connectionsMax: number;
  /** How much of a refused body is read and dropped: some senders read the response only after writing the whole body. */
  drainBytesMax: number;
}

export const INGEST_LIMITS: IngestLimits = {
  headersTimeoutMs: 10_000,
  // GitHub gives up after 10 s, the most patient senders after 30 s.
  requestTimeoutMs: 30_000,
  // Longer than the 60 s that load balancers usually keep an idle connection, so that they close first.
  keepAliveTimeoutMs: 65_000,
  headerBytesMax: 16 * 1024,
  heldBytesMax: LIMITS.undecidedBytes,
  // Leaves descriptors for store and deliveries under the usual limit of 20,000 and above.
  connectionsMax: 16_000,
  drainBytesMax: 32 * 1024 * 1024,
};

export interface IngestOptions {
  receiver: Receiver;
  clock: Pick<Clock, "monotonic">;
  /** Semantic version, sent as `x-api-version`. */
  apiVersion: string;
  /** A new id for each request, sent as `x-api-uuid`. */
  requestId(): string;
  limits?: Partial<IngestLimits>;
  /** Called for every request that is answered, and when the receiver itself fails. */
  observe: Observer;
}

interface IngestState extends Omit<IngestOptions, "limits"> {
  limits: IngestLimits;
  heldBytes: number;
  exchanges: WeakMap<Duplex, Exchange>;
}

/** One request and its response. */
interface Exchange {
  request: IncomingMessage;
  response: ServerResponse;
  id: string;
  path: string;
  query: string;
  headers: Record<string, string>;
  declaredBytes: number;
  hasBody: boolean;
  route: Route | undefined;
  /** The connection is closed after this response. */
  isLast: boolean;
  /** Subtracts the body from the bytes in memory. Idempotent. */
  release(): void;
}

/** Not listening yet; `server.listen` and `server.close` are the caller's. */
export function ingestListener(options: IngestOptions): Server {
  const limits = { ...INGEST_LIMITS, ...options.limits };
  const headersTimeout = Math.min(limits.headersTimeoutMs, limits.requestTimeoutMs);
  const state: IngestState = { ...options, limits, heldBytes: 0, exchanges: new WeakMap() };
  const server = createServer({
    maxHeaderSize: limits.headerBytesMax,
    headersTimeout,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    // How often Node checks for late senders.
    connectionsCheckingInterval: Math.max(50, Math.min(5_000, Math.floor(headersTimeout / 4))),
  });
  server.maxConnections = limits.connectionsMax;
  server.on("request", (request, response) => admit(state, request, response));
  server.on("checkContinue", (request, response) => admit(state, request, response, () => response.writeContinue()));
  server.on("checkExpectation", (request, response) => admit(state, request, response));
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => handleClientError(state, error, socket));
  return server;
}

function admit(state: IngestState, request: IncomingMessage, response: ServerResponse, invite = () => {}): void {
  const exchange = newExchange(state, request, response);
  const { path, query, headers, route } = exchange;
  if (path === "/healthz" && (request.method === "GET" || request.method === "HEAD")) {
    send(state, exchange, { status: 200, contentType: "application/json", body: '{"ok":true}' });
    return;
  }
  const code = refusalWithoutBody(state, exchange);
  if (code !== undefined || route === undefined) {
    refuse(state, exchange, code ?? "SB0501", code === "SB0505" ? encodingProblem(headers) : undefined);
    return;
  }
  invite();
  const remoteAddress = request.socket.remoteAddress;
  const raw = { method: "POST", path, query, headers, ...(remoteAddress === undefined ? {} : { remoteAddress }) };
  collectBody(state, exchange, route, (body) => void receiveBody(state, exchange, route, { ...raw, body }));
}

function newExchange(state: IngestState, request: IncomingMessage, response: ServerResponse): Exchange {
  const [path, query] = splitUrl(request.url ?? "");
  const headers = foldHeaders(request.rawHeaders);
  // 0 for a chunked body; the parser has refused lengths that are no numbers or contradict each other.
  const declaredBytes = Number(headers["content-length"] ?? 0);
  const hasBody = declaredBytes > 0 || headers["transfer-encoding"] !== undefined;
  const route = state.receiver.route(path);
  const exchange: Exchange = {
    ...{ request, response, id: state.requestId(), path, query, headers, declaredBytes, hasBody, route },
    ...{ isLast: false, release() {} },
  };
  state.exchanges.set(request.socket, exchange);
  // Without listeners an error of the connection would end the process.
  request.on("error", () => {});
  response.on("error", () => {});
  return exchange;
}

function refusalWithoutBody(
  state: IngestState,
  { route, request, headers, declaredBytes }: Exchange,
): ErrorCode | undefined {
  if (!route) return "SB0501";
  if (request.method !== "POST") return "SB0502";
  if (encodingOf({ headers }) === undefined) return "SB0505";
  if (declaredBytes > route.bodyBytesMax) return "SB0504";
  return state.heldBytes >= state.limits.heldBytesMax ? "SB0507" : undefined;
}

/** Calls back with the whole body, or refuses the request as soon as it is too large. */
function collectBody(state: IngestState, exchange: Exchange, route: Route, whole: (body: Buffer) => void): void {
  const { request } = exchange;
  const body = createBodyBuffer(exchange.declaredBytes);
  let heldBytes = 0;
  exchange.release = () => {
    state.heldBytes -= heldBytes;
    heldBytes = 0;
  };
  const stop = (code: ErrorCode) => {
    request.off("data", take).off("end", finish);
    exchange.release();
    refuse(state, exchange, code);
  };
  const take = (chunk: Buffer) => {
    if (body.length + chunk.length > route.bodyBytesMax) return stop("SB0504");
    if (state.heldBytes + chunk.length > state.limits.heldBytesMax) return stop("SB0507");
    state.heldBytes += chunk.length;
    heldBytes += chunk.length;
    body.add(chunk);
  };
  const finish = () => {
    // What a compressed body becomes is held beside it.
    const more = encodingOf(exchange) === "gzip" ? unpackedBytesMax(body.length, route.bodyBytesMax) : 0;
    if (state.heldBytes + more > state.limits.heldBytesMax) return stop("SB0507");
    state.heldBytes += more;
    heldBytes += more;
    request.off("close", exchange.release);
    whole(body.take());
  };
  request.on("data", take).on("end", finish).on("close", exchange.release);
}

async function receiveBody(state: IngestState, exchange: Exchange, route: Route, raw: RawRequest): Promise<void> {
  const startedMs = state.clock.monotonic();
  try {
    const result = await state.receiver.receive(raw, route, exchange.id);
    const response = responseOf(result, exchange.id);
    const ms = state.clock.monotonic() - startedMs;
    const { source } = route;
    state.observe({
      ...{ kind: "received", source, status: response.status, ms, requestId: exchange.id },
      ...observedOf(result),
    });
    send(state, exchange, response);
  } catch (error) {
    state.observe({ kind: "fault", where: "ingest", message: messageOf(error) });
    refuse(state, exchange, "SB0910");
  } finally {
    exchange.release();
  }
}

/** The response to the sender: 202 for a new event, 200 for one that was stored before. */
export function responseOf(result: ReceiveResult, requestId: string): TextResponse {
  switch (result.kind) {
    case "refused":
      return problemResponse(result.code, { requestId, detail: result.detail, reason: result.reason });
    case "answered":
      return { contentType: "application/json", ...result.response };
    case "stored": {
      const { eventIds, isDuplicate, response } = result;
      if (response) return { contentType: "application/json", ...response };
      const outcome = isDuplicate ? "duplicate" : "stored";
      const body = eventIds.length === 1 ? { eventId: eventIds[0], outcome } : { eventIds, outcome };
      return { status: isDuplicate ? 200 : 202, contentType: "application/json", body: JSON.stringify(body) };
    }
  }
}

function observedOf(result: ReceiveResult): { code?: string; reason?: string; event?: string; duplicate?: boolean } {
  switch (result.kind) {
    case "refused": {
      const { code, reason = result.detail } = result;
      return reason === undefined ? { code } : { code, reason };
    }
    case "answered":
      return {};
    case "stored": {
      const [event] = result.eventIds;
      return { duplicate: result.isDuplicate, ...(event === undefined ? {} : { event }) };
    }
  }
}

/** Refuses a request that the receiver has not seen, or failed on. */
function refuse(state: IngestState, exchange: Exchange, code: ErrorCode, detail?: string): void {
  send(state, exchange, refusalOf(state, code, exchange.id, exchange.route, detail));
}

function encodingProblem(headers: Readonly<Record<string, string>>): string {
  const encoding = (headers["content-encoding"] ?? "").slice(0, ENCODING_CHARS_MAX);
  return `Content-Encoding is ${JSON.stringify(encoding)}, and a body is taken as it is or as gzip`;
}

function refusalOf(
  { observe }: IngestState,
  code: ErrorCode,
  requestId: string,
  route?: Route,
  detail?: string,
): TextResponse {
  observe({ kind: "received", source: route?.source ?? "unknown", status: statusOf(code), code, ms: 0, requestId });
  return problemResponse(code, { requestId, detail });
}

function send(state: IngestState, exchange: Exchange, message: TextResponse): void {
  const { request, response, isLast } = exchange;
  if (response.headersSent || response.destroyed) return;
  const mustDrain = !isLast && !request.complete && exchange.hasBody;
  const headers = responseHeaders(state, exchange.id, message);
  response.writeHead(message.status, mustDrain || isLast ? { ...headers, connection: "close" } : headers);
  if (!mustDrain) {
    response.end(message.body);
    return;
  }
  // The response is complete for the sender by its declared length, but is ended only when the body is read: closing a connection with
  // unread bytes would reset it, and the response would be lost. `requestTimeout` ends it at the latest.
  response.write(message.body);
  drain(request, state.limits.drainBytesMax, () => response.end());
}

function drain(request: IncomingMessage, bytesMax: number, done: () => void): void {
  let bytes = 0;
  request.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > bytesMax) request.pause();
  });
  request.on("end", done).on("close", done);
  request.resume();
}

/** Handles errors of the HTTP parser and timeouts: no request, half a request, or one that never ends. */
function handleClientError(
  state: IngestState,
  error: NodeJS.ErrnoException,
  socket: Duplex & { bytesRead?: number },
): void {
  const exchange = state.exchanges.get(socket);
  const isLate = error.code === "ERR_HTTP_REQUEST_TIMEOUT";
  const isOpen = exchange !== undefined && !exchange.response.writableEnded && !exchange.response.destroyed;
  if (isOpen && isLate && !exchange.response.headersSent) {
    exchange.isLast = true;
    exchange.release();
    refuse(state, exchange, "SB0508");
    return;
  }
  if (isOpen && exchange.request.complete && error.code?.startsWith("HPE_")) {
    // Invalid bytes after a complete request: that request still gets its response, and nothing after it.
    exchange.isLast = true;
    return;
  }
  // A connection that was opened early and never used is usual and not reported.
  if (isOpen || !socket.writable || !socket.bytesRead || error.code === "ECONNRESET") {
    socket.destroy();
    return;
  }
  const id = state.requestId();
  const response = isLate ? refusalOf(state, "SB0508", id) : unreadable(id, error);
  const headers = Object.entries({ ...responseHeaders(state, id, response), connection: "close" });
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const head = `HTTP/1.1 ${response.status} ${STATUS_CODES[response.status] ?? ""}\r\n${lines}\r\n`;
  socket.end(head + response.body, () => socket.destroy());
}

/** The request is not HTTP, or its header is too large. */
function unreadable(requestId: string, error: NodeJS.ErrnoException): TextResponse {
  const isTooMuch = error.code === "HPE_HEADER_OVERFLOW";
  const detail = isTooMuch ? "The header of the request is too large" : "The request is not well-formed HTTP/1.1";
  const status = isTooMuch ? 431 : 400;
  return problemResponse("SB0907", { requestId, status, detail });
}

function responseHeaders(state: IngestState, requestId: string, message: TextResponse): Record<string, string> {
  return {
    ...message.headers,
    "content-type": message.contentType,
    "content-length": `${Buffer.byteLength(message.body)}`,
    "x-content-type-options": "nosniff",
    "x-api-uuid": requestId,
    "x-api-version": state.apiVersion,
  };
}

/** Names in lower case, repeated ones joined: no value is dropped, because it may be signed. */
function foldHeaders(rawHeaders: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = Object.create(null);
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] ?? "").toLowerCase();
    const value = rawHeaders[index + 1] ?? "";
    const earlier = headers[name];
    headers[name] = earlier === undefined ? value : `${earlier}, ${value}`;
  }
  return headers;
}

/** Path and query as sent, nothing decoded. */
function splitUrl(url: string): [path: string, query: string] {
  const mark = url.indexOf("?");
  return mark < 0 ? [url, ""] : [url.slice(0, mark), url.slice(mark + 1)];
}
