import { describe, expect, test } from "vitest";
import { lint } from "../../src/core/lint/lint.ts";
import { unseen } from "../../src/core/lint/unseen.ts";
import { isSlip } from "../../src/core/lint/written.ts";
import { type CompiledRule, type CompileEnv, compileRule } from "../../src/core/match/rules.ts";
import type { Diagnostic } from "../../src/errors.ts";
import type { Event, JsonObject, Rule } from "../../src/model.ts";

const env: CompileEnv = {
  templates: new Map(),
  actions: new Map(),
  machines: undefined,
  place: (path) => ({ file: "rules/a.yaml", line: 3, col: path.length + 1 }),
};

type Written = Omit<Partial<Rule>, "match"> & { match?: unknown };

function compiled(rule: Written): CompiledRule {
  const send = { machine: "m", key: "k", event: "E" };
  const { rule: made, diagnostics: problems } = compileRule(
    { id: "r", event: "github.push", send, ...rule } as Rule,
    env,
  );
  expect(problems).toStrictEqual([]);
  if (made === undefined) throw new Error("no rule");
  return made;
}
const found = (...rules: Written[]): Diagnostic[] =>
  lint(rules.map(compiled)).map(({ diagnostic: problem }) => problem);
const inPattern = (match: unknown, rule: Written = {}) => found({ ...rule, match });
/** `SB0310 match.number → 412`. */
const brief = ({ code, path = [], suggestion }: Diagnostic) =>
  `${code} ${path.join("/")}${suggestion === undefined ? "" : ` → ${suggestion}`}`;

