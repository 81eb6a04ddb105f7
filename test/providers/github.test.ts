import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { memoryCache } from "../../src/cache/memory.ts";
import { createNetwork } from "../../src/network/network.ts";
import type {
  ActionContext,
  EventDraft,
  Normalised,
  RawRequest,
  SourceConfig,
  Webhook,
} from "../../src/ports/provider.ts";
import github from "../../src/providers/github/index.ts";

const NOW = Date.parse("2026-01-05T09:00:00Z");
const SECRET = "It's a Secret to Everybody";
const SHA = "9f31c2e4d1b0a7c65e8f3d2b1a0c9e8f7d6c5b4a";
const clock = { now: () => NOW, monotonic: () => 0, sleep: async () => {} };
const source: Webhook<{ legacySha1?: boolean }> = github.source;
/** JSON that a test takes apart. */
type Loose = ReturnType<typeof JSON.parse>;

const config = (
  more: Partial<SourceConfig<{ legacySha1?: boolean }>> = {},
): SourceConfig<{ legacySha1?: boolean }> => ({
  name: "github-acme",
  provider: "github",
  secrets: [SECRET],
  settings: {},
  ...more,
});

function delivery(event: string | undefined, body: unknown, headers: Record<string, string> = {}): RawRequest {
  return {
    method: "POST",
    path: "/",
    query: "",
    headers: {
      "content-type": "application/json",
      ...(event === undefined ? {} : { "x-github-event": event }),
      ...headers,
    },
    body: Buffer.from(typeof body === "string" ? body : JSON.stringify(body)),
  };
}

function normalised(event: string, body: unknown, ticketProjects?: string[]): Normalised {
  return source.normalise(delivery(event, body), config(ticketProjects ? { ticketProjects } : {}), NOW);
}

function draft(event: string, body: unknown, ticketProjects?: string[]): EventDraft {
  const result = normalised(event, body, ticketProjects);
  if (result.kind !== "events") throw new Error(JSON.stringify(result));
  return result.events[0] as EventDraft;
}

const sampleOf = (name: string) => source.events[name]?.sample?.() ?? { headers: {}, body: {} };
const bodyOf = (name: string): Loose => sampleOf(name).body;

