/** `events`: what came, what became of it, and having one processed again. */
import type { ApiClient } from "../../api/client.ts";
import type { EventDetail, EventView } from "../../api/events.ts";
import { nearest, SignalboxError } from "../../errors.ts";
import type { Refusal } from "../../model.ts";
import { type Command, type CommandBody, durationOf, textOf } from "../command.ts";
import { withApi } from "../reach.ts";
import { decisionLines, eventLine, outcomeOf, type Screen, screenOf } from "../terminal/describe.ts";
import { EXIT } from "../terminal/failure.ts";
import { aligned, clockTime, cut, moment, safe, table } from "../terminal/output.ts";
import { given, PAGE_FLAGS, pageEnd, pageOf } from "../terminal/paging.ts";

const OUTCOMES = ["matched", "near-miss", "no-rule", "undecided", "problem"] as const;
const IDS_SEARCHED = 200;

const list: Command = {
  name: "list",
  summary: "events, newest first, with what became of each",
  flags: [
    { flags: "--type <type>", about: "a type, or a prefix such as github.*" },
    { flags: "--source <name>", about: "from this source" },
    { flags: "--repo <name>", about: "about this repository" },
    { flags: "--subject <subject>", about: "about this, such as acme/web#412" },
    { flags: "--rule <id>", about: "that this rule matched" },
    { flags: "--outcome <outcome>", about: "with this outcome", choices: OUTCOMES },
    { flags: "--since <duration>", about: "not older than, such as 24h" },
    ...PAGE_FLAGS,
  ],
  examples: [
    "signalbox events list --since 24h",
    "signalbox events list --outcome near-miss --type 'github.*'",
    "signalbox events list --rule merged-pr-moves-ticket --json",
  ],
  async run(context, _, options) {
    const since = durationOf(options, "since");
    const filter = {
      ...given({
        type: textOf(options, "type"),
        source: textOf(options, "source"),
        repo: textOf(options, "repo"),
        subject: textOf(options, "subject"),
        rule: textOf(options, "rule"),
      }),
      ...given({ outcome: OUTCOMES.find((one) => one === textOf(options, "outcome")) }),
      ...(since === undefined ? {} : { since: new Date(context.nowMs() - since).toISOString() }),
    };
    const found = await withApi(context, (api) => api.listEvents({ query: { ...filter, ...pageOf(options) } }));
    context.answer("EventList", found, () => eventTable(found.items, found.cursor, screenOf(context)));
    return EXIT.done;
  },
};

function eventTable(records: readonly EventView[], cursor: string | undefined, screen: Screen): string {
  const rows = records.map((record) => {
    const { event } = record;
    const about = event.subject ?? event.repo ?? "";
    return [
      clockTime(Date.parse(event.receivedAt), screen),
      safe(event.type),
      safe(cut(about, 40)),
      outcomeOf(record, screen),
      event.id,
    ];
  });
  const lines = rows.length > 0 ? table(["TIME", "TYPE", "SUBJECT", "OUTCOME", "ID"], rows, screen.paint) : "";
  return lines + pageEnd(rows.length, "event", cursor);
}

const show: Command = {
  name: "show <id>",
  summary: "one event: what it says, what was decided, what became of it",
  flags: [{ flags: "--data", about: "with the payload" }],
  examples: [
    "signalbox events show evt_01JD3VKX9M",
    "signalbox events show evt_01JD3VKX9M --data",
    "signalbox events show evt_01JD3VKX9M --json",
  ],
  async run(context, [id = ""], options) {
    const detail = await withApi(context, (api) => orNearIds(api, id, () => api.getEvent({ params: { id } })));
    context.answer("Event", detail, () => eventPage(detail, options.data === true, screenOf(context)));
    return EXIT.done;
  },
};

function eventPage(detail: EventDetail, withData: boolean, screen: Screen): string {
  const { event, decidedAtMs, trace, deliveries } = detail;
  const { data, id: _, type: __, title: ___, subject: ____, to, tickets, ...rest } = event;
  const attributes = Object.entries(rest).map(([name, value]) => [
    screen.paint.dim(name),
    attribute(name, value, screen),
  ]);
  if (tickets?.length) attributes.push([screen.paint.dim("tickets"), safe(tickets.join(", "))]);
  if (to)
    attributes.push([
      screen.paint.dim("to"),
      safe(`${to.machine}/${to.key} ${to.kind === "migration" ? `migration to ${to.definition}` : to.signal}`),
    ]);
  const decided =
    decidedAtMs !== undefined && trace
      ? decisionLines({ atMs: decidedAtMs, trace }, deliveries, screen)
      : `${screen.paint.yellow("… not decided yet")}\n`;
  const payload = withData ? `\n${JSON.stringify(data, null, 2)}\n` : "";
  return `${eventLine(event, screen)}\n${aligned(attributes, "  ")}\n${decided}${payload}`;
}

