import fc from "fast-check";
import { Type } from "typebox";
import { describe, expect, test } from "vitest";
import { createRuleSet } from "../../src/core/match/rule-set.ts";
import { type CompiledRule, type CompileEnv, compileRule } from "../../src/core/match/rules.ts";
import type { ConditionNode, Event, JsonObject, Rule } from "../../src/model.ts";
import slack from "../../src/providers/slack/index.ts";

const escapes = slack.connection?.escapes;
const post = Type.Object(
  { channel: Type.String(), text: Type.String({ escape: "slack" }), retries: Type.Optional(Type.Integer()) },
  { additionalProperties: false },
);
const env: CompileEnv = {
  templates: new Map([["hello", "Hello {{event.actor}}"]]),
  actions: new Map([
    ["slack.post", { params: post, escapes }],
    ["slack.update", { params: post, escapes }],
    ["jira.comment", { params: Type.Object({}) }],
  ]),
  machines: new Set(["deploy-gate", "jira-ticket"]),
  place: (path) => ({ file: "rules/a.yaml", line: path.length + 1, col: 1 }),
};

const say = [{ "slack.post": { channel: "#dev", text: "{{event.title}}" } }];
function compiled(rule: Partial<Rule>): CompiledRule {
  const result = compileRule({ id: "a-rule", event: "github.push", do: say, ...rule } as Rule, env);
  expect(result.diagnostics).toStrictEqual([]);
  if (result.rule === undefined) throw new Error("no rule");
  return result.rule;
}
const problemsOf = (rule: unknown) =>
  compileRule({ id: "a-rule", event: "github.push", do: say, ...(rule as object) } as Rule, env).diagnostics;

function event(over: Partial<Event> = {}): Event {
  return {
    id: "evt_1",
    type: "github.push",
    source: "github",
    time: "2026-01-05T09:00:00Z",
    receivedAt: "2026-01-05T09:00:00Z",
    branch: "main",
    title: "a <b>",
    tickets: ["WEB-1", "WEB-2"],
    data: {},
    ...over,
  };
}
const idsMatched = (rules: readonly Partial<Rule>[], over: Partial<Event> = {}, vars: JsonObject = {}) =>
  createRuleSet(rules.map(compiled))
    .match(event(over), vars)
    .matched.map(({ rule }) => rule.id);

describe("selection by event type", () => {
  test.each<[string | string[], string, boolean]>([
    ["github.push", "github.push", true],
    ["github.push", "github.push.x", false],
    ["github.*", "github.push", true],
    ["github.*", "github.pull_request.closed", true],
    ["github.*", "github", false],
    ["github.*", "githubx.push", false],
    ["github.pull_request.*", "github.pull_request", false],
    ["*", "anything.at.all", true],
    [["a.b", "c.*"], "c.d", true],
    [["a.b", "c.*"], "a.c", false],
    ["github.push", "constructor", false],
  ])("%j takes %s: %s", (selector, type, expected) => {
    const rules = createRuleSet([compiled({ event: selector })]);
    expect(rules.match(event({ type }), {}).considered).toBe(expected ? 1 : 0);
    expect(rules.listensTo(type)).toBe(expected);
  });

  test("rules are asked in the order given, each once, whatever their selectors", () => {
    const selectors = fc.constantFrom<string | string[]>("a.b", "a.*", "*", "c", ["a.b", "a.*"], ["c", "*"]);
    fc.assert(
      fc.property(fc.array(selectors, { maxLength: 8 }), (all) => {
        const rules = all.map((selector, i) => ({ id: `r${i}`, event: selector }));
        const expected = rules.filter(({ event: selector }) => selector !== "c").map(({ id }) => id);
        expect(idsMatched(rules, { type: "a.b" })).toStrictEqual(expected);
      }),
    );
  });
});

