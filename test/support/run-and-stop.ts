/** Runs an engine on the folder at argv[2], sends it argv[3] events, stops it, and leaves. Nothing may keep the process. */
import { startEngineIn } from "./engine.ts";
import { GITHUB_SECRET, signedByGithub } from "./served.ts";

const [, , folder = "", count = "0"] = process.argv;
const started = await startEngineIn(folder, { GITHUB_WEBHOOK_SECRET: GITHUB_SECRET });
for (let n = 0; n < Number(count); n++) {
  await started.post("github", signedByGithub("lever", `{"pulled":${n}}`, { id: `run-${n}` }));
}
await started.quiet();
await started.stop();
process.stdout.write("stopped\n");
