/** The admin listener: probes, metrics and the API, for people and their tools. Routes come from the table of endpoints. */
import { createServer, type Server } from "node:http";
import express, { type Express, type NextFunction, type Request, type Response } from "express";
import type { Endpoint } from "../api/endpoint.ts";
import { ENDPOINTS } from "../api/index.ts";
import { ERRORS, type ErrorCode, SignalboxError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { parseJsonText } from "../model.ts";
import type { Operations } from "../operations/operations.ts";
import { authorize, guardLoopback, type Principal } from "./access.ts";
import type { Responder } from "./api/endpoint.ts";
import { apiResponders, probeResponders } from "./api/index.ts";
import type { MetricsText } from "./metrics.ts";
import { openApiDocument } from "./openapi.ts";
import { type ProblemOptions, problemResponse } from "./problem.ts";

export { assertAdminExposure } from "./access.ts";

const BODY_BYTES_MAX = 1024 * 1024;
const HEADER_BYTES_MAX = 16 * 1024;
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;

/** Responses are data: browsers must not execute, frame or guess them. */
const SECURITY_HEADERS = {
  "x-content-type-options": "nosniff",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
};

export interface AdminOptions {
  operations: Operations;
  /** loopback: bound to this machine, no token required. token: `Authorization: Bearer sbx_…`. */
  auth: { mode: "loopback" | "token" };
  metrics: { text(): Promise<MetricsText> };
  /** Semantic version, sent as `x-api-version`. */
  apiVersion: string;
  requestId(): string;
  log: Pick<Logger, "debug" | "info" | "warn" | "error">;
}

/** Not listening yet; `server.listen` and `server.close` are the caller's. */
export function adminListener(options: AdminOptions): Server {
  const timeouts = { headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS };
  return createServer({ maxHeaderSize: HEADER_BYTES_MAX, ...timeouts }, adminApp(options));
}

function adminApp(options: AdminOptions): Express {
  const { operations, metrics } = options;
  const deps = { operations, metrics, document: () => openApiDocument(options.apiVersion) };
  const app = express().disable("x-powered-by").set("etag", false).set("query parser", "simple");
  app.use(identify(options));
  if (options.auth.mode === "loopback") app.use(guardLoopback);
  for (const responder of [...probeResponders(deps), ...Object.values(apiResponders(deps))]) {
    const { endpoint } = responder;
    const method = endpoint.method.toLowerCase() as "get" | "post" | "delete";
    const json = express.json({ limit: BODY_BYTES_MAX, inflate: false, type: () => true, verify: keepText });
    const body = endpoint.body ? [json, keepDigits] : [];
    app[method](expressPath(endpoint), authorize(options, endpoint.scope), requireJson, ...body, handlerOf(responder));
  }
  for (const path of new Set(Object.values(ENDPOINTS).map(expressPath))) app.all(path, refuseMethod(path));
  app.use((request) => {
    throw new SignalboxError("SB0905", `Nothing is at ${request.path}; see /api/v1/openapi.json`);
  });
  app.use(errorHandler(options));
  return app;
}

/** Adds the request's id and the API version to every response, and logs every request with that id. */
function identify({ requestId, apiVersion, log }: AdminOptions) {
  return (request: Request, response: Response, next: NextFunction) => {
    const id = requestId();
    response.locals.requestId = id;
    response.set({ "x-api-uuid": id, "x-api-version": apiVersion, ...SECURITY_HEADERS });
    if (request.path.startsWith("/api")) response.set("cache-control", "no-store");
    const { method, path } = request;
    response.on("finish", () => {
      const { who, problem: code } = response.locals as { who?: string; problem?: string };
      const fields = {
        requestId: id,
        method,
        path,
        status: response.statusCode,
        ...(who ? { who } : {}),
        ...(code ? { code } : {}),
      };
      const isWrite = method !== "GET" && method !== "HEAD";
      log[response.statusCode >= 400 ? "warn" : isWrite ? "info" : "debug"]("Admin request", fields);
    });
    next();
  };
}

function keepText(_request: unknown, response: object, body: Buffer, encoding: string): void {
  (response as Response).locals.text = new TextDecoder(encoding).decode(body);
}

/** Express reads the body first, so that what is no JSON is refused as ever. */
function keepDigits(request: Request, response: Response, next: NextFunction): void {
  const { text } = response.locals as { text?: string };
  if (text) {
    const { value, isExact } = parseJsonText(text);
    if (!isExact) request.body = value;
  }
  next();
}

function requireJson(request: Request, _response: Response, next: NextFunction): void {
  const { "content-length": length = "0", "transfer-encoding": encoding } = request.headers;
  const hasBody = length !== "0" || encoding !== undefined;
  if (hasBody && !request.is("application/json")) {
    throw new SignalboxError("SB0912", `Content type is "${request.headers["content-type"] ?? ""}"`);
  }
  next();
}

function handlerOf({ endpoint, respond }: Responder) {
  return async (request: Request, response: Response) => {
    const query = withNumbers(endpoint, request.query);
    const params = request.params as Record<string, string>;
    const principal = response.locals as Principal;
    const leaving = new AbortController();
    response.once("close", () => leaving.abort());
    const { signal } = leaving;
    const { status, body } = await respond({ params, query, body: request.body, principal, signal });
    response.status(status);
    if (body === undefined) response.end();
    else if (endpoint.produces) response.set("content-type", endpoint.produces).end(String(body));
    else response.json(body);
  };
}

/** The query with numbers where its schema has integers; other text stays and is refused by the schema. */
function withNumbers({ query }: Endpoint, values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const isInteger = (name: string) => (query?.properties[name] as { type?: string } | undefined)?.type === "integer";
  const convert = ([name, value]: [string, unknown]) => {
    return [name, isInteger(name) && typeof value === "string" && /^\d{1,15}$/.test(value) ? Number(value) : value];
  };
  return Object.fromEntries(Object.entries(values).map(convert));
}

function refuseMethod(path: string) {
  const methods = Object.values(ENDPOINTS)
    .filter((endpoint) => expressPath(endpoint) === path)
    .map(({ method }) => method);
  const allow = methods.flatMap((method) => (method === "GET" ? ["GET", "HEAD"] : [method])).join(", ");
  return (request: Request, response: Response) => {
    response.set("allow", allow);
    throw new SignalboxError("SB0911", `${request.method} is not known here, ${allow} is`);
  };
}

function errorHandler({ log }: AdminOptions) {
  return (error: unknown, request: Request, response: Response, next: NextFunction) => {
    if (response.headersSent) return next(error);
    const requestId = String(response.locals.requestId);
    const signalboxError = error instanceof SignalboxError ? error : errorOfExpress(error);
    const code = signalboxError?.code ?? "SB0910";
    const { status, contentType, headers, body } = problemResponse(code, {
      requestId,
      ...publicDetails(signalboxError),
    });
    response.locals.problem = code;
    if (status >= 500) log.error("Admin request failed", { requestId, path: request.path, error });
    response
      .status(status)
      .set({ ...headers, "content-type": contentType })
      .end(body);
  };
}

/** The part of an error that a client may read. The message of a code without a status is for the log only. */
function publicDetails(error: SignalboxError | undefined): Omit<ProblemOptions, "requestId"> {
  if (!error) return {};
  const { message: detail, problems } = error;
  if (error.code === "SB0401") return { detail, problems, status: 409 };
  return "status" in ERRORS[error.code] ? { detail, problems } : {};
}

/** An error of express or its parser as ours; undefined = a fault of Signalbox. */
function errorOfExpress(error: unknown): SignalboxError | undefined {
  const { type, status } = (typeof error === "object" ? error : {}) as { type?: string; status?: number };
  const codes: Record<string, ErrorCode> = {
    "entity.too.large": "SB0913",
    "encoding.unsupported": "SB0912",
    "charset.unsupported": "SB0912",
  };
  if (type === "entity.parse.failed") return new SignalboxError("SB0907", "The body is not JSON");
  const code = codes[type ?? ""];
  if (code) return new SignalboxError(code, ERRORS[code].title);
  if (status !== undefined && status >= 400 && status < 500)
    return new SignalboxError("SB0907", "The request cannot be read");
  return undefined;
}

const expressPath = ({ path }: { path: string }) => path.replace(/\{(\w+)\}/g, ":$1");
