/** The reason why (not): what explain answers. */
import type { Static } from "typebox";
import type {
  ConditionSchema,
  EffectSchema,
  ExplanationSchema,
  RuleChangeSchema,
  RuleExplanationSchema,
} from "./schemas.ts";

/** A condition as it was met: rendered by explain, the API and the near-miss list alike. */
export type ConditionNode = Static<typeof ConditionSchema>;
export type RuleExplanation = Static<typeof RuleExplanationSchema>;

/** What a rule causes: a delivery, a signal to a machine of that definition, or a problem. */
export type RuleEffect = Static<typeof EffectSchema>;
export type RuleChange = Static<typeof RuleChangeSchema>;

/** Why an event did (not) cause what it did. */
export type Explanation = Static<typeof ExplanationSchema>;
