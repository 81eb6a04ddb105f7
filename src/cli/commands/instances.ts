/** `instances`: the living copies of machines, and sending a signal to one by hand. */
import type { InstanceDetail } from "../../api/instances.ts";
import { cutText, type Instance, withoutUndefined } from "../../model.ts";
import { type Command, type CommandBody, textOf, usage } from "../command.ts";
import { jsonObject } from "../json-input.ts";
import { withApi } from "../reach.ts";
import { type Screen, screenOf } from "../terminal/describe.ts";
import { EXIT } from "../terminal/failure.ts";
import { aligned, moment, relative, safe, stateText, table } from "../terminal/output.ts";
import { PAGE_FLAGS, pageEnd, pageOf } from "../terminal/paging.ts";
import { migrate } from "./migrate.ts";

const STATUSES: readonly Instance["status"][] = ["active", "done", "error"];

const list: Command = {
  name: "list",
  summary: "instances, last changed first",
  flags: [
    { flags: "--machine <id>", about: "of this machine" },
    { flags: "--status <status>", about: "with this status", choices: STATUSES },
    { flags: "--key <key>", about: "with this key" },
    ...PAGE_FLAGS,
  ],
  examples: [
    "signalbox instances list",
    "signalbox instances list --machine jira-ticket --status active",
    "signalbox instances list --json",
  ],
  async run(context, _, options) {
    const filter = {
      ...withoutUndefined({ machine: textOf(options, "machine"), key: textOf(options, "key") }),
      ...withoutUndefined({ status: STATUSES.find((one) => one === textOf(options, "status")) }),
    };
    const page = await withApi(context, (api) => api.listInstances({ query: { ...filter, ...pageOf(options) } }));
    context.print("InstanceList", page, () => instanceTable(page.items, page.cursor, screenOf(context)));
    return EXIT.done;
  },
};

function instanceTable(instances: readonly Instance[], cursor: string | undefined, screen: Screen): string {
  const rows = instances.map((instance) => [
    safe(instance.machine),
    safe(instance.key),
    stateText(instance.state),
    statusText(instance, screen),
    relative(instance.updatedAtMs, screen.nowMs),
  ]);
  const headers = ["MACHINE", "KEY", "STATE", "STATUS", "CHANGED"];
  return (rows.length > 0 ? table(headers, rows, screen.paint) : "") + pageEnd(rows.length, "instance", cursor);
}

function statusText({ status }: Instance, { paint }: Screen): string {
  if (status === "error") return paint.red("✗ error");
  return status === "done" ? paint.dim("✓ done") : "… active";
}

const show: Command = {
  name: "show <machine> <key>",
  summary: "one instance: state, context, timers, and what it accepts now",
  examples: [
    "signalbox instances show jira-ticket WEB-17",
    "signalbox instances show jira-ticket WEB-17 --json",
    "signalbox instances show jira-ticket WEB-17 --utc",
  ],
  async run(context, [machine = "", key = ""]) {
    const detail = await withApi(context, (api) => api.getInstance({ params: { machine, key } }));
    context.print("Instance", detail, () => instancePage(detail, screenOf(context)));
    return EXIT.done;
  },
};

function instancePage({ instance, timers, accepts }: InstanceDetail, screen: Screen): string {
  const { dim, bold } = screen.paint;
  const rows: string[][] = [
    [dim("state"), stateText(instance.state)],
    [dim("status"), statusText(instance, screen)],
    [dim("accepts"), accepts.length > 0 ? safe(accepts.join(", ")) : "nothing"],
    [dim("changed"), `${moment(instance.updatedAtMs, screen)}, step ${instance.version}`],
    [dim("created"), moment(instance.createdAtMs, screen)],
    ...(instance.error === undefined ? [] : [[dim("error"), safe(instance.error)]]),
    ...timers.map(({ id, dueAtMs }) => [dim("timer"), `${safe(id)} ${moment(dueAtMs, screen)}`]),
    ...Object.keys(instance.calls).map((call) => [dim("waits for"), safe(call)]),
  ];
  const context = Object.entries(instance.context).map(([name, value]) => [
    dim(safe(name)),
    safe(cutText(JSON.stringify(value), 120)),
  ]);
  const contextLines = context.length > 0 ? `\ncontext\n${aligned(context, "  ")}` : "";
  return `${bold(safe(`${instance.machine}/${instance.key}`))}\n${aligned(rows, "  ")}${contextLines}`;
}

const signal: Command = {
  name: "signal <machine> <key> <signal>",
  summary: "send a signal to one instance by hand, without a rule; kept in the audit log",
  flags: [
    { flags: "--reason <text>", about: "why, for the audit log; required" },
    { flags: "--data <json>", about: "what the machine reads as event.data" },
  ],
  examples: [
    'signalbox instances signal jira-ticket WEB-17 MERGED --reason "merged by hand"',
    'signalbox instances signal deploy-gate acme/web@9f31c2e CI_PASSED --reason "CI is down" --yes',
    'signalbox instances signal jira-ticket WEB-17 MERGED --reason test --data \'{"title":"x"}\' --yes',
  ],
  async run(context, [machine = "", key = "", signalName = ""], options) {
    const reason = textOf(options, "reason");
    if (!reason?.trim()) throw usage("Say why with --reason; it is kept in the audit log");
    const text = textOf(options, "data");
    const data = text === undefined ? {} : { data: jsonObject(text, "--data") };
    return await withApi(context, async (api, { running }) => {
      if (!(await context.confirm(`Give ${signalName} to ${machine}/${key}?`))) return EXIT.no;
      const { id } = await api.signalInstance({
        params: { machine, key },
        body: { event: signalName, reason, ...data },
      });
      context.print(
        "Signalled",
        { id, machine, key, event: signalName },
        () => `${id} gives ${signalName} to ${machine}/${key}\n`,
      );
      if (!running) context.note("No server runs; it is processed when one starts");
      return EXIT.done;
    });
  },
};

export const instances: CommandBody = {
  about: "server: asked when one runs, otherwise the files are read.",
  examples: [
    "signalbox instances list --machine jira-ticket",
    "signalbox instances show jira-ticket WEB-17",
    'signalbox instances signal jira-ticket WEB-17 MERGED --reason "merged by hand"',
  ],
  verbs: [list, show, signal, migrate],
};
