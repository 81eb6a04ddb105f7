/** The words that schemas of nouns and of the API are written in. */
import { type TProperties, type TSchema, Type } from "typebox";
import type { Json, JsonObject } from "./json.ts";

/** Nothing undocumented gets in or out. */
export const closed = <P extends TProperties>(title: string, properties: P, description?: string) =>
  Type.Object(properties, { title, additionalProperties: false, ...(description ? { description } : {}) });

export const optional = Type.Optional;
export const text = (description?: string) => Type.String(description ? { description } : {});
export const count = (description?: string) => Type.Integer({ minimum: 0, ...(description ? { description } : {}) });
export const milliseconds = (description: string) => Type.Integer({ description: `${description}, ms since 1970` });
export const json = (description: string) => Type.Unsafe<Json>({ description });
export const object = (description?: string) =>
  Type.Unsafe<JsonObject>(Type.Record(Type.String(), Type.Unknown(), description ? { description } : {}));
export const list = <T extends TSchema>(items: T) => Type.Array(items);
/** A type that refers to itself, by the name of its component. */
export const named = <T>(title: string) => Type.Unsafe<T>({ $ref: `#/components/schemas/${title}` });

const RFC3339 = "^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(\\.\\d+)?(Z|[+-]\\d\\d:\\d\\d)$";
/** RFC 3339. */
export const instant = (description: string) => Type.String({ pattern: RFC3339, maxLength: 40, description });
