import { readFileSync } from "node:fs";
import { createServer as createHttp, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import { type AddressInfo, createServer as createTcp, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { isPrivateAddress } from "../../src/network/address.ts";
import { createNetwork, type NetworkOptions } from "../../src/network/network.ts";
import type { HttpClient, HttpRequest, HttpResponse, HttpResult } from "../../src/ports/network.ts";
import { cut, failure, type OutcomeOptions, outcomeOf } from "../../src/providers/kit/answer.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => new Promise((resolve) => server.close(resolve)));
  return (server.address() as AddressInfo).port;
}

async function serve(listener: RequestListener): Promise<number> {
  const server = createHttp(listener);
  closers.push(() => server.closeAllConnections());
  return listen(server);
}

async function serveRaw(onSocket: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  closers.push(() => sockets.forEach((socket) => void socket.destroy()));
  return listen(
    createTcp((socket) => {
      sockets.add(socket.on("error", () => {}));
      onSocket(socket);
    }),
  );
}

function client(options: Partial<NetworkOptions> = {}, signal?: AbortSignal): HttpClient {
  const network = createNetwork({ allowPrivate: true, redact: (text) => text, ...options });
  closers.push(() => network.close());
  return (signal ? network.during(signal) : network).http;
}

const ok = (_request: IncomingMessage, response: ServerResponse) => void response.end("fine");
const get = (url: string, extra: Partial<HttpRequest> = {}): HttpRequest => ({ method: "GET", url, ...extra });

describe("what must not be called is not called", () => {
  test.each([
    "http://127.0.0.1:PORT/",
    "http://2130706433:PORT/",
    "http://0x7f000001:PORT/",
    "http://0177.0.0.1:PORT/",
    "http://127.1:PORT/",
    "http://0.0.0.0:PORT/",
    "http://[::1]:PORT/",
    "http://[::]:PORT/",
    "http://[::ffff:127.0.0.1]:PORT/",
    "http://[::ffff:7f00:1]:PORT/",
    "http://localhost:PORT/",
    "http://169.254.169.254/latest/meta-data/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://192.168.1.1/",
    "http://100.64.0.1/",
    "http://224.0.0.1/",
    "http://[fe80::1]/",
    "http://[fd00::1]/",
    "http://[ff02::1]/",
    "http://[64:ff9b::7f00:1]/",
  ])("%s", async (url) => {
    let calls = 0;
    const port = await serve((request, response) => {
      calls++;
      ok(request, response);
    });
    const answer = await client({ allowPrivate: false }).request(get(url.replace("PORT", String(port))));
    expect(answer).toMatchObject({ kind: "refused", code: "PRIVATE_ADDRESS", permanent: true });
    expect(calls).toBe(0);
  });

  test.each([
    ["ftp://example.com/", "BAD_URL"],
    ["file:///etc/passwd", "BAD_URL"],
    ["not a url", "BAD_URL"],
    ["http://user:pass@127.0.0.1/", "BAD_URL"],
  ])("%s, not even where private addresses are allowed", async (url, code) => {
    const answer = await client().request(get(url));
    expect(answer).toMatchObject({ kind: "refused", code, permanent: true });
    expect(JSON.stringify(answer)).not.toContain("pass@");
  });

  test("one private address among those of a name refuses the name", async () => {
    const resolve: NetworkOptions["resolve"] = (_name, answer) =>
      answer(null, [
        { address: "93.184.216.34", family: 4 },
        { address: "127.0.0.1", family: 4 },
      ]);
    const answer = await client({ allowPrivate: false, resolve }).request(get("http://example.test/"));
    expect(answer).toMatchObject({ kind: "refused", code: "PRIVATE_ADDRESS", permanent: true });
  });

  test("a name is looked up once: the address that was judged is the one that is called", async () => {
    const port = await serve(ok);
    const answers = ["127.0.0.1", "169.254.169.254"];
    let lookups = 0;
    const resolve: NetworkOptions["resolve"] = (_name, answer) =>
      answer(null, [{ address: answers[lookups++] ?? "0.0.0.0", family: 4 }]);
    const answer = await client({ resolve }).request(get(`http://rebinding.test:${port}/`));
    expect(answer).toMatchObject({ kind: "answered", status: 200 });
    expect(lookups).toBe(1);
  });

  test("public addresses are not private", () => {
    for (const address of ["8.8.8.8", "140.82.112.3", "2606:50c0:8000::153", "::ffff:8.8.8.8"]) {
      expect(isPrivateAddress(address), address).toBe(false);
    }
    for (const address of ["", "example.com", "010.0.0.1", "fe80::1%eth0"]) {
      expect(isPrivateAddress(address), address).toBe(true);
    }
  });
});

describe("an exchange", () => {
  test("sends method, headers and body, and gives status, headers and text", async () => {
    const port = await serve((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk) => chunks.push(chunk));
      request.on("end", () => {
        response.writeHead(201, { "x-two": ["a", "b"] });
        response.end(`${request.method} ${request.url} ${request.headers["x-one"]} ${Buffer.concat(chunks)}`);
      });
    });
    const answer = await client().request({
      method: "POST",
      url: `http://127.0.0.1:${port}/a?b=c`,
      headers: { "X-One": "1" },
      body: "grüße",
    });
    expect(answer).toMatchObject({ kind: "answered", status: 201, text: "POST /a?b=c 1 grüße" });
    expect(answer).toMatchObject({ headers: { "x-two": "a, b" } });
  });

  test("follows no redirect", async () => {
    let calls = 0;
    const port = await serve((_request, response) => {
      calls++;
      response.writeHead(302, { location: "/elsewhere" }).end();
    });
    const answer = await client().request(get(`http://127.0.0.1:${port}/`));
    expect(answer).toMatchObject({ kind: "answered", status: 302 });
    expect(calls).toBe(1);
    expect(outcomeOf(answer, { nowMs: 0 })).toMatchObject({ kind: "rejected" });
  });

  test("cuts an answer that is too long, and says what it was", async () => {
    const port = await serve((_request, response) => void response.end("x".repeat(1_500_000)));
    const answer = (await client().request(get(`http://127.0.0.1:${port}/`))) as HttpResponse;
    expect(answer).toMatchObject({ kind: "answered", status: 200 });
    expect(answer.text).toHaveLength(1_048_576);
  });

  test("does not wait for the end of an answer that has none", async () => {
    const port = await serve((_request, response) => {
      const flood = () => {
        while (response.write("x".repeat(65_536))) {}
      };
      response.on("drain", flood);
      flood();
    });
    const answer = await client().request(get(`http://127.0.0.1:${port}/`, { timeoutMs: 10_000 }));
    expect(answer).toMatchObject({ kind: "answered", status: 200 });
  });

  test("keeps connections for the next ones", async () => {
    const ports = new Set<number | undefined>();
    const port = await serve((request, response) => {
      ports.add(request.socket.remotePort);
      ok(request, response);
    });
    const http = client();
    for (let i = 0; i < 10; i++) await http.request(get(`http://127.0.0.1:${port}/`));
    // undici rests a connection for one turn of the loop before it uses it again: two of them take turns.
    expect(ports.size).toBeLessThanOrEqual(2);
  });

  test("redacts credentials in text and headers", async () => {
    const port = await serve((_request, response) => {
      response.writeHead(401, { "www-authenticate": "hunter2 is wrong" }).end("no such token: hunter2");
    });
    const redact = (text: string) => text.replaceAll("hunter2", "***");
    const answer = await client({ redact }).request(get(`http://127.0.0.1:${port}/`));
    expect(JSON.stringify(answer)).not.toContain("hunter2");
    expect(answer).toMatchObject({ kind: "answered", text: "no such token: ***" });
  });

  test("a header that is none is refused for good, not thrown", async () => {
    const port = await serve(ok);
    const url = `http://127.0.0.1:${port}/`;
    const split = await client().request(get(url, { headers: { "x-a": "b\r\nx-injected: 1" } }));
    expect(split).toMatchObject({ kind: "refused", code: "BAD_REQUEST", permanent: true });
    expect(JSON.stringify(split)).not.toContain("injected");
    const method = await client().request({ method: "GE T", url });
    expect(method).toMatchObject({ kind: "refused", code: "BAD_REQUEST", permanent: true });
  });
});

