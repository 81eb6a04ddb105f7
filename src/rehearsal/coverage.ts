/**
 * Which transitions of a machine file the stories took, and which guards failed in them. Every transition of the file gets a log line, so
 * that the decisions show which were taken; the machine stays the same otherwise.
 */
import type { Decision, Json, JsonObject } from "../model.ts";
import { readYaml } from "../yaml.ts";

interface Candidate {
  /** `deploy-gate watched on CANCEL`; of several candidates also which: `deploy-gate watched.held always 2`. */
  name: string;
  /** Path of its state, as in decisions, after the id of the machine. */
  state: string;
  guard: Json | undefined;
  /** Taken without a signal. */
  isAlways: boolean;
  /** The candidates after it, tried when its guard fails. */
  next: Candidate[];
}

interface InstrumentedMachine {
  /** The file with its log lines. */
  text: string;
  candidates: Candidate[];
}

const MARK = "taken ";

/** A log line that only the instrumentation wrote. */
export const isMark = (log: string) => log.startsWith(MARK);

/** Instruments a machine file, which must compile. */
export function instrumented(fileText: string): InstrumentedMachine {
  const machine = readYaml("machine", fileText).value as JsonObject;
  const candidates: Candidate[] = [];
  const text = JSON.stringify(withMarks(machine, String(machine.id), candidates));
  return { text, candidates };
}

/** The state with a log line in front of the actions of each of its transitions. */
function withMarks(node: JsonObject, state: string, candidates: Candidate[]): JsonObject {
  const transitions = (raw: Json, what: string): Json => {
    const list = [raw].flat().map((one) => (typeof one === "string" ? { target: one } : (one as JsonObject)));
    const candidatesHere = list.map(({ guard }, i): Candidate => {
      const name = `${state} ${what}${list.length > 1 ? ` ${i + 1}` : ""}`;
      return { name, state, guard, isAlways: what === "always", next: [] };
    });
    for (const [i, candidate] of candidatesHere.entries()) candidate.next = candidatesHere.slice(i + 1);
    candidates.push(...candidatesHere);
    return list.map((one, i) => ({
      ...one,
      actions: [{ log: `${MARK}${candidatesHere[i]?.name}` }, ...[one.actions ?? []].flat()],
    }));
  };
  const each = (raw: Json, change: (value: Json, name: string) => Json): JsonObject =>
    Object.fromEntries(Object.entries(raw as JsonObject).map(([name, value]) => [name, change(value, name)]));
  const invocation = (raw: Json) =>
    each(raw, (value, name) => (name === "onDone" || name === "onError" ? transitions(value, name) : value));

  return each(node, (value, key) => {
    switch (key) {
      case "states":
        return each(value, (inside, name) => withMarks(inside as JsonObject, `${state}.${name}`, candidates));
      case "on":
        return each(value, (one, name) => transitions(one, `on ${name}`));
      case "always":
      case "onDone":
        return transitions(value, key);
      case "after":
        return Array.isArray(value)
          ? value.flatMap((one) => transitions(one, `after ${(one as JsonObject).id}`))
          : each(value, (one, delay) => transitions(one, `after ${delay}`));
      case "invoke":
        return [value].flat().map(invocation);
      default:
        return value;
    }
  });
}

/** One sentence for each transition that no decision took, and each guard that never failed. */
export function uncovered(
  { candidates }: Pick<InstrumentedMachine, "candidates">,
  decisions: readonly Decision[],
): string[] {
  const traces = decisions.map(({ trace }) => trace);
  const marks = traces.flatMap(({ logs = [] }) => logs.filter(isMark));
  const takenNames = new Set(marks.map((mark) => mark.slice(MARK.length)));
  const ignoredReasons = traces.flatMap(({ transitions }) => transitions.flatMap(({ ignored }) => ignored ?? []));
  const guardReasons = ignoredReasons.filter((reason) => reason.startsWith("guard false"));
  const instances = decisions.flatMap((decision) => decision.instances);
  const activeStates = new Set(instances.flatMap(({ machine, state }) => pathsOf(state, machine)));
  const hasFailed = ({ guard, isAlways, state, next }: Candidate) => {
    if (guard === undefined || next.some(({ name }) => takenNames.has(name))) return true;
    return isAlways ? activeStates.has(state) : guardReasons.some((reason) => reason.includes(String(guard)));
  };
  return candidates.flatMap((candidate) => [
    ...(takenNames.has(candidate.name) ? [] : [`${candidate.name}: never taken`]),
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
