/** The nouns, filled in: each takes what matters to the test and invents the rest. */
import type { Decision, Delivery, Event, Instance, NewEvent, Refusal, Timer, Trace } from "../../src/model.ts";

/** 2026-01-05T09:00:00Z: when every invented event arrives. */
export const ARRIVAL_MS = Date.UTC(2026, 0, 5, 9);

export function event(id: string, more: Partial<Event> = {}): Event {
  const receivedAt = new Date(ARRIVAL_MS).toISOString();
  return { id, type: "github.push", source: "github-acme", time: receivedAt, receivedAt, data: { id }, ...more };
}

export function newEvent(id: string, more: Partial<Event> = {}, keys: NewEvent["keys"] = []): NewEvent {
  return { event: event(id, more), keys };
}

export function trace(more: Partial<Trace> = {}): Trace {
  return {
    policy: "rev1",
    matched: [],
    considered: 0,
    transitions: [],
    deliveries: [],
    timers: { set: [], cancelled: [] },
    emitted: [],
    problems: [],
    ...more,
  };
}

export function decision(eventId: string, more: Partial<Decision> = {}): Decision {
  return {
    event: eventId,
    decidedAtMs: ARRIVAL_MS + 5,
    instances: [],
    timersSet: [],
    timersCancelled: [],
    deliveries: [],
    cancelled: [],
    emitted: [],
    trace: trace(),
    ...more,
  };
}

export function instance(key: string, version: number, more: Partial<Instance> = {}): Instance {
  return {
    machine: "gate",
    key,
    definition: "sha256-1",
    version,
    status: "active",
    state: { gathering: { ci: "waiting" } },
    context: { sha: "9f31c2e" },
    timers: {},
    calls: {},
    createdAtMs: ARRIVAL_MS,
    updatedAtMs: ARRIVAL_MS + version,
    ...more,
  };
}

export function timer(id: string, more: Partial<Timer> = {}): Timer {
  return { machine: "gate", key: "a", id, step: 1, dueAtMs: ARRIVAL_MS + 100, causedBy: "evt_1", ...more };
}

export function delivery(id: string, more: Partial<Delivery> = {}): Delivery {
  return {
    id,
    event: "evt_1",
    cause: { kind: "rule", rule: "tell", item: 0, index: 0 },
    connection: "slack",
    action: "post",
    params: { text: "hi" },
    status: "pending",
    attempts: [],
    nextAtMs: ARRIVAL_MS,
    emitsOutcome: false,
    hops: 0,
    createdAtMs: ARRIVAL_MS,
    ...more,
  };
}

export function refusal(id: string, source: string): Refusal {
  return {
    id,
    atMs: ARRIVAL_MS,
    source,
    status: 401,
    code: "SB0503",
    reason: "signature_mismatch",
    bytes: 12,
    bodySha256: "ab",
  };
}
