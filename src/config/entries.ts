/** Sources, connections and schedules of a checked file, with the checks that a schema cannot express. */

import { cronProblem, isTimezone } from "../core/cron.ts";
import { formatDuration, parseDuration } from "../core/duration.ts";
import { addressBits, cidr } from "../core/match/address.ts";
import type { Schedule } from "../core/schedule.ts";
import { type Diagnostic, nearest, newDiagnostic, type Path } from "../errors.ts";
import type { Json, JsonObject } from "../model.ts";
import { LIMITS } from "../model.ts";
import type { ConnectionConfig, Provider, Source, SourceConfig } from "../ports/provider.ts";
import { type ConfigFile, entriesOf, fieldOf, keysOf, NAME_PATTERN, parseBytes } from "./file.ts";

const DAY_MS = 86_400_000;
const NAME = new RegExp(NAME_PATTERN, "u");

export interface SourceEntry {
  config: SourceConfig;
  /** `/hooks/<name>` first, then its other paths. */
  paths: string[];
  bodyBytesMax: number;
  /** Whether verifying and feeds may call private addresses. */
  allowPrivate: boolean;
  /** How long an equal body counts as the same event; absent = as the provider or product has it. */
  dedupeWindowMs?: number;
  /** Addresses and networks that may send; absent = all. */
  allow?: readonly string[];
  /** Paths of fields that are not stored. */
  drop?: readonly string[];
  /** Those whose X-Forwarded-For is believed. */
  trustedProxies?: readonly string[];
}

export interface ConnectionEntry {
  config: ConnectionConfig;
  allowPrivate: boolean;
  /** Requests at the same time. */
  concurrency: number;
  /** Absent = as many as concurrency allows. */
  ratePerSecond?: number;
}

type Providers = ReadonlyMap<string, Provider>;
type ParsedEntries<T> = { items: T[]; diagnostics: Diagnostic[] };

/** Names and providers, on a file that may not fit its schema. */
export function nameDiagnostics(value: Json, providers: Providers): Diagnostic[] {
  const diagnostics: Diagnostic[] = [];
  for (const section of ["sources", "connections", "schedules"] as const) {
    for (const [name, entry] of entriesOf(value, section)) {
      if (!NAME.test(name)) {
        const message = `"${name}" is no name; names are letters, digits, "-" and "_", at most 100, and start with a letter or digit`;
        diagnostics.push(newDiagnostic("SB0102", message, { path: [section, name], atKey: true }));
      }
      const provider = fieldOf(entry, "provider");
      if (section !== "schedules" && typeof provider === "string") {
        diagnostics.push(...providerDiagnostics(section, name, provider, providers));
      }
    }
  }
  return diagnostics;
}

function providerDiagnostics(section: string, name: string, providerName: string, providers: Providers): Diagnostic[] {
  const hasDirection = (provider: Provider) =>
    (section === "sources" ? provider.source : provider.connection) !== undefined;
  const provider = providers.get(providerName);
  if (provider !== undefined && hasDirection(provider)) return [];
  const path = [section, name, "provider"];
  if (provider !== undefined) {
    const lack = section === "sources" ? "receives nothing and cannot be a source" : "has no actions to connect to";
    return [newDiagnostic("SB0206", `The provider "${providerName}" ${lack}`, { path })];
  }
  const providerNames = [...providers.values()].filter(hasDirection).map((each) => each.name);
  const suggestion = nearest(providerName, providerNames);
  return [newDiagnostic("SB0206", `"${providerName}" is not a known provider`, { path, suggestion })];
}

/** One source per entry whose provider is known. A secret that could not be resolved is an empty text and is left out. */
export function sourcesOf(file: ConfigFile, providers: Providers): ParsedEntries<SourceEntry> {
  const diagnostics: Diagnostic[] = [];
  const items = Object.entries(file.sources ?? {}).flatMap(([name, entry]) => {
    const source = providers.get(entry.provider)?.source;
    return source === undefined ? [] : [sourceOf(name, entry, source, diagnostics)];
  });
  return { items, diagnostics: [...diagnostics, ...pathDiagnostics(items, file)] };
}

type SourceFile = NonNullable<ConfigFile["sources"]>[string];

function sourceOf(name: string, entry: SourceFile, source: Source, diagnostics: Diagnostic[]): SourceEntry {
  const path = ["sources", name];
  const settings = pick(entry, keysOf(source.settings));
  const { provider, secret, secrets = [], paths = [], tickets, allowPrivate = false, drop } = entry;
  const allSecrets = secret === undefined ? secrets : [secret, ...secrets];
  diagnostics.push(...secretDiagnostics(name, entry, allSecrets.length > 0 || !needsSecret(source, settings)));
  const config: SourceConfig = { name, provider, secrets: allSecrets.filter((each) => each !== ""), settings };
  if (tickets?.projects !== undefined) config.ticketProjects = tickets.projects;
  const networksAt = (key: "allow" | "trustedProxies") => {
    const texts = entry[key];
    return texts === undefined ? {} : { [key]: networks(texts, [...path, key], diagnostics) };
  };
  const windowMs = durationMs(entry.dedupe, [...path, "dedupe"], { min: 0, max: 30 * DAY_MS }, diagnostics);
  return {
    config,
    paths: source.kind === "feed" ? [] : [...new Set([`/hooks/${name}`, ...paths.map(withoutEndSlash)])],
    allowPrivate,
    bodyBytesMax: bodyBytes(entry.maxBody, [...path, "maxBody"], diagnostics),
    ...(drop === undefined ? {} : { drop }),
    ...networksAt("allow"),
    ...networksAt("trustedProxies"),
    ...(windowMs === undefined ? {} : { dedupeWindowMs: windowMs }),
  };
}

