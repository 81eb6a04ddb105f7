/** The GitHub events that are documented, each with a sample that reads like a delivery of github.com. */
import type { JsonObject } from "../../model.ts";
import type { Sample, Source } from "../../ports/provider.ts";

const SHA = "9f31c2e4d1b0a7c65e8f3d2b1a0c9e8f7d6c5b4a";
const HEAD_SHA = "0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c";

function user(login: string, id: number): JsonObject {
  return { login, id, type: "User", html_url: `https://github.com/${login}`, site_admin: false };
}

function repository(): JsonObject {
  return {
    id: 1296269,
    name: "web",
    full_name: "acme/web",
    private: true,
    owner: { login: "acme", id: 6811672, type: "Organization" },
    html_url: "https://github.com/acme/web",
    url: "https://api.github.com/repos/acme/web",
    default_branch: "main",
    pushed_at: "2026-01-05T09:00:00Z",
  };
}

/** A delivery; every call gives its own copy. */
function sample(event: string, body: JsonObject): () => Sample {
  return () => ({
    headers: { "content-type": "application/json", "user-agent": "GitHub-Hookshot/0000000", "x-github-event": event },
    body: structuredClone({ ...body, repository: repository(), sender: user("octocat", 583231) }),
  });
}

function pullRequest(action: string, changes: JsonObject): JsonObject {
  return {
    action,
    number: 412,
    pull_request: {
      id: 1_934_567_890,
      number: 412,
      state: "open",
      title: "WEB-17 add login",
      body: "Adds the login form.\n\nRefs WEB-18",
      user: user("octocat", 583231),
      html_url: "https://github.com/acme/web/pull/412",
      url: "https://api.github.com/repos/acme/web/pulls/412",
      draft: false,
      merged: false,
      merged_at: null,
      merged_by: null,
      merge_commit_sha: SHA,
      head: { ref: "feature/WEB-17-login", sha: HEAD_SHA, label: "acme:feature/WEB-17-login" },
      base: { ref: "main", sha: "6dcb09b5b57875f334f61aebed695e2e4193db5e", label: "acme:main" },
      labels: [{ id: 208045946, name: "feature", color: "0e8a16" }],
      created_at: "2026-01-04T10:00:00Z",
      updated_at: "2026-01-05T08:30:00Z",
      closed_at: null,
      commits: 3,
      additions: 120,
      deletions: 7,
      changed_files: 5,
      ...changes,
    },
  };
}

const closed = { state: "closed", closed_at: "2026-01-05T09:00:00Z", updated_at: "2026-01-05T09:00:01Z" };
const merged = sample(
  "pull_request",
  pullRequest("closed", {
    ...closed,
    merged: true,
    merged_at: "2026-01-05T09:00:00Z",
    merged_by: user("hubot", 2),
  }),
);

const issue = {
  id: 73464126,
  number: 87,
  title: "WEB-21 login fails on Safari",
  body: "Steps to reproduce: …",
  state: "open",
  html_url: "https://github.com/acme/web/issues/87",
  user: user("octocat", 583231),
  labels: [],
  created_at: "2026-01-05T07:00:00Z",
  updated_at: "2026-01-05T07:00:00Z",
  closed_at: null,
};

const commit = {
  id: SHA,
  message: "WEB-17 add login\n\nSigned-off-by: Mona Lisa <mona@example.com>",
  timestamp: "2026-01-05T09:59:58+01:00",
  url: `https://github.com/acme/web/commit/${SHA}`,
  author: { name: "Mona Lisa", email: "mona@example.com", username: "octocat" },
  committer: { name: "GitHub", email: "noreply@github.com", username: "web-flow" },
  added: ["src/login.ts"],
  removed: [],
  modified: ["src/app.ts"],
};

const workflowRun = {
  id: 30433642,
  name: "CI",
  display_title: "WEB-17 add login",
  head_branch: "main",
  head_sha: SHA,
  event: "push",
  run_number: 562,
  run_attempt: 1,
  status: "completed",
  conclusion: "success",
  html_url: "https://github.com/acme/web/actions/runs/30433642",
  created_at: "2026-01-05T09:00:05Z",
  updated_at: "2026-01-05T09:04:10Z",
  head_commit: { id: SHA, message: "WEB-17 add login" },
};

const checkSuite = {
  id: 118578147,
  head_branch: "main",
  head_sha: SHA,
  status: "completed",
  conclusion: "success",
  updated_at: "2026-01-05T09:04:11Z",
};

const deployment = {
  id: 145988746,
  sha: SHA,
  ref: "main",
  task: "deploy",
  environment: "production",
  description: "WEB-17 to production",
  url: "https://api.github.com/repos/acme/web/deployments/145988746",
  created_at: "2026-01-05T09:05:00Z",
  updated_at: "2026-01-05T09:05:00Z",
};

const packageValue = {
  id: 10696,
  name: "web",
  namespace: "acme",
  ecosystem: "CONTAINER",
  package_type: "CONTAINER",
  html_url: "https://github.com/acme/web/pkgs/container/web",
  created_at: "2026-01-05T09:03:00Z",
  updated_at: "2026-01-05T09:03:00Z",
  package_version: {
    version: `sha256:${"a".repeat(64)}`,
    html_url: "https://github.com/acme/web/pkgs/container/web/1",
  },
};

