/** Jira Cloud, Server and Data Center: moves an issue to a status by whatever transition leads there now, and comments once. */
import { createHash } from "node:crypto";
import { type Static, Type } from "typebox";
import type { Json, JsonObject, Outcome } from "../../model.ts";
import type { HttpResult } from "../../ports/network.ts";
import type { Action, Provider } from "../../ports/provider.ts";
import { unsure } from "../kit/answer.ts";
import {
  hasFailedLogin,
  isCloud,
  JiraConnection,
  type JiraContext,
  jsonOf,
  objectOf,
  outcomeOfJira,
  type ReadResult,
  readJira,
  send,
} from "./rest.ts";
import { document, escapeWiki, wiki } from "./text.ts";
import {
  type Edge,
  forgetOffers,
  isSame,
  isStatus,
  type JiraIssue,
  type JiraStatus,
  type Offer,
  type Offers,
  planWay,
  readIssue,
  readOffers,
} from "./workflow.ts";

const HOPS_MAX = 5;
/** How often the issue is read again after a refusal: cached transitions may be old, or others move the issue meanwhile. */
const REPLANS_MAX = 2;
/** A comment of an earlier attempt is among the newest; a page holds 100. */
const COMMENT_PAGES_MAX = 10;

const IssueKey = Type.String({
  pattern: "^([A-Za-z][A-Za-z0-9_]*-[0-9]+|[0-9]+)$",
  description: "Issue key, e.g. WEB-17",
});

// ---------------------------------------------------------------- transition

const TransitionParams = Type.Object(
  {
    issue: IssueKey,
    to: Type.String({ minLength: 1, description: "Name or id of the status the issue shall be in" }),
    via: Type.Optional(
      Type.String({
        description: "Name or id of the transition, needed when several lead to the status; empty text is none",
      }),
    ),
    fields: Type.Optional(
      Type.Record(Type.String(), Type.Unknown(), {
        description: 'Fields of the transition\'s screen, e.g. { resolution: { name: "Done" } }',
      }),
    ),
    comment: Type.Optional(
      Type.String({ minLength: 1, description: "Plain text, added by a transition that has a screen" }),
    ),
    hops: Type.Optional(
      Type.Union([Type.Boolean(), Type.Integer({ minimum: 1, maximum: HOPS_MAX })], {
        description: `How many transitions may lead there, by what was seen of the workflow; true = ${HOPS_MAX}, default 1`,
      }),
    ),
    through: Type.Optional(
      Type.Array(Type.String({ minLength: 1 }), {
        maxItems: HOPS_MAX - 1,
        description:
          "Statuses on the way, in order, for when no transition leads straight there; nothing need have been seen",
      }),
    ),
  },
  { additionalProperties: false },
);
type TransitionParams = Static<typeof TransitionParams>;

/** The state of one action on the way to the target. */
interface Walk {
  params: TransitionParams;
  from?: string;
  /** Ids of the statuses that were left. */
  left: string[];
  /** Names of the transitions that were taken. */
  names: string[];
  replans: number;
  /** The last request, when Jira refused it. */
  refused?: { status: JiraStatus; fresh: boolean; answer: HttpResult };
}

/** Status based: performing it twice does no harm. */
async function transition(params: TransitionParams, context: JiraContext): Promise<Outcome> {
  const walk: Walk = { params, left: [], names: [], replans: 0 };
  for (;;) {
    const read = await readIssue(params.issue, context);
    if (!read.ok) return read.outcome;
    const end = endOf(walk, read.value, context) ?? (await step(walk, read.value, context));
    if (end) return end;
  }
}

/**
 * The outcome when the walk ends here; undefined = it goes on. After a refusal the status of the issue decides, because Jira's text says
 * too little: in the same status transitions are read again; in another one (others moved the issue) the way is planned again.
 */
function endOf(walk: Walk, { key, status }: JiraIssue, context: JiraContext): Outcome | undefined {
  if (isStatus(status, walk.params.to)) return arrived(walk, key, status);
  if (walk.left.includes(status.id)) return rejected(`${key} is back in "${status.name}"`);
  const { refused } = walk;
  if (!refused) return undefined;
  const hasMoved = status.id !== refused.status.id;
  if (!hasMoved && refused.fresh) return outcomeOfJira(refused.answer, context);
  walk.replans += 1;
  if (walk.replans <= REPLANS_MAX) return undefined;
  return { kind: "retry", error: { message: `${key} is being moved by somebody else` } };
}

