import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { Command } from "../../src/cli/command.ts";
import { GROUPS, loadCommand } from "../../src/cli/commands/index.ts";
import { command, json, process_, project, temporary } from "./support/command.ts";

interface Named {
  path: string[];
  command: Command;
}

const ALL: Named[] = (await Promise.all(Object.values(GROUPS).flat().map(loadCommand))).flatMap((one): Named[] => {
  const path = [one.name.split(" ")[0]!];
  const verbs = (one.verbs ?? []).map((verb) => ({ path: [...path, verb.name.split(" ")[0]!], command: verb }));
  return [{ path, command: one }, ...verbs];
});

describe("finding one's way", () => {
  test("without a command there are twelve lines, grouped by intent, that name every command", async () => {
    const { code, out } = await command([]);
    expect(code).toBe(0);
    expect(out.trimEnd().split("\n")).toHaveLength(12);
    for (const { path } of ALL) expect(out).toContain(path[0]);
  });

  test.each([
    [["chek"], '"check"'],
    [["explian", "evt_1"], '"explain"'],
    [["chek", "--format", "json"], '"check"'],
    [["events", "lst"], '"list"'],
    [["token", "creat", "x"], '"create"'],
    [["check", "--fromat", "json"], '"--format"'],
    [["events", "list", "--outcom", "matched"], '"--outcome"'],
    [["--jsno"], '"--json"'],
  ])("%j is answered with the nearest name and exit 2", async (args, near) => {
    const { code, out, err } = await command(args);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toContain(`did you mean ${near}?`);
  });

  test("a noun without its verb names the verbs", async () => {
    const { code, err } = await command(["events"]);
    expect(code).toBe(2);
    expect(err).toContain("list, show, redeliver, refused");
  });

  test("replay only says that it is ambiguous", async () => {
    const { code, err } = await command(["replay", "evt_1"]);
    expect(code).toBe(2);
    expect(err).toContain("ambiguous");
    expect(err).toContain("events redeliver");
  });

  test.each(ALL)("help of $path ends with three examples that exist", async ({ path, command: described }) => {
    const { code, out } = await command([...path, "--help"]);
    expect(code).toBe(0);
    const shown = out.slice(out.indexOf("Examples:")).trim().split("\n").slice(1);
    expect(shown.map((line) => line.trim())).toEqual(described.examples.map((line) => `$ ${line}`));
    for (const example of described.examples) {
      const words = example.split(" ").slice(1);
      const known = ALL.filter((one) => one.path.every((word, i) => words[i] === word)).at(-1);
      if (words[0]?.startsWith("-")) continue;
      expect(known, example).toBeDefined();
      const help = (await command([...known!.path, "--help"])).out;
      for (const flag of example.match(/ --[a-z-]+/g) ?? []) expect(help, example).toContain(flag.trim());
    }
  });

  test("every flag has one long form", () => {
    for (const { command: one } of ALL) {
      for (const { flags } of one.flags ?? []) expect(flags).toMatch(/^(-\w, )?--[a-z-]+( |$)/);
    }
  });
});

describe("exit codes", () => {
  test.each<[string, string[], number]>([
    ["done", ["version"], 0],
    ["done", ["providers"], 0],
    ["done", ["explain", "SB0102"], 0],
    ["an argument is missing", ["explain"], 2],
    ["an argument too many", ["version", "more"], 2],
    ["a choice that is none", ["check", "--format", "xml"], 2],
    ["a number that is none", ["events", "list", "--limit", "many"], 2],
    ["a number past its limit", ["events", "list", "--limit", "201"], 2],
    ["a duration that is none", ["events", "list", "--since", "yesterday"], 2],
    ["a timeout that is none", ["events", "list", "--timeout", "soon"], 2],
    ["-c without a file", ["check", "--config"], 2],
    ["an address that is none", ["events", "list", "--url", "nowhere"], 2],
    ["a token file that is not there", ["events", "list", "--url", "http://127.0.0.1:1", "--token-file", "none"], 2],
    ["two ways to spoil", ["send", "github.push", "--unsigned", "--stale"], 2],
    ["a question nobody can answer", ["instances", "signal", "jira-ticket", "WEB-1", "MERGED", "--reason", "x"], 2],
    ["a signal without a reason", ["instances", "signal", "jira-ticket", "WEB-1", "MERGED", "--yes"], 2],
    ["no server at --url", ["events", "list", "--url", "http://127.0.0.1:1"], 4],
    ["nobody to send to", ["send", "github.push", "--to", "http://127.0.0.1:1"], 4],
    ["an event that is not there", ["explain", "evt_none"], 5],
    ["a delivery that is not there", ["deliveries", "show", "dlv_none"], 5],
    ["an instance that is not there", ["instances", "show", "jira-ticket", "WEB-1"], 5],
    ["a token that is not there", ["token", "revoke", "nobody"], 5],
    ["a provider that is not there", ["providers", "githib"], 5],
    ["a schema that is not there", ["schema", "ruls"], 5],
    ["a sample that is not there", ["send", "github.pul_request"], 5],
    ["an error that is not there", ["explain", "SB9999"], 5],
    ["files that would be overwritten", ["init"], 6],
  ])("%s: %j → %i", async (_, args, expected) => {
    const cwd = await project();
    const { code, out, err } = await command(args, { cwd });
    expect({ code, err: code === expected ? "" : err }).toEqual({ code: expected, err: "" });
    expect(expected === 0 ? err : out).toBe("");
    const again = await command([...args, "--json"], { cwd });
    const document = json(again);
    expect(again.code).toBe(expected);
    expect(document).toMatchObject({ apiVersion: "signalbox/v1" });
    expect(document.kind === "Error").toBe(expected !== 0);
    if (expected !== 0)
      expect(document.error).toMatchObject({ code: expect.stringMatching(/^SB\d{4}$/), message: expect.any(String) });
  });

  test("no configuration at all is exit 3 and says what writes one", async () => {
    const { code, err } = await command(["doctor", "--config"], { cwd: temporary() });
    expect(code).toBe(3);
    expect(err).toContain("signalbox init");
  });

  test("a configuration that does not load is exit 3 with file, line and column", async () => {
    const cwd = await project({ "signalbox.yaml": "sources:\n  github: { provider: githib, secret: env:X }\n" });
    const people = await command(["serve"], { cwd });
    expect(people.code).toBe(3);
    expect(people.err).toContain("signalbox.yaml:2:23");
    expect(people.err).toContain("did you mean `github`?");
    const { error } = json(await command(["serve", "--json"], { cwd }));
    expect(error).toMatchObject({ code: "SB0206", file: "signalbox.yaml", line: 2, column: 23 });
  });

  test("a policy that does not load is exit 3 with the line of the rule", async () => {
    const cwd = await project({
      "rules/bad.yaml": "- id: bad\n  event: github.push\n  send: { machine: jira-tickt, key: a, event: B }\n",
    });
    const { code, err } = await command(["events", "list"], { cwd });
    expect(code).toBe(3);
    expect(err).toContain("rules/bad.yaml:3:");
    expect(err).toContain("did you mean `jira-ticket`?");
  });

  test("a bug is exit 70: people get a sentence and a file, never a stack trace", async () => {
    const cwd = await project();
    const tempDir = temporary();
    const readIn = () => Promise.reject(new TypeError("thrown on purpose"));
    const { code, err } = await command(["explain", "-"], { cwd, shell: { tempDir, readIn } });
    expect(code).toBe(70);
    expect(err).not.toMatch(/thrown on purpose|\n\s+at /);
    const file = /\S+signalbox-failure-\S+\.txt/.exec(err)?.[0];
    expect(file).toContain(tempDir);
    expect(readFileSync(file!, "utf8")).toMatch(/thrown on purpose[\s\S]+\n\s+at /);
  });
});

