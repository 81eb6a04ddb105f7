/** A stand-in Slack: chat.postMessage, chat.update, conversations.history and an incoming webhook, strict about requests. */
import { isObject } from "../../model.ts";
import { jsonOrText, type SandboxRequest, type SandboxResponse } from "../../sandbox/http.ts";

/** https://docs.slack.dev/reference/methods/chat.postMessage */
const TEXT_CHARS_MAX = 40_000;
const BLOCKS_MAX = 50;
const HISTORY_MAX = 999;
const FIRST_TS = 1_767_603_600;

export interface SandboxMessage {
  channel: string;
  ts: string;
  text: string;
  blocks?: unknown[];
  threadTs?: string;
  metadata?: unknown;
  edited: boolean;
  via: "token" | "webhook";
}

export interface SlackState {
  token: string;
  /** Scopes of the token; without one its methods give `missing_scope`. */
  scopes: Set<string>;
  /** Path of the incoming webhook, which is its secret. */
  webhookPath: string;
  channels: { id: string; name: string; isMember: boolean; isArchived: boolean }[];
  /** In the order they were posted. */
  messages: SandboxMessage[];
}

/** Channels #deploys, #dev and #general; #board without the bot, #attic archived. */
export function slackState(): SlackState {
  const channel = (id: string, name: string, more = {}) => ({ id, name, isMember: true, isArchived: false, ...more });
  return {
    token: "xoxb-sandbox-slack-token",
    scopes: new Set(["chat:write", "channels:history"]),
    webhookPath: "/services/T00000000/B00000000/sandboxWebhookSecret",
    channels: [
      channel("C00GENERAL", "general"),
      channel("C00DEPLOYS", "deploys"),
      channel("C000000DEV", "dev"),
      channel("C00000BOARD", "board", { isMember: false }),
      channel("C00000ATTIC", "attic", { isArchived: true }),
    ],
    messages: [],
  };
}

/** Answers one request as Slack would, changing `state`. */
export function slack(state: SlackState, request: SandboxRequest): SandboxResponse {
  if (request.path.startsWith("/services/")) return webhook(state, request);
  const method = /^\/api\/([a-zA-Z.]+)$/.exec(request.path)?.[1];
  const perform = method ? METHODS[method] : undefined;
  if (!perform) return no("unknown_method");
  const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1];
  if (!token) return no("not_authed");
  if (token !== state.token) return no("invalid_auth");
  const args = argumentsOf(request);
  if (typeof args === "string") return no(args);
  if (perform.scope && !state.scopes.has(perform.scope)) {
    return {
      status: 200,
      body: { ok: false, error: "missing_scope", needed: perform.scope, provided: [...state.scopes].join() },
    };
  }
  return perform.run(state, args);
}

type Args = Record<string, unknown>;

const METHODS: Record<string, { scope?: string; run: (state: SlackState, args: Args) => SandboxResponse }> = {
  "auth.test": { run: () => ok({ team: "sandbox", user: "signalbox" }) },
  "chat.postMessage": { scope: "chat:write", run: post },
  "chat.update": { scope: "chat:write", run: update },
  "conversations.history": { scope: "channels:history", run: history },
  "conversations.replies": { scope: "channels:history", run: history },
};

/** The arguments of a request, or Slack's error code. */
function argumentsOf({ method, query, headers, body }: SandboxRequest): Args | string {
  if (method === "GET") return Object.fromEntries(query);
  const type = headers["content-type"] ?? "";
  if (type.startsWith("application/x-www-form-urlencoded")) return Object.fromEntries(new URLSearchParams(body));
  if (!type.startsWith("application/json")) return "invalid_post_type";
  const json = jsonOrText(body);
  if (typeof json === "string") return "invalid_json";
  return isObject(json) ? json : "json_not_object";
}

function post(state: SlackState, args: Args): SandboxResponse {
  const channel = channelOf(state, args.channel, "by name too");
  if (!channel) return no("channel_not_found");
  if (channel.isArchived) return no("is_archived");
  if (!channel.isMember) return no("not_in_channel");
  const problem = messageProblem(args) ?? metadataProblem(args.metadata) ?? threadProblem(state, args);
  if (problem) return no(problem);
  const message = keep(state, channel.id, args, "token");
  return ok({ channel: channel.id, ts: message.ts, message: { text: message.text, ts: message.ts } });
}

