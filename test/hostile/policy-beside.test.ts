/** A reload of many rules holds up nobody: a thread reads the files, and the running process only puts small parts together. */
import { Type } from "typebox";
import { beforeEach, expect, test, vi } from "vitest";
import { compileRule } from "../../src/core/match/rules.ts";
import { compileBeside } from "../../src/policy/beside.ts";
import { compilePolicy, type PolicyFiles } from "../../src/policy/policy.ts";
import { readYaml } from "../../src/yaml.ts";

// As they are, and counted: what runs in the thread is not seen here.
vi.mock("../../src/yaml.ts", async (original) => {
  const module = await original<typeof import("../../src/yaml.ts")>();
  return { ...module, readYaml: vi.fn(module.readYaml) };
});
vi.mock("../../src/core/match/rules.ts", async (original) => {
  const module = await original<typeof import("../../src/core/match/rules.ts")>();
  return { ...module, compileRule: vi.fn(module.compileRule) };
});
beforeEach(() => void vi.clearAllMocks());

const PARAMS = Type.Object({ to: Type.String({ escape: "shout" }), text: Type.Optional(Type.String()) });
const ENV = {
  actions: new Map([["mail.send", { params: PARAMS, escapes: { shout: (text: string) => text.toUpperCase() } }]]),
  vars: { ops: "ops@example.org" },
};
const RULES = 300;

function files(more = ""): PolicyFiles {
  const rules = Array.from(
    { length: RULES },
    (_, i) => `- id: rule-${i}
  event: github.push
  match: { repo: acme/web-${i} }
  when: event.number > ${i} && vars.ops != ""
  send: { machine: gate, key: "{{event.repo}}", event: GO }
  do: [mail.send: { to: "{{event.repo}}", text: { template: note } }]
`,
  );
  return {
    "rules/many.yaml": rules.join("") + more,
    "rules/templates/note.hbs": "{{event.title}}\n",
    "statemachines/gate.yaml":
      "id: gate\nstartOn: [GO]\ninitial: a\nstates: { a: { on: { GO: b } }, b: { type: final } }\n",
  };
}

/** How many rules were compiled at most in one turn of the event loop. */
async function turnsOf<T>(work: Promise<T>): Promise<{ result: T; rulesInOneTurn: number }> {
  let rulesInOneTurn = 0;
  let isOver = false;
  let seen = 0;
  const look = () => {
    const count = vi.mocked(compileRule).mock.calls.length;
    rulesInOneTurn = Math.max(rulesInOneTurn, count - seen);
    seen = count;
    if (!isOver) setImmediate(look);
  };
  setImmediate(look);
  const result = await work;
  isOver = true;
  return { result, rulesInOneTurn };
}

test("no file is read here, and between two small parts the event loop does what else there is to do", async () => {
  const { result, rulesInOneTurn } = await turnsOf(compileBeside(files(), ENV));
  expect(result.diagnostics).toEqual([]);
  expect(readYaml).not.toHaveBeenCalled();
  expect(compileRule).toHaveBeenCalledTimes(RULES);
  expect(rulesInOneTurn).toBeGreaterThan(0);
  expect(rulesInOneTurn).toBeLessThanOrEqual(25);
});

test("the policy is the one that compiling at once gives", async () => {
  const { policy } = await compileBeside(files(), ENV);
  const { policy: expected } = compilePolicy(files(), ENV);
  expect(policy!.revision).toBe(expected!.revision);
  expect(policy!.rules.rules.map(({ rule }) => rule)).toEqual(expected!.rules.rules.map(({ rule }) => rule));
  expect(policy!.machines.get("gate")!.hash).toBe(expected!.machines.get("gate")!.hash);
  const time = "2026-01-05T09:00:00Z";
  const event = {
    id: "e",
    type: "github.push",
    source: "g",
    time,
    receivedAt: time,
    repo: "acme/web-7",
    number: 9,
    data: {},
  };
  const [match] = policy!.rules.match(event, ENV.vars).matched;
  expect(match!.rule.id).toBe("rule-7");
  expect(match!.rule.place([])).toEqual(expected!.rules.rules[7]!.place([]));
  const scope = { event: { ...event, title: "hello" }, vars: ENV.vars };
  expect(match!.rule.actions[0]!.params.render(scope)).toMatchObject({ value: { to: "ACME/WEB-7", text: "hello" } });
});

test("mistakes are told as compiling at once tells them, and nothing is compiled here for them", async () => {
  const bad = files('- { id: rule-1, event: github.push, do: [mail.sent: { to: "{{nope" }] }\n');
  const { policy, diagnostics } = await compileBeside(bad, ENV);
  expect(policy).toBeUndefined();
  expect(compileRule).not.toHaveBeenCalled();
  expect(diagnostics).toEqual(compilePolicy(bad, ENV).diagnostics);
  expect(diagnostics.length).toBeGreaterThan(1);
});
