/** Composition root: open the store, load the policy, wire, start; stop in reverse. Nothing is decided here. */
import { randomBytes, randomUUID } from "node:crypto";
import type { ApiClient } from "./api/client.ts";
import { memoryCache } from "./cache/memory.ts";
import { systemClock } from "./clock.ts";
import type { Config } from "./config/config.ts";
import type { SourceEntry } from "./config/entries.ts";
import { messageOf, SignalboxError } from "./errors.ts";
import type { ConfiguredConnection } from "./flow/deliver.ts";
import type { ConfiguredFeed } from "./flow/feed.ts";
import { createFlow, type Flow } from "./flow/flow.ts";
import type { ConfiguredSource } from "./flow/receive.ts";
import type { Logger } from "./log.ts";
import type { Outcome } from "./model.ts";
import { addressList, clientAddress } from "./network/address.ts";
import { createNetwork, type OwnedNetwork } from "./network/network.ts";
import { migrationReports } from "./operations/migrations.ts";
import { createOperations } from "./operations/operate.ts";
import type { Operations, PolicyReport, StatusReport } from "./operations/operations.ts";
import { API_VERSION, VERSION } from "./package.ts";
import { holdPolicy } from "./policy/running.ts";
import type { Cache } from "./ports/cache.ts";
import type { Clock } from "./ports/clock.ts";
import type { Observer } from "./ports/observe.ts";
import type { Provider, RawRequest } from "./ports/provider.ts";
import type { Store } from "./ports/store.ts";
import { describeStore, openStore } from "./store/open.ts";
import { isLoopback } from "./web/access.ts";
import { adminListener, assertAdminExposure } from "./web/admin.ts";
import { localClient } from "./web/api/index.ts";
import { ingestListener } from "./web/ingest.ts";
import { closeServer, listen } from "./web/listen.ts";
import { createMetrics } from "./web/metrics.ts";

export interface EngineOptions {
  config: Config;
  providers: ReadonlyMap<string, Provider>;
  log: Logger;
  clock?: Clock;
  /** Instead of the one that the configuration names. */
  store?: Store;
}

export interface Engine {
  operations: Operations;
  /** The operations as the API answers them. */
  api: ApiClient;
  /** Where senders and people reach it; known after start. */
  ingestUrl: string;
  adminUrl: string;
  /** Listens and runs. Rejects with SB0909 when a port is taken, SB0915 when an address cannot be listened on. */
  start(): Promise<void>;
  /** Takes nothing new, ends what is in flight, closes the store. Idempotent. */
  stop(): Promise<void>;
  /** Reads the files again: all or nothing. */
  reload(): Promise<PolicyReport>;
  status(): Promise<StatusReport>;
}

interface EngineParts {
  config: Config;
  clock: Clock;
  observe: Observer;
  store: Store;
  cache: Cache;
  networks: Networks;
  flow: Flow;
  operations: Operations;
  /** The policy, and what becomes of the instances of the one before. */
  reload(): Promise<PolicyReport>;
}

/** Rejects with SignalboxError carrying all problems when the policy does not load. */
export async function createEngine(options: EngineOptions): Promise<Engine> {
  const metrics = createMetrics({ sources: options.config.sources.map(({ config }) => config.name) });
  const observe: Observer = (observation) => {
    metrics.observer(observation);
    options.log.observer(observation);
  };
  const parts = await openParts(options, observe);
  metrics.setCounts(() => parts.store.counts());
  metrics.setDroppedLines(options.log.dropped);
  metrics.setPolicy(() => parts.operations.policy());
  const { config, operations } = parts;
  let running: Running | undefined;
  let stopped: Promise<void> | undefined;
  const engine: Engine = {
    operations,
    api: localClient(operations, API_VERSION),
    ingestUrl: "",
    adminUrl: "",
    async start() {
      const unsafe = assertAdminExposure(config.server.admin.host, (await operations.tokens()).length);
      if (unsafe) throw unsafe;
      running = await run(parts, metrics, options.log);
      engine.ingestUrl = running.ingestUrl;
      engine.adminUrl = running.adminUrl;
    },
    stop() {
      stopped ??= (async () => {
        await running?.stop();
        await closeParts(parts);
      })();
      return stopped;
    },
    reload: parts.reload,
    status: () => operations.status(),
  };
  return engine;
}

