/** Plans to migrate instances: gathered from all pages, and as text. */
import type { ApiClient } from "../../api/client.ts";
import type { MigrationReport } from "../../api/instances.ts";
import type { JsonObject } from "../../model.ts";
import { joinReports } from "../../operations/migrations.ts";
import { counted, type Paint, safe } from "./output.ts";

const KEYS_SHOWN = 3;

/** The plan for all instances of the machine, to the running definition or to `definition`. */
export async function wholePlan(api: ApiClient, machine: string, definition?: JsonObject): Promise<MigrationReport> {
  return await everyPage((cursor) =>
    api.planMigration({
      params: { machine },
      body: { ...cursor, ...(definition === undefined ? {} : { definition }) },
    }),
  );
}

/** The reports of all pages as one. */
export async function everyPage(page: (at: { cursor?: string }) => Promise<MigrationReport>): Promise<MigrationReport> {
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
    const shownKeys = keys.slice(0, KEYS_SHOWN).map(safe).join(", ");
    return `  ${yellow(`${count} cannot:`)} ${safe(reason)}  ${dim(`${shownKeys}${count > KEYS_SHOWN ? ", …" : ""}`)}\n`;
  });
  const beside = notes.map((note) => `  ${dim(safe(note))}\n`);
  return `${bold(safe(machine))}: ${counted(migrating, "instance")} can migrate${more}\n${[...reasons, ...beside].join("")}`;
}
