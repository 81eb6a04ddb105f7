/** Targets of every temper on a virtual clock: how long until all deliveries are done, beside the best possible. */
import { setImmediate } from "node:timers/promises";
import { Type } from "typebox";
import { memoryCache } from "../../src/cache/memory.ts";
import { createDeliver } from "../../src/flow/deliver.ts";
import type { JsonObject, Outcome } from "../../src/model.ts";
import type { ActionContext, Provider } from "../../src/ports/provider.ts";
import { memoryStore } from "../../src/store/memory.ts";
import { setClock } from "./clock.ts";
import { ARRIVAL_MS, decision, delivery, newEvent } from "./nouns.ts";
import { commit } from "./stores.ts";
import { NO_NETWORK } from "./world.ts";

/** One request as the target sees it. */
export interface TargetRequest {
  /** Number of the delivery, from 0. */
  item: number;
  /** Number of the request, from 1. */
  request: number;
  /** 1 = the first of this delivery. */
  attempt: number;
  /** Since the start. */
  atMs: number;
}

export interface Target {
  name: string;
  /** Whether the request passes; else its status. */
  answers(request: TargetRequest): true | { status: number; afterMs?: number };
  /** How long an answer takes; 50 ms unless given. */
  latencyMs?(request: TargetRequest): number;
  /** Which deliveries can never pass; they are not waited for. */
  isPoison?(item: number): boolean;
  /** The shortest time in which all that can pass could have passed. */
  bestMs(deliveries: number, concurrency: number): number;
}

const LATENCY_MS = 50;

export interface Result {
  /** When the last delivery that can pass had passed, since the start. */
  doneMs: number;
  bestMs: number;
  /** The longest that one delivery waited between its own tries, whatever the connection did. */
  ownWaitMs: number;
  requests: number;
  /** Of these that can pass: given up. */
  dead: number;
}

/** Sends that many deliveries, all due at the start, to the target until all that can pass have passed. */
export async function deliverAll(
  target: Target,
  { deliveries, concurrency, limitMs = 86_400_000 }: { deliveries: number; concurrency: number; limitMs?: number },
): Promise<Result> {
  const clock = setClock();
  const memory = memoryStore();
  const ownWaits = new Map<string, number>();
  const store: typeof memory = {
    ...memory,
    async settle(settlements) {
      for (const { delivery } of settlements) {
        const { id, status, nextAtMs } = delivery;
        if (status === "pending") ownWaits.set(id, (ownWaits.get(id) ?? 0) + nextAtMs - clock.now());
      }
      return memory.settle(settlements);
    },
  };
  const startMs = clock.monotonic();
  const waiting = new Set<number>();
  for (let item = 0; item < deliveries; item++) if (!target.isPoison?.(item)) waiting.add(item);
  let requests = 0;
  let doneMs = 0;
  let dead = 0;

  const perform = async (params: JsonObject, { attempt }: ActionContext): Promise<Outcome> => {
    const item = Number(params.item);
    requests += 1;
    const request = { item, request: requests, attempt, atMs: clock.monotonic() - startMs };
    const answer = target.answers(request);
    await clock.sleep(target.latencyMs?.(request) ?? LATENCY_MS);
    if (answer !== true) {
      const { status, afterMs } = answer;
      return { kind: "retry", error: { message: "busy", status }, ...(afterMs === undefined ? {} : { afterMs }) };
    }
    waiting.delete(item);
    doneMs = clock.monotonic() - startMs;
    return { kind: "done" };
  };
  const post = { summary: "", params: Type.Object({}), example: {}, idempotency: "none" as const, perform };
  const provider: Provider = { name: "out", summary: "", connection: { settings: Type.Object({}), actions: { post } } };
  const config = { name: "out", provider: "out", settings: {} };
  const deliver = createDeliver({
    ...{ store, clock, cache: memoryCache({ clock }) },
    observe: (observation) => {
      if (observation.kind === "attempted" && observation.dead && waiting.delete(Number(observation.delivery)))
        dead += 1;
    },
    connections: new Map([["out", { config, provider, network: NO_NETWORK, concurrency }]]),
    reported: () => undefined,
    freed: () => undefined,
  });
  await store.append([newEvent("evt_1")]);
  const due = Array.from({ length: deliveries }, (_, item) =>
    delivery(`${item}`, { connection: "out", action: "post", params: { item }, nextAtMs: ARRIVAL_MS }),
  );
  await commit(store, [decision("evt_1", { deliveries: due })]);

  while (waiting.size > 0 && clock.monotonic() - startMs < limitMs) {
    const { nextAtMs = Number.POSITIVE_INFINITY } = await deliver.round();
    await setImmediate();
    const inMs = Math.min(nextAtMs - clock.now(), clock.nextInMs() ?? Number.POSITIVE_INFINITY, 1_000);
    clock.advance(Math.max(1, inMs));
    await setImmediate();
  }
  const passed = [...ownWaits].filter(([id]) => !target.isPoison?.(Number(id)));
  const ownWaitMs = Math.max(0, ...passed.map(([, ms]) => ms));
  return { doneMs, bestMs: target.bestMs(deliveries, concurrency), ownWaitMs, requests, dead };
}

