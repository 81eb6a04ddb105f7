/**
 * What a reader of rules easily overlooks: a rule that can never match, conditions that contradict each other, a rule behind one that
 * always stops before it, and fields and values that no known event has. Only what is certain is reported, as warnings: a policy with
 * warnings still loads.
 */
import { type Diagnostic, newWarning } from "../../errors.ts";
import type { Leaf } from "../match/pattern.ts";
import type { CompiledRule } from "../match/rules.ts";
import { quoted } from "../words.ts";
import { contradictions } from "./contradictions.ts";
import { attributeDiagnostics, branchesOf } from "./never.ts";
import { shadows } from "./shadows.ts";

/** A warning about a rule; its path starts at the rule. */
export interface RuleDiagnostic {
  rule: CompiledRule;
  diagnostic: Diagnostic;
}

/** Warnings about rules (SB0310 to SB0315), in the order of the rules, that need no known events. */
export function lint(rules: readonly CompiledRule[]): RuleDiagnostic[] {
  const shadowed = shadows(rules);
  return rules.flatMap((rule, position) => {
    const shadow = shadowed.get(position);
    const diagnostics = [
      ...(shadow === undefined ? [] : [shadow]),
      ...patternDiagnostics(rule),
      ...conditionDiagnostics(rule),
    ];
    return diagnostics.map((diagnostic) => ({ rule, diagnostic }));
  });
}

function patternDiagnostics(rule: CompiledRule): Diagnostic[] {
  if (rule.pattern === undefined) return [];
  const branches = branchesOf(rule.pattern.written);
  const byPath = new Map<string, Diagnostic>();
  const dead = new Set<Leaf>();
  for (const branch of branches) {
    for (const leaf of branch.own) {
      for (const diagnostic of attributeDiagnostics(rule, leaf, branch)) {
        // Several fields below one unknown key give one warning.
        const key = JSON.stringify(diagnostic.path);
        if (byPath.get(key)?.code !== "SB0310") byPath.set(key, diagnostic);
        if (diagnostic.code === "SB0310") dead.add(leaf);
      }
    }
  }
  const alive = (leaves: readonly Leaf[]) => (dead.size === 0 ? leaves : leaves.filter((leaf) => !dead.has(leaf)));
  const sound = branches.map(({ own, around, inBranch }) => ({ own: alive(own), around: alive(around), inBranch }));
  const diagnostics = [...byPath.values(), ...contradictions(sound)];
  return diagnostics.map((diagnostic) => ({ ...diagnostic, path: ["match", ...(diagnostic.path ?? [])] }));
}

/** A `when` that reads nothing gives the same for every event. */
function conditionDiagnostics({ when }: CompiledRule): Diagnostic[] {
  if (when === undefined || when.reads.length > 0) return [];
  const result = when.evaluate({ event: {} });
  if (!result.ok || result.value === true) return [];
  const message = `The condition is ${quoted(result.value)} for every event, so the rule never matches`;
  return [newWarning("SB0310", message, { path: ["when"] })];
}