function attribute(name: string, value: unknown, screen: Screen): string {
  return name === "time" || name === "receivedAt" ? moment(Date.parse(String(value)), screen) : safe(String(value));
}

const redeliver: Command = {
  name: "redeliver <id>",
  summary: "process a stored event again, with the current rules; its actions run again",
  examples: [
    "signalbox events redeliver evt_01JD3VKX9M",
    "signalbox events redeliver evt_01JD3VKX9M --yes",
    "signalbox events redeliver evt_01JD3VKX9M --yes --json",
  ],
  async run(context, [id = ""]) {
    return await withApi(context, async (api, { running }) => {
      const { rules } = await orNearIds(api, id, () => api.explainEvent({ params: { id } }));
      const matched = rules.filter((rule) => rule.matched).map((rule) => rule.id);
      const what = matched.length > 0 ? `match ${matched.join(", ")}, whose actions run again` : "match no rule";
      if (!(await context.confirm(`${id} would ${what}. Process it again?`))) return EXIT.no;
      const again = await api.redeliverEvent({ params: { id } });
      context.answer("Redelivered", { ...again, redeliveryOf: id, matched }, () => `${again.id} is ${id} again\n`);
      if (!running) context.note("No server runs; it is processed when one starts");
      return EXIT.done;
    });
  },
};

const refused: Command = {
  name: "refused",
  summary: "requests that were not taken, newest first, with the reason",
  flags: PAGE_FLAGS.slice(0, 1),
  examples: ["signalbox events refused", "signalbox events refused --limit 100", "signalbox events refused --json"],
  async run(context, _, options) {
    const { limit } = pageOf(options);
    const { items } = await withApi(context, (api) => api.listRefusals({ query: { limit } }));
    context.answer("RefusalList", { items }, () => refusalTable(items, screenOf(context)));
    return EXIT.done;
  },
};

function refusalTable(items: readonly Refusal[], screen: Screen): string {
  const rows = items.map(({ atMs, source, status, code, reason, bytes }) => [
    clockTime(atMs, screen),
    safe(source),
    screen.paint.red(`✗ ${status}`),
    code,
    safe(cut(reason, 80)),
    `${bytes} B`,
  ]);
  const lines =
    rows.length > 0 ? table(["TIME", "SOURCE", "ANSWER", "CODE", "REASON", "SIZE"], rows, screen.paint) : "";
  return lines + pageEnd(rows.length, "refused request");
}

/** What `look` gives; when there is no such event, the error names those that are meant, perhaps. */
export async function orNearIds<T>(api: ApiClient, id: string, look: () => Promise<T>): Promise<T> {
  try {
    return await look();
  } catch (error) {
    if (!(error instanceof SignalboxError) || error.code !== "SB0905") throw error;
    const { items } = await api.listEvents({ query: { limit: IDS_SEARCHED } });
    const ids = items.map(({ event }) => event.id);
    const starting = ids.filter((one) => id.length >= 5 && one.startsWith(id)).slice(0, 3);
    const [only, second] = starting;
    if (only && !second) throw new SignalboxError("SB0905", `There is no event "${id}"; did you mean "${only}"?`);
    if (only) throw usageOfPrefix(id, starting);
    const near = nearest(id, ids);
    if (near) throw new SignalboxError("SB0905", `There is no event "${id}"; did you mean "${near}"?`);
    throw error;
  }
}

function usageOfPrefix(id: string, ids: readonly string[]): SignalboxError {
  return new SignalboxError("SB0905", `Several events start with "${id}": ${ids.join(", ")}`);
}

export const events: CommandBody = {
  about: "server: asked when one runs, otherwise the files are read.",
  examples: [
    "signalbox events list --outcome near-miss",
    "signalbox events show evt_01JD3VKX9M",
    "signalbox events redeliver evt_01JD3VKX9M",
  ],
  verbs: [list, show, redeliver, refused],
};
