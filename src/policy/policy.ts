/** rules/ + statemachines/ + templates → Policy, or all diagnostics of all files at once, each with its place. Pure but for reading. */
import { createHash } from "node:crypto";
import { validatorFor } from "../core/check.ts";
import { lint } from "../core/lint/lint.ts";
import { lintMachine } from "../core/lint/machines.ts";
import { type CompiledMachine, compileMachine } from "../core/machine/file/compile.ts";
import { createRuleSet, createRuleSetBuilder, type RuleSet } from "../core/match/rule-set.ts";
import { type CompiledRule, type CompileEnv, compileRule } from "../core/match/rules.ts";
import { type ActionForm, compileValue } from "../core/render.ts";
import { type Diagnostic, nearest, newDiagnostic, newWarning, type Path } from "../errors.ts";
import { Rule } from "../model/rule.ts";
import { type Json, type JsonObject, LIMITS } from "../model.ts";
import { wordAt } from "../yaml/words.ts";
import { placed, readYaml, type YamlFile } from "../yaml.ts";
import { isMachineFile, isRuleFile, isTemplateFile, type PolicyFiles } from "./files.ts";

export { type PolicyFiles, readPolicyFiles } from "./files.ts";

export interface Policy {
  /** 12 hex digits over all files and the names of the actions there are. */
  revision: string;
  rules: RuleSet;
  machines: ReadonlyMap<string, CompiledMachine>;
  files: PolicyFiles;
  vars: JsonObject;
}

/** How many rules, machines and templates the files hold, also when they do not compile. */
export interface Contents {
  rules: number;
  machines: number;
  templates: number;
}

export interface PolicyEnv {
  /** `connection.action` → its parameters. */
  actions: ReadonlyMap<string, ActionForm>;
  vars: JsonObject;
  /** Adds warnings about what is well formed but hardly meant; they take longer than loading. */
  lint?: boolean;
}

/** No policy when there is an error; warnings do not hinder. Diagnostics are sorted by file and place. Never throws for data. */
export function compilePolicy(
  files: PolicyFiles,
  env: PolicyEnv,
): { policy?: Policy; diagnostics: Diagnostic[]; contents: Contents } {
  const { revision, rules, machines, ...rest } = compileFiles(files, env);
  if (revision === undefined) return rest;
  const set = createRuleSet(rules.map(({ rule }) => rule));
  return { policy: { revision, rules: set, machines, files, vars: env.vars }, ...rest };
}

/** Files that have no error, in parts that can be sent to another thread and compiled there once more without reading a file. */
export interface PolicyParts {
  revision: string;
  machines: { id: string; definition: Json }[];
  rules: WrittenRule[];
}

export interface WrittenRule {
  file: string;
  index: number;
  rule: Rule;
}

/** What compilePolicy says of the files; no parts when there is an error. */
export function checkPolicy(files: PolicyFiles, env: PolicyEnv): { parts?: PolicyParts; diagnostics: Diagnostic[] } {
  const { revision, rules, written, diagnostics } = compileFiles(files, env);
  if (revision === undefined) return { diagnostics };
  const ofRules = rules.map(({ file, index, rule }) => ({ file, index, rule: rule.rule }));
  return { diagnostics, parts: { revision, machines: written, rules: ofRules } };
}

/** Takes parts one after the other; their files have no error. */
export function createPolicyBuilder(files: PolicyFiles, env: PolicyEnv, machineIds: readonly string[]) {
  const templates = templatesOf(files);
  const machines = new Map<string, CompiledMachine>();
  const rules = createRuleSetBuilder();
  const ids = new Set(machineIds);
  // Places are asked for seldom, and reading a large file is much work.
  const yamls = new Map<string, YamlFile>();
  const yamlOf = (name: string): YamlFile => {
    const yaml = yamls.get(name) ?? readYaml(name, files[name] ?? "");
    yamls.set(name, yaml);
    return yaml;
  };
  return {
    addMachine({ id, definition }: PolicyParts["machines"][number]): void {
      const { machine } = compileMachine(definition, { id, templates, actions: env.actions, vars: env.vars });
      if (machine !== undefined) machines.set(id, machine);
    },
    addRule({ file, index, rule: written }: WrittenRule): void {
      const place = (path: Path) => placeOf(file, yamlOf(file), [index, ...path]);
      const { rule } = compileRule(written, { templates, actions: env.actions, machines: ids, place });
      if (rule !== undefined) rules.add(rule);
    },
    policy: (revision: string): Policy => ({ revision, rules: rules.ruleSet(), machines, files, vars: env.vars }),
  };
}

