/** Jira, against a stand-in that refuses what Jira refuses, over real HTTP. */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { memoryCache } from "../../src/cache/memory.ts";
import type { Json, Outcome } from "../../src/model.ts";
import { createNetwork, type OwnedNetwork } from "../../src/network/network.ts";
import type { Cache } from "../../src/ports/cache.ts";
import type { Action, ActionContext } from "../../src/ports/provider.ts";
import jira from "../../src/providers/jira/index.ts";
import type { SandboxIssue, SandboxTransition } from "../../src/providers/jira/sandbox.ts";
import { adfProblem, plainText } from "../../src/providers/jira/sandbox-document.ts";
import { document, wiki } from "../../src/providers/jira/text.ts";
import { woundClock } from "../support/clock.ts";
import { type Sandbox, startSandbox } from "../support/sandbox.ts";

const transition = jira.connection?.actions.transition as Action;
const comment = jira.connection?.actions.comment as Action;

let sandbox: Sandbox;
let client: OwnedNetwork;
let clock = woundClock();
let cache: Cache;

beforeEach(async () => {
  sandbox = await startSandbox();
  clock = woundClock();
  cache = memoryCache({ clock });
});
afterEach(() => sandbox.close());
beforeAll(() => {
  client = createNetwork({ allowPrivate: true, redact: (text) => text });
});
afterAll(() => client.close());

type Settings = Record<string, Json>;

function context(settings: Settings = {}, more: Partial<ActionContext> = {}): ActionContext {
  const { url, email, token } = sandbox.jira;
  return {
    connection: { name: "jira", provider: "jira", settings: { url, email, token, ...settings } },
    idempotencyKey: "dlv_1",
    attempt: 1,
    nowMs: clock.now(),
    network: client,
    cache,
    session: undefined,
    ...more,
  };
}

/** As a Server: a personal access token, REST v2. */
function onServer(more: Partial<ActionContext> = {}): ActionContext {
  const { url, token } = sandbox.jira;
  return { ...context({}, more), connection: { name: "jira", provider: "jira", settings: { url, token } } };
}

const move = (params: Record<string, unknown>, at = context()) => transition.perform(params as never, at);
const say = (params: Record<string, unknown>, at = context()) => comment.perform(params as never, at);

function issue(key: string): SandboxIssue {
  const found = sandbox.jira.issues.get(key);
  if (!found) throw new Error(`No issue ${key}`);
  return found;
}

/** Changing requests, and the transition they asked for. */
const posts = () => sandbox.jira.calls.filter(({ method }) => method === "POST");
const asked = () => posts().map(({ body }) => (body as { transition: { id: string } }).transition.id);
const lists = () => sandbox.jira.calls.filter(({ method, path }) => method === "GET" && path.includes("/transitions"));

/** A reply of the stand-in that says it in one of Jira's ways. */
const refusal = (status: number, message: string) => ({ status, body: { errorMessages: [message], errors: {} } });

describe.each([
  ["Cloud", () => context()],
  ["Server", () => onServer()],
] as const)("a transition on %s", (_name, at) => {
  test("moves the issue to the status by whatever leads there", async () => {
    expect(await move({ issue: "WEB-17", to: "done" }, at())).toEqual({
      kind: "done",
      result: { issue: "WEB-17", from: "In Review", to: "Done", transition: "Merge" },
    });
    expect(issue("WEB-17").status).toBe("Done");
  });

  test("to where the issue is already changes nothing", async () => {
    const outcome = await move({ issue: "WEB-1", to: "In Review" }, at());
    expect(outcome).toMatchObject({ kind: "done", note: "already there" });
    expect(posts()).toEqual([]);
  });

  test("without the fields that Jira wants is refused before anything is sent, and says which", async () => {
    const outcome = await move({ issue: "OPS-1", to: "Done" }, at());
    expect(outcome).toMatchObject({ kind: "rejected" });
    expect(messageOf(outcome)).toBe('OPS-1: "Resolve" needs resolution (Fixed, Won\'t Do)');
    expect(posts()).toEqual([]);
    const given = await move({ issue: "OPS-1", to: "Done", fields: { resolution: { name: "Fixed" } } }, at());
    expect(given).toMatchObject({ kind: "done" });
    expect(issue("OPS-1")).toMatchObject({ status: "Done", resolution: "Fixed" });
  });

  test("takes a comment along, in the form that this Jira reads", async () => {
    const fields = { resolution: { name: "Fixed" } };
    await move({ issue: "OPS-2", to: "Done", fields, comment: "Released, see https://example.com/r/1." }, at());
    expect(issue("OPS-2").comments.map(({ text }) => text.replaceAll(/[[\]]/g, ""))).toEqual([
      "Released, see https://example.com/r/1.",
    ]);
  });
});

