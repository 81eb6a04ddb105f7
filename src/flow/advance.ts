/** Oldest undecided events → decide → commit. The only writer of instances; one batch is one transaction. */

import { addressOf, type DecisionPolicy, decide, emptyPlan, type Plan, plan } from "../core/decide.ts";
import type { CompiledMachine } from "../core/machine/file/compile.ts";
import { messageOf } from "../errors.ts";
import type { Decision, Event, Instance, InstanceKey, Json, TraceProblem } from "../model.ts";
import type { Clock } from "../ports/clock.ts";
import type { Observer } from "../ports/observe.ts";
import type { Store } from "../ports/store.ts";

/** Many events per commit; small enough that a conflict costs little. */
const BATCH = 100;
/** Events just stored are decided from memory; past this the log is read instead. */
const RECENT_MAX = 500;

export interface AdvanceDeps {
  store: Store;
  clock: Clock;
  observe: Observer;
  policy(): Omit<DecisionPolicy, "definition">;
  /** Compiles a stored definition that no file holds any more; undefined = it cannot be compiled. */
  compile(machine: string, definition: Json): CompiledMachine | undefined;
  /** Told of committed decisions: deliveries, timers and emitted events may be due. */
  committed(decisions: readonly Decision[]): void;
}

export interface Advance {
  /** Keeps an event that was just stored, so that it need not be read again. */
  remember(events: readonly Event[]): void;
  /** Decides the oldest undecided events; `busy` when there may be more. */
  round(): Promise<{ busy: boolean }>;
}

export function createAdvance(deps: AdvanceDeps): Advance {
  const recent = new Map<string, Event>();
  const definitions = new Map<string, CompiledMachine>();

  const eventsOf = async (ids: readonly string[]): Promise<Event[]> => {
    const missing = ids.filter((id) => !recent.has(id));
    const loaded = new Map(
      (missing.length > 0 ? await deps.store.load(missing) : []).map((event) => [event.id, event]),
    );
    return ids.flatMap((id) => recent.get(id) ?? loaded.get(id) ?? []);
  };
  const advance = async (ids: readonly string[]): Promise<boolean> => {
    const decisions = await decideAll(deps, definitions, await eventsOf(ids));
    const startedMs = deps.clock.now();
    if (!(await deps.store.commit(decisions))) return false;
    const rows = decisions.length;
    deps.observe({ kind: "stored", operation: "commit", rows, ms: deps.clock.now() - startedMs });
    for (const id of ids) recent.delete(id);
    deps.committed(decisions);
    return true;
  };

  return {
    remember(events) {
      for (const event of events) if (recent.size < RECENT_MAX) recent.set(event.id, event);
    },
    async round() {
      const ids = await deps.store.undecided(BATCH);
      if (ids.length === 0) {
        recent.clear();
        return { busy: false };
      }
      // Another node decided one of them or stepped an instance: what is left is read again, one at a time.
      if (!(await advance(ids))) for (const id of await deps.store.undecided(BATCH)) await advance([id]);
      return { busy: true };
    },
  };
}

async function decideAll(
  deps: AdvanceDeps,
  definitions: Map<string, CompiledMachine>,
  events: readonly Event[],
): Promise<Decision[]> {
  const { store, clock, observe } = deps;
  const running = deps.policy();
  const byHash = new Map([...running.machines.values()].map((machine) => [machine.hash, machine]));
  const policy: DecisionPolicy = { ...running, definition: (hash) => byHash.get(hash) ?? definitions.get(hash) };
  const nowMs = clock.now();
  const plans = events.map((event) => planOne(policy, event, nowMs));
  const current = new Map<string, Instance>();
  for (const instance of await store.instances(plans.flatMap(({ keys }) => keys)))
    current.set(addressOf(instance), instance);
  for (const { definition, machine } of current.values()) {
    if (policy.definition(definition)) continue;
    const stored = await store.definition(definition);
    const compiled = stored === undefined ? undefined : deps.compile(machine, stored);
    if (compiled) definitions.set(definition, compiled);
  }
  return plans.map((planned) => {
    const decision = decideOne(policy, planned, (key) => current.get(addressOf(key)), nowMs);
    for (const instance of decision.instances) current.set(addressOf(instance), instance);
    const { event } = planned;
    const { trace } = decision;
    observe({
      kind: "decided",
      event: event.id,
      type: event.type,
      matched: trace.matched.map(({ rule }) => rule),
      considered: trace.considered,
      problems: trace.problems.map(({ code, message }) => `${code} ${message}`),
      ms: clock.now() - nowMs,
    });
    return decision;
  });
}

/** Core never throws for data. Should it do so all the same, one event must not stop the log behind it. */
function planOne(policy: DecisionPolicy, event: Event, nowMs: number): Plan {
  try {
    return plan(policy, event, nowMs);
  } catch (error) {
    return emptyPlan(policy, event, fault(error));
  }
}

function decideOne(
  policy: DecisionPolicy,
  planned: Plan,
  instanceOf: (key: InstanceKey) => Instance | undefined,
  nowMs: number,
): Decision {
  try {
    return decide(policy, planned, instanceOf, nowMs);
  } catch (error) {
    return decide(policy, emptyPlan(policy, planned.event, fault(error)), instanceOf, nowMs);
  }
}

function fault(error: unknown): TraceProblem {
  const message = messageOf(error);
  return { code: "SB0910", message: `Deciding failed, nothing was done: ${message}` };
}
