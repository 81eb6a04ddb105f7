import { generateKeyPairSync, sign as signWithKey } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { RawRequest } from "../../src/ports/provider.ts";
import { STANDARD_WEBHOOKS, sign, type Verifier, verifySignature } from "../../src/providers/kit/signature.ts";

interface Vector {
  id: string;
  secret: string | string[] | null;
  headers: Record<string, string>;
  body: string;
  now?: number;
  remote?: string;
  cidrs?: string[];
  trustedProxies?: string[];
  expect: { valid: boolean; reason?: string };
}

const VECTORS = join(import.meta.dirname, "../fixtures/vectors");
const KINDS = ["hmac", "rsa", "ed25519", "static", "bearer", "basic", "jwt-body-hash", "ip"];
const NOW = 1_700_000_000_000;

const files = readdirSync(VECTORS)
  .filter((file) => file.endsWith(".json"))
  .map((file) => ({ file, ...JSON.parse(readFileSync(join(VECTORS, file), "utf8")) }))
  .filter(({ verifier }) => KINDS.includes(verifier?.kind));

function request(body: string | Buffer, headers: Record<string, string> = {}, remoteAddress?: string): RawRequest {
  const address = remoteAddress === undefined ? {} : { remoteAddress };
  return { method: "POST", path: "/", query: "", headers, body: Buffer.from(body), ...address };
}

function secretsOf(secret: Vector["secret"]): string[] {
  return secret === null ? [] : typeof secret === "string" ? [secret] : secret;
}

describe("every known request gets its verdict, for the reason named", () => {
  test("all the schemes are covered", () => {
    expect(new Set(files.map(({ verifier }) => verifier.kind))).toEqual(new Set(KINDS));
  });

  for (const { file, verifier, vectors } of files) {
    test.each((vectors as Vector[]).map((vector) => [vector.id, vector] as const))(`${file} %s`, (_id, vector) => {
      const { cidrs, trustedProxies } = vector;
      const scheme = verifier.kind === "ip" ? { ...verifier, cidrs, trustedProxies } : verifier;
      const nowMs = vector.now === undefined ? NOW : vector.now * 1000;
      const verdict = verifySignature(
        scheme,
        request(vector.body, vector.headers, vector.remote),
        secretsOf(vector.secret),
        nowMs,
      );
      expect(verdict.ok ? { valid: true } : { valid: false, reason: verdict.reason }).toEqual(vector.expect);
    });
  }
});

const HMAC: Verifier = {
  kind: "hmac",
  digest: "sha256",
  encoding: "hex",
  signatureHeader: "x-sig",
  prefix: "sha256=",
  key: "utf8",
  message: ["body"],
};
const JWT: Verifier = {
  kind: "jwt-body-hash",
  signatureHeader: "x-sig",
  alg: "HS256",
  issuer: "us",
  claim: "sha256",
  key: "utf8",
};
const SIGNABLE: readonly (readonly [string, Verifier])[] = [
  ["hmac", HMAC],
  ["hmac sha512 base64", { ...HMAC, digest: "sha512", encoding: "base64", prefix: "" }],
  [
    "stripe style",
    {
      kind: "hmac",
      digest: "sha256",
      encoding: "hex",
      signatureHeader: "x-sig",
      list: { separator: ",", tag: "v1", kv: "=" },
      timestamp: { listField: "t" },
      key: "utf8",
      message: ["timestamp", "lit:.", "body"],
    },
  ],
  ["standard webhooks", STANDARD_WEBHOOKS],
  ["form field", { ...HMAC, message: ["formfield:payload"] }],
  ["jwt", JWT],
  ["static", { kind: "static", header: "x-sig", key: "utf8" }],
  ["bearer", { kind: "bearer", key: "utf8" }],
  ["basic", { kind: "basic", key: "user:pass" }],
];
const SECRET = "c2VjcmV0OnNlY3JldDpzZWNyZXQ6c2VjcmV0";
const secretFor = (verifier: Verifier) => (verifier.kind === "basic" ? "user:pa:ss" : SECRET);
/** No escape of it has a letter: in lower case that would be another byte and the same text. */
const BODY = "payload=%22a%22%20%31&x=1";

describe("what we sign, we verify", () => {
  test.each(SIGNABLE)("%s: signed is verified, unsigned and wrongly keyed are refused", (_name, verifier) => {
    const secret = secretFor(verifier);
    const headers = sign(verifier, BODY, secret, NOW, "msg_1");
    expect(verifySignature(verifier, request(BODY, headers), [secret], NOW)).toMatchObject({
      ok: true,
      secretIndex: 0,
    });
    expect(verifySignature(verifier, request(BODY, headers), ["b3RoZXI=", secret], NOW)).toMatchObject({
      ok: true,
      secretIndex: 1,
    });
    expect(verifySignature(verifier, request(BODY), [secret], NOW)).toMatchObject({ reason: "missing_header" });
    expect(verifySignature(verifier, request(BODY, headers), ["b3RoZXI6b3RoZXI="], NOW).ok).toBe(false);
  });

  test.each(SIGNABLE.filter(([, { kind }]) => kind === "hmac" || kind === "jwt-body-hash"))(
    "%s: any changed byte of what is signed is refused",
    (_name, verifier) => {
      const headers = sign(verifier, BODY, SECRET, NOW, "msg_1");
      const signedBytes = BODY.indexOf("&");
      fc.assert(
        fc.property(fc.nat(signedBytes - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
          const body = Buffer.from(BODY);
          body[at] = (body[at] ?? 0) ^ flip;
          return !verifySignature(verifier, request(body, headers), [SECRET], NOW).ok;
        }),
      );
    },
  );

  test("a scheme whose private key only the sender has is not signed in silence", () => {
    const rsa = files.find(({ verifier }) => verifier.kind === "rsa")?.verifier;
    expect(() => sign(rsa, "{}", "x", NOW, "1")).toThrow("private key");
  });
});

