/** Checks cron expressions of node-cron when the file is read, and not only when a schedule is due. */

const FIELDS = [
  { name: "second", min: 0, max: 59, words: [] },
  { name: "minute", min: 0, max: 59, words: [] },
  { name: "hour", min: 0, max: 23, words: [] },
  { name: "day", min: 1, max: 31, words: [] },
  { name: "month", min: 1, max: 12, words: "jan feb mar apr may jun jul aug sep oct nov dec".split(" ") },
  { name: "weekday", min: 0, max: 7, words: "sun mon tue wed thu fri sat".split(" ") },
] as const;

/** Why the expression is invalid; undefined = it is valid. Five fields, or six that start with seconds. */
export function cronProblem(expression: string): string | undefined {
  const fieldTexts = expression.trim().split(/\s+/);
  const fields = fieldTexts.length === 5 ? FIELDS.slice(1) : FIELDS;
  if (fieldTexts.length !== fields.length)
    return `"${expression}" has ${fieldTexts.length} fields; cron has 5, or 6 with seconds`;
  for (const [i, { name, min, max, words }] of fields.entries()) {
    const field = fieldTexts[i] ?? "";
    if (!field.split(",").every((part) => isPart(part, { min, max, words }))) {
      return `"${field}" does not fit the ${name} field of cron; write ${min} to ${max}, *, */n, a-b or a list of these`;
    }
  }
  return undefined;
}

/** An IANA time zone that this Node knows. */
export function isTimezone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

function isPart(part: string, field: { min: number; max: number; words: readonly string[] }): boolean {
  const [, range = "", step] = /^([^/]*)(?:\/(\d+))?$/.exec(part) ?? [];
  if (step !== undefined && Number(step) < 1) return false;
  if (range === "*") return true;
  const ends = range.split("-").map((end) => numberOf(end, field));
  const [first, last = first] = ends;
  return ends.length <= 2 && first !== undefined && last !== undefined && first <= last;
}

function numberOf(text: string, field: { min: number; max: number; words: readonly string[] }): number | undefined {
  const word = field.words.indexOf(text.slice(0, 3).toLowerCase());
  if (word >= 0 && /^[a-z]+$/i.test(text)) return word + field.min;
  const value = /^\d{1,2}$/.test(text) ? Number(text) : Number.NaN;
  return value >= field.min && value <= field.max ? value : undefined;
}