describe("an attribute", () => {
  test.each<[unknown, string[]]>([
    // What is no attribute.
    [{ "pull_request.merged": true }, ["SB0310 match/pull_request.merged → data.pull_request.merged"]],
    [{ pull_request: { merged: true, draft: false } }, ["SB0310 match/pull_request → data.pull_request"]],
    [{ brnch: "main" }, ["SB0310 match/brnch → branch"]],
    [{ receivedat: "x" }, ["SB0310 match/receivedat → receivedAt"]],
    [{ "date.action": "closed" }, ["SB0310 match/date.action → data.action"]],
    [{ state: "open" }, ["SB0310 match/state → data.state"]],
    [{ brnch: [{ exists: false }] }, ["SB0313 match/brnch → branch"]],
    [{ brnch: [{ exists: false }, "main"] }, ["SB0313 match/brnch → branch"]],
    // Mappings and what they hold.
    [{ data: 5 }, ["SB0310 match/data"]],
    [{ data: [{ exists: true }] }, ["SB0310 match/data"]],
    [{ data: [{ exists: false }] }, ["SB0313 match/data"]],
    [{ "to.machine": "ticket" }, []],
    [{ "data.anything.at.all": "x" }, []],
    // Below a value.
    [{ "repo.name": "web" }, ["SB0310 match/repo.name"]],
    [{ repo: { name: ["web"] } }, ["SB0310 match/repo/name"]],
    [{ "repo.name": [{ exists: false }] }, ["SB0313 match/repo.name"]],
    [{ "tickets.key": "WEB-1" }, ["SB0310 match/tickets.key"]],
    // Types.
    [{ number: "412" }, ["SB0310 match/number → 412"]],
    [{ number: ["412", "0412"] }, ["SB0310 match/number/0 → 412", "SB0310 match/number/1"]],
    [{ number: [{ prefix: "4" }] }, ["SB0310 match/number/0"]],
    [{ number: [412, "413"] }, ["SB0314 match/number/1 → 413"]],
    [{ number: [{ "anything-but": 412 }] }, []],
    [{ number: [{ numeric: [">", 5] }] }, []],
    [{ repo: 5 }, ["SB0310 match/repo"]],
    [{ repo: [{ numeric: [">", 5] }] }, ["SB0310 match/repo/0"]],
    [{ branch: null }, ["SB0310 match/branch → [{ exists: false }]"]],
    [{ branch: [null, "main"] }, ["SB0314 match/branch/0 → { exists: false }"]],
    [{ branch: [{ exists: false }, "main", { prefix: "" }] }, []],
    [{ branch: [{ "anything-but": { wildcard: "*" } }] }, ["SB0310 match/branch/0"]],
    [{ tickets: ["WEB-1", { prefix: "API-" }] }, []],
    [{ tickets: 5 }, ["SB0310 match/tickets"]],
    [{ id: [{ exists: false }] }, ["SB0310 match/id/0"]],
    [{ isDefaultBranch: true }, []],
    [{ isDefaultBranch: [false, { exists: false }] }, []],
    [{ isDefaultBranch: "true" }, ["SB0310 match/isDefaultBranch → true"]],
    [{ isDefaultBranch: "main" }, ["SB0310 match/isDefaultBranch"]],
    // Statuses are a closed list.
    [{ status: "passed" }, ["SB0310 match/status → success"]],
    [{ status: "Success" }, ["SB0310 match/status → success"]],
    [{ status: ["success", "eror"] }, ["SB0314 match/status/1 → error"]],
    [{ status: [{ prefix: "f" }] }, []],
    [{ status: [{ prefix: "x" }] }, ["SB0310 match/status/0"]],
    [{ status: [{ "anything-but": ["success", "failure"] }] }, []],
    [{ status: [{ "equals-ignore-case": "SUCCESS" }] }, []],
    [{ status: [{ "anything-but": { wildcard: "*e*s" } }] }, []],
    [{ status: [{ "anything-but": { wildcard: "*e*" } }] }, ["SB0310 match/status/0"]],
  ])("%j → %j", (match, expected) => {
    expect(inPattern(match).map(brief)).toStrictEqual(expected);
  });

  test.each<[string | string[], unknown, string[]]>([
    ["github.push", "github.push", []],
    ["github.push", "github.pull_request.closed", ["SB0310 match/type"]],
    ["github.*", "github.pull_request.closed", []],
    ["github.*", "jira.issue", ["SB0310 match/type"]],
    ["*", "jira.issue", []],
    [["github.push", "jira.*"], "jira.issue", []],
    [["github.push", "jira.*"], [{ prefix: "git" }], []],
    [["github.push", "jira.*"], [{ prefix: "gitlab" }], ["SB0310 match/type/0"]],
    ["github.pull_request.*", [{ suffix: ".closed" }], []],
  ])("type of rules for %j: %j → %j", (event, type, expected) => {
    expect(inPattern({ type }, { event }).map(brief)).toStrictEqual(expected);
  });

  test("says what it means for the rule, for a branch of $or, and for one alternative", () => {
    expect(inPattern({ number: "412" })[0]?.message).toBe(
      '"number" is a number and "412" is a text, so the rule never matches',
    );
    expect(inPattern({ repo: 5 })[0]?.message).toBe(
      '"repo" is a text and 5 without quotes is a number, so the rule never matches',
    );
    const branch = inPattern({ $or: [{ branch: "main" }, { status: "passed", actor: "x" }] });
    expect(branch.map(({ message, path }) => [message, path])).toStrictEqual([
      [
        'No status is "passed", there are success, failure, pending, error, cancelled, skipped and neutral, so this branch of $or never matches',
        ["match", "$or", 1, "status"],
      ],
    ]);
    expect(inPattern({ status: ["success", "passed"] })[0]?.message).toContain("so this alternative is never met");
    expect(inPattern({ "x.y": 1 })[0]?.message).toBe(
      '"x" is no attribute of an event, so the rule never matches; the payload as sent is below data',
    );
    expect(inPattern({ type: "b" }, { event: ["a", "c.*"] })[0]?.message).toBe(
      'The rule takes only a or c.*, and "b" is none of these, so the rule never matches',
    );
  });
});

