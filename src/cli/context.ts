/** What a command works with: the process, its output, and the files and providers, loaded on first use. */

import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { systemClock } from "../clock.ts";
import type { Config, Loaded, loadConfig } from "../config/config.ts";
import { parseDuration } from "../core/duration.ts";
import { escapeProblem } from "../core/slot.ts";
import { SignalboxError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { JsonObject } from "../model.ts";
import type { Provider } from "../ports/provider.ts";
import { type Options, textOf, usage } from "./options.ts";
import type { Shell } from "./shell.ts";
import { dated, type Paint, paintWith, wantsColor } from "./terminal/output.ts";

const TIMEOUT_MS = 10_000;
const DAY_MS = 86_400_000;
export const CONFIG_NAME = "signalbox.yaml";

type LoadChoices = Partial<Pick<Parameters<typeof loadConfig>[0], "flags" | "offline">>;

export interface Context {
  shell: Shell;
  options: Options;
  json: boolean;
  /** How often -v was given. */
  verbosity: number;
  utc: boolean;
  timeoutMs: number;
  /** For standard output, and for standard error. */
  paint: Paint;
  errPaint: Paint;
  errColor: boolean;
  nowMs(): number;
  /** Prints the result: with --json a document of that kind (on one line for a stream), otherwise the text of `human`. */
  print(kind: string, body: object, human: () => string, how?: { stream: boolean }): void;
  /** Prints a remark on standard error, unless -q is given. */
  note(text: string): void;
  /** Prints a remark on standard error when -v is given. */
  detail(text: string): void;
  /** Asks the question unless --yes is given; SB0901 when there is no terminal to ask at. */
  confirm(question: string): Promise<boolean>;
  /** The folder of the project, and the file when one was named. */
  project(): { dir: string; file?: string };
  /** The shipped ones and those of the project. */
  providers(): Promise<ReadonlyMap<string, Provider>>;
  load(how?: LoadChoices): Promise<Loaded>;
  /** Rejects with all diagnostics when the configuration does not load. */
  config(how?: LoadChoices): Promise<Config>;
  /** The log on standard error; `level` unless -q or -v say otherwise. */
  log(level: Config["log"] | "silent", secrets: readonly string[]): Promise<Logger>;
}

/** An error with the texts of the files that its diagnostics point to. */
export class ConfigError extends SignalboxError {
  readonly fileTexts: ReadonlyMap<string, string>;
  constructor({ diagnostics: problems, fileTexts: sources }: Loaded) {
    const errors = problems.filter(({ severity }) => severity === "error");
    const first = errors[0];
    super(first?.code ?? "SB0102", first?.message ?? "The configuration does not load", { problems });
    this.fileTexts = sources;
  }
}

export function createContext(shell: Shell, options: Options): Context {
  const json = options.json === true;
  const verbosity = typeof options.verbose === "number" ? options.verbose : 0;
  const errColor = wantsColor(options.color, shell.env, shell.tty.err);
  const errPaint = paintWith(errColor);
  const isQuiet = options.quiet === true;
  const note = (text: string) => {
    if (!isQuiet) shell.err(`${text}\n`);
  };
  let providers: Promise<ReadonlyMap<string, Provider>> | undefined;
  const context: Context = {
    shell,
    options,
    json,
    verbosity,
    utc: options.utc === true,
    timeoutMs: timeoutOf(options),
    paint: paintWith(wantsColor(options.color, shell.env, shell.tty.out)),
    errPaint,
    errColor,
    nowMs: () => systemClock.now(),
    print(kind, body, human, how) {
      shell.out(json ? document(kind, body, how) : human());
    },
    note,
    detail(text) {
      if (verbosity > 0) shell.err(`${errPaint.dim(text)}\n`);
    },
    confirm: (question) => confirm(shell, options, question),
    project: () => projectOf(shell, options),
    providers() {
      const { dir, file } = context.project();
      const project = file === undefined ? dir : dirname(resolve(dir, file));
      providers ??= import("../providers/index.ts").then(({ loadProviders }) =>
        loadProviders(project, ({ connection }) => connection && escapeProblem(connection.actions, connection.escapes)),
      );
      return providers;
    },
    async load(how = {}) {
      const { loadConfig } = await import("../config/config.ts");
      return await loadConfig({ ...context.project(), ...how, env: shell.env, providers: await context.providers() });
    },
    async config(how) {
      const loaded = await context.load(how);
      if (!loaded.config) throw new ConfigError(loaded);
      return loaded.config;
    },
    async log(level, secrets) {
      const { createLogger: createLog } = await import("../log.ts");
      const levelWithoutTrace = level === "trace" ? "debug" : level === "fatal" ? "error" : level;
      const selectedLevel = verbosity > 0 ? "debug" : isQuiet ? "error" : levelWithoutTrace;
      const destination = shell.errFd === undefined ? { destination: { write: shell.err } } : {};
      return createLog({ level: selectedLevel, secrets, pretty: !json, ...destination });
    },
  };
  return context;
}

/** One JSON document as every command prints it. */
export function document(kind: string, body: object, { stream } = { stream: false }): string {
  const whole = { apiVersion: "signalbox/v1", kind, ...(dated(body) as JsonObject) };
  return `${JSON.stringify(whole, null, stream ? 0 : 2)}\n`;
}

function timeoutOf(options: Options): number {
  const text = textOf(options, "timeout");
  const ms = text === undefined ? TIMEOUT_MS : parseDuration(text);
  if (ms === undefined || ms < 1 || ms > DAY_MS) throw usage(`--timeout is "${text}", write a duration such as 10s`);
  return ms;
}

async function confirm(shell: Shell, options: Options, question: string): Promise<boolean> {
  if (options.yes === true) return true;
  const canAsk = shell.tty.in && shell.tty.err && options.input !== false && !shell.env.CI;
  if (!canAsk) throw usage(`${question} There is no terminal to ask at; pass --yes to answer yes`);
  return /^y(es)?$/i.test((await shell.ask(`${question} [y/N] `)).trim());
}

/** -c, then -C, then the nearest folder upwards that holds a signalbox.yaml, then the user's own. */
function projectOf({ cwd, env }: Shell, options: Options): { dir: string; file?: string } {
  const file = textOf(options, "config") ?? env.SIGNALBOX_CONFIG;
  if (file) return { dir: cwd, file };
  const dir = textOf(options, "dir") ?? env.SIGNALBOX_DIR;
  if (dir) return { dir: resolve(cwd, dir) };
  for (let at = resolve(cwd); ; at = dirname(at)) {
    if (existsSync(join(at, CONFIG_NAME))) return { dir: at };
    if (at === dirname(at)) break;
  }
  const own = configHome(env);
  return own && existsSync(own) ? { dir: cwd, file: own } : { dir: cwd };
}

function configHome(env: Shell["env"]): string | undefined {
  const home = env.XDG_CONFIG_HOME || (env.HOME ? join(env.HOME, ".config") : undefined);
  return home ? join(home, "signalbox", "config.yaml") : undefined;
}
