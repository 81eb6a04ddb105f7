/** Values from outside the file: variables, .env, ${…} and references to secrets. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseEnv } from "node:util";

/** Large enough for a private key with its certificate chain. */
const SECRET_BYTES_MAX = 64 * 1024;

export interface Environment {
  /** `origin` says where the variable is set, for `doctor --config`. */
  lookup(name: string): { value: string; origin: "environment" | ".env" } | undefined;
}

/** Variables of the process before those of `.env`, which counts only outside production. */
export function createEnvironment(
  variables: Readonly<Record<string, string | undefined>>,
  dotenvText: string | undefined,
): Environment {
  const dotenv: NodeJS.Dict<string> =
    dotenvText === undefined || variables.NODE_ENV === "production" ? {} : parseEnv(dotenvText);
  return {
    lookup(name) {
      const value = Object.hasOwn(variables, name) ? variables[name] : undefined;
      if (value !== undefined) return { value, origin: "environment" };
      const fallback = Object.hasOwn(dotenv, name) ? dotenv[name] : undefined;
      return fallback === undefined ? undefined : { value: fallback, origin: ".env" };
    },
  };
}

export interface Interpolated {
  text: string;
  /** Whether the text held a variable or `$$`. */
  hasChanged: boolean;
  /** The variables that were put in. */
  variables: { name: string; value: string }[];
  mistakes: { kind: "unset" | "malformed"; name: string; message: string; offset: number }[];
}

/** `${NAME}`, `${NAME:-default}`, `${NAME:?message}`; `$$` is a dollar sign. A default stands in for unset and empty alike. */
export function interpolate(text: string, environment: Environment): Interpolated {
  const mistakes: Interpolated["mistakes"] = [];
  const variables: Interpolated["variables"] = [];
  let hasChanged = false;
  const result = text.replaceAll(
    /\$\$|\$\{([^}]*)(\}?)/g,
    (whole, inner: string | undefined, close, offset: number) => {
      hasChanged = true;
      if (inner === undefined) return "$";
      const match = /^([A-Za-z_][A-Za-z0-9_]*)(?::([-?])(.*))?$/s.exec(inner);
      if (match === null || close === "") {
        const message = `"${whole}" is not a variable; write \${NAME}, \${NAME:-default} or \${NAME:?message}, and $$ for a dollar sign`;
        mistakes.push({ kind: "malformed", name: inner, message, offset });
        return whole;
      }
      const [, name = "", operator, operand = ""] = match;
      const value = environment.lookup(name)?.value;
      if (value !== undefined && (value !== "" || operator === undefined)) {
        variables.push({ name, value });
        return value;
      }
      if (operator === "-") return operand;
      const message = operator === "?" && operand !== "" ? `: ${operand}` : "";
      mistakes.push({ kind: "unset", name, message: `The environment variable ${name} is not set${message}`, offset });
      return "";
    },
  );
  return { text: result, hasChanged, variables, mistakes };
}

const REFERENCE = /^(?:env:([A-Za-z_][A-Za-z0-9_]*)|file:(.+))$/s;

/** Whether the text is a reference to a value (`env:`, `file:`). */
export function isReference(text: string): boolean {
  return REFERENCE.test(text);
}

/** The secret that `env:NAME` or `file:/path` names (relative to `dir`), or the reason why it cannot be read. A value is never empty. */
export function resolveSecret(
  reference: string,
  environment: Environment,
  dir: string,
): { ok: true; value: string; origin: string } | { ok: false; detail: string } {
  const [, name, path] = REFERENCE.exec(reference) ?? [];
  if (name !== undefined) {
    const variable = environment.lookup(name);
    if (variable === undefined) return { ok: false, detail: `The environment variable ${name} is not set` };
    if (variable.value.trim() === "") return { ok: false, detail: `The environment variable ${name} is empty` };
    return {
      ok: true,
      value: variable.value,
      origin: variable.origin === ".env" ? `${reference} from .env` : reference,
    };
  }
  if (path === undefined) return { ok: false, detail: "Write env:NAME or file:/path" };
  return secretFile(reference, resolve(dir, path));
}

function secretFile(origin: string, path: string): ReturnType<typeof resolveSecret> {
  try {
    const bytes = readFileSync(path);
    if (bytes.length > SECRET_BYTES_MAX) return { ok: false, detail: `The file ${path} is larger than 64 KiB` };
    const value = bytes.toString("utf8").replace(/\r?\n$/, "");
    return value.trim() === "" ? { ok: false, detail: `The file ${path} is empty` } : { ok: true, value, origin };
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "unreadable";
    return { ok: false, detail: `The file ${path} cannot be read (${code})` };
  }
}