describe("attributes", () => {
  test("a merged pull request", () => {
    const { data, dataText, ...attributes } = draft("pull_request", bodyOf("github.pull_request.closed"));
    expect(attributes).toEqual({
      type: "github.pull_request.closed",
      repo: "acme/web",
      branch: "main",
      isDefaultBranch: true,
      sha: SHA,
      number: 412,
      title: "WEB-17 add login",
      actor: "octocat",
      url: "https://github.com/acme/web/pull/412",
      time: "2026-01-05T09:00:00.000Z",
      subject: "acme/web#412",
      tickets: ["WEB-17", "WEB-18"],
    });
    expect(data).toMatchObject({ pull_request: { merged: true } });
    expect(dataText).toBe(JSON.stringify(data));
  });

  test.each([
    [
      "github.pull_request.rejected",
      { type: "github.pull_request.closed", sha: "0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c" },
    ],
    ["github.pull_request.opened", { time: "2026-01-04T10:00:00.000Z" }],
    [
      "github.pull_request_review.submitted",
      {
        number: 412,
        url: "https://github.com/acme/web/pull/412#pullrequestreview-80",
        time: "2026-01-05T08:45:00.000Z",
      },
    ],
    [
      "github.push",
      { branch: "main", sha: SHA, subject: "acme/web:refs/heads/main", title: "WEB-17 add login", tickets: ["WEB-17"] },
    ],
    [
      "github.issues.opened",
      { number: 87, subject: "acme/web#87", tickets: ["WEB-21"], time: "2026-01-05T07:00:00.000Z" },
    ],
    [
      "github.issue_comment.created",
      { number: 87, url: "https://github.com/acme/web/issues/87#issuecomment-99262140", tickets: ["WEB-21", "WEB-17"] },
    ],
    [
      "github.release.published",
      { branch: "main", title: "1.4.0", subject: "acme/web:refs/tags/v1.4.0", tickets: ["WEB-17", "WEB-18"] },
    ],
    ["github.status", { status: "failure", branch: "main", sha: SHA, subject: `acme/web@${SHA}`, title: "ci/travis" }],
    ["github.workflow_run.completed", { status: "success", branch: "main", sha: SHA, subject: `acme/web@${SHA}` }],
    ["github.check_run.completed", { status: "success", branch: "main", sha: SHA, title: "test" }],
    ["github.check_suite.completed", { status: "success", branch: "main", sha: SHA }],
    [
      "github.deployment_status.created",
      {
        status: "success",
        branch: "main",
        sha: SHA,
        title: "production",
        url: "https://deploy.acme.example/145988746",
      },
    ],
    [
      "github.create",
      { branch: "feature/WEB-30-search", subject: "acme/web:refs/heads/feature/WEB-30-search", tickets: ["WEB-30"] },
    ],
    ["github.delete", { subject: "acme/web:refs/tags/v0.9.0" }],
    ["github.registry_package.published", { title: "web", subject: "acme/web" }],
  ])("%s", (name, attributes) => {
    const { headers, body } = sampleOf(name);
    expect(draft(headers["x-github-event"] ?? "", body)).toMatchObject(attributes);
  });

  test.each([
    ["success", "completed", "success"],
    ["failure", "completed", "failure"],
    ["cancelled", "completed", "cancelled"],
    ["timed_out", "completed", "error"],
    ["startup_failure", "completed", "error"],
    ["neutral", "completed", "neutral"],
    ["stale", "completed", "error"],
    ["skipped", "completed", "skipped"],
    ["constructor", "completed", undefined],
    [null, "completed", undefined],
    [null, "in_progress", "pending"],
    [null, "queued", "pending"],
  ])("a run with conclusion %s and status %s is %s", (conclusion, status, expected) => {
    const body = bodyOf("github.workflow_run.completed");
    Object.assign(body.workflow_run, { conclusion, status });
    expect(draft("workflow_run", body).status).toBe(expected);
  });

  test.each([
    ["trunk", "trunk", true],
    ["main", "trunk", false],
    ["main", undefined, true],
    ["master", undefined, true],
    ["trunk", undefined, false],
  ])("a push to %s where the default branch is %s: isDefaultBranch is %s", (branch, default_branch, expected) => {
    const push = bodyOf("github.push");
    const repository = { ...push.repository, default_branch };
    expect(draft("push", { ...push, ref: `refs/heads/${branch}`, repository }).isDefaultBranch).toBe(expected);
    expect(draft("push", { ...push, ref: `refs/tags/${branch}`, repository })).not.toHaveProperty("isDefaultBranch");
  });

  test("a tag and a deleted branch have no branch and no commit that they do not have", () => {
    const push = bodyOf("github.push");
    expect(draft("push", { ...push, ref: "refs/tags/v1" })).not.toHaveProperty("branch");
    const deleted = draft("push", { ...push, after: "0".repeat(40), deleted: true, commits: [], head_commit: null });
    expect(deleted).not.toHaveProperty("sha");
    expect(deleted.branch).toBe("main");
  });

  test("a pull request without a number at the top is known by its own", () => {
    const { number: _, ...body } = bodyOf("github.pull_request.closed");
    expect(draft("pull_request", body)).toMatchObject({ number: 412, subject: "acme/web#412" });
  });

  test("an event without a repository is an event", () => {
    const body = {
      action: "member_added",
      membership: { user: { login: "x" } },
      organization: { login: "acme" },
      sender: { login: "octocat" },
    };
    const { data: _, dataText: __, bodyCounts: ___, ...attributes } = draft("organization", body);
    expect(attributes).toEqual({ type: "github.organization.member_added", subject: "acme", actor: "octocat" });
  });

  test("with an allow-list of projects, branches may be in lower case", () => {
    const body = bodyOf("github.pull_request.closed");
    body.pull_request.head.ref = "feature/web-99-login";
    expect(draft("pull_request", body).tickets).toEqual(["WEB-17", "WEB-18"]);
    expect(draft("pull_request", body, ["WEB"]).tickets).toEqual(["WEB-17", "WEB-99", "WEB-18"]);
    expect(draft("pull_request", body, ["SOC"])).not.toHaveProperty("tickets");
  });
});

