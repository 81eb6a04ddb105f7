/** `demo`: the product in one command: HTTP, signatures and a store as in production, with stand-ins for Jira and Slack. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { loadConfig } from "../../config/config.ts";
import { formatDuration } from "../../core/duration.ts";
import { createEngine, type Engine } from "../../engine.ts";
import { SignalboxError } from "../../errors.ts";
import { cutText, type JsonObject } from "../../model.ts";
import { system as jira } from "../../providers/jira/stand-in.ts";
import { system as slack } from "../../providers/slack/stand-in.ts";
import { type Sandbox as Systems, startSandbox } from "../../sandbox/index.ts";
import type { CommandBody } from "../command.ts";
import { ConfigError, type Context } from "../context.ts";
import { ingestResponse, postRequest } from "../ingest.ts";
import { withPolicyTexts } from "../reach.ts";
import { buildRequest, type Flaw, findSample, sourceFor, withChange } from "../samples.ts";
import { shippedPolicy } from "../starters.ts";
import { screenOf } from "../terminal/describe.ts";
import { EXIT } from "../terminal/failure.ts";
import { safe } from "../terminal/output.ts";
import { type EventStory, follow, storyLines } from "../terminal/story.ts";

const SYSTEMS = { jira, slack };
type Sandbox = Systems<typeof SYSTEMS>;

const SECRET = "a secret that only the demo knows";
const SETTLE_MS = 10_000;

export const demo: CommandBody = {
  about: "Needs nothing, leaves nothing behind.",
  flags: [{ flags: "--keep", about: "stay running afterwards, for sending more" }],
  examples: ["signalbox demo", "signalbox demo --keep", "signalbox demo --json"],
  async run(context, _, options) {
    const dir = mkdtempSync(join(context.shell.tempDir, "signalbox-demo-"));
    const sandbox = await startSandbox(SYSTEMS);
    let engine: Engine | undefined;
    try {
      engine = await startEngine(context, dir, sandbox);
      const code = await runDemo(context, { dir, sandbox, engine });
      if (options.keep === true) await waitForSignal(context, { dir, sandbox, engine });
      return code;
    } finally {
      await engine?.stop();
      await sandbox.close();
      rmSync(dir, { recursive: true, force: true });
    }
  },
};

interface DemoRun {
  dir: string;
  sandbox: Sandbox;
  engine: Engine;
}

async function startEngine(context: Context, dir: string, sandbox: Sandbox): Promise<Engine> {
  const env = {
    GITHUB_WEBHOOK_SECRET: SECRET,
    JIRA_EMAIL: sandbox.jira.email,
    JIRA_TOKEN: sandbox.jira.token,
    SLACK_TOKEN: sandbox.slack.token,
  };
  const dotenv = Object.entries(env).map(([name, value]) => `${name}="${value}"\n`);
  const files = { ...shippedPolicy("pr-jira"), "signalbox.yaml": configText(sandbox, 0, 0), ".env": dotenv.join("") };
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), text, { mode: 0o600 });
  }
  const providers = await context.providers();
  const loaded = await loadConfig({ dir, env, providers });
  if (!loaded.config) throw new ConfigError(loaded);
  const { config } = loaded;
  const log = await context.log("silent", config.secrets);
  const engine = await withPolicyTexts(config, createEngine({ config, providers, log }));
  await engine.start();
  const port = (url: string) => Number(new URL(url).port);
  // Other commands read the ports from the file.
  writeFileSync(join(dir, "signalbox.yaml"), configText(sandbox, port(engine.ingestUrl), port(engine.adminUrl)));
  return engine;
}

function configText({ jira, slack }: Sandbox, port: number, adminPort: number): string {
  return `server: { host: 127.0.0.1, port: ${port}, admin: { port: ${adminPort} } }
sources:
  github: { provider: github, secret: env:GITHUB_WEBHOOK_SECRET }
connections:
  jira: { provider: jira, url: "${jira.url}", email: env:JIRA_EMAIL, token: env:JIRA_TOKEN, allowPrivate: true }
  slack: { provider: slack, url: "${slack.url}", token: env:SLACK_TOKEN, allowPrivate: true }
store: sqlite:./data/signalbox.db
cache: memory
`;
}

// ---------------------------------------------------------------- steps

async function runDemo(context: Context, run: DemoRun): Promise<number> {
  const startedMs = performance.now();
  const { paint } = context;
  const merged = await runStep(context, run, { sample: "github.pull_request.merged", ticket: "WEB-17" });
  const rejected = await runStep(context, run, { sample: "github.pull_request.rejected", ticket: "WEB-18" });
  const forged = await runStep(context, run, {
    sample: "github.pull_request.merged",
    ticket: "WEB-19",
    flaw: "bad-signature",
  });
  const checks = expectations(run, { merged, rejected, forged });
  const hasPassed = checks.every(({ ok }) => ok);
  const ms = Math.round(performance.now() - startedMs);
  const lines = checks.map(({ ok, text }) => `  ${ok ? paint.green("✓") : paint.red("✗")} ${text}\n`).join("");
  const steps = { merged: merged.story, rejected: rejected.story };
  context.print("DemoResult", { ok: hasPassed, ms, checks, ...steps }, () =>
    [
      `Rules and machines as shipped, an embedded store, and a stand-in Jira and Slack on this machine\n`,
      `${paint.bold("1  A pull request that names WEB-17 is merged")}\n${merged.text}`,
      `${paint.bold("2  A pull request that names WEB-18 is closed without a merge: nothing may move")}\n${rejected.text}`,
      `${paint.bold("3  Somebody forges a merge that names WEB-19: it may not even get in")}\n${forged.text}`,
      `${paint.bold("Afterwards, outside")}\n${lines}`,
      hasPassed
        ? `${paint.green("✓ all as it should be")}, ${formatDuration(ms)}\n\n${NEXT}`
        : paint.red("✗ this is not as it should be\n"),
    ].join("\n"),
  );
  return hasPassed ? EXIT.done : EXIT.no;
}

const NEXT = `next:  signalbox demo --keep        the same, and stays for more
       signalbox init my-project   your own, from these rules
       signalbox providers         what else there is
`;

interface DemoStep {
  sample: string;
  ticket: string;
  flaw?: Flaw;
}

interface StepResult {
  status: number;
  story?: EventStory;
  text: string;
}

/** Posts one signed request to the ingest listener and follows what its event causes. */
async function runStep(
  context: Context,
  { dir, engine }: DemoRun,
  { sample: name, ticket, flaw }: DemoStep,
): Promise<StepResult> {
  const { paint } = context;
  const providers = await context.providers();
  const { provider, source, sample } = findSample(providers, name);
  const { config } = await loadConfig({ dir, env: {}, providers });
  if (!config) throw new SignalboxError("SB0910", "The configuration of the demo cannot be read again");
  const entry = sourceFor(config, undefined, provider.name);
  const body = [
    `pull_request.title=${ticket} add login`,
    "pull_request.body=Adds the login form.",
    `pull_request.head.ref=feature/${ticket}-login`,
  ].reduce<JsonObject>(withChange, sample.body);
  const prepared = buildRequest({ source, entry, sample: { ...sample, body } }, context.nowMs(), flaw);
  const signature = prepared.headers["x-hub-signature-256"] ?? "";
  const { status, text } = await postRequest(engine.ingestUrl + prepared.path, prepared, context.timeoutMs);
  const { eventId, code, reason } = ingestResponse(text);
  const requestLine = paint.dim(`  → POST ${prepared.path}   x-hub-signature-256: ${cutText(signature, 24)}`);
  if (eventId === undefined) {
    const words = safe([code, reason].filter((one) => one !== undefined).join("  "));
    return { status, text: `${requestLine}\n  ← ${paint.red(`${status} refused`)}  ${words}\n` };
  }
  const story = await follow(engine.api, eventId, SETTLE_MS);
  const lines = await storyLines(engine.api, story, screenOf(context));
  return {
    status,
    story,
    text: `${requestLine}\n  ← ${paint.green(`${status}`)}  signature verified, stored as\n${lines}`,
  };
}

