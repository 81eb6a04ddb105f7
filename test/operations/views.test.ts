import { expect, test } from "vitest";
import { deliveryView, eventView, traceView } from "../../src/operations/views.ts";
import { delivery, event, trace } from "../support/nouns.ts";

test("a delivery is shown with the whole name of its action", () => {
  expect(deliveryView(delivery("d", { emitsOutcome: true }))).toEqual({
    ...delivery("d", { emitsOutcome: true }),
    ...{ connection: "slack", action: "slack.post", reports: true },
  });
});

test("a trace is shown with ids of emitted events and whole names of actions", () => {
  const emitted = [{ id: "evt_2", type: "gate.said" }, { id: "evt_3" }];
  const stored = trace({ emitted, deliveries: [{ id: "d", connection: "slack", action: "post" }] });
  const shown = {
    ...stored,
    emitted: ["evt_2", "evt_3"],
    emittedEvents: emitted,
    deliveries: [{ id: "d", connection: "slack", action: "slack.post" }],
  };
  expect(traceView(stored)).toEqual(shown);
  expect(eventView({ event: event("evt_1"), seq: 1, trace: stored }).trace).toEqual(shown);
  expect(eventView({ event: event("evt_1"), seq: 1 })).toEqual({ event: event("evt_1"), seq: 1 });
});
