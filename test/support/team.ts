/** A team's delivery line: the shipped rules and machines, a stand-in Jira and Slack, and an engine over real HTTP. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { type Started, startEngine } from "./engine.ts";
import { type Sandbox, startSandbox } from "./sandbox.ts";
import { GITHUB_SECRET } from "./served.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

export interface Team extends Started {
  sandbox: Sandbox;
}

/** rules/, its templates and statemachines/ as they are shipped. */
export function shippedPolicy(): Record<string, string> {
  const below = (folder: string): string[] =>
    readdirSync(join(ROOT, folder)).flatMap((name) => {
      const path = `${folder}/${name}`;
      return statSync(join(ROOT, path)).isDirectory() ? below(path) : [path];
    });
  return Object.fromEntries(
    [...below("rules"), ...below("statemachines")].map((path) => [path, readFileSync(join(ROOT, path), "utf8")]),
  );
}

export function teamConfig({ jira, slack }: Sandbox, more = ""): string {
  return `
server: { host: 127.0.0.1, port: 0, admin: { port: 0 } }
sources: { github: { provider: github, secret: env:GITHUB_WEBHOOK_SECRET } }
connections:
  jira: { provider: jira, url: "${jira.url}", email: env:JIRA_EMAIL, token: env:JIRA_TOKEN, allowPrivate: true }
  slack: { provider: slack, url: "${slack.url}", token: env:SLACK_TOKEN, allowPrivate: true }
  github: { provider: github, url: "http://127.0.0.1:9", token: env:GITHUB_TOKEN, allowPrivate: true }
${more}`;
}

export function teamEnv({ jira, slack }: Sandbox): Record<string, string> {
  return {
    GITHUB_WEBHOOK_SECRET: GITHUB_SECRET,
    JIRA_EMAIL: jira.email,
    JIRA_TOKEN: jira.token,
    SLACK_TOKEN: slack.token,
    GITHUB_TOKEN: "sandbox-github-token",
  };
}

/** `more` is added to signalbox.yaml. */
export async function startTeam(more = "", files: Record<string, string> = {}): Promise<Team> {
  const sandbox = await startSandbox();
  const started = await startEngine(
    { ...shippedPolicy(), ...files, "signalbox.yaml": teamConfig(sandbox, more) },
    teamEnv(sandbox),
  );
  return {
    ...started,
    sandbox,
    async stop() {
      await started.stop();
      await sandbox.close();
    },
  };
}
