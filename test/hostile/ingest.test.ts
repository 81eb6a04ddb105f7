/** What senders that nobody has verified may cost: little work, few rows, and nobody else's place. */
import { generateKeyPairSync } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { memoryCache } from "../../src/cache/memory.ts";
import { createAccept } from "../../src/flow/accept.ts";
import { type ConfiguredSource, createReceiver } from "../../src/flow/receive.ts";
import { addressList, clientAddress } from "../../src/network/address.ts";
import type { Observation } from "../../src/ports/observe.ts";
import type { RawRequest, SourceConfig, Webhook } from "../../src/ports/provider.ts";
import { loadProviders } from "../../src/providers/index.ts";
import { formField, formFields } from "../../src/providers/kit/form.ts";
import { STANDARD_WEBHOOKS, type Verifier, verifySignature } from "../../src/providers/kit/signature.ts";
import { memoryStore } from "../../src/store/memory.ts";
import { woundClock } from "../support/clock.ts";
import { startEngine } from "../support/engine.ts";
import { GITHUB_SECRET, mergedPullRequest } from "../support/served.ts";
import { workOf } from "../support/work.ts";
import { NO_NETWORK } from "../support/world.ts";

const NOW = Date.parse("2026-01-05T09:00:00Z");
const BODY_BYTES = 256 * 1024;
const SECRET = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const FORM = "application/x-www-form-urlencoded";

const filled = (text: string, bytes: number) =>
  Buffer.from(text.repeat(Math.ceil(bytes / text.length)).slice(0, bytes));

/** Bodies in which a careless reader finds much to do. */
const BODIES = [
  "a&",
  "&",
  "a=&",
  "=",
  "payload=&",
  "payload",
  "%61&",
  "%7",
  "payload=%41",
  "+",
  "[],",
  '{"a":',
  '"\\',
  "\u00e9",
];

/** Headers that get as far into a check as one without the secret can. */
const HEADERS: Record<string, string> = {
  "content-type": FORM,
  "x-hub-signature-256": `sha256=${"0".repeat(64)}`,
  "x-hub-signature": `sha1=${"0".repeat(40)}`,
  "x-signature": `sha256=${"0".repeat(64)}`,
  "webhook-id": "msg_1",
  "webhook-timestamp": String(NOW / 1000),
  "webhook-signature": Array.from({ length: 300 }, () => `v1,${Buffer.alloc(32).toString("base64")}`).join(" "),
  authorization: `Bearer ${"a.".repeat(4_000)}`,
  signature: Buffer.alloc(256).toString("base64"),
  "x-webhook-signature": `${"e30.".repeat(3_000)}e30`,
  "x-forwarded-for": "10.0.0.1,".repeat(1_500),
};

const requestOf = (body: Buffer, headers = HEADERS): RawRequest => ({
  ...{ method: "POST", path: "/hooks/x", query: "", headers, body, remoteAddress: "10.0.0.1" },
});

/** Linear in the body, with a factor that does not grow with it; and what is done per field or header is bounded. */
async function expectLittleWork(body: Buffer, verify: () => unknown): Promise<void> {
  const { calls, bytes } = await workOf(verify);
  expect(calls).toBeLessThan(20_000);
  expect(bytes).toBeLessThan(12 * body.length + 1024 * 1024);
}

const PEM = String(
  generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey.export({ type: "spki", format: "pem" }),
);
const VERIFIERS: Verifier[] = [
  {
    kind: "hmac",
    digest: "sha256",
    encoding: "hex",
    signatureHeader: "x-signature",
    prefix: "sha256=",
    key: "utf8",
    message: ["formfield:payload"],
  },
  STANDARD_WEBHOOKS,
  {
    kind: "rsa",
    digest: "RSA-SHA1",
    encoding: "base64",
    signatureHeader: "signature",
    key: "pem",
    message: ["formfield:payload"],
  },
  {
    ...{ kind: "rsa", digest: "RSA-SHA256", encoding: "base64", signatureHeader: "webhook-signature", key: "pem" },
    ...{ list: { separator: " ", tag: "v1", kv: "," }, message: ["body"] },
  },
  {
    kind: "jwt-body-hash",
    signatureHeader: "x-webhook-signature",
    alg: "HS256",
    issuer: "netlify",
    claim: "sha256",
    key: "utf8",
  },
  { kind: "bearer", key: "utf8" },
  { kind: "basic", key: "user:pass" },
  { kind: "ip", cidrs: ["192.0.2.0/24"], trustedProxies: ["10.0.0.0/8"] },
];

