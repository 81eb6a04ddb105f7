/** Takes fields out of what a sender sent before it is stored: what is not kept cannot leak. */
import type { Json, JsonObject } from "../model.ts";

/** The data without what the paths name (`a.b`, `list.*.token`; `*` = every member); the same object when nothing was there. */
export function withoutFields(data: JsonObject, paths: readonly string[]): JsonObject {
  return paths.reduce((rest, path) => without(rest, path.split(".")) as JsonObject, data);
}

function without(value: Json, [key = "", ...rest]: readonly string[]): Json {
  if (typeof value !== "object" || value === null) return value;
  const keys = key === "*" ? Object.keys(value) : Object.hasOwn(value, key) ? [key] : [];
  const members = value as JsonObject;
  // Items of a list keep their places.
  const empty = Array.isArray(value) ? null : undefined;
  const changes = keys.flatMap((name): [string, Json | undefined][] => {
    const member = members[name] as Json;
    const left = rest.length === 0 ? empty : without(member, rest);
    return left === member ? [] : [[name, left]];
  });
  if (changes.length === 0) return value;
  const copy = (Array.isArray(value) ? [...value] : { ...value }) as JsonObject;
  for (const [name, left] of changes) {
    if (left === undefined) delete copy[name];
    else copy[name] = left;
  }
  return copy;
}
