import { describe, expect, test } from "vitest";
import { MINUTE, machineOf, startRun, T0 } from "./machine-story.ts";

describe("timers", () => {
  const machine = machineOf({
    initial: "idle",
    states: {
      idle: { on: { GO: "waiting" } },
      waiting: {
        after: { "15m": "late", "1h30m": { actions: { log: "still" } } },
        on: { OK: "idle", AGAIN: { target: "waiting", reenter: true }, TOUCH: { actions: { log: "touched" } } },
      },
      late: {},
    },
    startOn: ["START"],
  });

  function waiting() {
    const run = startRun(machine);
    run.send("START");
    return { told: run, armed: run.send("GO") };
  }

  test("entering a state sets its timers from now, with names that come from state and duration", () => {
    const { told, armed } = waiting();
    expect(armed.timersSet).toEqual([
      { id: "waiting.15m", dueAtMs: T0 + 15 * MINUTE },
      { id: "waiting.1h30m", dueAtMs: T0 + 90 * MINUTE },
    ]);
    expect(told.row?.timers).toEqual({ "waiting.15m": 2, "waiting.1h30m": 2 });
  });

  test("a due timer takes its transition; it is gone, the others are cancelled", () => {
    const { told } = waiting();
    const { transition, timersCancelled } = told.fire("waiting.15m");
    expect(transition).toMatchObject({ taken: true, to: "late" });
    expect(timersCancelled).toEqual(["waiting.1h30m"]);
    expect(told.row?.timers).toEqual({});
  });

  test("a timer without target leaves the others as they are", () => {
    const { told } = waiting();
    const { logs, timersCancelled, timersSet } = told.fire("waiting.1h30m");
    expect([logs, timersCancelled, timersSet]).toEqual([["still"], [], []]);
    expect(told.row?.timers).toEqual({ "waiting.15m": 2 });
  });

  test("leaving the state cancels its timers, staying does not", () => {
    const { told } = waiting();
    expect(told.send("TOUCH").timersCancelled).toEqual([]);
    expect(told.row?.timers).toEqual({ "waiting.15m": 2, "waiting.1h30m": 2 });
    expect(told.send("OK").timersCancelled).toEqual(["waiting.15m", "waiting.1h30m"]);
    expect(told.row?.timers).toEqual({});
  });

  test("a timer of an earlier visit is stale and changes nothing", () => {
    const { told } = waiting();
    told.send("OK");
    expect(told.fire("waiting.15m", 2).transition.ignored).toBe('stale: timer "waiting.15m" of step 2');
    told.send("GO");
    const stale = told.fire("waiting.15m", 2);
    expect(stale.transition).toMatchObject({ taken: false, to: "waiting" });
    expect(stale.transition.ignored).toMatch(/^stale/);
    expect(stale.instance).toBeUndefined();
    expect(told.fire("waiting.15m", 4).transition.to).toBe("late");
  });

  test("a timer armed again replaces the old one and is not cancelled", () => {
    const { told } = waiting();
    told.nowMs += MINUTE;
    const { timersSet, timersCancelled } = told.send("AGAIN");
    expect(timersSet[0]).toEqual({ id: "waiting.15m", dueAtMs: T0 + 16 * MINUTE });
    expect(timersCancelled).toEqual([]);
    expect(told.row?.timers).toEqual({ "waiting.15m": 3, "waiting.1h30m": 3 });
  });

  test("what is armed and disarmed in one step never leaves it", () => {
    const run = startRun(
      machineOf({
        initial: "a",
        states: {
          a: { after: { "1m": "z" }, invoke: { src: "x.call", input: {} }, on: { GO: "b" } },
          b: { after: { "2m": "z" }, invoke: { src: "x.call", input: {} }, always: "c" },
          c: { after: { "3m": "z" } },
          z: {},
        },
      }),
    );
    const created = run.send("GO");
    expect(created.timersSet.map(({ id }) => id)).toEqual(["c.3m"]);
    expect([created.timersCancelled, created.deliveries, created.callsCancelled]).toEqual([[], [], []]);
    expect(run.row).toMatchObject({ timers: { "c.3m": 1 }, calls: {} });
  });

  test("a timer whose guard is false is over all the same", () => {
    const run = startRun(
      machineOf({
        initial: "a",
        states: { a: { after: { "1m": { guard: "false", target: "b" } } }, b: {} },
        startOn: ["START"],
      }),
    );
    run.send("START");
    const { transition, timersCancelled, instance } = run.fire("a.1m");
    expect(transition).toMatchObject({ taken: false, ignored: 'guard false: "false" in "a"', to: "a", step: 2 });
    expect([timersCancelled, instance?.timers]).toEqual([[], {}]);
    expect(run.fire("a.1m", 1).transition.ignored).toMatch(/^stale/);
  });

  test("the list form has computed delays and names that stay when the duration changes", () => {
    const of = (delay: unknown) =>
      startRun(
        machineOf({
          initial: "a",
          context: { level: 1 },
          states: {
            a: {
              after: [
                { delay, id: "ack", guard: "context.level > 5", target: "c" },
                { delay, id: "ack", target: "b" },
              ],
            },
            b: {},
            c: {},
          },
          startOn: ["START"],
        }),
      );
    const set = (delay: unknown) => of(delay).send("START").timersSet;
    expect(set("P3D")).toEqual([{ id: "ack", dueAtMs: T0 + 3 * 24 * 60 * MINUTE }]);
    expect(set({ cel: 'context.level == 0 ? "15m" : "30m"' })).toEqual([{ id: "ack", dueAtMs: T0 + 30 * MINUTE }]);
    expect(set({ cel: "context.level * 1500" })).toEqual([{ id: "ack", dueAtMs: T0 + 1500 }]);
    const difference = "timestamp('2026-01-05T10:00:00Z') - timestamp('2026-01-05T09:00:00.250Z')";
    expect(set({ cel: difference })).toEqual([{ id: "ack", dueAtMs: T0 + 3_599_750 }]);
    const run = of("1m");
    run.send("START");
    expect(run.fire("ack").transition.to).toBe("b");
  });

  test.each(['"soon"', "-1", '"500d"', "event.none.at.all", "true"])(
    "a computed delay of %s sets no timer and is a problem",
    (cel) => {
      const run = startRun(
        machineOf({
          initial: "a",
          states: { a: { after: [{ delay: { cel }, target: "b" }] }, b: {} },
          startOn: ["START"],
        }),
      );
      const { timersSet, problems, instance } = run.send("START");
      expect([timersSet, instance?.timers, problems.map(({ code }) => code)]).toEqual([[], {}, ["SB0402"]]);
      expect(problems[0]?.message).toContain('"a.computed"');
    },
  );
});

