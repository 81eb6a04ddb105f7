/** Signature checks on the bytes that arrived, in constant time. The scheme comes from configuration, never from the request. */
import { createHmac, createPublicKey, timingSafeEqual, verify as verifyWithKey } from "node:crypto";
import { addressList, clientAddress } from "../../network/address.ts";
import type { RawRequest, Verdict } from "../../ports/provider.ts";
import { formField } from "./form.ts";
import { verifyJwt } from "./jwt.ts";
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
import type { IpVerifier, SignatureVerifier, Verifier } from "./verifier.ts";

export { tokenIdentity } from "./jwt.ts";
export { sign } from "./sign.ts";
export { STANDARD_WEBHOOKS, Verifier } from "./verifier.ts";

/** More signatures in one header than any key rotation needs. */
const SIGNATURES_MAX = 16;
/** The same for schemes that hash the whole message for each signature. */
const ASYMMETRIC_SIGNATURES_MAX = 4;

const DIGEST_BYTES = { sha1: 20, sha256: 32, sha512: 64 } as const;
const ED25519_SPKI = Buffer.from("302a300506032b6570032100", "hex");

/** Whether any of the secrets verifies the request. Never throws: an error while verifying is a refusal. */
export function verifySignature(
  verifier: Verifier,
  request: RawRequest,
  secrets: readonly string[],
  nowMs: number,
): Verdict {
  const usable = secrets.map((text, index) => ({ text, index })).filter(({ text }) => text.trim() !== "");
  if (usable.length === 0 && verifier.kind !== "ip") return refused("no_secret");
  try {
    return check(verifier, request, usable, nowMs);
  } catch (error) {
    return refused("signature_mismatch", `Could not be verified: ${error instanceof Error ? error.name : "error"}`);
  }
}

function check(verifier: Verifier, request: RawRequest, secrets: readonly Secret[], nowMs: number): Verdict {
  switch (verifier.kind) {
    case "hmac":
    case "rsa":
    case "ed25519":
      return checkSigned(verifier, request, secrets, nowMs);
    case "jwt-body-hash":
      return verifyJwt(verifier, request, secrets, nowMs);
    case "static":
      return checkToken(request.headers[verifier.header] || undefined, secrets);
    case "bearer":
      return checkScheme("bearer", request, secrets);
    case "basic":
      return checkScheme("basic", request, secrets);
    case "ip":
      return checkAddress(verifier, request);
  }
}

// ---------------------------------------------------------------- signatures over a message

function checkSigned(
  verifier: SignatureVerifier,
  request: RawRequest,
  secrets: readonly Secret[],
  nowMs: number,
): Verdict {
  const signatures = signaturesOf(verifier, request);
  if ("reason" in signatures) return signatures;
  const timestamp = timestampOf(verifier, request, signatures.entries);
  if (typeof timestamp === "object") return timestamp;
  const message = messageOf(verifier, request, timestamp);
  if (!Buffer.isBuffer(message)) return message;
  const late = freshness(Number(timestamp || nowMs / 1000), nowMs, verifier.toleranceSeconds);
  if (late) return late;

  const keys = secrets.map(({ text, index }) => ({ matches: matcher(verifier, message, text), index }));
  if (keys.every(({ matches }) => !matches))
    return refused("no_secret", `No secret is a key of form "${verifier.key}"`);
  const match = keys.find(({ matches }) => matches && signatures.signatures.some(matches));
  return match ? { ok: true, secretIndex: match.index } : refused("signature_mismatch");
}

/** The check of a signature with one secret; undefined when the secret is not a key of this scheme. */
function matcher(
  verifier: SignatureVerifier,
  message: Buffer,
  secret: string,
): ((signature: Buffer) => boolean) | undefined {
  switch (verifier.kind) {
    case "hmac": {
      const key = hmacKey(verifier.key, secret);
      if (!key) return undefined;
      const expected = createHmac(verifier.digest, key).update(message).digest();
      return (signature) => timingSafeEqual(signature, expected);
    }
    case "rsa": {
      const key = publicKey(secret);
      return key && ((signature) => verifyWithKey(verifier.digest, message, key, signature));
    }
    case "ed25519": {
      const bytes = canonical("base64", secret.replace(/^whpk_/, ""));
      if (bytes?.length !== 32) return undefined;
      const key = createPublicKey({ key: Buffer.concat([ED25519_SPKI, bytes]), format: "der", type: "spki" });
      return (signature) => verifyWithKey(null, message, key, signature);
    }
  }
}

interface ClaimedSignatures {
  /** Well-formed signatures that count. */
  signatures: Buffer[];
  /** All tagged entries of a list. */
  entries: { tag: string; value: string }[];
}

function signaturesOf(verifier: SignatureVerifier, request: RawRequest): ClaimedSignatures | RefusedVerdict {
  const header = request.headers[verifier.signatureHeader];
  if (header === undefined) return refused("missing_header", verifier.signatureHeader);
  const { list, prefix = "" } = verifier;
  const entries = list ? listEntries(header, list) : [];
  const texts = list
    ? entries.filter(({ tag }) => tag === list.tag).map(({ value }) => value)
    : header.startsWith(prefix)
      ? [header.slice(prefix.length)]
      : [];
  const countMax = verifier.kind === "hmac" ? SIGNATURES_MAX : ASYMMETRIC_SIGNATURES_MAX;
  const signatures = texts.slice(0, countMax).flatMap((text) => decodeSignature(verifier, text) ?? []);
  return signatures.length > 0 ? { signatures, entries } : refused("malformed_header", verifier.signatureHeader);
}

