/**
 * Machines alone: a step from JSON row to JSON row beside raw xstate doing the same in the same run, and a store full of instances:
 * bytes each, time to load, step and query them, and the memory that takes. Arguments: [instances] [rounds].
 */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type AnyStateMachine, assign, createActor, setup, transition } from "xstate";
import { type DecisionPolicy, decide, emptyPlan } from "../src/core/decide.ts";
import { type CompiledMachine, compileMachine } from "../src/core/machine/file/compile.ts";
import { type Signal, step } from "../src/core/machine/run/step.ts";
import type { Event, Instance } from "../src/model.ts";
import type { Store } from "../src/ports/store.ts";
import { sqliteStore } from "../src/store/sqlite/store.ts";

const INSTANCES = Number(process.argv[2] ?? 1_000_000);
const ROUNDS = Number(process.argv[3] ?? 5);
const STEPS = 5_000;
const BATCH = 1_000;
const NOW = Date.UTC(2026, 0, 5, 9);

/** Groups of states in a ring inside one more ring: each GO goes one state on, and at a group's end to the next group. */
interface Size {
  name: string;
  groups: number;
  states: number;
}
const SIZES: readonly Size[] = [
  { name: "small", groups: 1, states: 3 },
  { name: "medium", groups: 4, states: 4 },
  { name: "large", groups: 15, states: 9 },
];

function ours({ groups, states }: Size): CompiledMachine {
  const definition = {
    id: "ring",
    startOn: ["START"],
    context: { title: "{{event.title}}", count: 0 },
    initial: "g0",
    states: Object.fromEntries(
      Array.from({ length: groups }, (_, g) => [
        `g${g}`,
        {
          initial: "s0",
          after: { "1h": `g${(g + 1) % groups}` },
          states: Object.fromEntries(
            Array.from({ length: states }, (_, s) => {
              const target = s + 1 < states ? `s${s + 1}` : `#g${(g + 1) % groups}`;
              const actions = [{ assign: { count: { cel: "context.count + 1" } } }];
              return [`s${s}`, { on: { GO: { target, guard: "event.number > 0", actions } } }];
            }),
          ),
          id: `g${g}`,
        },
      ]),
    ),
  };
  const { machine, diagnostics: problems } = compileMachine(definition, {
    id: "ring",
    templates: new Map(),
    actions: undefined,
    vars: {},
  });
  if (!machine) throw new Error(JSON.stringify(problems));
  return machine;
}

interface Go {
  type: "GO" | "START";
  number: number;
}

/** The same in xstate's own words, with functions for guard and assign. */
function raw({ groups, states }: Size): AnyStateMachine {
  const config = {
    context: { title: "a title", count: 0 },
    initial: "g0",
    states: Object.fromEntries(
      Array.from({ length: groups }, (_, g) => [
        `g${g}`,
        {
          id: `g${g}`,
          initial: "s0",
          after: { 3600000: `g${(g + 1) % groups}` },
          states: Object.fromEntries(
            Array.from({ length: states }, (_, s) => {
              const target = s + 1 < states ? `s${s + 1}` : `#g${(g + 1) % groups}`;
              const actions = assign({ count: ({ context }: { context: { count: number } }) => context.count + 1 });
              return [
                `s${s}`,
                { on: { GO: { target, guard: ({ event }: { event: Go }) => event.number > 0, actions } } },
              ];
            }),
          ),
        },
      ]),
    ),
  };
  return setup({ types: { events: {} as Go } }).createMachine(config as never) as unknown as AnyStateMachine;
}

const go: Signal = { kind: "signal", name: "GO", event: { type: "github.push", number: 1, title: "a title" } };
const begin: Signal = { kind: "signal", name: "START", event: { type: "x", title: "a title" } };

/** Median microseconds of one call; each gives the row for the next. */
function usPerStep(first: string, once: (row: string) => string): number {
  const rounds: number[] = [];
  let row = first;
  for (let round = -2; round < ROUNDS; round++) {
    const startedMs = performance.now();
    for (let i = 0; i < STEPS; i++) row = once(row);
    if (round >= 0) rounds.push(((performance.now() - startedMs) * 1_000) / STEPS);
  }
  return rounds.toSorted((a, b) => a - b)[Math.floor(rounds.length / 2)]!;
}

