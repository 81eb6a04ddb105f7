/** What `signalbox check` finds: configuration and policy of one folder, without network and without needing any secret. */
import { relative, resolve } from "node:path";
import { actionCatalogue, type Config, loadConfig } from "../config/config.ts";
import type { RuleDiagnostic } from "../core/lint/lint.ts";
import { unseen } from "../core/lint/unseen.ts";
import { type Diagnostic, SignalboxError } from "../errors.ts";
import type { JsonObject } from "../model.ts";
import { compilePolicy, type Policy, type PolicyFiles, readPolicyFiles } from "../policy/policy.ts";
import type { Provider } from "../ports/provider.ts";
import { placed, readYaml, type YamlFile } from "../yaml.ts";
import { knownEvents } from "./known-events.ts";
import type { Summary } from "./terminal/diagnostics.ts";

export interface CheckReport {
  /** Placed, in the order of files and lines. */
  problems: Diagnostic[];
  summary: Summary;
  /** What new instances would be started with; none while there is an error. */
  machines: { id: string; definition: JsonObject }[];
  /** File → text without literal secrets, for showing beside the problems. */
  sources: ReadonlyMap<string, string>;
  /** How many recorded events the rules were compared with. */
  recorded: number;
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
  const compiled = compilePolicy(read.files, { actions, vars: config?.vars ?? {}, lint: true });
  // While signalbox.yaml is wrong nobody knows which actions there are.
  const policyProblems = compiled.diagnostics.filter(({ code }) => config !== undefined || code !== "SB0203");
  const compared = compareWithEvents(compiled.policy, config, providers);
  const sources = new Map([...loaded.sources, ...Object.entries(read.files)]);
  const found = read.problems.length > 0 ? read.problems : inOrder([...policyProblems, ...compared.problems]);
  const all = [...loaded.problems, ...found];
  const problems = chosen(all, paths, { dir, names: [...sources.keys()] });
  const count = (severity: Diagnostic["severity"]) =>
    problems.filter((problem) => problem.severity === severity).length;
  const summary: Summary = {
    ...compiled.contents,
    errors: count("error"),
    warnings: count("warning"),
    ms: performance.now() - startedMs,
  };
  const machines = [...(compiled.policy?.machines.values() ?? [])];
  return {
    problems,
    summary,
    sources,
    recorded: compared.recorded,
    machines: machines.map(({ id, definition }) => ({ id, definition: definition as JsonObject })),
  };
}

/** Conditions on fields and values that no known event has. */
function compareWithEvents(
  policy: Policy | undefined,
  config: Config | undefined,
  providers: ReadonlyMap<string, Provider>,
): { problems: Diagnostic[]; recorded: number } {
  if (policy === undefined || config === undefined) return { problems: [], recorded: 0 };
  const { rules } = policy.rules;
  const known = knownEvents(rules, config, providers);
  return { problems: placedIn(policy.files, unseen(rules, known)), recorded: known.recorded.length };
}

/** A rule knows its file; where it stands in it is found by its id. */
function placedIn(files: PolicyFiles, findings: readonly RuleDiagnostic[]): Diagnostic[] {
  const read = new Map<string, { yaml: YamlFile; ids: unknown[] }>();
  return findings.flatMap(({ rule, diagnostic: problem }) => {
    const { file } = rule.place([]) ?? {};
    if (file === undefined) return [];
    const known = read.get(file) ?? withIds(readYaml(file, files[file] ?? ""));
    read.set(file, known);
    return [placed(file, known.yaml, { ...problem, path: [known.ids.indexOf(rule.id), ...(problem.path ?? [])] })];
  });
}

function withIds(yaml: YamlFile): { yaml: YamlFile; ids: unknown[] } {
  const rules = Array.isArray(yaml.value) ? yaml.value : [];
  return { yaml, ids: rules.map((rule) => (rule as { id?: unknown } | null)?.id) };
}

/** By file and place. */
function inOrder(problems: readonly Diagnostic[]): Diagnostic[] {
  const order = ({ file = "", line = 0, col = 0 }: Diagnostic) => ({ file, line, col });
  return problems.toSorted((one, other) => {
    const [a, b] = [order(one), order(other)];
    if (a.file !== b.file) return a.file < b.file ? -1 : 1;
    return a.line - b.line || a.col - b.col;
  });
}

async function filesOf(dir: string): Promise<{ files: PolicyFiles; problems: readonly Diagnostic[] }> {
  try {
    return { files: await readPolicyFiles(dir), problems: [] };
  } catch (error) {
    if (!(error instanceof SignalboxError)) throw error;
    return { files: {}, problems: error.problems };
  }
}

/** The problems of the chosen paths; a path that chooses nothing is itself a problem. */
function chosen(
  problems: readonly Diagnostic[],
  paths: readonly string[],
  { dir, names }: { dir: string; names: readonly string[] },
): Diagnostic[] {
  if (paths.length === 0) return [...problems];
  const wanted = paths.map((path) => ({ path, name: relative(dir, resolve(dir, path)).replaceAll("\\", "/") }));
  const lies = (file: string, { name }: { name: string }) =>
    name === "" || file === name || file.startsWith(`${name}/`);
  const told = problems.filter(({ file }) => file === undefined || wanted.some((each) => lies(file, each)));
  const named = [...names, ...problems.flatMap(({ file }) => file ?? [])];
  const lost = wanted.filter((each) => !named.some((file) => lies(file, each)));
  const missing = lost.map(
    ({ path }): Diagnostic => ({ code: "SB0003", severity: "error", message: `No file to check is at "${path}"` }),
  );
  return [...missing, ...told];
}
