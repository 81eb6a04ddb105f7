/**
 * Fields and values that no known event has. A sample shows less than its sender sends, and yesterday's events not what tomorrow's will
 * hold: rules are written for what is rare. So a missing field is told only when enough recorded events lack it or its name is nearly that
 * of one that is there, and a value only when it is nearly one that is there, of another kind than all that are, or no part of the type.
 */
import { type Diagnostic, nearest } from "../../errors.ts";
import type { Event } from "../../model.ts";
import type { Alternative } from "../match/operators.ts";
import type { All, Leaf } from "../match/pattern.ts";
import type { CompiledRule } from "../match/rules.ts";
import { selector } from "../match/selector.ts";
import { quoted, typeName } from "../words.ts";
import { type Facts, factsOf, VALUES_MAX } from "./facts.ts";
import type { Finding } from "./lint.ts";
import { shapeOf } from "./shapes.ts";
import { alternativeAt, isSlip, keyOf, listed, type Path } from "./written.ts";

export interface KnownEvents {
  /** What providers show of their senders. */
  samples: readonly Event[];
  /** What was received. */
  recorded: readonly Event[];
}

/** Fewer recorded events of a type are an accident. */
const RECORDED_MIN = 20;
/** Events looked at for all fields together; more would be felt, and then nothing more is found. */
const LOOKS_MAX = 1_000_000;
/** What the sender decides for each type of event; the others come and go. */
const ATTRIBUTES: ReadonlySet<string> = new Set(["repo", "branch", "sha", "number", "title", "actor", "url", "status"]);

/** SB0313 and SB0314 by what is known of events, in the order of the rules; paths start at the rule. */
export function unseen(rules: readonly CompiledRule[], known: KnownEvents): Finding[] {
  const looking: Looking = { byType: byType(known), grounds: new Map(), left: LOOKS_MAX };
  return rules.flatMap((rule) => {
    const ground = rule.pattern === undefined ? undefined : groundOf(rule, looking);
    if (ground === undefined || rule.pattern === undefined) return [];
    const problems = leavesOf(rule.pattern.written).flatMap((leaf) => leafProblems({ rule, leaf, ground, looking }));
    return problems.map((problem) => ({ rule, problem: { ...problem, path: ["match", ...(problem.path ?? [])] } }));
  });
}

function leavesOf(all: All): Leaf[] {
  return all.children.flatMap((child) => (child.kind === "leaf" ? [child] : child.children.flatMap(leavesOf)));
}

// ---------------------------------------------------------------- what is known of the events of a rule

interface Looking {
  byType: ReadonlyMap<string, { samples: Event[]; recorded: Event[] }>;
  grounds: Map<string, Ground | undefined>;
  left: number;
}

/** The known events that a rule takes. */
interface Ground {
  /** The event types as the rule names them. */
  names: readonly string[];
  /** Samples first. */
  events: readonly Event[];
  samples: number;
  /** The types are named one by one: what a prefix takes may be of a type that was never seen. */
  isExact: boolean;
  /** And of every type there are enough recorded events. */
  isWell: boolean;
  /** And of every type there is a sample. */
  isShown: boolean;
  facts: Map<string, Facts>;
}

function byType({ samples, recorded }: KnownEvents): Looking["byType"] {
  const types = new Map<string, { samples: Event[]; recorded: Event[] }>();
  const of = ({ type }: Event) => {
    const known = types.get(type) ?? { samples: [], recorded: [] };
    types.set(type, known);
    return known;
  };
  for (const event of samples) of(event).samples.push(event);
  for (const event of recorded) of(event).recorded.push(event);
  return types;
}

/** Undefined when of one of the named types, or of all that a prefix takes, nothing is known; and of everything nobody knows enough. */
function groundOf({ rule }: CompiledRule, { byType: types, grounds }: Looking): Ground | undefined {
  const names = selector(rule.event);
  if (names.includes("*")) return undefined;
  const key = JSON.stringify(names);
  if (!grounds.has(key)) grounds.set(key, newGround(names, types));
  return grounds.get(key);
}

