import { describe, expect, test } from "vitest";
import type { Observation } from "../../src/ports/observe.ts";
import type { StoreCounts } from "../../src/ports/questions.ts";
import { createMetrics, type MetricsOptions } from "../../src/web/metrics.ts";

/** Samples by name and labels, as a scraper reads them. */
async function scraped(told: Observation[], options?: MetricsOptions, counts?: () => Promise<StoreCounts>) {
  const metrics = createMetrics(options);
  if (counts) metrics.setCounts(counts);
  for (const observation of told) metrics.observer(observation);
  return samples((await metrics.text()).body);
}

function samples(body: string): Record<string, number> {
  const lines = body.split("\n").filter((line) => line.startsWith("signalbox_"));
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ") + 1))]),
  );
}

const COUNTS: StoreCounts = {
  events: 7,
  undecided: 2,
  instances: 3,
  timers: 4,
  deliveries: { pending: 1, done: 5, dead: 6, observed: 0, cancelled: 9 },
};
const received = { kind: "received", source: "github", status: 202, ms: 3, requestId: "r" } as const;
const decided: Observation = {
  kind: "decided",
  event: "e",
  type: "t",
  matched: [],
  considered: 0,
  problems: [],
  ms: 1,
};
const attempt = { kind: "attempted", delivery: "d", action: "jira.move", attempt: 1, ms: 20, detail: "" } as const;

describe("what is told is counted", () => {
  const table: [Observation, Record<string, number>][] = [
    [
      received,
      { 'signalbox_events_received_total{source="github",status="202"}': 1, signalbox_received_seconds_count: 1 },
    ],
    [
      received,
      { 'signalbox_received_seconds_bucket{le="0.0025"}': 0, 'signalbox_received_seconds_bucket{le="0.005"}': 1 },
    ],
    [{ ...received, status: 401 }, { 'signalbox_events_received_total{source="github",status="401"}': 1 }],
    [decided, { 'signalbox_events_decided_total{result="no-rule"}': 1 }],
    [{ ...decided, considered: 2 }, { 'signalbox_events_decided_total{result="near-miss"}': 1 }],
    [
      { ...decided, considered: 2, matched: ["a", "b"] },
      {
        'signalbox_events_decided_total{result="matched"}': 1,
        'signalbox_rule_matched_total{rule="a"}': 1,
        'signalbox_rule_matched_total{rule="b"}': 1,
      },
    ],
    [{ ...decided, matched: ["a"], problems: ["SB0402"] }, { 'signalbox_events_decided_total{result="problem"}': 1 }],
    [
      { ...attempt, outcome: "done", dead: false },
      { 'signalbox_deliveries_attempted_total{action="jira.move",outcome="done"}': 1 },
    ],
    [{ ...attempt, outcome: "rejected", dead: true }, { 'signalbox_deliveries_dead_total{action="jira.move"}': 1 }],
    [
      { kind: "fired", machine: "m", key: "k", timer: "t", lateMs: 700 },
      { 'signalbox_timer_late_seconds_bucket{le="0.5"}': 0, 'signalbox_timer_late_seconds_bucket{le="1"}': 1 },
    ],
    [
      { kind: "stored", operation: "append", rows: 12, ms: 5 },
      {
        'signalbox_store_rows_total{operation="append"}': 12,
        'signalbox_store_operation_seconds_count{operation="append"}': 1,
      },
    ],
    [{ kind: "policy", ok: false, revision: "r", problems: 1 }, { signalbox_policy_last_reload_ok: 0 }],
    [{ kind: "policy", ok: true, revision: "r", problems: 0 }, { signalbox_policy_last_reload_ok: 1 }],
    [{ kind: "cache", ok: false, detail: "" }, { signalbox_cache_healthy: 0 }],
    [{ kind: "cache", ok: true, detail: "" }, { signalbox_cache_healthy: 1 }],
    [{ kind: "fault", where: "advance", message: "x" }, { 'signalbox_faults_total{where="advance"}': 1 }],
  ];
  test.each(table)("%j", async (observation, expected) => {
    expect(await scraped([observation])).toMatchObject(expected);
  });

  test("a delivery that lives on is not counted as dead", async () => {
    const all = await scraped([{ ...attempt, outcome: "retry", dead: false }]);
    expect(Object.keys(all).filter((name) => name.includes("deliveries_dead_total{"))).toEqual([]);
  });
});

