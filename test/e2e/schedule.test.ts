/** What happens by the clock: schedules tick once however many engines there are, and timers survive a restart. */
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { systemClock } from "../../src/clock.ts";
import type { Event, Timer } from "../../src/model.ts";
import type { Observation } from "../../src/ports/observe.ts";
import { memoryStore } from "../../src/store/memory.ts";
import { woundClock } from "../support/clock.ts";
import { type Started, startEngine, startEngineIn } from "../support/engine.ts";
import { startSchedules } from "../support/schedules.ts";
import { GITHUB_SECRET, type Sink, signedByGithub, startSink, until } from "../support/served.ts";

const ENV = { GITHUB_WEBHOOK_SECRET: GITHUB_SECRET };

let sink: Sink;
beforeAll(async () => {
  sink = await startSink();
});
afterAll(() => sink.close());

const config = (more = "") => `
server: { host: 127.0.0.1, port: 0, admin: { port: 0 } }
sources: { github: { provider: github, secret: env:GITHUB_WEBHOOK_SECRET } }
connections: { sink: { provider: http, url: "${sink.url}", allowPrivate: true } }
${more}`;

const bodies = () => sink.arrivals.map(({ body }) => JSON.parse(body) as Record<string, unknown>);

describe("a schedule", () => {
  test("ticks every second as event cron.<id>; two engines on one log make one event of each tick", async () => {
    const first = await startEngine(
      {
        "signalbox.yaml": config(`schedules: { beat: { cron: "* * * * * *", data: { why: often } } }`),
        "rules/beat.yaml": `[{ id: beat, event: cron.beat, do: [{ sink.request: { method: POST, json: { at: "{{event.time}}", why: "{{event.data.why}}" } } }] }]`,
      },
      ENV,
    );
    const second = await startEngineIn(first.folder, ENV);
    const ticks = () => bodies().flatMap(({ at }) => (at === undefined ? [] : [String(at)]));
    await until("three ticks are delivered", () => new Set(ticks()).size >= 3);
    await Promise.all([first.stop(), second.stop()]);
    const third = await startEngineIn(first.folder, ENV);
    const { body } = await third.api<{ items: { event: Event }[] }>("/api/v1/events?type=cron.beat");
    await third.stop();
    const times = body.items.map(({ event }) => event.time);
    expect(times.length).toBeGreaterThanOrEqual(3);
    expect(new Set(times).size).toBe(times.length);
    expect(new Set(ticks()).size).toBe(ticks().length);
    for (const { event } of body.items) {
      expect(event).toMatchObject({ type: "cron.beat", source: "cron", subject: "beat" });
      expect(new Date(event.time).getMilliseconds()).toBe(0);
    }
    expect(bodies().find(({ why }) => why === "often")).toBeDefined();
    expect([...first.lines, ...second.lines].filter((line) => /"level":"(error|fatal)"/.test(line))).toEqual([]);
  });

  /** A schedule alone, on a store in memory, at a time that moves only when it is told to. */
  function alone(cron: string) {
    vi.useFakeTimers({ now: Date.UTC(2026, 0, 5, 9) });
    onTestFinished(() => void vi.useRealTimers());
    const store = memoryStore();
    const faults: string[] = [];
    const observe = (one: Observation) => void (one.kind === "fault" && faults.push(`${one.where}: ${one.message}`));
    const stop = startSchedules([{ id: "beat", cron, data: {} }], { store, clock: systemClock, observe, stored() {} });
    return { faults, stop, ticks: async () => (await store.counts()).events };
  }

  test("is meant in UTC when it names no time zone, whatever the machine's own is", async () => {
    const before = process.env.TZ;
    // Here it is another hour, and another minute, than in UTC.
    process.env.TZ = "Asia/Kathmandu";
    try {
      const schedule = alone("0 30 9 * * *");
      await vi.advanceTimersByTimeAsync(29 * 60_000);
      expect(await schedule.ticks()).toBe(0);
      await vi.advanceTimersByTimeAsync(60_000);
      expect(await schedule.ticks()).toBe(1);
      await schedule.stop();
      expect(schedule.faults).toEqual([]);
    } finally {
      if (before === undefined) delete process.env.TZ;
      else process.env.TZ = before;
    }
  });

  test("says which ticks were missed because the process was busy, and goes on", async () => {
    const written = vi.spyOn(console, "warn");
    const schedule = alone("* * * * * *");
    await vi.advanceTimersByTimeAsync(1_000);
    const ticks = await schedule.ticks();
    expect(ticks).toBeGreaterThan(0);
    // The time moves on and nothing runs meanwhile.
    vi.setSystemTime(Date.now() + 2_500);
    await vi.advanceTimersByTimeAsync(3_000);
    expect(await schedule.ticks()).toBeGreaterThan(ticks + 1);
    await schedule.stop();
    expect(schedule.faults.length).toBeGreaterThan(0);
    for (const fault of schedule.faults) expect(fault).toMatch(/^schedule beat: The tick of \d{4}-.*Z was missed/);
    expect(written).not.toHaveBeenCalled();
    written.mockRestore();
  });
});

const ALARM = {
  "rules/start.yaml": `[{ id: start, event: github.ping, send: { machine: alarm, key: "{{event.data.hook_id}}", event: START } }]`,
  "statemachines/alarm.yaml": `
id: alarm
startOn: [START]
context: { hook: "{{event.data.hook_id}}" }
initial: armed
states:
  armed: { after: { 3s: rung } }
  rung:
    entry: [{ sink.request: { method: POST, json: { rung: "{{context.hook}}" } } }]
    on: { START: armed }
`,
};

