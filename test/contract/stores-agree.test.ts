/** Any sequence of calls, some of them made side by side, gets the same answers from every store. */
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type Attempt,
  actionParts,
  type Decision,
  type DeliveryStatus,
  type Json,
  type NewEvent,
} from "../../src/model.ts";
import type { EventRecord, Page } from "../../src/ports/questions.ts";
import type { Store } from "../../src/ports/store.ts";
import { ARRIVAL_MS, decision, delivery, instance, newEvent, timer, trace } from "../support/nouns.ts";
import { CLAIM, STORES } from "../support/stores.ts";
import { thorough } from "../support/thorough.ts";

/** A call and how it reads in a counter-example. */
interface Ask {
  text: string;
  /** It is really several calls, whose interleaving with others may differ from store to store. */
  alone: boolean;
  run(store: Store): Promise<unknown>;
}

// Small alphabets, so that calls meet.
const letter = fc.constantFrom("a", "b", "c");
const eventId = fc.integer({ min: 0, max: 9 }).map((n) => `evt_${n}`);
const deliveryId = fc.integer({ min: 0, max: 5 }).map((n) => `dlv_${n}`);
const soonMs = fc.integer({ min: 0, max: 9 }).map((n) => ARRIVAL_MS + n * 10);
const key = fc.record({ key: letter.map((name) => `id:${name}`), untilMs: soonMs }, { requiredKeys: ["key"] });
const type = fc.constantFrom("github.push", "github.pull_request.closed", "gitlab.push");
const repo = fc.constantFrom("acme/web", "acme/api");
const action = fc.constantFrom("slack.post", "slack.update", "jira.comment");
const status = fc.constantFrom<DeliveryStatus>(
  "pending",
  "pending",
  "pending",
  "done",
  "dead",
  "observed",
  "cancelled",
);
const rule = letter.map((name) => ({ rule: name, items: 1, mode: "live" as const }));

const newEvents: fc.Arbitrary<NewEvent> = fc
  .record({
    id: eventId,
    type,
    repo: fc.option(repo, { nil: undefined }),
    atMs: soonMs,
    keys: fc.array(key, { maxLength: 2 }),
  })
  .map(({ id, atMs, keys, repo: named, ...more }) =>
    newEvent(
      id,
      { ...more, ...(named !== undefined && { repo: named }), receivedAt: new Date(atMs).toISOString() },
      keys,
    ),
  );
const timers = fc
  .record({ id: letter, key: letter, step: fc.integer({ min: 1, max: 3 }), dueAtMs: soonMs })
  .map(({ id, ...more }) => timer(id, more));
const deliveries = fc
  .record({ id: deliveryId, event: eventId, action: action.map(actionParts), status, nextAtMs: soonMs })
  .map(({ id, action: parts, ...more }) => delivery(id, { ...more, ...parts }));
const instances = fc
  .record({ key: letter, version: fc.integer({ min: 1, max: 3 }), updatedAtMs: soonMs })
  .map(({ key: name, version, updatedAtMs }) => instance(name, version, { updatedAtMs }));
const few = <T>(one: fc.Arbitrary<T>) => fc.array(one, { maxLength: 2 });
const decisions = fc
  .record({
    id: eventId,
    instances: few(instances),
    timersSet: few(timers),
    timersCancelled: few(timers),
    deliveries: few(deliveries),
    cancelled: few(deliveryId),
    emitted: few(newEvents),
    matched: few(rule),
    considered: fc.integer({ min: 0, max: 1 }),
    problems: few(fc.constant({ code: "SB0402", message: "no such key" })),
  })
  .map(({ id, matched, considered, problems, ...more }) =>
    decision(id, { ...more, trace: trace({ matched, considered, problems }) }),
  );
