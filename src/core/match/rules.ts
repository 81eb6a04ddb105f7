/** Rules made ready, and the question which of them an event concerns. */
import type { TSchema } from "typebox";
import { nearest, type Problem } from "../../errors.ts";
import {
  type CondNode,
  type Event,
  type Json,
  type JsonObject,
  LIMITS,
  type Place,
  type Rule,
  type RuleOutcome,
  type Send,
  type TraceProblem,
} from "../../model.ts";
import { checker } from "../check.ts";
import { compileExpression, type Expression, type Scope } from "../expr.ts";
import { compileValue, type Renderer } from "../render.ts";
import { matches } from "./evaluate.ts";
import { distance, explainPattern } from "./explain.ts";
import { compilePattern, type Pattern } from "./pattern.ts";
import { selector, selectorProblems, typeIndex } from "./selector.ts";

type Path = readonly (string | number)[];

/** What a rule may refer to. */
export interface CompileEnv {
  templates: ReadonlyMap<string, string>;
  /** By `connection.action`. */
  actions: ReadonlyMap<string, { params: TSchema }>;
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
  sends: readonly { machine: string; key: Renderer; event: string; with?: Renderer }[];
  actions: readonly { action: string; params: Renderer }[];
  place: CompileEnv["place"];
}

/** The rule when it has no error, and every problem with its path inside the rule. Never throws. */
export function compileRule(rule: Rule, env: CompileEnv): { rule?: CompiledRule; problems: Problem[] } {
  const problems: Problem[] = [...selectorProblems(rule.event)];
  const add = (found: readonly Problem[], at: Path) => {
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

type Add = (found: readonly Problem[], at: Path) => void;

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
  const compiled = { machine, event, key: keyRenderer(key.renderer) };
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
  const options = { templates: env.templates, ...(known === undefined ? {} : { schema: known.params }) };
  const compiled = compileValue(params, options);
  add(compiled.problems, [...at, action]);
  return { action, params: compiled.renderer };
}

function unknownAction(action: string, actions: ReadonlyMap<string, unknown>): Problem {
  const [connection = ""] = action.split(".");
  const names = [...actions.keys()];
  const own = names.filter((name) => name.startsWith(`${connection}.`));
  const message =
    own.length > 0
      ? `"${connection}" has no such action "${action}", known are ${own.join(", ")}`
      : `Action "${action}" is not known, there is no connection "${connection}"`;
  return { ...unknown("SB0203", message, [action], nearest(action, own.length > 0 ? own : names)), atKey: true };
}

function unknown(code: Problem["code"], message: string, path: Path, suggestion: string | undefined): Problem {
  const problem: Problem = { code, severity: "error", message, path };
  return suggestion === undefined ? problem : { ...problem, suggestion };
}

const unfit = (message: string, path: Path): Problem => ({ code: "SB0102", severity: "error", message, path });

function tooLong(what: string, text: string, path: Path): Problem {
  const message = `${what} has at most ${LIMITS.eventNameChars} characters, this one has ${text.length}`;
  return { code: "SB0108", severity: "error", message, path };
}

// ---------------------------------------------------------------- matching

export interface RuleMatches {
  /** In the order of the rules. `items`: what forEach gave; one null without it. */
  matched: { rule: CompiledRule; items: readonly Json[] }[];
  /** How many rules of this event type were asked. */
  considered: number;
  problems: TraceProblem[];
}

export interface RuleSet {
  readonly rules: readonly CompiledRule[];
  match(event: Event, vars: JsonObject): RuleMatches;
  /** Matched first, then nearest misses first. `notConsidered`: rules for other event types. */
  explain(event: Event, vars: JsonObject): { rules: RuleOutcome[]; notConsidered: string[] };
  /** Whether some rule takes events of this type. */
  listensTo(type: string): boolean;
}

/** Rules in the order they are asked. A rule with `stop` that matches ends the asking; one that is only observed stops nothing. */
export function ruleSet(rules: readonly CompiledRule[]): RuleSet {
  const index = typeIndex(rules.map(({ rule }) => selector(rule.event)));
  const rulesFor = (type: string) => index.find(type).flatMap((position) => rules[position] ?? []);
  return {
    rules,
    listensTo: (type) => index.has(type),
    match: (event, vars) => matchRules(rulesFor(event.type), event, vars),
    explain: (event, vars) => {
      const considered = rulesFor(event.type);
      const asked = new Set(considered);
      return {
        rules: explainRules(considered, event, vars),
        notConsidered: rules.filter((rule) => !asked.has(rule)).map(({ id }) => id),
      };
    },
  };
}

const ONCE: readonly Json[] = [null];

function matchRules(rules: readonly CompiledRule[], event: Event, vars: JsonObject): RuleMatches {
  const result: RuleMatches = { matched: [], considered: 0, problems: [] };
  const scope: Scope = { event, vars };
  for (const rule of rules) {
    result.considered += 1;
    if (rule.pattern !== undefined && !matches(rule.pattern, event)) continue;
    const asked = askFurther(rule, scope);
    if (asked.problem !== undefined) result.problems.push(asked.problem);
    if (asked.items === undefined) continue;
    result.matched.push({ rule, items: asked.items });
    if (stops(rule)) break;
  }
  return result;
}

const stops = (rule: CompiledRule): boolean => rule.stop && rule.mode === "live";

interface Asked {
  /** Undefined: the rule does not match. */
  items?: readonly Json[];
  problem?: TraceProblem;
  /** What `when` gave. */
  when?: Json;
}

/** `when` and `forEach` of a rule whose pattern matches. A condition that cannot be evaluated is not met. */
function askFurther(rule: CompiledRule, scope: Scope): Asked {
  if (rule.when !== undefined) {
    const met = rule.when.evaluate(scope);
    if (!met.ok) return { problem: problemIn(rule, "when", "SB0402", met.detail) };
    if (typeof met.value !== "boolean")
      return { problem: problemIn(rule, "when", "SB0402", "when must give true or false"), when: met.value };
    if (!met.value) return { when: false };
  }
  if (rule.forEach === undefined) return { items: ONCE };
  const list = rule.forEach.evaluate(scope);
  if (!list.ok) return { problem: problemIn(rule, "forEach", "SB0402", list.detail) };
  if (!Array.isArray(list.value)) return { problem: problemIn(rule, "forEach", "SB0402", "forEach must give a list") };
  const { length } = list.value;
  if (length <= LIMITS.forEachItems) return { items: list.value };
  const detail = `forEach gives ${length} items, the limit is ${LIMITS.forEachItems}`;
  return { problem: problemIn(rule, "forEach", "SB0108", detail) };
}

function problemIn(rule: CompiledRule, key: string, code: TraceProblem["code"], detail: string): TraceProblem {
  const problem: TraceProblem = { code, message: detail, rule: rule.id };
  const place = rule.place([key]);
  return place === undefined ? problem : { ...problem, place };
}

// ---------------------------------------------------------------- explaining

function explainRules(rules: readonly CompiledRule[], event: Event, vars: JsonObject): RuleOutcome[] {
  const outcomes: RuleOutcome[] = [];
  let stopped: string | undefined;
  for (const rule of rules) {
    const outcome = explainRule(rule, event, vars, stopped);
    outcomes.push(outcome);
    if (outcome.matched && stops(rule)) stopped ??= rule.id;
  }
  return outcomes.sort((a, b) => a.distance - b.distance);
}

function explainRule(rule: CompiledRule, event: Event, vars: JsonObject, stopped: string | undefined): RuleOutcome {
  const children: CondNode[] = [];
  if (stopped !== undefined) children.push(stoppedNode(rule, stopped));
  if (rule.pattern !== undefined)
    children.push(explainPattern(rule.pattern, event, (path) => rule.place(["match", ...path])));
  const met = children.every(({ ok }) => ok);
  children.push(...furtherNodes(rule, { event, vars }));
  const place = rule.place([]);
  const placed = place === undefined ? {} : { place };
  const [only] = children;
  const all: CondNode = { kind: "all", ok: children.every(({ ok }) => ok), counts: true, children, ...placed };
  const tree = children.length === 1 && only?.kind === "all" ? only : all;
  return { id: rule.id, ...placed, matched: met && tree.ok, distance: distance(tree), tree };
}

function stoppedNode(rule: CompiledRule, stopped: string): CondNode {
  const hint = `Rule "${stopped}" matched before and stops the rules after it`;
  const place = rule.place([]);
  return { kind: "leaf", ok: false, counts: true, op: "stop", hint, ...(place === undefined ? {} : { place }) };
}

/** `when` and `forEach` as conditions, asked whether or not the pattern matches: both may be what is wrong. */
function furtherNodes(rule: CompiledRule, scope: Scope): CondNode[] {
  const nodes: CondNode[] = [];
  const { forEach: _, ...withoutItems } = rule;
  if (rule.when !== undefined) nodes.push(celNode(rule, "when", rule.when, askFurther(withoutItems, scope)));
  const { when: __, ...withoutWhen } = rule;
  if (rule.forEach !== undefined) nodes.push(celNode(rule, "forEach", rule.forEach, askFurther(withoutWhen, scope)));
  return nodes;
}

function celNode(rule: CompiledRule, op: "when" | "forEach", { source }: Expression, asked: Asked): CondNode {
  const cel: CondNode = { kind: "cel", ok: asked.items !== undefined, counts: true, op, want: source };
  const place = rule.place([op]);
  if (place !== undefined) cel.place = place;
  if (asked.problem !== undefined) cel.hint = asked.problem.message;
  if (asked.when !== undefined) cel.got = asked.when;
  return cel;
}