describe("nothing is verified without a secret", () => {
  test.each(SIGNABLE)("%s", (_name, verifier) => {
    const headers = sign(verifier, BODY, secretFor(verifier), NOW, "msg_1");
    for (const secrets of [[], [""], ["", "  "]]) {
      expect(verifySignature(verifier, request(BODY, headers), secrets, NOW)).toMatchObject({ reason: "no_secret" });
    }
  });

  test("an empty secret beside a good one opens nothing", () => {
    const forged = { "x-sig": "sha256=b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad" };
    expect(verifySignature(HMAC, request("", forged), ["", SECRET], NOW)).toMatchObject({
      reason: "signature_mismatch",
    });
  });

  test("a secret that is not a key of its form is said to be none", () => {
    const headers = sign(STANDARD_WEBHOOKS, "{}", SECRET, NOW, "m");
    for (const secret of ["whsec_", "whsec_***"]) {
      expect(verifySignature(STANDARD_WEBHOOKS, request("{}", headers), [secret], NOW)).toMatchObject({
        reason: "no_secret",
      });
    }
  });
});

describe("only the canonical spelling of a signature counts", () => {
  const valid = sign(HMAC, BODY, SECRET, NOW, "1")["x-sig"] ?? "";
  test.each([
    ["upper-case hex", valid.replace(/=.*/, (hex) => hex.toUpperCase())],
    ["a doubled header", `${valid}, ${valid}`],
    ["a trailing character", `${valid}0`],
    ["spaces", ` ${valid}`],
  ])("%s", (_name, header) => {
    expect(verifySignature(HMAC, request(BODY, { "x-sig": header }), [SECRET], NOW)).toMatchObject({
      reason: "malformed_header",
    });
  });

  test("base64 with loose bits after its end is another text", () => {
    const headers = sign(STANDARD_WEBHOOKS, "{}", SECRET, NOW, "m");
    const loose = (headers["webhook-signature"] ?? "").replace(/(.)=$/, (_, last: string) => {
      return `${String.fromCharCode(last.charCodeAt(0) + 1)}=`;
    });
    const verdict = verifySignature(
      STANDARD_WEBHOOKS,
      request("{}", { ...headers, "webhook-signature": loose }),
      [SECRET],
      NOW,
    );
    expect(verdict).toMatchObject({ ok: false, reason: "malformed_header" });
  });
});

describe("times", () => {
  test.each([
    [-301, "timestamp_future"],
    [-300, undefined],
    [300, undefined],
    [301, "timestamp_stale"],
  ])("a signature %i seconds old: %s", (age, reason) => {
    const headers = sign(STANDARD_WEBHOOKS, "{}", SECRET, NOW, "m");
    const verdict = verifySignature(STANDARD_WEBHOOKS, request("{}", headers), [SECRET], NOW + age * 1000);
    expect(verdict.ok ? undefined : verdict.reason).toBe(reason);
  });

  test("a token that must be young is refused when it is old or does not say", () => {
    const young: Verifier = { ...JWT, toleranceSeconds: 60 };
    const headers = sign(JWT, "{}", SECRET, NOW, "1");
    expect(verifySignature(young, request("{}", headers), [SECRET], NOW + 60_000).ok).toBe(true);
    expect(verifySignature(young, request("{}", headers), [SECRET], NOW + 61_000)).toMatchObject({
      reason: "timestamp_stale",
    });
  });
});

test("a token in UTF-8 is known again after Node has read its bytes as latin1", () => {
  const asRead = Buffer.from("s3cret-töken", "utf8").toString("latin1");
  const verifier: Verifier = { kind: "static", header: "x-token", key: "utf8" };
  expect(verifySignature(verifier, request("{}", { "x-token": asRead }), ["s3cret-töken"], NOW).ok).toBe(true);
});

test("a key that cannot be read does not keep the others from verifying", () => {
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const pem = publicKey.export({ type: "spki", format: "pem" }).toString();
  const verifier: Verifier = {
    kind: "rsa",
    digest: "RSA-SHA256",
    encoding: "base64",
    signatureHeader: "x-sig",
    key: "pem",
    message: ["body"],
  };
  const headers = { "x-sig": signWithKey("RSA-SHA256", Buffer.from("{}"), privateKey).toString("base64") };
  expect(verifySignature(verifier, request("{}", headers), ["not a key", pem], NOW)).toMatchObject({ secretIndex: 1 });
  expect(verifySignature(verifier, request("{}", headers), ["not a key"], NOW)).toMatchObject({ reason: "no_secret" });
});

test("no header makes a verifier throw or agree", () => {
  const headerText = fc.oneof(
    fc.string(),
    fc.string({ unit: "binary" }),
    fc.constantFrom("a.b.c", "v1,", "sha256=", "t=,v1="),
  );
  fc.assert(
    fc.property(headerText, fc.uint8Array(), fc.constantFrom(...SIGNABLE), (text, body, [, verifier]) => {
      const names = ["x-sig", "webhook-signature", "webhook-id", "webhook-timestamp", "authorization"];
      const headers = Object.fromEntries(names.map((name) => [name, text]));
      return !verifySignature(verifier, request(Buffer.from(body), headers), [secretFor(verifier)], NOW).ok;
    }),
  );
});
