/** Statements, prepared once each; and what several files share: columns, the conditions of a listing and its window. */
import type { Database, Statement } from "better-sqlite3";
import { column } from "../rows.ts";

/** Rows looked at in one call: a rare filter over a long log must not keep writers waiting. Reading so many takes milliseconds. */
export const WINDOW = 4_000;

/** What a window held, and where the next one begins; no floor = there is no next one. */
export interface Window<Row, Position = number> {
  rows: Row[];
  floor?: Position;
}

export const INSTANCE_COLUMNS = "machine, key, definition, version, status, updated_at_ms as updatedAtMs, body";

export const DELIVERY_COLUMNS = `
  n, id, event, action, connection, status, next_at_ms as nextAtMs, settled_at_ms as settledAtMs,
  attempts, result, error, body`;

export const EVENT = `
  select seq, envelope, data, decided_at_ms as decidedAtMs, trace
  from events
  join payloads using (seq)
  where id = ?`;

export type Prepare = <Row>(sql: string) => Statement<unknown[], Row>;

/** The same text gives the same statement. */
export function preparer(db: Database): Prepare {
  const prepared = new Map<string, Statement>();
  return <Row>(sql: string) => {
    const statement = prepared.get(sql) ?? db.prepare(sql);
    prepared.set(sql, statement);
    return statement as Statement<unknown[], Row>;
  };
}

export type Condition = readonly [sql: string, ...values: (string | number)[]];

/** The condition that a column holds this text; none when no text is asked for. */
export function equal(name: string, text: string | undefined): Condition[] {
  return text === undefined ? [] : [[`${name} = ?`, column(text)]];
}

/** All of these, joined with `and`, and what they bind. */
export function where(conditions: readonly Condition[]): { clause: string; values: (string | number)[] } {
  return {
    clause: conditions.map(([sql]) => sql).join("\n          and "),
    values: conditions.flatMap(([, ...values]) => values),
  };
}
