/** `version`: which version, and what it runs on. */
import { API_VERSION, VERSION } from "../../package.ts";
import type { CommandBody } from "../command.ts";
import { EXIT } from "../terminal/failure.ts";

export const version: CommandBody = {
  about: "server: no.",
  examples: ["signalbox version", "signalbox version --json", "signalbox --version"],
  async run(context) {
    const { nodeVersion, platform } = context.shell;
    const facts = { version: VERSION, api: API_VERSION, node: nodeVersion, platform };
    context.print("Version", facts, () => `signalbox ${VERSION}  node ${nodeVersion}  ${platform}\n`);
    return EXIT.done;
  },
};
