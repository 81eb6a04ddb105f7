/** A machine file, checked and compiled: all diagnostics at once, or a machine that step.ts can run. */
import { createHash } from "node:crypto";
import { type Diagnostic, nearest, newDiagnostic, type Path } from "../../../errors.ts";
import { type Instance, isObject, type Json, type JsonObject, LIMITS } from "../../../model.ts";
import { validatorFor } from "../../check.ts";
import type { ActionForm } from "../../render.ts";
import { createInterpreter, type Interpreter } from "../run/interpreter.ts";
import { readBehaviour, type StatesPass } from "./behaviour.ts";
import { MachineFile } from "./definition.ts";
import { checkSignalName, readValues } from "./effects.ts";
import { inOwnForm } from "./foreign.ts";
import { outline } from "./outline.ts";
import { createTargets } from "./targets.ts";
import {
  createDiagnosticList,
  type DiagnosticList,
  isSelectedBy,
  type Migration,
  type Reads,
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
  readonly interpreter: Interpreter;
  starts(signal: string): boolean;
  /** The key of `on` that handles the signal: its own name, or the longest key with a star that selects it; undefined = no state handles it. */
  handlerKey(signal: string): string | undefined;
  /** Signals that a state of this instance handles now, without evaluating guards. */
  acceptedSignals(instance: Instance): string[];
}

/** Twenty for each of as many states as a machine may have; each may be a guard or a template that is compiled. */
const VALUES_MAX = 20 * LIMITS.machineStates;

const validateFile = validatorFor(MachineFile);

/** No machine when there is a diagnostic that is an error. Never throws for data. */
export function compileMachine(
  definition: unknown,
  env: MachineEnv,
): { machine?: CompiledMachine; diagnostics: Diagnostic[] } {
  const tooLarge = sizeProblem(definition);
  if (tooLarge !== undefined) return { diagnostics: [newDiagnostic("SB0108", tooLarge, { path: [] })] };
  if (!isObject(definition)) return { diagnostics: validateFile(definition) };
  const { own, diagnostics: foreign } = inOwnForm(structuredClone(definition));
  const schemaDiagnostics = [...foreign, ...validateFile(own)];
  const list = createDiagnosticList();
  const parts = readMachine(own, env, list);
  const diagnostics = [...schemaDiagnostics, ...withoutFollowUps(list.diagnostics, schemaDiagnostics)];
  if (diagnostics.some(({ severity }) => severity === "error")) return { diagnostics };
  return { machine: newMachine(own as JsonObject, env, parts), diagnostics };
}

interface MachineParts {
  tree: Tree;
  migration: Migration;
  startOn: string[];
}

function readMachine(own: Record<string, unknown>, env: MachineEnv, diagnostics: DiagnosticList): MachineParts {
  checkHead(own, env, diagnostics);
  const outlines = outline(own, diagnostics);
  const targets = createTargets(env.id, outlines, diagnostics);
  const templates = new Map([...env.templates, ...Object.entries(templatesIn(own.templates))]);
  const { actions } = env;
  const reads: Reads[] = [];
  const pass: StatesPass = { templates, actions, diagnostics, reads, targets, timers: new Map(), calls: new Map() };
  const context = isObject(own.context) ? readValues(own.context, ["context"], pass) : [];
  for (const state of outlines) readBehaviour(state, pass);
  embedTemplates(own, templates);
  const nodes = outlines.map(({ node }) => node);
  const [root] = nodes;
  if (!root) throw new Error("an outline holds at least the machine itself");
  const tree: Tree = { id: env.id, root, nodes, context, reads };
  return { tree, migration: readMigration(own, tree, pass), startOn: readStart(own, root, diagnostics) };
}

function readMigration({ migrate }: Record<string, unknown>, { nodes }: Tree, pass: StatesPass): Migration {
  const { states: written, context } = isObject(migrate) ? migrate : {};
  const states = new Map<string, StateNode>();
  for (const [old, id] of Object.entries(isObject(written) ? written : {})) {
    const node = nodes.find((each) => each.id === id && each.parent !== undefined);
    if (node !== undefined) states.set(old, node);
    else if (typeof id === "string")
      pass.diagnostics.add("SB0201", ["migrate", "states", old], ...unknownState(id, nodes));
  }
  return { states, context: isObject(context) ? readValues(context, ["migrate", "context"], pass) : [] };
}

function unknownState(id: string, nodes: readonly StateNode[]): [string, { suggestion?: string }] {
  const near = nearest(
    id,
    nodes.map((node) => node.id),
  );
  return [`There is no state "${id}"`, near === undefined ? {} : { suggestion: near }];
}

function templatesIn(raw: unknown): Record<string, string> {
  const entries = Object.entries(isObject(raw) ? raw : {});
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => typeof entry[1] === "string"));
}

