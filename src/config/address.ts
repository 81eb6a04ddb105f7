/** `store:` and `cache:`: one line that says what kind and where. */
import { resolve } from "node:path";
import { type Diagnostic, newDiagnostic } from "../errors.ts";

export type StoreConfig = { kind: "sqlite"; path: string } | { kind: "memory" } | { kind: "postgres"; url: string };
export type CacheConfig = { kind: "memory" } | { kind: "redis"; url: string };

/** A path is relative to `dir`. */
export function storeOf(text: string, dir: string): StoreConfig | Diagnostic {
  if (text === "memory") return { kind: "memory" };
  const path = /^sqlite:(?!\/\/)(.+)$/.exec(text)?.[1];
  if (path !== undefined) return { kind: "sqlite", path: resolve(dir, path) };
  if (/^postgres(ql)?:\/\//.test(text) && URL.canParse(text)) return { kind: "postgres", url: text };
  return unknownScheme("store", text, "sqlite:./data/signalbox.db, postgres://user@host/database or memory", {
    sqlite: "sqlite:./data/signalbox.db",
    postgres: "postgres://user@host/database",
  });
}

export function cacheOf(text: string): CacheConfig | Diagnostic {
  if (text === "memory") return { kind: "memory" };
  if (/^rediss?:\/\//.test(text) && URL.canParse(text)) return { kind: "redis", url: text };
  return unknownScheme("cache", text, "memory or redis://host:6379", { redis: "redis://127.0.0.1:6379" });
}

// The message leaves out the text itself, which may hold a password.
function unknownScheme(
  key: string,
  text: string,
  forms: string,
  examples: Readonly<Record<string, string>>,
): Diagnostic {
  const scheme = /^[A-Za-z0-9+.-]*/.exec(text)?.[0].slice(0, 20) ?? "";
  const suggestion = Object.entries(examples).find(([name]) => scheme.toLowerCase().startsWith(name))?.[1];
  return newDiagnostic("SB0102", `"${key}" has an unknown scheme; write ${forms}`, { path: [key], suggestion });
}
