/** The nouns as rows of an SQL store, and back: what is queried has a column, the rest is JSON text. Pure. */
import { SignalboxError } from "../errors.ts";
import { currentDeliveryBody, currentEvent, currentTrace } from "../model/earlier.ts";
import {
  actionName,
  type Decision,
  type Delivery,
  type DeliveryStatus,
  type Event,
  type Instance,
  type Json,
  type NewEvent,
  type Timer,
  type Trace,
} from "../model.ts";
import type { EventFilter, EventRecord, Paged, StateCount } from "../ports/questions.ts";
import type { Settlement } from "../ports/queue.ts";

/** Refusals kept per source: many bad requests to one source must not remove the refusals of another. */
export const REFUSALS_MAX = 1_000;

/** The fence of a node that does not hold the lane; the fence of a holder is at least 1. */
export const NO_FENCE = 0;

/** A lease that ends later than any lease does by this much is of a clock that ran ahead. */
export const CLOCK_STEP_MS = 60_000;

/** Most bytes of JSON text in one result of `scan`, which holds at least one event. */
export const SCAN_BYTES = 8 * 1024 * 1024;

export interface EventRow {
  id: string;
  type: string;
  source: string;
  subject: string | null;
  repo: string | null;
  receivedAtMs: number;
  /** The event with which its chain of causes began. */
  root: string | null;
  /** The event without its data, as JSON text. */
  envelope: string;
  data: string;
  keys: { key: string; untilMs: number | null; whileKept: 0 | 1 }[];
}

/** The columns that a settlement changes. */
export interface SettlementRow {
  id: string;
  lease: number;
  status: DeliveryStatus;
  nextAtMs: number;
  settledAtMs: number | null;
  /** The attempt that is added, as JSON text. */
  attempt: string | null;
  result: string | null;
  error: string | null;
  report: EventRow | null;
}

/** The number of instances in one state, which is JSON text. */
export type StateCountRow = Omit<StateCount, "state"> & { state: string };

/** A stored event; `data` is null in listings. */
export interface StoredEventRow {
  seq: number;
  envelope: string;
  data: string | null;
  decidedAtMs: number | null;
  trace: string | null;
}

export interface InstanceRow {
  machine: string;
  key: string;
  definition: string;
  version: number;
  status: Instance["status"];
  updatedAtMs: number;
  body: string;
}

export interface DeliveryRow {
  id: string;
  event: string;
  /** `connection.action`, for filters. */
  action: string;
  connection: string;
  status: DeliveryStatus;
  nextAtMs: number;
  settledAtMs: number | null;
  attempts: string;
  result: string | null;
  error: string | null;
  /** The fields that never change after the decision. */
  body: string;
}

export interface NewDeliveryRow extends DeliveryRow {
  /** The event that its outcome is counted for, if that becomes an event. */
  outcomeRoot: string | null;
}

export interface DecisionRow {
  event: string;
  decidedAtMs: number;
  outcome: DecidedOutcome;
  problem: 0 | 1;
  trace: string;
  instances: InstanceRow[];
  timersSet: Timer[];
  timersCancelled: { machine: string; key: string; id: string }[];
  deliveries: NewDeliveryRow[];
  cancelled: readonly string[];
  emitted: EventRow[];
}

type DecidedOutcome = Exclude<EventFilter["outcome"], undefined | "undecided" | "problem">;

/** An event's time of arrival; 0 when it is not a time. */
export function receivedAtMs(event: Event): number {
  return Date.parse(event.receivedAt) || 0;
}

/** The outcome of a decided event, for filters. */
export function eventOutcome(trace: Trace): DecidedOutcome {
  if (trace.matched.length > 0) return "matched";
  return trace.considered > 0 ? "near-miss" : "no-rule";
}

// Columns are UTF-8, which cannot hold the lone surrogates that a JavaScript string (and so a sender's JSON) may contain:
// without this, two different keys would become one. U+FFFF is no character, so no ordinary text starts with it.
const MARK = "\uffff";
const UNSTORABLE = /[\uffff\p{Cs}]/u;

/** The text as a column; `text` gives it back unchanged. */
export function column(text: string): string {
  return UNSTORABLE.test(text) ? MARK + JSON.stringify(text) : text;
}

function text(stored: string): string {
  return stored.startsWith(MARK) ? JSON.parse(stored.slice(MARK.length)) : stored;
}

export function eventRow({ event, dataText, keys }: NewEvent): EventRow {
  const { data, ...envelope } = event;
  return {
    id: event.id,
    type: column(event.type),
    source: column(event.source),
    subject: event.subject === undefined ? null : column(event.subject),
    repo: event.repo === undefined ? null : column(event.repo),
    receivedAtMs: receivedAtMs(event),
    root: event.root ?? null,
    envelope: JSON.stringify(envelope),
    data: dataText ?? JSON.stringify(data),
    keys: keys.map(({ key, untilMs, whileKept }) => ({
      key: column(key),
      untilMs: untilMs ?? null,
      whileKept: whileKept ? 1 : 0,
    })),
  };
}

export function eventOf(row: Pick<StoredEventRow, "envelope" | "data">): Event {
  return currentEvent({ ...JSON.parse(row.envelope), data: row.data === null ? {} : JSON.parse(row.data) });
}

export function eventRecord(row: StoredEventRow): EventRecord {
  return {
    event: eventOf(row),
    seq: row.seq,
    ...(row.decidedAtMs !== null && { decidedAtMs: row.decidedAtMs }),
    ...(row.trace !== null && { trace: currentTrace(JSON.parse(row.trace)) }),
  };
}

