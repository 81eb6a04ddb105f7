/** Which rules an event concerns, in the order of the rules; and on demand the reason why (not). */
import type {
  ConditionNode,
  Event,
  Explanation,
  Json,
  JsonObject,
  RuleExplanation,
  TraceProblem,
} from "../../model.ts";
import type { Expression, Scope } from "../expr.ts";
import { distance, explainPattern } from "./explain.ts";
import { createRuleIndex, type RuleIndex } from "./index/index.ts";
import type { CompiledRule } from "./rules.ts";

export interface RuleMatches {
  /** In the order of the rules. `items`: what forEach gave; one null without it. */
  matched: { rule: CompiledRule; items: readonly Json[] }[];
  /** How many rules of this event type were considered. */
  considered: number;
  problems: TraceProblem[];
}

export interface RuleSet {
  readonly rules: readonly CompiledRule[];
  rule(id: string): CompiledRule | undefined;
  match(event: Event, vars: JsonObject): RuleMatches;
  /** Matched first, then nearest misses first. `notConsidered`: rules for other event types. */
  explain(event: Event, vars: JsonObject): { rules: RuleExplanation[]; notConsidered: string[] };
  /** Whether some rule selects events of this type. */
  listensTo(type: string): boolean;
}

/** Rules in their order. After a rule with `stop` that matches no further rule is considered; an observed rule stops nothing. */
export function createRuleSet(rules: readonly CompiledRule[]): RuleSet {
  const builder = createRuleSetBuilder();
  for (const rule of rules) builder.add(rule);
  return builder.ruleSet();
}

/** The same, rule by rule: many at once would hold up everything else. */
export function createRuleSetBuilder(): { add(rule: CompiledRule): void; ruleSet(): RuleSet } {
  const index = createRuleIndex();
  const rules: CompiledRule[] = [];
  return {
    add(rule) {
      index.add([{ rule, rank: rules.length }]);
      rules.push(rule);
    },
    ruleSet: () => ruleSetOver(rules, index),
  };
}

function ruleSetOver(rules: readonly CompiledRule[], index: RuleIndex): RuleSet {
  const byId = new Map(rules.map((rule) => [rule.id, rule]));
  return {
    rules,
    rule: (id) => byId.get(id),
    listensTo: index.has,
    match: (event, vars) => matchRules(index, event, vars),
    explain: (event, vars) => {
      const considered = index.ofType(event.type);
      const consideredRules = new Set(considered);
      return {
        rules: explainRules(considered, event, vars),
        notConsidered: rules.filter((rule) => !consideredRules.has(rule)).map(({ id }) => id),
      };
    },
  };
}

const ONCE: readonly Json[] = [null];

function matchRules(index: RuleIndex, event: Event, vars: JsonObject): RuleMatches {
  const result: RuleMatches = { matched: [], considered: 0, problems: [] };
  const scope: Scope = { event, vars };
  let last: number | undefined;
  for (const { rule, rank } of index.match(event)) {
    const conditions = evaluateConditions(rule, scope);
    if (conditions.problem !== undefined) result.problems.push(conditions.problem);
    if (conditions.items === undefined) continue;
    result.matched.push({ rule, items: conditions.items });
    if (!stops(rule)) continue;
    last = rank;
    break;
  }
  result.considered = index.count(event.type, last);
  return result;
}

const stops = (rule: CompiledRule): boolean => rule.stop && rule.mode === "live";

interface ConditionResult {
  /** Undefined: the rule does not match. */
  items?: readonly Json[];
  problem?: TraceProblem;
  /** What `when` gave. */
  when?: Json;
}

/** `when` and `forEach` of a rule whose pattern matches. A condition that cannot be evaluated is not met. */
function evaluateConditions(rule: CompiledRule, scope: Scope): ConditionResult {
  if (rule.when !== undefined) {
    const when = rule.when.evaluate(scope);
    if (!when.ok) return { problem: problemIn(rule, "when", "SB0402", when.detail) };
    if (typeof when.value !== "boolean")
      return { problem: problemIn(rule, "when", "SB0402", "when must give true or false"), when: when.value };
    if (!when.value) return { when: false };
  }
  if (rule.forEach === undefined) return { items: ONCE };
  const list = rule.forEach.evaluate(scope);
  if (!list.ok) return { problem: problemIn(rule, "forEach", "SB0402", list.detail) };
  if (!Array.isArray(list.value)) return { problem: problemIn(rule, "forEach", "SB0402", "forEach must give a list") };
  return { items: list.value };
}

