/** signalbox.yaml + environment → Config: every knob with unit, default, limit and origin, or all diagnostics at once. */
import { readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { TSchema } from "typebox";
import { validatorFor } from "../core/check.ts";
import type { ActionForm } from "../core/render.ts";
import type { Schedule } from "../core/schedule.ts";
import { type Diagnostic, newDiagnostic } from "../errors.ts";
import type { Json, JsonObject } from "../model.ts";
import type { Provider } from "../ports/provider.ts";
import { placed, readYaml, type YamlFile } from "../yaml.ts";
import { type CacheConfig, cacheOf, type StoreConfig, storeOf } from "./address.ts";
import {
  type ConnectionEntry,
  connectionsOf,
  durationMs,
  nameDiagnostics,
  type SourceEntry,
  schedulesOf,
  sourcesOf,
} from "./entries.ts";
import { createEnvironment, type Environment } from "./environment.ts";
import { type ConfigFile, entriesOf, type LOG_LEVELS, schemaFor } from "./file.ts";
import { redacted, withoutSecrets } from "./hide.ts";
import {
  type Flags,
  type Origin,
  type Override,
  originsOf,
  overridden,
  overrideDiagnostic,
  overrides,
} from "./knobs.ts";
import { type Resolved, resolveValues, withDefaults } from "./resolve.ts";

/** Larger than any configuration a person writes. */
const FILE_BYTES_MAX = 1024 * 1024;
const HOUR_MS = 3_600_000;

export type LogLevel = (typeof LOG_LEVELS)[number];
export type { CacheConfig, ConnectionEntry, Origin, SourceEntry, StoreConfig };

export interface Config {
  /** The folder of the file, absolute: rules/ and statemachines/ lie here. */
  dir: string;
  file: string;
  server: { host: string; port: number; admin: { host: string; port: number } };
  store: StoreConfig;
  cache: CacheConfig;
  sources: SourceEntry[];
  connections: ConnectionEntry[];
  schedules: Schedule[];
  vars: JsonObject;
  retention: { eventsMs: number; deliveriesMs: number };
  /** `local`: an admin listener on loopback asks for no token. */
  auth: { local: boolean };
  log: LogLevel;
  /** Every resolved secret value, longest first, for redaction. */
  secrets: readonly string[];
  /** Knob such as `server.port` → where its value comes from, secrets as fingerprints. */
  origins: ReadonlyMap<string, Origin>;
}

export interface LoadOptions {
  /** Default: signalbox.yaml in `dir`. */
  file?: string;
  dir?: string;
  env: Readonly<Record<string, string | undefined>>;
  providers: ReadonlyMap<string, Provider>;
  /** Settings of the command line; they override the file and the environment. */
  flags?: Flags;
  /** For commands that work on files alone: a missing secret or variable is only a warning. */
  offline?: boolean;
}

export interface Loaded {
  /** Absent when a diagnostic is an error. */
  config?: Config;
  /** Placed, in the order of the file. */
  diagnostics: Diagnostic[];
  /** The file's text without literal secrets, for showing beside the diagnostics. */
  fileTexts: ReadonlyMap<string, string>;
}

/** Reads the file and everything it refers to. Never rejects for what a person wrote. */
export async function loadConfig(options: LoadOptions): Promise<Loaded> {
  const name = options.file ?? "signalbox.yaml";
  const file = resolve(options.dir ?? ".", name);
  const dir = dirname(file);
  const text = await textOf(file, name);
  if (typeof text !== "string") return { diagnostics: [text], fileTexts: new Map() };
  const yaml = readYaml(name, text);
  const variables = createEnvironment(options.env, await dotenvOf(dir));
  const resolved = resolveAll(yaml, variables, { ...options, dir });
  const checked = yaml.value === undefined ? undefined : checkAll(resolved, options.providers, dir);
  const secrets = [...new Set(resolved.secrets)].toSorted((a, b) => b.length - a.length);
  const diagnostics = [...yaml.diagnostics, ...resolved.diagnostics, ...(checked?.diagnostics ?? [])]
    .map((problem) => overrideDiagnostic(problem, resolved.overrides) ?? placedIn(name, yaml, problem))
    .map((problem) => softenedOffline(redacted(problem, secrets), options.offline === true))
    .toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.col ?? 0) - (b.col ?? 0));
  const fileTexts = new Map([[name, withoutSecrets(yaml, resolved.exposed)]]);
  if (checked === undefined || diagnostics.some(({ severity }) => severity === "error"))
    return { diagnostics, fileTexts };
  const { complete, parts } = checked;
  const origins = originsOf(complete, {
    yaml,
    file: name,
    fileValue: yaml.value ?? {},
    overrides: resolved.overrides,
    references: resolved.origins,
    secretPaths: resolved.secretPaths,
    secrets,
  });
  return { config: { dir, file, ...parts, secrets, origins }, diagnostics, fileTexts };
}

/** `connection.action` → its parameters, for every configured connection. */
export function actionCatalogue(
  connections: readonly Pick<ConnectionEntry, "config">[],
  providers: ReadonlyMap<string, Provider>,
): ReadonlyMap<string, ActionForm> {
  return new Map(
    connections.flatMap(({ config: { name, provider } }) =>
      Object.entries(providers.get(provider)?.connection?.actions ?? {}).map(([action, { params }]) => [
        `${name}.${action}`,
        { params, escapes: providers.get(provider)?.connection?.escapes },
      ]),
    ),
  );
}

// ---------------------------------------------------------------- steps

