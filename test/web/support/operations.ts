/** Operations over a handful of rows in memory: small, but every filter, page and refusal is real. */
import { createHash } from "node:crypto";
import { SignalboxError } from "../../../src/errors.ts";
import type { DeliveryView, Event, Explanation, Instance, Refusal, Token, TraceView } from "../../../src/model.ts";
import type {
  Actor,
  EventView,
  MigrationReport,
  Operations,
  PolicyReport,
} from "../../../src/operations/operations.ts";
import type { Page, Paged } from "../../../src/ports/questions.ts";

const AT_MS = Date.UTC(2026, 0, 5, 9);

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

export interface KeptOperations extends Operations {
  records: EventView[];
  rows: DeliveryView[];
  instanceRows: Instance[];
  tokenRows: Token[];
  report: PolicyReport;
  isReady: boolean;
  /** Set: every call rejects with it. */
  broken: unknown;
  /** Who did what. */
  audit: { who: string; what: string; target: string; detail?: unknown }[];
  asked: { events?: unknown; deliveries?: unknown; instances?: unknown; explain?: unknown };
}

export const TRACE: TraceView = {
  policy: "rev1",
  matched: [{ rule: "merged", items: 1, mode: "live" }],
  considered: 2,
  transitions: [
    {
      ...{ machine: "ticket", key: "acme/web#1", signal: "MERGED", rule: "merged", created: true },
      ...{ from: null, to: { open: "review" }, taken: true, step: 1 },
    },
  ],
  deliveries: [{ id: "dlv_1", connection: "jira", action: "jira.transition" }],
  timers: { set: ["after-30m"], cancelled: [] },
  emitted: ["evt_9"],
  emittedEvents: [{ id: "evt_9", type: "deploy.done" }],
  problems: [{ code: "SB0402", message: "x is missing", rule: "merged", place: { file: "a.yaml", line: 1, col: 2 } }],
  logs: ["payload says HUSH"],
};

const migrationReport = (machine: string): MigrationReport => ({
  machine,
  definition: "0123456789abcdef",
  migrating: 2,
  staying: [{ reason: "The state is gone", count: 1, keys: ["acme/web#1"] }],
  notes: [],
});

export function eventOf(index: number): Event {
  return {
    id: `evt_${index}`,
    type: index % 2 === 0 ? "github.push" : "github.pull_request.closed",
    source: "github",
    subject: `acme/web#${index}`,
    time: "2026-01-05T09:00:00Z",
    receivedAt: "2026-01-05T09:00:01.000Z",
    delivery: `d-${index}`,
    repo: "acme/web",
    branch: "main",
    sha: "9f31c2e",
    number: index,
    title: "WEB-17 add login",
    actor: "octocat",
    url: "https://example.org/1",
    status: "success",
    tickets: ["WEB-17"],
    causedBy: "evt_0",
    hops: 1,
    redeliveryOf: "evt_0",
    to: { kind: "call", machine: "m", key: "k", signal: "S", call: "c", step: 1, ok: true },
    data: { word: "HUSH" },
  };
}

export const DELIVERY: DeliveryView = {
  id: "dlv_1",
  event: "evt_1",
  cause: { kind: "rule", rule: "merged", item: 0, index: 0 },
  connection: "jira",
  action: "jira.transition",
  params: { text: "HUSH" },
  status: "dead",
  attempts: [{ atMs: AT_MS, ms: 12.5, outcome: "rejected", status: 400, detail: "said HUSH" }],
  nextAtMs: AT_MS,
  retry: { attempts: 3, initialMs: 1000, factor: 2, maxMs: 60_000 },
  timeoutMs: 1000,
  emitsOutcome: true,
  reports: true,
  hops: 1,
  result: { said: "HUSH" },
  error: { message: "refused", status: 400, code: "SB0602", body: "HUSH" },
  createdAtMs: AT_MS,
  settledAtMs: AT_MS,
};

export const INSTANCE: Instance = {
  machine: "deploy gate",
  key: "acme/web#1?a=ü%",
  definition: "abc",
  version: 2,
  status: "active",
  state: { gathering: { push: "seen" } },
  context: { word: "HUSH" },
  history: { h: ["a"] },
  timers: { t: 1 },
  calls: { c: 2 },
  output: "HUSH",
  error: "none",
  createdAtMs: AT_MS,
  updatedAtMs: AT_MS,
};

