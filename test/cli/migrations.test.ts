/** `instances migrate`, `check --url` and what a server says when a machine's file changes under living instances. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Started, startEngineIn } from "../support/engine.ts";
import { folderOf } from "../support/served.ts";
import { command, json } from "./support/command.ts";

const CONFIG = "server: { host: 127.0.0.1, port: 0, admin: { port: 0 } }\n";
const gate = (states: string, more = "") => `
id: gate
startOn: [OPEN, STICK]
manual: [OPEN, STICK]
initial: new
states:
  new: { on: { OPEN: waiting, STICK: stuck } }
  ${states}
${more}`;
const OLD = gate("waiting: { after: { 1h: new } }\n  stuck: { on: { OPEN: waiting } }");
const NEW = gate("waiting: { after: { 2h: new } }\n  jammed: { on: { OPEN: waiting } }").replace(
  "STICK: stuck",
  "STICK: jammed",
);
const MAPPED = `${NEW}migrate: { states: { stuck: jammed } }\n`;

let folder: string;
let started: Started;
beforeEach(async () => {
  folder = folderOf({ "signalbox.yaml": CONFIG, "rules/none.yaml": "[]", "statemachines/gate.yaml": OLD });
  started = await startEngineIn(folder, {});
  for (const [key, event] of Object.entries({ a: "OPEN", b: "OPEN", c: "STICK" }))
    await started.engine.operations.signal("gate", key, { event, reason: "test" }, { who: "test" });
  await started.quiet();
});
afterEach(async () => {
  await started.stop();
  rmSync(folder, { recursive: true, force: true });
});

const write = (text: string) => writeFileSync(join(folder, "statemachines/gate.yaml"), text);
const run = (...args: string[]) => command([...args, "--url", started.adminUrl], { cwd: folder });
const stateOf = async (key: string) => {
  const { instance } = await started.engine.operations.instance("gate", key);
  return [instance.state, instance.version];
};

test("check asks a server that is named what would become of its instances, before anything is loaded", async () => {
  write(NEW);
  const ran = await run("check");
  expect(ran).toMatchObject({ code: 0, err: "" });
  expect(ran.out).toContain("gate: 2 instances can migrate\n");
  expect(ran.out).toContain(
    '1 cannot: The state "stuck" is no longer there; say under migrate.states where it goes  c\n',
  );
  expect(ran.out).toContain('The timer "waiting.1h" is called "waiting.2h" now and stays due when it was\n');
  const { migrations } = json(await run("check", "--json")) as unknown as {
    migrations: { machine: string; migrating: number }[];
  };
  expect(migrations).toMatchObject([{ machine: "gate", migrating: 2 }]);
  write(OLD);
  expect((await run("check")).out).not.toContain("can migrate");
  expect((await command(["check"], { cwd: folder })).out).not.toContain("can migrate");
});

describe("instances migrate", () => {
  test("says the plan and changes nothing; and without a yes neither", async () => {
    write(NEW);
    await started.engine.reload();
    const plan = await run("instances", "migrate", "gate", "--plan");
    expect(plan).toMatchObject({ code: 0, err: "" });
    expect(plan.out).toContain("gate: 2 instances can migrate\n");
    const asked = await run("instances", "migrate", "gate");
    expect(asked.code).not.toBe(0);
    await started.quiet();
    expect(await Promise.all(["a", "b", "c"].map(stateOf))).toEqual([
      ["waiting", 1],
      ["waiting", 1],
      ["stuck", 1],
    ]);
  });

  test("migrates those that can, keeps the others, and is done when all have migrated", async () => {
    write(NEW);
    await started.engine.reload();
    const ran = await run("instances", "migrate", "gate", "--yes");
    expect(ran).toMatchObject({ code: 0 });
    expect(ran.err).toContain("1 cannot:");
    expect(ran.out).toBe("2 instances of gate ordered to migrate\n");
    await started.quiet();
    expect(await Promise.all(["a", "b", "c"].map(stateOf))).toEqual([
      ["waiting", 2],
      ["waiting", 2],
      ["stuck", 1],
    ]);
    write(MAPPED);
    await started.engine.reload();
    expect((await run("instances", "migrate", "gate", "--yes")).out).toBe("1 instance of gate ordered to migrate\n");
    await started.quiet();
    expect(await stateOf("c")).toEqual(["jammed", 2]);
    expect((await run("instances", "migrate", "gate", "--yes")).out).toBe(
      "gate: no instance of an earlier definition\n",
    );
  });

  test("without a server the order is stored, and carried out when one starts", async () => {
    write(MAPPED);
    await started.stop();
    const ran = await command(["instances", "migrate", "gate", "--yes"], { cwd: folder });
    expect(ran).toMatchObject({ code: 0, out: "3 instances of gate ordered to migrate\n" });
    expect(ran.err).toContain("No server runs; they migrate when one starts");
    started = await startEngineIn(folder, {});
    await started.quiet();
    expect(await stateOf("c")).toEqual(["jammed", 2]);
  });

  test("a machine that is not there is told", async () => {
    const ran = await run("instances", "migrate", "gat", "--plan");
    expect(ran.code).toBe(5);
    expect(ran.err).toContain('There is no machine "gat"');
  });
});
