/** The wall clock is set by an hour, forward and back: nothing stands still, nothing is lost and nothing is done twice. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { memoryCache } from "../../src/cache/memory.ts";
import { createGate } from "../../src/flow/gate.ts";
import { createPurge } from "../../src/flow/purge.ts";
import type { Outcome } from "../../src/model.ts";
import type { Store } from "../../src/ports/store.ts";
import { type SetClock, setClock } from "../support/clock.ts";
import { STORES } from "../support/stores.ts";
import { type Answering, createWorld, type World } from "../support/world.ts";

const HOUR_MS = 3_600_000;
const JUMPS = [
  { jump: "back", byMs: -HOUR_MS },
  { jump: "forward", byMs: HOUR_MS },
];

const BUSY: Outcome = { kind: "retry", error: { message: "busy", status: 503 } };
const DONE: Outcome = { kind: "done" };

const FILES = {
  "rules/a.yaml": `
- { id: each, event: x.list, forEach: event.tickets, do: [{ out.post: { text: "{{item}}" } }] }
- { id: wait, event: x.wait, send: { machine: waiter, key: "{{event.delivery}}", event: GO } }
`,
  "statemachines/waiter.yaml": `
id: waiter
startOn: [GO]
initial: waiting
states:
  waiting: { after: { 2h: over } }
  over: { entry: [{ out.post: { text: over } }] }
`,
};
const list = (count: number) => ({
  type: "x.list",
  id: "1",
  data: { tickets: Array.from({ length: count }, (_, i) => `T-${i + 1}`) },
});

/** Lets time pass in small steps, in which everything that is due happens. */
async function pass(world: World, ms: number, stepMs = 500): Promise<void> {
  await world.settle();
  for (let passedMs = 0; passedMs < ms; passedMs += stepMs) {
    world.clock.advance(stepMs);
    await world.settle();
  }
}

describe.each(JUMPS)("when the wall clock is set $jump by an hour", ({ byMs }) => {
  test("a connection with a rate sends on, at its rate", () => {
    const clock = setClock();
    const gate = createGate(new Map([["out", { concurrency: 9, ratePerSecond: 2 }]]), clock);
    for (const id of ["a", "b"]) gate.enter({ id, connection: "out", attempts: [] })(DONE);
    clock.set(byMs);
    expect(gate.room()).toMatchObject({ room: { out: 0 }, openInMs: 500 });
    clock.advance(500);
    expect(gate.room().room).toEqual({ out: 1 });
  });

  test("the pause of a target that is down ends in its time, and so does the one that a provider asked for", () => {
    const clock = setClock();
    const gate = createGate(new Map([["out", { concurrency: 1 }]]), clock);
    for (let id = 0; id < 5; id++) gate.enter({ id: `${id}`, connection: "out", attempts: [] })(BUSY);
    clock.set(byMs);
    expect(gate.room().openInMs).toBe(1_000);
    clock.advance(1_000);
    expect(gate.room().room).toEqual({ out: 1 });
    gate.enter({ id: "x", connection: "out", attempts: [] })({ ...BUSY, error: { message: "" }, afterMs: 5_000 });
    clock.set(byMs);
    expect(gate.room().openInMs).toBe(5_000);
  });

  test("what the cache holds ends in its time", async () => {
    const clock = setClock();
    const cache = memoryCache({ clock });
    let loads = 0;
    const read = () => cache.read("key", { ttlMs: 10_000 }, async () => ++loads);
    await read();
    clock.set(byMs);
    await read();
    expect(loads).toBe(1);
    clock.advance(10_000);
    await read();
    expect(loads).toBe(2);
  });

  test("retention goes on an hour after it was done", async () => {
    const clock = setClock();
    let walks = 0;
    const store = {
      purge: async () => {
        walks += 1;
        return { gone: 0 };
      },
    };
    const purge = createPurge({ store, clock, retention: { eventsMs: 1e9, deliveriesMs: 1e9 } });
    await purge();
    clock.set(byMs);
    await purge();
    expect(walks).toBe(1);
    clock.advance(HOUR_MS);
    await purge();
    expect(walks).toBe(2);
  });
});

