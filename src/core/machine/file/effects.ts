/** Guards, actions and values of a machine file: checked, and compiled to what a step evaluates. */
import type { Diagnostic, Path } from "../../../errors.ts";
import { isObject, LIMITS } from "../../../model.ts";
import { unknownAction } from "../../actions.ts";
import { validatorFor } from "../../check.ts";
import { compileExpression } from "../../expr.ts";
import { type ActionForm, compileValue, type Renderer } from "../../render.ts";
import { type DiagnosticList, type Effect, type Guard, listOf, type Reads, type Value } from "./tree.ts";

/** What reading needs besides the file. */
export interface EffectsPass {
  readonly templates: ReadonlyMap<string, string>;
  /** Undefined = not known: names and parameters are not checked. */
  readonly actions: ReadonlyMap<string, ActionForm> | undefined;
  readonly diagnostics: DiagnosticList;
  /** What was read so far reads. */
  readonly reads: Reads[];
}

const BUILT_IN = ["assign", "raise", "log", "emit"];

/** Undefined when there is no guard, or one that does not compile: then there is a diagnostic. */
export function readGuard(
  raw: unknown,
  path: Path,
  pass: Pick<EffectsPass, "diagnostics" | "reads">,
): Guard | undefined {
  if (typeof raw === "string") {
    const compiled = compileExpression(raw);
    if (!compiled.ok) {
      pass.diagnostics.addAll(path, [compiled.diagnostic]);
      return undefined;
    }
    pass.reads.push({ at: path, paths: compiled.expression.reads });
    return { kind: "cel", expression: compiled.expression };
  }
  if (!isObject(raw)) return undefined;
  if (raw.not !== undefined) {
    const guard = readGuard(raw.not, [...path, "not"], pass);
    return guard && { kind: "not", guard };
  }
  const kind = raw.and === undefined ? "or" : "and";
  const guards = listOf(raw[kind]).map((one, i) => readGuard(one, [...path, kind, i], pass));
  return { kind, guards: guards.filter((guard) => guard !== undefined) };
}

/** The actions at `parent[key]`: one, or a list. */
export function readActions(parent: Record<string, unknown>, key: string, path: Path, pass: EffectsPass): Effect[] {
  const raw = parent[key];
  const isList = Array.isArray(raw);
  return listOf(raw).flatMap((action, i) => {
    if (!isObject(action) || Object.keys(action).length !== 1) return [];
    const effect = readAction(action, isList ? [...path, key, i] : [...path, key], pass);
    return effect ? [effect] : [];
  });
}

function readAction(action: Record<string, unknown>, path: Path, pass: EffectsPass): Effect | undefined {
  const [name = ""] = Object.keys(action);
  const at = [...path, name];
  const body = action[name];
  switch (name) {
    case "assign":
      return isObject(body) ? { kind: "assign", values: readValues(body, at, pass) } : undefined;
    case "raise":
      if (typeof body !== "string" || !checkSignalName(body, at, pass.diagnostics)) return undefined;
      return { kind: "raise", name: body };
    case "log":
      return { kind: "log", text: readValue(action, name, path, pass) };
    case "emit":
      return readEmit(body, at, pass);
    default:
      if (!isObject(body) || !name.includes(".")) return undefined;
      return { kind: "deliver", action: name, params: readParams(action, name, path, { ...pass, name, at }) };
  }
}

function readEmit(body: unknown, at: Path, pass: EffectsPass): Effect | undefined {
  if (typeof body === "string") return { kind: "emit", type: body, data: undefined };
  if (!isObject(body) || typeof body.type !== "string") return undefined;
  const data = body.data === undefined ? undefined : readValue(body, "data", at, pass);
  return { kind: "emit", type: body.type, data };
}

/** Each key of an object as a value of its own, so that one that fails leaves the others alone. */
export function readValues(parent: Record<string, unknown>, path: Path, pass: EffectsPass): Value[] {
  return Object.keys(parent).map((key) => ({ key, renderer: readValue(parent, key, path, pass) }));
}

interface ActionPass extends EffectsPass {
  /** The action's name, and where it stands. */
  readonly name: string;
  readonly at: Path;
}

/** Parameters of an action at `parent[key]`, checked against its schema as far as they can be before they are rendered. */
export function readParams(parent: Record<string, unknown>, key: string, path: Path, action: ActionPass): Renderer {
  const { actions, diagnostics, name, at } = action;
  const actionType = actions?.get(name);
  if (actions && !actionType) diagnostics.addAll(at, [unknownAction(name, actions, [], BUILT_IN)]);
  return readValue(parent, key, path, action, actionType);
}

/** The value at `parent[key]`, compiled. */
export function readValue(
  parent: Record<string, unknown>,
  key: string,
  path: Path,
  pass: EffectsPass,
  action?: ActionForm,
): Renderer {
  const { templates, diagnostics } = pass;
  const at = [...path, key];
  const compiled = compileValue(parent[key], {
    templates,
    ...(action ? { schema: action.params, escapes: action.escapes } : {}),
  });
  diagnostics.addAll(at, compiled.diagnostics);
  pass.reads.push({ at, paths: compiled.renderer.reads });
  if (action) diagnostics.addAll(at, validatorFor(action.params, { templates: true })(parent[key]));
  return compiled.renderer;
}

/** Signals of one's own making: not empty, not too long, and none of xstate's. */
export function checkSignalName(
  name: string,
  path: Path,
  diagnostics: DiagnosticList,
  more: Partial<Diagnostic> = {},
): boolean {
  const problem = signalNameProblem(name);
  if (problem !== undefined) diagnostics.add("SB0302", path, problem, more);
  return problem === undefined;
}

function signalNameProblem(name: string): string | undefined {
  if (name === "") return 'A signal has a name; for transitions without a signal there is "always"';
  if (name.startsWith("xstate."))
    return `"${name}" is reserved: names that start with "xstate." never come from outside`;
  if (name === "__proto__") return `"${name}" cannot name a signal`;
  if (name.length > LIMITS.eventNameChars) return `A signal's name has at most ${LIMITS.eventNameChars} characters`;
  return undefined;
}
