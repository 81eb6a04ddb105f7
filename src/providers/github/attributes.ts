/** The common attributes of a GitHub payload. Pure; an absent field gives no attribute. */
import { isObject, type Json, type JsonObject, type Status, withoutUndefined } from "../../model.ts";
import type { EventDraft } from "../../ports/provider.ts";
import { at, moment, textAt } from "../kit/body.ts";
import { ticketKeys } from "../kit/tickets.ts";

type Attributes = Omit<EventDraft, "type" | "data" | "dataText" | "delivery">;

/** What the payload is about; `texts` and `branches` are searched for tickets in the order of section D: title, branch, rest. */
interface Topic {
  branch?: string | undefined;
  sha?: string | undefined;
  title?: string | undefined;
  url?: string | undefined;
  status?: Status | undefined;
  time?: Json | undefined;
  number?: Json | undefined;
  /** The part of the subject after the repository's name. */
  subject?: string | undefined;
  branches?: (string | undefined)[];
  texts?: (string | undefined)[];
}

/** https://docs.github.com/en/rest/checks/runs and /deployments/statuses: conclusion when completed, else state. */
const STATUSES: Readonly<Record<string, Status>> = {
  success: "success",
  failure: "failure",
  error: "error",
  timed_out: "error",
  startup_failure: "error",
  cancelled: "cancelled",
  skipped: "skipped",
  neutral: "neutral",
  // GitHub ended a check that took too long.
  stale: "error",
  pending: "pending",
  queued: "pending",
  requested: "pending",
  waiting: "pending",
  in_progress: "pending",
  action_required: "pending",
  // Of a build of GitHub Pages.
  built: "success",
  errored: "error",
  building: "pending",
};

/** The attributes of a payload whose shape fits its event. */
export function attributesOf(data: JsonObject, projects: readonly string[] | undefined): Attributes {
  const topic = topicOf(data);
  const repo = textAt(data, "repository", "full_name");
  const about = repo ?? textAt(data, "organization", "login");
  const tickets = ticketsOf(topic, projects);
  return withoutUndefined({
    repo,
    branch: topic.branch,
    isDefaultBranch: isDefaultBranch(topic.branch, data),
    sha: topic.sha,
    number: numberOf(topic.number, data),
    title: topic.title,
    actor: textAt(data, "sender", "login"),
    url: topic.url ?? textAt(data, "repository", "html_url"),
    status: topic.status,
    time: moment(topic.time),
    subject: about === undefined ? undefined : `${about}${topic.subject ?? ""}`,
    tickets: tickets.length > 0 ? tickets : undefined,
  });
}

function ticketsOf({ title, branches = [], texts = [] }: Topic, projects: readonly string[] | undefined): string[] {
  const isText = (text: string | undefined): text is string => text !== undefined;
  const tickets = [
    ...ticketKeys([title].filter(isText), { projects }),
    ...ticketKeys(branches.filter(isText), { projects, branch: true }),
    ...ticketKeys(texts.filter(isText), { projects }),
  ];
  return [...new Set(tickets)];
}

/** Some senders with GitHub's format do not name the default branch: then it is one of the usual names. */
function isDefaultBranch(branch: string | undefined, data: JsonObject): boolean | undefined {
  if (branch === undefined) return undefined;
  const name = textAt(data, "repository", "default_branch");
  return name === undefined ? branch === "main" || branch === "master" : branch === name;
}

/** Some senders with GitHub's format have no number at the top of a pull request. */
function numberOf(own: Json | undefined, data: JsonObject): number | undefined {
  const numbers = [own, data.number, ...["pull_request", "issue", "discussion"].map((key) => at(data, key, "number"))];
  return numbers.find((number) => typeof number === "number" && Number.isSafeInteger(number)) as number | undefined;
}