describe("what was captured from a real sender", () => {
  const file = join(import.meta.dirname, "../fixtures/vectors/captured-github-emulate.json");
  const { vectors } = JSON.parse(readFileSync(file, "utf8")) as {
    vectors: { id: string; secret: string; headers: Record<string, string>; body: string }[];
  };
  test.each(vectors.map((vector) => [vector.id, vector] as const))("%s", (id, { secret, headers, body }) => {
    const request = { ...delivery(undefined, body), headers };
    const network = createNetwork({ allowPrivate: false, redact: String });
    const context = { nowMs: NOW, cache: memoryCache({ clock }), network };
    expect(source.verify(request, config({ secrets: [secret] }), context)).toMatchObject({ ok: true });
    const result = source.normalise(request, config(), NOW);
    expect(result).toMatchObject({ kind: "events" });
    const event = id.replace(/\.\d+$/, "");
    expect(result).toMatchObject({ events: [{ type: `github.${event}`, delivery: headers["x-github-delivery"] }] });
    if (event !== "ping") expect(result).toMatchObject({ events: [{ repo: "admin/demo" }] });
  });
});

describe("the event name is not signed, so the payload must agree", () => {
  const samples = Object.entries(source.events).flatMap(([name, { sample }]) =>
    sample ? [[name, sample()] as const] : [],
  );
  const names = [...new Set(samples.map(([, { headers }]) => headers["x-github-event"] ?? ""))];

  test.each(samples)("%s is taken under no other name", (_name, { headers, body }) => {
    for (const other of [...names, "watch", "repository", "public", "fork", "team", "brand_new_event"]) {
      const kind = other === headers["x-github-event"] ? "events" : "malformed";
      expect(normalised(other, body).kind, other).toBe(kind);
    }
  });

  test("an event that nobody knows yet is an event, with and without an action", () => {
    const body = {
      action: "launched",
      rocket: { id: 1 },
      pull_request: { number: 3 },
      repository: { full_name: "acme/web" },
    };
    expect(draft("rocket", body)).toMatchObject({ type: "github.rocket.launched", repo: "acme/web" });
    expect(draft("rocket", { rocket: {} }).type).toBe("github.rocket");
  });

  test.each([
    ["deploy-prod", ".deploy-prod"],
    ["Deploy", ".deploy"],
    ["DEPLOY", ".deploy"],
    ["build_1", ".build_1"],
    ["my-custom action", ".my-custom_action"],
    ["deploy.prod/eu", ".deploy_prod_eu"],
    ["a".repeat(101), `.${"a".repeat(100)}`],
    ["!", ""],
    ["", ""],
    [7, ""],
    [null, ""],
  ])("an action %j ends the type in %j, however it is spelt", (action, ending) => {
    const body = { action, branch: "main", client_payload: {}, repository: { full_name: "acme/web" } };
    expect(draft("repository_dispatch", body).type).toBe(`github.repository_dispatch${ending}`);
  });

  test.each([undefined, "", "push\n", "../x", "Push", "a.b", "x".repeat(65)])("%j names no event", (name) => {
    const request = delivery(name, bodyOf("github.push"));
    expect(source.normalise(request, config(), NOW)).toMatchObject({ kind: "malformed" });
  });
});

