/**
 * Random scripts of events and waiting, and a crash before every single write: after a restart the outside must have seen the
 * same effects and the instances must have come to the same states as without a crash.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import type { PolicyFiles } from "../src/policy/policy.ts";
import type { Store } from "../src/ports/store.ts";
import { memoryStore } from "../src/store/memory.ts";
import { woundClock } from "./support/clock.ts";
import { sqliteStoreInThisThread } from "./support/stores.ts";
import { thorough } from "./support/thorough.ts";
import { createWorld, type Seen, type World } from "./support/world.ts";

const FILES = {
  "rules/all.yaml": `
- id: opened
  event: deploy.started
  send: { machine: deploy, key: "{{event.subject}}", event: STARTED }
  do:
    - out.post: { text: "started {{event.subject}} {{event.delivery}}" }
- id: failed
  event: deploy.failed
  send: { machine: deploy, key: "{{event.subject}}", event: FAILED }
- id: fixed
  event: deploy.done
  send: { machine: deploy, key: "{{event.subject}}", event: FIXED }
- id: each
  event: deploy.list
  forEach: event.tickets
  do:
    - out.post: { text: "ticket {{item}} of {{event.delivery}}" }
`,
  "statemachines/deploy.yaml": `
id: deploy
startOn: [STARTED, FAILED]
context: { pages: 0 }
initial: quiet
states:
  quiet:
    on: { FAILED: paging }
  paging:
    entry:
      - assign: { pages: { cel: "context.pages + 1" } }
    invoke:
      id: page
      src: out.post
      input: { text: "page {{context.pages}} for {{event.subject}}" }
      onDone: waiting
      onError: waiting
    on: { FIXED: quiet }
  waiting:
    after: { 3h: escalated }
    on: { FIXED: quiet }
  escalated:
    entry:
      - out.post: { text: "escalated after {{context.pages}}" }
    on: { FIXED: quiet, FAILED: paging }
`,
};

type Step = { kind: "send"; type: string; subject: string } | { kind: "wait"; minutes: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant("send" as const),
    type: fc.constantFrom("deploy.started", "deploy.failed", "deploy.done", "deploy.list", "deploy.unknown"),
    subject: fc.constantFrom("a", "b"),
  }),
  fc.record({ kind: fc.constant("wait" as const), minutes: fc.constantFrom(1, 200, 600) }),
);

class Crash extends Error {}

const WRITES = ["append", "commit", "fire", "settle", "lease"] as const;

interface Mortal {
  /** A handle for one life of the process; once that life ended, it fails for ever. */
  live(): Store;
  /** Rejects when the life under way ends. */
  death(): Promise<never>;
  writes(): number;
}

/** The store, whose user dies before the nth write. */
function mortal(store: Store, nth: number): Mortal {
  let writes = 0;
  let die: (crash: Crash) => void = () => undefined;
  let death: Promise<never> = new Promise(() => undefined);
  return {
    live() {
      let dead = false;
      death = new Promise((_, reject) => {
        die = (crash) => {
          dead = true;
          reject(crash);
        };
      });
      death.catch(() => undefined);
      return new Proxy(store, {
        get(target, name) {
          const method = Reflect.get(target, name) as (...args: unknown[]) => unknown;
          if (typeof method !== "function") return method;
          const isWrite = (WRITES as readonly string[]).includes(String(name));
          return (...args: unknown[]) => {
            if (isWrite && !dead && ++writes === nth) die(new Crash(`crash before write ${nth}`));
            return dead ? new Promise(() => undefined) : method.apply(target, args);
          };
        },
      });
    },
    death: () => death,
    writes: () => writes,
  };
}

