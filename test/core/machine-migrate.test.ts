/** Taking a living instance to another definition: nothing is entered, nothing is lost, and what cannot migrate says why. */
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import type { CompiledMachine } from "../../src/core/machine/file/compile.ts";
import { type MigrationResult, migrateInstance, migrationStep } from "../../src/core/machine/migration.ts";
import type { Event, Instance } from "../../src/model.ts";
import { type MachineRun, MINUTE, machineOf, startRun, T0 } from "./machine-story.ts";

const OLD = `
startOn: [START]
context: { title: "{{event.title}}", tries: 0 }
initial: open
states:
  open:
    initial: waiting
    states:
      waiting: { on: { WORK: working, BOTH: sides }, after: { 30m: late } }
      late: { on: { WORK: working } }
      working:
        invoke: { id: move, src: jira.transition, input: { issue: WEB-1, to: Done }, onDone: waiting, onError: late }
      sides:
        type: parallel
        states:
          left: { initial: a, states: { a: { on: { L: b } }, b: {} } }
          right: { initial: a, states: { a: { on: { R: b } }, b: {} } }
      back: { type: history }
    on: { PAUSE: paused }
  paused: { on: { RESUME: open.back } }
  closed: { type: final }
`;
const machine = (text: string): CompiledMachine => machineOf(parse(text) as Record<string, unknown>);
const old = machine(OLD);
const changed = (from: string | RegExp, to: string): string => {
  const text = OLD.replace(from, to);
  expect(text).not.toBe(OLD);
  return text;
};

function told(...signals: string[]): MachineRun {
  const one = startRun(old);
  one.send("START", { title: "a title" });
  for (const name of signals) one.send(name);
  return one;
}

/** Ten minutes after it began; timers are rows as the store has them. */
function migrated({ row }: MachineRun, text: string, dueAtMs = T0 + 30 * MINUTE): MigrationResult {
  const timers = Object.entries(row!.timers).map(([id, step]) => ({ id, step, dueAtMs }));
  return migrateInstance(
    { from: old, instance: row!, timers },
    machine(text),
    { type: "instance.migrated" },
    T0 + 10 * MINUTE,
  );
}
function succeeded(result: MigrationResult): Extract<MigrationResult, { ok: true }> {
  if (!result.ok) throw new Error(result.reasons.join("\n"));
  return result;
}
const reasons = (result: MigrationResult): string[] => (result.ok ? ["it can migrate"] : result.reasons);

