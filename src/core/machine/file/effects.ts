/** Guards, actions and values of a machine file: checked, and compiled to what a step evaluates. */
import { type Diagnostic, nearest } from "../../../errors.ts";
import { actionParts, LIMITS } from "../../../model.ts";
import { checker } from "../../check.ts";
import { compileExpression } from "../../expr.ts";
import { type ActionForm, compileValue, type Renderer } from "../../render.ts";
import { type Effect, type Guard, isObject, listOf, type Path, type Reads, type Report, type Value } from "./tree.ts";

/** What reading needs besides the file. */
export interface Sources {
  readonly templates: ReadonlyMap<string, string>;
  /** Undefined = not known: names and parameters are not checked. */
  readonly actions: ReadonlyMap<string, ActionForm> | undefined;
  readonly report: Report;
  /** What was read so far reads. */
  readonly reads: Reads[];
}

const BUILT_IN = ["assign", "raise", "log", "emit"];

/** Undefined when there is no guard, or one that does not compile: then there is a problem. */
export function readGuard(raw: unknown, path: Path, sources: Pick<Sources, "report" | "reads">): Guard | undefined {
  if (typeof raw === "string") {
    const compiled = compileExpression(raw);
    if (!compiled.ok) {
      sources.report.take(path, [compiled.problem]);
      return undefined;
    }
    sources.reads.push({ at: path, paths: compiled.expression.reads });
    return { kind: "cel", expression: compiled.expression };
  }
  if (!isObject(raw)) return undefined;
  if (raw.not !== undefined) {
    const guard = readGuard(raw.not, [...path, "not"], sources);
    return guard && { kind: "not", guard };
  }
  const kind = raw.and === undefined ? "or" : "and";
  const guards = listOf(raw[kind]).map((one, i) => readGuard(one, [...path, kind, i], sources));
  return { kind, guards: guards.filter((guard) => guard !== undefined) };
}

/** The actions at `holder[key]`: one, or a list. */
export function readActions(holder: Record<string, unknown>, key: string, path: Path, sources: Sources): Effect[] {
  const raw = holder[key];
  const isList = Array.isArray(raw);
  return listOf(raw).flatMap((action, i) => {
    if (!isObject(action) || Object.keys(action).length !== 1) return [];
    const effect = readAction(action, isList ? [...path, key, i] : [...path, key], sources);
    return effect ? [effect] : [];
  });
}

function readAction(action: Record<string, unknown>, path: Path, sources: Sources): Effect | undefined {
  const [name = ""] = Object.keys(action);
  const at = [...path, name];
  const body = action[name];
  switch (name) {
    case "assign":
      return isObject(body) ? { kind: "assign", values: readValues(body, at, sources) } : undefined;
    case "raise":
      if (typeof body !== "string" || !checkSignalName(body, at, sources.report)) return undefined;
      return { kind: "raise", name: body };
    case "log":
      return { kind: "log", text: readValue(action, name, path, sources) };
    case "emit":
      return readEmit(body, at, sources);
    default:
      if (!isObject(body) || !name.includes(".")) return undefined;
      return { kind: "deliver", action: name, params: readParams(action, name, path, { ...sources, name, at }) };
  }
}

function readEmit(body: unknown, at: Path, sources: Sources): Effect | undefined {
  if (typeof body === "string") return { kind: "emit", type: body, data: undefined };
  if (!isObject(body) || typeof body.type !== "string") return undefined;
  const data = body.data === undefined ? undefined : readValue(body, "data", at, sources);
  return { kind: "emit", type: body.type, data };
}

/** Each key of an object as a value of its own, so that one that fails leaves the others alone. */
export function readValues(holder: Record<string, unknown>, path: Path, sources: Sources): Value[] {
  return Object.keys(holder).map((key) => ({ key, renderer: readValue(holder, key, path, sources) }));
}

interface Named extends Sources {
  /** The action's name, and where it stands. */
  readonly name: string;
  readonly at: Path;
}

/** Parameters of an action at `holder[key]`, checked against its schema as far as they can be before they are rendered. */
export function readParams(holder: Record<string, unknown>, key: string, path: Path, named: Named): Renderer {
  const { actions, report, name, at } = named;
  const known = actions?.get(name);
  if (actions && !known) {
    const suggestion = nearest(name, [...actions.keys(), ...BUILT_IN]);
    report.add("SB0203", at, unknownAction(name, actions), { atKey: true, ...(suggestion ? { suggestion } : {}) });
  }
  return readValue(holder, key, path, named, known);
}

function unknownAction(name: string, actions: ReadonlyMap<string, unknown>): string {
  const { connection } = actionParts(name);
  const siblings = [...actions.keys()].filter((action) => action.startsWith(`${connection}.`));
  if (siblings.length > 0) return `"${name}" is not known, "${connection}" has ${siblings.join(", ")}`;
  return `"${name}" is not known, there is no connection "${connection}"`;
}

/** The value at `holder[key]`, compiled. */
export function readValue(
  holder: Record<string, unknown>,
  key: string,
  path: Path,
  sources: Sources,
  action?: ActionForm,
): Renderer {
  const { templates, report } = sources;
  const at = [...path, key];
  const { renderer, problems } = compileValue(holder[key], {
    templates,
    ...(action ? { schema: action.params, escapes: action.escapes } : {}),
  });
  report.take(at, problems);
  sources.reads.push({ at, paths: renderer.reads });
  if (action) report.take(at, checker(action.params, { templates: true })(holder[key]));
  return renderer;
}

/** Signals of one's own making: not empty, not too long, and none of xstate's. */
export function checkSignalName(name: string, path: Path, report: Report, more: Partial<Diagnostic> = {}): boolean {
  const wrong = wrongName(name);
  if (wrong !== undefined) report.add("SB0302", path, wrong, more);
  return wrong === undefined;
}

function wrongName(name: string): string | undefined {
  if (name === "") return 'A signal has a name; for transitions without a signal there is "always"';
  if (name.startsWith("xstate."))
    return `"${name}" is reserved: names that start with "xstate." never come from outside`;
  if (name === "__proto__") return `"${name}" cannot name a signal`;
  if (name.length > LIMITS.eventNameChars) return `A signal's name has at most ${LIMITS.eventNameChars} characters`;
  return undefined;
}
