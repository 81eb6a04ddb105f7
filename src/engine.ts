/** Composition root: open the store, load the policy, wire, start; stop in reverse. Nothing is decided here. */
import { randomBytes, randomUUID } from "node:crypto";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { ApiClient } from "./api/client.ts";
import { memoryCache } from "./cache/memory.ts";
import { systemClock } from "./clock.ts";
import type { Config } from "./config/config.ts";
import { SignalboxError } from "./errors.ts";
import { createAdvance } from "./flow/advance.ts";
import { type ConfiguredConnection, createDeliver } from "./flow/deliver.ts";
import { type Loop, startLoop } from "./flow/loop.ts";
import { createPurge } from "./flow/purge.ts";
import { type ConfiguredSource, createReceiver } from "./flow/receive.ts";
import { fireTimers, startSchedules } from "./flow/tick.ts";
import { createLog, type Log } from "./log.ts";
import type { Event } from "./model.ts";
import { httpClient } from "./network/http.ts";
import { migrationReports } from "./operations/migrations.ts";
import { createOperations } from "./operations/operate.ts";
import type { Operations, PolicyReport, StatusReport } from "./operations/operations.ts";
import { API_VERSION, VERSION } from "./package.ts";
import { holdPolicy, type PolicyHolder } from "./policy/running.ts";
import type { Cache } from "./ports/cache.ts";
import type { Clock } from "./ports/clock.ts";
import type { HttpClient } from "./ports/network.ts";
import type { Observer } from "./ports/observe.ts";
import type { Provider } from "./ports/provider.ts";
import type { Store } from "./ports/store.ts";
import { loadProviders } from "./providers/index.ts";
import { memoryStore } from "./store/memory.ts";
import { sqliteStore } from "./store/sqlite/store.ts";
import { isLoopback } from "./web/access.ts";
import { adminListener, assertAdminExposure } from "./web/admin.ts";
import { localClient } from "./web/api/index.ts";
import { ingestListener } from "./web/ingest.ts";
import { createMetrics } from "./web/metrics.ts";

export { createLog, type Log, loadProviders, systemClock };

/** Connections that wait to be accepted: a burst of senders must not be turned away by the kernel. */
const BACKLOG = 4_096;

/** How long a sender that has begun a request may take to finish it once we are to stop. */
const CLOSE_MS_MAX = 2_000;

