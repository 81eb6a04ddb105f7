/** What `signalbox check` finds: configuration and policy of one folder, without network and without needing any secret. */
import { relative, resolve } from "node:path";
import { actionCatalogue, loadConfig } from "../config.ts";
import { type Problem, SignalboxError } from "../errors.ts";
import { compilePolicy, contentsOf, type PolicyFiles, readPolicyFiles } from "../policy.ts";
import type { Provider } from "../ports.ts";
import type { Summary } from "./diagnostics.ts";

export interface CheckReport {
  /** Placed, in the order of files and lines. */
  problems: Problem[];
  summary: Summary;
  /** File → text without literal secrets, for showing beside the problems. */
  sources: ReadonlyMap<string, string>;
}

export interface CheckOptions {
  dir: string;
  /** Default: signalbox.yaml in `dir`. */
  file?: string;
  env: Readonly<Record<string, string | undefined>>;
  providers: ReadonlyMap<string, Provider>;
  /** Files or folders, relative to `dir`: everything is checked, only their problems are told. */
  paths?: readonly string[];
}

/** Never rejects for what a person wrote. */
export async function checkReport(options: CheckOptions): Promise<CheckReport> {
  const startedMs = performance.now();
  const { dir, file, env, providers, paths = [] } = options;
  const loaded = await loadConfig({ dir, env, providers, offline: true, ...(file === undefined ? {} : { file }) });
  const { config } = loaded;
  const policyDir = config?.dir ?? resolve(dir);
  const read = await filesOf(policyDir);
  const actions = actionCatalogue(config?.connections ?? [], providers);
  const compiled = compilePolicy(read.files, { actions, vars: config?.vars ?? {} });
  // While signalbox.yaml is wrong nobody knows which actions there are.
  const policyProblems = compiled.problems.filter(({ code }) => config !== undefined || code !== "SB0203");
  const sources = new Map([...loaded.sources, ...Object.entries(read.files)]);
  const all = [...loaded.problems, ...read.problems, ...(read.problems.length > 0 ? [] : policyProblems)];
  const problems = chosen(all, paths, { dir, names: [...sources.keys()] });
  const count = (severity: Problem["severity"]) => problems.filter((problem) => problem.severity === severity).length;
  const summary: Summary = {
    ...contentsOf(read.files),
    errors: count("error"),
    warnings: count("warning"),
    ms: performance.now() - startedMs,
  };
  return { problems, summary, sources };
}

async function filesOf(dir: string): Promise<{ files: PolicyFiles; problems: readonly Problem[] }> {
  try {
    return { files: await readPolicyFiles(dir), problems: [] };
  } catch (error) {
    if (!(error instanceof SignalboxError)) throw error;
    return { files: {}, problems: error.problems };
  }
}

/** The problems of the chosen paths; a path that chooses nothing is itself a problem. */
function chosen(
  problems: readonly Problem[],
  paths: readonly string[],
  { dir, names }: { dir: string; names: readonly string[] },
): Problem[] {
  if (paths.length === 0) return [...problems];
  const wanted = paths.map((path) => ({ path, name: relative(dir, resolve(dir, path)).replaceAll("\\", "/") }));
  const lies = (file: string, { name }: { name: string }) =>
    name === "" || file === name || file.startsWith(`${name}/`);
  const told = problems.filter(({ file }) => file === undefined || wanted.some((each) => lies(file, each)));
  const named = [...names, ...problems.flatMap(({ file }) => file ?? [])];
  const lost = wanted.filter((each) => !named.some((file) => lies(file, each)));
  const missing = lost.map(
    ({ path }): Problem => ({ code: "SB0003", severity: "error", message: `No file to check is at "${path}"` }),
  );
  return [...missing, ...told];
}