/** So many requests, as many side by side as the connection takes. */
function inRounds(requests: number, concurrency: number, latencyMs = LATENCY_MS): number {
  return Math.ceil(requests / concurrency) * latencyMs;
}

const BUSY = { status: 503 };
const MINUTE_MS = 60_000;

export const TARGETS: readonly Target[] = [
  { name: "healthy", answers: () => true, bestMs: (n, slots) => inRounds(n, slots) },
  {
    name: "fails the first try of every delivery",
    answers: ({ attempt }) => attempt > 1 || BUSY,
    bestMs: (n, slots) => inRounds(2 * n, slots),
  },
  {
    name: "fails the first two tries of every delivery",
    answers: ({ attempt }) => attempt > 2 || BUSY,
    bestMs: (n, slots) => inRounds(3 * n, slots),
  },
  {
    name: "fails every third request",
    answers: ({ request }) => request % 3 !== 0 || BUSY,
    bestMs: (n, slots) => inRounds(1.5 * n, slots),
  },
  {
    name: "never takes one kind of item (every fifth)",
    answers: ({ item }) => item % 5 !== 0 || BUSY,
    isPoison: (item) => item % 5 === 0,
    bestMs: (n, slots) => inRounds(n, slots),
  },
  {
    name: "never takes the first 100",
    answers: ({ item }) => item >= 100 || BUSY,
    isPoison: (item) => item < 100,
    bestMs: (n, slots) => inRounds(n, slots),
  },
  {
    name: "never takes the first 100, and asks for a minute",
    answers: ({ item }) => item >= 100 || { status: 503, afterMs: MINUTE_MS },
    isPoison: (item) => item < 100,
    bestMs: (n, slots) => inRounds(n, slots),
  },
  {
    name: "takes 20 s to refuse the first 8",
    answers: ({ item }) => item >= 8 || BUSY,
    latencyMs: ({ item }) => (item < 8 ? 20_000 : LATENCY_MS),
    isPoison: (item) => item < 8,
    bestMs: (n, slots) => 2 * inRounds(n, slots),
  },
  { name: "slow", answers: () => true, latencyMs: () => 5_000, bestMs: (n, slots) => inRounds(n, slots, 5_000) },
  {
    name: "flapping, 10 s up and 10 s down",
    answers: ({ atMs }) => Math.floor(atMs / 10_000) % 2 === 1 || BUSY,
    bestMs: (n, slots) => 10_000 + inRounds(n, slots),
  },
  {
    name: "dead for 10 minutes, then back",
    answers: ({ atMs }) => atMs > 10 * MINUTE_MS || BUSY,
    bestMs: (n, slots) => 10 * MINUTE_MS + inRounds(n, slots),
  },
  {
    name: "dies for 5 minutes after 1 s",
    answers: ({ atMs }) => atMs < 1_000 || atMs > 5 * MINUTE_MS || BUSY,
    bestMs: (n, slots) => 5 * MINUTE_MS + inRounds(n, slots) - 1_000,
  },
];
