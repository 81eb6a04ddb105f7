/** `serve`: runs the engine, reloads the policy when its files change, drains before it ends. */
import type { Config } from "../../config/config.ts";
import { createEngine, type Engine } from "../../engine.ts";
import type { Log } from "../../log.ts";
import type { PolicyReport, StatusReport } from "../../operations/operations.ts";
import { VERSION } from "../../package.ts";
import { type CommandBody, textOf } from "../command.ts";
import { ConfigError, type Context } from "../context.ts";
import { placed, policyTexts } from "../reach.ts";
import { problemsJson, renderProblems, summaryLine } from "../terminal/diagnostics.ts";
import { EXIT } from "../terminal/failure.ts";
import { aligned, clockTime, counted } from "../terminal/output.ts";
import { watchFolders } from "../watch.ts";
import { reportOf } from "./check.ts";
import { migrationText } from "./migrate.ts";

const POLICY_FOLDERS = ["rules", "statemachines"];
/** What a shell says of a process that a signal ended. */
const SIGNAL_EXIT = { SIGINT: 130, SIGTERM: 143 } as const;

export const serve: CommandBody = {
  about: "Reloads rules and machines when their files change, and on SIGHUP: all of them or none. Drains on SIGTERM.",
  flags: [
    { flags: "--port <port>", about: "where senders post, instead of signalbox.yaml's" },
    { flags: "--admin-port <port>", about: "where the API listens, instead of signalbox.yaml's" },
    { flags: "--check-only", about: "load everything as serve would, run nothing" },
  ],
  examples: [
    "signalbox serve",
    "signalbox serve --port 9000 --admin-port 9001",
    "signalbox serve --json 2>> signalbox.log",
  ],
  async run(context, _, options) {
    const startedMs = context.nowMs();
    const flags = { "server.port": textOf(options, "port"), "server.admin.port": textOf(options, "adminPort") };
    const config = await context.config({ flags });
    if (options.checkOnly === true) return await checkOnly(context);
    // Before anything is open: a signal while it starts is not lost.
    const stopping = stopSignal(context);
    const log = await context.log(config.log, config.secrets);
    const changes = changesOf({ context, config, log });
    const engine = await placed(config, createEngine({ config, providers: await context.providers(), log }));
    await started(engine);
    const status = await engine.status();
    const readyMs = context.nowMs() - startedMs;
    if (context.json) log.info("ready", { ingest: engine.ingestUrl, admin: engine.adminUrl, ms: readyMs });
    else context.note(banner(context, { config, engine, status, readyMs }));
    tellWarnings(context, config, status.policy);
    await untilStopped({ context, config, engine, log, stopping, changes });
    return EXIT.done;
  },
};

async function started(engine: Engine): Promise<void> {
  try {
    await engine.start();
  } catch (error) {
    await engine.stop();
    throw error;
  }
}

async function checkOnly(context: Context): Promise<number> {
  const { problems, sources, summary } = await reportOf(context, context.project());
  if (summary.errors > 0) throw new ConfigError({ problems, sources });
  context.answer("CheckResult", { summary, diagnostics: problemsJson(problems) }, () => `${summaryLine(summary)}\n`);
  return EXIT.done;
}

interface Ready {
  config: Config;
  engine: Engine;
  status: StatusReport;
  readyMs: number;
}

function banner({ shell, errPaint }: Context, { config, engine, status, readyMs }: Ready): string {
  const names = config.sources.map((entry) => entry.config.name).join(",");
  const { counts, policy, store, cache } = status;
  const reach = /^(0\.0\.0\.0|::)$/.test(config.server.host) ? "   (on every address of this machine)" : "";
  const size = `${counted(counts.events, "event")}, ${counted(counts.instances, "instance")}, ${counted(counts.timers, "timer")}`;
  const rows: [string, string][] = [
    ["ingest", `${engine.ingestUrl}/hooks/${config.sources.length === 1 ? names : `{${names}}`}${reach}`],
    ["api", `${engine.adminUrl}/api/v1   (openapi.json)`],
    ["store", `${store}   (${size})`],
    ["cache", `${cache.backend}${cache.healthy ? "" : "   not reached; work goes on without it, slower"}`],
    ["policy", `${policy.revision.slice(0, 8)}   ${policyWords(policy)}`],
  ];
  const head = `${errPaint.bold(`signalbox ${VERSION}`)}  node ${shell.nodeVersion}  pid ${shell.pid}`;
  const lines = aligned(
    rows.map(([what, text]) => [errPaint.dim(what), text]),
    "  ",
  );
  return `${head}\n${lines}ready in ${readyMs} ms`;
}

