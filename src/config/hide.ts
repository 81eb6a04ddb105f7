/** Keeps what was told in secret out of everything that is shown. */
import { createHash } from "node:crypto";
import type { Diagnostic, Path } from "../errors.ts";
import type { YamlFile } from "../yaml.ts";
import { isReference } from "./environment.ts";

/** Same dots, different end: enough to see whether two places hold the same secret. */
export function fingerprint(secret: string): string {
  return `••••${createHash("sha256").update(secret).digest("hex").slice(0, 4)}`;
}

/** Shorter ones are parts of ordinary words; blotting those out would make every message unreadable. */
const REDACTED_CHARS_MIN = 4;

/** The problem without any of the secrets. */
export function redacted(problem: Diagnostic, secrets: readonly string[]): Diagnostic {
  const told = secrets.filter(({ length }) => length >= REDACTED_CHARS_MIN);
  const clean = (text: string) => told.reduce((rest, secret) => rest.replaceAll(secret, "••••"), text);
  const { suggestion } = problem;
  return {
    ...problem,
    message: clean(problem.message),
    ...(suggestion === undefined ? {} : { suggestion: clean(suggestion) }),
  };
}

/**
 * The file's text for showing beside problems: literal secrets are blotted out, also where the file is not readable or the
 * schema is not known and only the key's name tells.
 */
export function withoutSecrets(yaml: YamlFile, exposed: readonly Path[]): string {
  return yaml.hidden(exposed).replaceAll(SECRET_LINE, (whole, key: string, value: string) => {
    const isHarmless = isReference(value) || /^["']?\$\{\w+$/.test(value);
    return isHarmless ? whole : key + value.replaceAll(/[^\s,[\]{}"']+/g, blot);
  });
}

const SECRET_LINE =
  /((?:secrets?|tokens?|passwords?|passphrase|api[_-]?keys?|private[_-]?key|webhook|credentials?)["']?[ \t]*:[ \t]*)(\[[^\]\n]*|[^\s,}[{#][^,}\n]*)/gi;

function blot(word: string): string {
  return isReference(word) ? word : word.replaceAll(/./g, "•");
}
