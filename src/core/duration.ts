/** Durations as people write them in files and read them in output: `1h30m`, `P3D`, `14m 58s`. */

const UNITS = [
  { unit: "d", ms: 86_400_000 },
  { unit: "h", ms: 3_600_000 },
  { unit: "m", ms: 60_000 },
  { unit: "s", ms: 1_000 },
  { unit: "ms", ms: 1 },
] as const;

/** Seconds may have a fraction: that is how a difference of two times is written. */
const SHORT = /^(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d{1,9})?)s)?(?:(\d+)ms)?$/;
/** Years and months have no fixed length and are refused. https://www.rfc-editor.org/rfc/rfc3339#appendix-A */
const ISO = /^P(?:(\d+)W)?(?:(\d+)D)?(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d{1,3})?)S)?)?$/;
const WEEK_MS = 7 * 86_400_000;

/** Milliseconds of `90s`, `15m`, `1h30m`, `250ms`, `2d`, `P3D`, `PT15M`; undefined when it is none of these forms. */
export function parseDuration(text: string): number | undefined {
  const written = text.trim();
  const ms = parts(SHORT, written, [86_400_000, 3_600_000, 60_000, 1_000, 1]);
  return ms ?? parts(ISO, written, [WEEK_MS, 86_400_000, 3_600_000, 60_000, 1_000]);
}

/** The two largest units at most, cut and never rounded up: `14m 58s`, `2d 3h`, `250ms`, `0s`. Negative: a minus in front. */
export function formatDuration(ms: number): string {
  if (!Number.isFinite(ms)) return "unknown";
  const whole = Math.trunc(Math.abs(ms));
  const first = UNITS.findIndex((unit) => whole >= unit.ms);
  if (first === -1) return "0s";
  let rest = whole;
  const words: string[] = [];
  for (const { unit, ms: size } of UNITS.slice(first, first + 2)) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) words.push(`${count}${unit}`);
  }
  return `${ms < 0 ? "-" : ""}${words.join(" ")}`;
}

/** `6d23h55m`, exact to the millisecond. */
export function exactDuration(ms: number): string {
  let rest = ms;
  const words = UNITS.map(({ unit, ms: size }) => {
    const count = Math.floor(rest / size);
    rest -= count * size;
    return count === 0 ? "" : `${count}${unit}`;
  });
  return words.join("") || "0s";
}

function parts(form: RegExp, text: string, sizes: readonly number[]): number | undefined {
  const units = form.exec(text)?.slice(1);
  if (units === undefined || units.every((part) => part === undefined)) return undefined;
  const ms = units.reduce((sum, part, i) => sum + Number(part ?? 0) * (sizes[i] ?? 0), 0);
  return Number.isSafeInteger(Math.round(ms)) ? Math.round(ms) : undefined;
}
