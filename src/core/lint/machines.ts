/**
 * What a reader of a machine file does not see: states that no transition reaches or leaves, waits without an end, calls whose failure
 * no onError handles, transitions that are never taken. A guard counts as true unless it is certainly false, so that no warning is a false alarm.
 */

import { type Diagnostic, nearest, newWarning, type Path } from "../../errors.ts";
import { isObject } from "../../model.ts";
import type { CompiledMachine } from "../machine/file/compile.ts";
import {
  type Call,
  type Effect,
  type Guard,
  type StateNode,
  stateLabel,
  type TransitionNode,
  type Tree,
} from "../machine/file/tree.ts";

/** Diagnostics with paths inside the machine's file. `sent`: the signals that rules send to it; undefined = rules are not known. */
export function lintMachine(machine: CompiledMachine, sent: ReadonlySet<string> | undefined): Diagnostic[] {
  const { tree } = machine;
  const pass: LintPass = { machine, diagnostics: [], reached: reachedFrom(machine) };
  lintStates(pass);
  lintLoops(pass);
  for (const node of tree.nodes) {
    lintOrder(pass, node);
    lintGuards(pass, node);
    lintCalls(pass, node);
  }
  lintReads(pass);
  if (sent !== undefined) lintSignals(pass, sent);
  return pass.diagnostics;
}

interface LintPass {
  readonly machine: CompiledMachine;
  readonly diagnostics: Diagnostic[];
  readonly reached: ReadonlySet<StateNode>;
}

function warn(
  { diagnostics }: LintPass,
  code: Diagnostic["code"],
  path: Path,
  message: string,
  more: Parameters<typeof newWarning>[2] = {},
): void {
  diagnostics.push(newWarning(code, message, { path, ...more }));
}

const keyOf = ({ path }: StateNode): Path => path;

// ---------------------------------------------------------------- guards that are certain

/** What a guard gives whatever happens; undefined = that depends. */
function certainResult(guard: Guard | undefined, machine: CompiledMachine): boolean | undefined {
  if (guard === undefined) return true;
  switch (guard.kind) {
    case "cel": {
      const { reads } = guard.expression;
      if (reads.some((path) => path !== "vars" && !path.startsWith("vars."))) return undefined;
      const result = guard.expression.evaluate({ event: {}, context: {}, vars: machine.vars });
      return result.ok && result.value === true;
    }
    case "not": {
      const inner = certainResult(guard.guard, machine);
      return inner === undefined ? undefined : !inner;
    }
    case "and":
    case "or": {
      const decisive = guard.kind === "or";
      const parts = guard.guards.map((part) => certainResult(part, machine));
      if (parts.includes(decisive)) return decisive;
      return parts.includes(undefined) ? undefined : !decisive;
    }
  }
}

const canBeTaken = (move: TransitionNode, machine: CompiledMachine): boolean =>
  certainResult(move.guard, machine) !== false;

function lintGuards(pass: LintPass, { transitions }: StateNode): void {
  for (const { at, guard } of transitions)
    if (certainResult(guard, pass.machine) === false)
      warn(pass, "SB0325", [...at, "guard"], "This guard never holds, so the transition is never taken");
}

// ---------------------------------------------------------------- which states are reached and left

/** The states that become active when the target is entered: those around it, and the first ones inside. */
function entered(target: StateNode): StateNode[] {
  const around: StateNode[] = [];
  let within = target;
  for (let at = target.parent; at; at = at.parent) {
    around.push(at, ...(at.type === "parallel" ? regionsOf(at, within) : []));
    within = at;
  }
  return [...around, ...inside(target)];
}

/** What the regions of a parallel state begin with, but for the one that was entered elsewhere. */
function regionsOf({ states }: StateNode, but: StateNode | undefined = undefined): StateNode[] {
  return [...states.values()].filter((region) => region !== but && region.type !== "history").flatMap(inside);
}

function inside(node: StateNode): StateNode[] {
  if (node.type === "history") {
    const { parent, defaults } = node;
    if (defaults.length > 0) return [node, ...defaults.flatMap(inside)];
    return [node, ...(parent?.type === "parallel" ? regionsOf(parent) : parent?.initial ? inside(parent.initial) : [])];
  }
  const first = node.type === "parallel" ? [...node.states.values()] : node.initial ? [node.initial] : [];
  return [node, ...first.filter(({ type }) => type !== "history").flatMap(inside)];
}