function update(state: SlackState, args: Args): SandboxResponse {
  const channel = channelOf(state, args.channel);
  if (!channel) return no("channel_not_found");
  const message = state.messages.find(({ channel: id, ts }) => id === channel.id && ts === args.ts);
  if (!message) return no("message_not_found");
  if (message.via === "webhook") return no("cant_update_message");
  const problem = messageProblem(args);
  if (problem) return no(problem);
  message.text = String(args.text ?? "");
  if (Array.isArray(args.blocks)) message.blocks = args.blocks;
  message.edited = true;
  return ok({ channel: channel.id, ts: message.ts, text: message.text });
}

function history(state: SlackState, args: Args): SandboxResponse {
  const channel = channelOf(state, args.channel);
  if (!channel) return no("channel_not_found");
  if (!channel.isMember) return no("not_in_channel");
  const withMetadata = /^(true|1)$/.test(String(args.include_all_metadata));
  const oldest = Number(args.oldest ?? 0);
  const messages = state.messages
    .filter((one) => one.channel === channel.id && one.threadTs === args.ts && Number(one.ts) > oldest)
    .reverse()
    .slice(0, Math.min(Number(args.limit ?? 100), HISTORY_MAX))
    .map(({ text, ts, metadata }) => ({
      type: "message",
      text,
      ts,
      ...(withMetadata && metadata ? { metadata } : {}),
    }));
  return ok({ messages, has_more: false });
}

/** https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks */
function webhook(state: SlackState, { method, path, headers, body }: SandboxRequest): SandboxResponse {
  if (path !== state.webhookPath) return { status: 404, body: "no_service" };
  if (method !== "POST") return { status: 400, body: "invalid_payload" };
  const json = (headers["content-type"] ?? "").startsWith("application/json") ? jsonOrText(body) : undefined;
  if (!isObject(json)) return { status: 400, body: "invalid_payload" };
  const problem = messageProblem(json);
  if (problem) return { status: 400, body: problem };
  keep(state, "C00GENERAL", json, "webhook");
  return { status: 200, body: "ok" };
}

function keep(state: SlackState, channel: string, args: Args, via: SandboxMessage["via"]): SandboxMessage {
  const message: SandboxMessage = {
    channel,
    ts: `${FIRST_TS + state.messages.length}.000100`,
    text: String(args.text ?? ""),
    ...(Array.isArray(args.blocks) ? { blocks: args.blocks } : {}),
    ...(typeof args.thread_ts === "string" ? { threadTs: args.thread_ts } : {}),
    ...(args.metadata ? { metadata: args.metadata } : {}),
    edited: false,
    via,
  };
  state.messages.push(message);
  return message;
}

function channelOf(state: SlackState, wanted: unknown, byName?: "by name too") {
  const name = String(wanted ?? "");
  return state.channels.find((one) => one.id === name || (byName && one.name === name.replace(/^#/, "")));
}

function messageProblem({ text, blocks }: Args): string | undefined {
  if (blocks !== undefined && !(Array.isArray(blocks) && blocks.every((one) => isObject(one) && "type" in one))) {
    return "invalid_blocks";
  }
  if (Array.isArray(blocks) && blocks.length > BLOCKS_MAX) return "invalid_blocks";
  if (text !== undefined && typeof text !== "string") return "invalid_arguments";
  if (!text && !(Array.isArray(blocks) && blocks.length > 0)) return "no_text";
  return (text ?? "").length > TEXT_CHARS_MAX ? "msg_too_long" : undefined;
}

function metadataProblem(metadata: unknown): string | undefined {
  if (metadata === undefined) return undefined;
  const fits = isObject(metadata) && typeof metadata.event_type === "string" && isObject(metadata.event_payload);
  return fits ? undefined : "invalid_metadata_format";
}

function threadProblem(state: SlackState, { thread_ts: ts }: Args): string | undefined {
  return ts === undefined || state.messages.some((one) => one.ts === ts) ? undefined : "thread_not_found";
}

const ok = (more: Args): SandboxResponse => ({ status: 200, body: { ok: true, ...more } });
const no = (error: string): SandboxResponse => ({ status: 200, body: { ok: false, error } });