describe("an instance migrates", () => {
  test("in the same states, with the same timers and calls, under the new definition", () => {
    const text = changed("after: { 30m: late }", "after: { 30m: working }");
    const waiting = told();
    const { instance, timersSet, timersCancelled, notes } = succeeded(migrated(waiting, text));
    expect(instance).toEqual({
      ...waiting.row,
      definition: machine(text).hash,
      version: waiting.row!.version + 1,
      updatedAtMs: T0 + 10 * MINUTE,
    });
    expect([timersSet, timersCancelled, notes]).toEqual([[], [], []]);
    const working = told("WORK");
    expect(succeeded(migrated(working, text)).instance.calls).toEqual(working.row!.calls);
  });

  test("and then does what the new definition says: the old timer takes the new way", () => {
    const text = changed("after: { 30m: late }", "after: { 30m: working }");
    const next = startRun(machine(text));
    next.row = succeeded(migrated(told(), text)).instance;
    next.fire("open.waiting.30m");
    expect(next.row.state).toEqual({ open: "working" });
  });

  test("to the states that the file names, parents and regions too", () => {
    const renamed = `${OLD.replaceAll("waiting", "queued").replace("open:", "active:").replaceAll("open.back", "active.back").replace("initial: open", "initial: active")}
migrate: { states: { open: active, open.waiting: active.queued } }`;
    expect(succeeded(migrated(told(), renamed)).instance.state).toEqual({ active: "queued" });
    expect(succeeded(migrated(told("BOTH", "R"), renamed)).instance.state).toEqual({
      active: { sides: { left: "a", right: "b" } },
    });
    expect(succeeded(migrated(told("WORK", "PAUSE"), renamed)).instance).toMatchObject({
      state: "paused",
      history: { "active.back": ["active.working"] },
    });
  });

  test("a timer under another name stays due when it was", () => {
    const text = changed("30m: late", "45m: late");
    const { instance, timersSet, timersCancelled, notes } = succeeded(migrated(told(), text, T0 + 17 * MINUTE));
    expect(timersSet).toEqual([{ id: "open.waiting.45m", dueAtMs: T0 + 17 * MINUTE }]);
    expect(timersCancelled).toEqual(["open.waiting.30m"]);
    expect(instance.timers).toEqual({ "open.waiting.45m": instance.version });
    expect(notes).toEqual(['The timer "open.waiting.30m" is called "open.waiting.45m" now and stays due when it was']);
  });

  test("a timer that is new runs from now, one that is gone is cancelled, one that has fired is not armed again", () => {
    const more = succeeded(migrated(told("WORK"), changed("working:\n", "working:\n        after: { 5m: late }\n")));
    expect(more.timersSet).toEqual([{ id: "open.working.5m", dueAtMs: T0 + 15 * MINUTE }]);
    expect(more.notes).toEqual(['The timer "open.working.5m" of "open.working" runs from now']);
    const less = succeeded(migrated(told(), changed(", after: { 30m: late }", "")));
    expect([less.timersSet, less.timersCancelled, less.instance.timers]).toEqual([[], ["open.waiting.30m"], {}]);
    const fired = told();
    fired.row = { ...fired.row!, timers: {} };
    expect(succeeded(migrated(fired, changed("late: {", "late: { description: x, tags: [slow],"))).timersSet).toEqual(
      [],
    );
  });

  test("into states that came to be inside and have nothing to do on entry; new regions too", () => {
    const inner = changed(
      "paused: {",
      "paused: { initial: fresh, states: { fresh: { after: { 1h: stale } }, stale: {} },",
    );
    const { instance, timersSet } = succeeded(migrated(told("PAUSE"), inner));
    expect(instance.state).toEqual({ paused: "fresh" });
    expect(timersSet).toEqual([{ id: "paused.fresh.1h", dueAtMs: T0 + 70 * MINUTE }]);
    const region = changed("right: {", "middle: { initial: m, states: { m: {} } }\n          right: {");
    expect(succeeded(migrated(told("BOTH", "L"), region)).instance.state).toEqual({
      open: { sides: { left: "b", middle: "m", right: "a" } },
    });
  });

  test("with context that the file completes from what it was", () => {
    const text = `${changed("tries: 0 }", "tries: 0, label: none }")}
migrate: { context: { label: "{{context.title}}!", tries: { cel: context.tries + 1 } } }`;
    expect(succeeded(migrated(told(), text)).instance.context).toEqual({
      title: "a title",
      tries: 1,
      label: "a title!",
    });
  });

  test("what is remembered of states that are gone is forgotten, and said", () => {
    const text = changed("      back: { type: history }", "").replace("open.back", "open");
    const { instance, notes } = succeeded(migrated(told("PAUSE"), text));
    expect(instance.history).toBeUndefined();
    expect(notes).toEqual(['What "open.back" remembers is forgotten']);
  });
});

test("what is remembered of a state that lies elsewhere now is forgotten", () => {
  const text = `${changed("  closed: {", "  busy: {}\n  closed: {")}migrate: { states: { open.working: busy } }`;
  const { instance, notes } = succeeded(migrated(told("WORK", "PAUSE"), text));
  expect(instance.history).toBeUndefined();
  expect(notes).toEqual(['What "open.back" remembers is forgotten']);
});

describe("an instance stays", () => {
  test.each<[string, string[], string, string[]]>([
    [
      "its state is gone",
      ["BOTH"],
      changed(/ {6}sides:[\s\S]*? {6}back:/, "      back:").replace(", BOTH: sides", ""),
      [
        'The state "open.sides.left.a" is no longer there; say under migrate.states where it goes',
        'The state "open.sides.right.a" is no longer there; say under migrate.states where it goes',
      ],
    ],
    [
      "its state is misspelt",
      ["PAUSE"],
      changed("paused:", "pausd:").replace("PAUSE: paused", "PAUSE: pausd"),
      ['The state "paused" is no longer there; say under migrate.states where it goes, such as "pausd"'],
    ],
    [
      "its state is final now",
      ["PAUSE"],
      changed("paused: { on: { RESUME: open.back } }", "paused: { type: final }"),
      ['"paused" is final now, and a migration ends nothing; say under migrate.states where "paused" goes'],
    ],
    [
      "a state would be entered without its entry",
      ["PAUSE"],
      changed(
        "paused: {",
        "paused: { initial: x, states: { x: { entry: [{ slack.post: { channel: c, text: t } }, { raise: A }] } },",
      ),
      ['"paused.x" would be active without what it does on entry (slack.post, raise)'],
    ],
    [
      "a final state would be reached without a transition",
      ["PAUSE"],
      changed("paused: {", "paused: { initial: x, states: { x: { type: final } },"),
      ['"paused.x" would be reached without a transition'],
    ],
    [
      "a call would never start",
      ["PAUSE"],
      changed("paused: {", "paused: { invoke: { id: ask, src: slack.post, input: {} },"),
      ['The call "ask" (slack.post) of "paused" would never be started'],
    ],
    [
      "an answer would be lost",
      ["WORK"],
      changed("id: move", "id: moving"),
      [
        'It waits for the call "move", which no state would take the answer of; give it the same id',
        'The call "moving" (jira.transition) of "open.working" would never be started',
      ],
    ],
    [
      "its context has not what it needs",
      [],
      changed("tries: 0 }", "tries: 0, label: none }"),
      ["context.label is new; say under migrate.context what it becomes"],
    ],
    [
      "its context cannot be computed",
      [],
      `${OLD}migrate: { context: { tries: { cel: context.nope + 1 } } }`,
      [expect.stringMatching(/^migrate\.context\.tries: .*"nope"/) as string],
    ],
    [
      "two regions would become one place",
      ["BOTH"],
      `${OLD}migrate: { states: { open.sides.left.a: open.waiting, open.sides.right.a: open.late } }`,
      ['"open" can be in one of "open.waiting" and "open.late", not in both'],
    ],
  ])("when %s", (_, signals, text, expected) => {
    expect(reasons(migrated(told(...signals), text))).toEqual(expected);
  });
});

