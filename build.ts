/**
 * Builds dist/: the code and its libraries in few files, because opening many is most of a start. What is found by its path stays a file
 * of its own: the process, the threads, and each provider. Native and seldom used libraries stay in node_modules.
 */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type Metafile } from "esbuild";

process.chdir(dirname(fileURLToPath(import.meta.url)));
const EXTERNAL = ["better-sqlite3", "elkjs"];
const ENTRIES = ["src/main.ts", "src/package.ts", "src/store/sqlite/worker.ts", "src/policy/worker.ts"];
/** Bundled CommonJS libraries ask for Node's modules this way. */
const REQUIRE =
  'import { createRequire as requireFrom } from "node:module"; const require = requireFrom(import.meta.url);';

rmSync("dist", { recursive: true, force: true });
const { metafile } = await build({
  entryPoints: [...ENTRIES, ...providers("src/providers")],
  outbase: "src",
  outdir: "dist",
  bundle: true,
  splitting: true,
  // All chunks lie directly in dist/: see package.ts.
  chunkNames: "[name]-[hash]",
  format: "esm",
  platform: "node",
  target: "node20",
  external: EXTERNAL,
  banner: { js: REQUIRE },
  sourcemap: true,
  sourcesContent: false,
  legalComments: "none",
  metafile: true,
});
writeFileSync("dist/LICENSES.txt", licences(metafile));

/** The files that provider names lead to, and what a provider brings beside itself; `kit` is what they share. */
function providers(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (!entry.isDirectory()) return entry.name === "index.ts" ? [] : [path];
    const files = ["index.ts", "stand-in.ts", "starter.ts"].map((file) => join(path, file));
    return entry.name === "kit" ? [] : files.filter((file) => existsSync(file));
  });
}

/** Name, version and licence of every library whose code is in dist/. */
function licences({ outputs }: Metafile): string {
  const inputs = Object.values(outputs).flatMap((output) => Object.keys(output.inputs));
  const folders = new Set(inputs.flatMap((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? []));
  const texts = [...folders].sort().map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    const file = readdirSync(folder).find((each) => /^(licen[cs]e|copying)/i.test(each));
    const notice = existsSync(join(folder, "NOTICE")) ? `\n${readFileSync(join(folder, "NOTICE"), "utf8")}` : "";
    const text = file === undefined ? "" : readFileSync(join(folder, file), "utf8");
    return `${name} ${version} (${license})\n\n${text.trim()}\n${notice}`;
  });
  return `The files of this folder contain code of these libraries.\n\n${texts.join(`\n${"-".repeat(80)}\n`)}`;
}
