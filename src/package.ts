/** What is installed: where its files lie, and its versions. */
import { readFileSync } from "node:fs";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker, type WorkerOptions } from "node:worker_threads";

/** The folder of the code, `src` or `dist`. A bundle moves modules, so only a module that lies directly in this folder may ask for its own place. */
export const CODE = new URL("./", import.meta.url);
/** The extension of the code's files: `.ts` from sources, `.js` when built. */
export const CODE_EXTENSION = extname(fileURLToPath(import.meta.url));
/** The folder of the package: rules/, statemachines/ and schema/ are shipped there. */
export const PACKAGE_ROOT = fileURLToPath(new URL("../", CODE));

/** A thread that runs a module of the code, named as it is built: `store/sqlite/worker`. */
export function startWorker(module: string, options: WorkerOptions): Worker {
  if (CODE_EXTENSION !== ".ts") return new Worker(new URL(`${module}.js`, CODE), options);
  // Node 20 does not apply --import tsx to the first module of a thread, so that module is written here.
  const tsx = import.meta.resolve("tsx/esm/api");
  const url = new URL(`${module}.ts`, CODE).href;
  const start = `import("${tsx}").then(({ register }) => { register(); return import("${url}"); })`;
  return new Worker(start, { ...options, eval: true, execArgv: [] });
}

export const VERSION: string = JSON.parse(readFileSync(new URL("../package.json", CODE), "utf8")).version;
/** The API's version; its major version is in the path. */
export const API_VERSION = "1.0.0";