describe("matching", () => {
  test("pattern and when must both hold", () => {
    const rule = { match: { branch: "main" }, when: "size(event.tickets) > 1 && vars.on" };
    expect(idsMatched([rule], {}, { on: true })).toStrictEqual(["a-rule"]);
    expect(idsMatched([rule], {}, { on: false })).toStrictEqual([]);
    expect(idsMatched([rule], { branch: "dev" }, { on: true })).toStrictEqual([]);
    expect(idsMatched([rule], { tickets: [] }, { on: true })).toStrictEqual([]);
  });

  test("when is not evaluated for a rule whose pattern does not match", () => {
    const { problems } = createRuleSet([compiled({ match: { branch: "dev" }, when: "event.nope" })]).match(event(), {});
    expect(problems).toStrictEqual([]);
  });

  test.each<[Partial<Rule>, string, string]>([
    [{ when: "event.nope == 1" }, "SB0402", 'event has no "nope"'],
    [{ when: "event.title" }, "SB0402", "when must give true or false"],
    [{ forEach: "event.nope" }, "SB0402", 'event has no "nope"'],
    [{ forEach: "event.title" }, "SB0402", "forEach must give a list"],
  ])("%j is no match, and the problem is recorded with its place", (rule, code, words) => {
    const result = createRuleSet([compiled(rule), compiled({ id: "next" })]).match(event(), {});
    expect(result.matched.map(({ rule: { id } }) => id)).toStrictEqual(["next"]);
    expect(result.problems).toEqual([
      {
        code,
        message: expect.stringContaining(words) as string,
        rule: "a-rule",
        place: { file: "rules/a.yaml", line: 2, col: 1 },
      },
    ]);
  });

  test("forEach gives the items, however many; without it there is one", () => {
    const items = (rule: Partial<Rule>, over: Partial<Event> = {}) =>
      createRuleSet([compiled(rule)]).match(event(over), {}).matched[0]?.items;
    expect(items({})).toStrictEqual([null]);
    expect(items({ forEach: "event.tickets" })).toStrictEqual(["WEB-1", "WEB-2"]);
    expect(items({ forEach: "event.tickets" }, { tickets: [] })).toStrictEqual([]);
    expect(
      items({ forEach: "event.data.many" }, { data: { many: Array.from({ length: 101 }, () => 1) } }),
    ).toHaveLength(101);
  });

  test("stop ends the list when its rule matches, and only then; an observed rule stops nothing", () => {
    const after = { id: "after" };
    expect(idsMatched([{ stop: true }, after])).toStrictEqual(["a-rule"]);
    expect(idsMatched([{ stop: true, match: { branch: "dev" } }, after])).toStrictEqual(["after"]);
    expect(idsMatched([{ stop: true, mode: "observe" }, after])).toStrictEqual(["a-rule", "after"]);
  });

  test("the event is neither copied nor changed", () => {
    const seen = event({ data: { deep: [{ a: 1 }] } });
    const before = JSON.stringify(seen);
    const rules = createRuleSet([
      compiled({ match: { "data.deep.a": 1 }, forEach: "event.data.deep", when: "event.data.deep[0].a == 1" }),
    ]);
    const { matched } = rules.match(seen, {});
    expect(matched[0]?.items[0]).toBe((seen.data.deep as unknown[])[0]);
    expect(JSON.stringify(seen)).toBe(before);
  });
});

describe("what a rule does is ready to render", () => {
  test("sends and actions", () => {
    const rule = compiled({
      forEach: "event.tickets",
      send: [{ machine: "jira-ticket", key: "{{item}}", event: "MERGED", with: { by: "{{event.title}}" } }],
    });
    const scope = { event: event(), item: 17 };
    expect(rule.sends[0]).toMatchObject({ machine: "jira-ticket", event: "MERGED" });
    expect(rule.sends[0]?.key.render(scope)).toStrictEqual({ ok: true, value: "17" });
    expect(rule.sends[0]?.with?.render(scope)).toStrictEqual({ ok: true, value: { by: "a <b>" } });
    expect(rule.actions[0]?.action).toBe("slack.post");
    // Escaped for its destination by the action's schema.
    expect(rule.actions[0]?.params.render(scope)).toStrictEqual({
      ok: true,
      value: { channel: "#dev", text: "a &lt;b&gt;" },
    });
  });

  test.each([[[]], [{ a: 1 }], [""], [null]])("a key that comes out as %j is a failure", (item) => {
    const rule = compiled({ send: { machine: "jira-ticket", key: '{{default item ""}}', event: "X" } });
    expect(rule.sends[0]?.key.render({ event: event(), item })).toMatchObject({ ok: false });
  });
});

