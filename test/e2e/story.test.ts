/** The whole path with the shipped rules: what GitHub says happens in Jira and Slack, once, whatever goes wrong on the way. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { AuditEntry, Delivery, Event, Explanation, Instance, Trace } from "../../src/model.ts";
import type { LoggedRequest } from "../../src/sandbox/http.ts";
import { mergedPullRequest, signedByGithub, until } from "../support/served.ts";
import { startTeam, type Team } from "../support/team.ts";

let team: Team;
beforeAll(async () => {
  team = await startTeam();
});
afterAll(() => team.stop());

interface EventDetail {
  event: Event;
  decidedAtMs: number;
  trace: Trace;
  deliveries: Delivery[];
}

const send = async (number: number, options: Parameters<typeof mergedPullRequest>[1] = {}) => {
  const answer = await team.post("github", mergedPullRequest(number, options));
  return { ...answer, id: String(answer.body.eventId) };
};
const issue = (key: string) => team.sandbox.jira.issues.get(key)!;
const jiraCalls = (key: string) =>
  team.sandbox.jira.calls.filter(({ path }) => new RegExp(`/${key}(/|\\?|$)`).test(path));
const posts = (calls: LoggedRequest[]) => calls.filter(({ method }) => method === "POST");
const messages = (key: string) => team.sandbox.slack.messages.filter(({ text }) => text.includes(`*${key}*`));
const get = async <T>(path: string) => (await team.api<T>(`/api/v1/${path}`)).body;
const instance = (key: string) => get<{ instance: Instance; accepts: string[] }>(`instances/jira-ticket/${key}`);
const eventOf = (id: string) => get<EventDetail>(`events/${id}`);
const deliveries = async (query: string) => (await get<{ items: Delivery[] }>(`deliveries?${query}`)).items;

describe("a merged pull request", () => {
  test("with one ticket moves it once and tells the team once", async () => {
    const { status, id } = await send(1);
    expect(status).toBe(202);
    await team.quiet();
    expect(issue("WEB-1").history).toEqual(["In Review", "Done"]);
    expect(posts(jiraCalls("WEB-1"))).toHaveLength(1);
    expect(messages("WEB-1").map(({ text, channel }) => [channel, text])).toEqual([
      [
        "C000000DEV",
        "*WEB-1* is now Done: <https://github.com/acme/web/pull/1|WEB-1 add login> was merged into main by octocat",
      ],
    ]);
    expect((await instance("WEB-1")).instance).toMatchObject({ state: "waiting", status: "active" });
    const { trace } = await eventOf(id);
    expect(trace.matched).toEqual([{ rule: "merged-pr-moves-ticket", items: 1, mode: "live" }]);
    expect(trace.problems).toEqual([]);
  });

  test("with three tickets moves each once and tells of each once", async () => {
    const { id } = await send(2, { title: "WEB-2 WEB-3 and WEB-4: one change for all of them" });
    await team.quiet();
    for (const key of ["WEB-2", "WEB-3", "WEB-4"]) {
      expect(issue(key).history, key).toEqual(["In Review", "Done"]);
      expect(posts(jiraCalls(key)), key).toHaveLength(1);
      expect(messages(key), key).toHaveLength(1);
    }
    const { trace } = await eventOf(id);
    expect(trace.transitions.map(({ key, created, taken, to }) => ({ key, created, taken, to }))).toEqual(
      ["WEB-2", "WEB-3", "WEB-4"].map((key) => ({ key, created: true, taken: true, to: "moving" })),
    );
  });

  test("that was closed without being merged moves nothing and asks Jira nothing", async () => {
    const calls = team.sandbox.jira.calls.length;
    const { status, id } = await send(5, { merged: false });
    await team.quiet();
    expect(status).toBe(202);
    expect(team.sandbox.jira.calls).toHaveLength(calls);
    expect(messages("WEB-5")).toEqual([]);
    expect((await eventOf(id)).trace).toMatchObject({ matched: [], considered: 2, transitions: [], deliveries: [] });
  });

  test("whose ticket is where it should be changes nothing, and the delivery is done", async () => {
    issue("WEB-5").status = "Done";
    const { id } = await send(6, { title: "WEB-5 again" });
    await team.quiet();
    expect(posts(jiraCalls("WEB-5"))).toEqual([]);
    const [moved] = (await eventOf(id)).deliveries;
    expect(moved).toMatchObject({
      action: "jira.transition",
      status: "done",
      attempts: [{ outcome: "done", detail: "already there" }],
    });
  });

  test("without a ticket is pointed out once", async () => {
    await send(7, { title: "fix a typo" });
    await team.quiet();
    const text = "<https://github.com/acme/web/pull/7|acme/web#7> was merged without naming a ticket: fix a typo";
    expect(team.sandbox.slack.messages.filter((one) => one.text === text)).toHaveLength(1);
  });

  test("into another branch moves nothing, and explain says which condition failed and where it stands", async () => {
    const { body, headers } = mergedPullRequest(8, { title: "WEB-6 experiment" });
    const other = body.replace('"ref":"main"', '"ref":"playground"');
    const answer = await team.post("github", {
      ...signedByGithub("pull_request", other, { id: headers["x-github-delivery"]! }),
    });
    await team.quiet();
    expect(jiraCalls("WEB-6")).toEqual([]);
    const explained = await get<Explanation>(`events/${answer.body.eventId}/explain`);
    const near = explained.rules.find((rule) => rule.id === "merged-pr-moves-ticket");
    expect(near).toMatchObject({
      matched: false,
      distance: 1,
      place: { file: "rules/pull-requests.yaml", line: 3, col: 3 },
    });
    expect(JSON.stringify(near?.tree)).toContain('"got":"playground"');
    const failed = leaves(near!.tree).filter(({ ok, counts }) => !ok && counts);
    expect(failed.map(({ path, got }) => [path, got])).toContainEqual(["branch", "playground"]);
    expect(failed.map(({ path, got }) => [path, got])).toContainEqual(["isDefaultBranch", false]);
    for (const { place } of failed) expect(place).toMatchObject({ file: "rules/pull-requests.yaml", line: 8 });
  });
});

function leaves(node: Explanation["rules"][number]["tree"]): Explanation["rules"][number]["tree"][] {
  return node.children ? node.children.flatMap(leaves) : [node];
}

describe("the same delivery again", () => {
  test("under the same id, and the same body under another id, cause nothing more", async () => {
    const first = await send(9);
    await team.quiet();
    const before = { jira: team.sandbox.jira.calls.length, slack: team.sandbox.slack.calls.length };
    const again = await send(9);
    const { body } = mergedPullRequest(9);
    const replayed = await team.post(
      "github",
      signedByGithub("pull_request", body, { id: "11111111-2222-4333-8444-555555555555" }),
    );
    const changed = await team.post(
      "github",
      signedByGithub("pull_request", body.replace("octocat", "somebody"), mergedPullRequest(9)),
    );
    await team.quiet();
    expect([again.status, replayed.status, changed.status]).toEqual([200, 200, 200]);
    expect([again.body, replayed.body, changed.body]).toEqual(
      Array(3).fill({ eventId: first.id, outcome: "duplicate" }),
    );
    expect({ jira: team.sandbox.jira.calls.length, slack: team.sandbox.slack.calls.length }).toEqual(before);
  });

  test("on request of a person runs again: the ticket is looked at, not moved, and the team is told", async () => {
    const { id } = await send(10);
    await team.quiet();
    const { status, body } = await team.api<{ id: string }>(`/api/v1/events/${id}/redeliver`, {});
    await team.quiet();
    expect(status).toBe(202);
    expect((await eventOf(body.id)).event).toMatchObject({
      redeliveryOf: id,
      type: "github.pull_request.closed",
      tickets: ["WEB-10"],
    });
    expect((await eventOf(body.id)).trace.matched).toHaveLength(1);
    expect(posts(jiraCalls("WEB-10"))).toHaveLength(1);
    expect(messages("WEB-10")).toHaveLength(2);
    expect(await audited("redeliver")).toEqual([
      { who: "local", what: "redeliver", target: id, detail: { as: body.id } },
    ]);
  });
});

describe("an outside that fails", () => {
  test("429 with Retry-After: tried again, not before that time, and then done; others do not ask meanwhile either", async () => {
    team.sandbox.fault("jira", { path: "/WEB-11", what: { status: 429, headers: { "retry-after": "1" } } });
    const { id } = await send(11);
    await until("Jira has asked for patience", () => jiraCalls("WEB-11").length > 0);
    await until("it is understood", async () => (await eventOf(id)).deliveries[0]!.attempts.length > 0);
    const other = await send(15);
    await team.quiet();
    const [moved] = (await eventOf(id)).deliveries;
    expect(moved?.attempts.map(({ outcome, status }) => [outcome, status])).toEqual([
      ["retry", 429],
      ["done", undefined],
    ]);
    const [first, second] = moved!.attempts;
    expect(second!.atMs - (first!.atMs + first!.ms)).toBeGreaterThanOrEqual(1_000);
    const [moved15] = (await eventOf(other.id)).deliveries;
    expect(moved15!.attempts[0]!.atMs - (first!.atMs + first!.ms)).toBeGreaterThanOrEqual(1_000);
    expect(issue("WEB-11").history).toEqual(["In Review", "Done"]);
    expect(messages("WEB-11")).toHaveLength(1);
  });

  test("503 with Retry-After: tried again, not before that time, and then done; what only one ticket meets holds no other", async () => {
    team.sandbox.fault("jira", { path: "/WEB-18", what: { status: 503, headers: { "retry-after": "1" } } });
    const { id } = await send(18);
    await until("it is understood", async () => (await eventOf(id)).deliveries[0]?.attempts.length === 1);
    const other = await send(19);
    await team.quiet();
    const [moved] = (await eventOf(id)).deliveries;
    expect(moved?.attempts.map(({ outcome, status }) => [outcome, status])).toEqual([
      ["retry", 503],
      ["done", undefined],
    ]);
    const [first, second] = moved!.attempts;
    expect(second!.atMs - (first!.atMs + first!.ms)).toBeGreaterThanOrEqual(1_000);
    const [moved19] = (await eventOf(other.id)).deliveries;
    expect(moved19!.attempts[0]!.atMs).toBeLessThan(second!.atMs);
  });

  test("a connection that dies after Jira took the request: the probe sees it, and nothing moves twice", async () => {
    team.sandbox.fault("jira", { method: "POST", path: "/WEB-12/", what: "reset-after" });
    const { id } = await send(12);
    await team.quiet();
    const [moved] = (await eventOf(id)).deliveries;
    expect(moved?.attempts.map(({ outcome, detail }) => [outcome, detail])).toEqual([
      ["uncertain", expect.stringContaining("ECONNRESET")],
      ["done", "already there"],
    ]);
    expect(posts(jiraCalls("WEB-12"))).toHaveLength(1);
    expect(issue("WEB-12").history).toEqual(["In Review", "Done"]);
    expect(messages("WEB-12")).toHaveLength(1);
  });

  test("a connection that dies after Slack took the message: it is looked for, and not posted twice", async () => {
    team.sandbox.fault("slack", { path: "chat.postMessage", what: "reset-after" });
    const { id } = await send(13);
    await team.quiet();
    expect(messages("WEB-13")).toHaveLength(1);
    const [told] = (await deliveries("action=slack.post")).filter(
      ({ cause }) => "key" in cause && cause.key === "WEB-13",
    );
    expect(told).toMatchObject({
      status: "done",
      attempts: [{ outcome: "uncertain" }, { outcome: "done", detail: "already there" }],
    });
    expect((await eventOf(id)).trace.problems).toEqual([]);
  });

  test("Slack refuses for good: the delivery is dead, can be seen, and is done by retry after the repair", async () => {
    team.sandbox.slack.scopes.delete("chat:write");
    await send(14);
    await team.quiet();
    expect(issue("WEB-14").status).toBe("Done");
    const [dead] = await deliveries("status=dead&action=slack.post");
    expect(dead).toMatchObject({
      status: "dead",
      cause: { machine: "jira-ticket", key: "WEB-14", call: "announce" },
      error: { message: expect.stringContaining("missing_scope") },
    });
    expect((await instance("WEB-14")).instance.state).toBe("waiting");
    team.sandbox.slack.scopes.add("chat:write");
    const { status } = await team.api(`/api/v1/deliveries/${dead!.id}/retry`, {});
    await team.quiet();
    expect(status).toBe(202);
    expect(messages("WEB-14")).toHaveLength(1);
    expect(await get(`deliveries/${dead!.id}`)).toMatchObject({
      status: "done",
      attempts: [{ outcome: "rejected" }, { outcome: "done" }],
    });
    expect((await team.api(`/api/v1/deliveries/${dead!.id}/retry`, {})).status).toBe(409);
    expect(await audited("retry")).toEqual([{ who: "local", what: "retry", target: dead!.id }]);
  });

  test("a ticket that does not exist: the machine is stuck and says so; the next merge tries again", async () => {
    await send(404, { title: "WEB-404 lost" });
    await team.quiet();
    expect(await instance("WEB-404")).toMatchObject({
      instance: { state: "stuck", status: "active" },
      accepts: ["MERGED", "MOVE", "NEXT", "PREV"],
    });
    const [told] = messages("WEB-404");
    expect(told?.text).toMatch(/^\*WEB-404\* could not be moved to Done: .*404.*Issue does not exist/);
    expect(messages("WEB-404")).toHaveLength(1);
    expect(await deliveries("status=dead&action=jira.transition")).toMatchObject([
      { error: { status: 404 }, attempts: [{ outcome: "rejected" }] },
    ]);
    team.sandbox.jira.issues.set("WEB-404", {
      ...issue("WEB-15"),
      key: "WEB-404",
      status: "In Review",
      history: [],
      comments: [],
    });
    await send(405, { title: "WEB-404 found" });
    await team.quiet();
    expect((await instance("WEB-404")).instance.state).toBe("waiting");
    expect(issue("WEB-404").history).toEqual(["Done"]);
  });
});

describe("what nobody asked for", () => {
  test("an event of an unknown type is taken, recorded, and matches nothing", async () => {
    const { status, body } = await team.post(
      "github",
      signedByGithub("sparkle", '{"action":"shone","a":1}', { id: "sparkle-1" }),
    );
    await team.quiet();
    expect(status).toBe(202);
    expect(await eventOf(String(body.eventId))).toMatchObject({
      event: { type: "github.sparkle.shone", data: { a: 1 } },
      trace: { matched: [], considered: 0, problems: [] },
      deliveries: [],
    });
  });

  test("a signal by hand drives an instance, and who gave it and why is on record", async () => {
    const path = "/api/v1/instances/jira-ticket/WEB-17/signal";
    expect((await team.api(path, { event: "NONSENSE", reason: "trying" })).status).toBe(404);
    expect((await team.api(path, { event: "xstate.init", reason: "trying" })).status).toBe(400);
    const { status, body } = await team.api<{ id: string }>(path, {
      event: "MERGED",
      data: { note: "by hand" },
      reason: "GitHub was down",
    });
    expect(status).toBe(202);
    await team.quiet();
    const detail = await eventOf(body.id);
    expect(detail.event).toMatchObject({
      type: "signal.sent",
      actor: "local",
      data: { reason: "GitHub was down", note: "by hand" },
    });
    expect(detail.trace.transitions).toMatchObject([
      { machine: "jira-ticket", key: "WEB-17", signal: "MERGED", created: true },
    ]);
    expect(await audited("signal")).toMatchObject([
      { who: "local", target: "jira-ticket/WEB-17", reason: "GitHub was down", detail: { event: "MERGED" } },
    ]);
  });
});

test("everything can be followed through the API: from the event to its deliveries, instances and what they caused in turn", async () => {
  const { id } = await send(18);
  await team.quiet();
  const { trace, deliveries: moved } = await eventOf(id);
  expect(trace.deliveries).toEqual(
    moved.map(({ id: delivery, connection, action }) => ({ id: delivery, connection, action })),
  );
  const reports = await get<{ items: { event: Event; trace: Trace }[] }>(
    `events?type=delivery.*&subject=${moved[0]!.id}`,
  );
  expect(reports.items).toHaveLength(1);
  expect(reports.items[0]?.event).toMatchObject({ type: "delivery.done", causedBy: id, hops: 1 });
  expect(reports.items[0]?.trace.transitions).toMatchObject([{ from: "moving", to: "announcing", taken: true }]);
  const listed = await get<{ items: Instance[] }>("instances?machine=jira-ticket&key=WEB-18");
  expect(listed.items).toMatchObject([{ key: "WEB-18", version: 3 }]);
  const status = await get<{ counts: { deliveries: Record<string, number> } }>("status");
  expect(status.counts.deliveries).toMatchObject({ pending: 0, cancelled: 0 });
  const metrics = String((await team.api("/metrics")).body);
  expect(metrics).toContain('signalbox_rule_matched_total{rule="merged-pr-moves-ticket"}');
  expect(metrics).toMatch(/signalbox_deliveries_attempted_total\{action="jira.transition",outcome="done"\} \d+/);
  expect(metrics).not.toContain("signalbox_faults_total{");
});

test("a ticket that is merged many times at once is moved once and ends where it should", async () => {
  const numbers = Array.from({ length: 30 }, (_, index) => 2_000 + index);
  await Promise.all(numbers.map((number) => send(number, { title: `WEB-19 part ${number}` })));
  await team.quiet();
  expect(issue("WEB-19").history).toEqual(["In Review", "Done"]);
  expect((await instance("WEB-19")).instance.state).toBe("waiting");
  await until("nothing is left", async () => (await team.engine.status()).counts.timers === 0);
});

const audited = async (what: string) =>
  (await get<{ items: AuditEntry[] }>("audit?limit=200")).items
    .filter((row) => row.what === what)
    .map(({ atMs: _, ...row }) => row);
