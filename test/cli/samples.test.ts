/** A change of a sample that hits nothing is told, because an event that nobody meant is hard to explain. */
import { describe, expect, test } from "vitest";
import { strayChangeProblem } from "../../src/cli/samples.ts";
import { command, project } from "./support/command.ts";

const body = {
  number: 412,
  pull_request: { merged: false, title: "WEB-17", base: { ref: "main" }, head: { repo: null } },
  commits: [{ id: "a", author: { name: "octocat" } }],
};

describe("--with", () => {
  test.each([
    ["base.ref=x", "the sample has no `base.ref`; did you mean `pull_request.base.ref`?"],
    ["data.base.ref=x", "the sample has no `base.ref`; did you mean `pull_request.base.ref`?"],
    ["title=x", "the sample has no `title`; did you mean `pull_request.title`?"],
    ["pull_request.mergd=true", "the sample has no `pull_request.mergd`; did you mean `pull_request.merged`?"],
    ["milestone.due.on=x", "the sample has no `milestone.due.on`; it is added"],
    ["pul_request.title=x", "the sample has no `pul_request.title`; did you mean `pull_request.title`?"],
    ["nmber=7", "the sample has no `nmber`; did you mean `number`?"],
  ])("%s is told", (change, remark) => {
    expect(strayChangeProblem(body, change)).toBe(remark);
  });

  test.each([
    "number=7",
    "data.number=7",
    "pull_request.base.ref=release/2",
    "pull_request.head.repo=x",
    "pull_request.requested_teams=[]",
    "commits.0.author.name=x",
    "pull_request.draft=true",
    "commits.1={}",
  ])("%s is not", (change) => {
    expect(strayChangeProblem(body, change)).toBeUndefined();
  });
});

test("the remark goes to standard error, once, and the change along with the request", async () => {
  const cwd = await project({
    "signalbox.yaml": "sources: { github: { provider: github, secret: env:SECRET } }\n",
    "rules/.keep": "",
    "statemachines/.keep": "",
  });
  const args = ["send", "github.pull_request.merged", "--with", "base.ref=x", "--count", "2", "--print", "http"];
  const { code, out, err } = await command(args, { cwd, env: { SECRET: "a secret of the tests" } });
  expect(code).toBe(0);
  expect(err).toBe("the sample has no `base.ref`; did you mean `pull_request.base.ref`?\n");
  expect(out).toContain('"base":{"ref":"x"}');
});

test("when no server answers, the help names the option that says where to send", async () => {
  const cwd = await project({
    "signalbox.yaml": "sources: { github: { provider: github, secret: env:SECRET } }\n",
    "rules/.keep": "",
    "statemachines/.keep": "",
  });
  const args = ["send", "github.push", "--to", "http://127.0.0.1:1"];
  const { code, err } = await command(args, { cwd, env: { SECRET: "a secret of the tests" } });
  expect(code).toBe(4);
  expect(err).toMatch(
    /No server answers at http:\/\/127\.0\.0\.1:1\/.*help: .*for send, --to takes the address it receives at/s,
  );
});
