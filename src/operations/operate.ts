/** Operations over a store and the running policy: the same for the API, the command line and tests. */
import { createHash } from "node:crypto";
import { changedRules, type Decided, type LoadedPolicy } from "../core/compare.ts";
import type { CompiledMachine } from "../core/machine/file/compile.ts";
import { explainEvent } from "../core/match/rule-set.ts";
import { handSignal, redelivered } from "../core/own-events.ts";
import type { Schedule } from "../core/schedule.ts";
import { messageOf, SignalboxError } from "../errors.ts";
import { currentEvent } from "../model/earlier.ts";
import type { Delivery, Explanation, Json, Token, Trace } from "../model.ts";
import type { Clock } from "../ports/clock.ts";
import type { EventRecord } from "../ports/questions.ts";
import type { Store } from "../ports/store.ts";
import { type MigrationDeps, migrationOperations } from "./migrations.ts";
import { type Audit, notFound, type Operations, type PolicyReport, type StatusReport } from "./operations.ts";
import { timerOperations } from "./timers.ts";
import { deliveryView, eventView, traceView } from "./views.ts";

const TOKEN_TOUCH_EVERY_MS = 60_000;
const DELIVERIES_MAX = 200;

export interface OperateDeps {
  store: Store;
  clock: Clock;
  /** Another id at each call, for work that is ordered by hand. */
  requestId(): string;
  /** A new secret token in plain text. */
  newToken(): string;
  policy(): LoadedPolicy;
  /** The policy of an earlier revision; undefined = its texts are purged or no longer load. */
  policyAt(revision: string): Promise<LoadedPolicy | undefined>;
  /** The compiled definition with this hash, from the files or from the store. */
  definition(machine: string, hash: string): Promise<CompiledMachine | undefined>;
  /** Compiles a definition that the running policy does not have. */
  compile(machine: string, definition: Json): CompiledMachine | undefined;
  report(): PolicyReport;
  reload(): Promise<PolicyReport>;
  describe(): Omit<StatusReport, "counts" | "policy">;
  schedules: readonly Schedule[];
  /** New work may be due. */
  wake(): void;
}

export function createOperations(deps: OperateDeps): Operations {
  const { store, clock } = deps;
  const audit: Audit = (actor, row) => store.audit({ atMs: clock.now(), who: actor.who, ...row });
  const eventWithDeliveries = async (id: string): Promise<EventRecord & { deliveries: Delivery[] }> => {
    const record = await store.event(id);
    if (!record) throw notFound("event", id);
    const { items } = await store.deliveries({ event: id }, { limit: DELIVERIES_MAX });
    return { ...record, deliveries: items };
  };
  const deliveryOf = async (id: string): Promise<Delivery> => {
    const delivery = await store.delivery(id);
    if (!delivery) throw notFound("delivery", id);
    return delivery;
  };

  const migrationDeps: MigrationDeps = { ...deps, machine: (id) => deps.policy().machines.get(id), audit };

  return {
    async status() {
      return { ...deps.describe(), counts: await store.counts(), policy: deps.report() };
    },
    async ready() {
      try {
        await store.ping();
        const { current } = deps.report();
        return { ok: true, detail: current ? "ready" : "ready, but policy: stale" };
      } catch (error) {
        return { ok: false, detail: messageOf(error) };
      }
    },
    async events(filter, page) {
      const { items, ...rest } = await store.events(filter, page);
      return { ...rest, items: items.map(eventView) };
    },
    async event(id) {
      const { deliveries, ...record } = await eventWithDeliveries(id);
      return { ...eventView(record), deliveries: deliveries.map(deliveryView) };
    },
    async explain(id, at) {
      const { event, decidedAtMs, trace, deliveries } = await eventWithDeliveries(id);
      const explained = {
        ...explainEvent(await policyFor(deps, at, { id, trace }), event),
        deliveries: deliveries.map(deliveryView),
      };
      if (decidedAtMs === undefined || !trace) return explained;
      const changes = await changesSince(deps, { event, trace, deliveries });
      return { ...explained, decided: { atMs: decidedAtMs, trace: traceView(trace) }, ...(changes ? { changes } : {}) };
    },
    decide: async (event) => explainEvent(deps.policy(), currentEvent(event)),
    async redeliver(id, actor) {
      const record = await store.event(id);
      if (!record) throw notFound("event", id);
      const again = redelivered(record.event, clock.now(), deps.requestId());
      await store.append([again]);
      await audit(actor, { what: "redeliver", target: id, detail: { as: again.event.id } });
      deps.wake();
      return { id: again.event.id };
    },
    async deliveries(filter, page) {
      const { items, ...rest } = await store.deliveries(filter, page);
      return { ...rest, items: items.map(deliveryView) };
    },
    delivery: async (id) => deliveryView(await deliveryOf(id)),
    async retry(id, actor) {
      const { status } = await deliveryOf(id);
      if (!(await store.retry(id, clock.now()))) {
        throw new SignalboxError("SB0906", `Delivery "${id}" is ${status}; only dead or cancelled ones can be retried`);
      }
      await audit(actor, { what: "retry", target: id });
      deps.wake();
      return deliveryView(await deliveryOf(id));
    },
    ...instanceOperations(deps, audit),
    ...migrationOperations(migrationDeps),
    ...timerOperations({ ...deps, audit }),
    refusals: (limit) => store.refusals(limit),
    audits: (limit) => store.audits(limit),
    policy: async () => deps.report(),
    async reload(actor) {
      const report = await deps.reload();
      await audit(actor, { what: "reload", target: report.revision, detail: { current: report.current } });
      return report;
    },
    ...tokenOperations(deps, audit),
  };
}

