/** One event causes others, and those cause more: the tree is bounded in depth and in breadth, and what is cut is said. */
import { describe, expect, test } from "vitest";
import { type Event, LIMITS } from "../../src/model.ts";
import type { EventRecord } from "../../src/ports/questions.ts";
import type { Store } from "../../src/ports/store.ts";
import { memoryStore } from "../../src/store/memory.ts";
import { decision, newEvent } from "../support/nouns.ts";
import { commit } from "../support/stores.ts";
import { createWorld, type World } from "../support/world.ts";

/** Every item starts an instance, and every instance emits the same event again: `width` times as many in every generation. */
const splitting = (width: number) => ({
  "rules/a.yaml": `
- id: split
  event: [x.split, m.split]
  forEach: "[${Array.from({ length: width }, (_, i) => i).join(", ")}]"
  send: { machine: splitter, key: "{{event.id}}-{{item}}", event: GO }
`,
  "statemachines/splitter.yaml": `
id: splitter
startOn: [GO]
initial: start
states:
  start: { entry: [{ emit: m.split }], type: final }
`,
});

async function logOf(store: Store): Promise<EventRecord[]> {
  const records: EventRecord[] = [];
  for (let next = await store.scan(0, 1_000); next.length > 0; next = await store.scan(records.at(-1)!.seq, 1_000)) {
    records.push(...next);
  }
  return records;
}

const problemsOf = (records: readonly EventRecord[]) => records.flatMap(({ trace }) => trace?.problems ?? []);
const split = (id = "1") => ({ type: "x.split", id, data: {} });

/** Sends the event after its root has spent that much of its allowance, by events of which nothing comes. */
async function sendAfterSpending(world: World, store: Store, spent: number): Promise<{ root: string; spent: number }> {
  const root = JSON.parse((await world.send(split())).body).eventId;
  await store.append([newEvent("evt_spender")]);
  const emitted = Array.from({ length: spent }, (_, i) => newEvent(`evt_spent_${i}`, { type: "x.none", root }));
  await commit(store, [decision("evt_spender", { emitted })]);
  // Until the lane is free again.
  world.clock.advance(11_000);
  return { root, spent };
}

/** How many events of the log are this one's, beside those that were only to spend its allowance. */
async function causedBy(store: Store, root: string): Promise<number> {
  return (await logOf(store)).filter(({ event }) => event.root === root && event.type !== "x.none").length;
}

describe("an event that multiplies", () => {
  test("causes at most 10,000 events, and what is cut is in the traces", async () => {
    const store = memoryStore();
    const world = createWorld({ store, files: splitting(4) });
    await world.send(split());
    await world.settle();
    const records = await logOf(store);
    expect(records).toHaveLength(1 + LIMITS.causedEvents);
    expect((await store.counts()).undecided).toBe(0);
    const [first] = records;
    const { code, message } = problemsOf(records)[0]!;
    expect(code).toBe("SB0403");
    expect(message).toContain(`"${first?.event.id}" may cause at most 10000 events`);
  });

  test("is bounded also when the process ends in the middle: the count is stored", async () => {
    const store = memoryStore();
    const world = createWorld({ store, files: splitting(3) });
    const { root, spent } = await sendAfterSpending(world, store, LIMITS.causedEvents - 500);
    for (let restarts = 0; restarts < 10; restarts++) {
      await world.flow().rounds.advance();
      world.restart(store);
      world.clock.advance(11_000);
    }
    await world.settle();
    expect(spent + (await causedBy(store, root))).toBe(LIMITS.causedEvents);
  });

  test("takes nothing from another event's allowance", async () => {
    const store = memoryStore();
    const world = createWorld({ store, files: splitting(1) });
    const { root } = await sendAfterSpending(world, store, LIMITS.causedEvents);
    const other = JSON.parse((await world.send(split("2"))).body).eventId;
    await world.settle();
    expect([await causedBy(store, root), await causedBy(store, other)]).toEqual([0, LIMITS.causalChain + 1]);
  });

  test("through outcomes of deliveries is bounded as well: every action is performed, outcomes past the limit are no events", async () => {
    const store = memoryStore();
    const files = {
      "rules/a.yaml": `
- { id: again, event: [x.split, delivery.done], forEach: "[1, 2, 3, 4, 5, 6]", do: [{ out.post: { text: "{{item}}" } }] }
`,
    };
    const world = createWorld({ store, files });
    const { root, spent } = await sendAfterSpending(world, store, LIMITS.causedEvents - 100);
    await world.settle();
    expect(spent + (await causedBy(store, root))).toBe(LIMITS.causedEvents);
    const problems = problemsOf(await logOf(store));
    expect(new Set(problems.map(({ code }) => code))).toEqual(new Set(["SB0403"]));
    expect((await store.counts()).deliveries).toMatchObject({ pending: 0, done: 6 * 101 });
  });

  test("through calls of machines is bounded as well: what waits for a call that is left out is told in the trace", async () => {
    const store = memoryStore();
    const files = {
      "rules/a.yaml": `
- { id: go, event: [x.split, m.split], forEach: "[1, 2, 3]", send: { machine: caller, key: "{{event.id}}-{{item}}", event: GO } }
`,
      "statemachines/caller.yaml": `
id: caller
startOn: [GO]
initial: calling
states:
  calling: { invoke: { id: ask, src: out.post, input: { text: ask }, onDone: { target: over, actions: [{ emit: m.split }] } } }
  over: { type: final }
`,
    };
    const world = createWorld({ store, files });
    const { root, spent } = await sendAfterSpending(world, store, LIMITS.causedEvents - 50);
    await world.settle();
    expect(spent + (await causedBy(store, root))).toBe(LIMITS.causedEvents);
    expect(problemsOf(await logOf(store))[0]?.message).toContain("calls are left out");
  });
});

