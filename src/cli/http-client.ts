/** The API of a running server, over HTTP. */
import { type ApiClient, type ApiRequest, createClient, targetOf } from "../api/client.ts";
import type { Endpoint } from "../api/endpoint.ts";
import { API_ENDPOINTS } from "../api/index.ts";
import { type Diagnostic, ERRORS, type ErrorCode, SignalboxError } from "../errors.ts";
import { API_VERSION } from "../package.ts";

export interface HttpClientOptions {
  /** Address of the admin listener, without `/api/v1`. */
  url: string;
  token?: string;
  timeoutMs: number;
}

/** Rejects with SB0902 when no Signalbox answers, otherwise with the code of the response. */
export function httpClient(options: HttpClientOptions): ApiClient {
  return createClient((id, request) => sendRequest(options, API_ENDPOINTS[id], request));
}

async function sendRequest(options: HttpClientOptions, endpoint: Endpoint, request: ApiRequest): Promise<unknown> {
  const headers: Record<string, string> = { accept: "application/json" };
  if (options.token) headers.authorization = `Bearer ${options.token}`;
  if (endpoint.body) headers["content-type"] = "application/json";
  let response: Response;
  let text: string;
  try {
    const { method } = endpoint;
    const signal = AbortSignal.timeout(options.timeoutMs);
    const bodyOption = endpoint.body ? { body: JSON.stringify(request.body) } : {};
    const url = options.url.replace(/\/+$/, "") + targetOf(endpoint, request);
    response = await fetch(url, { method, headers, signal, redirect: "error", ...bodyOption });
    text = await response.text();
  } catch (error) {
    throw new SignalboxError("SB0902", `No server answers at ${options.url} (${reasonOf(error)})`, { cause: error });
  }
  const version = response.headers.get("x-api-version");
  if (version === null) throw notSignalbox(options.url, response.status);
  if (version.split(".")[0] !== API_VERSION.split(".")[0]) {
    const ours = `this command speaks ${API_VERSION}`;
    throw new SignalboxError("SB0902", `The server at ${options.url} speaks version ${version} of the API, ${ours}`);
  }
  const body = jsonOf(text);
  if (response.ok) return body;
  throw errorOf(body, { url: options.url, status: response.status });
}

function errorOf(body: unknown, { url, status }: { url: string; status: number }): SignalboxError {
  if (typeof body !== "object" || body === null) return notSignalbox(url, status);
  const { code, detail, title, problems } = body as Record<string, unknown>;
  if (typeof code !== "string" || !Object.hasOwn(ERRORS, code)) return notSignalbox(url, status);
  const message = String(detail ?? title ?? ERRORS[code as ErrorCode].title);
  return new SignalboxError(code as ErrorCode, message, {
    problems: Array.isArray(problems) ? (problems as Diagnostic[]) : [],
  });
}

function notSignalbox(url: string, status: number): SignalboxError {
  return new SignalboxError("SB0902", `What answers at ${url} is not Signalbox (status ${status})`);
}

function jsonOf(text: string): unknown {
  try {
    return text === "" ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The reason of a failed fetch, which Node keeps in `cause`. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === "TimeoutError") return "no answer in time";
  const { cause } = error as { cause?: { code?: unknown; message?: unknown } };
  return String(cause?.code ?? cause?.message ?? error.message);
}
