/** Where transitions lead: xstate's target strings resolved, with a suggestion for those that lead nowhere. */
import { nearest, type Path } from "../../../errors.ts";
import type { StateOutline } from "./outline.ts";
import { type DiagnosticList, isInside, type StateNode, stateLabel } from "./tree.ts";

/** Each is looked for among all states, and nobody reads so many. */
const SUGGESTIONS_MAX = 100;

export interface Targets {
  /** The states that a target names: `sibling`, `sibling.child`, `.child`, `#id`, `#id.child`. Unknown ones are reported and left out. */
  resolve(from: StateNode, target: unknown, path: Path): StateNode[];
}

/** Names that `#` may start from: the machine's id and explicit ids of states. */
export function createTargets(
  machine: string,
  outlined: readonly StateOutline[],
  diagnostics: DiagnosticList,
): Targets {
  const named = new Map<string, StateNode>();
  let suggested = 0;
  for (const { node, raw } of outlined) {
    const id = node.parent ? raw.id : machine;
    if (typeof id !== "string") continue;
    const earlier = named.get(id);
    if (earlier) {
      diagnostics.add("SB0302", [...node.path, "id"], `The id "${id}" belongs to ${stateLabel(earlier)} already`);
    } else if (id.includes(".")) {
      diagnostics.add("SB0302", [...node.path, "id"], `The id "${id}" holds a dot, which targets read as a path`);
    } else named.set(id, node);
  }

  function resolveOne(from: StateNode, target: string): StateNode | undefined {
    if (target.startsWith("#")) {
      const [id = "", ...rest] = target.slice(1).split(".");
      return walk(named.get(id), rest);
    }
    if (target.startsWith(".")) return walk(from, target.slice(1).split("."));
    return walk(from.parent, target.split("."));
  }

  /** The state that was probably meant, written so that it is found from here. */
  function suggest(from: StateNode, target: string): string | undefined {
    suggested += 1;
    if (suggested > SUGGESTIONS_MAX) return undefined;
    const last = target.split(/[.#]/).at(-1) ?? "";
    const same = outlined.find(({ node }) => node.parent && node.key === last)?.node;
    if (same) return writtenFrom(from, same, machine);
    const choices = [
      ...(from.parent?.states.keys() ?? []),
      ...[...from.states.keys()].map((key) => `.${key}`),
      ...[...named.keys()].map((id) => `#${id}`),
    ];
    return nearest(target, choices);
  }

  return {
    resolve(from, target, path) {
      const targets = Array.isArray(target) ? target : target === undefined ? [] : [target];
      const nodes: StateNode[] = [];
      targets.forEach((one, index) => {
        if (typeof one !== "string" || one === "") return;
        const at = Array.isArray(target) ? [...path, index] : path;
        const node = resolveOne(from, one);
        if (node) nodes.push(node);
        else {
          const suggestion = suggest(from, one);
          diagnostics.add("SB0201", at, `There is no state "${one}" to go to`, suggestion ? { suggestion } : {});
        }
      });
      if (!areApart(nodes)) {
        diagnostics.add("SB0302", path, "Several targets must lie in different regions of a parallel state");
      }
      return nodes;
    },
  };
}

function walk(start: StateNode | undefined, keys: readonly string[]): StateNode | undefined {
  let node = start;
  for (const key of keys) node = node?.states.get(key);
  return node;
}

function writtenFrom(from: StateNode, to: StateNode, machine: string): string {
  if (to.parent === from.parent) return to.key;
  if (to.parent === from) return `.${to.key}`;
  return `#${machine}.${to.id}`;
}

/** Each pair must meet in a parallel state, else one step would enter two states of which only one can be active. */
function areApart(nodes: readonly StateNode[]): boolean {
  const reached = nodes.map(reach);
  return reached.every((a, i) => reached.slice(i + 1).every((b) => meetInParallel(a, b)));
}

/** What a target may enter: a history state brings back anything inside its parent. */
function reach(node: StateNode): StateNode {
  return node.type === "history" ? (node.parent ?? node) : node;
}

function meetInParallel(a: StateNode, b: StateNode): boolean {
  if (a === b || isInside(a, b) || isInside(b, a)) return false;
  let at = a.parent;
  while (at && !isInside(b, at)) at = at.parent;
  return at?.type === "parallel";
}
