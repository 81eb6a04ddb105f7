/** What the command line and the environment override, and where each value in force comes from. */
import type { Diagnostic } from "../errors.ts";
import type { Json, JsonObject } from "../model.ts";
import type { YamlFile } from "../yaml.ts";
import type { Environment } from "./environment.ts";
import { fingerprint } from "./hide.ts";
import { passwordOf } from "./resolve.ts";

/** Knobs that can be set without the file; the flag comes first. */
export const OVERRIDES = [
  { knob: "server.port", variable: "SIGNALBOX_PORT" },
  { knob: "server.admin.port", variable: "SIGNALBOX_ADMIN_PORT" },
  { knob: "log", variable: "SIGNALBOX_LOG" },
] as const;

export type Flags = Readonly<Partial<Record<(typeof OVERRIDES)[number]["knob"], string | undefined>>>;

export interface Origin {
  /** Secrets as dots and a fingerprint. */
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
    const found = flag === undefined ? environment.lookup(variable) : { value: flag, origin: "flag" as const };
    if (found === undefined || found.value === "") return [];
    const value = /^\d+$/.test(found.value) ? Number(found.value) : found.value;
    const from = found.origin === "environment" ? variable : `${variable} from .env`;
    return [{ knob, value, origin: found.origin === "flag" ? "command line" : from }];
  });
}

/** The value with the overrides set; a part of the file that is no mapping stays as it is, for the check to tell. */
export function overridden(value: Json, list: readonly Override[]): Json {
  return list.reduce<Json>((result, override) => set(result, override.knob.split("."), override.value), value);
}

function set(value: Json | undefined, path: readonly string[], leaf: Json): Json {
  const [key, ...rest] = path;
  if (key === undefined) return leaf;
  if (value !== undefined && (typeof value !== "object" || value === null || Array.isArray(value))) return value;
  return { ...value, [key]: set(value?.[key], rest, leaf) };
}

/** A problem with a value that does not stand in the file says where it came from instead. */
export function overrideProblem(problem: Diagnostic, list: readonly Override[]): Diagnostic | undefined {
  const found = list.find(({ knob }) => knob === problem.path?.join("."));
  if (found === undefined) return undefined;
  const { code, severity, message } = problem;
  return { code, severity, message: `${found.origin} = "${String(found.value)}": ${message}` };
}

/** Every scalar in force: where it comes from, and its value without what is secret. */
export function originsOf(
  complete: JsonObject,
  known: {
    yaml: YamlFile;
    file: string;
    given: Json;
    overrides: readonly Override[];
    references: ReadonlyMap<string, string>;
    secretPaths: ReadonlySet<string>;
  },
): Map<string, Origin> {
  return new Map(
    leavesOf(complete, []).map(({ path, value }) => {
      const knob = path.join(".");
      const override = known.overrides.find((each) => each.knob === knob);
      const reference = known.references.get(knob);
      const { line, col } = known.yaml.place(path);
      const place = stands(known.given, path) ? `${known.file}:${line}:${col}` : "default";
      const origin = override?.origin ?? (reference === undefined ? place : `${place} (${reference})`);
      return [knob, { value: known.secretPaths.has(knob) ? fingerprint(String(value)) : shown(value), origin }];
    }),
  );
}

type Leaf = { path: readonly (string | number)[]; value: Json };

function leavesOf(value: Json, path: Leaf["path"]): Leaf[] {
  if (Array.isArray(value)) return value.flatMap((item, i) => leavesOf(item, [...path, i]));
  if (typeof value !== "object" || value === null) return [{ path, value }];
  return Object.entries(value).flatMap(([key, item]) => leavesOf(item, [...path, key]));
}

/** Whether the file says something at the path. */
function stands(given: unknown, path: Leaf["path"]): boolean {
  let value = given;
  for (const key of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return false;
    value = (value as Record<string | number, unknown>)[key];
  }
  return true;
}

function shown(value: Json): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  const password = passwordOf(text);
  return password === undefined ? text : text.replace(/:[^:@/]*@/, ":••••@");
}