describe("two conditions on one field", () => {
  const or = (field: object, ...rest: object[]) => ({ $or: [field, ...rest, { actor: "x" }] });
  test.each<[string, unknown, string[]]>([
    ["two values", { branch: "main", ...or({ branch: "dev" }) }, ["SB0311 match/$or/0/branch"]],
    ["sets that meet", { branch: ["main", "dev"], ...or({ branch: ["dev", "x"] }) }, []],
    [
      "value and operator",
      { branch: "main", ...or({ branch: [{ prefix: "release/" }] }) },
      ["SB0311 match/$or/0/branch"],
    ],
    ["value that fits", { branch: "release/2", ...or({ branch: [{ prefix: "release/" }] }) }, []],
    [
      "anything but it",
      { branch: "main", ...or({ branch: [{ "anything-but": "main" }] }) },
      ["SB0311 match/$or/0/branch"],
    ],
    [
      "prefixes",
      { branch: [{ prefix: "release/" }], ...or({ branch: [{ prefix: "hotfix/" }] }, { branch: [{ prefix: "rel" }] }) },
      ["SB0311 match/$or/0/branch"],
    ],
    [
      "suffixes",
      { branch: [{ suffix: "-rc" }], ...or({ branch: [{ suffix: "-beta" }] }) },
      ["SB0311 match/$or/0/branch"],
    ],
    ["prefix and suffix", { branch: [{ prefix: "a" }], ...or({ branch: [{ suffix: "b" }] }) }, []],
    [
      "wildcard",
      { branch: [{ wildcard: "a*b" }], ...or({ branch: [{ suffix: "c" }] }) },
      ["SB0311 match/$or/0/branch"],
    ],
    [
      "excluded prefix",
      { branch: [{ prefix: "release/2" }], ...or({ branch: [{ "anything-but": { prefix: "release/" } }] }) },
      ["SB0311 match/$or/0/branch"],
    ],
    [
      "ranges",
      {
        number: [{ numeric: [">", 5] }],
        ...or({ number: [{ numeric: ["<=", 5] }] }, { number: [{ numeric: [">=", 5] }] }),
      },
      ["SB0311 match/$or/0/number"],
    ],
    ["ranges that touch", { number: [{ numeric: [">=", 5] }], ...or({ number: [{ numeric: ["<=", 5] }] }) }, []],
    [
      "letter case",
      { branch: [{ "equals-ignore-case": "MAIN" }], ...or({ branch: "main" }, { branch: "dev" }) },
      ["SB0311 match/$or/1/branch"],
    ],
    ["two branches of one $or", { $or: [{ branch: "main" }, { branch: "dev" }] }, []],
    ["dotted and nested", { "data.action": "a", data: { action: "b" } }, ["SB0311 match/data/action"]],
    ["text and number in the payload", { "data.id": [{ prefix: "a" }], data: { id: 5 } }, ["SB0311 match/data/id"]],
    ["tickets, a list", { tickets: "WEB-1", ...or({ tickets: "WEB-2" }) }, []],
    ["absent and a value", { branch: "main", ...or({ branch: [{ exists: false }] }) }, ["SB0311 match/$or/0/branch"]],
    [
      "absent and a value in a list",
      { tickets: "WEB-1", ...or({ tickets: [{ exists: false }] }) },
      ["SB0311 match/$or/0/tickets"],
    ],
    [
      "absent, or one of two values",
      { branch: [{ exists: false }, "a"], ...or({ branch: [{ exists: false }, "b"] }) },
      [],
    ],
    ["absent, and something below: a mapping is no value", { "data.a": [{ exists: false }], "data.a.b": 1 }, []],
    [
      "a value, and something below",
      { "data.pull_request": [{ exists: true }], "data.pull_request.merged": true },
      ["SB0311 match/data.pull_request.merged"],
    ],
    [
      "around and deep inside",
      { branch: "main", $or: [{ actor: "x" }, or({ branch: "dev" })] },
      ["SB0311 match/$or/1/$or/0/branch"],
    ],
  ])("%s", (_name, match, expected) => {
    const contradicting = inPattern(match).filter(({ code }) => code !== "SB0315");
    expect(contradicting.map(brief)).toStrictEqual(expected);
  });

  test.each<[string, unknown, string[]]>([
    [
      "beside $or and inside it",
      { branch: "main", ...or({ branch: [{ prefix: "m" }] }) },
      ["SB0315 match/$or/0/branch"],
    ],
    ["after $or", { ...or({ branch: "main" }), branch: [{ prefix: "m" }] }, ["SB0315 match/$or/0/branch"]],
    [
      "deep inside",
      { branch: "main", $or: [{ actor: "x" }, or({ branch: "main" })] },
      ["SB0315 match/$or/1/$or/0/branch"],
    ],
    ["beside $or of the payload", { data: { a: 1, $or: [{ a: [1, 2] }, { b: 1 }] } }, ["SB0315 match/data/$or/0/a"]],
    ["with dots and nested", { "data.a": [1, 2], data: { a: [2, 3] } }, ["SB0315 match/data/a"]],
    ["a list, which may hold both", { tickets: "WEB-1", ...or({ tickets: "WEB-2" }) }, ["SB0315 match/$or/0/tickets"]],
    ["in two branches of one $or", { $or: [{ branch: "a" }, { branch: "b" }] }, []],
    ["in two $or", { data: { $or: [{ a: 1 }, { b: 1 }] }, $or: [{ "data.a": 2 }, { "data.c": 2 }] }, []],
    ["a contradiction is told instead", { branch: "main", ...or({ branch: "dev" }) }, ["SB0311 match/$or/0/branch"]],
  ])("named twice: %s", (_name, match, expected) => {
    expect(inPattern(match).map(brief)).toStrictEqual(expected);
  });

  test("says whether a list could meet both", () => {
    const [never] = inPattern({ branch: ["main", "dev"], ...or({ branch: [{ prefix: "release/" }] }) });
    expect(never?.message).toBe(
      'No value of "branch" is both one of "main", "dev" and prefix "release/", so this branch of $or never matches',
    );
    const [single] = inPattern({ "data.action": "a", data: { action: "b" } });
    expect(single?.message).toBe(
      'No single value of "data.action" is both "a" and "b"; only a list that holds both could match',
    );
  });

  test("what cannot be is told once", () => {
    expect(inPattern({ number: "412", ...or({ number: "413" }) }).map(({ code }) => code)).toStrictEqual([
      "SB0310",
      "SB0310",
    ]);
  });
});

