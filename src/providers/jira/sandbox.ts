/** A stand-in Jira: Cloud (REST v3) and Server (REST v2) over the same issues, as strict as Jira. */
import { isObject } from "../../model.ts";
import { jsonOrText, type SandboxRequest, type SandboxResponse } from "../../sandbox/http.ts";
import { adfProblem, plainText } from "./sandbox-document.ts";

/** https://developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-issues/#api-rest-api-3-issue-issueidorkey-transitions-post */
const NOT_ON_SCREEN = "cannot be set. It is not on the appropriate screen, or unknown.";
const COMMENT_CHARS_MAX = 32_767;
const COMMENTS_PAGE_MAX = 100;
const CREATED_MS = Date.UTC(2026, 0, 5, 9);

export interface SandboxComment {
  id: string;
  created: string;
  /** As it was sent: a document (v3) or wiki text (v2). */
  body: unknown;
  /** As plain text. */
  text: string;
  properties: { key: string; value: unknown }[];
  visibility?: unknown;
}

export interface SandboxIssue {
  id: string;
  key: string;
  summary: string;
  type: string;
  /** Name of the status; set it to move the issue without a transition. */
  status: string;
  resolution?: string;
  comments: SandboxComment[];
  /** Every status it went through by a transition. */
  history: string[];
}

export interface SandboxTransition {
  id: string;
  name: string;
  /** Absent = from every status. */
  from?: string;
  to: string;
  /** Field → allowed values; each is required. Absent = the transition has no screen and accepts no fields. */
  screen?: Record<string, string[]>;
  isConditional?: boolean;
}

export interface JiraState {
  email: string;
  token: string;
  issues: Map<string, SandboxIssue>;
  /** Project key and issue type → transitions: `WEB/Story`. */
  workflows: Map<string, SandboxTransition[]>;
}

const STATUSES = [
  { id: "10010", name: "To Do", category: "new" },
  { id: "10011", name: "In Progress", category: "indeterminate" },
  { id: "10012", name: "In Review", category: "indeterminate" },
  { id: "10013", name: "Done", category: "done" },
] as const;
const TYPES: Record<string, string> = { Story: "10101", Bug: "10102", Task: "10103" };
const PROJECTS: Record<string, string> = { WEB: "10201", OPS: "10202" };

/** Project WEB, stories and bugs with workflows of their own, all in review; project OPS, where Done asks for a resolution. */
export function jiraState(): JiraState {
  const web = (offset: number): SandboxTransition[] => [
    { id: `${offset + 11}`, name: "Start work", from: "To Do", to: "In Progress" },
    { id: `${offset + 21}`, name: "Ask for review", from: "In Progress", to: "In Review" },
    { id: `${offset + 31}`, name: "Merge", from: "In Review", to: "Done" },
    { id: `${offset + 41}`, name: "Send back", from: "In Review", to: "In Progress" },
    { id: `${offset + 51}`, name: "Reopen", from: "Done", to: "To Do" },
  ];
  const issues = [
    ...range(20).map((number) => issue("WEB", number, number > 15 ? "Bug" : "Story", "In Review")),
    ...range(5).map((number) => issue("OPS", number, "Task", "In Progress")),
  ];
  return {
    email: "bot@example.com",
    token: "sandbox-jira-token",
    issues: new Map(issues.map((one) => [one.key, one])),
    workflows: new Map([
      ["WEB/Story", web(0)],
      ["WEB/Bug", web(100)],
      [
        "OPS/Task",
        [
          { id: "211", name: "Start", from: "To Do", to: "In Progress" },
          {
            id: "231",
            name: "Resolve",
            from: "In Progress",
            to: "Done",
            screen: { resolution: ["Fixed", "Won't Do"] },
          },
          { id: "251", name: "Reopen", from: "Done", to: "To Do" },
        ],
      ],
    ]),
  };
}

/** Answers one request as Jira would, changing `state`. */
export function jira(state: JiraState, request: SandboxRequest): SandboxResponse {
  const route = /^\/rest\/api\/([23])\/([a-z]+)(?:\/([^/]+)(?:\/([a-z]+))?)?$/.exec(request.path);
  if (!route) return { status: 404, body: "<html>Oops, you've found a dead link</html>" };
  const refusal = authenticate(state, request) ?? (request.method === "POST" ? mediaProblem(request) : undefined);
  if (refusal) return refusal;
  const [, version, resource, key, part] = route;
  if (resource === "myself") return { status: 200, body: { accountId: "sandbox", emailAddress: state.email } };
  if (resource === "status") return { status: 200, body: STATUSES.map(({ name }) => statusOf(name)) };
  if (resource !== "issue" || !key) return { status: 404, body: errors("Not found") };
  const issue = state.issues.get(decodeURIComponent(key).toUpperCase());
  if (!issue) return { status: 404, body: errors("Issue does not exist or you do not have permission to see it.") };
  return onIssue({ state, issue, request, isCloud: version === "3" }, part);
}

