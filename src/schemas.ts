/**
 * `npm run schemas` writes schema/*.json: the file forms as draft-07 JSON Schemas for editors, from the types that check the files.
 * The same types give the tables in docs/.
 */

import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { TSchema } from "typebox";
import { ConfigFile, ConnectionKeys, connectionSchema, SourceKeys, sourceSchema } from "./config/file.ts";
import { MachineFile } from "./core/machine/file/definition.ts";
import { RuleFile } from "./model/rule.ts";
import { withoutUndefined } from "./model.ts";
import type { Provider } from "./ports/provider.ts";
import { loadProviders } from "./providers/index.ts";
import { knobsPart, providersPart, resultsPart, withPart } from "./schemas/reference.ts";

const DRAFT = "http://json-schema.org/draft-07/schema#";

type JsonSchema = { [key: string]: unknown };

/** File name in schema/ → its text. */
export function schemaFiles(providers: ReadonlyMap<string, Provider>): Record<string, string> {
  const text = (schema: JsonSchema) => `${JSON.stringify({ $schema: DRAFT, ...schema, $id: undefined }, null, 2)}\n`;
  return {
    "rules.json": text(published(RuleFile)),
    "machine.json": text(published(MachineFile)),
    "signalbox.json": text(configSchema(providers)),
  };
}

/** File name in docs/ → function that replaces the generated parts of its text. */
export function documentFiles(providers: ReadonlyMap<string, Provider>): Record<string, (document: string) => string> {
  return {
    "providers.md": (document) =>
      withPart(withPart(document, "results", resultsPart(providers)), "providers", providersPart(providers)),
    "operating.md": (document) => withPart(document, "keys", knobsPart()),
  };
}

/** Each source and connection has the schema of its provider. */
function configSchema(providers: ReadonlyMap<string, Provider>): JsonSchema {
  const whole = published(ConfigFile) as JsonSchema & { properties: Record<string, JsonSchema> };
  const all = [...providers.values()];
  return {
    ...whole,
    properties: {
      ...interpolated(whole.properties),
      sources: { ...whole.properties.sources, ...byProvider(all, SourceKeys, sourceSchema) },
      connections: { ...whole.properties.connections, ...byProvider(all, ConnectionKeys, connectionSchema) },
    },
  };
}

function byProvider(
  providers: readonly Provider[],
  common: TSchema,
  schemaOf: (provider: Provider) => TSchema | undefined,
): JsonSchema {
  const withSchema = providers.filter((provider) => schemaOf(provider) !== undefined);
  const { properties } = published(common) as { properties: Record<string, JsonSchema> };
  const provider = {
    ...properties.provider,
    enum: withSchema.map(({ name }) => name),
    enumDescriptions: withSchema.map(({ summary }) => summary),
  };
  const entry = {
    type: "object",
    required: ["provider"],
    properties: { provider },
    allOf: withSchema.map((each) => ({
      if: { properties: { provider: { const: each.name } }, required: ["provider"] },
      // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema.
      then: interpolated(published(schemaOf(each) as TSchema)),
    })),
  };
  const names = Object.keys(ConfigFile.properties.sources.patternProperties);
  return { patternProperties: Object.fromEntries(names.map((name) => [name, entry])), additionalProperties: false };
}

/** The schema as plain JSON, without the keywords that only Signalbox reads. */
function published(schema: TSchema): JsonSchema {
  return JSON.parse(
    JSON.stringify(schema, (key, value) => (OWN_KEYWORDS.has(key) && !isSchema(value) ? undefined : value)),
  );
}

const OWN_KEYWORDS = new Set(["escape", "unit"]);

/** A schema: then the key is the name of a property, not the keyword. */
function isSchema(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}

/** In signalbox.yaml every scalar may be ${NAME} or env:NAME, and a secret must be a reference. */
function interpolated<T>(schema: T): T {
  if (Array.isArray(schema)) return schema.map(interpolated) as T;
  if (typeof schema !== "object" || schema === null) return schema;
  const form = schema as JsonSchema;
  if (form.secret === true) {
    const { secret: _, minLength: __, ...rest } = form;
    return { ...rest, pattern: "^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$", patternErrorMessage: REFERENCE } as T;
  }
  const rest = typeof form.secret === "string" ? { ...form, secret: undefined } : form;
  if (isNarrow(rest)) {
    const { description, default: standard, ...narrow } = rest;
    return { ...withoutUndefined({ description, default: standard }), anyOf: [narrow, STAND_IN] } as T;
  }
  return Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, interpolated(value)])) as T;
}

const REFERENCE = "Write env:NAME or file:/path; the secret itself stays out of the file";
const STAND_IN = { type: "string", pattern: "^env:|\\$\\{" };

function isNarrow(form: JsonSchema): boolean {
  if (form.type === "number" || form.type === "integer" || form.type === "boolean") return true;
  return form.type === "string" && (form.pattern !== undefined || form.format !== undefined);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const providers = await loadProviders();
  const folder = new URL("../schema/", import.meta.url);
  for (const [name, text] of Object.entries(schemaFiles(providers))) await writeFile(new URL(name, folder), text);
  for (const [name, renewed] of Object.entries(documentFiles(providers))) {
    const file = new URL(`../docs/${name}`, import.meta.url);
    await writeFile(file, renewed(await readFile(file, "utf8")));
  }
}
