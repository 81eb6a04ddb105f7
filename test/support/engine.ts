/** A whole engine in this process on a temporary folder, real HTTP on loopback; everything it says is recorded. */
import { Writable } from "node:stream";
import { loadConfig } from "../../src/config/config.ts";
import { createEngine, type Engine } from "../../src/engine.ts";
import { createLogger } from "../../src/log.ts";
import type { Clock } from "../../src/ports/clock.ts";
import { loadProviders } from "../../src/providers/index.ts";
import { recordOutput, recordSecret } from "./records.ts";
import { folderOf, until } from "./served.ts";

export interface Started {
  engine: Engine;
  folder: string;
  ingestUrl: string;
  adminUrl: string;
  /** What it logged. */
  lines: string[];
  /** GET or POST on the admin listener; the answer parsed, or its text when it is not JSON. */
  api<T = Record<string, unknown>>(
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<{ status: number; body: T }>;
  /** POST to `/hooks/<source>`; the answer parsed. */
  post(
    source: string,
    sent: { body: string; headers: Record<string, string> },
  ): Promise<{ status: number; body: Record<string, unknown> }>;
  /** Resolves when every event is decided and nothing is left to deliver. */
  quiet(): Promise<void>;
  stop(): Promise<void>;
}

interface How {
  clock?: Clock;
  /** The log as people read it. */
  pretty?: boolean;
  /** The secrets are words of the language, such as "secret": output may hold them without giving anything away. */
  secretsAreWords?: boolean;
}

export async function startEngine(
  files: Record<string, string>,
  env: Record<string, string>,
  how: How = {},
): Promise<Started> {
  return await startEngineIn(folderOf({ "rules/.keep": "", "statemachines/.keep": "", ...files }), env, how);
}

export async function startEngineIn(folder: string, env: Record<string, string>, how: How = {}): Promise<Started> {
  const { pretty = false, clock } = how;
  const known = await loadProviders(folder);
  const { config, diagnostics: problems } = await loadConfig({ dir: folder, env, providers: known });
  if (!config) throw new Error(JSON.stringify(problems, null, 2));
  if (!how.secretsAreWords) for (const secret of config.secrets) recordSecret(secret);
  const lines: string[] = [];
  const destination = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk));
      recordOutput(String(chunk));
      done();
    },
  });
  const log = createLogger({ level: "debug", secrets: config.secrets, pretty, destination });
  const engine = await createEngine({ config, providers: known, log, ...(clock ? { clock } : {}) });
  await engine.start().catch(async (error: unknown) => {
    await engine.stop();
    throw error;
  });
  const started: Started = {
    engine,
    folder,
    ingestUrl: engine.ingestUrl,
    adminUrl: engine.adminUrl,
    lines,
    async api(path, body, headers = {}) {
      const init =
        body === undefined
          ? { headers }
          : { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json", ...headers } };
      const answer = await fetch(`${engine.adminUrl}${path}`, init);
      const text = await answer.text();
      recordOutput(text);
      return { status: answer.status, body: parsed(text) as never };
    },
    async post(source, { body, headers }) {
      const answer = await fetch(`${engine.ingestUrl}/hooks/${source}`, { method: "POST", headers, body });
      const text = await answer.text();
      recordOutput(text);
      return { status: answer.status, body: parsed(text) as Record<string, unknown> };
    },
    async quiet() {
      await until("every event is decided and nothing is left to deliver", async () => {
        const { counts } = await engine.operations.status();
        return counts.undecided === 0 && counts.deliveries.pending === 0;
      });
    },
    stop: () => engine.stop(),
  };
  return started;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
