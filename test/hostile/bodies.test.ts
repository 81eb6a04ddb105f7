/** Bodies as senders and their proxies really send them: compressed, under other names, several events at once, or nothing of the kind. */
import { createHmac, randomBytes } from "node:crypto";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { memoryCache } from "../../src/cache/memory.ts";
import { createAccept } from "../../src/flow/accept.ts";
import { createReceiver } from "../../src/flow/receive.ts";
import type { NewEvent } from "../../src/model.ts";
import { LIMITS } from "../../src/model.ts";
import http from "../../src/providers/http/index.ts";
import { memoryStore } from "../../src/store/memory.ts";
import { NO_NETWORK } from "../support/world.ts";

const NOW = Date.parse("2026-01-05T09:00:00Z");
const SECRET = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const BODY_BYTES = 1024 * 1024;
const clock = { now: () => NOW, monotonic: () => 0, sleep: async () => {} };
const verify = {
  kind: "hmac",
  digest: "sha256",
  encoding: "hex",
  signatureHeader: "x-signature",
  key: "utf8",
  message: ["body"],
};
const signed = (bytes: string | Buffer) => createHmac("sha256", SECRET).update(bytes).digest("hex");

/** A source of the provider http; what it stored, and how it answers. */
function sourceOf(settings: object = {}) {
  const stored: NewEvent[] = [];
  const store = memoryStore();
  const observe = () => {};
  const receiver = createReceiver({
    sources: [
      {
        config: { name: "ci", provider: "http", secrets: [SECRET], settings: { verify, ...settings } as never },
        source: http.source as never,
        network: NO_NETWORK,
        paths: ["/hooks/ci"],
        bodyBytesMax: BODY_BYTES,
      },
    ],
    accept: createAccept({ store, clock, observe, stored: (events) => stored.push(...events) }),
    store,
    clock,
    cache: memoryCache({ clock }),
    observe,
  });
  const receive = (bytes: string | Buffer, headers: Record<string, string> = {}, signature = signed(bytes)) => {
    const all = { "content-type": "application/json", "x-signature": signature, ...headers };
    const request = { method: "POST", path: "/hooks/ci", query: "", headers: all, body: Buffer.from(bytes) };
    return receiver.receive(request, { source: "ci", bodyBytesMax: BODY_BYTES }, "req-1");
  };
  return { stored, receive, data: () => stored.map(({ event }) => event.data) };
}

const GZIP = { "content-encoding": "gzip" };
const DATA = { app: "web", time: "2026-01-05T08:59:00Z" };
const BODY = JSON.stringify(DATA);

