/** Any sequence of calls, some of them made side by side, gets the same answers from every store. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { actionParts, type Decision, type DeliveryStatus, type NewEvent } from "../../src/model.ts";
import type { EventRecord, Page, Store } from "../../src/ports/store.ts";
import { ARRIVAL_MS, decision, delivery, instance, newEvent, timer, trace } from "../support/nouns.ts";
import { STORES } from "../support/stores.ts";

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
  const [id] = await store.undecided(1);
  if (id === undefined) return "nothing to decide";
  const current = await store.instances(decided.instances.map((one) => ({ machine: one.machine, key: one.key })));
  const versions = new Map(current.map((one) => [one.key, one.version]));
  const stepped = decided.instances.map((one) => {
    const version = (versions.get(one.key) ?? 0) + 1;
    versions.set(one.key, version);
    return { ...one, version };
  });
  return store.commit([{ ...decided, event: id, instances: stepped }]);
}

/** As flow does it: whatever is due is fired and settled. */
async function work(
  store: Store,
  { nowMs, status: next, report }: { nowMs: number; status: DeliveryStatus; report: NewEvent },
) {
  const due = await store.due(nowMs, { timers: 2, deliveries: 2, leaseMs: 25 });
  const fired = due.timers.map((one) => store.fire(one, newEvent(`evt_${one.key}_${one.id}_${one.step}`)));
  const settled = due.deliveries.map((one) => ({ delivery: { ...one, status: next, nextAtMs: nowMs + 10 }, report }));
  return [due, await Promise.all(fired), await store.settle(settled.slice(0, 1))];
}

const asks: fc.Arbitrary<Ask> = fc.oneof(
  {
    weight: 4,
    arbitrary: call("append", fc.array(newEvents, { maxLength: 4 }), (store, events) => store.append(events)),
  },
  {
    weight: 4,
    arbitrary: call("commit", fc.array(decisions, { minLength: 1, maxLength: 2 }), (store, all) => store.commit(all)),
  },
  {
    weight: 3,
    arbitrary: call(
      "due",
      fc.record({
        nowMs: soonMs,
        timers: limit,
        deliveries: limit,
        paused: few(fc.constantFrom("slack", "jira")),
      }),
      (store, { nowMs, ...limits }) => store.due(nowMs, { ...limits, leaseMs: 25 }),
    ),
  },
  {
    weight: 2,
    arbitrary: call(
      "settle",
      few(fc.record({ delivery: deliveries, report: newEvents }, { requiredKeys: ["delivery"] })),
      (store, all) => store.settle(all),
    ),
  },
  { weight: 6, arbitrary: calls("advance", decisions, advance) },
  { weight: 3, arbitrary: calls("work", fc.record({ nowMs: soonMs, status, report: newEvents }), work) },
  call("fire", fc.tuple(timers, newEvents), (store, [one, event]) => store.fire(one, event)),
  call("retry", fc.tuple(deliveryId, soonMs), (store, [id, nowMs]) => store.retry(id, nowMs)),
  call("undecided", fc.nat(5), (store, most) => store.undecided(most)),
  call("load", fc.array(eventId), (store, ids) => store.load(ids)),
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

test("every store gives the same answers", { timeout: 120_000 }, async () => {
  const [first, ...others] = STORES;
  await fc.assert(
    fc.asyncProperty(scripts, async (script) => {
      const wanted = await answers(script, first!.open);
      for (const { open } of others) expect(await answers(script, open)).toEqual(wanted);
    }),
    { numRuns: 40, interruptAfterTimeLimit: 60_000 },
  );
});
