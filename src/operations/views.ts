/** Stored nouns as the API and the command line show them. */
import { actionName, type Delivery, type DeliveryView, type Trace, type TraceView } from "../model.ts";
import type { EventRecord } from "../ports/questions.ts";
import type { EventView } from "./operations.ts";

export function deliveryView(delivery: Delivery): DeliveryView {
  return { ...delivery, action: actionName(delivery), reports: delivery.emitsOutcome };
}

export function traceView({ emitted, ...trace }: Trace): TraceView {
  const deliveries = trace.deliveries.map((delivery) => ({ ...delivery, action: actionName(delivery) }));
  return { ...trace, deliveries, emitted: emitted.map(({ id }) => id), emittedEvents: emitted };
}

export function eventView({ trace, ...record }: EventRecord): EventView {
  return trace === undefined ? record : { ...record, trace: traceView(trace) };
}