describe("a body that is gzip", () => {
  test.each([
    ["over what was sent", (packed: Buffer) => signed(packed)],
    ["over what it becomes", () => signed(BODY)],
  ])("is taken when its signature is right %s", async (_over, signatureOf) => {
    const { receive, data } = sourceOf();
    const packed = gzipSync(BODY);
    expect(await receive(packed, GZIP, signatureOf(packed))).toMatchObject({ kind: "stored" });
    expect(data()).toEqual([DATA]);
  });

  test("is the same event as the body it becomes, however it is packed", async () => {
    const { receive, data } = sourceOf();
    await receive(BODY);
    for (const level of [1, 9]) {
      expect(await receive(gzipSync(BODY, { level }), GZIP, signed(BODY))).toMatchObject({ isDuplicate: true });
    }
    expect(data()).toHaveLength(1);
  });

  test("is refused without a right signature, whatever it becomes", async () => {
    const { receive, data } = sourceOf();
    for (const bytes of [gzipSync(BODY), gzipSync(BODY).subarray(0, 20), Buffer.from(BODY)]) {
      expect(await receive(bytes, GZIP, "0".repeat(64))).toMatchObject({
        code: "SB0503",
        reason: "signature_mismatch",
      });
    }
    expect(data()).toEqual([]);
  });

  test.each([
    ["no gzip at all", Buffer.from(BODY)],
    ["half of one", gzipSync(JSON.stringify({ long: "x".repeat(100) })).subarray(0, 25)],
    ["one broken in the middle", Buffer.concat([gzipSync(BODY).subarray(0, 15), gzipSync(BODY)])],
  ])("and %s is told so, once its sender is known", async (_what, bytes) => {
    const { receive, data } = sourceOf();
    expect(await receive(bytes, GZIP)).toMatchObject({ code: "SB0506", detail: expect.stringContaining("not gzip") });
    expect(data()).toEqual([]);
  });

  test.each([
    ["larger than maxBody", gzipSync(`{"a":"${randomBytes(BODY_BYTES).toString("hex")}"}`)],
    ["more than a hundred times larger than itself", gzipSync(`{"a":"${" ".repeat(900_000)}"}`, { level: 9 })],
    ["a thousand times larger", gzipSync(Buffer.alloc(64 * 1024 * 1024))],
  ])("and becomes %s is refused, signed or not", async (_what, bytes) => {
    const { receive, data } = sourceOf();
    for (const signature of [signed(bytes), "0".repeat(64)]) {
      const result = await receive(bytes, GZIP, signature);
      expect(result).toMatchObject({ code: "SB0504", detail: expect.stringContaining("when it is unpacked") });
    }
    expect(data()).toEqual([]);
  });

  test("is unpacked once: a bomb inside is only bytes that are no JSON", async () => {
    const { receive } = sourceOf();
    const bomb = gzipSync(gzipSync(Buffer.alloc(16 * 1024 * 1024)));
    expect(await receive(bomb, GZIP)).toMatchObject({ code: "SB0506" });
  });

  test("becomes as large as an ordinary payload, however well it packs", async () => {
    const { receive, data } = sourceOf();
    const text = JSON.stringify({ a: " ".repeat(60_000) });
    expect(await receive(gzipSync(text), GZIP)).toMatchObject({ kind: "stored" });
    expect(data()).toHaveLength(1);
  });
});

describe("media types", () => {
  test.each(["application/json", "application/cloudevents+json", "application/vnd.acme.v2+json; charset=utf-8", ""])(
    "%j is JSON",
    async (type) => {
      expect(await sourceOf().receive(BODY, { "content-type": type })).toMatchObject({ kind: "stored" });
    },
  );

  test.each(["text/plain", "text/xml", "application/xml+json2", "application/+json", "+json"])(
    "%j is refused by its name, with those that are taken",
    async (type) => {
      const result = await sourceOf().receive(BODY, { "content-type": type });
      expect(result).toMatchObject({ code: "SB0505", detail: expect.stringContaining(`Content-Type is "${type}"`) });
      expect(result).toMatchObject({ detail: expect.stringContaining("takes application/json") });
    },
  );

  test("text/plain is JSON where the source says so", async () => {
    const { receive, data } = sourceOf({ contentTypes: ["text/plain"] });
    expect(await receive(BODY, { "content-type": "text/plain; charset=UTF-8" })).toMatchObject({ kind: "stored" });
    expect(data()).toEqual([DATA]);
  });

  test("a structured CloudEvent is an event of its own type and id", async () => {
    const { receive, stored } = sourceOf({
      type: { field: "type" },
      id: { field: "id" },
      attributes: { subject: "subject", time: "time" },
    });
    const envelope = {
      specversion: "1.0",
      id: "A-1",
      type: "com.acme.Built",
      source: "/ci",
      subject: "web",
      time: "2026-01-05T08:00:00Z",
    };
    await receive(JSON.stringify({ ...envelope, data: { ok: true } }), {
      "content-type": "application/cloudevents+json",
    });
    expect(stored[0]?.event).toMatchObject({ type: "http.com.acme.built", delivery: "A-1", subject: "web" });
  });
});