describe("a migration that an event orders", () => {
  const next = machine(changed("30m: late", "45m: late").replaceAll("paused", "halted"));
  const definition = (hash: string) => [old, next].find((each) => each.hash === hash);
  const ordered = (row: Instance | undefined, hash = next.hash) => {
    const event = { type: "instance.migrated", data: {} } as Event;
    const timers = [{ id: "open.waiting.30m", step: 1, dueAtMs: T0 + MINUTE }];
    const order = { machine: "m", key: "k", migration: { definition: hash, timers } };
    return migrationStep({ definition }, order, { event, before: row, nowMs: T0 + 2 * MINUTE });
  };

  test("is a step: the row, what is armed, and a transition that was taken", () => {
    const { row } = told();
    const { instance, transition, timersSet, timersCancelled, logs, problems } = ordered(row);
    expect(instance).toMatchObject({ definition: next.hash, version: row!.version + 1 });
    expect(transition).toEqual({
      machine: "m",
      key: "k",
      signal: "instance.migrated",
      created: false,
      from: row!.state,
      to: row!.state,
      taken: true,
      step: row!.version + 1,
    });
    expect(timersSet).toEqual([{ id: "open.waiting.45m", dueAtMs: T0 + MINUTE }]);
    expect([timersCancelled, logs.length, problems]).toEqual([["open.waiting.30m"], 1, []]);
  });

  test("keeps no due time of a timer that was armed anew since", () => {
    const row = { ...told().row!, timers: { "open.waiting.30m": 9 } };
    expect(ordered(row).timersSet).toEqual([{ id: "open.waiting.45m", dueAtMs: T0 + 47 * MINUTE }]);
  });

  test.each<[string, Instance | undefined, string, string, string[]]>([
    ["there is none", undefined, next.hash, "no instance", []],
    ["it is there", { ...told().row!, definition: next.hash }, next.hash, "migrated already", []],
    ["it has ended", { ...told().row!, status: "done" }, next.hash, "final state", []],
    ["it has failed", { ...told().row!, status: "error" }, next.hash, "error state", []],
    [
      "nobody knows where to",
      told().row,
      "f".repeat(16),
      "no definition",
      [`The definition ${"f".repeat(16)} is not there`],
    ],
    [
      "it went on meanwhile, to where it cannot migrate from",
      told("PAUSE").row,
      next.hash,
      "cannot migrate",
      ['The state "paused" is no longer there; say under migrate.states where it goes'],
    ],
  ])("changes nothing when %s", (_, row, hash, ignored, reasons) => {
    const { transition, instance, timersSet, problems } = ordered(row, hash);
    expect([instance, timersSet, transition.taken, transition.ignored]).toEqual([undefined, [], false, ignored]);
    expect(problems).toEqual(
      reasons.map((reason) => ({ code: "SB0407", machine: "m", message: `"k" stays: ${reason}` })),
    );
  });
});

test("how instances come to a definition is no part of it; what it names must be there", () => {
  expect(machine(`${OLD}migrate: { states: { a: open } }`).hash).toBe(old.hash);
  expect(() => machine(`${OLD}migrate: { states: { a: opn } }`)).toThrow(
    'SB0201 There is no state "opn" @migrate/states/a',
  );
  expect(() => machine(`${OLD}migrate: { state: { a: open } }`)).toThrow("SB0101");
});
