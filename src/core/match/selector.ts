/** Which event types a rule takes: exact names, `github.*`, `*`, or a list of these. */
import type { Problem } from "../../errors.ts";
import { LIMITS } from "../../model.ts";

/** Types from outside are remembered up to here; more different ones than this is somebody playing. */
const REMEMBERED_MAX = 1_000;

export function selector(event: string | readonly string[]): readonly string[] {
  return typeof event === "string" ? [event] : event;
}

/** What is wrong with `event` of a rule, with paths inside the rule. */
export function selectorProblems(event: string | readonly string[]): Problem[] {
  return selector(event).flatMap((name, i): Problem[] => {
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

export interface TypeIndex {
  /** Positions of the selectors that take the type, ascending. */
  find(type: string): readonly number[];
  has(type: string): boolean;
}

/** Finds by a map of exact names and a walk over the dots of a type for prefixes; answers are remembered. */
export function typeIndex(selectors: readonly (readonly string[])[]): TypeIndex {
  const exact = new Map<string, number[]>();
  const prefixes = new Map<string, number[]>();
  selectors.forEach((names, position) => {
    for (const name of names) {
      const [map, key] = name.endsWith("*") ? [prefixes, name.slice(0, -1)] : [exact, name];
      const positions = map.get(key);
      if (positions === undefined) map.set(key, [position]);
      else positions.push(position);
    }
  });
  const look = (type: string): readonly number[] => {
    const found = new Set(exact.get(type));
    for (const prefix of prefixesOf(type)) for (const position of prefixes.get(prefix) ?? []) found.add(position);
    return [...found].sort((a, b) => a - b);
  };
  const remembered = new Map<string, readonly number[]>();
  const find = (type: string): readonly number[] => {
    const known = remembered.get(type);
    if (known !== undefined) return known;
    if (remembered.size >= REMEMBERED_MAX) remembered.clear();
    const found = look(type);
    remembered.set(type, found);
    return found;
  };
  return { find, has: (type) => find(type).length > 0 };
}

/** "", "github.", "github.pull_request.": `github.*` takes what follows the dot and not `github` itself. */
function prefixesOf(type: string): string[] {
  const prefixes = [""];
  for (let dot = type.indexOf("."); dot !== -1; dot = type.indexOf(".", dot + 1)) prefixes.push(type.slice(0, dot + 1));
  return prefixes;
}