function messageOf(outcome: Outcome | undefined): string {
  return outcome && "error" in outcome ? outcome.error.message : "";
}

describe("a target status", () => {
  test.each([
    ["its name", { to: "Done" }, "31"],
    ["its name in another case", { to: "DONE" }, "31"],
    ["its id", { to: "10013" }, "31"],
    ["its name, and the transition's", { to: "In Progress", via: "send back" }, "41"],
  ])("is found by %s", async (_by, params, id) => {
    expect(await move({ issue: "WEB-2", ...params })).toMatchObject({ kind: "done" });
    expect(asked()).toEqual([id]);
  });

  test("that no transition leads to is refused with those that can be reached now", async () => {
    const outcome = await move({ issue: "WEB-2", to: "Merge" });
    expect(outcome.kind).toBe("rejected");
    expect(messageOf(outcome)).toBe(
      'WEB-2 is in "In Review" and cannot go to "Merge"; it can go to "Done" by "Merge", "In Progress" by "Send back"',
    );
    expect(posts()).toEqual([]);
  });

  const SEVERAL = [
    { id: "1", name: "Resolve", from: "In Progress", to: "Done", screen: { resolution: ["Fixed"] } },
    { id: "2", name: "Drop", from: "In Progress", to: "Done" },
    { id: "3", name: "Drop", from: "In Progress", to: "To Do" },
  ];

  test("that several transitions lead to is refused with their names, also where only one needs nothing more", async () => {
    sandbox.jira.workflows.set("OPS/Task", SEVERAL);
    const outcome = await move({ issue: "OPS-1", to: "Done" });
    expect(outcome.kind).toBe("rejected");
    expect(messageOf(outcome)).toBe(
      'OPS-1 can go from "In Progress" to "Done" by several transitions: "Resolve" (1), "Drop" (2); name one of them, or its id, as via',
    );
    expect(await move({ issue: "OPS-1", to: "Done", hops: true, through: ["To Do"] })).toEqual(outcome);
    expect(await move({ issue: "OPS-1", to: "Done", via: "" })).toEqual(outcome);
    expect(posts()).toEqual([]);
  });

  test("that several transitions lead to is reached by the one that via names, and by no other", async () => {
    sandbox.jira.workflows.set("OPS/Task", SEVERAL);
    await move({ issue: "OPS-1", to: "Done", via: "drop" });
    await move({ issue: "OPS-2", to: "Done", via: "2" });
    await move({ issue: "OPS-3", to: "Done", via: "Resolve", fields: { resolution: { name: "Fixed" } } });
    const outcome = await move({ issue: "OPS-4", to: "Done", via: "Forget" });
    expect(asked()).toEqual(["2", "2", "1"]);
    expect(messageOf(outcome)).toContain('to "Done" by "Forget"; it can go to');
  });

  test("that two transitions of one name lead to is reached by an id only", async () => {
    const twice = [1, 2].map((id) => ({ id: `${id}`, name: "Close", from: "In Progress", to: "Done" }));
    sandbox.jira.workflows.set("OPS/Task", twice);
    expect(messageOf(await move({ issue: "OPS-1", to: "Done", via: "Close" }))).toContain(
      '"Close" (1), "Close" (2); name its id as via',
    );
    expect(await move({ issue: "OPS-1", to: "Done", via: "2" })).toMatchObject({ kind: "done" });
    expect(asked()).toEqual(["2"]);
  });

  test("that the account may not move anything to is refused", async () => {
    sandbox.jira.workflows.set("WEB/Story", []);
    expect(messageOf(await move({ issue: "WEB-2", to: "Done" }))).toContain("the account may not move it anywhere");
  });
});

