/** The real engine as a process of its own, on a folder that the benchmark wrote. */
import { loadConfig } from "../src/config/config.ts";
import { createEngine } from "../src/engine.ts";
import { createLogger } from "../src/log.ts";
import { loadProviders } from "../src/providers/index.ts";

const dir = process.argv[2]!;
const providers = await loadProviders();
const { config, diagnostics: problems } = await loadConfig({ dir, env: process.env, providers });
if (!config) throw new Error(JSON.stringify(problems));
const log = createLogger({ level: "error", secrets: config.secrets, pretty: false });
const engine = await createEngine({ config, providers, log });
await engine.start();
process.send?.({ url: `${engine.ingestUrl}/hooks/github` });
process.on("message", () => process.send?.({ cpu: process.cpuUsage() }));
process.on("disconnect", () => {
  void engine.stop().then(() => process.exit(0));
});
