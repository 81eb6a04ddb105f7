/** A machine's file is edited while instances live: no instance migrates or is stranded silently, and one that migrates goes on. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Instance, Timer } from "../../src/model.ts";
import { type Started, startEngineIn } from "../support/engine.ts";
import { folderOf, until } from "../support/served.ts";

const CONFIG = "server: { host: 127.0.0.1, port: 0, admin: { port: 0 } }\n";
const machine = (wait: string, more = "", tail = "") => `
id: gate
startOn: [OPEN, STICK]
context: { name: "{{event.data.name}}" }
initial: new
states:
  new: { on: { OPEN: waiting, STICK: stuck } }
  waiting: { after: { ${wait} }${more} }
  stuck: { on: { FREE: waiting } }
  over: { type: final }
${tail}`;

let folder: string;
let started: Started;
beforeEach(async () => {
  folder = folderOf({
    "signalbox.yaml": CONFIG,
    "rules/none.yaml": "[]",
    "statemachines/gate.yaml": machine("400ms: over"),
  });
  started = await startEngineIn(folder, {});
});
afterEach(async () => {
  await started.stop();
  rmSync(folder, { recursive: true });
});

const edit = async (text: string) => {
  writeFileSync(join(folder, "statemachines/gate.yaml"), text);
  return await started.engine.reload();
};
const open = async (key: string, event = "OPEN") => {
  await started.engine.operations.signal("gate", key, { event, data: { name: key }, reason: "test" }, { who: "test" });
  await started.quiet();
};
const detail = async (key: string): Promise<{ instance: Instance; timers: readonly Timer[] }> =>
  await started.engine.operations.instance("gate", key);
const definitionOf = async (key: string) => (await detail(key)).instance.definition;

test("a reload migrates no instance and tells which could, which could not, and why", async () => {
  await open("a");
  await open("b", "STICK");
  const before = [await definitionOf("a"), await definitionOf("b")];
  const report = await edit(machine("1h: over").replaceAll("stuck", "jammed"));
  expect(report.migrations).toEqual([
    {
      machine: "gate",
      definition: expect.stringMatching(/^[0-9a-f]{16}$/) as string,
      migrating: 1,
      staying: [
        {
          reason: 'The state "stuck" is no longer there; say under migrate.states where it goes',
          count: 1,
          keys: ["b"],
        },
      ],
      notes: ['The timer "waiting.400ms" is called "waiting.1h" now and stays due when it was'],
    },
  ]);
  expect([await definitionOf("a"), await definitionOf("b")]).toEqual(before);
  const { body } = await started.api<{ migrations: unknown }>("/api/v1/policy/reload", {});
  expect(body.migrations).toEqual(report.migrations);
});

test("a reload that is rejected says nothing of instances", async () => {
  await open("a");
  expect((await edit(machine("1h: over"))).migrations).toHaveLength(1);
  const report = await edit(machine("1h: nowhere"));
  expect([report.current, report.migrations]).toEqual([false, undefined]);
});

test("an instance that migrates keeps the due time of its timer, and goes the new way when it fires", async () => {
  await open("a");
  const { timers: before } = await detail("a");
  const { migrations: [plan] = [] } = await edit(machine("1h: late", "", "  late: {}\n"));
  const { status, body } = await started.api("/api/v1/machines/gate/migrations", {});
  expect([status, body.migrating]).toEqual([202, 1]);
  await until("it migrated", async () => (await definitionOf("a")) === plan?.definition);
  const { timers: after } = await detail("a");
  expect(after.map(({ id, dueAtMs }) => [id, dueAtMs])).toEqual(before.map(({ dueAtMs }) => ["waiting.1h", dueAtMs]));
  await until("it migrated", async () => (await detail("a")).instance.state === "late");
  const { body: events } = await started.api<{ items: { event: { type: string } }[] }>(
    "/api/v1/events?type=instance.migrated",
  );
  expect(events.items).toHaveLength(1);
  const { body: audit } = await started.api<{ items: { what: string; target: string }[] }>("/api/v1/audit");
  expect(audit.items.map(({ what, target }) => `${what} ${target}`)).toContain("migrate gate");
});

test("with what the file says under migrate all instances migrate, and a second order migrates none", async () => {
  await open("a");
  await open("b", "STICK");
  const text = machine("1h: over", "", "migrate: { states: { stuck: jammed } }\n").replace(
    /stuck(?!:)|stuck(?=: \{)/g,
    "jammed",
  );
  await edit(text.replace("states: { jammed: jammed }", "states: { stuck: jammed }"));
  const plan = await started.engine.operations.planMigration("gate", {});
  expect([plan.migrating, plan.staying]).toEqual([2, []]);
  await started.engine.operations.migrate("gate", {}, { who: "test" });
  await until("it migrated", async () => (await definitionOf("b")) === plan.definition);
  expect((await detail("b")).instance.state).toBe("jammed");
  await started.quiet();
  expect((await started.engine.operations.migrate("gate", {}, { who: "test" })).migrating).toBe(0);
  await open("b", "FREE");
  expect((await detail("b")).instance.state).toBe("waiting");
});

test("many that stay for one reason are one line, with some of their keys", async () => {
  for (let i = 0; i < 8; i++) await open(`k${i}`, "STICK");
  await edit(machine("1h: over").replaceAll("stuck", "jammed"));
  const { migrating, staying } = await started.engine.operations.planMigration("gate", {});
  expect([migrating, staying.length, staying[0]?.count, staying[0]?.keys.length]).toEqual([0, 1, 8, 5]);
});

test("a definition that does not run can be planned for; one that is none is refused", async () => {
  await open("b", "STICK");
  const definition = { id: "gate", initial: "x", states: { x: { on: { OPEN: "x" } } } };
  const { body } = await started.api<{ staying: { reason: string }[] }>("/api/v1/machines/gate/migrations/plan", {
    definition,
  });
  expect(body.staying.map(({ reason }) => reason)).toEqual([
    'The state "stuck" is no longer there; say under migrate.states where it goes',
  ]);
  expect((await started.api("/api/v1/machines/gate/migrations/plan", { definition: { id: "gate" } })).status).toBe(400);
  expect((await started.api("/api/v1/machines/nope/migrations/plan", {})).status).toBe(404);
  expect((await started.api("/api/v1/machines/nope/migrations", {})).status).toBe(404);
});
