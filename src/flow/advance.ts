/** Oldest undecided events of our lanes → decide → commit. The only writer of instances; one batch is one transaction. */

import { eventsCausedBy } from "../core/bounds.ts";
import { type DecisionPolicy, decide, emptyPlan, type Plan, plan } from "../core/decide.ts";
import type { CompiledMachine } from "../core/machine/file/compile.ts";
import { messageOf } from "../errors.ts";
import {
  type Decision,
  type Event,
  type Instance,
  type InstanceKey,
  instanceAddress,
  type NewEvent,
  type TraceProblem,
} from "../model.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log, Tenure } from "../ports/log.ts";
import type { Observer } from "../ports/observe.ts";
import type { Questions } from "../ports/questions.ts";
import { createRecentEvents } from "./recent.ts";

/** Many events per commit; small enough that a conflict costs little. */
const BATCH = 100;
/** Text of events that are read from the log; what it becomes may take thirty times as much memory. */
const BATCH_BYTES = 1024 * 1024;
/** How long the events of a node that died wait for another node; a batch is decided in far less. */
const LANE_LEASE_MS = 10_000;

export interface AdvanceDeps {
  store: Log & Pick<Questions, "event">;
  /** A name that no other run of any process has. */
  node: string;
  clock: Clock;
  observe: Observer;
  policy(): Omit<DecisionPolicy, "definition">;
  /** A definition that is no longer in the files; undefined = it is not stored or does not compile. */
  definition(machine: string, hash: string): Promise<CompiledMachine | undefined>;
  /** Called with committed decisions: deliveries, timers and emitted events may be due. */
  committed(decisions: readonly Decision[]): void;
}

export interface Advance {
  /** Keeps events that were just stored, so that they need not be read again. */
  remember(events: readonly NewEvent[]): void;
  /** Decides the oldest undecided events; `busy` when there may be more. */
  round(): Promise<{ busy: boolean }>;
}

export function createAdvance(deps: AdvanceDeps): Advance {
  const recent = createRecentEvents();

  const claim = async (limit: number): Promise<{ tenure: Tenure; events: Event[] }> => {
    const lease = { nowMs: deps.clock.now(), leaseMs: LANE_LEASE_MS };
    const { lane, fence, ids, events } = await deps.store.claim(deps.node, {
      ...lease,
      limit,
      bytes: BATCH_BYTES,
      held: recent.ids(),
    });
    if (ids.length === 0) recent.clear();
    const fromLog = new Map(events.map((event) => [event.id, event]));
    return { tenure: { lane, fence }, events: ids.flatMap((id) => recent.event(id) ?? fromLog.get(id) ?? []) };
  };
  const advance = async (events: readonly Event[], tenure: Tenure): Promise<boolean> => {
    const decisions = await decideAll(deps, events);
    const startedMs = deps.clock.monotonic();
    const committed = await deps.store.commit(decisions, tenure);
    if (!committed.ok) {
      // Another node may decide the remembered events by now.
      if (committed.why === "fenced") recent.clear();
      return false;
    }
    const rows = decisions.length;
    deps.observe({ kind: "stored", operation: "commit", rows, ms: deps.clock.monotonic() - startedMs });
    for (const { id } of events) recent.forget(id);
    deps.committed(decisions);
    return true;
  };

  return {
    remember: recent.remember,
    async round() {
      const { tenure, events } = await claim(BATCH);
      if (events.length === 0) return { busy: false };
      if (await advance(events, tenure)) return { busy: true };
      // The lane went to another node, or an instance was changed meanwhile: the events are claimed again and decided one at a time.
      const again = await claim(BATCH);
      for (const event of again.events) await advance([event], again.tenure);
      return { busy: true };
    },
  };
}

async function decideAll(deps: AdvanceDeps, events: readonly Event[]): Promise<Decision[]> {
  const { store, clock, observe } = deps;
  const running = deps.policy();
  const byHash = new Map([...running.machines.values()].map((machine) => [machine.hash, machine]));
  const policy: DecisionPolicy = { ...running, definition: (hash) => byHash.get(hash) };
  const nowMs = clock.now();
  const startedMs = clock.monotonic();
  const continued = await continuedBy(store, events);
  const plans = events.map((event) => planOne(policy, event, nowMs, continued.get(event.continues?.event ?? "")));
  const roots = [...new Set(events.flatMap(({ root }) => root ?? []))];
  const keys = plans.flatMap((planned) => planned.keys);
  const [instances, counts] = await Promise.all([store.instances(keys), roots.length > 0 ? store.caused(roots) : []]);
  const current = new Map(instances.map((instance) => [instanceAddress(instance), instance]));
  const caused = new Map(roots.map((root, index) => [root, counts[index] ?? 0]));
  for (const { definition, machine } of current.values()) {
    const compiled = byHash.get(definition) ?? (await deps.definition(machine, definition));
    if (compiled) byHash.set(definition, compiled);
  }
  return plans.map((planOfEvent) => {
    const { event } = planOfEvent;
    const root = event.root ?? event.id;
    const causedByRoot = caused.get(root) ?? 0;
    const instanceOf = (key: InstanceKey) => current.get(instanceAddress(key));
    const decision = decideOne(policy, planOfEvent, { instanceOf, nowMs, caused: causedByRoot });
    for (const instance of decision.instances) current.set(instanceAddress(instance), instance);
    caused.set(root, causedByRoot + eventsCausedBy(decision));
    const { trace } = decision;
    observe({
      kind: "decided",
      event: event.id,
      type: event.type,
      matched: trace.matched.map(({ rule }) => rule),
      considered: trace.considered,
      problems: trace.problems.map(({ code, message }) => `${code} ${message}`),
      ms: clock.monotonic() - startedMs,
    });
    return decision;
  });
}

/** The events whose items others of the batch go on with, by id. */
async function continuedBy(store: Pick<Questions, "event">, events: readonly Event[]): Promise<Map<string, Event>> {
  const ids = new Set(events.flatMap(({ continues }) => continues?.event ?? []));
  const records = await Promise.all([...ids].map((id) => store.event(id)));
  return new Map(records.flatMap((record) => (record ? [[record.event.id, record.event]] : [])));
}

/** Core never throws for data. If it does all the same, one event must not block those after it. */
function planOne(policy: DecisionPolicy, event: Event, nowMs: number, continued: Event | undefined): Plan {
  try {
    return plan(policy, event, nowMs, continued);
  } catch (error) {
    return emptyPlan(policy, event, fault(error));
  }
}

function decideOne(
  policy: DecisionPolicy,
  planned: Plan,
  given: { instanceOf: (key: InstanceKey) => Instance | undefined; nowMs: number; caused: number },
): Decision {
  const { instanceOf, nowMs, caused } = given;
  try {
    return decide(policy, planned, instanceOf, nowMs, caused);
  } catch (error) {
    return decide(policy, emptyPlan(policy, planned.event, fault(error)), instanceOf, nowMs);
  }
}

function fault(error: unknown): TraceProblem {
  const message = messageOf(error);
  return { code: "SB0910", message: `Deciding failed, nothing was done: ${message}` };
}
