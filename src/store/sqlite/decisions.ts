/** What decisions write: decided events, instances, timers, deliveries. Synchronous; runs inside the caller's transaction. */
import type { Instance, Timer } from "../../model.ts";
import type { DecisionRow, DeliveryRow, InstanceRow } from "../rows.ts";
import { appender } from "./log.ts";
import { equal, type Prepare, WINDOW, type Window, where } from "./prepare.ts";

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

const INSTANCE_COLUMNS = "machine, key, definition, version, status, updated_at_ms as updatedAtMs, body";

const INSTANCE = `
  select ${INSTANCE_COLUMNS}
  from instances
  where machine = ?
    and key = ?`;

const TIMERS_OF = `
  select machine, key, id, step, due_at_ms as dueAtMs, caused_by as causedBy
  from timers
  where machine = ?
    and key = ?
  order by due_at_ms, id`;

/** The last row of a window over the instances, last changed first. */
const WINDOW_FLOOR = `
  select updated_at_ms as updatedAtMs, n
  from instances
  where (updated_at_ms, n) < (?, ?)
  order by updated_at_ms desc, n desc
  limit 1 offset ${WINDOW - 1}`;

/** A place in that order: updatedAtMs and n. */
type InstancePosition = readonly number[];
const TOP: InstancePosition = [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER];

export function decisionTables(prepare: Prepare) {
  const take = decisionTaker(prepare);
  const write = decisionWriter(prepare);
  const instance = prepare<InstanceRow>(INSTANCE);
  const timersOf = prepare<Timer>(TIMERS_OF);
  const windowFloor = prepare<{ updatedAtMs: number; n: number }>(WINDOW_FLOOR);
  return {
    /** False = the caller undoes what was written so far. All are taken before any is written: what one emits none of them decides. */
    commit(decisions: readonly DecisionRow[]): boolean {
      if (!decisions.every(take)) return false;
      for (const decision of decisions) write(decision);
      return true;
    },
    instances: (keys: readonly { machine: string; key: string }[]) =>
      keys.flatMap(({ machine, key }) => instance.get(machine, key) ?? []),
    timersOf: ({ machine, key }: { machine: string; key: string }) => timersOf.all(machine, key),
    /** Last changed first, below `before`; `floor` is where the next window starts, absent at the end. */
    instanceList(
      filter: { machine?: string; status?: Instance["status"]; key?: string },
      before: InstancePosition | undefined,
      limit: number,
    ): Window<InstanceRow & { n: number }, InstancePosition> {
      const top = before ?? TOP;
      const floor = filter.key === undefined ? windowFloor.get(...top) : undefined;
      const { clause, values } = where([
        ["(updated_at_ms, n) < (?, ?)", ...top],
        ...(floor === undefined ? [] : [["(updated_at_ms, n) >= (?, ?)", floor.updatedAtMs, floor.n] as const]),
        ...equal("machine", filter.machine),
        ...equal("status", filter.status),
        ...equal("key", filter.key),
      ]);
      const found = prepare<InstanceRow & { n: number }>(`
        select n, ${INSTANCE_COLUMNS}
        from instances
        where ${clause}
        order by updated_at_ms desc, n desc
        limit ?`).all(...values, limit);
      return floor === undefined ? { found } : { found, floor: [floor.updatedAtMs, floor.n] };
    },
  };
}

/** Takes the event and steps the instances of one decision; false when the event is decided already or an instance has moved on. */
function decisionTaker(prepare: Prepare): (decision: DecisionRow) => boolean {
  const step = instanceWriter(prepare);
  const decide = prepare(DECIDE);
  return ({ event, decidedAtMs, outcome, problem, trace, instances }) =>
    decide.run(decidedAtMs, outcome, problem, trace, event).changes === 1 && instances.every(step);
}

/** Writes what else one decision causes. */
function decisionWriter(prepare: Prepare): (decision: DecisionRow) => void {
  const append = appender(prepare);
  const addDelivery = deliveryWriter(prepare);
  const cancelTimer = prepare(CANCEL_TIMER);
  const setTimer = prepare(SET_TIMER);
  const cancelDelivery = prepare(CANCEL_DELIVERY);
  return (decision) => {
    // Cancelled before set: a state that is entered again disarms its timer and arms it anew.
    for (const { machine, key, id } of decision.timersCancelled) cancelTimer.run(machine, key, id);
    for (const { machine, key, id, step, dueAtMs, causedBy } of decision.timersSet) {
      setTimer.run(machine, key, id, step, dueAtMs, causedBy);
    }
    // Added before cancelled: a call may be made and given up by two signals of one event.
    for (const delivery of decision.deliveries) addDelivery(delivery);
    for (const id of decision.cancelled) cancelDelivery.run(decision.decidedAtMs, id);
    for (const emitted of decision.emitted) append(emitted);
  };
}

function instanceWriter(prepare: Prepare): (row: InstanceRow) => boolean {
  const create = prepare(CREATE_INSTANCE);
  const step = prepare(STEP_INSTANCE);
  return (row) => {
    const { definition, version, status, updatedAtMs, body, machine, key } = row;
    const values = [definition, version, status, updatedAtMs, body, machine, key];
    const written = version === 1 ? create.run(...values) : step.run(...values, version - 1);
    return written.changes === 1;
  };
}

function deliveryWriter(prepare: Prepare): (row: DeliveryRow) => void {
  const add = prepare(ADD_DELIVERY);
  return (row) => {
    const { id, event, action, connection, status, nextAtMs, settledAtMs, attempts, result, error, body } = row;
    add.run(id, event, action, connection, status, nextAtMs, nextAtMs, settledAtMs, attempts, result, error, body);
  };
}