function reachedFrom(machine: CompiledMachine): Set<StateNode> {
  const reached = new Set<StateNode>();
  const open = inside(machine.tree.root);
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    if (reached.has(node)) continue;
    reached.add(node);
    for (const move of node.transitions) if (canBeTaken(move, machine)) open.push(...move.targets.flatMap(entered));
  }
  return reached;
}

function lintStates(pass: LintPass): void {
  const { machine, reached } = pass;
  const { root, nodes } = machine.tree;
  for (const node of nodes)
    if (node.type !== "history" && !reached.has(node) && node.parent && reached.has(node.parent))
      warn(pass, "SB0320", keyOf(node), `No transition leads to ${stateLabel(node)}`, { atKey: true });
  const ends = [...root.states.values()].filter((node) => node.type === "final" && reached.has(node));
  const ending = endingFrom(ends, machine);
  for (const node of nodes) {
    if (node.type !== "atomic" || !reached.has(node)) continue;
    if (isDeadEnd(node)) {
      const message = `${stateLabel(node)} has no outgoing transition: make it final, or give it a way out`;
      warn(pass, "SB0321", keyOf(node), message, { atKey: true });
    } else if (ends.length > 0 && !ending.has(node)) {
      const message = `From ${stateLabel(node)} no final state can be reached`;
      warn(pass, "SB0322", keyOf(node), message, { atKey: true });
    } else if (ends.length > 0) lintWait(pass, node);
  }
}

/** The node and all around it. */
function lineOf(node: StateNode): StateNode[] {
  const line = [node];
  for (let at = node.parent; at; at = at.parent) line.push(at);
  return line;
}

/** In a parallel state the other regions may lead out. */
function isDeadEnd(node: StateNode): boolean {
  const line = lineOf(node);
  return line.every(({ type, transitions }) => type !== "parallel" && transitions.length === 0);
}

/** The states from which one of the ends can be reached. */
function endingFrom(ends: readonly StateNode[], machine: CompiledMachine): Set<StateNode> {
  const ending = new Set<StateNode>(ends);
  const leads = (node: StateNode): boolean =>
    node.transitions.some(
      (move) =>
        canBeTaken(move, machine) &&
        move.targets.some((target) => entered(target).some((each) => ending.has(each) && each !== machine.tree.root)),
    );
  let grew = true;
  while (grew) {
    grew = false;
    for (const node of machine.tree.nodes) {
      if (ending.has(node)) continue;
      const line = lineOf(node);
      // All regions of a parallel state are active: what leads out of one leads out of all.
      const beside = line.filter(({ type }) => type === "parallel").flatMap(below);
      if (![...line, ...beside].some(leads)) continue;
      ending.add(node);
      grew = true;
    }
  }
  return ending;
}

const below = (node: StateNode): StateNode[] => [...node.states.values()].flatMap((child) => [child, ...below(child)]);

/** A machine that is meant to end should not be able to wait for ever. */
function lintWait(pass: LintPass, node: StateNode): void {
  const line = lineOf(node);
  const beside = line.filter(({ type }) => type === "parallel").flatMap(below);
  const goesOn = (state: StateNode): boolean =>
    state.transitions.some(({ trigger: { kind } }) => kind !== "signal" && kind !== "finished") ||
    state.entry.some(({ kind }) => kind === "raise");
  if ([...line, ...beside].some(goesOn)) return;
  const signals = new Set(
    line.flatMap(({ transitions }) =>
      transitions.flatMap(({ trigger }) => (trigger.kind === "signal" ? [trigger.name] : [])),
    ),
  );
  const message = `${stateLabel(node)} waits for ${[...signals].join(", ")} without an end; give it an after`;
  warn(pass, "SB0323", keyOf(node), message, { atKey: true });
}

// ---------------------------------------------------------------- transitions

/** Unguarded `always` transitions that lead round in a circle. */
function lintLoops(pass: LintPass): void {
  const { machine, reached } = pass;
  const next = (node: StateNode): { move: TransitionNode; leaves: StateNode[] } | undefined => {
    const move = node.transitions.find(
      ({ trigger, guard }) => trigger.kind === "always" && certainResult(guard, machine) === true,
    );
    if (move === undefined) return undefined;
    const leaves = move.targets.length === 0 ? [node] : move.targets.flatMap(inside);
    return { move, leaves };
  };
  const reported = new Set<StateNode>();
  for (const start of machine.tree.nodes) {
    if (!reached.has(start) || reported.has(start)) continue;
    const way: StateNode[] = [];
    let node: StateNode | undefined = start;
    while (node !== undefined && !way.includes(node)) {
      way.push(node);
      node = next(node)?.leaves.find((leaf) => next(leaf) !== undefined);
    }
    const move = next(start)?.move;
    if (node !== start || move === undefined) continue;
    for (const each of way) reported.add(each);
    const names = [...way, start].map(stateLabel).join(" → ");
    warn(pass, "SB0324", move.at, `These transitions follow each other without end: ${names}; give one a guard`);
  }
}