function newGround(names: readonly string[], types: Looking["byType"]): Ground | undefined {
  const taken = new Map<string, { samples: Event[]; recorded: Event[] }>();
  for (const name of names) {
    const found = [...types].filter(([type]) =>
      name.endsWith("*") ? type.startsWith(name.slice(0, -1)) : type === name,
    );
    if (found.length === 0) return undefined;
    for (const [type, events] of found) taken.set(type, events);
  }
  const all = [...taken.values()];
  const samples = all.flatMap((each) => each.samples);
  const isExact = !names.some((name) => name.endsWith("*"));
  return {
    names,
    events: [...samples, ...all.flatMap(({ recorded }) => recorded)],
    samples: samples.length,
    isExact,
    isWell: isExact && all.every(({ recorded }) => recorded.length >= RECORDED_MIN),
    isShown: all.every((each) => each.samples.length > 0),
    facts: new Map(),
  };
}

function factsAt(path: readonly string[], { ground, looking }: Pick<Asked, "ground" | "looking">): Facts | undefined {
  const key = path.join("\n");
  const kept = ground.facts.get(key);
  if (kept !== undefined) return kept;
  looking.left -= ground.events.length;
  if (looking.left < 0) return undefined;
  const facts = factsOf(ground.events, ground.samples, path);
  ground.facts.set(key, facts);
  return facts;
}

// ---------------------------------------------------------------- fields

interface Asked {
  rule: CompiledRule;
  leaf: Leaf;
  ground: Ground;
  looking: Looking;
}

function leafProblems(asked: Asked): Diagnostic[] {
  const { leaf, ground } = asked;
  const [name = ""] = leaf.path;
  const isData = name === "data" && leaf.path.length > 1;
  if (leaf.absent || !(isData || (ATTRIBUTES.has(name) && leaf.path.length === 1))) return [];
  const facts = factsAt(leaf.path, asked);
  if (facts === undefined) return [];
  if (facts.valued > 0) return valueProblems(asked, facts);
  if (facts.unclear) return [];
  if (!isData) return ground.isWell && ground.isShown ? [missing(asked, undefined)] : [];
  const problem = mapping(asked, facts) ?? blocked(asked, facts) ?? misnamed(asked, facts);
  return problem === undefined ? [] : [problem];
}

/** Only a mapping was ever seen there. One that may be null is asked for rightly. */
function mapping({ leaf, ground }: Asked, { keys }: Facts): Diagnostic | undefined {
  const takesNull = leaf.alternatives.some(({ test }) => test(null));
  if (keys.size === 0 || !ground.isExact || (takesNull && !ground.isWell)) return undefined;
  const message = `"${leaf.path.join(".")}" is a mapping and no value in ${all(ground)}; name a field in it: ${listed([...keys], "or")}`;
  return { code: "SB0313", severity: "warning", message, path: leaf.at };
}

/** A value stands where the path goes on. */
function blocked(
  { leaf, ground }: Asked,
  { blocked: count, blockedBy, missing: part, siblings }: Facts,
): Diagnostic | undefined {
  if (blockedBy === undefined || !ground.isExact || count < ground.events.length) return undefined;
  if (siblings.size > 0 && part >= blockedBy.part) return undefined;
  const holder = leaf.path.slice(0, blockedBy.part).join(".");
  const message = `"${holder}" is ${typeName(blockedBy.kind)} in ${all(ground)} and has no field "${leaf.path[blockedBy.part]}"`;
  return { code: "SB0313", severity: "warning", message, path: keyOf(leaf, blockedBy.part).at, atKey: true };
}

function misnamed(asked: Asked, { missing: part, siblings }: Facts): Diagnostic | undefined {
  const { leaf, ground } = asked;
  const wrong = leaf.path[part] ?? "";
  const leads = (...parts: readonly string[]) =>
    (factsAt([...leaf.path.slice(0, part), ...parts, ...leaf.path.slice(part + 1)], asked)?.valued ?? 0) > 0;
  const slip = [...siblings].find((each) => isSlip(wrong, each) && leads(each));
  if (slip !== undefined || !ground.isWell)
    return slip === undefined ? undefined : missing(asked, { part, parts: [slip] });
  const near = nearest(wrong, siblings);
  if (near !== undefined && leads(near)) return missing(asked, { part, parts: [near] });
  const above = [...siblings].find((each) => leads(each, wrong));
  return missing(asked, { part, parts: above === undefined ? undefined : [above, wrong] });
}

