/** What an event caused when it was decided, beside what it would cause today: a real engine on a real log, its files edited in between. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { loadConfig } from "../../src/config/config.ts";
import { openOperations } from "../../src/engine.ts";
import { createLogger } from "../../src/log.ts";
import { LIMITS } from "../../src/model.ts";
import { holdPolicy } from "../../src/policy/running.ts";
import type { Store } from "../../src/ports/store.ts";
import { loadProviders } from "../../src/providers/index.ts";
import { memoryStore } from "../../src/store/memory.ts";
import { type Started, startEngineIn } from "../support/engine.ts";
import { folderOf, GITHUB_SECRET, type Sink, signedByGithub, startSink } from "../support/served.ts";

const ENV = { GITHUB_WEBHOOK_SECRET: GITHUB_SECRET };

let sink: Sink;
beforeAll(async () => {
  sink = await startSink();
});
afterAll(() => sink.close());

const config = (connections: string[], more = "") => `
server: { host: 127.0.0.1, port: 0, admin: { port: 0 } }
sources: { github: { provider: github, secret: env:GITHUB_WEBHOOK_SECRET } }
connections:
${connections.map((name) => `  ${name}: { provider: http, url: "${sink.url}", allowPrivate: true }\n`).join("")}
${more}`;

const tell = (channel: string, more = "") => `
- id: tell
  event: github.lever.pull
  ${more}
  do: [{ sink.request: { method: POST, json: { channel: "${channel}", key: "{{event.data.key}}" } } }]
`;
const WATCH = `
- id: watch
  event: github.lever.pull
  do: [{ sink.request: { method: POST, json: { watched: true } } }]
`;
const OPEN = `
- id: open
  event: github.lever.pull
  send: { machine: gate, key: "{{event.data.key}}", event: OPEN, with: { by: "{{event.repo}}" } }
`;
const GATE = "{ id: gate, startOn: [OPEN], initial: a, states: { a: { on: { OPEN: b } }, b: {} } }";

let folder: string;
let started: Started;
let sent = 0;

beforeEach(async () => {
  folder = folderOf({
    "signalbox.yaml": config(["sink", "pager"]),
    "rules/all.yaml": tell("#a"),
    "statemachines/gate.yaml": GATE,
  });
  started = await startEngineIn(folder, ENV);
});
afterEach(async () => {
  await started.stop();
  rmSync(folder, { recursive: true });
});

const write = (name: string, text: string) => writeFileSync(join(folder, name), text);

async function rules(text: string): Promise<string> {
  write("rules/all.yaml", text);
  const report = await started.engine.reload();
  expect(report).toMatchObject({ current: true });
  return report.revision;
}

/** The engine once more, on the same log: signalbox.yaml is read at the start. */
async function restart(change: () => void = () => {}): Promise<void> {
  await started.stop();
  change();
  started = await startEngineIn(folder, ENV);
}

async function pull(payload: Record<string, unknown> = { key: "k" }): Promise<string> {
  sent += 1;
  const body = JSON.stringify({ action: "pull", sent, repository: { full_name: "acme/web" }, ...payload });
  const answer = await started.post("github", signedByGithub("lever", body, { id: `then-${sent}` }));
  expect(answer.status).toBe(202);
  await started.quiet();
  return String(answer.body.eventId);
}

const explain = (id: string, at?: string) => started.engine.operations.explain(id, at);
const changes = async (id: string) => (await explain(id)).changes;
const request = (json: object) => ({ action: "sink.request", params: { method: "POST", json } });
const nothing = (outcome: string) => ({ outcome, items: 0, effects: [] });
const once = (outcome: string, ...effects: object[]) => ({ outcome, items: 1, effects });