/** The most specific thing in the payload: a deployment status names a run too, a review its pull request. */
function topicOf(data: JsonObject): Topic {
  for (const [key, topic] of TOPICS) {
    const value = at(data, key);
    if (isObject(value)) return topic(value, data);
  }
  if (textAt(data, "ref") && Array.isArray(data.commits)) return push(data);
  if (textAt(data, "ref_type")) return reference(data);
  if (textAt(data, "sha") && textAt(data, "state")) return commitStatus(data);
  if (Array.isArray(data.pages)) return other(data.pages.find(isObject) ?? {}, data);
  if (at(data, "client_payload") !== undefined || at(data, "inputs") !== undefined) return dispatch(data);
  // Also what GitHub invents tomorrow: one object of its own beside those that say where and by whom.
  const own = Object.entries(data).find(([key, value]) => isObject(value) && !AROUND.has(key))?.[1];
  const account = at(data, "installation", "account");
  if (isObject(own)) return other(own, data);
  return isObject(account) ? installation(data) : { status: statusOf(data.status), time: data.starred_at };
}

/** Objects in events of many kinds. */
const AROUND = new Set(["repository", "organization", "enterprise", "sender", "installation", "changes"]);

const TOPICS: readonly (readonly [string, (value: JsonObject, data: JsonObject) => Topic])[] = [
  ["workflow_job", run],
  ["deployment", deployment],
  ["check_run", run],
  ["check_suite", run],
  ["workflow_run", run],
  ["pull_request", pullRequest],
  ["issue", issue],
  ["discussion", issue],
  ["release", release],
  ["comment", commitComment],
  ["merge_group", mergeGroup],
  ["alert", alert],
  ["build", pagesBuild],
  ["package", packageOf],
  ["registry_package", packageOf],
];

function pullRequest(pull: JsonObject, data: JsonObject): Topic {
  // merge_commit_sha is set without a merge too: only `merged` is reliable.
  const sha = pull.merged === true ? textAt(pull, "merge_commit_sha") : textAt(pull, "head", "sha");
  return said(data, {
    branch: textAt(pull, "base", "ref"),
    sha,
    title: textAt(pull, "title"),
    url: textAt(pull, "html_url"),
    time: timeOf(pull, data),
    subject: numbered(data),
    branches: [textAt(pull, "head", "ref")],
    texts: [textAt(pull, "body")],
  });
}

function issue(value: JsonObject, data: JsonObject): Topic {
  return said(data, {
    title: textAt(value, "title"),
    url: textAt(value, "html_url"),
    time: timeOf(value, data),
    subject: numbered(data),
    texts: [textAt(value, "body")],
  });
}

/** A comment or review is newer than what it is about, and has an address of its own. */
function said(data: JsonObject, topic: Topic): Topic {
  const words = [at(data, "comment"), at(data, "review"), at(data, "thread", "comments", "0")].find(isObject);
  if (!words) return topic;
  return {
    ...topic,
    url: textAt(words, "html_url") ?? topic.url,
    time: words.submitted_at ?? words.updated_at ?? topic.time,
    texts: [...(topic.texts ?? []), textAt(words, "body")],
  };
}

function timeOf(value: JsonObject, data: JsonObject): Json | undefined {
  if (data.action === "closed") return value.closed_at ?? value.updated_at;
  return data.action === "opened" ? (value.created_at ?? value.updated_at) : value.updated_at;
}

function numbered(data: JsonObject): string {
  const number = numberOf(undefined, data);
  return number === undefined ? "" : `#${number}`;
}

function push(data: JsonObject): Topic {
  const ref = textAt(data, "ref") ?? "";
  const messages = (Array.isArray(data.commits) ? data.commits : []).map((commit) => textAt(commit, "message"));
  const head = textAt(data, "head_commit", "message");
  return {
    branch: branchOf(ref),
    sha: shaOf(data.after),
    title: firstLine(head),
    url: textAt(data, "compare"),
    time: at(data, "repository", "pushed_at") ?? at(data, "head_commit", "timestamp"),
    subject: `:${ref}`,
    branches: [branchOf(ref)],
    texts: [head, ...messages],
  };
}