interface CompiledFiles {
  /** Absent when there is an error. */
  revision?: string;
  rules: PlacedRule[];
  machines: ReadonlyMap<string, CompiledMachine>;
  /** The machines as they are written. */
  written: PolicyParts["machines"];
  diagnostics: Diagnostic[];
  contents: Contents;
}

function compileFiles(files: PolicyFiles, env: PolicyEnv): CompiledFiles {
  const names = Object.keys(files).toSorted();
  const templates = templatesOf(files);
  const machineFiles = names.filter(isMachineFile).map((name) => parseFile(name, files));
  const machines = compileMachines(machineFiles, templates, env);
  const ids = new Set(machineFiles.map(({ name }) => machineId(name)));
  const rules = compileRules(files, { templates, actions: env.actions, machines: ids });
  const contents = { rules: rules.count, machines: machineFiles.length, templates: templates.size };
  const all = [
    ...templateDiagnostics(templates),
    // Those of templates are reported above, once and in the template's own file.
    ...[...machines.diagnostics, ...rules.diagnostics].filter(({ template }) => template === undefined),
    ...unhandledSends(rules.compiled, machines.byId),
    ...(env.lint ? [...lintRules(rules.compiled), ...lintMachines(machines.placed, rules.compiled)] : []),
  ];
  const diagnostics = sortedByPlace(all, names);
  const written = machineFiles.map(({ name, yaml }) => ({ id: machineId(name), definition: yaml.value ?? null }));
  const compiled = { rules: rules.compiled, machines: machines.byId, written, diagnostics, contents };
  if (diagnostics.some(({ severity }) => severity === "error")) return compiled;
  const revision = createHash("sha256")
    .update(JSON.stringify([names.map((name) => [name, files[name]]), [...env.actions.keys()].toSorted()]))
    .digest("hex")
    .slice(0, 12);
  return { ...compiled, revision };
}

function templatesOf(files: PolicyFiles): ReadonlyMap<string, string> {
  const names = Object.keys(files).filter(isTemplateFile).toSorted();
  return new Map(names.map((name) => [templateName(name), withoutLineEnd(files[name] ?? "")]));
}