function policyWords({ rules, machines, problems }: PolicyReport): string {
  return `${counted(rules, "rule")}, ${counted(machines.length, "machine")}, ${counted(problems.length, "warning")}`;
}

function tellWarnings(context: Context, config: Config, { problems }: PolicyReport): void {
  if (problems.length > 0) void tellProblems(context, config, problems);
}

async function tellProblems(context: Context, config: Config, problems: PolicyReport["problems"]): Promise<void> {
  if (context.json) return;
  context.shell.err(renderProblems(problems, { sources: await policyTexts(config), color: context.errColor }));
}

interface Running {
  context: Context;
  config: Config;
  engine: Engine;
  log: Log;
  stopping: Promise<string>;
  changes: Changes;
}

type Why = "file" | "SIGHUP";

interface Changes {
  /** From now on told of every change, those before included. */
  tell(reload: (why: Why) => void): void;
  close(): void;
}

/** Files that change and SIGHUP, from before the policy is read. */
function changesOf({ context, config, log }: Pick<Running, "context" | "config" | "log">): Changes {
  const missed: Why[] = [];
  let reload = (why: Why): void => void missed.push(why);
  const close = watchFolders({
    dir: config.dir,
    folders: POLICY_FOLDERS,
    changed: () => reload("file"),
    failed: (reason) => tell(context, log, `The files cannot be watched (${reason}); send SIGHUP to reload`),
  });
  context.shell.on("SIGHUP", () => reload("SIGHUP"));
  return {
    tell(listener) {
      reload = listener;
      for (const why of missed.splice(0)) listener(why);
    },
    close,
  };
}

/** The first signal to end; a second one ends at once. */
function stopSignal({ shell }: Context): Promise<string> {
  return new Promise((resolve) => {
    for (const name of ["SIGINT", "SIGTERM"] as const) {
      let times = 0;
      shell.on(name, () => {
        times += 1;
        if (times > 1) shell.exit(SIGNAL_EXIT[name]);
        resolve(name);
      });
    }
  });
}

function tell(context: Context, log: Log, text: string): void {
  if (context.json) log.info(text);
  else context.note(text);
}

/** Reloads at every change until a signal comes, then drains. */
async function untilStopped({ context, config, engine, log, stopping, changes }: Running): Promise<void> {
  let last = (await engine.status()).policy;
  let turn: Promise<unknown> = Promise.resolve();
  changes.tell((why) => {
    // One after the other: what is told is what runs.
    turn = turn.then(async () => {
      try {
        const next = await engine.reload();
        const isNews = why === "SIGHUP" || next.revision !== last.revision || !next.current || !last.current;
        last = next;
        if (isNews) await tellReload({ context, config, log }, next);
      } catch (error) {
        // The policy that runs stays; the next change is another try.
        log.error("The policy could not be reloaded", { error });
      }
    });
  });
  const signal = await stopping;
  tell(context, log, `${signal}: ending what is in flight; once more ends at once`);
  changes.close();
  await turn;
  await engine.stop();
  tell(context, log, "stopped");
}

async function tellReload(
  { context, config, log }: Pick<Running, "context" | "config" | "log">,
  report: PolicyReport,
): Promise<void> {
  const { errPaint, utc, json } = context;
  if (json && !report.current) log.error("The files were rejected", { problems: problemsJson(report.problems) });
  if (json && report.migrations) log.info("Instances of earlier definitions", { migrations: report.migrations });
  if (json) return;
  const nowMs = context.nowMs();
  const time = clockTime(nowMs, { nowMs, utc });
  const revision = report.revision.slice(0, 8);
  if (report.current) context.note(`${time} ${errPaint.green("policy loaded")}  ${revision}   ${policyWords(report)}`);
  else context.shell.err(`${time} ${errPaint.red("policy rejected")}, still running ${revision}\n`);
  if (report.problems.length > 0) await tellProblems(context, config, report.problems);
  // A reload migrates no instance: those of earlier definitions are listed, with the command that migrates them.
  for (const migration of report.migrations ?? []) {
    context.shell.err(migrationText(migration, errPaint));
    context.note(`signalbox instances migrate ${migration.machine}`);
  }
}
