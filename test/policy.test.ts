/** Files → policy: all problems at once, each in its place; a policy only when there is none; nothing missing is taken for empty. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { checkReport } from "../src/cli/check-report.ts";
import { type Diagnostic, SignalboxError } from "../src/errors.ts";
import { LIMITS } from "../src/model.ts";
import { compilePolicy, type PolicyFiles, readPolicyFiles } from "../src/policy/policy.ts";
import { createDefinitions } from "../src/policy/running.ts";
import { ACTIONS, PROVIDERS } from "./support/providers.ts";

const TICKET =
  "id: ticket\ninitial: open\nstates:\n  open: { on: { MERGED: merged }, after: { 90d: merged } }\n  merged: { type: final }\nmanual: [MERGED]\n";
const RULE = '- id: tell\n  event: github.push\n  do: [{ slack.post: { channel: "#dev", text: pushed } }]\n';
const rule = (id: string, rest = 'do: [{ slack.post: { channel: "#dev", text: pushed } }]') =>
  `- id: ${id}\n  event: github.push\n  ${rest}\n`;
const FILES: PolicyFiles = { "rules/push.yaml": RULE, "statemachines/ticket.yaml": TICKET };

const compile = (files: PolicyFiles, vars = {}) => compilePolicy(files, { actions: ACTIONS, vars });
const brief = (problems: readonly Diagnostic[]) =>
  problems.map(({ code, severity, file, line, col }) => `${severity} ${code} ${file}:${line}:${col}`);

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function folderWith(files: Record<string, string | Uint8Array>): string {
  const folder = mkdtempSync(join(tmpdir(), "signalbox-policy-"));
  folders.push(folder);
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  return folder;
}

async function refusal(folder: string): Promise<readonly Diagnostic[]> {
  const error = await readPolicyFiles(folder).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(SignalboxError);
  return (error as SignalboxError).problems;
}

describe("a policy", () => {
  test("holds rules in the order of files and lines, machines by file name, and what it was made of", () => {
    const files = {
      "statemachines/ticket.yaml": TICKET,
      "rules/b.yaml": rule("third"),
      "rules/a/z.yaml": rule("second"),
      "rules/a.yaml": rule("first"),
    };
    const { policy, diagnostics: problems } = compile(files, { site: "x" });
    expect(problems).toEqual([]);
    expect(policy?.rules.rules.map(({ id }) => id)).toEqual(["first", "second", "third"]);
    expect([...(policy?.machines.keys() ?? [])]).toEqual(["ticket"]);
    expect(policy?.files).toEqual(files);
    expect(policy?.vars).toEqual({ site: "x" });
  });

  test("has a revision that depends on every file and every action, and on nothing else", () => {
    const revision = (files: PolicyFiles, actions = ACTIONS) =>
      compilePolicy(files, { actions, vars: {} }).policy?.revision;
    const first = revision(FILES);
    expect(first).toMatch(/^[0-9a-f]{12}$/);
    expect(revision(Object.fromEntries(Object.entries(FILES).toReversed()))).toBe(first);
    expect(revision(FILES, new Map([...ACTIONS].toReversed()))).toBe(first);
    expect(revision({ ...FILES, "rules/push.yaml": `${RULE}# remark\n` })).not.toBe(first);
    expect(revision({ ...FILES, "rules/more.yaml": "" })).not.toBe(first);
    expect(revision({ ...FILES, "rules/templates/x.hbs": "" })).not.toBe(first);
    expect(revision(FILES, new Map([...ACTIONS, ["slack.update", [...ACTIONS.values()][0]!]]))).not.toBe(first);
  });

  test("may have files without rules: empty, or all of it remarks", () => {
    expect(compile({ "rules/a.yaml": "", "rules/b.yaml": "# later\n", "rules/c.yaml": "[]\n" })).toMatchObject({
      diagnostics: [],
    });
  });

  test("comes with warnings, but not with errors", () => {
    const send = 'send: { machine: ticket, key: "{{event.number}}", event: MERGD }';
    const warned = compile({ ...FILES, "rules/send.yaml": rule("sends", send) });
    expect(brief(warned.diagnostics)).toEqual(["warning SB0303 rules/send.yaml:3:60"]);
    expect(warned.policy).toBeDefined();
    const wrong = compile({ ...FILES, "rules/send.yaml": rule("sends", `${send}\n  whne: true`) });
    expect(wrong.diagnostics.some(({ severity }) => severity === "error")).toBe(true);
    expect(wrong.policy).toBeUndefined();
  });
});

test("all problems of all files are told in one run, sorted by file and place", () => {
  const { diagnostics: problems, policy } = compile({
    "rules/z.yaml": "- id: z\n  event: [\n",
    "rules/b.yaml": `${rule("one", "whne: true")}${rule("two", "do: [{ slack.pots: {} }]")}`,
    "rules/templates/broken.hbs": "Hello\n{{#if event.x}}",
    "statemachines/ticket.yaml": TICKET.replace("MERGED: merged", "MERGED: mreged, CLOSED: merged"),
  });
  expect(policy).toBeUndefined();
  expect(brief(problems)).toEqual([
    "error SB0101 rules/b.yaml:3:3",
    "error SB0203 rules/b.yaml:6:10",
    expect.stringMatching(/^error SB0106 rules\/templates\/broken.hbs:2:/),
    expect.stringMatching(/^error SB0001 rules\/z.yaml:/),
    "error SB0201 statemachines/ticket.yaml:4:25",
  ]);
});

test("more mistakes than a reader counts do not let the rules after them pass unchecked", () => {
  const text = Array.from({ length: 80 }, (_, i) => rule(`r${i}`, "whne: 1")).join("");
  expect(compile({ "rules/a.yaml": text }).diagnostics.filter(({ code }) => code === "SB0101")).toHaveLength(80);
});

test("a broken template is told once and in the template, however many rules use it", () => {
  const use = 'do: [{ slack.post: { channel: "#dev", text: { template: broken } } }]';
  const { diagnostics: problems } = compile({
    "rules/a.yaml": rule("one", use) + rule("two", use),
    "rules/templates/broken.hbs": "{{shout event.title}}",
  });
  expect(brief(problems)).toEqual(["error SB0106 rules/templates/broken.hbs:1:1"]);
});

describe("rule ids", () => {
  test("are unique across files; the problem stands at the second and names the first", () => {
    const { diagnostics: problems } = compile({
      "rules/a.yaml": rule("x"),
      "rules/b.yaml": rule("y") + rule("x") + rule("x"),
    });
    expect(brief(problems)).toEqual(["error SB0205 rules/b.yaml:4:7", "error SB0205 rules/b.yaml:7:7"]);
    for (const { message } of problems) expect(message).toContain("rules/a.yaml:1:7");
  });

  test("are compared also where a rule is wrong otherwise", () => {
    const { diagnostics: problems } = compile({ "rules/a.yaml": rule("x", "whne: 1"), "rules/b.yaml": rule("x") });
    expect(problems.map(({ code }) => code)).toContain("SB0205");
  });
});

describe("signals that rules send", () => {
  const machine = (on: string) => TICKET.replace("MERGED: merged", on);
  test.each([
    { on: "MERGED: merged", event: "MERGED", warned: false },
    { on: "MERGED: merged", event: "MERGD", warned: true },
    { on: '"*": merged', event: "ANYTHING", warned: false },
    { on: '"pr.*": merged', event: "pr.closed", warned: false },
    { on: '"pr.*": merged', event: "ci.closed", warned: true },
  ])("$event to a machine that takes { $on }: warned $warned", ({ on, event, warned }) => {
    const send = `send: [{ machine: ticket, key: k, event: ${event} }]`;
    const { diagnostics: problems } = compile({
      "rules/a.yaml": rule("x", send),
      "statemachines/ticket.yaml": machine(on).replace("id: ticket", "id: ticket\nstartOn: [MERGED]"),
    });
    expect(problems.map(({ code }) => code)).toEqual(warned ? ["SB0303"] : []);
  });

  test("to a machine that does not compile are not told on top", () => {
    const files = {
      "rules/a.yaml": rule("x", "send: { machine: ticket, key: k, event: GO }"),
      "statemachines/ticket.yaml": "id: [",
    };
    expect(compile(files).diagnostics.map(({ file }) => file)).toEqual(["statemachines/ticket.yaml"]);
  });
});

test("more rules than the limit are refused once", () => {
  const one = "- 1\n";
  const files = { "rules/a.yaml": one.repeat(LIMITS.rules), "rules/b.yaml": one, "rules/c.yaml": one };
  const over = compile(files).diagnostics.filter(({ code }) => code === "SB0108");
  expect(brief(over)).toEqual(["error SB0108 rules/b.yaml:1:1"]);
});

test("two files for one machine are a problem, whatever their endings", () => {
  const { diagnostics: problems } = compile({
    "statemachines/ticket.yaml": TICKET,
    "statemachines/ticket.yml": TICKET,
  });
  expect(brief(problems)).toEqual(["error SB0302 statemachines/ticket.yml:1:1"]);
});

describe("reading from disk", () => {
  test("takes rules, templates and machines, and leaves out dotfiles and whatever is none of them", async () => {
    const files = {
      "rules/pr.yaml": RULE,
      "rules/team/more.yml": "",
      "rules/templates/hello.hbs": "Hi",
      "rules/templates/mail/late.hbs": "Late",
      "statemachines/ticket.yaml": TICKET,
    };
    const folder = folderWith({
      ...files,
      "rules/.hidden.yaml": "]",
      "rules/.git/x.yaml": "]",
      "rules/pr.yaml~": "]",
      "rules/README.md": "]",
      "rules/templates/notes.txt": "]",
      "rules/templates/a.yaml": "]",
      "statemachines/deeper/x.yaml": "]",
      "other/x.yaml": "]",
    });
    const read = await readPolicyFiles(folder);
    expect(read).toEqual(files);
    expect(Object.keys(read)).toEqual(Object.keys(files).toSorted());
  });

  test.each(["rules", "statemachines"])("a missing %s folder is a problem and never an empty policy", async (name) => {
    const other = name === "rules" ? "statemachines/ticket.yaml" : "rules/a.yaml";
    const problems = await refusal(folderWith({ [other]: name === "rules" ? TICKET : RULE }));
    expect(problems).toMatchObject([
      { code: "SB0003", file: name, message: expect.stringContaining("does not exist") },
    ]);
  });

  test("both folders missing, a link that leads nowhere, a file that is not UTF-8 and one too large are all told", async () => {
    expect((await refusal(folderWith({}))).map(({ file }) => file)).toEqual(["rules", "statemachines"]);
    const folder = folderWith({
      "rules/latin.yaml": new Uint8Array([0x2d, 0x20, 0xe9, 0x0a]),
      "rules/large.yaml": "#".repeat(8 * 1024 * 1024 + 1),
      "statemachines/ticket.yaml": TICKET,
    });
    symlinkSync(join(folder, "nowhere"), join(folder, "rules/link.yaml"));
    expect((await refusal(folder)).map(({ code, file }) => `${code} ${file}`)).toEqual([
      "SB0108 rules/large.yaml",
      "SB0001 rules/latin.yaml",
      "SB0003 rules/link.yaml",
    ]);
  });

  test("follows links to files and folders, as mounted configuration has them", async () => {
    const folder = folderWith({
      "rules/..data/pr.yaml": RULE,
      "elsewhere/b.yaml": "",
      "statemachines/ticket.yaml": TICKET,
    });
    symlinkSync("..data/pr.yaml", join(folder, "rules/pr.yaml"));
    symlinkSync(join(folder, "elsewhere"), join(folder, "rules/team"));
    expect(Object.keys(await readPolicyFiles(folder))).toEqual([
      "rules/pr.yaml",
      "rules/team/b.yaml",
      "statemachines/ticket.yaml",
    ]);
  });

  test("ends although links lead in a circle", async () => {
    const folder = folderWith({ "rules/pr.yaml": RULE, "statemachines/ticket.yaml": TICKET });
    symlinkSync(join(folder, "rules"), join(folder, "rules/again"));
    expect((await refusal(folder))[0]).toMatchObject({ code: "SB0108" });
  });

  test.skipIf(process.getuid?.() === 0)("a file that may not be read is a problem", async () => {
    const folder = folderWith({ "rules/pr.yaml": RULE, "statemachines/ticket.yaml": TICKET });
    chmodSync(join(folder, "rules/pr.yaml"), 0);
    expect(await refusal(folder)).toMatchObject([{ code: "SB0003", file: "rules/pr.yaml" }]);
  });
});

describe("the report of check", () => {
  const CONFIG =
    "sources:\n  github: { provider: github, secret: env:NOT_SET }\nconnections:\n  slack: { provider: slack, webhook: env:NOT_SET }\n";
  const project = (files: Record<string, string> = {}) =>
    folderWith({ "signalbox.yaml": CONFIG, ...FILES, "rules/templates/x.hbs": "x", ...files } as Record<
      string,
      string
    >);
  const report = (dir: string, paths?: string[]) =>
    checkReport({ dir, env: {}, providers: PROVIDERS, ...(paths ? { paths } : {}) });

  test("needs no secrets: those that are missing are warnings, and actions are checked all the same", async () => {
    const {
      diagnostics: problems,
      summary,
      fileTexts: sources,
    } = await report(project({ "rules/more.yaml": rule("y", "do: [{ slack.pots: {} }]") }));
    expect(brief(problems)).toEqual([
      "warning SB0207 signalbox.yaml:2:39",
      "warning SB0207 signalbox.yaml:4:38",
      "error SB0203 rules/more.yaml:3:10",
    ]);
    expect(summary).toEqual({ rules: 2, machines: 1, templates: 1, errors: 1, warnings: 2, ms: expect.any(Number) });
    expect([...sources.keys()]).toContain("rules/more.yaml");
  });

  test("tells everything about configuration and policy in one run", async () => {
    const { diagnostics: problems } = await report(
      project({ "signalbox.yaml": "sorces: {}\n", "rules/more.yaml": rule("y", "whne: 1") }),
    );
    expect(brief(problems)).toEqual(["error SB0101 signalbox.yaml:1:1", "error SB0101 rules/more.yaml:3:3"]);
  });

  test("without signalbox.yaml, or without rules, says so", async () => {
    const { diagnostics: problems } = await report(folderWith({ "statemachines/ticket.yaml": TICKET }));
    expect(problems.map(({ code, file }) => `${code} ${file}`)).toEqual(["SB0003 signalbox.yaml", "SB0003 rules"]);
  });

  test("tells only of the paths that are asked for, and of a path that is nothing", async () => {
    const dir = project({ "rules/more.yaml": rule("y", "whne: 1"), "rules/team/z.yaml": rule("z", "whne: 1") });
    const files = async (...paths: string[]) => (await report(dir, paths)).diagnostics.map(({ file }) => file);
    expect(await files("rules")).toEqual(["rules/more.yaml", "rules/team/z.yaml"]);
    expect(await files("rules/team/")).toEqual(["rules/team/z.yaml"]);
    expect(await files(join(dir, "rules/more.yaml"))).toEqual(["rules/more.yaml"]);
    expect(await files("statemachines")).toEqual([]);
    expect((await report(dir, ["rules/mroe.yaml"])).diagnostics).toMatchObject([{ code: "SB0003" }]);
  });
});

test("definitions of the store stay compiled while they are used, and only a bounded number of them", async () => {
  const compiled: string[] = [];
  const { policy } = compile(FILES, { site: "x" });
  const [machine] = policy!.machines.values();
  const definition = createDefinitions(
    { definition: async (hash) => (hash === "gone" ? undefined : hash) },
    (_, hash) => {
      compiled.push(String(hash));
      return machine;
    },
  );
  for (const hash of ["used", "used", ...Array.from({ length: 99 }, (_, i) => `d${i}`), "used", "d99", "used"])
    expect(await definition("ticket", hash)).toBe(machine);
  expect(compiled.filter((hash) => hash === "used")).toHaveLength(1);
  await definition("ticket", "d0");
  expect(compiled.filter((hash) => hash === "d0")).toHaveLength(2);
  expect(await definition("ticket", "gone")).toBeUndefined();
});