function onIssue(asked: JiraRequest, part: string | undefined): SandboxResponse {
  const isRead = asked.request.method === "GET";
  if (part === undefined && isRead) return { status: 200, body: issueOf(asked) };
  if (part === "transitions") return isRead ? offers(asked) : transition(asked);
  if (part === "comment") return isRead ? comments(asked) : comment(asked);
  return { status: 405, body: errors("Method Not Allowed") };
}

interface JiraRequest {
  state: JiraState;
  issue: SandboxIssue;
  request: SandboxRequest;
  isCloud: boolean;
}

function authenticate({ email, token }: JiraState, { headers, path }: SandboxRequest): SandboxResponse | undefined {
  const basic = `Basic ${Buffer.from(`${email}:${token}`).toString("base64")}`;
  if (headers.authorization === basic || headers.authorization === `Bearer ${token}`) return undefined;
  const text = "Client must be authenticated to access this resource.";
  if (path.startsWith("/rest/api/3")) return { status: 401, body: text };
  return { status: 401, headers: { "x-seraph-loginreason": "AUTHENTICATED_FAILED" }, body: `<html>${text}</html>` };
}

function mediaProblem({ headers, body }: SandboxRequest): SandboxResponse | undefined {
  if (!/^application\/json\b/.test(headers["content-type"] ?? "")) return { status: 415, body: "" };
  return isObject(jsonOrText(body)) ? undefined : { status: 400, body: errors("Unexpected character in the body") };
}

function issueOf({ issue, request }: JiraRequest) {
  const [project = ""] = issue.key.split("-");
  const all: Record<string, unknown> = {
    summary: issue.summary,
    status: statusOf(issue.status),
    issuetype: { id: TYPES[issue.type], name: issue.type, subtask: false },
    project: { id: PROJECTS[project], key: project, name: project },
    resolution: issue.resolution ? { name: issue.resolution } : null,
  };
  const fieldNames = request.query.get("fields")?.split(",") ?? Object.keys(all);
  const fields = Object.fromEntries(Object.entries(all).filter(([name]) => fieldNames.includes(name)));
  return { id: issue.id, key: issue.key, fields };
}

// ---------------------------------------------------------------- transitions

function workflowOf({ state, issue }: JiraRequest): SandboxTransition[] {
  return state.workflows.get(`${issue.key.split("-")[0]}/${issue.type}`) ?? [];
}

function isOffered({ from }: SandboxTransition, issue: SandboxIssue): boolean {
  return from === undefined || from === issue.status;
}

function offers(asked: JiraRequest): SandboxResponse {
  const withFields = asked.request.query.get("expand")?.includes("transitions.fields") ?? false;
  const transitions = workflowOf(asked)
    .filter((one) => isOffered(one, asked.issue))
    .map(({ id, name, from, to, screen, isConditional = false }) => ({
      id,
      name,
      to: statusOf(to),
      hasScreen: screen !== undefined,
      isGlobal: from === undefined,
      isInitial: false,
      isAvailable: true,
      isConditional,
      isLooped: false,
      ...(withFields ? { fields: fieldsOf(screen ?? {}) } : {}),
    }));
  return { status: 200, body: { expand: "transitions", transitions } };
}

function fieldsOf(screen: Record<string, string[]>) {
  return Object.fromEntries(
    Object.entries(screen).map(([field, values]) => [
      field,
      {
        required: true,
        hasDefaultValue: false,
        name: field,
        key: field,
        operations: ["set"],
        allowedValues: values.map((name, index) => ({ id: `${index + 1}`, name })),
      },
    ]),
  );
}

function transition(asked: JiraRequest): SandboxResponse {
  const { issue, request, isCloud } = asked;
  const body = jsonOrText(request.body) as Record<string, unknown>;
  const transitionId = isObject(body.transition) ? body.transition.id : undefined;
  if (typeof transitionId !== "string") return { status: 400, body: errors("Missing 'transition' identifier") };
  const selectedTransition = workflowOf(asked).find(({ id }) => id === transitionId);
  if (!selectedTransition || !isOffered(selectedTransition, issue))
    return { status: 400, body: errors(notOffered(asked, transitionId, selectedTransition)) };
  const problems = screenProblems(selectedTransition, body, isCloud);
  if (Object.keys(problems).length > 0) return { status: 400, body: { errorMessages: [], errors: problems } };
  issue.status = selectedTransition.to;
  issue.history.push(selectedTransition.to);
  const resolution = isObject(body.fields) ? body.fields.resolution : undefined;
  if (isObject(resolution)) issue.resolution = String(resolution.name ?? resolution.id);
  for (const text of addedComments(body)) storeComment(issue, { body: text, text: plainText(text), properties: [] });
  return { status: 204 };
}

