/** `instances migrate`: moves living instances to the definition that runs, with a plan first; and how such plans are told. */

import type { JsonObject } from "../../model.ts";
import { added } from "../../operations/migrations.ts";
import type { Moves, Operations } from "../../operations/operations.ts";
import type { Command } from "../command.ts";
import { withOperations } from "../reach.ts";
import { EXIT } from "../terminal/failure.ts";
import { counted, type Paint, safe } from "../terminal/output.ts";

const KEYS_SHOWN = 3;

export const migrate: Command = {
  name: "migrate <machine>",
  summary: "move instances of earlier definitions to the running one; says first which can and which cannot",
  flags: [{ flags: "--plan", about: "only say it" }],
  examples: [
    "signalbox instances migrate deploy-gate --plan",
    "signalbox instances migrate deploy-gate",
    "signalbox instances migrate deploy-gate --yes --json",
  ],
  async run(context, [machine = ""], options) {
    return await withOperations(context, async (operations, { running }) => {
      const plan = await wholePlan(operations, machine);
      const words = () => movesText(plan, context.paint);
      if (options.plan === true || plan.moving === 0) {
        context.answer("MovePlan", plan, words);
        return EXIT.done;
      }
      if (!context.json) context.shell.err(words());
      if (!(await context.confirm(`Move ${counted(plan.moving, "instance")} of ${machine}?`))) return EXIT.no;
      const moved = await everyPage((cursor) => operations.move(machine, cursor, { who: "local" }));
      context.answer(
        "Moved",
        moved,
        () => `${counted(moved.moving, "instance")} of ${safe(machine)} ordered to move\n`,
      );
      if (!running) context.note("No server runs; they move when one starts");
      return EXIT.done;
    });
  },
};

/** Over all instances; for the running definition, or the one that is given. */
export async function wholePlan(operations: Operations, machine: string, definition?: JsonObject): Promise<Moves> {
  return await everyPage((cursor) =>
    operations.movePlan(machine, { ...cursor, ...(definition === undefined ? {} : { definition }) }),
  );
}

async function everyPage(page: (at: { cursor?: string }) => Promise<Moves>): Promise<Moves> {
  let sum = await page({});
  while (sum.cursor !== undefined) sum = added(sum, await page({ cursor: sum.cursor }));
  return sum;
}

/** `deploy-gate: 12 can move, 3 stay` and the reasons, one line each. */
export function movesText({ machine, moving, staying, notes, cursor }: Moves, { bold, yellow, dim }: Paint): string {
  if (moving === 0 && staying.length === 0) return `${bold(safe(machine))}: no instance of an earlier definition\n`;
  const more = cursor === undefined ? "" : dim(" (of those looked at; there are more)");
  const reasons = staying.map(({ reason, count, keys }) => {
    const shown = keys.slice(0, KEYS_SHOWN).map(safe).join(", ");
    return `  ${yellow(`${count} cannot:`)} ${safe(reason)}  ${dim(`${shown}${count > KEYS_SHOWN ? ", …" : ""}`)}\n`;
  });
  const beside = notes.map((note) => `  ${dim(safe(note))}\n`);
  return `${bold(safe(machine))}: ${counted(moving, "instance")} can move${more}\n${[...reasons, ...beside].join("")}`;
}