describe("a condition in CEL", () => {
  test.each([
    ["false", true],
    ["1 == 2", true],
    ["'yes'", true],
    ["true", false],
    ["event.number > 5", false],
    ["has(event.branch)", false],
    ["[1, 2].exists(n, n == event.number)", false],
    ["vars.on", false],
  ])("%s never holds: %s", (when, never) => {
    expect(found({ when }).map(brief)).toStrictEqual(never ? ["SB0310 when"] : []);
  });
});

describe("a rule behind one that stops", () => {
  const stop: Written = { id: "first", event: "github.*", match: { branch: [{ prefix: "release/" }] }, stop: true };
  const after = (rule: Written, first: Written = {}) =>
    found({ ...stop, ...first }, { id: "second", event: "github.push", match: { branch: "release/2" }, ...rule }).map(
      brief,
    );

  test.each<[string, Written, Written, boolean]>([
    ["narrower", {}, {}, true],
    [
      "with further fields and conditions",
      { match: { branch: "release/2", actor: "x" }, when: "event.number > 5" },
      {},
      true,
    ],
    ["only observed itself", { mode: "observe" }, {}, true],
    ["the same prefix, longer", { match: { branch: [{ prefix: "release/2" }] } }, {}, true],
    ["one of several ways out", { match: { $or: [{ branch: "release/2" }, { branch: "main" }] } }, {}, false],
    ["every way in", { match: { $or: [{ branch: "release/2" }, { branch: "release/3" }] } }, {}, true],
    ["one of several values out", { match: { branch: ["release/2", "main"] } }, {}, false],
    ["another field", { match: { actor: "release/2" } }, {}, false],
    ["no pattern", { match: undefined }, {}, false],
    ["absent", { match: { branch: [{ exists: false }, "release/2"] } }, {}, false],
    ["the earlier one asks for nothing", { match: undefined }, { match: undefined }, true],
    ["the earlier one does not stop", {}, { stop: false }, false],
    ["the earlier one is only observed", {}, { mode: "observe" }, false],
    ["the earlier one has a condition", {}, { when: "event.number > 5" }, false],
    ["both have the same condition", { when: "event.number > 5" }, { when: "event.number > 5" }, true],
    ["the earlier one goes over items", {}, { forEach: "event.tickets" }, false],
    ["both go over the same items", { forEach: "event.tickets" }, { forEach: "event.tickets" }, true],
    ["one of its types is not taken", { event: ["github.push", "jira.issue"] }, {}, false],
    [
      "all of its types are taken",
      { event: ["github.push", "jira.issue"] },
      { event: ["github.*", "jira.issue"] },
      true,
    ],
    ["a prefix below", { event: "github.pull_request.*" }, {}, true],
    ["a prefix above", { event: "github.*" }, { event: "github.pull_request.*" }, false],
    ["everything", { event: "*" }, {}, false],
    ["everything stops", { event: "*" }, { event: "*" }, true],
    [
      "absent both, at the top",
      { match: { branch: [{ exists: false }] } },
      { match: { branch: [{ exists: false }, "x"] } },
      true,
    ],
    [
      "absent in a list depends on the element",
      { match: { "data.a.x": [{ exists: false }], "data.a.y": 1 } },
      { match: { "data.a.x": [{ exists: false }] } },
      false,
    ],
    [
      "a range inside",
      { match: { number: [{ numeric: [">", 5, "<", 9] }] } },
      { match: { number: [{ numeric: [">=", 5] }] } },
      true,
    ],
    ["letter case", { match: { branch: "MAIN" } }, { match: { branch: [{ "equals-ignore-case": "main" }] } }, true],
    [
      "a letter whose case is more than ASCII tells",
      { match: { branch: [{ prefix: "\u0130x" }] } },
      { match: { branch: [{ prefix: { "equals-ignore-case": "i" } }] } },
      false,
    ],
    ["one $or of the earlier", { match: { branch: "x" } }, { match: { $or: [{ actor: "a" }, { branch: "x" }] } }, true],
    [
      "anything but",
      { match: { branch: [{ prefix: "ab" }] } },
      { match: { branch: [{ "anything-but": { prefix: "b" } }] } },
      true,
    ],
  ])("%s", (_name, rule, first, shadowed) => {
    expect(after(rule, first)).toStrictEqual(shadowed ? ["SB0312 id"] : []);
  });

  test("names the first rule that stops it, with its place", () => {
    const [problem, ...more] = found(
      { ...stop, id: "apart", match: { actor: "x" } },
      stop,
      { ...stop, id: "again" },
      { id: "last", match: { branch: "release/2" } },
    );
    expect(problem?.message).toBe(
      'Rule "again" is never asked: whenever it would match, "first" at rules/a.yaml:3:2 matches before and stops',
    );
    expect(more.map(({ message }) => message)).toStrictEqual([
      'Rule "last" is never asked: whenever it would match, "first" at rules/a.yaml:3:2 matches before and stops',
    ]);
  });

  test("rules before it are asked", () => {
    expect(found({ id: "early", match: { branch: "release/2" } }, stop)).toStrictEqual([]);
  });

  test("one among thousands is found", () => {
    const rules = Array.from({ length: 3_000 }, (_, i) =>
      compiled({ id: `r${i}`, match: { repo: `acme/web-${i}`, branch: [{ prefix: `r${i}/` }] }, stop: i % 30 === 0 }),
    );
    const behind = compiled({ id: "behind", match: { repo: "acme/web-2100", branch: "r2100/x" } });
    expect(lint([...rules, behind]).map(({ rule }) => rule.id)).toStrictEqual(["behind"]);
  });
});

