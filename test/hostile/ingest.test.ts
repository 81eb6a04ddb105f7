/** What senders that nobody has verified may cost: little work, few rows, and nobody else's place. */
import { generateKeyPairSync } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { memoryCache } from "../../src/cache/memory.ts";
import type { RawRequest, Source, SourceConfig } from "../../src/ports/provider.ts";
import { loadProviders } from "../../src/providers/index.ts";
import { formField, formFields } from "../../src/providers/kit/form.ts";
import { STANDARD_WEBHOOKS, type Verifier, verifySignature } from "../../src/providers/kit/signature.ts";
import { woundClock } from "../support/clock.ts";
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
const SIGNED_FIELD = {
  ...{ digest: "sha256", encoding: "hex", signatureHeader: "x-signature", prefix: "sha256=", key: "utf8" },
  message: ["formfield:payload"],
} as const;
const VERIFIERS: Verifier[] = [
  { kind: "hmac", ...SIGNED_FIELD },
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
  const context = { nowMs: NOW, cache: memoryCache({ clock: woundClock() }), http: NO_NETWORK };
  const sources = [...(await loadProviders()).values()].filter(({ source }) => source !== undefined);

  test.each(sources.map(({ name, source }) => ({ name, source: source as Source })))(
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
