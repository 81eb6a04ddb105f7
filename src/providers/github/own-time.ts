/** Which events differ from each other by more than their delivery id, which no signature covers. */
import { isObject, type JsonObject } from "../../model.ts";

/** Started by a person or a program, as often as they like, with what they write: two equal ones are two. */
const DISPATCHES: ReadonlySet<string> = new Set(["repository_dispatch", "workflow_dispatch"]);
/** Where it happened and who did it; their times are not those of the event. */
const SURROUNDINGS: ReadonlySet<string> = new Set([
  "repository",
  "organization",
  "enterprise",
  "installation",
  "sender",
  "pusher",
]);

/** Whether the payload carries a time of the event, or of what it is about: then an equal payload is the same event. */
export function hasOwnTime(event: string, payload: JsonObject): boolean {
  if (DISPATCHES.has(event)) return false;
  return Object.entries(payload).some(([key, value]) => {
    if (!isObject(value)) return isTime(key, value);
    return !SURROUNDINGS.has(key) && Object.entries(value).some(([inner, time]) => isTime(inner, time));
  });
}

function isTime(key: string, value: unknown): boolean {
  const isSaid = (typeof value === "string" && value !== "") || typeof value === "number";
  return isSaid && (key.endsWith("_at") || key === "timestamp");
}
