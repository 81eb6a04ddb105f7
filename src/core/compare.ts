/**
 * Then and now: what the rules caused when an event was decided, beside what a policy would cause today. Deliveries and signals
 * are compared; what an instance makes of a signal depends on where it stands and is not.
 */
import {
  actionName,
  type Delivery,
  type Event,
  type JsonObject,
  type RuleChange,
  type RuleEffect,
  type Trace,
} from "../model.ts";
import { type DecisionPolicy, type Plan, plan } from "./decide.ts";

/** A policy as it is loaded; definitions of living instances are not asked for. */
export type LoadedPolicy = Omit<DecisionPolicy, "definition">;

export interface Decided {
  event: Event;
  trace: Trace;
  /** Those of the event that are still kept, with the parameters that were rendered then. */
  deliveries: readonly Delivery[];
}

/**
 * The rules that would act otherwise, in the order they matched then, new ones last. Without the policy that `was` only what was
 * recorded can be compared: which rules matched, for how many items, in which mode; "missed" then also stands for "unasked" and "absent".
 */
export function changedRules(
  decided: Decided,
  policies: { was: LoadedPolicy | undefined; now: LoadedPolicy },
  nowMs: number,
): RuleChange[] {
  // What the rest of a rule's items cause is compared with the event they belong to.
  if (decided.event.continues) return [];
  const before = recordedResults(decided, policies.was, nowMs);
  const today = plannedResults(decided.event, policies.now, nowMs);
  return [...new Set([...before.rules, ...today.rules])].flatMap((rule): RuleChange[] => {
    const [was, now] = [before.end(rule), today.end(rule)];
    const place = today.place(rule);
    const change = { rule, ...(place ? { place } : {}) };
    if (was.outcome !== now.outcome) return [{ ...change, was, now }];
    const lost = policies.was ? without(was.effects, now.effects) : [];
    const gained = policies.was ? without(now.effects, was.effects) : [];
    if (was.items === now.items && lost.length + gained.length === 0) return [];
    return [{ ...change, was: { ...was, effects: lost }, now: { ...now, effects: gained } }];
  });
}

/** The results of all rules under one policy. */
interface RuleResults {
  /** Rules that matched or had a problem. */
  rules: string[];
  end(rule: string): RuleChange["was"];
  place(rule: string): RuleChange["place"];
}

type Caused = readonly [rule: string, effect: RuleEffect];

function plannedResults(event: Event, policy: LoadedPolicy, nowMs: number): RuleResults {
  const planned = planOf(event, policy, nowMs);
  const caused = [
    ...ofDeliveries(planned.deliveries),
    ...ofSignals(planned.steps, policy),
    ...ofProblems(planned.trace),
  ];
  return resultsOf(event, { trace: planned.trace, caused, policy });
}

/** The trace is the truth; the old policy says what is not kept with it: values of signals, deliveries that were dropped since. */
function recordedResults(
  { event, trace, deliveries }: Decided,
  policy: LoadedPolicy | undefined,
  nowMs: number,
): RuleResults {
  const planned = policy && planOf(event, policy, nowMs);
  const matched = new Set(trace.matched.map(({ rule }) => rule));
  const ids = new Set(trace.deliveries.map(({ id }) => id));
  const deliveriesById = new Map(
    [...(planned?.deliveries ?? []), ...deliveries].map((delivery) => [delivery.id, delivery]),
  );
  const tracedDeliveries = [...deliveriesById.values()].filter(({ id }) => ids.has(id));
  const signals = planned && policy ? ofSignals(planned.steps, policy) : ofTransitions(trace);
  const caused = [
    ...ofDeliveries(tracedDeliveries),
    ...signals.filter(([rule]) => matched.has(rule)),
    ...ofProblems(trace),
  ];
  return resultsOf(event, { trace, caused, policy });
}

interface Causes {
  trace: Plan["trace"];
  caused: readonly Caused[];
  policy: LoadedPolicy | undefined;
}

function resultsOf(event: Event, { trace, caused, policy }: Causes): RuleResults {
  const matched = new Map(trace.matched.map((match) => [match.rule, match]));
  const effects = new Map<string, RuleEffect[]>();
  for (const [rule, effect] of caused) effects.set(rule, [...(effects.get(rule) ?? []), effect]);
  const rules = new Map(policy?.rules.rules.map((rule) => [rule.id, rule]));
  let others: ReadonlySet<string> | undefined;
  const outcomeOf = (rule: string) => {
    const match = matched.get(rule);
    if (match) return match.mode === "observe" ? "observed" : "matched";
    if (!policy) return "missed";
    if (!rules.has(rule)) return "absent";
    others ??= new Set(policy.rules.explain(event, policy.vars).notConsidered);
    return others.has(rule) ? "unasked" : "missed";
  };
  return {
    rules: [...matched.keys(), ...effects.keys()],
    end: (rule) => ({
      outcome: outcomeOf(rule),
      items: matched.get(rule)?.items ?? 0,
      effects: effects.get(rule) ?? [],
    }),
    place: (rule) => rules.get(rule)?.place([]),
  };
}

function planOf(event: Event, policy: LoadedPolicy, nowMs: number): Plan {
  return plan({ ...policy, definition: () => undefined }, event, nowMs);
}

function ofDeliveries(deliveries: readonly Delivery[]): Caused[] {
  return deliveries.flatMap((delivery): Caused[] => {
    const { cause, params } = delivery;
    return cause.kind === "rule" ? [[cause.rule, { action: actionName(delivery), params }]] : [];
  });
}

function ofSignals(steps: Plan["steps"], { machines }: LoadedPolicy): Caused[] {
  return steps.flatMap((step): Caused[] => {
    if ("migration" in step || step.rule === undefined) return [];
    const { rule, machine, key, signal } = step;
    const definition = machines.get(machine)?.hash;
    const params = (signal.event.with ?? {}) as JsonObject;
    return [[rule, { machine, key, signal: signal.name, ...(definition ? { definition } : {}), params }]];
  });
}

function ofTransitions({ transitions }: Trace): Caused[] {
  return transitions.flatMap(({ rule, machine, key, signal }): Caused[] =>
    rule === undefined ? [] : [[rule, { machine, key, signal, params: {} }]],
  );
}

function ofProblems({ problems }: Plan["trace"]): Caused[] {
  return problems.flatMap(({ rule, code, message }): Caused[] =>
    rule === undefined ? [] : [[rule, { code, message }]],
  );
}

/** What is not among the others as often. */
function without(effects: readonly RuleEffect[], others: readonly RuleEffect[]): RuleEffect[] {
  const left = new Map<string, number>();
  for (const spelt of others.map(spelling)) left.set(spelt, (left.get(spelt) ?? 0) + 1);
  return effects.filter((effect) => {
    const spelt = spelling(effect);
    const count = left.get(spelt) ?? 0;
    left.set(spelt, count - 1);
    return count <= 0;
  });
}

/** The same text for the same value, however its fields are ordered. */
function spelling(effect: RuleEffect): string {
  return JSON.stringify(effect, (_, value: unknown) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
    return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  });
}