describe("a JSON array", () => {
  const items = [
    { event: "a", n: 1 },
    { event: "b", text: 'x],"{' },
    { event: "c", inner: [{}, [1, 2]] },
  ];

  test("is one event for each item where the source says so, in order, with its own type and text", async () => {
    const { receive, stored } = sourceOf({ batch: true, type: { field: "event" } });
    const body = `[ ${items.map((item) => JSON.stringify(item)).join(" ,\n")}, {"event":"big","n":12345678901234567890} ]`;
    const result = await receive(body);
    expect(result).toMatchObject({ kind: "stored", isDuplicate: false });
    expect(stored.map(({ event }) => event.type)).toEqual(["http.a", "http.b", "http.c", "http.big"]);
    expect(stored.map(({ dataText }) => dataText)).toEqual([
      ...items.map((item) => JSON.stringify(item)),
      '{"event":"big","n":12345678901234567890}',
    ]);
    expect(await receive(body)).toMatchObject({ isDuplicate: true });
  });

  test("whose items have ids of their own holds an item again wherever it stands", async () => {
    const { receive, stored } = sourceOf({ batch: true, id: { field: "id" } });
    await receive('[{"id":"a"},{"id":"b"}]');
    expect(await receive('[{"id":"b"},{"id":"a"}]')).toMatchObject({ isDuplicate: true });
    await receive('[{"id":"b"},{"id":"c"}]');
    expect(stored.map(({ event }) => event.delivery)).toEqual(["a", "b", "c"]);
  });

  test("of equal items is as many events as there are items", async () => {
    const { receive, data } = sourceOf({ batch: true });
    await receive('[{"a":1},{"a":1}]');
    expect(data()).toEqual([{ a: 1 }, { a: 1 }]);
  });

  test("where the source says so, a single object is one event, and an empty array is none", async () => {
    const { receive, data } = sourceOf({ batch: true });
    expect(await receive(BODY)).toMatchObject({ kind: "stored" });
    expect(await receive("[]")).toMatchObject({ kind: "answered", response: { status: 200 } });
    expect(data()).toEqual([DATA]);
  });

  test.each([
    ['[{"a":1},[]]', "Item 2 of the array is a JSON array"],
    ['[{"a":1},null]', "Item 2 of the array is null"],
    [JSON.stringify(Array(LIMITS.batchItems + 1).fill({})), `at most ${LIMITS.batchItems} are taken at once`],
  ])("is taken whole or not at all (case %#)", async (body, detail) => {
    const { receive, data } = sourceOf({ batch: true });
    expect(await receive(body)).toMatchObject({ code: "SB0506", detail: expect.stringContaining(detail) });
    expect(data()).toEqual([]);
  });
});

describe("what is wrong with a body is told by its cause", () => {
  const utf16 = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(BODY, "utf16le")]);
  test.each<[string, string | Buffer, string]>([
    ["an array", "[1]", "is a JSON array; send an object, or set batch: true"],
    ["a text", '"x"', "is a JSON text"],
    ["a number", "7", "is a JSON number"],
    ["null", "null", "is null"],
    ["nothing", "", "is empty"],
    ["blanks", " \n", "is empty"],
    ["half a body", BODY.slice(0, -1), "is not JSON, or only a part of it"],
    ["a form", "payload=%7B%7D", "is a form"],
    ["XML", "<a/>", "is XML or HTML"],
    ["gzip without its header", gzipSync(BODY), "no Content-Encoding says so"],
    ["brotli without its header", brotliCompressSync(BODY.repeat(50)), "UTF-8"],
    ["UTF-16", utf16, "is UTF-16"],
    ["UTF-16 without a mark", utf16.subarray(2), "no UTF-8 text"],
    ["Latin-1", Buffer.from('{"a":"\u00e9"}', "latin1"), "is not UTF-8"],
  ])("%s", async (_what, body, detail) => {
    expect(await sourceOf().receive(body)).toMatchObject({ code: "SB0506", detail: expect.stringContaining(detail) });
  });
});