// ---------------------------------------------------------------- what is known of events

const TYPE = "github.pull_request.closed";

function event(data: JsonObject, over: Partial<Event> = {}): Event {
  return { id: "", type: TYPE, source: "github", time: "", receivedAt: "", branch: "main", data, ...over };
}
const PULL = {
  action: "closed",
  number: 412,
  pull_request: { merged: true, merged_by: null, state: "closed", user: { login: "x" } },
};
const sample = event(PULL);
const recordedOf = (count: number, data: (i: number) => JsonObject = () => PULL, over: Partial<Event> = {}) =>
  Array.from({ length: count }, (_, i) => event(data(i), over));

function unseenIn(
  match: unknown,
  known: { samples?: Event[]; recorded?: Event[] },
  selector: string | string[] = TYPE,
): Diagnostic[] {
  const rules = [compiled({ event: selector, match })];
  return unseen(rules, { samples: [], recorded: [], ...known }).map(({ diagnostic: problem }) => problem);
}

describe("a field that no known event has", () => {
  const few = { samples: [sample] };
  const enough = { samples: [sample], recorded: recordedOf(20) };
  test.each<[string, unknown, string[], string[]]>([
    ["one that is there", { "data.pull_request.merged": true }, [], []],
    [
      "a slip",
      { "data.pull_request.mergd": true },
      ["SB0313 match/data.pull_request.mergd → data.pull_request.merged"],
      ["SB0313 match/data.pull_request.mergd → data.pull_request.merged"],
    ],
    [
      "a slip on the way",
      { data: { pull_requst: { merged: true } } },
      ["SB0313 match/data/pull_requst → pull_request"],
      ["SB0313 match/data/pull_requst → pull_request"],
    ],
    ["one that samples may lack", { "data.pull_request.comments": 5 }, [], ["SB0313 match/data.pull_request.comments"]],
    ["the level forgotten", { "data.merged": true }, [], ["SB0313 match/data.merged → data.pull_request.merged"]],
    [
      "nearly a name, but not by a slip",
      { "data.pull_request.merdge": true },
      [],
      ["SB0313 match/data.pull_request.merdge → data.pull_request.merged"],
    ],
    ["absence asked for", { "data.pull_request.mergd": [{ exists: false }] }, [], []],
    ["absence allowed", { "data.pull_request.mergd": [{ exists: false }, true] }, [], []],
    ["below null nobody knows", { "data.pull_request.merged_by.login": "x" }, [], []],
    [
      "a mapping as a value",
      { "data.pull_request.user": "x" },
      ["SB0313 match/data.pull_request.user"],
      ["SB0313 match/data.pull_request.user"],
    ],
    [
      "whether a mapping exists",
      { "data.pull_request.user": [{ exists: true }] },
      [],
      ["SB0313 match/data.pull_request.user"],
    ],
    [
      "below a value",
      { "data.action.name": "x" },
      ["SB0313 match/data.action.name"],
      ["SB0313 match/data.action.name"],
    ],
    [
      "in a branch of $or",
      { $or: [{ branch: "main" }, { "data.acton": "closed" }] },
      ["SB0313 match/$or/1/data.acton → data.action"],
      ["SB0313 match/$or/1/data.acton → data.action"],
    ],
    ["an attribute that this sender never gives", { number: 412 }, [], ["SB0313 match/number"]],
    ["an attribute that comes and goes", { tickets: "WEB-1", causedBy: "x", subject: "y" }, [], []],
  ])("%s", (_name, match, byFew, byMany) => {
    expect(unseenIn(match, few).map(brief)).toStrictEqual(byFew);
    expect(unseenIn(match, enough).map(brief)).toStrictEqual(byMany);
  });

  test("is looked for in lists as patterns look", () => {
    const labels = { samples: [event({ labels: [{ name: "bug" }, [{ color: "red" }]], tags: [], topics: ["a"] })] };
    expect(unseenIn({ "data.labels.name": "ui", "data.labels.color": "blue" }, labels)).toStrictEqual([]);
    expect(unseenIn({ "data.labels.nmae": "bug" }, labels).map(brief)).toStrictEqual([
      "SB0313 match/data.labels.nmae → data.labels.name",
    ]);
    expect(unseenIn({ "data.labels": "bug" }, labels)[0]?.message).toBe(
      '"data.labels" is a mapping and no value in the one known github.pull_request.closed event; name a field in it: name or color',
    );
    expect(unseenIn({ "data.tags.name": "x", "data.topics": "b" }, labels)).toStrictEqual([]);
  });

  test("says of how many events it speaks", () => {
    expect(unseenIn({ "data.pull_request.mergd": true }, few)[0]?.message).toBe(
      'The one known github.pull_request.closed event has no "data.pull_request.mergd"',
    );
    expect(unseenIn({ "data.pull_request.comments": 5 }, enough)[0]?.message).toBe(
      'None of the 21 known github.pull_request.closed events has "data.pull_request.comments"',
    );
  });

  test("one event that has it is enough, of any type that the rule takes", () => {
    const other = event({ issue: { comments: 1 } }, { type: "github.issues.closed" });
    const known = {
      ...enough,
      recorded: [...enough.recorded, ...recordedOf(20, () => other.data, { type: other.type })],
    };
    expect(unseenIn({ "data.issue.comments": 1 }, known).map(brief)).toStrictEqual([
      "SB0313 match/data.issue.comments",
    ]);
    expect(unseenIn({ "data.issue.comments": 1 }, known, [TYPE, other.type])).toStrictEqual([]);
    expect(unseenIn({ "data.issue.comments": 1 }, known, "github.*")).toStrictEqual([]);
  });

  test("nothing is said of types of which nothing is known, nor of a prefix that may take more", () => {
    const match = { "data.pull_request.mergd": true, "data.pull_request.comments": 5 };
    expect(unseenIn(match, enough, [TYPE, "github.push"])).toStrictEqual([]);
    expect(unseenIn(match, enough, "jira.*")).toStrictEqual([]);
    expect(unseenIn(match, enough, "*")).toStrictEqual([]);
    expect(unseenIn(match, enough, "github.*").map(brief)).toStrictEqual([
      "SB0313 match/data.pull_request.mergd → data.pull_request.merged",
    ]);
  });
});