const REFUSAL: Refusal = {
  ...{ id: "req-9", atMs: AT_MS, source: "github", status: 400, code: "SB0506", reason: "no JSON", delivery: "d" },
  ...{ bytes: 12, bodySha256: sha256("x"), excerpt: "HUSH" },
};

const SIGNAL = { machine: "m", key: "k", signal: "S", definition: "abc", params: { word: "HUSH" } };
const NOTHING = { items: 0, effects: [] };

function explanationOf(event: Event): Explanation {
  const leaf = { kind: "leaf", ok: false, counts: true } as const;
  return {
    event,
    policy: "rev1",
    rules: [
      {
        id: "merged",
        place: { file: "rules/a.yaml", line: 3, col: 5 },
        matched: false,
        distance: 2,
        tree: {
          ...{ kind: "all", ok: false, counts: true },
          children: [
            { ...leaf, path: "branch", op: "equals", want: "dev", got: "main", hint: "is main" },
            { ...leaf, path: "data.word", op: "equals", want: "x", got: "HUSH", hint: 'did you mean "HUSH"' },
            { ...leaf, kind: "cel", got: "HUSH", missing: false, place: { file: "rules/a.yaml", line: 4, col: 1 } },
          ],
        },
      },
    ],
    notConsidered: { count: 1, ids: ["other"] },
    decided: { atMs: AT_MS, trace: TRACE },
    changes: {
      ...{ policy: "rev2", complete: true },
      rules: [
        {
          rule: "merged",
          place: { file: "rules/a.yaml", line: 3, col: 5 },
          was: { outcome: "matched", items: 1, effects: [{ action: "jira.transition", params: { text: "HUSH" } }] },
          now: { outcome: "observed", items: 1, effects: [SIGNAL, { code: "SB0402", message: "x is missing" }] },
        },
        { rule: "other", was: { outcome: "absent", ...NOTHING }, now: { outcome: "unasked", ...NOTHING } },
      ],
    },
    deliveries: [DELIVERY],
  };
}

/** What was asked for; the signal only says how long somebody waits for it. */
function withoutSignal({ signal: _signal, ...page }: Page): Page {
  return page;
}

function pageOf<T>(items: T[], { limit, cursor }: Page): Paged<T> {
  const from = Number(cursor ?? 0);
  const more = from + limit < items.length;
  return { items: items.slice(from, from + limit), ...(more ? { cursor: String(from + limit) } : {}) };
}

const missing = (what: string, id: string) => new SignalboxError("SB0905", `No ${what} "${id}"`);