const filter = fc.record(
  {
    type: fc.oneof(type, fc.constantFrom("github.*", "*")),
    repo,
    rule: letter,
    outcome: fc.constantFrom("matched", "near-miss", "no-rule", "undecided", "problem"),
    sinceMs: soonMs,
    untilMs: soonMs,
  },
  { requiredKeys: [] },
);
const limit = fc.integer({ min: 1, max: 3 });
const room = fc.nat(2);
const marks = fc.record({ source: letter, value: fc.jsonValue({ maxDepth: 1 }) as fc.Arbitrary<Json> });

const asking =
  (alone: boolean) =>
  <T>(method: string, args: fc.Arbitrary<T>, run: (store: Store, args: T) => Promise<unknown>) =>
    args.map(
      (given): Ask => ({ text: `${method} ${JSON.stringify(given)}`, alone, run: (store) => run(store, given) }),
    );
const call = asking(false);
const calls = asking(true);

/** All pages of a listing: a cursor means something only to the store that gave it. */
async function pages<T>(ask: (page: Page) => Promise<{ items: T[]; cursor?: string }>, size: number) {
  const all: T[][] = [];
  let page: Page = { limit: size };
  for (;;) {
    const { items, cursor } = await ask(page);
    all.push(items);
    if (cursor === undefined) return all;
    page = { limit: size, cursor };
  }
}

/** Positions rise along the log, but a store may leave gaps. */
function withoutSeq(record: EventRecord | undefined) {
  if (record === undefined) return undefined;
  const { seq, ...rest } = record;
  return rest;
}

/** As flow does it: the oldest undecided event, over the instances as they are. */
async function advance(store: Store, decided: Decision): Promise<unknown> {
  const { ids, ...tenure } = await store.claim("a", { ...CLAIM, limit: 1 });
  const [id] = ids;
  if (id === undefined) return "nothing to decide";
  const current = await store.instances(decided.instances.map((one) => ({ machine: one.machine, key: one.key })));
  const versions = new Map(current.map((one) => [one.key, one.version]));
  const stepped = decided.instances.map((one) => {
    const version = (versions.get(one.key) ?? 0) + 1;
    versions.set(one.key, version);
    return { ...one, version };
  });
  return store.commit([{ ...decided, event: id, instances: stepped }], tenure);
}

/** As flow does it: whatever is due is fired and settled. */
async function work(
  store: Store,
  { nowMs, status: next, report }: { nowMs: number; status: DeliveryStatus; report: NewEvent },
) {
  const due = await store.timersDue(nowMs, 2);
  const fired = due.timers.map((one) => store.fire(one, newEvent(`evt_${one.key}_${one.id}_${one.step}`)));
  const { leased, ...rest } = await store.lease(nowMs, { room: { jira: 1 }, roomOfOthers: 2, limit: 2, leaseMs: 25 });
  const attempt: Attempt = { atMs: nowMs, ms: 1, outcome: "retry", detail: "busy" };
  const settled = leased.map(({ lease, delivery }) => ({
    lease,
    delivery: { ...delivery, status: next, nextAtMs: nowMs + 10, attempts: [...delivery.attempts, attempt] },
    report,
  }));
  return [due, leased, rest, await Promise.all(fired), await store.settle(settled.slice(0, 1))];
}