/** Names that are no event type (`.merged`, `.rejected`) are further samples; the sample decides the type. */
export const GITHUB_EVENTS: Source["events"] = {
  "github.pull_request.closed": {
    summary: "A pull request was merged (data.pull_request.merged is true) or turned down",
    sample: merged,
  },
  "github.pull_request.merged": { summary: "Sample: github.pull_request.closed with a merge", sample: merged },
  "github.pull_request.rejected": {
    summary: "Sample: github.pull_request.closed without a merge",
    sample: sample("pull_request", pullRequest("closed", closed)),
  },
  "github.pull_request.opened": {
    summary: "A pull request was opened",
    sample: sample("pull_request", pullRequest("opened", {})),
  },
  "github.pull_request.synchronize": { summary: "The head branch of a pull request was pushed to" },
  "github.pull_request_review.submitted": {
    summary: "A pull request was reviewed",
    sample: sample("pull_request_review", {
      ...pullRequest("submitted", {}),
      review: {
        id: 80,
        state: "approved",
        body: "Looks good",
        user: user("hubot", 2),
        html_url: "https://github.com/acme/web/pull/412#pullrequestreview-80",
        submitted_at: "2026-01-05T08:45:00Z",
      },
    }),
  },
  "github.push": {
    summary: "Commits were pushed to a branch or tag; branch is absent for a tag",
    sample: sample("push", {
      ref: "refs/heads/main",
      before: "6dcb09b5b57875f334f61aebed695e2e4193db5e",
      after: SHA,
      created: false,
      deleted: false,
      forced: false,
      base_ref: null,
      compare: "https://github.com/acme/web/compare/6dcb09b5b578...9f31c2e4d1b0",
      commits: [commit],
      head_commit: commit,
      pusher: { name: "octocat", email: "octocat@github.com" },
    }),
  },
  "github.issues.opened": {
    summary: "An issue was opened",
    sample: sample("issues", { action: "opened", issue }),
  },
  "github.issues.closed": { summary: "An issue was closed" },
  "github.issue_comment.created": {
    summary: "A comment was written on an issue or pull request",
    sample: sample("issue_comment", {
      action: "created",
      issue,
      comment: {
        id: 99262140,
        body: "Fixed with WEB-17",
        html_url: "https://github.com/acme/web/issues/87#issuecomment-99262140",
        user: user("hubot", 2),
        created_at: "2026-01-05T07:30:00Z",
        updated_at: "2026-01-05T07:30:00Z",
      },
    }),
  },
  "github.release.published": {
    summary: "A release was published; of created, published and released this is the one to react to",
    sample: sample("release", {
      action: "published",
      release: {
        id: 11248810,
        tag_name: "v1.4.0",
        target_commitish: "main",
        name: "1.4.0",
        body: "- WEB-17 login\n- WEB-18 password reset",
        draft: false,
        prerelease: false,
        html_url: "https://github.com/acme/web/releases/tag/v1.4.0",
        created_at: "2026-01-05T09:10:00Z",
        published_at: "2026-01-05T09:12:00Z",
      },
    }),
  },
  "github.status": {
    summary: "A commit status was set, as by CI that is not GitHub Actions",
    sample: sample("status", {
      id: 6805126730,
      sha: SHA,
      name: "acme/web",
      context: "ci/travis",
      state: "failure",
      description: "The build failed",
      target_url: "https://app.travis-ci.com/acme/web/builds/1",
      commit: { sha: SHA, commit: { message: "WEB-17 add login" }, html_url: commit.url },
      branches: [{ name: "main", commit: { sha: SHA }, protected: true }],
      created_at: "2026-01-05T09:04:00+00:00",
      updated_at: "2026-01-05T09:04:00+00:00",
    }),
  },
  "github.workflow_run.completed": {
    summary: "A run of GitHub Actions ended; status says how",
    sample: sample("workflow_run", {
      action: "completed",
      workflow_run: workflowRun,
      workflow: { id: 159038, name: "CI", path: ".github/workflows/ci.yml", state: "active" },
    }),
  },
  "github.check_run.completed": {
    summary: "A check ended; status says how",
    sample: sample("check_run", {
      action: "completed",
      check_run: {
        id: 128620228,
        name: "test",
        head_sha: SHA,
        status: "completed",
        conclusion: "success",
        html_url: "https://github.com/acme/web/runs/128620228",
        started_at: "2026-01-05T09:00:10Z",
        completed_at: "2026-01-05T09:04:05Z",
        check_suite: checkSuite,
      },
    }),
  },
  "github.check_suite.completed": {
    summary: "All checks of a commit ended; status says how",
    sample: sample("check_suite", { action: "completed", check_suite: checkSuite }),
  },
  "github.deployment.created": {
    summary: "A deployment was asked for",
    sample: sample("deployment", { action: "created", deployment }),
  },
  "github.deployment_status.created": {
    summary: "A deployment went on, ended or failed; status says how",
    sample: sample("deployment_status", {
      action: "created",
      deployment,
      deployment_status: {
        id: 209916254,
        state: "success",
        environment: "production",
        target_url: "https://deploy.acme.example/145988746",
        description: "",
        created_at: "2026-01-05T09:07:00Z",
        updated_at: "2026-01-05T09:07:00Z",
      },
    }),
  },
  "github.create": {
    summary: "A branch or tag was created",
    sample: sample("create", {
      ref: "feature/WEB-30-search",
      ref_type: "branch",
      master_branch: "main",
      description: null,
      pusher_type: "user",
    }),
  },
  "github.delete": {
    summary: "A branch or tag was deleted",
    sample: sample("delete", { ref: "v0.9.0", ref_type: "tag", pusher_type: "user" }),
  },
  "github.registry_package.published": {
    summary: "A package or container image was published",
    sample: sample("registry_package", { action: "published", registry_package: packageValue }),
  },
  "github.ping": {
    summary: "A webhook was set up; answered 200",
    sample: sample("ping", {
      zen: "Keep it logically awesome.",
      hook_id: 109948940,
      hook: { type: "Repository", id: 109948940, name: "web", active: true, events: ["*"] },
    }),
  },
};
