/** The real process while its files change: good ones go live, bad ones never do, and what runs keeps what it was started with. */
import { renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { loadConfig } from "../../src/config/config.ts";
import type { PolicyReport } from "../../src/operations/operations.ts";
import { holdPolicy } from "../../src/policy/running.ts";
import type { Store } from "../../src/ports/store.ts";
import { memoryStore } from "../../src/store/memory.ts";
import {
  folderOf,
  freePort,
  GITHUB_SECRET,
  type Served,
  type Sink,
  serve,
  signedByGithub,
  startSink,
  until,
} from "../support/served.ts";

const rule = (version: number) => `
- id: tell
  event: github.ping
  do:
    - sink.request: { method: POST, json: { version: ${version}, hook: "{{event.data.hook_id}}" } }
- id: open
  event: github.lever.open
  send: { machine: gate, key: "{{event.data.key}}", event: OPEN }
- id: next
  event: github.lever.next
  send: { machine: gate, key: "{{event.data.key}}", event: NEXT }
`;

/** The third line names a key that does not exist. */
const BROKEN = `- id: tell
  event: github.ping
  mach: { data.hook_id: 1 }
  do: [{ sink.request: { method: POST, json: {} } }]
`;

const OLD_GATE = `
id: gate
startOn: [OPEN]
initial: first
states:
  first: { on: { NEXT: second } }
  second:
    entry: [{ sink.request: { method: POST, json: { gate: old, at: second } } }]
    on: { NEXT: third }
  third:
    entry: [{ sink.request: { method: POST, json: { gate: old, at: third } } }]
`;

/** None of the old states is left. */
const NEW_GATE = `
id: gate
startOn: [OPEN]
initial: alpha
states:
  alpha: { on: { NEXT: omega } }
  omega:
    entry: [{ sink.request: { method: POST, json: { gate: new, at: omega } } }]
    type: final
`;

const ENV = { GITHUB_WEBHOOK_SECRET: GITHUB_SECRET };

let sink: Sink;
let folder: string;
let port: number;
let adminPort: number;
let served: Served;
let sent = 0;

beforeAll(async () => {
  sink = await startSink();
  [port, adminPort] = [await freePort(), await freePort()];
  folder = folderOf({
    "signalbox.yaml": `
server: { host: 127.0.0.1, port: ${port}, admin: { port: ${adminPort} } }
sources: { github: { provider: github, secret: env:GITHUB_WEBHOOK_SECRET } }
connections: { sink: { provider: http, url: "${sink.url}", allowPrivate: true } }
`,
    "rules/all.yaml": rule(1),
    "statemachines/gate.yaml": OLD_GATE,
  });
  served = await serve(folder, port, ENV);
});
afterAll(async () => {
  served.child.kill("SIGTERM");
  expect(await served.ended).toBe(0);
  await sink.close();
});

const write = (name: string, text: string) => writeFileSync(join(folder, name), text);
const admin = (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${adminPort}${path}`, init);
const policy = async () => (await (await admin("/api/v1/policy")).json()) as PolicyReport;
const isReloadOk = async () =>
  /^signalbox_policy_last_reload_ok (\d)$/m.exec(await (await admin("/metrics")).text())?.[1];
const arrived = () => sink.arrivals.map(({ body }) => JSON.parse(body) as Record<string, unknown>);

async function post(event: string, payload: Record<string, unknown>): Promise<void> {
  sent += 1;
  const { headers, body } = signedByGithub(event, JSON.stringify({ sent, ...payload }), { id: `reload-${sent}` });
  const answer = await fetch(`http://127.0.0.1:${port}/hooks/github`, { method: "POST", headers, body });
  expect([200, 202]).toContain(answer.status);
}

/** Which version of the rule answers now. */
async function running(): Promise<unknown> {
  const hook = 1_000 + sent;
  await post("ping", { zen: "z", hook_id: hook });
  await until("the rule has acted", () => arrived().some((one) => one.hook === hook));
  return arrived().find((one) => one.hook === hook)?.version;
}

/** What the process has said since. */
function listen(): { said(text: string): Promise<string> } {
  const from = served.output().length;
  return {
    async said(text) {
      await until(`the process says "${text}"`, () => served.output().slice(from).includes(text));
      return served.output().slice(from);
    },
  };
}

describe("serve, while its files change", () => {
  test("a changed rule goes live", async () => {
    expect(await running()).toBe(1);
    const { revision } = await policy();
    const output = listen();
    write("rules/all.yaml", rule(2));
    const text = await output.said("policy loaded");
    expect((await policy()).revision).not.toBe(revision);
    expect(text).toContain((await policy()).revision.slice(0, 8));
    expect(await running()).toBe(2);
  });

  test("a file of many rules goes live as well, and its removal too", async () => {
    const { rules } = await policy();
    const many = Array.from(
      { length: 400 },
      (_, i) => `- { id: many-${i}, event: github.none, do: [{ sink.request: { method: POST, json: {} } }] }\n`,
    );
    write("rules/many.yaml", many.join(""));
    await until("the many rules run", async () => (await policy()).rules === rules + 400);
    expect(await running()).toBe(2);
    rmSync(join(folder, "rules/many.yaml"));
    await until("they run no more", async () => (await policy()).rules === rules);
  });

  test("SIGHUP loads too, and says so even when nothing changed", async () => {
    const output = listen();
    served.child.kill("SIGHUP");
    await output.said("policy loaded");
    expect(await running()).toBe(2);
  });

  test("a broken rule never runs: the old policy goes on, and the place of the mistake is told everywhere", async () => {
    const { revision } = await policy();
    const output = listen();
    write("rules/all.yaml", BROKEN);
    const text = await output.said("help");
    expect(text).toContain(`policy rejected, still running ${revision.slice(0, 8)}`);
    expect(text).toContain("error[SB0101]");
    expect(text).toContain("rules/all.yaml:3:3");
    expect(text).toContain("mach: { data.hook_id: 1 }");
    expect(text).toContain("did you mean `match`?");
    expect(await isReloadOk()).toBe("0");
    const ready = await admin("/readyz");
    expect([ready.status, await ready.json()]).toEqual([
      200,
      { ready: true, detail: "ready, but policy: stale", policy: "stale" },
    ]);
    expect(await policy()).toMatchObject({
      revision,
      current: false,
      problems: [{ code: "SB0101", file: "rules/all.yaml", line: 3, col: 3 }],
    });
    const asked = await admin("/api/v1/policy/reload", { method: "POST" });
    expect([asked.status, await asked.json()]).toEqual([
      409,
      expect.objectContaining({ code: "SB0401", problems: [expect.objectContaining({ line: 3 })] }),
    ]);
    expect(await running()).toBe(2);
  });

  test("the repaired rule goes live", async () => {
    const output = listen();
    write("rules/all.yaml", rule(3));
    await output.said("policy loaded");
    expect(await isReloadOk()).toBe("1");
    expect(await (await admin("/readyz")).json()).toMatchObject({ policy: "current" });
    expect(await policy()).toMatchObject({ current: true, problems: [] });
    expect(await running()).toBe(3);
  });

  test("a rules folder that is gone is a rejected reload, and no empty policy", async () => {
    const output = listen();
    renameSync(join(folder, "rules"), join(folder, "elsewhere"));
    expect(await output.said("policy rejected")).toBeDefined();
    expect(await output.said('The folder "rules" does not exist')).toContain("SB0003");
    expect(await policy()).toMatchObject({ current: false, rules: 3 });
    expect(await running()).toBe(3);
    const back = listen();
    renameSync(join(folder, "elsewhere"), join(folder, "rules"));
    await back.said("policy loaded");
    expect(await policy()).toMatchObject({ current: true, rules: 3 });
  });
});

describe("an instance whose machine is changed incompatibly", () => {
  const gates = () => arrived().filter((one) => "gate" in one);
  const signal = (key: string, action: string) => post("lever", { key, action });
  const stateOf = async (key: string) => {
    const { instance } = (await (await admin(`/api/v1/instances/gate/${key}`)).json()) as {
      instance: { state: unknown; status: string };
    };
    return [instance.state, instance.status];
  };

  test("keeps the definition it was started with, and a new one takes the new", async () => {
    await signal("early", "open");
    await until("it is there", async () => (await admin("/api/v1/instances/gate/early")).ok);
    const output = listen();
    write("statemachines/gate.yaml", NEW_GATE);
    await output.said("policy loaded");
    await signal("late", "open");
    await signal("early", "next");
    await signal("late", "next");
    await until("both have acted", () => gates().length === 2);
    expect(gates()).toContainEqual({ gate: "old", at: "second" });
    expect(gates()).toContainEqual({ gate: "new", at: "omega" });
    expect(await stateOf("early")).toEqual(["second", "active"]);
    expect(await stateOf("late")).toEqual(["omega", "done"]);
  });

  test("also across a restart, when the old file is long gone", async () => {
    served.child.kill("SIGTERM");
    expect(await served.ended).toBe(0);
    served = await serve(folder, port, ENV);
    expect((await (await admin("/api/v1/instances/gate/early")).json()) as unknown).toMatchObject({
      accepts: ["NEXT"],
    });
    await signal("early", "next");
    await until("it has acted", () => gates().length === 3);
    expect(gates()).toContainEqual({ gate: "old", at: "third" });
    expect(await stateOf("early")).toEqual(["third", "active"]);
  });

  test("and a machine file that is removed does not take its instances with it", async () => {
    const output = listen();
    write("rules/all.yaml", rule(4).split("- id: open")[0]!);
    rmSync(join(folder, "statemachines/gate.yaml"));
    await output.said("policy loaded");
    await until("the machine is gone", async () => (await policy()).machines.length === 0);
    expect(await stateOf("early")).toEqual(["third", "active"]);
    expect(await running()).toBe(4);
  });
});

test("of two reloads at once the later one counts, however long the earlier one takes", async () => {
  const dir = folderOf({ "signalbox.yaml": "{}", "rules/all.yaml": "[]", "statemachines/.keep": "" });
  const { config } = await loadConfig({ dir, env: {}, providers: new Map() });
  const kept = memoryStore();
  let saves = 0;
  let goOn = () => {};
  const slow = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  const store: Store = {
    ...kept,
    async savePolicy(...policy) {
      saves += 1;
      if (saves === 2) await slow;
      await kept.savePolicy(...policy);
    },
  };
  const clock = { ...systemClock, sleep: async () => {} };
  const holder = await holdPolicy({ config: config!, providers: new Map(), store, clock, observe() {} });
  const change = (key: string) =>
    writeFileSync(join(dir, "rules/all.yaml"), `[{ id: ${key}, event: a.b, send: { machine: m, key: k, event: GO } }]`);
  writeFileSync(join(dir, "statemachines/m.yaml"), "{ id: m, startOn: [GO], initial: a, states: { a: {} } }");
  change("earlier");
  const earlier = holder.reload();
  await until("the earlier one is being kept", () => saves === 2);
  change("later");
  const later = holder.reload();
  // As long as others need for the same: by then it would be done if it did not wait for the earlier one.
  const others = await holdPolicy({ config: config!, providers: new Map(), store: memoryStore(), clock, observe() {} });
  await others.reload();
  goOn();
  await Promise.all([earlier, later]);
  expect(holder.current().rules.rules.map(({ id }) => id)).toEqual(["later"]);
  expect(holder.report()).toMatchObject({ current: true, revision: (await later).revision });
});