/** The outside answers by the key alone, so that it is the same outside in every run: most done, some only at the second try. */
function answering(seen: Seen) {
  const fate = JSON.stringify(seen.params).length % 5;
  if (fate === 0 && seen.attempt === 1) {
    return { taken: false, outcome: { kind: "retry" as const, error: { message: "busy", status: 503 } } };
  }
  if (fate === 1 && seen.attempt === 1) {
    return { taken: true, outcome: { kind: "uncertain" as const, error: { message: "the answer got lost" } } };
  }
  return { taken: true, outcome: { kind: "done" as const, result: { ok: true } } };
}

interface Result {
  effects: string[];
  states: string[];
  repeats: number;
  writes: number;
}

async function play(files: PolicyFiles, base: Store, script: readonly Step[], crashAt: number): Promise<Result> {
  const dying = mortal(base, crashAt);
  const clock = woundClock();
  const world = createWorld({ store: dying.live(), files, answer: answering, clock, probes: true });
  let number = 0;
  for (const one of script) {
    if (one.kind === "wait") clock.advance(one.minutes * 60_000);
    else {
      const event = { type: one.type, id: `d${number++}`, data: { subject: one.subject, tickets: ["A-1", "B-2"] } };
      await persist(world, dying, async () => {
        expect([200, 202]).toContain((await world.send(event)).status);
      });
    }
    await rest(world, dying, 3);
  }
  clock.advance(4 * 3_600_000);
  await rest(world, dying, 6);
  const { items } = await base.instanceList({}, { limit: 100 });
  const keys = new Set(world.effects.map(({ key }) => key));
  return {
    effects: [...keys].map((key) => JSON.stringify(world.effects.find((one) => one.key === key)?.params)).sort(),
    states: items.map(({ machine, key, state, context }) => JSON.stringify([machine, key, state, context])).sort(),
    repeats: world.effects.length - keys.size,
    writes: dying.writes(),
  };
}

/** Long enough for every second try, so that a step ends the same way with and without a crash; far shorter than any timer. */
async function rest(world: World, dying: Mortal, rounds: number): Promise<void> {
  await persist(world, dying, () => world.settle());
  for (let i = 0; i < rounds; i++) {
    world.clock.advance(40_000);
    await persist(world, dying, () => world.settle());
  }
}

/** Whatever dies is started again, and the sender sends again. */
async function persist(world: World, dying: Mortal, act: () => Promise<void>): Promise<void> {
  for (let tries = 0; tries < 3; tries++) {
    try {
      return await Promise.race([act(), dying.death()]);
    } catch (error) {
      if (!(error instanceof Crash)) throw error;
      world.restart(dying.live());
      // What was in flight is leased until the lease ends.
      world.clock.advance(31_000);
    }
  }
  throw new Error("It did not come back");
}

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

const STORES: Record<string, () => Promise<Store>> = {
  memory: async () => memoryStore(),
  async sqlite() {
    const folder = mkdtempSync(join(tmpdir(), "signalbox-simulation-"));
    folders.push(folder);
    return sqliteStoreInThisThread(join(folder, "log.db"));
  },
};

/** Scripts are few on SQLite, where every run is a database; the crash points are all of them on both. */
const RUNS: Record<string, number> = { memory: thorough(8, 25), sqlite: thorough(1, 3) };
const MACHINES: Record<string, number> = { memory: thorough(5, 15), sqlite: thorough(1, 2) };

// ---------------------------------------------------------------- random machines

const SIGNALS = ["E0", "E1", "E2"];
const PLACES = 5;
const signalStep: fc.Arbitrary<Step> = fc.oneof(
  {
    arbitrary: fc.record({
      kind: fc.constant("send" as const),
      type: fc.constantFrom(...SIGNALS.map((name) => `x.${name}`)),
      subject: fc.constantFrom("a", "b"),
    }),
    weight: 3,
  },
  fc.record({ kind: fc.constant("wait" as const), minutes: fc.constantFrom(1, 200, 600) }),
);

