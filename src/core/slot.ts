/** What a schema says about a place in a value: for which destination it is escaped, and whether it holds text. */
import type { TSchema } from "typebox";
import { type Escape, type Escapes, escapeNamed, escapeNames, wellFormed } from "./escape.ts";

export interface Slot {
  escape: Escape;
  /** Only text fits here: a lone {{path}} to a number becomes text too. */
  text: boolean;
  schemas: readonly Schema[];
  /** The destinations that schemas may name beside the common ones. */
  escapes: Escapes;
}

interface Schema {
  type?: unknown;
  escape?: unknown;
  properties?: Record<string, Schema>;
  patternProperties?: Record<string, Schema>;
  additionalProperties?: Schema | boolean;
  items?: Schema | Schema[];
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
}

/** The place that a whole value takes. */
export function slotOf(schema: TSchema | undefined, escapes: Escapes = {}): Slot {
  return slotFor(schema === undefined ? [] : [schema as Schema], wellFormed, escapes);
}

/** The place of a member. What is said of a place holds below it, too. */
export function slotBelow(slot: Slot, key: string | number): Slot {
  return slotFor(
    slot.schemas.flatMap((schema) => memberSchemas(schema, key)),
    slot.escape,
    slot.escapes,
  );
}

function slotFor(schemas: readonly Schema[], inherited: Escape, escapes: Escapes): Slot {
  const all = schemas.flatMap(branches);
  const named = all.find((each) => each.escape !== undefined)?.escape;
  const typed = all.filter(({ type }) => type !== undefined);
  return {
    schemas: all,
    escapes,
    escape: named === undefined ? inherited : escapeOf(named, escapes),
    text: typed.length > 0 && typed.every(({ type }) => type === "string"),
  };
}

/** The first place in the schema whose escape does not exist; undefined when there is none. */
function strangeEscape(schema: TSchema, own?: Escapes, at = ""): { at: string; name: string } | undefined {
  const { escape: name } = schema as Schema;
  if (name !== undefined && !(typeof name === "string" && escapeNamed(name, own))) return { at, name: String(name) };
  for (const [key, inner] of innerSchemas(schema as Schema)) {
    const strange = strangeEscape(inner as TSchema, own, [at, key].filter((part) => part !== "").join("."));
    if (strange) return strange;
  }
  return undefined;
}

/** Every schema directly in the schema, by the key of its values; "" for one of the same value. */
function innerSchemas(schema: Schema): [string, Schema][] {
  const { properties = {}, patternProperties = {}, additionalProperties: more, items = [] } = schema;
  return [
    ...branches(schema)
      .slice(1)
      .map((one): [string, Schema] => ["", one]),
    ...Object.entries(properties),
    ...Object.entries(patternProperties),
    ...(typeof more === "object" ? [["*", more] as [string, Schema]] : []),
    ...[items].flat().map((one): [string, Schema] => ["*", one]),
  ];
}

/** Why texts of a parameter would not be escaped for their destination; undefined = each escape exists. */
export function escapeProblem(
  actions: Readonly<Record<string, { params: TSchema }>>,
  own?: Escapes,
): string | undefined {
  for (const [action, { params }] of Object.entries(actions)) {
    const strange = strangeEscape(params, own);
    if (!strange) continue;
    const where = `the parameter "${strange.at}" of its action "${action}"`;
    return `${where} names the escape "${strange.name}"; write ${escapeNames(own).join(", ")}, or define it in connection.escapes`;
  }
  return undefined;
}

/** A misspelt destination would silently leave text unescaped, so one that was not found at the load stops the work. */
function escapeOf(name: unknown, escapes: Escapes): Escape {
  const named = typeof name === "string" ? escapeNamed(name, escapes) : undefined;
  if (named) return named;
  throw new Error(`A schema names the escape "${String(name)}", which does not exist`);
}

function branches(schema: Schema): Schema[] {
  const inner = [...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...(schema.allOf ?? [])];
  return [schema, ...inner.flatMap(branches)];
}

function memberSchemas(schema: Schema, key: string | number): Schema[] {
  if (typeof key === "number") {
    if (Array.isArray(schema.items)) return [schema.items[key] ?? {}];
    return schema.items === undefined ? [] : [schema.items];
  }
  const property = schema.properties;
  if (property !== undefined && Object.hasOwn(property, key)) return [property[key] ?? {}];
  const matching = Object.entries(schema.patternProperties ?? {}).filter(([pattern]) =>
    new RegExp(pattern, "u").test(key),
  );
  if (matching.length > 0) return matching.map(([, member]) => member);
  return typeof schema.additionalProperties === "object" ? [schema.additionalProperties] : [];
}
