/** Conditions that no event can meet, or that every event meets, whatever it holds: an event's attributes are a closed list with types. */
import { type Diagnostic, newWarning, type Path } from "../../errors.ts";
import { type Event, STATUS_WORDS, STATUSES } from "../../model.ts";
import type { Alternative } from "../match/operators.ts";
import type { All, Leaf } from "../match/pattern.ts";
import type { CompiledRule } from "../match/rules.ts";
import { selectorNames } from "../match/selector.ts";
import { typeName } from "../words.ts";
import { type AcceptedValues, acceptedBy, acceptedExactly, acceptedPrefix, disjoint, NUMBERS } from "./shapes.ts";
import { alternativeAt, isSlip, keyOf, listed, wordsOf } from "./written.ts";

type AttributeKind = "text" | "number" | "boolean" | "status" | "texts" | "mapping";

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
  isDefaultBranch: "boolean",
  sha: "text",
  number: "number",
  title: "text",
  actor: "text",
  url: "text",
  status: "status",
  tickets: "texts",
  causedBy: "text",
  hops: "number",
  root: "text",
  continues: "mapping",
  cut: "mapping",
  redeliveryOf: "text",
  to: "mapping",
  data: "mapping",
};

const ALWAYS_THERE: ReadonlySet<string> = new Set(["id", "type", "source", "time", "receivedAt"]);

const STATUS_SUGGESTIONS: Readonly<Record<string, string>> = { ...STATUS_WORDS, successful: "success" };

const TEXTS = acceptedPrefix("");
const STATUS_SHAPES = STATUSES.map(acceptedExactly);
/** Texts that are values of the attribute once their quotes are taken away. */
const WITHOUT_QUOTES: Partial<Record<AttributeKind, RegExp>> = { number: /^[1-9]\d{0,14}$/, boolean: /^(true|false)$/ };
const BOOLEANS = [true, false].map(acceptedExactly);

const KIND_WORDS: Readonly<Record<AttributeKind, string>> = {
  text: "a text",
  status: "a text",
  number: "a number",
  boolean: "true or false",
  texts: "a list of texts",
  mapping: "a mapping",
};

function attributeOf(name: string): AttributeKind | undefined {
  return Object.hasOwn(ATTRIBUTES, name) ? ATTRIBUTES[name as keyof Event] : undefined;
}

/** Whether a field is an attribute that holds one value, or none: never a list. */
export function isScalarAttribute(path: readonly string[]): boolean {
  const kind = attributeOf(path[0] ?? "");
  return path.length === 1 && kind !== undefined && kind !== "texts" && kind !== "mapping";
}

/** A branch of `$or`, or the pattern itself, with what stands in it and around it. */
export interface PatternBranch {
  own: readonly Leaf[];
  /** Leaves that must be met besides. */
  around: readonly Leaf[];
  inBranch: boolean;
}

/** The pattern and every branch of every `$or` in it. */
export function branchesOf(all: All, around: readonly Leaf[] = [], inBranch = false): PatternBranch[] {
  const own = all.children.filter((child) => child.kind === "leaf");
  const met = [...around, ...own];
  const below = all.children.flatMap((child) =>
    child.kind === "any" ? child.children.flatMap((branch) => branchesOf(branch, met, true)) : [],
  );
  return [{ own, around, inBranch }, ...below];
}

/** What follows from a condition that cannot be met. */
export const soNever = ({ inBranch }: Pick<PatternBranch, "inBranch">): string =>
  inBranch ? "so this branch of $or never matches" : "so the rule never matches";

/** SB0310, SB0313 and SB0314 about attributes, with paths inside the pattern. */
export function attributeDiagnostics(rule: CompiledRule, leaf: Leaf, branch: PatternBranch): Diagnostic[] {
  const [name = "", below] = leaf.fieldPath;
  const kind = attributeOf(name);
  if (kind === undefined) return [strange(leaf, branch)];
  if (kind === "mapping") return below === undefined ? [mappingAsValue(leaf, branch)] : [];
  if (below !== undefined) return [belowScalar(leaf, branch)];
  return valueDiagnostics(rule, leaf, branch);
}

function strange(leaf: Leaf, branch: PatternBranch): Diagnostic {
  const [name = ""] = leaf.fieldPath;
  const { at, parts } = keyOf(leaf, 0);
  const isAlone = leaf.fieldPath.length === 1;
  const attribute = isAlone ? Object.keys(ATTRIBUTES).find((each) => isSlip(name, each)) : undefined;
  const rest = !isAlone && isSlip(name, "data") ? parts.slice(1) : parts;
  const suggestion = attribute ?? ["data", ...rest].join(".");
  const what = `"${name}" is no attribute of an event`;
  if (leaf.absent) return always(`${what}, so this condition always holds`, { path: at, atKey: true, suggestion });
  const further = attribute === undefined ? "; the payload as sent is below data" : "";
  return { ...never(`${what}, ${soNever(branch)}${further}`, at), atKey: true, suggestion };
}

