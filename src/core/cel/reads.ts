/** What an expression reads, known without evaluating it. */
import { pathOf } from "./access.ts";
import { macroScope } from "./macros.ts";
import { type CelNode, childrenOf } from "./parse.ts";

/** Dotted paths from the given names, e.g. `event.data.number`. */
export function readsOf(root: CelNode, names: readonly string[]): string[] {
  const paths = new Set<string>();
  collect(root, paths, new Set(names));
  return [...paths];
}

function collect(node: CelNode, paths: Set<string>, names: ReadonlySet<string>): void {
  const path = pathOf(node, (name) => names.has(name));
  if (path !== undefined) {
    paths.add(path);
    return;
  }
  const macro = macroScope(node);
  if (macro === undefined) {
    for (const child of childrenOf(node)) collect(child, paths, names);
    return;
  }
  collect(macro.receiver, paths, names);
  const inner = new Set([...names].filter((name) => !macro.variables.includes(name)));
  for (const body of macro.bodies) collect(body, paths, inner);
}