describe("questions", () => {
  const signal = ["instances", "signal", "jira-ticket", "WEB-1", "MERGED", "--reason", "test"];
  test.each([
    ["y", {}, [], 0],
    ["n", {}, [], 1],
    ["", {}, [], 1],
    ["y", { CI: "true" }, [], 2],
    ["y", {}, ["--no-input"], 2],
    ["", { CI: "true" }, ["--yes"], 0],
  ])("answer %j with %j and %j → %i", async (typed, env, more, expected) => {
    const cwd = await project();
    const { code, err } = await command([...signal, ...more], {
      cwd,
      tty: true,
      typed,
      env: env as Record<string, string>,
    });
    expect(code).toBe(expected);
    expect(err.includes("[y/N]")).toBe(expected < 2 && more.length === 0);
  });
});

describe("colour", () => {
  test.each<[string[], Record<string, string>, boolean, boolean]>([
    [[], {}, true, true],
    [[], {}, false, false],
    [[], { NO_COLOR: "1" }, true, false],
    [[], { NO_COLOR: "" }, true, true],
    [[], { TERM: "dumb" }, true, false],
    [[], { FORCE_COLOR: "1" }, false, true],
    [[], { FORCE_COLOR: "0" }, true, false],
    [[], { NO_COLOR: "1", FORCE_COLOR: "1" }, true, false],
    [["--color", "always"], { NO_COLOR: "1" }, false, true],
    [["--color", "never"], { FORCE_COLOR: "1" }, true, false],
    [["--no-color"], { FORCE_COLOR: "1" }, true, false],
    [["--color=always"], {}, false, true],
  ])("%j with %j on a terminal %s: %s", async (flags, env, tty, expected) => {
    const page = await command(["explain", "SB0102", ...flags], { env, tty });
    const mistake = await command(["explain", ...flags], { env, tty });
    expect([page.out.includes("\u001b["), mistake.err.includes("\u001b[")]).toEqual([expected, expected]);
  });

  test("JSON is never coloured", async () => {
    const { out } = await command(["providers", "--json"], { tty: true, env: { FORCE_COLOR: "1" } });
    expect(out).not.toContain("\u001b");
  });
});

describe("as a process", () => {
  test("exit code, streams and version are those of the program", async () => {
    const [version, mistake] = await Promise.all([process_(["version", "--json"]), process_(["chek"])]);
    expect(version.code).toBe(0);
    expect(json(version)).toMatchObject({ kind: "Version", node: process.versions.node });
    expect(mistake).toMatchObject({ code: 2, out: "" });
    expect(mistake.err).toContain('did you mean "check"?');
  });

  test("a large answer arrives whole through a pipe, and standard input is read", async () => {
    const cwd = await project();
    const [schema, explained] = await Promise.all([
      process_(["schema", "signalbox"]),
      process_(["explain", "-", "--json"], { cwd, input: '{"type":"github.push","data":{}}' }),
    ]);
    expect(() => JSON.parse(schema.out)).not.toThrow();
    expect(schema.out.length).toBeGreaterThan(10_000);
    expect(json(explained)).toMatchObject({ kind: "ExplainResult", rules: [] });
  });
});