function needsSecret({ needsSecret: needs }: Source, settings: JsonObject): boolean {
  return typeof needs === "function" ? needs(settings) : needs;
}

function secretDiagnostics(name: string, { secret, secrets }: SourceFile, isEnough: boolean): Diagnostic[] {
  const path = ["sources", name];
  if (secret !== undefined && secrets !== undefined) {
    return [
      newDiagnostic("SB0102", 'Write "secret" or "secrets", not both', { path: [...path, "secrets"], atKey: true }),
    ];
  }
  if (isEnough) return [];
  return [newDiagnostic("SB0103", `The source "${name}" has no secret; add "secret: env:NAME"`, { path, atKey: true })];
}

export function connectionsOf(file: ConfigFile, providers: Providers): ConnectionEntry[] {
  return Object.entries(file.connections ?? {}).flatMap(([name, entry]) => {
    const { provider, allowPrivate = false, concurrency = 8, ratePerSecond } = entry;
    const schema = providers.get(provider)?.connection?.settings;
    if (schema === undefined) return [];
    const config: ConnectionConfig = { name, provider, settings: pick(entry, keysOf(schema)) };
    const result: ConnectionEntry = { config, allowPrivate, concurrency };
    return [ratePerSecond === undefined ? result : { ...result, ratePerSecond }];
  });
}

export function schedulesOf(file: ConfigFile): ParsedEntries<Schedule> {
  const diagnostics: Diagnostic[] = [];
  const items = Object.entries(file.schedules ?? {}).map(([id, { cron, timezone, catchUp, data }]) => {
    const cronMistake = cronProblem(cron);
    if (cronMistake !== undefined)
      diagnostics.push(newDiagnostic("SB0102", cronMistake, { path: ["schedules", id, "cron"] }));
    if (timezone !== undefined && !isTimezone(timezone)) {
      const message = `"${timezone}" is not a known time zone; write a name such as Europe/Berlin`;
      diagnostics.push(newDiagnostic("SB0102", message, { path: ["schedules", id, "timezone"] }));
    }
    const schedule: Schedule = { id, cron, data: (data ?? {}) as JsonObject };
    if (timezone !== undefined) schedule.timezone = timezone;
    if (catchUp !== undefined) schedule.catchUp = catchUp;
    return schedule;
  });
  return { items, diagnostics };
}

/** Milliseconds of the text; undefined, with a diagnostic, when the text is no duration or outside the limits. */
export function durationMs(
  text: string | undefined,
  path: Path,
  { min, max }: { min: number; max: number },
  diagnostics: Diagnostic[],
): number | undefined {
  if (text === undefined) return undefined;
  const ms = parseDuration(text);
  if (ms === undefined)
    diagnostics.push(newDiagnostic("SB0107", `"${text}" is not a duration; write 90s, 15m, 1h30m or P3D`, { path }));
  else if (ms < min || ms > max) {
    const limits = `${formatDuration(min)} to ${formatDuration(max)}`;
    diagnostics.push(newDiagnostic("SB0108", `"${text}" is outside the limits, ${limits}`, { path }));
  } else return ms;
  return undefined;
}

function bodyBytes(text: string | undefined, path: Path, diagnostics: Diagnostic[]): number {
  const bytes = text === undefined ? LIMITS.bodyBytes : parseBytes(text);
  if (bytes === undefined || bytes === 0) {
    diagnostics.push(newDiagnostic("SB0102", `"${text}" is not a size; write 512KiB or 5MiB`, { path }));
  } else if (bytes > LIMITS.bodyBytesMax) {
    diagnostics.push(newDiagnostic("SB0108", `"${text}" is more than the 25MiB that a source may take`, { path }));
  } else return bytes;
  return LIMITS.bodyBytes;
}

/** One that is mistyped would match nothing, and whoever is meant would be refused. */
function networks(texts: readonly string[], path: Path, diagnostics: Diagnostic[]): readonly string[] {
  for (const [index, text] of texts.entries()) {
    const isAddress = addressBits(text) !== undefined || (text.includes("/") && cidr(text).ok);
    if (isAddress) continue;
    const message = `"${text}" is neither an address nor a network; write 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32`;
    diagnostics.push(newDiagnostic("SB0102", message, { path: [...path, index] }));
  }
  return texts;
}

/** Every path that a second source claims. */
function pathDiagnostics(sources: readonly SourceEntry[], file: ConfigFile): Diagnostic[] {
  const owners = new Map<string, string>();
  const diagnostics: Diagnostic[] = [];
  for (const { config, paths } of sources) {
    for (const urlPath of paths) {
      const owner = owners.get(urlPath);
      owners.set(urlPath, owner ?? config.name);
      if (owner === undefined) continue;
      const index = (file.sources?.[config.name]?.paths ?? []).findIndex((alias) => withoutEndSlash(alias) === urlPath);
      const message = `The path "${urlPath}" belongs to the source "${owner}" already`;
      const path = index < 0 ? ["sources", config.name] : ["sources", config.name, "paths", index];
      diagnostics.push(newDiagnostic("SB0209", message, index < 0 ? { path, atKey: true } : { path }));
    }
  }
  return diagnostics;
}

function withoutEndSlash(path: string): string {
  return path.length > 1 ? path.replace(/\/+$/, "") : path;
}

function pick(entry: object, keys: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(entry).filter(([key]) => keys.includes(key)));
}
