/** The parts of docs/ that are generated from the types: sources and actions of each provider, and every key of signalbox.yaml. */
import type { TSchema } from "typebox";
import { ConfigFile, ConnectionKeys, SourceKeys } from "../config/file.ts";
import type { Action, Provider, Source } from "../ports/provider.ts";

const LINE_CHARS = 120;

/** A document with everything between `<!-- <name>: written by npm run schemas -->` and `<!-- end -->` replaced. */
export function withPart(document: string, name: string, part: string): string {
  const start = `<!-- ${name}: written by npm run schemas -->\n`;
  const from = document.indexOf(start);
  const to = document.indexOf("<!-- end -->", from);
  if (from < 0 || to < 0) throw new Error(`The document has no place for "${name}"`);
  return `${document.slice(0, from)}${start}\n${part}\n${document.slice(to)}`;
}

/** A section for each provider. */
export function providersPart(providers: ReadonlyMap<string, Provider>): string {
  return [...providers.values()].map(section).join("\n");
}

/** The result of each action, from its schema. */
export function resultsPart(providers: ReadonlyMap<string, Provider>): string {
  const rows = [...providers.values()].flatMap(({ name, connection }) =>
    Object.entries(connection?.actions ?? {}).map(([action, { result }]) => [
      `\`${name}.${action}\``,
      result === undefined ? "nothing" : rowsOf(result).map(resultFieldText).join(", "),
    ]),
  );
  return table(["action", "gives"], rows);
}

function resultFieldText({ key, about }: Row): string {
  return `\`${key}\`${about === "" ? "" : ` (${cell(about)})`}`;
}

/** Every key of signalbox.yaml, and what all sources and connections have in common. */
export function knobsPart(): string {
  const commonKeys = { sources: SourceKeys, connections: ConnectionKeys };
  const top = rowsOf(ConfigFile).filter(({ key }) => !key.includes("<name>") || key.startsWith("schedules"));
  const below = Object.entries(commonKeys).flatMap(([key, schema]) => rowsOf(schema, `${key}.<name>.`));
  return fieldTable("key", [...top, ...below]);
}

// ---------------------------------------------------------------- one provider

