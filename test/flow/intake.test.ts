/** How events of the outside enter the log: drafts of any source by `accept`, requests of senders by `receive`. */
import { Type } from "typebox";
import { describe, expect, test } from "vitest";
import { memoryCache } from "../../src/cache/memory.ts";
import { type AcceptDeps, createAccept } from "../../src/flow/accept.ts";
import { createReceiver } from "../../src/flow/receive.ts";
import type { Event } from "../../src/model.ts";
import type { Observation } from "../../src/ports/observe.ts";
import type { EventDraft, Webhook } from "../../src/ports/provider.ts";
import type { Store } from "../../src/ports/store.ts";
import { memoryStore } from "../../src/store/memory.ts";
import { responseOf } from "../../src/web/ingest.ts";
import { woundClock } from "../support/clock.ts";
import { NO_NETWORK } from "../support/world.ts";

function intake(store: Store = memoryStore()) {
  const clock = woundClock();
  const observations: Observation[] = [];
  const stored: Event[] = [];
  const deps: AcceptDeps = {
    ...{ store, clock },
    observe: (one) => void observations.push(one),
    stored: (events) => void stored.push(...events.map(({ event }) => event)),
  };
  return { ...deps, store, clock, observations, storedEvents: stored, accept: createAccept(deps) };
}

const QUEUE = { name: "queue" };
const draft = (delivery: string | undefined, n = 1): EventDraft => ({
  type: "queue.message",
  data: { n },
  ...(delivery === undefined ? {} : { delivery }),
});

describe("messages of a feed", () => {
  test("are in the log, named after their source, when accept resolves", async () => {
    const { accept, store, storedEvents } = intake();
    const { eventIds, isDuplicate } = await accept(QUEUE, [draft("a"), draft("b", 2)]);
    expect(isDuplicate).toBe(false);
    expect(storedEvents.map(({ id }) => id)).toEqual(eventIds);
    const { items } = await store.events({}, { limit: 10 });
    expect(items.map(({ event: { source, delivery } }) => [source, delivery])).toEqual([
      ["queue", "b"],
      ["queue", "a"],
    ]);
  });

  test("are one event when their id comes again in another batch, and the ids are those of the first", async () => {
    const { accept, storedEvents } = intake();
    const first = await accept(QUEUE, [draft("a"), draft("b", 2)]);
    const again = await accept(QUEUE, [draft("b", 2), draft("c", 3)]);
    expect(again.eventIds[0]).toBe(first.eventIds[1]);
    expect(again.isDuplicate).toBe(false);
    expect(storedEvents.map(({ delivery }) => delivery)).toEqual(["a", "b", "c"]);
  });

  test("with ids of their own are events of their own, even when their bodies are equal", async () => {
    const { accept, storedEvents } = intake();
    await accept(QUEUE, [draft("a"), draft("b")]);
    expect(storedEvents).toHaveLength(2);
    expect(new Set(storedEvents.map(({ id }) => id)).size).toBe(2);
  });

  test("without an id are one event while the window for equal bodies is open", async () => {
    const { accept, clock, storedEvents } = intake();
    await accept(QUEUE, [draft(undefined)]);
    expect((await accept(QUEUE, [draft(undefined)])).isDuplicate).toBe(true);
    clock.advance(7 * 86_400_000);
    expect((await accept(QUEUE, [draft(undefined)])).isDuplicate).toBe(true);
    clock.advance(1);
    expect((await accept(QUEUE, [draft(undefined)])).isDuplicate).toBe(false);
    expect(storedEvents).toHaveLength(2);
  });

  test("are stored together with the mark that says how far the feed has been read", async () => {
    const { accept, store } = intake();
    await accept(QUEUE, [draft("a")], { mark: { offset: 7 } });
    expect(await store.mark("queue")).toEqual({ offset: 7 });
    await accept(QUEUE, [draft("a")], { mark: { offset: 8 } });
    expect(await store.mark("queue")).toEqual({ offset: 8 });
    await accept(QUEUE, [draft("b")]);
    expect(await store.mark("queue")).toEqual({ offset: 8 });
  });

  test("are not accepted by a store that cannot write, and nobody hears of them", async () => {
    const { accept, storedEvents } = intake({ ...memoryStore(), append: () => Promise.reject(new Error("disk full")) });
    await expect(accept(QUEUE, [draft("a")])).rejects.toThrow("disk full");
    expect(storedEvents).toEqual([]);
  });
});

const BELIEVED: Webhook = {
  kind: "webhook",
  summary: "Whatever comes",
  settings: Type.Object({}),
  needsSecret: false,
  contentTypes: ["*"],
  events: {},
  verify: () => ({ ok: true }),
  normalise: () => ({ kind: "events", events: [draft("a")] }),
};

describe("a request of a sender", () => {
  async function received(source: Partial<Webhook>) {
    const deps = intake();
    const configured = {
      config: { name: "in", provider: "any", secrets: ["s"], settings: {} },
      source: { ...BELIEVED, ...source },
      network: NO_NETWORK,
      paths: ["/hooks/in"],
      bodyBytesMax: 100,
    };
    const receiver = createReceiver({
      ...deps,
      ...{ sources: [configured], cache: memoryCache({ clock: deps.clock }) },
    });
    const request = { method: "POST", path: "/hooks/in", query: "", headers: {}, body: Buffer.from("[1]") };
    const result = await receiver.receive(request, { source: "in", bodyBytesMax: 100 }, "req-1");
    const [refusal] = await deps.store.refusals(1);
    return { ...deps, result, refusal, response: responseOf(result, "req-1") };
  }

  test("whose check throws is refused for a reason of its own, and the fault is reported", async () => {
    const { result, refusal, response, observations } = await received({
      verify() {
        throw new Error("no such key");
      },
    });
    expect(result).toEqual({ kind: "refused", code: "SB0503", reason: "verify_failed" });
    expect(refusal).toMatchObject({ status: 401, reason: "verify_failed" });
    expect(response.status).toBe(401);
    expect(observations).toContainEqual({ kind: "fault", where: "verify in", message: "no such key" });
  });

  test("that is refused is told what went wrong and what to do, in the same form as by the API", async () => {
    const { response } = await received({ normalise: () => ({ kind: "malformed", detail: "The body is a list" }) });
    expect(JSON.parse(response.body)).toEqual({
      type: "about:blank",
      title: "The signature is right but the body cannot be read",
      status: 400,
      code: "SB0506",
      detail: "The body is a list",
      hint: "Send a JSON object; the delivery is recorded under refusals",
      instance: "req-1",
    });
  });

  test("whose body cannot be read is kept in part, because the sender is known; of others nothing is kept", async () => {
    const malformed = await received({ normalise: () => ({ kind: "malformed", detail: "The body is a list" }) });
    expect(malformed.refusal).toMatchObject({ code: "SB0506", reason: "The body is a list", excerpt: "[1]" });
    const forged = await received({ verify: () => ({ ok: false, reason: "signature_mismatch" }) });
    expect(forged.refusal).toMatchObject({ code: "SB0503", reason: "signature_mismatch" });
    expect(forged.refusal).not.toHaveProperty("excerpt");
  });
});
