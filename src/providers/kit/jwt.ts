/** A compact JWS (RFC 7515) whose claims name the sender and the hash of the body: Netlify's scheme, and ours for deploy reports. */
import { createHash, createHmac, timingSafeEqual, verify as verifyWithKey } from "node:crypto";
import type { JsonObject } from "../../model.ts";
import type { RawRequest, Verdict } from "../../ports/provider.ts";
import { parseJson } from "./body.ts";
import {
  canonical,
  freshness,
  hmacKey,
  publicKey,
  type RefusedVerdict,
  refused,
  type Secret,
  sameSecret,
} from "./proof.ts";
import { type JwtVerifier, TOLERANCE_SECONDS } from "./verifier.ts";

/** Longest id of a token; a longer one is replaced by its hash. */
const ID_CHARS_MAX = 200;

/** The algorithm is the configured one; that of the token must be equal. */
export function verifyJwt(
  verifier: JwtVerifier,
  request: RawRequest,
  secrets: readonly Secret[],
  nowMs: number,
): Verdict {
  const token = request.headers[verifier.signatureHeader];
  if (token === undefined) return refused("missing_header", verifier.signatureHeader);
  const parts = token.split(".");
  const [head = "", payload = "", tail = ""] = parts;
  const header = parts.length === 3 ? objectOf(head) : undefined;
  if (!header) return refused("malformed_header", verifier.signatureHeader);
  // RFC 7515 4.1.11: an unknown extension must be refused.
  if (header.alg !== verifier.alg || "crit" in header) return refused("unsupported_algorithm");
  const signature = canonical("base64url", tail);
  const claims = objectOf(payload);
  const isComplete = signature && signature.length > 0 && (verifier.alg !== "HS256" || signature.length === 32);
  if (!isComplete || !claims) return refused("malformed_header", verifier.signatureHeader);

  const match = secrets.find(({ text }) => isSigned(verifier, `${head}.${payload}`, signature, text));
  if (!match) return refused("signature_mismatch");
  return (
    claimsRefused(verifier, claims, request.body, nowMs) ?? {
      ok: true,
      secretIndex: match.index,
    }
  );
}

/**
 * What makes a verified token the same as an earlier one, and until when it would be believed once more; that is not said where nothing in it
 * ends.
 */
export function tokenIdentity(
  { signatureHeader, toleranceSeconds = TOLERANCE_SECONDS }: JwtVerifier,
  headers: RawRequest["headers"],
): { delivery: string; provenUntilMs?: number } {
  const token = headers[signatureHeader] ?? "";
  const { jti, iat, exp } = objectOf(token.split(".")[1] ?? "") ?? {};
  const isNamed = typeof jti === "string" && jti !== "" && jti.length <= ID_CHARS_MAX;
  const delivery = isNamed ? jti : createHash("sha256").update(token).digest("hex");
  const ends = [iat, exp].filter((time) => typeof time === "number");
  if (ends.length === 0) return { delivery };
  return { delivery, provenUntilMs: (Math.min(...ends) + toleranceSeconds + 1) * 1000 };
}

function isSigned({ alg }: JwtVerifier, message: string, signature: Buffer, secret: string): boolean {
  if (alg === "HS256") {
    const key = hmacKey("utf8", secret);
    return key !== undefined && timingSafeEqual(createHmac("sha256", key).update(message).digest(), signature);
  }
  const key = publicKey(secret);
  return key !== undefined && verifyWithKey("RSA-SHA256", Buffer.from(message), key, signature);
}

function claimsRefused(
  verifier: JwtVerifier,
  claims: JsonObject,
  body: Buffer,
  nowMs: number,
): RefusedVerdict | undefined {
  if (claims.iss !== verifier.issuer) return refused("issuer_mismatch");
  const late = timesRefused(verifier, claims, nowMs);
  if (late) return late;
  const claimed = Object.hasOwn(claims, verifier.claim) ? claims[verifier.claim] : undefined;
  const expectedHash = createHash("sha256").update(body).digest("hex");
  return typeof claimed === "string" && sameSecret(claimed, expectedHash) ? undefined : refused("body_hash_mismatch");
}

function timesRefused(verifier: JwtVerifier, claims: JsonObject, nowMs: number): RefusedVerdict | undefined {
  const { exp, nbf, iat } = claims;
  for (const time of [exp, nbf, iat]) {
    if (time !== undefined && typeof time !== "number") return refused("malformed_header", "A time is not a number");
  }
  const age = (time: unknown) =>
    typeof time === "number" ? freshness(time, nowMs, verifier.toleranceSeconds) : undefined;
  const expired = age(exp);
  if (expired?.reason === "timestamp_stale") return expired;
  const early = age(nbf);
  if (early?.reason === "timestamp_future") return early;
  if (iat !== undefined || verifier.toleranceSeconds === undefined) return age(iat);
  return refused("timestamp_stale", "The token does not say when it was issued");
}

function objectOf(part: string): JsonObject | undefined {
  const bytes = canonical("base64url", part);
  const parsed = bytes && parseJson(bytes);
  return parsed?.ok ? parsed.data : undefined;
}
