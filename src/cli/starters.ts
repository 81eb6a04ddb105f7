/** What `init` and `demo` start from: the rules and machines that are shipped, by topic. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { PACKAGE_ROOT } from "../package.ts";
import type { Starter } from "../ports/provider.ts";

export const TEMPLATES = ["pr-jira", "deploy-gate", "escalation", "all", "empty"] as const;
export type ProjectTemplate = (typeof TEMPLATES)[number];

/** Relative path → text. */
export type Files = Record<string, string>;

/** What a template starts from. */
interface Topic {
  /** Rules, templates and machines as they are shipped; all of them when none are named. */
  files?: readonly string[];
  /** What to edit in .env. */
  edit: string;
  /** A sample that the rules react to. */
  send: string;
}

/** The parts of each template: one topic of the shipped rules and machines, or all of them. */
export const TOPICS: Record<Exclude<ProjectTemplate, "empty">, Topic> = {
  "pr-jira": {
    files: [
      "rules/pull-requests.yaml",
      "rules/templates/pr-without-ticket.hbs",
      "rules/templates/ticket-moved.hbs",
      "rules/templates/ticket-stuck.hbs",
      "statemachines/jira-ticket.yaml",
    ],
    edit: "where your Jira and Slack are",
    send: "github.pull_request.merged",
  },
  "deploy-gate": {
    files: ["rules/deploy-gate.yaml", "rules/templates/gate-released.hbs", "statemachines/deploy-gate.yaml"],
    edit: "the tokens for Slack and GitHub",
    send: "github.push",
  },
  escalation: {
    files: ["rules/escalation.yaml", "rules/templates/escalation-step.hbs", "statemachines/escalation.yaml"],
    edit: "the token for Slack",
    send: "github.deployment_status.created --with deployment_status.state=failure",
  },
  all: {
    edit: "where your Jira is, and the tokens",
    send: "github.pull_request.merged",
  },
};

/** The shipped rules, templates and machines of this template. */
export function shippedPolicy(template: Exclude<ProjectTemplate, "empty">): Files {
  const { files } = TOPICS[template];
  const shipped = { ...below("rules"), ...below("statemachines") };
  return Object.fromEntries(Object.entries(shipped).filter(([name]) => files?.includes(name) ?? true));
}

export type NamedStarter = Starter & { name: string };

/** The connections whose actions the files name, as `slack.post:` or `src: slack.post`. */
export function connectionsOf(files: Files, starters: ReadonlyMap<string, Starter>): NamedStarter[] {
  const mentions = Object.values(files).flatMap((text) => [
    ...text.matchAll(/(?:- |\{ |src: )([\w-]+)\.[\w-]+(?=:|[ ,\n])/g),
  ]);
  const used = new Set(mentions.map(([, connection]) => connection));
  return [...starters].flatMap(([name, starter]) => (used.has(name) ? [{ name, ...starter }] : []));
}

function below(folder: string): Files {
  const files: Files = {};
  for (const entry of readdirSync(join(PACKAGE_ROOT, folder), { withFileTypes: true })) {
    const name = `${folder}/${entry.name}`;
    if (entry.isDirectory()) Object.assign(files, below(name));
    else files[name] = readFileSync(join(PACKAGE_ROOT, name), "utf8");
  }
  return files;
}