describe("requests", () => {
  const context = {
    nowMs: NOW,
    cache: memoryCache({ clock }),
    network: createNetwork({ allowPrivate: false, redact: String }),
  };
  const hmac = (digest: string, body: string) => createHmac(digest, SECRET).update(body).digest("hex");
  const form = "application/x-www-form-urlencoded";

  test("a form is signed as it stands, and its payload is the event", () => {
    const { body } = sampleOf("github.push");
    const text = `payload=${encodeURIComponent(JSON.stringify(body))}`;
    const headers = { "content-type": form, "x-hub-signature-256": `sha256=${hmac("sha256", text)}` };
    const request = delivery("push", text, headers);
    expect(source.verify(request, config(), context)).toMatchObject({ ok: true });
    const result = source.normalise(request, config(), NOW);
    expect(result).toMatchObject({ kind: "events", events: [{ type: "github.push", data: body }] });
  });

  test.each(["payload={}&payload={}", "other={}", "payload=%zz", ""])("a form %j is malformed", (text) => {
    expect(source.normalise(delivery("push", text, { "content-type": form }), config(), NOW).kind).toBe("malformed");
  });

  test("the old signature counts only where that is configured, and never beside the new one", () => {
    const old = { "x-hub-signature": `sha1=${hmac("sha1", "{}")}` };
    const verdict = (headers: Record<string, string>, legacySha1: boolean) =>
      source.verify(delivery("ping", "{}", headers), config({ settings: { legacySha1 } }), context);
    expect(verdict(old, false)).toMatchObject({ ok: false, reason: "missing_header" });
    expect(verdict(old, true)).toMatchObject({ ok: true });
    expect(verdict({ ...old, "x-hub-signature-256": `sha256=${"0".repeat(64)}` }, true)).toMatchObject({
      ok: false,
      reason: "signature_mismatch",
    });
  });

  test("a ping is stored and answered 200", () => {
    const { body } = sampleOf("github.ping");
    expect(normalised("ping", body)).toMatchObject({ events: [{ type: "github.ping" }], answer: { status: 200 } });
  });

  test("numbers keep the text they were sent with", () => {
    const text = '{"zen":"x","hook_id":1,"big":12345678901234567890,"ratio":1.0}';
    const result = source.normalise(delivery("ping", text), config(), NOW);
    expect(result).toMatchObject({ events: [{ dataText: text }] });
  });
});

// ---------------------------------------------------------------- actions

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface Seen {
  method: string;
  url: string;
  headers: Record<string, unknown>;
  body: Loose;
}

