/** Conditions that no event can meet, or that every event meets, whatever it holds: an event's attributes are a closed list with types. */
import type { Diagnostic } from "../../errors.ts";
import { type Event, STATUSES } from "../../model.ts";
import type { Alternative } from "../match/operators.ts";
import type { All, Leaf } from "../match/pattern.ts";
import type { CompiledRule } from "../match/rules.ts";
import { selector } from "../match/selector.ts";
import { typeName } from "../words.ts";
import { disjoint, exactShape, NUMBERS, prefixShape, type Shape, shapeOf } from "./shapes.ts";
import { alternativeAt, isSlip, keyOf, listed, type Path, wordsOf } from "./written.ts";

type AttributeKind = "text" | "number" | "status" | "texts" | "mapping";

const ATTRIBUTES: Readonly<Record<keyof Event, AttributeKind>> = {
  id: "text",
  type: "text",
  source: "text",
  subject: "text",
  time: "text",
  receivedAt: "text",
  delivery: "text",
  repo: "text",
  branch: "text",
  sha: "text",
  number: "number",
  title: "text",
  actor: "text",
  url: "text",
  status: "status",
  tickets: "texts",
  causedBy: "text",
  hops: "number",
  redeliveryOf: "text",
  to: "mapping",
  data: "mapping",
};

const ALWAYS_THERE: ReadonlySet<string> = new Set(["id", "type", "source", "time", "receivedAt"]);

/** Words of other systems for a status. */
const STATUS_WORDS: Readonly<Record<string, string>> = {
  passed: "success",
  succeeded: "success",
  successful: "success",
  failed: "failure",
  errored: "error",
  running: "pending",
  queued: "pending",
  aborted: "cancelled",
};

const TEXTS = prefixShape("");
const STATUS_SHAPES = STATUSES.map(exactShape);

function attributeOf(name: string): AttributeKind | undefined {
  return Object.hasOwn(ATTRIBUTES, name) ? ATTRIBUTES[name as keyof Event] : undefined;
}

/** Whether a field is an attribute that holds one value, or none: never a list. */
export function isScalarAttribute(path: readonly string[]): boolean {
  const kind = attributeOf(path[0] ?? "");
  return path.length === 1 && (kind === "text" || kind === "number" || kind === "status");
}

/** A branch of `$or`, or the pattern itself, with what stands in it and around it. */
export interface Scope {
  own: readonly Leaf[];
  /** Leaves that must be met besides. */
  around: readonly Leaf[];
  inBranch: boolean;
}

/** The pattern and every branch of every `$or` in it. */
export function scopesOf(all: All, around: readonly Leaf[] = [], inBranch = false): Scope[] {
  const own = all.children.filter((child) => child.kind === "leaf");
  const met = [...around, ...own];
  const below = all.children.flatMap((child) =>
    child.kind === "any" ? child.children.flatMap((branch) => scopesOf(branch, met, true)) : [],
  );
  return [{ own, around, inBranch }, ...below];
}

/** What follows from a condition that cannot be met. */
export const soNever = ({ inBranch }: Pick<Scope, "inBranch">): string =>
  inBranch ? "so this branch of $or never matches" : "so the rule never matches";

/** SB0310, SB0313 and SB0314 about attributes, with paths inside the pattern. */
export function attributeProblems(rule: CompiledRule, leaf: Leaf, scope: Scope): Diagnostic[] {
  const [name = "", below] = leaf.path;
  const kind = attributeOf(name);
  if (kind === undefined) return [strange(leaf, scope)];
  if (kind === "mapping") return below === undefined ? [mappingAsValue(leaf, scope)] : [];
  if (below !== undefined) return [belowScalar(leaf, scope)];
  return valueProblems(rule, leaf, scope);
}

function strange(leaf: Leaf, scope: Scope): Diagnostic {
  const [name = ""] = leaf.path;
  const { at, parts } = keyOf(leaf, 0);
  const isAlone = leaf.path.length === 1;
  const attribute = isAlone ? Object.keys(ATTRIBUTES).find((each) => isSlip(name, each)) : undefined;
  const rest = !isAlone && isSlip(name, "data") ? parts.slice(1) : parts;
  const suggestion = attribute ?? ["data", ...rest].join(".");
  const what = `"${name}" is no attribute of an event`;
  if (leaf.absent) return always(`${what}, so this condition always holds`, { path: at, atKey: true, suggestion });
  const further = attribute === undefined ? "; the payload as sent is below data" : "";
  return { ...never(`${what}, ${soNever(scope)}${further}`, at), atKey: true, suggestion };
}

