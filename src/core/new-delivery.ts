/** Deliveries as decisions make them. Pure. */
import { actionParts, type Cause, type Delivery, type Event, type JsonObject } from "../model.ts";
import type { RuleSet } from "./match/rule-set.ts";

export interface DeliveryDraft {
  id: string;
  cause: Cause;
  /** `connection.action`. */
  action: string;
  params: JsonObject;
  nowMs: number;
}

/** Due at once. Its outcome becomes an event when a state awaits it or a rule listens to outcomes. */
export function newDelivery(
  rules: Pick<RuleSet, "listensTo">,
  event: Event,
  { id, cause, action, params, nowMs }: DeliveryDraft,
): Delivery {
  const isListenedTo = rules.listensTo("delivery.done") || rules.listensTo("delivery.failed");
  return {
    id,
    event: event.id,
    cause,
    ...actionParts(action),
    params,
    status: "pending",
    attempts: [],
    nextAtMs: nowMs,
    emitsOutcome: cause.kind === "call" || isListenedTo,
    hops: event.hops ?? 0,
    ...(event.root === undefined ? {} : { root: event.root }),
    createdAtMs: nowMs,
  };
}

/** The delivery as a rule that is only observed leaves it: recorded and not performed. */
export function observed(delivery: Delivery, nowMs: number): Delivery {
  return { ...delivery, status: "observed", emitsOutcome: false, settledAtMs: nowMs };
}
