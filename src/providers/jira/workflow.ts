/** What is known of a Jira workflow: always the issue as it is now, and the transitions that were seen, for a while. */
import { createHash } from "node:crypto";
import type { Json, JsonObject } from "../../model.ts";
import { type JiraContext, objectOf, type ReadResult, readJira, siteOf } from "./rest.ts";

/** A workflow that was edited is seen after this long even when nothing fails. */
const TRANSITIONS_TTL_MS = 5 * 60_000;
/** What leads where is only for planning: before each hop the issue and its transitions are looked at again. */
const EDGES_TTL_MS = 24 * 3_600_000;
const VALUES_MAX = 10;

export type Status = { id: string; name: string };

export interface Issue {
  key: string;
  status: Status;
  type: string;
  project: string;
}

/** A transition by its name and where it leads. */
export type Edge = { name: string; to: Status };

/** A transition as this issue has it now. */
export type Offer = Edge & {
  id: string;
  /** Fields of its screen. */
  takes: string[];
  /** Of these, the ones that must be given, with a name and some values to choose from. */
  needs: { field: string; label: string }[];
};

/** Whether the status has that name, in any case, or that id. */
export function isStatus({ id, name }: Status, wanted: string): boolean {
  return id === wanted || isSame(name, wanted);
}

/** Names of statuses and transitions, in any case. */
export function isSame(one: string, other: string): boolean {
  return one.trim().toLowerCase() === other.trim().toLowerCase();
}

/** The issue as it is now; never kept. */
export function readIssue(key: string, context: JiraContext): Promise<ReadResult<Issue>> {
  return readJira(context, `issue/${encodeURIComponent(key)}?fields=status,issuetype,project`, (json) => {
    const fields = objectOf(json.fields);
    const status = statusOf(fields.status);
    const type = objectOf(fields.issuetype).id;
    const project = objectOf(fields.project).id;
    const isWhole = status && typeof json.key === "string" && typeof type === "string" && typeof project === "string";
    return isWhole ? { key: json.key as string, status, type, project } : undefined;
  });
}

/** Carries what was read past the cache, which keeps only what a load returns. */
class NotKept extends Error {
  readonly read: ReadResult<Offer[]>;
  constructor(read: ReadResult<Offer[]>) {
    super("Not kept");
    this.read = read;
  }
}

export interface Offers {
  offers: Offer[];
  /** Asked for just now, for this very issue. */
  fresh: boolean;
}

/** The transitions of the issue, kept by site, account, project, issue type and status. */
export async function readOffers(issue: Issue, context: JiraContext): Promise<ReadResult<Offers>> {
  let fresh = false;
  const load = async (): Promise<Offer[]> => {
    fresh = true;
    const read = await readJira(context, `issue/${issue.key}/transitions?expand=transitions.fields`, parseOffers);
    if (!read.ok) throw new NotKept(read);
    const { offers, isConditional } = read.value;
    // A condition may hold for the next issue and not for this one.
    if (isConditional) throw new NotKept({ ok: true, value: offers });
    await learn(issue, offers, context);
    return offers;
  };
  try {
    const key = keyOf("transitions", issue, issue.status, context);
    return { ok: true, value: { offers: await context.cache.read(key, { ttlMs: TRANSITIONS_TTL_MS }, load), fresh } };
  } catch (error) {
    if (!(error instanceof NotKept)) throw error;
    const { read } = error;
    return read.ok ? { ok: true, value: { offers: read.value, fresh: true } } : read;
  }
}

/** On the first sign that what was kept is wrong. */
export async function forgetOffers(issue: Issue, context: JiraContext): Promise<void> {
  await context.cache.drop(keyOf("transitions", issue, issue.status, context));
  await context.cache.drop(keyOf("edges", issue, issue.status, context));
}

/**
 * The first steps of the shortest ways of at most `hopsMax` steps to where `leads` holds, searched in breadth over what was seen of
 * other issues of this kind; `left` are statuses that are not entered again.
 */
