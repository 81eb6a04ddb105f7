/**
 * The flow as in production, on a virtual clock: sources verify and normalise the samples of providers, and parameters are checked. Only
 * the performing of an action is replaced by a scripted outcome.
 */
import { handSignal } from "../core/own-events.ts";
import type { ConfiguredConnection } from "../flow/deliver.ts";
import { createFlow, type FlowParts } from "../flow/flow.ts";
import type { ConfiguredSource, ReceiveResult } from "../flow/receive.ts";
import {
  type Decision,
  type Instance,
  isObject,
  type Json,
  type JsonObject,
  type Outcome,
  type Timer,
} from "../model.ts";
import { compilePolicy, type Policy, type PolicyEnv, type PolicyFiles } from "../policy/policy.ts";
import { compileStored, createDefinitions } from "../policy/running.ts";
import type { Cache } from "../ports/cache.ts";
import type { Clock } from "../ports/clock.ts";
import type { Action, Provider, Sample } from "../ports/provider.ts";
import type { Store } from "../ports/store.ts";
import { virtualClock } from "./clock.ts";

const INSTANCES_MAX = 100;

/** The sources and connections of stories. Sources have secrets of their own, so that samples can be signed. */
export interface Project
  extends Pick<FlowParts, "sources" | "connections" | "schedules">,
    Pick<PolicyEnv, "actions" | "vars"> {
  /** The result of an action without a scripted outcome. */
  resultOf?(action: string, params: JsonObject): Json;
}

/** What a story runs on: an empty store of any kind, and a cache on the story's clock. */
export interface StoryEnv {
  store: Store;
  cache(clock: Clock): Cache;
}

export interface RecordedAttempt {
  action: string;
  params: JsonObject;
}

interface SignalByHand {
  who: string;
  reason: string;
  data: JsonObject;
}

export interface World {
  nowMs(): number;
  /** Posts a signed sample of a provider, or only the `changes` when `name` is a source. */
  send(name: string, changes: JsonObject): Promise<ReceiveResult>;
  signal(to: { machine: string; key: string }, name: string, by: SignalByHand): Promise<void>;
  /** Moves the clock on; whatever becomes due before happens at its time. */
  until(nowMs: number): Promise<void>;
  /** Sets the outcome of an action's attempts from now on. */
  script(action: string, outcome: Outcome): void;
  /** The attempts and decisions since the last call. */
  takeResults(): { attempts: RecordedAttempt[]; decisions: Decision[] };
  instances(): Promise<readonly Instance[]>;
  timersOf(instance: Instance): Promise<readonly Timer[]>;
}

/** Throws with every diagnostic, one per line, when the files have an error or a warning. */
export function rehearsalPolicy(files: PolicyFiles, project: Project): Policy {
  const { policy, diagnostics } = compilePolicy(files, project);
  const lines = diagnostics.map(({ file, line, code, message }) => `${file}:${line} ${code} ${message}`);
  if (!policy || lines.length > 0) throw new Error(lines.join("\n"));
  return policy;
}

