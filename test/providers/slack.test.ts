/** Slack, against a stand-in that refuses what Slack refuses, over real HTTP. */
import { readFileSync } from "node:fs";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { memoryCache } from "../../src/cache/memory.ts";
import type { Json, Outcome } from "../../src/model.ts";
import { createNetwork, type OwnedNetwork } from "../../src/network/network.ts";
import type { Cache } from "../../src/ports/cache.ts";
import type { Action, ActionContext } from "../../src/ports/provider.ts";
import slack from "../../src/providers/slack/index.ts";
import { woundClock } from "../support/clock.ts";
import { type Sandbox, startSandbox } from "../support/sandbox.ts";

const post = slack.connection?.actions.post as Action;
const update = slack.connection?.actions.update as Action;
const NOW_MS = Date.UTC(2026, 0, 5, 9);

let sandbox: Sandbox;
let client: OwnedNetwork;
let cache: Cache;

beforeEach(async () => {
  sandbox = await startSandbox();
  cache = memoryCache({ clock: woundClock() });
});
afterEach(() => sandbox.close());
beforeAll(() => {
  client = createNetwork({ allowPrivate: true, redact: (text) => text });
});
afterAll(() => client.close());

function context(settings: Record<string, Json>, more: Partial<ActionContext> = {}): ActionContext {
  return {
    connection: { name: "slack", provider: "slack", settings },
    idempotencyKey: "dlv_1",
    attempt: 1,
    nowMs: NOW_MS,
    network: client,
    cache,
    session: undefined,
    ...more,
  };
}

const bot = (more: Partial<ActionContext> = {}) =>
  context({ url: sandbox.slack.url, token: sandbox.slack.token }, more);
const hook = (more: Partial<ActionContext> = {}) => context({ webhook: sandbox.slack.webhookUrl }, more);
const say = (params: Record<string, unknown>, at = bot()) => post.perform(params as never, at);
const look = (params: Record<string, unknown>, at = bot()) => post.probe?.(params as never, at);
const change = (params: Record<string, unknown>, at = bot()) => update.perform(params as never, at);
const texts = () => sandbox.slack.messages.map(({ text }) => text);

function messageOf(outcome: Outcome | undefined): string {
  return outcome && "error" in outcome ? outcome.error.message : "";
}

describe("a message", () => {
  test("is posted with the token, and its ts and channel are the result", async () => {
    const outcome = await say({ channel: "#deploys", text: "v2 is live" });
    expect(outcome).toEqual({ kind: "done", result: { ts: "1767603600.000100", channel: "C00DEPLOYS" } });
    expect(sandbox.slack.messages).toMatchObject([
      {
        channel: "C00DEPLOYS",
        text: "v2 is live",
        metadata: { event_type: "signalbox", event_payload: { id: "dlv_1" } },
        via: "token",
      },
    ]);
    expect(sandbox.slack.calls[0]?.body).toMatchObject({ link_names: false, unfurl_links: false, unfurl_media: false });
  });

  test("goes through the webhook when there is no token, which has its own channel", async () => {
    expect(await say({ text: "v2 is live" }, hook())).toEqual({ kind: "done" });
    expect(await say({ channel: "#deploys", text: "again" }, hook())).toMatchObject({
      kind: "done",
      note: "The webhook posts to its own channel",
    });
    expect(sandbox.slack.messages.map(({ channel, via }) => ({ channel, via }))).toEqual(
      Array(2).fill({ channel: "C00GENERAL", via: "webhook" }),
    );
  });

  test.each([
    ["token", bot],
    ["webhook", hook],
  ] as const)("through a %s may have blocks and stand in a thread", async (_by, at) => {
    const blocks = [{ type: "section", text: { type: "mrkdwn", text: "*v2*" } }];
    await say({ channel: "C00GENERAL", text: "first" });
    const [{ ts } = { ts: "" }] = sandbox.slack.messages;
    expect(await say({ channel: "C00GENERAL", text: "second", blocks, threadTs: ts }, at())).toMatchObject({
      kind: "done",
    });
    expect(sandbox.slack.messages[1]).toMatchObject({ blocks, threadTs: ts });
  });

  test.each([
    ["x".repeat(40_000), 40_000, /x$/],
    ["x".repeat(40_001), 40_000, /x…$/],
    [`${"x".repeat(39_998)}🚂🚂`, 39_999, /x…$/],
    [`${"x".repeat(39_996)}&amp;&amp;`, 39_997, /x…$/],
  ])("is cut where Slack would refuse it, between characters (case %#)", async (text, length, end) => {
    expect(await say({ channel: "C00GENERAL", text })).toMatchObject({ kind: "done" });
    expect(texts()[0]).toHaveLength(length);
    expect(texts()[0]).toMatch(end);
  });

  test("without what it needs is refused and nothing is sent", async () => {
    expect(messageOf(await say({ text: "x" }))).toBe("A message that is posted with a token needs a channel");
    expect(messageOf(await say({ text: "x" }, context({})))).toBe("The connection has neither token nor webhook");
    expect(sandbox.slack.calls).toEqual([]);
  });
});

