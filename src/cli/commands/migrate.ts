/** `instances migrate`: takes living instances to the definition that runs, with a plan first. */
import type { Command } from "../command.ts";
import { withApi } from "../reach.ts";
import { EXIT } from "../terminal/failure.ts";
import { everyPage, migrationText, wholePlan } from "../terminal/migration.ts";
import { counted, safe } from "../terminal/output.ts";

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
        context.print("MigrationPlan", plan, words);
        return EXIT.done;
      }
      if (!context.json) context.shell.err(words());
      if (!(await context.confirm(`Migrate ${counted(plan.migrating, "instance")} of ${machine}?`))) return EXIT.no;
      const migrated = await everyPage((cursor) => api.migrateInstances({ params: { machine }, body: cursor }));
      context.print(
        "Migrated",
        migrated,
        () => `${counted(migrated.migrating, "instance")} of ${safe(machine)} ordered to migrate\n`,
      );
      if (!running) context.note("No server runs; they migrate when one starts");
      return EXIT.done;
    });
  },
};
