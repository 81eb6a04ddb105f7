/**
 * Takes a living instance to another definition of its machine: the same states under the names they have now, the context completed,
 * timers with their due times. Nothing is entered or left: a migration that would skip what a state does on entry, or lose the outcome
 * of a call, is refused with every reason. Pure.
 */
import { nearest } from "../../errors.ts";
import {
  type Event,
  eventAsJson,
  type Instance,
  type InstanceKey,
  type JsonObject,
  LIMITS,
  type SetTimer,
  type TraceProblem,
} from "../../model.ts";
import { MIGRATION } from "../own-events.ts";
import type { CompiledMachine } from "./file/compile.ts";
import { type Call, type Effect, isInside, type StateNode, stateLabel, stateValue } from "./file/tree.ts";
import { reference } from "./run/lower.ts";
import { type StepResult, unchangedStep } from "./run/step.ts";
import { assignedContext, contextTooLarge, perform, type StepRun, startStepRun } from "./run/step-run.ts";

/** What a migration starts from. */
export interface MigrationInput {
  from: CompiledMachine;
  instance: Instance;
  /** The rows of its armed timers: they keep their due times. */
  timers: readonly SetTimer[];
}

/** The row as it would be, with what is armed and no longer; or every reason why it cannot migrate. */
export type MigrationResult =
  | {
      ok: true;
      instance: Instance;
      timersSet: { id: string; dueAtMs: number }[];
      timersCancelled: string[];
      /** What else changes: timers that start again, history that is forgotten. */
      notes: string[];
      problems: TraceProblem[];
    }
  | { ok: false; reasons: string[] };

/** Where an instance of `from` would be in `to`. `event`: what templates of `migrate.context` see. Never throws for data. */
export function migrateInstance(
  { from, instance, timers }: MigrationInput,
  to: CompiledMachine,
  event: JsonObject,
  nowMs: number,
): MigrationResult {
  const before = from.interpreter.activeStates(instance.state);
  if (before === undefined)
    return { ok: false, reasons: [`Its state ${JSON.stringify(instance.state)} is not one of the definition it has`] };
  const run = startStepRun({
    machine: to.id,
    vars: to.vars,
    view: event,
    nowMs,
    timers: instance.timers,
    calls: instance.calls,
  });
  const pass: MigrationPass = { from, to, instance, reasons: [], notes: [], run };
  const states = activeStatesOf(pass, before);
  const context = contextOf(pass);
  if (pass.reasons.length > 0) return { ok: false, reasons: pass.reasons };
  checkEntered(pass, states);
  checkCalls(pass, states);
  const armed = timersOf(pass, states, { timers, context, event });
  if (pass.reasons.length > 0) return { ok: false, reasons: pass.reasons };
  const version = instance.version + 1;
  const staying = Object.entries(instance.timers).filter(([id]) => armed.kept.has(id));
  const { history: _, ...rest } = instance;
  const history = historyOf(pass);
  const next: Instance = {
    ...rest,
    definition: to.hash,
    version,
    state: stateValue(to.tree.root, new Set(states.active), ({ states }) => states.values()),
    context,
    ...(Object.keys(history).length > 0 ? { history } : {}),
    timers: Object.fromEntries([...staying, ...armed.set.map(({ id }): [string, number] => [id, version])]),
    updatedAtMs: nowMs,
  };
  const timersCancelled = Object.keys(instance.timers).filter((id) => !Object.hasOwn(next.timers, id));
  return {
    ok: true,
    instance: next,
    timersSet: armed.set,
    timersCancelled,
    notes: pass.notes,
    problems: run.problems,
  };
}

// ---------------------------------------------------------------- as a step

/** What an event orders: the definition to go over to, and the timers that the instance has. */
export interface MigrationOrder {
  readonly definition: string;
  readonly timers: readonly SetTimer[];
}

