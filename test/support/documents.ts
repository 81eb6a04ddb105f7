/** The documents as blocks, and the examples in them as data that can be run: patterns, expressions, templates, stories of a machine. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Type } from "typebox";
import { expect } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { formatDuration, parseDuration } from "../../src/core/duration.ts";
import { compileExpression } from "../../src/core/expr.ts";
import { matches } from "../../src/core/match/evaluate.ts";
import { compilePattern } from "../../src/core/match/pattern.ts";
import { compileValue } from "../../src/core/render.ts";
import type { Event, Json, JsonObject } from "../../src/model.ts";
import github from "../../src/providers/github/index.ts";
import jira from "../../src/providers/jira/index.ts";
import slack from "../../src/providers/slack/index.ts";
import { type MachineRun, machineOf, startRun } from "../core/machine-story.ts";

const ESCAPES = [github, jira, slack].map(({ connection }) => connection?.escapes);

export const ROOT = new URL("../..", import.meta.url).pathname;

export interface Block {
  document: string;
  line: number;
  language: string;
  /** What stands behind the language: `title="rules/x.yaml"`, `pattern`, `story deploy`. */
  info: string;
  text: string;
}

export const documents = [
  "README.md",
  ...readdirSync(join(ROOT, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

export function textOf(document: string): string {
  return readFileSync(join(ROOT, document), "utf8");
}

export function blocksOf(document: string): Block[] {
  const source = textOf(document);
  return [...source.matchAll(/^```(\w*)([^\n]*)\n([\s\S]*?)^```$/gm)].map((match) => ({
    document,
    line: source.slice(0, match.index).split("\n").length,
    language: match[1]!,
    info: match[2]!.trim(),
    text: match[3]!,
  }));
}

export function titleOf({ info }: Block): string | undefined {
  return /title="([^"]+)"/.exec(info)?.[1];
}

/** `yaml pattern`, `yaml cel`, `yaml template`, `yaml story`: the kinds of examples that are run. */
export const EXAMPLES: Readonly<Record<string, (text: string, machines: Machines) => void>> = {
  pattern: runPattern,
  cel: runExpressions,
  template: runTemplates,
  story: runStory,
};

export function exampleOf({ language, info }: Block): string | undefined {
  const [kind = ""] = info.split(" ");
  return language === "yaml" && Object.hasOwn(EXAMPLES, kind) ? kind : undefined;
}

/** The machine file of that name, as the document last showed it. */
type Machines = (id: string) => string;

// ---------------------------------------------------------------- patterns

/** `match` with events that it `matches` and `misses`, or with words of the reason why it is `refused`. */
function runPattern(text: string): void {
  for (const document of parseAllDocuments(text)) {
    const example = document.toJS() as { match: unknown; matches?: unknown[]; misses?: unknown[]; refused?: string };
    const { match, matches: hits = [], misses = [], refused, ...rest } = example;
    expect(rest).toEqual({});
    expect(hits.length + misses.length + (refused ? 1 : 0), "an example shows something").toBeGreaterThan(0);
    const { pattern, diagnostics: problems } = compilePattern(match);
    const told = problems.map(({ message }) => message).join("; ");
    if (refused !== undefined) expect(told).toContain(refused);
    else expect(told).toBe("");
    for (const event of hits) expect(matches(pattern, event as Event), `${JSON.stringify(event)} matches`).toBe(true);
    for (const event of misses)
      expect(matches(pattern, event as Event), `${JSON.stringify(event)} matches`).toBe(false);
  }
}

// ---------------------------------------------------------------- expressions and templates

interface Case {
  /** What it gives; else words of why it `fails` for this event, or is `refused` when the file is read. */
  gives?: Json;
  fails?: string;
  refused?: string;
}

const CASE_KEYS = ["cel", "text", "gives", "fails", "refused"];

function expectCase(
  one: Case,
  problem: string | undefined,
  run: () => { ok: boolean; value?: Json; detail?: string },
): void {
  expect(Object.keys(one).filter((key) => !CASE_KEYS.includes(key))).toEqual([]);
  const { gives, fails, refused } = one;
  if (refused !== undefined) {
    expect(problem).toContain(refused);
    return;
  }
  expect(problem).toBeUndefined();
  const result = run();
  if (fails !== undefined) expect(result.detail).toContain(fails);
  else expect(result).toEqual({ ok: true, value: gives });
}

/** What is seen (`event`, `context`, `item`, `vars`), and `cases`. */
function runExpressions(text: string): void {
  const { cases, ...scope } = parse(text) as JsonObject & { cases: (Case & { cel: string })[]; event: JsonObject };
  for (const one of cases) {
    const compiled = compileExpression(one.cel);
    const problem = compiled.ok ? undefined : advised(compiled.diagnostic);
    expectCase(one, problem, () => (compiled.ok ? compiled.expression.evaluate(scope) : { ok: false }));
  }
}

/** The same, with the `text` (or value) of the template; `destination` and `files` (rules/templates) hold for all of them. */
function runTemplates(text: string): void {
  const {
    cases,
    destination,
    files = {},
    ...scope
  } = parse(text) as JsonObject & {
    cases: (Case & { text: unknown })[];
    destination?: string;
    files?: Record<string, string>;
    event: JsonObject;
  };
  for (const one of cases) {
    const templates = new Map(Object.entries(files));
    const schema = Type.Unknown(destination ? { escape: destination } : {});
    const options = { templates, schema, escapes: Object.assign({}, ...ESCAPES) };
    const { renderer, diagnostics: problems } = compileValue(one.text, options);
    expectCase(one, problems[0] && advised(problems[0]), () => renderer.render(scope));
  }
}

function advised({ message, suggestion }: { message: string; suggestion?: string }): string {
  return suggestion === undefined ? message : `${message} (did you mean ${suggestion}?)`;
}

// ---------------------------------------------------------------- stories of a machine

/** One happening (`signal`, `timer`, `done` or `failed`) and what is shown of what it causes. */
interface Step {
  /** Time that passes before it. */
  wait?: string;
  signal?: string;
  event?: JsonObject;
  timer?: string;
  done?: string;
  failed?: string;
  output?: Json;
  error?: JsonObject;
  /** The step that armed the timer or started the call, when it is not the last one that did. */
  of?: number;
  state?: Json;
  ignored?: string;
  problem?: string;
  /** Timers that it sets, as `id: due after`. */
  sets?: Record<string, string>;
  /** All that are armed afterwards. */
  armed?: string[];
  waitsFor?: string[];
  delivers?: unknown[];
  context?: JsonObject;
  emits?: unknown[];
  logs?: string[];
  gives?: Json;
}

function runStory(text: string, machines: Machines): void {
  const {
    machine,
    steps,
    templates = {},
  } = parse(text) as { machine: string; steps: Step[]; templates?: Record<string, string> };
  const told = startRun(
    machineOf(parse(machines(machine)), { id: machine, templates: new Map(Object.entries(templates)) }),
  );
  for (const step of steps) expectStep(told, step);
}

const STEP_KEYS =
  "wait signal event timer done failed output error of state ignored problem sets armed waitsFor delivers context emits logs gives".split(
    " ",
  );

function expectStep(told: MachineRun, step: Step): void {
  expect(Object.keys(step).filter((key) => !STEP_KEYS.includes(key))).toEqual([]);
  told.nowMs += parseDuration(step.wait ?? "0s")!;
  const { transition, deliveries, emits, logs, problems, timersSet } = happen(told, step);
  const { row } = told;
  const seen: Partial<Record<keyof Step, unknown>> = {
    state: row?.state,
    context: row?.context,
    armed: Object.keys(row?.timers ?? {}),
    waitsFor: Object.keys(row?.calls ?? {}),
    gives: row?.output,
    sets: Object.fromEntries(timersSet.map(({ id, dueAtMs }) => [id, formatDuration(dueAtMs - told.nowMs)])),
    delivers: deliveries.map(({ action, params }) => ({ [action]: params })),
    emits: emits.map(({ type, data }) => ({ [type]: data })),
    logs,
  };
  const shown = Object.entries(seen).filter(([what]) => Object.hasOwn(step, what));
  for (const [what, value] of shown) expect(value, what).toEqual(step[what as keyof Step]);
  if (step.ignored === undefined) expect(transition.ignored).toBeUndefined();
  else expect(transition.ignored).toContain(step.ignored);
  const words = problems.map(({ code, message }) => `${code} ${message}`).join("; ");
  if (step.problem === undefined) expect(words).toBe("");
  else expect(words).toContain(step.problem);
}

function happen(told: MachineRun, { signal, event, timer, done, failed, output, error, of }: Step) {
  if (signal !== undefined) return told.send(signal, event);
  if (timer !== undefined) return told.fire(timer, of);
  if (done !== undefined) return told.done(done, output as JsonObject | undefined, of);
  return told.fail(failed!, error, of);
}