async function outside(answer: (seen: Seen) => { status: number; headers?: Record<string, string>; body?: unknown }) {
  const all: Seen[] = [];
  const listener: RequestListener = async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    const seen = {
      method: request.method ?? "",
      url: request.url ?? "",
      headers: request.headers,
      body: text && JSON.parse(text),
    };
    all.push(seen);
    const { status, headers, body } = answer(seen);
    response.writeHead(status, headers).end(body === undefined ? "" : JSON.stringify(body));
  };
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const http = createNetwork({ allowPrivate: true, redact: String });
  closers.push(() => http.close());
  const context: ActionContext<{ url: string; token: string }> = {
    connection: {
      name: "github",
      provider: "github",
      settings: { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/v3/`, token: "ghp_x" },
    },
    idempotencyKey: "dlv_1",
    attempt: 1,
    nowMs: NOW,
    network: http,
    cache: memoryCache({ clock }),
    session: undefined,
  };
  return { all, context };
}

const { status, comment } = github.connection.actions;

describe("status", () => {
  test("sends what GitHub documents, the description cut", async () => {
    const { all, context } = await outside(() => ({ status: 201, body: { url: "https://api.github.com/s/1" } }));
    const params = { ...status.example, description: "🚂".repeat(100) };
    expect(await status.perform(params, context)).toEqual({
      kind: "done",
      result: { url: "https://api.github.com/s/1" },
    });
    const [sent] = all;
    expect(sent).toMatchObject({
      method: "POST",
      url: `/api/v3/repos/acme/web/statuses/${SHA}`,
      headers: { authorization: "Bearer ghp_x", accept: "application/vnd.github+json", "user-agent": "signalbox" },
      body: { state: "success", context: "signalbox/gate", target_url: status.example.targetUrl },
    });
    expect(sent?.body.description.length).toBeLessThanOrEqual(140);
  });

  test.each([
    [
      403,
      { "x-ratelimit-remaining": "0", "x-ratelimit-reset": String(NOW / 1000 + 90) },
      {},
      { kind: "retry", afterMs: 90_000 },
    ],
    [403, { "retry-after": "30" }, {}, { kind: "retry", afterMs: 30_000 }],
    [403, {}, { message: "You have exceeded a secondary rate limit" }, { kind: "retry", afterMs: 60_000 }],
    [403, { "x-ratelimit-remaining": "4999" }, { message: "Resource not accessible" }, { kind: "rejected" }],
    [429, {}, {}, { kind: "retry", afterMs: 60_000 }],
    [422, {}, { message: "No commit found" }, { kind: "rejected", error: { status: 422, code: "rejected" } }],
    [401, {}, {}, { kind: "rejected", error: { code: "auth" } }],
    [502, {}, {}, { kind: "retry" }],
    [200, {}, {}, { kind: "rejected" }],
  ])("%i %j %j: %j", async (code, headers, body, expected) => {
    const { context } = await outside(() => ({ status: code, headers, body }));
    const outcome = await status.perform(status.example, context);
    expect(outcome).toMatchObject(expected);
  });
});

describe("comment", () => {
  const params = { repo: "acme/web", number: 412, body: "Released" };
  const marker = "<!-- signalbox:dlv_1 -->";

  test("leaves a marker that nobody sees, and finds it again on the second page", async () => {
    const comments: { body: string; html_url: string }[] = Array.from({ length: 120 }, (_, i) => ({
      body: `comment ${i}`,
      html_url: `https://github.com/c/${i}`,
    }));
    const { all, context } = await outside(({ method, url, body }) => {
      if (method === "POST") {
        comments.push({ body: body.body, html_url: "https://github.com/c/new" });
        return { status: 201, body: comments.at(-1) };
      }
      const page = Number(new URL(url, "http://x").searchParams.get("page"));
      return { status: 200, body: comments.slice((page - 1) * 100, page * 100) };
    });
    expect(await comment.probe?.(params, context)).toBeUndefined();
    expect(await comment.perform(params, context)).toEqual({
      kind: "done",
      result: { url: "https://github.com/c/new" },
    });
    expect(comments.at(-1)?.body).toBe(`Released\n\n${marker}`);
    expect(await comment.probe?.(params, context)).toMatchObject({
      kind: "done",
      result: { url: "https://github.com/c/new" },
    });
    expect(await comment.probe?.(params, { ...context, idempotencyKey: "dlv_2" })).toBeUndefined();
    expect(all[0]?.url).toMatch(
      /^\/api\/v3\/repos\/acme\/web\/issues\/412\/comments\?per_page=100&page=1&since=2026-01-04T08/,
    );
  });

  test.each([
    [500, undefined, "uncertain"],
    [503, undefined, "uncertain"],
    [404, undefined, "rejected"],
    [200, { not: "a list" }, "uncertain"],
  ])("a look that is answered %i %j leaves it %s, and never says that nothing is there", async (code, body, kind) => {
    const { context } = await outside(() => ({ status: code, ...(body ? { body } : {}) }));
    expect((await comment.probe?.(params, context))?.kind).toBe(kind);
  });

  test("a 502 after the comment may have been taken is uncertain", async () => {
    const { context } = await outside(() => ({ status: 502 }));
    expect((await comment.perform(params, context)).kind).toBe("uncertain");
  });
});

test.each(["acme/..", "../web", "acme", "acme/web/x", "acme/web?x", "a b/c"])("%s is no repository", async (repo) => {
  const { validatorFor } = await import("../../src/core/check.ts");
  expect(validatorFor(status.params)({ ...status.example, repo })).not.toEqual([]);
  expect(validatorFor(status.params)({ ...status.example, repo: "acme/.github" })).toEqual([]);
});
