/** A rule as written, checked and made ready. */
import { type Diagnostic, nearest } from "../../errors.ts";
import { actionParts, LIMITS, type Place, type Rule, type Send } from "../../model.ts";
import { checker } from "../check.ts";
import { compileExpression, type Expression } from "../expr.ts";
import { type ActionForm, compileValue, type Renderer } from "../render.ts";
import { compilePattern, type Pattern } from "./pattern.ts";
import { selectorProblems } from "./selector.ts";

type Path = readonly (string | number)[];

/** What a rule may refer to. */
export interface CompileEnv {
  templates: ReadonlyMap<string, string>;
  /** By `connection.action`. */
  actions: ReadonlyMap<string, ActionForm>;
  /** Ids of machines; undefined = not known, any is taken. */
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

/** The rule when it has no error, and every problem with its path inside the rule. Never throws. */
export function compileRule(rule: Rule, env: CompileEnv): { rule?: CompiledRule; problems: Diagnostic[] } {
  const problems: Diagnostic[] = [...selectorProblems(rule.event)];
  const add = (found: readonly Diagnostic[], at: Path) => {
    for (const problem of found) problems.push({ ...problem, path: [...at, ...(problem.path ?? [])] });
  };
  const pattern = rule.match === undefined ? undefined : compilePattern(rule.match);
  if (pattern !== undefined) add(pattern.problems, ["match"]);
  const when = expression(rule.when, "when", add);
  const forEach = expression(rule.forEach, "forEach", add);
  const sends = sendsOf(rule).map(({ send, at }) => compileSend(send, at, env, add));
  const actions = (rule.do ?? []).flatMap((entry, i) =>
    Object.entries(entry).map(([action, params]) => compileAction(action, params, ["do", i], { env, add })),
  );
  if (sends.length === 0 && actions.length === 0)
    add([{ code: "SB0301", severity: "error", message: `Rule "${rule.id}" does nothing, give it a send or a do` }], []);
  if (problems.some(({ severity }) => severity === "error")) return { problems };
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
  return { rule: compiled, problems };
}

type Add = (found: readonly Diagnostic[], at: Path) => void;

function expression(source: string | undefined, key: string, add: Add): Expression | undefined {
  if (source === undefined) return undefined;
  const compiled = compileExpression(source);
  if (compiled.ok) return compiled.expression;
  add([compiled.problem], [key]);
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
        unknown(
          "SB0202",
          `There is no machine "${machine}" in statemachines/`,
          ["machine"],
          nearest(machine, env.machines),
        ),
      ],
      at,
    );
  if (event.startsWith("xstate."))
    add(
      [unfit(`"${event}" is reserved, events whose names start with "xstate." never come from outside`, ["event"])],
      at,
    );
  if (event.length > LIMITS.eventNameChars) add([tooLong("An event name", event, ["event"])], at);
  const key = compileValue(send.key, { templates: env.templates });
  add(key.problems, [...at, "key"]);
  const compiled = { machine, event, key: keyRenderer(key.renderer), inOrder: send.order === "time" };
  if (send.with === undefined) return compiled;
  const values = compileValue(send.with, { templates: env.templates });
  add(values.problems, [...at, "with"]);
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
  const known = env.actions.get(action);
  if (known === undefined) add([unknownAction(action, env.actions)], at);
  else add(checker(known.params, { templates: true })(params), [...at, action]);
  const options = {
    templates: env.templates,
    ...(known === undefined ? {} : { schema: known.params, escapes: known.escapes }),
  };
  const compiled = compileValue(params, options);
  add(compiled.problems, [...at, action]);
  return { action, params: compiled.renderer };
}

function unknownAction(action: string, actions: ReadonlyMap<string, unknown>): Diagnostic {
  const { connection } = actionParts(action);
  const names = [...actions.keys()];
  const own = names.filter((name) => name.startsWith(`${connection}.`));
  const message =
    own.length > 0
      ? `"${connection}" has no such action "${action}", known are ${own.join(", ")}`
      : `Action "${action}" is not known, there is no connection "${connection}"`;
  return { ...unknown("SB0203", message, [action], nearest(action, own.length > 0 ? own : names)), atKey: true };
}

function unknown(code: Diagnostic["code"], message: string, path: Path, suggestion: string | undefined): Diagnostic {
  const problem: Diagnostic = { code, severity: "error", message, path };
  return suggestion === undefined ? problem : { ...problem, suggestion };
}

const unfit = (message: string, path: Path): Diagnostic => ({ code: "SB0102", severity: "error", message, path });

function tooLong(what: string, text: string, path: Path): Diagnostic {
  const message = `${what} has at most ${LIMITS.eventNameChars} characters, this one has ${text.length}`;
  return { code: "SB0108", severity: "error", message, path };
}