/** `rules/templates/mail/late.hbs` → `mail/late`. */
function templateName(file: string): string {
  return file.replace(/^rules\/templates\//, "").replace(/\.hbs$/, "");
}

/** The line end with which editors close a file is not part of the message. */
function withoutLineEnd(text: string): string {
  return text.replace(/\r?\n$/, "");
}

interface ParsedFile {
  name: string;
  yaml: YamlFile;
}

function parseFile(name: string, files: PolicyFiles): ParsedFile {
  return { name, yaml: readYaml(name, files[name] ?? "") };
}

/** Also of templates that nothing uses yet. */
function templateDiagnostics(templates: ReadonlyMap<string, string>): Diagnostic[] {
  return [...templates].flatMap(([name, text]) =>
    compileValue(text, { templates }).diagnostics.map((diagnostic) => {
      const { offset = 0 } = diagnostic;
      const before = text.slice(0, offset).split("\n");
      const col = (before.at(-1)?.length ?? 0) + 1;
      const endCol = col + wordAt(text, offset).length;
      return { ...diagnostic, file: `rules/templates/${name}.hbs`, line: before.length, col, endCol };
    }),
  );
}

// ---------------------------------------------------------------- machines

function machineId(file: string): string {
  return file.replace(/^statemachines\//, "").replace(/\.(?:ya?ml|json)$/, "");
}

function compileMachines(
  files: readonly ParsedFile[],
  templates: ReadonlyMap<string, string>,
  env: PolicyEnv,
): { byId: Map<string, CompiledMachine>; placed: PlacedMachine[]; diagnostics: Diagnostic[] } {
  const byId = new Map<string, CompiledMachine>();
  const all: PlacedMachine[] = [];
  const diagnostics: Diagnostic[] = [];
  const firsts = new Map<string, string>();
  for (const { name, yaml } of files) {
    const id = machineId(name);
    const first = firsts.get(id);
    firsts.set(id, first ?? name);
    diagnostics.push(...yaml.diagnostics);
    if (first !== undefined)
      diagnostics.push(errorInFile("SB0302", `The machine "${id}" is in "${first}" already`, name));
    if (yaml.value === undefined || first !== undefined) continue;
    if (yaml.value === null) {
      diagnostics.push(errorInFile("SB0302", "The file is empty; a machine has at least id, initial and states", name));
      continue;
    }
    const compiled = compileMachine(yaml.value, { id, templates, actions: env.actions, vars: env.vars });
    const place = (diagnostic: Diagnostic) => placed(name, yaml, diagnostic);
    diagnostics.push(...compiled.diagnostics.map(place));
    if (compiled.machine === undefined) continue;
    byId.set(id, compiled.machine);
    all.push({ machine: compiled.machine, place });
    yaml.forget();
  }
  return { byId, placed: all, diagnostics };
}

interface PlacedMachine {
  machine: CompiledMachine;
  /** Places a diagnostic of this machine; its path starts at the file. */
  place(diagnostic: Diagnostic): Diagnostic;
}

// ---------------------------------------------------------------- rules

interface PlacedRule {
  file: string;
  index: number;
  rule: CompiledRule;
  /** Places a diagnostic of this rule; its path starts at the rule. */
  place(diagnostic: Diagnostic): Diagnostic;
}

type RuleEnv = Omit<CompileEnv, "place">;

const validateRule = validatorFor(Rule);

function compileRules(
  files: PolicyFiles,
  env: RuleEnv,
): { compiled: PlacedRule[]; diagnostics: Diagnostic[]; count: number } {
  const compiled: PlacedRule[] = [];
  const diagnostics: Diagnostic[] = [];
  const firsts = new Map<string, () => Diagnostic>();
  let count = 0;
  for (const name of Object.keys(files).filter(isRuleFile).toSorted()) {
    const { yaml } = parseFile(name, files);
    diagnostics.push(...yaml.diagnostics);
    const { value = null } = yaml;
    if (value !== null && !Array.isArray(value)) diagnostics.push(placed(name, yaml, NOT_A_LIST));
    if (!Array.isArray(value)) continue;
    const isOver = count <= LIMITS.rules && count + value.length > LIMITS.rules;
    count += value.length;
    if (isOver)
      diagnostics.push(placed(name, yaml, errorInFile("SB0108", `There are more than ${LIMITS.rules} rules`, name)));
    for (const [index, written] of value.entries()) {
      const place = (diagnostic: Diagnostic) =>
        placed(name, yaml, { ...diagnostic, path: [index, ...(diagnostic.path ?? [])] });
      const result = compileOne(written, { ...env, place: (path) => placeOf(name, yaml, [index, ...path]) });
      diagnostics.push(...[...result.diagnostics, ...duplicateId(written, firsts, place)].map(place));
      if (result.rule !== undefined) compiled.push({ file: name, index, rule: result.rule, place });
    }
    // Before the next file is read: the syntax trees of all files at once are most of the memory of a large policy.
    yaml.forget();
  }
  return { compiled, diagnostics, count };
}

const NOT_A_LIST = newDiagnostic("SB0102", 'A file in rules/ is a list of rules; every rule starts with "- id:"', {
  path: [],
});

function compileOne(written: Json, env: CompileEnv): { rule?: CompiledRule; diagnostics: Diagnostic[] } {
  const schemaDiagnostics = validateRule(written, "The rule");
  // With a misspelt key the rest can still be read, except whether there is anything to do.
  if (schemaDiagnostics.some(({ code }) => code !== "SB0101")) return { diagnostics: schemaDiagnostics };
  const compiled = compileRule(written as unknown as Rule, env);
  if (schemaDiagnostics.length === 0) return compiled;
  return { diagnostics: [...schemaDiagnostics, ...compiled.diagnostics.filter(({ code }) => code !== "SB0301")] };
}

/** A rule whose id another one has; the message names the place of the first. */
function duplicateId(
  written: unknown,
  firsts: Map<string, () => Diagnostic>,
  place: (diagnostic: Diagnostic) => Diagnostic,
): Diagnostic[] {
  const id = typeof written === "object" && written !== null && "id" in written ? written.id : undefined;
  if (typeof id !== "string") return [];
  const here = newDiagnostic("SB0205", "", { path: ["id"] });
  const first = firsts.get(id)?.();
  if (first === undefined) firsts.set(id, () => place(here));
  if (first === undefined) return [];
  return [{ ...here, message: `The id "${id}" is taken by the rule at ${first.file}:${first.line}:${first.col}` }];
}

/** Warnings for signals that rules send and no state of the machine handles. */
function unhandledSends(compiled: readonly PlacedRule[], machines: ReadonlyMap<string, CompiledMachine>): Diagnostic[] {
  return compiled.flatMap(({ rule, place }) => {
    const { send = [] } = rule.rule;
    const isList = Array.isArray(send);
    return [send].flat().flatMap(({ machine, event }, index): Diagnostic[] => {
      const target = machines.get(machine);
      if (target === undefined || target.handlerKey(event) !== undefined || target.starts(event)) return [];
      const suggestion = nearest(event, target.signals);
      const message = `The machine "${machine}" never takes the signal "${event}"; it takes ${listOf(target.signals)}`;
      const path: Path = isList ? ["send", index, "event"] : ["send", "event"];
      return [place(newWarning("SB0303", message, { path, suggestion }))];
    });
  });
}

function lintRules(compiled: readonly PlacedRule[]): Diagnostic[] {
  const places = new Map(compiled.map(({ rule, place }) => [rule, place]));
  const findings = lint(compiled.map(({ rule }) => rule));
  return findings.flatMap(({ rule, diagnostic }) => places.get(rule)?.(diagnostic) ?? []);
}

function lintMachines(machines: readonly PlacedMachine[], compiled: readonly PlacedRule[]): Diagnostic[] {
  const sent = new Map<string, Set<string>>();
  for (const { machine, event } of compiled.flatMap(({ rule }) => rule.sends))
    sent.set(machine, (sent.get(machine) ?? new Set()).add(event));
  return machines.flatMap(({ machine, place }) => lintMachine(machine, sent.get(machine.id) ?? new Set()).map(place));
}

function listOf(signals: ReadonlySet<string>): string {
  const names = [...signals];
  const shown = names.slice(0, 8).join(", ");
  return names.length > 8 ? `${shown} and ${names.length - 8} more` : shown === "" ? "none" : shown;
}

function placeOf(file: string, yaml: YamlFile, path: Path) {
  const { line, col } = yaml.place(path);
  return { file, line, col };
}

function errorInFile(code: Diagnostic["code"], message: string, file: string): Diagnostic {
  return newDiagnostic(code, message, { path: [], file, line: 1, col: 1, endCol: 2 });
}

/** Files in name order, then by place. */
function sortedByPlace(diagnostics: readonly Diagnostic[], files: readonly string[]): Diagnostic[] {
  const rank = new Map(files.map((file, index) => [file, index]));
  const of = ({ file = "" }: Diagnostic) => rank.get(file) ?? -1;
  return diagnostics.toSorted((a, b) => of(a) - of(b) || (a.line ?? 0) - (b.line ?? 0) || (a.col ?? 0) - (b.col ?? 0));
}
