/** How a new project connects to Slack. */
import type { Starter } from "../../ports/provider.ts";

export default {
  connection: "{ provider: slack, token: env:SLACK_TOKEN }",
  variables: ["# A bot token with chat:write", "SLACK_TOKEN=change-me"],
} satisfies Starter;
