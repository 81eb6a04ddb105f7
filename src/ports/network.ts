/** The only way to a socket. */

export interface HttpRequest {
  method: string;
  url: string;
  headers?: Record<string, string>;
  body?: string | Buffer;
  /** Whole exchange; default 15,000. */
  timeoutMs?: number;
}

/** An answer, or how it failed: `refused` before the request can have been taken, `uncertain` after. */
export type HttpAnswer =
  | { kind: "answer"; status: number; headers: Record<string, string>; text: string; ms: number }
  | { kind: "refused"; code: string; detail: string; ms: number; permanent?: boolean }
  | { kind: "uncertain"; code: string; detail: string; ms: number };

/** HTTP with limits: no private addresses unless allowed, no redirects, bounded time and answer. Never throws for the network. */
export interface HttpClient {
  request(request: HttpRequest): Promise<HttpAnswer>;
}