function arrived({ from, names }: Walk, issue: string, { name }: JiraStatus): Outcome {
  const result: JsonObject = { issue, from: from ?? name, to: name };
  if (names.length === 0) return { kind: "done", result, note: "already there" };
  const way: JsonObject = names.length > 1 ? { way: names } : {};
  return { kind: "done", result: { ...result, transition: names.at(-1) ?? "", ...way } };
}

/** Takes one transition; undefined = read the issue again. */
async function step(walk: Walk, issue: JiraIssue, context: JiraContext): Promise<Outcome | undefined> {
  const next = await nextOffer(walk, issue, context);
  if (!next.ok) return next.outcome;
  const { offer, fresh } = next.value;
  if (context.network.signal.aborted) return STOPPED;
  const answer = await performTransition(issue, offer, walk.params, context);
  if (isConflict(answer)) {
    await forgetOffers(issue, context);
    walk.refused = { status: issue.status, fresh, answer };
    return undefined;
  }
  const outcome = outcomeOfJira(answer, context);
  if (outcome.kind !== "done") return outcome;
  walk.from ??= issue.status.name;
  walk.left.push(issue.status.id);
  walk.names.push(offer.name);
  delete walk.refused;
  return isStatus(offer.to, walk.params.to) ? arrived(walk, issue.key, offer.to) : undefined;
}

/** 404 may be about the transition or about a deleted issue; reading the issue again shows which. */
function isConflict(answer: HttpResult): boolean {
  return answer.kind === "answered" && [400, 404, 409].includes(answer.status) && !hasFailedLogin(answer);
}

type NextOffer = ReadResult<{ offer: Offer; fresh: boolean }>;

/** The transition to take now. Cached transitions are used for taking one, never for refusing. */
async function nextOffer(walk: Walk, issue: JiraIssue, context: JiraContext): Promise<NextOffer> {
  const cachedOffers = await readOffers(issue, context);
  if (!cachedOffers.ok) return cachedOffers;
  const choice = await chooseOffer({ walk, issue, ...cachedOffers.value }, context);
  if (choice.ok || cachedOffers.value.isFresh) return choice;
  await forgetOffers(issue, context);
  const read = await readOffers(issue, context);
  return read.ok ? chooseOffer({ walk, issue, ...read.value }, context) : read;
}

async function chooseOffer(at: Offers & { walk: Walk; issue: JiraIssue }, context: JiraContext): Promise<NextOffer> {
  const { offers, isFresh: fresh, issue, walk } = at;
  const { params, left, names } = walk;
  const leads = (edge: Edge | Offer) => isStatus(edge.to, params.to) && (!params.via || isVia(edge, params.via));
  const hopsAllowed = params.hops === true || params.through ? HOPS_MAX : Number(params.hops || 1);
  const hopsMax = hopsAllowed - names.length;
  const direct = hopsMax > 0 ? offers.filter(leads) : [];
  const [, second] = direct;
  if (second) return { ok: false, outcome: rejected(ambiguity(issue, params, direct)) };
  const directOrNamed =
    direct.length > 0 ? direct : hopsMax > 1 ? offersThrough(offers, params.through ?? [], issue, left) : [];
  const ways =
    directOrNamed.length > 0 ? directOrNamed : await planWay(issue, offers, { leads, hopsMax, left }, context);
  const offer = ways.find((way) => missingFields(way, params).length === 0);
  if (offer) return { ok: true, value: { offer, fresh } };
  const [oneOffer] = ways;
  const needs = oneOffer && `${issue.key}: "${oneOffer.name}" needs ${missingFields(oneOffer, params).join(", ")}`;
  return { ok: false, outcome: rejected(needs ?? noWay(issue, params, offers)) };
}

/** Cached transitions of other issues have no ids, only names. */
function isVia(edge: Edge | Offer, via: string): boolean {
  return isSame(edge.name, via) || ("id" in edge && edge.id === via);
}

/** Several transitions lead to the status: they may differ in their other effects, so a person must choose. */
function ambiguity({ key, status }: JiraIssue, { to, via }: TransitionParams, offers: readonly Offer[]): string {
  const choices = offers.map(({ name, id }) => `"${name}" (${id})`).join(", ");
  const remedy = via ? "name its id as via" : "name one of them, or its id, as via";
  return `${key} can go from "${status.name}" to "${to}" by several transitions: ${choices}; ${remedy}`;
}

