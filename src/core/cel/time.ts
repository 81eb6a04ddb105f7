/**
 * Points in time and spans of time, to the nanosecond and always in UTC unless a zone is named.
 * https://github.com/google/cel-spec/blob/master/doc/langdef.md#timezones
 */
import { CelError, Duration, quotedText, Timestamp } from "./values.ts";

const SECOND = 1_000_000_000n;
const MS = 1_000_000n;
const FIRST = BigInt(utcMs(1, 1, 1)) * MS;
const LAST = BigInt(utcMs(10_000, 1, 1)) * MS - 1n;
/** A duration is an int64 of nanoseconds: about 292 years each way. */
const LONGEST = 2n ** 63n - 1n;

const RFC3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9})\d*)?(?:[Zz]|([+-])(\d\d):(\d\d))$/;

/** Milliseconds of a date of the Gregorian calendar; Date.UTC takes the years 0 to 99 for 1900 to 1999. */
function utcMs(year: number, month: number, day: number): number {
  return new Date(0).setUTCFullYear(year, month - 1, day);
}

export function parseTimestamp(text: string): Timestamp {
  const match = RFC3339.exec(text);
  if (!match) throw new CelError(() => `${quotedText(text)} is not a time like 2026-01-05T09:00:00Z or …+01:00`);
  const [year, month, day, hours, minutes, seconds] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const dateMs = utcMs(year, month, day);
  const date = new Date(dateMs);
  const exists = date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  const zoneMinutes = Number(match[9] ?? 0) * 60 + Number(match[10] ?? 0);
  if (!exists || hours > 23 || minutes > 59 || seconds > 59 || zoneMinutes >= 24 * 60 || Number(match[10] ?? 0) > 59)
    throw new CelError(() => `${quotedText(text)} is not a day and hour of the calendar`);
  const localMs = dateMs + ((hours * 60 + minutes) * 60 + seconds) * 1_000;
  const utc = localMs - (match[8] === "-" ? -1 : 1) * zoneMinutes * 60_000;
  return timestamp(BigInt(utc) * MS + BigInt((match[7] ?? "").padEnd(9, "0")));
}

export function timestamp(nanos: bigint): Timestamp {
  if (nanos < FIRST || nanos > LAST) throw new CelError("The time is out of range, years are 1 to 9999");
  return new Timestamp(nanos);
}

export const timestampOfSeconds = (seconds: bigint): Timestamp => timestamp(seconds * SECOND);
export const secondsOf = (time: Timestamp): bigint => floorDivide(time.nanos, SECOND);

/** RFC 3339 in UTC with as many digits of the second as there are, but at least so many. */
export function timestampText(time: Timestamp, digitsMin: 0 | 3): string {
  const iso = new Date(Number(floorDivide(time.nanos, MS))).toISOString();
  const fraction = fractionText(time.nanos - secondsOf(time) * SECOND).padEnd(digitsMin, "0");
  return `${iso.slice(0, iso.indexOf("."))}${fraction === "" ? "" : `.${fraction}`}Z`;
}

const UNITS: Readonly<Record<string, bigint>> = {
  h: 3600n * SECOND,
  m: 60n * SECOND,
  s: SECOND,
  ms: MS,
  us: 1_000n,
  µs: 1_000n,
  μs: 1_000n,
  ns: 1n,
};
const DURATION = /^([+-]?)((?:(?:\d+(?:\.\d*)?|\.\d+)(?:h|ms|us|µs|μs|ns|m|s))+|0)$/;
const DURATION_PART = /(\d*)(?:\.(\d*))?(h|ms|us|µs|μs|ns|m|s)/g;

export function parseDuration(text: string): Duration {
  // The length bounds the digits: no more of them mean anything.
  const match = text.length > 100 ? null : DURATION.exec(text);
  if (!match) throw new CelError(() => `${quotedText(text)} is not a duration like 90s, 1h30m or -1.5s`);
  let nanos = 0n;
  for (const [, whole = "", fraction = "", unit = ""] of (match[2] ?? "").matchAll(DURATION_PART)) {
    const size = UNITS[unit] as bigint;
    nanos += BigInt(whole || "0") * size + (BigInt(fraction || "0") * size) / 10n ** BigInt(fraction.length);
  }
  return duration(match[1] === "-" ? -nanos : nanos);
}

export function duration(nanos: bigint): Duration {
  if (nanos > LONGEST || nanos < -LONGEST - 1n)
    throw new CelError("The duration is out of range, at most about 292 years");
  return new Duration(nanos);
}

