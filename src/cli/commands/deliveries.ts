/** `deliveries`: the actions performed outside, their attempts, and retrying a dead one. */
import { type DeliveryStatus, type DeliveryView, withoutUndefined } from "../../model.ts";
import { type Command, type CommandBody, textOf } from "../command.ts";
import { withApi } from "../reach.ts";
import {
  attemptLines,
  causeText,
  effortCell,
  lastAnswerCell,
  type Screen,
  screenOf,
  statusCell,
} from "../terminal/describe.ts";
import { EXIT } from "../terminal/failure.ts";
import { aligned, clockTime, moment, safe, table } from "../terminal/output.ts";
import { PAGE_FLAGS, pageEnd, pageOf } from "../terminal/paging.ts";

const STATUSES: readonly DeliveryStatus[] = ["pending", "done", "dead", "observed", "cancelled"];

const list: Command = {
  name: "list",
  summary: "deliveries, newest first",
  flags: [
    { flags: "--status <status>", about: "with this status", choices: STATUSES },
    { flags: "--event <id>", about: "caused by this event" },
    { flags: "--action <name>", about: "of this action, such as jira.transition" },
    ...PAGE_FLAGS,
  ],
  examples: [
    "signalbox deliveries list --status dead",
    "signalbox deliveries list --event evt_01JD3VKX9M",
    "signalbox deliveries list --action slack.post --json",
  ],
  async run(context, _, options) {
    const filter = {
      ...withoutUndefined({ event: textOf(options, "event"), action: textOf(options, "action") }),
      ...withoutUndefined({ status: STATUSES.find((one) => one === textOf(options, "status")) }),
    };
    const page = await withApi(context, (api) => api.listDeliveries({ query: { ...filter, ...pageOf(options) } }));
    context.print("DeliveryList", page, () => deliveryTable(page.items, page.cursor, screenOf(context)));
    return EXIT.done;
  },
};

function deliveryTable(deliveries: readonly DeliveryView[], cursor: string | undefined, screen: Screen): string {
  const rows = deliveries.map((delivery) => [
    clockTime(delivery.createdAtMs, screen),
    delivery.action,
    statusCell(delivery, screen),
    effortCell(delivery),
    lastAnswerCell(delivery, screen),
    delivery.id,
  ]);
  const headers = ["TIME", "ACTION", "STATUS", "EFFORT", "LAST ANSWER", "ID"];
  return (
    (rows.length > 0 ? table(headers, rows, screen.paint) : "") + pageEnd(rows.length, "delivery", cursor, "deliveries")
  );
}

const show: Command = {
  name: "show <id>",
  summary: "one delivery with its parameters and every attempt",
  examples: [
    "signalbox deliveries show dlv_01JD3VKX9M",
    "signalbox deliveries show dlv_01JD3VKX9M --json",
    "signalbox deliveries show dlv_01JD3VKX9M --utc",
  ],
  async run(context, [id = ""]) {
    const delivery = await withApi(context, (api) => api.getDelivery({ params: { id } }));
    context.print("Delivery", { delivery }, () => deliveryPage(delivery, screenOf(context)));
    return EXIT.done;
  },
};

function deliveryPage(delivery: DeliveryView, screen: Screen): string {
  const { id, action, event, cause, params, attempts, createdAtMs, settledAtMs, result, error } = delivery;
  const { dim, bold } = screen.paint;
  const rows: string[][] = [
    [dim("status"), statusCell(delivery, screen)],
    [dim("because"), `${causeText(cause)}, event ${safe(event)}`],
    [dim("created"), moment(createdAtMs, screen)],
    ...(settledAtMs === undefined ? [] : [[dim("settled"), moment(settledAtMs, screen)]]),
    [dim("params"), safe(JSON.stringify(params))],
    ...(result === undefined ? [] : [[dim("result"), safe(JSON.stringify(result))]]),
    ...(error === undefined ? [] : [[dim("error"), safe(error.message)]]),
  ];
  const attemptText = attempts.length > 0 ? `\nattempts\n${attemptLines(attempts, screen)}` : "\nnot tried yet\n";
  return `${bold(id)}  ${action}\n${aligned(rows, "  ")}${attemptText}`;
}

const retry: Command = {
  name: "retry <id>",
  summary: "try a dead or cancelled delivery again, and nothing else",
  examples: [
    "signalbox deliveries retry dlv_01JD3VKX9M",
    "signalbox deliveries retry dlv_01JD3VKX9M --json",
    "signalbox deliveries list --status dead",
  ],
  async run(context, [id = ""]) {
    return await withApi(context, async (api, { running }) => {
      const delivery = await api.retryDelivery({ params: { id } });
      context.print("Delivery", { delivery }, () => `${id} is tried again\n`);
      if (!running) context.note("No server runs; it is tried when one starts");
      return EXIT.done;
    });
  },
};

export const deliveries: CommandBody = {
  about: "server: asked when one runs, otherwise the files are read.",
  examples: [
    "signalbox deliveries list --status dead",
    "signalbox deliveries show dlv_01JD3VKX9M",
    "signalbox deliveries retry dlv_01JD3VKX9M",
  ],
  verbs: [list, show, retry],
};