/** Branches and tags that come and go. GitHub writes their short names here, others the whole ref. */
function reference(data: JsonObject): Topic {
  const ref = textAt(data, "ref") ?? "";
  const isBranch = data.ref_type === "branch";
  const name = ref.replace(/^refs\/(heads|tags)\//, "");
  return {
    branch: isBranch ? name : undefined,
    title: name,
    time: at(data, "repository", "pushed_at"),
    subject: `:refs/${isBranch ? "heads" : "tags"}/${name}`,
    branches: [name],
  };
}

function commitStatus(data: JsonObject): Topic {
  const branches = (Array.isArray(data.branches) ? data.branches : []).map((branch) => textAt(branch, "name"));
  const main = textAt(data, "repository", "default_branch");
  const sha = shaOf(data.sha);
  return {
    // All branches whose head this commit is: which one was meant is not said, the default branch is likeliest.
    branch: branches.includes(main) ? main : branches[0],
    sha,
    title: textAt(data, "context"),
    url: textAt(data, "target_url") ?? textAt(data, "commit", "html_url"),
    status: statusOf(data.state),
    time: data.updated_at,
    subject: sha && `@${sha}`,
    branches,
    texts: [textAt(data, "commit", "commit", "message")],
  };
}

/** Check runs and suites, workflow runs and jobs. */
function run(value: JsonObject, data: JsonObject): Topic {
  const sha = shaOf(value.head_sha);
  const branch = textAt(value, "head_branch") ?? textAt(value, "check_suite", "head_branch");
  const isDone = value.status === undefined || value.status === "completed";
  return {
    branch,
    sha,
    title: textAt(value, "display_title") ?? textAt(value, "name") ?? textAt(value, "app", "name"),
    url: textAt(value, "html_url") ?? (sha && pageOf(data, `commit/${sha}/checks`)),
    status: statusOf(isDone ? value.conclusion : value.status),
    time: value.completed_at ?? value.updated_at ?? value.started_at,
    subject: sha && `@${sha}`,
    branches: [branch],
    texts: [textAt(value, "head_commit", "message")],
  };
}

function deployment(value: JsonObject, data: JsonObject): Topic {
  const status = [at(data, "deployment_status")].find(isObject);
  const sha = shaOf(value.sha);
  const ref = textAt(value, "ref");
  return {
    branch: ref === sha ? undefined : ref,
    sha,
    title: textAt(value, "environment"),
    url:
      textAt(status, "target_url") ??
      textAt(status, "environment_url") ??
      textAt(status, "log_url") ??
      textAt(data, "workflow_run", "html_url") ??
      textAt(data, "check_run", "html_url") ??
      pageOf(data, "deployments"),
    status: statusOf(status?.state),
    time: status?.updated_at ?? status?.created_at ?? value.updated_at,
    subject: sha && `@${sha}`,
    branches: [ref],
    texts: [textAt(value, "description")],
  };
}

function release(value: JsonObject): Topic {
  const tag = textAt(value, "tag_name");
  const target = textAt(value, "target_commitish");
  const sha = shaOf(target);
  return {
    branch: sha ? undefined : target,
    sha,
    title: textAt(value, "name") ?? tag,
    url: textAt(value, "html_url"),
    time: value.published_at ?? value.created_at,
    subject: tag && `:refs/tags/${tag}`,
    texts: [textAt(value, "body")],
  };
}

function commitComment(comment: JsonObject): Topic {
  const sha = shaOf(comment.commit_id);
  return {
    sha,
    url: textAt(comment, "html_url"),
    time: comment.updated_at,
    subject: sha && `@${sha}`,
    texts: [textAt(comment, "body")],
  };
}

function mergeGroup(group: JsonObject, data: JsonObject): Topic {
  const branch = branchOf(textAt(group, "base_ref") ?? "");
  const sha = shaOf(group.head_sha);
  const message = textAt(group, "head_commit", "message");
  return {
    branch,
    sha,
    title: firstLine(message),
    url: branch && pageOf(data, `queue/${branch}`),
    time: at(group, "head_commit", "timestamp"),
    subject: sha && `@${sha}`,
    branches: [branchOf(textAt(group, "head_ref") ?? "")],
    texts: [message],
  };
}

/** Of code scanning, secret scanning, Dependabot, and its older form. */
function alert(value: JsonObject, data: JsonObject): Topic {
  const instance = at(value, "most_recent_instance") ?? at(value, "instances", "0");
  const title =
    textAt(value, "rule", "description") ??
    textAt(value, "security_advisory", "summary") ??
    textAt(value, "secret_type_display_name") ??
    textAt(value, "secret_type") ??
    textAt(value, "affected_package_name");
  return {
    ...other(value, data),
    title,
    branch: branchOf(textAt(data, "ref") ?? textAt(instance, "ref") ?? ""),
    sha: shaOf(data.commit_oid ?? at(instance, "commit_sha")),
  };
}

function pagesBuild(build: JsonObject, data: JsonObject): Topic {
  return { ...other(build, data), sha: shaOf(build.commit), status: statusOf(build.status) };
}

/** A person or program asks for something by hand: on a branch, in its own words. */
function dispatch(data: JsonObject): Topic {
  const ref = textAt(data, "ref");
  const branch = ref === undefined ? textAt(data, "branch") : branchOf(ref);
  return {
    branch,
    title: textAt(data, "workflow") ?? textAt(data, "action"),
    subject: ref ? `:${ref}` : branch && `:refs/heads/${branch}`,
    branches: [branch],
  };
}

function installation(data: JsonObject): Topic {
  const { html_url, created_at } = data.installation as JsonObject;
  const isNew = data.action === "created";
  return {
    title: textAt(data, "installation", "account", "login"),
    url: typeof html_url === "string" ? html_url : undefined,
    time: isNew ? created_at : at(data, "installation", "updated_at"),
  };
}

/** Milestones, labels, projects, teams, advisories and whatever else is described in GitHub's usual words. */
function other(value: JsonObject, data: JsonObject): Topic {
  const paths = ["title", "name", "summary", "login", "note", "plan.name", "tier.name"];
  const names = paths.map((path) => textAt(value, ...path.split(".")));
  const url =
    textAt(value, "html_url") ?? textAt(value, "_links", "html", "href") ?? textAt(value, "external_reference");
  const home = `${textAt(data, "repository", "html_url")}/`;
  return {
    number: value.number,
    title: firstLine(names.find((name) => name !== undefined)),
    url,
    time: timeOf(value, data) ?? value.created_at ?? data.effective_date,
    subject: url?.startsWith(home) ? `/${url.slice(home.length)}` : undefined,
    texts: [textAt(value, "body"), textAt(value, "description")],
  };
}

/** A page of the repository, where the payload names only addresses of the API. */
function pageOf(data: JsonObject, path: string): string | undefined {
  const home = textAt(data, "repository", "html_url");
  return home && `${home}/${path}`;
}

function packageOf(value: JsonObject): Topic {
  return {
    title: textAt(value, "name"),
    url: textAt(value, "package_version", "html_url") ?? textAt(value, "html_url"),
    time: value.updated_at ?? value.created_at,
  };
}

function branchOf(ref: string): string | undefined {
  return ref.startsWith("refs/heads/") ? ref.slice("refs/heads/".length) : undefined;
}

/** A commit's hash; forty zeros mean none. */
function shaOf(value: Json | undefined): string | undefined {
  return typeof value === "string" && /^[0-9a-f]{40}([0-9a-f]{24})?$/.test(value) && !/^0+$/.test(value)
    ? value
    : undefined;
}

function statusOf(value: Json | undefined): Status | undefined {
  return typeof value === "string" && Object.hasOwn(STATUSES, value) ? STATUSES[value] : undefined;
}

const firstLine = (text: string | undefined): string | undefined => text?.split("\n", 1)[0] || undefined;
