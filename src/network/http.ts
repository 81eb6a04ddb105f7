/** HTTP with limits: the only door to undici. A failure is a result, never an exception. */
import { isIP } from "node:net";
import { Agent, type Dispatcher } from "undici";
import type { HttpRequest, HttpResponse, HttpResult, NoResponse } from "../ports/network.ts";
import { DOT_SEGMENT, hasDotSegment } from "./address.ts";
import { CONNECT_TIMEOUT_MS } from "./connect.ts";
import { type AddressGuard, failed, privateAddressDetail } from "./guard.ts";

/** Longest text of a response; a longer one is cut. */
const RESPONSE_BYTES_MAX = 1024 * 1024;
const EXCHANGE_TIMEOUT_MS = 15_000;

type Redact = (text: string) => string;

export interface Http {
  /** Ends with the signal. */
  exchange(request: HttpRequest, signal: AbortSignal): Promise<HttpResult>;
  close(): Promise<void>;
}

/** One pool of kept-alive connections. */
export function createHttp(redact: Redact, guard: AddressGuard): Http {
  const agent = new Agent({
    connect: { timeout: CONNECT_TIMEOUT_MS, lookup: guard.lookup },
    // The exchange as a whole has its own limit.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  return {
    async exchange(request, signal) {
      const startedAt = performance.now();
      const ended = redacted(await exchange({ agent, guard, request, signal }), redact);
      return { ...ended, ms: Math.round(performance.now() - startedAt) };
    },
    close: () => agent.destroy(),
  };
}

type Answered = Omit<HttpResponse, "ms">;
type Ended = Answered | NoResponse;

interface Exchange {
  agent: Agent;
  guard: AddressGuard;
  request: HttpRequest;
  signal: AbortSignal;
}

async function exchange(parts: Exchange): Promise<Ended> {
  const { request, signal, guard } = parts;
  const url = urlOf(request.url, guard);
  if (!(url instanceof URL)) return url;
  const controller = new AbortController();
  const stop = (code: string) => controller.abort(failed(code));
  const timer = setTimeout(() => stop("TIMEOUT"), request.timeoutMs ?? EXCHANGE_TIMEOUT_MS);
  const onStop = () => stop("CANCELLED");
  signal.addEventListener("abort", onStop, { once: true });
  if (signal.aborted) onStop();
  try {
    return await dispatch(url, { ...parts, signal: controller.signal });
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onStop);
  }
}

/** The address of a request, or why it is never called. */
function urlOf(text: string, guard: AddressGuard): URL | NoResponse {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url) return never("BAD_URL", "The URL is not well formed");
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    return never("BAD_URL", `The URL begins with "${url.protocol}", only http: and https: are called`);
  }
  if (hasDotSegment(text)) return never("BAD_URL", DOT_SEGMENT);
  if (url.username !== "" || url.password !== "") return never("BAD_URL", "The URL holds credentials");
  // Node does not look up an address, so it is checked here; URL has normalised decimal, octal and hexadecimal spellings.
  const host = url.hostname.replace(/^\[|\]$/g, "");
  return isIP(host) !== 0 && !guard.admits(host) ? privateAddress(url.host) : url;
}

/** One exchange. Before the request goes onto a connection a failure is `refused`, after that it is `uncertain`. */
function dispatch(url: URL, { agent, request, signal }: Exchange): Promise<Ended> {
  return new Promise((resolve) => {
    let isWritten = false;
    let head: Pick<Answered, "status" | "headers"> | undefined;
    const chunks: Buffer[] = [];
    let bytes = 0;
    let abort = (_reason: Error) => {};

    const answer = () => {
      if (head)
        resolve({
          kind: "answered",
          ...head,
          text: Buffer.concat(chunks).subarray(0, RESPONSE_BYTES_MAX).toString("utf8"),
        });
    };
    const fail = (error: unknown) => resolve(failure(error, url, { isWritten, status: head?.status }));
    signal.addEventListener(
      "abort",
      () => {
        fail(signal.reason);
        abort(signal.reason);
      },
      { once: true },
    );
    if (signal.aborted) return fail(signal.reason);

    try {
      agent.dispatch(
        {
          origin: url.origin,
          path: `${url.pathname}${url.search}`,
          method: request.method as Dispatcher.HttpMethod,
          headers: { "user-agent": "signalbox", ...lowerCased(request.headers) },
          body: request.body ?? null,
        },
        {
          onRequestStart(controller) {
            abort = (reason) => controller.abort(reason);
            if (signal.aborted) return abort(signal.reason);
            isWritten = true;
          },
          onResponseStart(_controller, status, headers) {
            head = { status, headers: joined(headers) };
          },
          onResponseData(controller, chunk) {
            chunks.push(chunk);
            bytes += chunk.length;
            if (bytes <= RESPONSE_BYTES_MAX) return;
            answer();
            controller.abort(failed("RESPONSE_CUT"));
          },
          onResponseEnd: answer,
          onResponseError: (_controller, error) => fail(error),
        },
      );
    } catch (error) {
      // undici throws for an invalid method, header name or value.
      resolve(never("BAD_REQUEST", error instanceof Error ? error.message : "The request cannot be sent"));
    }
  });
}

function lowerCased(headers: Record<string, string> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

function joined(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value ?? ""].flat().join(", ")]));
}

/** The detail leaves out the path, which is the credential of some providers. */
function failure(error: unknown, url: URL, progress: { isWritten: boolean; status: number | undefined }): NoResponse {
  const code = codeOf(error);
  if (code === "PRIVATE_ADDRESS") return privateAddress(url.host);
  if (code === "UND_ERR_INVALID_ARG") return never("BAD_REQUEST", "The request cannot be sent");
  if (!progress.isWritten) return { kind: "refused", code, detail: `No connection to ${url.host}: ${code}` };
  const when = progress.status === undefined ? "before it answered" : `while it answered ${progress.status}`;
  return { kind: "uncertain", code, detail: `The connection to ${url.host} ended ${when}: ${code}` };
}

const CODES: Readonly<Record<string, string>> = {
  UND_ERR_CONNECT_TIMEOUT: "CONNECT_TIMEOUT",
  UND_ERR_SOCKET: "ECONNRESET",
  UND_ERR_DESTROYED: "CANCELLED",
  UND_ERR_CLOSED: "CANCELLED",
};

function codeOf(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "FAILED";
  return CODES[code] ?? code;
}

function privateAddress(host: string): NoResponse {
  return never("PRIVATE_ADDRESS", privateAddressDetail(host));
}

function never(code: string, detail: string): NoResponse {
  return { kind: "refused", code, detail, permanent: true };
}

function redacted(ended: Ended, redact: Redact): Ended {
  if (ended.kind !== "answered") return { ...ended, detail: redact(ended.detail) };
  const headers = Object.entries(ended.headers).map(([name, value]) => [name, redact(value)]);
  return { ...ended, headers: Object.fromEntries(headers), text: redact(ended.text) };
}
