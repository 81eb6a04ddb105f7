/** What a schedule means on the days on which clocks are changed, in odd months, and when it is written in odd ways. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compileCron, cronProblem, lastTick, nextTick } from "../../src/core/cron.ts";
import type { Schedule } from "../../src/core/schedule.ts";
import type { Observation } from "../../src/ports/observe.ts";
import { virtualClock } from "../../src/rehearsal/clock.ts";
import { memoryStore } from "../../src/store/memory.ts";
import { setClock } from "../support/clock.ts";
import { startSchedules } from "../support/schedules.ts";

const DAY_MS = 86_400_000;

/** Every tick from one moment up to another, as ISO times without seconds. */
function ticks(expression: string, timezone: string, from: string, until: string): string[] {
  const cron = compileCron(expression, timezone);
  const found: string[] = [];
  for (let at = nextTick(cron, Date.parse(from) - 1); at !== undefined && at < Date.parse(until); ) {
    found.push(new Date(at).toISOString().slice(0, 16));
    at = nextTick(cron, at);
  }
  return found;
}

function local(atMs: number, timezone: string): { date: string; time: string } {
  const [date = "", time = ""] = new Date(atMs).toLocaleString("sv-SE", { timeZone: timezone }).split(" ");
  return { date, time };
}

describe("the night in which clocks go forward (Berlin, 29 March 2026, 02:00 becomes 03:00)", () => {
  const night = (cron: string) => ticks(cron, "Europe/Berlin", "2026-03-28T23:00Z", "2026-03-29T22:00Z");

  test("a daily job at a time that does not exist runs once, as much later as the clocks skip", () => {
    expect(night("30 2 * * *")).toEqual(["2026-03-29T01:30"]);
    expect(night("0 2 * * *")).toEqual(["2026-03-29T01:00"]);
    expect(night("59 2 * * *")).toEqual(["2026-03-29T01:59"]);
  });
  test("jobs before and after it keep their time", () => {
    expect(night("59 1 * * *")).toEqual(["2026-03-29T00:59"]);
    expect(night("0 3 * * *")).toEqual(["2026-03-29T01:00"]);
  });
  test("several times within the skipped hour keep their order and their number", () => {
    expect(night("*/20 2 * * *")).toEqual(["2026-03-29T01:00", "2026-03-29T01:20", "2026-03-29T01:40"]);
  });
  test("an interval goes on without a pause", () => {
    expect(night("*/30 * * * *")).toHaveLength(46);
    expect(night("0 * * * *")).toHaveLength(23);
  });
});

describe("the night in which clocks go back (Berlin, 25 October 2026, 03:00 becomes 02:00)", () => {
  const night = (cron: string) => ticks(cron, "Europe/Berlin", "2026-10-24T22:00Z", "2026-10-25T23:00Z");

  test("a daily job within the repeated hour runs once, the first time", () => {
    expect(night("30 2 * * *")).toEqual(["2026-10-25T00:30"]);
    expect(night("0 2 * * *")).toEqual(["2026-10-25T00:00"]);
    expect(night("*/20 2 * * *")).toHaveLength(3);
  });
  test("the job after it keeps its time", () => {
    expect(night("0 3 * * *")).toEqual(["2026-10-25T02:00"]);
  });
  test("an interval goes on through both", () => {
    expect(night("*/30 * * * *")).toHaveLength(50);
    expect(night("0 * * * *")).toHaveLength(25);
    expect(night("0 0-23 * * *")).toHaveLength(25);
  });
});

describe("zones with habits of their own", () => {
  test("Lord Howe moves its clocks by half an hour", () => {
    const day = (date: string) => [`${date}T00:00+11:00`, `${date}T23:59+11:00`] as const;
    expect(ticks("15 2 * * *", "Australia/Lord_Howe", ...day("2026-10-04"))).toEqual(["2026-10-03T15:45"]);
    expect(ticks("45 1 * * *", "Australia/Lord_Howe", ...day("2026-04-05"))).toEqual(["2026-04-04T14:45"]);
  });
  test("Cairo skips midnight itself", () => {
    expect(ticks("@daily", "Africa/Cairo", "2026-04-23T12:00Z", "2026-04-25T12:00Z")).toEqual([
      "2026-04-23T22:00",
      "2026-04-24T21:00",
    ]);
  });
  test("Samoa left out 30 December 2011", () => {
    const found = ticks("0 12 30 12 *", "Pacific/Apia", "2011-12-01T00:00Z", "2012-01-31T00:00Z");
    expect(found).toEqual(["2011-12-30T22:00"]);
  });
});

