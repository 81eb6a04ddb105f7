/**
 * The flow as it runs in production, pumped by hand on a wound clock: real sources verify and normalise what providers' samples say, real
 * parameters are checked; only what an action would do outside is recorded, and answered as the story says.
 */
import { parse } from "yaml";
import { memoryCache } from "../../src/cache/memory.ts";
import { actionCatalogue } from "../../src/config/config.ts";
import { compileMachine } from "../../src/core/machine/file/compile.ts";
import { handSignal } from "../../src/core/own-events.ts";
import { createAdvance } from "../../src/flow/advance.ts";
import { createDeliver } from "../../src/flow/deliver.ts";
import { createReceiver } from "../../src/flow/receive.ts";
import { fireTimers } from "../../src/flow/tick.ts";
import type { Decision, Instance, Json, JsonObject, Outcome, Timer } from "../../src/model.ts";
import { compilePolicy, type Policy, type PolicyFiles } from "../../src/policy/policy.ts";
import type { Tenure } from "../../src/ports/log.ts";
import type { Action, Provider, Sample, SourceConfig, Webhook } from "../../src/ports/provider.ts";
import type { Store } from "../../src/ports/store.ts";
import { loadProviders } from "../../src/providers/index.ts";
import { woundClock } from "./clock.ts";
import { NO_NETWORK } from "./world.ts";

const START_MS = Date.UTC(2026, 0, 5, 9);
const SECRET = "a secret of the stories";
const ROUNDS_MAX = 1_000;

const providers = await loadProviders();

/** A team's sources and connections: GitHub, a sender of its own, and every provider that can do something under its own name. */
const SOURCES: Record<string, SourceConfig> = {
  github: { name: "github", provider: "github", secrets: [SECRET], settings: {} },
  reports: {
    name: "reports",
    provider: "http",
    secrets: [SECRET],
    settings: {
      verify: {
        kind: "hmac",
        digest: "sha256",
        encoding: "hex",
        signatureHeader: "x-signature",
        key: "utf8",
        message: ["body"],
      },
      type: { field: "event" },
      attributes: { title: "app", status: "state", actor: "by", url: "url" },
    },
  },
};
const connections = [...providers.values()]
  .filter(({ connection }) => connection !== undefined)
  .map(({ name }) => ({ config: { name, provider: name, settings: {} as JsonObject } }));
const catalogue = actionCatalogue(connections, providers);

export interface Attempt {
  action: string;
  params: JsonObject;
}

export interface ByHand {
  who: string;
  reason: string;
  data: JsonObject;
}

export interface ScenarioWorld {
  nowMs(): number;
  /** Posts a signed sample; answers the receipt. */
  send(name: string, changes: JsonObject): Promise<{ status: number; body: string }>;
  signal(to: { machine: string; key: string }, name: string, by: ByHand): Promise<void>;
  /** Lets the time pass, and whatever falls due on the way happen at its time. */
  until(nowMs: number): Promise<void>;
  /** What an action answers from now on. */
  answer(action: string, outcome: Outcome): void;
  /** What was tried outside and decided since it was last asked. */
  news(): { attempts: Attempt[]; decisions: Decision[] };
  instances(): Promise<readonly Instance[]>;
  timersOf(instance: Instance): Promise<readonly Timer[]>;
}

export function policyOf(files: PolicyFiles): Policy {
  const { policy, problems } = compilePolicy(files, { actions: catalogue, vars: {} });
  const told = problems.map(({ file, line, code, message }) => `${file}:${line} ${code} ${message}`);
  if (!policy || told.length > 0) throw new Error(told.join("\n"));
  return policy;
}

/** The file with these changes put into it. */
export function changedFile(text: string, changes: JsonObject): string {
  return JSON.stringify(merged(parse(text) as JsonObject, changes));
}

