/** Promises of single arrows that no story shows: failing stores, two nodes, dedupe by id alone, gates. */
import { describe, expect, test } from "vitest";
import { createGate } from "../../src/flow/gate.ts";
import { createPurge } from "../../src/flow/purge.ts";
import type { Outcome } from "../../src/model.ts";
import type { Store } from "../../src/ports/store.ts";
import { memoryStore } from "../../src/store/memory.ts";
import { woundClock } from "../support/clock.ts";
import { createWorld } from "../support/world.ts";

const FILES = {
  "rules/a.yaml": `
- { id: tell, event: x.y, do: [{ out.post: { text: "{{event.delivery}}" } }] }
- { id: count, event: x.y, send: { machine: count, key: "{{event.subject}}", event: ONE } }
`,
  "statemachines/count.yaml": `
id: count
startOn: [ONE]
context: { n: 0 }
initial: counting
states:
  counting: { on: { ONE: { actions: [{ assign: { n: { cel: context.n + 1 } } }] } } }
`,
};
const one = (id: string, subject = "a") => ({ type: "x.y", id, data: { subject, at: id } });

test("an event that cannot be stored is answered 503 with Retry-After, and nothing happens", async () => {
  const store: Store = { ...memoryStore(), append: () => Promise.reject(new Error("disk full")) };
  const world = createWorld({ store, files: FILES });
  const receipt = await world.send(one("1"));
  expect([receipt.status, receipt.headers?.["retry-after"]]).toEqual([503, "5"]);
  await world.settle();
  expect(world.effects).toEqual([]);
  expect(world.observations).toContainEqual(expect.objectContaining({ kind: "fault", where: "append" }));
});

describe("duplicates", () => {
  test("one delivery id is one event, even when the body differs", async () => {
    const world = createWorld({ store: memoryStore(), files: FILES });
    const first = await world.send(one("1", "a"));
    const second = await world.send(one("1", "b"));
    expect([first.status, second.status]).toEqual([202, 200]);
    expect(JSON.parse(second.body).eventId).toBe(JSON.parse(first.body).eventId);
    await world.settle();
    expect(world.effects).toHaveLength(1);
  });

  test("a redelivery of an event that is stored but not yet decided is not swallowed: it is decided once", async () => {
    const store = memoryStore();
    const world = createWorld({ store, files: FILES });
    await world.send(one("1"));
    world.restart(store);
    expect((await world.send(one("1"))).status).toBe(200);
    await world.settle();
    expect(world.effects.map(({ params }) => params)).toEqual([{ text: "1" }]);
  });
});

test("two nodes on one store decide each event once and lose no step of an instance", async () => {
  const store = memoryStore();
  const clock = woundClock();
  const [left, right] = [createWorld({ store, files: FILES, clock }), createWorld({ store, files: FILES, clock })];
  for (let i = 0; i < 40; i++) await (i % 2 ? left : right).send(one(`${i}`, `s${i % 3}`));
  await Promise.all([left.settle(), right.settle()]);
  await left.settle();
  const texts = [...left.effects, ...right.effects].map(({ params }) => params.text);
  expect(texts.toSorted()).toEqual(Array.from({ length: 40 }, (_, i) => `${i}`).toSorted());
  const counted = (await store.instanceList({}, { limit: 10 })).items.map(({ context }) => context.n as number);
  expect(counted.reduce((sum, n) => sum + n, 0)).toBe(40);
});

test("a node that lost its lane while it decided writes nothing of it, and goes on when it has the lane again", async () => {
  const store = memoryStore();
  const clock = woundClock();
  const asleep = { ...store };
  const world = createWorld({ store: asleep, files: FILES, clock });
  await world.send(one("1"));
  await world.send(one("2"));
  asleep.commit = async (decisions, tenure) => {
    asleep.commit = store.commit;
    // Longer than its lease: meanwhile another node takes the lane, and has decided nothing yet.
    clock.advance(11_000);
    const { ids } = await store.claim("another", { nowMs: clock.now(), leaseMs: 10_000, limit: 9, bytes: 1_000 });
    expect(ids).toHaveLength(2);
    return store.commit(decisions, tenure);
  };
  await world.settle();
  expect([world.effects, (await store.counts()).undecided]).toEqual([[], 2]);
  await world.send(one("3"));
  clock.advance(11_000);
  await world.settle();
  expect(world.effects.map(({ params }) => params.text)).toEqual(["1", "2", "3"]);
  expect((await store.instanceList({}, { limit: 10 })).items.map(({ context }) => context.n)).toEqual([3]);
});

