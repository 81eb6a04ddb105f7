/** Removes payloads of senders and responses of providers for principals without the scope payload:read. */
import type { EventView } from "../../api/events.ts";
import type {
  ConditionNode,
  DeliveryView,
  Event,
  Explanation,
  Instance,
  JsonObject,
  Refusal,
  RuleChange,
  TraceView,
} from "../../model.ts";

const REDACTED: JsonObject = { redacted: true };
const WITHHELD = "(redacted)";

/** The nouns as the API returns them, with payloads or without. */
export interface PayloadView {
  /** Nothing is withheld. */
  isWhole: boolean;
  record(record: EventView): EventView;
  delivery(delivery: DeliveryView): DeliveryView;
  instance(instance: Instance): Instance;
  explanation(explanation: Explanation): Explanation;
  refusal(refusal: Refusal): Refusal;
}

export function payloadView(seesPayload: boolean): PayloadView {
  return seesPayload ? WHOLE : REDACTING;
}

const same = <T>(noun: T): T => noun;
const WHOLE: PayloadView = {
  ...{ isWhole: true, record: same, delivery: same, instance: same, explanation: same, refusal: same },
};

const withoutData = (event: Event): Event => ({ ...event, data: REDACTED });

const REDACTING: PayloadView = {
  isWhole: false,
  record(record) {
    const { event, trace } = record;
    return { ...record, event: withoutData(event), ...(trace ? { trace: withoutLogs(trace) } : {}) };
  },
  delivery(delivery) {
    const { result, error } = delivery;
    return {
      ...delivery,
      params: REDACTED,
      attempts: delivery.attempts.map((attempt) => ({ ...attempt, detail: WITHHELD })),
      ...(result === undefined ? {} : { result: REDACTED }),
      ...(error?.body === undefined ? {} : { error: { ...error, body: WITHHELD } }),
    };
  },
  instance: (instance) => ({
    ...instance,
    context: REDACTED,
    ...(instance.output === undefined ? {} : { output: REDACTED }),
  }),
  explanation(explanation) {
    const { decided, changes } = explanation;
    return {
      ...explanation,
      event: withoutData(explanation.event),
      rules: explanation.rules.map((rule) => ({ ...rule, tree: redactedCondition(rule.tree) })),
      deliveries: explanation.deliveries.map(REDACTING.delivery),
      ...(decided ? { decided: { ...decided, trace: withoutLogs(decided.trace) } } : {}),
      ...(changes ? { changes: { ...changes, rules: changes.rules.map(withoutParams) } } : {}),
    };
  },
  refusal: ({ excerpt: _, ...refusal }) => refusal,
};

/** Log lines of machines are rendered from payloads. */
function withoutLogs({ logs, ...trace }: TraceView): TraceView {
  return { ...trace, ...(logs ? { logs: logs.map(() => WITHHELD) } : {}) };
}

/** Parameters are rendered from payloads. */
function withoutParams({ was, now, ...change }: RuleChange): RuleChange {
  const withoutEffectParams = ({ effects, ...end }: RuleChange["was"]) => ({
    ...end,
    effects: effects.map((effect) => ("params" in effect ? { ...effect, params: REDACTED } : effect)),
  });
  return { ...change, was: withoutEffectParams(was), now: withoutEffectParams(now) };
}

/** Keeps the expected value, and the actual one of the envelope; removes the actual value of the payload, and hints that quote it. */
function redactedCondition({ got, hint, children, ...node }: ConditionNode): ConditionNode {
  const isEnvelope = node.path !== undefined && !/^(event\.)?data\b/.test(node.path);
  return {
    ...node,
    ...(children ? { children: children.map(redactedCondition) } : {}),
    ...(got === undefined ? {} : { got: isEnvelope ? got : WITHHELD }),
    ...(hint !== undefined && isEnvelope ? { hint } : {}),
  };
}