/** A migration as a step. One that cannot be made changes nothing and gives every reason. */
export function migrationStep(
  { definition }: { definition(hash: string): CompiledMachine | undefined },
  { machine, key, migration }: InstanceKey & { readonly migration: MigrationOrder },
  { event, before, nowMs }: { event: Event; before: Instance | undefined; nowMs: number },
): StepResult {
  const at = { machine, key };
  const { definition: hash, timers } = migration;
  const ignored = ignoredReason(before, hash);
  if (!before || ignored !== undefined) return unmigratedStep(at, before, ignored ?? "no instance", []);
  const [from, to] = [definition(before.definition), definition(hash)];
  if (!from || !to) {
    const reason = `The definition ${from ? hash : before.definition} is not there`;
    return unmigratedStep(at, before, "no definition", [reason]);
  }
  const migrated = migrateInstance({ from, instance: before, timers }, to, eventAsJson(event), nowMs);
  if (!migrated.ok) return unmigratedStep(at, before, "cannot migrate", migrated.reasons);
  const { instance, timersSet, timersCancelled, notes, problems } = migrated;
  const still = unmigratedStep(at, before, "", []);
  const { ignored: _, ...transition } = still.transition;
  return {
    ...still,
    transition: { ...transition, to: instance.state, taken: true, step: instance.version },
    instance,
    timersSet,
    timersCancelled,
    logs: notes,
    problems,
  };
}

function ignoredReason(before: Instance | undefined, hash: string): string | undefined {
  if (!before) return "no instance";
  if (before.status !== "active") return before.status === "done" ? "final state" : "error state";
  return before.definition === hash ? "migrated already" : undefined;
}

function unmigratedStep(
  { machine, key }: InstanceKey,
  before: Instance | undefined,
  ignored: string,
  reasons: readonly string[],
): StepResult {
  const problems = reasons.map((reason) => ({ code: "SB0407", machine, message: `"${key}" stays: ${reason}` }));
  return { ...unchangedStep({ machine, key, signal: MIGRATION }, before, ignored), problems };
}

// ---------------------------------------------------------------- the migration

interface MigrationPass {
  readonly from: CompiledMachine;
  readonly to: CompiledMachine;
  readonly instance: Instance;
  readonly reasons: string[];
  readonly notes: string[];
  readonly run: StepRun;
}

// ---------------------------------------------------------------- states

interface ActiveStates {
  /** The active states of the new definition, in document order. */
  readonly active: readonly StateNode[];
  /** Those that were active under the old definition → what they were there. */
  readonly oldStates: ReadonlyMap<StateNode, StateNode>;
}

/** The new name of an old state: `migrate.states` names it or one that it lies in, else it is the same. */
function counterpart({ to }: MigrationPass, old: StateNode): { id: string; node: StateNode | undefined } {
  for (let at: StateNode | undefined = old; at?.parent; at = at.parent) {
    const target = to.migration.states.get(at.id);
    if (target === undefined) continue;
    const id = `${target.id}${old.id.slice(at.id.length)}`;
    return { id, node: nodeAt(to, id) };
  }
  return { id: old.id, node: nodeAt(to, old.id) };
}

function nodeAt({ tree }: CompiledMachine, id: string): StateNode | undefined {
  let node: StateNode | undefined = tree.root;
  if (id !== "") for (const key of id.split(".")) node = node?.states.get(key);
  return node;
}

function activeStatesOf(pass: MigrationPass, before: readonly StateNode[]): ActiveStates {
  const { to, reasons } = pass;
  const oldStates = new Map<StateNode, StateNode>();
  const active = new Set<StateNode>([to.tree.root]);
  for (const old of before) {
    const { id, node } = counterpart(pass, old);
    const place = node?.type === "history" ? undefined : node;
    if (place !== undefined) oldStates.set(place, old);
    if (old.type !== "atomic" && old.type !== "final") continue;
    const reason = reasonAgainst(pass, old, { id, place });
    if (reason !== undefined) reasons.push(reason);
    else for (let at = place; at; at = at.parent) active.add(at);
  }
  complete(to.tree.root, active, reasons);
  return { active: to.tree.nodes.filter((node) => active.has(node)), oldStates: oldStates };
}

