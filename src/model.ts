/** The nouns, used the same in code, files, command line, API and docs. The one import for all of them; imports nothing of ours. */
export type * from "./model/address.ts";
export type * from "./model/decision.ts";
export type * from "./model/delivery.ts";
export { actionName, actionParts } from "./model/delivery.ts";
export type * from "./model/event.ts";
export { eventAsJson } from "./model/event.ts";
export { evictOldest } from "./model/evict.ts";
export type * from "./model/explanation.ts";
export { cutText } from "./model/graphemes.ts";
export type * from "./model/instance.ts";
export { instanceAddress } from "./model/instance.ts";
export type * from "./model/json.ts";
export { isObject, parseJsonText, withoutUndefined } from "./model/json.ts";
export { LIMITS, STATUS_WORDS, STATUSES } from "./model/limits.ts";
export type * from "./model/records.ts";
export type * from "./model/rule.ts";
export { inert, inertOutput } from "./model/terminal.ts";
