/** Metrics for Prometheus: counters fed by observations, and the store's counts at each scrape. The only door to prom-client. */

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { messageOf } from "../errors.ts";
import type { Observation, Observer } from "../ports/observe.ts";
import type { StoreCounts } from "../ports/questions.ts";

/** Values of a label; further ones are counted as "other", because each one is a series in Prometheus. */
const LABEL_VALUES_MAX = 1_000;
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const LATE_SECONDS = [0.01, 0.1, 0.5, 1, 5, 15, 60, 300, 3_600];

export interface MetricsText {
  contentType: string;
  body: string;
}

export interface Metrics {
  observer: Observer;
  /** Prometheus text format 0.0.4. Never rejects: a value that cannot be read is NaN. */
  text(): Promise<MetricsText>;
  setCounts(counts: () => Promise<StoreCounts>): void;
  setPolicy(policy: () => { rules: number } | Promise<{ rules: number }>): void;
  setDroppedLines(dropped: () => number): void;
}

export interface MetricsOptions {
  /** The configured sources; any other is counted as "unknown". Absent: every source, at most 1,000. */
  sources?: Iterable<string>;
}

/** Has its own registry, so that one process can have several. */
export function createMetrics(options: MetricsOptions = {}): Metrics {
  const registry = new Registry();
  const observed = observedMetrics(registry, options.sources && new Set(options.sources));
  const current = currentMetrics(registry);
  collectDefaultMetrics({ register: registry });
  let counts: (() => Promise<StoreCounts>) | undefined;
  let policy: (() => { rules: number } | Promise<{ rules: number }>) | undefined;
  let dropped: (() => number) | undefined;

  const fault = (where: string) => (error: unknown) => {
    const message = messageOf(error);
    observed.observer({ kind: "fault", where, message });
    return undefined;
  };
  return {
    observer: observed.observer,
    async text() {
      // Inside `then`, so that a source that throws counts like one that rejects.
      current.counts(await Promise.resolve().then(counts).catch(fault("metrics counts")));
      current.policy(await Promise.resolve().then(policy).catch(fault("metrics policy")));
      if (dropped) current.droppedLines(dropped());
      return { contentType: registry.contentType, body: await registry.metrics() };
    },
    setCounts(source) {
      counts = source;
    },
    setPolicy(source) {
      policy = source;
    },
    setDroppedLines(source) {
      dropped = source;
    },
  };
}