test("a chain without breadth is cut after sixteen events", async () => {
  const store = memoryStore();
  const world = createWorld({ store, files: splitting(1) });
  await world.send(split());
  await world.settle();
  const records = await logOf(store);
  expect(records).toHaveLength(1 + LIMITS.causalChain + 1);
  expect(problemsOf(records.slice(-1))).toMatchObject([{ code: "SB0403" }]);
  expect(problemsOf(records.slice(0, -1))).toEqual([]);
});

describe("a rule with more items than one decision takes", () => {
  const EACH = (mode = "live") => ({
    "rules/a.yaml": `
- id: each
  event: x.list
  mode: ${mode}
  forEach: event.data.items
  send: { machine: count, key: all, event: ADD, with: { item: "{{item}}" } }
  do: [{ out.post: { text: "{{item}} of {{event.delivery}}" } }]
`,
    "statemachines/count.yaml": `
id: count
startOn: [ADD]
context: { items: [] }
initial: counting
states:
  counting: { on: { ADD: { actions: [{ assign: { items: { cel: "context.items + [event.with.item]" } } }] } } }
`,
  });
  const items = Array.from({ length: 250 }, (_, i) => i);
  const list = (more = {}) => ({ type: "x.list", id: "d1", data: { items, ...more } });

  test("goes on in parts: every item is done once, in order, and sees the event that it belongs to", async () => {
    const store = memoryStore();
    const world = createWorld({ store, files: EACH() });
    await world.send(list());
    await world.settle();
    expect(world.effects.map(({ params }) => params.text)).toEqual(items.map((item) => `${item} of d1`));
    const [instance] = (await store.instanceList({}, { limit: 9 })).items;
    expect(instance?.context.items).toEqual(items);
    const records = await logOf(store);
    expect(records.map(({ event: { type, continues } }) => [type, continues?.from])).toEqual([
      ["x.list", undefined],
      ["rule.continued", 100],
      ["rule.continued", 200],
    ]);
    expect(records.map(({ trace }) => trace?.matched)).toEqual([
      [{ rule: "each", items: 250, mode: "live" }],
      [{ rule: "each", items: 100, mode: "live" }],
      [{ rule: "each", items: 50, mode: "live" }],
    ]);
    expect(problemsOf(records)).toEqual([]);
  });

  test("is done once also when the process ends between the parts, or the sender sends again", async () => {
    const store = memoryStore();
    const world = createWorld({ store, files: EACH() });
    await world.send(list());
    for (let restarts = 0; restarts < 4; restarts++) {
      await world.flow().rounds.advance();
      world.restart(store);
      world.clock.advance(11_000);
      await world.send(list());
    }
    await world.settle();
    expect(world.effects).toHaveLength(items.length);
  });

  test("performs nothing of an observed rule, in no part", async () => {
    const store = memoryStore();
    const world = createWorld({ store, files: EACH("observe") });
    await world.send(list());
    await world.settle();
    expect(world.effects).toEqual([]);
    expect((await store.counts()).deliveries.observed).toBe(items.length);
  });

  test("says which items were not done when the rule is gone before their turn", async () => {
    const store = memoryStore();
    const world = createWorld({ store, files: EACH() });
    await world.send(list());
    await world.flow().rounds.advance();
    const other = createWorld({ store, files: { "rules/a.yaml": "[]" }, clock: world.clock });
    world.clock.advance(11_000);
    await other.settle();
    expect(problemsOf(await logOf(store)).map(({ message }) => message)).toEqual([
      'The rule "each" is gone: nothing was done for its items 100 to 199',
      'The rule "each" is gone: nothing was done for its items 200 to 249',
    ]);
  });
});

test("an event that names more tickets than the log keeps says so in its trace", async () => {
  const store = memoryStore();
  const files = {
    "rules/a.yaml": "- { id: t, event: x.y, forEach: event.tickets, do: [{ out.post: { text: '{{item}}' } }] }",
  };
  const world = createWorld({ store, files });
  const tickets = Array.from({ length: 21 }, (_, i) => `WEB-${i + 1}`);
  await world.send({ type: "x.y", id: "1", data: { tickets } });
  await world.send({ type: "x.y", id: "2", data: { tickets: tickets.slice(0, 20) } });
  await world.settle();
  const [cut, whole] = await logOf(store);
  expect([cut?.event.cut, cut?.event.tickets]).toEqual([{ tickets: 21 }, tickets.slice(0, 20)] satisfies [
    Event["cut"],
    Event["tickets"],
  ]);
  expect(cut?.trace?.problems).toMatchObject([{ code: "SB0108", message: expect.stringContaining("21 tickets") }]);
  expect([whole?.event.cut, whole?.trace?.problems]).toEqual([undefined, []]);
});