/** The transitions to statuses of `through` that are still ahead, the one nearest to the target first. */
function offersThrough(
  offers: Offer[],
  through: readonly string[],
  { status }: JiraIssue,
  left: readonly string[],
): Offer[] {
  const ahead = through.slice(through.findIndex((name) => isStatus(status, name)) + 1).toReversed();
  return ahead.flatMap((name) => offers.filter(({ to }) => isStatus(to, name) && !left.includes(to.id)));
}

function missingFields({ needs }: Offer, { fields = {}, comment }: TransitionParams): string[] {
  const isGiven = (field: string) => Object.hasOwn(fields, field) || (field === "comment" && comment !== undefined);
  return needs.filter(({ field }) => !isGiven(field)).map(({ label }) => label);
}

function noWay({ key, status }: JiraIssue, { to, via }: TransitionParams, offers: Offer[]): string {
  const reachable = offers.map((offer) => `"${offer.to.name}" by "${offer.name}"`).join(", ");
  const reason = `${key} is in "${status.name}" and cannot go to "${to}"${via ? ` by "${via}"` : ""}`;
  return reachable ? `${reason}; it can go to ${reachable}` : `${reason}; the account may not move it anywhere`;
}

function performTransition(
  issue: JiraIssue,
  offer: Offer,
  params: TransitionParams,
  context: JiraContext,
): Promise<HttpResult> {
  const isLast = isStatus(offer.to, params.to);
  const fields = Object.entries(params.fields ?? {}).filter(([field]) => isLast || offer.takes.includes(field));
  const comment = isLast && params.comment ? textFor(params.comment, context) : undefined;
  return send(context, "POST", `issue/${issue.key}/transitions`, {
    transition: { id: offer.id },
    ...(fields.length > 0 ? { fields: Object.fromEntries(fields) as JsonObject } : {}),
    ...(comment ? { update: { comment: [{ add: { body: comment } }] } } : {}),
  });
}

const transitionAction: Action<TransitionParams, JiraConnection> = {
  summary:
    "Moves an issue to a status by whatever transition leads there now; nothing is done when it is there already",
  params: TransitionParams,
  example: { issue: "WEB-17", to: "Done" },
  result: Type.Object({
    issue: Type.String(),
    from: Type.String(),
    to: Type.String(),
    transition: Type.Optional(Type.String({ description: "the last one that was taken" })),
    way: Type.Optional(Type.Array(Type.String(), { description: "when several were taken" })),
  }),
  idempotency: "state",
  perform: transition,
  async probe(params, context) {
    const read = await readIssue(params.issue, context);
    if (!read.ok) return unsure(read.outcome);
    const { key, status } = read.value;
    return isStatus(status, params.to) ? arrived({ params, left: [], names: [], replans: 0 }, key, status) : undefined;
  },
};

// ---------------------------------------------------------------- read

const ReadParams = Type.Object({ issue: IssueKey }, { additionalProperties: false });
type ReadParams = Static<typeof ReadParams>;

const readAction: Action<ReadParams, JiraConnection> = {
  summary: "Reads which status an issue is in, and changes nothing",
  params: ReadParams,
  example: { issue: "WEB-17" },
  result: Type.Object({ issue: Type.String(), status: Type.String({ description: "its name" }) }),
  idempotency: "state",
  async perform({ issue }, context) {
    const read = await readIssue(issue, context);
    return read.ok ? { kind: "done", result: { issue: read.value.key, status: read.value.status.name } } : read.outcome;
  },
};

// ---------------------------------------------------------------- comment

const Comment = Type.Object(
  {
    issue: IssueKey,
    body: Type.String({ minLength: 1, description: "Plain text; empty lines part paragraphs, addresses become links" }),
    visibility: Type.Optional(
      Type.Object(
        {
          type: Type.Union([Type.Literal("role"), Type.Literal("group")]),
          value: Type.String({ minLength: 1, description: "Name of the role or group" }),
        },
        { additionalProperties: false, description: "Who may read it; default: whoever may read the issue" },
      ),
    ),
  },
  { additionalProperties: false },
);
type Comment = Static<typeof Comment>;

