/** signalbox.yaml + environment → Config: every knob with unit, default, limit and origin, or all problems at once. */
import { readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { TSchema } from "typebox";
import { validatorFor } from "../core/check.ts";
import type { ActionForm } from "../core/render.ts";
import type { Diagnostic } from "../errors.ts";
import type { Json, JsonObject } from "../model.ts";
import type { Provider } from "../ports/provider.ts";
import { placed, readYaml, type YamlFile } from "../yaml.ts";
import { type CacheConfig, cacheOf, type StoreConfig, storeOf } from "./address.ts";
import {
  type ConnectionEntry,
  connectionsOf,
  duration,
  nameProblems,
  type ScheduleConfig,
  type SourceEntry,
  schedulesOf,
  sourcesOf,
} from "./entries.ts";
import { type Environment, environment } from "./environment.ts";
import { type ConfigFile, entriesOf, type LOG_LEVELS, schemaFor } from "./file.ts";
import { redacted, withoutSecrets } from "./hide.ts";
import { type Flags, type Origin, type Override, originsOf, overridden, overrideProblem, overrides } from "./knobs.ts";
import { type Resolved, resolveValues, withDefaults } from "./resolve.ts";

/** Larger than any configuration a person writes. */
const FILE_BYTES_MAX = 1024 * 1024;
const HOUR_MS = 3_600_000;

export type LogLevel = (typeof LOG_LEVELS)[number];
export type { CacheConfig, ConnectionEntry, Origin, ScheduleConfig, SourceEntry, StoreConfig };

export interface Config {
  /** The folder of the file, absolute: rules/ and statemachines/ lie here. */
  dir: string;
  file: string;
  server: { host: string; port: number; admin: { host: string; port: number } };
  store: StoreConfig;
  cache: CacheConfig;
  sources: SourceEntry[];
  connections: ConnectionEntry[];
  schedules: ScheduleConfig[];
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
  /** From the command line; before everything else. */
  flags?: Flags;
  /** For commands that work on files alone: secrets and variables that are not there are warnings. */
  offline?: boolean;
}

export interface Loaded {
  /** Only when no problem is an error. */
  config?: Config;
  /** Placed, in the order of the file. */
  problems: Diagnostic[];
  /** The file's text without literal secrets, for showing beside the problems. */
  sources: ReadonlyMap<string, string>;
}

/** Reads the file and everything it refers to. Never rejects for what a person wrote. */
export async function loadConfig(options: LoadOptions): Promise<Loaded> {
  const name = options.file ?? "signalbox.yaml";
  const file = resolve(options.dir ?? ".", name);
  const dir = dirname(file);
  const read = await textOf(file, name);
  if (typeof read !== "string") return { problems: [read], sources: new Map() };
  const yaml = readYaml(name, read);
  const known = environment(options.env, await dotenvOf(dir));
  const resolved = resolveAll(yaml, known, { ...options, dir });
  const checked = yaml.value === undefined ? undefined : checkAll(resolved, options.providers, dir);
  const secrets = [...new Set(resolved.secrets)].toSorted((a, b) => b.length - a.length);
  const problems = [...yaml.diagnostics, ...resolved.problems, ...(checked?.problems ?? [])]
    .map((problem) => overrideProblem(problem, resolved.overrides) ?? placedIn(name, yaml, problem))
    .map((problem) => softened(redacted(problem, secrets), options.offline === true))
    .toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.col ?? 0) - (b.col ?? 0));
  const sources = new Map([[name, withoutSecrets(yaml, resolved.exposed)]]);
  if (checked === undefined || problems.some(({ severity }) => severity === "error")) return { problems, sources };
  const { complete, parts } = checked;
  const origins = originsOf(complete, {
    yaml,
    file: name,
    given: yaml.value ?? {},
    overrides: resolved.overrides,
    references: resolved.origins,
    secretPaths: resolved.secretPaths,
  });
  return { config: { dir, file, ...parts, secrets, origins }, problems, sources };
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
  const wrong = (code: Diagnostic["code"], message: string): Diagnostic => ({
    code,
    severity: "error",
    message,
    file: name,
  });
  try {
    const bytes = await readFile(file);
    if (bytes.length > FILE_BYTES_MAX) return wrong("SB0108", "The file is larger than 1 MiB");
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    const reason = error instanceof Error && "code" in error ? String(error.code) : "unreadable";
    if (reason === "ENOENT") return wrong("SB0003", `There is no file "${name}"; signalbox init writes one`);
    if (reason === "ERR_ENCODING_INVALID_ENCODED_DATA")
      return wrong("SB0001", "The file is not UTF-8; save it as UTF-8");
    return wrong("SB0003", `The file "${name}" cannot be read (${reason})`);
  }
}

