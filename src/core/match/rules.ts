/** A rule as written, checked and made ready. */
import { type Diagnostic, nearest, newDiagnostic, type Path } from "../../errors.ts";
import { LIMITS, type Place, type Rule, type Send } from "../../model.ts";
import { unknownAction } from "../actions.ts";
import { validatorFor } from "../check.ts";
import { compileExpression, type Expression } from "../expr.ts";
import { type ActionForm, compileValue, type Renderer } from "../render.ts";
import { compilePattern, type Pattern } from "./pattern.ts";
import { eventNameTooLong, selectorDiagnostics } from "./selector.ts";

/** What a rule may refer to. */
export interface CompileEnv {
  templates: ReadonlyMap<string, string>;
  /** By `connection.action`. */
  actions: ReadonlyMap<string, ActionForm>;
  /** Ids of machines; undefined = not known, no machine is refused. */
  machines: ReadonlySet<string> | undefined;
  /** Where a path inside the rule stands in its file. */
  place(path: Path): Place | undefined;
}

/** A rule whose parts are ready. */
export interface CompiledRule {
  rule: Rule;
  id: string;
  mode: "live" | "observe";
  stop: boolean;
  pattern?: Pattern;
  when?: Expression;
  forEach?: Expression;
  /** `key` renders to a non-empty text. */
  sends: readonly { machine: string; key: Renderer; event: string; with?: Renderer; inOrder: boolean }[];
  actions: readonly { action: string; params: Renderer }[];
  place: CompileEnv["place"];
}

/** The rule when it has no error, and every diagnostic with its path inside the rule. Never throws. */
export function compileRule(rule: Rule, env: CompileEnv): { rule?: CompiledRule; diagnostics: Diagnostic[] } {
  const diagnostics: Diagnostic[] = [...selectorDiagnostics(rule.event)];
  const add = (added: readonly Diagnostic[], at: Path) => {
    for (const diagnostic of added) diagnostics.push({ ...diagnostic, path: [...at, ...(diagnostic.path ?? [])] });
  };
  const pattern = rule.match === undefined ? undefined : compilePattern(rule.match);
  if (pattern !== undefined) add(pattern.diagnostics, ["match"]);
  const when = expression(rule.when, "when", add);
  const forEach = expression(rule.forEach, "forEach", add);
  const sends = sendsOf(rule).map(({ send, at }) => compileSend(send, at, env, add));
  const actions = (rule.do ?? []).flatMap((entry, i) =>
    Object.entries(entry).map(([action, params]) => compileAction(action, params, ["do", i], { env, add })),
  );
  if (sends.length === 0 && actions.length === 0)
    add([newDiagnostic("SB0301", `Rule "${rule.id}" does nothing, give it a send or a do`)], []);
  if (diagnostics.some(({ severity }) => severity === "error")) return { diagnostics };
  const compiled: CompiledRule = {
    rule,
    id: rule.id,
    mode: rule.mode ?? "live",
    stop: rule.stop ?? false,
    sends,
    actions,
    place: env.place,
  };
  if (pattern !== undefined) compiled.pattern = pattern.pattern;
  if (when !== undefined) compiled.when = when;
  if (forEach !== undefined) compiled.forEach = forEach;
  return { rule: compiled, diagnostics };
}

type Add = (added: readonly Diagnostic[], at: Path) => void;

function expression(source: string | undefined, key: string, add: Add): Expression | undefined {
  if (source === undefined) return undefined;
  const compiled = compileExpression(source);
  if (compiled.ok) return compiled.expression;
  add([compiled.diagnostic], [key]);
  return undefined;
}

function sendsOf({ send }: Rule): { send: Send; at: Path }[] {
  if (send === undefined) return [];
  return Array.isArray(send) ? send.map((each, i) => ({ send: each, at: ["send", i] })) : [{ send, at: ["send"] }];
}

function compileSend(send: Send, at: Path, env: CompileEnv, add: Add): CompiledRule["sends"][number] {
  const { machine, event } = send;
  if (env.machines !== undefined && !env.machines.has(machine))
    add(
      [
        newDiagnostic("SB0202", `There is no machine "${machine}" in statemachines/`, {
          path: ["machine"],
          suggestion: nearest(machine, env.machines),
        }),
      ],
      at,
    );
  const reserved = `"${event}" is reserved, events whose names start with "xstate." never come from outside`;
  if (event.startsWith("xstate.")) add([newDiagnostic("SB0102", reserved, { path: ["event"] })], at);
  if (event.length > LIMITS.eventNameChars) add([eventNameTooLong(event, ["event"])], at);
  const key = compileValue(send.key, { templates: env.templates });
  add(key.diagnostics, [...at, "key"]);
  const compiled = { machine, event, key: keyRenderer(key.renderer), inOrder: send.order === "time" };
  if (send.with === undefined) return compiled;
  const values = compileValue(send.with, { templates: env.templates });
  add(values.diagnostics, [...at, "with"]);
  return { ...compiled, with: values.renderer };
}

/** Keys are texts: a lone {{event.number}} names an instance too. */
function keyRenderer(renderer: Renderer): Renderer {
  return {
    reads: renderer.reads,
    render: (scope) => {
      const rendered = renderer.render(scope);
      if (!rendered.ok) return rendered;
      const { value } = rendered;
      const isScalar = typeof value === "string" || typeof value === "number" || typeof value === "boolean";
      if (isScalar && value !== "") return { ok: true, value: String(value) };
      const detail = `The key of an instance must be a text that is not empty, not ${JSON.stringify(value).slice(0, 60)}`;
      return { ok: false, detail, path: [] };
    },
  };
}

function compileAction(
  action: string,
  params: unknown,
  at: Path,
  { env, add }: { env: CompileEnv; add: Add },
): CompiledRule["actions"][number] {
  const actionType = env.actions.get(action);
  if (actionType === undefined) add([unknownAction(action, env.actions, [action])], at);
  else add(validatorFor(actionType.params, { templates: true })(params, `"${action}"`), [...at, action]);
  const options = {
    templates: env.templates,
    ...(actionType === undefined ? {} : { schema: actionType.params, escapes: actionType.escapes }),
  };
  const compiled = compileValue(params, options);
  add(compiled.diagnostics, [...at, action]);
  return { action, params: compiled.renderer };
}