function instanceOperations(deps: OperateDeps, audit: Audit): Pick<Operations, "instances" | "instance" | "signal"> {
  const { store, clock } = deps;
  const instanceOf = async (machine: string, key: string) => (await store.instances([{ machine, key }]))[0];
  return {
    instances: (filter, page) => store.instanceList(filter, page),
    async instance(machine, key) {
      const instance = await instanceOf(machine, key);
      if (!instance) throw notFound("instance", `${machine}/${key}`);
      const definition = await deps.definition(machine, instance.definition);
      const timers = [...(await store.timersOf({ machine, key }))];
      return { instance, timers, accepts: definition?.acceptedSignals(instance) ?? [] };
    },
    async signal(machine, key, signal, actor) {
      if (signal.event.startsWith("xstate.")) {
        throw new SignalboxError("SB0907", `"${signal.event}" is reserved, event names may not start with "xstate."`);
      }
      if (!(await instanceOf(machine, key)) && !deps.policy().machines.get(machine)?.starts(signal.event)) {
        throw notFound("instance", `${machine}/${key}`);
      }
      const by = { who: actor.who, nowMs: clock.now(), requestId: deps.requestId() };
      const event = handSignal({ machine, key }, signal, by);
      await store.append([event]);
      await audit(actor, {
        what: "signal",
        target: `${machine}/${key}`,
        reason: signal.reason,
        detail: { event: signal.event },
      });
      deps.wake();
      return { id: event.event.id };
    },
  };
}

function tokenOperations(
  deps: OperateDeps,
  audit: Audit,
): Pick<Operations, "tokens" | "createToken" | "revokeToken" | "authenticate"> {
  const { store, clock } = deps;
  const lastUse = new Map<string, number>();
  return {
    async tokens() {
      return (await store.tokens()).map(({ hash: _, ...row }) => row);
    },
    async createToken({ name, scopes, expiresAtMs }, actor) {
      const token = deps.newToken();
      const row: Token = { name, hash: tokenHash(token), scopes, createdAtMs: clock.now() };
      if (expiresAtMs !== undefined) row.expiresAtMs = expiresAtMs;
      if (!(await store.addToken(row))) {
        throw new SignalboxError("SB0906", `A token "${name}" exists already; revoke it first or choose another name`);
      }
      await audit(actor, { what: "token.create", target: name, detail: { scopes } });
      return { token };
    },
    async revokeToken(name, actor) {
      if (!(await store.dropToken(name))) throw notFound("token", name);
      await audit(actor, { what: "token.revoke", target: name });
    },
    async authenticate(token) {
      const hash = tokenHash(token);
      const row = (await store.tokens()).find((one) => one.hash === hash);
      const nowMs = clock.now();
      if (!row || (row.expiresAtMs !== undefined && row.expiresAtMs <= nowMs)) return undefined;
      const usedAtMs = lastUse.get(hash) ?? row.usedAtMs ?? 0;
      if (nowMs - usedAtMs > TOKEN_TOUCH_EVERY_MS) {
        // Set before the write, so that a burst of requests writes once.
        lastUse.set(hash, nowMs);
        // A full disk must not keep people out; /readyz reports it.
        await store.touchToken(row, nowMs).catch(() => undefined);
      }
      return row;
    },
  };
}

/** Shorter than the prefixes of revisions that are printed. */
const REVISION_CHARS_MIN = 4;

/** The running policy, the one that `decided` the event, or one by its revision. */
async function policyFor(
  deps: OperateDeps,
  at: string | undefined,
  { id, trace }: { id: string; trace: Trace | undefined },
): Promise<LoadedPolicy> {
  const running = deps.policy();
  if (at === undefined) return running;
  if (at === "decided" && !trace)
    throw new SignalboxError("SB0906", `Event "${id}" is not decided yet, no policy has decided it`);
  const revisions = trace ? [trace.policy, running.revision] : [running.revision];
  const matchingRevision = revisions.find((one) => at.length >= REVISION_CHARS_MIN && one.startsWith(at)) ?? at;
  const revision = at === "decided" && trace ? trace.policy : matchingRevision;
  const policy = await deps.policyAt(revision);
  if (policy) return policy;
  if (revisions.includes(revision)) {
    throw new SignalboxError("SB0905", `The rules of policy "${revision}" are gone or no longer load`);
  }
  const decider = trace && trace.policy !== running.revision ? `, "${trace.policy}" decided this event` : "";
  throw new SignalboxError("SB0905", `There is no policy "${at}"; "${running.revision}" runs${decider}`);
}

/** The changes since the decision; undefined when the running policy made it. */
async function changesSince(deps: OperateDeps, decided: Decided): Promise<Explanation["changes"]> {
  const now = deps.policy();
  if (decided.trace.policy === now.revision) return undefined;
  const was = await deps.policyAt(decided.trace.policy);
  const rules = changedRules(decided, { was, now }, deps.clock.now());
  return { policy: now.revision, complete: was !== undefined, rules };
}

function tokenHash(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}