describe("what is kept of transitions", () => {
  test("serves the next issue of the kind; the status is read each time", async () => {
    await move({ issue: "WEB-1", to: "Done" });
    await move({ issue: "WEB-2", to: "Done" });
    await move({ issue: "WEB-3", to: "In Review" });
    expect(lists()).toHaveLength(1);
    expect(asked()).toEqual(["31", "31"]);
    clock.advance(5 * 60_000);
    await move({ issue: "WEB-4", to: "Done" });
    expect(lists()).toHaveLength(2);
  });

  test("never serves another issue type, status, account or site", async () => {
    await move({ issue: "WEB-1", to: "Done" });
    await move({ issue: "WEB-20", to: "Done" });
    await move({ issue: "WEB-1", to: "To Do" });
    expect(asked()).toEqual(["31", "131", "51"]);
    expect(posts().map(({ status }) => status)).toEqual([204, 204, 204]);
    await move({ issue: "WEB-2", to: "Done" }, onServer());
    await move({ issue: "WEB-3", to: "Done" }, context({ url: sandbox.jira.url.replace("127.0.0.1", "localhost") }));
    expect(lists()).toHaveLength(5);
  });

  test("that turns out to be wrong is dropped and read afresh, once", async () => {
    await move({ issue: "WEB-1", to: "Done" });
    sandbox.jira.workflows.set("WEB/Story", [{ id: "77", name: "Ship", from: "In Review", to: "Done" }]);
    expect(await move({ issue: "WEB-2", to: "Done" })).toMatchObject({ kind: "done", result: { transition: "Ship" } });
    await move({ issue: "WEB-3", to: "Done" });
    expect(asked()).toEqual(["31", "31", "77", "77"]);
    expect(lists()).toHaveLength(2);
  });

  test("is not believed when it says that there is no way", async () => {
    sandbox.jira.workflows.set("WEB/Story", [{ id: "41", name: "Send back", from: "In Review", to: "In Progress" }]);
    expect(await move({ issue: "WEB-1", to: "Done" })).toMatchObject({ kind: "rejected" });
    sandbox.jira.workflows.set("WEB/Story", [{ id: "31", name: "Merge", from: "In Review", to: "Done" }]);
    expect(await move({ issue: "WEB-1", to: "Done" })).toMatchObject({ kind: "done" });
  });

  test("is nothing when a transition depends on a condition, and believed by nobody when there is none", async () => {
    sandbox.jira.workflows.set("WEB/Story", [
      { id: "31", name: "Merge", from: "In Review", to: "Done", isConditional: true },
    ]);
    for (const key of ["WEB-1", "WEB-2"]) await move({ issue: key, to: "Done" });
    expect(lists()).toHaveLength(2);
    sandbox.jira.workflows.set("WEB/Story", []);
    for (const key of ["WEB-3", "WEB-4"]) await move({ issue: key, to: "Done" });
    expect(lists()).toHaveLength(4);
  });

  test.each([
    ["an error", { status: 500, body: { errorMessages: ["x"] } }],
    ["an error in the form of a list", { status: 200, body: { errorMessages: ["Login"], errors: {} } }],
    ["half an answer", { status: 200, body: '{"transitions":[{"id":"31","na' }],
    ["transitions without a target", { status: 200, body: { transitions: [{ id: "31", name: "Merge" }] } }],
    ["a login page", { status: 200, body: "<html>Log in</html>" }],
  ])("is never %s", async (_what, reply) => {
    sandbox.fault("jira", { path: "/transitions", what: reply });
    expect(await move({ issue: "WEB-1", to: "Done" })).toMatchObject({ kind: "retry" });
    expect(posts()).toEqual([]);
    expect(await move({ issue: "WEB-1", to: "Done" })).toMatchObject({ kind: "done" });
  });

  test("holds neither token nor its form in Basic", async () => {
    const keys: string[] = [];
    const seen: Cache = {
      ...cache,
      read(key, times, load) {
        keys.push(key);
        return cache.read(key, times, load);
      },
    };
    await move({ issue: "WEB-1", to: "Done" }, context({}, { cache: seen }));
    expect(keys.length).toBeGreaterThan(0);
    expect(keys.join()).not.toContain(sandbox.jira.token);
  });
});