describe("ok: false", () => {
  test.each([
    ["channel_not_found", { channel: "#nowhere" }, "the channel does not exist, or the bot cannot see it"],
    ["not_in_channel", { channel: "#board" }, "the bot is not a member of the channel; invite it"],
    ["is_archived", { channel: "#attic" }, "the channel is archived"],
    ["thread_not_found", { channel: "#dev", threadTs: "1.2" }, "the thread does not exist"],
    ["invalid_blocks", { channel: "#dev", blocks: [{}] }, "the blocks are not well formed"],
  ])("%s is a refusal in plain words", async (code, params, words) => {
    const outcome = await say({ text: "x", ...params });
    expect(outcome).toMatchObject({ kind: "rejected", error: { code, message: `Slack says ${code}: ${words}` } });
    expect(texts()).toEqual([]);
  });

  test("invalid_auth is a refusal", async () => {
    const outcome = await say({ channel: "#dev", text: "x" }, context({ url: sandbox.slack.url, token: "xoxb-old" }));
    expect(outcome).toMatchObject({ kind: "rejected", error: { code: "invalid_auth" } });
  });

  test.each([
    ["account_inactive", "rejected"],
    ["token_revoked", "rejected"],
    ["msg_too_long", "rejected"],
    ["restricted_action", "rejected"],
    ["an_error_of_next_year", "rejected"],
    ["ratelimited", "retry"],
    ["service_unavailable", "retry"],
    ["request_timeout", "retry"],
    ["fatal_error", "uncertain"],
    ["internal_error", "uncertain"],
  ])("%s is %s", async (error, kind) => {
    sandbox.fault("slack", { what: { status: 200, headers: { "retry-after": "9" }, body: { ok: false, error } } });
    const outcome = await say({ channel: "#dev", text: "x" });
    expect(outcome).toMatchObject({ kind, error: { code: error }, ...(kind === "retry" ? { afterMs: 9_000 } : {}) });
  });

  test.each(["<html>proxy</html>", '{"ok":true,"ts":"15', "[]", ""])(
    "an answer that is not Slack's (%j) proves nothing",
    async (body) => {
      sandbox.fault("slack", { what: { status: 200, body } });
      expect(await say({ channel: "#dev", text: "x" })).toMatchObject({ kind: "uncertain" });
    },
  );
});

describe("an answer", () => {
  const file = JSON.parse(readFileSync("test/fixtures/vectors/outbound-responses.json", "utf8")) as {
    vectors: {
      id: string;
      target: string;
      status: number;
      headers: Record<string, string>;
      body: string;
      expect: { class: string; waitSeconds?: number };
    }[];
  };
  const rows = file.vectors.filter(({ target }) => target.startsWith("slack"));

  test("there are rows for Slack", () => expect(rows.length).toBeGreaterThan(6));

  test.each(rows)("$id means $expect.class", async (row) => {
    sandbox.fault("slack", { what: row });
    const outcome = await say({ channel: "#dev", text: "x" }, row.target === "slack" ? bot() : hook());
    const kinds: Record<string, string> = { ok: "done", retry: "retry", permanent: "rejected", disable: "rejected" };
    expect(outcome.kind).toBe(kinds[row.expect.class]);
    if (row.expect.waitSeconds) expect(outcome).toMatchObject({ afterMs: row.expect.waitSeconds * 1000 });
    if (outcome.kind === "rejected") expect(messageOf(outcome)).toContain(`Slack says ${row.body}: `);
  });
});

