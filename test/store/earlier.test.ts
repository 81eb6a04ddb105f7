/**
 * A file of version 0.1 opens, and what it holds is found in today's form.
 *
 * test/fixtures/store/v0.1.db was made by the build of commit 644d597, with its SQLite store and its core on a clock that begins at
 * 2026-01-05T09:00Z, then checkpointed into one file and vacuumed. The machine `gate` waits for the call `ask` in `asking`, and in
 * `waiting` it emits `gate.waiting`, posts, and has a timer of 1h; a second revision makes that 2h. Decided: deliveries of every status,
 * a call that was cancelled (instance c), a timer that is set (d), a migration (g), a delivery under lease. Not decided: the outcome of
 * a call (b), a timer that was due (e), a migration (f), a signal by hand (h) and an event for a rule. Beside them: a token, two entries
 * of the audit log, a refusal, both policies and definitions.
 */
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Type } from "typebox";
import { afterEach, beforeEach, expect, test } from "vitest";
import { decide, plan } from "../../src/core/decide.ts";
import { compileMachine } from "../../src/core/machine/file/compile.ts";
import { createAdvance } from "../../src/flow/advance.ts";
import type { Delivery, Trace } from "../../src/model.ts";
import { compilePolicy, type Policy } from "../../src/policy/policy.ts";
import { createDefinitions } from "../../src/policy/running.ts";
import type { Store } from "../../src/ports/store.ts";
import { woundClock } from "../support/clock.ts";
import { sqliteStoreInThisThread } from "../support/stores.ts";

const FILE = new URL("../fixtures/store/v0.1.db", import.meta.url).pathname;
const AT = Date.UTC(2026, 0, 5, 9);
const HOUR = 3_600_000;
const ALL = { limit: 1_000 };
const POST = new Map([["out.post", { params: Type.Object({ text: Type.String() }) }]]);

let folder: string;
let store: Store;
beforeEach(() => {
  folder = mkdtempSync(join(process.env.SIGNALBOX_TEST_RECORDS ?? tmpdir(), "signalbox-earlier-"));
  copyFileSync(FILE, join(folder, "signalbox.db"));
  store = sqliteStoreInThisThread(join(folder, "signalbox.db"));
});
afterEach(async () => {
  await store.close();
  rmSync(folder, { recursive: true });
});

const eventsOfType = async (type: string) => {
  const { items } = await store.events({ type }, ALL);
  return (await Promise.all(items.map(({ event }) => store.event(event.id)))).map((record) => record!);
};
const deliveries = async (): Promise<Delivery[]> => (await store.deliveries({}, ALL)).items;
const instance = async (key: string) => (await store.instances([{ machine: "gate", key }]))[0];
const traceOf = async (type: string, key: string): Promise<Trace | undefined> =>
  (await eventsOfType(type)).find(({ event }) => event.to?.key === key)?.trace;

const policyAt = async (revision: string): Promise<Policy> =>
  compilePolicy((await store.policy(revision))!, { actions: POST, vars: {} }).policy!;

/** Decides what the file holds undecided, with the policy that ran last. */
async function decideAll(): Promise<void> {
  const { trace } = (await store.events({ type: "instance.migrated" }, ALL)).items.find((one) => one.trace)!;
  const policy = await policyAt(trace!.policy);
  const advance = createAdvance({
    store,
    node: "today",
    clock: woundClock(AT + 2 * HOUR),
    observe() {},
    policy: () => policy,
    definition: createDefinitions(
      store,
      (id, definition) => compileMachine(definition, { id, templates: new Map(), actions: POST, vars: {} }).machine,
    ),
    committed() {},
  });
  while ((await advance.round()).busy);
}

test("addresses say what kind they are", async () => {
  const to = async (type: string) => (await eventsOfType(type)).flatMap(({ event }) => event.to ?? []);
  expect(await to("delivery.done")).toEqual([
    { kind: "call", machine: "gate", key: "b", signal: "done.ask", call: "ask", step: 1, ok: true },
  ]);
  expect(await to("timer.due")).toEqual([
    { kind: "timer", machine: "gate", key: "e", signal: "timer.waiting.1h", timer: "waiting.1h", step: 1 },
  ]);
  expect(await to("signal.sent")).toEqual([{ kind: "signal", machine: "gate", key: "h", signal: "CLOSE" }]);
  expect((await eventsOfType("instance.migrated")).map(({ event }) => event.type)).toEqual([
    "instance.migrated",
    "instance.migrated",
  ]);
  const migration = {
    kind: "migration",
    machine: "gate",
    definition: expect.stringMatching(/^[0-9a-f]{16}$/) as string,
  };
  expect(await to("instance.migrated")).toEqual([
    { ...migration, key: "f", timers: [{ id: "waiting.1h", step: 1, dueAtMs: AT + HOUR + 14_000 }] },
    { ...migration, key: "g", timers: [{ id: "waiting.1h", step: 1, dueAtMs: AT + HOUR + 15_000 }] },
  ]);
});