/** Seconds with as many digits as there are: `90s`, `-0.5s`. */
export function durationText({ nanos }: Duration): string {
  const size = nanos < 0n ? -nanos : nanos;
  const fraction = fractionText(size % SECOND);
  return `${nanos < 0n ? "-" : ""}${size / SECOND}${fraction === "" ? "" : `.${fraction}`}s`;
}

/** Whole hours, minutes, seconds of a duration, cut towards zero. */
export const DURATION_GETTERS: Readonly<Record<string, (span: Duration) => bigint>> = {
  getHours: ({ nanos }) => nanos / (3600n * SECOND),
  getMinutes: ({ nanos }) => nanos / (60n * SECOND),
  getSeconds: ({ nanos }) => nanos / SECOND,
  // The part below a second, as in a time; the specification has it so.
  getMilliseconds: ({ nanos }) => (nanos / MS) % 1_000n,
};

/** What is read from a time, given as the date whose UTC fields are the ones of the zone that was asked for. */
export const TIMESTAMP_GETTERS: Readonly<Record<string, (local: Date) => number>> = {
  getFullYear: (local) => local.getUTCFullYear(),
  getMonth: (local) => local.getUTCMonth(),
  getDate: (local) => local.getUTCDate(),
  getDayOfMonth: (local) => local.getUTCDate() - 1,
  getDayOfWeek: (local) => local.getUTCDay(),
  getDayOfYear: (local) => Math.floor((local.getTime() - utcMs(local.getUTCFullYear(), 1, 1)) / 86_400_000),
  getHours: (local) => local.getUTCHours(),
  getMinutes: (local) => local.getUTCMinutes(),
  getSeconds: (local) => local.getUTCSeconds(),
  getMilliseconds: (local) => local.getUTCMilliseconds(),
};

/** Formats of time zones by name: making one takes far longer than using it. */
export type ZoneFormats = Map<string, Intl.DateTimeFormat>;

export function localDate(time: Timestamp, zone: string, formats: ZoneFormats): Date {
  const ms = Number(floorDivide(time.nanos, MS));
  return new Date(zone === "UTC" ? ms : ms + offsetMs(ms, zone, formats));
}

export const utcDate = (time: Timestamp): Date => new Date(Number(floorDivide(time.nanos, MS)));

const OFFSET = /^([+-]?)(\d\d):(\d\d)$/;

function offsetMs(ms: number, zone: string, formats: ZoneFormats): number {
  const match = OFFSET.exec(zone);
  if (match === null) return namedOffsetMs(ms, formats.get(zone) ?? newFormat(zone, formats));
  const minutes = Number(match[2]) * 60 + Number(match[3]);
  if (minutes >= 24 * 60 || Number(match[3]) > 59) throw unknownZone(zone);
  return (match[1] === "-" ? -1 : 1) * minutes * 60_000;
}

function namedOffsetMs(ms: number, format: Intl.DateTimeFormat): number {
  const parts = new Map(format.formatToParts(ms).map(({ type, value }) => [type, Number(value)]));
  const read = (type: Intl.DateTimeFormatPartTypes) => parts.get(type) ?? 0;
  const clock = (read("hour") * 60 + read("minute")) * 60 + read("second");
  return utcMs(read("year"), read("month"), read("day")) + clock * 1_000 - Math.floor(ms / 1_000) * 1_000;
}

function newFormat(zone: string, formats: ZoneFormats): Intl.DateTimeFormat {
  // Names begin with a letter; what newer versions of Node take besides is not taken on all of them.
  if (!/^[A-Za-z][\w+/-]{0,63}$/.test(zone)) throw unknownZone(zone);
  try {
    const format = new Intl.DateTimeFormat("en-US-u-ca-iso8601-nu-latn", {
      timeZone: zone,
      hourCycle: "h23",
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
      hour: "2-digit",
      minute: "2-digit",
      second: "2-digit",
    });
    formats.set(zone, format);
    return format;
  } catch {
    throw unknownZone(zone);
  }
}

const unknownZone = (zone: string) =>
  new CelError(() => `${quotedText(zone)} is not a time zone, write one like Europe/Berlin, UTC or +02:00`);

const fractionText = (nanos: bigint): string => (nanos === 0n ? "" : String(nanos).padStart(9, "0").replace(/0+$/, ""));

function floorDivide(value: bigint, by: bigint): bigint {
  const quotient = value / by;
  return value % by < 0n ? quotient - 1n : quotient;
}
