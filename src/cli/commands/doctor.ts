/** `doctor`: checks this installation and prints each warning and failure with its fix. */
import { createServer } from "node:net";
import { actionCatalogue, type Config } from "../../config/config.ts";
import { openOperations, testConnection } from "../../engine.ts";
import { messageOf, SignalboxError } from "../../errors.ts";
import type { StatusReport } from "../../operations/operations.ts";
import { compilePolicy, readPolicyFiles } from "../../policy/policy.ts";
import { projectReport } from "../check-report.ts";
import type { CommandBody } from "../command.ts";
import type { Context } from "../context.ts";
import { adminUrl, probe } from "../reach.ts";
import { EXIT } from "../terminal/failure.ts";
import { aligned, counted, type Paint, safe } from "../terminal/output.ts";

const CONNECTION_MS = 3_000;

interface HealthCheck {
  id: string;
  status: "ok" | "warning" | "fail";
  message: string;
  fix?: string;
}

export const doctor: CommandBody = {
  about: "server: checked when one runs. With --config and no file: every setting in force and its origin.",
  flags: [
    {
      flags: "--connections",
      about: "also check that each connection takes its credentials, or that its address answers",
    },
  ],
  examples: ["signalbox doctor", "signalbox doctor --config", "signalbox doctor --connections --json"],
  async run(context, _, options) {
    if (options.config === true) return await printValues(context);
    const checks = await runChecks(context, options.connections === true);
    const failed = checks.filter(({ status }) => status === "fail").length;
    const warned = checks.filter(({ status }) => status === "warning").length;
    const ok = failed === 0;
    context.print("DoctorResult", { ok, checks }, () => reportText(context, checks, { failed, warned }));
    return ok ? EXIT.done : EXIT.no;
  },
};

async function printValues(context: Context): Promise<number> {
  const { origins } = await context.config();
  const list = [...origins].map(([knob, { value, origin }]) => ({ knob, value, origin }));
  context.print("ConfigValues", { values: list }, () =>
    aligned(list.map(({ knob, value, origin }) => [knob, `= ${safe(value)}`, context.paint.dim(`(${origin})`)])),
  );
  return EXIT.done;
}

function reportText(
  { paint, verbosity }: Context,
  checks: readonly HealthCheck[],
  count: { failed: number; warned: number },
): string {
  const rows = checks
    .filter(({ status }) => status !== "ok" || verbosity > 0)
    .map(({ id, status, message, fix }) => [`${symbol(status, paint)} ${id}`, `${message}${fix ? `  -> ${fix}` : ""}`]);
  const fine = checks.filter(({ status }) => status === "ok").length;
  const rest =
    verbosity > 0 ? [] : [[`${symbol("ok", paint)} ${counted(fine, "other check")}`, paint.dim("(-v shows them)")]];
  const problems = [counted(count.failed, "problem"), counted(count.warned, "warning")].join(", ");
  const verdict =
    count.failed > 0
      ? paint.red(`not healthy: ${problems}`)
      : count.warned > 0
        ? `healthy, ${counted(count.warned, "warning")}`
        : paint.green("healthy");
  return `${aligned([...rows, ...rest])}\n${verdict}\n`;
}

function symbol(status: HealthCheck["status"], paint: Paint): string {
  return { ok: paint.green("✓"), warning: paint.yellow("!"), fail: paint.red("✗") }[status];
}

async function runChecks(context: Context, shouldAskConnections: boolean): Promise<HealthCheck[]> {
  const node: HealthCheck = { id: "node", status: "ok", message: context.shell.nodeVersion };
  const loaded = await context.load();
  const errors = loaded.diagnostics.filter(({ severity }) => severity === "error");
  if (!loaded.config) {
    const failures = errors.map(({ code, message, line }): HealthCheck => {
      return {
        id: "config",
        status: "fail",
        message: `${code} ${message}${line ? ` (line ${line})` : ""}`,
        fix: `signalbox explain ${code}`,
      };
    });
    return [node, ...failures];
  }
  const { config } = loaded;
  const running = await serverOf(context, config);
  return [
    node,
    { id: "config", status: "ok", message: config.file },
    await policyCheck(context),
    ...(await storeChecks(context, config, running.status)),
    ...(running.status ? [] : await portChecks(config)),
    ...running.checks,
    ...(running.status ? [await revisionCheck(context, config, running.status)] : []),
    ...(shouldAskConnections ? await connectionChecks(context, config) : []),
  ];
}

async function policyCheck(context: Context): Promise<HealthCheck> {
  const { summary } = await projectReport(context, context.project());
  const words = `${counted(summary.errors, "error")}, ${counted(summary.warnings, "warning")}`;
  const contents = `${counted(summary.rules, "rule")}, ${counted(summary.machines, "machine")}`;
  if (summary.errors > 0)
    return { id: "policy", status: "fail", message: `does not load: ${words}`, fix: "signalbox check" };
  if (summary.warnings > 0) return { id: "policy", status: "warning", message: words, fix: "signalbox check" };
  return { id: "policy", status: "ok", message: contents };
}

