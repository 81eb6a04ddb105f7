/** `check`: configuration, rules, machines and templates of a folder; works on files alone, without network and secrets. */
import type { MigrationReport } from "../../operations/operations.ts";
import { type CheckReport, projectReport } from "../check-report.ts";
import { type CommandBody, textOf } from "../command.ts";
import type { Context } from "../context.ts";
import { withApi } from "../reach.ts";
import {
  compactDiagnostics,
  diagnosticsJson,
  githubAnnotations,
  renderDiagnostics,
  summaryLine,
} from "../terminal/diagnostics.ts";
import { EXIT } from "../terminal/failure.ts";
import { migrationText, wholePlan } from "../terminal/migration.ts";
import { wantsColor } from "../terminal/output.ts";

export const check: CommandBody = {
  about:
    "server: only with --url: then it also says which living instances could migrate to the machines of these files, and\n" +
    "which could not. Otherwise it works on files alone: no network, and no secret has to be set. Rules are compared with the\n" +
    "samples of providers and with the newest events of the SQLite store, if there is one; it is only read.",
  flags: [
    {
      flags: "--format <format>",
      about: "how diagnostics are printed",
      choices: ["pretty", "compact", "github", "json"],
    },
    { flags: "--fail-on <severity>", about: "the lowest severity with exit code 1", choices: ["error", "warning"] },
  ],
  examples: [
    "signalbox check",
    "signalbox check rules/pull-requests.yaml --fail-on warning",
    "signalbox check --format github",
  ],
  async run(context, paths, options) {
    const report = await projectReport(context, context.project(), paths);
    const format = textOf(options, "format") ?? "pretty";
    const { summary, diagnostics } = report;
    context.detail(`compared with ${report.recordedEvents} recorded events`);
    const migrations = await migrationsOn(context, report);
    if (format === "json" || context.json) context.shell.out(reportJson(report, migrations));
    else if (format === "github") context.shell.out(githubAnnotations(diagnostics));
    else if (format === "compact") context.shell.out(compactDiagnostics(diagnostics));
    else
      context.shell.out(
        reportText(context, report) + migrations.map((each) => migrationText(each, context.paint)).join(""),
      );
    // A file that cannot be read has another exit code than a mistake in it.
    if (diagnostics.some(({ code, severity }) => severity === "error" && /^SB000/.test(code)))
      return EXIT.configuration;
    const shouldFail = summary.errors > 0 || (textOf(options, "failOn") === "warning" && summary.warnings > 0);
    return shouldFail ? EXIT.no : EXIT.done;
  },
};

function reportText({ shell, options }: Context, { diagnostics, fileTexts, summary }: CheckReport): string {
  const color = wantsColor(options.color, shell.env, shell.tty.out);
  const blocks = renderDiagnostics(diagnostics, { fileTexts, color });
  return `${blocks}${blocks === "" ? "" : "\n"}${summaryLine(summary)}\n`;
}

/** Which instances of the server of --url could migrate to the machines of the files. */
async function migrationsOn(context: Context, { machines }: CheckReport): Promise<MigrationReport[]> {
  if (textOf(context.options, "url") === undefined) return [];
  return await withApi(context, async (api) => {
    const runningMachines = new Set((await api.getPolicy()).machines);
    const all: MigrationReport[] = [];
    for (const { id, definition } of machines)
      if (runningMachines.has(id)) all.push(await wholePlan(api, id, definition));
    return all.filter(({ migrating, staying }) => migrating + staying.length > 0);
  });
}

function reportJson(
  { diagnostics, summary, recordedEvents }: CheckReport,
  migrations: readonly MigrationReport[],
): string {
  const counts = { ...summary, recordedEvents, ms: Math.round(summary.ms) };
  const body = {
    summary: counts,
    diagnostics: diagnosticsJson(diagnostics),
    ...(migrations.length > 0 ? { migrations } : {}),
  };
  return `${JSON.stringify({ apiVersion: "signalbox/v1", kind: "CheckResult", ...body }, null, 2)}\n`;
}
