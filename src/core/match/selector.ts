/** Which event types a rule selects: exact names, `github.*`, `*`, or a list of these. */
import { type Diagnostic, newDiagnostic } from "../../errors.ts";
import { LIMITS } from "../../model.ts";

/** How many event types are cached; they come from outside, and real senders have far fewer. */
const CACHED_TYPES_MAX = 1_000;

export function selectorNames(event: string | readonly string[]): readonly string[] {
  return typeof event === "string" ? [event] : event;
}

/** What is wrong with `event` of a rule, with paths inside the rule. */
export function selectorDiagnostics(event: string | readonly string[]): Diagnostic[] {
  return selectorNames(event).flatMap((name, i): Diagnostic[] => {
    const path = typeof event === "string" ? ["event"] : ["event", i];
    if (name.length > LIMITS.eventNameChars) return [eventNameTooLong(name, path)];
    if (/^(?:\*|[^*\s]+\.\*|[^*\s]+)$/.test(name)) return [];
    const message = `"${name}" selects no events, write a type such as github.push, a prefix such as github.* or *`;
    return [newDiagnostic("SB0102", message, { path })];
  });
}

export function eventNameTooLong(name: string, path: readonly (string | number)[]): Diagnostic {
  const message = `An event name has at most ${LIMITS.eventNameChars} characters, this one has ${name.length}`;
  return newDiagnostic("SB0108", message, { path });
}

/** The names without those that a wider one among them covers, each once: then at most one of them selects an event. */
export function narrowest(names: readonly string[]): readonly string[] {
  if (names.length === 1) return names;
  const distinct = [...new Set(names)];
  return distinct.filter((name) => !distinct.some((wider) => wider !== name && selectsAllOf(wider, name)));
}

/** Whether every type that `name` selects is selected by `wider`. */
function selectsAllOf(wider: string, name: string): boolean {
  return wider.endsWith("*") && name.startsWith(wider.slice(0, -1));
}

/** One thing per selecting name, made when it is asked for. */
export interface TypeIndex<T> {
  at(name: string): T;
  /** The things of all names that select the type. */
  find(type: string): readonly T[];
}

/** Finds by a map of names and a walk over the dots of a type for prefixes; results are cached by type. */
export function createTypeIndex<T>(make: () => T): TypeIndex<T> {
  const things = new Map<string, T>();
  const foundByType = new Map<string, readonly T[]>();
  return {
    at(name) {
      const existing = things.get(name);
      if (existing !== undefined) return existing;
      const thing = make();
      things.set(name, thing);
      foundByType.clear();
      return thing;
    },
    find(type) {
      const cached = foundByType.get(type);
      if (cached !== undefined) return cached;
      if (foundByType.size >= CACHED_TYPES_MAX) foundByType.clear();
      const selecting = [type, ...prefixesOf(type).map((prefix) => `${prefix}*`)].flatMap(
        (name) => things.get(name) ?? [],
      );
      foundByType.set(type, selecting);
      return selecting;
    },
  };
}

/** "", "github.", "github.pull_request.": `github.*` selects types with that dot and not `github` itself. */
function prefixesOf(type: string): string[] {
  const prefixes = [""];
  for (let dot = type.indexOf("."); dot !== -1; dot = type.indexOf(".", dot + 1)) prefixes.push(type.slice(0, dot + 1));
  return prefixes;
}
