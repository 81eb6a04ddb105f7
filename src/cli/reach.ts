/** Whom a command speaks to: the running server when one answers, the files when there is none. */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { ApiClient } from "../api/client.ts";
import type { StatusReport } from "../api/engine.ts";
import type { Config } from "../config/config.ts";
import { SignalboxError } from "../errors.ts";
import { textOf } from "./command.ts";
import { ConfigError, type Context } from "./context.ts";
import { httpClient } from "./http-client.ts";

const DEFAULT_URL = "http://127.0.0.1:8081";
/** A server on this machine answers within this, or there is none. */
const PROBE_MS = 1_000;

interface Reached {
  api: ApiClient;
  /** Whether a server runs, and so acts at once. */
  running: boolean;
  close(): Promise<void>;
}

interface Ways {
  /** Whether the files will do where the server wants a token that nobody has yet. */
  orFiles: boolean;
}

/** Opens the API for the time of `use`. */
export async function withApi<T>(
  context: Context,
  use: (api: ApiClient, reached: { running: boolean }) => Promise<T>,
  ways: Ways = { orFiles: false },
): Promise<T> {
  const reached = await reach(context, ways);
  try {
    return await use(reached.api, reached);
  } finally {
    await reached.close();
  }
}

/** A named server must answer (SB0902); otherwise the configured one if it answers and serves the same log, or the files. */
async function reach(context: Context, { orFiles }: Ways): Promise<Reached> {
  const named = textOf(context.options, "url") ?? context.shell.env.SIGNALBOX_URL;
  if (named) {
    context.detail(`asking the server at ${named}`);
    return server(context, named, context.timeoutMs);
  }
  const loaded = await context.load();
  const url = loaded.config ? adminUrl(loaded.config) : DEFAULT_URL;
  const lockedOut = (error: unknown) => {
    if (orFiles && loaded.config && error instanceof SignalboxError && error.code === "SB0903") return undefined;
    throw error;
  };
  const status = loaded.config?.server.admin.port === 0 ? undefined : await probe(context, url).catch(lockedOut);
  if (status && (!loaded.config || servesSameLog(status, loaded.config))) {
    context.detail(`asking the server at ${url}`);
    return server(context, url, context.timeoutMs);
  }
  if (status) context.detail(`the server at ${url} keeps another log (${status.store})`);
  if (!loaded.config) throw new ConfigError(loaded);
  context.detail(`no server at ${url} that would answer, reading the files in ${loaded.config.dir}`);
  return await files(context, loaded.config);
}

/** The admin address of a configuration, as reached from this machine. */
export function adminUrl({ server: { admin } }: Config): string {
  return `http://${hostName(admin.host)}:${admin.port}`;
}

/** A listening address as one to connect to. */
export function hostName(host: string): string {
  if (host === "0.0.0.0" || host === "::") return "127.0.0.1";
  return host.includes(":") ? `[${host}]` : host;
}

/** What the server says of itself; undefined when there is none. Rejects when it wants a token. */
export async function probe(context: Context, url: string): Promise<StatusReport | undefined> {
  try {
    return await server(context, url, Math.min(PROBE_MS, context.timeoutMs)).api.getStatus();
  } catch (error) {
    if (error instanceof SignalboxError && error.code === "SB0902") return undefined;
    throw error;
  }
}

function servesSameLog({ store }: StatusReport, config: Config): boolean {
  return config.store.kind === "sqlite" ? store === `sqlite ${config.store.path}` : store === config.store.kind;
}

function server(context: Context, url: string, timeoutMs: number): Reached {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new SignalboxError("SB0901", `"${url}" is not an address; write http://127.0.0.1:8081`);
  }
  const token = tokenOf(context);
  const api = httpClient({ url, timeoutMs, ...(token ? { token } : {}) });
  return { api, running: true, close: async () => {} };
}

async function files(context: Context, config: Config): Promise<Reached> {
  if (config.store.kind === "memory") {
    throw new SignalboxError("SB0902", `No server answers at ${adminUrl(config)}, and a store in memory has no files`);
  }
  const { openOperations } = await import("../engine.ts");
  const log = await context.log("warn", config.secrets);
  const opened = await placed(config, openOperations({ config, providers: await context.providers(), log }));
  return { ...opened, running: false };
}

/** What opens a policy: when that does not load, the error says so beside the lines of the files. */
export async function placed<T>(config: Config, opening: Promise<T>): Promise<T> {
  try {
    return await opening;
  } catch (error) {
    if (!(error instanceof SignalboxError) || error.problems.length === 0) throw error;
    throw new ConfigError({ problems: [...error.problems], sources: await policyTexts(config) });
  }
}

/** The policy's files as they are on disk, for showing beside problems. */
export async function policyTexts({ dir }: Config): Promise<ReadonlyMap<string, string>> {
  const { readPolicyFiles } = await import("../policy/policy.ts");
  try {
    return new Map(Object.entries(await readPolicyFiles(dir)));
  } catch {
    // What cannot be read is among the problems.
    return new Map();
  }
}

/** SIGNALBOX_TOKEN, the named file, or the one in the state folder. */
function tokenOf({ options, shell }: Context): string | undefined {
  const named = textOf(options, "tokenFile");
  if (named === undefined && shell.env.SIGNALBOX_TOKEN) return shell.env.SIGNALBOX_TOKEN;
  const state = shell.env.XDG_STATE_HOME || (shell.env.HOME ? join(shell.env.HOME, ".local", "state") : undefined);
  const file = named === undefined ? state && join(state, "signalbox", "token") : resolve(shell.cwd, named);
  if (!file) return undefined;
  try {
    return readFileSync(file, "utf8").trim();
  } catch (error) {
    if (named === undefined) return undefined;
    throw new SignalboxError("SB0901", `The token file ${named} cannot be read`, { cause: error });
  }
}
