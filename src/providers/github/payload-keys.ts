/**
 * Whether a GitHub payload can be the event that its header names. Only the body is signed, so that a captured body could be sent again
 * under another event name; this check refuses it. https://docs.github.com/en/webhooks/webhook-events-and-payloads
 */
import type { Json, JsonObject } from "../../model.ts";

/** Event → required keys | optional keys. Keys of every event are in COMMON. */
const SHAPES: Readonly<Record<string, string>> = {
  branch_protection_rule: "rule",
  check_run: "check_run | requested_action",
  check_suite: "check_suite",
  code_scanning_alert: "alert commit_oid | ref",
  commit_comment: "comment",
  create: "ref ref_type master_branch | description pusher_type",
  delete: "ref ref_type | pusher_type",
  dependabot_alert: "alert",
  deploy_key: "key",
  deployment: "deployment | workflow workflow_run",
  deployment_protection_rule: "deployment_callback_url | deployment environment event pull_requests ref sha",
  deployment_review:
    "workflow_run since | approver comment environment requestor reviewers workflow_job_run workflow_job_runs",
  deployment_status: "deployment deployment_status | check_run workflow workflow_run",
  discussion: "discussion | answer label old_answer",
  discussion_comment: "discussion comment",
  fork: "forkee",
  github_app_authorization: "",
  gollum: "pages",
  installation: "installation | repositories requester",
  installation_repositories: "repositories_added repositories_removed | repository_selection requester",
  issue_comment: "issue comment",
  issues: "issue | assignee label milestone type",
  label: "label",
  marketplace_purchase: "marketplace_purchase | effective_date previous_marketplace_purchase",
  member: "member",
  membership: "member team | scope",
  merge_group: "merge_group | reason",
  meta: "hook hook_id",
  milestone: "milestone",
  org_block: "blocked_user",
  organization: "organization | invitation membership user",
  package: "package",
  page_build: "build | id",
  ping: "zen | hook hook_id",
  project: "project",
  project_card: "project_card",
  project_column: "project_column",
  projects_v2: "projects_v2",
  projects_v2_item: "projects_v2_item",
  public: "repository",
  pull_request: "pull_request | after assignee before label milestone reason requested_reviewer requested_team",
  pull_request_review: "pull_request review",
  pull_request_review_comment: "pull_request comment",
  pull_request_review_thread: "pull_request thread | updated_at",
  push: "ref commits | after base_ref before compare created deleted forced head_commit pusher",
  registry_package: "registry_package",
  release: "release",
  repository: "repository",
  repository_dispatch: "client_payload branch",
  repository_import: "status",
  repository_vulnerability_alert: "alert",
  secret_scanning_alert: "alert",
  security_advisory: "security_advisory",
  sponsorship: "sponsorship | effective_date",
  star: "starred_at",
  status: "sha state | avatar_url branches commit context created_at description id name target_url updated_at",
  team: "team",
  team_add: "team",
  watch: "repository",
  workflow_dispatch: "workflow ref inputs",
  workflow_job: "workflow_job | deployment",
  workflow_run: "workflow_run | workflow",
};

const COMMON = new Set([
  "action",
  "changes",
  "enterprise",
  "installation",
  "number",
  "organization",
  "repository",
  "sender",
]);
const TEXTS = new Set([
  "branch",
  "commit_oid",
  "deployment_callback_url",
  "master_branch",
  "ref",
  "ref_type",
  "sha",
  "since",
  "state",
  "status",
  "zen",
]);
const LISTS = new Set(["commits", "pages", "repositories_added", "repositories_removed"]);
/** Present, but perhaps null or another thing than an object. */
const ANY = new Set(["client_payload", "hook_id", "inputs", "starred_at"]);

interface PayloadKeys {
  has: readonly string[];
  known: ReadonlySet<string>;
}

const shapes: ReadonlyMap<string, PayloadKeys> = new Map(
  Object.entries(SHAPES).map(([event, text]) => {
    const [has = [], may = []] = text.split("|").map((keys) => keys.split(" ").filter((key) => key !== ""));
    // `workflow` is an object beside a run, and a file name in workflow_dispatch.
    return [event, { has: event === "workflow_dispatch" ? ["ref", "inputs"] : has, known: new Set([...has, ...may]) }];
  }),
);

/** Keys that distinguish events. */
const MARKS = new Set([...shapes.values()].flatMap(({ has }) => has).filter((key) => !COMMON.has(key)));

/** Why the payload cannot be this event; undefined when it can. An unknown event may have any keys except those of a known one. */
export function misfit(event: string, data: JsonObject): string | undefined {
  const shape = shapes.get(event);
  if (shape) {
    const missing = shape.has.find((key) => !isAsWanted(key, data));
    if (missing !== undefined) return `"${missing}" is missing or has another form`;
    const foreign = Object.keys(data).find((key) => isMark(key, data) && !shape.known.has(key));
    return foreign === undefined ? undefined : `"${foreign}" belongs to another event`;
  }
  const other = [...shapes].find(([, known]) => isExactly(known, data))?.[0];
  return other === undefined ? undefined : `The payload is that of "${other}"`;
}

function isAsWanted(key: string, data: JsonObject): boolean {
  const value = Object.hasOwn(data, key) ? data[key] : undefined;
  if (value === undefined) return false;
  if (ANY.has(key)) return true;
  if (TEXTS.has(key)) return typeof value === "string";
  return LISTS.has(key) === Array.isArray(value) && typeof value === "object" && value !== null;
}

function isMark(key: string, data: Readonly<Record<string, Json>>): boolean {
  return MARKS.has(key) && (data[key] !== null || ANY.has(key));
}

/** Whether the payload has all required keys and no unknown ones: a future event has a key of its own. */
function isExactly({ has, known }: PayloadKeys, data: JsonObject): boolean {
  return (
    has.some((key) => MARKS.has(key)) &&
    has.every((key) => isAsWanted(key, data)) &&
    Object.keys(data).every((key) => known.has(key) || COMMON.has(key))
  );
}