function problemIn(rule: CompiledRule, key: string, code: TraceProblem["code"], detail: string): TraceProblem {
  const problem: TraceProblem = { code, message: detail, rule: rule.id };
  const place = rule.place([key]);
  return place === undefined ? problem : { ...problem, place };
}

// ---------------------------------------------------------------- explaining

/** How many of the rules for other types of events are named. */
const IDS_SHOWN_MAX = 20;

/** Why the rules match the event or not, without what was decided about it. */
export function explainEvent(
  { revision, rules, vars }: { revision: string; rules: RuleSet; vars: JsonObject },
  event: Event,
): Explanation {
  const { rules: outcomes, notConsidered } = rules.explain(event, vars);
  const others = { count: notConsidered.length, ids: notConsidered.slice(0, IDS_SHOWN_MAX) };
  return { event, policy: revision, rules: outcomes, notConsidered: others, deliveries: [] };
}

function explainRules(rules: readonly CompiledRule[], event: Event, vars: JsonObject): RuleExplanation[] {
  const outcomes: RuleExplanation[] = [];
  let stopped: string | undefined;
  for (const rule of rules) {
    const outcome = explainRule(rule, event, vars, stopped);
    outcomes.push(outcome);
    if (outcome.matched && stops(rule)) stopped ??= rule.id;
  }
  return outcomes.sort((a, b) => a.distance - b.distance);
}

function explainRule(rule: CompiledRule, event: Event, vars: JsonObject, stopped: string | undefined): RuleExplanation {
  const children: ConditionNode[] = [];
  if (stopped !== undefined) children.push(stoppedNode(rule, stopped));
  if (rule.pattern !== undefined)
    children.push(explainPattern(rule.pattern, event, (path) => rule.place(["match", ...path])));
  const isMet = children.every(({ ok }) => ok);
  children.push(...conditionNodes(rule, { event, vars }));
  const place = rule.place([]);
  const placed = place === undefined ? {} : { place };
  const [only] = children;
  const all: ConditionNode = { kind: "all", ok: children.every(({ ok }) => ok), counts: true, children, ...placed };
  const tree = children.length === 1 && only?.kind === "all" ? only : all;
  return { id: rule.id, ...placed, matched: isMet && tree.ok, distance: distance(tree), tree };
}

function stoppedNode(rule: CompiledRule, stopped: string): ConditionNode {
  const hint = `Rule "${stopped}" matched before and stops the rules after it`;
  const place = rule.place([]);
  return { kind: "leaf", ok: false, counts: true, op: "stop", hint, ...(place === undefined ? {} : { place }) };
}

/** `when` and `forEach` as conditions, evaluated whether or not the pattern matches: each may be what is wrong. */
function conditionNodes(rule: CompiledRule, scope: Scope): ConditionNode[] {
  const nodes: ConditionNode[] = [];
  const { forEach: _, ...withoutItems } = rule;
  if (rule.when !== undefined) nodes.push(celNode(rule, "when", rule.when, evaluateConditions(withoutItems, scope)));
  const { when: __, ...withoutWhen } = rule;
  if (rule.forEach !== undefined)
    nodes.push(celNode(rule, "forEach", rule.forEach, evaluateConditions(withoutWhen, scope)));
  return nodes;
}

function celNode(
  rule: CompiledRule,
  op: "when" | "forEach",
  { source }: Expression,
  result: ConditionResult,
): ConditionNode {
  const cel: ConditionNode = { kind: "cel", ok: result.items !== undefined, counts: true, op, want: source };
  const place = rule.place([op]);
  if (place !== undefined) cel.place = place;
  if (result.problem !== undefined) cel.hint = result.problem.message;
  if (result.when !== undefined) cel.got = result.when;
  return cel;
}
