/** `serve`: runs the engine, reloads the policy when its files change, drains before it ends. */
import type { Config } from "../../config/config.ts";
import { createEngine, type Engine } from "../../engine.ts";
import type { Logger } from "../../log.ts";
import type { PolicyReport, StatusReport } from "../../operations/operations.ts";
import { VERSION } from "../../package.ts";
import { projectReport } from "../check-report.ts";
import { type CommandBody, textOf } from "../command.ts";
import { ConfigError, type Context } from "../context.ts";
import { policyTexts, withPolicyTexts } from "../reach.ts";
import { diagnosticsJson, renderDiagnostics, summaryLine } from "../terminal/diagnostics.ts";
import { EXIT } from "../terminal/failure.ts";
import { migrationText } from "../terminal/migration.ts";
import { aligned, clockTime, counted } from "../terminal/output.ts";
import { watchFolders } from "../watch.ts";

const POLICY_FOLDERS = ["rules", "statemachines"];
/** Exit codes of a process that a signal ended, as shells report them. */
const SIGNAL_EXIT = { SIGINT: 130, SIGTERM: 143 } as const;

export const serve: CommandBody = {
  about: "Reloads rules and machines when their files change, and on SIGHUP: all of them or none. Drains on SIGTERM.",
  flags: [
    { flags: "--port <port>", about: "port of the ingest listener, instead of that of signalbox.yaml" },
    { flags: "--admin-port <port>", about: "port of the admin listener, instead of that of signalbox.yaml" },
    { flags: "--check-only", about: "load everything, then end" },
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
    // First of all, so that a signal during the start is not lost.
    const stopping = stopSignal(context);
    context.shell.ignoreClosedOutput?.();
    const log = await context.log(config.log, config.secrets);
    const changes = changesOf({ context, config, log });
    const engine = await withPolicyTexts(config, createEngine({ config, providers: await context.providers(), log }));
    await startEngine(engine);
    const status = await engine.status();
    const readyMs = context.nowMs() - startedMs;
    if (context.json) log.info("ready", { ingest: engine.ingestUrl, admin: engine.adminUrl, ms: readyMs });
    else context.note(banner(context, { config, engine, status, readyMs }));
    printWarnings(context, config, status.policy);
    await untilStopped({ context, config, engine, log, stopping, changes });
    return EXIT.done;
  },
};

async function startEngine(engine: Engine): Promise<void> {
  try {
    await engine.start();
  } catch (error) {
    await engine.stop();
    throw error;
  }
}

async function checkOnly(context: Context): Promise<number> {
  const { diagnostics, fileTexts, summary } = await projectReport(context, context.project());
  if (summary.errors > 0) throw new ConfigError({ diagnostics, fileTexts });
  context.print(
    "CheckResult",
    { summary, diagnostics: diagnosticsJson(diagnostics) },
    () => `${summaryLine(summary)}\n`,
  );
  return EXIT.done;
}

interface ReadyState {
  config: Config;
  engine: Engine;
  status: StatusReport;
  readyMs: number;
}