function merged(value: Json | undefined, changes: Json): Json {
  if (!isObject(value) || !isObject(changes)) return changes;
  return {
    ...value,
    ...Object.fromEntries(Object.entries(changes).map(([key, one]) => [key, merged(value[key], one)])),
  };
}

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export function createScenarioWorld(store: Store, policy: Policy): ScenarioWorld {
  const clock = woundClock(START_MS);
  const cache = memoryCache({ clock });
  const answers = new Map<string, Outcome>();
  let attempts: Attempt[] = [];
  let decisions: Decision[] = [];
  let moved = 0;
  let signals = 0;
  const observe = () => {
    moved += 1;
  };
  const watched: Store = Object.create(store, {
    commit: {
      value: async (batch: readonly Decision[], tenure: Tenure) => {
        const committed = await store.commit(batch, tenure);
        if (committed.ok) decisions.push(...batch);
        return committed;
      },
    },
  });
  const advance = createAdvance({
    store: watched,
    node: "scenario",
    clock,
    observe,
    policy: () => policy,
    compile: (id, definition) =>
      compileMachine(definition, { id, templates: new Map(), actions: undefined, vars: {} }).machine,
    committed() {},
  });
  const perform = async (action: string, params: JsonObject): Promise<Outcome> => {
    attempts.push({ action, params });
    return answers.get(action) ?? { kind: "done", result: usual(action, params) };
  };
  const deliver = createDeliver({
    store: watched,
    clock,
    cache,
    observe,
    connections: new Map(
      connections.map(({ config }) => {
        const provider = recording(providers.get(config.provider)!, (name, params) =>
          perform(`${config.name}.${name}`, params),
        );
        return [config.name, { config, provider, network: NO_NETWORK, concurrency: 16 }];
      }),
    ),
    reported() {},
    freed() {},
  });
  const receiver = createReceiver({
    sources: Object.values(SOURCES).map((config) => ({
      config,
      source: providers.get(config.provider)!.source as Webhook,
      network: NO_NETWORK,
      paths: [`/hooks/${config.name}`],
      bodyBytesMax: 1024 * 1024,
    })),
    store: watched,
    clock,
    cache,
    observe,
    stored: (events) => advance.remember(events),
  });
  const ticking = { store: watched, clock, observe, stored: advance.remember };

  /** Runs every arrow until nothing moves at this moment; answers when something will. */
  const settle = async (): Promise<number | undefined> => {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const before = moved;
      const { busy } = await advance.round();
      const timers = await fireTimers(ticking);
      const due = await deliver.round();
      await deliver.drain();
      if (busy || moved !== before) continue;
      const next = [timers.nextAtMs, due.nextAtMs].filter((at) => at !== undefined && at > clock.now()) as number[];
      return next.length > 0 ? Math.min(...next) : undefined;
    }
    throw new Error("The story does not come to rest");
  };
  const until = async (nowMs: number): Promise<void> => {
    for (let next = await settle(); next !== undefined && next <= nowMs; next = await settle())
      clock.wind(next - clock.now());
    clock.wind(nowMs - clock.now());
    await settle();
  };

  return {
    nowMs: () => clock.now(),
    until,
    answer: (action, outcome) => void answers.set(action, outcome),
    async send(name, changes) {
      const config = SOURCES[name.startsWith("github.") ? "github" : "reports"]!;
      const source = providers.get(config.provider)!.source as Webhook;
      const sample = sampleOf(name);
      for (const [path, value] of Object.entries(changes)) put(sample.body, path.split("."), value);
      const signature = source.sign!(sample, config, clock.now());
      const request = {
        method: "POST",
        path: `/hooks/${config.name}`,
        query: "",
        headers: { ...sample.headers, ...signature },
        body: Buffer.from(JSON.stringify(sample.body)),
      };
      const receipt = await receiver.receive(request, receiver.route(request.path)!, "story");
      await settle();
      return receipt;
    },
    async signal(to, name, { who, reason, data }) {
      const by = { who, nowMs: clock.now(), requestId: String(signals++) };
      await store.append([handSignal(to, { event: name, reason, data }, by)]);
      await settle();
    },
    news() {
      const news = { attempts, decisions };
      [attempts, decisions] = [[], []];
      return news;
    },
    instances: async () => (await store.instanceList({}, { limit: 100 })).items,
    timersOf: (instance) => store.timersOf(instance),
  };
}

/** The sample of a provider; events of the team's own sender are what the story says and no more. */
function sampleOf(name: string): Sample {
  if (!name.startsWith("github.")) {
    const [, event = ""] = name.split(/\.(.*)/);
    return { headers: { "content-type": "application/json" }, body: { event } };
  }
  // A type without a sample of its own is the event of its sibling with another action: `github.workflow_run.in_progress`.
  const { events } = providers.get("github")!.source!;
  const [, kind = "", action] = name.split(".");
  const sibling = Object.keys(events).find((type) => type.startsWith(`github.${kind}.`) && events[type]?.sample);
  const sample = events[name]?.sample?.() ?? (sibling ? events[sibling]?.sample?.() : undefined);
  if (!sample) throw new Error(`GitHub has no sample "${name}"`);
  return events[name]?.sample ? sample : { ...sample, body: { ...sample.body, ...(action ? { action } : {}) } };
}

function put(target: JsonObject, [key = "", ...rest]: string[], value: Json): void {
  if (rest.length === 0) target[key] = value;
  else {
    if (!isObject(target[key])) throw new Error(`The sample has no "${key}" to change ${rest.join(".")} in`);
    put(target[key] as JsonObject, rest, value);
  }
}

function recording(provider: Provider, perform: (action: string, params: JsonObject) => Promise<Outcome>): Provider {
  const { settings, escapes = {}, actions } = provider.connection!;
  const recorded = Object.entries(actions).map(([name, { probe: _, ...action }]): [string, Action] => [
    name,
    { ...action, perform: (params) => perform(name, params) },
  ]);
  return { ...provider, connection: { settings, escapes, actions: Object.fromEntries(recorded) } };
}

/** What the outside answers when all is well. */
function usual(action: string, { issue = "", to = "", channel = "" }: JsonObject): Json {
  switch (action) {
    case "jira.transition":
      return { issue, from: "In Review", to, transition: "Move" };
    case "jira.read":
      return { issue, status: "In Review" };
    case "slack.post":
      return { ts: "1503435956.000247", channel };
    default:
      return { url: "https://example.com/1" };
  }
}
