/** HTTP with limits: the only door to the network, and to undici. What fails is an answer of its own kind, never an exception. */
import { type LookupAddress, lookup as lookupName } from "node:dns";
import { isIP, type LookupFunction } from "node:net";
import { Agent, type Dispatcher } from "undici";
import type { HttpAnswer, HttpClient, HttpRequest } from "../ports/network.ts";
import { isPrivateAddress } from "./address.ts";

/** Nothing a provider tells us is longer; what is, is cut. */
export const ANSWER_BYTES_MAX = 1024 * 1024;
const CONNECT_TIMEOUT_MS = 5_000;
const EXCHANGE_TIMEOUT_MS = 15_000;

export interface HttpOptions {
  /** Whether private, loopback and link-local addresses may be called. */
  allowPrivate: boolean;
  answerBytesMax?: number;
  /** Takes credentials out of every text that leaves this module. */
  redact: (text: string) => string;
  /** Ends all exchanges, e.g. when the process stops. */
  signal?: AbortSignal;
  /** How names become addresses; Node's own by default. */
  lookup?: (name: string, answer: (error: Error | null, addresses: readonly LookupAddress[]) => void) => void;
}

/** One pool of kept-alive connections per client. */
export function httpClient(options: HttpOptions): HttpClient & { close(): Promise<void> } {
  const agent = new Agent({
    connect: { timeout: CONNECT_TIMEOUT_MS, lookup: guardedLookup(options) },
    // The exchange as a whole has its own limit.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  return {
    async request(request) {
      const startedAt = performance.now();
      const answer = await exchange(agent, request, options);
      return { ...answer, ms: Math.round(performance.now() - startedAt) } as HttpAnswer;
    },
    close: () => agent.destroy(),
  };
}

type Ended = Answered | Failed;
type Answered = Omit<Extract<HttpAnswer, { kind: "answer" }>, "ms">;
type Failed =
  | { kind: "refused"; code: string; detail: string; permanent?: boolean }
  | { kind: "uncertain"; code: string; detail: string };

async function exchange(agent: Agent, request: HttpRequest, options: HttpOptions): Promise<Ended> {
  const url = urlOf(request.url, options);
  if (!(url instanceof URL)) return url;
  const controller = new AbortController();
  const stop = (code: string) => controller.abort(Object.assign(new Error(code), { code }));
  const timer = setTimeout(() => stop("TIMEOUT"), request.timeoutMs ?? EXCHANGE_TIMEOUT_MS);
  const onStop = () => stop("CANCELLED");
  options.signal?.addEventListener("abort", onStop, { once: true });
  if (options.signal?.aborted) onStop();
  try {
    return redacted(await dispatch(agent, url, request, { options, signal: controller.signal }), options.redact);
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", onStop);
  }
}

/** The address of a request, or why it is never called. */
function urlOf(text: string, options: HttpOptions): URL | Failed {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url) return never("BAD_URL", "The URL is not well formed");
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    return never("BAD_URL", `The URL begins with "${url.protocol}", only http: and https: are called`);
  }
  if (url.username !== "" || url.password !== "") return never("BAD_URL", "The URL holds credentials");
  // An address is never looked up, so it is judged here; URL has made one of its decimal, octal and hexadecimal spellings.
  const host = url.hostname.replace(/^\[|\]$/g, "");
  return !options.allowPrivate && isIP(host) !== 0 && isPrivateAddress(host) ? privateAddress(url.host) : url;
}

/**
 * Resolves a name and hands Node exactly the addresses that were judged: a second answer of a hostile name server is never asked
 * for. One private address among them refuses the name.
 */
function guardedLookup({ allowPrivate, lookup = lookupAll }: HttpOptions): LookupFunction {
  return (name, { all }, callback) => {
    lookup(name, (error, addresses) => {
      const [first] = addresses ?? [];
      if (error || !first) return callback(error ?? failed("ENOTFOUND"), "", 0);
      if (!allowPrivate && addresses.some(({ address }) => isPrivateAddress(address))) {
        return callback(failed("PRIVATE_ADDRESS"), "", 0);
      }
      return all ? callback(null, [...addresses]) : callback(null, first.address, first.family);
    });
  };
}

function lookupAll(name: string, answer: (error: Error | null, addresses: readonly LookupAddress[]) => void): void {
  lookupName(name, { all: true }, answer);
}

function failed(code: string): Error {
  return Object.assign(new Error(code), { code });
}

interface Conditions {
  options: HttpOptions;
  signal: AbortSignal;
}

/** One exchange. Before the request goes onto a connection a failure is `refused`, after that it is `uncertain`. */
function dispatch(agent: Agent, url: URL, request: HttpRequest, { options, signal }: Conditions): Promise<Ended> {
  const bytesMax = options.answerBytesMax ?? ANSWER_BYTES_MAX;
  return new Promise((resolve) => {
    let isWritten = false;
    let head: Pick<Answered, "status" | "headers"> | undefined;
    const chunks: Buffer[] = [];
    let bytes = 0;
    let abort = (_reason: Error) => {};

    const answer = () => {
      if (head)
        resolve({ kind: "answer", ...head, text: Buffer.concat(chunks).subarray(0, bytesMax).toString("utf8") });
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
            if (bytes <= bytesMax) return;
            answer();
            controller.abort(failed("ANSWER_CUT"));
          },
          onResponseEnd: answer,
          onResponseError: (_controller, error) => fail(error),
        },
      );
    } catch (error) {
      // undici throws for what can never be sent: a method, header name or value that is none.
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

/** The path stays out of every detail: with some providers it is the credential. */
function failure(error: unknown, url: URL, progress: { isWritten: boolean; status: number | undefined }): Failed {
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

function privateAddress(host: string): Failed {
  return never(
    "PRIVATE_ADDRESS",
    `${host} is a private address; set allowPrivate: true on the connection if that is meant`,
  );
}

function never(code: string, detail: string): Failed {
  return { kind: "refused", code, detail, permanent: true };
}

function redacted(ended: Ended, redact: HttpOptions["redact"]): Ended {
  if (ended.kind !== "answer") return { ...ended, detail: redact(ended.detail) };
  const headers = Object.entries(ended.headers).map(([name, value]) => [name, redact(value)]);
  return { ...ended, headers: Object.fromEntries(headers), text: redact(ended.text) };
}
