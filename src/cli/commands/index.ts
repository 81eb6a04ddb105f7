/** The commands, grouped by what a person wants. Each command's module is loaded when it is chosen, so that no start pays for the others. */
import type { Command, CommandBody, Headline } from "../command.ts";

export interface ListedCommand extends Headline {
  load(): Promise<CommandBody>;
}

export const GROUPS: Readonly<Record<string, readonly ListedCommand[]>> = {
  write: [
    {
      name: "init [dir]",
      summary: "write a project that works",
      load: async () => (await import("./init.ts")).init,
    },
    {
      name: "check [paths...]",
      aliases: ["lint"],
      summary: "find every mistake in signalbox.yaml, rules, machines and templates",
      load: async () => (await import("./check.ts")).check,
    },
    {
      name: "providers [name]",
      summary: "the outside systems there are: what they send, what can be done there",
      load: async () => (await import("./providers.ts")).providers,
    },
    {
      name: "schema [name]",
      summary: "the JSON Schema of a file form, for editors",
      load: async () => (await import("./schema.ts")).schema,
    },
  ],
  understand: [
    {
      name: "explain <what>",
      summary: "why an event did or did not match; or what an error code means",
      load: async () => (await import("./explain.ts")).explain,
    },
    {
      name: "events",
      summary: "what came: list, show, redeliver, refused",
      load: async () => (await import("./events.ts")).events,
    },
    {
      name: "instances",
      summary: "where each machine stands: list, show, signal, migrate",
      load: async () => (await import("./instances.ts")).instances,
    },
    {
      name: "timers",
      summary: "what machines wait for: list, fire, cancel",
      load: async () => (await import("./timers.ts")).timers,
    },
    {
      name: "schedules",
      summary: "what happens by the clock, and when next: list",
      load: async () => (await import("./schedules.ts")).schedules,
    },
    {
      name: "graph [machine]",
      summary: "a machine as a diagram: Mermaid, Graphviz, SVG or JSON",
      load: async () => (await import("./graph.ts")).graph,
    },
  ],
  run: [
    {
      name: "demo",
      summary: "the whole product at once, on this machine, with a stand-in Jira and Slack",
      load: async () => (await import("./demo.ts")).demo,
    },
    {
      name: "serve",
      summary: "run: take events, decide, deliver",
      load: async () => (await import("./serve.ts")).serve,
    },
    {
      name: "send [what]",
      aliases: ["trigger"],
      summary: "sign and post a sample event, or a file, to the ingest listener",
      load: async () => (await import("./send.ts")).send,
    },
  ],
  operate: [
    {
      name: "deliveries",
      summary: "what was done outside: list, show, retry",
      load: async () => (await import("./deliveries.ts")).deliveries,
    },
    {
      name: "doctor",
      summary: "whether this installation is healthy, and what to do if not",
      load: async () => (await import("./doctor.ts")).doctor,
    },
    {
      name: "token",
      summary: "who may use the API: create, list, revoke",
      load: async () => (await import("./token.ts")).token,
    },
    {
      name: "version",
      summary: "the version, and what it runs on",
      load: async () => (await import("./version.ts")).version,
    },
  ],
};

export const replay: ListedCommand = {
  name: "replay [what...]",
  summary: "not a command: says what to write instead",
  load: async () => (await import("./replay.ts")).replay,
};

export async function loadCommand({ load, ...headline }: ListedCommand): Promise<Command> {
  return { ...headline, ...(await load()) };
}
