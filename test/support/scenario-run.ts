/** Tells a story on a store and says where it comes out otherwise: the place in the file, the step, and the difference only. */
import { isDeepStrictEqual } from "node:util";
import { formatDuration, parseDuration } from "../../src/core/duration.ts";
import type { Decision, Instance, Json, JsonObject, Outcome } from "../../src/model.ts";
import type { Store } from "../../src/ports/store.ts";
import { type Step, type Story, StoryFailure, type Then } from "./scenario.ts";
import { isMark } from "./scenario-coverage.ts";
import { changedFile, createScenarioWorld, policyOf, type ScenarioWorld } from "./scenario-world.ts";

/** Every decision of the story, for whoever wants to know what was gone through. */
export async function runStory(store: Store, story: Story, files = filesOf(story)): Promise<Decision[]> {
  const at = (line: number, message: string) =>
    new StoryFailure({ file: story.file, line }, `"${story.name}"${message}`);
  const policy = caught(
    () => policyOf(files),
    (message) => at(story.line, `: ${message}`),
  );
  const world = createScenarioWorld(store, policy);
  const startMs = world.nowMs();
  const decisions: Decision[] = [];
  for (const [index, step] of story.steps.entries()) {
    const differences: string[] = [];
    try {
      if (step.atMs !== undefined) await world.until(startMs + step.atMs);
      differences.push(...(await happen(world, step)));
      const { attempts, decisions: decided } = world.news();
      decisions.push(...decided);
      differences.push(...(await compare(world, step, { attempts, decisions: decided })));
    } catch (error) {
      differences.push(error instanceof Error ? error.message : String(error));
    }
    if (differences.length > 0) {
      const when = formatDuration(world.nowMs() - startMs);
      throw at(step.line, `, step ${index + 1} (${when}, ${nameOf(step)})\n${differences.join("\n")}`);
    }
  }
  return decisions;
}

/** The policy of the story with the changes that it makes to shipped machines. */
export function filesOf({ files, set }: Story): Record<string, string> {
  const changed = Object.entries(set).map(([machine, changes]): [string, string] => {
    const name = `statemachines/${machine}.yaml`;
    return [name, changedFile(files[name] ?? "{}", changes)];
  });
  return { ...files, ...Object.fromEntries(changed) };
}

function caught<T>(run: () => T, failure: (message: string) => Error): T {
  try {
    return run();
  } catch (error) {
    throw failure(error instanceof Error ? error.message : String(error));
  }
}

function nameOf({ send, signal, answer }: Step): string {
  if (send !== undefined) return send;
  if (signal !== undefined) return signal;
  return answer ? "another answer" : "time";
}

// ---------------------------------------------------------------- what happens

async function happen(world: ScenarioWorld, step: Step): Promise<string[]> {
  for (const [action, answer] of Object.entries(step.answer ?? {})) world.answer(action, outcomeOf(answer));
  if (step.signal !== undefined) {
    const { machine, key } = await theOne(world, step.to);
    const { by: who = "ada", reason = "by hand", data = {} } = step;
    await world.signal({ machine, key }, step.signal, { who, reason, data });
  }
  if (step.send === undefined) return [];
  const { status, body } = await world.send(step.send, step.with ?? {});
  const wanted = step.expected.duplicate ? 200 : 202;
  if (status === wanted) return [];
  if (status === 200) return ["It was sent before: GitHub never sends the same twice, change something in it"];
  return [different("answer", wanted, `${status} ${body}`)];
}

function outcomeOf(answer: NonNullable<Step["answer"]>[string]): Outcome {
  if ("done" in answer) return { kind: "done", result: answer.done };
  if ("retry" in answer) {
    const afterMs = parseDuration(answer.after ?? "0s") ?? 0;
    return { kind: "retry", error: { message: answer.retry }, afterMs };
  }
  const { rejected: message, status } = answer;
  return { kind: "rejected", error: { message, ...(status === undefined ? {} : { status }) } };
}

/** The only instance, or the only one whose machine/key starts so; a whole address when there is none yet. */
async function theOne(world: ScenarioWorld, start = ""): Promise<Pick<Instance, "machine" | "key">> {
  const all = await world.instances();
  const found = all.filter((one) => addressOf(one).startsWith(start));
  const [one] = found;
  if (found.length === 1 && one) return one;
  const [machine = "", key = ""] = start.split(/\/(.*)/);
  if (found.length === 0 && key !== "") return { machine, key };
  throw new Error(`"${start}" is one of ${all.map(addressOf).join(", ") || "no instances"}: say which`);
}

const addressOf = ({ machine, key }: Pick<Instance, "machine" | "key">) => `${machine}/${key}`;

// ---------------------------------------------------------------- what came of it

async function compare(
  world: ScenarioWorld,
  { expected }: Step,
  { attempts, decisions }: ReturnType<ScenarioWorld["news"]>,
): Promise<string[]> {
  const traces = decisions.map(({ trace }) => trace);
  const emitted = decisions.flatMap((decision) =>
    decision.emitted.map(({ event: { type, data } }) => ({ type, data })),
  );
  const problems = traces.flatMap((trace) => trace.problems.map(({ code, message }) => `${code} ${message}`));
  return [
    ...problems.map((problem) => `  problem: ${problem}`),
    ...setBeside(
      deliveriesOf(expected),
      attempts.map(({ action, params }) => ({ type: action, data: params })),
    ),
    ...setBeside(emitsOf(expected), emitted),
    ...ignoredBeside(expected, traces),
    ...logsBeside(
      expected,
      traces.flatMap(({ logs = [] }) => logs),
    ),
    ...(await instancesBeside(world, expected)),
  ];
}