describe("calls", () => {
  const machine = machineOf({
    initial: "idle",
    context: { got: null },
    states: {
      idle: { on: { GO: "calling" } },
      calling: {
        invoke: {
          id: "move",
          src: "jira.transition",
          input: { issue: "{{event.issue}}" },
          retry: { attempts: 5, initial: "2s", factor: 2, max: "1m" },
          timeout: "20s",
          onDone: { target: "moved", actions: { assign: { got: "{{event.output.status}}" } } },
          onError: [
            { guard: "event.error.status == 404", target: "missing" },
            { target: "failed", actions: { assign: { got: "{{event.error.message}}" } } },
          ],
        },
        on: { STOP: "idle", AGAIN: { target: "calling", reenter: true } },
      },
      moved: {},
      missing: {},
      failed: {},
    },
    startOn: ["START"],
  });

  function calling() {
    const run = startRun(machine);
    run.send("START");
    return { told: run, started: run.send("GO", { issue: "WEB-1" }) };
  }

  test("entering the state makes a delivery whose outcome is waited for", () => {
    const { told, started } = calling();
    expect(started.deliveries).toEqual([
      {
        action: "jira.transition",
        params: { issue: "WEB-1" },
        index: 0,
        call: "move",
        retry: { attempts: 5, initialMs: 2_000, factor: 2, maxMs: MINUTE },
        timeoutMs: 20_000,
      },
    ]);
    expect(told.row?.calls).toEqual({ move: 2 });
  });

  test("onDone sees the output", () => {
    const { told } = calling();
    const { transition, callsCancelled } = told.done("move", { status: "Done" });
    expect(transition.to).toBe("moved");
    expect(callsCancelled).toEqual([]);
    expect(told.row).toMatchObject({ context: { got: "Done" }, calls: {} });
  });

  test("onError sees the error", () => {
    const first = calling().told;
    expect(first.fail("move", { status: 404 }).transition.to).toBe("missing");
    const second = calling().told;
    second.fail("move", { status: 500, message: "down" });
    expect(second.row).toMatchObject({ state: "failed", context: { got: "down" } });
  });

  test("leaving the state cancels the call, and its outcome is stale", () => {
    const { told } = calling();
    expect(told.send("STOP").callsCancelled).toEqual([{ call: "move", step: 2 }]);
    const late = told.done("move", {}, 2);
    expect([late.transition.ignored, late.instance]).toEqual(['stale: call "move" of step 2', undefined]);
  });

  test("a call started again cancels the earlier one, whose outcome is stale", () => {
    const { told } = calling();
    const again = told.send("AGAIN", { issue: "WEB-2" });
    expect(again.callsCancelled).toEqual([{ call: "move", step: 2 }]);
    expect(again.deliveries).toMatchObject([{ params: { issue: "WEB-2" }, call: "move" }]);
    expect(told.row?.calls).toEqual({ move: 3 });
    expect(told.done("move", {}, 2).transition.ignored).toMatch(/^stale/);
    expect(told.done("move", {}, 3).transition.to).toBe("moved");
  });

  test("an outcome that nothing waits for ends the call: done is quiet, failed ends the instance in error", () => {
    const quiet = machineOf({
      initial: "a",
      states: {
        a: {
          invoke: [
            { src: "x.y", input: {} },
            { id: "other", src: "x.z" },
          ],
          after: { "1h": "b" },
          on: { "*": { guard: "event.type != 'START'", target: "b" } },
        },
        b: {},
      },
      startOn: ["START"],
    });
    const done = startRun(quiet);
    done.send("START");
    expect(done.done("a.x.y").transition).toMatchObject({ taken: false, to: "a" });
    expect(done.row).toMatchObject({ status: "active", calls: { other: 1 }, timers: { "a.1h": 1 }, version: 2 });
    const failed = startRun(quiet);
    failed.send("START");
    const result = failed.fail("a.x.y", { message: "no such channel" });
    expect(result.problems).toMatchObject([{ code: "SB0406" }]);
    expect(result.timersCancelled).toEqual(["a.1h"]);
    expect(result.callsCancelled).toEqual([{ call: "other", step: 1 }]);
    expect(failed.row).toMatchObject({ status: "error", error: "no such channel", state: "a", timers: {}, calls: {} });
    expect(failed.send("X").transition.ignored).toBe("error state");
  });

  test("a call whose input cannot be rendered has failed at once", () => {
    const of = (onError: object) =>
      startRun(
        machineOf({
          initial: "a",
          context: { why: "" },
          states: {
            a: { on: { GO: "b" } },
            b: { invoke: { id: "c", src: "x.y", input: { n: { cel: "event.none.at.all" } }, ...onError } },
            f: {},
          },
        }),
      );
    const taken = of({
      onError: { target: "f", actions: { assign: { why: "{{event.error.message}} on {{event.type}}" } } },
    });
    const { deliveries, problems } = taken.send("GO");
    expect([deliveries, problems.map(({ code }) => code)]).toEqual([[], ["SB0402"]]);
    expect(taken.row).toMatchObject({
      state: "f",
      calls: {},
      context: { why: "The input of x.y could not be rendered on GO" },
    });
    const parked = of({});
    expect(parked.send("GO").problems).toHaveLength(1);
    expect(parked.row).toMatchObject({ state: "b", status: "active", calls: {} });
  });

  test("several calls of a state are answered one by one", () => {
    const run = startRun(
      machineOf({
        initial: "a",
        states: {
          a: {
            type: "parallel",
            states: Object.fromEntries(
              ["one", "two"].map((id) => [
                id,
                {
                  initial: "w",
                  states: { w: { invoke: { id, src: `x.${id}`, input: {}, onDone: "f" } }, f: { type: "final" } },
                },
              ]),
            ),
            onDone: "b",
          },
          b: {},
        },
        startOn: ["START"],
      }),
    );
    expect(run.send("START").deliveries.map(({ call, index }) => [call, index])).toEqual([
      ["one", 0],
      ["two", 1],
    ]);
    expect(run.done("two").transition.to).toEqual({ a: { one: "w", two: "f" } });
    expect(run.row?.calls).toEqual({ one: 1 });
    expect(run.done("one").transition.to).toBe("b");
  });
});
