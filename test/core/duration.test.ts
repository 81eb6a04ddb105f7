import fc from "fast-check";
import { expect, test } from "vitest";
import { formatDuration, parseDuration } from "../../src/core/duration.ts";

test.each([
  ["90s", 90_000],
  ["15m", 900_000],
  ["1h30m", 5_400_000],
  ["250ms", 250],
  ["2d", 172_800_000],
  ["1d2h3m4s5ms", 93_784_005],
  ["P3D", 259_200_000],
  ["P2W", 1_209_600_000],
  ["PT15M", 900_000],
  ["PT1.5S", 1_500],
  ["3599.75s", 3_599_750],
  ["0.0000005s", 0],
  ["P1DT2H", 93_600_000],
  ["0s", 0],
])("%s is %d ms", (text, ms) => {
  expect(parseDuration(text)).toBe(ms);
});

test.each([
  "",
  "15",
  "m",
  "1.5h",
  "30m1h",
  "-5s",
  "P",
  "PT",
  "P1Y",
  "P1M",
  "1 h",
  "5min",
  "99999999999999999d",
  "{{x}}",
])("%j is no duration", (text) => {
  expect(parseDuration(text)).toBeUndefined();
});

test.each([
  [0, "0s"],
  [250, "250ms"],
  [898_000, "14m 58s"],
  [3_600_000, "1h"],
  [3_605_000, "1h"],
  [183_600_000, "2d 3h"],
  [-90_000, "-1m 30s"],
  [Number.NaN, "unknown"],
])("%d ms are written %s", (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
});

test("what is written is read back to at most what it was, off by less than its smaller unit", () => {
  fc.assert(
    fc.property(fc.nat({ max: 400 * 86_400_000 }), (ms) => {
      const back = parseDuration(formatDuration(ms).replaceAll(" ", "")) ?? Number.NaN;
      expect(back).toBeLessThanOrEqual(ms);
      expect(ms - back).toBeLessThan(Math.max(1_000, ms / 24));
    }),
  );
});
