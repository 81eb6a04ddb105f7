/** What somebody without the scope payload:read sees instead of what senders wrote and providers answered. */
import type {
  CondNode,
  DeliveryView,
  Event,
  Explanation,
  Instance,
  JsonObject,
  Refusal,
  RuleChange,
  TraceView,
} from "../../model.ts";
import type { EventView } from "../../operations/operations.ts";

const REDACTED: JsonObject = { redacted: true };
const WITHHELD = "(redacted)";

export const withoutPayload = {
  event: (event: Event): Event => ({ ...event, data: REDACTED }),

  record<R extends EventView>(record: R): R {
    const { trace } = record;
    return { ...record, event: withoutPayload.event(record.event), ...(trace ? { trace: quiet(trace) } : {}) };
  },

  delivery(delivery: DeliveryView): DeliveryView {
    const { result, error } = delivery;
    return {
      ...delivery,
      params: REDACTED,
      attempts: delivery.attempts.map((attempt) => ({ ...attempt, detail: WITHHELD })),
      ...(result === undefined ? {} : { result: REDACTED }),
      ...(error?.body === undefined ? {} : { error: { ...error, body: WITHHELD } }),
    };
  },

  instance(instance: Instance): Instance {
    return { ...instance, context: REDACTED, ...(instance.output === undefined ? {} : { output: REDACTED }) };
  },

  explanation(explanation: Explanation): Explanation {
    const { decided, changes } = explanation;
    return {
      ...explanation,
      event: withoutPayload.event(explanation.event),
      rules: explanation.rules.map((rule) => ({ ...rule, tree: condition(rule.tree) })),
      deliveries: explanation.deliveries.map(withoutPayload.delivery),
      ...(decided ? { decided: { ...decided, trace: quiet(decided.trace) } } : {}),
      ...(changes ? { changes: { ...changes, rules: changes.rules.map(withoutParams) } } : {}),
    };
  },

  refusal({ excerpt: _, ...refusal }: Refusal): Refusal {
    return refusal;
  },
};

/** Log lines of machines are rendered from payloads. */
function quiet({ logs, ...trace }: TraceView): TraceView {
  return { ...trace, ...(logs ? { logs: logs.map(() => WITHHELD) } : {}) };
}

/** Parameters are rendered from payloads. */
function withoutParams({ was, now, ...change }: RuleChange): RuleChange {
  const quieter = ({ effects, ...end }: RuleChange["was"]) => ({
    ...end,
    effects: effects.map((effect) => ("params" in effect ? { ...effect, params: REDACTED } : effect)),
  });
  return { ...change, was: quieter(was), now: quieter(now) };
}

/** Keeps what the rule wants, and what was found in the envelope; takes what was found in the payload, and hints that quote it. */
function condition({ got, hint, children, ...node }: CondNode): CondNode {
  const isEnvelope = node.path !== undefined && !/^(event\.)?data\b/.test(node.path);
  return {
    ...node,
    ...(children ? { children: children.map(condition) } : {}),
    ...(got === undefined ? {} : { got: isEnvelope ? got : WITHHELD }),
    ...(hint !== undefined && isEnvelope ? { hint } : {}),
  };
}
