/** Cron expressions: what they say, and at which moments they come in a time zone. Pure: it is told the time. */

const SECOND_MS = 1_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
const WEEK_MS = 7 * DAY_MS;
/** The longest that anything pauses: a 29 February on one weekday, across a year such as 2100 that has none. */
const PAUSE_MS_MAX = 41 * 366 * DAY_MS;

const FIELDS = [
  { name: "second", min: 0, max: 59, words: [] },
  { name: "minute", min: 0, max: 59, words: [] },
  { name: "hour", min: 0, max: 23, words: [] },
  { name: "day", min: 1, max: 31, words: [] },
  {
    name: "month",
    min: 1,
    max: 12,
    words: "january february march april may june july august september october november december".split(" "),
  },
  {
    name: "weekday",
    min: 0,
    max: 7,
    words: "sunday monday tuesday wednesday thursday friday saturday sunday".split(" "),
  },
] as const;

const NICKNAMES: ReadonlyMap<string, string> = new Map([
  ["@yearly", "0 0 1 1 *"],
  ["@annually", "0 0 1 1 *"],
  ["@monthly", "0 0 1 * *"],
  ["@weekly", "0 0 * * 0"],
  ["@daily", "0 0 * * *"],
  ["@midnight", "0 0 * * *"],
  ["@hourly", "0 * * * *"],
]);

type Field = (typeof FIELDS)[number];
type FieldName = Field["name"];

/** What an expression says about a clock on the wall. */
interface Wall {
  values: Readonly<Record<FieldName, ReadonlySet<number>>>;
  /** The hour begins with `*` or names all: it goes on through an hour that the clocks repeat. Otherwise each time of a day comes once. */
  isInterval: boolean;
  /** Both day and weekday are named, so that one of them is enough. */
  isEitherDay: boolean;
}

/** An expression in a time zone. Times are milliseconds since 1970, whole seconds. */
export interface Cron {
  wall: Wall;
  zone: Zone;
}

/** How far a zone's clocks are ahead of UTC at a moment. */
interface Zone {
  offsetAt(atMs: number): number;
}

/** Throws for an expression or a zone that is none: `cronProblem` and `isTimezone` say so before. */
export function compileCron(expression: string, timezone: string): Cron {
  const read = readExpression(expression);
  if ("problem" in read) throw new Error(read.problem);
  return { wall: read.wall, zone: zoneOf(timezone) };
}

/** What is wrong with the expression; undefined = nothing. Five fields, six that start with seconds, or a name such as @daily. */
export function cronProblem(expression: string): string | undefined {
  const read = readExpression(expression);
  if ("problem" in read) return read.problem;
  // Any start will do: what months and weekdays allow comes back within the longest pause.
  if (nextOnWall(read.wall, 0) !== undefined) return undefined;
  return `"${expression}" never comes: none of its months has such a day`;
}

/** An IANA time zone that this Node knows. */
export function isTimezone(name: string): boolean {
  try {
    formatOf(name);
    return true;
  } catch {
    return false;
  }
}

// ---------------------------------------------------------------- moments

/** A time between two changes of the zone's clocks. */
interface Period {
  /** When its clocks were changed; absent = too long ago to matter. */
  fromMs?: number;
  /** Of the time before that. */
  before: number;
  offset: number;
}

/**
 * The first moment after `afterMs`. A time of day that the clocks skip comes as much later as they skip: 02:30 at 03:30. One that they
 * repeat comes the first time only, except where the hour begins with `*`: an interval goes on.
 */
export function nextTick(cron: Cron, afterMs: number): number | undefined {
  const { wall, zone } = cron;
  let fromMs = (Math.floor(afterMs / SECOND_MS) + 1) * SECOND_MS;
  let period = periodAt(zone, fromMs);
  const endMs = fromMs + PAUSE_MS_MAX;
  while (fromMs < endMs) {
    const skipped = skippedTick(wall, period, fromMs);
    const own = ownTick(wall, period, fromMs);
    const changeMs = firstChange(zone, fromMs, Math.min(own ?? endMs, skipped ?? endMs));
    if (changeMs === undefined) return own === undefined ? skipped : Math.min(own, skipped ?? own);
    period = { fromMs: changeMs, before: period.offset, offset: zone.offsetAt(changeMs) };
    fromMs = changeMs;
  }
  return undefined;
}

