/** GitHub: receives webhooks, reports commit statuses, comments on issues and pull requests. */
import { createHash } from "node:crypto";
import { type Static, Type } from "typebox";
import type { Outcome } from "../../model.ts";
import type { HttpResult } from "../../ports/network.ts";
import type { Action, ActionContext, Normalised, Provider, RawRequest, SourceConfig } from "../../ports/provider.ts";
import { cut, unsure } from "../kit/answer.ts";
import { FORM_TYPE, JSON_TYPE, mediaType, parseFormJson, parseJson, textAt, typePart } from "../kit/body.ts";
import { sign, type Verifier, verifySignature } from "../kit/signature.ts";
import { attributesOf } from "./attributes.ts";
import { markdown } from "./markdown.ts";
import { hasOwnTime } from "./own-time.ts";
import { misfit } from "./payload-keys.ts";
import { registration } from "./registration.ts";
import { GitHubConnection, listOf, outcomeOfGithub, type Reach, resultOf, send } from "./rest.ts";
import { GITHUB_EVENTS } from "./samples.ts";

/** https://docs.github.com/en/rest/repos/repos#create-a-repository-dispatch-event: names of events. */
const ACTION_CHARS_MAX = 100;
/** https://docs.github.com/en/rest/commits/statuses */
const DESCRIPTION_CHARS_MAX = 140;
/** An uncertain comment is at most as old as a delivery's attempts last. */
const PROBE_WINDOW_MS = 25 * 3_600_000;
const PROBE_PAGES_MAX = 10;
const PAGE_SIZE = 100;

const SHA256 = {
  kind: "hmac",
  digest: "sha256",
  encoding: "hex",
  signatureHeader: "x-hub-signature-256",
  prefix: "sha256=",
  key: "utf8",
  message: ["body"],
} as const satisfies Verifier;
const SHA1 = { ...SHA256, digest: "sha1", signatureHeader: "x-hub-signature", prefix: "sha1=" } as const;

const Settings = Type.Object(
  {
    legacySha1: Type.Optional(
      Type.Boolean({ description: "Also take X-Hub-Signature (SHA-1) from servers that send nothing newer" }),
    ),
  },
  { additionalProperties: false },
);
type Settings = Static<typeof Settings>;

type Context = ActionContext<GitHubConnection>;

// ---------------------------------------------------------------- source

function normalise(request: RawRequest, source: SourceConfig<Settings>): Normalised {
  // With content type form the whole form is signed, and the event is JSON in one field of it.
  const isForm = mediaType(request.headers) === FORM_TYPE;
  const parsed = isForm ? parseFormJson(request.body, "payload") : parseJson(request.body);
  if (!parsed.ok) return { kind: "malformed", detail: parsed.detail };
  const event = request.headers["x-github-event"] ?? "";
  if (!/^[a-z][a-z0-9_]{0,63}$/.test(event)) return { kind: "malformed", detail: "X-GitHub-Event names no event" };
  const { data, text } = parsed;
  const wrong = misfit(event, data);
  if (wrong !== undefined) return { kind: "malformed", detail: `The payload is not that of "${event}": ${wrong}` };

  // The action of a repository_dispatch is chosen by the caller.
  const action = typePart(textAt(data, "action") ?? "").slice(0, ACTION_CHARS_MAX);
  const delivery = request.headers["x-github-delivery"];
  const draft = {
    type: action === "" ? `github.${event}` : `github.${event}.${action}`,
    ...(delivery && delivery.length <= 200 ? { delivery } : {}),
    ...attributesOf(data, source.ticketProjects),
    ...(hasOwnTime(event, data) ? {} : { bodyCounts: "if-asked" as const }),
    data,
    ...(text === undefined ? {} : { dataText: text }),
  };
  const answer = { status: 200, contentType: "text/plain", body: "pong" };
  return { kind: "events", events: [draft], ...(event === "ping" ? { answer } : {}) };
}

/** In the form of a UUID, as GitHub's are; the same for the same request. */
function deliveryId(body: string, nowMs: number): string {
  const hex = createHash("sha256").update(`${nowMs}\n${body}`).digest("hex");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/, "$1-$2-$3-$4-$5");
}

// ---------------------------------------------------------------- actions

// Names of owners and repositories; ".." would change the path.
const repo = Type.String({
  pattern: "^(?!\\.)[A-Za-z0-9_.-]+/(?!\\.{1,2}$)[A-Za-z0-9_.-]+$",
  maxLength: 200,
  description: "owner/name",
});

const StatusParams = Type.Object(
  {
    repo,
    sha: Type.String({ pattern: "^[0-9a-f]{40}([0-9a-f]{24})?$", description: "The commit, in full" }),
    state: Type.Union([
      Type.Literal("error"),
      Type.Literal("failure"),
      Type.Literal("pending"),
      Type.Literal("success"),
    ]),
    context: Type.Optional(
      Type.String({ minLength: 1, maxLength: 255, description: 'Which check this is, default "signalbox"' }),
    ),
    description: Type.Optional(
      Type.String({ description: `One short line; cut after ${DESCRIPTION_CHARS_MAX} characters`, escape: "none" }),
    ),
    targetUrl: Type.Optional(Type.String({ pattern: "^https?://", description: "Where the details are" })),
  },
  { additionalProperties: false },
);
type StatusParams = Static<typeof StatusParams>;

