/** Signature schemes as data: one schema for every scheme of signature.ts. */
import { type Static, Type } from "typebox";

const strict = { additionalProperties: false };
const header = Type.String({ pattern: "^[a-z0-9-]+$", description: "Name of a header, in lower case" });

/** Seconds that a signed time may differ from ours, before and after. */
export const TOLERANCE_SECONDS = 300;

const tolerance = Type.Optional(
  Type.Integer({ minimum: 0, maximum: 86_400, description: `Allowed age and lead, default ${TOLERANCE_SECONDS}` }),
);
const encoding = Type.Union([Type.Literal("hex"), Type.Literal("base64"), Type.Literal("base64url")]);

/** Place of the signature and the signed message; the same for HMAC, RSA and Ed25519. */
const signed = {
  encoding,
  signatureHeader: header,
  prefix: Type.Optional(Type.String({ description: 'What stands before the signature, e.g. "sha256="' })),
  list: Type.Optional(
    Type.Object(
      {
        separator: Type.String({ minLength: 1, maxLength: 1 }),
        tag: Type.String({ minLength: 1, description: "The only entries that count, e.g. v1" }),
        kv: Type.String({ minLength: 1, maxLength: 1, description: "Between tag and signature" }),
      },
      { ...strict, description: "The header holds several tagged signatures, as during a rotation; any may match" },
    ),
  ),
  timestamp: Type.Optional(
    Type.Union([
      Type.Object({ header }, strict),
      Type.Object({ listField: Type.String({ minLength: 1, description: "Tag of the entry that holds it" }) }, strict),
    ]),
  ),
  toleranceSeconds: tolerance,
  message: Type.Array(Type.String({ pattern: "^(body|timestamp|lit:.+|header:[a-z0-9-]+|formfield:.+)$" }), {
    minItems: 1,
    description: "The signed bytes, part by part: body, timestamp, lit:text, header:name, formfield:name",
  }),
};

export const SignatureVerifier = Type.Union([
  Type.Object(
    {
      kind: Type.Literal("hmac"),
      digest: Type.Union([Type.Literal("sha1"), Type.Literal("sha256"), Type.Literal("sha512")]),
      key: Type.Union([Type.Literal("utf8"), Type.Literal("whsec")], {
        description: "utf8: the secret as it stands; whsec: what follows whsec_, in base64",
      }),
      ...signed,
    },
    strict,
  ),
  Type.Object(
    {
      kind: Type.Literal("rsa"),
      digest: Type.Union([Type.Literal("RSA-SHA1"), Type.Literal("RSA-SHA256"), Type.Literal("RSA-SHA512")]),
      key: Type.Literal("pem", { description: "The secret is a public key" }),
      ...signed,
    },
    strict,
  ),
  Type.Object(
    { kind: Type.Literal("ed25519"), key: Type.Literal("whpk", { description: "whpk_ and base64" }), ...signed },
    strict,
  ),
]);
export type SignatureVerifier = Static<typeof SignatureVerifier>;

export const JwtVerifier = Type.Object(
  {
    kind: Type.Literal("jwt-body-hash"),
    signatureHeader: header,
    alg: Type.Union([Type.Literal("HS256"), Type.Literal("RS256")], {
      description: "The token's own alg must be this",
    }),
    issuer: Type.String({ minLength: 1, description: "What the claim iss must say" }),
    claim: Type.String({ minLength: 1, description: "The claim that holds the SHA-256 of the body in hex" }),
    key: Type.Union([Type.Literal("utf8"), Type.Literal("pem")]),
    toleranceSeconds: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 86_400,
        description: `Leeway on exp and nbf, and how old and how early iat may be, default ${TOLERANCE_SECONDS}; when given, iat is required`,
      }),
    ),
  },
  strict,
);
export type JwtVerifier = Static<typeof JwtVerifier>;

export const IpVerifier = Type.Object(
  {
    kind: Type.Literal("ip"),
    cidrs: Type.Array(Type.String({ minLength: 1 }), { minItems: 1, description: "Addresses or networks" }),
    trustedProxies: Type.Optional(
      Type.Array(Type.String({ minLength: 1 }), { description: "Peers whose X-Forwarded-For is believed" }),
    ),
  },
  { ...strict, description: "Weak: says where a request comes from, not that it is unchanged" },
);
export type IpVerifier = Static<typeof IpVerifier>;

/** The `verifier` objects of test/fixtures/vectors and of the http provider's settings. */
export const Verifier = Type.Union(
  [
    ...SignatureVerifier.anyOf,
    JwtVerifier,
    Type.Object({ kind: Type.Literal("static"), header, key: Type.Literal("utf8") }, strict),
    Type.Object({ kind: Type.Literal("bearer"), key: Type.Literal("utf8") }, strict),
    Type.Object({ kind: Type.Literal("basic"), key: Type.Literal("user:pass") }, strict),
    IpVerifier,
  ],
  { description: "How the sender proves who it is" },
);
export type Verifier = Static<typeof Verifier>;

/** The signed part of https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md */
export const STANDARD_WEBHOOKS = {
  kind: "hmac",
  digest: "sha256",
  encoding: "base64",
  signatureHeader: "webhook-signature",
  list: { separator: " ", tag: "v1", kv: "," },
  key: "whsec",
  timestamp: { header: "webhook-timestamp" },
  toleranceSeconds: TOLERANCE_SECONDS,
  message: ["header:webhook-id", "lit:.", "timestamp", "lit:.", "body"],
} as const satisfies Verifier;
