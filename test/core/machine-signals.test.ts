import { describe, expect, test } from "vitest";
import { LIMITS } from "../../src/model.ts";
import { machineOf, story } from "./machine-story.ts";

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
    const told = story(machine);
    const { transition, instance } = told.send("GO");
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
    expect(told.fire("x", 1).transition.ignored).toBe("no instance");
    expect(told.send("git.push").transition.created).toBe(true);
  });

  test("a signal that no active state takes says which states are active", () => {
    const told = story(machine);
    told.send("START");
    const { transition, instance, problems } = told.send("BACK");
    expect(transition).toMatchObject({ ignored: 'no transition: "a" does not take BACK', from: "a", to: "a", step: 1 });
    expect([instance, problems]).toEqual([undefined, []]);
    expect(told.send("never heard of").transition.ignored).toMatch(/^no transition/);
  });

  test("a guard that is false says so; one that cannot be evaluated is false, and a problem", () => {
    const told = story(machine);
    told.send("START");
    const isFalse = told.send("GO");
    expect(isFalse.transition.ignored).toBe('guard false: "context.n > 1" in "a"');
    expect(isFalse.problems).toEqual([]);
    const cannot = told.send("BAD");
    expect(cannot.transition.ignored).toMatch(/^guard false/);
    expect(cannot.problems).toMatchObject([{ code: "SB0402", machine: "m" }]);
    expect(cannot.problems[0]?.message).toContain("event.nothing.here");
    expect(cannot.instance).toBeUndefined();
  });

  test("a guard that is asked at every microstep is one problem", () => {
    const bad = { guard: "event.nothing.here", target: "a" };
    const states = { a: { on: { GO: "b" } }, b: { always: [bad, "c"] }, c: { always: [bad, "d"] }, d: { always: bad } };
    const told = story(machineOf({ initial: "a", states, always: { ...bad, target: ".a" } }));
    const messages = told.send("GO").problems.map(({ message }) => message);
    expect(messages).toHaveLength(4);
    expect(new Set(messages).size).toBe(4);
  });

  test("a signal that is taken by doing nothing is no near miss", () => {
    const told = story(machine);
    told.send("START");
    expect(told.send("NOP").transition).toMatchObject({ taken: true, to: "a" });
  });

  test("names that start with xstate. are refused, with and without an instance", () => {
    const star = machineOf({ initial: "a", states: { a: { on: { "*": "b" } }, b: {} } });
    const told = story(star);
    expect(told.send("xstate.stop").transition.ignored).toBe("reserved name");
    told.send("X");
    expect(told.send("xstate.done.state.a").transition.ignored).toBe("reserved name");
    expect(told.row).toMatchObject({ version: 1, status: "active" });
  });

  test("without startOn the signals that the first states take may create an instance, others not", () => {
    const open = machineOf({
      initial: "a",
      states: { a: { on: { GO: "b" } }, b: { on: { BACK: "a" } } },
      on: { ANY: ".a" },
    });
    expect(open.startOn).toEqual(["ANY", "GO"]);
    expect(story(open).send("BACK").transition.ignored).toBe("no instance");
    expect(story(open).send("ANY").transition.created).toBe(true);
  });

  test("a row of another definition, or with a state that does not exist, is left alone with a problem", () => {
    const told = story(machine);
    told.send("START");
    const row = told.row;
    if (!row) throw new Error("not created");
    for (const broken of [
      { ...row, definition: "0123456789abcdef" },
      { ...row, state: "gone" },
      { ...row, state: { a: "x" } },
      { ...row, state: null },
      { ...row, state: {} },
    ]) {
      told.row = broken;
      const { instance, problems, transition } = told.send("GO");
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
    const told = story(machineOf({ initial: "a", states, startOn: ["START"] }));
    told.send("START");
    const { instance, problems, transition, deliveries } = told.send("GO");
    expect([instance, deliveries]).toEqual([undefined, []]);
    expect(problems.at(-1)).toMatchObject({ code: "SB0405" });
    expect(problems.at(-1)?.message).toContain("microsteps");
    expect(transition).toMatchObject({ taken: false, from: "a", to: "a", step: 1 });
  });

  test("a loop while starting creates nothing", () => {
    const told = story(
      machineOf({ initial: "a", states: { a: { always: "b" }, b: { always: "a" } }, startOn: ["START"] }),
    );
    const { instance, problems, transition } = told.send("START");
    expect([instance, transition.created, problems.at(-1)?.code]).toEqual([undefined, false, "SB0405"]);
  });

  test.each([
    { microsteps: 100, to: "s99", problems: 0 },
    { microsteps: 101, to: "idle", problems: 1 },
  ])("$microsteps microsteps lead to $to", ({ microsteps, to, problems }) => {
    const names = Array.from({ length: microsteps - 1 }, (_, i) => i);
    const chain = Object.fromEntries(names.map((i) => [`s${i}`, { always: `s${i + 1}` }]));
    const states = { idle: { on: { GO: "s0" } }, ...chain, [`s${microsteps - 1}`]: {} };
    const told = story(machineOf({ initial: "idle", states, startOn: ["START"] }));
    told.send("START");
    const result = told.send("GO");
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
    const told = story(machine);
    told.send("START");
    expect(told.send("PUT", { text: "x".repeat(40_000) }).problems).toEqual([]);
    const refused = told.send("ADD", { text: "é".repeat(20_000) });
    expect(refused.instance).toBeUndefined();
    expect(refused.problems).toMatchObject([{ code: "SB0405" }]);
    expect(told.row).toMatchObject({ version: 2, context: { more: "" } });
    expect(told.send("PUT", { text: "x".repeat(70_000) }).problems).toMatchObject([{ code: "SB0405" }]);
  });

  test("a value that doubles itself is stopped before it fills memory", () => {
    const told = story(
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
    told.send("START");
    // Doubled once more for each microstep there may be, it would not end in this test's lifetime.
    expect(LIMITS.microsteps).toBeGreaterThan(50);
    expect(told.send("GO").problems.at(-1)?.message).toContain("64 KiB");
  });
});
