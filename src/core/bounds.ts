/** What bounds the events that one event causes: how deep, how many, and how many items in one decision. Pure. */
import { type Decision, type Event, type Json, LIMITS, type NewEvent, type TraceProblem } from "../model.ts";
import { continuationEvent } from "./own-events.ts";

/** Why nothing may come of an event that ends a chain of causes which is too long. */
export function chainProblem({ hops = 0, causedBy }: Event): TraceProblem | undefined {
  if (hops <= LIMITS.causalChain) return undefined;
  const message = `This event ends a chain of more than ${LIMITS.causalChain} events that cause each other; the one before is "${causedBy}"`;
  return { code: "SB0403", message };
}

/** How many events a decision adds to those that the root of its event has caused: what it emits, and outcomes to come. */
export function eventsCausedBy({ emitted, deliveries }: Decision): number {
  return emitted.length + deliveries.filter(({ emitsOutcome }) => emitsOutcome).length;
}

/**
 * Leaves out what the root of the event may not cause any more, and says so. `caused` = the events that it has caused so far. Emitted events
 * and calls are left out; other deliveries are made, but their outcome does not become an event.
 */
export function cutToBudget(decision: Decision, { id, root = id }: Event, caused: number): void {
  let left = Math.max(0, LIMITS.causedEvents - caused);
  if (eventsCausedBy(decision) <= left) return;
  const take = () => left-- > 0;
  const before = { emitted: decision.emitted.length, deliveries: decision.deliveries.length };
  decision.emitted = decision.emitted.filter(take);
  decision.deliveries = decision.deliveries.filter((delivery) => delivery.cause.kind !== "call" || take());
  decision.deliveries = decision.deliveries.map((delivery) =>
    delivery.cause.kind === "call" || !delivery.emitsOutcome || take()
      ? delivery
      : { ...delivery, emitsOutcome: false },
  );
  const lost = [
    `${before.emitted - decision.emitted.length} events that it emits or continues with`,
    `${before.deliveries - decision.deliveries.length} calls`,
  ];
  const message = `"${root}" may cause at most ${LIMITS.causedEvents} events: of this one ${lost.join(" and ")} are left out, and outcomes past the limit are no events`;
  decision.trace.problems.push({ code: "SB0403", message });
}

/** The items of one decision, and the events that go on with the others. */
export function partsOf(
  event: Event,
  { rule, items }: { rule: string; items: readonly Json[] },
  nowMs: number,
): { first: readonly Json[]; others: NewEvent[] } {
  const { forEachItems } = LIMITS;
  const others: NewEvent[] = [];
  for (let from = forEachItems; from < items.length; from += forEachItems) {
    others.push(continuationEvent(event, { rule, from, items: items.slice(from, from + forEachItems) }, nowMs));
  }
  return { first: items.slice(0, forEachItems), others };
}

/** What was left out of an event when it was received. */
export function cutProblems({ cut }: Event): TraceProblem[] {
  if (cut?.tickets === undefined) return [];
  const message = `The event names ${cut.tickets} tickets, rules see the first ${LIMITS.tickets}`;
  return [{ code: "SB0108", message }];
}