describe("a value that no known event has", () => {
  const actions = ["opened", "labeled", "edited"];
  const mixed = {
    recorded: recordedOf(30, (i) => ({
      ...PULL,
      kind: actions[i % 3]!,
      build: `b${i}`,
      stage: `team-${"abc"[i % 3]}`,
      ok: i % 2 === 0,
    })),
  };
  test.each<[string, unknown, string[]]>([
    ["one that is there", { "data.kind": "opened" }, []],
    ["another letter case", { "data.kind": "Opened" }, ["SB0314 match/data.kind → opened"]],
    ["a letter", { "data.kind": ["edited", "labelled"] }, ["SB0314 match/data.kind/1 → labeled"]],
    ["a rare one", { "data.kind": "converted_to_draft" }, []],
    ["both spellings", { "data.kind": ["opened", "Opened"] }, []],
    ["a letter that tells names apart", { "data.stage": "team-d" }, []],
    ["one of many", { "data.build": "B1" }, []],
    ["another kind", { "data.ok": "true" }, ["SB0314 match/data.ok → true"]],
    [
      "another kind of number",
      { "data.number": ["412", "0412"] },
      ["SB0314 match/data.number/0 → 412", "SB0314 match/data.number/1"],
    ],
    ["an operator for another kind", { "data.number": [{ prefix: "4" }] }, ["SB0314 match/data.number/0"]],
    ["either kind", { "data.number": ["412", 412] }, []],
    ["null may come", { "data.number": null }, []],
    ["an operator that nothing fits", { "data.kind": [{ prefix: "x" }] }, []],
    ["what the type is made of", { "data.action": "merged" }, ["SB0314 match/data.action"]],
    ["an attribute", { branch: "Main" }, ["SB0314 match/branch → main"]],
    ["another branch", { branch: "release/2" }, []],
  ])("%s", (_name, match, expected) => {
    expect(unseenIn(match, mixed).map(brief)).toStrictEqual(expected);
  });

  test("says what there is", () => {
    expect(unseenIn({ "data.kind": "Opened" }, mixed)[0]?.message).toBe(
      '"Opened" is never the value of "data.kind": in the 30 known github.pull_request.closed events it is "opened", "labeled" or "edited"',
    );
    expect(unseenIn({ "data.ok": "true" }, mixed)[0]?.message).toBe(
      '"data.ok" is true or false in the 30 known github.pull_request.closed events and "true" is a text',
    );
  });

  test("a few events say nothing of values, but for the one that the type is made of and for their kind", () => {
    const some = { samples: [sample], recorded: recordedOf(19) };
    expect(unseenIn({ "data.pull_request.state": "Closed", branch: "Main" }, some)).toStrictEqual([]);
    expect(unseenIn({ "data.action": "merged", "data.pull_request.merged": "true" }, some).map(brief)).toStrictEqual([
      "SB0314 match/data.action",
      "SB0314 match/data.pull_request.merged → true",
    ]);
  });

  test("a rule with a prefix is warned about misspelt values only", () => {
    expect(
      unseenIn({ "data.action": "merged", "data.number": "412", "data.kind": "Opened" }, mixed, "github.*").map(brief),
    ).toStrictEqual(["SB0314 match/data.kind → opened"]);
  });
});

test("very many fields are not all looked up", () => {
  const recorded = recordedOf(200, () => ({ a: { b: 1 } }));
  const rules = Array.from({ length: 6_000 }, (_, i) => compiled({ event: TYPE, match: { [`data.a.f${i}`]: 1 } }));
  const told = unseen(rules, { samples: [], recorded }).length;
  expect(told).toBeGreaterThan(1_000);
  expect(told).toBeLessThan(rules.length);
});

describe("a slip of the pen", () => {
  test.each<[string, string, boolean]>([
    ["branch", "brnch", true],
    ["branch", "branhc", true],
    ["branch", "Branch", true],
    ["branch", "brunch", true],
    ["branch", "branches", false],
    ["full_name", "fullName", true],
    ["in_progress", "in-progress", true],
    ["team-a", "team-b", false],
    ["v1", "v2", false],
    ["release-1-2", "release-12", false],
    ["release/2", "release/3", false],
    ["sha", "shi", false],
    ["same", "same", false],
  ])("%s and %s: %s", (a, b, expected) => {
    expect(isSlip(a, b)).toBe(expected);
    expect(isSlip(b, a)).toBe(expected);
  });
});
