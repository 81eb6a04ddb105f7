import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { compileMachine } from "../../src/core/machine/file/compile.ts";
import { around, env, frozen, machineOf, startRun } from "./machine-story.ts";

describe("targets", () => {
  test.each([
    { target: "b", to: { b: "b1" } },
    { target: "b.b2", to: { b: "b2" } },
    { target: "#m.b.b2", to: { b: "b2" } },
    { target: "#there", to: { b: "b2" } },
    { target: ".a2", to: { a: "a2" } },
    { target: "#m.my state", to: "my state" },
  ])("$target leads to $to", ({ target, to }) => {
    const machine = machineOf({
      initial: "a",
      states: {
        a: { initial: "a1", states: { a1: {}, a2: {} }, on: { GO: target } },
        b: { initial: "b1", states: { b1: {}, b2: { id: "there" } } },
        "my state": {},
      },
    });
    expect(startRun(machine).send("GO").transition.to).toEqual(to);
  });

  test("a top-level state may be named as the machine, and dots separate paths only", () => {
    const machine = machineOf({
      id: "m",
      initial: "m",
      states: {
        m: { initial: "m", states: { m: { on: { GO: "x" } }, x: {} }, on: { UP: "y" } },
        y: { on: { IN: "#m.m.x" } },
      },
    });
    const run = startRun(machine);
    expect(["GO", "UP", "IN"].map((name) => run.send(name).transition.to)).toEqual([{ m: "x" }, "y", { m: "x" }]);
  });
});

describe("the compiled machine", () => {
  const file = around({
    description: "first",
    on: { GO: { target: "b", description: "why", meta: { x: 1 } }, "jira.*": "b" },
    entry: { "slack.post": { channel: "#dev", text: "x", description: "kept" } },
  });

  test("the hash is of the content: descriptions, meta and the order of keys do not count", () => {
    const hash = (definition: Record<string, unknown>) => machineOf(definition).hash;
    expect(hash(file)).toMatch(/^[0-9a-f]{16}$/);
    const { states, ...rest } = file;
    const { a, b } = states as Record<string, Record<string, unknown>>;
    const plain = {
      states: { a: { entry: a?.entry, on: { "jira.*": "b", GO: { target: "b" } } }, b },
      description: "other",
      ...rest,
    };
    expect(hash(plain)).toBe(hash(file));
    expect(hash({ ...plain, states: { b, a: plain.states.a } })).not.toBe(hash(file));
    const params = { entry: { "slack.post": { channel: "#dev", text: "x", description: "changed" } } };
    expect(hash({ ...plain, states: { a: { ...plain.states.a, ...params }, b } })).not.toBe(hash(file));
  });

  test("a stored definition compiles to the same machine without any file", () => {
    const machine = machineOf(file);
    const stored = JSON.parse(JSON.stringify(machine.definition)) as Record<string, unknown>;
    expect(machineOf(stored)).toMatchObject({ hash: machine.hash, definition: machine.definition, startOn: ["START"] });
  });

  test("signals are the names that some state handles, accepts those that an instance takes now", () => {
    const machine = machineOf({
      initial: "a",
      states: {
        a: { initial: "x", states: { x: { on: { IN: "y" } }, y: {} }, on: { GO: "b", NOP: {} } },
        b: { on: { BACK: "a" } },
        z: { type: "final" },
      },
      on: { "end.*": ".z" },
    });
    expect([...machine.signals]).toEqual(["end.*", "GO", "NOP", "IN", "BACK"]);
    const run = startRun(machine);
    const accepts = () => (run.row ? machine.acceptedSignals(run.row) : undefined);
    run.send("IN");
    expect(accepts()).toEqual(["end.*", "GO"]);
    run.send("GO");
    expect(accepts()).toEqual(["end.*", "BACK"]);
    run.send("end.all");
    expect(accepts()).toEqual([]);
  });

  test("compiling leaves the definition as it was", () => {
    const before = JSON.stringify(file);
    compileMachine(frozen(structuredClone(file)), env({ templates: new Map([["t", "x"]]) }));
    expect(JSON.stringify(file)).toBe(before);
  });

  test("names that were never heard of leave nothing behind", () => {
    const run = startRun(machineOf(around({ on: { "jira.*": { actions: { log: "x" } }, "*": "a", GO: "b" } })));
    run.send("START");
    const heap = (from: number) => {
      for (let i = from; i < from + 20_000; i++) run.send(i % 2 === 0 ? `jira.${i}` : `other.${i}`);
      collectGarbage();
      return process.memoryUsage().heapUsed;
    };
    // What is left behind is left behind every time; what was compiled meanwhile, and the like, is not.
    const sizes = [0, 20_000, 40_000, 60_000].map(heap);
    const growths = sizes.slice(1).map((size, index) => size - sizes[index]!);
    expect(Math.min(...growths)).toBeLessThan(3_000_000);
  });
});

function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
}
