/** Refusals, definitions, policies, tokens, audit and purging, in memory. */
import type { Books, PurgeBefore, Purged } from "../../ports/books.ts";
import { REFUSALS_MAX, receivedAtMs } from "../rows.ts";
import { isAlive } from "./log.ts";
import { compareText, type MemoryTables } from "./tables.ts";

export function memoryBooks(tables: MemoryTables): Books {
  const { refusals, definitions, policies, tokens, audits } = tables;
  return {
    async refuse(refusal) {
      refusals.push(structuredClone(refusal));
      const ofSource = refusals.filter(({ source }) => source === refusal.source);
      const oldest = ofSource[0];
      if (ofSource.length > REFUSALS_MAX && oldest !== undefined) refusals.splice(refusals.indexOf(oldest), 1);
    },
    refusals: async (limit) => structuredClone(refusals.slice(-limit).reverse()),
    async saveDefinitions(rows) {
      for (const { hash, definition } of rows) {
        if (!definitions.has(hash)) definitions.set(hash, structuredClone(definition));
      }
    },
    definition: async (hash) => structuredClone(definitions.get(hash)),
    async savePolicy(revision, files) {
      if (!policies.has(revision)) policies.set(revision, { ...files });
    },
    policy: async (revision) => structuredClone(policies.get(revision)),
    tokens: async () => structuredClone([...tokens.values()].sort((a, b) => compareText(a.name, b.name))),
    async addToken(row) {
      if (tokens.has(row.name)) return false;
      tokens.set(row.name, structuredClone(row));
      return true;
    },
    async touchToken({ name, hash }, usedAtMs) {
      const token = tokens.get(name);
      if (token?.hash === hash) tokens.set(name, { ...token, usedAtMs });
    },
    dropToken: async (name) => tokens.delete(name),
    async audit(row) {
      audits.push(structuredClone(row));
    },
    audits: async (limit) => structuredClone(audits.slice(-limit).reverse()),
    ping: async () => {},
    purge: async (before, limit) => purge(tables, before, limit),
  };
}

/** Everything is in memory, so that `limit` counts only the rows that are removed. */
function purge({ log, byId, dedupe, deliveries }: MemoryTables, before: PurgeBefore, limit: number): Purged {
  const ended = [...deliveries.values()].filter(
    ({ delivery: { status, settledAtMs } }) =>
      status !== "pending" && status !== "dead" && settledAtMs !== undefined && settledAtMs < before.deliveriesMs,
  );
  const goneDeliveries = ended.slice(0, limit);
  for (const { delivery } of goneDeliveries) deliveries.delete(delivery.id);
  const awaited = new Set(
    [...deliveries.values()].flatMap(({ delivery: { status, event } }) =>
      status === "pending" || status === "dead" ? [event] : [],
    ),
  );
  const goneEvents = [...byId.values()]
    .filter(({ event, decidedAtMs }) => decidedAtMs !== undefined && receivedAtMs(event) < before.eventsMs)
    .filter(({ event }) => !awaited.has(event.id))
    .slice(0, limit);
  for (const { event, seq } of goneEvents) {
    byId.delete(event.id);
    log[seq - 1] = undefined;
  }
  const gone = goneDeliveries.length + goneEvents.length;
  if (goneDeliveries.length === limit || goneEvents.length === limit) {
    return { gone, next: { walk: "deliveries", after: 0 } };
  }
  for (const [key, copy] of before.keys ? dedupe : []) {
    if (!isAlive(copy, byId.has(copy.id), before.nowMs)) dedupe.delete(key);
  }
  return { gone };
}
