/** The reason why (not): what explain answers. */
import type { Place, TraceProblem } from "./decision.ts";
import type { Event } from "./event.ts";
import type { InstanceKey } from "./instance.ts";
import type { Json, JsonObject } from "./json.ts";
import type { DeliveryView, TraceView } from "./views.ts";

/** A condition as it was met: rendered by explain, the API and the near-miss list alike. */
export interface CondNode {
  kind: "all" | "any" | "not" | "leaf" | "cel";
  ok: boolean;
  /** False for a failed leaf that did no harm (a branch of a satisfied `any`): drawn grey, never red. */
  counts: boolean;
  place?: Place;
  children?: CondNode[];
  /** Leaf: event path such as `data.pull_request.merged`, operator, what was wanted and found. */
  path?: string;
  op?: string;
  want?: Json;
  got?: Json;
  missing?: boolean;
  hint?: string;
}

export interface RuleOutcome {
  id: string;
  place?: Place;
  matched: boolean;
  /** The least number of leaves that would have to flip; 0 = matched. */
  distance: number;
  tree: CondNode;
}

/** What a rule causes: a delivery, a signal to a machine of that definition, or a problem. */
export type Effect =
  | Pick<DeliveryView, "action" | "params">
  | (InstanceKey & { signal: string; definition?: string; params: JsonObject })
  | Pick<TraceProblem, "code" | "message">;
/** `unasked`: it is for other event types; `absent`: there is no such rule. `effects`: only those that the other time has not. */
interface RuleEnd {
  outcome: "matched" | "observed" | "missed" | "unasked" | "absent";
  items: number;
  effects: Effect[];
}

export interface RuleChange {
  rule: string;
  place?: Place;
  was: RuleEnd;
  now: RuleEnd;
}

/** Why an event did (not) cause what it did. */
export interface Explanation {
  event: Event;
  /** Policy revision that this was computed with. */
  policy: string;
  rules: RuleOutcome[];
  /** Rules for other event types. */
  notConsidered: { count: number; ids: string[] };
  /** What was decided when the event came, for a stored event. */
  decided?: { atMs: number; trace: TraceView };
  /** Unless the running `policy` decided it: what that would do otherwise. Not complete: only recorded matches could be compared. */
  changes?: { policy: string; complete: boolean; rules: RuleChange[] };
  deliveries: DeliveryView[];
}
