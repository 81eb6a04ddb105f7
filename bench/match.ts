/**
 * Matching alone: the index beside its peers, JSON.parse of the same event as the floor, and what rules cost in memory and in time
 * to come and go. Microseconds per event that is parsed already; the verdicts of all engines are compared.
 * Arguments: [rounds] [most rules].
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { createRuleIndex } from "../src/core/match/index/index.ts";
import type { JsonObject } from "../src/model.ts";
import { compiledRule, compiledRules, type Engine, engines } from "./match/engines.ts";
import { type RuleSet, sets } from "./match/sets.ts";

const ROUNDS = Number(process.argv[2] ?? 5);
const RULES_MAX = Number(process.argv[3] ?? 100_000);
const COUNTS = [10, 100, 1_000, 10_000, 100_000].filter((count) => count <= RULES_MAX);
/** Slow engines are asked fewer events. */
const ROUND_US = 300_000;
const WARM_MS = 150;
const VERDICTS = 50;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

const parsed = (texts: readonly string[]) => texts.map((text) => JSON.parse(text) as JsonObject);

/** Always over events that were just parsed: none of their texts was looked up before. */
async function usPerEvent(texts: readonly string[], ask: (event: JsonObject) => unknown): Promise<number> {
  const startedMs = performance.now();
  let trial = 0;
  // Until the compilers of V8 have come to rest.
  do trial = await timedUs(parsed(texts.slice(0, 20)), ask);
  while (performance.now() - startedMs < WARM_MS);
  const count = Math.max(5, Math.min(texts.length, Math.floor(ROUND_US / trial)));
  const rounds: number[] = [];
  for (let round = -1; round < ROUNDS; round++) {
    const us = await timedUs(parsed(texts.slice(0, count)), ask);
    if (round >= 0) rounds.push(us);
  }
  return median(rounds);
}

async function timedUs(events: readonly JsonObject[], ask: (event: JsonObject) => unknown): Promise<number> {
  const startedMs = performance.now();
  for (const event of events) {
    const answer = ask(event);
    if (answer instanceof Promise) await answer;
  }
  return ((performance.now() - startedMs) * 1_000) / events.length;
}

async function parseUs(texts: readonly string[]): Promise<number> {
  const rounds: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const startedMs = performance.now();
    for (const text of texts) JSON.parse(text);
    rounds.push(((performance.now() - startedMs) * 1_000) / texts.length);
  }
  return median(rounds);
}

const asUs = (us: number) => (us < 10 ? us.toFixed(2) : us.toFixed(us < 1_000 ? 1 : 0));

async function compare(set: RuleSet): Promise<void> {
  const kb = set.texts.reduce((sum, text) => sum + text.length, 0) / set.texts.length / 1_000;
  const floor = await parseUs(set.texts);
  console.log(`\n${set.name}: events of ${kb.toFixed(1)} KB, JSON.parse ${asUs(floor)} µs each\n`);
  console.log(
    ["rules", "engine", "µs/event", "of parsing", "events/s", "matched"].map((word) => word.padEnd(20)).join(""),
  );
  for (const count of COUNTS) {
    const verdicts = new Map<string, string>();
    for (const engine of engines) await row(set, engine, { count, floor, verdicts });
    if (new Set(verdicts.values()).size > 1) throw new Error(`The engines disagree: ${JSON.stringify([...verdicts])}`);
  }
}

interface Row {
  count: number;
  floor: number;
  verdicts: Map<string, string>;
}

async function row(set: RuleSet, engine: Engine, { count, floor, verdicts }: Row): Promise<void> {
  const ask = count <= engine.rulesMax ? engine.prepare(set, count) : undefined;
  if (!ask) return;
  const us = await usPerEvent(set.texts, ask);
  const matched: number[] = [];
  for (const event of parsed(set.texts.slice(0, VERDICTS))) matched.push(await ask(event));
  verdicts.set(engine.name, matched.join());
  const sum = matched.reduce((total, each) => total + each, 0);
  const cells = [
    count,
    engine.name,
    asUs(us),
    `${((us / floor) * 100).toFixed(us < floor ? 1 : 0)} %`,
    Math.round(1e6 / us),
  ];
  console.log([...cells, (sum / VERDICTS).toFixed(2)].map((cell) => String(cell).padEnd(20)).join(""));
}

/** What rules cost to hold, and to add one by one beside all the others. */
async function upkeep(set: RuleSet): Promise<void> {
  const count = COUNTS.at(-1)!;
  const heap = async () => {
    // What the last set left behind goes with the second.
    for (let i = 0; i < 3; i++) {
      await new Promise((resolve) => setImmediate(resolve));
      collectGarbage();
    }
    return process.memoryUsage().heapUsed;
  };
  const empty = await heap();
  const rules = compiledRules(set, count);
  const compiled = await heap();
  const index = createRuleIndex();
  const startedMs = performance.now();
  index.add(rules.map((rule, rank) => ({ rule, rank })));
  const builtMs = performance.now() - startedMs;
  const indexed = await heap();
  const entries = Array.from({ length: 1_000 }, (_, i) => ({
    rule: compiledRule(set, i * 7 + 1, count),
    rank: count + i,
  }));
  const added = entries.map((entry) => workUs(() => index.add([entry])));
  const worst = (values: readonly number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length * 0.99)]!;
  console.log(
    `${set.name.padEnd(28)}${String(count).padStart(7)} rules: built in ${builtMs.toFixed(0)} ms, ` +
      `${((indexed - compiled) / count).toFixed(0)} bytes each in the index beside ${((compiled - empty) / count).toFixed(0)} as compiled; ` +
      `one more: ${median(added).toFixed(0)} µs (p99 ${worst(added).toFixed(0)})`,
  );
}

function workUs(work: () => void): number {
  const startedMs = performance.now();
  work();
  return (performance.now() - startedMs) * 1_000;
}

const all = sets();
for (const set of all) await compare(set);
console.log("");
for (const set of all) await upkeep(set);
