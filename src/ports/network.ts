/** The only way to a socket: one network per connection or source. */
import type { LookupFunction, Socket } from "node:net";

export interface HttpRequest {
  method: string;
  url: string;
  headers?: Record<string, string>;
  body?: string | Buffer;
  /** Whole exchange; default 15,000. */
  timeoutMs?: number;
}

/** What the other side answered over HTTP. */
export interface HttpResponse {
  kind: "answered";
  status: number;
  /** Names in lower case. */
  headers: Record<string, string>;
  text: string;
  ms: number;
}

/** An exchange of any transport that has no answer: `refused` before the request can have been taken, `uncertain` after. */
export type NoResponse =
  | { kind: "refused"; code: string; detail: string; permanent?: boolean }
  | { kind: "uncertain"; code: string; detail: string };

export type HttpResult = HttpResponse | (NoResponse & { ms: number });

/** HTTP with limits: no private addresses unless allowed, no redirects, bounded time and answer. Never throws for the network. */
export interface HttpClient {
  request(request: HttpRequest): Promise<HttpResult>;
}

/** Where a connection leads to. */
export interface SocketTarget {
  host: string;
  port: number;
  /** Speaks TLS and proves the host's name; default false. */
  tls?: boolean;
  /** Until it is connected; default 5,000. */
  timeoutMs?: number;
}

export type Connected = { kind: "connected"; socket: Socket } | Extract<NoResponse, { kind: "refused" }>;

/** Every way out judges the address, so that no protocol library gets past the guard against private ones. */
export interface Network {
  http: HttpClient;
  /** For libraries that open sockets themselves: hands Node exactly the addresses that were judged. It is not asked for an IP address as host. */
  lookup: LookupFunction;
  /** A judged address of the host, for libraries that take no `lookup`, and for a host that may be an IP address. Rejects with a `code`. */
  address(host: string): Promise<string>;
  /** A TCP or TLS connection. It is destroyed when this network ends. */
  connect(target: SocketTarget): Promise<Connected>;
  /** Takes credentials out of a text. */
  redact(text: string): string;
  /** Aborts when the attempt that this network was made for ends, or the process stops. */
  signal: AbortSignal;
}

/** The network of a connection or source as a whole. */
export interface SharedNetwork extends Network {
  /** The same for one attempt: what that has under way ends with the signal. */
  during(signal: AbortSignal): Network;
}
