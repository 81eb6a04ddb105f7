/** The engines of the comparison behind one door: rules in, how many of them an event matches out. */
import { Environment } from "@marcbachmann/cel-js";
import jsonRulesEngine from "json-rules-engine";
import { Type } from "typebox";
import { matches } from "../../src/core/match/evaluate.ts";
import { createRuleSet } from "../../src/core/match/rule-set.ts";
import { type CompiledRule, compileRule } from "../../src/core/match/rules.ts";
import type { Event, JsonObject, Rule } from "../../src/model.ts";
import type { RuleSet, Wanted } from "./sets.ts";

export interface Engine {
  name: string;
  /** More rules than this would take minutes. */
  rulesMax: number;
  /** Undefined: it cannot state rules of this set. */
  prepare(set: RuleSet, count: number): ((event: JsonObject) => number | Promise<number>) | undefined;
}

const ACTIONS = new Map([["sink.request", { params: Type.Object({}) }]]);

export function compiledRules(set: RuleSet, count: number): CompiledRule[] {
  return Array.from({ length: count }, (_, i) => compiledRule(set, i, count));
}

export function compiledRule(set: RuleSet, i: number, count: number): CompiledRule {
  const rule: Rule = {
    id: `rule-${i}`,
    event: set.type,
    match: set.match(i, count),
    do: [{ "sink.request": {} }],
  };
  const env = { templates: new Map(), actions: ACTIONS, machines: undefined, place: () => undefined };
  const compiled = compileRule(rule, env);
  if (!compiled.rule) throw new Error(JSON.stringify(compiled.diagnostics));
  return compiled.rule;
}

const asEvent = (event: JsonObject) => event as unknown as Event;

export const index: Engine = {
  name: "index",
  rulesMax: 100_000,
  prepare(set, count) {
    const rules = createRuleSet(compiledRules(set, count));
    return (event) => rules.match(asEvent(event), {}).matched.length;
  },
};

/** The plain evaluator, rule by rule. */
const linear: Engine = {
  name: "evaluator, linear",
  rulesMax: 10_000,
  prepare(set, count) {
    const patterns = compiledRules(set, count).map(({ pattern }) => pattern!);
    return (event) => patterns.filter((pattern) => matches(pattern, asEvent(event))).length;
  },
};

/** Each rule an expression, compiled once; a missing field is an error, and so no match. */
const cel: Engine = {
  name: "CEL, linear",
  rulesMax: 1_000,
  prepare({ wanted }, count) {
    if (!wanted) return undefined;
    const environment = new Environment().registerVariable("event", "dyn");
    const programs = Array.from({ length: count }, (_, i) =>
      environment.parse(
        wanted(i, count)
          .map(({ path, equals }) => `event.${path} == ${JSON.stringify(equals)}`)
          .join(" && "),
      ),
    );
    return (event) => {
      const scope = { event };
      return programs.filter((program) => program(scope) === true).length;
    };
  },
};

const almanac: Engine = {
  name: "json-rules-engine",
  rulesMax: 1_000,
  prepare({ wanted }, count) {
    if (!wanted) return undefined;
    const engine = new jsonRulesEngine.Engine();
    const condition = ({ path, equals }: Wanted) => ({
      fact: "event",
      path: `$.${path}`,
      operator: "equal",
      value: equals,
    });
    for (let i = 0; i < count; i++)
      engine.addRule({ conditions: { all: wanted(i, count).map(condition) }, event: { type: `rule-${i}` } });
    return async (event) => (await engine.run({ event })).events.length;
  },
};

export const engines: readonly Engine[] = [index, linear, cel, almanac];
