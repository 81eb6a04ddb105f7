/** Names of actions, as rules and machines write them: `connection.action`. */
import { type Diagnostic, nearest, newDiagnostic, type Path } from "../errors.ts";
import { actionParts } from "../model.ts";

/** The diagnostic (SB0203) for an action that is not among `actions`; `builtIn`: what may be written in its place besides. */
export function unknownAction(
  name: string,
  actions: ReadonlyMap<string, unknown>,
  path: Path,
  builtIn: readonly string[] = [],
): Diagnostic {
  const { connection } = actionParts(name);
  const names = [...actions.keys()];
  const siblings = names.filter((each) => each.startsWith(`${connection}.`));
  const message =
    siblings.length > 0
      ? `"${connection}" has no such action "${name}", known are ${siblings.join(", ")}`
      : `Action "${name}" is not known, there is no connection "${connection}"`;
  const suggestion = nearest(name, siblings.length > 0 ? siblings : [...names, ...builtIn]);
  return newDiagnostic("SB0203", message, { path, atKey: true, suggestion });
}
