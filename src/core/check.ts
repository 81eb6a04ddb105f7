/** Values against schemas, with diagnostics in words: the only door to ajv. */
import { Ajv, type ErrorObject } from "ajv";
import addFormats from "ajv-formats";
import type { TSchema } from "typebox";
import { type Diagnostic, nearest } from "../errors.ts";
import { describe, isString, quoted, typeName, typeOf } from "./words.ts";

/** The diagnostics of a value, at most 50; none = it is valid. `name`: what messages call the value itself, "The value" by default. */
export type Validator = (value: unknown, name?: string) => Diagnostic[];

type Path = (string | number)[];

const PROBLEMS_MAX = 50;
/** Words in our schemas that are for editors, escaping and documentation, and check nothing. */
const VOCABULARY = [
  "escape",
  "secret",
  "markdownDescription",
  "defaultSnippets",
  "doNotSuggest",
  "enumDescriptions",
  "markdownEnumDescriptions",
  "errorMessage",
  "patternErrorMessage",
  "unit",
];

const ajv = new Ajv({
  strict: true,
  strictTypes: false,
  strictRequired: false,
  strictTuples: false,
  allowUnionTypes: true,
  allErrors: true,
  verbose: true,
  // A start compiles each check once: what optimising costs there is never earned back.
  code: { optimize: false },
  // Keywords are still judged one by one, and tests hold our schemas against the whole standard.
  validateSchema: false,
});
addFormats.default(ajv);
ajv.addVocabulary(VOCABULARY);

const validatorsBySchema = new WeakMap<object, { plain?: Validator; templates?: Validator }>();

/**
 * A check for a schema, compiled when it is first used. ajv keeps each for good, so that a schema is to be made once. With `templates`, a
 * text that contains {{, an object { cel } or { template } is taken for any value: what it becomes is known only with an event.
 */
export function validatorFor(schema: TSchema, options: { templates?: boolean } = {}): Validator {
  const kind = options.templates === true ? "templates" : "plain";
  const checks = validatorsBySchema.get(schema) ?? {};
  validatorsBySchema.set(schema, checks);
  checks[kind] ??= lazily(schema, kind === "templates");
  return checks[kind];
}

function lazily(schema: TSchema, templates: boolean): Validator {
  let validate: ReturnType<typeof ajv.compile> | undefined;
  return (value, name = "The value") => {
    validate ??= ajv.compile(anonymous(schema));
    if (validate(value)) return [];
    const errors = (validate.errors ?? []).map((error) => located(error, value));
    const open = templates ? errors.filter(({ path }) => !isTemplated(value, path)) : errors;
    const settled = templates ? dropSettled(open, errors) : open;
    return unique(collapse(settled).flatMap((error) => diagnosticOf(error, value, name))).slice(0, PROBLEMS_MAX);
  };
}

/** The $id is for editors; inside ajv two schemas with the same one would collide. */
function anonymous(schema: TSchema): object {
  const { $id: _, ...rest } = schema as TSchema & { $id?: string };
  return rest;
}

/** Whether a value stands for another that only an event can give. */
export function isTemplate(value: unknown): boolean {
  if (typeof value === "string") return value.includes("{{");
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const [key, ...more] = Object.keys(value);
  return more.length === 0 && (key === "cel" || key === "template");
}

// ---------------------------------------------------------------- which errors matter

interface Located {
  error: ErrorObject;
  path: Path;
}

function located(error: ErrorObject, value: unknown): Located {
  const path: Path = [];
  let parent = value;
  for (const part of error.instancePath.split("/").slice(1)) {
    const key = part.replaceAll("~1", "/").replaceAll("~0", "~");
    path.push(Array.isArray(parent) ? Number(key) : key);
    parent = memberOf(parent, key);
  }
  return { error, path };
}

function memberOf(parent: unknown, key: string | number): unknown {
  if (typeof parent !== "object" || parent === null || !Object.hasOwn(parent, key)) return undefined;
  return (parent as Record<string | number, unknown>)[key];
}

function valueAt(value: unknown, path: readonly (string | number)[]): unknown {
  return path.reduce(memberOf, value);
}