export function keptOperations(): KeptOperations {
  const report: PolicyReport = {
    ...{ revision: "rev1", loadedAtMs: AT_MS, rules: 2, machines: ["deploy gate"], current: true },
    problems: [],
  };
  const note = (actor: Actor, what: string, target: string, detail?: unknown) =>
    kept.audit.push({ who: actor.who, what, target, ...(detail === undefined ? {} : { detail }) });
  const kept: KeptOperations = {
    records: Array.from({ length: 7 }, (_, index) => ({
      ...{ event: eventOf(index), seq: index, decidedAtMs: AT_MS },
      trace: TRACE,
    })),
    rows: [
      DELIVERY,
      {
        ...{ ...DELIVERY, id: "dlv_2", status: "done" },
        cause: { kind: "call", machine: "m", key: "k", step: 1, index: 0, call: "c" },
      },
    ],
    instanceRows: [INSTANCE],
    tokenRows: [],
    report,
    isReady: true,
    broken: undefined,
    audit: [],
    asked: {},
    async status() {
      if (kept.broken) throw kept.broken;
      const deliveries = { pending: 0, done: 1, dead: 1, observed: 0, cancelled: 0 };
      return {
        ...{ version: "0.1.0", startedAtMs: AT_MS, store: "memory", cache: { backend: "memory", healthy: true } },
        counts: { events: kept.records.length, undecided: 0, instances: 1, timers: 1, deliveries },
        policy: kept.report,
        sources: [{ name: "github", provider: "github", paths: ["/hooks/github"] }],
        connections: [{ name: "jira", provider: "jira" }],
      };
    },
    ready: async () => ({ ok: kept.isReady, detail: kept.isReady ? "fine" : "disk /var/x is full" }),
    async events(filter, page) {
      kept.asked.events = { filter, page: withoutSignal(page) };
      const found = kept.records.filter(({ event }) => !filter.type || event.type === filter.type).reverse();
      return pageOf(
        found.map((record) => ({ ...record, event: { ...record.event, data: {} } })),
        page,
      );
    },
    async event(id) {
      const record = kept.records.find(({ event }) => event.id === id);
      if (!record) throw missing("event", id);
      return { ...record, deliveries: kept.rows };
    },
    async explain(id, at) {
      kept.asked.explain = { id, at };
      return explanationOf((await kept.event(id)).event);
    },
    decide: async (event) => {
      const { decided: _, changes: __, ...rest } = explanationOf(event);
      return { ...rest, deliveries: [] };
    },
    async redeliver(id, actor) {
      await kept.event(id);
      note(actor, "redeliver", id);
      return { id: `${id}_again` };
    },
    async deliveries(filter, page) {
      kept.asked.deliveries = { filter, page: withoutSignal(page) };
      return pageOf(
        kept.rows.filter(({ status }) => !filter.status || status === filter.status),
        page,
      );
    },
    async delivery(id) {
      const row = kept.rows.find((one) => one.id === id);
      if (!row) throw missing("delivery", id);
      return row;
    },
    async retry(id, actor) {
      const row = await kept.delivery(id);
      if (row.status !== "dead") throw new SignalboxError("SB0906", `Delivery "${id}" is ${row.status}, not dead`);
      note(actor, "retry", id);
      return { ...row, status: "pending" };
    },
    async instances(filter, page) {
      kept.asked.instances = { filter, page: withoutSignal(page) };
      return pageOf(
        kept.instanceRows.filter(({ machine }) => !filter.machine || machine === filter.machine),
        page,
      );
    },
    async instance(machine, key) {
      const instance = kept.instanceRows.find((one) => one.machine === machine && one.key === key);
      if (!instance) throw missing("instance", `${machine} ${key}`);
      const timer = { machine, key, id: "t", step: 1, dueAtMs: AT_MS, causedBy: "evt_1" };
      return { instance, timers: [timer], accepts: ["PUSH"] };
    },
    async signal(machine, key, signal, actor) {
      await kept.instance(machine, key);
      note(actor, "signal", `${machine} ${key}`, signal);
      return { id: "evt_signal" };
    },
    planMigration: async (machine, { cursor }) => ({
      ...migrationReport(machine),
      ...(cursor ? {} : { cursor: "5.1" }),
    }),
    async migrate(machine, at, actor) {
      note(actor, "migrate", machine, at);
      return migrationReport(machine);
    },
    timers: async (limit) =>
      [{ machine: "ticket", key: "acme/web#1", id: "after 30m", step: 1, dueAtMs: AT_MS, causedBy: "evt_1" }].slice(
        0,
        limit,
      ),
    async fireTimer({ machine, key, timer }, reason, actor) {
      note(actor, "timer.fire", `${machine} ${key} ${timer}`, reason);
      return { id: "evt_fired" };
    },
    async cancelTimer({ machine, key, timer }, reason, actor) {
      note(actor, "timer.cancel", `${machine} ${key} ${timer}`, reason);
      return { id: "evt_cancelled" };
    },
    schedules: async () => [
      { id: "nightly", cron: "@daily", timezone: "UTC", catchUp: "last" as const, nextAtMs: AT_MS },
    ],
    refusals: async (limit) => [REFUSAL, REFUSAL, REFUSAL].slice(0, limit),
    audits: async (limit) => [{ atMs: AT_MS, who: "alice", what: "retry", target: "dlv_1" }].slice(0, limit),
    policy: async () => kept.report,
    async reload(actor) {
      note(actor, "reload", "policy");
      return kept.report;
    },
    tokens: async () => kept.tokenRows,
    async createToken({ name, scopes, expiresAtMs }, actor) {
      const token = `sbx_${sha256(name).slice(0, 20)}`;
      const row = { name, hash: sha256(token), scopes, createdAtMs: AT_MS, usedAtMs: AT_MS };
      kept.tokenRows.push({ ...row, ...(expiresAtMs === undefined ? {} : { expiresAtMs }) });
      note(actor, "token.create", name);
      return { token };
    },
    async revokeToken(name, actor) {
      const at = kept.tokenRows.findIndex((row) => row.name === name);
      if (at < 0) throw missing("token", name);
      kept.tokenRows.splice(at, 1);
      note(actor, "token.revoke", name);
    },
    authenticate: async (token) => kept.tokenRows.find(({ hash }) => hash === sha256(token)),
  };
  return kept;
}
