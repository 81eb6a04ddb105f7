/** Writes decisions: decided events, instances, timers, deliveries. Synchronous; runs inside the caller's transaction. */
import type { Committed, Tenure } from "../../ports/log.ts";
import type { DecisionRow, DeliveryRow, InstanceRow } from "../rows.ts";
import { appender } from "./log.ts";
import { INSTANCE_COLUMNS, type Prepare } from "./prepare.ts";

const DECIDE = `
  update events
  set decided_at_ms = ?, outcome = ?, problem = ?, trace = ?
  where id = ?
    and decided_at_ms is null`;

const CREATE_INSTANCE = `
  insert into instances (definition, version, status, updated_at_ms, body, machine, key)
  values (?, ?, ?, ?, ?, ?, ?)
  on conflict (key, machine) do nothing`;

const STEP_INSTANCE = `
  update instances
  set definition = ?, version = ?, status = ?, updated_at_ms = ?, body = ?
  where machine = ?
    and key = ?
    and version = ?`;

const CANCEL_TIMER = `
  delete from timers
  where machine = ?
    and key = ?
    and id = ?`;

const SET_TIMER = `
  insert into timers (machine, key, id, step, due_at_ms, caused_by)
  values (?, ?, ?, ?, ?, ?)
  on conflict (machine, key, id) do update
  set step = excluded.step, due_at_ms = excluded.due_at_ms, caused_by = excluded.caused_by`;

const ADD_DELIVERY = `
  insert into deliveries (
    id, event, action, connection, status, next_at_ms, wake_at_ms, settled_at_ms, attempts, result, error, body
  )
  values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  on conflict (id) do nothing`;

const CANCEL_DELIVERY = `
  update deliveries
  set status = 'cancelled', settled_at_ms = ?
  where id = ?
    and status = 'pending'`;

/** Only for roots that are kept, with which the count goes again. */
const COUNT_CAUSED = `
  insert into caused (root, n)
  select id, 1
  from events
  where id = ?
  on conflict (root) do update
  set n = n + 1`;

const INSTANCE = `
  select ${INSTANCE_COLUMNS}
  from instances
  where machine = ?
    and key = ?`;

const FENCE = `
  select 1
  from lanes
  where lane = ?
    and fence = ?`;

export function decisionTables(prepare: Prepare) {
  const claim = decisionClaimer(prepare);
  const write = decisionWriter(prepare);
  const fence = prepare(FENCE);
  const instance = prepare<InstanceRow>(INSTANCE);
  return {
    /** When not ok, the caller rolls back. All events are claimed before anything is written, so that no decision of the batch decides an event that another one emits. */
    commit(decisions: readonly DecisionRow[], tenure: Tenure): Committed {
      if (fence.get(tenure.lane, tenure.fence) === undefined) return { ok: false, why: "fenced" };
      for (const decision of decisions) {
        const why = claim(decision);
        if (why !== undefined) return { ok: false, why, event: decision.event };
      }
      for (const decision of decisions) write(decision);
      return { ok: true };
    },
    instances: (keys: readonly { machine: string; key: string }[]) =>
      keys.flatMap(({ machine, key }) => instance.get(machine, key) ?? []),
  };
}

/** Claims the event and steps the instances of one decision; undefined = done, otherwise the reason why not. */
function decisionClaimer(prepare: Prepare): (decision: DecisionRow) => "decided" | "stepped" | undefined {
  const step = instanceWriter(prepare);
  const decide = prepare(DECIDE);
  return ({ event, decidedAtMs, outcome, problem, trace, instances }) => {
    if (decide.run(decidedAtMs, outcome, problem, trace, event).changes === 0) return "decided";
    return instances.every(step) ? undefined : "stepped";
  };
}

/** Writes the timers, deliveries and emitted events of one decision. */
function decisionWriter(prepare: Prepare): (decision: DecisionRow) => void {
  const append = appender(prepare);
  const addDelivery = deliveryWriter(prepare);
  const cancelTimer = prepare(CANCEL_TIMER);
  const setTimer = prepare(SET_TIMER);
  const cancelDelivery = prepare(CANCEL_DELIVERY);
  const countCaused = causedCounter(prepare);
  return (decision) => {
    // Cancelled before set: a state that is entered again cancels its timer and sets it again.
    for (const { machine, key, id } of decision.timersCancelled) cancelTimer.run(machine, key, id);
    for (const { machine, key, id, step, dueAtMs, causedBy } of decision.timersSet) {
      setTimer.run(machine, key, id, step, dueAtMs, causedBy);
    }
    // Added before cancelled: two signals of one event may start a call and cancel it.
    for (const delivery of decision.deliveries) if (addDelivery(delivery)) countCaused(delivery.outcomeRoot);
    for (const id of decision.cancelled) cancelDelivery.run(decision.decidedAtMs, id);
    const appended = decision.emitted.filter((emitted) => !append(emitted).duplicate);
    for (const { root } of appended) countCaused(root);
  };
}

function causedCounter(prepare: Prepare): (root: string | null) => void {
  const count = prepare(COUNT_CAUSED);
  return (root) => {
    if (root !== null) count.run(root);
  };
}

function instanceWriter(prepare: Prepare): (row: InstanceRow) => boolean {
  const create = prepare(CREATE_INSTANCE);
  const step = prepare(STEP_INSTANCE);
  return (row) => {
    const { definition, version, status, updatedAtMs, body, machine, key } = row;
    const values = [definition, version, status, updatedAtMs, body, machine, key];
    const result = version === 1 ? create.run(...values) : step.run(...values, version - 1);
    return result.changes === 1;
  };
}

/** False = a delivery with this id exists and is kept as it is. */
function deliveryWriter(prepare: Prepare): (row: DeliveryRow) => boolean {
  const add = prepare(ADD_DELIVERY);
  return (row) => {
    const { id, event, action, connection, status, nextAtMs, settledAtMs, attempts, result, error, body } = row;
    const values = [
      id,
      event,
      action,
      connection,
      status,
      nextAtMs,
      nextAtMs,
      settledAtMs,
      attempts,
      result,
      error,
      body,
    ];
    return add.run(...values).changes === 1;
  };
}
