/** The API that a command uses: that of the running server, or the same API over the files when no server answers. */
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
/** How long to wait for a server on this machine. */
const PROBE_MS = 1_000;

interface OpenedApi {
  api: ApiClient;
  /** Whether a server runs: then work is done at once. */
  running: boolean;
  close(): Promise<void>;
}

interface ReachOptions {
  /** Whether to use the files when the server requires a token and none is given. */
  orFiles: boolean;
}

/** Opens the API for the time of `use`. */
export async function withApi<T>(
  context: Context,
  use: (api: ApiClient, reached: { running: boolean }) => Promise<T>,
  options: ReachOptions = { orFiles: false },
): Promise<T> {
  const reached = await reach(context, options);
  try {
    return await use(reached.api, reached);
  } finally {
    await reached.close();
  }
}

/** A named server must answer (SB0902); otherwise the configured one if it answers and serves the same log, or the files. */
async function reach(context: Context, { orFiles }: ReachOptions): Promise<OpenedApi> {
  const serverUrl = textOf(context.options, "url") ?? context.shell.env.SIGNALBOX_URL;
  if (serverUrl) {
    context.detail(`asking the server at ${serverUrl}`);
    return serverApi(context, serverUrl, context.timeoutMs);
  }
  const loaded = await context.load();
  const url = loaded.config ? adminUrl(loaded.config) : DEFAULT_URL;
  const undefinedWithoutToken = (error: unknown) => {
    if (orFiles && loaded.config && error instanceof SignalboxError && error.code === "SB0903") return undefined;
    throw error;
  };
  const status =
    loaded.config?.server.admin.port === 0 ? undefined : await probe(context, url).catch(undefinedWithoutToken);
  if (status && (!loaded.config || servesSameLog(status, loaded.config))) {
    context.detail(`asking the server at ${url}`);
    return serverApi(context, url, context.timeoutMs);
  }
  if (status) context.detail(`the server at ${url} keeps another log (${status.store})`);
  if (!loaded.config) throw new ConfigError(loaded);
  context.detail(`no server at ${url} that would answer, reading the files in ${loaded.config.dir}`);
  return await filesApi(context, loaded.config);
}

/** The admin address of a configuration, as reached from this machine. */
export function adminUrl({ server: { admin } }: Config): string {
  return `http://${hostName(admin.host)}:${admin.port}`;
}

/** The host to connect to for a host that is listened on. */
export function hostName(host: string): string {
  if (host === "0.0.0.0" || host === "::") return "127.0.0.1";
  return host.includes(":") ? `[${host}]` : host;
}

/** The status of the server at the address; undefined when none answers. Rejects when it requires a token. */
export async function probe(context: Context, url: string): Promise<StatusReport | undefined> {
  try {
    return await serverApi(context, url, Math.min(PROBE_MS, context.timeoutMs)).api.getStatus();
  } catch (error) {
    if (error instanceof SignalboxError && error.code === "SB0902") return undefined;
    throw error;
  }
}

function servesSameLog({ store }: StatusReport, config: Config): boolean {
  return config.store.kind === "sqlite" ? store === `sqlite ${config.store.path}` : store === config.store.kind;
}

function serverApi(context: Context, url: string, timeoutMs: number): OpenedApi {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new SignalboxError("SB0901", `"${url}" is not an address; write http://127.0.0.1:8081`);
  }
  const token = tokenOf(context);
  const api = httpClient({ url, timeoutMs, ...(token ? { token } : {}) });
  return { api, running: true, close: async () => {} };
}

async function filesApi(context: Context, config: Config): Promise<OpenedApi> {
  if (config.store.kind === "memory") {
    throw new SignalboxError("SB0902", `No server answers at ${adminUrl(config)}, and a store in memory has no files`);
  }
  const { openOperations } = await import("../engine.ts");
  const log = await context.log("warn", config.secrets);
  const opened = await withPolicyTexts(config, openOperations({ config, providers: await context.providers(), log }));
  return { ...opened, running: false };
}

/** The result of `opening`; an error with diagnostics gets the texts of the policy's files. */
export async function withPolicyTexts<T>(config: Config, opening: Promise<T>): Promise<T> {
  try {
    return await opening;
  } catch (error) {
    if (!(error instanceof SignalboxError) || error.problems.length === 0) throw error;
    throw new ConfigError({ diagnostics: [...error.problems], fileTexts: await policyTexts(config) });
  }
}

/** The policy's files as they are on disk, for showing beside diagnostics. */
export async function policyTexts({ dir }: Config): Promise<ReadonlyMap<string, string>> {
  const { readPolicyFiles } = await import("../policy/policy.ts");
  try {
    return new Map(Object.entries(await readPolicyFiles(dir)));
  } catch {
    // A file that cannot be read is among the diagnostics.
    return new Map();
  }
}

/** SIGNALBOX_TOKEN, the named file, or the one in the state folder. */
function tokenOf({ options, shell }: Context): string | undefined {
  const tokenFile = textOf(options, "tokenFile");
  if (tokenFile === undefined && shell.env.SIGNALBOX_TOKEN) return shell.env.SIGNALBOX_TOKEN;
  const state = shell.env.XDG_STATE_HOME || (shell.env.HOME ? join(shell.env.HOME, ".local", "state") : undefined);
  const file = tokenFile === undefined ? state && join(state, "signalbox", "token") : resolve(shell.cwd, tokenFile);
  if (!file) return undefined;
  try {
    return readFileSync(file, "utf8").trim();
  } catch (error) {
    if (tokenFile === undefined) return undefined;
    throw new SignalboxError("SB0901", `The token file ${tokenFile} cannot be read`, { cause: error });
  }
}