export function createWorld(project: Project, policy: Policy, { store, cache }: StoryEnv): World {
  const clock = virtualClock();
  const scripted = new Map<string, Outcome>();
  let attempts: RecordedAttempt[] = [];
  let decisions: Decision[] = [];
  let signals = 0;
  const perform = (action: string, params: JsonObject): Outcome => {
    attempts.push({ action, params });
    return scripted.get(action) ?? { kind: "done", result: project.resultOf?.(action, params) ?? {} };
  };
  const flow = createFlow({
    ...{ node: "rehearsal", store, clock, cache: cache(clock) },
    ...{ sources: project.sources, schedules: project.schedules ?? [] },
    connections: scriptedConnections(project.connections, perform),
    policy: () => policy,
    definition: createDefinitions(store, (id, definition) => compileStored(id, definition, policy, project.actions)),
    observe: () => undefined,
    decided: (batch) => void decisions.push(...batch),
  });

  return {
    nowMs: () => clock.now(),
    async until(nowMs) {
      for (let next = await flow.settle(); next !== undefined && next <= nowMs; next = await flow.settle()) {
        clock.advance(next - clock.now());
      }
      clock.advance(nowMs - clock.now());
      await flow.settle();
    },
    script: (action, outcome) => void scripted.set(action, outcome),
    async send(name, changes) {
      const request = requestFor(project.sources, name, changes, clock.now());
      const route = flow.receiver.route(request.path);
      if (!route) throw new Error(`No source listens on "${request.path}"`);
      const result = await flow.receiver.receive(request, route, "story");
      await flow.settle();
      return result;
    },
    async signal(to, name, { who, reason, data }) {
      const by = { who, nowMs: clock.now(), requestId: String(signals++) };
      await store.append([handSignal(to, { event: name, reason, data }, by)]);
      await flow.settle();
    },
    takeResults() {
      const news = { attempts, decisions };
      [attempts, decisions] = [[], []];
      return news;
    },
    instances: async () => (await store.instanceList({}, { limit: INSTANCES_MAX })).items,
    timersOf: (instance) => store.timersOf(instance),
  };
}

/** A signed request with the sample, changed. */
function requestFor(sources: readonly ConfiguredSource[], name: string, changes: JsonObject, nowMs: number) {
  const [prefix = ""] = name.split(".");
  const configured =
    sources.find(({ config }) => config.name === prefix) ?? sources.find(({ config }) => config.provider === prefix);
  if (!configured) throw new Error(`No source is named "${prefix}" or has the provider "${prefix}"`);
  const { source, config, paths } = configured;
  const sample = name === prefix ? plainSample() : sampleOf(configured, name);
  for (const [path, value] of Object.entries(changes)) setValueAt(sample.body, path.split("."), value);
  if (!source.sign) throw new Error(`The provider "${config.provider}" cannot sign samples`);
  const headers = { ...sample.headers, ...source.sign(sample, config, nowMs) };
  return { method: "POST", path: paths[0] ?? "", query: "", headers, body: Buffer.from(JSON.stringify(sample.body)) };
}

function plainSample(): Sample {
  return { headers: { "content-type": "application/json" }, body: {} };
}

/** A type without a sample gets that of a similar type, with its action: `github.workflow_run.in_progress`. */
function sampleOf({ source: { events }, config }: ConfiguredSource, type: string): Sample {
  const own = events[type]?.sample?.();
  if (own) return own;
  const [provider, kind = "", action] = type.split(".");
  const similar = Object.keys(events).find((one) => one.startsWith(`${provider}.${kind}.`) && events[one]?.sample);
  const sample = similar === undefined ? undefined : events[similar]?.sample?.();
  if (!sample) throw new Error(`The provider "${config.provider}" has no sample "${type}"`);
  return { ...sample, body: { ...sample.body, ...(action === undefined ? {} : { action }) } };
}

function setValueAt(target: JsonObject, [key = "", ...rest]: string[], value: Json): void {
  if (rest.length === 0) target[key] = value;
  else {
    if (!isObject(target[key])) throw new Error(`The sample has no "${key}" to change ${rest.join(".")} in`);
    setValueAt(target[key] as JsonObject, rest, value);
  }
}

function scriptedConnections(
  connections: ReadonlyMap<string, ConfiguredConnection>,
  perform: (action: string, params: JsonObject) => Outcome,
): ReadonlyMap<string, ConfiguredConnection> {
  const scriptedProvider = (name: string, provider: Provider): Provider => {
    const { connection } = provider;
    if (!connection) return provider;
    const actions = Object.entries(connection.actions).map(([action, { probe: _, ...rest }]): [string, Action] => [
      action,
      { ...rest, perform: async (params) => perform(`${name}.${action}`, params) },
    ]);
    const { settings, escapes = {} } = connection;
    // Without a session: no outside system is called.
    return { ...provider, connection: { settings, escapes, actions: Object.fromEntries(actions) } };
  };
  return new Map(
    [...connections].map(([name, configured]) => [
      name,
      { ...configured, provider: scriptedProvider(name, configured.provider) },
    ]),
  );
}
