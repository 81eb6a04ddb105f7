/** Timers and leases, in memory. */
import { type Delivery, instanceAddress } from "../../model.ts";
import type { DueDeliveries, LeaseOptions, LeaseOrder, Queue, Settled, Settlement } from "../../ports/queue.ts";
import { append } from "./log.ts";
import { compareText, type DeliveryEntry, type MemoryTables, tellListeners } from "./tables.ts";

export function memoryQueue(tables: MemoryTables): Queue {
  const { timers, deliveries, pending } = tables;
  return {
    async timersDue(nowMs, limit) {
      const upcoming = [...timers.values()].sort(
        (a, b) =>
          a.dueAtMs - b.dueAtMs ||
          compareText(a.machine, b.machine) ||
          compareText(a.key, b.key) ||
          compareText(a.id, b.id),
      );
      const due = upcoming.slice(0, limit).filter(({ dueAtMs }) => dueAtMs <= nowMs);
      const next = upcoming[due.length];
      return { timers: structuredClone(due), ...(next !== undefined && { nextAtMs: next.dueAtMs }) };
    },
    async fire(timer, event) {
      const address = instanceAddress(timer, timer.id);
      const set = timers.get(address);
      if (set?.step !== timer.step || set.dueAtMs !== timer.dueAtMs) return false;
      timers.delete(address);
      append(tables, event);
      return true;
    },
    lease: async (nowMs, options) => lease(tables, nowMs, options),
    settle: async (settlements) => structuredClone(settlements).map((settlement) => settle(tables, settlement)),
    async setBack({ byMs, nowMs }) {
      for (const stored of pending.values()) {
        const { delivery, availableAtMs } = stored;
        const storedAtMs = delivery.attempts.at(-1)?.atMs ?? delivery.createdAtMs;
        if (availableAtMs <= nowMs || (storedAtMs <= nowMs && availableAtMs === delivery.nextAtMs)) continue;
        stored.availableAtMs -= byMs;
        stored.delivery = { ...delivery, nextAtMs: delivery.nextAtMs - byMs };
      }
      for (const timer of timers.values()) {
        const updatedAtMs = tables.instances.get(instanceAddress(timer))?.instance.updatedAtMs ?? 0;
        if (timer.dueAtMs > nowMs && updatedAtMs > nowMs) timer.dueAtMs -= byMs;
      }
      return {};
    },
    /** The delivery starts again: earlier attempts and the last error stay readable and no longer count. */
    async retry(id, nowMs) {
      const stored = deliveries.get(id);
      if (stored?.delivery.status !== "dead" && stored?.delivery.status !== "cancelled") return false;
      const { settledAtMs, result, ...delivery } = stored.delivery;
      const { length } = delivery.attempts;
      const mark = length > 0 ? { attemptsBefore: length } : {};
      stored.delivery = { ...delivery, ...mark, status: "pending", nextAtMs: nowMs };
      stored.availableAtMs = nowMs;
      stored.lease += 1;
      pending.set(id, stored);
      tellListeners(tables);
      return true;
    },
  };
}

function lease({ pending }: MemoryTables, nowMs: number, options: LeaseOptions): DueDeliveries {
  const { room, roomOfOthers, limit, leaseMs } = options;
  const rooms = new Map(Object.entries(room));
  const orders = new Map(Object.entries(options.order ?? {}));
  const byConnection = new Map<string, DeliveryEntry[]>();
  for (const stored of pending.values()) {
    const { connection } = stored.delivery;
    const waiting = byConnection.get(connection);
    if (waiting) waiting.push(stored);
    else byConnection.set(connection, [stored]);
  }
  const untilMs = nowMs + leaseMs;
  const selected: DeliveryEntry[] = [];
  const requested: DeliveryEntry[] = [];
  for (const [connection, waiting] of byConnection) {
    const left = rooms.get(connection) ?? roomOfOthers;
    if (left <= 0) continue;
    const { triedRoom = left, ...order } = orders.get(connection) ?? {};
    requested.push(...waiting.filter((stored) => triedRoom > 0 || !wasTried(stored)));
    const due = waiting.filter(({ availableAtMs }) => availableAtMs <= nowMs);
    selected.push(...firstOf(due, { ...order, left: Math.min(left, limit), triedRoom }));
  }
  const leased = selected
    .sort((a, b) => Number(wasTried(b)) - Number(wasTried(a)) || byTime(a, b))
    .slice(0, limit)
    .map((stored) => {
      const interrupted = stored.availableAtMs > stored.delivery.nextAtMs;
      stored.availableAtMs = untilMs;
      stored.lease += 1;
      return { delivery: structuredClone(stored.delivery), lease: stored.lease, untilMs, interrupted };
    });
  if (requested.length === 0) return { leased };
  return { leased, nextAtMs: Math.min(...requested.map(({ availableAtMs }) => availableAtMs)) };
}

/** Those of one connection that are leased now. */
function firstOf(
  due: readonly DeliveryEntry[],
  { left, triedRoom, untriedFirst, newestFirst }: Omit<LeaseOrder, "triedRoom"> & { left: number; triedRoom: number },
): DeliveryEntry[] {
  const tried = due.filter(wasTried).sort(byTime);
  const untried = due.filter((stored) => !wasTried(stored)).sort(byTime);
  if (newestFirst === "all") tried.reverse();
  if (newestFirst !== undefined) untried.reverse();
  if (!untriedFirst) {
    const again = tried.slice(0, Math.min(left, triedRoom));
    return [...again, ...untried.slice(0, left - again.length)];
  }
  const first = untried.slice(0, left);
  return [...first, ...tried.slice(0, Math.min(left - first.length, triedRoom))];
}

function byTime(a: DeliveryEntry, b: DeliveryEntry): number {
  return a.availableAtMs - b.availableAtMs || a.n - b.n;
}

function wasTried({ delivery }: DeliveryEntry): boolean {
  return delivery.attempts.length > 0;
}

function settle(tables: MemoryTables, { lease: fence, delivery, report }: Settlement): Settled {
  const stored = tables.deliveries.get(delivery.id);
  if (stored === undefined) return "late";
  const attempts = [...stored.delivery.attempts, ...delivery.attempts.slice(-1)];
  const isCurrent = stored.lease === fence;
  if (isCurrent && stored.delivery.status === "pending") {
    stored.delivery = withOutcome(stored.delivery, delivery);
    stored.availableAtMs = delivery.nextAtMs;
    if (delivery.status !== "pending") tables.pending.delete(delivery.id);
  }
  stored.delivery.attempts = attempts;
  if (!isCurrent) return "late";
  stored.lease += 1;
  if (report !== undefined) append(tables, report);
  return "kept";
}

/** What was decided stays; what became of it is new. */
function withOutcome(stored: Delivery, { status, nextAtMs, result, error, settledAtMs }: Delivery): Delivery {
  const { result: _result, error: _error, settledAtMs: _settledAtMs, ...decided } = stored;
  return {
    ...decided,
    status,
    nextAtMs,
    ...(result !== undefined && { result }),
    ...(error !== undefined && { error }),
    ...(settledAtMs !== undefined && { settledAtMs }),
  };
}
