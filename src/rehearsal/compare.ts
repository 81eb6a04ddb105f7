/** Compares the results of a step with the expected ones: one text per difference. */
import { isDeepStrictEqual } from "node:util";
import { exactDuration, parseDuration } from "../core/duration.ts";
import { type Decision, type Instance, isObject, type Json, type JsonObject } from "../model.ts";
import { isMark } from "./coverage.ts";
import type { Expected } from "./story.ts";
import type { RecordedAttempt, World } from "./world.ts";

/** Reports every expected result that is missing, and every delivery, emitted event or problem that is not expected. */
export async function differences(
  world: World,
  expected: Expected,
  { attempts, decisions }: { attempts: readonly RecordedAttempt[]; decisions: readonly Decision[] },
): Promise<string[]> {
  const traces = decisions.map(({ trace }) => trace);
  const emitted = decisions.flatMap((decision) =>
    decision.emitted.map(({ event: { type, data } }) => ({ type, data })),
  );
  const problems = traces.flatMap((trace) => trace.problems.map(({ code, message }) => `${code} ${message}`));
  return [
    ...problems.map((problem) => `  problem: ${problem}`),
    ...itemDifferences(
      deliveriesOf(expected),
      attempts.map(({ action, params }) => ({ type: action, data: params })),
    ),
    ...itemDifferences(emitsOf(expected), emitted),
    ...ignoredDifferences(expected, traces),
    ...logDifferences(
      expected,
      traces.flatMap(({ logs = [] }) => logs),
    ),
    ...(await instanceDifferences(world, expected)),
  ];
}

/** A delivery or an emitted event; of an expected one only the named fields. */
interface Item {
  type: string;
  data: JsonObject;
}

const itemsOf = (byType: Record<string, JsonObject>): Item[] =>
  Object.entries(byType).map(([type, data]) => ({ type, data }));
const deliveriesOf = ({ deliveries = [] }: Expected) => deliveries.flatMap(itemsOf);
const emitsOf = ({ emits = [] }: Expected) =>
  emits.flatMap((one) => itemsOf(typeof one === "string" ? { [one]: {} } : one));

/** In any order, as deliveries run side by side. A missing item is compared with an unexpected one of the same type. */
function itemDifferences(expected: readonly Item[], actual: readonly Item[]): string[] {
  const remaining = [...actual];
  const takeFirst = (predicate: (item: Item) => boolean): Item | undefined => {
    const index = remaining.findIndex(predicate);
    return index < 0 ? undefined : remaining.splice(index, 1)[0];
  };
  const missing = expected.filter(
    ({ type, data }) => !takeFirst((item) => item.type === type && includes(item.data, data)),
  );
  const lines = missing.flatMap(({ type, data }) => {
    const similar = takeFirst((item) => item.type === type);
    if (!similar) return [`  - ${type} ${JSON.stringify(data)}`];
    const wrong = Object.entries(data).filter(([name, value]) => !includes(similar.data[name], value));
    return wrong.map(([name, value]) => difference(`${type}.${name}`, value, similar.data[name]));
  });
  return [...lines, ...remaining.map(({ type, data }) => `  + ${type} ${JSON.stringify(data)}`)];
}

/** Whether the actual value has all expected fields; other fields do not count. */
function includes(actual: Json | undefined, expected: Json): boolean {
  if (!isObject(expected)) return isDeepStrictEqual(expected, actual);
  return isObject(actual) && Object.entries(expected).every(([key, value]) => includes(actual[key], value));
}

function ignoredDifferences({ ignored }: Expected, traces: readonly Decision["trace"][]): string[] {
  if (ignored === undefined) return [];
  const reasons = traces.flatMap(({ transitions }) => transitions.flatMap((one) => one.ignored ?? []));
  const isIgnored = reasons.some((reason) => reason.includes(ignored));
  return isIgnored ? [] : [difference("ignored", ignored, reasons)];
}

function logDifferences({ logs }: Expected, all: readonly string[]): string[] {
  const storyLogs = all.filter((log) => !isMark(log));
  return logs === undefined || isDeepStrictEqual(logs, storyLogs) ? [] : [difference("logs", logs, storyLogs)];
}

async function instanceDifferences(world: World, { state, timers, context = {} }: Expected): Promise<string[]> {
  const instances = await world.instances();
  const lines = stateDifferences(state, instances);
  if (timers !== undefined) {
    const all = (await Promise.all(instances.map((one) => world.timersOf(one)))).flat();
    const remaining = Object.fromEntries(all.map(({ id, dueAtMs }) => [id, exactDuration(dueAtMs - world.nowMs())]));
    const expected = Object.entries(timers).map(([id, time]) => [id, exactDuration(parseDuration(time) ?? Number.NaN)]);
    const isEqual = isDeepStrictEqual(remaining, Object.fromEntries(expected));
    if (!isEqual) lines.push(difference("timers", timers, remaining));
  }
  const [first] = instances;
  for (const [key, value] of Object.entries(context)) {
    const actual = first?.context[key];
    if (!includes(actual, value)) lines.push(difference(`context.${key}`, value, actual));
  }
  return lines;
}

function stateDifferences(state: Expected["state"], instances: readonly Instance[]): string[] {
  if (state === undefined) return [];
  const byStart = typeof state === "string" ? { "": state } : state;
  return Object.entries(byStart).flatMap(([start, expected]) => {
    const matching = instances.filter((instance) => addressText(instance).startsWith(start));
    const actual = matching.map(stateText).join(" and ") || "none";
    return actual === expected ? [] : [difference(`state${start && ` of ${start}`}`, expected, actual)];
  });
}

export const addressText = ({ machine, key }: Pick<Instance, "machine" | "key">) => `${machine}/${key}`;

/** `watched.held`; all regions of a parallel state; the status unless it is active. */
function stateText({ state, status }: Instance): string {
  const path = (value: Json): string[] =>
    typeof value !== "object" || value === null
      ? [String(value)]
      : Object.entries(value).flatMap(([name, inside]) => path(inside).map((rest) => `${name}.${rest}`));
  return `${path(state).join(" ")}${status === "active" ? "" : ` (${status})`}`;
}

export function difference(what: string, expected: unknown, actual: unknown): string {
  const text = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));
  return `  ${what}\n  - ${text(expected)}\n  + ${text(actual)}`;
}
