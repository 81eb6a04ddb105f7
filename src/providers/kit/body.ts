/** A verified body as a JSON object: bounded depth, strict UTF-8, no way to a prototype. Never throws for data. */
import { endOfString } from "../../model/json.ts";
import { isObject, type Json, type JsonObject, LIMITS, parseJsonText } from "../../model.ts";
import { formField, utf8 } from "./form.ts";

/** `text` is the exact JSON text of `data`; absent when a key was removed. */
export type ParsedBody = { ok: true; data: JsonObject; text?: string } | { ok: false; detail: string };

export const JSON_TYPE = "application/json";
export const FORM_TYPE = "application/x-www-form-urlencoded";

/** The media type of a request in lower case, without parameters; "" when none is named. */
export function mediaType(headers: Readonly<Record<string, string>>): string {
  return (headers["content-type"] ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
}

/** A sender's word as a part of an event's type: small letters, digits, `_` and `-`; a run of other characters becomes one `_`. */
export function typePart(word: string): string {
  const part = word.toLowerCase().replace(/[^a-z0-9_-]+/g, "_");
  return /[a-z0-9]/.test(part) ? part : "";
}

/** The body as a JSON object. */
export function parseJson(body: Uint8Array): ParsedBody {
  const parsed = parseAny(body);
  if (!parsed.ok) return parsed;
  const { data, text } = parsed;
  return isObject(data) ? objectOf(data, text) : { ok: false, detail: `The body is ${kindOf(data)}` };
}

/** The objects of a JSON array, each with its own text; a single object is one of them. */
export function parseItems(body: Uint8Array): { ok: true; items: Extract<ParsedBody, { ok: true }>[] } | NotParsed {
  const parsed = parseAny(body);
  if (!parsed.ok) return parsed;
  const { data, text } = parsed;
  const list = Array.isArray(data) ? data : [data];
  if (list.length > LIMITS.batchItems) {
    return {
      ok: false,
      detail: `The array has ${list.length} items, and at most ${LIMITS.batchItems} are taken at once`,
    };
  }
  const wrong = list.findIndex((item) => !isObject(item));
  if (wrong >= 0) {
    const what = Array.isArray(data) ? `Item ${wrong + 1} of the array` : "The body";
    return { ok: false, detail: `${what} is ${kindOf(list[wrong])}` };
  }
  const texts = Array.isArray(data) ? itemTexts(text) : [text];
  return { ok: true, items: list.map((item, index) => objectOf(item as JsonObject, texts[index] ?? "")) };
}

type NotParsed = Extract<ParsedBody, { ok: false }>;

function parseAny(body: Uint8Array): { ok: true; data: Json; text: string } | NotParsed {
  const text = utf8(body);
  if (text === undefined) return { ok: false, detail: encodingProblem(body) };
  if (isDeeper(text, LIMITS.jsonDepth)) {
    return { ok: false, detail: `The body is nested deeper than ${LIMITS.jsonDepth} levels` };
  }
  try {
    return { ok: true, data: parseJsonText(text).value, text };
  } catch {
    // V8's message quotes the body, which must not be shown.
    return { ok: false, detail: formProblem(text) };
  }
}

function objectOf(data: JsonObject, text: string): Extract<ParsedBody, { ok: true }> {
  return dropPrototypes(data, text) ? { ok: true, data } : { ok: true, data, text };
}

/** Why bytes are no text. */
function encodingProblem(body: Uint8Array): string {
  const [first, second] = body;
  if (first === 0x1f && second === 0x8b)
    return "The body is gzip, and no Content-Encoding says so; send Content-Encoding: gzip";
  const isUtf16 = (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff);
  return isUtf16 ? "The body is UTF-16; send UTF-8" : "The body is not UTF-8; send UTF-8";
}

/** Why a text is no JSON, by what it looks like. */
function formProblem(text: string): string {
  const start = text.slice(0, 200).trimStart();
  if (start === "" && text.trim() === "") return "The body is empty; send a JSON object";
  if (start.startsWith("<")) return "The body is XML or HTML; send JSON";
  if (/^[\w.%+[\]-]+=/.test(start)) return `The body is a form; send it with Content-Type: ${FORM_TYPE}`;
  if (text.includes("\0")) return "The body is no UTF-8 text; send JSON as UTF-8";
  return "The body is not JSON, or only a part of it";
}

/** What stands where a JSON object should. */
function kindOf(value: Json | undefined): string {
  if (Array.isArray(value))
    return "a JSON array; send an object, or set batch: true where the source's provider is http";
  const kind = value === null ? "null" : typeof value === "string" ? "a JSON text" : `a JSON ${typeof value}`;
  return `${kind}; send an object`;
}

/** The texts of the items of an array, which has been parsed already. */
function itemTexts(text: string): string[] {
  const texts: string[] = [];
  let depth = 0;
  let start = text.indexOf("[") + 1;
  for (let i = start; i < text.length && depth >= 0; i++) {
    const c = text.charCodeAt(i);
    if (c === 0x22) i = endOfString(text, i);
    else if (c === 0x7b || c === 0x5b) depth++;
    else if (c === 0x7d || c === 0x5d) depth--;
    if (depth < 0 || (depth === 0 && c === 0x2c)) {
      texts.push(text.slice(start, i).trim());
      start = i + 1;
    }
  }
  return texts;
}

/** The JSON object that a text is; empty when it is none. */
export function objectIn(text: string): JsonObject {
  const parsed = parseJson(Buffer.from(text));
  return parsed.ok ? parsed.data : {};
}

/** The JSON object in one field of a form. */
export function parseFormJson(body: Buffer, name: string): ParsedBody {
  const field = formField(body, name);
  return field.ok ? parseJson(field.value) : field;
}

/** The value at a path of own keys; undefined for inherited ones such as `constructor`. */
export function at(value: Json | undefined, ...path: readonly string[]): Json | undefined {
  let current = value;
  for (const key of path) {
    if (typeof current !== "object" || current === null || !Object.hasOwn(current, key)) return undefined;
    current = (current as JsonObject)[key];
  }
  return current;
}

/** The non-empty text at a path. */
export function textAt(value: Json | undefined, ...path: readonly string[]): string | undefined {
  const text = at(value, ...path);
  return typeof text === "string" && text !== "" ? text : undefined;
}

/** Objects that say where it happened and who did it, not what. */
const SURROUNDINGS = /^(account|actor|organization|project|repo|repository|sender|site|team|user)$/i;
const OWN_ID = /^((build|delivery|deploy|deployment|event|job|message|request|run)[_-]?)?(id|uuid|guid)$/i;
const DIGITS_OR_TIME = /^(\d+$|\d{4}-\d\d-\d\d[T ]\d\d:\d\d)/;

/** Whether a body says what only this one event can say: a number, a time or an id, of something else than its surroundings. */
export function hasOwnMark(data: JsonObject): boolean {
  const rest: [key: string, value: Json | undefined][] = Object.entries(data);
  for (let next = rest.pop(); next !== undefined; next = rest.pop()) {
    const [key, value] = next;
    if (isOwnMark(key, value)) return true;
    // One by one: a list may be longer than a call has arguments.
    for (const inner of entriesWithin(key, value)) rest.push(inner);
  }
  return false;
}

function isOwnMark(key: string, value: Json | undefined): boolean {
  if (typeof value === "string") return value !== "" && (DIGITS_OR_TIME.test(value) || OWN_ID.test(key));
  return typeof value === "number";
}

/** What lies in a list goes by the name of the list. */
function entriesWithin(key: string, value: Json | undefined): [key: string, value: Json | undefined][] {
  if (Array.isArray(value)) return value.map((item) => [key, item]);
  return isObject(value) && !SURROUNDINGS.test(key) ? Object.entries(value) : [];
}

/** A moment as RFC 3339 UTC from ISO text with its zone or seconds since the epoch; undefined for other values. */
export function moment(value: Json | undefined): string | undefined {
  const isIso = typeof value === "string" && /^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:?\d\d)$/.test(value);
  const ms = typeof value === "number" ? value * 1000 : isIso ? Date.parse(value) : Number.NaN;
  // RFC 3339 has no form for years beyond 9999.
  return ms >= 0 && ms < 253_402_300_800_000 ? new Date(ms).toISOString() : undefined;
}