/** Metrics that observations count. */
function observedMetrics(registry: Registry, sources: ReadonlySet<string> | undefined): { observer: Observer } {
  const registers = [registry];
  const counter = (name: string, help: string, ...labelNames: string[]) =>
    new Counter({ name: `signalbox_${name}`, help, labelNames, registers });
  const histogram = (name: string, help: string, buckets: number[], ...labelNames: string[]) =>
    new Histogram({ name: `signalbox_${name}`, help, buckets, labelNames, registers });
  const received = counter(
    "events_received_total",
    "Requests of senders by what they were answered",
    "source",
    "status",
  );
  const receivedSeconds = histogram("received_seconds", "From the whole request to its answer", SECONDS);
  const decided = counter("events_decided_total", "Events decided: matched, near-miss, no-rule or problem", "result");
  const matched = counter("rule_matched_total", "Events that a rule matched", "rule");
  const decidedSeconds = histogram("decided_seconds", "Deciding one event", SECONDS);
  const attempted = counter("deliveries_attempted_total", "Attempts by what became of them", "action", "outcome");
  const attemptSeconds = histogram("delivery_attempt_seconds", "One attempt of a delivery", SECONDS);
  const dead = counter("deliveries_dead_total", "Deliveries given up", "action");
  const late = histogram("timer_late_seconds", "How late timers fired", LATE_SECONDS);
  const storeSeconds = histogram("store_operation_seconds", "One operation of the store", SECONDS, "operation");
  const storeRows = counter("store_rows_total", "Rows that operations of the store touched", "operation");
  const reloadOk = new Gauge({
    name: "signalbox_policy_last_reload_ok",
    help: "0: the files were rejected",
    registers,
  });
  const cacheHealthy = new Gauge({ name: "signalbox_cache_healthy", help: "0: the cache is not reached", registers });
  const faults = counter("faults_total", "Failures of Signalbox itself", "where");
  // The engine runs only with a policy, and the cache counts as healthy until it reports otherwise.
  reloadOk.set(1);
  cacheHealthy.set(1);

  const bounds = {
    source: createLabelBound(),
    rule: createLabelBound(),
    action: createLabelBound(),
    operation: createLabelBound(),
    where: createLabelBound(),
  };
  const sourceOf = (source: string) =>
    sources && !sources.has(source) ? "unknown" : bounds.source(source === "" ? "unknown" : source);

  const listeners: { [K in Observation["kind"]]: (observation: Extract<Observation, { kind: K }>) => void } = {
    received({ source, status, ms }) {
      received.inc({ source: sourceOf(source), status });
      receivedSeconds.observe(ms / 1_000);
    },
    decided(observation) {
      decided.inc({ result: resultOf(observation) });
      decidedSeconds.observe(observation.ms / 1_000);
      for (const rule of observation.matched) matched.inc({ rule: bounds.rule(rule) });
    },
    attempted({ action, outcome, ms, dead: isDead }) {
      attempted.inc({ action: bounds.action(action), outcome });
      attemptSeconds.observe(ms / 1_000);
      if (isDead) dead.inc({ action: bounds.action(action) });
    },
    fired: ({ lateMs }) => late.observe(lateMs / 1_000),
    stored({ operation, rows, ms }) {
      storeSeconds.observe({ operation: bounds.operation(operation) }, ms / 1_000);
      storeRows.inc({ operation: bounds.operation(operation) }, rows);
    },
    policy: ({ ok }) => reloadOk.set(ok ? 1 : 0),
    cache: ({ ok }) => cacheHealthy.set(ok ? 1 : 0),
    fault: ({ where }) => faults.inc({ where: bounds.where(where) }),
  };
  // Each listener takes its own kind; TypeScript cannot express that the key and the observation agree.
  return {
    observer: (observation) => (listeners[observation.kind] as (observation: Observation) => void)(observation),
  };
}

/** As in the API's filter `outcome`. */
function resultOf({ problems, matched, considered }: Extract<Observation, { kind: "decided" }>): string {
  if (problems.length > 0) return "problem";
  if (matched.length > 0) return "matched";
  return considered > 0 ? "near-miss" : "no-rule";
}

/** Metrics that are read at each scrape. NaN, not 0, when a value is unknown: 0 would hide a failure from alerts. */
function currentMetrics(registry: Registry) {
  const gauge = (name: string, help: string, ...labelNames: string[]) =>
    new Gauge({ name: `signalbox_${name}`, help, labelNames, registers: [registry] });
  const events = gauge("store_events", "Events kept in the log");
  const instances = gauge("store_instances", "Instances kept");
  const undecided = gauge("undecided", "Events that wait for their decision");
  const timers = gauge("timers", "Timers that are armed");
  const deliveries = gauge("deliveries", "Deliveries kept, by status", "status");
  const rules = gauge("policy_rules", "Rules of the running policy");
  const droppedLines = gauge("log_dropped_lines", "Lines of the log that could not be written");
  return {
    droppedLines: (lines: number) => droppedLines.set(lines),
    counts(counts: StoreCounts | undefined): void {
      events.set(counts?.events ?? Number.NaN);
      instances.set(counts?.instances ?? Number.NaN);
      undecided.set(counts?.undecided ?? Number.NaN);
      timers.set(counts?.timers ?? Number.NaN);
      deliveries.reset();
      for (const [status, count] of Object.entries(counts?.deliveries ?? {})) deliveries.set({ status }, count);
    },
    policy(policy: { rules: number } | undefined): void {
      rules.set(policy?.rules ?? Number.NaN);
    },
  };
}

function createLabelBound(): (value: string) => string {
  const labelValues = new Set<string>();
  return (value) => {
    if (labelValues.size < LABEL_VALUES_MAX) labelValues.add(value);
    return labelValues.has(value) ? value : "other";
  };
}
