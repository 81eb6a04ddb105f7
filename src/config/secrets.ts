/** What makes a secret unfit, and what is a secret although no schema says so: a part of an address or of a header. */
import { type Diagnostic, newDiagnostic, type Path } from "../errors.ts";

/** Whoever sees one signed request can try shorter secrets one by one. */
const CHARS_MIN = 16;
/** A shorter part of an address or header is a word, unless its variable says what it is. */
const TOKEN_CHARS_MIN = 16;

const SENSITIVE_NAME = /token|secret|password|passwd|key|credential|hook|auth/i;

/** A secret of a source with the place of its reference. */
export interface SecretAt {
  value: string;
  path: Path;
}

/** Blanks around any secret are a slip of copying. The length is ours to ask where we verify, and the vendor's where we sign in. */
export function secretDiagnostics({ value, path }: SecretAt): Diagnostic[] {
  // A key in PEM ends with its line.
  if (value.trimStart().startsWith("-----BEGIN ")) return [];
  if (value.trim() !== value)
    return [newDiagnostic("SB0211", "The secret begins or ends with a blank; write it without", { path })];
  if (path[0] !== "sources" || value.length >= CHARS_MIN) return [];
  const message = `The secret has ${value.length} characters; write at least ${CHARS_MIN} that nobody can guess`;
  return [newDiagnostic("SB0211", message, { path })];
}

/** Who knows the secret of one source can sign for the other. */
export function sharedSecretDiagnostics(secrets: readonly SecretAt[]): Diagnostic[] {
  const owners = new Map<string, unknown>();
  return secrets.flatMap(({ value, path }) => {
    if (path[0] !== "sources") return [];
    const owner = owners.get(value) ?? path[1];
    owners.set(value, owner);
    if (owner === path[1]) return [];
    const message = `The source "${String(owner)}" has the same secret; give each source its own`;
    return [{ ...newDiagnostic("SB0211", message, { path }), severity: "warning" as const }];
  });
}

/** What stands in the address or a header of a connection signs in as much as a token does. */
export function secretsWithin(
  text: string,
  variables: readonly { name: string; value: string }[],
  path: Path,
): readonly string[] {
  const isAddress = /^https?:\/\//.test(text);
  if (path[0] !== "connections" || !(isAddress || path.includes("headers"))) return [];
  // A variable that holds the whole address is no secret, but parts of it may be.
  const parts = variables.filter(({ name, value }) => !(isAddress && value === text) && isSecretVariable(name, value));
  const password = passwordOf(text);
  return [...parts.map(({ value }) => value), ...tokensOf(text), ...(password === undefined ? [] : [password])];
}

/** The password in an address, decoded as it would be sent; undefined when there is none. */
export function passwordOf(address: string): string | undefined {
  if (!URL.canParse(address)) return undefined;
  const { password } = new URL(address);
  if (password === "") return undefined;
  try {
    return decodeURIComponent(password);
  } catch {
    return password;
  }
}

/** Whether the value of a variable within an address or a header is a secret. */
function isSecretVariable(name: string, value: string): boolean {
  return SENSITIVE_NAME.test(name) ? value.length >= 4 : isToken(value);
}

/** Parts of an address that are no words: segments of its path, values of its query. */
function tokensOf(address: string): string[] {
  if (!/^https?:/.test(address) || !URL.canParse(address)) return [];
  const { pathname, searchParams } = new URL(address);
  return [...pathname.split("/"), ...searchParams.values()].filter(isToken);
}

function isToken(text: string): boolean {
  return text.length >= TOKEN_CHARS_MIN && /^[\w:.~=-]+$/.test(text) && /\d/.test(text) && /[a-z]/i.test(text);
}
