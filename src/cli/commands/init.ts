/** `init`: writes a project that works, checks it, and says what to do next. */
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { SignalboxError } from "../../errors.ts";
import { PACKAGE_ROOT } from "../../package.ts";
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

type ConnectionName = keyof typeof CONNECTIONS;

interface Starter {
  /** Rules, templates and machines as they are shipped; all of them when none are named. */
  files?: readonly string[];
  connections: readonly ConnectionName[];
  /** What to edit in .env. */
  edit: string;
  /** A sample that shows something. */
  send: string;
}

/** What each template starts from: one topic of what is shipped, or all of them. */
const STARTERS: Record<Exclude<Template, "empty">, Starter> = {
  "pr-jira": {
    files: [
      "rules/pull-requests.yaml",
      "rules/templates/pr-without-ticket.hbs",
      "rules/templates/ticket-moved.hbs",
      "rules/templates/ticket-stuck.hbs",
      "statemachines/jira-ticket.yaml",
    ],
    connections: ["jira", "slack"],
    edit: "where your Jira and Slack are",
    send: "github.pull_request.merged",
  },
  "deploy-gate": {
    files: ["rules/deploy-gate.yaml", "rules/templates/gate-released.hbs", "statemachines/deploy-gate.yaml"],
    connections: ["slack", "github"],
    edit: "the tokens for Slack and GitHub",
    send: "github.push",
  },
  escalation: {
    files: ["rules/escalation.yaml", "rules/templates/escalation-step.hbs", "statemachines/escalation.yaml"],
    connections: ["slack"],
    edit: "the token for Slack",
    send: "github.deployment_status.created --with deployment_status.state=failure",
  },
  all: {
    connections: ["jira", "slack", "github"],
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
    const files = filesOf(template);
    const there = Object.keys(files).filter((file) => existsSync(join(dir, file)));
    if (there.length > 0 && options.force !== true) {
      const list = there.map((file) => `  ${file}`).join("\n");
      throw new SignalboxError("SB0906", `These files would be overwritten; --force does that:\n${list}`);
    }
    const hasSecrets = existsSync(join(dir, ".env"));
    write(dir, files);
    if (!hasSecrets) write(dir, { ".env": environment(template) }, 0o600);
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
  const starter = template === "empty" ? undefined : STARTERS[template];
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

function filesOf(template: Template): Files {
  const schemas = Object.fromEntries(schemaNames().map((name) => [`schema/${name}.json`, schemaText(name)]));
  const policy =
    template === "empty" ? EMPTY : { "signalbox.yaml": configText(STARTERS[template]), ...shippedPolicy(template) };
  return { ...policy, ...schemas, ...BESIDE, ".env.example": environment(template, { example: true }) };
}

/** The rules, templates and machines that this template starts from, as they are shipped. */
export function shippedPolicy(template: Exclude<Template, "empty">): Files {
  const { files } = STARTERS[template];
  const shipped = { ...below("rules"), ...below("statemachines") };
  return Object.fromEntries(Object.entries(shipped).filter(([name]) => files?.includes(name) ?? true));
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
function environment(template: Template, { example = false } = {}): string {
  const secret = example ? "" : randomBytes(SECRET_BYTES).toString("base64url");
  if (template === "empty") return "# Variables for ${NAME} and env:NAME in signalbox.yaml\n";
  const { connections } = STARTERS[template];
  return [
    "# For developing; in production set the variables themselves. Never commit .env.",
    "# The same secret belongs into the webhook's settings at GitHub.",
    `GITHUB_WEBHOOK_SECRET=${secret}`,
    ...connections.flatMap((name) => ["", ...CONNECTIONS[name].variables]),
    "",
  ].join("\n");
}

const CONNECTIONS = {
  jira: {
    entry: '{ provider: jira, url: "${JIRA_URL}", email: env:JIRA_EMAIL, token: env:JIRA_TOKEN }',
    variables: ["JIRA_URL=https://your-team.atlassian.net", "JIRA_EMAIL=you@example.com", "JIRA_TOKEN=change-me"],
  },
  slack: {
    entry: "{ provider: slack, token: env:SLACK_TOKEN }",
    variables: ["# A bot token with chat:write", "SLACK_TOKEN=change-me"],
  },
  github: {
    entry: "{ provider: github, token: env:GITHUB_TOKEN }",
    variables: ["# A token that may write commit statuses", "GITHUB_TOKEN=change-me"],
  },
};

function configText({ connections }: Starter): string {
  return `# yaml-language-server: $schema=schema/signalbox.json
# $schema: schema/signalbox.json
# Every \${…} and env: comes from the environment, or from a file .env beside this one while developing.
sources:
  github: { provider: github, secret: env:GITHUB_WEBHOOK_SECRET }
connections:
${connections.map((name) => `  ${name}: ${CONNECTIONS[name].entry}\n`).join("")}store: sqlite:./data/signalbox.db
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
