import { Type } from "typebox";
import { describe, expect, test } from "vitest";
import { type DecisionPolicy, decide, plan } from "../../src/core/decide.ts";
import { type Decision, type Event, type Instance, LIMITS } from "../../src/model.ts";
import { compilePolicy } from "../../src/policy/policy.ts";

const AT = Date.UTC(2026, 0, 5, 9);
const POST = { params: Type.Object({ text: Type.String() }) };
const MACHINE = `
id: gate
startOn: [OPEN]
context: { n: 0 }
initial: idle
states:
  idle:
    on: { OPEN: asking, COUNT: { actions: [{ assign: { n: { cel: context.n + 1 } } }] } }
  asking:
    invoke: { id: ask, src: out.post, input: { text: "step {{context.n}}" }, onDone: idle, onError: idle }
    after: { 1h: idle }
    on: { CLOSE: idle, SAY: { actions: [{ emit: { type: gate.said, data: { a: 1 } } }] } }
`;

function policyOf(rules: string): DecisionPolicy {
  const files = { "rules/a.yaml": rules, "statemachines/gate.yaml": MACHINE };
  const { policy, diagnostics: problems } = compilePolicy(files, { actions: new Map([["out.post", POST]]), vars: {} });
  if (!policy) throw new Error(JSON.stringify(problems));
  return { ...policy, definition: (hash) => [...policy.machines.values()].find((machine) => machine.hash === hash) };
}

const event = (more: Partial<Event> = {}): Event => ({
  id: "evt_1",
  type: "x.y",
  source: "s",
  time: "2026-01-05T09:00:00.000Z",
  receivedAt: "2026-01-05T09:00:00.000Z",
  tickets: ["A-1", "B-2"],
  data: {},
  ...more,
});

function frozen<T>(value: T): T {
  if (typeof value === "object" && value !== null)
    for (const inner of Object.values(Object.freeze(value))) frozen(inner);
  return value;
}

function decided(rules: string, given: Event, instances: Instance[] = [], nowMs = AT): Decision {
  const policy = policyOf(rules);
  frozen(given);
  frozen(instances);
  const find = ({ key }: { key: string }) => instances.find((one) => one.key === key);
  return decideTwice(policy, given, find, nowMs);
}

/** Every decision of these tests is made twice of one frozen plan: a plan is never changed. */
function decideTwice(
  policy: DecisionPolicy,
  given: Event,
  find: (key: { key: string }) => Instance | undefined,
  nowMs: number,
): Decision {
  const planned = frozen(plan(policy, given, nowMs));
  const decision = decide(policy, planned, find, nowMs);
  expect(JSON.stringify(decide(policy, planned, find, nowMs))).toBe(JSON.stringify(decision));
  return decision;
}

const SEND = (signal: string) => `
- { id: send, event: x.*, send: { machine: gate, key: k, event: ${signal} } }
`;
const EACH = `
- id: each
  event: x.*
  forEach: event.tickets
  do: [{ out.post: { text: "{{item}}" } }, { out.post: { text: "again {{item}}" } }]
`;

test("the same input gives the same decision, byte for byte, and nothing that was given is changed", () => {
  expect(JSON.stringify(decided(EACH, event()))).toBe(JSON.stringify(decided(EACH, event())));
});

describe("a delivery's id", () => {
  test("differs for each item, each place and each event, and is the same when decided again later", () => {
    const ids = (given: Event, nowMs = AT) => decided(EACH, given, [], nowMs).deliveries.map(({ id }) => id);
    expect(new Set([...ids(event()), ...ids(event({ id: "evt_2" }))]).size).toBe(8);
    expect(ids(event(), AT + 60_000)).toEqual(ids(event()));
  });

  test("of a call differs from visit to visit of its state", () => {
    const first = decided(SEND("OPEN"), event());
    const left = decided(SEND("CLOSE"), event({ id: "evt_2" }), first.instances);
    const second = decided(SEND("OPEN"), event({ id: "evt_3" }), left.instances);
    expect(first.deliveries).toHaveLength(1);
    expect(second.deliveries).toHaveLength(1);
    expect(second.deliveries[0]?.id).not.toBe(first.deliveries[0]?.id);
  });
});