/** The last moment after `afterMs` and not after `untilMs`. */
export function lastTick(cron: Cron, afterMs: number, untilMs: number): number | undefined {
  let last = nextTick(cron, afterMs);
  if (last === undefined || last > untilMs) return undefined;
  // Halving: nothing is known yet of what lies between `last` and `endMs`, and nothing comes after that.
  for (let endMs = untilMs; last < endMs; ) {
    const middle = Math.floor((last + endMs) / 2);
    const next = nextTick(cron, middle);
    if (next === undefined || next > untilMs) endMs = middle;
    else last = next;
  }
  return last;
}

function ownTick(wall: Wall, { fromMs: startMs, before, offset }: Period, fromMs: number): number | undefined {
  const repeatedUntil = startMs !== undefined && !wall.isInterval ? startMs + before : Number.NEGATIVE_INFINITY;
  const on = nextOnWall(wall, Math.max(fromMs + offset, repeatedUntil));
  return on === undefined ? undefined : on - offset;
}

/** Of the times that the clocks skipped when the period began. */
function skippedTick(wall: Wall, { fromMs: startMs, before, offset }: Period, fromMs: number): number | undefined {
  if (startMs === undefined || offset <= before || fromMs >= startMs + offset - before) return undefined;
  const on = nextOnWall(wall, fromMs + before);
  return on === undefined || on >= startMs + offset ? undefined : on - before;
}

function periodAt(zone: Zone, atMs: number): Period {
  const offset = zone.offsetAt(atMs);
  // No zone ever skipped or repeated more than a day.
  const changeMs = firstChange(zone, atMs - DAY_MS, atMs);
  if (changeMs === undefined) return { before: offset, offset };
  return { fromMs: changeMs, before: zone.offsetAt(atMs - DAY_MS), offset };
}

/** When the clocks are changed first after `fromMs`, until `untilMs`. */
function firstChange(zone: Zone, fromMs: number, untilMs: number): number | undefined {
  const offset = zone.offsetAt(fromMs);
  for (let low = fromMs; low < untilMs; low += WEEK_MS) {
    let high = Math.min(low + WEEK_MS, untilMs);
    if (zone.offsetAt(high) === offset) continue;
    while (high - low > SECOND_MS) {
      const middle = low + Math.ceil((high - low) / 2 / SECOND_MS) * SECOND_MS;
      if (zone.offsetAt(middle) === offset) low = middle;
      else high = middle;
    }
    return high;
  }
  return undefined;
}

/** The first time from `fromMs` on, both as a UTC clock would show the wall's time. */
function nextOnWall(wall: Wall, fromMs: number): number | undefined {
  const { values } = wall;
  const endMs = fromMs + PAUSE_MS_MAX;
  for (let atMs = fromMs; atMs < endMs; ) {
    const at = new Date(atMs);
    const [year, month, day] = [at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate()];
    if (!values.month.has(month + 1)) atMs = Date.UTC(year, month + 1, 1);
    else if (!isOnDay(wall, day, at.getUTCDay())) atMs = Date.UTC(year, month, day + 1);
    else if (!values.hour.has(at.getUTCHours())) atMs = roundUp(atMs, HOUR_MS);
    else if (!values.minute.has(at.getUTCMinutes())) atMs = roundUp(atMs, 60 * SECOND_MS);
    else if (!values.second.has(at.getUTCSeconds())) atMs += SECOND_MS;
    else return atMs;
  }
  return undefined;
}

function isOnDay({ values, isEitherDay }: Wall, day: number, weekday: number): boolean {
  const [isDay, isWeekday] = [values.day.has(day), values.weekday.has(weekday)];
  return isEitherDay ? isDay || isWeekday : isDay && isWeekday;
}

