/**
 * The public listener: collects what senders post and hands it to flow/receive. Plain node:http, because every event pays
 * for this path. It trusts nothing: time, bytes and connections are bounded, and a refused sender still gets its answer.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import type { ErrorCode } from "../errors.ts";
import type { Receipt, Receiver, Route } from "../flow/receive.ts";
import type { Observer } from "../ports/observe.ts";
import type { RawRequest } from "../ports/provider.ts";
import { bodyBuffer } from "./body-buffer.ts";
import { PROBLEM_TYPE, problem } from "./problem.ts";

export interface IngestLimits {
  headersTimeoutMs: number;
  /** From the first byte of a request to the last of its body. */
  requestTimeoutMs: number;
  keepAliveTimeoutMs: number;
  headerBytesMax: number;
  /** Bodies held in memory at one time, counted as they arrive: a declared length alone takes nothing. */
  heldBytesMax: number;
  connectionsMax: number;
  /** How much of a refused body is read and dropped, so that a sender that only reads after writing gets its answer. */
  drainBytesMax: number;
}

export const INGEST_LIMITS: IngestLimits = {
  headersTimeoutMs: 10_000,
  // GitHub gives up after 10 s, the most patient senders after 30 s.
  requestTimeoutMs: 30_000,
  // Longer than the 60 s that load balancers usually keep an idle connection, so that they close first.
  keepAliveTimeoutMs: 65_000,
  headerBytesMax: 16 * 1024,
  heldBytesMax: 256 * 1024 * 1024,
  // Leaves descriptors for store and deliveries under the usual limit of 20,000 and above.
  connectionsMax: 16_000,
  drainBytesMax: 32 * 1024 * 1024,
};

export interface IngestOptions {
  receiver: Receiver;
  /** Semantic version, sent as `x-api-version`. */
  apiVersion: string;
  /** A new id for each request, sent as `x-api-uuid`. */
  requestId(): string;
  limits?: Partial<IngestLimits>;
  /** Told when the receiver itself fails. */
  observe?: Observer;
}

interface Desk extends Omit<IngestOptions, "limits"> {
  limits: IngestLimits;
  heldBytes: number;
  exchanges: WeakMap<Duplex, Exchange>;
}

/** One request and its answer. */
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
  /** The connection cannot take another request after this answer. */
  isLast: boolean;
  /** Gives back the memory that the body holds. Idempotent. */
  release(): void;
}

/** Not listening yet; `server.listen` and `server.close` are the caller's. */
export function ingestListener(options: IngestOptions): Server {
  const limits = { ...INGEST_LIMITS, ...options.limits };
  const headersTimeout = Math.min(limits.headersTimeoutMs, limits.requestTimeoutMs);
  const desk: Desk = { ...options, limits, heldBytes: 0, exchanges: new WeakMap() };
  const server = createServer({
    maxHeaderSize: limits.headerBytesMax,
    headersTimeout,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    // Node looks for late senders only this often.
    connectionsCheckingInterval: Math.max(50, Math.min(5_000, Math.floor(headersTimeout / 4))),
  });
  server.maxConnections = limits.connectionsMax;
  server.on("request", (request, response) => admit(desk, request, response));
  server.on("checkContinue", (request, response) => admit(desk, request, response, () => response.writeContinue()));
  server.on("checkExpectation", (request, response) => admit(desk, request, response));
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => breakOff(desk, error, socket));
  return server;
}

function admit(desk: Desk, request: IncomingMessage, response: ServerResponse, invite = () => {}): void {
  const exchange = begin(desk, request, response);
  const { path, query, headers, route } = exchange;
  if (path === "/healthz" && (request.method === "GET" || request.method === "HEAD")) {
    send(desk, exchange, { status: 200, contentType: "application/json", body: '{"ok":true}' });
    return;
  }
  const code = refusalWithoutBody(desk, exchange);
  if (code !== undefined || route === undefined) {
    turnAway(desk, exchange, code ?? "SB0501");
    return;
  }
  invite();
  const remoteAddress = request.socket.remoteAddress;
  const raw = { method: "POST", path, query, headers, ...(remoteAddress === undefined ? {} : { remoteAddress }) };
  collect(desk, exchange, route, (body) => void hand(desk, exchange, route, { ...raw, body }));
}

function begin(desk: Desk, request: IncomingMessage, response: ServerResponse): Exchange {
  const [path, query] = splitUrl(request.url ?? "");
  const headers = foldHeaders(request.rawHeaders);
  // 0 for a chunked body; the parser has refused lengths that are no numbers or contradict each other.
  const declaredBytes = Number(headers["content-length"] ?? 0);
  const hasBody = declaredBytes > 0 || headers["transfer-encoding"] !== undefined;
  const route = desk.receiver.route(path);
  const exchange: Exchange = {
    ...{ request, response, id: desk.requestId(), path, query, headers, declaredBytes, hasBody, route },
    ...{ isLast: false, release() {} },
  };
  desk.exchanges.set(request.socket, exchange);
  // A connection that breaks is the sender's business; without listeners it would be ours.
  request.on("error", () => {});
  response.on("error", () => {});
  return exchange;
}

function refusalWithoutBody(desk: Desk, { route, request, headers, declaredBytes }: Exchange): ErrorCode | undefined {
  if (!route) return "SB0501";
  if (request.method !== "POST") return "SB0502";
  // A compressed body would have to be unpacked before its signature is known to be right.
  if ((headers["content-encoding"] ?? "identity").toLowerCase() !== "identity") return "SB0505";
  if (declaredBytes > route.bodyBytesMax) return "SB0504";
  return desk.heldBytes >= desk.limits.heldBytesMax ? "SB0507" : undefined;
}

