/** The build that tests start processes and threads from: starting from TypeScript takes more than twice the time. */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, rmSync, statSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const DIST = join(ROOT, "dist");
export const MAIN = join(DIST, "main.js");

/** Builds unless the build is newer than every source. */
export function build(): void {
  const startedAt = new Date();
  if (existsSync(MAIN) && statSync(MAIN).mtimeMs > changedAtMs()) return;
  // What has no source any more must not be found by those who read the folder.
  rmSync(DIST, { recursive: true, force: true });
  const { status, stdout } = spawnSync("npm", ["run", "build"], { cwd: ROOT, encoding: "utf8" });
  if (!existsSync(MAIN)) throw new Error(`npm run build made no dist/main.js:\n${stdout}`);
  // Mistakes in types are for `npx tsc`; the tests run what was written all the same, and build again next time.
  if (status === 0) utimesSync(MAIN, startedAt, startedAt);
  else {
    process.stderr.write(`\nnpm run build found mistakes:\n${stdout}\n`);
    utimesSync(MAIN, 0, 0);
  }
}

/** When a source last changed; a folder changes when a file comes or goes. */
function changedAtMs(): number {
  const sources = readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" }).map((name) =>
    join("src", name),
  );
  return Math.max(
    ...["src", "package.json", "tsconfig.json", ...sources].map((name) => statSync(join(ROOT, name)).mtimeMs),
  );
}