/** https://developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-issue-comments/ */
async function comment(params: Comment, context: JiraContext): Promise<Outcome> {
  const earlier = await findComment(params, context);
  if (!earlier.ok) return earlier.outcome;
  if (earlier.value) return earlier.value;
  if (context.network.signal.aborted) return STOPPED;
  const text = textFor(params.body, context);
  const answer = await send(context, "POST", `issue/${params.issue}/comment`, {
    body: typeof text === "string" ? `${text}\n${anchor(context)}` : text,
    ...(isCloud(context) ? { properties: [{ key: "signalbox", value: { id: context.idempotencyKey } }] } : {}),
    ...(params.visibility ? { visibility: params.visibility } : {}),
  });
  const outcome = outcomeOfJira(answer, context);
  return outcome.kind === "done" ? commented(params.issue, jsonOf(answer)) : outcome;
}

function commented(issue: string, { id }: JsonObject, note?: string): Outcome {
  return { kind: "done", result: { issue, comment: id ?? null }, ...(note ? { note } : {}) };
}

/** The comment of an earlier attempt of this delivery, searched among the newest. */
async function findComment(params: Comment, context: JiraContext): Promise<ReadResult<Outcome | undefined>> {
  let startAt = 0;
  for (let page = 0; page < COMMENT_PAGES_MAX; page++) {
    const query = `orderBy=-created&expand=properties&maxResults=100&startAt=${startAt}`;
    const read = await readJira(context, `issue/${params.issue}/comment?${query}`, parseComments);
    if (!read.ok) return read;
    const comment = read.value.comments.find((one) => isOurs(one, context));
    if (comment) return { ok: true, value: commented(params.issue, comment, "already there") };
    startAt += read.value.comments.length;
    if (read.value.comments.length === 0 || startAt >= read.value.total) break;
  }
  return { ok: true, value: undefined };
}

function parseComments({ comments, total }: JsonObject): { comments: JsonObject[]; total: number } | undefined {
  if (!Array.isArray(comments)) return undefined;
  return { comments: comments.map(objectOf), total: typeof total === "number" ? total : comments.length };
}

function isOurs({ properties, body }: JsonObject, context: JiraContext): boolean {
  if (typeof body === "string") return body.includes(anchor(context));
  const marks = Array.isArray(properties) ? properties.map(objectOf) : [];
  return marks.some(({ key, value }) => key === "signalbox" && objectOf(value).id === context.idempotencyKey);
}

/** Server stores no properties with a new comment; an anchor is the only wiki markup that readers do not see. */
function anchor({ idempotencyKey }: JiraContext): string {
  return `{anchor:signalbox-${createHash("sha256").update(idempotencyKey).digest("hex").slice(0, 32)}}`;
}

const commentAction: Action<Comment, JiraConnection> = {
  summary: "Comments on an issue; a marker that readers do not see keeps it from being said twice",
  params: Comment,
  example: { issue: "WEB-17", body: "Released with v2.4.0: https://example.com/releases/v2.4.0" },
  result: Type.Object({
    issue: Type.String(),
    comment: Type.Union([Type.String(), Type.Null()], { description: "its id" }),
  }),
  idempotency: "read-before-write",
  perform: comment,
  async probe(params, context) {
    const earlier = await findComment(params, context);
    return earlier.ok ? earlier.value : unsure(earlier.outcome);
  },
};

// ---------------------------------------------------------------- both

function textFor(text: string, context: JiraContext): Json {
  return isCloud(context) ? document(text) : wiki(text);
}

/** The outcome when the attempt has timed out: nothing may be changed then, because the probe of the next attempt would miss it. */
const STOPPED: Outcome = { kind: "retry", error: { message: "Stopped before anything was changed" } };

function rejected(message: string): Outcome {
  return { kind: "rejected", error: { message } };
}

const jira: Provider = {
  name: "jira",
  summary: "Moves and comments on issues of Jira Cloud, Server and Data Center",
  docs: "https://developer.atlassian.com/cloud/jira/platform/rest/v3/intro/",
  connection: {
    settings: JiraConnection,
    async test({ settings, ...context }) {
      const own = await readJira({ ...context, connection: { settings } }, "myself", (account) => account);
      return own.ok ? { kind: "done" } : own.outcome;
    },
    actions: { transition: transitionAction, read: readAction, comment: commentAction },
    escapes: { jira: escapeWiki },
  },
};

export default jira;