describe("a refused transition", () => {
  const texts = [
    "Action 31 is invalid",
    "Transition id '31' is not valid for this issue.",
    "Can't move (WEB-1). You might not have permission, or the work item is missing required information.",
  ];

  test.each(texts.flatMap((text) => [400, 404, 409].map((status) => ({ status, text }))))(
    "of an issue that somebody else moved there is done: $status $text",
    async ({ status, text }) => {
      const what = () => {
        issue("WEB-1").status = "Done";
        return refusal(status, text);
      };
      sandbox.fault("jira", { method: "POST", what });
      expect(await move({ issue: "WEB-1", to: "Done" })).toMatchObject({ kind: "done", note: "already there" });
      expect(posts()).toHaveLength(1);
    },
  );

  test("of an issue that somebody else moved elsewhere is planned again from there", async () => {
    sandbox.jira.workflows.get("WEB/Story")?.push({ id: "61", name: "Skip review", from: "In Progress", to: "Done" });
    sandbox.fault("jira", {
      method: "POST",
      what: (carryOut) => {
        issue("WEB-1").status = "In Progress";
        return carryOut();
      },
    });
    expect(await move({ issue: "WEB-1", to: "Done" })).toMatchObject({ result: { transition: "Skip review" } });
    expect(asked()).toEqual(["31", "61"]);
  });

  test("of an issue that never stands still is tried again later", async () => {
    const statuses = ["To Do", "In Progress"];
    sandbox.jira.workflows.set("WEB/Story", [{ id: "1", name: "Jump", to: "Done" }]);
    const what = () => {
      issue("WEB-1").status = statuses[posts().length % 2] as string;
      return refusal(409, "conflict");
    };
    sandbox.fault("jira", { method: "POST", times: 100, what });
    expect(await move({ issue: "WEB-1", to: "Done" })).toMatchObject({ kind: "retry" });
    expect(posts()).toHaveLength(3);
  });

  test.each([
    [400, "rejected"],
    [404, "rejected"],
    [409, "retry"],
  ])("%i of an issue that stays where it was is %s, in Jira's words", async (status, kind) => {
    sandbox.fault("jira", { method: "POST", what: refusal(status, "Nicht erlaubt") });
    const outcome = await move({ issue: "WEB-1", to: "Done" });
    expect(outcome).toMatchObject({ kind, error: { status } });
    expect(messageOf(outcome)).toContain("Nicht erlaubt");
    expect(posts()).toHaveLength(1);
  });

  test("names the fields that Jira objects to", async () => {
    const outcome = await move({ issue: "WEB-1", to: "Done", fields: { resolution: { name: "Fixed" } } });
    expect(outcome.kind).toBe("rejected");
    expect(messageOf(outcome)).toContain("resolution: Field 'resolution' cannot be set");
  });

  test("many who move one issue at once: all are done, one moved it", async () => {
    const outcomes = await Promise.all(Array.from({ length: 8 }, () => move({ issue: "WEB-5", to: "Done" })));
    expect(outcomes.map(({ kind }) => kind)).toEqual(Array(8).fill("done"));
    expect(issue("WEB-5").history).toEqual(["In Review", "Done"]);
    expect(posts().filter(({ status }) => status === 204)).toHaveLength(1);
  });
});

