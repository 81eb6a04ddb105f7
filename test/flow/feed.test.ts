/** Feeds: what is acknowledged is on disk, a break loses nothing and repeats nothing, and one that is down is not asked too often. */
import { afterEach, expect, test } from "vitest";
import { createAccept } from "../../src/flow/accept.ts";
import { startFeeds } from "../../src/flow/feed.ts";
import type { Observation } from "../../src/ports/observe.ts";
import type { Feed, FeedContext } from "../../src/ports/provider.ts";
import type { Store } from "../../src/ports/store.ts";
import { memoryStore } from "../../src/store/memory.ts";
import { woundClock } from "../support/clock.ts";
import { NO_NETWORK } from "../support/world.ts";

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

const moment = () => new Promise((resolve) => setImmediate(resolve));
const ended = (signal: AbortSignal) =>
  new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));

function started(run: Feed["run"], store: Store = memoryStore()) {
  const clock = woundClock();
  const observations: Observation[] = [];
  const observe = (one: Observation) => void observations.push(one);
  const accept = createAccept({ store, clock, observe, stored() {} });
  const source: Feed = { kind: "feed", summary: "A queue", settings: {}, needsSecret: false, events: {}, run };
  const config = { name: "queue", provider: "queue", secrets: [], settings: {} };
  const end = startFeeds({ feeds: [{ config, source, network: NO_NETWORK }], accept, store, clock, observe });
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopped ??= end();
    return stopped;
  };
  closers.push(stop);
  const deliveries = async () => {
    const { items } = await store.events({}, { limit: 100 });
    return items.map(({ event }) => event.delivery).toReversed();
  };
  return { store, clock, observations, stop, deliveries };
}

/** A queue that redelivers what is not acknowledged. */
function queue(...messages: string[]) {
  const unacknowledged = [...messages];
  const run = async ({ take, signal }: FeedContext, breakAfterTake?: string): Promise<void> => {
    for (const delivery of [...unacknowledged]) {
      await take([{ type: "queue.message", delivery, data: { delivery } }]);
      if (delivery === breakAfterTake) throw new Error("killed before it was acknowledged");
      unacknowledged.shift();
    }
    await ended(signal);
  };
  return { unacknowledged, run };
}

test("a message whose feed breaks between take and acknowledge is redelivered, and is in the log once", async () => {
  const { run, unacknowledged } = queue("a", "b", "c");
  let runs = 0;
  const { clock, deliveries, observations } = started((context) => run(context, ++runs === 1 ? "b" : undefined));
  await moment();
  expect(unacknowledged).toEqual(["b", "c"]);
  expect(observations).toContainEqual({
    kind: "fault",
    where: "feed queue",
    message: "killed before it was acknowledged",
  });
  clock.advance(1_000);
  await moment();
  expect(unacknowledged).toEqual([]);
  expect(await deliveries()).toEqual(["a", "b", "c"]);
});

test("nothing is acknowledged that cannot be stored", async () => {
  const store = memoryStore();
  let isFull = true;
  const append: Store["append"] = (...given) =>
    isFull ? Promise.reject(new Error("disk full")) : store.append(...given);
  const { run, unacknowledged } = queue("a");
  const { clock, deliveries } = started(run, { ...store, append });
  await moment();
  expect(unacknowledged).toEqual(["a"]);
  isFull = false;
  clock.advance(1_000);
  await moment();
  expect(unacknowledged).toEqual([]);
  expect(await deliveries()).toEqual(["a"]);
});

test("a feed goes on from the mark that was stored with what it took last", async () => {
  const marks: unknown[] = [];
  const { clock } = started(async ({ mark, take }) => {
    marks.push(mark);
    const at = typeof mark === "number" ? mark : 0;
    await take([{ type: "queue.message", delivery: `${at}`, data: { at } }], at + 1);
    throw new Error("reset");
  });
  for (let i = 0; i < 3; i++) {
    await moment();
    clock.advance(1_000);
  }
  await moment();
  expect(marks.slice(0, 3)).toEqual([undefined, 1, 2]);
});

test("one that is down is asked after 1, 2, 4 … seconds", async () => {
  let runs = 0;
  const { clock } = started(async () => {
    runs++;
    throw new Error("down");
  });
  const counts: number[] = [];
  for (let second = 0; second < 8; second++) {
    await moment();
    counts.push(runs);
    clock.advance(1_000);
  }
  expect(counts).toEqual([1, 2, 2, 3, 3, 3, 3, 4]);
});

test("stopping aborts the signal and waits for what was taken", async () => {
  const store = memoryStore();
  let finish = () => {};
  const written = new Promise<void>((resolve) => (finish = resolve));
  const append: Store["append"] = async (...given) => {
    await written;
    return await store.append(...given);
  };
  const { stop, deliveries } = started(
    async ({ take, signal }) => {
      void take([{ type: "queue.message", delivery: "a", data: {} }]);
      await ended(signal);
    },
    { ...store, append },
  );
  await moment();
  let isStopped = false;
  const stopped = stop().then(() => (isStopped = true));
  await moment();
  expect(isStopped).toBe(false);
  finish();
  await stopped;
  expect(await deliveries()).toEqual(["a"]);
});

test("a feed that does not end when it is told to keeps nobody", async () => {
  const { stop, clock } = started(() => new Promise(() => {}));
  await moment();
  const stopped = stop();
  clock.advance(5_000);
  await stopped;
});

test("a feed that does not wait for what it takes is told so before its drafts are kept, and loses nothing that was taken", async () => {
  const refused: string[] = [];
  const { deliveries } = started(async ({ take, signal }) => {
    const takes = Array.from({ length: 70 }, (_, n) =>
      take([{ type: "queue.message", delivery: String(n), data: { n } }]).catch((error: Error) => {
        refused.push(error.message);
      }),
    );
    await Promise.all(takes);
    await ended(signal);
  });
  await moment();
  expect(refused).toEqual(Array(6).fill("More than 64 takes are under way; await each before the next"));
  expect((await deliveries()).length).toBe(64);
});
