/** Stand-ins for the outside on loopback: real HTTP, strict about requests, readable state. For the demo, the docs and tests. */
import { type Call, type Fault, serve } from "./http.ts";
import { type JiraState, jira, jiraState } from "./jira.ts";
import { type SlackState, slack, slackState } from "./slack.ts";

export type { Call, Fault } from "./http.ts";
export type { JiraState, SandboxIssue, SandboxTransition } from "./jira.ts";
export type { SlackState } from "./slack.ts";

export interface SandboxOptions {
  /** 0 (the default) = any free port. */
  jiraPort?: number;
  slackPort?: number;
}

export interface Sandbox {
  /** `url` serves Cloud (Basic email:token, REST v3) and Server (Bearer token, REST v2); the state may be read and changed. */
  jira: JiraState & { url: string; calls: Call[] };
  /** `url` is the base of the Web API, `webhookUrl` an incoming webhook that posts to #general. */
  slack: SlackState & { url: string; webhookUrl: string; calls: Call[] };
  /** Scripts what happens to coming requests; scripts of one target apply in the order they were given. */
  fault(target: "jira" | "slack", fault: Fault): void;
  /** Ends both, hanging requests included. */
  close(): Promise<void>;
}

/** Starts both stand-ins on 127.0.0.1 with their default data. Rejects when a port is taken. */
export async function startSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const jiraData = jiraState();
  const slackData = slackState();
  const jiraSite = await serve((request) => jira(jiraData, request), options.jiraPort);
  const slackSite = await serve((request) => slack(slackData, request), options.slackPort).catch(async (error) => {
    await jiraSite.close();
    throw error;
  });
  const sites = { jira: jiraSite, slack: slackSite };
  return {
    jira: Object.assign(jiraData, { url: jiraSite.url, calls: jiraSite.calls }),
    slack: Object.assign(slackData, {
      url: `${slackSite.url}/api`,
      webhookUrl: slackSite.url + slackData.webhookPath,
      calls: slackSite.calls,
    }),
    fault: (target, fault) => sites[target].fault(fault),
    async close() {
      await Promise.all([jiraSite.close(), slackSite.close()]);
    },
  };
}