function isTemplated(value: unknown, path: Path): boolean {
  let parent = value;
  if (isTemplate(parent)) return true;
  for (const key of path) {
    parent = memberOf(parent, key);
    if (isTemplate(parent)) return true;
  }
  return false;
}

const isChoice = ({ error }: Located): boolean => error.keyword === "anyOf" || error.keyword === "oneOf";

/** The index of the branch of a choice that an error comes from, if it does. */
function branchOf(choice: Located, { error, path }: Located): number | undefined {
  const prefix = `${choice.error.schemaPath}/`;
  if (!error.schemaPath.startsWith(prefix) || choice.path.length > path.length) return undefined;
  if (!choice.path.every((key, i) => key === path[i])) return undefined;
  return Number.parseInt(error.schemaPath.slice(prefix.length), 10);
}

/** A choice is met when some branch has no error left; inner choices first. */
function dropSettled(open: readonly Located[], all: readonly Located[]): Located[] {
  let remaining = [...open];
  const choices = open.filter(isChoice).sort((a, b) => b.error.schemaPath.length - a.error.schemaPath.length);
  for (const choice of choices) {
    const branches = new Set(all.map((each) => branchOf(choice, each)).filter((branch) => branch !== undefined));
    const failing = new Set(remaining.map((each) => branchOf(choice, each)));
    if ([...branches].some((branch) => !failing.has(branch)))
      remaining = remaining.filter((each) => each !== choice && branchOf(choice, each) === undefined);
  }
  return remaining;
}

/** One useful error per choice instead of those of every branch. */
function collapse(errors: readonly Located[]): Located[] {
  let remaining = [...errors];
  const choices = errors.filter(isChoice).sort((a, b) => a.error.schemaPath.length - b.error.schemaPath.length);
  for (const choice of choices) {
    if (!remaining.includes(choice)) continue;
    const inside = remaining.filter((each) => branchOf(choice, each) !== undefined);
    const branch = meantBranch(choice, inside);
    const keep = branch === undefined ? [] : inside.filter((each) => branchOf(choice, each) === branch);
    remaining = remaining.filter((each) =>
      inside.includes(each) ? keep.includes(each) : each !== choice || branch === undefined,
    );
  }
  return remaining;
}

/** The branch that the author most likely meant: the only one whose type and fixed values fit what was written. */
function meantBranch(choice: Located, inside: readonly Located[]): number | undefined {
  const branches = new Map<number, Located[]>();
  for (const each of inside) {
    const branch = branchOf(choice, each) ?? -1;
    branches.set(branch, [...(branches.get(branch) ?? []), each]);
  }
  const depth = choice.path.length;
  const plausible = [...branches].filter(([, errors]) =>
    errors.every(({ error, path }) => {
      if (path.length === depth) return !["type", "const", "enum"].includes(error.keyword);
      return path.length !== depth + 1 || error.keyword !== "const";
    }),
  );
  if (plausible.length <= 1) return plausible[0]?.[0];
  const fewest = Math.min(...plausible.map(([, errors]) => errors.length));
  const best = plausible.filter(([, errors]) => errors.length === fewest);
  return best.length === 1 ? best[0]?.[0] : undefined;
}

// ---------------------------------------------------------------- errors in words

function unique(diagnostics: readonly Diagnostic[]): Diagnostic[] {
  const seen = new Map(
    diagnostics.map((diagnostic) => [JSON.stringify([diagnostic.path, diagnostic.message]), diagnostic]),
  );
  return [...seen.values()];
}

function diagnosticOf({ error, path }: Located, root: unknown, name: string): Diagnostic[] {
  const value = valueAt(root, path);
  const keys = keyDiagnostic(error, path, value, name);
  if (keys !== undefined) return [keys];
  // A condition whose branch is reported on its own says nothing more.
  if (error.keyword === "if") return [];
  const actual = SIZES.has(error.keyword) ? "" : `, not ${describe(value)}`;
  const message = `${valueName(path, name)} ${requirement(error)}${actual}`;
  return [withSuggestion({ code: "SB0102", severity: "error", message, path }, suggestionFor(error, value))];
}

