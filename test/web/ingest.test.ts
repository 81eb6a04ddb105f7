import { once } from "node:events";
import type { Server } from "node:http";
import type { Socket } from "node:net";
import { brotliCompressSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import type { Observation } from "../../src/ports/observe.ts";
import { createBodyBuffer } from "../../src/web/body-buffer.ts";
import { type IngestLimits, ingestListener } from "../../src/web/ingest.ts";
import { answered, closed, dial, heard, type Keeping, keepingReceiver, listening } from "./support/senders.ts";

const HOOK = "/hooks/github";
let receiver: Keeping;
let server: Server;
let port: number;
let observed: Observation[];

async function start(limits: Partial<IngestLimits> = {}, bodyBytesMax = 1024): Promise<void> {
  receiver = keepingReceiver({ [HOOK]: { source: "github", bodyBytesMax } });
  observed = [];
  let count = 0;
  const observe = (observation: Observation) => void observed.push(observation);
  const requestId = () => `req-${++count}`;
  server = ingestListener({ receiver, apiVersion: "1.2.3", requestId, limits, observe, clock: systemClock });
  port = await listening(server);
}

beforeEach(() => start());
afterEach(() => closed(server));

const url = (path: string) => `http://127.0.0.1:${port}${path}`;
const post = (body: string | Buffer, init: RequestInit = {}) => fetch(url(HOOK), { method: "POST", body, ...init });

/** Restarts with other limits. */
async function restart(limits: Partial<IngestLimits>, bodyBytesMax?: number): Promise<void> {
  await closed(server);
  await start(limits, bodyBytesMax);
}

/** What was counted as refused. */
const refusals = () =>
  observed.flatMap((one) =>
    one.kind === "received" ? [{ code: one.code, status: one.status, source: one.source }] : [],
  );

describe("a sender's request", () => {
  test("reaches the receiver byte for byte, with path, query and headers as sent", async () => {
    const body = Buffer.from([0, 255, 10, 13, 0xc3, 0x28, 7]);
    const response = await post(body, { headers: { "X-GitHub-Event": "push" } });
    expect(response.status).toBe(202);
    expect(await response.json()).toEqual({ eventId: "evt_req-1", outcome: "stored" });
    const [seen] = receiver.received;
    expect(seen?.body.equals(body)).toBe(true);
    expect(seen).toMatchObject({ method: "POST", path: HOOK, query: "", remoteAddress: "127.0.0.1" });
    expect(seen?.headers["x-github-event"]).toBe("push");
  });

  test("keeps its query apart and its path undecoded", async () => {
    await fetch(url(`${HOOK}?a=%20b&c`), { method: "POST", body: "x" });
    expect(receiver.received[0]).toMatchObject({ path: HOOK, query: "a=%20b&c" });
    const encoded = await fetch(url("/hooks/git%68ub"), { method: "POST", body: "x" });
    expect(encoded.status).toBe(404);
  });

  test("may come in chunks of any size", async () => {
    const socket = await dial(port);
    socket.write(`POST ${HOOK} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n`);
    for (const piece of ["a", "bc", "d".repeat(500)]) socket.write(`${piece.length.toString(16)}\r\n${piece}\r\n`);
    socket.write("0\r\n\r\n");
    expect(await answered(socket)).toMatch(/^HTTP\/1.1 202 /);
    expect(receiver.received[0]?.body.toString()).toBe(`abc${"d".repeat(500)}`);
    socket.destroy();
  });

  test("has repeated headers joined, names in lower case, and dangerous names kept harmless", async () => {
    const socket = await dial(port);
    const headers = ["X-Sig: one", "x-sig: two", "Content-Type: text/a", "content-type: text/b", "__proto__: x"];
    socket.write(`POST ${HOOK} HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n${headers.join("\r\n")}\r\n\r\nx`);
    await answered(socket);
    const seen = receiver.received[0]?.headers ?? {};
    expect(seen["x-sig"]).toBe("one, two");
    expect(seen["content-type"]).toBe("text/a, text/b");
    expect(Object.getPrototypeOf(seen)).toBe(null);
    expect(Object.keys(seen)).toContain("__proto__");
    socket.destroy();
  });

  test("that waits for 100-continue is invited, or refused before it sends the body", async () => {
    const socket = await dial(port);
    const head = `POST ${HOOK} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length:`;
    socket.write(`${head} 2\r\n\r\n`);
    await once(socket, "data").then(([chunk]) => expect(String(chunk)).toMatch(/^HTTP\/1.1 100 /));
    socket.write("ok");
    expect(await answered(socket)).toMatch(/^HTTP\/1.1 202 /);
    socket.destroy();
    const refused = await dial(port);
    refused.write(`${head} 2000\r\n\r\n`);
    expect(await answered(refused)).toMatch(/^HTTP\/1.1 413 /);
    refused.destroy();
  });

  test("on a kept connection is answered like the first", async () => {
    const socket = await dial(port);
    for (const body of ["one", "two"]) {
      const answer = answered(socket);
      socket.write(`POST ${HOOK} HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n${body}`);
      expect(await answer).toMatch(/^HTTP\/1.1 202 /);
      socket.removeAllListeners("data");
    }
    expect(receiver.received.map(({ body }) => body.toString())).toEqual(["one", "two"]);
    socket.destroy();
  });
});

describe("every answer carries the request's id and the version, and no banner", () => {
  const cases: [string, () => Promise<Response>, number][] = [
    ["accepted", () => post("{}"), 202],
    ["unknown path", () => fetch(url("/hooks/none"), { method: "POST", body: "x" }), 404],
    ["wrong method", () => fetch(url(HOOK)), 405],
    ["too large", () => post("x".repeat(1025)), 413],
    [
      "compressed in another way than gzip",
      () => post(brotliCompressSync("{}"), { headers: { "content-encoding": "br" } }),
      415,
    ],
    ["a fault of ours", () => post("break"), 500],
    ["health", () => fetch(url("/healthz")), 200],
  ];
  test.each(cases)("%s", async (_name, ask, status) => {
    const response = await ask();
    expect(response.status).toBe(status);
    expect(response.headers.get("x-api-uuid")).toMatch(/^req-\d+$/);
    expect(response.headers.get("x-api-version")).toBe("1.2.3");
    expect(response.headers.get("server")).toBe(null);
    expect(response.headers.get("x-powered-by")).toBe(null);
    expect(response.headers.get("content-type")).toMatch(/^application\/(problem\+)?json$/);
    if (status >= 400) {
      const body = (await response.json()) as { code: string; instance: string; status: number };
      expect(body).toMatchObject({ status, instance: response.headers.get("x-api-uuid") });
      expect(body.code).toMatch(/^SB\d{4}$/);
    }
  });

  test.each([
    ["not HTTP at all", "hello there\r\n\r\n", 400],
    ["a header of 20 KiB", `POST ${HOOK} HTTP/1.1\r\nHost: a\r\nX-Big: ${"x".repeat(20 * 1024)}\r\n\r\n`, 431],
    ["two lengths", `POST ${HOOK} HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab`, 400],
    [
      "length and chunks (smuggling)",
      `POST ${HOOK} HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      400,
    ],
  ])("%s", async (_name, text, status) => {
    const socket = await dial(port);
    socket.write(text);
    const answer = await heard(socket);
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(answer).toMatch(/x-api-uuid: req-\d+\r\n/);
    expect(answer).toMatch(/x-api-version: 1.2.3\r\n/);
    expect(JSON.parse(answer.split("\r\n\r\n")[1] ?? "")).toMatchObject({ status, code: "SB0907" });
    expect(receiver.received).toEqual([]);
  });

  test("a fault of ours shows nothing of its cause and is told inside", async () => {
    const response = await post("break");
    expect(await response.text()).not.toContain("fire");
    expect(observed).toEqual([
      { kind: "fault", where: "ingest", message: "the disk is on fire" },
      { kind: "received", source: "github", status: 500, code: "SB0910", ms: 0, requestId: "req-1" },
    ]);
  });
});

describe("what is refused is counted", () => {
  test.each(["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])(
    "%s on a hook is 405 and names POST",
    async (method) => {
      const response = await fetch(url(HOOK), { method });
      expect(response.status).toBe(405);
      expect(response.headers.get("allow")).toBe("POST");
      expect(refusals()).toEqual([{ code: "SB0502", status: 405, source: "github" }]);
    },
  );

  test("an unknown path is 404 and counted", async () => {
    await fetch(url("/x?y"), { method: "POST", body: "a" });
    expect(refusals()).toEqual([{ code: "SB0501", status: 404, source: "unknown" }]);
  });

  test("identity is no compression", async () => {
    expect((await post("{}", { headers: { "content-encoding": "identity" } })).status).toBe(202);
  });

  test("gzip is handed on as it arrived, another compression is refused by its name", async () => {
    const packed = gzipSync("{}");
    expect((await post(packed, { headers: { "content-encoding": "gzip" } })).status).toBe(202);
    expect(receiver.received.at(-1)?.body).toEqual(packed);
    const refused = await post(brotliCompressSync("{}"), { headers: { "content-encoding": "br" } });
    expect(refused.headers.get("accept-encoding")).toBe("gzip");
    expect(((await refused.json()) as { detail: string }).detail).toContain('Content-Encoding is "br"');
  });

  test("what a gzip body may become counts as held", async () => {
    await restart({ heldBytesMax: 1000 });
    expect((await post("{}")).status).toBe(202);
    expect((await post(gzipSync("{}"), { headers: { "content-encoding": "gzip" } })).status).toBe(503);
    expect((await post("{}")).status).toBe(202);
  });
});

describe("a body over the limit", () => {
  test("is taken to the last byte and refused at the next", async () => {
    expect((await post("x".repeat(1024))).status).toBe(202);
    expect((await post("x".repeat(1025))).status).toBe(413);
  });

  test("that is announced is refused before it is sent", async () => {
    const socket = await dial(port);
    socket.write(`POST ${HOOK} HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000000\r\n\r\n`);
    expect(await answered(socket)).toMatch(/^HTTP\/1.1 413 [\s\S]*connection: close/i);
    socket.destroy();
  });

  test("that is not announced is refused when it grows too large", async () => {
    const socket = await dial(port);
    socket.write(`POST ${HOOK} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n`);
    const answer = answered(socket);
    socket.write(`401\r\n${"x".repeat(1025)}\r\n`);
    expect(await answer).toMatch(/^HTTP\/1.1 413 /);
    expect(receiver.received).toEqual([]);
    socket.destroy();
  });

  test("that is sent in full before the sender listens still gets its answer, and the connection ends", async () => {
    const socket = await dial(port);
    socket.pause();
    const bytes = 8 * 1024 * 1024;
    socket.write(`POST ${HOOK} HTTP/1.1\r\nHost: a\r\nContent-Length: ${bytes}\r\n\r\n`);
    await new Promise((sent) => socket.write(Buffer.alloc(bytes), sent));
    expect(await heard(socket)).toMatch(/^HTTP\/1.1 413 [\s\S]*"SB0504"/);
  });

  test("is not read for ever: a sender of gigabytes is left standing and then cut off", async () => {
    await restart({ drainBytesMax: 1024 * 1024, requestTimeoutMs: 400 });
    const socket = await dial(port);
    socket.write(`POST ${HOOK} HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000000\r\n\r\n`);
    const chunk = Buffer.alloc(256 * 1024);
    const pump = () => {
      while (!socket.destroyed && socket.write(chunk));
    };
    socket.on("drain", pump);
    pump();
    expect(await heard(socket)).toMatch(/^HTTP\/1.1 413 /);
    // What was accepted is what we read and what the kernels' buffers hold, far from what was announced.
    expect(socket.bytesWritten - socket.writableLength).toBeLessThan(64 * 1024 * 1024);
  });
});

describe("memory", () => {
  test("for bodies is bounded in sum: over it 503 with Retry-After, and free again afterwards", async () => {
    await restart({ heldBytesMax: 1500 });
    const slow = await dial(port);
    slow.write(`POST ${HOOK} HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n${"x".repeat(900)}`);
    // Answered after the bytes above were read: connections are served in order of arrival.
    while ((await post("y".repeat(700))).status !== 503);
    const refused = await post("y".repeat(700));
    expect(refused.status).toBe(503);
    expect(refused.headers.get("retry-after")).toBe("5");
    expect((await post("y".repeat(500))).status).toBe(202);
    const answer = answered(slow);
    slow.write("x".repeat(100));
    expect(await answer).toMatch(/^HTTP\/1.1 202 /);
    slow.destroy();
    expect((await post("y".repeat(1000))).status).toBe(202);
  });

  test("is given back when a sender goes away in the middle", async () => {
    await restart({ heldBytesMax: 1500 });
    for (let round = 0; round < 3; round++) {
      const socket = await dial(port);
      socket.write(`POST ${HOOK} HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n${"x".repeat(900)}`);
      while ((await post("y".repeat(700))).status !== 503);
      socket.resetAndDestroy();
      let status = 503;
      for (let tries = 0; tries < 500 && status === 503; tries++) status = (await post("y".repeat(1000))).status;
      expect(status).toBe(202);
    }
  });

  test("is held while the receiver works", async () => {
    await restart({ heldBytesMax: 1500 });
    const open = receiver.close();
    const first = post("a".repeat(1000));
    while (receiver.entered < 1) await fetch(url("/healthz"));
    expect((await post("b".repeat(1000))).status).toBe(503);
    open();
    expect((await first).status).toBe(202);
    expect((await post("c".repeat(1000))).status).toBe(202);
  });

  test("follows what arrived, not what was announced", () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 40_000 }), { maxLength: 12 });
    fc.assert(
      fc.property(sizes, fc.boolean(), (lengths, isAnnounced) => {
        const pieces = lengths.map((length, index) => Buffer.alloc(length, index + 1));
        const wanted = Buffer.concat(pieces);
        const buffer = createBodyBuffer(isAnnounced ? wanted.length : 0);
        for (const piece of pieces) buffer.add(piece);
        expect(buffer.length).toBe(wanted.length);
        const body = buffer.take();
        expect(body.equals(wanted)).toBe(true);
        expect(body.buffer.byteLength).toBeLessThanOrEqual(Math.max(32 * 1024, 4 * wanted.length));
      }),
    );
  });
});

describe("senders that go wrong", () => {
  test("hanging up at any point crashes nothing", async () => {
    const text = `POST ${HOOK} HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\n\r\n${"x".repeat(40)}`;
    for (let cut = 0; cut <= text.length; cut += 7) {
      const socket = await dial(port);
      await new Promise((sent) => socket.write(text.slice(0, cut) || "P", sent));
      if (cut % 2 === 0) socket.resetAndDestroy();
      else socket.destroy();
    }
    expect((await post("{}")).status).toBe(202);
  });

  test("a good request is answered although rubbish follows it on the connection", async () => {
    const open = receiver.close();
    const socket = await dial(port);
    socket.write(`POST ${HOOK} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nokrubbish\r\n\r\n`);
    const all = heard(socket);
    while (receiver.entered < 1) await fetch(url("/healthz"));
    open();
    const answer = await all;
    expect(answer).toMatch(/^HTTP\/1.1 202 /);
    expect(answer.match(/HTTP\/1.1/g)).toHaveLength(1);
  });

  test("a header that never ends is answered 408 and cut off; a connection that says nothing is just closed", async () => {
    await restart({ headersTimeoutMs: 200 });
    const slow = await dial(port);
    slow.write("POST /hooks/github HTTP/1.1\r\nHost:");
    const silent = await dial(port);
    const [late, nothing] = await Promise.all([heard(slow), heard(silent)]);
    expect(late).toMatch(/^HTTP\/1.1 408 [\s\S]*x-api-uuid[\s\S]*"SB0508"/);
    expect(nothing).toBe("");
    expect(refusals()).toEqual([{ code: "SB0508", status: 408, source: "unknown" }]);
  });

  test("a body that never ends is answered 408, named and counted, and its memory given back", async () => {
    await restart({ headersTimeoutMs: 200, requestTimeoutMs: 300, heldBytesMax: 1000 });
    const slow = await dial(port);
    slow.write(`POST ${HOOK} HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n${"x".repeat(900)}`);
    expect(await heard(slow)).toMatch(/^HTTP\/1.1 408 [\s\S]*"SB0508"/);
    expect(refusals()).toEqual([{ code: "SB0508", status: 408, source: "github" }]);
    expect((await post("y".repeat(1000))).status).toBe(202);
  });

  test("an idle kept connection is closed", async () => {
    await restart({ keepAliveTimeoutMs: 100 });
    const socket = await dial(port);
    const all = heard(socket);
    socket.write("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
    expect(await all).toMatch(/^HTTP\/1.1 200 /);
  });

  test("2,000 idle and slow connections stop nobody, and are closed by the clock", async () => {
    const timeouts = (ms: number) => Object.assign(server, { headersTimeout: ms, requestTimeout: ms });
    await restart({ headersTimeoutMs: 200, requestTimeoutMs: 200 });
    // Nobody is late until the others are served, however long that takes here.
    timeouts(1_000_000);
    const crowd: Socket[] = [];
    // In groups below the kernel's queue of connections that nobody has accepted yet.
    while (crowd.length < 2_000) {
      crowd.push(...(await Promise.all(Array.from({ length: 200 }, () => dial(port)))));
      await post("{}");
    }
    const endings = crowd.map((socket) => heard(socket));
    for (const [index, socket] of crowd.entries()) {
      if (index % 3 === 0) socket.write("POST /hooks/gi");
      if (index % 3 === 1) socket.write(`POST ${HOOK} HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n{`);
    }
    const answers = await Promise.all(Array.from({ length: 20 }, () => post("{}")));
    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(202));
    // They were all still there while the others were served.
    expect(crowd.filter((socket) => !socket.destroyed).length).toBeGreaterThan(1_900);
    timeouts(200);
    const said = await Promise.all(endings);
    timeouts(1_000_000);
    const late = said.filter((text) => text.startsWith("HTTP/1.1 408 "));
    expect(late.length).toBe(said.filter((_, index) => index % 3 !== 2).length);
    expect((await post("{}")).status).toBe(202);
  });

  test("connections over the limit are not accepted, the others live on", async () => {
    await restart({ connectionsMax: 2 });
    const first = await dial(port);
    const second = await dial(port);
    const third = await dial(port);
    expect(await heard(third)).toBe("");
    first.write("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
    expect(await answered(first)).toMatch(/^HTTP\/1.1 200 /);
    first.destroy();
    second.destroy();
  });
});

test("HEAD on a hook is answered without a body, whatever it brings", async () => {
  const socket = await dial(port);
  socket.write(`HEAD ${HOOK} HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc`);
  const answer = await heard(socket);
  expect(answer).toMatch(/^HTTP\/1.1 405 /);
  expect(answer.split("\r\n\r\n")[1]).toBe("");
});