async function serverOf(context: Context, config: Config): Promise<{ status?: StatusReport; checks: HealthCheck[] }> {
  const url = adminUrl(config);
  try {
    const status = config.server.admin.port === 0 ? undefined : await probe(context, url);
    const message = status ? `answers at ${url}, version ${status.version}` : `none at ${url}`;
    return { ...(status ? { status } : {}), checks: [{ id: "server", status: "ok", message }] };
  } catch (error) {
    const fix = "set SIGNALBOX_TOKEN or --token-file";
    return {
      checks: [{ id: "server", status: "warning", message: `answers at ${url}, but ${safe(messageOf(error))}`, fix }],
    };
  }
}

async function storeChecks(context: Context, config: Config, running?: StatusReport): Promise<HealthCheck[]> {
  try {
    const status = running ?? (await statusFromFiles(context, config));
    const { undecided, deliveries } = status.counts;
    const store: HealthCheck = {
      id: "store",
      status: "ok",
      message: `${status.store}, ${counted(status.counts.events, "event")}`,
    };
    const cache: HealthCheck = status.cache.healthy
      ? { id: "cache", status: "ok", message: status.cache.backend }
      : {
          id: "cache",
          status: "warning",
          message: `${status.cache.backend} is not reached`,
          fix: "check cache: in signalbox.yaml",
        };
    const dead: HealthCheck =
      deliveries.dead > 0
        ? {
            id: "deliveries",
            status: "warning",
            message: `${counted(deliveries.dead, "delivery is", "deliveries are")} dead`,
            fix: "signalbox deliveries list --status dead",
          }
        : { id: "deliveries", status: "ok", message: `${deliveries.pending} pending, none dead` };
    const waiting: HealthCheck =
      undecided > 0 && !running
        ? {
            id: "events",
            status: "warning",
            message: `${counted(undecided, "event")} not decided yet`,
            fix: "signalbox serve",
          }
        : { id: "events", status: "ok", message: `${undecided} undecided` };
    return [store, cache, dead, waiting];
  } catch (error) {
    if (error instanceof SignalboxError && error.code === "SB0401") return [];
    const fix = "check store: in signalbox.yaml, the folder's permissions and the disk";
    return [{ id: "store", status: "fail", message: safe(messageOf(error)), fix }];
  }
}

async function statusFromFiles(context: Context, config: Config): Promise<StatusReport> {
  const log = await context.log("silent", config.secrets);
  const { api, close } = await openOperations({ config, providers: await context.providers(), log });
  try {
    return await api.getStatus();
  } finally {
    await close();
  }
}

async function portChecks({ server }: Config): Promise<HealthCheck[]> {
  const ports = [
    { id: "port", host: server.host, port: server.port, flag: "--port" },
    { id: "admin port", ...server.admin, flag: "--admin-port" },
  ];
  return await Promise.all(
    ports.map(async ({ id, host, port, flag }): Promise<HealthCheck> => {
      const reason = await listenProblem(host, port);
      if (reason === undefined) return { id, status: "ok", message: `${host}:${port} is free` };
      const fix = `stop the other process, or signalbox serve ${flag} <port>`;
      return { id, status: "fail", message: `${host}:${port} cannot be used (${reason})`, fix };
    }),
  );
}

function listenProblem(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen(port, host, () => server.close(() => resolve(undefined)));
  });
}

async function revisionCheck(context: Context, config: Config, { policy }: StatusReport): Promise<HealthCheck> {
  const running = policy.revision.slice(0, 8);
  if (!policy.current) {
    return {
      id: "revision",
      status: "fail",
      message: `the server runs ${running}, the files were rejected`,
      fix: "signalbox check",
    };
  }
  const actions = actionCatalogue(config.connections, await context.providers());
  const compiled = compilePolicy(await readPolicyFiles(config.dir), { actions, vars: config.vars });
  const onDisk = compiled.policy?.revision;
  if (onDisk === undefined || onDisk === policy.revision) return { id: "revision", status: "ok", message: running };
  const message = `the server runs ${running}, the files are ${onDisk.slice(0, 8)}`;
  return { id: "revision", status: "warning", message, fix: "kill -HUP its process, or POST /api/v1/policy/reload" };
}

async function connectionChecks(context: Context, config: Config): Promise<HealthCheck[]> {
  const log = await context.log("silent", config.secrets);
  const deps = { providers: await context.providers(), log, timeoutMs: CONNECTION_MS };
  return await Promise.all(
    config.connections.map(async (entry): Promise<HealthCheck> => {
      const { name } = entry.config;
      const id = `connection ${name}`;
      const outcome = await testConnection(entry, deps);
      if (!outcome) return { id, status: "ok", message: "the vendor's own address, not checked" };
      if (outcome.kind === "done") return { id, status: "ok", message: safe(outcome.note ?? "takes the credentials") };
      return { id, status: "fail", message: safe(outcome.error.message), fix: `check connections.${name}` };
    }),
  );
}