function reasonAgainst(
  pass: MigrationPass,
  old: StateNode,
  { id, place }: { id: string; place: StateNode | undefined },
): string | undefined {
  if (place === undefined) return missingStateReason(pass, old, id);
  if (place.type !== "final" || old.type === "final") return undefined;
  return `"${id}" is final now, and a migration ends nothing; say under migrate.states where "${old.id}" goes`;
}

function missingStateReason({ to }: MigrationPass, old: StateNode, id: string): string {
  const suggestion = nearest(
    id,
    to.tree.nodes.map((node) => node.id),
  );
  const advice = suggestion === undefined || suggestion === "" ? "" : `, such as "${suggestion}"`;
  return `The state "${old.id}" is no longer there; say under migrate.states where it goes${advice}`;
}

/** States that came to be inside of those that are active: the first ones of compound states, all regions of parallel ones. */
function complete(node: StateNode, active: Set<StateNode>, reasons: string[]): void {
  const children = [...node.states.values()].filter((child) => child.type !== "history");
  const inside = children.filter((child) => active.has(child));
  if (node.type === "compound" && inside.length > 1)
    reasons.push(`${stateLabel(node)} can be in one of ${inside.map(stateLabel).join(" and ")}, not in both`);
  const entered = node.type === "parallel" ? children : inside.length === 0 && node.initial ? [node.initial] : inside;
  for (const child of entered) {
    active.add(child);
    complete(child, active, reasons);
  }
}

function historyOf(pass: MigrationPass): Record<string, string[]> {
  const { from, instance, notes } = pass;
  const byReference = new Map(from.tree.nodes.map((node) => [reference(node).slice(1), node]));
  const renamed = (id: string): StateNode | undefined => {
    const old = byReference.get(id);
    return old === undefined ? undefined : counterpart(pass, old).node;
  };
  const history: Record<string, string[]> = {};
  for (const [id, remembered] of Object.entries(instance.history ?? {})) {
    const place = renamed(id);
    const states = remembered.map(renamed).filter((node) => node !== undefined);
    const fits =
      states.length === remembered.length && states.every((node) => place?.parent && isInside(node, place.parent));
    if (place?.type === "history" && fits)
      history[reference(place).slice(1)] = states.map((node) => reference(node).slice(1));
    else notes.push(`What "${id}" remembers is forgotten`);
  }
  return history;
}

// ---------------------------------------------------------------- what states do

const callsIn = ({ entry }: StateNode): Call[] => entry.filter((effect) => effect.kind === "call");
const armsIn = ({ entry }: Pick<StateNode, "entry">): Arm[] => entry.filter((effect) => effect.kind === "setTimer");

/** A state that would be active without having been entered must have nothing to do on entry but to wait. */
function checkEntered({ reasons }: MigrationPass, { active, oldStates }: ActiveStates): void {
  for (const node of active) {
    if (oldStates.has(node) || node.parent === undefined) continue;
    const skipped = node.entry.filter(({ kind }) => kind !== "setTimer" && kind !== "log");
    if (skipped.length > 0)
      reasons.push(
        `${stateLabel(node)} would be active without what it does on entry (${skipped.map(wordOf).join(", ")})`,
      );
    if (node.type === "final") reasons.push(`${stateLabel(node)} would be reached without a transition`);
  }
}

function wordOf(effect: Effect): string {
  if (effect.kind === "deliver" || effect.kind === "call") return effect.action;
  return effect.kind;
}

