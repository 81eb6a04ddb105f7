/** A stand-in's way to the wire: real HTTP on loopback, every request logged, answers that can be made to fail. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";

const BODY_BYTES_MAX = 1024 * 1024;

export interface Request {
  method: string;
  /** Without the query. */
  path: string;
  query: URLSearchParams;
  /** Names in lower case. */
  headers: Readonly<Record<string, string>>;
  body: string;
}

export interface Reply {
  status: number;
  headers?: Record<string, string>;
  /** A string is sent as text, anything else as JSON. */
  body?: unknown;
}

/** A request as it came, and the status it was answered with; absent when the answer was lost on the way. */
export interface Call {
  method: string;
  path: string;
  /** The parsed body, or its text when it is not JSON. */
  body: unknown;
  headers: Readonly<Record<string, string>>;
  status?: number;
}

/** What happens to the next `times` (default 1) requests of this method whose path contains `path`. */
export interface Fault {
  times?: number;
  method?: string;
  path?: string;
  /**
   * Answer this instead of doing anything; or cut the connection before, or after the request was carried out; or never answer,
   * carried out or not; or let something happen in between, such as a colleague who moves the ticket first.
   */
  what: Reply | "reset" | "reset-after" | "hang" | "hang-after" | ((carryOut: () => Reply) => Reply);
}

export interface Site {
  url: string;
  calls: Call[];
  fault(fault: Fault): void;
  close(): Promise<void>;
}

/** Serves `handle` on 127.0.0.1. Requests are carried out one at a time, in the order they came. */
export async function serve(handle: (request: Request) => Reply, port = 0): Promise<Site> {
  const calls: Call[] = [];
  const faults: Fault[] = [];

  function next(request: Request): Fault["what"] | undefined {
    const index = faults.findIndex(
      ({ method, path }) => (!method || method === request.method) && (!path || request.path.includes(path)),
    );
    const fault = faults[index];
    if (!fault) return undefined;
    const left = (fault.times ?? 1) - 1;
    if (left > 0) faults[index] = { ...fault, times: left };
    else faults.splice(index, 1);
    return fault.what;
  }

  async function answer(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const request = await read(message);
    if (!request) return send(response, { status: 413 });
    const call: Call = {
      method: request.method,
      path: message.url ?? "",
      body: parsed(request.body),
      headers: request.headers,
    };
    calls.push(call);
    const what = next(request);
    if (typeof what === "object") return sendLogged(response, what, call);
    if (what === "hang") return;
    if (what === "reset") return void message.socket.destroy();
    const reply = typeof what === "function" ? what(() => handle(request)) : handle(request);
    if (what === "hang-after") return;
    if (what === "reset-after") return void message.socket.destroy();
    sendLogged(response, reply, call);
  }

  const server = createServer((message, response) => {
    answer(message, response).catch((error: Error) => {
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

async function read(message: IncomingMessage): Promise<Request | undefined> {
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

function sendLogged(response: ServerResponse, reply: Reply, call: Call): void {
  call.status = reply.status;
  send(response, reply);
}

function send(response: ServerResponse, { status, headers, body }: Reply): void {
  const isText = typeof body === "string";
  const type = isText ? "text/plain; charset=utf-8" : "application/json; charset=utf-8";
  response.writeHead(status, { ...(body === undefined ? {} : { "content-type": type }), ...headers });
  response.end(isText ? body : body === undefined ? undefined : JSON.stringify(body));
}

/** The JSON of a text, or the text. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
