/** The helpers a template may call. Each takes checked values and gives a value; all are pure. */
import { cutText, type Json, LIMITS } from "../model.ts";
import { urlEncode } from "./escape.ts";

/** A value on its way into text; `own` = it is the author's or already safe, and is not escaped. */
export interface Valued {
  value: Json | undefined;
  own: boolean;
}

/** Why a helper has no result, in a sentence; ends the rendering with that sentence. */
export class HelperFailure extends Error {}

export interface Helper {
  /** How it is written, for messages. */
  form: string;
  min: number;
  max: number;
  /** Its first value may be missing. */
  lenient?: boolean;
  /** It reads lists and objects to the bottom, and is charged for that. */
  readsAll?: boolean;
  apply(values: readonly Valued[]): Valued;
}

const data = (value: Json | undefined): Valued => ({ value, own: false });

export const HELPERS: Readonly<Record<string, Helper>> = {
  default: { form: '{{default path "text"}}', min: 2, max: 2, lenient: true, apply: orDefault },
  upper: text("{{upper path}}", (value) => value.toUpperCase()),
  lower: text("{{lower path}}", (value) => value.toLowerCase()),
  short: text("{{short path}}", (value) => [...value.slice(0, 16)].slice(0, 8).join("")),
  urlencode: {
    form: "{{urlencode path}}",
    min: 1,
    max: 1,
    apply: ([value]) => ({ value: urlEncode(textOf(value, "urlencode")), own: true }),
  },
  truncate: { form: "{{truncate path 80}}", min: 2, max: 2, apply: truncate },
  join: { form: '{{join list ", "}}', min: 1, max: 2, readsAll: true, apply: join },
  first: { form: "{{first list}}", min: 1, max: 1, apply: first },
  json: { form: "{{json path}}", min: 1, max: 2, readsAll: true, apply: json },
  date: { form: '{{date path "YYYY-MM-DD"}}', min: 1, max: 2, apply: date },
  eq: {
    form: '{{#if (eq path "text")}}',
    min: 2,
    max: 2,
    lenient: true,
    apply: ([a, b]) => data(a?.value === b?.value),
  },
};

function text(form: string, change: (value: string) => string): Helper {
  const name = /\w+/.exec(form)?.[0] ?? "";
  return {
    form,
    min: 1,
    max: 1,
    apply: ([value]) => ({ value: change(textOf(value, name)), own: value?.own ?? false }),
  };
}

/** A scalar as text; what has no natural text is refused. */
function textOf(valued: Valued | undefined, helper: string): string {
  const value = valued?.value;
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  throw new HelperFailure(`${helper} needs a text, not ${kindOf(value)}`);
}

/** Missing, null and empty text count as nothing. */
function orDefault([value, otherwise]: readonly Valued[]): Valued {
  const nothing = value?.value === undefined || value.value === null || value.value === "";
  return (nothing ? otherwise : value) ?? data(undefined);
}

function truncate([value, limit]: readonly Valued[]): Valued {
  const max = limit?.value;
  if (typeof max !== "number" || !Number.isInteger(max) || max < 1)
    throw new HelperFailure("truncate needs a whole number of characters, at least 1");
  return { value: cutText(textOf(value, "truncate"), max), own: value?.own ?? false };
}

function join([list, separator]: readonly Valued[]): Valued {
  if (!Array.isArray(list?.value)) throw new HelperFailure(`join needs a list, not ${kindOf(list?.value)}`);
  const own = list.own && (separator?.own ?? true);
  return { value: joined(list.value, separator === undefined ? ", " : textOf(separator, "join")), own };
}

/** The scalars of a list as text; anything deeper needs the json helper. */
export function joined(list: readonly Json[], separator: string): string {
  const nested = list.find((item) => typeof item === "object" && item !== null);
  if (nested !== undefined)
    throw new HelperFailure("the list holds objects or lists, write {{json path}} or {{#each path}}");
  let text = "";
  list.forEach((item, i) => {
    text = limited(text + (i === 0 ? "" : separator) + (item === null ? "" : String(item)));
  });
  return text;
}

/** Refuses a text while it grows, before there is no room for it. */
function limited(text: string): string {
  if (text.length > LIMITS.renderedBytes)
    throw new HelperFailure(`The text is longer than ${LIMITS.renderedBytes} bytes`);
  return text;
}

function first([list]: readonly Valued[]): Valued {
  if (!Array.isArray(list?.value)) throw new HelperFailure(`first needs a list, not ${kindOf(list?.value)}`);
  return { value: list.value[0], own: list.own };
}

function json([value, indent]: readonly Valued[]): Valued {
  const spaces = typeof indent?.value === "number" ? Math.min(Math.max(Math.trunc(indent.value), 0), 10) : 0;
  return { value: written(value?.value ?? null, " ".repeat(spaces), ""), own: value?.own ?? false };
}

/** What JSON.stringify gives, with the limit held at every level: deep lists with wide indentation would fill the memory. */
function written(value: Json, indent: string, before: string): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  const inside = before + indent;
  const colon = indent === "" ? ":" : ": ";
  let text = "";
  for (const [key, member] of Object.entries(value)) {
    const name = Array.isArray(value) ? "" : JSON.stringify(key) + colon;
    const line = indent === "" ? "" : `\n${inside}`;
    text = limited(`${text}${text === "" ? "" : ","}${line}${name}${written(member, indent, inside)}`);
  }
  return text === "" ? `${open}${close}` : `${open}${text}${indent === "" ? "" : `\n${before}`}${close}`;
}

const DATE_PARTS: Readonly<Record<string, [start: number, end: number]>> = {
  YYYY: [0, 4],
  MM: [5, 7],
  DD: [8, 10],
  HH: [11, 13],
  mm: [14, 16],
  ss: [17, 19],
};

/** A time in UTC: RFC 3339 text or milliseconds since the epoch. */
function date([value, format]: readonly Valued[]): Valued {
  const written = value?.value;
  const time = typeof written === "string" || typeof written === "number" ? new Date(written) : undefined;
  if (time === undefined || Number.isNaN(time.getTime()))
    throw new HelperFailure(`date needs a time such as 2026-01-05T09:00:00Z, not ${kindOf(written)}`);
  const iso = time.toISOString();
  if (iso.length !== 24) throw new HelperFailure("date takes years from 0 to 9999");
  const form = format === undefined ? "YYYY-MM-DD HH:mm" : textOf(format, "date");
  return data(form.replace(/YYYY|MM|DD|HH|mm|ss/g, (part) => iso.slice(...(DATE_PARTS[part] ?? [0, 0]))));
}

export function kindOf(value: Json | undefined): string {
  if (value === undefined) return "nothing";
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "an object" : JSON.stringify(value).slice(0, 60);
}