function section(provider: Provider): string {
  const { name, summary, docs, source, connection } = provider;
  const parts = [`## ${name}\n\n${summary}.${docs === undefined ? "" : ` [Vendor's documentation](${docs})`}\n`];
  parts.push(block("signalbox.yaml", configExample(provider)));
  if (source !== undefined) parts.push(sourceSection(source));
  if (connection !== undefined) {
    parts.push(`### Connection: ${name}\n\n${fieldTable("key", rowsOf(connection.settings))}`);
  }
  for (const [action, described] of Object.entries(connection?.actions ?? {}))
    parts.push(actionSection(name, action, described));
  return parts.join("\n");
}

function sourceSection(source: Source): string {
  const { summary, settings, events } = source;
  const types = source.kind === "webhook" ? source.contentTypes.map((type) => `\`${type}\``).join(", ") : "";
  const rows = Object.entries(events).map(([type, { summary: about, sample }]) => [
    `\`${type}\``,
    cell(about),
    sample === undefined || source.kind === "feed" || source.sign === undefined ? "" : "yes",
  ]);
  const own = rowsOf(settings);
  return [
    `### Source\n\n${summary}.${types === "" ? "" : ` Takes ${types}.`}\n`,
    ...(own.length > 0 ? [fieldTable("setting", own)] : []),
    table(["event", "means", "sample for `send`"], rows),
  ].join("\n");
}

const REPEATED: Readonly<Record<Action["idempotency"], string>> = {
  key: "the delivery's id goes along as idempotency key; a receiver that knows it acts once",
  "read-before-write": "it looks first and does not do it twice",
  state: "doing it twice changes nothing",
  none: "there is no key: when an answer was lost, at worst it happens twice",
};

function actionSection(
  provider: string,
  name: string,
  { summary, params, example, idempotency, probe }: Action,
): string {
  const probeText = probe === undefined ? "" : "; after an attempt of unknown outcome it looks whether that was taken";
  const parameterLines = Object.entries(example).map(([key, value]) => `        ${key}: ${flow(value)}`);
  const rule = [
    `- id: ${provider}-${name}`,
    "  event: github.push",
    "  do:",
    `    - ${provider}.${name}:`,
    ...parameterLines,
  ];
  return [
    `### ${provider}.${name}\n\n${summary}.\n`,
    fieldTable("parameter", rowsOf(params)),
    `Repeated: ${REPEATED[idempotency]}${probeText}.\n`,
    block(`rules/${provider}-${name}.yaml`, rule),
  ].join("\n");
}

/** The shortest valid source and connection. */
function configExample({ name, source, connection }: Provider): string[] {
  const upper = name.toUpperCase().replace(/[^A-Z0-9]/g, "_");
  const lines: string[] = [];
  if (source !== undefined) {
    const [settings = {}] = (source.settings as { examples?: object[] }).examples ?? [];
    const secret = source.needsSecret === false ? {} : { secret: `env:${upper}_WEBHOOK_SECRET` };
    lines.push("sources:", ...entry(name, { provider: name, ...secret, ...settings }));
  }
  if (connection !== undefined) {
    const { properties = {}, required = [] } = asJsonSchema(connection.settings);
    const optional = Object.keys(properties).filter((key) => !required.includes(key));
    const isSecret = (key: string) => properties[key]?.secret === true;
    const keys = [
      ...required.filter((key) => !isSecret(key)),
      ...optional.filter((key) => namesTarget(key, properties[key])),
      ...(required.some(isSecret) ? required : optional).filter(isSecret).slice(0, 1),
    ];
    const values = keys.map((key) => {
      const variable = `${upper}_${key.toUpperCase()}`;
      return [key, isSecret(key) ? `env:${variable}` : `\${${variable}}`];
    });
    lines.push("connections:", ...entry(name, { provider: name, ...Object.fromEntries(values) }));
  }
  return lines;
}

/** On one line if it is short enough. */
function entry(name: string, value: object): string[] {
  const line = `  ${name}: ${flow(value)}`;
  if (line.length <= LINE_CHARS) return [line];
  return [`  ${name}:`, ...Object.entries(value).map(([key, member]) => `    ${key}: ${flow(member)}`)];
}

/** Whether the key names the address or the account and has no default. */
function namesTarget(key: string, form: JsonSchema = {}): boolean {
  return (key === "url" || key === "email") && !form.description?.includes("default");
}

// ---------------------------------------------------------------- schemas as rows

/** The keywords of a JSON Schema that are read here. */
interface JsonSchema {
  type?: string;
  description?: string;
  default?: unknown;
  const?: unknown;
  enum?: unknown[];
  anyOf?: JsonSchema[];
  items?: JsonSchema;
  properties?: Record<string, JsonSchema>;
  patternProperties?: Record<string, JsonSchema>;
  required?: string[];
  secret?: unknown;
  escape?: string;
  minimum?: number;
  exclusiveMinimum?: number;
  maximum?: number;
}

const asJsonSchema = (schema: TSchema): JsonSchema => schema as JsonSchema;

interface Row {
  key: string;
  type: string;
  required: boolean;
  about: string;
}

function rowsOf(schema: TSchema | JsonSchema, prefix = ""): Row[] {
  const { properties = {}, required = [] } = schema as JsonSchema;
  return Object.entries(properties).flatMap(([key, form]) => {
    const path = `${prefix}${key}`;
    const row = { key: path, type: typeText(form), required: required.includes(key), about: aboutOf(form) };
    return [row, ...rowsBelow(form, path)];
  });
}

/** Rows of a mapping with known keys, of a map of such mappings, or of alternatives that differ in `kind`. */
function rowsBelow(form: JsonSchema, path: string): Row[] {
  if (form.properties !== undefined) return rowsOf(form, `${path}.`);
  const [member] = Object.values(form.patternProperties ?? {});
  if (member?.properties !== undefined) return rowsOf(member, `${path}.<name>.`);
  return choiceRows(form.anyOf ?? [], path);
}

function choiceRows(choices: readonly JsonSchema[], path: string): Row[] {
  const alternatives = choices.filter(({ properties }) => properties?.kind?.const !== undefined);
  if (alternatives.length === 0) return [];
  const merged = new Map<string, { row: Row; kinds: string[]; types: Set<string> }>();
  for (const choice of alternatives) {
    const kind = String(choice.properties?.kind?.const);
    for (const row of rowsOf(choice, `${path}.`)) {
      const existing = merged.get(row.key);
      existing?.kinds.push(kind);
      existing?.types.add(row.type);
      if (existing !== undefined && existing.row.about === "") existing.row.about = row.about;
      if (existing === undefined) merged.set(row.key, { row: { ...row }, kinds: [kind], types: new Set([row.type]) });
    }
  }
  return [...merged.values()].map(({ row, kinds: of, types }) => {
    const kindsText = of.length === alternatives.length ? "" : `for ${of.join(", ")}`;
    const about = [row.about, kindsText].filter((part) => part !== "").join("; ");
    return { ...row, type: [...new Set([...types].flatMap((type) => type.split(" or ")))].join(" or "), about };
  });
}

function aboutOf({ description = "", default: standard, escape: destination }: JsonSchema): string {
  const defaultText = standard === undefined || description.includes("efault") ? "" : `default ${code(standard)}`;
  const escapeText = destination === undefined || destination === "none" ? "" : `escaped for ${destination}`;
  return [description, escapeText, defaultText].filter((part) => part !== "").join("; ");
}

const TYPES: Readonly<Record<string, string>> = {
  string: "text",
  integer: "whole number",
  number: "number",
  boolean: "true or false",
  object: "mapping",
  null: "null",
};

function typeText(form: JsonSchema): string {
  const { type, anyOf, const: only, enum: choices, items, secret } = form;
  if (secret === true) return "secret";
  if (only !== undefined) return code(only);
  if (choices !== undefined) return choices.map(code).join(" or ");
  if (anyOf !== undefined) return [...new Set(anyOf.map(choiceText))].join(" or ");
  if (type === "array") return `list of ${items === undefined ? "anything" : typeText(items)}`;
  return `${TYPES[type ?? ""] ?? "anything"}${rangeText(form)}`;
}

/** A small mapping among other alternatives is shown by its keys. */
function choiceText(form: JsonSchema): string {
  const keys = Object.keys(form.properties ?? {});
  return keys.length > 0 && keys.length <= 3 && !keys.includes("kind") ? `\`{ ${keys.join(", ")} }\`` : typeText(form);
}

function rangeText({ minimum, exclusiveMinimum, maximum }: JsonSchema): string {
  if (exclusiveMinimum !== undefined && maximum !== undefined) return `, above ${exclusiveMinimum}, at most ${maximum}`;
  if (minimum !== undefined && maximum !== undefined) return `, ${minimum} to ${maximum}`;
  return minimum === undefined ? "" : `, at least ${minimum}`;
}

// ---------------------------------------------------------------- Markdown

function fieldTable(what: string, rows: readonly Row[]): string {
  const cells = rows.map(({ key, type, required, about }) => [
    `\`${key}\``,
    cell(type),
    required ? "yes" : "",
    cell(about),
  ]);
  return table([what, "is", "required", "means"], cells);
}

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`.replaceAll(/\| +(?=\|)/g, "| ");
  return `${[line(heads), `|${"---|".repeat(heads.length)}`, ...rows.map(line)].join("\n")}\n`;
}

/** Escapes pipes, which end cells, and tags, which Markdown drops. */
function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll(/<(\w+)>/g, "`<$1>`");
}

function code(value: unknown): string {
  return `\`${typeof value === "string" ? value : JSON.stringify(value)}\``;
}

function block(title: string, lines: readonly string[]): string {
  return `\`\`\`yaml title="${title}"\n${lines.join("\n")}\n\`\`\`\n`;
}

/** YAML on one line, with quotes only where they are needed. */
function flow(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(flow).join(", ")}]`;
  if (typeof value === "object" && value !== null) {
    return `{ ${Object.entries(value)
      .map(([key, member]) => `${key}: ${flow(member)}`)
      .join(", ")} }`;
  }
  const isPlain =
    typeof value === "string" && /^(?!(true|false|null|yes|no|on|off)$)[A-Za-z][\w ./-]*(:\w+)?$/i.test(value);
  return isPlain ? value : JSON.stringify(value);
}