describe("laws", () => {
  const zone = fc.constantFrom(
    ...["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "America/Santiago", "UTC"],
    ...["Africa/Casablanca", "Asia/Kathmandu", "America/Havana", "Europe/Dublin"],
  );
  const minute = fc.integer({ min: 0, max: 59 });
  // Clocks are changed at night.
  const hour = fc.oneof({ weight: 4, arbitrary: fc.integer({ min: 0, max: 3 }) }, fc.integer({ min: 0, max: 23 }));
  const day = fc.integer({ min: Date.UTC(2015, 0, 1) / DAY_MS, max: Date.UTC(2035, 0, 1) / DAY_MS });

  test("a daily job runs once on each date of a year, at its time wherever that exists", () => {
    fc.assert(
      fc.property(zone, hour, minute, day, (timezone, h, m, start) => {
        const cron = compileCron(`${m} ${h} * * *`, timezone);
        const wanted = `${String(h).padStart(2, "0")}:${String(m).padStart(2, "0")}:00`;
        const dates: string[] = [];
        for (let at = nextTick(cron, start * DAY_MS)!; at < (start + 370) * DAY_MS; at = nextTick(cron, at)!) {
          const { date, time } = local(at, timezone);
          dates.push(date);
          // Where the clocks are not what they were a day ago the time may not have existed.
          if (time !== wanted) expect(local(at - DAY_MS, timezone).time).toBe(wanted);
        }
        const first = Date.parse(dates[0]!);
        expect(dates).toEqual(dates.map((_, i) => new Date(first + i * DAY_MS).toISOString().slice(0, 10)));
      }),
      { numRuns: 15 },
    );
  });

  test("an interval never pauses for longer than it says, in any zone and at any time", () => {
    const steps = fc.constantFrom(1, 2, 5, 10, 15, 20, 30);
    fc.assert(
      fc.property(zone, steps, day, (timezone, step, start) => {
        const cron = compileCron(`*/${step} * * * *`, timezone);
        for (let at = start * DAY_MS; at < (start + 2) * DAY_MS; ) {
          const next = nextTick(cron, at)!;
          expect(next - at).toBeGreaterThan(0);
          expect(next - at).toBeLessThanOrEqual(step * 60_000);
          at = next;
        }
      }),
      { numRuns: 15 },
    );
  });

  test("looking back finds the tick that looking forward passed last", () => {
    const expression = fc.constantFrom("*/7 * * * *", "30 2 * * *", "0 0 1,15 * *", "0 9 * * mon-fri", "* * 2 * * *");
    fc.assert(
      fc.property(expression, zone, day, fc.integer({ min: 1, max: 3 * DAY_MS }), (text, timezone, start, span) => {
        const cron = compileCron(text, timezone);
        const [after, until] = [start * DAY_MS, start * DAY_MS + span];
        const last = lastTick(cron, after, until);
        if (last === undefined) expect(nextTick(cron, after)).toBeGreaterThan(until);
        else {
          expect(last).toBeGreaterThan(after);
          expect(last).toBeLessThanOrEqual(until);
          expect(nextTick(cron, last - 1)).toBe(last);
          expect(nextTick(cron, last)).toBeGreaterThan(until);
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe("days", () => {
  const days = (cron: string, from = "2026-06-01T00:00Z", until = "2026-07-01T00:00Z") =>
    ticks(cron, "UTC", from, until).map((at) => Number(at.slice(8, 10)));

  test("a day of the month beside a weekday: either is enough", () => {
    expect(days("0 0 13 * fri")).toEqual([5, 12, 13, 19, 26]);
    expect(days("0 0 1-3 * sun")).toEqual([1, 2, 3, 7, 14, 21, 28]);
  });
  test("a star beside the other leaves the choice to the other, also a star with a step", () => {
    expect(days("0 0 13 * *")).toEqual([13]);
    expect(days("0 0 * * fri")).toEqual([5, 12, 19, 26]);
    expect(days("0 0 */2 * mon")).toEqual([1, 15, 29]);
  });
  test("a month that has no such day is left out", () => {
    expect(ticks("0 0 31 * *", "UTC", "2026-01-01T00:00Z", "2027-01-01T00:00Z").map((at) => at.slice(5, 7))).toEqual([
      ...["01", "03", "05", "07", "08", "10", "12"],
    ]);
    expect(ticks("0 0 29 2 *", "UTC", "2096-01-01T00:00Z", "2110-01-01T00:00Z")).toEqual([
      ...["2096-02-29T00:00", "2104-02-29T00:00", "2108-02-29T00:00"],
    ]);
  });
});

describe("ways to write it", () => {
  test.each([
    ["@yearly", "0 0 1 1 *"],
    ["@annually", "0 0 1 1 *"],
    ["@monthly", "0 0 1 * *"],
    ["@weekly", "0 0 * * 0"],
    ["@daily", "0 0 * * *"],
    ["@Midnight", "0 0 * * *"],
    ["@hourly", "0 * * * *"],
    ["0 9 * * MON-FRI", "0 9 * * 1-5"],
    ["0 9 * * sat-sun", "0 9 * * 6,0"],
    ["0 9 * * 5-7", "0 9 * * 5,6,0"],
    ["0 9 * * sunday,Wednesday", "0 9 * * 0,3"],
    ["0 9 1 jan,Sep-november *", "0 9 1 1,9,10,11 *"],
    ["5/20 * * * *", "5,25,45 * * * *"],
    ["10-40/15 * * * *", "10,25,40 * * * *"],
    ["0 9 * * 1/2", "0 9 * * 1,3,5"],
    ["*/60 */24 * * *", "0 0 * * *"],
    ["0 0 9 * * 1", "0 9 * * 1"],
    ["  0\t9   * * 7 ", "0 9 * * 0"],
  ])("%s means %s", (written, plain) => {
    const [one, other] = [compileCron(written, "UTC"), compileCron(plain, "UTC")];
    let atMs = Date.UTC(2026, 0, 1);
    for (let count = 0; count < 60; count++) {
      const nextMs = nextTick(one, atMs)!;
      expect(nextMs).toBe(nextTick(other, atMs));
      atMs = nextMs;
    }
  });

  test.each([
    ["@reboot", "not a known name"],
    ["@every 5m", "has 2 fields"],
    ["__proto__", "has 1 fields"],
    ["constructor", "has 1 fields"],
    ["* * * * * * *", "has 7 fields"],
    ["*/90 * * * *", "minute"],
    ["0 0 L * *", "day"],
    ["0 0 15W * *", "day"],
    ["0 0 ? * *", "day"],
    ["0 0 * * mon#2", "weekday"],
    ["0 0 * * monx", "weekday"],
    ["0 0 * * fri-mon", "weekday"],
    ["-1 * * * *", "minute"],
    ["1.5 * * * *", "minute"],
    ["1-2-3 * * * *", "minute"],
    ["*/2/2 * * * *", "minute"],
    ["1e1 * * * *", "minute"],
    ["٣ * * * *", "minute"],
    ["", "has 1 fields"],
  ])("%j is refused, and the message says where", (written, where) => {
    expect(cronProblem(written)).toContain(where);
    expect(() => compileCron(written, "UTC")).toThrow();
  });
});

describe("what was missed while nothing ran", () => {
  const START = Date.parse("2026-06-01T08:30:00Z");
  const NIGHTLY: Schedule = { id: "nightly", cron: "0 3 * * *", data: {} };

  /** A log that outlives the engines that run on it, one after the other. */
  function log() {
    const store = memoryStore();
    const clock = virtualClock(START);
    const faults: string[] = [];
    const observe = (one: Observation) => void (one.kind === "fault" && faults.push(`${one.where}: ${one.message}`));
    const events = async () =>
      (await store.scan(0, 1_000)).map(({ event: { type, time, data } }) => ({ type, time: time.slice(0, 16), data }));
    /** Runs the schedules for a while of the clock, and answers what came into the log meanwhile. */
    const run = async (schedules: readonly Schedule[], forMs = 0) => {
      const before = (await events()).length;
      const stop = startSchedules(schedules, { store, clock, observe, stored() {} });
      await quiet();
      for (const endMs = clock.now() + forMs; clock.now() < endMs; ) {
        clock.advance(Math.min(600_000, endMs - clock.now()));
        await quiet();
      }
      const stopped = stop();
      clock.advance(0);
      await stopped;
      return (await events()).slice(before);
    };
    return { clock, faults, run };
  }
  const quiet = () => new Promise((resolve) => setTimeout(resolve, 2));

  test("nothing before the first start of a schedule", async () => {
    const { run, faults } = log();
    expect(await run([NIGHTLY])).toEqual([]);
    expect(faults).toEqual([]);
  });

  test("three days without an engine are recorded as one event, and nothing runs late", async () => {
    const { run, clock, faults } = log();
    await run([NIGHTLY]);
    clock.advance(3 * DAY_MS);
    const missed = {
      schedule: "nightly",
      count: 3,
      first: "2026-06-02T03:00:00.000Z",
      last: "2026-06-04T03:00:00.000Z",
    };
    expect(await run([NIGHTLY])).toEqual([{ type: "schedule.missed", time: "2026-06-04T08:30", data: missed }]);
    expect(faults).toEqual([
      "schedule nightly: The tick of 2026-06-02T03:00:00.000Z was missed, and 2 after it: the process was stopped, busy or asleep",
    ]);
    expect(await run([NIGHTLY])).toEqual([]);
  });

  test("catchUp: last makes up for the last of them, once", async () => {
    const { run, clock } = log();
    const schedule: Schedule = { ...NIGHTLY, catchUp: "last" };
    await run([schedule]);
    clock.advance(3 * DAY_MS);
    expect((await run([schedule])).map(({ type, time }) => [type, time])).toEqual([
      ["schedule.missed", "2026-06-04T08:30"],
      ["cron.nightly", "2026-06-04T03:00"],
    ]);
    expect(await run([schedule])).toEqual([]);
  });

  test("a restart across a tick that takes less than a minute loses nothing", async () => {
    const { run, clock, faults } = log();
    const schedule: Schedule = { ...NIGHTLY, cron: "31 8 * * *" };
    await run([schedule]);
    clock.advance(100_000);
    expect((await run([schedule])).map(({ type, time }) => [type, time])).toEqual([
      ["cron.nightly", "2026-06-01T08:31"],
    ]);
    expect(faults).toEqual([]);
  });

  test("a schedule that was changed or left out meanwhile has missed nothing", async () => {
    const { run, clock } = log();
    await run([NIGHTLY]);
    clock.advance(DAY_MS);
    expect(await run([{ ...NIGHTLY, cron: "0 4 * * *" }])).toEqual([]);
    clock.advance(DAY_MS);
    await run([]);
    clock.advance(DAY_MS);
    expect(await run([{ ...NIGHTLY, cron: "0 4 * * *" }])).toEqual([]);
  });

  test("two engines on one log record it once", async () => {
    const { run, clock } = log();
    await run([NIGHTLY]);
    clock.advance(DAY_MS);
    const both = await Promise.all([run([NIGHTLY]), run([NIGHTLY])]);
    expect(both[0]).toHaveLength(1);
    expect(both[1]).toEqual(both[0]);
  });

  test("years of a second's schedule are counted up to a thousand and no further", async () => {
    const { run, clock } = log();
    const schedule: Schedule = { ...NIGHTLY, cron: "* * * * * *" };
    await run([schedule]);
    clock.advance(5 * 366 * DAY_MS);
    const [missed] = await run([schedule]);
    expect(missed?.data).toMatchObject({ count: 1_000, more: true, first: "2026-06-01T08:30:01.000Z" });
  });

  test("a clock that is set back while it runs stops no schedule: it ticks when the new time has come", async () => {
    const store = memoryStore();
    const clock = setClock();
    const cron = "*/10 * * * *";
    const stop = startSchedules([{ ...NIGHTLY, cron }], { store, clock, observe() {}, stored() {} });
    const minutes = async (count: number) => {
      for (let second = 0; second < count * 60; second++) {
        clock.advance(1_000);
        await new Promise(setImmediate);
      }
    };
    await minutes(10);
    clock.set(-86_400_000);
    await minutes(11);
    expect((await store.scan(0, 10)).map(({ event: { time } }) => time.slice(0, 16))).toEqual([
      "2026-01-05T09:10",
      "2026-01-04T09:20",
    ]);
    const stopped = stop();
    clock.advance(1_000);
    await stopped;
  });

  test("a clock that steps back repeats no tick, and the schedule goes on at once when the time is new", async () => {
    const { run, clock } = log();
    const hourly: Schedule = { ...NIGHTLY, cron: "0 * * * *" };
    const far = await run([hourly], 2 * 3_600_000);
    expect(far.map(({ time }) => time)).toEqual(["2026-06-01T09:00", "2026-06-01T10:00"]);
    clock.advance(-2 * 3_600_000);
    const again = await run([hourly], 3 * 3_600_000);
    expect(again.map(({ type, time }) => [type, time])).toEqual([["cron.nightly", "2026-06-01T11:00"]]);
  });
});

describe("what can never come is refused", () => {
  test.each(["0 0 31 4 *", "0 0 30 2 *", "0 0 31 2,4,6,9,11 *", "0 0 0 31 6 *", "0 0 30-31 feb *"])("%s", (cron) => {
    expect(cronProblem(cron)).toContain("never comes");
  });
  test.each(["0 0 29 2 *", "0 0 31 4 mon", "0 0 31 1,4 *", "0 0 29 2 */7", "0 0 31 12 *"])("%s does come", (cron) => {
    expect(cronProblem(cron)).toBeUndefined();
    expect(nextTick(compileCron(cron, "Europe/Berlin"), Date.UTC(2026, 2, 1))).toBeDefined();
  });
});
