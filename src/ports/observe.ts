/** Observations for metrics and log. */
import type { Outcome } from "../model.ts";

/** An event for metrics and log; each is a listener. */
export type Observation =
  | {
      kind: "received";
      source: string;
      status: number;
      code?: string;
      reason?: string;
      event?: string;
      duplicate?: boolean;
      ms: number;
      requestId: string;
    }
  | {
      kind: "decided";
      event: string;
      type: string;
      matched: string[];
      considered: number;
      problems: string[];
      ms: number;
    }
  | {
      kind: "attempted";
      delivery: string;
      action: string;
      outcome: Outcome["kind"];
      attempt: number;
      ms: number;
      detail: string;
      dead: boolean;
    }
  | { kind: "fired"; machine: string; key: string; timer: string; lateMs: number }
  | { kind: "stored"; operation: string; rows: number; ms: number }
  | { kind: "policy"; ok: boolean; revision: string; problems: number }
  | { kind: "cache"; ok: boolean; detail: string }
  | { kind: "fault"; where: string; message: string };

export type Observer = (observation: Observation) => void;