/** One cause with three texts, as on a live site: a provider that parses messages fails here. */
function notOffered({ issue }: JiraRequest, id: string, known: SandboxTransition | undefined): string {
  if (!known) return `Transition id '${id}' is not valid for this issue.`;
  return Number(issue.id) % 2 === 0
    ? `Action ${id} is invalid`
    : `Can't move (${issue.key}). You might not have permission, or the work item is missing required information.`;
}

function screenProblems({ screen }: SandboxTransition, body: Record<string, unknown>, isCloud: boolean) {
  const problems: Record<string, string> = {};
  const fields = isObject(body.fields) ? body.fields : {};
  for (const name of Object.keys(fields)) {
    if (!screen?.[name]) problems[name] = `Field '${name}' ${NOT_ON_SCREEN}`;
  }
  for (const [name, allowed] of Object.entries(screen ?? {})) {
    const value = fields[name];
    if (value === undefined) problems[name] = `${name[0]?.toUpperCase()}${name.slice(1)} is required.`;
    else if (!isObject(value) || !allowed.includes(String(value.name)))
      problems[name] = "Could not find valid 'id' or 'name'.";
  }
  for (const text of addedComments(body)) {
    if (!screen) problems.comment = `Field 'comment' ${NOT_ON_SCREEN}`;
    else Object.assign(problems, bodyProblem(text, isCloud));
  }
  return problems;
}

function addedComments(body: Record<string, unknown>): unknown[] {
  const operations = isObject(body.update) ? body.update.comment : undefined;
  if (!Array.isArray(operations)) return [];
  return operations.map((one) => (isObject(one) && isObject(one.add) ? one.add.body : undefined));
}

// ---------------------------------------------------------------- comments

function comments({ issue, request }: JiraRequest): SandboxResponse {
  const { query } = request;
  const startAt = Number(query.get("startAt") ?? 0);
  const maxResults = Math.min(Number(query.get("maxResults") ?? COMMENTS_PAGE_MAX), COMMENTS_PAGE_MAX);
  const ordered = query.get("orderBy") === "-created" ? [...issue.comments].reverse() : issue.comments;
  const hasProperties = query.get("expand")?.includes("properties") ?? false;
  const page = ordered.slice(startAt, startAt + maxResults).map(({ text: _text, properties, ...rest }) => ({
    ...rest,
    ...(hasProperties ? { properties } : {}),
  }));
  return { status: 200, body: { startAt, maxResults, total: issue.comments.length, comments: page } };
}

function comment({ issue, request, isCloud }: JiraRequest): SandboxResponse {
  const { body, properties = [], visibility } = jsonOrText(request.body) as Record<string, unknown>;
  const problems = bodyProblem(body, isCloud);
  if (problems) return { status: 400, body: { errorMessages: [], errors: problems } };
  if (!isCloud && Array.isArray(properties) && properties.length > 0) {
    return { status: 400, body: errors('Unrecognized field "properties"') };
  }
  if (!Array.isArray(properties) || !properties.every((one) => isObject(one) && typeof one.key === "string")) {
    return { status: 400, body: errors("Invalid properties") };
  }
  if (visibility !== undefined && !(isObject(visibility) && /^(role|group)$/.test(String(visibility.type)))) {
    return { status: 400, body: errors("Invalid visibility") };
  }
  const storedComment = storeComment(issue, {
    body,
    text: plainText(body),
    properties,
    ...(visibility ? { visibility } : {}),
  });
  return { status: 201, body: { id: storedComment.id, body, created: storedComment.created } };
}

function storeComment(issue: SandboxIssue, draft: Omit<SandboxComment, "id" | "created">): SandboxComment {
  const number = issue.comments.length + 1;
  const created = new Date(CREATED_MS + number * 1_000).toISOString();
  const comment = { id: `${issue.id}${String(number).padStart(3, "0")}`, created, ...draft };
  issue.comments.push(comment);
  return comment;
}

function bodyProblem(body: unknown, isCloud: boolean): Record<string, string> | undefined {
  const problem = isCloud
    ? adfProblem(body)
    : typeof body === "string"
      ? undefined
      : "Operation value must be a string";
  if (problem) return { comment: problem };
  const text = plainText(body);
  if (text.trim() === "") return { comment: "Comment body can not be empty!" };
  if (text.length > COMMENT_CHARS_MAX) {
    return { comment: "The entered text is too long. It exceeds the allowed limit of 32,767 characters." };
  }
  return undefined;
}

// ---------------------------------------------------------------- helpers

function issue(project: string, number: number, type: string, status: string): SandboxIssue {
  const id = `${(Number(PROJECTS[project]) - 10_200) * 10_000 + number}`;
  const key = `${project}-${number}`;
  return { id, key, summary: `Something about ${key}`, type, status, comments: [], history: [status] };
}

function statusOf(name: string) {
  const { id, category } = STATUSES.find((status) => status.name === name) ?? { id: "10099", category: "undefined" };
  return { id, name, statusCategory: { key: category } };
}

const range = (count: number) => Array.from({ length: count }, (_, index) => index + 1);
const errors = (message: string) => ({ errorMessages: [message], errors: {} });
