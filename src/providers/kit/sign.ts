/** Signs requests as their sender does, for samples and for our own requests. */
import { createHash, createHmac } from "node:crypto";
import { formField } from "./form.ts";
import { hmacKey } from "./proof.ts";
import type { JwtVerifier, SignatureVerifier, Verifier } from "./verifier.ts";

/** Seconds for which a token of ours is valid. */
const TOKEN_SECONDS = 300;

/**
 * The headers that prove the body. `id` is the message id for schemes that sign one. Throws for schemes in which only the sender
 * holds the private key.
 */
export function sign(
  verifier: Verifier,
  body: string | Buffer,
  secret: string,
  nowMs: number,
  id: string,
): Record<string, string> {
  const bytes = Buffer.from(body);
  switch (verifier.kind) {
    case "hmac":
      return signHmac(verifier, bytes, secret, Math.floor(nowMs / 1000), id);
    case "jwt-body-hash":
      return { [verifier.signatureHeader]: signJwt(verifier, bytes, secret, Math.floor(nowMs / 1000), id) };
    case "static":
      return { [verifier.header]: secret };
    case "bearer":
      return { authorization: `Bearer ${secret}` };
    case "basic":
      return { authorization: `Basic ${Buffer.from(secret, "utf8").toString("base64")}` };
    case "ip":
      return {};
    case "rsa":
    case "ed25519":
      return notSignable(verifier.kind);
  }
}

function notSignable(scheme: string): never {
  throw new Error(`Cannot sign with "${scheme}": only the sender has the private key`);
}

function signHmac(
  verifier: Extract<SignatureVerifier, { kind: "hmac" }>,
  body: Buffer,
  secret: string,
  seconds: number,
  id: string,
): Record<string, string> {
  const { timestamp, list, prefix = "", signatureHeader } = verifier;
  const headers: Record<string, string> = {};
  if (timestamp && "header" in timestamp) headers[timestamp.header] = String(seconds);
  const hmac = createHmac(verifier.digest, hmacKey(verifier.key, secret) ?? notSignable(verifier.key));
  for (const part of verifier.message) {
    const [kind, rest] = split(part);
    if (kind === "header") headers[rest] ??= id;
    hmac.update(partOf(kind, rest, { body, seconds, headers }));
  }
  const signature = hmac.digest(verifier.encoding);
  const time = timestamp && "listField" in timestamp ? [`${timestamp.listField}${list?.kv}${seconds}`] : [];
  headers[signatureHeader] = list
    ? [...time, `${list.tag}${list.kv}${signature}`].join(list.separator)
    : `${prefix}${signature}`;
  return headers;
}

function split(part: string): [kind: string, rest: string] {
  const at = part.indexOf(":");
  return at < 0 ? [part, ""] : [part.slice(0, at), part.slice(at + 1)];
}

function partOf(
  kind: string,
  rest: string,
  { body, seconds, headers }: { body: Buffer; seconds: number; headers: Record<string, string> },
): string | Buffer {
  switch (kind) {
    case "body":
      return body;
    case "timestamp":
      return String(seconds);
    case "header":
      return headers[rest] ?? "";
    case "formfield": {
      const field = formField(body, rest);
      return field.ok ? field.value : "";
    }
    default:
      return rest;
  }
}

function signJwt(verifier: JwtVerifier, body: Buffer, secret: string, seconds: number, id: string): string {
  const key = verifier.alg === "HS256" ? hmacKey("utf8", secret) : undefined;
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = {
    iss: verifier.issuer,
    [verifier.claim]: createHash("sha256").update(body).digest("hex"),
    iat: seconds,
    exp: seconds + TOKEN_SECONDS,
    jti: id,
  };
  const message = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
  const signature = createHmac("sha256", key ?? notSignable(verifier.alg))
    .update(message)
    .digest("base64url");
  return `${message}.${signature}`;
}
