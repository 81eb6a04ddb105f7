/** Refusals, definitions, policies, tokens and audit. Runs inside the caller's transaction. */
import { REFUSALS_MAX } from "../rows.ts";
import type { Prepare } from "./prepare.ts";

const ADD_REFUSAL = `
  insert into refusals (source, body)
  values (?, ?)`;

const DROP_OLD_REFUSALS = `
  delete from refusals
  where source = ?
    and n <= (
      select n
      from refusals
      where source = ?
      order by n desc
      limit 1 offset ${REFUSALS_MAX}
    )`;

const REFUSALS = `
  select body
  from refusals
  order by n desc
  limit ?`;

const ADD_DEFINITION = `
  insert into definitions (hash, machine, definition)
  values (?, ?, ?)
  on conflict (hash) do nothing`;

const DEFINITION = `
  select definition
  from definitions
  where hash = ?`;

const ADD_POLICY = `
  insert into policies (revision, files, saved_at_ms)
  values (?, ?, ?)
  on conflict (revision) do nothing`;

const POLICY = `
  select files
  from policies
  where revision = ?`;

const TOKENS = `
  select body
  from tokens
  order by name`;

const ADD_TOKEN = `
  insert into tokens (name, body)
  values (?, ?)
  on conflict (name) do nothing`;

const TOUCH_TOKEN = `
  update tokens
  set body = json_set(body, '$.usedAtMs', ?)
  where name = ?
    and body ->> '$.hash' = ?`;

const DROP_TOKEN = `
  delete from tokens
  where name = ?`;

const ADD_AUDIT = `
  insert into audit (at_ms, body)
  values (?, ?)`;

const AUDITS = `
  select body
  from audit
  order by n desc
  limit ?`;

/** Changes a page, so that it fails when the disk is full. */
const PING = `
  update pings
  set n = n + 1`;

export interface DefinitionRow {
  hash: string;
  machine: string;
  definition: string;
}

/** Every body is JSON text. */
export function bookTables(prepare: Prepare) {
  const addRefusal = prepare(ADD_REFUSAL);
  const dropOldRefusals = prepare(DROP_OLD_REFUSALS);
  const refusals = prepare<{ body: string }>(REFUSALS);
  const addDefinition = prepare(ADD_DEFINITION);
  const definition = prepare<{ definition: string }>(DEFINITION);
  const addPolicy = prepare(ADD_POLICY);
  const policy = prepare<{ files: string }>(POLICY);
  const tokens = prepare<{ body: string }>(TOKENS);
  const addToken = prepare(ADD_TOKEN);
  const touchToken = prepare(TOUCH_TOKEN);
  const dropToken = prepare(DROP_TOKEN);
  const addAudit = prepare(ADD_AUDIT);
  const audits = prepare<{ body: string }>(AUDITS);
  const ping = prepare(PING);
  return {
    refuse(source: string, body: string): void {
      addRefusal.run(source, body);
      dropOldRefusals.run(source, source);
    },
    refusals: (limit: number) => refusals.all(limit).map(({ body }) => body),
    saveDefinitions(rows: readonly DefinitionRow[]): void {
      for (const { hash, machine, definition } of rows) addDefinition.run(hash, machine, definition);
    },
    definition: (hash: string) => definition.get(hash)?.definition,
    savePolicy(revision: string, files: string, nowMs: number): void {
      addPolicy.run(revision, files, nowMs);
    },
    policy: (revision: string) => policy.get(revision)?.files,
    tokens: () => tokens.all().map(({ body }) => body),
    addToken: (name: string, body: string) => addToken.run(name, body).changes === 1,
    touchToken(name: string, hash: string, usedAtMs: number): void {
      touchToken.run(usedAtMs, name, hash);
    },
    dropToken: (name: string) => dropToken.run(name).changes === 1,
    audit(atMs: number, body: string): void {
      addAudit.run(atMs, body);
    },
    audits: (limit: number) => audits.all(limit).map(({ body }) => body),
    ping(): void {
      ping.run();
    },
  };
}
