/** Slack: posts messages with a bot token or through an incoming webhook, and changes messages that the bot posted. */
import { createHash } from "node:crypto";
import { type Static, Type } from "typebox";
import type { Failure, Json, JsonObject, Outcome } from "../../model.ts";
import type { HttpResponse } from "../../ports/network.ts";
import type { Action, ActionContext, Provider } from "../../ports/provider.ts";
import { type AnswerClass, cut, outcomeOf, unsure } from "../kit/answer.ts";
import { at, objectIn } from "../kit/body.ts";
import { secret } from "../kit/connection.ts";

/** https://docs.slack.dev/reference/methods/chat.postMessage#truncating */
const TEXT_CHARS_MAX = 40_000;
/** https://docs.slack.dev/reference/block-kit/blocks */
const BLOCKS_MAX = 50;
/** A message of an earlier attempt is among the newest of its channel. */
const HISTORY_MAX = 200;
const DAY_MS = 24 * 3_600_000;

const Connection = Type.Object(
  {
    token: Type.Optional(
      secret("Bot token (xoxb-…) with chat:write; with channels:history too, an attempt of unknown end is looked for"),
    ),
    webhook: Type.Optional(
      secret("Address of an incoming webhook, used without a token; posts to its own channel only"),
    ),
    url: Type.Optional(Type.String({ pattern: "^https?://", description: "Web API, default https://slack.com/api" })),
  },
  { additionalProperties: false },
);
type Connection = Static<typeof Connection>;
type Context = ActionContext<Connection>;
/** As much of it as a request needs. */
type Reach = Pick<Context, "network" | "nowMs"> & { connection: Pick<Context["connection"], "settings"> };

const text = Type.String({
  minLength: 1,
  escape: "slack",
  description: "mrkdwn; with blocks, what notifications show. Past 40,000 characters it is cut",
});
const blocks = Type.Array(Type.Record(Type.String(), Type.Unknown()), {
  maxItems: BLOCKS_MAX,
  escape: "slack",
  description: "Block Kit blocks",
});

/** The result through a webhook, which returns nothing. */
const Posted = Type.Object({
  ts: Type.Optional(Type.Union([Type.String(), Type.Null()], { description: "not through a webhook" })),
  channel: Type.Optional(Type.Union([Type.String(), Type.Null()], { description: "its id; not through a webhook" })),
});

// ---------------------------------------------------------------- post

const Post = Type.Object(
  {
    channel: Type.Optional(
      Type.String({ minLength: 1, description: "Channel id or #name; a webhook has its own and ignores it" }),
    ),
    text,
    blocks: Type.Optional(blocks),
    threadTs: Type.Optional(
      Type.String({ minLength: 1, description: "The `ts` of the message to answer in a thread" }),
    ),
  },
  { additionalProperties: false },
);
type Post = Static<typeof Post>;

async function post(params: Post, context: Context): Promise<Outcome> {
  const { token, webhook } = context.connection.settings;
  if (!token)
    return webhook ? postToWebhook(params, webhook, context) : rejected("The connection has neither token nor webhook");
  if (!params.channel) return rejected("A message that is posted with a token needs a channel");
  const reply = await call(context, "chat.postMessage", {
    channel: params.channel,
    ...message(params),
    ...(params.threadTs ? { thread_ts: params.threadTs } : {}),
    link_names: false,
    unfurl_links: false,
    unfurl_media: false,
    metadata: { event_type: "signalbox", event_payload: { id: context.idempotencyKey } },
  });
  if (!reply.ok) return reply.outcome;
  const { ts = null, channel = null } = reply.body;
  if (typeof channel === "string") await remember(context, "channel", params.channel, channel);
  const blind = context.attempt > 1 ? await recall(context, "blind", context.idempotencyKey) : undefined;
  const note = blind ? `An earlier attempt may have posted it too: ${blind}` : undefined;
  return { kind: "done", result: { ts, channel }, ...(note ? { note } : {}) };
}

/** A webhook returns no `ts` and its messages cannot be read: an uncertain attempt is retried, and the message may come twice. */
async function postToWebhook(params: Post, webhook: string, context: Context): Promise<Outcome> {
  const body = { ...message(params), ...(params.threadTs ? { thread_ts: params.threadTs } : {}) };
  const answer = await send(context, { url: webhook, body });
  const outcome = outcomeOf(answer, { target: "Slack", nowMs: context.nowMs });
  if (outcome.kind !== "done") return explained(outcome, answer.kind === "answered" ? answer.text.trim() : "");
  const note = params.channel ? "The webhook posts to its own channel" : undefined;
  return { kind: "done", ...(note ? { note } : {}) };
}