describe("an answer", () => {
  const file = JSON.parse(readFileSync("test/fixtures/vectors/outbound-responses.json", "utf8")) as {
    now: number;
    vectors: {
      id: string;
      target: string;
      status: number;
      headers: Record<string, string>;
      body: string;
      expect: { class: string; waitSeconds?: number };
    }[];
  };
  const rows = file.vectors.filter(({ target }) => target === "jira");
  const at = () => context({}, { nowMs: file.now * 1000 });

  test("there are rows for Jira", () => expect(rows.length).toBeGreaterThan(9));

  test.each(rows.filter((row) => row.expect.class !== "reread"))("$id means $expect.class", async (row) => {
    sandbox.fault("jira", { method: "POST", what: row });
    const outcome = await move({ issue: "WEB-1", to: "Done" }, at());
    const kinds: Record<string, string> = { ok: "done", retry: "retry", permanent: "rejected" };
    expect(outcome.kind).toBe(kinds[row.expect.class]);
    if (row.expect.waitSeconds) expect(outcome).toMatchObject({ afterMs: row.expect.waitSeconds * 1000 });
  });

  test.each(rows.filter((row) => row.expect.class === "reread"))("$id means: look at the issue again", async (row) => {
    sandbox.fault("jira", { method: "POST", what: row });
    expect(["rejected", "retry"]).toContain((await move({ issue: "WEB-1", to: "Done" }, at())).kind);
    const after = sandbox.jira.calls.slice(sandbox.jira.calls.findIndex(({ method }) => method === "POST") + 1);
    expect(after.map(({ path }) => path)).toEqual([expect.stringContaining("/issue/WEB-1?fields=")]);
  });

  test("of an unknown issue, or to wrong credentials, is a refusal that changes nothing", async () => {
    const unknown = await move({ issue: "WEB-999", to: "Done" });
    const wrong = await move({ issue: "WEB-1", to: "Done" }, context({ token: "wrong" }));
    expect(unknown).toMatchObject({ kind: "rejected", error: { status: 404 } });
    expect(messageOf(unknown)).toContain("Issue does not exist or you do not have permission to see it.");
    expect(wrong).toMatchObject({ kind: "rejected", error: { status: 401, code: "auth" } });
    expect(posts()).toEqual([]);
  });

  test.each(["AUTHENTICATED_FAILED", "AUTHENTICATION_DENIED"])(
    "200 that was given to nobody (%s) is a refused login",
    async (reason) => {
      const headers = { "x-seraph-loginreason": reason };
      for (const path of ["/issue/", "/transitions"]) {
        sandbox.fault("jira", { path, what: { status: 200, headers, body: { key: "WEB-1", transitions: [] } } });
        const outcome = await move({ issue: "WEB-1", to: "Done" });
        expect(outcome).toMatchObject({ kind: "rejected", error: { message: "Jira does not accept the credentials" } });
      }
    },
  );

  test("403 and 404 on reading are refusals, 429 and 503 a reason to wait", async () => {
    for (const [status, kind] of [
      [403, "rejected"],
      [404, "rejected"],
      [429, "retry"],
      [503, "retry"],
      [502, "retry"],
    ] as const) {
      sandbox.fault("jira", { method: "GET", what: { status, headers: { "retry-after": "7" }, body: "<html>" } });
      expect(await move({ issue: "WEB-1", to: "Done" })).toMatchObject(
        kind === "retry" ? { kind, afterMs: 7_000 } : { kind },
      );
    }
  });
});