export interface EngineOptions {
  config: Config;
  providers: ReadonlyMap<string, Provider>;
  log: Log;
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

interface Parts {
  config: Config;
  clock: Clock;
  observe: Observer;
  store: Store;
  cache: Cache;
  policy: PolicyHolder;
  clients: Clients;
  connections: ReadonlyMap<string, ConfiguredConnection>;
  operations: Operations;
  /** The policy, and what becomes of the instances of the one before. */
  reload(): Promise<PolicyReport>;
  /** Set once the loops run. */
  wake: { all(): void };
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
      running = await run(parts, options.providers, metrics, options.log);
      engine.ingestUrl = running.ingestUrl;
      engine.adminUrl = running.adminUrl;
    },
    stop() {
      stopped ??= (async () => {
        await running?.stop();
        await letGo(parts);
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
  return { operations, api: localClient(operations, API_VERSION), close: () => letGo(parts) };
}

async function letGo({ clients, cache, store }: Pick<Parts, "clients" | "cache" | "store">): Promise<void> {
  await clients.close();
  await cache.close();
  await store.close();
}

async function openParts(
  { config, providers, log, clock = systemClock, ...options }: EngineOptions,
  observe: Observer,
): Promise<Parts> {
  const startedAtMs = clock.now();
  const clients = httpClients(log);
  const connections = connect(config, providers, clients);
  const store = options.store ?? (await openStore(config));
  const cache = await openCache(config, { clock, observe });
  try {
    const policy = await holdPolicy({ config, providers, store, clock, observe });
    const wake = { all() {} };
    const definition = (machine: string, hash: string) => policy.definition(machine, hash);
    const reload = async (): Promise<PolicyReport> => {
      const report = await policy.reload();
      if (!report.current) return report;
      const migrations = await migrationReports({ store, clock, definition }, policy.current().machines.values());
      return migrations.length > 0 ? { ...report, migrations } : report;
    };
    const operations = createOperations({
      store,
      clock,
      requestId: randomUUID,
      newToken: () => `sbx_${randomBytes(24).toString("base64url")}`,
      policy: () => policy.current(),
      policyAt: (revision) => policy.at(revision),
      definition,
      compile: (machine, definition) => policy.compile(machine, definition),
      report: () => policy.report(),
      reload,
      describe: () => ({
        version: VERSION,
        startedAtMs,
        store: options.store ? "given" : describeStore(config),
        cache: { backend: config.cache.kind, healthy: cache.healthy() },
        sources: config.sources.map(({ config: { name, provider }, paths }) => ({ name, provider, paths })),
        connections: config.connections.map(({ config: { name, provider } }) => ({ name, provider })),
      }),
      wake: () => wake.all(),
    });
    return { config, clock, observe, store, cache, policy, clients, connections, operations, reload, wake };
  } catch (error) {
    await letGo({ clients, cache, store });
    throw error;
  }
}

async function openStore({ store }: Config): Promise<Store> {
  switch (store.kind) {
    case "sqlite":
      return await sqliteStore({ path: store.path });
    case "memory":
      return memoryStore();
    case "postgres":
      throw new SignalboxError("SB0701", "This version keeps its log in SQLite; write sqlite:./data/signalbox.db");
  }
}

async function openCache({ cache }: Config, deps: Pick<Parts, "clock" | "observe">): Promise<Cache> {
  if (cache.kind === "memory") return memoryCache(deps);
  // Its library is large, and most projects do without.
  const { redisCache } = await import("./cache/redis.ts");
  return redisCache({ url: cache.url, ...deps });
}

function describeStore({ store }: Config): string {
  return store.kind === "sqlite" ? `sqlite ${store.path}` : store.kind;
}

interface Clients {
  /** May call private addresses too. */
  open: HttpClient;
  guarded: HttpClient;
  close(): Promise<void>;
}

function httpClients(log: Log): Clients {
  const redact = (text: string) => log.redact(text);
  const open = httpClient({ allowPrivate: true, redact });
  const guarded = httpClient({ allowPrivate: false, redact });
  const close = async () => {
    await Promise.all([open.close(), guarded.close()]);
  };
  return { open, guarded, close };
}

function connect(
  config: Config,
  providers: ReadonlyMap<string, Provider>,
  clients: Clients,
): ReadonlyMap<string, ConfiguredConnection> {
  const connections = new Map<string, ConfiguredConnection>();
  for (const { config: connection, allowPrivate, concurrency, ratePerSecond } of config.connections) {
    const provider = providers.get(connection.provider);
    if (!provider) throw new SignalboxError("SB0206", `Provider "${connection.provider}" is not known`);
    connections.set(connection.name, {
      config: connection,
      provider,
      http: allowPrivate ? clients.open : clients.guarded,
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
  parts: Parts,
  providers: ReadonlyMap<string, Provider>,
  metrics: ReturnType<typeof createMetrics>,
  log: Log,
): Promise<Running> {
  const { config, clock, observe, store, cache, policy, operations } = parts;
  // Set once the ports are bound: a second process on a taken port must not lease deliveries before it notices.
  let loops: Record<"advance" | "deliver" | "tick" | "purge", Loop> | undefined;
  const advance = createAdvance({
    store,
    node: randomUUID(),
    clock,
    observe,
    policy: () => policy.current(),
    compile: (machine, definition) => policy.compile(machine, definition),
    committed(decisions) {
      if (decisions.some(({ deliveries }) => deliveries.length > 0)) loops?.deliver.wake();
      if (decisions.some(({ timersSet }) => timersSet.length > 0)) loops?.tick.wake();
    },
  });
  const stored = (events: readonly Event[]) => {
    advance.remember(events);
    loops?.advance.wake();
  };
  const deliver = createDeliver({
    ...parts,
    reported: () => loops?.advance.wake(),
    freed: () => loops?.deliver.wake(),
  });
  const ticking = { store, clock, observe, stored };
  parts.wake.all = () => {
    for (const loop of Object.values(loops ?? {})) loop.wake();
  };
  const http = parts.clients.guarded;
  const receiver = createReceiver({
    sources: listening(config, providers),
    store,
    clock,
    cache,
    http,
    observe,
    stored,
  });
  const ingest = ingestListener({ receiver, apiVersion: API_VERSION, requestId: randomUUID, observe });
  const auth = {
    mode: config.auth.local && isLoopback(config.server.admin.host) ? ("loopback" as const) : ("token" as const),
  };
  const admin = adminListener({ operations, auth, metrics, apiVersion: API_VERSION, requestId: randomUUID, log });
  try {
    const adminUrl = await listen(admin, config.server.admin, observe);
    const ingestUrl = await listen(ingest, config.server, observe);
    loops = {
      advance: startLoop("advance", () => advance.round(), parts),
      deliver: startLoop("deliver", () => deliver.round(), parts),
      tick: startLoop("tick", () => fireTimers(ticking), parts),
      purge: startLoop("purge", createPurge({ store, clock, retention: config.retention }), parts),
    };
    const stopSchedules = startSchedules(config.schedules, ticking);
    const stopListening = store.changed?.(() => parts.wake.all());
    const stop = async () => {
      stopListening?.();
      await stopSchedules();
      await close(ingest, clock);
      await Promise.all(Object.values(loops ?? {}).map((loop) => loop.stop()));
      await deliver.drain();
      await close(admin, clock);
    };
    return { ingestUrl, adminUrl, stop };
  } catch (error) {
    admin.close();
    throw error;
  }
}

function listening(config: Config, providers: ReadonlyMap<string, Provider>): ConfiguredSource[] {
  return config.sources.flatMap((entry) => {
    const source = providers.get(entry.config.provider)?.source;
    return source ? [{ ...entry, source }] : [];
  });
}

function listen(server: Server, { host, port }: { host: string; port: number }, observe: Observer): Promise<string> {
  return new Promise((resolve, reject) => {
    const refused = (error: NodeJS.ErrnoException) => reject(notListening(error, host, port));
    server.once("error", refused);
    server.listen({ port, host, backlog: BACKLOG }, () => {
      server.off("error", refused);
      // Such as a connection that could not be accepted: told, and no reason to end.
      server.on("error", ({ message }) => observe({ kind: "fault", where: `listener ${host}:${port}`, message }));
      const { port: bound } = server.address() as AddressInfo;
      const name = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
      resolve(`http://${name.includes(":") ? `[${name}]` : name}:${bound}`);
    });
  });
}

function notListening(error: NodeJS.ErrnoException, host: string, port: number): SignalboxError {
  if (error.code === "EADDRINUSE") {
    return new SignalboxError("SB0909", `${host}:${port} is already in use`, { cause: error });
  }
  const reasons: Record<string, string> = {
    EACCES: `this process may not take port ${port}`,
    EADDRNOTAVAIL: `${host} is not an address of this machine`,
    ENOTFOUND: `the name ${host} is not known`,
  };
  const reason = reasons[error.code ?? ""] ?? error.code ?? error.message;
  return new SignalboxError("SB0915", `Cannot listen on ${host}:${port}: ${reason}`, { cause: error });
}

/** Ends when the requests under way are answered. Idle connections are not waited for, and slow ones not for long. */
async function close(server: Server, clock: Clock): Promise<void> {
  const closed = new AbortController();
  const closing = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  server.closeIdleConnections();
  // Node no longer looks for late senders once it closes; one that never ends its request would keep us for ever.
  void clock.sleep(CLOSE_MS_MAX, closed.signal).then(() => server.closeAllConnections());
  await closing;
  closed.abort();
}
