/** Removes secrets from output: by value in every encoding, by the name of a key, and by the form of credentials. */

export const MASK = "••••";

/** A shorter secret would mask parts of ordinary words; no vendor issues one. */
const SECRET_CHARS_MIN = 4;
/** A shorter part of an address is a word such as "api". */
const ADDRESS_PART_CHARS_MIN = 16;
/** A shorter run of Base64 may occur by chance. */
const BASE64_CHARS_MIN = 8;

const SENSITIVE_KEY = /(?:authorization|token|secret|password|passphrase|cookie|apikey|privatekey)s?$/;
const BASE64_CHAR = /[A-Za-z0-9+/_=-]/;

export interface Redactor {
  text(text: string): string;
  /** JSON data; the values of keys such as `token` or `authorization` are masked whatever they are. */
  value(value: unknown): unknown;
}

export function createRedactor(secrets: readonly string[]): Redactor {
  const allSecrets = [...new Set(secrets.flatMap(withParts))].filter((secret) => secret.length >= SECRET_CHARS_MIN);
  const plain = anyOf(allSecrets.flatMap(writtenForms));
  const encoded = anyOf(allSecrets.flatMap(base64Forms));

  function text(original: string): string {
    const withoutValues = plain ? original.replace(plain, MASK) : original;
    return withoutCredentials(encoded ? withoutRuns(withoutValues, encoded) : withoutValues);
  }

  function value(original: unknown, key = ""): unknown {
    if (original === null || typeof original === "boolean" || original === undefined) return original;
    if (isSensitiveKey(key)) return MASK;
    if (typeof original === "string") return text(original);
    if (Array.isArray(original)) return original.map((item) => value(item));
    if (typeof original !== "object") return text(String(original)) === String(original) ? original : MASK;
    return Object.fromEntries(Object.entries(original).map(([name, item]) => [text(name), value(item, name)]));
  }

  return { text, value: (original) => value(original) };
}

function isSensitiveKey(key: string): boolean {
  return SENSITIVE_KEY.test(key.replace(/[-_.]/g, "").toLowerCase());
}

/** The secret, and the parts of an address (such as an incoming webhook) that error pages and logs repeat. */
function withParts(secret: string): string[] {
  if (!/^https?:/.test(secret) || !URL.canParse(secret)) return [secret];
  const { pathname, search } = new URL(secret);
  const parts = [`${pathname}${search}`.slice(1), ...pathname.split("/")];
  return [secret, ...parts.filter(({ length }) => length >= ADDRESS_PART_CHARS_MIN)];
}

/** The secret as it is, inside JSON, inside JSON inside JSON, and inside a URL or form. */
function writtenForms(secret: string): string[] {
  const escaped = JSON.stringify(secret).slice(1, -1);
  const url = encodeURIComponent(secret);
  const form = new URLSearchParams([["", secret]]).toString().slice(1);
  const lowerHex = (text: string) => text.replace(/%[0-9A-F]{2}/g, (hex) => hex.toLowerCase());
  return [secret, escaped, JSON.stringify(escaped).slice(1, -1), url, lowerHex(url), form, lowerHex(form)];
}

/**
 * Base64 of `user:secret` does not contain Base64 of `secret`: three bytes become four characters, so there are three ways the
 * secret can be placed. Of each, the characters that depend on the secret alone are searched.
 */
function base64Forms(secret: string): string[] {
  const bytes = Buffer.from(secret);
  const inner = [0, 1, 2].map((before) => {
    const text = Buffer.concat([Buffer.alloc(before), bytes]).toString("base64");
    const whole = Math.floor(((before + bytes.length) * 8) / 6);
    return text.slice(Math.ceil((before * 8) / 6), whole);
  });
  const long = inner.filter((text) => text.length >= BASE64_CHARS_MIN);
  const full = [bytes.toString("base64")];
  return [...full, ...long].flatMap((text) => [
    text,
    text.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, ""),
  ]);
}

function anyOf(forms: readonly string[]): RegExp | undefined {
  const longestFirst = [...new Set(forms)].sort((a, b) => b.length - a.length);
  const escaped = longestFirst.map((form) => form.replace(/[.*+?^${}()|[\]\\/-]/g, "\\$&"));
  return escaped.length === 0 ? undefined : new RegExp(escaped.join("|"), "g");
}

/** Masks each hit with the whole run of Base64 around it: the neighbours hold the bits at the secret's edges. */
function withoutRuns(text: string, pattern: RegExp): string {
  let masked = "";
  let from = 0;
  for (const hit of text.matchAll(pattern)) {
    if (hit.index < from) continue;
    let start = hit.index;
    let end = start + hit[0].length;
    while (start > from && BASE64_CHAR.test(text.charAt(start - 1))) start--;
    while (end < text.length && BASE64_CHAR.test(text.charAt(end))) end++;
    masked += text.slice(from, start) + MASK;
    from = end;
  }
  return masked + text.slice(from);
}

/** Tokens whose vendors gave them a form to be recognised by: GitHub, GitLab, Slack, AWS, Stripe, Google, npm, Atlassian, and JWT. */
const TOKENS = new RegExp(
  [
    "gh[oprsu]_[A-Za-z0-9]{20,}",
    "github_pat_[A-Za-z0-9_]{20,}",
    "glpat-[A-Za-z0-9_-]{16,}",
    "xox[a-z]-[A-Za-z0-9-]{8,}",
    "xapp-[A-Za-z0-9-]{16,}",
    "(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])",
    "[rs]k_(?:live|test)_[A-Za-z0-9]{16,}",
    "AIza[A-Za-z0-9_-]{35}",
    "npm_[A-Za-z0-9]{36}",
    "ATATT3[A-Za-z0-9_=-]{20,}",
    "whsec_[A-Za-z0-9+/=]{16,}",
    "eyJ[A-Za-z0-9_-]{6,}\\.eyJ[A-Za-z0-9_-]{4,}\\.[A-Za-z0-9_-]{8,}",
  ]
    .map((form) => `(?<![A-Za-z0-9])${form}`)
    .join("|"),
  "g",
);
const PRIVATE_KEYS = /-----BEGIN [A-Z ]*PRIVATE KEY-----[A-Za-z0-9+/=\s\\]*(?:-----END [A-Z ]*PRIVATE KEY-----)?/g;

/** Masks unknown credentials that are recognised by their form. */
function withoutCredentials(text: string): string {
  return text
    .replace(/\b(basic)\s+([A-Za-z0-9+/]{4,}={0,2})/gi, (whole, scheme: string, value: string) =>
      Buffer.from(value, "base64").includes(":") ? `${scheme} ${MASK}` : whole,
    )
    .replace(TOKENS, MASK)
    .replace(PRIVATE_KEYS, MASK)
    .replace(
      /\b(authorization["']?\s*[:=]\s*["']?(?:[a-z]+\s+)?)(?!••••|(?:basic|bearer)\b)[^\s"',;]{8,}/gi,
      `$1${MASK}`,
    )
    .replace(/\b(bearer)\s+(?=\S*\d)[A-Za-z0-9._~+/-]{8,}=*/gi, `$1 ${MASK}`)
    .replace(/(:\/\/[^\s/:@]*:)[^\s/@]+@/g, `$1${MASK}@`)
    .replace(/(:\/\/)[^\s/:@•]{16,}@/g, `$1${MASK}@`)
    .replace(/((?:^|[?&;\s])[\w.-]{0,40}(?:token|secret|password|api_?key)=)[^&;\s"']+/gi, `$1${MASK}`);
}