test("a timer that was armed before a restart fires after it, once", async () => {
  const clock = woundClock();
  const first = await startEngine(
    {
      "signalbox.yaml": config(),
      ...ALARM,
    },
    ENV,
    { clock },
  );
  await first.post("github", signedByGithub("ping", '{"zen":"z","hook_id":7}', { id: "ping-7" }));
  await first.quiet();
  const { body } = await first.api<{ instance: { state: string }; timers: Timer[] }>("/api/v1/instances/alarm/7");
  expect(body).toMatchObject({ instance: { state: "armed" }, timers: [{ machine: "alarm", key: "7" }] });
  await first.stop();
  const rung = () => bodies().filter((one) => "rung" in one);
  expect(rung()).toEqual([]);

  const again: Started = await startEngineIn(first.folder, ENV, { clock });
  const other: Started = await startEngineIn(first.folder, ENV, { clock });
  clock.advance(2_999);
  await again.quiet();
  expect(rung()).toEqual([]);
  expect(clock.now()).toBe(body.timers[0]!.dueAtMs - 1);
  clock.advance(1);
  // Who has not noticed yet looks again after a while of its clock.
  await until("the timer has fired", () => {
    clock.advance(1_000);
    return rung().length > 0;
  });
  await again.quiet();
  const { body: page } = await again.api<{ items: { event: Event }[] }>("/api/v1/events?type=timer.due");
  expect(page.items.map(({ event }) => event.to)).toMatchObject([{ machine: "alarm", key: "7" }]);
  expect((await again.api<{ timers: Timer[] }>("/api/v1/instances/alarm/7")).body.timers).toEqual([]);
  await Promise.all([again.stop(), other.stop()]);
  expect(rung()).toEqual([{ rung: 7 }]);
});

describe("timers and schedules in the hand", () => {
  test("timers are listed by when they fire; one is fired now, one never, and both are told of", async () => {
    const engine = await startEngine({ "signalbox.yaml": config(), ...ALARM }, ENV, { clock: woundClock() });
    const timers = async () => (await engine.api<{ items: Timer[] }>("/api/v1/timers")).body.items;
    for (const id of [21, 22])
      await engine.post("github", signedByGithub("ping", `{"zen":"z","hook_id":${id}}`, { id: `ping-${id}` }));
    await engine.quiet();
    expect((await timers()).map(({ machine, key }) => `${machine}/${key}`).sort()).toEqual(["alarm/21", "alarm/22"]);
    const [{ id } = { id: "" }] = await timers();
    const paths = [21, 22].map((key) => `/api/v1/timers/alarm/${key}/${encodeURIComponent(id)}`);

    expect(await engine.api(`${paths[0]}/fire`, { reason: "now" })).toMatchObject({ status: 202 });
    expect(await engine.api(`${paths[1]}/cancel`, { reason: "never" })).toMatchObject({ status: 202 });
    await engine.quiet();
    expect(await timers()).toEqual([]);
    expect(bodies().filter(({ rung }) => rung === 21 || rung === 22)).toEqual([{ rung: 21 }]);
    for (const [key, state] of Object.entries({ 21: "rung", 22: "armed" }))
      expect((await engine.api(`/api/v1/instances/alarm/${key}`)).body).toMatchObject({ instance: { state } });

    expect(await engine.api(`${paths[0]}/fire`, { reason: "again" })).toMatchObject({ status: 404 });
    expect(await engine.api(`${paths[1]}/fire`, {})).toMatchObject({ status: 400 });
    const { body: log } = await engine.api<{ items: { event: Event }[] }>("/api/v1/events?type=timer.*");
    expect(log.items.map(({ event: { type, subject, actor } }) => [type, subject, actor]).sort()).toEqual([
      ["timer.cancelled", "alarm/22", "local"],
      ["timer.due", "alarm/21", "local"],
    ]);
    const { body: audit } = await engine.api<{ items: object[] }>("/api/v1/audit");
    expect(audit.items).toMatchObject([
      { what: "timer.cancel", target: `alarm/22/${id}`, reason: "never" },
      { what: "timer.fire", target: `alarm/21/${id}`, reason: "now" },
    ]);
    await engine.stop();
  });

  test("schedules are listed with when they tick next, in their own time zone", async () => {
    const schedules = `schedules:
  nightly: { cron: "30 2 * * *", timezone: Europe/Berlin, catchUp: last }
  weekly: { cron: "@weekly" }`;
    const clock = woundClock(Date.parse("2026-03-28T12:00:00Z"));
    const engine = await startEngine({ "signalbox.yaml": config(schedules), ...ALARM }, ENV, { clock });
    expect((await engine.api("/api/v1/schedules")).body).toEqual({
      items: [
        {
          ...{ id: "nightly", cron: "30 2 * * *", timezone: "Europe/Berlin", catchUp: "last" },
          nextAtMs: Date.parse("2026-03-29T01:30:00Z"),
        },
        {
          ...{ id: "weekly", cron: "@weekly", timezone: "UTC", catchUp: "none" },
          nextAtMs: Date.parse("2026-03-29T00:00:00Z"),
        },
      ],
    });
    await engine.stop();
  });
});