describe("a failure before the request was taken is refused, after it uncertain", () => {
  test("nobody listens", async () => {
    const port = await serve(ok);
    await closers.pop()?.();
    const answer = await client().request(get(`http://127.0.0.1:${port}/secret-path?token=x`));
    expect(answer).toMatchObject({ kind: "refused", code: "ECONNREFUSED" });
    expect(answer).not.toHaveProperty("permanent");
    expect(JSON.stringify(answer)).not.toContain("secret-path");
  });

  test.each(["ENOTFOUND", "EAI_AGAIN"])("the name does not resolve: %s", async (code) => {
    const resolve: NetworkOptions["resolve"] = (_name, answer) => answer(Object.assign(new Error(code), { code }), []);
    expect(await client({ resolve }).request(get("http://nowhere.test/"))).toMatchObject({ kind: "refused", code });
  });

  test("the other side does not speak TLS", async () => {
    const port = await serve(ok);
    expect(await client().request(get(`https://127.0.0.1:${port}/`))).toMatchObject({ kind: "refused" });
  });

  test("the connection is closed after the request was written", async () => {
    const port = await serveRaw((socket) => void socket.once("data", () => socket.destroy()));
    const answer = await client().request({ method: "POST", url: `http://127.0.0.1:${port}/`, body: "x" });
    expect(answer).toMatchObject({ kind: "uncertain" });
  });

  test("the connection is closed in the middle of the answer", async () => {
    const port = await serveRaw((socket) => {
      socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf"));
    });
    const answer = await client().request(get(`http://127.0.0.1:${port}/`));
    expect(answer).toMatchObject({ kind: "uncertain", detail: expect.stringContaining("while it answered 200") });
  });

  test("the answer does not come in time", async () => {
    const port = await serve(() => {});
    const answer = await client().request(get(`http://127.0.0.1:${port}/`, { timeoutMs: 50 }));
    expect(answer).toMatchObject({ kind: "uncertain", code: "TIMEOUT" });
  });

  test("the answer trickles past its time", async () => {
    const port = await serve((_request, response) => {
      response.write("a");
      const trickle = setInterval(() => response.write("b"), 10);
      response.on("close", () => clearInterval(trickle));
    });
    const answer = await client().request(get(`http://127.0.0.1:${port}/`, { timeoutMs: 80 }));
    expect(answer).toMatchObject({ kind: "uncertain", code: "TIMEOUT" });
  });

  test("the name server does not answer in time", async () => {
    const answer = await client({ resolve: () => {} }).request(get("http://slow.test/", { timeoutMs: 50 }));
    expect(answer).toMatchObject({ kind: "refused", code: "TIMEOUT" });
  });

  test("the process stops", async () => {
    const stop = new AbortController();
    const port = await serve(() => stop.abort());
    const http = client({}, stop.signal);
    expect(await http.request(get(`http://127.0.0.1:${port}/`))).toMatchObject({
      kind: "uncertain",
      code: "CANCELLED",
    });
    expect(await http.request(get(`http://127.0.0.1:${port}/`))).toMatchObject({ kind: "refused", code: "CANCELLED" });
  });
});

