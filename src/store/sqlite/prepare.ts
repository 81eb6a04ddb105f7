/** Statements, prepared once each; and the two things that every listing shares: its conditions and its window. */
import type { Database, Statement } from "better-sqlite3";
import { column } from "../rows.ts";

/** Rows looked at in one call: a rare filter over a long log must not keep writers waiting. */
export const WINDOW = 20_000;

/** What a window held, and where the next one begins; no floor = there is no next one. */
export interface Window<Row, Position = number> {
  found: Row[];
  floor?: Position;
}

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
