/** The file's values with ${…} replaced, references resolved and defaults added, as the schema says. */
import type { TSchema } from "typebox";
import type { Diagnostic, ErrorCode, Path } from "../errors.ts";
import type { Json, JsonObject } from "../model.ts";
import { type Environment, interpolate, isReference, resolveSecret } from "./environment.ts";
import { passwordOf, type SecretAt, secretDiagnostics, secretsWithin, sharedSecretDiagnostics } from "./secrets.ts";

export interface Resolved {
  value: Json;
  diagnostics: Diagnostic[];
  /** Every secret value, for redaction. */
  secrets: string[];
  /** Origin of each value that a reference names, by path joined with ".". */
  origins: Map<string, string>;
  /** Paths of the secrets among them. */
  secretPaths: Set<string>;
  /** Paths whose value could not be resolved: a later diagnostic for the same path would only repeat the first. */
  unknown: Set<string>;
  /** Paths of literal values in place of a reference: they may be secrets and are never shown. */
  exposed: Path[];
}

const SECRET_IN_FILE =
  "A secret stands here itself; write env:NAME or file:/path, and change the secret if others saw it";

const PASSWORD_IN_FILE = "A password stands in this address; write env:NAME and keep the whole address there";

/** Never throws; what is missing is a diagnostic and an empty text in the value. */
export function resolveValues(value: Json, schema: TSchema, environment: Environment, dir: string): Resolved {
  const resolved = newResolved();
  const placedSecrets: SecretAt[] = [];
  const addDiagnostic = (code: ErrorCode, message: string, path: Path, extra: Partial<Diagnostic> = {}) => {
    resolved.diagnostics.push({ code, severity: "error", message, path, ...extra });
    resolved.unknown.add(path.join("."));
  };

  function walk(node: Json, schemas: readonly JsonSchema[], path: Path): Json {
    if (Array.isArray(node)) return node.map((item, i) => walk(item, schemas.flatMap(itemsOf), [...path, i]));
    if (typeof node === "object" && node !== null) {
      const entries = Object.entries(node).map(([key, item]) => {
        const fields = schemas.flatMap((form) => fieldsOf(form, key));
        return [key, walk(item, fields, [...path, key])];
      });
      return Object.fromEntries(entries);
    }
    if (schemas.some((form) => form.secret === true)) return node === null ? null : secret(node, path);
    if (typeof node !== "string") return node;
    if (schemas.some((form) => form.secret === "url")) return address(node, path);
    return interpolated(node, schemas, path);
  }

  function secret(node: string | number | boolean, path: Path): Json {
    if (typeof node === "string" && isReference(node)) return secretFrom(node, path);
    const variable = /^\$\{([A-Za-z_][A-Za-z0-9_]*)[:}]/.exec(String(node))?.[1];
    if (variable === undefined) {
      resolved.exposed.push(path);
      addDiagnostic("SB0208", SECRET_IN_FILE, path);
    } else {
      const suggestion = `env:${variable}`;
      addDiagnostic("SB0208", `Write a secret as ${suggestion}, not as \${${variable}}`, path, { suggestion });
    }
    return "";
  }

  function secretFrom(reference: string, path: Path): string {
    const value = valueFrom(reference, path);
    if (value === undefined) return "";
    resolved.secrets.push(value);
    resolved.secretPaths.add(path.join("."));
    placedSecrets.push({ value, path });
    resolved.diagnostics.push(...secretDiagnostics({ value, path }));
    return value;
  }

  function valueFrom(reference: string, path: Path): string | undefined {
    const result = resolveSecret(reference, environment, dir);
    if (result.ok) resolved.origins.set(path.join("."), result.origin);
    else addDiagnostic("SB0207", result.detail, path);
    return result.ok ? result.value : undefined;
  }

  /** A url that may be a reference, and whose password may not stand in the file. */
  function address(node: string, path: Path): Json {
    const referencedText = isReference(node) ? secretFrom(node, path) : undefined;
    if (referencedText === undefined && /:\/\/[^/@]*:(?!\$\{)[^/@]+@/.test(node)) {
      resolved.exposed.push(path);
      addDiagnostic("SB0208", PASSWORD_IN_FILE, path);
      return "";
    }
    const text = referencedText ?? interpolated(node, [], path);
    const password = typeof text === "string" ? passwordOf(text) : undefined;
    if (password !== undefined) resolved.secrets.push(password);
    return text;
  }

  function interpolated(node: string, schemas: readonly JsonSchema[], path: Path): Json {
    // `email: env:JIRA_EMAIL`: a reference is allowed for a value that is no secret too.
    if (/^env:/.test(node) && isReference(node)) {
      const referenced = valueFrom(node, path) ?? "";
      resolved.secrets.push(...secretsWithin(referenced, [{ name: node, value: referenced }], path));
      return referenced;
    }
    const { text, hasChanged: changed, variables, mistakes } = interpolate(node, environment);
    resolved.secrets.push(...secretsWithin(text, variables, path));
    for (const { kind, message, offset } of mistakes) {
      addDiagnostic(kind === "unset" ? "SB0210" : "SB0102", message, path, { offset });
    }
    return changed ? valueOfType(text, schemas) : node;
  }

  resolved.value = walk(value, branches(schema as JsonSchema), []);
  resolved.diagnostics.push(...sharedSecretDiagnostics(placedSecrets));
  return resolved;
}

function newResolved(): Resolved {
  return {
    value: null,
    diagnostics: [],
    secrets: [],
    origins: new Map(),
    secretPaths: new Set(),
    unknown: new Set(),
    exposed: [],
  };
}

/** The value with the schema's defaults where it has none; an object with defaults is created. */
export function withDefaults(schema: TSchema, value: Json | undefined): Json | undefined {
  const form = schema as JsonSchema;
  if (value === undefined && form.default !== undefined) return form.default;
  if (form.properties === undefined) return value;
  if (value !== undefined && (typeof value !== "object" || value === null || Array.isArray(value))) return value;
  const result: JsonObject = { ...value };
  for (const [key, field] of Object.entries(form.properties)) {
    const filled = withDefaults(field as TSchema, result[key]);
    if (filled !== undefined) result[key] = filled;
  }
  return value === undefined && Object.keys(result).length === 0 ? undefined : result;
}

/** The keywords of a JSON Schema that are read here. */
interface JsonSchema {
  type?: string | readonly string[];
  secret?: boolean | string;
  default?: Json;
  items?: JsonSchema;
  properties?: Record<string, JsonSchema>;
  patternProperties?: Record<string, JsonSchema>;
  additionalProperties?: JsonSchema | boolean;
  anyOf?: readonly JsonSchema[];
  oneOf?: readonly JsonSchema[];
  allOf?: readonly JsonSchema[];
}

function branches(form: JsonSchema): readonly JsonSchema[] {
  return [form, ...[form.anyOf, form.oneOf, form.allOf].flatMap((parts) => (parts ?? []).flatMap(branches))];
}

function itemsOf({ items }: JsonSchema): readonly JsonSchema[] {
  return items === undefined ? [] : branches(items);
}

function fieldsOf(
  { properties, patternProperties = {}, additionalProperties }: JsonSchema,
  key: string,
): readonly JsonSchema[] {
  const own = properties !== undefined && Object.hasOwn(properties, key) ? properties[key] : undefined;
  if (own !== undefined) return branches(own);
  const patterned = Object.entries(patternProperties).filter(([pattern]) => new RegExp(pattern, "u").test(key));
  if (patterned.length > 0) return patterned.flatMap(([, field]) => branches(field));
  return typeof additionalProperties === "object" ? branches(additionalProperties) : [];
}

/** Text from a variable as the number or boolean that the schema asks for, if it has that form. */
function valueOfType(text: string, schemas: readonly JsonSchema[]): Json {
  const types = schemas.flatMap(({ type }) => type ?? []);
  if (types.includes("string") || types.length === 0) return text;
  const isNumber = types.includes("integer") || types.includes("number");
  if (isNumber && /^-?\d+(\.\d+)?$/.test(text)) return Number(text);
  if (types.includes("boolean") && (text === "true" || text === "false")) return text === "true";
  return text;
}
