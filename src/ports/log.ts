/** The log as flow sees it: what is appended, who decides it, and what a decision writes. */
import type { Decision, Event, Instance, InstanceKey, Json, NewEvent } from "../model.ts";

export interface Appended {
  /** The id under which the event is kept: its own, or that of the earlier copy. */
  id: string;
  duplicate: boolean;
}

/** How far a source that is read from has been read, or a schedule looked after; only who wrote it knows what the value means. */
export interface Mark {
  source: string;
  value: Json;
}

/** The right to decide the events of one lane. The fence grows with every new holder, so an earlier holder's is refused. */
export interface Tenure {
  lane: number;
  fence: number;
}

export interface ClaimOptions {
  nowMs: number;
  /** How long the lane stays with this node. Claiming again renews it once half of it is over, so that an idle store is not written to. */
  leaseMs: number;
  limit: number;
  /** The data of the events that are read is at most this many bytes of JSON text, but one event is always claimed. */
  bytes: number;
  /** Ids of events that the caller has at hand: they are named and not read. */
  held?: Iterable<string>;
}

/** Undecided events of one lane, in log order. */
export interface Claim extends Tenure {
  ids: readonly string[];
  /** Those of them that were not held, in the same order. */
  events: readonly Event[];
}

/** Why nothing of a batch was written: the lane is another's, an event is not undecided, an instance is not at `version - 1`. */
export type Committed =
  | { ok: true }
  | { ok: false; why: "fenced" }
  | { ok: false; why: "decided" | "stepped"; event: string };

/** Each method is one transaction: all of it, or none; durable on return. Rejects with SB0701 when the disk or server fails, never for data. */
export interface Log {
  /**
   * One answer per event, in order: stored, or the id of the earlier copy (one key in common is enough). The mark is stored in the same
   * transaction, also when every event is a duplicate.
   */
  append(events: readonly NewEvent[], mark?: Mark): Promise<readonly Appended[]>;
  /** The mark that was appended last for this source. */
  mark(source: string): Promise<Json | undefined>;
  /**
   * The oldest undecided events of a lane that this node holds, or takes because it is free or its holder's lease has ended; none while
   * another node holds it. What claim has shown is never preceded by a later arrival.
   */
  claim(node: string, options: ClaimOptions): Promise<Claim>;
  /** The instances that exist among these. */
  instances(keys: readonly InstanceKey[]): Promise<readonly Instance[]>;
  /**
   * How many events each of these has caused, directly and over others: those that decisions emitted, and the outcomes of their deliveries,
   * also while they are still to come. An event that is gone has caused none.
   */
  caused(roots: readonly string[]): Promise<readonly number[]>;
  /**
   * Events decided, instances written, timers set and cancelled, deliveries and emitted events added: one transaction for the whole batch.
   * A delivery whose id exists is kept as it is.
   */
  commit(decisions: readonly Decision[], tenure: Tenure): Promise<Committed>;
  /**
   * Calls the listener when there may be something new to decide or to do, also when this node wrote it; returns what ends that. Absent
   * where no other node can write. It may be lost: whoever listens looks from time to time all the same.
   */
  changed?(listener: () => void): () => void;
}