/** Puts the templates that the machine uses into it, so that it stays what it is when their files change. */
function embedTemplates(own: Record<string, unknown>, templates: ReadonlyMap<string, string>): void {
  const used = new Map(Object.entries(templatesIn(own.templates)));
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

function checkHead(own: Record<string, unknown>, env: MachineEnv, found: DiagnosticList): void {
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
function readStart(own: Record<string, unknown>, root: StateNode, found: DiagnosticList): string[] {
  if (Array.isArray(own.startOn)) {
    return own.startOn.filter(
      (name, i): name is string => typeof name === "string" && checkSignalName(name, ["startOn", i], found),
    );
  }
  const names = [...new Set(initialStates(root).flatMap(signalsHandledBy))];
  if (names.length === 0 && own.startOn === undefined && isObject(own.states)) {
    found.add("SB0302", [], 'The first states handle no signal, so "startOn" must name those that create an instance');
  }
  return names;
}

function initialStates(node: StateNode): StateNode[] {
  const inside = node.type === "parallel" ? [...node.states.values()] : node.initial ? [node.initial] : [];
  return [node, ...inside.flatMap(initialStates)];
}

function signalsHandledBy({ transitions }: StateNode): string[] {
  return transitions.flatMap(({ trigger, targets, effects, reenter }) =>
    trigger.kind === "signal" && (targets.length > 0 || effects.length > 0 || reenter) ? [trigger.name] : [],
  );
}

function newMachine(own: JsonObject, env: MachineEnv, { tree, migration, startOn }: MachineParts): CompiledMachine {
  const interpreter = createInterpreter(tree);
  const signals = new Set(
    tree.nodes.flatMap(({ transitions }) =>
      transitions.flatMap(({ trigger }) => (trigger.kind === "signal" ? [trigger.name] : [])),
    ),
  );
  const stars = [...signals].filter((name) => name.endsWith("*")).sort((a, b) => b.length - a.length);
  const aliases = isObject(own.aliases) ? { aliases: own.aliases } : {};
  const vars = { ...env.vars, ...(isObject(own.vars) ? (own.vars as JsonObject) : {}), ...aliases };
  return {
    id: env.id,
    hash: createHash("sha256")
      .update(canonical(behaviourOf(own)))
      .digest("hex")
      .slice(0, 16),
    definition: own,
    startOn,
    signals,
    tree,
    migration,
    vars,
    interpreter,
    starts: (signal) => startOn.some((name) => isSelectedBy(signal, name)),
    handlerKey: (signal) => (signals.has(signal) ? signal : stars.find((star) => isSelectedBy(signal, star))),
    acceptedSignals(instance) {
      if (instance.status !== "active") return [];
      return [...new Set((interpreter.activeStates(instance.state) ?? []).flatMap(signalsHandledBy))];
    },
  };
}

// ---------------------------------------------------------------- the definition's hash

/** What decides how a machine behaves: without descriptions, meta, manual and migrate, and with states as a list because their order counts. */
function behaviourOf(state: JsonObject): JsonObject {
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
    ...(isObject(states) ? { states: Object.entries(states).map(([key, child]) => [key, stateBehaviour(child)]) } : {}),
    ...(isObject(on) ? { on: eachValue(on, candidates) } : {}),
    ...(always === undefined ? {} : { always: candidates(always) }),
    ...(onDone === undefined ? {} : { onDone: candidates(onDone) }),
    ...(after === undefined ? {} : { after: isObject(after) ? eachValue(after, candidates) : candidates(after) }),
    ...(invoke === undefined ? {} : { invoke: each(invoke, callBehaviour) }),
  };
}

function stateBehaviour(state: Json): Json {
  return isObject(state) ? behaviourOf(state) : state;
}

function callBehaviour(call: Json): Json {
  if (!isObject(call)) return call;
  const { description: _, onDone, onError, ...rest } = call;
  return {
    ...rest,
    ...(onDone === undefined ? {} : { onDone: candidates(onDone) }),
    ...(onError === undefined ? {} : { onError: candidates(onError) }),
  };
}

function candidates(raw: Json): Json {
  return each(raw, (one) => {
    if (!isObject(one)) return one;
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

/** JSON with sorted keys: the same text for the same content, however the file was ordered. */
function canonical(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${canonical(member)}`).join(",")}}`;
}

// ---------------------------------------------------------------- diagnostics

/** Drops diagnostics at places that are not valid by the schema: they only follow from that. */
function withoutFollowUps(diagnostics: readonly Diagnostic[], schemaDiagnostics: readonly Diagnostic[]): Diagnostic[] {
  const places = new Set(schemaDiagnostics.map(({ path = [] }) => pathKey(path)));
  return diagnostics.filter(({ path = [] }) => !path.some((_, i) => places.has(pathKey(path.slice(0, i + 1)))));
}

function pathKey(path: Path): string {
  return JSON.stringify(path);
}

/** Also true for what contains itself. */
function sizeProblem(definition: unknown): string | undefined {
  const open: { value: unknown; depth: number }[] = [{ value: definition, depth: 0 }];
  let count = 0;
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (typeof next.value !== "object" || next.value === null) continue;
    if (next.depth >= LIMITS.jsonDepth) return `A machine file is nested at most ${LIMITS.jsonDepth} deep`;
    for (const value of Object.values(next.value)) open.push({ value, depth: next.depth + 1 });
    count += Object.keys(next.value).length;
    if (count > VALUES_MAX) return `A machine file holds at most ${VALUES_MAX.toLocaleString("en-US")} values`;
  }
  return undefined;
}