// ---------------------------------------------------------------- answer → outcome

interface AnswerVector {
  id: string;
  target: string;
  status: number;
  headers: Record<string, string>;
  body: string;
  expect: { class: string; waitSeconds?: number };
}

const file = join(import.meta.dirname, "../fixtures/vectors/outbound-responses.json");
const answers = JSON.parse(readFileSync(file, "utf8")) as { now: number; vectors: AnswerVector[] };
// What is read from the remote state, from parts of an answer or over SMTP is the business of those who do it.
const OWN = ["reread", "partial", "noop"];
const READINGS: Record<string, Partial<OutcomeOptions>> = {
  github: { classify: ({ status, text }) => (status === 403 && /rate limit/.test(text) ? "retry" : undefined) },
};
const KIND: Record<string, string> = {
  ok: "done",
  retry: "retry",
  permanent: "rejected",
  auth: "rejected",
  disable: "rejected",
};

const answered = (status: number, headers: Record<string, string> = {}, text = ""): HttpResult => ({
  kind: "answered",
  status,
  headers,
  text,
  ms: 1,
});

describe("what an answer means", () => {
  const common = answers.vectors.filter(({ target, expect }) => target !== "smtp" && !OWN.includes(expect.class));
  test.each(common.map((vector) => [vector.id, vector] as const))(
    "%s",
    (_id, { target, status, headers, body, expect: wanted }) => {
      const reading = { nowMs: answers.now * 1000, target, repeatable: true, ...READINGS[target] };
      const outcome = outcomeOf(answered(status, headers, body), reading);
      expect(outcome.kind).toBe(KIND[wanted.class]);
      if (outcome.kind === "rejected") expect(outcome.error.code === "auth").toBe(wanted.class === "auth");
      if (wanted.waitSeconds !== undefined) {
        const afterMs = outcome.kind === "retry" ? (outcome.afterMs ?? 1_000) : Number.NaN;
        expect(Math.ceil(afterMs / 1000)).toBe(wanted.waitSeconds);
      }
    },
  );

  test.each([
    [200, "done"],
    [204, "done"],
    [301, "rejected"],
    [400, "rejected"],
    [401, "rejected"],
    [404, "rejected"],
    [408, "retry"],
    [409, "rejected"],
    [410, "rejected"],
    [422, "rejected"],
    [425, "retry"],
    [429, "retry"],
    [500, "uncertain"],
    [501, "rejected"],
    [502, "uncertain"],
    [503, "retry"],
    [504, "uncertain"],
  ])("%i to a request that must not be repeated blindly: %s", (status, kind) => {
    expect(outcomeOf(answered(status), { nowMs: 0 }).kind).toBe(kind);
  });

  test.each([
    [{ kind: "refused", code: "ECONNREFUSED", detail: "", ms: 1 } as const, "retry", "retry"],
    [{ kind: "refused", code: "PRIVATE_ADDRESS", detail: "", ms: 1, permanent: true } as const, "rejected", "rejected"],
    [{ kind: "uncertain", code: "TIMEOUT", detail: "", ms: 1 } as const, "uncertain", "retry"],
    [answered(502), "uncertain", "retry"],
  ])("%j: %s, and %s where repeating does no harm", (answer, once, again) => {
    expect(outcomeOf(answer, { nowMs: 0 }).kind).toBe(once);
    expect(outcomeOf(answer, { nowMs: 0, repeatable: true }).kind).toBe(again);
  });

  test("other statuses may be the confirmation, and only those", () => {
    const reading = { nowMs: 0, ok: (status: number) => status === 404 };
    expect(outcomeOf(answered(404), reading).kind).toBe("done");
    expect(outcomeOf(answered(200), reading).kind).toBe("rejected");
  });

  test("a failure holds the answer, cut where no character breaks", () => {
    const { message, status, body } = failure(answered(500, {}, "🚂".repeat(3_000)), "github");
    expect({ message, status }).toEqual({ message: "github answered 500", status: 500 });
    expect(body?.length).toBeLessThanOrEqual(2_000);
    expect(Buffer.from(body ?? "").toString()).toBe(body);
    expect(cut("a🚂b", 3)).toBe("a…");
    expect(cut("abc", 3)).toBe("abc");
  });
});
