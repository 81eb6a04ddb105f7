/** What is kept beside the log. */
import type { Static } from "typebox";
import type { AuditSchema, RefusalSchema, TokenSchema } from "./schemas.ts";

/** A request that was not taken into the log; bounded, oldest dropped first. */
export type Refusal = Static<typeof RefusalSchema>;

export type Token = Static<typeof TokenSchema> & {
  /** sha256 of the token, hex; the token itself is never kept. */
  hash: string;
};

export type AuditEntry = Static<typeof AuditSchema>;
