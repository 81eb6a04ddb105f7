/** How a new project connects to GitHub. */
import type { Starter } from "../../ports/provider.ts";

export default {
  connection: "{ provider: github, token: env:GITHUB_TOKEN }",
  variables: ["# A token that may write commit statuses", "GITHUB_TOKEN=change-me"],
} satisfies Starter;
