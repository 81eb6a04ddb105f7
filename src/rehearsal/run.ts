/** Runs a story on a store and reports the first step with another result: place in the file, step and differences. */
import { formatDuration, parseDuration } from "../core/duration.ts";
import { messageOf } from "../errors.ts";
import type { Decision, Instance, Outcome } from "../model.ts";
import { addressText, difference, differences } from "./compare.ts";
import type { ScriptedOutcome, Step, Story } from "./story.ts";
import { createWorld, type Project, rehearsalPolicy, type StoryEnv, type World } from "./world.ts";

export interface StoryRun {
  /** All decisions, those before a failure included. */
  decisions: Decision[];
  /** The first step with another result; absent = all results are as expected. */
  failure?: { line: number; message: string };
}

export async function runStory(project: Project, story: Story, env: StoryEnv): Promise<StoryRun> {
  const decisions: Decision[] = [];
  const failed = (line: number, message: string): StoryRun => ({
    decisions,
    failure: { line, message: `"${story.name}"${message}` },
  });
  let world: World;
  try {
    world = createWorld(project, rehearsalPolicy(story.files, project), env);
  } catch (error) {
    return failed(story.line, `: ${messageOf(error)}`);
  }
  const startMs = world.nowMs();
  for (const [index, step] of story.steps.entries()) {
    const lines = await runStep(world, step, { startMs, decisions });
    if (lines.length === 0) continue;
    const when = formatDuration(world.nowMs() - startMs);
    return failed(step.line, `, step ${index + 1} (${when}, ${stepName(step)})\n${lines.join("\n")}`);
  }
  return { decisions };
}

/** Adds the decisions of the step; returns its differences. */
async function runStep(
  world: World,
  step: Step,
  { startMs, decisions }: { startMs: number; decisions: Decision[] },
): Promise<string[]> {
  try {
    if (step.atMs !== undefined) await world.until(startMs + step.atMs);
    const sendDifferences = await perform(world, step);
    const result = world.takeResults();
    decisions.push(...result.decisions);
    return [...sendDifferences, ...(await differences(world, step.expected, result))];
  } catch (error) {
    return [messageOf(error)];
  }
}

function stepName({ send, signal, answer }: Step): string {
  return send ?? signal ?? (answer ? "another answer" : "time");
}

async function perform(world: World, step: Step): Promise<string[]> {
  for (const [action, answer] of Object.entries(step.answer ?? {})) world.script(action, outcomeOf(answer));
  if (step.signal !== undefined) {
    const { by: who = "ada", reason = "by hand", data = {} } = step;
    await world.signal(await recipient(world, step.to), step.signal, { who, reason, data });
  }
  if (step.send === undefined) return [];
  const result = await world.send(step.send, step.with ?? {});
  const isDuplicate = result.kind === "stored" && result.isDuplicate;
  const isExpected = result.kind === "stored" && isDuplicate === (step.expected.duplicate ?? false);
  if (isExpected) return [];
  if (isDuplicate) return ["The same request was sent before; change it with `with`, or expect `duplicate: true`"];
  return [difference("response", step.expected.duplicate ? "duplicate" : "stored", result)];
}

function outcomeOf(scripted: ScriptedOutcome): Outcome {
  if ("done" in scripted) return { kind: "done", result: scripted.done };
  if ("retry" in scripted) {
    const afterMs = parseDuration(scripted.after ?? "0s") ?? 0;
    return { kind: "retry", error: { message: scripted.retry }, afterMs };
  }
  const { rejected: message, status } = scripted;
  return { kind: "rejected", error: { message, ...(status === undefined ? {} : { status }) } };
}

/** The only instance whose machine/key starts with `start`; without one a whole address names the instance to start. */
async function recipient(world: World, start = ""): Promise<Pick<Instance, "machine" | "key">> {
  const all = await world.instances();
  const matching = all.filter((instance) => addressText(instance).startsWith(start));
  const [first] = matching;
  if (matching.length === 1 && first) return first;
  const [machine = "", key = ""] = start.split(/\/(.*)/);
  if (matching.length === 0 && key !== "") return { machine, key };
  throw new Error(`"${start}" is one of ${all.map(addressText).join(", ") || "no instances"}: say which`);
}