/** Candidates of which an earlier one is always taken instead. */
function lintOrder(pass: LintPass, { transitions }: StateNode): void {
  const firsts = new Map<string, { always: boolean; guards: Set<string> }>();
  for (const { at, trigger, guard } of transitions) {
    const key = JSON.stringify(trigger);
    const before = firsts.get(key);
    const text = JSON.stringify(sourceOf(guard));
    if (before?.always)
      warn(pass, "SB0328", at, "Never taken: a transition before it on the same occasion has no guard");
    else if (guard !== undefined && before?.guards.has(text))
      warn(pass, "SB0328", at, "Never taken: a transition before it on the same occasion has the same guard");
    const always = certainResult(guard, pass.machine) === true;
    if (before === undefined) firsts.set(key, { always, guards: new Set([text]) });
    else {
      before.always ||= always;
      before.guards.add(text);
    }
  }
}

function sourceOf(guard: Guard | undefined): unknown {
  if (guard === undefined) return null;
  if (guard.kind === "cel") return guard.expression.source;
  return guard.kind === "not" ? { not: sourceOf(guard.guard) } : { [guard.kind]: guard.guards.map(sourceOf) };
}

function lintCalls(pass: LintPass, { entry, transitions }: StateNode): void {
  const calls = entry.filter((effect): effect is Call => effect.kind === "call");
  for (const { id, action, at } of calls) {
    if (transitions.some(({ trigger }) => trigger.kind === "failed" && trigger.call === id)) continue;
    warn(
      pass,
      "SB0327",
      at,
      `No onError handles a permanent failure of ${action}: the instance would end in error; add one`,
    );
  }
}

// ---------------------------------------------------------------- names

const effectsOf = ({ nodes }: Tree): Effect[] =>
  nodes.flatMap(({ entry, exit, transitions }) => [
    ...entry,
    ...exit,
    ...transitions.flatMap(({ effects }) => effects),
  ]);

function lintReads(pass: LintPass): void {
  const { tree, migration } = pass.machine;
  const assigned = effectsOf(tree).flatMap((effect) => (effect.kind === "assign" ? effect.values : []));
  const keys = new Set([...tree.context, ...assigned, ...migration.context].map(({ key }) => key));
  for (const { at, paths } of tree.reads) {
    // What earlier definitions kept is not known here.
    if (at[0] === "migrate") continue;
    for (const key of new Set(paths.flatMap((path) => /^context\.([^.[]+)/.exec(path)?.[1] ?? []))) {
      if (keys.has(key)) continue;
      const suggestion = nearest(key, keys);
      const message = `context.${key} is read here and never assigned`;
      warn(pass, "SB0329", at, message, { suggestion: suggestion && `context.${suggestion}` });
    }
  }
}

function lintSignals(pass: LintPass, sent: ReadonlySet<string>): void {
  const { tree, definition, signals } = pass.machine;
  const manual = isObject(definition) && Array.isArray(definition.manual) ? definition.manual : [];
  const raised = effectsOf(tree).flatMap((effect) => (effect.kind === "raise" ? [effect.name] : []));
  const sentNames = new Set<unknown>([...sent, ...raised, ...manual]);
  if (sent.size === 0 && manual.length === 0 && signals.size > 0) {
    warn(pass, "SB0326", ["id"], "No rule sends a signal to this machine; name under manual what people send by hand");
    return;
  }
  const reported = new Set<string>();
  for (const { at, trigger } of tree.nodes.flatMap(({ transitions }) => transitions)) {
    if (trigger.kind !== "signal" || trigger.name.endsWith("*") || sentNames.has(trigger.name)) continue;
    if (reported.has(trigger.name)) continue;
    reported.add(trigger.name);
    const suggestion = nearest(trigger.name, sent);
    const message = `No rule sends "${trigger.name}" to this machine; name it under manual when people send it by hand`;
    const path = at.slice(0, at.lastIndexOf(trigger.name) + 1);
    warn(pass, "SB0326", path, message, { atKey: true, suggestion });
  }
}