describe("leases", () => {
  test("a worker that was asleep until its lease ended sends nothing: the delivery may be another's by now", async () => {
    const clock = woundClock();
    const store = memoryStore();
    const asleep = { ...store };
    asleep.lease = async (nowMs, options) => {
      const due = await store.lease(nowMs, options);
      if (due.leased.length > 0) clock.advance(30_000);
      return due;
    };
    const world = createWorld({ store: asleep, files: FILES, clock });
    await world.send(one("1"));
    await world.flow().rounds.advance();
    await world.flow().rounds.deliver();
    expect(world.effects).toEqual([]);
    asleep.lease = store.lease;
    await world.settle();
    expect(world.effects).toHaveLength(1);
  });

  test("an outcome that comes after the lease has ended is kept as an attempt and told as a fault", async () => {
    const clock = woundClock();
    const store = memoryStore();
    const slow = { ...store };
    slow.settle = async (settlements) => {
      clock.advance(30_000);
      await store.lease(clock.now(), { room: {}, roomOfOthers: 9, limit: 9, leaseMs: 1_000 });
      return store.settle(settlements);
    };
    const world = createWorld({ store: slow, files: FILES, clock });
    await world.send(one("1"));
    await world.settle();
    const [delivery] = (await store.deliveries({}, { limit: 1 })).items;
    expect([delivery?.status, delivery?.attempts.length]).toEqual(["pending", 1]);
    expect(world.observations).toContainEqual(expect.objectContaining({ kind: "fault", where: "settle" }));
  });
});

describe("retention", () => {
  const DAY_MS = 86_400_000;

  test("what is older than its retention goes, what is younger and every instance stays", async () => {
    const store = memoryStore();
    const clock = woundClock();
    const world = createWorld({ store, files: FILES, clock });
    await world.send(one("old"));
    await world.settle();
    clock.advance(DAY_MS);
    await world.send(one("young"));
    await world.settle();
    clock.advance(60_000);
    const purge = createPurge({ store, clock, retention: { eventsMs: DAY_MS / 2, deliveriesMs: DAY_MS / 2 } });
    expect(await purge()).toEqual({ busy: false });
    const kept = async () => (await store.events({}, { limit: 10 })).items.map(({ event }) => event.delivery);
    expect(await kept()).toEqual(["young"]);
    expect((await store.deliveries({}, { limit: 10 })).items).toHaveLength(1);
    expect((await store.instanceList({}, { limit: 10 })).items).toHaveLength(1);

    clock.advance(DAY_MS);
    expect(await purge()).toEqual({ busy: false });
    expect(await kept()).toEqual([]);
  });
});

describe("the gate of a connection", () => {
  const retry: Outcome = { kind: "retry", error: { message: "busy" } };
  const done: Outcome = { kind: "done" };
  let count = 0;
  const fresh = (connection = "out") => ({ id: `${count++}`, connection, attempts: [] });

  test("lets in as many as may run side by side", () => {
    const gate = createGate(new Map([["out", { concurrency: 2 }]]), woundClock());
    const leave = gate.enter(fresh());
    expect(gate.room()).toMatchObject({ room: { out: 1 } });
    gate.enter(fresh());
    expect(gate.room()).toMatchObject({ room: { out: 0 } });
    leave(done);
    expect(gate.room().room).toEqual({ out: 1 });
  });

  test("keeps to the rate, and says when the next may start", () => {
    const clock = woundClock();
    const gate = createGate(new Map([["out", { concurrency: 9, ratePerSecond: 2 }]]), clock);
    gate.enter(fresh())(done);
    gate.enter(fresh())(done);
    expect(gate.room()).toMatchObject({ room: { out: 0 }, openInMs: 500 });
    clock.advance(500);
    expect(gate.room().room).toEqual({ out: 1 });
  });

  test("closes when many deliveries fail and none passes, then lets several find out; a success opens it", () => {
    const clock = woundClock();
    const gate = createGate(new Map([["out", { concurrency: 9 }]]), clock);
    for (let i = 0; i < 17; i++) gate.enter(fresh())(retry);
    expect(gate.room().room).toEqual({ out: 9 });
    gate.enter(fresh())(retry);
    expect(gate.room()).toMatchObject({ room: { out: 0 }, openInMs: 1_000 });
    clock.advance(1_000);
    expect(gate.room().room).toEqual({ out: 4 });
    gate.enter(fresh())(done);
    expect(gate.room().room).toEqual({ out: 9 });
  });

  test("waits as long as a provider asks, but not for ever", () => {
    const gate = createGate(new Map([["out", { concurrency: 4 }]]), woundClock());
    gate.enter(fresh())({ ...retry, afterMs: 10_000 } as Outcome);
    expect(gate.room().openInMs).toBe(10_000);
    gate.enter(fresh())({ ...retry, afterMs: 10 ** 9 } as Outcome);
    expect(gate.room().openInMs).toBe(60_000);
  });

  test("an idle connection that takes one at a time does not slow down another that takes sixteen", () => {
    const gate = createGate(
      new Map([
        ["idle", { concurrency: 1 }],
        ["busy", { concurrency: 16 }],
      ]),
      woundClock(),
    );
    expect(gate.room()).toMatchObject({ room: { idle: 1, busy: 16 } });
  });

  test("one connection that is closed does not hold up another", () => {
    const gate = createGate(
      new Map([
        ["a", { concurrency: 1 }],
        ["b", { concurrency: 3 }],
      ]),
      woundClock(),
    );
    gate.enter(fresh("a"));
    expect(gate.room()).toMatchObject({ room: { a: 0, b: 3 } });
  });
});