test("deliveries have connection, action and a tagged cause, and are found by the name of their action", async () => {
  const found = await deliveries();
  expect(new Set(found.map(({ status }) => status))).toEqual(
    new Set(["pending", "done", "dead", "observed", "cancelled"]),
  );
  expect(new Set(found.map(({ connection, action }) => `${connection} ${action}`))).toEqual(new Set(["out post"]));
  const ofText = (text: string) => found.find(({ params }) => params.text === text);
  expect(ofText("done")).toMatchObject({
    cause: { kind: "rule", rule: "tell", item: 0, index: 0 },
    status: "done",
    emitsOutcome: true,
    result: { ts: "1" },
  });
  expect(ofText("done")).not.toHaveProperty("reports");
  expect(ofText("observed")).toMatchObject({ status: "observed", emitsOutcome: false });
  expect(ofText("again")).toMatchObject({ status: "pending", attempts: [{ outcome: "retry", status: 503 }] });
  expect(ofText("waits")?.cause).toMatchObject({ kind: "step", machine: "gate", step: 1 });
  expect(ofText("waits")?.cause).not.toHaveProperty("call");
  expect(ofText("may c pass?")).toMatchObject({
    cause: { kind: "call", machine: "gate", key: "c", step: 1, index: 0, call: "ask" },
    status: "cancelled",
  });
  expect((await store.deliveries({ action: "out.post" }, ALL)).items).toHaveLength(found.length);
});

test("deciding an event again gives its deliveries the ids they have", async () => {
  const records = (await Promise.all(["x.tell", "x.watch", "x.open", "x.wait"].map(eventsOfType))).flat();
  const decided = records.filter(({ trace }) => trace !== undefined);
  for (const { event, trace, decidedAtMs } of decided) {
    const policy = { ...(await policyAt(trace!.policy)), definition: () => undefined };
    const again = decide(policy, plan(policy, event, decidedAtMs!), () => undefined, decidedAtMs!);
    expect(again.deliveries.map(({ id }) => id)).toEqual(trace!.deliveries.map(({ id }) => id));
    expect(again.deliveries).toHaveLength(1);
  }
  expect(decided).toHaveLength(12);
});

test("traces name emitted events by id, and connection and action of deliveries", async () => {
  const [record] = await eventsOfType("x.wait");
  const [emitted] = record!.trace!.emitted;
  expect(emitted).toEqual({ id: expect.stringMatching(/^evt_/) as string });
  expect((await store.event(emitted!.id))?.event.type).toBe("gate.waiting");
  expect(record!.trace!.deliveries).toMatchObject([{ connection: "out", action: "post" }]);
});

test("what is kept beside the log is there, and moves are called migrations", async () => {
  expect(await store.tokens()).toMatchObject([{ name: "ci", scopes: ["read"] }]);
  expect((await store.audits(10)).map(({ what }) => what)).toEqual(["migrate", "retry"]);
  expect(await store.refusals(10)).toMatchObject([{ id: "req-1", reason: "signature_mismatch" }]);
  expect(await store.timersOf({ machine: "gate", key: "d" })).toMatchObject([{ id: "waiting.1h", step: 1 }]);
  expect((await store.instanceList({ machine: "gate" }, ALL)).items).toHaveLength(8);
});

test("what was undecided is decided as it would have been", async () => {
  const before = { definition: (await instance("f"))?.definition, deliveries: (await deliveries()).length };
  await decideAll();
  expect((await store.counts()).undecided).toBe(0);
  expect(await instance("b")).toMatchObject({ state: "waiting", version: 2 });
  expect(await instance("e")).toMatchObject({ state: "late", timers: {} });
  expect(await instance("h")).toMatchObject({ state: "over", status: "done" });
  const migrated = await instance("f");
  expect(migrated).toMatchObject({ state: "waiting", version: 2, timers: { "waiting.2h": 2 } });
  expect(migrated?.definition).not.toBe(before.definition);
  // The due time came with the event: without it the timer would run from now.
  expect(await store.timersOf({ machine: "gate", key: "f" })).toMatchObject([
    { id: "waiting.2h", dueAtMs: AT + HOUR + 14_000 },
  ]);
  expect(await traceOf("instance.migrated", "f")).toMatchObject({ problems: [], transitions: [{ taken: true }] });
  const added = (await deliveries()).slice(0, -before.deliveries);
  expect(added.map(({ params, cause }) => [params.text, cause.kind]).sort()).toEqual([
    ["later", "rule"],
    ["waits", "step"],
  ]);
});