export function instanceKeyRow({ machine, key }: { machine: string; key: string }): { machine: string; key: string } {
  return { machine: column(machine), key: column(key) };
}

export function instanceRow(instance: Instance): InstanceRow {
  const { machine, key, definition, version, status, updatedAtMs, timers, calls, ...rest } = instance;
  const nonEmpty = { ...(hasEntries(timers) && { timers }), ...(hasEntries(calls) && { calls }) };
  const body = JSON.stringify({ ...rest, ...nonEmpty });
  return { ...instanceKeyRow({ machine, key }), definition, version, status, updatedAtMs, body };
}

function hasEntries(record: Record<string, number>): boolean {
  return Object.keys(record).length > 0;
}

export function instanceOf(row: InstanceRow): Instance {
  const { definition, version, status, updatedAtMs } = row;
  const address = { machine: text(row.machine), key: text(row.key) };
  return { ...address, definition, version, status, timers: {}, calls: {}, ...JSON.parse(row.body), updatedAtMs };
}

export function timerRow({ machine, key, id, step, dueAtMs, causedBy }: Timer): Timer {
  return { ...instanceKeyRow({ machine, key }), id: column(id), step, dueAtMs, causedBy };
}

export function timerOf(row: Timer): Timer {
  return { ...row, machine: text(row.machine), key: text(row.key), id: text(row.id) };
}

export function deliveryRow(delivery: Delivery): NewDeliveryRow {
  const { id, event, connection, action: _, status, nextAtMs, settledAtMs, ...rest } = delivery;
  const { attempts, result, error, ...body } = rest;
  return {
    id,
    event,
    action: actionName(delivery),
    connection,
    status,
    nextAtMs,
    settledAtMs: settledAtMs ?? null,
    attempts: JSON.stringify(attempts),
    result: jsonColumn(result),
    error: jsonColumn(error),
    outcomeRoot: delivery.emitsOutcome ? (delivery.root ?? event) : null,
    body: JSON.stringify(body),
  };
}

export function deliveryOf(row: DeliveryRow): Delivery {
  const { id, event, connection, action, status, nextAtMs } = row;
  return {
    id,
    event,
    connection,
    action: action.slice(connection.length + 1),
    status,
    nextAtMs,
    ...currentDeliveryBody(JSON.parse(row.body)),
    attempts: JSON.parse(row.attempts),
    ...(row.result !== null && { result: JSON.parse(row.result) }),
    ...(row.error !== null && { error: JSON.parse(row.error) }),
    ...(row.settledAtMs !== null && { settledAtMs: row.settledAtMs }),
  };
}

export function settlementRow({ lease, delivery, report }: Settlement): SettlementRow {
  const { id, status, nextAtMs, settledAtMs, attempts, result, error } = delivery;
  return {
    id,
    lease,
    status,
    nextAtMs,
    settledAtMs: settledAtMs ?? null,
    attempt: jsonColumn(attempts.at(-1)),
    result: jsonColumn(result),
    error: jsonColumn(error),
    report: report === undefined ? null : eventRow(report),
  };
}

/** Counts of the same definition, status and state added up, most first. */
export function stateCounts(rows: readonly StateCountRow[]): StateCount[] {
  const byState = new Map<string, StateCount>();
  for (const { definition, status, state, instances } of rows) {
    const key = JSON.stringify([definition, status, state]);
    const counted = byState.get(key)?.instances ?? 0;
    byState.set(key, { definition, status, state: JSON.parse(state), instances: counted + instances });
  }
  const keyed = [...byState].sort(([a, one], [b, other]) => other.instances - one.instances || (a < b ? -1 : 1));
  return keyed.map(([, count]) => count);
}

export function decisionRow(decision: Decision): DecisionRow {
  return {
    event: decision.event,
    decidedAtMs: decision.decidedAtMs,
    outcome: eventOutcome(decision.trace),
    problem: decision.trace.problems.length > 0 ? 1 : 0,
    trace: JSON.stringify(decision.trace),
    instances: decision.instances.map(instanceRow),
    timersSet: decision.timersSet.map(timerRow),
    timersCancelled: decision.timersCancelled.map(({ machine, key, id }) => ({
      ...instanceKeyRow({ machine, key }),
      id: column(id),
    })),
    deliveries: decision.deliveries.map(deliveryRow),
    cancelled: decision.cancelled,
    emitted: decision.emitted.map(eventRow),
  };
}

function jsonColumn(value: Json | undefined | object): string | null {
  return value === undefined ? null : JSON.stringify(value);
}

/** The first `limit` rows as a page. With more rows than that it has a cursor: the `position` of its last item. */
export function pageOf<T>(rows: readonly T[], limit: number, position: (last: T) => readonly number[]): Paged<T> {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  return rows.length > items.length && last !== undefined ? { items, cursor: cursorOf(position(last)) } : { items };
}

/** A place in a listing as text. */
export function cursorOf(position: readonly number[]): string {
  return position.join(".");
}

/** The position in a cursor of `pageOf`, or undefined for the first page. SB0907 when it has another form. */
export function positionOf(cursor: string | undefined): readonly number[] | undefined {
  if (cursor === undefined) return undefined;
  if (!/^-?\d{1,16}(\.-?\d{1,16})?$/.test(cursor)) {
    throw new SignalboxError(
      "SB0907",
      `Cannot continue at cursor "${cursor}", it is not the cursor of an earlier page`,
    );
  }
  return cursor.split(".").map(Number);
}
