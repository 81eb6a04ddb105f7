/** Settings that the command line and the environment override, and the origin of each value in force. */
import type { Diagnostic } from "../errors.ts";
import type { Json, JsonObject } from "../model.ts";
import type { YamlFile } from "../yaml.ts";
import type { Environment } from "./environment.ts";
import { fingerprint } from "./hide.ts";
import { passwordOf } from "./secrets.ts";

/** Settings that need no file. A flag overrides the variable. */
export const OVERRIDES = [
  { knob: "server.port", variable: "SIGNALBOX_PORT" },
  { knob: "server.admin.port", variable: "SIGNALBOX_ADMIN_PORT" },
  { knob: "log", variable: "SIGNALBOX_LOG" },
] as const;

export type Flags = Readonly<Partial<Record<(typeof OVERRIDES)[number]["knob"], string | undefined>>>;

export interface Origin {
  /** A secret is shown as its fingerprint. */
  value: string;
  origin: string;
}

export interface Override {
  knob: string;
  value: Json;
  origin: string;
}

export function overrides(flags: Flags, environment: Environment): Override[] {
  return OVERRIDES.flatMap(({ knob, variable }) => {
    const flag = flags[knob];
    const setting = flag === undefined ? environment.lookup(variable) : { value: flag, origin: "flag" as const };
    if (setting === undefined || setting.value === "") return [];
    const value = /^\d+$/.test(setting.value) ? Number(setting.value) : setting.value;
    const from = setting.origin === "environment" ? variable : `${variable} from .env`;
    return [{ knob, value, origin: setting.origin === "flag" ? "command line" : from }];
  });
}

/** The value with the overrides set. A part of the file that is no mapping stays as it is; the schema check reports it. */
export function overridden(value: Json, list: readonly Override[]): Json {
  return list.reduce<Json>((result, override) => withValueAt(result, override.knob.split("."), override.value), value);
}

function withValueAt(value: Json | undefined, path: readonly string[], leaf: Json): Json {
  const [key, ...rest] = path;
  if (key === undefined) return leaf;
  if (value !== undefined && (typeof value !== "object" || value === null || Array.isArray(value))) return value;
  return { ...value, [key]: withValueAt(value?.[key], rest, leaf) };
}

/** A diagnostic of an override names the flag or variable instead of a place; undefined = the value is from the file. */
export function overrideDiagnostic(diagnostic: Diagnostic, list: readonly Override[]): Diagnostic | undefined {
  const override = list.find(({ knob }) => knob === diagnostic.path?.join("."));
  if (override === undefined) return undefined;
  const { code, severity, message } = diagnostic;
  return { code, severity, message: `${override.origin} = "${String(override.value)}": ${message}` };
}

/** Every scalar in force: its origin, and its value without secrets. */
export function originsOf(
  complete: JsonObject,
  inputs: {
    yaml: YamlFile;
    file: string;
    fileValue: Json;
    overrides: readonly Override[];
    references: ReadonlyMap<string, string>;
    secretPaths: ReadonlySet<string>;
    secrets: readonly string[];
  },
): Map<string, Origin> {
  return new Map(
    leavesOf(complete, []).map(({ path, value }) => {
      const knob = path.join(".");
      const override = inputs.overrides.find((each) => each.knob === knob);
      const reference = inputs.references.get(knob);
      const { line, col } = inputs.yaml.place(path);
      const place = isInFile(inputs.fileValue, path) ? `${inputs.file}:${line}:${col}` : "default";
      const origin = override?.origin ?? (reference === undefined ? place : `${place} (${reference})`);
      const isSecret = inputs.secretPaths.has(knob);
      const shown = isSecret ? fingerprint(String(value)) : withoutParts(withoutPassword(value), inputs.secrets);
      return [knob, { value: shown, origin }];
    }),
  );
}

type Leaf = { path: readonly (string | number)[]; value: Json };

function leavesOf(value: Json, path: Leaf["path"]): Leaf[] {
  if (Array.isArray(value)) return value.flatMap((item, i) => leavesOf(item, [...path, i]));
  if (typeof value !== "object" || value === null) return [{ path, value }];
  return Object.entries(value).flatMap(([key, item]) => leavesOf(item, [...path, key]));
}

/** Whether the file has a value at the path. */
function isInFile(fileValue: unknown, path: Leaf["path"]): boolean {
  let value = fileValue;
  for (const key of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return false;
    value = (value as Record<string | number, unknown>)[key];
  }
  return true;
}

function withoutPassword(value: Json): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  const password = passwordOf(text);
  return password === undefined ? text : text.replace(/:[^:@/]*@/, ":••••@");
}

/** A secret within a longer value, such as a token in the path of an address. */
function withoutParts(text: string, secrets: readonly string[]): string {
  const parts = secrets.filter((secret) => secret.length >= 4);
  return parts.reduce((rest, secret) => rest.replaceAll(secret, fingerprint(secret)), text);
}