function roundUp(ms: number, unitMs: number): number {
  return (Math.floor(ms / unitMs) + 1) * unitMs;
}

// ---------------------------------------------------------------- zones

function zoneOf(timezone: string): Zone {
  if (timezone === "UTC") return { offsetAt: () => 0 };
  const format = formatOf(timezone);
  return {
    offsetAt(atMs) {
      const part: Record<string, number> = {};
      for (const { type, value } of format.formatToParts(atMs)) part[type] = Number(value);
      const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = part;
      return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(atMs / SECOND_MS) * SECOND_MS;
    },
  };
}

function formatOf(timeZone: string): Intl.DateTimeFormat {
  return new Intl.DateTimeFormat("en-US", {
    ...{ timeZone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric" },
    ...{ hour: "numeric", minute: "numeric", second: "numeric" },
  });
}

// ---------------------------------------------------------------- expressions

function readExpression(expression: string): { wall: Wall } | { problem: string } {
  const written = expression.trim().toLowerCase();
  const fields = (NICKNAMES.get(written) ?? written).split(/\s+/);
  if (written.startsWith("@") && fields.length === 1) {
    return { problem: `"${expression}" is not a known name; write ${[...NICKNAMES.keys()].join(", ")} or five fields` };
  }
  if (fields.length === 5) fields.unshift("0");
  if (fields.length !== FIELDS.length)
    return { problem: `"${expression}" has ${fields.length} fields; cron has 5, or 6 with seconds` };
  const values: Partial<Record<FieldName, ReadonlySet<number>>> = {};
  for (const [i, field] of FIELDS.entries()) {
    const text = fields[i] ?? "";
    const parts = text.split(",").map((part) => valuesOf(part, field));
    if (parts.includes(undefined)) return { problem: fieldProblem(text, field) };
    values[field.name] = new Set(parts.flatMap((part = []) => part));
  }
  const [, , hour = "", day = "", , weekday = ""] = fields;
  const isEitherDay = !day.startsWith("*") && !weekday.startsWith("*");
  const isInterval = hour.startsWith("*") || values.hour?.size === 24;
  return { wall: { values: values as Wall["values"], isInterval, isEitherDay } };
}

function fieldProblem(text: string, { name, min, max, words }: Field): string {
  const named = words.length > 0 ? `, ${words[0]?.slice(0, 3)} to ${words.at(-1)?.slice(0, 3)}` : "";
  const forms = `${min} to ${max}${named}, *, */n, a-b, a-b/n or a list of these`;
  return `"${text}" does not fit the ${name} field of cron; write ${forms}`;
}

/** The values that `*`, `a`, `a-b`, or one of them with a step names; `a/n` goes on to the end of the field. */
function valuesOf(part: string, field: Field): number[] | undefined {
  const [, range = "", stepText] = /^([^/]*)(?:\/(\d{1,2}))?$/.exec(part) ?? [];
  // A weekday has two numbers for Sunday: a star means each day once.
  const top = field.name === "weekday" ? 6 : field.max;
  const step = Number(stepText ?? 1);
  if (step < 1 || step > top - field.min + 1) return undefined;
  const ends = range === "*" ? [field.min, top] : range.split("-").map((end, i) => numberOf(end, field, i));
  const [first, last = stepText === undefined ? first : top] = ends;
  if (ends.length > 2 || ends.includes(undefined)) return undefined;
  if (first === undefined || last === undefined || first > last) return undefined;
  const values: number[] = [];
  for (let value = first; value <= last; value += step) values.push(field.name === "weekday" ? value % 7 : value);
  return values;
}

/** A number or a name, whole or its first three letters; `sun` ends a range as 7. */
function numberOf(text: string, { min, max, words }: Field, position: number): number | undefined {
  const isNamed = (word: string) => word === text || (text.length === 3 && word.startsWith(text));
  const word = position === 0 ? words.findIndex(isNamed) : words.findLastIndex(isNamed);
  if (word >= 0) return word + min;
  const value = /^\d{1,2}$/.test(text) ? Number(text) : Number.NaN;
  return value >= min && value <= max ? value : undefined;
}
