/** Prepared statements, and the columns, terms and windows that several files share. */
import type { Database, Statement } from "better-sqlite3";
import { column } from "../rows.ts";

/** Rows read in one request: a rare filter over a long log must not keep writers waiting. They take milliseconds. */
export const WINDOW = 4_000;

/** The rows of a window, and `floor`, where the next one begins; absent = the last window. */
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

/** Prepares each SQL text once. */
export function createPrepare(db: Database): Prepare {
  const bySql = new Map<string, Statement>();
  return <Row>(sql: string) => {
    const statement = bySql.get(sql) ?? db.prepare(sql);
    bySql.set(sql, statement);
    return statement as Statement<unknown[], Row>;
  };
}

export type WhereTerm = readonly [sql: string, ...values: (string | number)[]];

/** The term that the column equals the text; none for undefined. */
export function equal(name: string, text: string | undefined): WhereTerm[] {
  return text === undefined ? [] : [[`${name} = ?`, column(text)]];
}

/** The terms joined with `and`, and their values. */
export function where(conditions: readonly WhereTerm[]): { clause: string; values: (string | number)[] } {
  return {
    clause: conditions.map(([sql]) => sql).join("\n          and "),
    values: conditions.flatMap(([, ...values]) => values),
  };
}
