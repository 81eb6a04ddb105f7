/**
 * Stories as files: a policy, and steps with their expected results. A file has `policy` (names of rule files and machines, absent = all),
 * `files` (further files, by name), `set` (changes to machines) and `stories`: each a list of steps, or a mapping with `story` and a
 * policy of its own.
 */
import { type Static, Type } from "typebox";
import { validatorFor } from "../core/check.ts";
import { parseDuration } from "../core/duration.ts";
import type { Diagnostic, Path } from "../errors.ts";
import { isObject, type Json, type JsonObject } from "../model.ts";
import type { PolicyFiles } from "../policy/policy.ts";
import { placed, readYaml } from "../yaml.ts";

const closed = { additionalProperties: false };
const optional = Type.Optional;
const anyObject = Type.Unsafe<JsonObject>(Type.Record(Type.String(), Type.Unknown()));
const anyJson = Type.Unsafe<Json>(Type.Unknown());
const text = () => Type.String();
const duration = () => Type.String({ description: "90s, 15m, 1h30m or P3D" });

/** The expected results of a step. Deliveries and emitted events that are not named must not happen. */
const Expected = Type.Object(
  {
    deliveries: optional(
      Type.Array(Type.Record(text(), anyObject), {
        description: "In any order: action → its parameters, or as many of them as matter",
      }),
    ),
    emits: optional(
      Type.Array(Type.Union([text(), Type.Record(text(), anyObject)]), {
        description: "Events that machines put into the log: the type, or type → as much of the data as matters",
      }),
    ),
    state: optional(
      Type.Union([text(), Type.Record(text(), text())], {
        description: "Of the only instance, or of each by the start of machine/key; `none` where there must be none",
      }),
    ),
    timers: optional(
      Type.Record(text(), duration(), { description: "All that are set, with the time they have left" }),
    ),
    context: optional(anyObject),
    ignored: optional(Type.String({ description: "A signal changed nothing; words of the reason" })),
    logs: optional(Type.Array(text())),
    duplicate: optional(Type.Boolean({ description: "The event was in the log already" })),
  },
  closed,
);
export type Expected = Static<typeof Expected>;

const ScriptedOutcome = Type.Union([
  Type.Object({ done: anyJson }, closed),
  Type.Object({ retry: text(), after: optional(duration()) }, closed),
  Type.Object({ rejected: text(), status: optional(Type.Integer()) }, closed),
]);
export type ScriptedOutcome = Static<typeof ScriptedOutcome>;

const StepSchema = Type.Object(
  {
    at: optional(Type.String({ description: "Since the story began" })),
    send: optional(Type.String({ description: "A sample of a provider, or a source that `with` is posted to" })),
    with: optional(Type.Unsafe<JsonObject>({ ...anyObject, description: "Changes to the sample, by dotted path" })),
    signal: optional(Type.String({ description: "Given to an instance by hand" })),
    to: optional(Type.String({ description: "The start of machine/key, where there are several instances" })),
    by: optional(text()),
    reason: optional(text()),
    data: optional(anyObject),
    answer: optional(
      Type.Record(text(), ScriptedOutcome, { description: "What the outside answers from now on, by action" }),
    ),
    // biome-ignore lint/suspicious/noThenProperty: a key of the file; a schema is never awaited.
    then: optional(Expected),
  },
  closed,
);
type StepText = Static<typeof StepSchema>;

const policyKeys = {
  policy: optional(Type.Union([text(), Type.Array(text())])),
  files: optional(Type.Record(text(), text())),
  set: optional(Type.Record(text(), anyObject)),
};
const OwnPolicy = Type.Object({ ...policyKeys, story: Type.Array(StepSchema) }, closed);
const StoryText = Type.Union([Type.Array(StepSchema), OwnPolicy]);
const StoryFile = Type.Object({ ...policyKeys, stories: Type.Record(text(), StoryText) }, closed);
type StoryFile = Static<typeof StoryFile>;

export interface Step extends Omit<StepText, "at" | "then"> {
  line: number;
  /** Since the start of the story; undefined = at the time of the step before. */
  atMs: number | undefined;
  expected: Expected;
}

export interface Story {
  name: string;
  file: string;
  line: number;
  /** The files of its policy, with the story's own changes. */
  files: PolicyFiles;
  steps: readonly Step[];
}

