/** The attributes of every webhook of GitHub, held against the payloads that GitHub's own SDK publishes as examples. */
import { createRequire } from "node:module";
import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../src/model.ts";
import type { EventDraft } from "../../src/ports/provider.ts";
import github from "../../src/providers/github/index.ts";

interface Examples {
  name: string;
  examples: JsonObject[];
}
// 4 MB of JSON: read at run time, not by the type checker.
const require = createRequire(import.meta.url);
const webhooks = require("@octokit/webhooks-examples/api.github.com/index.json") as Examples[];

/** What every example of an event must give, beside repo, actor and subject. */
const ATTRIBUTES: Readonly<Record<string, string>> = {
  branch_protection_rule: "title url time",
  check_run: "branch sha title url status time",
  check_suite: "branch sha title url status time",
  code_scanning_alert: "number title url time",
  commit_comment: "sha url time",
  create: "title url time",
  delete: "title url time",
  dependabot_alert: "number title url time",
  deploy_key: "title url time",
  deployment: "branch sha title url time",
  deployment_review: "branch sha title url status time",
  deployment_status: "branch sha title url status time",
  discussion: "number title url time",
  discussion_comment: "number title url time",
  fork: "title url time",
  // A person and nothing else.
  github_app_authorization: "",
  gollum: "title url",
  installation: "title url",
  installation_repositories: "title url",
  issue_comment: "number title url time",
  issues: "number title url time",
  label: "title url",
  marketplace_purchase: "title time",
  member: "title url",
  membership: "title url",
  merge_group: "branch sha title url time",
  meta: "title url time",
  milestone: "number title url time",
  org_block: "title url",
  organization: "",
  package: "title url time",
  page_build: "sha url status time",
  ping: "title time",
  project: "number title url time",
  project_card: "url time",
  project_column: "title url time",
  projects_v2_item: "time",
  public: "url",
  pull_request: "branch sha number title url time",
  pull_request_review: "branch sha number title url time",
  pull_request_review_comment: "branch sha number title url time",
  pull_request_review_thread: "branch sha number title url time",
  push: "url time",
  release: "branch title url time",
  repository: "url",
  repository_dispatch: "branch title url",
  repository_import: "url status",
  repository_vulnerability_alert: "title url time",
  security_advisory: "title time",
  sponsorship: "title time",
  star: "url",
  status: "branch sha title url status time",
  team: "title url",
  team_add: "title url",
  watch: "url",
  workflow_dispatch: "branch title url",
  workflow_job: "sha title url status time",
  workflow_run: "branch sha title url status time",
};

const all = webhooks.flatMap(({ name, examples }) =>
  examples.map((body, index) => ({ name, body, label: `${name} ${index}` })),
);

function draftOf(name: string, body: JsonObject): EventDraft {
  const headers = { "x-github-event": name, "content-type": "application/json" };
  const request = { method: "POST", path: "/", query: "", headers, body: Buffer.from(JSON.stringify(body)) };
  const source = { name: "github", provider: "github", secrets: [], settings: {} };
  const result = github.source.normalise(request, source);
  if (result.kind !== "events" || !result.events[0]) throw new Error(`${name}: ${JSON.stringify(result)}`);
  return result.events[0];
}

const example = (name: string, action?: string): JsonObject =>
  structuredClone(all.find((one) => one.name === name && (action === undefined || one.body.action === action))!.body);

