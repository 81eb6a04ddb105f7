/** The file's values with ${…} filled in, secrets fetched and defaults added, led by the schema. */
import type { TSchema } from "typebox";
import type { Diagnostic, ErrorCode, Path } from "../errors.ts";
import type { Json, JsonObject } from "../model.ts";
import { type Environment, interpolate, isReference, resolveSecret } from "./environment.ts";

export interface Resolved {
  value: Json;
  problems: Diagnostic[];
  /** Every secret value, for redaction. */
  secrets: string[];
  /** Where each value behind a reference came from: path joined with "." → origin. */
  origins: Map<string, string>;
  /** Those of them that are secret. */
  secretPaths: Set<string>;
  /** Paths whose value is not known; whatever a check says of them is an echo. */
  unknown: Set<string>;
  /** Paths of scalars that stand where a secret belongs and are none: not to be shown. */
  exposed: Path[];
}

/** Never throws; what is missing is a problem and an empty text in the value. */
export function resolveValues(value: Json, schema: TSchema, environment: Environment, dir: string): Resolved {
  const resolved = nothingYet();
  const tell = (code: ErrorCode, message: string, path: Path, extra: Partial<Diagnostic> = {}) => {
    resolved.problems.push({ code, severity: "error", message, path, ...extra });
    resolved.unknown.add(path.join("."));
  };

  function walk(node: Json, schemas: readonly Form[], path: Path): Json {
    if (Array.isArray(node)) return node.map((item, i) => walk(item, schemas.flatMap(itemsOf), [...path, i]));
    if (typeof node === "object" && node !== null) {
      const entries = Object.entries(node);
      return Object.fromEntries(
        entries.map(([key, item]) => [
          key,
          walk(
            item,
            schemas.flatMap((form) => fieldsOf(form, key)),
            [...path, key],
          ),
        ]),
      );
    }
    if (schemas.some((form) => form.secret === true)) return node === null ? null : secret(node, path);
    if (typeof node !== "string") return node;
    if (schemas.some((form) => form.secret === "url")) return address(node, path);
    return filled(node, schemas, path);
  }

  function secret(node: string | number | boolean, path: Path): Json {
    if (typeof node === "string" && isReference(node)) return fetched(node, path);
    const variable = /^\$\{([A-Za-z_][A-Za-z0-9_]*)[:}]/.exec(String(node))?.[1];
    const message = "A secret stands here itself; write env:NAME or file:/path, and change the secret if others saw it";
    if (variable === undefined) resolved.exposed.push(path);
    if (variable === undefined) tell("SB0208", message, path);
    else
      tell("SB0208", `Write a secret as env:${variable}, not as \${${variable}}`, path, {
        suggestion: `env:${variable}`,
      });
    return "";
  }

  function fetched(reference: string, path: Path): string {
    const value = found(reference, path);
    if (value !== undefined) resolved.secrets.push(value);
    if (value !== undefined) resolved.secretPaths.add(path.join("."));
    return value ?? "";
  }

  function found(reference: string, path: Path): string | undefined {
    const result = resolveSecret(reference, environment, dir);
    if (result.ok) resolved.origins.set(path.join("."), result.origin);
    else tell("SB0207", result.detail, path);
    return result.ok ? result.value : undefined;
  }

  /** A url that may be a reference, and whose password may not stand in the file. */
  function address(node: string, path: Path): Json {
    const known = isReference(node) ? fetched(node, path) : undefined;
    if (known === undefined && /:\/\/[^/@]*:(?!\$\{)[^/@]+@/.test(node)) {
      resolved.exposed.push(path);
      tell("SB0208", "A password stands in this address; write env:NAME and keep the whole address there", path);
      return "";
    }
    const text = known ?? filled(node, [], path);
    const password = typeof text === "string" ? passwordOf(text) : undefined;
    if (password !== undefined) resolved.secrets.push(password);
    return text;
  }

  function filled(node: string, schemas: readonly Form[], path: Path): Json {
    // `email: env:JIRA_EMAIL`: no secret, but kept where the secrets are.
    if (/^env:/.test(node) && isReference(node)) return found(node, path) ?? "";
    const { text, changed, mistakes } = interpolate(node, environment);
    for (const { kind, message, offset } of mistakes) {
      tell(kind === "unset" ? "SB0210" : "SB0102", message, path, { offset });
    }
    return changed ? typed(text, schemas) : node;
  }

  resolved.value = walk(value, branches(schema as Form), []);
  return resolved;
}

function nothingYet(): Resolved {
  return {
    value: null,
    problems: [],
    secrets: [],
    origins: new Map(),
    secretPaths: new Set(),
    unknown: new Set(),
    exposed: [],
  };
}

/** The same value with the schema's defaults where nothing is said; objects that hold defaults come into being. */
export function withDefaults(schema: TSchema, value: Json | undefined): Json | undefined {
  const form = schema as Form;
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

/** The password in an address, decoded as it would be sent; undefined when there is none. */
export function passwordOf(address: string): string | undefined {
  if (!URL.canParse(address)) return undefined;
  const { password } = new URL(address);
  if (password === "") return undefined;
  try {
    return decodeURIComponent(password);
  } catch {
    return password;
  }
}

/** What is read of a JSON Schema here. */
interface Form {
  type?: string | readonly string[];
  secret?: boolean | string;
  default?: Json;
  items?: Form;
  properties?: Record<string, Form>;
  patternProperties?: Record<string, Form>;
  additionalProperties?: Form | boolean;
  anyOf?: readonly Form[];
  oneOf?: readonly Form[];
  allOf?: readonly Form[];
}

function branches(form: Form): readonly Form[] {
  return [form, ...[form.anyOf, form.oneOf, form.allOf].flatMap((parts) => (parts ?? []).flatMap(branches))];
}

function itemsOf({ items }: Form): readonly Form[] {
  return items === undefined ? [] : branches(items);
}

function fieldsOf({ properties, patternProperties = {}, additionalProperties }: Form, key: string): readonly Form[] {
  const own = properties !== undefined && Object.hasOwn(properties, key) ? properties[key] : undefined;
  if (own !== undefined) return branches(own);
  const patterned = Object.entries(patternProperties).filter(([pattern]) => new RegExp(pattern, "u").test(key));
  if (patterned.length > 0) return patterned.flatMap(([, field]) => branches(field));
  return typeof additionalProperties === "object" ? branches(additionalProperties) : [];
}

/** Text from a variable as the number or boolean that the schema asks for, if it reads as one. */
function typed(text: string, schemas: readonly Form[]): Json {
  const types = schemas.flatMap(({ type }) => type ?? []);
  if (types.includes("string") || types.length === 0) return text;
  const isNumber = types.includes("integer") || types.includes("number");
  if (isNumber && /^-?\d+(\.\d+)?$/.test(text)) return Number(text);
  if (types.includes("boolean") && (text === "true" || text === "false")) return text === "true";
  return text;
}
