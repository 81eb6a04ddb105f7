/**
 * What a reader of rules does not see by eye: a rule that can never match, conditions that contradict each other, a rule behind one that
 * always stops before it, and fields and values that no known event has. Only what is certain is told, as warnings: a policy with findings
 * still loads.
 */
import type { Diagnostic } from "../../errors.ts";
import type { Leaf } from "../match/pattern.ts";
import type { CompiledRule } from "../match/rules.ts";
import { quoted } from "../words.ts";
import { contradictions } from "./contradictions.ts";
import { attributeProblems, scopesOf } from "./never.ts";
import { shadows } from "./shadows.ts";

export { type KnownEvents, unseen } from "./unseen.ts";

/** A warning about a rule; its path starts at the rule. */
export interface Finding {
  rule: CompiledRule;
  problem: Diagnostic;
}

/** Findings about rules in the order in which they are asked (SB0310 to SB0314), as far as the rules alone tell. */
export function lint(rules: readonly CompiledRule[]): Finding[] {
  const shadowed = shadows(rules);
  return rules.flatMap((rule, position) => {
    const shadow = shadowed.get(position);
    const problems = [...(shadow === undefined ? [] : [shadow]), ...patternProblems(rule), ...conditionProblems(rule)];
    return problems.map((problem) => ({ rule, problem }));
  });
}

function patternProblems(rule: CompiledRule): Diagnostic[] {
  if (rule.pattern === undefined) return [];
  const scopes = scopesOf(rule.pattern.written);
  const told = new Map<string, Diagnostic>();
  const dead = new Set<Leaf>();
  for (const scope of scopes) {
    for (const leaf of scope.own) {
      for (const problem of attributeProblems(rule, leaf, scope)) {
        // Several fields below one strange key are one finding.
        const key = JSON.stringify(problem.path);
        if (told.get(key)?.code !== "SB0310") told.set(key, problem);
        if (problem.code === "SB0310") dead.add(leaf);
      }
    }
  }
  const alive = (leaves: readonly Leaf[]) => (dead.size === 0 ? leaves : leaves.filter((leaf) => !dead.has(leaf)));
  const sound = scopes.map(({ own, around, inBranch }) => ({ own: alive(own), around: alive(around), inBranch }));
  const problems = [...told.values(), ...contradictions(sound)];
  return problems.map((problem) => ({ ...problem, path: ["match", ...(problem.path ?? [])] }));
}

/** A `when` that reads nothing gives the same for every event. */
function conditionProblems({ when }: CompiledRule): Diagnostic[] {
  if (when === undefined || when.reads.length > 0) return [];
  const given = when.evaluate({ event: {} });
  if (!given.ok || given.value === true) return [];
  const message = `The condition is ${quoted(given.value)} for every event, so the rule never matches`;
  return [{ code: "SB0310", severity: "warning", message, path: ["when"] }];
}
