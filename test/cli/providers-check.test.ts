/** `signalbox providers check`: a project's own providers, loaded by every command and held to the contract. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { EXIT } from "../../src/cli/terminal/failure.ts";
import { command, json, project, ROOT } from "./support/command.ts";

const GOTIFY = /```js title="providers\/gotify.mjs"\n([\s\S]*?)```/.exec(
  readFileSync(join(ROOT, "docs/providers.md"), "utf8"),
)![1]!;

test("one that keeps every promise is loaded by check and providers like a shipped one", async () => {
  const cwd = await project({
    "providers/gotify.mjs": GOTIFY,
    "signalbox.yaml":
      "connections: { phone: { provider: gotify, url: https://push.example.com, token: env:T } }\nstore: memory\n",
    "rules/r.yaml":
      "- { id: good, event: cron.x, do: [phone.post: { message: hello }] }\n- { id: bad, event: cron.x, do: [phone.post: { text: hello }] }\n",
  });
  const held = await command(["providers", "check"], { cwd });
  expect(held).toMatchObject({ code: EXIT.done, out: expect.stringMatching(/^✓ \d+ promises, 0 broken: gotify\n$/) });
  expect((await command(["providers", "gotify"], { cwd })).out).toContain(".post");
  const checked = json(await command(["check", "--json"], { cwd, env: { T: "x" } }));
  const { diagnostics } = checked as unknown as { diagnostics: { code: string; file: string; line: number }[] };
  const own = diagnostics.filter(({ file }) => file === "rules/r.yaml");
  expect([...new Set(own.map(({ code, line }) => `${code} ${line}`))]).toEqual(["SB0103 2", "SB0101 2"]);
});

test("one that breaks a promise is told where, and the exit code says so", async () => {
  const cwd = await project({
    "providers/gotify.mjs": GOTIFY.replace(
      "outcomeOf(answer, { target",
      "outcomeOf({ ...answer, kind: 'answered', status: 200, headers: {}, text: '' }, { target",
    ),
  });
  const { code, out } = await command(["providers", "check"], { cwd });
  expect(code).toBe(EXIT.no);
  expect(out).toContain("✗ gotify.post answered 401: rejected");
  const { ok, clauses } = json(await command(["providers", "check", "gotify", "--json"], { cwd })) as unknown as {
    ok: boolean;
    clauses: { problem?: string }[];
  };
  expect(ok).toBe(false);
  expect(clauses.some(({ problem }) => problem === undefined)).toBe(true);
});

test("a name that is taken is refused by every command with the file and the reason", async () => {
  const cwd = await project({ "providers/jira.mjs": GOTIFY.replace('"gotify"', '"jira"') });
  for (const args of [["check"], ["providers", "check"], ["providers"]]) {
    const { code, err } = await command(args, { cwd });
    expect(code).toBe(EXIT.configuration);
    expect(err).toContain(join(cwd, "providers/jira.mjs"));
    expect(err).toContain('the name "jira" is taken');
  }
});

test("without providers there is nothing to check, and an unknown name is answered with the nearest", async () => {
  const cwd = await project({});
  expect(await command(["providers", "check"], { cwd })).toMatchObject({
    code: EXIT.done,
    out: expect.stringContaining("no providers/"),
  });
  expect(await command(["providers", "check", "githib"], { cwd })).toMatchObject({
    code: EXIT.missing,
    err: expect.stringContaining('did you mean "github"?'),
  });
});
