/** Runs an engine on the folder at argv[2], sends it argv[3] events, stops it, says what still keeps the process, and leaves. */
import { createHook } from "node:async_hooks";
import { startEngineIn } from "./engine.ts";
import { GITHUB_SECRET, signedByGithub } from "./served.ts";

/** How long the end of a connection may be waited for. */
const PARTING_MS = 250;

const timers = new Set<NodeJS.Timeout & { _idleTimeout: number; _destroyed: boolean }>();
createHook({
  init: (_id, type, _trigger, resource) => void (type === "Timeout" && timers.add(resource as never)),
}).enable();

const [, , folder = "", count = "0"] = process.argv;
const started = await startEngineIn(folder, { GITHUB_WEBHOOK_SECRET: GITHUB_SECRET });
for (let n = 0; n < Number(count); n++) {
  await started.post("github", signedByGithub("lever", `{"pulled":${n}}`, { id: `run-${n}` }));
}
await started.quiet();
await started.stop();
// The pipe is the one to whoever started this.
const others = process.getActiveResourcesInfo().filter((name) => name !== "PipeWrap" && name !== "Timeout");
const waiting = [...timers].filter((timer) => !timer._destroyed && timer.hasRef() && timer._idleTimeout > PARTING_MS);
process.stdout.write(
  `${JSON.stringify([...others, ...waiting.map(({ _idleTimeout }) => `timer of ${_idleTimeout} ms`)])}\n`,
);