describe("a decided event, explained after the rules were edited", () => {
  test("the policy that decided it still runs: there is nothing to compare", async () => {
    const id = await pull();
    const explained = await explain(id);
    expect(explained.decided?.trace.policy).toBe(explained.policy);
    expect(explained).not.toHaveProperty("changes");
  });

  test("a changed parameter: what was sent then, what would be sent now, and where that is written", async () => {
    const id = await pull();
    const revision = await rules(`# a line more${tell("#b")}`);
    const { policy, decided, changes } = await explain(id);
    expect(policy).toBe(revision);
    expect(changes).toEqual({
      policy: revision,
      complete: true,
      rules: [
        {
          rule: "tell",
          place: { file: "rules/all.yaml", line: 2, col: 3 },
          was: once("matched", request({ channel: "#a", key: "k" })),
          now: once("matched", request({ channel: "#b", key: "k" })),
        },
      ],
    });
    expect(decided?.trace.policy).not.toBe(revision);
  });

  test("a rule that is written otherwise and does the same is no change", async () => {
    const id = await pull();
    const revision = await rules(
      `# comment\n- { do: [{ sink.request: { json: { key: "{{event.data.key}}", channel: "#a" }, method: POST } }], event: "github.*", id: tell }`,
    );
    expect(await changes(id)).toEqual({ policy: revision, complete: true, rules: [] });
  });

  test.each([
    ["whose condition no longer holds", tell("#a", "match: { data.key: other }"), "missed"],
    ["that now listens elsewhere", tell("#a").replace("github.lever.pull", "github.star"), "unasked"],
    ["that is gone", WATCH.replace("github.lever.pull", "github.star"), "absent"],
    ["that is stopped by one before it", `${WATCH}  mode: live\n  stop: true\n${tell("#a")}`, "missed"],
  ])("a rule %s", async (_what, text, outcome) => {
    const id = await pull();
    await rules(text);
    expect((await changes(id))?.rules[0]).toMatchObject({
      rule: "tell",
      was: once("matched", request({ channel: "#a", key: "k" })),
      now: nothing(outcome),
    });
  });

  test.each([
    ["that was not there", tell("#a"), "absent"],
    ["that did not match", tell("#a") + WATCH.replace("do:", "match: { data.key: other }\n  do:"), "missed"],
    ["that listened elsewhere", tell("#a") + WATCH.replace("github.lever.pull", "github.star"), "unasked"],
  ])("a rule %s", async (_what, before, outcome) => {
    await rules(before);
    const id = await pull();
    await rules(tell("#a") + WATCH);
    expect((await changes(id))?.rules).toEqual([
      {
        rule: "watch",
        place: { file: "rules/all.yaml", line: 7, col: 3 },
        was: nothing(outcome),
        now: once("matched", request({ watched: true })),
      },
    ]);
  });

  test("a rule that is only observed now, and one whose list became longer", async () => {
    await rules(`${WATCH}${tell("{{item}}", "forEach: event.data.list")}`);
    const id = await pull({ key: "k", list: ["x", "y"] });
    await rules(`${WATCH}  mode: observe\n${tell("{{item}}", 'forEach: event.data.list + ["z"]')}`);
    expect((await changes(id))?.rules).toMatchObject([
      {
        rule: "watch",
        was: once("matched", request({ watched: true })),
        now: once("observed", request({ watched: true })),
      },
      {
        rule: "tell",
        was: { outcome: "matched", items: 2, effects: [] },
        now: { outcome: "matched", items: 3, effects: [request({ channel: "z", key: "k" })] },
      },
    ]);
  });

  test("a template that cannot be rendered any more is a problem, and said to be one", async () => {
    const id = await pull();
    await rules(tell("{{event.data.channel}}"));
    const problem = { code: "SB0402", message: expect.stringContaining("channel") };
    expect((await changes(id))?.rules).toMatchObject([
      { rule: "tell", was: { effects: [request({ channel: "#a", key: "k" })] }, now: once("matched", problem) },
    ]);
  });

  test("signals with their values; a machine that was edited is another one", async () => {
    await rules(OPEN);
    const id = await pull();
    const signal = { machine: "gate", key: "k", signal: "OPEN", definition: expect.stringMatching(/^[0-9a-f]{16}$/) };
    await rules(`${OPEN}#\n`);
    expect((await changes(id))?.rules).toEqual([]);
    await rules(OPEN.replace("event.repo", "event.data.key"));
    expect((await changes(id))?.rules).toMatchObject([
      { was: once("matched", { ...signal, params: { by: "acme/web" } }), now: { effects: [{ params: { by: "k" } }] } },
    ]);
    write("statemachines/gate.yaml", GATE.replace("OPEN: b", "OPEN: a"));
    await rules(OPEN);
    const [change] = (await changes(id))!.rules;
    expect(change).toMatchObject({ was: { effects: [signal] }, now: { effects: [signal] } });
    expect(change!.was.effects).not.toEqual(change!.now.effects);
  });

  test("a connection that was removed since takes nothing from what was then", async () => {
    const both = `${tell("#a")}\n- { id: page, event: github.lever.pull, do: [{ pager.request: { method: POST, json: { p: 1 } } }] }`;
    await rules(both);
    const id = await pull();
    const { policy } = await explain(id);
    await restart(() => {
      write("signalbox.yaml", config(["sink"]));
      write("rules/all.yaml", tell("#a"));
    });
    expect(await changes(id)).toMatchObject({
      complete: true,
      rules: [
        {
          rule: "page",
          was: once("matched", { action: "pager.request", params: { method: "POST", json: { p: 1 } } }),
          now: nothing("absent"),
        },
      ],
    });
    const then = await explain(id, "decided");
    expect(then.policy).toBe(policy);
    expect(then.rules.map((rule) => [rule.id, rule.matched])).toEqual([
      ["tell", true],
      ["page", true],
    ]);
  });

  test("values of signalbox.yaml: what was recorded counts, not what the rules of then would do with those of today", async () => {
    const text = tell("{{item}}", "forEach: vars.channels") + OPEN.replace("send:", "when: vars.isOpen\n  send:");
    await restart(() => {
      write("signalbox.yaml", config(["sink"], 'vars: { channels: ["#a"], isOpen: false }'));
      write("rules/all.yaml", text);
    });
    const id = await pull();
    await restart(() => {
      write("signalbox.yaml", config(["sink"], 'vars: { channels: ["#b", "#c"], isOpen: true }'));
      write("rules/all.yaml", `${text}#\n`);
    });
    const [told, opened] = (await changes(id))!.rules;
    expect(told).toMatchObject({
      was: { items: 1, effects: [request({ channel: "#a", key: "k" })] },
      now: { items: 2, effects: [request({ channel: "#b", key: "k" }), request({ channel: "#c", key: "k" })] },
    });
    expect(opened).toMatchObject({ rule: "open", was: nothing("missed"), now: { effects: [{ signal: "OPEN" }] } });
  });

  test("the same twice is two", async () => {
    const act = 'sink.request: { method: POST, json: { channel: "#a", key: "{{event.data.key}}" } }';
    await rules(`- { id: tell, event: github.lever.pull, do: [{ ${act} }, { ${act} }] }`);
    const id = await pull();
    await rules(tell("#a"));
    expect((await changes(id))?.rules).toMatchObject([
      { was: once("matched", request({ channel: "#a", key: "k" })), now: once("matched") },
    ]);
  });

  test("deliveries that retention has dropped, and more than are read at once, are made again from the rules of then", async () => {
    const list = Array.from({ length: LIMITS.forEachItems }, (_, i) => i);
    const action = 'sink.request: { method: POST, json: { n: "{{item}}" } }';
    const many = `- { id: many, event: github.lever.pull, forEach: event.data.list, mode: observe, do: [{ ${action} }, { ${action} }, { ${action} }] }`;
    await rules(many);
    const id = await pull({ key: "k", list });
    expect((await explain(id)).deliveries.length).toBeLessThan(3 * list.length);
    await rules(`${many}\n#`);
    expect((await changes(id))?.rules).toEqual([]);
    await restart(() => inLog("delete from deliveries"));
    expect((await explain(id)).deliveries).toEqual([]);
    expect((await changes(id))?.rules).toEqual([]);
  });

  test("an event that is redelivered is decided anew: each is compared with the policy that decided it", async () => {
    const id = await pull();
    await rules(tell("#b"));
    const again = await started.engine.operations.redeliver(id, { who: "test" });
    await started.quiet();
    expect(await explain(again.id)).not.toHaveProperty("changes");
    expect((await changes(id))?.rules).toHaveLength(1);
    await rules(tell("#a"));
    expect(await explain(id)).not.toHaveProperty("changes");
    expect((await changes(again.id))?.rules).toMatchObject([
      {
        was: { effects: [request({ channel: "#b", key: "k" })] },
        now: { effects: [request({ channel: "#a", key: "k" })] },
      },
    ]);
  });
});