test("leaving a state cancels the call it waits for, by the id it was made with, and its timer", () => {
  const asked = decided(SEND("OPEN"), event());
  const left = decided(SEND("CLOSE"), event({ id: "evt_2" }), asked.instances, AT + 5);
  expect(left.cancelled).toEqual([asked.deliveries[0]?.id]);
  expect(left.timersCancelled).toEqual([{ machine: "gate", key: "k", id: asked.timersSet[0]?.id }]);
});

test("two signals of one event are applied in order, each on what the one before left", () => {
  const rules = `${SEND("OPEN")}- { id: then, event: x.*, send: { machine: gate, key: k, event: CLOSE } }`;
  const { instances, deliveries, timersSet, cancelled } = decided(rules, event());
  expect(instances.map(({ version, state }) => [version, state])).toEqual([
    [1, "asking"],
    [2, "idle"],
  ]);
  // What the first armed and the second disarmed never leaves the decision.
  expect([deliveries, timersSet, cancelled]).toEqual([[], [], []]);
});

test("the trace names what was emitted and delivered, with the parts of the action's name", () => {
  const opened = decided(SEND("OPEN"), event());
  expect(opened.trace.deliveries).toEqual([{ id: opened.deliveries[0]?.id, connection: "out", action: "post" }]);
  const { emitted, trace } = decided(SEND("SAY"), event({ id: "evt_2" }), opened.instances);
  expect(emitted).toHaveLength(1);
  expect(trace.emitted).toEqual([{ id: emitted[0]?.event.id, type: "gate.said" }]);
});

test("a rule in observe mode is decided and recorded, and nothing of it happens", () => {
  const rules = `
- { id: watch, event: x.*, send: { machine: gate, key: k, event: OPEN }, do: [{ out.post: { text: hi } }], mode: observe }
`;
  const { instances, timersSet, deliveries, trace } = decided(rules, event());
  expect([instances, timersSet]).toEqual([[], []]);
  expect(deliveries.map(({ status, emitsOutcome }) => [status, emitsOutcome])).toEqual([
    ["observed", false],
    ["observed", false],
  ]);
  expect(trace.transitions).toMatchObject([{ from: null, to: "asking", taken: false, ignored: "observed" }]);
  expect(trace.matched).toEqual([{ rule: "watch", items: 1, mode: "observe" }]);
});

test("a chain of events that cause each other is cut, and says so", () => {
  const last = decided(EACH, event({ hops: LIMITS.causalChain, causedBy: "evt_0" }));
  const over = decided(EACH, event({ hops: LIMITS.causalChain + 1, causedBy: "evt_0" }));
  expect(last.deliveries).toHaveLength(4);
  expect(over.deliveries).toEqual([]);
  expect(over.trace.problems).toMatchObject([{ code: "SB0403" }]);
});

test("what cannot be rendered is told with rule and place; the rest of the event goes on", () => {
  const rules = `
- { id: broken, event: x.*, do: [{ out.post: { text: "{{event.nothing}}" } }, { out.post: { text: fine } }] }
- { id: lost, event: x.*, send: { machine: gate, key: "{{event.nobody}}", event: OPEN } }
`;
  const { deliveries, instances, trace } = decided(rules, event());
  expect(deliveries.map(({ params }) => params)).toEqual([{ text: "fine" }]);
  expect(instances).toEqual([]);
  expect(trace.problems).toMatchObject([
    { code: "SB0402", rule: "broken" },
    { code: "SB0402", rule: "lost" },
  ]);
});

test("an instance whose definition is not there stays as it is, and that is told", () => {
  const stored: Instance = { ...decided(SEND("OPEN"), event()).instances[0]!, definition: "gone" };
  const { instances, trace } = decided(SEND("CLOSE"), event({ id: "evt_2" }), [stored]);
  expect(instances).toEqual([]);
  expect(trace.problems).toMatchObject([{ code: "SB0405", machine: "gate" }]);
});

test("an outcome is reported when somebody waits or listens for it, and else costs nothing more", () => {
  const plain = "- { id: tell, event: x.*, do: [{ out.post: { text: hi } }] }";
  const listening = `${plain}\n- { id: hear, event: delivery.failed, do: [{ out.post: { text: oh } }] }`;
  expect(decided(plain, event()).deliveries[0]?.emitsOutcome).toBe(false);
  expect(decided(listening, event()).deliveries[0]?.emitsOutcome).toBe(true);
  expect(decided(SEND("OPEN"), event()).deliveries[0]?.emitsOutcome).toBe(true);
});
