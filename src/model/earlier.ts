/** Nouns in the form in which version 0.1 stored them, read in today's form. What has today's form already comes back as it is. */

import type { Address, InstanceKey, SetTimer } from "./address.ts";
import type { Trace } from "./decision.ts";
import { actionParts, type Cause, type Delivery } from "./delivery.ts";
import type { Event } from "./event.ts";
import type { Json, JsonObject } from "./json.ts";

/** All kinds of address in one bag of optional fields; a migration's timers were in `event.data.timers`. */
interface EarlierAddress extends InstanceKey {
  kind?: undefined;
  signal: string;
  timer?: string;
  call?: string;
  step?: number;
  definition?: string;
}

type EarlierCause =
  | { kind?: undefined; rule: string; item: number; index: number }
  | ({ kind?: undefined; step: number; index: number; call?: string } & InstanceKey);

type EarlierEvent = Omit<Event, "to"> & { to: EarlierAddress };

/** An event as it was read from outside: its address may have the earlier form. */
export type StoredEvent = Event | EarlierEvent;

/** A trace as it was stored. */
export type StoredTrace = Omit<Trace, "emitted" | "deliveries"> & {
  emitted: (string | Trace["emitted"][number])[];
  deliveries: ({ id: string; action: string } | Trace["deliveries"][number])[];
};

/** What a delivery keeps of its decision, as it was stored. */
export type StoredDeliveryBody = Pick<Delivery, "params" | "hops" | "createdAtMs" | "retry" | "timeoutMs"> & {
  cause: Cause | EarlierCause;
} & ({ emitsOutcome: boolean } | { reports: boolean });

/** An event as it comes from a store or a request. Most have no address and are not copied. */
export function currentEvent(stored: StoredEvent): Event {
  return isCurrent(stored) ? stored : { ...stored, to: currentAddress(stored.to, stored) };
}

function isCurrent(stored: Event | EarlierEvent): stored is Event {
  return stored.to === undefined || stored.to.kind !== undefined;
}

function currentAddress(to: EarlierAddress, { type, data }: Pick<Event, "type" | "data">): Address {
  // No step has the number 0: an answer that does not say which step it is for is stale.
  const { machine, key, signal, step = 0 } = to;
  if (to.definition !== undefined) {
    return { kind: "migration", machine, key, definition: to.definition, timers: timersIn(data.timers) };
  }
  if (to.timer !== undefined) return { kind: "timer", machine, key, signal, timer: to.timer, step };
  if (to.call === undefined) return { kind: "signal", machine, key, signal };
  return { kind: "call", machine, key, signal, call: to.call, step, ok: type === "delivery.done" };
}

function timersIn(value: Json | undefined): SetTimer[] {
  return (Array.isArray(value) ? value : []).flatMap((timer) => {
    const { id, step, dueAtMs } = timer as JsonObject;
    return typeof id === "string" && typeof step === "number" && typeof dueAtMs === "number"
      ? [{ id, step, dueAtMs }]
      : [];
  });
}

export function currentTrace(trace: StoredTrace): Trace {
  return {
    ...trace,
    emitted: trace.emitted.map((emitted) => (typeof emitted === "string" ? { id: emitted } : emitted)),
    deliveries: trace.deliveries.map((delivery) =>
      "connection" in delivery ? delivery : { id: delivery.id, ...actionParts(delivery.action) },
    ),
  };
}

export function currentDeliveryBody(
  stored: StoredDeliveryBody,
): Omit<StoredDeliveryBody, "cause"> & { cause: Cause; emitsOutcome: boolean } {
  const { cause, ...rest } = stored;
  if (!("reports" in rest)) return { ...rest, cause: currentCause(cause) };
  const { reports, ...body } = rest;
  return { ...body, cause: currentCause(cause), emitsOutcome: reports };
}

function currentCause(cause: Cause | EarlierCause): Cause {
  if (cause.kind !== undefined) return cause;
  if ("rule" in cause) return { ...cause, kind: "rule" };
  const { call, ...step } = cause;
  return call === undefined ? { ...step, kind: "step" } : { ...step, kind: "call", call };
}
