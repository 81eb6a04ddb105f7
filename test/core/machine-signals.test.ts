import { describe, expect, test } from "vitest";
import { LIMITS } from "../../src/model.ts";
import { machineOf, startRun } from "./machine-story.ts";

describe("signals that change nothing", () => {
  const machine = machineOf({
    initial: "a",
    startOn: ["START", "git.*"],
    context: { n: 1 },
    states: {
      a: {
        on: { GO: { guard: "context.n > 1", target: "b" }, BAD: { guard: "event.nothing.here", target: "b" }, NOP: {} },
      },
      b: { on: { BACK: "a" } },
    },
  });

  test("a signal to an instance that does not exist, unless it may start one", () => {
    const run = startRun(machine);
    const { transition, instance } = run.send("GO");
    expect(transition).toEqual({
      machine: "m",
      key: "k",
      signal: "GO",
      created: false,
      from: null,
      to: null,
      taken: false,
      ignored: "no instance",
      step: 0,
    });
    expect(instance).toBeUndefined();
    expect(run.fire("x", 1).transition.ignored).toBe("no instance");
    expect(run.send("git.push").transition.created).toBe(true);
  });

  test("a signal that no active state takes says which states are active", () => {
    const run = startRun(machine);
    run.send("START");
    const { transition, instance, problems } = run.send("BACK");
    expect(transition).toMatchObject({ ignored: 'no transition: "a" does not take BACK', from: "a", to: "a", step: 1 });
    expect([instance, problems]).toEqual([undefined, []]);
    expect(run.send("never heard of").transition.ignored).toMatch(/^no transition/);
  });

  test("a guard that is false says so; one that cannot be evaluated is false, and a problem", () => {
    const run = startRun(machine);
    run.send("START");
    const isFalse = run.send("GO");
    expect(isFalse.transition.ignored).toBe('guard false: "context.n > 1" in "a"');
    expect(isFalse.problems).toEqual([]);
    const cannot = run.send("BAD");
    expect(cannot.transition.ignored).toMatch(/^guard false/);
    expect(cannot.problems).toMatchObject([{ code: "SB0402", machine: "m" }]);
    expect(cannot.problems[0]?.message).toContain("event.nothing.here");
    expect(cannot.instance).toBeUndefined();
  });

  test("a guard that is asked at every microstep is one problem", () => {
    const bad = { guard: "event.nothing.here", target: "a" };
    const states = { a: { on: { GO: "b" } }, b: { always: [bad, "c"] }, c: { always: [bad, "d"] }, d: { always: bad } };
    const run = startRun(machineOf({ initial: "a", states, always: { ...bad, target: ".a" } }));
    const messages = run.send("GO").problems.map(({ message }) => message);
    expect(messages).toHaveLength(4);
    expect(new Set(messages).size).toBe(4);
  });

  test("a transition without target and actions counts as taken", () => {
    const run = startRun(machine);
    run.send("START");
    expect(run.send("NOP").transition).toMatchObject({ taken: true, to: "a" });
  });

  test("names that start with xstate. are refused, with and without an instance", () => {
    const star = machineOf({ initial: "a", states: { a: { on: { "*": "b" } }, b: {} } });
    const run = startRun(star);
    expect(run.send("xstate.stop").transition.ignored).toBe("reserved name");
    run.send("X");
    expect(run.send("xstate.done.state.a").transition.ignored).toBe("reserved name");
    expect(run.row).toMatchObject({ version: 1, status: "active" });
  });

  test("without startOn the signals that the first states take may create an instance, others not", () => {
    const open = machineOf({
      initial: "a",
      states: { a: { on: { GO: "b" } }, b: { on: { BACK: "a" } } },
      on: { ANY: ".a" },
    });
    expect(open.startOn).toEqual(["ANY", "GO"]);
    expect(startRun(open).send("BACK").transition.ignored).toBe("no instance");
    expect(startRun(open).send("ANY").transition.created).toBe(true);
  });

  test("a row of another definition, or with a state that does not exist, is left alone with a problem", () => {
    const run = startRun(machine);
    run.send("START");
    const row = run.row;
    if (!row) throw new Error("not created");
    for (const broken of [
      { ...row, definition: "0123456789abcdef" },
      { ...row, state: "gone" },
      { ...row, state: { a: "x" } },
      { ...row, state: null },
      { ...row, state: {} },
    ]) {
      run.row = broken;
      const { instance, problems, transition } = run.send("GO");
      expect([instance, problems[0]?.code, transition.ignored?.slice(0, 6)]).toEqual([undefined, "SB0405", "failed"]);
    }
  });
});