/** A call that is awaited must be awaited after the migration too, and no state may await a call that was never started. */
function checkCalls({ instance, reasons }: MigrationPass, { active, oldStates }: ActiveStates): void {
  const awaited = new Set(active.flatMap(callsIn).map(({ id }) => id));
  for (const id of Object.keys(instance.calls))
    if (!awaited.has(id))
      reasons.push(`It waits for the call "${id}", which no state would take the answer of; give it the same id`);
  for (const [node, old] of oldStates) {
    const startedIds = new Set(callsIn(old).map(({ id }) => id));
    for (const { id, action } of callsIn(node))
      if (!startedIds.has(id))
        reasons.push(`The call "${id}" (${action}) of ${stateLabel(node)} would never be started`);
  }
}

// ---------------------------------------------------------------- timers

interface TimerInput {
  readonly timers: MigrationInput["timers"];
  readonly context: JsonObject;
  readonly event: JsonObject;
}

interface Armed {
  readonly kept: Set<string>;
  readonly set: { id: string; dueAtMs: number }[];
}

/** Timers that stay as they are, and those that are set: under a new name with their old due time, or anew from now. */
function timersOf(pass: MigrationPass, { active, oldStates }: ActiveStates, input: TimerInput): Armed {
  const armed: Armed = { kept: new Set(), set: [] };
  const { timers: running } = pass.instance;
  for (const node of active) {
    const arms = armsIn(node);
    const before = armsIn(oldStates.get(node) ?? NOTHING).map(({ id }) => id);
    for (const { id } of arms) if (Object.hasOwn(running, id)) armed.kept.add(id);
    const added = arms.filter(({ id }) => !before.includes(id));
    const leftOver = before.filter((id) => Object.hasOwn(running, id) && !arms.some((arm) => arm.id === id));
    // One timer there and one here: it is the same under another name, also when its duration, and so its name, was changed.
    const isRenamed = added.length === 1 && leftOver.length === 1 && rename(pass, leftOver, added, { input, armed });
    if (!isRenamed) for (const effect of added) setFromNow(pass, node, effect, { input, armed });
  }
  return armed;
}

const NOTHING: Pick<StateNode, "entry"> = { entry: [] };
type Arm = Extract<Effect, { kind: "setTimer" }>;

function rename(
  { instance, notes }: MigrationPass,
  [old]: readonly string[],
  [now]: readonly Arm[],
  { input, armed }: { input: TimerInput; armed: Armed },
): boolean {
  const row = input.timers.find(({ id, step }) => id === old && step === instance.timers[id]);
  if (row === undefined || now === undefined) return false;
  armed.set.push({ id: now.id, dueAtMs: row.dueAtMs });
  notes.push(`The timer "${row.id}" is called "${now.id}" now and stays due when it was`);
  return true;
}

function setFromNow(
  { run, notes }: MigrationPass,
  node: StateNode,
  effect: Arm,
  to: { input: TimerInput; armed: Armed },
): void {
  const { context, event } = to.input;
  perform(run, effect, { context, event });
  const dueAtMs = run.timersSet.get(effect.id);
  if (dueAtMs === undefined) return;
  to.armed.set.push({ id: effect.id, dueAtMs });
  notes.push(`The timer "${effect.id}" of ${stateLabel(node)} runs from now`);
}

// ---------------------------------------------------------------- context

/** What it has, with `migrate.context` over it. Every key that the new definition begins with must then be there. */
function contextOf({ to, instance, run, reasons }: MigrationPass): JsonObject {
  const scope = { context: instance.context, event: run.view };
  const context = assignedContext(run, to.migration.context, scope);
  reasons.push(...run.problems.map(({ message }) => `migrate.${message}`));
  for (const { key } of to.tree.context)
    if (!Object.hasOwn(context, key)) reasons.push(`context.${key} is new; say under migrate.context what it becomes`);
  if (Buffer.byteLength(JSON.stringify(context)) > LIMITS.contextBytes) reasons.push(contextTooLarge());
  return context;
}