/** Address of the status or comment. */
const Written = Type.Object({ url: Type.Union([Type.String(), Type.Null()]) });

const status: Action<StatusParams, GitHubConnection> = {
  summary: "Sets a commit status; the newest of a context counts",
  params: StatusParams,
  example: {
    repo: "acme/web",
    sha: "9f31c2e4d1b0a7c65e8f3d2b1a0c9e8f7d6c5b4a",
    state: "success",
    context: "signalbox/gate",
    description: "Push and CI have passed",
    targetUrl: "https://signalbox.example/instances/deploy-gate",
  },
  result: Written,
  idempotency: "state",
  async perform(params, context) {
    const answer = await send(reach(context), "POST", `/repos/${params.repo}/statuses/${params.sha}`, {
      state: params.state,
      context: params.context ?? "signalbox",
      ...(params.description === undefined ? {} : { description: cut(params.description, DESCRIPTION_CHARS_MAX) }),
      ...(params.targetUrl === undefined ? {} : { target_url: params.targetUrl }),
    });
    return outcomeOfGithub(answer, context, { repeatable: true, ok: (code) => code === 201 });
  },
};

const CommentParams = Type.Object(
  {
    repo,
    number: Type.Integer({ minimum: 1, description: "Of the issue or pull request" }),
    body: Type.String({ minLength: 1, maxLength: 65_000, description: "Markdown", escape: "markdown" }),
  },
  { additionalProperties: false },
);
type CommentParams = Static<typeof CommentParams>;

const comment: Action<CommentParams, GitHubConnection> = {
  summary: "Comments on an issue or pull request, once",
  params: CommentParams,
  example: { repo: "acme/web", number: 412, body: "Released with **1.4.0**" },
  result: Written,
  idempotency: "read-before-write",
  async perform({ repo, number, body }, context) {
    const text = `${body}\n\n${marker(context)}`;
    const answer = await send(reach(context), "POST", `/repos/${repo}/issues/${number}/comments`, { body: text });
    return outcomeOfGithub(answer, context, { ok: (code) => code === 201 });
  },
  async probe({ repo, number }, context) {
    const since = new Date(context.nowMs - PROBE_WINDOW_MS).toISOString();
    for (let page = 1; page <= PROBE_PAGES_MAX; page++) {
      const query = `per_page=${PAGE_SIZE}&page=${page}&since=${encodeURIComponent(since)}`;
      const answer = await send(reach(context), "GET", `/repos/${repo}/issues/${number}/comments?${query}`);
      const list = listOf(answer);
      if (!list) return unsure(unread(outcomeOfGithub(answer, context, { repeatable: true }), answer));
      const comment = list.find((one) => textAt(one, "body")?.includes(marker(context)));
      if (comment) return { kind: "done", result: resultOf(comment), note: "An earlier attempt had been taken" };
      if (list.length < PAGE_SIZE) return undefined;
    }
    const message = `github: ${PROBE_PAGES_MAX * PAGE_SIZE} comments were read and more are left`;
    return { kind: "rejected", error: { message, code: "uncertain" } };
  },
};

function reach({ connection, network }: Context): Reach {
  return { settings: connection.settings, network };
}

/** Invisible in the rendered comment. */
function marker({ idempotencyKey }: Context): string {
  return `<!-- signalbox:${idempotencyKey} -->`;
}

/** The outcome of a response with 200 that cannot be read. */
function unread(result: Outcome, answer: HttpResult): Outcome {
  if (result.kind !== "done") return result;
  const code = answer.kind === "answered" ? { status: answer.status } : {};
  return { kind: "uncertain", error: { message: "github: the list of comments cannot be read", ...code } };
}

export default {
  name: "github",
  summary: "Receives GitHub webhooks, sets commit statuses, comments on issues and pull requests",
  docs: "https://docs.github.com/en/webhooks",
  source: {
    kind: "webhook",
    summary: "Repository, organisation and app webhooks, as JSON or form",
    settings: Settings,
    needsSecret: true,
    secretFields: ["hook.config.secret", "alert.secret"],
    contentTypes: [JSON_TYPE, FORM_TYPE],
    deliveryHeader: () => "x-github-delivery",
    verify(request: RawRequest, source: SourceConfig<Settings>, { nowMs }) {
      // The SHA-256 signature is always checked when present: otherwise an older one beside it would be a downgrade.
      const isOld = source.settings.legacySha1 === true && request.headers["x-hub-signature-256"] === undefined;
      return verifySignature(isOld ? SHA1 : SHA256, request, source.secrets, nowMs);
    },
    normalise,
    events: GITHUB_EVENTS,
    registration,
    sign(sample, source, nowMs) {
      const body = JSON.stringify(sample.body);
      const delivery = deliveryId(body, nowMs);
      const signature = sign(SHA256, body, source.secrets[0] ?? "", nowMs, delivery);
      return { "x-github-delivery": delivery, ...sample.headers, ...signature };
    },
  },
  connection: {
    settings: GitHubConnection,
    async test({ settings, network, nowMs }) {
      const outcome = outcomeOfGithub(
        await send({ settings, network }, "GET", "/user"),
        { nowMs },
        { repeatable: true },
      );
      return outcome.kind === "done" ? { kind: "done" } : outcome;
    },
    actions: { status, comment },
    escapes: { markdown },
  },
} satisfies Provider;