describe("the examples of GitHub's SDK", () => {
  test("are all taken, and the table names every one of them", () => {
    expect([...new Set(all.map(({ name }) => name))].toSorted()).toEqual(Object.keys(ATTRIBUTES).toSorted());
    expect(all.length).toBeGreaterThan(300);
  });

  test.each(Object.entries(ATTRIBUTES))("%s has %s", (name, wanted) => {
    for (const { body, label } of all.filter((one) => one.name === name)) {
      const draft = draftOf(name, body);
      for (const attribute of wanted.split(" ").filter(Boolean)) expect(draft, label).toHaveProperty(attribute);
    }
  });

  test("give the repository, the person and the branch that they name", () => {
    for (const { name, body, label } of all) {
      const draft = draftOf(name, body);
      const { repository, sender } = body as { repository?: JsonObject; sender?: JsonObject };
      expect(draft.repo, label).toBe(repository?.full_name);
      expect(draft.actor, label).toBe(sender?.login);
      if (draft.branch === undefined) expect(draft, label).not.toHaveProperty("isDefaultBranch");
      else expect(draft.isDefaultBranch, label).toBe(draft.branch === repository?.default_branch);
      expect(draft.branch ?? "", label).not.toMatch(/^refs\//);
    }
  });

  test("give addresses that a person can open, never one of the API", () => {
    for (const { name, body, label } of all) {
      const { url } = draftOf(name, body);
      if (url !== undefined) expect(url, label).toMatch(/^https?:\/\/(?!api\.github\.com)/);
    }
  });
});

describe("what people ask for", () => {
  test("a group in the merge queue has the branch it goes to, and its commit", () => {
    expect(draftOf("merge_group", example("merge_group"))).toMatchObject({
      branch: "main",
      sha: "2ffea6db159f6b6c47a24e778fb9ef40cf6b1c7d",
      title: "Merge pull request #2048 from octo-repo/update-readme",
      url: "https://github.com/octo-org/octo-repo/queue/main",
      subject: "octo-org/octo-repo@2ffea6db159f6b6c47a24e778fb9ef40cf6b1c7d",
    });
  });

  test("a milestone has its number, title and address", () => {
    expect(draftOf("milestone", example("milestone"))).toMatchObject({
      number: 1,
      title: "v1.0",
      url: "https://github.com/Codertocat/Hello-World/milestone/1",
      subject: "Codertocat/Hello-World/milestone/1",
    });
  });

  test("an issue that gets a milestone or a label is still about the issue", () => {
    for (const action of ["milestoned", "labeled"]) {
      const { number, title } = example("issues", action).issue as { number: number; title: string };
      expect(draftOf("issues", example("issues", action))).toMatchObject({ number, title });
    }
  });

  test.each([
    [
      "code_scanning_alert",
      "closed_by_user",
      { number: 10, title: expect.stringMatching(/^CVE-2020-27218/), branch: "master" },
    ],
    ["dependabot_alert", "created", { number: 20, title: "semver vulnerable to Regular Expression Denial of Service" }],
    ["repository_vulnerability_alert", "create", { title: "rack" }],
  ])("an alert has number, title and address: %s", (name, action, attributes) => {
    const draft = draftOf(name, example(name, action));
    expect(draft).toMatchObject(attributes);
    expect(draft.url).toMatch(/^https:/);
  });

  test("a secret that was found is told by its kind", () => {
    const body = {
      ...{ action: "created", repository: example("milestone").repository, sender: { login: "github" } },
      alert: {
        ...{ number: 7, secret_type: "github_token", secret_type_display_name: "GitHub token" },
        ...{
          html_url: "https://github.com/Codertocat/Hello-World/security/secret-scanning/7",
          created_at: "2026-01-05T09:00:00Z",
        },
      },
    } as JsonObject;
    expect(draftOf("secret_scanning_alert", body)).toMatchObject({
      number: 7,
      title: "GitHub token",
      url: expect.stringMatching(/7$/),
    });
  });

  test("a deployment without an address of its own leads to the page of the repository", () => {
    const body = example("deployment_status");
    expect(draftOf("deployment_status", body).url).toBe("https://github.com/Codertocat/Hello-World/deployments");
    Object.assign(body.deployment_status as JsonObject, {
      log_url: "https://ci.example/log",
      environment_url: "https://web.example",
    });
    expect(draftOf("deployment_status", body).url).toBe("https://web.example");
  });

  test("a workflow that is started by hand has its branch, a tag is none", () => {
    const body = example("workflow_dispatch");
    expect(draftOf("workflow_dispatch", body)).toMatchObject({ branch: "main" });
    expect(draftOf("workflow_dispatch", { ...body, ref: "refs/tags/v1" })).not.toHaveProperty("branch");
  });

  test("an event that GitHub invents tomorrow is described in the usual words", () => {
    const rocket = {
      number: 3,
      title: "Apollo",
      html_url: "https://github.com/o/r/rockets/3",
      created_at: "2026-01-05T09:00:00Z",
    };
    const repository = { full_name: "o/r", html_url: "https://github.com/o/r", default_branch: "main" };
    expect(draftOf("rocket", { action: "launched", rocket, repository })).toMatchObject({
      ...{ type: "github.rocket.launched", number: 3, title: "Apollo", url: rocket.html_url },
      ...{ subject: "o/r/rockets/3", time: "2026-01-05T09:00:00.000Z" },
    });
  });
});
