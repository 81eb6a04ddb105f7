/** Values and types as they are called in messages. */

/** The JSON type of a value. */
export function typeOf(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  string: "a text",
  number: "a number",
  integer: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "a mapping",
  null: "null",
  undefined: "nothing",
};

/** `a text`, `a whole number`, `a mapping`, … for a type of JSON Schema. */
export function typeName(type: string): string {
  return TYPE_NAMES[type] ?? type;
}

/** A value as it is quoted in a message, cut when it is long. */
export function quoted(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${[...text.slice(0, 60)].slice(0, 57).join("")}…` : text;
}

/** What a value is, in a message: scalars by themselves, others by their kind. */
export function describe(value: unknown): string {
  if (typeof value === "object" && value !== null) return typeName(typeOf(value));
  return value === undefined ? "nothing" : quoted(value);
}

export const isString = (value: unknown): value is string => typeof value === "string";
