/** Refusals, definitions, policies, tokens and audit, and purging of old rows. */
import type { AuditEntry, Json, Refusal, Token } from "../model.ts";

/** Rows before these times are removed. */
export interface PurgeBefore {
  nowMs: number;
  eventsMs: number;
  deliveriesMs: number;
  /** Whether the walk includes dedupe keys. They have no order of time, so that all of them are read. */
  keys: boolean;
}

/** How far a walk has come. */
export interface PurgePosition {
  walk: "deliveries" | "events" | "keys";
  after: number | string;
  /** The position in the log at which the walk through the events ended. */
  walkedSeq?: number;
}

export interface Purged {
  /** Number of removed events and deliveries. */
  gone: number;
  /** Where to go on; absent = the walk is over. */
  next?: PurgePosition;
}

export interface Books {
  refuse(refusal: Refusal): Promise<void>;
  /** Newest first. */
  refusals(limit: number): Promise<readonly Refusal[]>;

  /** Definitions by content hash and policies by revision; the first to come stays. */
  saveDefinitions(definitions: readonly { hash: string; machine: string; definition: Json }[]): Promise<void>;
  definition(hash: string): Promise<Json | undefined>;
  savePolicy(revision: string, files: Readonly<Record<string, string>>, nowMs: number): Promise<void>;
  policy(revision: string): Promise<Record<string, string> | undefined>;

  tokens(): Promise<readonly Token[]>;
  /** False when there is one of that name: it stays as it is. */
  addToken(row: Token): Promise<boolean>;
  /** Writes down when this very token was last used. One that was dropped meanwhile, or made anew under its name, stays as it is. */
  touchToken(token: Pick<Token, "name" | "hash">, usedAtMs: number): Promise<void>;
  dropToken(name: string): Promise<boolean>;

  audit(row: AuditEntry): Promise<void>;
  /** Newest first. */
  audits(limit: number): Promise<readonly AuditEntry[]>;

  /** Writes, so that a disk which is full or read-only is noticed: rejects with SB0701. */
  ping(): Promise<void>;
  /**
   * Removes old rows, oldest first: settled deliveries that ended before `deliveriesMs` (dead ones stay, because they may be retried);
   * decided events received before `eventsMs` without a pending or dead delivery; expired dedupe keys. One call reads no more than `limit`
   * rows, so that other requests do not wait. Instances, timers and definitions stay.
   */
  purge(before: PurgeBefore, limit: number, from?: PurgePosition): Promise<Purged>;
}
