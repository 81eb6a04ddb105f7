/** A stand-in Slack. */
import type { SandboxSystem, StandIn } from "../../sandbox/stand-in.ts";
import { type SlackState, slack, slackState } from "./sandbox.ts";

/** `url` is the base of the Web API, `webhookUrl` an incoming webhook that posts to #general. */
export const system = {
  initial: slackState,
  handle: slack,
  addresses: (root, { webhookPath }) => ({ url: `${root}/api`, webhookUrl: root + webhookPath }),
} satisfies SandboxSystem<SlackState>;

export default { system } satisfies StandIn;