/** The stories of a file over the files of a policy. No stories when there is a diagnostic; never throws for data. */
export function readStories(
  file: string,
  fileText: string,
  policyFiles: PolicyFiles,
): { stories: Story[]; diagnostics: Diagnostic[] } {
  const yaml = readYaml(file, fileText);
  const lineOf = (path: Path) => yaml.place(path, { atKey: true }).line;
  const diagnostics = [...yaml.diagnostics];
  if (yaml.value !== undefined)
    diagnostics.push(...validatorFor(StoryFile)(yaml.value).map((one) => placed(file, yaml, one)));
  if (diagnostics.length > 0) return { stories: [], diagnostics };
  const addDiagnostic = (message: string, path: Path, code: Diagnostic["code"] = "SB0102") =>
    void diagnostics.push(placed(file, yaml, { code, severity: "error", message, path }));

  const { stories, ...shared } = yaml.value as StoryFile;
  const readStory = ([name, content]: [string, Static<typeof StoryText>]): Story => {
    const path: Path = ["stories", name];
    const { story, ...own }: Static<typeof OwnPolicy> = Array.isArray(content) ? { story: content } : content;
    const steps = story.map((step, index): Step => {
      const stepPath = Array.isArray(content) ? [...path, index] : [...path, "story", index];
      return readStep(step, lineOf(stepPath), (message, key) => addDiagnostic(message, [...stepPath, key]));
    });
    const merged = { ...shared, ...own, files: { ...shared.files, ...own.files }, set: { ...shared.set, ...own.set } };
    const pathOf = (key: "policy" | "set"): Path => (own[key] === undefined ? [key] : [...path, key]);
    const files = storyFiles(policyFiles, merged, (message, key) => addDiagnostic(message, pathOf(key), "SB0003"));
    return { name, file, line: lineOf(path), files, steps };
  };
  const allStories = Object.entries(stories).map(readStory);
  return diagnostics.length > 0 ? { stories: [], diagnostics } : { stories: allStories, diagnostics };
}

function readStep(step: StepText, line: number, addDiagnostic: (message: string, key: string) => void): Step {
  const { at, then: expected = {}, ...rest } = step;
  const atMs = at === undefined ? undefined : parseDuration(at);
  if (at !== undefined && atMs === undefined) addDiagnostic(`"${at}" is not a duration; write 90s, 15m or 1h30m`, "at");
  return { ...rest, line, atMs, expected };
}

/** The named files of the policy, or all, with the story's own files and its changes to machines. */
function storyFiles(
  all: PolicyFiles,
  { policy, files = {}, set = {} }: Omit<StoryFile, "stories">,
  addDiagnostic: (message: string, key: "policy" | "set") => void,
): PolicyFiles {
  const names = [policy ?? []].flat();
  const selectedFiles =
    policy === undefined ? all : namedFiles(all, names, (message) => addDiagnostic(message, "policy"));
  const result: PolicyFiles = { ...selectedFiles, ...files };
  for (const [machine, changes] of Object.entries(set)) {
    const name = `statemachines/${machine}.yaml`;
    const text = result[name];
    if (text === undefined) addDiagnostic(`"set" names the machine "${machine}", but there is no ${name}`, "set");
    else result[name] = JSON.stringify(merged(readYaml(name, text).value, changes));
  }
  return result;
}

/** The rules and the machine of each name, and all templates. */
function namedFiles(all: PolicyFiles, names: readonly string[], addDiagnostic: (message: string) => void): PolicyFiles {
  const paths = names.flatMap((name) => {
    const existing = [`rules/${name}.yaml`, `statemachines/${name}.yaml`].filter((path) => path in all);
    if (existing.length === 0) addDiagnostic(`There is no rules/${name}.yaml and no statemachines/${name}.yaml`);
    return existing;
  });
  const isSelected = (path: string) => paths.includes(path) || path.startsWith("rules/templates/");
  return Object.fromEntries(Object.entries(all).filter(([path]) => isSelected(path)));
}

function merged(value: Json | undefined, changes: Json): Json {
  if (!isObject(value) || !isObject(changes)) return changes;
  return {
    ...value,
    ...Object.fromEntries(Object.entries(changes).map(([key, one]) => [key, merged(value[key], one)])),
  };
}