function stepping(size: Size): void {
  const machine = ours(size);
  const begun = step(machine, "k", undefined, begin, NOW).instance!;
  const stepped = usPerStep(JSON.stringify(begun), (row) =>
    JSON.stringify(step(machine, "k", JSON.parse(row) as Instance, go, NOW).instance),
  );
  const native = raw(size);
  const event: Go = { type: "GO", number: 1 };
  const start = createActor(native);
  const pure = usPerStep(JSON.stringify(start.getPersistedSnapshot()), (row) => {
    const [next] = transition(native, native.resolveState(JSON.parse(row)), event);
    return JSON.stringify(native.getPersistedSnapshot(next));
  });
  const actors = usPerStep(JSON.stringify(start.getPersistedSnapshot()), (row) => {
    const actor = createActor(native, { snapshot: JSON.parse(row) }).start();
    actor.send(event);
    const persisted = JSON.stringify(actor.getPersistedSnapshot());
    actor.stop();
    return persisted;
  });
  const states = size.groups * (size.states + 1) + 1;
  const cells = [size.name, states, stepped.toFixed(1), Math.round(1e6 / stepped), pure.toFixed(1), actors.toFixed(1)];
  console.log(cells.map((cell) => String(cell).padEnd(16)).join(""));
}

// ---------------------------------------------------------------- a full store

const rssMb = () => Math.round(process.memoryUsage().rss / 1e6);
const keyOf = (i: number) => `acme/service-${i % 1_000}#${i}`;

let events = 0;

/** All of them caused by one event. */
async function commit(store: Store, instances: Instance[]): Promise<void> {
  const id = `evt_${events++}`;
  const time = new Date(NOW).toISOString();
  const event: Event = { id, type: "bench", source: "bench", time, receivedAt: time, data: {} };
  await store.append([{ event, keys: [] }]);
  const problem = { code: "SB0910", message: "Nothing is decided" };
  const nothing = emptyPlan({ revision: "bench" } as DecisionPolicy, event, problem);
  const { trace } = decide({} as DecisionPolicy, nothing, () => undefined, NOW);
  const lists = { timersSet: [], timersCancelled: [], deliveries: [], cancelled: [], emitted: [] };
  const tenure = await store.claim("bench", { nowMs: NOW, leaseMs: 60_000, limit: 1, bytes: 1 });
  const committed = await store.commit([{ event: id, decidedAtMs: NOW, instances, ...lists, trace }], tenure);
  if (!committed.ok) throw new Error("The commit met a conflict");
}

async function full(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "signalbox-bench-"));
  const path = join(folder, "bench.db");
  const store = await sqliteStore({ path });
  const machine = ours(SIZES[1]!);
  const begun = step(machine, "k", undefined, begin, NOW).instance!;
  console.log(`\nrss before ${rssMb()} MB`);
  const report = (what: string, count: number, startedMs: number) => {
    const us = ((performance.now() - startedMs) * 1_000) / count;
    console.log(`${what.padEnd(36)}${us.toFixed(1).padStart(8)} µs each   rss ${rssMb()} MB`);
  };
  let startedMs = performance.now();
  for (let from = 0; from < INSTANCES; from += BATCH)
    await commit(
      store,
      Array.from({ length: BATCH }, (_, i) => ({ ...begun, key: keyOf(from + i) })),
    );
  report(`${INSTANCES.toLocaleString("en")} instances written`, INSTANCES, startedMs);
  const body = Buffer.byteLength(JSON.stringify(begun.context));
  console.log(
    `${"".padEnd(36)}${(statSync(path).size / INSTANCES - body).toFixed(0).padStart(8)} bytes each beside ${body} of context`,
  );
  const some = Math.min(INSTANCES, 100_000);
  startedMs = performance.now();
  for (let from = 0; from < some; from += 100) {
    // Spread over the whole store.
    const keys = Array.from({ length: 100 }, (_, i) => ({
      machine: "ring",
      key: keyOf(((from + i) * 7_919) % INSTANCES),
    }));
    const read = await store.instances(keys);
    const stepped = read.map((instance) => step(machine, instance.key, instance, go, NOW).instance!);
    await commit(store, stepped);
  }
  report(`${some.toLocaleString("en")} of them stepped`, some, startedMs);
  startedMs = performance.now();
  let cursor: string | undefined;
  for (let page = 0; page < 20; page++)
    ({ cursor } = await store.instanceList({ machine: "ring" }, { limit: 100, ...(cursor ? { cursor } : {}) }));
  report("20 pages of 100 listed", 20, startedMs);
  startedMs = performance.now();
  await store.counts();
  report("counted", 1, startedMs);
  await store.close();
  startedMs = performance.now();
  const again = await sqliteStore({ path });
  await again.instances([{ machine: "ring", key: keyOf(5) }]);
  report("opened again, one read", 1, startedMs);
  await again.close();
  rmSync(folder, { recursive: true });
}

console.log(
  ["machine", "states", "µs/step", "steps/s", "xstate pure", "xstate actors"].map((word) => word.padEnd(16)).join(""),
);
for (const size of SIZES) stepping(size);
await full();