/** Searches the message by the id in its metadata. Without the right to read, or the channel's id, it is posted again. */
async function probePost(params: Post, context: Context): Promise<Outcome | undefined> {
  const { token } = context.connection.settings;
  if (!token || !params.channel) return undefined;
  const channel = await channelId(context, params.channel);
  if (!channel) return blind(context, `the id of channel ${params.channel} is not known`);
  const thread = params.threadTs ? { ts: params.threadTs } : {};
  const method = params.threadTs ? "conversations.replies" : "conversations.history";
  const query = { channel, ...thread, include_all_metadata: "true", limit: `${HISTORY_MAX}` };
  const reply = await call(context, method, query, "GET");
  if (!reply.ok) {
    return reply.outcome.kind === "rejected" ? blind(context, reply.outcome.error.message) : unsure(reply.outcome);
  }
  const messages = Array.isArray(reply.body.messages) ? reply.body.messages : [];
  const message = messages.find((one) => isOurs(one, context));
  return message
    ? { kind: "done", result: { ts: at(message, "ts") ?? null, channel }, note: "already there" }
    : undefined;
}

/** The outcome when the earlier attempt stays unknown. */
async function blind(context: Context, reason: string): Promise<undefined> {
  await remember(context, "blind", context.idempotencyKey, reason);
}

function isOurs(one: Json, { idempotencyKey }: Context): boolean {
  const isSignalbox = at(one, "metadata", "event_type") === "signalbox";
  return isSignalbox && at(one, "metadata", "event_payload", "id") === idempotencyKey;
}

const postAction: Action<Post, Connection> = {
  summary: "Posts a message to a channel; its `ts` and `channel` are what update needs",
  params: Post,
  example: { channel: "#deploys", text: "acme/web v2.4.0 is live" },
  result: Posted,
  idempotency: "none",
  perform: post,
  probe: probePost,
};

// ---------------------------------------------------------------- update

const Update = Type.Object(
  {
    channel: Type.String({ minLength: 1, description: "Channel id, from the result of post" }),
    ts: Type.String({ minLength: 1, description: "The message's `ts`, from the result of post" }),
    text,
    blocks: Type.Optional(blocks),
  },
  { additionalProperties: false },
);
type Update = Static<typeof Update>;

const updateAction: Action<Update, Connection> = {
  summary: "Changes a message that this connection posted; needs a token",
  params: Update,
  example: { channel: "C012AB3CD", ts: "1503435956.000247", text: "acme/web v2.4.0 is rolled back" },
  result: Type.Object({ ts: Type.String(), channel: Type.String() }),
  idempotency: "state",
  async perform(params, context) {
    if (!context.connection.settings.token)
      return rejected("Messages of a webhook cannot be changed; update needs a token");
    const body = { channel: params.channel, ts: params.ts, ...message(params), link_names: false };
    const reply = await call(context, "chat.update", body);
    return reply.ok ? { kind: "done", result: { ts: params.ts, channel: params.channel } } : reply.outcome;
  },
};

// ---------------------------------------------------------------- the Web API

type SlackResponse = { ok: true; body: JsonObject } | { ok: false; outcome: Exclude<Outcome, { kind: "done" }> };

/** One call of a method. Slack answers 200 for most failures: only `ok: true` is success. */
async function call(
  context: Reach,
  method: string,
  args: JsonObject,
  verb: "GET" | "POST" = "POST",
): Promise<SlackResponse> {
  const { url = "https://slack.com/api", token } = context.connection.settings;
  const query = verb === "GET" ? `?${new URLSearchParams(args as Record<string, string>)}` : "";
  const answer = await send(context, {
    url: `${url.replace(/\/+$/, "")}/${method}${query}`,
    headers: { authorization: `Bearer ${token}` },
    ...(verb === "POST" ? { body: args } : {}),
  });
  const repeatable = verb === "GET" || method === "chat.update";
  const outcome = outcomeOf(answer, { target: "Slack", nowMs: context.nowMs, repeatable, classify });
  const body = answer.kind === "answered" ? objectIn(answer.text) : {};
  if (outcome.kind === "done") return { ok: true, body };
  return { ok: false, outcome: explained(outcome, typeof body.error === "string" ? body.error : "") };
}

function send(context: Reach, { url, headers, body }: { url: string; headers?: Record<string, string>; body?: Json }) {
  const type = { "content-type": "application/json; charset=utf-8" };
  const request = body === undefined ? { method: "GET" } : { method: "POST", body: JSON.stringify(body) };
  return context.network.http.request({
    ...request,
    url,
    headers: { ...(body === undefined ? {} : type), ...headers },
  });
}

/** Errors that say that nothing was done and that the same request may be taken later. */
const PASSING = new Set(["ratelimited", "rate_limited", "service_unavailable", "request_timeout", "team_added_to_org"]);
/** "It's possible some aspect of the operation succeeded before the error was raised." */
const UNCERTAIN = new Set(["fatal_error", "internal_error"]);
const AUTH = new Set(["not_authed", "invalid_auth", "account_inactive", "token_revoked", "token_expired"]);

