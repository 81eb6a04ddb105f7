/** Parts of every signature check: keys, canonical encodings, constant-time comparison, refusals. */
import { createHash, createPublicKey, type KeyObject, timingSafeEqual } from "node:crypto";
import type { Verdict, VerifyReason } from "../../ports/provider.ts";
import { TOLERANCE_SECONDS } from "./verifier.ts";

export type RefusedVerdict = Extract<Verdict, { ok: false }>;

/** A refusal with its reason. */
export function refused(reason: VerifyReason, detail?: string): RefusedVerdict {
  return { ok: false, reason, ...(detail === undefined ? {} : { detail }) };
}

/** Whether the bytes are equal, in constant time. */
export function sameSecret(given: string | Uint8Array, wanted: string | Uint8Array): boolean {
  const digest = (value: string | Uint8Array) => createHash("sha256").update(value).digest();
  return timingSafeEqual(digest(given), digest(wanted));
}

/** A secret and its place in the configured list. */
export interface Secret {
  text: string;
  index: number;
}

/** The bytes of a text in its canonical encoding; undefined for any other spelling. */
export function canonical(encoding: "hex" | "base64" | "base64url", text: string): Buffer | undefined {
  const bytes = Buffer.from(text, encoding);
  return bytes.toString(encoding) === text ? bytes : undefined;
}

/** The key bytes of a configured secret; undefined when it is not validly encoded or empty. */
export function hmacKey(form: "utf8" | "whsec", secret: string): Buffer | undefined {
  const key = form === "utf8" ? Buffer.from(secret, "utf8") : canonical("base64", secret.trim().replace(/^whsec_/, ""));
  return key && key.length > 0 ? key : undefined;
}

/** An RSA public key from PEM text. */
export function publicKey(pem: string): KeyObject | undefined {
  try {
    const key = createPublicKey(pem);
    return key.asymmetricKeyType === "rsa" ? key : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a signed time is too old or too far ahead. */
export function freshness(
  seconds: number,
  nowMs: number,
  toleranceSeconds: number = TOLERANCE_SECONDS,
): RefusedVerdict | undefined {
  const ageSeconds = Math.floor(nowMs / 1000) - Math.floor(seconds);
  if (ageSeconds > toleranceSeconds) return refused("timestamp_stale");
  return -ageSeconds > toleranceSeconds ? refused("timestamp_future") : undefined;
}