interface Expectation {
  ok: boolean;
  text: string;
}

/** Compares what the stand-ins received with what the demo promises. */
function expectations(
  { sandbox }: DemoRun,
  results: Record<"merged" | "rejected" | "forged", StepResult>,
): Expectation[] {
  const { jira, slack } = sandbox;
  const history = (key: string) => jira.issues.get(key)?.history.join(" → ") ?? "not there";
  const [message, second] = slack.messages;
  const hasOneMessage = message !== undefined && second === undefined && message.text.includes("WEB-17");
  const messageText = message ? `"${safe(cutText(message.text, 90))}"` : "no message";
  return [
    { ok: jira.issues.get("WEB-17")?.status === "Done", text: `Jira   WEB-17  ${history("WEB-17")}` },
    { ok: hasOneMessage, text: `Slack  ${messageText}` },
    {
      ok: results.merged.story?.settled === true && results.rejected.story?.settled === true,
      text: "Nothing is left to do",
    },
    { ok: jira.issues.get("WEB-18")?.status === "In Review", text: `Jira   WEB-18  ${history("WEB-18")} (untouched)` },
    {
      ok: results.forged.status === 401 && jira.issues.get("WEB-19")?.status === "In Review",
      text: `Jira   WEB-19  ${history("WEB-19")} (untouched), the forger got ${results.forged.status}`,
    },
  ];
}

/** Stays until Ctrl-C. */
async function waitForSignal(context: Context, { dir, engine, sandbox }: DemoRun): Promise<void> {
  const merge = `signalbox -C ${dir} send github.pull_request.merged --with 'pull_request.title=WEB-20 more' --wait`;
  context.note(`
still running:
  senders   ${engine.ingestUrl}/hooks/github
  API       ${engine.adminUrl}/api/v1/status
  Jira      ${sandbox.jira.url}
  Slack     ${sandbox.slack.url}
  files     ${dir}   (removed at the end)

in another terminal:
  ${merge}
  signalbox -C ${dir} events list
  signalbox -C ${dir} instances list

Ctrl-C ends it`);
  await new Promise<void>((resolve) => {
    context.shell.on("SIGINT", resolve);
    context.shell.on("SIGTERM", resolve);
  });
}