/** Whether brackets nest deeper than this. Found without parsing, so that a hostile body never reaches a recursive function. */
function isDeeper(text: string, limit: number): boolean {
  // Depth needs as many brackets: an ordinary payload has fewer, which a native search finds without reading each character.
  return occurs(text, "{", limit) + occurs(text, "[", limit) > limit && nestsDeeper(text, limit);
}

/** How often the character occurs, counted up to `enough`. */
function occurs(text: string, character: string, enough: number): number {
  let count = 0;
  for (let i = text.indexOf(character); i >= 0 && count <= enough; i = text.indexOf(character, i + 1)) count++;
  return count;
}

function nestsDeeper(text: string, limit: number): boolean {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 0x22) i = endOfString(text, i);
    else if (c === 0x7b || c === 0x5b) {
      depth++;
      if (depth > limit) return true;
    } else if (c === 0x7d || c === 0x5d) depth--;
  }
  return false;
}

/** Removes own keys named `__proto__`, which JSON.parse creates and Object.assign would follow. True when one was removed. */
function dropPrototypes(data: JsonObject, text: string): boolean {
  // The key can only come from these spellings; others need no walk.
  if (!text.includes("__proto__") && !text.includes("\\u005")) return false;
  let dropped = false;
  const rest: Json[] = [data];
  for (let value = rest.pop(); value !== undefined; value = rest.pop()) {
    if (typeof value !== "object" || value === null) continue;
    if (Object.hasOwn(value, "__proto__")) {
      Reflect.deleteProperty(value, "__proto__");
      dropped = true;
    }
    for (const inner of Object.values(value)) rest.push(inner);
  }
  return dropped;
}