function withSuggestion(diagnostic: Diagnostic, suggestion: string | undefined): Diagnostic {
  return suggestion === undefined ? diagnostic : { ...diagnostic, suggestion };
}

/** Missing, unknown and misnamed keys. */
function keyDiagnostic(error: ErrorObject, path: Path, value: unknown, name: string): Diagnostic | undefined {
  const params = error.params as Record<string, unknown>;
  if (error.keyword === "required" || error.keyword === "dependentRequired" || error.keyword === "dependencies") {
    const key = String(params.missingProperty);
    const because = error.keyword === "required" ? "" : `, it goes with "${String(params.property)}"`;
    return {
      code: "SB0103",
      severity: "error",
      message: `${valueName(path, name)} needs the key "${key}"${because}`,
      path,
    };
  }
  if (error.keyword === "propertyNames") {
    const key = String(params.propertyName);
    return {
      code: "SB0101",
      severity: "error",
      message: `"${key}" is not a possible key here`,
      path: [...path, key],
      atKey: true,
    };
  }
  if (error.keyword !== "additionalProperties" && error.keyword !== "unevaluatedProperties") return undefined;
  const key = String(params.additionalProperty ?? params.unevaluatedProperty);
  const keyNames = knownKeys(error, value);
  const listed =
    keyNames.length === 0 ? "no key is" : `known ${keyNames.length === 1 ? "is" : "are"} ${keyNames.join(", ")}`;
  const message = `"${key}" is not known here, ${listed}`;
  const diagnostic: Diagnostic = { code: "SB0101", severity: "error", message, path: [...path, key], atKey: true };
  return withSuggestion(diagnostic, nearest(key, keyNames));
}

function knownKeys(error: ErrorObject, value: unknown): string[] {
  const properties = (error.parentSchema as { properties?: object } | undefined)?.properties ?? {};
  const written = typeof value === "object" && value !== null ? value : {};
  const names = Object.keys(properties);
  // What is not used yet is the likelier suggestion.
  return [
    ...names.filter((name) => !Object.hasOwn(written, name)),
    ...names.filter((name) => Object.hasOwn(written, name)),
  ];
}

function valueName(path: Path, root: string): string {
  const last = path.at(-1);
  if (last === undefined) return root;
  const named = [...path].reverse().find((key) => typeof key === "string");
  if (typeof last === "string") return `"${last}"`;
  return named === undefined ? `Item ${last + 1}` : `Item ${last + 1} of "${named}"`;
}

/** What the schema asks for, as the end of a sentence: `must be a whole number`. */
function requirement(error: ErrorObject): string {
  const params = error.params as Record<string, unknown>;
  const limit = String(params.limit);
  const things = (noun: string) => `${limit} ${noun}${limit === "1" ? "" : "s"}`;
  switch (error.keyword) {
    case "type":
      return `must be ${[params.type]
        .flat()
        .map((type) => typeName(String(type)))
        .join(" or ")}`;
    case "const":
      return `must be ${quoted(params.allowedValue)}`;
    case "enum":
      return `must be ${oneOf(params.allowedValues as unknown[])}`;
    case "minLength":
      return limit === "1" ? "must not be empty" : `must have at least ${things("character")}`;
    case "maxLength":
      return `must have at most ${things("character")}`;
    case "minItems":
      return limit === "1" ? "must have at least one item" : `must have at least ${things("item")}`;
    case "maxItems":
      return `must have at most ${things("item")}`;
    case "minProperties":
      return `must have at least ${things("key")}`;
    case "maxProperties":
      return `must have at most ${things("key")}`;
    case "uniqueItems":
      return "must not hold one item twice";
    case "minimum":
    case "maximum":
    case "exclusiveMinimum":
    case "exclusiveMaximum":
      return `must be ${COMPARISON_WORDS[String(params.comparison)] ?? String(params.comparison)} ${limit}`;
    case "multipleOf":
      return `must be a multiple of ${String(params.multipleOf)}`;
    case "format":
      return `must be ${FORMAT_WORDS[String(params.format)] ?? `of the form "${String(params.format)}"`}`;
    case "pattern":
      return `must have the form ${formOf(error)}`;
    case "anyOf":
    case "oneOf":
      return `must be ${choiceWords(error.schema)}`;
    default:
      return "must have another form";
  }
}

