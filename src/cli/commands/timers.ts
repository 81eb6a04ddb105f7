/** `timers`: what machines wait for, and firing or cancelling one by hand. */
import type { Timer } from "../../model.ts";
import { type Command, type CommandBody, numberOf, type Options, textOf, usage } from "../command.ts";
import type { Context } from "../context.ts";
import { withApi } from "../reach.ts";
import { type Screen, screenOf } from "../terminal/describe.ts";
import { EXIT } from "../terminal/failure.ts";
import { clockTime, counted, relative, safe, table } from "../terminal/output.ts";

const LIMIT = 20;
const LIMIT_MAX = 200;

const list: Command = {
  name: "list",
  summary: "timers, those that fire next first",
  flags: [{ flags: "--limit <n>", about: `how many, default ${LIMIT}, at most ${LIMIT_MAX}` }],
  examples: ["signalbox timers list", "signalbox timers list --limit 100", "signalbox timers list --json"],
  async run(context, _, options) {
    const limit = numberOf(options, "limit", { min: 1, max: LIMIT_MAX, standard: LIMIT });
    const timers = await withApi(context, (api) => api.listTimers({ query: { limit } }));
    context.print("TimerList", timers, () => timerTable(timers.items, screenOf(context)));
    return EXIT.done;
  },
};

function timerTable(timers: readonly Timer[], screen: Screen): string {
  const rows = timers.map(({ machine, key, id, dueAtMs }) => [
    clockTime(dueAtMs, screen),
    relative(dueAtMs, screen.nowMs),
    safe(machine),
    safe(key),
    safe(id),
  ]);
  const headers = ["FIRES", "", "MACHINE", "KEY", "TIMER"];
  return `${rows.length > 0 ? table(headers, rows, screen.paint) : ""}${counted(rows.length, "timer")}\n`;
}

const REASON = [{ flags: "--reason <text>", about: "why, for the audit log; required" }];

const fire: Command = {
  name: "fire <machine> <key> <timer>",
  summary: "fire a timer now, before its time; kept in the audit log",
  flags: REASON,
  examples: [
    'signalbox timers fire escalation 4711 after-15m --reason "nobody is there"',
    'signalbox timers fire jira-ticket WEB-17 after-3d --reason "release today" --yes',
    "signalbox timers list",
  ],
  run: (context, address, options) => byHand("Fire", context, address, options),
};

const cancel: Command = {
  name: "cancel <machine> <key> <timer>",
  summary: "take a timer away, so that it never fires; kept in the audit log",
  flags: REASON,
  examples: [
    'signalbox timers cancel escalation 4711 after-15m --reason "solved by phone"',
    'signalbox timers cancel jira-ticket WEB-17 after-3d --reason "on holiday" --yes',
    "signalbox timers list",
  ],
  run: (context, address, options) => byHand("Cancel", context, address, options),
};

async function byHand(
  verb: "Fire" | "Cancel",
  context: Context,
  [machine = "", key = "", timer = ""]: readonly string[],
  options: Options,
): Promise<number> {
  const reason = textOf(options, "reason");
  if (!reason?.trim()) throw usage("Say why with --reason; it is kept in the audit log");
  const name = `${timer} of ${machine}/${key}`;
  return await withApi(context, async (api, { running }) => {
    if (!(await context.confirm(`${verb} ${name}?`))) return EXIT.no;
    const request = { params: { machine, key, timer }, body: { reason } };
    const { id } = await (verb === "Fire" ? api.fireTimer(request) : api.cancelTimer(request));
    const done = verb === "Fire" ? `${id} fires ${name}` : `${name} is cancelled`;
    context.print("TimerChanged", { id, machine, key, timer }, () => `${done}\n`);
    if (!running && verb === "Fire") context.note("No server runs; it is processed when one starts");
    return EXIT.done;
  });
}

export const timers: CommandBody = {
  about: "server: asked when one runs, otherwise the files are read.",
  examples: [
    "signalbox timers list",
    'signalbox timers fire escalation 4711 after-15m --reason "nobody is there"',
    'signalbox timers cancel escalation 4711 after-15m --reason "solved by phone"',
  ],
  verbs: [list, fire, cancel],
};