const asks: fc.Arbitrary<Ask> = fc.oneof(
  {
    weight: 4,
    arbitrary: call(
      "append",
      fc.record({ events: fc.array(newEvents, { maxLength: 4 }), mark: marks }, { requiredKeys: ["events"] }),
      (store, { events, mark }) => store.append(events, mark),
    ),
  },
  {
    weight: 4,
    arbitrary: call(
      "commit",
      fc.tuple(fc.array(decisions, { minLength: 1, maxLength: 2 }), fc.integer({ min: 1, max: 3 })),
      (store, [all, fence]) => store.commit(all, { lane: 0, fence }),
    ),
  },
  {
    weight: 3,
    arbitrary: call(
      "lease",
      fc.record({
        nowMs: soonMs,
        room: fc.record({ slack: room, jira: room }, { requiredKeys: [] }),
        roomOfOthers: room,
        limit,
      }),
      (store, { nowMs, ...options }) => store.lease(nowMs, { ...options, leaseMs: 25 }),
    ),
  },
  call("timersDue", fc.tuple(soonMs, limit), (store, [nowMs, most]) => store.timersDue(nowMs, most)),
  {
    weight: 2,
    arbitrary: call(
      "settle",
      few(
        fc.record(
          { lease: fc.integer({ min: 0, max: 3 }), delivery: deliveries, report: newEvents },
          { requiredKeys: ["lease", "delivery"] },
        ),
      ),
      (store, all) => store.settle(all),
    ),
  },
  {
    weight: 2,
    arbitrary: call(
      "claim",
      fc.record({
        node: fc.constantFrom("a", "b"),
        nowMs: soonMs,
        limit: fc.nat(5),
        bytes: fc.constantFrom(1, 40, 1_000),
        held: few(eventId),
      }),
      (store, { node, ...options }) => store.claim(node, { ...options, leaseMs: 25 }),
    ),
  },
  { weight: 6, arbitrary: calls("advance", decisions, advance) },
  { weight: 3, arbitrary: calls("work", fc.record({ nowMs: soonMs, status, report: newEvents }), work) },
  call("fire", fc.tuple(timers, newEvents), (store, [one, event]) => store.fire(one, event)),
  call("retry", fc.tuple(deliveryId, soonMs), (store, [id, nowMs]) => store.retry(id, nowMs)),
  call("mark", letter, (store, source) => store.mark(source)),
  calls("scan", fc.tuple(fc.nat(3), limit), async (store, [skip, most]) => {
    const first = await store.scan(0, skip + 1);
    return (await store.scan(first.at(-1)?.seq ?? 0, most)).map(withoutSeq);
  }),
  call("countsByState", fc.constant("gate"), (store, machine) => store.countsByState(machine)),
  call("instances", fc.array(letter), (store, keys) =>
    store.instances(keys.map((name) => ({ machine: "gate", key: name }))),
  ),
  call("event", eventId, async (store, id) => withoutSeq(await store.event(id))),
  call("delivery", deliveryId, (store, id) => store.delivery(id)),
  call("timersOf", letter, (store, name) => store.timersOf({ machine: "gate", key: name })),
  call("counts", fc.constant(null), (store) => store.counts()),
  calls("events", fc.tuple(filter, limit), async (store, [wanted, size]) => {
    const found = await pages((page) => store.events(wanted, page), size);
    return found.map((records) => records.map(withoutSeq));
  }),
  calls(
    "deliveries",
    fc.tuple(fc.record({ status, event: eventId, action }, { requiredKeys: [] }), limit),
    (store, [wanted, size]) => pages((page) => store.deliveries(wanted, page), size),
  ),
  calls("instanceList", fc.tuple(fc.record({ key: letter }, { requiredKeys: [] }), limit), (store, [wanted, size]) =>
    pages((page) => store.instanceList(wanted, page), size),
  ),
);

/** Calls of one inner list are made side by side. */
const scripts = fc.array(fc.array(asks, { minLength: 1, maxLength: 4 }), { minLength: 5, maxLength: 25, size: "max" });

async function answers(script: Ask[][], open: (typeof STORES)[number]["open"]) {
  const { store, remove } = await open();
  const all: { text: string; answer: unknown }[] = [];
  for (const group of script) {
    const [alone, together] = [group.filter((ask) => ask.alone), group.filter((ask) => !ask.alone)];
    const found = await Promise.all(together.map((ask) => ask.run(store)));
    all.push(...together.map(({ text }, index) => ({ text, answer: found[index] })));
    for (const ask of alone) all.push({ text: ask.text, answer: await ask.run(store) });
  }
  await remove();
  return all;
}

test("every store gives the same answers", async () => {
  const [first, ...others] = STORES;
  await fc.assert(
    fc.asyncProperty(scripts, async (script) => {
      const wanted = await answers(script, first!.open);
      for (const { open } of others) expect(await answers(script, open)).toEqual(wanted);
    }),
    { numRuns: thorough(40, 400), interruptAfterTimeLimit: 60_000 },
  );
});