/** Store and policy opened, nothing running: for commands when no server answers. */
export async function openOperations(
  options: EngineOptions,
): Promise<Pick<Engine, "operations" | "api"> & { close(): Promise<void> }> {
  const parts = await openParts(options, options.log.observer);
  const { operations } = parts;
  return { operations, api: localClient(operations, API_VERSION), close: () => closeParts(parts) };
}

/** What a connection answers to its own test, or its address to a HEAD; undefined = it has neither. Under the limits of its deliveries. */
export async function testConnection(
  { config, allowPrivate }: Config["connections"][number],
  { providers, log, timeoutMs }: Pick<EngineOptions, "providers" | "log"> & { timeoutMs: number },
): Promise<Outcome | undefined> {
  const { url } = config.settings;
  const connection = providers.get(config.provider)?.connection;
  const whole = createNetwork({ allowPrivate, redact: (text) => log.redact(text) });
  const network = whole.during(AbortSignal.timeout(timeoutMs));
  try {
    if (connection?.test) {
      const context = { settings: config.settings, nowMs: systemClock.now(), network };
      const opened = await connection.open?.({ ...context, network: whole, broken() {} });
      if (opened?.ok === false) return opened.outcome;
      const session = opened?.session;
      const outcome = await connection.test({ ...context, session });
      if (opened) await connection.close?.(session);
      return outcome;
    }
    if (typeof url !== "string") return undefined;
    const answer = await network.http.request({ method: "HEAD", url: new URL(url).origin });
    if (answer.kind === "answered") return { kind: "done", note: `answers (${answer.status})` };
    return { kind: "rejected", error: { message: `does not answer (${answer.detail})` } };
  } catch (error) {
    return { kind: "rejected", error: { message: log.redact(messageOf(error)) } };
  } finally {
    await whole.close();
  }
}

async function closeParts({
  networks,
  cache,
  store,
}: Pick<EngineParts, "networks" | "cache" | "store">): Promise<void> {
  await networks.close();
  await cache.close();
  await store.close();
}

async function openParts(
  { config, providers, log, clock = systemClock, ...options }: EngineOptions,
  observe: Observer,
): Promise<EngineParts> {
  const startedAtMs = clock.now();
  const networks = createNetworks(log);
  const connections = connect(config, providers, networks);
  const store = options.store ?? (await openStore(config.store));
  const cache = await openCache(config, { clock, observe });
  try {
    const running = await holdPolicy({ config, providers, store, clock, observe });
    const { current: policy, at: policyAt, report, compile, definition } = running;
    const { sources, feeds } = configuredSources(config, providers, networks);
    const node = randomUUID();
    const { schedules } = config;
    const flow = createFlow({
      ...{ node, store, clock, cache, observe, policy, definition, sources, feeds, schedules, connections },
    });
    const reload = async (): Promise<PolicyReport> => {
      const reloaded = await running.reload();
      if (!reloaded.current) return reloaded;
      const migrations = await migrationReports({ store, clock, definition }, policy().machines.values());
      return migrations.length > 0 ? { ...reloaded, migrations } : reloaded;
    };
    const operations = createOperations({
      ...{ store, clock, policy, policyAt, compile, definition, report, reload, schedules },
      requestId: randomUUID,
      newToken: () => `sbx_${randomBytes(24).toString("base64url")}`,
      describe: () => ({
        version: VERSION,
        startedAtMs,
        store: options.store ? "given" : describeStore(config.store),
        cache: { backend: config.cache.kind, healthy: cache.healthy() },
        sources: config.sources.map(({ config: { name, provider }, paths }) => ({ name, provider, paths })),
        connections: config.connections.map(({ config: { name, provider } }) => ({ name, provider })),
      }),
      wake: flow.wake,
    });
    return { config, clock, observe, store, cache, networks, flow, operations, reload };
  } catch (error) {
    await closeParts({ networks, cache, store });
    throw error;
  }
}

