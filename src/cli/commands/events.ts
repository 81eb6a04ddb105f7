/** `events`: the events of the log, their decisions, and processing one again. */
import type { EventDetail, EventView } from "../../api/events.ts";
import { cutText, type Refusal, withoutUndefined } from "../../model.ts";
import { type Command, type CommandBody, durationOf, textOf } from "../command.ts";
import { suggestingIds } from "../event-ids.ts";
import { withApi } from "../reach.ts";
import { decisionLines, eventLine, outcomeCell, type Screen, screenOf } from "../terminal/describe.ts";
import { EXIT } from "../terminal/failure.ts";
import { aligned, clockTime, moment, safe, table } from "../terminal/output.ts";
import { PAGE_FLAGS, pageEnd, pageOf } from "../terminal/paging.ts";

const OUTCOMES = ["matched", "near-miss", "no-rule", "undecided", "problem"] as const;

const list: Command = {
  name: "list",
  summary: "events, newest first, with the outcome of each",
  flags: [
    { flags: "--type <type>", about: "a type, or a prefix such as github.*" },
    { flags: "--source <name>", about: "from this source" },
    { flags: "--repo <name>", about: "about this repository" },
    { flags: "--subject <subject>", about: "with this subject, such as acme/web#412" },
    { flags: "--rule <id>", about: "matched by this rule" },
    { flags: "--outcome <outcome>", about: "with this outcome", choices: OUTCOMES },
    { flags: "--since <duration>", about: "not older than this, such as 24h" },
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
      ...withoutUndefined({
        type: textOf(options, "type"),
        source: textOf(options, "source"),
        repo: textOf(options, "repo"),
        subject: textOf(options, "subject"),
        rule: textOf(options, "rule"),
      }),
      ...withoutUndefined({ outcome: OUTCOMES.find((one) => one === textOf(options, "outcome")) }),
      ...(since === undefined ? {} : { since: new Date(context.nowMs() - since).toISOString() }),
    };
    const page = await withApi(context, (api) => api.listEvents({ query: { ...filter, ...pageOf(options) } }));
    context.print("EventList", page, () => eventTable(page.items, page.cursor, screenOf(context)));
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
      safe(cutText(about, 40)),
      outcomeCell(record, screen),
      event.id,
    ];
  });
  const lines = rows.length > 0 ? table(["TIME", "TYPE", "SUBJECT", "OUTCOME", "ID"], rows, screen.paint) : "";
  return lines + pageEnd(rows.length, "event", cursor);
}

const show: Command = {
  name: "show <id>",
  summary: "one event: its attributes, the decision and its deliveries",
  flags: [{ flags: "--data", about: "with the payload" }],
  examples: [
    "signalbox events show evt_01JD3VKX9M",
    "signalbox events show evt_01JD3VKX9M --data",
    "signalbox events show evt_01JD3VKX9M --json",
  ],
  async run(context, [id = ""], options) {
    const detail = await withApi(context, (api) => suggestingIds(api, id, () => api.getEvent({ params: { id } })));
    context.print("Event", detail, () => eventPage(detail, options.data === true, screenOf(context)));
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
  const decisionText =
    decidedAtMs !== undefined && trace
      ? decisionLines({ atMs: decidedAtMs, trace }, deliveries, screen)
      : `${screen.paint.yellow("… not decided yet")}\n`;
  const payload = withData ? `\n${JSON.stringify(data, null, 2)}\n` : "";
  return `${eventLine(event, screen)}\n${aligned(attributes, "  ")}\n${decisionText}${payload}`;
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
      const { rules } = await suggestingIds(api, id, () => api.explainEvent({ params: { id } }));
      const matched = rules.filter((rule) => rule.matched).map((rule) => rule.id);
      const what = matched.length > 0 ? `match ${matched.join(", ")}, whose actions run again` : "match no rule";
      if (!(await context.confirm(`${id} would ${what}. Process it again?`))) return EXIT.no;
      const again = await api.redeliverEvent({ params: { id } });
      context.print("Redelivered", { ...again, redeliveryOf: id, matched }, () => `${again.id} is ${id} again\n`);
      if (!running) context.note("No server runs; it is processed when one starts");
      return EXIT.done;
    });
  },
};

const refused: Command = {
  name: "refused",
  summary: "refused requests, newest first, with the reason",
  flags: PAGE_FLAGS.slice(0, 1),
  examples: ["signalbox events refused", "signalbox events refused --limit 100", "signalbox events refused --json"],
  async run(context, _, options) {
    const { limit } = pageOf(options);
    const { items } = await withApi(context, (api) => api.listRefusals({ query: { limit } }));
    context.print("RefusalList", { items }, () => refusalTable(items, screenOf(context)));
    return EXIT.done;
  },
};

function refusalTable(items: readonly Refusal[], screen: Screen): string {
  const rows = items.map(({ atMs, source, address = "", path = "", delivery = "", status, code, reason, bytes }) => [
    clockTime(atMs, screen),
    safe(source),
    safe(address),
    safe(path),
    safe(delivery),
    screen.paint.red(`✗ ${status}`),
    code,
    safe(cutText(reason, 80)),
    `${bytes} B`,
  ]);
  const lines =
    rows.length > 0
      ? table(["TIME", "SOURCE", "ADDRESS", "PATH", "DELIVERY", "ANSWER", "CODE", "REASON", "SIZE"], rows, screen.paint)
      : "";
  return lines + pageEnd(rows.length, "refused request");
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
