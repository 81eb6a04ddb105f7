/** The parts of the kit that a project's own providers get as argument. */
import { cut, outcomeOf, unsure } from "./answer.ts";
import { at, parseFormJson, parseJson, textAt } from "./body.ts";
import { verifyWithKeys } from "./fetched-keys.ts";
import { sign, verifySignature } from "./signature.ts";
import { ticketKeys } from "./tickets.ts";

export const KIT = {
  at,
  cut,
  outcomeOf,
  parseFormJson,
  parseJson,
  sign,
  textAt,
  ticketKeys,
  unsure,
  verifySignature,
  verifyWithKeys,
} as const;
