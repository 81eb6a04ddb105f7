/**
 * Golden stories as files: a policy, and what happens step by step with what must come of it. A file is `policy` (names of shipped rules
 * and machines), `files` (more, written out), `set` (changes to shipped machines) and `stories`, by name a list of steps; a story that has
 * a policy of its own is a mapping with `story`. Misspelt keys are errors with their place.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from "yaml";
import { parseDuration } from "../../src/core/duration.ts";
import type { Json, JsonObject } from "../../src/model.ts";

export const ROOT = new URL("../..", import.meta.url).pathname;

/** What must come of a step; what is not said of deliveries and emitted events is that there are none. */
export interface Then {
  /** In any order: action → its parameters, or as many of them as matter. */
  deliveries?: Record<string, JsonObject>[];
  /** Events that machines put into the log: their types, or type → as much of the data as matters. */
  emits?: (string | Record<string, JsonObject>)[];
  /** The state of the only instance, or of each by the start of machine/key; `none` where there must be none. */
  state?: string | Record<string, string>;
  /** All that are armed, by name, with the time they have left. */
  timers?: Record<string, string>;
  /** Keys of the only instance's context. */
  context?: JsonObject;
  /** A signal changed nothing; words of why. */
  ignored?: string;
  logs?: string[];
  /** The sender sent the same again. */
  duplicate?: true;
}

type Answer = { done: Json } | { retry: string; after?: string } | { rejected: string; status?: number };

export interface Step {
  line: number;
  /** Since the story began. */
  atMs: number | undefined;
  /** A sample of a provider, by its name, with changes by dotted path. */
  send?: string;
  with?: JsonObject;
  /** A signal given by hand. */
  signal?: string;
  to?: string;
  by?: string;
  reason?: string;
  data?: JsonObject;
  /** What the outside answers from now on, by action. */
  answer?: Record<string, Answer>;
  expected: Then;
}

export interface Story {
  name: string;
  file: string;
  line: number;
  files: Record<string, string>;
  /** Changes to shipped machines, as a team makes them. */
  set: Record<string, JsonObject>;
  steps: Step[];
}

const KEYS = {
  file: ["policy", "files", "set", "stories"],
  story: ["policy", "files", "set", "story"],
  step: ["at", "send", "with", "signal", "to", "by", "reason", "data", "answer", "then"],
  expected: ["deliveries", "emits", "state", "timers", "context", "ignored", "logs", "duplicate"],
} as const;

/** A failure that is told as file, line and difference; where it was thrown does not matter. */
export class StoryFailure extends Error {
  constructor({ file, line }: { file: string; line: number }, message: string) {
    super(`${file}:${line} ${message}`);
    this.name = "StoryFailure";
    this.stack = `${this.message}\n    at story (${join(ROOT, file)}:${line}:1)`;
  }
}

export function scenarioFiles(): string[] {
  return readdirSync(join(ROOT, "test/scenarios"))
    .filter((name) => name.endsWith(".yaml"))
    .map((name) => `test/scenarios/${name}`);
}

export function storiesIn(file: string, text = readFileSync(join(ROOT, file), "utf8")): Story[] {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const lineOf = (node: unknown) => lines.linePos((node as Node).range?.[0] ?? 0).line;
  const refuse = (node: unknown, message: string): never => {
    throw new StoryFailure({ file, line: lineOf(node) }, message);
  };
  for (const { message, pos } of document.errors)
    throw new StoryFailure({ file, line: lines.linePos(pos[0]).line }, message);
  const fields = (node: unknown, known: readonly string[]): Record<string, Node> => {
    if (!isMap(node)) return refuse(node, "A mapping stands here");
    const entries = node.items.map(({ key, value }): [string, Node] => {
      const name = isScalar(key) ? String(key.value) : "";
      if (!known.includes(name)) refuse(key, `"${name}" is not known here, known are ${known.join(", ")}`);
      return [name, value as Node];
    });
    return Object.fromEntries(entries);
  };
  const plain = (node: Node | undefined): unknown => node?.toJS(document);

  const stepOf = (node: unknown): Step => {
    const { at, then, ...rest } = fields(node, KEYS.step);
    const atMs = at && parseDuration(String(plain(at)));
    if (at && atMs === undefined) refuse(at, `"${plain(at)}" is not a duration`);
    if (then) fields(then, KEYS.expected);
    const others = Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, plain(value)]));
    return { ...others, line: lineOf(node), atMs: atMs || undefined, expected: (plain(then) ?? {}) as Then };
  };

  const top = fields(document.contents, KEYS.file);
  if (!isMap(top.stories)) return refuse(document.contents, '"stories" is a mapping from names to steps');
  return top.stories.items.map(({ key, value }) => {
    const own: Record<string, Node> = isSeq(value) ? { story: value } : fields(value, KEYS.story);
    if (!isSeq(own.story)) return refuse(value, '"story" is a list of steps');
    const shipped = [plain(own.policy ?? top.policy) ?? []].flat() as string[];
    return {
      name: String((key as { value: unknown }).value),
      file,
      line: lineOf(key),
      files: {
        ...shippedFiles(shipped, (message) => refuse(own.policy ?? top.policy, message)),
        ...(plain(top.files) as Record<string, string>),
        ...(plain(own.files) as Record<string, string>),
      },
      set: { ...(plain(top.set) as Story["set"]), ...(plain(own.set) as Story["set"]) },
      steps: own.story.items.map(stepOf),
    };
  });
}

/** The rules and the machine of each name, and all templates. */
function shippedFiles(names: readonly string[], refuse: (message: string) => never): Record<string, string> {
  const templates = readdirSync(join(ROOT, "rules/templates")).map((name) => `rules/templates/${name}`);
  const named = names.flatMap((name) => {
    const found = [`rules/${name}.yaml`, `statemachines/${name}.yaml`].filter((path) => existsSync(join(ROOT, path)));
    return found.length > 0 ? found : refuse(`There is no rules/${name}.yaml and no statemachines/${name}.yaml`);
  });
  return Object.fromEntries([...templates, ...named].map((path) => [path, readFileSync(join(ROOT, path), "utf8")]));
}