const post = (text: string) => ({ "out.post": { text: `${text} {{context.n}} {{event.type}}` } });
const place = fc.record({
  leads: fc.array(fc.nat({ max: PLACES - 1 }), { minLength: 3, maxLength: 3 }),
  guarded: fc.boolean(),
  calls: fc.boolean(),
  waits: fc.boolean(),
  tells: fc.boolean(),
  inner: fc.boolean(),
});

/** Calls lead to later states only, so that no answer goes round in a circle. */
const machines: fc.Arbitrary<PolicyFiles> = fc.array(place, { minLength: PLACES, maxLength: PLACES }).map((places) => {
  const states = places.map(({ leads, guarded, calls, waits, tells, inner }, i) => {
    const later = `#s${Math.min(i + 1, PLACES - 1)}`;
    const on = SIGNALS.map((name, s) => {
      const move = {
        target: `#s${leads[s]}`,
        actions: [{ assign: { n: { cel: "context.n + 1" } } }, ...(tells ? [post(`${name} of s${i}`)] : [])],
      };
      return [
        name,
        guarded
          ? [
              { ...move, guard: "context.n % 2 == 0" },
              { target: `#s${i}`, reenter: true },
            ]
          : move,
      ];
    });
    const call = {
      id: `ask-${i}`,
      src: "out.post",
      input: { text: `ask ${i} {{context.n}}` },
      onDone: later,
      onError: later,
    };
    const within = { initial: "x", states: { x: { after: { "3h": "y" } }, y: { entry: [post(`late in s${i}`)] } } };
    return [
      `s${i}`,
      {
        id: `s${i}`,
        on: Object.fromEntries(on),
        entry: tells ? [post(`in s${i}`)] : [],
        exit: tells ? [post(`out of s${i}`)] : [],
        ...(calls && i < PLACES - 1 ? { invoke: call } : {}),
        ...(waits ? { after: { "3h": later } } : {}),
        ...(inner && !waits ? within : {}),
      },
    ];
  });
  const machine = { id: "m", startOn: SIGNALS, context: { n: 0 }, initial: "s0", states: Object.fromEntries(states) };
  const rules = SIGNALS.map((name) => ({
    id: name.toLowerCase(),
    event: `x.${name}`,
    send: { machine: "m", key: "{{event.subject}}", event: name },
  }));
  // JSON is YAML.
  return { "rules/all.yaml": JSON.stringify(rules), "statemachines/m.yaml": JSON.stringify(machine) };
});

async function crashEverywhere(
  files: PolicyFiles,
  script: readonly Step[],
  open: () => Promise<Store>,
): Promise<Result> {
  const calm = await open();
  const expected = await play(files, calm, script, Number.POSITIVE_INFINITY);
  await calm.close();
  for (let crashAt = 1; crashAt <= expected.writes; crashAt++) {
    const store = await open();
    const crashed = await play(files, store, script, crashAt);
    await store.close();
    expect({ crashAt, effects: crashed.effects }).toEqual({ crashAt, effects: expected.effects });
    expect({ crashAt, states: crashed.states }).toEqual({ crashAt, states: expected.states });
    expect(crashed.repeats).toBeLessThanOrEqual(expected.repeats);
  }
  return expected;
}

describe.each(Object.keys(STORES))(
  "on %s a crash before any write leaves the same effects and the same states",
  (name) => {
    test("of one policy with all there is", async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 7 }), async (script) => {
          await crashEverywhere(FILES, script, STORES[name]!);
        }),
        { numRuns: RUNS[name]!, seed: thorough(5, 20260105) },
      );
    });

    test("of random machines", async () => {
      let effects = 0;
      await fc.assert(
        fc.asyncProperty(machines, fc.array(signalStep, { minLength: 2, maxLength: 4 }), async (files, script) => {
          effects += (await crashEverywhere(files, script, STORES[name]!)).effects.length;
        }),
        { numRuns: MACHINES[name]!, seed: thorough(4, 7) },
      );
      expect(effects).toBeGreaterThan(MACHINES[name]!);
    });
  },
);