async function textOf(file: string, name: string): Promise<string | Diagnostic> {
  const diagnostic = (code: Diagnostic["code"], message: string) => newDiagnostic(code, message, { file: name });
  try {
    const bytes = await readFile(file);
    if (bytes.length > FILE_BYTES_MAX) return diagnostic("SB0108", "The file is larger than 1 MiB");
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    const reason = error instanceof Error && "code" in error ? String(error.code) : "unreadable";
    if (reason === "ENOENT") return diagnostic("SB0003", `There is no file "${name}"; signalbox init writes one`);
    if (reason === "ERR_ENCODING_INVALID_ENCODED_DATA")
      return diagnostic("SB0001", "The file is not UTF-8; save it as UTF-8");
    return diagnostic("SB0003", `The file "${name}" cannot be read (${reason})`);
  }
}

async function dotenvOf(dir: string): Promise<string | undefined> {
  try {
    return await readFile(join(dir, ".env"), "utf8");
  } catch {
    // The file is optional; a variable that it would have set is reported as missing.
    return undefined;
  }
}

function resolveAll(
  yaml: YamlFile,
  variables: Environment,
  { providers, flags = {}, dir }: LoadOptions & { dir: string },
): Resolved & { schema: TSchema; overrides: Override[] } {
  const value = yaml.value ?? {};
  const schema = schemaFor(value, providers);
  const list = overrides(flags, variables);
  const resolved = resolveValues(value, schema, variables, dir);
  return { ...resolved, value: overridden(resolved.value, list), schema, overrides: list };
}

type Parts = Omit<Config, "dir" | "file" | "secrets" | "origins">;

function checkAll(
  { value, schema, unknown }: ReturnType<typeof resolveAll>,
  providers: ReadonlyMap<string, Provider>,
  dir: string,
): { complete: JsonObject; parts: Parts; diagnostics: Diagnostic[] } {
  const schemaDiagnostics = validatorFor(schema)(value, "The file").filter(
    ({ path = [] }) => !unknown.has(path.join(".")),
  );
  const nameErrors = nameDiagnostics(value, providers);
  const sound = soundPart(value, [...schemaDiagnostics, ...nameErrors]);
  const complete = withDefaults(schemaFor(sound, providers), sound) as JsonObject;
  const { parts, diagnostics } = partsOf(complete as ConfigFile, providers, dir);
  const partDiagnostics = diagnostics.filter(({ path = [] }) => !unknown.has(path.join(".")));
  return { complete, parts, diagnostics: [...schemaDiagnostics, ...nameErrors, ...partDiagnostics] };
}

/** The sections and entries of the file without an error, so that they are checked further. */
function soundPart(value: Json, diagnostics: readonly Diagnostic[]): JsonObject {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return {};
  const isSound = (...prefix: string[]) =>
    !diagnostics.some(({ path = [] }) => prefix.every((part, i) => path[i] === part));
  const sections = Object.entries(value).flatMap(([key, section]): [string, Json][] => {
    const isNamed = key === "sources" || key === "connections" || key === "schedules";
    if (!isNamed || diagnostics.some(({ path = [] }) => path.length === 1 && path[0] === key)) {
      return isSound(key) ? [[key, section]] : [];
    }
    return [[key, Object.fromEntries(entriesOf(value, key).filter(([name]) => isSound(key, name))) as JsonObject]];
  });
  return Object.fromEntries(sections);
}

function partsOf(
  complete: ConfigFile,
  providers: ReadonlyMap<string, Provider>,
  dir: string,
): { parts: Parts; diagnostics: Diagnostic[] } {
  const diagnostics: Diagnostic[] = [];
  const valueOr = <T extends object>(parsed: T | Diagnostic, fallback: T): T => {
    if (!("code" in parsed)) return parsed;
    diagnostics.push(parsed as Diagnostic);
    return fallback;
  };
  const retentionMs = (key: "events" | "deliveries") =>
    durationMs(
      complete.retention?.[key],
      ["retention", key],
      { min: HOUR_MS, max: 3650 * 24 * HOUR_MS },
      diagnostics,
    ) ?? 0;
  const sources = sourcesOf(complete, providers);
  const schedules = schedulesOf(complete);
  const { host = "", port = 0, admin = {} } = complete.server ?? {};
  const parts: Parts = {
    server: { host, port, admin: { host: admin.host ?? "", port: admin.port ?? 0 } },
    store: valueOr<StoreConfig>(storeOf(complete.store ?? "", dir), { kind: "memory" }),
    cache: valueOr<CacheConfig>(cacheOf(complete.cache ?? ""), { kind: "memory" }),
    sources: sources.items,
    connections: connectionsOf(complete, providers),
    schedules: schedules.items,
    vars: (complete.vars ?? {}) as JsonObject,
    retention: { eventsMs: retentionMs("events"), deliveriesMs: retentionMs("deliveries") },
    auth: { local: complete.auth?.local ?? true },
    log: complete.log ?? "info",
  };
  return { parts, diagnostics: [...diagnostics, ...sources.diagnostics, ...schedules.diagnostics] };
}

function placedIn(file: string, yaml: YamlFile, diagnostic: Diagnostic): Diagnostic {
  if (diagnostic.file !== undefined) return diagnostic;
  return placed(file, yaml, diagnostic);
}

/** A missing variable or secret is only a warning offline: a file can be right without them. */
function softenedOffline(diagnostic: Diagnostic, offline: boolean): Diagnostic {
  const isOutside = diagnostic.code === "SB0207" || diagnostic.code === "SB0210";
  return offline && isOutside ? { ...diagnostic, severity: "warning" } : diagnostic;
}
