/** The states of a machine file: their names, kinds and nesting, and what is wrong with them. */

import { nearest, type Path } from "../../../errors.ts";
import { isObject, LIMITS } from "../../../model.ts";
import { type DiagnosticList, type StateNode, stateLabel } from "./tree.ts";

/** A state while its parts are being read. */
export interface StateOutline {
  readonly node: StateNode;
  readonly raw: Record<string, unknown>;
}

/** Names may stand in paths such as `open.waiting` and `#machine.open`; `__proto__` is no key of its own in JavaScript objects. */
const NAME = /^(?!__proto__$)[^\s.#*\\/()]([^.#*\\/()]*[^\s.#*\\/()])?$/;

/** All states in document order, the machine itself first. Past the limit of states the rest is left out. */
export function outline(definition: Record<string, unknown>, diagnostics: DiagnosticList): StateOutline[] {
  const outlines: StateOutline[] = [];
  addState(outlines, definition, { key: "", path: [], parent: undefined }, diagnostics);
  if (outlines.length > LIMITS.machineStates) {
    diagnostics.add("SB0108", ["states"], `A machine has at most ${LIMITS.machineStates} states, this one has more`);
  }
  for (const { node, raw } of outlines) {
    checkKind(node, raw, diagnostics);
    node.initial = initialOf(node, raw, diagnostics);
  }
  return outlines;
}

interface StateLocation {
  key: string;
  path: Path;
  parent: StateNode | undefined;
}

function addState(
  outlines: StateOutline[],
  raw: Record<string, unknown>,
  location: StateLocation,
  diagnostics: DiagnosticList,
): StateNode {
  const { key, path, parent } = location;
  const states = new Map<string, StateNode>();
  const node: StateNode = {
    id: parent ? [parent.id, key].filter((part) => part !== "").join(".") : "",
    key,
    path,
    parent,
    order: outlines.length,
    type: kindOf(raw),
    states,
    initial: undefined,
    deep: raw.history === "deep",
    defaults: [],
    entry: [],
    exit: [],
    transitions: [],
    output: undefined,
  };
  outlines.push({ node, raw });
  for (const [name, child] of Object.entries(isObject(raw.states) ? raw.states : {})) {
    if (outlines.length > LIMITS.machineStates) break;
    const childPath = [...path, "states", name];
    if (!NAME.test(name)) {
      diagnostics.add(
        "SB0302",
        childPath,
        `"${name}" cannot name a state: no . # * \\ / ( ) and no space at its ends`,
        {
          atKey: true,
        },
      );
    } else if (isObject(child)) {
      states.set(name, addState(outlines, child, { key: name, path: childPath, parent: node }, diagnostics));
    }
  }
  return node;
}

/** As xstate decides it: states inside make a compound state, `history` a history state. */
function kindOf(raw: Record<string, unknown>): StateNode["type"] {
  const { type } = raw;
  if (type === "parallel" || type === "final" || type === "history" || type === "atomic" || type === "compound") {
    return type;
  }
  if (isObject(raw.states) && Object.keys(raw.states).length > 0) return "compound";
  return raw.history === undefined || raw.history === false ? "atomic" : "history";
}

const TRANSITION_KEYS = ["on", "always", "after", "invoke", "onDone"];
const FORBIDDEN: Record<StateNode["type"], readonly string[]> = {
  atomic: ["initial", "states", "onDone", "history", "target"],
  compound: ["history", "target"],
  parallel: ["initial", "history", "target"],
  final: [...TRANSITION_KEYS, "initial", "states", "history", "target"],
  history: [...TRANSITION_KEYS, "initial", "states", "entry", "exit", "output"],
};

function checkKind(node: StateNode, raw: Record<string, unknown>, diagnostics: DiagnosticList): void {
  const { type, path } = node;
  // A machine without states is a matter of the schema.
  if (!node.parent && !isObject(raw.states)) return;
  for (const key of FORBIDDEN[type]) {
    if (raw[key] === undefined) continue;
    const article = type === "atomic" ? "An" : "A";
    diagnostics.add("SB0302", [...path, key], `${article} ${type} state has no "${key}"`, { atKey: true });
  }
  if ((type === "compound" || type === "parallel") && node.states.size === 0) {
    diagnostics.add("SB0302", path, `${capital(stateLabel(node))} has no states inside, a ${type} state needs some`);
  }
  if (raw.output !== undefined && type !== "final" && type !== "history" && node.parent) {
    diagnostics.add("SB0302", [...path, "output"], "Only a final state and the machine itself have an output", {
      atKey: true,
    });
  }
}

function initialOf(node: StateNode, raw: Record<string, unknown>, diagnostics: DiagnosticList): StateNode | undefined {
  if (node.type !== "compound" || node.states.size === 0) return undefined;
  const { initial } = raw;
  if (initial === undefined) {
    const names = [...node.states.values()].filter(({ type }) => type !== "history").map(({ key }) => key);
    diagnostics.add("SB0103", node.path, `${capital(stateLabel(node))} needs "initial": one of ${names.join(", ")}`);
    return undefined;
  }
  if (typeof initial !== "string") return undefined;
  const state = node.states.get(initial);
  const path = [...node.path, "initial"];
  if (!state) {
    const suggestion = nearest(initial, node.states.keys());
    diagnostics.add(
      "SB0201",
      path,
      `There is no state "${initial}" inside ${stateLabel(node)}`,
      suggestion ? { suggestion } : {},
    );
  } else if (state.type === "history") {
    diagnostics.add("SB0302", path, `"${initial}" is a history state and cannot be the initial one`);
    return undefined;
  }
  return state;
}

export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