async function openCache({ cache }: Config, deps: Pick<EngineParts, "clock" | "observe">): Promise<Cache> {
  if (cache.kind === "memory") return memoryCache(deps);
  // Its library is large, and most projects do without.
  const { redisCache } = await import("./cache/redis.ts");
  return redisCache({ url: cache.url, ...deps });
}

/** One network per connection and source. */
interface Networks {
  add(allowPrivate: boolean): OwnedNetwork;
  close(): Promise<void>;
}

function createNetworks(log: Logger): Networks {
  const networks: OwnedNetwork[] = [];
  return {
    add(allowPrivate) {
      const network = createNetwork({ allowPrivate, redact: (text) => log.redact(text) });
      networks.push(network);
      return network;
    },
    async close() {
      await Promise.all(networks.map((network) => network.close()));
    },
  };
}

function connect(
  config: Config,
  providers: ReadonlyMap<string, Provider>,
  networks: Networks,
): ReadonlyMap<string, ConfiguredConnection> {
  const connections = new Map<string, ConfiguredConnection>();
  for (const { config: connection, allowPrivate, concurrency, ratePerSecond } of config.connections) {
    const provider = providers.get(connection.provider);
    if (!provider) throw new SignalboxError("SB0206", `Provider "${connection.provider}" is not known`);
    connections.set(connection.name, {
      config: connection,
      provider,
      network: networks.add(allowPrivate),
      concurrency,
      ...(ratePerSecond === undefined ? {} : { ratePerSecond }),
    });
  }
  return connections;
}

interface Running {
  ingestUrl: string;
  adminUrl: string;
  stop(): Promise<void>;
}

async function run(
  { config, clock, observe, flow, operations }: EngineParts,
  metrics: ReturnType<typeof createMetrics>,
  log: Logger,
): Promise<Running> {
  const shared = { apiVersion: API_VERSION, requestId: randomUUID };
  const ingest = ingestListener({ ...shared, receiver: flow.receiver, clock, observe });
  const isLocal = config.auth.local && isLoopback(config.server.admin.host);
  const admin = adminListener({ ...shared, operations, auth: { mode: isLocal ? "loopback" : "token" }, metrics, log });
  try {
    const adminUrl = await listen(admin, config.server.admin, observe);
    const ingestUrl = await listen(ingest, config.server, observe);
    // Not before the ports are bound: a second process on a taken port must not lease deliveries before it notices.
    const loops = flow.start(config);
    const stop = async () => {
      await loops.stopSchedules();
      await closeServer(ingest, clock);
      await loops.stop();
      await closeServer(admin, clock);
    };
    return { ingestUrl, adminUrl, stop };
  } catch (error) {
    admin.close();
    throw error;
  }
}

function configuredSources(
  config: Config,
  providers: ReadonlyMap<string, Provider>,
  networks: Networks,
): { sources: ConfiguredSource[]; feeds: ConfiguredFeed[] } {
  const sources: ConfiguredSource[] = [];
  const feeds: ConfiguredFeed[] = [];
  for (const entry of config.sources) {
    const source = providers.get(entry.config.provider)?.source;
    if (!source) continue;
    const network = networks.add(entry.allowPrivate);
    const drop = [...(source.secretFields ?? []), ...(entry.drop ?? [])];
    if (source.kind === "webhook") sources.push({ ...entry, source, network, drop, ...senderRules(entry) });
    else feeds.push({ ...entry, source, network, drop });
  }
  return { sources, feeds };
}

/** Who may send, and how a request's address is read. */
function senderRules({ allow, trustedProxies = [] }: SourceEntry): Pick<ConfiguredSource, "addressOf" | "allows"> {
  const proxies = addressList(trustedProxies);
  const addressOf = (request: RawRequest) => clientAddress(request, proxies);
  return allow ? { addressOf, allows: addressList(allow).has } : { addressOf };
}