function banner({ shell, errPaint }: Context, { config, engine, status, readyMs }: ReadyState): string {
  const namesOf = (sources: Config["sources"]) => sources.map((entry) => entry.config.name).join(",");
  // A feed has no paths: it asks elsewhere, and nobody can send to it.
  const webhooks = config.sources.filter(({ paths }) => paths.length > 0);
  const feeds = config.sources.filter(({ paths }) => paths.length === 0);
  const hooks = webhooks.length === 1 ? namesOf(webhooks) : `{${namesOf(webhooks)}}`;
  const { counts, policy, store, cache } = status;
  const reach = /^(0\.0\.0\.0|::)$/.test(config.server.host) ? "   (on every address of this machine)" : "";
  const size = `${counted(counts.events, "event")}, ${counted(counts.instances, "instance")}, ${counted(counts.timers, "timer")}`;
  const rows: [string, string][] = [
    ["ingest", `${engine.ingestUrl}${webhooks.length === 0 ? "" : `/hooks/${hooks}`}${reach}`],
    ...(feeds.length === 0 ? [] : [["feeds", namesOf(feeds)] as [string, string]]),
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

function printWarnings(context: Context, config: Config, { problems }: PolicyReport): void {
  if (problems.length > 0) void printDiagnostics(context, config, problems);
}

async function printDiagnostics(context: Context, config: Config, problems: PolicyReport["problems"]): Promise<void> {
  if (context.json) return;
  context.shell.err(renderDiagnostics(problems, { fileTexts: await policyTexts(config), color: context.errColor }));
}

interface ServeRun {
  context: Context;
  config: Config;
  engine: Engine;
  log: Logger;
  stopping: Promise<string>;
  changes: PolicyChanges;
}

type ReloadReason = "file" | "SIGHUP";

interface PolicyChanges {
  /** Calls `reload` for every change from now on, and for those before. */
  setListener(reload: (reason: ReloadReason) => void): void;
  close(): void;
}

/** Changes of files, and SIGHUP. Made before the policy is read, so that no change is lost. */
function changesOf({ context, config, log }: Pick<ServeRun, "context" | "config" | "log">): PolicyChanges {
  const earlierReasons: ReloadReason[] = [];
  let reload = (reason: ReloadReason): void => void earlierReasons.push(reason);
  const close = watchFolders({
    dir: config.dir,
    folders: POLICY_FOLDERS,
    changed: () => reload("file"),
    failed: (reason) => printRemark(context, log, `The files cannot be watched (${reason}); send SIGHUP to reload`),
  });
  context.shell.on("SIGHUP", () => reload("SIGHUP"));
  return {
    setListener(listener) {
      reload = listener;
      for (const reason of earlierReasons.splice(0)) listener(reason);
    },
    close,
  };
}

/** Resolves at the first signal to stop; the second one exits at once. */
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

function printRemark(context: Context, log: Logger, text: string): void {
  if (context.json) log.info(text);
  else context.note(text);
}

/** Reloads at every change until a signal comes, then drains. */
async function untilStopped({ context, config, engine, log, stopping, changes }: ServeRun): Promise<void> {
  let lastReport = (await engine.status()).policy;
  let lastReload: Promise<unknown> = Promise.resolve();
  changes.setListener((reason) => {
    // One reload after the other, so that each report is about the policy that then runs.
    lastReload = lastReload.then(async () => {
      try {
        const report = await engine.reload();
        const shouldReport =
          reason === "SIGHUP" || report.revision !== lastReport.revision || !report.current || !lastReport.current;
        lastReport = report;
        if (shouldReport) await printReload({ context, config, log }, report);
      } catch (error) {
        // The running policy stays; the next change reloads again.
        log.error("The policy could not be reloaded", { error });
      }
    });
  });
  const signal = await stopping;
  printRemark(context, log, `${signal}: ending what is in flight; once more ends at once`);
  changes.close();
  await lastReload;
  await engine.stop();
  printRemark(context, log, "stopped");
}

async function printReload(
  { context, config, log }: Pick<ServeRun, "context" | "config" | "log">,
  report: PolicyReport,
): Promise<void> {
  const { errPaint, utc, json } = context;
  if (json && !report.current) log.error("The files were rejected", { problems: diagnosticsJson(report.problems) });
  if (json && report.migrations) log.info("Instances of earlier definitions", { migrations: report.migrations });
  if (json) return;
  const nowMs = context.nowMs();
  const time = clockTime(nowMs, { nowMs, utc });
  const revision = report.revision.slice(0, 8);
  if (report.current) context.note(`${time} ${errPaint.green("policy loaded")}  ${revision}   ${policyWords(report)}`);
  else context.shell.err(`${time} ${errPaint.red("policy rejected")}, still running ${revision}\n`);
  if (report.problems.length > 0) await printDiagnostics(context, config, report.problems);
  // A reload migrates no instance: those of earlier definitions are listed, with the command that migrates them.
  for (const migration of report.migrations ?? []) {
    context.shell.err(migrationText(migration, errPaint));
    context.note(`signalbox instances migrate ${migration.machine}`);
  }
}
