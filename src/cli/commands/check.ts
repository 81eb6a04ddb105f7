/** `check`: configuration, rules, machines and templates of a folder; works on files alone, without network and secrets. */
import type { MigrationReport } from "../../operations/operations.ts";
import { type CheckReport, checkReport } from "../check-report.ts";
import { type CommandBody, textOf } from "../command.ts";
import type { Context } from "../context.ts";
import { withApi } from "../reach.ts";
import {
  compactProblems,
  githubAnnotations,
  problemsJson,
  renderProblems,
  summaryLine,
} from "../terminal/diagnostics.ts";
import { EXIT } from "../terminal/failure.ts";
import { wantsColor } from "../terminal/output.ts";
import { migrationText, wholePlan } from "./migrate.ts";

export const check: CommandBody = {
  about:
    "server: only with --url: then it also says which living instances could migrate to the machines of these files, and\n" +
    "which could not. Else it works on files alone: no network, and no secret has to be set. Rules are compared with the\n" +
    "samples of providers and with the newest events of the SQLite store, if there is one; it is only read.",
  flags: [
    { flags: "--format <form>", about: "how problems are written", choices: ["pretty", "compact", "github", "json"] },
    { flags: "--fail-on <severity>", about: "from when the exit code is 1", choices: ["error", "warning"] },
  ],
  examples: [
    "signalbox check",
    "signalbox check rules/pull-requests.yaml --fail-on warning",
    "signalbox check --format github",
  ],
  async run(context, paths, options) {
    const report = await reportOf(context, context.project(), paths);
    const form = textOf(options, "format") ?? "pretty";
    const { summary, problems } = report;
    context.detail(`compared with ${report.recorded} recorded events`);
    const migrations = await migrationsOn(context, report);
    if (form === "json" || context.json) context.shell.out(jsonOf(report, migrations));
    else if (form === "github") context.shell.out(githubAnnotations(problems));
    else if (form === "compact") context.shell.out(compactProblems(problems));
    else
      context.shell.out(
        prettyOf(context, report) + migrations.map((each) => migrationText(each, context.paint)).join(""),
      );
    // A file that cannot even be read is another matter than a mistake in it.
    if (problems.some(({ code, severity }) => severity === "error" && /^SB000/.test(code))) return EXIT.configuration;
    const isBad = summary.errors > 0 || (textOf(options, "failOn") === "warning" && summary.warnings > 0);
    return isBad ? EXIT.no : EXIT.done;
  },
};

/** Checks the project with the providers and the environment there are. */
export async function reportOf(
  { providers, shell }: Context,
  project: { dir: string; file?: string },
  paths: readonly string[] = [],
): Promise<CheckReport> {
  return await checkReport({ ...project, env: shell.env, providers: await providers(), paths });
}

function prettyOf({ shell, options }: Context, { problems, sources, summary }: CheckReport): string {
  const color = wantsColor(options.color, shell.env, shell.tty.out);
  const blocks = renderProblems(problems, { sources, color });
  return `${blocks}${blocks === "" ? "" : "\n"}${summaryLine(summary)}\n`;
}

/** What would become of the instances of a server that is named. */
async function migrationsOn(context: Context, { machines }: CheckReport): Promise<MigrationReport[]> {
  if (textOf(context.options, "url") === undefined) return [];
  return await withApi(context, async (api) => {
    const known = new Set((await api.getPolicy()).machines);
    const all: MigrationReport[] = [];
    for (const { id, definition } of machines) if (known.has(id)) all.push(await wholePlan(api, id, definition));
    return all.filter(({ migrating, staying }) => migrating + staying.length > 0);
  });
}

function jsonOf({ problems, summary, recorded }: CheckReport, migrations: readonly MigrationReport[]): string {
  const counts = { ...summary, recordedEvents: recorded, ms: Math.round(summary.ms) };
  const body = {
    summary: counts,
    diagnostics: problemsJson(problems),
    ...(migrations.length > 0 ? { migrations } : {}),
  };
  return `${JSON.stringify({ apiVersion: "signalbox/v1", kind: "CheckResult", ...body }, null, 2)}\n`;
}
