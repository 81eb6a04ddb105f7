/** HTTP for stand-ins, on loopback: every request is logged, and faults can be scripted. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";

const BODY_BYTES_MAX = 1024 * 1024;

export interface SandboxRequest {
  method: string;
  /** Without the query. */
  path: string;
  query: URLSearchParams;
  /** Names in lower case. */
  headers: Readonly<Record<string, string>>;
  body: string;
}

export interface SandboxResponse {
  status: number;
  headers?: Record<string, string>;
  /** A string is sent as text, anything else as JSON. */
  body?: unknown;
}

/** A request and the status of its response; absent when no response was sent. */
export interface LoggedRequest {
  method: string;
  path: string;
  /** The parsed body, or its text when it is not JSON. */
  body: unknown;
  headers: Readonly<Record<string, string>>;
  status?: number;
}

/** A fault of the next `times` (default 1) requests of this method whose path contains `path`. */
export interface Fault {
  times?: number;
  method?: string;
  path?: string;
  /**
   * A response instead of carrying out the request; `reset`: the connection ends before, or after, the request is carried out; `hang`: no
   * response, before or after; a function runs in place of the request and may carry it out.
   */
  what:
    | SandboxResponse
    | "reset"
    | "reset-after"
    | "hang"
    | "hang-after"
    | ((carryOut: () => SandboxResponse) => SandboxResponse);
}

export interface Site {
  url: string;
  calls: LoggedRequest[];
  fault(fault: Fault): void;
  close(): Promise<void>;
}

/** Serves `handle` on 127.0.0.1. Requests are carried out one at a time, in the order of their arrival. */
export async function serve(handle: (request: SandboxRequest) => SandboxResponse, port = 0): Promise<Site> {
  const calls: LoggedRequest[] = [];
  const faults: Fault[] = [];

  function takeFault(request: SandboxRequest): Fault["what"] | undefined {
    const index = faults.findIndex(
      ({ method, path }) => (!method || method === request.method) && (!path || request.path.includes(path)),
    );
    const fault = faults[index];
    if (!fault) return undefined;
    const remainingTimes = (fault.times ?? 1) - 1;
    if (remainingTimes > 0) faults[index] = { ...fault, times: remainingTimes };
    else faults.splice(index, 1);
    return fault.what;
  }

  async function respond(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const request = await readRequest(message);
    if (!request) return send(response, { status: 413 });
    const call: LoggedRequest = {
      method: request.method,
      path: message.url ?? "",
      body: jsonOrText(request.body),
      headers: request.headers,
    };
    calls.push(call);
    const what = takeFault(request);
    if (typeof what === "object") return sendLogged(response, what, call);
    if (what === "hang") return;
    if (what === "reset") return void message.socket.destroy();
    const result = typeof what === "function" ? what(() => handle(request)) : handle(request);
    if (what === "hang-after") return;
    if (what === "reset-after") return void message.socket.destroy();
    sendLogged(response, result, call);
  }

  const server = createServer((message, response) => {
    respond(message, response).catch((error: Error) => {
      send(response, { status: 500, body: error.message });
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  const address = server.address();
  return {
    url: `http://127.0.0.1:${typeof address === "object" && address ? address.port : port}`,
    calls,
    fault: (fault) => void faults.push(fault),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function readRequest(message: IncomingMessage): Promise<SandboxRequest | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of message) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) return undefined;
    chunks.push(chunk);
  }
  const [path = "/", query = ""] = (message.url ?? "/").split("?", 2);
  return {
    method: message.method ?? "GET",
    path,
    query: new URLSearchParams(query),
    headers: Object.fromEntries(Object.entries(message.headers).map(([name, value]) => [name, String(value)])),
    body: Buffer.concat(chunks).toString("utf8"),
  };
}

function sendLogged(response: ServerResponse, result: SandboxResponse, logged: LoggedRequest): void {
  logged.status = result.status;
  send(response, result);
}

function send(response: ServerResponse, { status, headers, body }: SandboxResponse): void {
  const isText = typeof body === "string";
  const type = isText ? "text/plain; charset=utf-8" : "application/json; charset=utf-8";
  response.writeHead(status, { ...(body === undefined ? {} : { "content-type": type }), ...headers });
  response.end(isText ? body : body === undefined ? undefined : JSON.stringify(body));
}

/** The value when the text is JSON, otherwise the text. */
export function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