/** Changes the log of an engine that is stopped. */
function inLog(statement: string): void {
  const database = new Database(join(folder, "data/signalbox.db"), { fileMustExist: true });
  database.prepare(statement).run();
  database.close();
}

describe("the rules that decided it are not there any more", () => {
  test.each([
    ["gone", "delete from policies"],
    ["not to be loaded", `update policies set files = '{"rules/all.yaml":"- id: tell"}'`],
  ])("%s: the recorded matches are compared, and that is said", async (_what, statement) => {
    const each = (list: string) => WATCH.replace("id: watch", `id: each\n  forEach: ${list}`);
    await rules(`${tell("#a")}${WATCH}${each("event.data.list")}`);
    const id = await pull({ key: "k", list: ["x", "y"] });
    const decider = (await explain(id)).policy;
    await restart(() => {
      write("rules/all.yaml", tell("#b") + each('event.data.list + ["z"]') + OPEN);
      inLog(statement);
    });
    const { policy, changes } = await explain(id);
    expect(changes).toMatchObject({
      policy,
      complete: false,
      rules: [
        { rule: "watch", was: once("matched", request({ watched: true })), now: nothing("absent") },
        {
          rule: "each",
          was: { outcome: "matched", items: 2, effects: [] },
          now: { outcome: "matched", items: 3, effects: [] },
        },
        { rule: "open", was: nothing("missed"), now: { outcome: "matched", effects: [{ signal: "OPEN" }] } },
      ],
    });
    const words = `The rules of policy "${decider}" are gone or no longer load`;
    await expect(explain(id, "decided")).rejects.toMatchObject({ code: "SB0905", message: words });
    await expect(explain(id, decider)).rejects.toMatchObject({ code: "SB0905", message: words });
  });
});