/** Calls back with the whole body, or refuses as soon as it is too much. */
function collect(desk: Desk, exchange: Exchange, route: Route, whole: (body: Buffer) => void): void {
  const { request } = exchange;
  const body = bodyBuffer(exchange.declaredBytes);
  let held = 0;
  exchange.release = () => {
    desk.heldBytes -= held;
    held = 0;
  };
  const stop = (code: ErrorCode) => {
    request.off("data", take).off("end", finish);
    exchange.release();
    turnAway(desk, exchange, code);
  };
  const take = (chunk: Buffer) => {
    if (body.length + chunk.length > route.bodyBytesMax) return stop("SB0504");
    if (desk.heldBytes + chunk.length > desk.limits.heldBytesMax) return stop("SB0507");
    desk.heldBytes += chunk.length;
    held += chunk.length;
    body.add(chunk);
  };
  const finish = () => {
    request.off("close", exchange.release);
    whole(body.take());
  };
  request.on("data", take).on("end", finish).on("close", exchange.release);
}

async function hand(desk: Desk, exchange: Exchange, route: Route, raw: RawRequest): Promise<void> {
  try {
    send(desk, exchange, await desk.receiver.receive(raw, route, exchange.id));
  } catch (error) {
    desk.observe?.({ kind: "fault", where: "ingest", message: error instanceof Error ? error.message : String(error) });
    turnAway(desk, exchange, "SB0910");
  } finally {
    exchange.release();
  }
}

/** What a sender can do about it, beside the words of the answer. */
const REMEDIES: Partial<Record<ErrorCode, Record<string, string>>> = {
  SB0502: { allow: "POST" },
  SB0505: { "accept-encoding": "identity" },
  SB0507: { "retry-after": "5" },
};

function turnAway(desk: Desk, exchange: Exchange, code: ErrorCode): void {
  const { id: requestId, path, route, declaredBytes: bytes } = exchange;
  const receipt = desk.receiver.turnAway(code, { requestId, path, bytes, ...(route ? { source: route.source } : {}) });
  send(desk, exchange, { ...receipt, headers: { ...REMEDIES[code], ...receipt.headers } });
}

function send(desk: Desk, exchange: Exchange, receipt: Receipt): void {
  const { request, response, isLast } = exchange;
  if (response.headersSent || response.destroyed) return;
  const mustDrain = !isLast && !request.complete && exchange.hasBody;
  const headers = answerHeaders(desk, exchange.id, receipt);
  response.writeHead(receipt.status, mustDrain || isLast ? { ...headers, connection: "close" } : headers);
  if (!mustDrain) {
    response.end(receipt.body);
    return;
  }
  // The length is announced, so the answer is whole for the sender although it is ended only when the body is gone: closing
  // over unread bytes would reset the connection and take the answer with it. `requestTimeout` ends it at the latest.
  response.write(receipt.body);
  drain(request, desk.limits.drainBytesMax, () => response.end());
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

/** What the parser or the clock refuses: no request, half a request, or one that never ends. */
function breakOff(desk: Desk, error: NodeJS.ErrnoException, socket: Duplex & { bytesRead?: number }): void {
  const exchange = desk.exchanges.get(socket);
  const isLate = error.code === "ERR_HTTP_REQUEST_TIMEOUT";
  const isOpen = exchange !== undefined && !exchange.response.writableEnded && !exchange.response.destroyed;
  if (isOpen && isLate && !exchange.response.headersSent) {
    exchange.isLast = true;
    exchange.release();
    turnAway(desk, exchange, "SB0508");
    return;
  }
  if (isOpen && exchange.request.complete && error.code?.startsWith("HPE_")) {
    // Rubbish behind a complete request: that one still gets its answer, nothing after it does.
    exchange.isLast = true;
    return;
  }
  // Connections that are opened early and never used are usual and not worth a word.
  if (isOpen || !socket.writable || !socket.bytesRead || error.code === "ECONNRESET") {
    socket.destroy();
    return;
  }
  const id = desk.requestId();
  const receipt = isLate ? desk.receiver.turnAway("SB0508", { requestId: id, path: "" }) : unreadable(id, error);
  const headers = Object.entries({ ...answerHeaders(desk, id, receipt), connection: "close" });
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const head = `HTTP/1.1 ${receipt.status} ${STATUS_CODES[receipt.status] ?? ""}\r\n${lines}\r\n`;
  socket.end(head + receipt.body, () => socket.destroy());
}

/** Not HTTP, or more header than fits. */
function unreadable(requestId: string, error: NodeJS.ErrnoException): Receipt {
  const isTooMuch = error.code === "HPE_HEADER_OVERFLOW";
  const detail = isTooMuch ? "The header of the request is too large" : "The request is not well-formed HTTP/1.1";
  const status = isTooMuch ? 431 : 400;
  return { status, contentType: PROBLEM_TYPE, body: JSON.stringify(problem("SB0907", { requestId, status, detail })) };
}

function answerHeaders(desk: Desk, requestId: string, receipt: Receipt): Record<string, string> {
  return {
    ...receipt.headers,
    "content-type": receipt.contentType,
    "content-length": `${Buffer.byteLength(receipt.body)}`,
    "x-content-type-options": "nosniff",
    "x-api-uuid": requestId,
    "x-api-version": desk.apiVersion,
  };
}

/** Names in lower case, repeated ones joined: what is signed must be seen whole, so nothing is dropped. */
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