describe("an attempt whose end is not known", () => {
  test.each([
    ["taken", "reset-after", "done"],
    ["not taken", "reset", undefined],
  ] as const)("that was %s: the probe sees it", async (_what, what, seen) => {
    sandbox.fault("jira", { method: "POST", what });
    expect(await move({ issue: "WEB-1", to: "Done" })).toMatchObject({ kind: "uncertain" });
    expect((await transition.probe?.({ issue: "WEB-1", to: "Done" }, context()))?.kind).toBe(seen);
    expect(await move({ issue: "WEB-1", to: "Done" })).toMatchObject({ kind: "done" });
    expect(issue("WEB-1").history).toEqual(["In Review", "Done"]);
  });

  test("stays unknown while Jira cannot be asked", async () => {
    sandbox.fault("jira", { method: "GET", times: 2, what: { status: 503 } });
    expect(await transition.probe?.({ issue: "WEB-1", to: "Done" }, context())).toMatchObject({ kind: "uncertain" });
    expect(await comment.probe?.({ issue: "WEB-1", body: "x" }, context())).toMatchObject({ kind: "uncertain" });
  });

  test("changes nothing once its time is over", async () => {
    const over = new AbortController();
    over.abort();
    const at = context({}, { network: client.during(over.signal) });
    expect(await move({ issue: "WEB-1", to: "Done" }, at)).toMatchObject({ kind: "retry" });
    expect(await say({ issue: "WEB-1", body: "x" }, at)).toMatchObject({ kind: "retry" });
    expect(posts()).toEqual([]);
  });
});

describe("several hops", () => {
  /** Shows the provider where transitions lead from a status, as any earlier attempt there would have. */
  async function learn(key: string, ...statuses: string[]) {
    for (const status of statuses) {
      issue(key).status = status;
      await move({ issue: key, to: "nowhere" });
    }
  }

  test("are not taken unless asked for", async () => {
    await learn("WEB-1", "To Do", "In Progress", "In Review");
    issue("WEB-1").status = "To Do";
    expect(messageOf(await move({ issue: "WEB-1", to: "Done" }))).toContain(
      'it can go to "In Progress" by "Start work"',
    );
    expect(posts()).toEqual([]);
  });

  test("follow the shortest way that was seen, for issues of the kind", async () => {
    await learn("WEB-1", "In Progress", "In Review");
    issue("WEB-2").status = "To Do";
    expect(await move({ issue: "WEB-2", to: "Done", hops: true })).toEqual({
      kind: "done",
      result: {
        issue: "WEB-2",
        from: "To Do",
        to: "Done",
        transition: "Merge",
        way: ["Start work", "Ask for review", "Merge"],
      },
    });
    expect(issue("WEB-2").history.slice(1)).toEqual(["In Progress", "In Review", "Done"]);
    issue("WEB-20").status = "To Do";
    expect(await move({ issue: "WEB-20", to: "Done", hops: true })).toMatchObject({ kind: "rejected" });
  });

  test("are no more than allowed", async () => {
    await learn("WEB-1", "In Progress", "In Review");
    for (const [hops, kind] of [
      [1, "rejected"],
      [2, "rejected"],
      [3, "done"],
    ] as const) {
      issue("WEB-2").status = "To Do";
      expect((await move({ issue: "WEB-2", to: "Done", hops })).kind).toBe(kind);
    }
    expect(posts()).toHaveLength(3);
  });

  test("that nothing is known about are not guessed", async () => {
    issue("WEB-2").status = "To Do";
    expect(await move({ issue: "WEB-2", to: "Done", hops: true })).toMatchObject({ kind: "rejected" });
    expect(posts()).toEqual([]);
  });

  test("go through the statuses that the caller names, with nothing seen before", async () => {
    issue("WEB-2").status = "To Do";
    const through = ["In Progress", "In Review"];
    expect(await move({ issue: "WEB-2", to: "Done", through })).toMatchObject({
      kind: "done",
      result: { from: "To Do", to: "Done", way: ["Start work", "Ask for review", "Merge"] },
    });
    expect(posts()).toHaveLength(3);
  });

  test("never go back to a named status that lies behind", async () => {
    issue("WEB-2").status = "In Review";
    const through = ["In Progress", "In Review"];
    expect(await move({ issue: "WEB-2", to: "Nowhere", through })).toMatchObject({ kind: "rejected" });
    expect(posts()).toEqual([]);
  });

  test("end when the issue comes back to where it was", async () => {
    await learn("WEB-1", "In Progress", "In Review");
    issue("WEB-2").status = "To Do";
    const what = () => ({ status: 204 });
    sandbox.fault("jira", { method: "POST", what });
    const outcome = await move({ issue: "WEB-2", to: "Done", hops: true });
    expect(messageOf(outcome)).toBe('WEB-2 is back in "To Do"');
    expect(posts()).toHaveLength(1);
  });

  test("reach every status that is near enough by known transitions, by as few as there are", async () => {
    const names = ["To Do", "In Progress", "In Review", "Done"];
    const edge = fc.record({ from: fc.constantFrom(...names), to: fc.constantFrom(...names) });
    await fc.assert(
      fc.asyncProperty(
        // Several transitions to one status are another matter: they are refused.
        fc.uniqueArray(edge, { maxLength: 8, selector: ({ from, to }) => `${from} ${to}` }),
        fc.constantFrom(...names),
        fc.constantFrom(...names),
        async (edges, from, to) => {
          cache = memoryCache({ clock });
          sandbox.jira.calls.length = 0;
          const workflow: SandboxTransition[] = edges.map((one, index) => ({
            id: `${index}`,
            name: `T${index}`,
            ...one,
          }));
          sandbox.jira.workflows.set("WEB/Story", workflow);
          await learn("WEB-1", ...names);
          issue("WEB-2").status = from;
          const outcome = await move({ issue: "WEB-2", to, hops: true });
          const distance = distanceOf(edges, from, to);
          expect(outcome.kind).toBe(distance === undefined ? "rejected" : "done");
          expect(posts()).toHaveLength(distance ?? 0);
        },
      ),
      { numRuns: 40 },
    );
  });

  function distanceOf(edges: { from: string; to: string }[], from: string, to: string): number | undefined {
    let reached = new Set([from]);
    for (let distance = 0; distance <= 4; distance++) {
      if (reached.has(to)) return distance;
      reached = new Set([...reached, ...edges.filter((edge) => reached.has(edge.from)).map((edge) => edge.to)]);
    }
    return undefined;
  }
});

