/** A machine file, checked and compiled: all problems at once, or a machine that step.ts can run. */
import { createHash } from "node:crypto";
import { type Diagnostic, nearest } from "../../../errors.ts";
import { type Instance, type Json, type JsonObject, LIMITS } from "../../../model.ts";
import { checker } from "../../check.ts";
import type { ActionForm } from "../../render.ts";
import { type Engine, engineOf } from "../run/interpreter.ts";
import { type Reading, readBehaviour } from "./behaviour.ts";
import { MachineFile } from "./definition.ts";
import { checkSignalName, readValues } from "./effects.ts";
import { ourForm } from "./foreign.ts";
import { outline } from "./outline.ts";
import { targetsOf } from "./targets.ts";
import {
  fits,
  isObject,
  type Migration,
  type Path,
  type Reads,
  type Report,
  report,
  type StateNode,
  type Tree,
} from "./tree.ts";

/** What a machine file may refer to. */
export interface MachineEnv {
  /** The file's name: the machine's id must be the same. */
  id: string;
  templates: ReadonlyMap<string, string>;
  /** `connection.action` → its parameters; undefined = not known, names and parameters are not checked. */
  actions: ReadonlyMap<string, ActionForm> | undefined;
  /** Read as `vars`; the machine's own win. */
  vars: JsonObject;
}

/** A machine that step.ts can run. Immutable. */
export interface CompiledMachine {
  readonly id: string;
  /** 16 hex digits over the resolved definition without descriptions and meta: what instances are pinned to. */
  readonly hash: string;
  /** With the templates that it uses inside: compiles again to the same machine without any file. Its key order matters. */
  readonly definition: Json;
  /** Signals that may create an instance; an entry may be `*` or end in `.*`. */
  readonly startOn: readonly string[];
  /** Every signal that some state handles, as written: an entry may be `*` or end in `.*`. */
  readonly signals: ReadonlySet<string>;
  /** The file's states with names resolved, for lint and drawing. */
  readonly tree: Tree;
  readonly migration: Migration;
  readonly vars: JsonObject;
  readonly engine: Engine;
  starts(signal: string): boolean;
  /** The signal as its states know it: its own name, or the longest key with a star that it fits; undefined = no state handles it. */
  known(signal: string): string | undefined;
  /** Signals that a state of this instance handles now, guards not asked. */
  accepts(instance: Instance): string[];
}

const checkFile = checker(MachineFile);

/** No machine when there is a problem that is an error. Never throws for data. */
export function compileMachine(
  definition: unknown,
  env: MachineEnv,
): { machine?: CompiledMachine; problems: Diagnostic[] } {
  if (isDeeperThan(definition, LIMITS.jsonDepth)) {
    const message = `A machine file is nested at most ${LIMITS.jsonDepth} deep`;
    return { problems: [{ code: "SB0108", severity: "error", message, path: [] }] };
  }
  if (!isObject(definition)) return { problems: checkFile(definition) };
  const { own, problems: foreign } = ourForm(structuredClone(definition));
  const misfits = [...foreign, ...checkFile(own)];
  const found = report();
  const read = readMachine(own, env, found);
  const problems = [...misfits, ...beyond(found.problems, misfits)];
  if (problems.some(({ severity }) => severity === "error")) return { problems };
  return { machine: compiled(own as JsonObject, env, read), problems };
}

interface Read {
  tree: Tree;
  migration: Migration;
  startOn: string[];
}

function readMachine(own: Record<string, unknown>, env: MachineEnv, found: Report): Read {
  checkHead(own, env, found);
  const outlined = outline(own, found);
  const targets = targetsOf(env.id, outlined, found);
  const templates = new Map([...env.templates, ...Object.entries(textsIn(own.templates))]);
  const { actions } = env;
  const reads: Reads[] = [];
  const reading: Reading = { templates, actions, report: found, reads, targets, timers: new Map(), calls: new Map() };
  const context = isObject(own.context) ? readValues(own.context, ["context"], reading) : [];
  for (const state of outlined) readBehaviour(state, reading);
  keepTemplates(own, templates);
  const nodes = outlined.map(({ node }) => node);
  const [root] = nodes;
  if (!root) throw new Error("an outline holds at least the machine itself");
  const tree: Tree = { id: env.id, root, nodes, context, reads };
  return { tree, migration: readMigration(own, tree, reading), startOn: readStart(own, root, found) };
}