/** A delivery or an event that came of the step, or as much of one as is wanted. */
interface Item {
  type: string;
  data: JsonObject;
}

const itemsOf = (written: Record<string, JsonObject>): Item[] =>
  Object.entries(written).map(([type, data]) => ({ type, data }));
const deliveriesOf = ({ deliveries = [] }: Then) => deliveries.flatMap(itemsOf);
const emitsOf = ({ emits = [] }: Then) =>
  emits.flatMap((one) => itemsOf(typeof one === "string" ? { [one]: {} } : one));

/** Deliveries run side by side: those of one step have no order. What is left over is told in full, what is near by its difference. */
function setBeside(wanted: readonly Item[], got: readonly Item[]): string[] {
  const left = [...got];
  const take = (isIt: (item: Item) => boolean): Item | undefined => {
    const index = left.findIndex(isIt);
    return index < 0 ? undefined : left.splice(index, 1)[0];
  };
  const missing = wanted.filter(({ type, data }) => !take((item) => item.type === type && isPart(data, item.data)));
  const lines = missing.flatMap(({ type, data }) => {
    const near = take((item) => item.type === type);
    if (!near) return [`  - ${type} ${JSON.stringify(data)}`];
    const wrong = Object.entries(data).filter(([name, value]) => !isPart(value, near.data[name]));
    return wrong.map(([name, value]) => different(`${type}.${name}`, value, near.data[name]));
  });
  return [...lines, ...left.map(({ type, data }) => `  + ${type} ${JSON.stringify(data)}`)];
}

/** Whether everything that is wanted is there; what is not named does not matter. */
function isPart(wanted: Json, got: Json | undefined): boolean {
  if (typeof wanted !== "object" || wanted === null || Array.isArray(wanted)) return isDeepStrictEqual(wanted, got);
  if (typeof got !== "object" || got === null || Array.isArray(got)) return false;
  return Object.entries(wanted).every(([key, value]) => isPart(value, got[key]));
}

function ignoredBeside({ ignored }: Then, traces: readonly Decision["trace"][]): string[] {
  if (ignored === undefined) return [];
  const told = traces.flatMap(({ transitions }) => transitions.flatMap((one) => one.ignored ?? []));
  return unless(
    told.some((reason) => reason.includes(ignored)),
    "ignored",
    ignored,
    told,
  );
}

function logsBeside({ logs }: Then, all: readonly string[]): string[] {
  const told = all.filter((log) => !isMark(log));
  return unless(logs === undefined || isDeepStrictEqual(logs, told), "logs", logs, told);
}

async function instancesBeside(world: ScenarioWorld, { state, timers, context }: Then): Promise<string[]> {
  const instances = await world.instances();
  const differences = statesBeside(state, instances);
  if (timers !== undefined) {
    const armed = (await Promise.all(instances.map((one) => world.timersOf(one)))).flat();
    const left = Object.fromEntries(armed.map(({ id, dueAtMs }) => [id, exactly(dueAtMs - world.nowMs())]));
    const told = Object.entries(timers).map(([id, time]) => [id, exactly(parseDuration(time) ?? Number.NaN)]);
    differences.push(...unless(isDeepStrictEqual(left, Object.fromEntries(told)), "timers", timers, left));
  }
  for (const [key, value] of Object.entries(context ?? {})) {
    const [only] = instances;
    differences.push(...unless(isPart(value, only?.context[key]), `context.${key}`, value, only?.context[key]));
  }
  return differences;
}

function statesBeside(state: Then["state"], instances: readonly Instance[]): string[] {
  if (state === undefined) return [];
  const wanted = typeof state === "string" ? { "": state } : state;
  return Object.entries(wanted).flatMap(([start, one]) => {
    const found = instances.filter((instance) => addressOf(instance).startsWith(start));
    const got = found.map(stateOf).join(" and ") || "none";
    return unless(got === one, `state${start && ` of ${start}`}`, one, got);
  });
}

/** `watched.held`; of several regions all of them; what has ended says so. */
export function stateOf({ state, status }: Instance): string {
  const path = (value: Json): string[] =>
    typeof value !== "object" || value === null
      ? [String(value)]
      : Object.entries(value).flatMap(([name, inside]) => path(inside).map((rest) => `${name}.${rest}`));
  return `${path(state).join(" ")}${status === "active" ? "" : ` (${status})`}`;
}

/** `6d23h55m`: nothing rounded away. */
function exactly(ms: number): string {
  const units = [
    ["d", 86_400_000],
    ["h", 3_600_000],
    ["m", 60_000],
    ["s", 1_000],
    ["ms", 1],
  ] as const;
  let left = ms;
  const parts = units.flatMap(([unit, size]) => {
    const count = Math.floor(left / size);
    left -= count * size;
    return count === 0 ? [] : [`${count}${unit}`];
  });
  return parts.join("") || "0s";
}

function unless(isRight: boolean, what: string, wanted: unknown, got: unknown): string[] {
  return isRight ? [] : [different(what, wanted, got)];
}

function different(what: string, wanted: unknown, got: unknown): string {
  const text = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));
  return `  ${what}\n  - ${text(wanted)}\n  + ${text(got)}`;
}
