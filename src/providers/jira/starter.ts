/** How a new project connects to Jira. */
import type { Starter } from "../../ports/provider.ts";

export default {
  connection: '{ provider: jira, url: "${JIRA_URL}", email: env:JIRA_EMAIL, token: env:JIRA_TOKEN }',
  variables: ["JIRA_URL=https://your-team.atlassian.net", "JIRA_EMAIL=you@example.com", "JIRA_TOKEN=change-me"],
} satisfies Starter;