describe.each([
  ["Cloud", (more = {}) => context({}, more)],
  ["Server", (more = {}) => onServer(more)],
] as const)("a comment on %s", (_name, at) => {
  const texts = () => issue("WEB-1").comments.length;

  test("is said once, however often it is performed", async () => {
    const first = await say({ issue: "WEB-1", body: "Released" }, at());
    expect(first).toMatchObject({ kind: "done", result: { issue: "WEB-1", comment: expect.any(String) } });
    expect(await say({ issue: "WEB-1", body: "Released" }, at())).toEqual({ ...first, note: "already there" });
    expect(texts()).toBe(1);
  });

  test("of another delivery with the same text is another comment", async () => {
    for (const idempotencyKey of ["dlv_1", "dlv_2"])
      await say({ issue: "WEB-1", body: "Released" }, at({ idempotencyKey }));
    expect(texts()).toBe(2);
  });

  test.each([
    ["reset-after", "done"],
    ["reset", undefined],
  ] as const)("whose answer was lost (%s) is found, or said again", async (what, seen) => {
    sandbox.fault("jira", { method: "POST", what });
    expect(await say({ issue: "WEB-1", body: "Released" }, at())).toMatchObject({ kind: "uncertain" });
    expect((await comment.probe?.({ issue: "WEB-1", body: "Released" }, at()))?.kind).toBe(seen);
    await say({ issue: "WEB-1", body: "Released" }, at());
    expect(texts()).toBe(1);
  });

  test("is found among hundreds that came after it", async () => {
    await say({ issue: "WEB-1", body: "Released" }, at());
    for (let index = 0; index < 250; index++) {
      issue("WEB-1").comments.push({ id: `x${index}`, created: "", body: "later", text: "later", properties: [] });
    }
    expect(await say({ issue: "WEB-1", body: "Released" }, at())).toMatchObject({ note: "already there" });
  });

  test("may be for some only", async () => {
    await say({ issue: "WEB-1", body: "Released", visibility: { type: "role", value: "Developers" } }, at());
    expect(issue("WEB-1").comments[0]?.visibility).toEqual({ type: "role", value: "Developers" });
  });

  test.each(["🚂", "ab ", "*"])("longer than Jira takes, of %j, is cut", async (piece) => {
    expect(await say({ issue: "WEB-1", body: piece.repeat(40_000) }, at())).toMatchObject({ kind: "done" });
    const [kept] = issue("WEB-1").comments;
    expect(kept?.text.replace(/\n\{anchor.*/, "")).toMatch(/…$/);
    expect(kept?.text).not.toMatch(/\p{Surrogate}/u);
  });

  test("on an unknown issue is refused", async () => {
    expect(await say({ issue: "WEB-999", body: "x" }, at())).toMatchObject({
      kind: "rejected",
      error: { status: 404 },
    });
  });
});

describe("plain text", () => {
  test("becomes paragraphs, breaks and links", () => {
    expect(document("One\ntwo (see https://example.com/a_b?c=d#e).\r\n\r\n\r\nthree")).toEqual({
      type: "doc",
      version: 1,
      content: [
        {
          type: "paragraph",
          content: [
            { type: "text", text: "One" },
            { type: "hardBreak" },
            { type: "text", text: "two (see " },
            {
              type: "text",
              text: "https://example.com/a_b?c=d#e",
              marks: [{ type: "link", attrs: { href: "https://example.com/a_b?c=d#e" } }],
            },
            { type: "text", text: ")." },
          ],
        },
        { type: "paragraph", content: [{ type: "text", text: "three" }] },
      ],
    });
  });

  test("becomes wiki markup that mentions nobody, runs no macro and keeps addresses", () => {
    expect(wiki("[~admin] {code} *now* !x.png! a\\b https://example.com/a_b")).toBe(
      "\\[\\~admin\\] \\{code\\} \\*now\\* \\!x.png\\! a&#92;b [https://example.com/a_b]",
    );
  });

  const anyText = fc.string({
    unit: fc.oneof(
      fc.constantFrom("\n", " ", "*", "_", "[", "]", "{", "}", "\\", "https://e.x/a_b", "🚂"),
      fc.string({ unit: "binary", maxLength: 3 }),
    ),
    maxLength: 60,
  });
  const read = (text: string) => {
    const lines = text.replace(/\r\n?/g, "\n");
    return [...lines]
      .filter((one) => /[\n\t]|\P{Cc}/u.test(one) || /[\u0080-\u009f]/.test(one))
      .join("")
      .trim();
  };

  test("is always a document that Jira takes and a person reads as it was", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(adfProblem(document(text))).toBeUndefined();
        expect(plainText(document(text))).toBe(read(text).replace(/\n{2,}/g, "\n\n"));
      }),
    );
  });

  test("as wiki markup has nothing unescaped but links", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const markup = wiki(text);
        const rest = markup.replace(/\[https?:\/\/[^\]\s]*\]/g, "").replace(/\\[*_?\-+^~{}[\]!|#]/g, "");
        expect(rest).not.toMatch(/[*_?\-+^~{}[\]!|\\]/);
      }),
    );
  });
});

describe("credentials", () => {
  test("appear in no outcome, whatever fails", async () => {
    const faults = ["reset", { status: 401, body: "no" }, { status: 500, body: "oops" }] as const;
    const outcomes: (Outcome | undefined)[] = [];
    for (const what of faults) {
      sandbox.fault("jira", { what });
      outcomes.push(await move({ issue: "WEB-1", to: "Done" }));
    }
    outcomes.push(await move({ issue: "WEB-1", to: "Done" }, context({ url: "http://127.0.0.1:1" })));
    const { email, token } = sandbox.jira;
    const basic = Buffer.from(`${email}:${token}`).toString("base64");
    for (const hidden of [token, basic]) expect(JSON.stringify(outcomes)).not.toContain(hidden);
    expect(outcomes.map((outcome) => outcome?.kind)).toEqual(["retry", "rejected", "retry", "retry"]);
  });
});