function classify({ status, text: answer }: HttpResponse): AnswerClass | undefined {
  if (status !== 200) return undefined;
  const { ok, error } = objectIn(answer);
  if (ok === true) return "done";
  // The response is not Slack's, or incomplete.
  if (typeof error !== "string") return "uncertain";
  if (PASSING.has(error)) return "retry";
  if (UNCERTAIN.has(error)) return "uncertain";
  return AUTH.has(error) ? "auth" : "rejected";
}

/** Slack's error codes as sentences. https://docs.slack.dev/reference/methods/chat.postMessage#errors */
const WORDS: Readonly<Record<string, string>> = {
  account_inactive: "the token's account or workspace was deleted",
  action_prohibited: "an administrator does not allow this webhook to post",
  cant_update_message: "the message belongs to somebody else",
  channel_is_archived: "the channel is archived",
  channel_not_found: "the channel does not exist, or the bot cannot see it",
  edit_window_closed: "the message is too old to be changed",
  invalid_auth: "the token is not valid",
  invalid_blocks: "the blocks are not well formed",
  invalid_payload: "the message is not well formed",
  is_archived: "the channel is archived",
  message_not_found: "the message does not exist",
  missing_scope: "the token lacks a scope",
  msg_too_long: "the text is too long",
  no_service: "the webhook was removed or its address is wrong",
  no_text: "the message has no text",
  not_authed: "no token was sent",
  not_in_channel: "the bot is not a member of the channel; invite it",
  restricted_action: "an administrator does not allow the bot to post here",
  thread_not_found: "the thread does not exist",
  token_expired: "the token has expired",
  token_revoked: "the token was revoked",
};

/** The outcome with Slack's code and its meaning. */
function explained(outcome: Exclude<Outcome, { kind: "done" }>, code: string): Exclude<Outcome, { kind: "done" }> {
  if (!/^[a-z_]{1,50}$/.test(code)) return outcome;
  const words = Object.hasOwn(WORDS, code) ? `: ${WORDS[code]}` : "";
  const error: Failure = { ...outcome.error, message: `Slack says ${code}${words}`, code };
  return { ...outcome, error };
}

// ---------------------------------------------------------------- helpers

function message({ text: full, blocks: list }: { text: string; blocks?: Record<string, unknown>[] }): JsonObject {
  return { text: fitted(full), ...(list ? { blocks: list as Json[] } : {}) };
}

/** The text, cut between characters and never inside an escape such as `&amp;`. */
function fitted(full: string): string {
  return full.length <= TEXT_CHARS_MAX ? full : cut(full, TEXT_CHARS_MAX).replace(/&[a-z]{0,4}…$/, "…");
}

const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };

/** Slack has three control characters. https://docs.slack.dev/messaging/formatting-message-text#escaping */
function escapeMrkdwn(text: string): string {
  return text.replace(/[&<>]/g, (char) => ENTITIES[char] ?? char);
}

/** Slack reads a channel by its id only; the id of a name is cached by an earlier post. */
async function channelId(context: Context, channel: string): Promise<string | undefined> {
  return /^[CGD][A-Z0-9]{7,}$/.test(channel) ? channel : recall(context, "channel", channel);
}

/** Thrown when there is nothing to cache. */
const ABSENT = new Error("Absent");

async function recall(context: Context, what: string, name: string): Promise<string | undefined> {
  try {
    return await context.cache.read(
      keyOf(context, what, name),
      { ttlMs: DAY_MS },
      (): Promise<string> => Promise.reject(ABSENT),
    );
  } catch (error) {
    if (error !== ABSENT) throw error;
    return undefined;
  }
}

async function remember(context: Context, what: string, name: string, value: string): Promise<void> {
  const key = keyOf(context, what, name);
  await context.cache.drop(key);
  // A load that runs at the same time may find it absent; then it is not cached this time.
  await context.cache.read(key, { ttlMs: DAY_MS }, async () => value).catch(() => value);
}

function keyOf({ connection }: Context, what: string, name: string): string {
  const account = createHash("sha256")
    .update(connection.settings.token ?? "")
    .digest("hex")
    .slice(0, 16);
  return ["slack", what, account, name].join("|");
}

function rejected(message: string): Outcome {
  return { kind: "rejected", error: { message } };
}

const slack: Provider = {
  name: "slack",
  summary: "Posts and changes messages in Slack",
  docs: "https://docs.slack.dev/messaging/",
  connection: {
    settings: Connection,
    async test({ settings, ...context }) {
      // What a webhook posts cannot be taken back, and it answers nothing else.
      if (!settings.token) return { kind: "done", note: "a webhook cannot be asked without posting" };
      const reply = await call({ ...context, connection: { settings } }, "auth.test", {});
      return reply.ok ? { kind: "done" } : reply.outcome;
    },
    actions: { post: postAction, update: updateAction },
    escapes: { slack: escapeMrkdwn },
  },
};

export default slack;
