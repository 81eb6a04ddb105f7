/**
 * What statecharts mean, told as scenarios in scxml/*.yaml: our own small machines, each with the W3C's test of the same promise
 * (https://www.w3.org/Voice/2013/scxml-irp/, `w3c`) and the one of the scion framework (`scion`).
 *
 * A scenario is a `machine` and its `steps`, or words of why it is `refused`. The first step is the signal START unless it is one itself
 * (`send`, `timer`, `done`, `failed`). A step shows what it causes; what it does not show is not checked, except that the signal is
 * taken unless it is `ignored`, and that nothing is reported but its `problems`. `differs` says where SCXML means something else.
 */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { formatDuration, parseDuration } from "../../src/core/duration.ts";
import { compileMachine } from "../../src/core/machine/file/compile.ts";
import type { StepResult } from "../../src/core/machine/run/step.ts";
import type { Json, JsonObject } from "../../src/model.ts";
import { env, type MachineRun, machineOf, startRun } from "./machine-story.ts";

interface Step {
  /** Time that passes before it. */
  wait?: string;
  send?: string;
  /** What the signal's event carries. */
  with?: JsonObject;
  timer?: string;
  done?: string;
  failed?: string;
  output?: JsonObject;
  error?: JsonObject;
  /** The step that armed the timer or started the call, when it is not the last one that did. */
  of?: number;
  state?: Json;
  status?: string;
  context?: JsonObject;
  history?: Record<string, string[]>;
  gives?: Json;
  logs?: string[];
  emits?: JsonObject[];
  delivers?: JsonObject[];
  /** Timers that it sets, as `id: due after`. */
  sets?: Record<string, string>;
  /** All that are armed afterwards. */
  armed?: string[];
  waitsFor?: string[];
  cancels?: string[];
  ignored?: string;
  problems?: string[];
}

interface Scenario {
  story: string;
  w3c?: (string | number)[];
  scion?: string[];
  differs?: string;
  machine: JsonObject;
  refused?: string;
  steps?: Step[];
}

const FOLDER = new URL("scxml/", import.meta.url).pathname;
const read = (file: string): unknown => parse(readFileSync(`${FOLDER}${file}`, "utf8"));
const TABLES = ["w3c.yaml", "scion.yaml"];
const files = readdirSync(FOLDER).filter((file) => file.endsWith(".yaml") && !TABLES.includes(file));
const scenarios = files.flatMap((file) => (read(file) as Scenario[]).map((scenario) => ({ ...scenario, file })));

const REFERENCES = ["w3c", "scion", "differs", "file"];
const HAPPENINGS = ["send", "timer", "done", "failed"];
const STEP_KEYS = [...HAPPENINGS, "wait", "with", "output", "error", "of", "ignored", "problems"];

describe.each(files)("%s", (file) => {
  for (const { story: title, machine: written, refused, steps = [], ...rest } of scenarios) {
    if (rest.file !== file) continue;
    test(title, () => {
      expect(Object.keys(rest).filter((key) => !REFERENCES.includes(key))).toEqual([]);
      const machine = { id: "m", startOn: ["START"], ...written };
      if (refused === undefined) follow(startRun(machineOf(machine)), steps);
      else expectRefused(machine, refused);
    });
  }
});

describe("every test of others is told by a scenario or left out for a reason", () => {
  const run = (list: "w3c" | "scion") => new Set(scenarios.flatMap((one) => (one[list] ?? []).map(String)));

  test("the W3C's mandatory ones", () => {
    const { mandatory, outside } = read("w3c.yaml") as { mandatory: unknown[]; outside: Record<string, string> };
    const all = mandatory.map(String);
    expect(all.length).toBe(168);
    expectShared(all, run("w3c"), outside);
  });

  test("the scion framework's", () => {
    const { tests, outside } = read("scion.yaml") as {
      tests: Record<string, string[]>;
      outside: Record<string, string>;
    };
    const all = Object.entries(tests).flatMap(([family, names]) => names.map((name) => `${family}/${name}`));
    expectShared(all, run("scion"), outside);
  });
});

/** Each exactly once, and nothing that does not exist. */
function expectShared(
  all: readonly string[],
  told: ReadonlySet<string>,
  outside: Readonly<Record<string, string>>,
): void {
  expect(new Set(all).size).toBe(all.length);
  expect([...told, ...Object.keys(outside)].toSorted()).toEqual(all.toSorted());
  expect(Object.values(outside).filter((why) => why.length < 5)).toEqual([]);
}

function expectRefused(machine: JsonObject, words: string): void {
  const { machine: compiled, diagnostics: problems } = compileMachine(machine, env());
  expect(problems.map(({ code, message }) => `${code} ${message}`).join("; ")).toContain(words);
  expect(compiled).toBeUndefined();
}

function follow(told: MachineRun, steps: readonly Step[]): void {
  expect(steps.length).toBeGreaterThan(0);
  steps.forEach((step, i) => {
    const isTold = HAPPENINGS.some((key) => Object.hasOwn(step, key));
    expect(isTold || i === 0, "only the first step happens by itself").toBe(true);
    expectStep(told, isTold ? step : { ...step, send: "START" });
  });
}

function expectStep(told: MachineRun, step: Step): void {
  told.nowMs += parseDuration(step.wait ?? "0s") ?? Number.NaN;
  const result = happen(told, step);
  const seen = seenOf(told, result);
  const shown = Object.keys(step).filter((key) => !STEP_KEYS.includes(key));
  expect(shown.length, "a step shows something").toBeGreaterThan(0);
  const picked = (from: object) => Object.fromEntries(Object.entries(from).filter(([key]) => shown.includes(key)));
  expect(picked(seen)).toEqual(picked(step));
  expect(shown.filter((key) => !Object.hasOwn(seen, key))).toEqual([]);
  if (step.ignored === undefined) expect(result.transition.ignored).toBeUndefined();
  else expect(result.transition.ignored).toContain(step.ignored);
  expect(result.problems.map(({ code }) => code)).toEqual(step.problems ?? []);
}

function happen(told: MachineRun, { send, with: data, timer, done, failed, output, error, of }: Step): StepResult {
  if (send !== undefined) return told.send(send, data);
  if (timer !== undefined) return told.fire(timer, of);
  if (done !== undefined) return told.done(done, output, of);
  return told.fail(failed ?? "", error, of);
}

function seenOf({ row, nowMs }: MachineRun, result: StepResult): Partial<Record<keyof Step, unknown>> {
  return {
    state: row?.state,
    status: row?.status,
    context: row?.context,
    history: row?.history,
    gives: row?.output,
    logs: result.logs,
    emits: result.emits.map(({ type, data }) => ({ [type]: data })),
    delivers: result.deliveries.map(({ action, params }) => ({ [action]: params })),
    sets: Object.fromEntries(result.timersSet.map(({ id, dueAtMs }) => [id, formatDuration(dueAtMs - nowMs)])),
    armed: Object.keys(row?.timers ?? {}),
    waitsFor: Object.keys(row?.calls ?? {}),
    cancels: result.callsCancelled.map(({ call }) => call),
  };
}