describe("before a signature is known to be right, work is linear in the body and small", async () => {
  const context = { nowMs: NOW, cache: memoryCache({ clock: woundClock() }), network: NO_NETWORK };
  const sources = [...(await loadProviders()).values()].filter(({ source }) => source?.kind === "webhook");

  test.each(sources.map(({ name, source }) => ({ name, source: source as Webhook })))(
    "$name",
    async ({ name, source }) => {
      const settings = (source.settings as { examples?: [object] }).examples?.[0] ?? {};
      const config = { name, provider: name, secrets: [SECRET], settings } as SourceConfig;
      for (const text of BODIES) {
        const body = filled(text, BODY_BYTES);
        await expectLittleWork(body, () => source.verify(requestOf(body), config, context));
      }
    },
  );

  test.each(VERIFIERS.map((verifier) => ({ kind: verifier.kind, verifier })))("$kind", async ({ verifier }) => {
    const secret = "key" in verifier && verifier.key === "pem" ? PEM : SECRET;
    for (const text of BODIES) {
      const body = filled(text, BODY_BYTES);
      await expectLittleWork(body, () => verifySignature(verifier, requestOf(body), [secret], NOW));
    }
  });

  test("whatever the form, what is done does not grow with its number of fields", async () => {
    const field = fc.constantFrom("a", "payload=1", "", "=", "payload", "p%61yload=2", "%zz=%", "a=b=c");
    await fc.assert(
      fc.asyncProperty(fc.array(field, { minLength: 1, maxLength: 5 }), async (fields) => {
        const body = filled(`${fields.join("&")}&`, BODY_BYTES);
        await expectLittleWork(body, () => formField(body, "payload"));
        await expectLittleWork(body, () => formFields(body));
      }),
      { numRuns: 30 },
    );
  });
});

describe("a form", () => {
  test("with more fields than anybody sends is refused, and says so", () => {
    expect(formField(filled("a&", BODY_BYTES), "payload")).toEqual({
      ...{ ok: false, detail: "The form has more than 1000 fields" },
    });
    expect(formFields(filled("a&", BODY_BYTES))).toBeUndefined();
  });

  test("gives what the platform's own reader gives, for every form that has the field once", () => {
    const text = fc.string({ unit: fc.constantFrom("a", "%", "&", "=", "+", " ", "é", "\0", "p") });
    fc.assert(
      fc.property(
        text,
        fc.dictionary(
          text.filter((name) => name !== "payload"),
          text,
          { maxKeys: 5 },
        ),
        (value, others) => {
          const body = Buffer.from(new URLSearchParams({ ...others, payload: value }).toString());
          const field = formField(body, "payload");
          expect(field.ok && field.value.toString("utf8")).toBe(value);
          expect(formFields(body)).toEqual(Object.fromEntries(new URLSearchParams(body.toString())));
        },
      ),
    );
  });

  test.each(["payload=%", "payload=%4", "payload=%zz", "payload=%4g", "payload=a%"])(
    "%s is not url-encoded",
    (text) => {
      expect(formField(Buffer.from(text), "payload")).toMatchObject({ ok: false });
    },
  );

  test("whose field stands twice is refused however the name is written", () => {
    expect(formField(Buffer.from("payload=1&p%61yload=2"), "payload")).toMatchObject({ ok: false });
  });
});

/** The sources `web` and `api`, which GitHub signs for, and what became of requests to them. */
async function receiverOf(settings: Partial<ConfiguredSource> = {}) {
  const clock = woundClock();
  const store = memoryStore();
  const observations: Observation[] = [];
  const observe = (one: Observation) => void observations.push(one);
  const github = (await loadProviders()).get("github");
  const sources = ["web", "api"].map((name) => ({
    config: { name, provider: "github", secrets: [GITHUB_SECRET], settings: {} },
    ...{
      source: github?.source as Webhook,
      network: NO_NETWORK,
      paths: [`/hooks/${name}`],
      bodyBytesMax: 1024 * 1024,
      ...settings,
    },
  }));
  const deps = { store, clock, observe, cache: memoryCache({ clock }), sources };
  const receiver = createReceiver({ ...deps, accept: createAccept({ store, clock, observe, stored: () => {} }) });
  let number = 0;
  const send = async (name: string, remoteAddress: string, { secret = GITHUB_SECRET, headers = {} } = {}) => {
    const signed = mergedPullRequest(++number, { secret });
    const path = `/hooks/${name}`;
    const body = Buffer.from(signed.body);
    const request = {
      method: "POST",
      path,
      query: "",
      headers: { ...signed.headers, ...headers },
      body,
      remoteAddress,
    };
    const result = await receiver.receive(request, receiver.route(path)!, `req-${number}`);
    return result.kind === "refused" ? result.code : result.kind;
  };
  const forge = (name: string, address: string) => send(name, address, { secret: "a guess" });
  return { clock, store, send, forge, written: async () => (await store.refusals(5_000)).length };
}