describe("limits", () => {
  test.each([
    { what: "always", states: { a: { on: { GO: "b" } }, b: { always: "c" }, c: { always: "b" } } },
    { what: "raise", states: { a: { on: { GO: { actions: { raise: "GO" } } } } } },
    {
      what: "always without target",
      states: { a: { on: { GO: "b" } }, b: { always: { actions: { assign: { n: { cel: "1" } } } } } },
    },
  ])("a loop of $what is cut and the instance unchanged", ({ states }) => {
    const run = startRun(machineOf({ initial: "a", states, startOn: ["START"] }));
    run.send("START");
    const { instance, problems, transition, deliveries } = run.send("GO");
    expect([instance, deliveries]).toEqual([undefined, []]);
    expect(problems.at(-1)).toMatchObject({ code: "SB0405" });
    expect(problems.at(-1)?.message).toContain("microsteps");
    expect(transition).toMatchObject({ taken: false, from: "a", to: "a", step: 1 });
  });

  test("a loop while starting creates nothing", () => {
    const run = startRun(
      machineOf({ initial: "a", states: { a: { always: "b" }, b: { always: "a" } }, startOn: ["START"] }),
    );
    const { instance, problems, transition } = run.send("START");
    expect([instance, transition.created, problems.at(-1)?.code]).toEqual([undefined, false, "SB0405"]);
  });

  test.each([
    { microsteps: 100, to: "s99", problems: 0 },
    { microsteps: 101, to: "idle", problems: 1 },
  ])("$microsteps microsteps lead to $to", ({ microsteps, to, problems }) => {
    const names = Array.from({ length: microsteps - 1 }, (_, i) => i);
    const chain = Object.fromEntries(names.map((i) => [`s${i}`, { always: `s${i + 1}` }]));
    const states = { idle: { on: { GO: "s0" } }, ...chain, [`s${microsteps - 1}`]: {} };
    const run = startRun(machineOf({ initial: "idle", states, startOn: ["START"] }));
    run.send("START");
    const result = run.send("GO");
    expect([result.transition.to, result.problems.length]).toEqual([to, problems]);
  });

  test("a context past its limit leaves the instance unchanged", () => {
    const machine = machineOf({
      initial: "a",
      context: { text: "", more: "" },
      states: {
        a: {
          on: {
            PUT: { actions: { assign: { text: "{{event.text}}" } } },
            ADD: { actions: { assign: { more: "{{event.text}}" } } },
          },
        },
      },
      startOn: ["START"],
    });
    const run = startRun(machine);
    run.send("START");
    expect(run.send("PUT", { text: "x".repeat(40_000) }).problems).toEqual([]);
    const refused = run.send("ADD", { text: "é".repeat(20_000) });
    expect(refused.instance).toBeUndefined();
    expect(refused.problems).toMatchObject([{ code: "SB0405" }]);
    expect(run.row).toMatchObject({ version: 2, context: { more: "" } });
    expect(run.send("PUT", { text: "x".repeat(70_000) }).problems).toMatchObject([{ code: "SB0405" }]);
  });

  test("a value that doubles itself is stopped before it fills memory", () => {
    const run = startRun(
      machineOf({
        initial: "a",
        context: { list: ["x"] },
        states: {
          a: { on: { GO: "b" } },
          b: {
            always: {
              guard: "true",
              target: "b",
              reenter: true,
              actions: { assign: { list: { cel: "context.list + context.list" } } },
            },
          },
        },
        startOn: ["START"],
      }),
    );
    run.send("START");
    // Doubled once more for each microstep there may be, it would not end in this test's lifetime.
    expect(LIMITS.microsteps).toBeGreaterThan(50);
    expect(run.send("GO").problems.at(-1)?.message).toContain("64 KiB");
  });
});