export async function planWay(
  issue: Issue,
  offers: Offer[],
  { leads, hopsMax, left }: { leads: (edge: Edge) => boolean; hopsMax: number; left: readonly string[] },
  context: JiraContext,
): Promise<Offer[]> {
  const seen = new Set([...left, issue.status.id]);
  let front = offers.map((first) => ({ first, at: first.to }));
  for (let hops = 2; hops <= hopsMax && front.length > 0; hops++) {
    const ways: Offer[] = [];
    const next: typeof front = [];
    for (const { first, at } of front) {
      if (seen.has(at.id)) continue;
      seen.add(at.id);
      const edges = await edgesFrom(issue, at, context);
      if (edges.some(leads)) ways.push(first);
      next.push(...edges.map(({ to }) => ({ first, at: to })));
    }
    if (ways.length > 0) return ways;
    front = next;
  }
  return [];
}

async function learn(issue: Issue, offers: Offer[], context: JiraContext): Promise<void> {
  const key = keyOf("edges", issue, issue.status, context);
  const edges: Edge[] = offers.map(({ name, to }) => ({ name, to }));
  await context.cache.drop(key);
  await context.cache.read(key, { ttlMs: EDGES_TTL_MS }, async () => edges).catch(() => edges);
}

/** Where transitions from this status lead; none when it was never seen. */
function edgesFrom(issue: Issue, status: Status, context: JiraContext): Promise<Edge[]> {
  const unknown = (): Promise<Edge[]> => Promise.reject(new NotKept({ ok: true, value: [] }));
  return context.cache.read(keyOf("edges", issue, status, context), { ttlMs: EDGES_TTL_MS }, unknown).catch(() => []);
}

function keyOf(what: "transitions" | "edges", { project, type }: Issue, { id }: Status, context: JiraContext): string {
  const { email, token } = context.connection.settings;
  // What is offered depends on what the account may do. Its token is written nowhere, only a hash of it.
  const account = createHash("sha256")
    .update(`${email ?? ""}:${token}`)
    .digest("hex")
    .slice(0, 16);
  return ["jira", what, siteOf(context), account, project, type, id].join("|");
}

function parseOffers({ transitions }: JsonObject): { offers: Offer[]; isConditional: boolean } | undefined {
  if (!Array.isArray(transitions)) return undefined;
  const items = transitions.map(objectOf);
  const offers = items.filter(({ isAvailable }) => isAvailable !== false).map(offerOf);
  if (!offers.every((offer) => offer !== undefined)) return undefined;
  return { offers, isConditional: items.some(({ isConditional }) => isConditional === true) };
}

function offerOf({ id, name, to, fields }: JsonObject): Offer | undefined {
  const status = statusOf(to);
  if (!status || typeof id !== "string" || typeof name !== "string") return undefined;
  const screen = Object.entries(objectOf(fields)).map(([field, meta]) => ({ field, meta: objectOf(meta) }));
  const needs = screen.filter(({ meta }) => meta.required === true && meta.hasDefaultValue !== true);
  return {
    id,
    name,
    to: status,
    takes: screen.map(({ field }) => field),
    needs: needs.map(({ field, meta }) => ({ field, label: labelOf(field, meta) })),
  };
}

/** `customfield_10010 "Root cause" (Human, Machine)`: what a person needs to fill it in. */
function labelOf(field: string, { name, allowedValues }: JsonObject): string {
  const values = Array.isArray(allowedValues) ? allowedValues.map(objectOf) : [];
  const names = values.map((one) => one.name ?? one.value).filter((one) => typeof one === "string");
  const title = typeof name === "string" && !isSame(name, field) ? ` "${name}"` : "";
  return `${field}${title}${names.length > 0 ? ` (${names.slice(0, VALUES_MAX).join(", ")})` : ""}`;
}

function statusOf(value: Json | undefined): Status | undefined {
  const { id, name } = objectOf(value);
  return typeof id === "string" && typeof name === "string" ? { id, name } : undefined;
}