describe("wrong signatures", () => {
  test("by the thousand from one address are 429 after a few, and hardly any is written down", async () => {
    const { forge, written } = await receiverOf();
    const codes = [];
    for (let i = 0; i < 3_000; i++) codes.push(await forge("web", "192.0.2.1"));
    expect(codes[0]).toBe("SB0503");
    expect(codes.filter((code) => code === "SB0509").length).toBeGreaterThan(2_900);
    expect(await written()).toBeLessThanOrEqual(100);
  });

  test("by the thousand from as many addresses are hardly written down either", async () => {
    const { forge, written } = await receiverOf();
    for (let i = 0; i < 3_000; i++) await forge("web", `10.${i >> 8}.${i & 255}.1`);
    expect(await written()).toBeLessThanOrEqual(100);
  });

  test("from all addresses of one IPv6 network count as those of one sender", async () => {
    const { forge } = await receiverOf();
    const codes = [];
    for (let i = 0; i < 100; i++) codes.push(await forge("web", `2001:db8:1:2::${i.toString(16)}`));
    expect(codes.at(-1)).toBe("SB0509");
    expect(await forge("web", "2001:db8:1:3::1")).toBe("SB0503");
  });

  test("do not harm the sender with the right secret, not even from the same address", async () => {
    const { send, forge } = await receiverOf();
    for (let i = 0; i < 200; i++) await forge("web", "192.0.2.1");
    expect(await send("web", "192.0.2.1")).toBe("stored");
    expect(await send("web", "192.0.2.2")).toBe("stored");
  });

  test("to one source or from one address leave the reasons of others readable", async () => {
    const { forge } = await receiverOf();
    for (let i = 0; i < 200; i++) await forge("web", "192.0.2.1");
    expect(await forge("web", "192.0.2.2")).toBe("SB0503");
    expect(await forge("api", "192.0.2.1")).toBe("SB0503");
  });

  test("are answered with their reason again after a while", async () => {
    const { clock, forge } = await receiverOf();
    for (let i = 0; i < 200; i++) await forge("web", "192.0.2.1");
    clock.advance(60_000);
    expect(await forge("web", "192.0.2.1")).toBe("SB0503");
  });

  test("and wrong content types count together", async () => {
    const { send, written } = await receiverOf();
    const headers = { "content-type": "text/html" };
    for (let i = 0; i < 1_000; i++) await send("web", "192.0.2.1", { headers });
    expect(await send("web", "192.0.2.1", { headers })).toBe("SB0509");
    expect(await written()).toBeLessThanOrEqual(100);
  });
});

describe("a refused request is found again", () => {
  test("by its address, path and the sender's own id of it", async () => {
    const { store, forge } = await receiverOf();
    await forge("web", "192.0.2.1");
    expect(await store.refusals(1)).toMatchObject([
      { address: "192.0.2.1", path: "/hooks/web", delivery: "00000000-0000-4000-8000-000000000001" },
    ]);
  });
});

describe("a source with `allow`", () => {
  const proxies = addressList(["10.0.0.0/8"]);
  const allowed = {
    allows: addressList(["192.0.2.0/24"]).has,
    addressOf: (request: RawRequest) => clientAddress(request, proxies),
  };

  test.each([
    { from: "192.0.2.7", headers: {}, answer: "stored" },
    { from: "::ffff:192.0.2.7", headers: {}, answer: "stored" },
    { from: "198.51.100.1", headers: {}, answer: "SB0503" },
    { from: "", headers: {}, answer: "SB0503" },
    { from: "10.0.0.1", headers: { "x-forwarded-for": "192.0.2.7" }, answer: "stored" },
    { from: "10.0.0.1", headers: { "x-forwarded-for": "192.0.2.7, 198.51.100.1" }, answer: "SB0503" },
    { from: "198.51.100.1", headers: { "x-forwarded-for": "192.0.2.7" }, answer: "SB0503" },
  ])("answers a right signature from $from with $headers: $answer", async ({ from, headers, answer }) => {
    const { send } = await receiverOf(allowed);
    expect(await send("web", from, { headers })).toBe(answer);
  });

  test("still wants a right signature from an address that may send", async () => {
    const { forge } = await receiverOf(allowed);
    expect(await forge("web", "192.0.2.7")).toBe("SB0503");
  });
});

test("a running server limits, allows and tells as configured", async () => {
  const config = (name: string, more: string) => `  ${name}: { provider: github, secret: env:GITHUB, ${more} }\n`;
  const sources = config("here", "allow: [127.0.0.1]") + config("elsewhere", "allow: [192.0.2.0/24, '2001:db8::/32']");
  const yaml = `server: { host: 127.0.0.1, port: 0, admin: { port: 0 } }\nstore: memory\nsources:\n${sources}`;
  const started = await startEngine({ "signalbox.yaml": yaml }, { GITHUB: GITHUB_SECRET });
  try {
    expect((await started.post("here", mergedPullRequest(1))).status).toBe(202);
    expect(await started.post("elsewhere", mergedPullRequest(2))).toMatchObject({
      status: 401,
      body: { reason: "ip_denied" },
    });
    const forged = mergedPullRequest(3, { secret: "a guess" });
    for (let i = 0; i < 30; i++) await started.post("here", forged);
    const limited = await fetch(`${started.ingestUrl}/hooks/here`, { method: "POST", ...forged });
    expect(limited.status).toBe(429);
    expect(Number(limited.headers.get("retry-after"))).toBeGreaterThan(0);
    expect((await started.post("here", mergedPullRequest(4))).status).toBe(202);
    const metrics = await started.api<string>("/metrics");
    expect(metrics.body).toMatch(/events_received_total\{source="here",status="429"\} \d\d/);
  } finally {
    await started.stop();
  }
});
