import { describe, expect, test } from "vitest";
import { machineOf, startRun, T0 } from "./machine-story.ts";

describe("states", () => {
  test("a signal moves an instance between nested states, entry and exit inside out", () => {
    const log = (text: string) => [{ log: text }];
    const run = startRun(
      machineOf({
        initial: "a",
        states: {
          a: {
            initial: "a1",
            entry: log("in a"),
            exit: log("out a"),
            states: { a1: { entry: log("in a1"), exit: log("out a1"), on: { GO: "#m.b.b2" } } },
          },
          b: {
            initial: "b1",
            entry: log("in b"),
            states: { b1: { entry: log("in b1") }, b2: { entry: log("in b2"), on: { UP: "b1" } } },
            on: { BACK: "a" },
          },
        },
        startOn: ["START"],
      }),
    );
    const created = run.send("START");
    expect(created.transition).toMatchObject({ created: true, taken: false, from: null, to: { a: "a1" }, step: 1 });
    expect(created.transition.ignored).toBeUndefined();
    expect(created.logs).toEqual(["in a", "in a1"]);
    const moved = run.send("GO");
    expect(moved.transition).toMatchObject({
      created: false,
      taken: true,
      from: { a: "a1" },
      to: { b: "b2" },
      step: 2,
    });
    expect(moved.logs).toEqual(["out a1", "out a", "in b", "in b2"]);
    expect(run.send("UP").transition.to).toEqual({ b: "b1" });
    expect(run.send("BACK").transition.to).toEqual({ a: "a1" });
    expect(run.row).toMatchObject({ version: 4, status: "active", state: { a: "a1" } });
  });

  test("the signal that creates an instance is taken in the same step", () => {
    const run = startRun(
      machineOf({ initial: "a", states: { a: { on: { GO: "b" } }, b: { on: { END: "c" } }, c: {} } }),
    );
    const created = run.send("GO");
    expect(created.transition).toMatchObject({ created: true, taken: true, from: null, to: "b", step: 1 });
    expect(run.row).toMatchObject({ version: 1, createdAtMs: T0, updatedAtMs: T0 });
  });

  test("onDone of a parallel state is taken when all regions are final, in any order", () => {
    const region = (event: string) => ({ initial: "w", states: { w: { on: { [event]: "f" } }, f: { type: "final" } } });
    const machine = machineOf({
      initial: "p",
      states: { p: { type: "parallel", states: { x: region("X"), y: region("Y") }, onDone: "end" }, end: {} },
    });
    for (const [first, second] of [
      ["X", "Y"],
      ["Y", "X"],
    ] as const) {
      const run = startRun(machine);
      const other = first === "X" ? "y" : "x";
      expect(run.send(first).transition.to).toMatchObject({ p: { [other]: "w" } });
      expect(run.send(second).transition.to).toBe("end");
    }
  });

  test("a final state inside gives its output to onDone", () => {
    const run = startRun(
      machineOf({
        initial: "a",
        context: { got: null },
        states: {
          a: {
            initial: "x",
            states: { x: { on: { GO: "y" } }, y: { type: "final", output: { n: "{{event.n}}" } } },
            onDone: { target: "b", actions: { assign: { got: { cel: "event.output.n + event.n" } } } },
          },
          b: {},
        },
      }),
    );
    run.send("GO", { n: 4 });
    expect(run.row).toMatchObject({ state: "b", context: { got: 8 } });
  });

  test("always is taken at once while its guard holds, after each other transition", () => {
    const run = startRun(
      machineOf({
        initial: "count",
        context: { n: 0 },
        states: {
          count: {
            on: { ADD: { actions: { assign: { n: { cel: "context.n + 1" } } } } },
            always: { guard: "context.n >= 2", target: "full" },
          },
          full: { always: [{ guard: "context.n > 5", target: "count" }, { target: "end" }] },
          end: {},
        },
      }),
    );
    expect(run.send("ADD").transition.to).toBe("count");
    expect(run.send("ADD").transition.to).toBe("end");
  });

  test("a raised signal is taken within the step, and sees the event that caused it", () => {
    const run = startRun(
      machineOf({
        initial: "a",
        context: { seen: "" },
        states: {
          a: { on: { GO: { target: "b", actions: { raise: "NEXT" } } } },
          b: { on: { NEXT: { target: "c", actions: { assign: { seen: "{{event.type}} {{event.n}}" } } } } },
          c: {},
        },
      }),
    );
    const result = run.send("GO", { n: 7 });
    expect(result.transition).toMatchObject({ to: "c", step: 1 });
    expect(run.row?.context).toEqual({ seen: "GO 7" });
  });

  test.each([
    { history: "shallow", back: { work: { draft: "one" } } },
    { history: "deep", back: { work: { draft: "two" } } },
  ])("a $history history state brings back what was left", ({ history, back }) => {
    const run = startRun(
      machineOf({
        initial: "work",
        states: {
          work: {
            initial: "empty",
            states: {
              empty: { on: { NEW: "draft" } },
              draft: { initial: "one", states: { one: { on: { MORE: "two" } }, two: {} } },
              was: { type: "history", history, target: "empty" },
            },
            on: { PAUSE: "paused" },
          },
          paused: { on: { RESUME: "work.was", FRESH: "work" } },
        },
      }),
    );
    run.send("PAUSE");
    expect(run.send("RESUME").transition.to).toEqual({ work: "empty" });
    run.send("NEW");
    run.send("MORE");
    run.send("PAUSE");
    expect(run.row?.history).toEqual({ "work.was": history === "deep" ? ["work.draft.two"] : ["work.draft"] });
    expect(run.send("RESUME").transition.to).toEqual(back);
  });

  test("a history state that remembers nothing leads to its target, else to the initial state", () => {
    const machine = (target: object) =>
      machineOf({
        initial: "off",
        states: {
          off: { on: { ON: "on.was" } },
          on: { initial: "low", states: { low: {}, high: {}, was: { type: "history", ...target } } },
        },
      });
    expect(startRun(machine({ target: "high" })).send("ON").transition.to).toEqual({ on: "high" });
    expect(startRun(machine({})).send("ON").transition.to).toEqual({ on: "low" });
  });

  test("the most exact key of on wins, a star takes the rest but never our own events", () => {
    const run = startRun(
      machineOf({
        initial: "a",
        context: { seen: [] },
        states: {
          a: {
            initial: "x",
            states: {
              x: { after: { "1m": { guard: "false", target: "y" } }, on: { FIN: "z" } },
              y: {},
              z: { type: "final" },
            },
            on: {
              "jira.issue.done": { actions: { assign: { seen: "exact" } } },
              "jira.issue.*": { actions: { assign: { seen: "issue" } } },
              "jira.*": { actions: { assign: { seen: "jira" } } },
              "*": { actions: { assign: { seen: "star" } } },
            },
          },
        },
      }),
    );
    const seen = (name: string) => {
      run.send(name);
      return run.row?.context.seen;
    };
    expect(seen("jira.issue.done")).toBe("exact");
    expect(seen("jira.issue.moved")).toBe("issue");
    expect(seen("jira.sprint")).toBe("jira");
    expect(seen("jira")).toBe("jira");
    expect(seen("github.push")).toBe("star");
    run.send("jira.x");
    expect(run.fire("a.x.1m").transition.ignored).toMatch(/^guard false/);
    expect(run.row?.context.seen).toBe("jira");
    run.send("FIN");
    expect(run.row).toMatchObject({ state: { a: "z" }, context: { seen: "jira" } });
  });

  test("when the top level is final the instance is done, with its output, and takes nothing more", () => {
    const run = startRun(
      machineOf({
        initial: "a",
        context: { n: "{{event.n}}" },
        output: { twice: { cel: "context.n * 2" }, from: "{{event.output.why}}" },
        states: {
          a: { on: { END: "z" }, after: { "1h": "z" }, invoke: { src: "slack.post", input: {} } },
          z: { type: "final", output: { why: "asked" } },
        },
        startOn: ["START"],
      }),
    );
    run.send("START", { n: 21 });
    expect(run.row).toMatchObject({ timers: { "a.1h": 1 }, calls: { "a.slack.post": 1 } });
    const ended = run.send("END");
    expect(run.row).toMatchObject({
      status: "done",
      state: "z",
      output: { twice: 42, from: "asked" },
      timers: {},
      calls: {},
      version: 2,
    });
    expect(ended.timersCancelled).toEqual(["a.1h"]);
    expect(ended.callsCancelled).toEqual([{ call: "a.slack.post", step: 1 }]);
    const late = run.send("END");
    expect(late.transition).toMatchObject({ ignored: "final state", taken: false, step: 2 });
    expect(late.instance).toBeUndefined();
  });

  test("a state is written in document order, also when a parallel machine is done", () => {
    const region = { initial: "w", states: { w: { on: { GO: "f" } }, f: { type: "final" } } };
    const run = startRun(machineOf({ type: "parallel", states: { x: region, y: region, z: region } }));
    run.send("GO");
    expect(run.row?.status).toBe("done");
    expect(JSON.stringify(run.row?.state)).toBe('{"x":"f","y":"f","z":"f"}');
  });

  test("reenter leaves and enters the state itself, without it only the states inside change", () => {
    const machine = machineOf({
      initial: "a",
      states: {
        a: {
          initial: "x",
          entry: { log: "in" },
          exit: { log: "out" },
          states: { x: { on: { GO: "y" } }, y: {} },
          on: { AGAIN: { target: ".x", reenter: true }, RESET: ".x" },
        },
      },
      startOn: ["START"],
    });
    const run = startRun(machine);
    run.send("START");
    run.send("GO");
    expect(run.send("RESET").logs).toEqual([]);
    expect(run.send("AGAIN").logs).toEqual(["out", "in"]);
  });

  test("several targets enter several regions at once", () => {
    const region = { initial: "a", states: { a: {}, b: {} } };
    const run = startRun(
      machineOf({
        initial: "off",
        states: {
          off: { on: { ON: { target: ["p.x.b", "p.y.b"] } } },
          p: { type: "parallel", states: { x: region, y: region } },
        },
      }),
    );
    expect(run.send("ON").transition.to).toEqual({ p: { x: "b", y: "b" } });
  });

  test("names from JavaScript's own objects are ordinary names", () => {
    const run = startRun(
      machineOf({
        initial: "constructor",
        context: JSON.parse('{"__proto__": "kept", "toString": 1}') as object,
        states: {
          constructor: { on: { valueOf: "toString" } },
          toString: { on: { hasOwnProperty: { target: "constructor", actions: { assign: { toString: 2 } } } } },
        },
      }),
    );
    run.send("valueOf");
    expect(run.row?.state).toBe("toString");
    run.send("hasOwnProperty");
    expect(run.row?.state).toBe("constructor");
    expect(JSON.stringify(run.row?.context)).toBe('{"__proto__":"kept","toString":2}');
    expect(({} as Record<string, unknown>).kept).toBeUndefined();
    expect(run.send("isPrototypeOf").transition.ignored).toMatch(/^no transition/);
  });

  test("conflicting transitions of regions are decided by document order, whatever was entered last", () => {
    const machine = machineOf({
      context: { on: false },
      initial: "p",
      states: {
        p: {
          type: "parallel",
          states: {
            r1: {
              initial: "a",
              states: {
                c: { on: { BACK: "a" } },
                a: { on: { AGAIN: "c" }, always: { guard: "context.on", target: "#m.x" } },
              },
            },
            r2: { initial: "b", states: { b: { always: { guard: "context.on", target: "#m.y" } } } },
          },
          on: { FLIP: { actions: { assign: { on: { cel: "true" } } } } },
        },
        x: {},
        y: {},
      },
    });
    const run = startRun(machine);
    for (const name of ["AGAIN", "BACK", "FLIP"]) run.send(name);
    expect(run.row?.state).toBe("x");
    // Also when all of it happens within one step.
    const { id: _, ...rest } = machine.definition as Record<string, unknown>;
    const all = ["AGAIN", "BACK", "FLIP"].map((raise) => ({ raise }));
    const once = startRun(machineOf({ ...rest, on: { ALL: { actions: all } } }));
    once.send("ALL");
    expect(once.row?.state).toBe("x");
  });
});