function listEntries(header: string, list: { separator: string; kv: string }): ClaimedSignatures["entries"] {
  return header
    .split(list.separator)
    .map((entry) => entry.trim())
    .filter((entry) => entry.includes(list.kv))
    .map((entry) => {
      const at = entry.indexOf(list.kv);
      return { tag: entry.slice(0, at), value: entry.slice(at + 1) };
    });
}

/** The bytes of a signature in canonical encoding, and of the right length if the scheme has one. */
function decodeSignature(verifier: SignatureVerifier, text: string): Buffer | undefined {
  const bytes = canonical(verifier.encoding, text);
  const length =
    verifier.kind === "hmac" ? DIGEST_BYTES[verifier.digest] : verifier.kind === "ed25519" ? 64 : undefined;
  return bytes && bytes.length > 0 && (length === undefined || bytes.length === length) ? bytes : undefined;
}

/** The signed time as it was written; "" when the scheme has none. */
function timestampOf(
  { timestamp, signatureHeader }: SignatureVerifier,
  { headers }: RawRequest,
  entries: ClaimedSignatures["entries"],
): string | RefusedVerdict {
  if (timestamp === undefined) return "";
  const isHeader = "header" in timestamp;
  const values = isHeader
    ? [headers[timestamp.header]].filter((value) => value !== undefined)
    : entries.filter(({ tag }) => tag === timestamp.listField).map(({ value }) => value);
  const [value] = values;
  const where = isHeader ? timestamp.header : signatureHeader;
  if (value === undefined) return refused("missing_header", where);
  // Whole seconds in plain digits: `1531420618.0` is another text and so another message.
  return values.length === 1 && /^(0|[1-9][0-9]{0,11})$/.test(value) ? value : refused("malformed_header", where);
}

function messageOf({ message }: SignatureVerifier, request: RawRequest, timestamp: string): Buffer | RefusedVerdict {
  const parts: Buffer[] = [];
  for (const [index, part] of message.entries()) {
    const bytes = partOf(part, message[index + 1], request, timestamp);
    if (!Buffer.isBuffer(bytes)) return bytes;
    parts.push(bytes);
  }
  return Buffer.concat(parts);
}

function partOf(
  part: string,
  next: string | undefined,
  request: RawRequest,
  timestamp: string,
): Buffer | RefusedVerdict {
  if (part === "body") return request.body;
  if (part === "timestamp") return Buffer.from(timestamp);
  const at = part.indexOf(":");
  const [kind, rest] = [part.slice(0, at), part.slice(at + 1)];
  if (kind === "lit") return Buffer.from(rest);
  if (kind === "formfield") {
    const field = formField(request.body, rest);
    return field.ok ? field.value : refused("malformed_body", field.detail);
  }
  const value = request.headers[rest];
  if (value === undefined || value === "") return refused("missing_header", rest);
  // A value with the delimiter would move the boundary between the parts: the same MAC would be valid for another request.
  const moves = next?.startsWith("lit:") && value.includes(next.slice(4));
  return moves ? refused("malformed_header", rest) : Buffer.from(value, "latin1");
}

// ---------------------------------------------------------------- shared tokens and addresses

function checkToken(token: string | undefined, secrets: readonly Secret[]): Verdict {
  if (token === undefined) return refused("missing_header");
  // Node hands header bytes out as latin1; a sender may have meant UTF-8.
  const spellings = [Buffer.from(token, "utf8"), ...(/^[\0-\xff]*$/.test(token) ? [Buffer.from(token, "latin1")] : [])];
  const match = secrets.find(({ text }) => spellings.some((bytes) => sameSecret(bytes, text)));
  return match ? { ok: true, secretIndex: match.index } : refused("signature_mismatch");
}

function checkScheme(scheme: "bearer" | "basic", { headers }: RawRequest, secrets: readonly Secret[]): Verdict {
  const header = headers.authorization;
  if (header === undefined) return refused("missing_header", "authorization");
  const [, name = "", credentials = ""] = /^([A-Za-z]+) +(\S+)$/.exec(header) ?? [];
  if (name.toLowerCase() !== scheme) return refused("malformed_header", "authorization");
  if (scheme === "bearer") return checkToken(credentials, secrets);
  const bytes = canonical("base64", credentials);
  if (!bytes?.includes(":")) return refused("malformed_header", "authorization");
  // A user name holds no colon, so that equal texts are equal users and passwords.
  const match = secrets.find(({ text }) => sameSecret(bytes, text));
  return match ? { ok: true, secretIndex: match.index } : refused("signature_mismatch");
}

function checkAddress({ cidrs, trustedProxies = [] }: IpVerifier, request: RawRequest): Verdict {
  const client = clientAddress(request, addressList(trustedProxies));
  return addressList(cidrs).has(client) ? { ok: true } : refused("ip_denied");
}
