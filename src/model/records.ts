/** What is kept beside the log. */
import type { Json } from "./json.ts";

/** A request that was not taken into the log; bounded, oldest dropped first. */
export interface Refusal {
  id: string;
  atMs: number;
  source: string;
  status: number;
  code: string;
  reason: string;
  delivery?: string;
  bytes: number;
  bodySha256: string;
  /** Only of verified requests: the first 2,000 characters. */
  excerpt?: string;
}

export interface Token {
  name: string;
  /** sha256 of the token, hex; the token itself is never kept. */
  hash: string;
  scopes: string[];
  createdAtMs: number;
  expiresAtMs?: number;
  usedAtMs?: number;
}

export interface AuditEntry {
  atMs: number;
  who: string;
  what: string;
  target: string;
  reason?: string;
  detail?: Json;
}