function mappingAsValue(leaf: Leaf, branch: PatternBranch): Diagnostic {
  const what = `"${leaf.fieldPath[0]}" is a mapping and never a value`;
  if (leaf.absent) return always(`${what}, so this condition always holds`, { path: leaf.patternPath });
  return never(`${what}, ${soNever(branch)}; name a field in it`, leaf.patternPath);
}

function belowScalar(leaf: Leaf, branch: PatternBranch): Diagnostic {
  const [name = "", below] = leaf.fieldPath;
  const { at } = keyOf(leaf, 1);
  const what = `"${name}" is ${kindWords(name)} and has no field "${below}"`;
  if (leaf.absent) return always(`${what}, so this condition always holds`, { path: at, atKey: true });
  return { ...never(`${what}, ${soNever(branch)}`, at), atKey: true };
}

const never = (message: string, path: Path) => newWarning("SB0310", message, { path });
const always = (message: string, more: Parameters<typeof newWarning>[2]) => newWarning("SB0313", message, more);

function kindWords(name: string): string {
  return KIND_WORDS[attributeOf(name) ?? "text"];
}

// ---------------------------------------------------------------- values

/** Alternatives that no value of the attribute meets. When none is left the leaf is never met, else it is never met by these. */
function valueDiagnostics(rule: CompiledRule, leaf: Leaf, branch: PatternBranch): Diagnostic[] {
  const [name = ""] = leaf.fieldPath;
  const domain = domainOf(name, rule);
  const isDead = (alternative: Alternative) => {
    if (alternative.absent) return ALWAYS_THERE.has(name);
    if (alternative.exact) return !domain.some(({ test }) => test(alternative.want));
    const shape = acceptedBy(alternative);
    return domain.every((each) => disjoint(each, shape));
  };
  const dead = leaf.alternatives.map(isDead);
  if (!dead.includes(true)) return [];
  const isAllDead = dead.every((each) => each);
  return leaf.alternatives.flatMap((alternative, i): Diagnostic[] => {
    if (!dead[i]) return [];
    const so = isAllDead ? soNever(branch) : "so this alternative is never met";
    const path = alternativeAt(rule, leaf, i);
    const suggestion = suggestionFor(name, alternative, path === leaf.patternPath);
    const message = `${whyDead(name, alternative, rule)}, ${so}`;
    return [newWarning(isAllDead ? "SB0310" : "SB0314", message, { path, suggestion })];
  });
}

/** What the attribute's values look like: one of these. */
function domainOf(name: string, { rule }: CompiledRule): readonly AcceptedValues[] {
  if (name === "type")
    return selectorNames(rule.event).map((each) =>
      each.endsWith("*") ? acceptedPrefix(each.slice(0, -1)) : acceptedExactly(each),
    );
  const kind = attributeOf(name);
  if (kind === "number") return [NUMBERS];
  if (kind === "boolean") return BOOLEANS;
  return kind === "status" ? STATUS_SHAPES : [TEXTS];
}

function whyDead(name: string, alternative: Alternative, { rule }: CompiledRule): string {
  const words = wordsOf(alternative);
  if (alternative.absent) return `"${name}" is always there`;
  const { kinds } = acceptedBy(alternative);
  const kind = attributeOf(name);
  const own = kind === "number" || kind === "boolean" ? kind : "string";
  if (!kinds.includes(own)) {
    const is = `"${name}" is ${kindWords(name)}`;
    if (!alternative.exact) return `${is} and ${words} is met by no ${own === "string" ? "text" : own}`;
    if (alternative.want === null) return `${is} or absent and never null`;
    const bare = own === "string" ? " without quotes" : "";
    return `${is} and ${words}${bare} is ${kinds.map(typeName).join(" or ")}`;
  }
  if (name === "type")
    return `The rule takes only ${listed(selectorNames(rule.event), "or")}, and ${words} is none of these`;
  if (name === "status") return `No status is ${words}, there are ${listed(STATUSES, "and", STATUSES.length)}`;
  return `No value of "${name}" is ${words}`;
}

function suggestionFor(name: string, { want, exact }: Alternative, isBare: boolean): string | undefined {
  if (!exact) return undefined;
  const written = WITHOUT_QUOTES[attributeOf(name) ?? "text"];
  if (written) return typeof want === "string" && written.test(want) ? want : undefined;
  if (want === null && !ALWAYS_THERE.has(name)) return isBare ? "[{ exists: false }]" : "{ exists: false }";
  if (name !== "status" || typeof want !== "string") return undefined;
  const word = want.toLowerCase();
  return STATUS_SUGGESTIONS[word] ?? STATUSES.find((status) => status === word || isSlip(word, status));
}