/** `instead`: what to write for the first part of the path that is missing. */
function missing(
  { leaf, ground }: Asked,
  instead: { part: number; parts: readonly string[] | undefined } | undefined,
): Diagnostic {
  const key = keyOf(leaf, instead?.part ?? 0);
  const field = `"${leaf.path.join(".")}"`;
  const count = ground.events.length;
  const message =
    count === 1 ? `The one known ${typesOf(ground)} event has no ${field}` : `None of ${all(ground)} has ${field}`;
  const problem: Diagnostic = { code: "SB0313", severity: "warning", message, path: key.at, atKey: true };
  if (instead?.parts === undefined) return problem;
  const at = instead.part - key.from;
  return { ...problem, suggestion: key.parts.toSpliced(at, 1, ...instead.parts).join(".") };
}

const typesOf = ({ names }: Ground): string => listed(names, "or");

function all(ground: Ground): string {
  const count = ground.events.length;
  return count === 1 ? `the one known ${typesOf(ground)} event` : `the ${count} known ${typesOf(ground)} events`;
}

// ---------------------------------------------------------------- values

function valueProblems(asked: Asked, facts: Facts): Diagnostic[] {
  const { leaf, ground } = asked;
  if (leaf.path[0] === "data" && ground.isExact && isOfOtherKind(leaf, facts))
    return leaf.alternatives.map((_, i) => otherKind(asked, facts, i));
  if (facts.values.size > VALUES_MAX) return [];
  return leaf.alternatives.flatMap((alternative, i): Diagnostic[] => {
    const { want, exact } = alternative;
    if (!exact || typeof want !== "string" || facts.values.has(want)) return [];
    const meant = facts.recorded >= RECORDED_MIN ? slipOf(want, leaf.alternatives, facts) : undefined;
    if (meant === undefined && !isPartOfType(asked, facts)) return [];
    const values = [...facts.values].map(quoted);
    const message = `${quoted(want)} is never the value of "${leaf.path.join(".")}": in ${all(ground)} it is ${listed(values, "or")}`;
    const problem: Diagnostic = {
      code: "SB0314",
      severity: "warning",
      message,
      path: alternativeAt(asked.rule, leaf, i),
    };
    return [meant === undefined ? problem : { ...problem, suggestion: meant }];
  });
}

/** A value that is there and was probably meant; none when the rule takes that one as well. */
function slipOf(want: string, alternatives: readonly Alternative[], { values }: Facts): string | undefined {
  const isTaken = (value: string) => alternatives.some((each) => !each.absent && each.test(value));
  return [...values].find((value) => typeof value === "string" && isSlip(want, value) && !isTaken(value)) as
    | string
    | undefined;
}

/** Whether the field is what the type's last word is made of: then it is always that. */
function isPartOfType({ leaf, ground }: Asked, { values, recorded }: Facts): boolean {
  const [name = "", second] = ground.names;
  if (second !== undefined || name.endsWith("*") || values.size !== 1 || !name.includes(".")) return false;
  if (recorded < RECORDED_MIN && leaf.path.length !== 2) return false;
  return leaf.path[0] === "data" && values.has(name.slice(name.lastIndexOf(".") + 1));
}

/** Every alternative asks for a text where all values are numbers, or so. */
function isOfOtherKind({ alternatives }: Leaf, { kinds }: Facts): boolean {
  if (kinds.size === 0) return false;
  return alternatives.every((each) => !each.test(null) && !shapeOf(each).kinds.some((kind) => kinds.has(kind)));
}

function otherKind({ rule, leaf, ground }: Asked, { kinds }: Facts, index: number): Diagnostic {
  const alternative = leaf.alternatives[index] as Alternative;
  const path: Path = alternativeAt(rule, leaf, index);
  const is = [...kinds].map(typeName).join(" or ");
  const wanted = shapeOf(alternative).kinds.map(typeName).join(" or ");
  const what = alternative.exact
    ? `${quoted(alternative.want)} is ${wanted}`
    : `${alternative.op} is met by ${wanted} only`;
  const message = `"${leaf.path.join(".")}" is ${is} in ${all(ground)} and ${what}`;
  const suggestion = alternative.exact ? sameLetters(alternative.want, kinds) : undefined;
  const problem: Diagnostic = { code: "SB0314", severity: "warning", message, path };
  return suggestion === undefined ? problem : { ...problem, suggestion };
}

/** The value with or without quotes. */
function sameLetters(want: unknown, kinds: ReadonlySet<string>): string | undefined {
  if (typeof want !== "string") return kinds.has("string") && typeof want === "boolean" ? `"${want}"` : undefined;
  if (kinds.has("boolean")) return want === "true" || want === "false" ? want : undefined;
  return kinds.has("number") && /^(?:0|[1-9]\d{0,14})$/.test(want) ? want : undefined;
}
