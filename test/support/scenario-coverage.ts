/**
 * Which transitions of a machine file the stories took, and which guards they saw fail. A log line is put on every transition of the file,
 * so that the decisions themselves tell which were taken; nothing else about the machine changes.
 */
import { parse } from "yaml";
import type { Decision, Json, JsonObject } from "../../src/model.ts";

interface Candidate {
  /** `deploy-gate watched on CANCEL`; of several candidates also which: `deploy-gate watched.held always 2`. */
  name: string;
  /** The state that it belongs to, as decisions name it, with the machine in front. */
  state: string;
  guard: Json | undefined;
  /** Taken at once and not on a signal. */
  isAlways: boolean;
  /** The candidates that are asked when its guard fails. */
  next: Candidate[];
}

export interface Instrumented {
  text: string;
  candidates: Candidate[];
}

const MARK = "taken ";

/** A line that stands in a log only because of this. */
export const isMark = (log: string) => log.startsWith(MARK);

export function instrumented(source: string): Instrumented {
  const machine = parse(source) as JsonObject;
  const candidates: Candidate[] = [];
  const text = JSON.stringify(marked(machine, String(machine.id), candidates));
  return { text, candidates };
}

/** The state with a log line in front of the actions of each of its transitions. */
function marked(written: JsonObject, state: string, candidates: Candidate[]): JsonObject {
  const moves = (raw: Json, what: string): Json => {
    const list = [raw].flat().map((one) => (typeof one === "string" ? { target: one } : (one as JsonObject)));
    const own = list.map(({ guard }, i): Candidate => {
      const name = `${state} ${what}${list.length > 1 ? ` ${i + 1}` : ""}`;
      return { name, state, guard, isAlways: what === "always", next: [] };
    });
    for (const [i, candidate] of own.entries()) candidate.next = own.slice(i + 1);
    candidates.push(...own);
    return list.map((one, i) => ({ ...one, actions: [{ log: MARK + own[i]!.name }, ...[one.actions ?? []].flat()] }));
  };
  const each = (raw: Json, change: (value: Json, name: string) => Json): JsonObject =>
    Object.fromEntries(Object.entries(raw as JsonObject).map(([name, value]) => [name, change(value, name)]));
  const call = (raw: Json) =>
    each(raw, (value, name) => (name === "onDone" || name === "onError" ? moves(value, name) : value));

  return each(written, (value, key) => {
    switch (key) {
      case "states":
        return each(value, (inside, name) => marked(inside as JsonObject, `${state}.${name}`, candidates));
      case "on":
        return each(value, (one, name) => moves(one, `on ${name}`));
      case "always":
      case "onDone":
        return moves(value, key);
      case "after":
        return Array.isArray(value)
          ? value.flatMap((one) => moves(one, `after ${(one as JsonObject).id}`))
          : each(value, (one, delay) => moves(one, `after ${delay}`));
      case "invoke":
        return [value].flat().map(call);
      default:
        return value;
    }
  });
}

/** What no decision shows: a transition never taken, or a guard that never failed. */
export function uncovered({ candidates }: Instrumented, decisions: readonly Decision[]): string[] {
  const taken = new Set<string>();
  const rested = new Set<string>();
  const refused: string[] = [];
  for (const { trace, instances } of decisions) {
    for (const log of trace.logs ?? []) if (isMark(log)) taken.add(log.slice(MARK.length));
    for (const { ignored } of trace.transitions) if (ignored?.startsWith("guard false")) refused.push(ignored);
    for (const { machine, state } of instances) for (const path of pathsOf(state, machine)) rested.add(path);
  }
  const hasFailed = ({ guard, isAlways, state, next }: Candidate) => {
    if (guard === undefined || next.some(({ name }) => taken.has(name))) return true;
    return isAlways ? rested.has(state) : refused.some((reason) => reason.includes(String(guard)));
  };
  return candidates.flatMap((candidate) => [
    ...(taken.has(candidate.name) ? [] : [`${candidate.name}: never taken`]),
    ...(hasFailed(candidate) ? [] : [`${candidate.name}: the guard never failed`]),
  ]);
}

/** `deploy-gate.watched`, `deploy-gate.watched.held`. */
function pathsOf(state: Json, above: string): string[] {
  if (typeof state !== "object" || state === null) return [`${above}.${state}`];
  return Object.entries(state).flatMap(([name, inside]) => [
    `${above}.${name}`,
    ...pathsOf(inside, `${above}.${name}`),
  ]);
}
