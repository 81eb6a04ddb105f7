/** The stand-ins of Jira and Slack, as the demo starts them. */
import { system as jira } from "../../src/providers/jira/stand-in.ts";
import { system as slack } from "../../src/providers/slack/stand-in.ts";
import { type Sandbox as Systems, startSandbox as start } from "../../src/sandbox/index.ts";

const SYSTEMS = { jira, slack };

export type Sandbox = Systems<typeof SYSTEMS>;
export const startSandbox = () => start(SYSTEMS);