function readMigration({ migrate }: Record<string, unknown>, { nodes }: Tree, reading: Reading): Migration {
  const { states: written, context } = isObject(migrate) ? migrate : {};
  const states = new Map<string, StateNode>();
  for (const [old, id] of Object.entries(isObject(written) ? written : {})) {
    const node = nodes.find((each) => each.id === id && each.parent !== undefined);
    if (node !== undefined) states.set(old, node);
    else if (typeof id === "string") reading.report.add("SB0201", ["migrate", "states", old], ...noState(id, nodes));
  }
  return { states, context: isObject(context) ? readValues(context, ["migrate", "context"], reading) : [] };
}

function noState(id: string, nodes: readonly StateNode[]): [string, { suggestion?: string }] {
  const near = nearest(
    id,
    nodes.map((node) => node.id),
  );
  return [`There is no state "${id}"`, near === undefined ? {} : { suggestion: near }];
}

function textsIn(raw: unknown): Record<string, string> {
  const entries = Object.entries(isObject(raw) ? raw : {});
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => typeof entry[1] === "string"));
}

/** Puts the templates that the machine uses into it, so that it stays what it is when their files change. */
function keepTemplates(own: Record<string, unknown>, templates: ReadonlyMap<string, string>): void {
  const used = new Map(Object.entries(textsIn(own.templates)));
  addUsed(own, templates, used);
  if (used.size > 0) own.templates = Object.fromEntries([...used].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** https://handlebarsjs.com/guide/partials.html#basic-partials */
const PARTIAL = /\{\{~?>\s*["'[]?([^\s"'\]}~]+)/g;

function addUsed(value: unknown, templates: ReadonlyMap<string, string>, used: Map<string, string>): void {
  if (typeof value === "string") {
    for (const [, name = ""] of value.matchAll(PARTIAL)) addTemplate(name, templates, used);
  } else if (typeof value === "object" && value !== null) {
    if ("template" in value && typeof value.template === "string") addTemplate(value.template, templates, used);
    for (const inside of Object.values(value)) addUsed(inside, templates, used);
  }
}

function addTemplate(name: string, templates: ReadonlyMap<string, string>, used: Map<string, string>): void {
  const text = templates.get(name);
  if (text === undefined || used.has(name)) return;
  used.set(name, text);
  addUsed(text, templates, used);
}

function checkHead(own: Record<string, unknown>, env: MachineEnv, found: Report): void {
  if (typeof own.id === "string" && own.id !== env.id) {
    const more = { suggestion: env.id };
    found.add(
      "SB0302",
      ["id"],
      `The machine in the file "${env.id}" is called "${own.id}", both must be the same`,
      more,
    );
  }
  if (isObject(own.vars) && own.aliases !== undefined && Object.hasOwn(own.vars, "aliases")) {
    found.add("SB0302", ["vars", "aliases"], 'The machine has "aliases", which is read as vars.aliases', {
      atKey: true,
    });
  }
}

/** As written, else what the first states handle: a signal that creates an instance should mean something to it. */
function readStart(own: Record<string, unknown>, root: StateNode, found: Report): string[] {
  if (Array.isArray(own.startOn)) {
    return own.startOn.filter(
      (name, i): name is string => typeof name === "string" && checkSignalName(name, ["startOn", i], found),
    );
  }
  const names = [...new Set(initialStates(root).flatMap(handled))];
  if (names.length === 0 && own.startOn === undefined && isObject(own.states)) {
    found.add("SB0302", [], 'The first states handle no signal, so "startOn" must name those that create an instance');
  }
  return names;
}

function initialStates(node: StateNode): StateNode[] {
  const inside = node.type === "parallel" ? [...node.states.values()] : node.initial ? [node.initial] : [];
  return [node, ...inside.flatMap(initialStates)];
}

function handled({ moves }: StateNode): string[] {
  return moves.flatMap(({ trigger, targets, effects, reenter }) =>
    trigger.kind === "signal" && (targets.length > 0 || effects.length > 0 || reenter) ? [trigger.name] : [],
  );
}

function compiled(own: JsonObject, env: MachineEnv, { tree, migration, startOn }: Read): CompiledMachine {
  const engine = engineOf(tree);
  const signals = new Set(
    tree.nodes.flatMap(({ moves }) =>
      moves.flatMap(({ trigger }) => (trigger.kind === "signal" ? [trigger.name] : [])),
    ),
  );
  const stars = [...signals].filter((name) => name.endsWith("*")).sort((a, b) => b.length - a.length);
  const aliases = isObject(own.aliases) ? { aliases: own.aliases } : {};
  const vars = { ...env.vars, ...(isObject(own.vars) ? (own.vars as JsonObject) : {}), ...aliases };
  return {
    id: env.id,
    hash: createHash("sha256")
      .update(canonical(essence(own)))
      .digest("hex")
      .slice(0, 16),
    definition: own,
    startOn,
    signals,
    tree,
    migration,
    vars,
    engine,
    starts: (signal) => startOn.some((name) => fits(signal, name)),
    known: (signal) => (signals.has(signal) ? signal : stars.find((star) => fits(signal, star))),
    accepts(instance) {
      if (instance.status !== "active") return [];
      return [...new Set((engine.active(instance.state) ?? []).flatMap(handled))];
    },
  };
}

// ---------------------------------------------------------------- the definition's hash

/** What decides how a machine behaves: descriptions, meta, manual and migrate left out, states as a list because their order counts. */
function essence(state: JsonObject): JsonObject {
  const {
    description: _,
    meta: __,
    migrate: ___,
    manual: ____,
    states,
    on,
    always,
    after,
    onDone,
    invoke,
    ...rest
  } = state;
  return {
    ...rest,
    ...(isJsonObject(states) ? { states: Object.entries(states).map(([key, child]) => [key, inner(child)]) } : {}),
    ...(isJsonObject(on) ? { on: eachValue(on, candidates) } : {}),
    ...(always === undefined ? {} : { always: candidates(always) }),
    ...(onDone === undefined ? {} : { onDone: candidates(onDone) }),
    ...(after === undefined ? {} : { after: isJsonObject(after) ? eachValue(after, candidates) : candidates(after) }),
    ...(invoke === undefined ? {} : { invoke: each(invoke, essenceOfCall) }),
  };
}

function inner(state: Json): Json {
  return isJsonObject(state) ? essence(state) : state;
}

function essenceOfCall(call: Json): Json {
  if (!isJsonObject(call)) return call;
  const { description: _, onDone, onError, ...rest } = call;
  return {
    ...rest,
    ...(onDone === undefined ? {} : { onDone: candidates(onDone) }),
    ...(onError === undefined ? {} : { onError: candidates(onError) }),
  };
}

function candidates(raw: Json): Json {
  return each(raw, (one) => {
    if (!isJsonObject(one)) return one;
    const { description: _, meta: __, ...rest } = one;
    return rest;
  });
}

function each(raw: Json, change: (one: Json) => Json): Json {
  return Array.isArray(raw) ? raw.map(change) : change(raw);
}

function eachValue(record: JsonObject, change: (one: Json) => Json): JsonObject {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
}

function isJsonObject(value: Json | undefined): value is JsonObject {
  return isObject(value);
}

/** JSON with sorted keys: the same text for the same content, however the file was ordered. */
function canonical(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (!isJsonObject(value)) return JSON.stringify(value);
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${canonical(member)}`).join(",")}}`;
}

// ---------------------------------------------------------------- problems

/** Without what lies at a place that does not even fit the schema. */
function beyond(problems: readonly Diagnostic[], misfits: readonly Diagnostic[]): Diagnostic[] {
  const places = new Set(misfits.map(({ path = [] }) => placeOf(path)));
  return problems.filter(({ path = [] }) => !path.some((_, i) => places.has(placeOf(path.slice(0, i + 1)))));
}

function placeOf(path: Path): string {
  return JSON.stringify(path);
}

/** Also true for what contains itself. */
function isDeeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return levels === 0 || Object.values(value).some((inside) => isDeeperThan(inside, levels - 1));
}
