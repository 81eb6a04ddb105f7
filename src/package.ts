/** What is installed: where its files lie, and its versions. */
import { readFileSync } from "node:fs";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of the code, `src` or `dist`. A bundle moves modules, so only a module that lies directly in this folder may ask for its own place. */
export const CODE = new URL("./", import.meta.url);
/** The extension of the code's files: `.ts` from sources, `.js` when built. */
export const CODE_EXTENSION = extname(fileURLToPath(import.meta.url));
/** The folder of the package: rules/, statemachines/ and schema/ are shipped there. */
export const PACKAGE_ROOT = fileURLToPath(new URL("../", CODE));

export const VERSION: string = JSON.parse(readFileSync(new URL("../package.json", CODE), "utf8")).version;
/** The API's version; its major version is in the path. */
export const API_VERSION = "1.0.0";
