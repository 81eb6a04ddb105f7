/** `init`: writes a project that works, checks it, and says what to do next. */
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { SignalboxError } from "../../errors.ts";
import { PACKAGE_ROOT } from "../../package.ts";
import type { Starter } from "../../ports/provider.ts";
import { loadStarters } from "../../providers/index.ts";
import { type CommandBody, textOf } from "../command.ts";
import type { Context } from "../context.ts";
import { problemsJson, renderProblems, summaryLine } from "../terminal/diagnostics.ts";
import { EXIT } from "../terminal/failure.ts";
import { counted } from "../terminal/output.ts";
import { schemaNames, schemaText } from "./about.ts";
import { reportOf } from "./check.ts";

const SECRET_BYTES = 32;
const DEFAULT = "pr-jira";
const TEMPLATES = ["pr-jira", "deploy-gate", "escalation", "all", "empty"] as const;
type Template = (typeof TEMPLATES)[number];

/** Relative path → text. */
type Files = Record<string, string>;

/** What a template starts from. */
interface Topic {
  /** Rules, templates and machines as they are shipped; all of them when none are named. */
  files?: readonly string[];
  /** What to edit in .env. */
  edit: string;
  /** A sample that shows something. */
  send: string;
}

/** What each template starts from: one topic of what is shipped, or all of them. */
const TOPICS: Record<Exclude<Template, "empty">, Topic> = {
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

export const init: CommandBody = {
  about: "server: no.",
  flags: [
    { flags: "--template <name>", about: `what to start from, default ${DEFAULT}`, choices: TEMPLATES },
    { flags: "--force", about: "overwrite files that are there; never .env" },
  ],
  examples: ["signalbox init my-project", "signalbox init . --template empty", "signalbox init my-project --force"],
  async run(context, [name = "."], options) {
    const dir = resolve(context.shell.cwd, textOf(options, "dir") ?? ".", name);
    const template = TEMPLATES.find((one) => one === textOf(options, "template")) ?? DEFAULT;
    const connections = template === "empty" ? [] : connectionsOf(shippedPolicy(template), await loadStarters());
    const files = filesOf(template, connections);
    const there = Object.keys(files).filter((file) => existsSync(join(dir, file)));
    if (there.length > 0 && options.force !== true) {
      const list = there.map((file) => `  ${file}`).join("\n");
      throw new SignalboxError("SB0906", `These files would be overwritten; --force does that:\n${list}`);
    }
    const hasSecrets = existsSync(join(dir, ".env"));
    write(dir, files);
    if (!hasSecrets) write(dir, { ".env": environment(template, connections) }, 0o600);
    return await tell(context, {
      dir,
      name,
      template,
      count: Object.keys(files).length + (hasSecrets ? 0 : 1),
      hasSecrets,
    });
  },
};

interface Written {
  dir: string;
  name: string;
  template: Template;
  count: number;
  hasSecrets: boolean;
}

async function tell(context: Context, { dir, name, template, count, hasSecrets }: Written): Promise<number> {
  const { paint } = context;
  const { problems, sources, summary } = await reportOf(context, { dir });
  const isSound = summary.errors === 0;
  const starter = template === "empty" ? undefined : TOPICS[template];
  const steps = [
    ...(name === "." ? [] : [`cd ${name}`]),
    starter ? `edit .env: ${starter.edit}` : "edit signalbox.yaml: where events come from",
    "signalbox serve",
    ...(starter ? [`signalbox send ${starter.send} --wait      in another terminal`] : []),
  ];
  const body = { dir, template, files: count, summary, diagnostics: problemsJson(problems) };
  context.answer("InitResult", body, () => {
    const env = relative(context.shell.cwd, join(dir, ".env")) || ".env";
    return [
      `created ${name === "." ? "the project" : `${name}/`} from template ${template} (${counted(count, "file")})`,
      `${isSound ? paint.green("✓ check") : paint.red("✗ check")}   ${summaryLine(summary)}`,
      hasSecrets
        ? `· secrets stay as they are in ${env}`
        : `${paint.green("✓ secret")}  a random one is in ${env} (0600, ignored by git)`,
      ...(problems.length > 0 ? ["", renderProblems(problems, { sources, color: false }).trimEnd()] : []),
      "",
      ...steps.map((step, i) => `${i === 0 ? "next:" : "     "}  ${step}`),
      "",
    ].join("\n");
  });
  return isSound ? EXIT.done : EXIT.no;
}

function write(dir: string, files: Files, mode = 0o644): void {
  try {
    for (const [file, text] of Object.entries(files)) {
      mkdirSync(dirname(join(dir, file)), { recursive: true });
      writeFileSync(join(dir, file), text, { mode });
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new SignalboxError("SB0906", `The project cannot be written: ${reason}`, { cause: error });
  }
}

function filesOf(template: Template, connections: readonly NamedStarter[]): Files {
  const schemas = Object.fromEntries(schemaNames().map((name) => [`schema/${name}.json`, schemaText(name)]));
  const policy =
    template === "empty" ? EMPTY : { "signalbox.yaml": configText(connections), ...shippedPolicy(template) };
  return { ...policy, ...schemas, ...BESIDE, ".env.example": environment(template, connections, { example: true }) };
}

/** The rules, templates and machines that this template starts from, as they are shipped. */
export function shippedPolicy(template: Exclude<Template, "empty">): Files {
  const { files } = TOPICS[template];
  const shipped = { ...below("rules"), ...below("statemachines") };
  return Object.fromEntries(Object.entries(shipped).filter(([name]) => files?.includes(name) ?? true));
}

type NamedStarter = Starter & { name: string };

/** The connections whose actions the files name, as `slack.post:` or `src: slack.post`. */
function connectionsOf(files: Files, starters: ReadonlyMap<string, Starter>): NamedStarter[] {
  const named = Object.values(files).flatMap((text) => [
    ...text.matchAll(/(?:- |\{ |src: )([\w-]+)\.[\w-]+(?=:|[ ,\n])/g),
  ]);
  const used = new Set(named.map(([, connection]) => connection));
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

/** The variables that signalbox.yaml names. */
function environment(template: Template, connections: readonly NamedStarter[], { example = false } = {}): string {
  const secret = example ? "" : randomBytes(SECRET_BYTES).toString("base64url");
  if (template === "empty") return "# Variables for ${NAME} and env:NAME in signalbox.yaml\n";
  return [
    "# For developing; in production set the variables themselves. Never commit .env.",
    "# The same secret belongs into the webhook's settings at GitHub.",
    `GITHUB_WEBHOOK_SECRET=${secret}`,
    ...connections.flatMap(({ variables }) => ["", ...variables]),
    "",
  ].join("\n");
}

function configText(connections: readonly NamedStarter[]): string {
  return `# yaml-language-server: $schema=schema/signalbox.json
# $schema: schema/signalbox.json
# Every \${…} and env: comes from the environment, or from a file .env beside this one while developing.
sources:
  github: { provider: github, secret: env:GITHUB_WEBHOOK_SECRET }
connections:
${connections.map(({ name, connection }) => `  ${name}: ${connection}\n`).join("")}store: sqlite:./data/signalbox.db
cache: memory
`;
}

const EMPTY: Files = {
  "signalbox.yaml": `# yaml-language-server: $schema=schema/signalbox.json
# $schema: schema/signalbox.json
# sources:
#   github: { provider: github, secret: env:GITHUB_WEBHOOK_SECRET }
# connections:
#   slack: { provider: slack, token: env:SLACK_TOKEN }
store: sqlite:./data/signalbox.db
cache: memory
`,
  "rules/rules.yaml": `# yaml-language-server: $schema=../schema/rules.json
# $schema: ../schema/rules.json
# - id: merged-pr-is-told
#   event: github.pull_request.closed
#   match: { data.pull_request.merged: true }
#   do:
#     - slack.post: { channel: "#dev", text: "{{event.title}} is merged" }
[]
`,
  "statemachines/README.md": "One machine per file; the file's name is the machine's id.\n",
};

const BESIDE: Files = {
  ".gitignore": ".env\ndata/\n",
  // Rules and machines use xstate's `on:`, which YAML 1.1 tools read as true.
  ".yamllint":
    "extends: default\nrules:\n  truthy: { check-keys: false }\n  line-length: { max: 140 }\n  document-start: disable\n  braces: { max-spaces-inside: 1 }\n",
  ".vscode/settings.json": `${JSON.stringify(
    {
      "yaml.schemas": {
        "schema/signalbox.json": "signalbox.yaml",
        "schema/rules.json": "rules/*.yaml",
        "schema/machine.json": "statemachines/*.yaml",
      },
    },
    null,
    2,
  )}\n`,
};