describe("problems", () => {
  test.each<[object, object, string]>([
    [{ do: undefined }, { code: "SB0301", path: [] }, "does nothing"],
    [{ match: { a: [] } }, { code: "SB0104", path: ["match", "a"] }, "empty list"],
    [{ when: "event.x >" }, { code: "SB0105", path: ["when"], offset: 9 }, "not well formed"],
    [{ forEach: "evnt.x" }, { code: "SB0105", path: ["forEach"], suggestion: "event" }, "not known"],
    [
      { do: [{ "slak.post": {} }] },
      { code: "SB0203", path: ["do", 0, "slak.post"], atKey: true, suggestion: "slack.post" },
      'no connection "slak"',
    ],
    [
      { do: [...say, { "slack.pots": {} }] },
      { code: "SB0203", path: ["do", 1, "slack.pots"], suggestion: "slack.post" },
      "known are slack.post, slack.update",
    ],
    [{ do: [{ "slack.post": { text: "x" } }] }, { code: "SB0103", path: ["do", 0, "slack.post"] }, '"channel"'],
    [
      { do: [{ "slack.post": { channel: "c", text: "x", retries: "no" } }] },
      { code: "SB0102", path: ["do", 0, "slack.post", "retries"] },
      "whole number",
    ],
    [
      { do: [{ "slack.post": { channel: "c", txt: "{{event.x}}", text: "x" } }] },
      { code: "SB0101", path: ["do", 0, "slack.post", "txt"], atKey: true, suggestion: "text" },
      "not known",
    ],
    [
      { do: [{ "slack.post": { channel: "c", text: "{{evnt.x}}" } }] },
      { code: "SB0106", path: ["do", 0, "slack.post", "text"], offset: 2 },
      "not known",
    ],
    [
      { do: [{ "slack.post": { channel: "c", text: { template: "helo" } } }] },
      { code: "SB0204", path: ["do", 0, "slack.post", "text", "template"], suggestion: "hello" },
      "no template",
    ],
    [
      { send: { machine: "deploy-gat", key: "x", event: "X" } },
      { code: "SB0202", path: ["send", "machine"], suggestion: "deploy-gate" },
      "no machine",
    ],
    [
      { send: [{ machine: "deploy-gate", key: "{{x}}", event: "X" }] },
      { code: "SB0106", path: ["send", 0, "key"] },
      "not known",
    ],
    [
      { send: [{ machine: "deploy-gate", key: "x", event: "xstate.init" }] },
      { code: "SB0102", path: ["send", 0, "event"] },
      "reserved",
    ],
    [{ event: "git*hub" }, { code: "SB0102", path: ["event"] }, "selects no events"],
    [{ event: ["a.b", "github.*.x"] }, { code: "SB0102", path: ["event", 1] }, "selects no events"],
    [{ event: ["a.b", "x".repeat(257)] }, { code: "SB0108", path: ["event", 1] }, "at most 256"],
  ])("%j", (rule, expected, words) => {
    const problems = problemsOf(rule);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatchObject({ severity: "error", ...expected });
    expect(problems[0]?.message).toContain(words);
    expect(compileRule({ id: "a", event: "x", do: say, ...rule } as Rule, env).rule).toBeUndefined();
  });

  test("all problems of a rule are told at once", () => {
    const found = problemsOf({
      event: "a*",
      match: { a: [] },
      when: "x",
      do: [{ "slack.post": { channel: 1, text: "{{y}}" } }],
    });
    expect(found.map(({ path }) => path?.join("/"))).toStrictEqual([
      "event",
      "match/a",
      "when",
      "do/0/slack.post/channel",
      "do/0/slack.post/text",
    ]);
  });

  test("without a list of machines any name is taken", () => {
    const rule = { id: "a", event: "x", send: { machine: "any", key: "k", event: "X" } } as Rule;
    expect(compileRule(rule, { ...env, machines: undefined }).diagnostics).toStrictEqual([]);
  });
});

