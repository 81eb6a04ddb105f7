/** A Jira workflow: the issue is always read, and the transitions of issues are cached. */
import { createHash } from "node:crypto";
import type { Json, JsonObject } from "../../model.ts";
import { type JiraContext, objectOf, type ReadResult, readJira, siteOf } from "./rest.ts";

/** Time after which an edited workflow is noticed even when nothing fails. */
const TRANSITIONS_TTL_MS = 5 * 60_000;
/** For planning only: before each hop the issue and its transitions are read again. */
const EDGES_TTL_MS = 24 * 3_600_000;
const VALUES_MAX = 10;

export type JiraStatus = { id: string; name: string };

export interface JiraIssue {
  key: string;
  status: JiraStatus;
  type: string;
  project: string;
}

/** A transition: its name and its target status. */
export type Edge = { name: string; to: JiraStatus };

/** A transition that the issue offers now. */
export type Offer = Edge & {
  id: string;
  /** Fields of its screen. */
  takes: string[];
  /** Of these, the ones that must be given, with a name and some values to choose from. */
  needs: { field: string; label: string }[];
};

/** Whether the status has that name, in any case, or that id. */
export function isStatus({ id, name }: JiraStatus, wanted: string): boolean {
  return id === wanted || isSame(name, wanted);
}

/** Names of statuses and transitions, in any case. */
export function isSame(one: string, other: string): boolean {
  return one.trim().toLowerCase() === other.trim().toLowerCase();
}

/** Reads the issue; never from the cache. */
export function readIssue(key: string, context: JiraContext): Promise<ReadResult<JiraIssue>> {
  return readJira(context, `issue/${encodeURIComponent(key)}?fields=status,issuetype,project`, (json) => {
    const fields = objectOf(json.fields);
    const status = statusOf(fields.status);
    const type = objectOf(fields.issuetype).id;
    const project = objectOf(fields.project).id;
    const isWhole = status && typeof json.key === "string" && typeof type === "string" && typeof project === "string";
    return isWhole ? { key: json.key as string, status, type, project } : undefined;
  });
}

/** Thrown by a load so that its result is not cached. */
class NotKept extends Error {
  readonly read: ReadResult<Offer[]>;
  constructor(read: ReadResult<Offer[]>) {
    super("Not kept");
    this.read = read;
  }
}

export interface Offers {
  offers: Offer[];
  /** Read just now, for this issue. */
  isFresh: boolean;
}

/** The transitions of the issue, cached by site, account, project, issue type and status. */
export async function readOffers(issue: JiraIssue, context: JiraContext): Promise<ReadResult<Offers>> {
  let fresh = false;
  const load = async (): Promise<Offer[]> => {
    fresh = true;
    const read = await readJira(context, `issue/${issue.key}/transitions?expand=transitions.fields`, parseOffers);
    if (!read.ok) throw new NotKept(read);
    const { offers, isConditional } = read.value;
    // A condition may differ from issue to issue.
    if (isConditional) throw new NotKept({ ok: true, value: offers });
    await learn(issue, offers, context);
    return offers;
  };
  try {
    const key = keyOf("transitions", issue, issue.status, context);
    return {
      ok: true,
      value: { offers: await context.cache.read(key, { ttlMs: TRANSITIONS_TTL_MS }, load), isFresh: fresh },
    };
  } catch (error) {
    if (!(error instanceof NotKept)) throw error;
    const { read } = error;
    return read.ok ? { ok: true, value: { offers: read.value, isFresh: true } } : read;
  }
}

/** Drops the cached transitions after the first sign that they are wrong. */
export async function forgetOffers(issue: JiraIssue, context: JiraContext): Promise<void> {
  await context.cache.drop(keyOf("transitions", issue, issue.status, context));
  await context.cache.drop(keyOf("edges", issue, issue.status, context));
}

/**
 * The first steps of the shortest ways of at most `hopsMax` steps to a transition for which `leads` holds: a breadth-first search over the
 * cached transitions of similar issues. Statuses in `left` are not entered again.
 */
export async function planWay(
  issue: JiraIssue,
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

async function learn(issue: JiraIssue, offers: Offer[], context: JiraContext): Promise<void> {
  const key = keyOf("edges", issue, issue.status, context);
  const edges: Edge[] = offers.map(({ name, to }) => ({ name, to }));
  await context.cache.drop(key);
  await context.cache.read(key, { ttlMs: EDGES_TTL_MS }, async () => edges).catch(() => edges);
}

/** The transitions from this status; none when none is cached. */
function edgesFrom(issue: JiraIssue, status: JiraStatus, context: JiraContext): Promise<Edge[]> {
  const unknown = (): Promise<Edge[]> => Promise.reject(new NotKept({ ok: true, value: [] }));
  return context.cache.read(keyOf("edges", issue, status, context), { ttlMs: EDGES_TTL_MS }, unknown).catch(() => []);
}

function keyOf(
  what: "transitions" | "edges",
  { project, type }: JiraIssue,
  { id }: JiraStatus,
  context: JiraContext,
): string {
  const { email, token } = context.connection.settings;
  // The transitions depend on the rights of the account. The key has a hash of its token, never the token.
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

function statusOf(value: Json | undefined): JiraStatus | undefined {
  const { id, name } = objectOf(value);
  return typeof id === "string" && typeof name === "string" ? { id, name } : undefined;
}