describe("labels stay few", () => {
  test("a source that is not configured is unknown", async () => {
    const told = ["github", "/etc/passwd", "x".repeat(500)].map((source) => ({ ...received, source }));
    const all = await scraped(told, { sources: ["github"] });
    const names = Object.keys(all).filter((name) => name.startsWith("signalbox_events_received_total"));
    expect(names.map((name) => [name, all[name]])).toEqual([
      ['signalbox_events_received_total{source="github",status="202"}', 1],
      ['signalbox_events_received_total{source="unknown",status="202"}', 2],
    ]);
  });

  test("after a thousand rules the rest is counted together, and nothing is lost", async () => {
    const told = Array.from({ length: 1_500 }, (_, index) => ({ ...decided, matched: [`rule-${index}`] }));
    const all = await scraped([...told, { ...decided, matched: ["rule-0"] }]);
    const rules = Object.entries(all).filter(([name]) => name.startsWith("signalbox_rule_matched_total"));
    expect(rules).toHaveLength(1_001);
    expect(all['signalbox_rule_matched_total{rule="other"}']).toBe(500);
    expect(all['signalbox_rule_matched_total{rule="rule-0"}']).toBe(2);
  });
});

describe("what is asked", () => {
  test("comes from the store at the moment of asking", async () => {
    let counts = COUNTS;
    const metrics = createMetrics();
    metrics.setCounts(async () => counts);
    metrics.setPolicy(() => ({ rules: 12 }));
    expect(samples((await metrics.text()).body)).toMatchObject({
      signalbox_store_events: 7,
      signalbox_store_instances: 3,
      signalbox_undecided: 2,
      signalbox_timers: 4,
      signalbox_policy_rules: 12,
      'signalbox_deliveries{status="dead"}': 6,
      'signalbox_deliveries{status="cancelled"}': 9,
    });
    counts = { ...COUNTS, undecided: 0 };
    expect(samples((await metrics.text()).body).signalbox_undecided).toBe(0);
  });

  test("is unknown, never 0, when nobody answers; the failure is counted and the rest is shown", async () => {
    const metrics = createMetrics();
    metrics.observer(received);
    metrics.setCounts(() => Promise.reject(new Error("no disk")));
    await metrics.text();
    const { body } = await metrics.text();
    expect(body).toMatch(/^signalbox_undecided Nan$/m);
    expect(body).not.toContain("no disk");
    expect(samples(body)['signalbox_faults_total{where="metrics counts"}']).toBe(2);
    expect(samples(body)['signalbox_events_received_total{source="github",status="202"}']).toBe(1);
  });
});

test("two registries know nothing of each other, and both tell of the process", async () => {
  const one = createMetrics();
  const other = createMetrics();
  one.observer(received);
  const [first, second] = await Promise.all([one.text(), other.text()]);
  expect(first.contentType).toMatch(/^text\/plain; version=0\.0\.4/);
  expect(first.body).toMatch(/^process_cpu_seconds_total /m);
  expect(second.body).toMatch(/^nodejs_eventloop_lag_seconds /m);
  expect(second.body).not.toContain('source="github"');
});

test("every sample has a help text and a type, and names end in their unit", async () => {
  const { body } = await createMetrics().text();
  const types = [...body.matchAll(/^# TYPE (signalbox_\S+) (\S+)$/gm)].map(([, name, type]) => ({ name: name!, type }));
  expect(types.length).toBeGreaterThan(15);
  for (const { name, type } of types) {
    expect(body).toMatch(new RegExp(`^# HELP ${name} \\S`, "m"));
    if (type === "counter") expect(name).toMatch(/_total$/);
    if (type === "histogram") expect(name).toMatch(/_seconds$/);
  }
});
