/** Keeps secrets out of messages, file texts and settings that are shown. */
import { createHash } from "node:crypto";
import type { Diagnostic, Path } from "../errors.ts";
import type { YamlFile } from "../yaml.ts";
import { isReference } from "./environment.ts";

/** Dots and a part of the hash: enough to see whether two settings have the same secret. */
export function fingerprint(secret: string): string {
  return `••••${createHash("sha256").update(secret).digest("hex").slice(0, 4)}`;
}

/** A shorter secret is not replaced: it may be part of ordinary words, and messages would become unreadable. */
const REDACTED_CHARS_MIN = 4;

/** The diagnostic without any of the secrets. */
export function redacted(diagnostic: Diagnostic, secrets: readonly string[]): Diagnostic {
  const longSecrets = secrets.filter(({ length }) => length >= REDACTED_CHARS_MIN);
  const clean = (text: string) => longSecrets.reduce((rest, secret) => rest.replaceAll(secret, "••••"), text);
  const { suggestion } = diagnostic;
  return {
    ...diagnostic,
    message: clean(diagnostic.message),
    ...(suggestion === undefined ? {} : { suggestion: clean(suggestion) }),
  };
}

/**
 * The file's text for showing beside diagnostics, with literal secrets replaced by dots. Where the file cannot be parsed or the schema
 * is unknown, a secret is recognised by the name of its key.
 */
export function withoutSecrets(yaml: YamlFile, exposed: readonly Path[]): string {
  return yaml.hidden(exposed).replaceAll(SECRET_LINE, (whole, key: string, value: string) => {
    const isHarmless = isReference(value) || /^["']?\$\{\w+$/.test(value);
    return isHarmless ? whole : key + value.replaceAll(/[^\s,[\]{}"']+/g, dots);
  });
}

const SECRET_LINE =
  /((?:secrets?|tokens?|passwords?|passphrase|api[_-]?keys?|private[_-]?key|webhook|credentials?)["']?[ \t]*:[ \t]*)(\[[^\]\n]*|[^\s,}[{#][^,}\n]*)/gi;

function dots(word: string): string {
  return isReference(word) ? word : word.replaceAll(/./g, "•");
}