describe("the trees as of another policy", () => {
  test("of the one that decided it, of the running one, of any that is kept", async () => {
    const first = (await started.engine.operations.policy()).revision;
    const second = await rules(tell("#a", "match: { data.key: other }"));
    const id = await pull();
    const third = await rules(WATCH);
    const outcomes = async (at?: string) => {
      const { policy, rules, changes } = await explain(id, at);
      expect(changes?.rules).toMatchObject([{ rule: "watch" }]);
      return [policy, ...rules.map((rule) => `${rule.id} ${rule.matched}`)];
    };
    expect(await outcomes()).toEqual([third, "watch true"]);
    expect(await outcomes("decided")).toEqual([second, "tell false"]);
    expect(await outcomes(second.slice(0, 8))).toEqual([second, "tell false"]);
    expect(await outcomes(third)).toEqual([third, "watch true"]);
    expect(await outcomes(first)).toEqual([first, "tell true"]);
  });

  test("an unknown one is told beside those that are known", async () => {
    const id = await pull();
    const decider = (await explain(id)).policy;
    const running = await rules(tell("#b"));
    await expect(explain(id, "0123456789ab")).rejects.toMatchObject({
      code: "SB0905",
      message: `There is no policy "0123456789ab"; "${running}" runs, "${decider}" decided this event`,
    });
    await expect(explain("evt_nope", "decided")).rejects.toMatchObject({
      code: "SB0905",
      message: 'There is no event "evt_nope"',
    });
  });

  test("an event that is not decided yet has none that decided it", async () => {
    const id = await pull();
    await started.stop();
    const providers = await loadProviders();
    const { config } = await loadConfig({ dir: folder, env: ENV, providers });
    const opened = await openOperations({
      config: config!,
      providers,
      log: createLogger({ level: "error", pretty: false, secrets: [] }),
    });
    const again = await opened.operations.redeliver(id, { who: "test" });
    const explained = await opened.operations.explain(again.id);
    expect(explained.rules).toMatchObject([{ id: "tell", matched: true }]);
    expect(explained).not.toHaveProperty("decided");
    expect(explained).not.toHaveProperty("changes");
    await expect(opened.operations.explain(again.id, "decided")).rejects.toMatchObject({ code: "SB0906" });
    expect((await opened.operations.explain(again.id, explained.policy)).policy).toBe(explained.policy);
    await opened.close();
  });
});

test("an earlier policy is compiled once, and not all that were asked for are kept", async () => {
  const dir = folderOf({ "signalbox.yaml": "{}", "rules/all.yaml": "[]", "statemachines/.keep": "" });
  const { config } = await loadConfig({ dir, env: {}, providers: new Map() });
  const kept = memoryStore();
  const read: string[] = [];
  const store: Store = {
    ...kept,
    policy(revision) {
      read.push(revision);
      return kept.policy(revision);
    },
  };
  const holder = await holdPolicy({ config: config!, providers: new Map(), store, clock: systemClock, observe() {} });
  const revisions = [holder.current().revision];
  for (const n of [1, 2, 3, 4]) {
    writeFileSync(join(dir, "rules/all.yaml"), `[] # ${n}`);
    revisions.push((await holder.reload()).revision);
  }
  const [first, second, third, fourth, running] = revisions as [string, string, string, string, string];
  const ask = async (...asked: string[]) => {
    read.length = 0;
    for (const one of asked) expect((await holder.at(one))?.revision).toBe(one);
    return [...read];
  };
  expect(await ask(running, first, first)).toEqual([first]);
  expect(await ask(second, third, first)).toEqual([second, third]);
  expect(await ask(fourth, first, third)).toEqual([fourth]);
  expect(await ask(second)).toEqual([second]);
  expect(await holder.at("nope")).toBeUndefined();
});