function mappingAsValue(leaf: Leaf, scope: Scope): Diagnostic {
  const what = `"${leaf.path[0]}" is a mapping and never a value`;
  if (leaf.absent) return always(`${what}, so this condition always holds`, { path: leaf.at });
  return never(`${what}, ${soNever(scope)}; name a field in it`, leaf.at);
}

function belowScalar(leaf: Leaf, scope: Scope): Diagnostic {
  const [name = "", below] = leaf.path;
  const { at } = keyOf(leaf, 1);
  const what = `"${name}" is ${kindWords(name)} and has no field "${below}"`;
  if (leaf.absent) return always(`${what}, so this condition always holds`, { path: at, atKey: true });
  return { ...never(`${what}, ${soNever(scope)}`, at), atKey: true };
}

const never = (message: string, path: Path): Diagnostic => ({ code: "SB0310", severity: "warning", message, path });
const always = (message: string, rest: Partial<Diagnostic>): Diagnostic => ({
  code: "SB0313",
  severity: "warning",
  message,
  ...rest,
});

function kindWords(name: string): string {
  const kind = attributeOf(name);
  return kind === "number" ? "a number" : kind === "texts" ? "a list of texts" : "a text";
}

// ---------------------------------------------------------------- values

/** Alternatives that no value of the attribute meets. When none is left the leaf is never met, else it is never met by these. */
function valueProblems(rule: CompiledRule, leaf: Leaf, scope: Scope): Diagnostic[] {
  const [name = ""] = leaf.path;
  const domain = domainOf(name, rule);
  const isDead = (alternative: Alternative) => {
    if (alternative.absent) return ALWAYS_THERE.has(name);
    if (alternative.exact) return !domain.some(({ test }) => test(alternative.want));
    const shape = shapeOf(alternative);
    return domain.every((each) => disjoint(each, shape));
  };
  const dead = leaf.alternatives.map(isDead);
  if (!dead.includes(true)) return [];
  const isAllDead = dead.every((each) => each);
  return leaf.alternatives.flatMap((alternative, i): Diagnostic[] => {
    if (!dead[i]) return [];
    const so = isAllDead ? soNever(scope) : "so this alternative is never met";
    const path = alternativeAt(rule, leaf, i);
    const suggestion = suggestionFor(name, alternative, path === leaf.at);
    const problem: Diagnostic = {
      code: isAllDead ? "SB0310" : "SB0314",
      severity: "warning",
      message: `${whyDead(name, alternative, rule)}, ${so}`,
      path,
    };
    return [suggestion === undefined ? problem : { ...problem, suggestion }];
  });
}

/** What the attribute's values look like: one of these. */
function domainOf(name: string, { rule }: CompiledRule): readonly Shape[] {
  if (name === "type")
    return selector(rule.event).map((each) => (each.endsWith("*") ? prefixShape(each.slice(0, -1)) : exactShape(each)));
  const kind = attributeOf(name);
  if (kind === "number") return [NUMBERS];
  return kind === "status" ? STATUS_SHAPES : [TEXTS];
}

function whyDead(name: string, alternative: Alternative, { rule }: CompiledRule): string {
  const words = wordsOf(alternative);
  if (alternative.absent) return `"${name}" is always there`;
  const { kinds } = shapeOf(alternative);
  const own = attributeOf(name) === "number" ? "number" : "string";
  if (!kinds.includes(own)) {
    const is = `"${name}" is ${kindWords(name)}`;
    if (!alternative.exact) return `${is} and ${words} is met by no ${own === "number" ? "number" : "text"}`;
    if (alternative.want === null) return `${is} or absent and never null`;
    const bare = own === "string" ? " without quotes" : "";
    return `${is} and ${words}${bare} is ${kinds.map(typeName).join(" or ")}`;
  }
  if (name === "type")
    return `The rule takes only ${listed(selector(rule.event), "or")}, and ${words} is none of these`;
  if (name === "status") return `No status is ${words}, there are ${listed(STATUSES)}`;
  return `No value of "${name}" is ${words}`;
}

function suggestionFor(name: string, { want, exact }: Alternative, isBare: boolean): string | undefined {
  if (!exact) return undefined;
  if (attributeOf(name) === "number")
    return typeof want === "string" && /^[1-9]\d{0,14}$/.test(want) ? want : undefined;
  if (want === null && !ALWAYS_THERE.has(name)) return isBare ? "[{ exists: false }]" : "{ exists: false }";
  if (name !== "status" || typeof want !== "string") return undefined;
  const word = want.toLowerCase();
  return STATUS_WORDS[word] ?? STATUSES.find((status) => status === word || isSlip(word, status));
}