describe.each(STORES)("on the $name store", ({ open }) => {
  let store: Store;
  let remove: () => Promise<void>;
  let clock: SetClock;
  beforeEach(async () => {
    ({ store, remove } = await open());
    clock = setClock();
  });
  afterEach(() => remove());
  const worldOf = (answer?: Answering) => createWorld({ store, files: FILES, clock, ...(answer ? { answer } : {}) });
  const texts = (world: World) => world.effects.map(({ params }) => params.text);

  describe.each(JUMPS)("when the wall clock is set $jump by an hour", ({ byMs }) => {
    test("deliveries that wait for their turn are made", async () => {
      const world = worldOf();
      await world.send(list(20));
      await world.flow().rounds.advance();
      await world.flow().rounds.deliver();
      clock.set(byMs);
      await pass(world, 1_000);
      expect(new Set(texts(world)).size).toBe(20);
      expect(world.effects).toHaveLength(20);
    });

    test("a delivery that failed is tried again after its own wait", async () => {
      const world = worldOf(({ attempt }) => ({ taken: attempt > 1, outcome: attempt > 1 ? DONE : BUSY }));
      await world.send(list(1));
      await world.settle();
      clock.set(byMs);
      await pass(world, 2_000);
      expect(texts(world)).toEqual(["T-1"]);
    });

    test("what a process that died had in flight is another's after the lease, whatever the clock says", async () => {
      const world = worldOf();
      await world.send(list(1));
      await world.flow().rounds.advance();
      await store.lease(clock.now(), { room: {}, roomOfOthers: 9, limit: 9, leaseMs: 30_000 });
      clock.set(byMs);
      world.restart(store);
      await pass(world, 40_000, 5_000);
      expect(texts(world)).toEqual(["T-1"]);
    });

    test("events that a process that died has not decided are decided by another", async () => {
      const world = worldOf();
      await world.send(list(1));
      await store.claim("another", { nowMs: clock.now(), leaseMs: 10_000, limit: 9, bytes: 1_000 });
      clock.set(byMs);
      await pass(world, 11_000, 1_000);
      expect(texts(world)).toEqual(["T-1"]);
    });

    test("an attempt under way is not made a second time, and its outcome counts", async () => {
      let answer = (_: Outcome) => {};
      const outcome = new Promise<Outcome>((resolve) => {
        answer = resolve;
      });
      const world = worldOf(() => ({ taken: true, outcome }));
      await world.send(list(1));
      await world.flow().rounds.advance();
      await world.flow().rounds.deliver();
      clock.set(byMs);
      for (let i = 0; i < 5; i++) {
        await world.flow().rounds.deliver();
        clock.advance(1_000);
      }
      answer(DONE);
      await world.settle();
      expect(texts(world)).toEqual(["T-1"]);
      const [delivery] = (await store.deliveries({}, { limit: 1 })).items;
      expect([delivery?.status, delivery?.attempts.length]).toEqual(["done", 1]);
    });
  });

  test("a timer fires once after the time that it was set for when the clock is set back", async () => {
    const world = worldOf();
    await world.send({ type: "x.wait", id: "1", data: {} });
    await world.settle();
    clock.set(-HOUR_MS);
    await pass(world, 2 * HOUR_MS - 60_000, 60_000);
    expect(texts(world)).toEqual([]);
    await pass(world, 3 * HOUR_MS, 60_000);
    expect(texts(world)).toEqual(["over"]);
  });

  test("a timer fires once at its wall time when the clock is set forward", async () => {
    const world = worldOf();
    await world.send({ type: "x.wait", id: "1", data: {} });
    await world.settle();
    clock.set(HOUR_MS);
    await pass(world, HOUR_MS, 60_000);
    expect(texts(world)).toEqual(["over"]);
    await pass(world, 2 * HOUR_MS, 60_000);
    expect(texts(world)).toEqual(["over"]);
  });

  test("what was stored before the clock went forward and back again keeps its time, and what came between waits no longer", async () => {
    const world = worldOf(({ attempt }) => ({ taken: attempt > 1, outcome: attempt > 1 ? DONE : BUSY }));
    await world.send({ type: "x.wait", id: "1", data: {} });
    await world.settle();
    clock.set(HOUR_MS);
    await world.send({ ...list(1), id: "2" });
    await world.settle();
    clock.set(-HOUR_MS);
    await pass(world, 2_000);
    expect(texts(world)).toEqual(["T-1"]);
    await pass(world, 2 * HOUR_MS - 60_000, 60_000);
    expect(texts(world)).toEqual(["T-1"]);
    await pass(world, 120_000, 60_000);
    expect(texts(world)).toEqual(["T-1", "over"]);
  });

  test("a clock that was set back while nothing ran delays nothing", async () => {
    const world = worldOf(({ attempt }) => ({ taken: attempt > 1, outcome: attempt > 1 ? DONE : BUSY }));
    await world.send(list(3));
    await world.settle();
    clock.set(-HOUR_MS);
    world.restart(store);
    await pass(world, 12_000, 1_000);
    expect(world.effects).toHaveLength(3);
  });
});
