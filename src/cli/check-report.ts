/** The diagnostics of one folder, configuration and policy together; without network, and no secret has to be set. */
import { relative, resolve } from "node:path";
import { actionCatalogue, type Config, loadConfig } from "../config/config.ts";
import type { RuleDiagnostic } from "../core/lint/lint.ts";
import { unseen } from "../core/lint/unseen.ts";
import { type Diagnostic, newDiagnostic, SignalboxError } from "../errors.ts";
import type { JsonObject } from "../model.ts";
import { compilePolicy, type Policy, type PolicyFiles, readPolicyFiles } from "../policy/policy.ts";
import type { Provider } from "../ports/provider.ts";
import { placed, readYaml, type YamlFile } from "../yaml.ts";
import type { Context } from "./context.ts";
import { knownEvents } from "./known-events.ts";
import type { CheckSummary } from "./terminal/diagnostics.ts";

export interface CheckReport {
  /** Placed, in the order of files and lines. */
  diagnostics: Diagnostic[];
  summary: CheckSummary;
  /** What new instances would be started with; none while there is an error. */
  machines: { id: string; definition: JsonObject }[];
  /** File → text without literal secrets, for showing beside the diagnostics. */
  fileTexts: ReadonlyMap<string, string>;
  /** How many recorded events the rules were compared with. */
  recordedEvents: number;
}

export interface CheckOptions {
  dir: string;
  /** Default: signalbox.yaml in `dir`. */
  file?: string;
  env: Readonly<Record<string, string | undefined>>;
  providers: ReadonlyMap<string, Provider>;
  /** Files or folders, relative to `dir`: everything is checked, only their diagnostics are reported. */
  paths?: readonly string[];
}

/** Never rejects for what a person wrote. */
export async function checkReport(options: CheckOptions): Promise<CheckReport> {
  const startedMs = performance.now();
  const { dir, file, env, providers, paths = [] } = options;
  const loaded = await loadConfig({ dir, env, providers, offline: true, ...(file === undefined ? {} : { file }) });
  const { config } = loaded;
  const policyDir = config?.dir ?? resolve(dir);
  const policyFiles = await filesOf(policyDir);
  const actions = actionCatalogue(config?.connections ?? [], providers);
  const compiled = compilePolicy(policyFiles.files, { actions, vars: config?.vars ?? {}, lint: true });
  // While signalbox.yaml has an error the actions are unknown, so that SB0203 would be wrong.
  const compiledDiagnostics = compiled.diagnostics.filter(({ code }) => config !== undefined || code !== "SB0203");
  const compared = compareWithEvents(compiled.policy, config, providers);
  const fileTexts = new Map([...loaded.fileTexts, ...Object.entries(policyFiles.files)]);
  const policyDiagnostics =
    policyFiles.diagnostics.length > 0
      ? policyFiles.diagnostics
      : sortedByPlace([...compiledDiagnostics, ...compared.diagnostics]);
  const all = [...loaded.diagnostics, ...policyDiagnostics];
  const diagnostics = selectDiagnostics(all, paths, { dir, names: [...fileTexts.keys()] });
  const count = (severity: Diagnostic["severity"]) =>
    diagnostics.filter((problem) => problem.severity === severity).length;
  const summary: CheckSummary = {
    ...compiled.contents,
    errors: count("error"),
    warnings: count("warning"),
    ms: performance.now() - startedMs,
  };
  const machines = [...(compiled.policy?.machines.values() ?? [])];
  return {
    diagnostics,
    summary,
    fileTexts,
    recordedEvents: compared.recordedCount,
    machines: machines.map(({ id, definition }) => ({ id, definition: definition as JsonObject })),
  };
}

/** Checks the project of a command: with its providers and its environment. */
export async function projectReport(
  { providers, shell }: Context,
  project: { dir: string; file?: string },
  paths: readonly string[] = [],
): Promise<CheckReport> {
  return await checkReport({ ...project, env: shell.env, providers: await providers(), paths });
}

/** Conditions on fields and values that no known event has. */
function compareWithEvents(
  policy: Policy | undefined,
  config: Config | undefined,
  providers: ReadonlyMap<string, Provider>,
): { diagnostics: Diagnostic[]; recordedCount: number } {
  if (policy === undefined || config === undefined) return { diagnostics: [], recordedCount: 0 };
  const { rules } = policy.rules;
  const events = knownEvents(rules, config, providers);
  return { diagnostics: placeInFiles(policy.files, unseen(rules, events)), recordedCount: events.recorded.length };
}

/** A rule knows its file; its place in the file is found by its id. */
function placeInFiles(files: PolicyFiles, findings: readonly RuleDiagnostic[]): Diagnostic[] {
  const byFile = new Map<string, { yaml: YamlFile; ids: unknown[] }>();
  return findings.flatMap(({ rule, diagnostic: problem }) => {
    const { file } = rule.place([]) ?? {};
    if (file === undefined) return [];
    const rulesFile = byFile.get(file) ?? withIds(readYaml(file, files[file] ?? ""));
    byFile.set(file, rulesFile);
    return [
      placed(file, rulesFile.yaml, { ...problem, path: [rulesFile.ids.indexOf(rule.id), ...(problem.path ?? [])] }),
    ];
  });
}

function withIds(yaml: YamlFile): { yaml: YamlFile; ids: unknown[] } {
  const rules = Array.isArray(yaml.value) ? yaml.value : [];
  return { yaml, ids: rules.map((rule) => (rule as { id?: unknown } | null)?.id) };
}

/** By file and place. */
function sortedByPlace(diagnostics: readonly Diagnostic[]): Diagnostic[] {
  const order = ({ file = "", line = 0, col = 0 }: Diagnostic) => ({ file, line, col });
  return diagnostics.toSorted((one, other) => {
    const [a, b] = [order(one), order(other)];
    if (a.file !== b.file) return a.file < b.file ? -1 : 1;
    return a.line - b.line || a.col - b.col;
  });
}

async function filesOf(dir: string): Promise<{ files: PolicyFiles; diagnostics: readonly Diagnostic[] }> {
  try {
    return { files: await readPolicyFiles(dir), diagnostics: [] };
  } catch (error) {
    if (!(error instanceof SignalboxError)) throw error;
    return { files: {}, diagnostics: error.problems };
  }
}

/** The diagnostics of the files below `paths`; a path without a file is a diagnostic of its own. */
function selectDiagnostics(
  diagnostics: readonly Diagnostic[],
  paths: readonly string[],
  { dir, names }: { dir: string; names: readonly string[] },
): Diagnostic[] {
  if (paths.length === 0) return [...diagnostics];
  const requestedPaths = paths.map((path) => ({ path, name: relative(dir, resolve(dir, path)).replaceAll("\\", "/") }));
  const isBelow = (file: string, { name }: { name: string }) =>
    name === "" || file === name || file.startsWith(`${name}/`);
  const selectedDiagnostics = diagnostics.filter(
    ({ file }) => file === undefined || requestedPaths.some((each) => isBelow(file, each)),
  );
  const fileNames = [...names, ...diagnostics.flatMap(({ file }) => file ?? [])];
  const unmatchedPaths = requestedPaths.filter((each) => !fileNames.some((file) => isBelow(file, each)));
  const missing = unmatchedPaths.map(({ path }) => newDiagnostic("SB0003", `No file to check is at "${path}"`));
  return [...missing, ...selectedDiagnostics];
}
