/** The build that tests start processes and threads from: starting from TypeScript takes more than twice the time. */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, statSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
export const MAIN = join(ROOT, "dist/main.js");

/** Builds unless the build is newer than every source. */
export function build(): void {
  const startedAt = new Date();
  if (existsSync(MAIN) && statSync(MAIN).mtimeMs > changedAtMs()) return;
  const { status, stdout, stderr } = spawnSync("npm", ["run", "build"], { cwd: ROOT, encoding: "utf8" });
  if (status !== 0) throw new Error(`npm run build failed, and tests start processes from it:\n${stdout}${stderr}`);
  utimesSync(MAIN, startedAt, startedAt);
}

/** When a source last changed; a folder changes when a file comes or goes. */
function changedAtMs(): number {
  const sources = readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" }).map((name) =>
    join("src", name),
  );
  return Math.max(...["build.ts", "package.json", "src", ...sources].map((name) => statSync(join(ROOT, name)).mtimeMs));
}
