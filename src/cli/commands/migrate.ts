/** `instances migrate`: takes living instances to the definition that runs, with a plan first; and how such plans are told. */

import type { ApiClient } from "../../api/client.ts";
import type { MigrationReport } from "../../api/instances.ts";
import type { JsonObject } from "../../model.ts";
import { joinReports } from "../../operations/migrations.ts";
import type { Command } from "../command.ts";
import { withApi } from "../reach.ts";
import { EXIT } from "../terminal/failure.ts";
import { counted, type Paint, safe } from "../terminal/output.ts";

const KEYS_SHOWN = 3;

export const migrate: Command = {
  name: "migrate <machine>",
  summary: "migrate instances of earlier definitions to the running one; says first which can and which cannot",
  flags: [{ flags: "--plan", about: "show which instances would migrate, change nothing" }],
  examples: [
    "signalbox instances migrate deploy-gate --plan",
    "signalbox instances migrate deploy-gate",
    "signalbox instances migrate deploy-gate --yes --json",
  ],
  async run(context, [machine = ""], options) {
    return await withApi(context, async (api, { running }) => {
      const plan = await wholePlan(api, machine);
      const words = () => migrationText(plan, context.paint);
      if (options.plan === true || plan.migrating === 0) {
        context.answer("MigrationPlan", plan, words);
        return EXIT.done;
      }
      if (!context.json) context.shell.err(words());
      if (!(await context.confirm(`Migrate ${counted(plan.migrating, "instance")} of ${machine}?`))) return EXIT.no;
      const migrated = await everyPage((cursor) => api.migrateInstances({ params: { machine }, body: cursor }));
      context.answer(
        "Migrated",
        migrated,
        () => `${counted(migrated.migrating, "instance")} of ${safe(machine)} ordered to migrate\n`,
      );
      if (!running) context.note("No server runs; they migrate when one starts");
      return EXIT.done;
    });
  },
};

/** Over all instances; for the running definition, or the one that is given. */
export async function wholePlan(api: ApiClient, machine: string, definition?: JsonObject): Promise<MigrationReport> {
  return await everyPage((cursor) =>
    api.planMigration({
      params: { machine },
      body: { ...cursor, ...(definition === undefined ? {} : { definition }) },
    }),
  );
}

async function everyPage(page: (at: { cursor?: string }) => Promise<MigrationReport>): Promise<MigrationReport> {
  let sum = await page({});
  while (sum.cursor !== undefined) sum = joinReports(sum, await page({ cursor: sum.cursor }));
  return sum;
}

/** `deploy-gate: 12 can migrate, 3 stay` and the reasons, one line each. */
export function migrationText(
  { machine, migrating, staying, notes, cursor }: MigrationReport,
  { bold, yellow, dim }: Paint,
): string {
  if (migrating === 0 && staying.length === 0) return `${bold(safe(machine))}: no instance of an earlier definition\n`;
  const more = cursor === undefined ? "" : dim(" (of those looked at; there are more)");
  const reasons = staying.map(({ reason, count, keys }) => {
    const shown = keys.slice(0, KEYS_SHOWN).map(safe).join(", ");
    return `  ${yellow(`${count} cannot:`)} ${safe(reason)}  ${dim(`${shown}${count > KEYS_SHOWN ? ", …" : ""}`)}\n`;
  });
  const beside = notes.map((note) => `  ${dim(safe(note))}\n`);
  return `${bold(safe(machine))}: ${counted(migrating, "instance")} can migrate${more}\n${[...reasons, ...beside].join("")}`;
}