describe("an attempt whose end is not known", () => {
  const params = { channel: "C00DEPLOYS", text: "v2 is live" };

  test.each([
    [
      "taken",
      "reset-after",
      { kind: "done", result: { ts: "1767603600.000100", channel: "C00DEPLOYS" }, note: "already there" },
    ],
    ["not taken", "reset", undefined],
  ] as const)("that was %s: the probe sees it", async (_what, what, seen) => {
    sandbox.fault("slack", { method: "POST", what });
    expect(await say(params)).toMatchObject({ kind: "uncertain" });
    expect(await look(params)).toEqual(seen);
  });

  test("in a thread is looked for in the thread", async () => {
    await say(params);
    const inThread = { ...params, threadTs: sandbox.slack.messages[0]?.ts };
    const at = bot({ idempotencyKey: "dlv_2" });
    expect(await look(inThread, at)).toBeUndefined();
    await say(inThread, at);
    expect(await look(inThread, at)).toMatchObject({ kind: "done", note: "already there" });
  });

  test("is not taken for another delivery's message with the same text", async () => {
    await say(params, bot({ idempotencyKey: "dlv_0" }));
    expect(await look(params)).toBeUndefined();
  });

  test("in a channel that is known by name is found once its id was seen", async () => {
    const named = { ...params, channel: "#deploys" };
    await say(named, bot({ idempotencyKey: "dlv_0" }));
    sandbox.fault("slack", { method: "POST", what: "reset-after" });
    await say(named);
    expect(await look(named)).toMatchObject({ kind: "done", result: { ts: "1767603601.000100" } });
  });

  test("that cannot be looked for is repeated, and that is said", async () => {
    sandbox.slack.scopes.delete("channels:history");
    sandbox.fault("slack", { method: "POST", what: "reset-after" });
    await say(params);
    const second = bot({ attempt: 2 });
    expect(await look(params, second)).toBeUndefined();
    expect(await say(params, second)).toMatchObject({
      kind: "done",
      note: "An earlier attempt may have posted it too: Slack says missing_scope: the token lacks a scope",
    });
    const named = { ...params, channel: "#dev" };
    const third = bot({ attempt: 2, idempotencyKey: "dlv_3" });
    expect(await look(named, third)).toBeUndefined();
    expect(await say(named, third)).toMatchObject({
      note: expect.stringContaining("the id of channel #dev is not known"),
    });
    expect(await say(params, bot({ attempt: 2, idempotencyKey: "dlv_4" }))).not.toHaveProperty("note");
  });

  test.each([{ status: 503 }, { status: 429 }, "reset"] as const)(
    "stays unknown while Slack cannot be asked (%j)",
    async (what) => {
      await say(params);
      sandbox.fault("slack", { method: "GET", what });
      expect(await look(params)).toMatchObject({ kind: "uncertain" });
    },
  );

  test("of a webhook cannot be looked for", async () => {
    sandbox.fault("slack", { what: "reset-after" });
    expect(await say({ text: "x" }, hook())).toMatchObject({ kind: "uncertain" });
    expect(await look({ text: "x" }, hook())).toBeUndefined();
    expect(sandbox.slack.calls).toHaveLength(1);
  });
});

describe("a change", () => {
  async function posted(): Promise<{ channel: string; ts: string }> {
    const outcome = await say({ channel: "#deploys", text: "v2 is rolling out" });
    return (outcome.kind === "done" ? outcome.result : undefined) as { channel: string; ts: string };
  }

  test("replaces the text, however often it is made", async () => {
    const place = await posted();
    for (let count = 0; count < 2; count++) {
      expect(await change({ ...place, text: "v2 is live" })).toEqual({ kind: "done", result: place });
    }
    expect(texts()).toEqual(["v2 is live"]);
  });

  test("of a message that is not there is refused", async () => {
    const outcome = await change({ channel: "C00DEPLOYS", ts: "1.2", text: "x" });
    expect(outcome).toMatchObject({ kind: "rejected", error: { code: "message_not_found" } });
  });

  test("that was interrupted is simply made again", async () => {
    const place = await posted();
    sandbox.fault("slack", { what: "reset-after" });
    expect(await change({ ...place, text: "v2 is live" })).toMatchObject({ kind: "retry" });
  });

  test("is refused on a connection that has only a webhook", async () => {
    const outcome = await change({ channel: "C00DEPLOYS", ts: "1.2", text: "x" }, hook());
    expect(outcome.kind).toBe("rejected");
    expect(messageOf(outcome)).toBe("Messages of a webhook cannot be changed; update needs a token");
    expect(sandbox.slack.calls).toEqual([]);
  });
});

describe("credentials", () => {
  test("appear in no outcome and no cache key, whatever fails", async () => {
    const keys: string[] = [];
    const noted: Cache = {
      ...cache,
      read(key, times, load) {
        keys.push(key);
        return cache.read(key, times, load);
      },
    };
    const outcomes: (Outcome | undefined)[] = [];
    for (const what of ["reset", "reset-after", { status: 404, body: "no_service" }, { status: 500 }] as const) {
      for (const at of [bot, hook]) {
        sandbox.fault("slack", { what });
        outcomes.push(await say({ channel: "#dev", text: "x" }, at({ cache: noted })));
      }
    }
    await say({ channel: "#dev", text: "x" }, bot({ cache: noted }));
    outcomes.push(
      await say({ text: "x" }, context({ webhook: "http://127.0.0.1:1/services/T0/B0/sandboxWebhookSecret" })),
    );
    outcomes.push(await say({ text: "x" }, context({ webhook: "not a URL sandboxWebhookSecret" })));
    expect(outcomes.every((outcome) => outcome?.kind !== "done")).toBe(true);
    expect(keys.length).toBeGreaterThan(0);
    for (const hidden of [sandbox.slack.token, "sandboxWebhookSecret"]) {
      expect(JSON.stringify([outcomes, keys])).not.toContain(hidden);
    }
  });
});
