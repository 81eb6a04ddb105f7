/** `init`: writes a working project, checks it, and prints the next steps. */
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { messageOf, SignalboxError } from "../../errors.ts";
import { loadStarters } from "../../providers/index.ts";
import { projectReport } from "../check-report.ts";
import { type CommandBody, textOf } from "../command.ts";
import type { Context } from "../context.ts";
import { schemaNames, schemaText } from "../schema-files.ts";
import {
  connectionsOf,
  type Files,
  type NamedStarter,
  type ProjectTemplate,
  shippedPolicy,
  TEMPLATES,
  TOPICS,
} from "../starters.ts";
import { diagnosticsJson, renderDiagnostics, summaryLine } from "../terminal/diagnostics.ts";
import { EXIT } from "../terminal/failure.ts";
import { counted } from "../terminal/output.ts";

const SECRET_BYTES = 32;
const DEFAULT = "pr-jira";
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
    const existingFiles = Object.keys(files).filter((file) => existsSync(join(dir, file)));
    if (existingFiles.length > 0 && options.force !== true) {
      const list = existingFiles.map((file) => `  ${file}`).join("\n");
      throw new SignalboxError("SB0906", `These files would be overwritten; --force does that:\n${list}`);
    }
    const hasSecrets = existsSync(join(dir, ".env"));
    write(dir, files);
    if (!hasSecrets) write(dir, { ".env": environment(template, connections) }, 0o600);
    return await printResult(context, {
      dir,
      name,
      template,
      count: Object.keys(files).length + (hasSecrets ? 0 : 1),
      hasSecrets,
    });
  },
};

interface WrittenProject {
  dir: string;
  name: string;
  template: ProjectTemplate;
  count: number;
  hasSecrets: boolean;
}

async function printResult(
  context: Context,
  { dir, name, template, count, hasSecrets }: WrittenProject,
): Promise<number> {
  const { paint } = context;
  const { diagnostics, fileTexts, summary } = await projectReport(context, { dir });
  const isSound = summary.errors === 0;
  const starter = template === "empty" ? undefined : TOPICS[template];
  const steps = [
    ...(name === "." ? [] : [`cd ${name}`]),
    starter ? `edit .env: ${starter.edit}` : "edit signalbox.yaml: where events come from",
    "signalbox serve",
    ...(starter ? [`signalbox send ${starter.send} --wait      in another terminal`] : []),
  ];
  const body = { dir, template, files: count, summary, diagnostics: diagnosticsJson(diagnostics) };
  context.print("InitResult", body, () => {
    const env = relative(context.shell.cwd, join(dir, ".env")) || ".env";
    return [
      `created ${name === "." ? "the project" : `${name}/`} from template ${template} (${counted(count, "file")})`,
      `${isSound ? paint.green("✓ check") : paint.red("✗ check")}   ${summaryLine(summary)}`,
      hasSecrets
        ? `· secrets stay as they are in ${env}`
        : `${paint.green("✓ secret")}  a random one is in ${env} (0600, ignored by git)`,
      ...(diagnostics.length > 0 ? ["", renderDiagnostics(diagnostics, { fileTexts, color: false }).trimEnd()] : []),
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
    const reason = messageOf(error);
    throw new SignalboxError("SB0906", `The project cannot be written: ${reason}`, { cause: error });
  }
}

function filesOf(template: ProjectTemplate, connections: readonly NamedStarter[]): Files {
  const schemas = Object.fromEntries(schemaNames().map((name) => [`schema/${name}.json`, schemaText(name)]));
  const policy =
    template === "empty" ? EMPTY : { "signalbox.yaml": configText(connections), ...shippedPolicy(template) };
  return { ...policy, ...schemas, ...BESIDE, ".env.example": environment(template, connections, { example: true }) };
}

/** The variables that signalbox.yaml names. */
function environment(
  template: ProjectTemplate,
  connections: readonly NamedStarter[],
  { example = false } = {},
): string {
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
