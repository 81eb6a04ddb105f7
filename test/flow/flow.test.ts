/** The wiring: what one arrow leaves for another to do is done at once, although nobody lets the clock run. */
import { setImmediate } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import type { Flow, RunningFlow } from "../../src/flow/flow.ts";
import { createWakeUp, startLoop } from "../../src/flow/loop.ts";
import type { Store } from "../../src/ports/store.ts";
import { memoryStore } from "../../src/store/memory.ts";
import { woundClock } from "../support/clock.ts";
import { createWorld } from "../support/world.ts";

const FILES = {
  "rules/a.yaml": `
- { id: tell, event: x.y, do: [{ out.post: { text: "{{event.delivery}}" } }] }
- { id: start, event: x.y, send: { machine: m, key: k, event: GO } }
`,
  "statemachines/m.yaml": `
id: m
startOn: [GO]
initial: asking
states:
  asking: { invoke: { id: ask, src: out.post, input: { text: asked }, onDone: waiting } }
  waiting: { after: { 10ms: over } }
  over: { entry: [{ out.post: { text: over } }] }
`,
};

/** Lets everything happen that needs no time. */
async function untilQuiet(isDone: () => boolean): Promise<void> {
  for (let turns = 0; turns < 10_000 && !isDone(); turns++) await setImmediate();
}

test("every arrow is woken by what it has to do: delivery, outcome and timer wait for no clock but their own", async () => {
  // Not told of by the store, so that only the wiring can wake an arrow.
  const { changed: _, ...store } = memoryStore();
  const world = createWorld({ store, files: FILES });
  const texts = () => world.effects.map(({ params }) => params.text).toSorted();
  const running: RunningFlow = world.flow().start({ retention: { eventsMs: 1e9, deliveriesMs: 1e9 } });
  try {
    await world.send({ type: "x.y", id: "1", data: {} });
    await untilQuiet(() => texts().length === 2);
    expect(texts()).toEqual(["1", "asked"]);
    const isWaiting = async () => (await store.counts()).timers === 1;
    for (let turns = 0; turns < 10_000 && !(await isWaiting()); turns++) await setImmediate();
    await untilQuiet(() => false);
    // Less than the second after which an arrow looks again unasked: the timer's own loop knows when.
    world.clock.advance(10);
    await untilQuiet(() => texts().length === 3);
    expect(texts()).toEqual(["1", "asked", "over"]);
  } finally {
    await Promise.all([running.stopSchedules(), running.stop()]);
  }
});

describe("what another node writes", () => {
  async function effectsOf(store: Store, wake: (flow: Flow) => void): Promise<[number, number]> {
    const world = createWorld({ store, files: FILES });
    const other = createWorld({ store, files: FILES });
    const running = world.flow().start({ retention: { eventsMs: 1e9, deliveriesMs: 1e9 } });
    try {
      await untilQuiet(() => false);
      await other.send({ type: "x.y", id: "1", data: {} });
      await untilQuiet(() => world.effects.length === 2);
      const before = world.effects.length;
      wake(world.flow());
      await untilQuiet(() => world.effects.length === 2);
      return [before, world.effects.length];
    } finally {
      await Promise.all([running.stopSchedules(), running.stop()]);
    }
  }

  test("is done at once when the store tells of it", async () => {
    expect(await effectsOf(memoryStore(), () => undefined)).toEqual([2, 2]);
  });

  test("is done at once when the flow is woken, as an operation does", async () => {
    const { changed: _, ...silent } = memoryStore();
    expect(await effectsOf(silent, ({ wake }) => wake())).toEqual([0, 2]);
  });
});

test("a wake-up that comes during a round is not lost", async () => {
  const wakeUp = createWakeUp();
  let rounds = 0;
  const round = async () => {
    rounds++;
    if (rounds === 1) wakeUp.wake();
    return { busy: false };
  };
  const loop = startLoop("test", round, wakeUp, { clock: woundClock(), observe: () => undefined });
  await untilQuiet(() => rounds === 2);
  await untilQuiet(() => false);
  expect(rounds).toBe(2);
  await loop.stop();
});