/** Keywords about size: the message leaves out the value, which may be a whole list. */
const SIZES = new Set([
  "minItems",
  "maxItems",
  "minProperties",
  "maxProperties",
  "uniqueItems",
  "minLength",
  "maxLength",
]);

const COMPARISON_WORDS: Readonly<Record<string, string>> = {
  ">=": "at least",
  "<=": "at most",
  ">": "greater than",
  "<": "less than",
};

const FORMAT_WORDS: Readonly<Record<string, string>> = {
  uri: "a URL such as https://example.com/path",
  url: "a URL such as https://example.com/path",
  "uri-reference": "a URL or a path",
  email: "an e-mail address",
  "date-time": "a time such as 2026-01-05T09:00:00Z",
  date: "a date such as 2026-01-05",
  time: "a time of day such as 09:00:00Z",
  duration: "a duration such as PT15M",
  hostname: "a host name",
  ipv4: "an IPv4 address",
  ipv6: "an IPv6 address",
  uuid: "a UUID",
  regex: "a regular expression",
};

/** The author's words for a pattern where the schema has them; a bare regular expression only as the last resort. */
function formOf(error: ErrorObject): string {
  const { description, examples, patternErrorMessage } = (error.parentSchema ?? {}) as Record<string, unknown>;
  if (typeof patternErrorMessage === "string") return patternErrorMessage;
  const example: unknown = Array.isArray(examples) ? examples[0] : undefined;
  const shown = example === undefined ? "" : `, for example ${quoted(example)}`;
  const words = typeof description === "string" ? `described as "${description}"` : "of the regular expression";
  return `${words} (${String((error.params as { pattern?: unknown }).pattern)})${shown}`;
}

function oneOf(values: readonly unknown[]): string {
  return values.length === 1 ? quoted(values[0]) : `one of ${values.map(quoted).join(", ")}`;
}

/** What the branches of a choice are, each by its fixed value or type. */
function choiceWords(schema: unknown): string {
  const branches = (Array.isArray(schema) ? schema : []) as Record<string, unknown>[];
  const fixed = branches.flatMap((branch) => valuesOf(branch));
  const types = branches.filter((branch) => valuesOf(branch).length === 0).map((branch) => branchWords(branch));
  return [...(fixed.length > 0 ? [oneOf(fixed)] : []), ...new Set(types)].join(" or ");
}

function valuesOf(branch: Record<string, unknown>): unknown[] {
  if (Object.hasOwn(branch, "const")) return [branch.const];
  return Array.isArray(branch.enum) ? branch.enum : [];
}

function branchWords(branch: Record<string, unknown>): string {
  const { type, required, items } = branch;
  if (Array.isArray(required) && required.length > 0)
    return `a mapping with ${required.map((key) => `"${key}"`).join(", ")}`;
  if (type === "array" && typeof (items as { type?: unknown } | undefined)?.type === "string")
    return `a list of ${typeName(String((items as { type: string }).type)).replace(/^an? /, "")}s`;
  return typeof type === "string" ? typeName(type) : "another form";
}

function suggestionFor(error: ErrorObject, value: unknown): string | undefined {
  const allowed = allowedValues(error);
  if (typeof value === "string") return nearest(value, allowed.filter(isString));
  return allowed.find((each) => typeof each === "string" && typeOf(value) !== "object" && each === String(value)) as
    | string
    | undefined;
}

function allowedValues(error: ErrorObject): unknown[] {
  const { allowedValues: listed, allowedValue: only } = error.params as Record<string, unknown>;
  if (Array.isArray(listed)) return listed;
  if (error.keyword === "const") return [only];
  return isChoice({ error, path: [] }) && Array.isArray(error.schema) ? error.schema.flatMap(valuesOf) : [];
}