describe("the reason why (not)", () => {
  const explain = (rules: readonly Partial<Rule>[], over: Partial<Event> = {}) =>
    createRuleSet(rules.map(compiled)).explain(event(over), {});

  test("matched first, then nearest misses first; rules for other types are named", () => {
    const { rules, notConsidered } = explain([
      { id: "far", match: { branch: "dev", title: "x" } },
      { id: "other", event: "travis.build" },
      { id: "near", match: { branch: "dev" } },
      { id: "hit", match: { branch: "main" } },
    ]);
    expect(rules.map(({ id, matched, distance }) => [id, matched, distance])).toStrictEqual([
      ["hit", true, 0],
      ["near", false, 1],
      ["far", false, 2],
    ]);
    expect(notConsidered).toStrictEqual(["other"]);
  });

  test("every condition has its place in the file", () => {
    const [outcome] = explain([{ match: { branch: "dev" }, when: "event.title == 'x'" }]).rules;
    const places = (node: ConditionNode): unknown[] => [node.place?.line, ...(node.children ?? []).map(places)];
    expect(places(outcome?.tree as ConditionNode)).toStrictEqual([1, [2, [3]], [2]]);
  });

  test.each<[Partial<Rule>, object]>([
    [{ when: "event.title == 'x'" }, { kind: "cel", ok: false, op: "when", want: "event.title == 'x'", got: false }],
    [
      { when: "event.nope" },
      { kind: "cel", ok: false, hint: expect.stringContaining('event has no "nope"') as string },
    ],
    [{ forEach: "event.title" }, { kind: "cel", ok: false, op: "forEach", hint: "forEach must give a list" }],
  ])("%j is one condition away", (rule, expected) => {
    const [outcome] = explain([rule]).rules;
    expect(outcome).toMatchObject({ matched: false, distance: 1 });
    expect(outcome?.tree.children?.at(-1)).toMatchObject(expected);
  });

  test("a rule behind one that stops is not matched, and says so", () => {
    const { rules } = explain([{ id: "first", stop: true }, { id: "second" }]);
    expect(rules).toMatchObject([
      { id: "first", matched: true },
      { id: "second", matched: false, distance: 1 },
    ]);
    expect(rules[1]?.tree.children?.[0]?.hint).toContain('"first"');
  });

  test("agrees with what was matched", () => {
    const rule = fc.record(
      {
        event: fc.constantFrom("github.push", "github.*", "x"),
        match: fc.constantFrom<object>(
          { branch: "main" },
          { branch: "dev" },
          { $or: [{ branch: "dev" }, { tickets: "WEB-1" }] },
        ),
        when: fc.constantFrom("true", "event.nope", "size(event.tickets) > 1", "event.title"),
        forEach: fc.constantFrom("event.tickets", "event.nope"),
        stop: fc.boolean(),
        mode: fc.constantFrom("live", "observe"),
      },
      { requiredKeys: ["event"] },
    );
    fc.assert(
      fc.property(fc.array(rule, { maxLength: 5 }), fc.constantFrom("main", "dev"), (written, branch) => {
        const rules = written.map((each, i) => ({ ...each, id: `r${i}` })) as Partial<Rule>[];
        const matched = explain(rules, { branch }).rules.filter((outcome) => outcome.matched);
        expect(matched.map(({ id }) => id).sort()).toStrictEqual(idsMatched(rules, { branch }));
      }),
    );
  });
});

test("a thousand rules of one type are asked without copying the event", () => {
  const rules = createRuleSet(
    Array.from({ length: 1_000 }, (_, i) => compiled({ id: `r${i}`, match: { branch: `b${i}` } })),
  );
  const { matched, considered } = rules.match(event({ branch: "b7" }), {});
  expect(considered).toBe(1_000);
  expect(matched.map(({ rule }) => rule.id)).toStrictEqual(["r7"]);
});