async function dotenvOf(dir: string): Promise<string | undefined> {
  try {
    return await readFile(join(dir, ".env"), "utf8");
  } catch {
    // It is a convenience for developers; what it would have set is told as missing.
    return undefined;
  }
}

function resolveAll(
  yaml: YamlFile,
  known: Environment,
  { providers, flags = {}, dir }: LoadOptions & { dir: string },
): Resolved & { schema: TSchema; overrides: Override[] } {
  const value = yaml.value ?? {};
  const schema = schemaFor(value, providers);
  const list = overrides(flags, known);
  const resolved = resolveValues(value, schema, known, dir);
  return { ...resolved, value: overridden(resolved.value, list), schema, overrides: list };
}

type Parts = Omit<Config, "dir" | "file" | "secrets" | "origins">;

function checkAll(
  { value, schema, unknown }: ReturnType<typeof resolveAll>,
  providers: ReadonlyMap<string, Provider>,
  dir: string,
): { complete: JsonObject; parts: Parts; problems: Diagnostic[] } {
  const misfits = validatorFor(schema)(value, "The file").filter(({ path = [] }) => !unknown.has(path.join(".")));
  const names = nameProblems(value, providers);
  const sound = soundPart(value, [...misfits, ...names]);
  const complete = withDefaults(schemaFor(sound, providers), sound) as JsonObject;
  const { parts, problems } = partsOf(complete as ConfigFile, providers, dir);
  const told = problems.filter(({ path = [] }) => !unknown.has(path.join(".")));
  return { complete, parts, problems: [...misfits, ...names, ...told] };
}

/** What fits the schema of an unsound file: the rest of it is still worth checking. */
function soundPart(value: Json, problems: readonly Diagnostic[]): JsonObject {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return {};
  const isSound = (...prefix: string[]) =>
    !problems.some(({ path = [] }) => prefix.every((part, i) => path[i] === part));
  const sections = Object.entries(value).flatMap(([key, section]): [string, Json][] => {
    const isNamed = key === "sources" || key === "connections" || key === "schedules";
    if (!isNamed || problems.some(({ path = [] }) => path.length === 1 && path[0] === key)) {
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
): { parts: Parts; problems: Diagnostic[] } {
  const problems: Diagnostic[] = [];
  const taken = <T extends object>(parsed: T | Diagnostic, otherwise: T): T => {
    if (!("code" in parsed)) return parsed;
    problems.push(parsed as Diagnostic);
    return otherwise;
  };
  const kept = (key: "events" | "deliveries") =>
    duration(complete.retention?.[key], ["retention", key], { min: HOUR_MS, max: 3650 * 24 * HOUR_MS }, problems) ?? 0;
  const sources = sourcesOf(complete, providers);
  const schedules = schedulesOf(complete);
  const { host = "", port = 0, admin = {} } = complete.server ?? {};
  const parts: Parts = {
    server: { host, port, admin: { host: admin.host ?? "", port: admin.port ?? 0 } },
    store: taken<StoreConfig>(storeOf(complete.store ?? "", dir), { kind: "memory" }),
    cache: taken<CacheConfig>(cacheOf(complete.cache ?? ""), { kind: "memory" }),
    sources: sources.items,
    connections: connectionsOf(complete, providers),
    schedules: schedules.items,
    vars: (complete.vars ?? {}) as JsonObject,
    retention: { eventsMs: kept("events"), deliveriesMs: kept("deliveries") },
    auth: { local: complete.auth?.local ?? true },
    log: complete.log ?? "info",
  };
  return { parts, problems: [...problems, ...sources.problems, ...schedules.problems] };
}

function placedIn(file: string, yaml: YamlFile, problem: Diagnostic): Diagnostic {
  if (problem.file !== undefined) return problem;
  return placed(file, yaml, problem);
}

/** Without the network and the secrets of production a file can still be right. */
function softened(problem: Diagnostic, offline: boolean): Diagnostic {
  const isOutside = problem.code === "SB0207" || problem.code === "SB0210";
  return offline && isOutside ? { ...problem, severity: "warning" } : problem;
}
