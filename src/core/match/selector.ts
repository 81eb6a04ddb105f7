/** Which event types a rule takes: exact names, `github.*`, `*`, or a list of these. */
import type { Diagnostic } from "../../errors.ts";
import { LIMITS } from "../../model.ts";

/** Types from outside are remembered up to here; more different ones than this is somebody playing. */
const REMEMBERED_MAX = 1_000;

export function selector(event: string | readonly string[]): readonly string[] {
  return typeof event === "string" ? [event] : event;
}

/** What is wrong with `event` of a rule, with paths inside the rule. */
export function selectorProblems(event: string | readonly string[]): Diagnostic[] {
  return selector(event).flatMap((name, i): Diagnostic[] => {
    const path = typeof event === "string" ? ["event"] : ["event", i];
    if (name.length > LIMITS.eventNameChars) {
      const message = `An event name has at most ${LIMITS.eventNameChars} characters, this one has ${name.length}`;
      return [{ code: "SB0108", severity: "error", message, path }];
    }
    if (/^(?:\*|[^*\s]+\.\*|[^*\s]+)$/.test(name)) return [];
    const message = `"${name}" selects no events, write a type such as github.push, a prefix such as github.* or *`;
    return [{ code: "SB0102", severity: "error", message, path }];
  });
}

/** The names that are not taken by a wider one beside them, each once: an event is then taken by one of them at most. */
export function narrowest(names: readonly string[]): readonly string[] {
  if (names.length === 1) return names;
  const distinct = [...new Set(names)];
  return distinct.filter((name) => !distinct.some((wider) => wider !== name && takes(wider, name)));
}

/** Whether every type that `name` selects is selected by `wider`. */
function takes(wider: string, name: string): boolean {
  return wider.endsWith("*") && name.startsWith(wider.slice(0, -1));
}

/** One thing per selecting name, made when it is asked for. */
export interface TypeIndex<T> {
  at(name: string): T;
  /** Of the names that take the type. */
  find(type: string): readonly T[];
}

/** Finds by a map of names and a walk over the dots of a type for prefixes; answers are remembered. */
export function typeIndex<T>(make: () => T): TypeIndex<T> {
  const things = new Map<string, T>();
  const remembered = new Map<string, readonly T[]>();
  return {
    at(name) {
      const known = things.get(name);
      if (known !== undefined) return known;
      const made = make();
      things.set(name, made);
      remembered.clear();
      return made;
    },
    find(type) {
      const known = remembered.get(type);
      if (known !== undefined) return known;
      if (remembered.size >= REMEMBERED_MAX) remembered.clear();
      const found = [type, ...prefixesOf(type).map((prefix) => `${prefix}*`)].flatMap((name) => things.get(name) ?? []);
      remembered.set(type, found);
      return found;
    },
  };
}

/** "", "github.", "github.pull_request.": `github.*` takes what follows the dot and not `github` itself. */
function prefixesOf(type: string): string[] {
  const prefixes = [""];
  for (let dot = type.indexOf("."); dot !== -1; dot = type.indexOf(".", dot + 1)) prefixes.push(type.slice(0, dot + 1));
  return prefixes;
}
