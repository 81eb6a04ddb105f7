/** `schedules`: what signalbox.yaml does by the clock, and when next. */
import type { ScheduleView } from "../../api/timers.ts";
import type { Command, CommandBody } from "../command.ts";
import { withApi } from "../reach.ts";
import { type Screen, screenOf } from "../terminal/describe.ts";
import { EXIT } from "../terminal/failure.ts";
import { clockTime, counted, relative, safe, table } from "../terminal/output.ts";

const list: Command = {
  name: "list",
  summary: "the schedules, and when each ticks next",
  examples: ["signalbox schedules list", "signalbox schedules list --utc", "signalbox schedules list --json"],
  async run(context) {
    const schedules = await withApi(context, (api) => api.listSchedules());
    context.print("ScheduleList", schedules, () => scheduleTable(schedules.items, screenOf(context)));
    return EXIT.done;
  },
};

function scheduleTable(schedules: readonly ScheduleView[], screen: Screen): string {
  const rows = schedules.map(({ id, cron, timezone, catchUp, nextAtMs }) => [
    id,
    safe(cron),
    timezone,
    nextAtMs === undefined ? "never" : `${clockTime(nextAtMs, screen)} (${relative(nextAtMs, screen.nowMs)})`,
    catchUp === "none" ? "" : catchUp,
  ]);
  const headers = ["SCHEDULE", "CRON", "ZONE", "NEXT", "CATCH-UP"];
  return `${rows.length > 0 ? table(headers, rows, screen.paint) : ""}${counted(rows.length, "schedule")}\n`;
}

export const schedules: CommandBody = {
  about: "server: asked when one runs, otherwise the files are read.",
  examples: ["signalbox schedules list", "signalbox schedules list --utc", "signalbox schedules list --json"],
  verbs: [list],
};
