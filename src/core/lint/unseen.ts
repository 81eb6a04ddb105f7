/**
 * Fields and values that no known event has. Samples and recorded events do not show all that a sender may send, and rules are often
 * written for rare events. So a missing field gives a warning only when enough recorded events lack it or a similar name is there, and a
 * value only when it is similar to one that is there, of another kind than all of them, or contradicts the event's type.
 */
import { type Diagnostic, nearest, newWarning, type Path } from "../../errors.ts";
import type { Event } from "../../model.ts";
import type { Alternative } from "../match/operators.ts";
import type { All, Leaf } from "../match/pattern.ts";
import type { CompiledRule } from "../match/rules.ts";
import { selectorNames } from "../match/selector.ts";
import { quoted, typeName } from "../words.ts";
import { type Facts, factsOf, VALUES_MAX } from "./facts.ts";
import type { RuleDiagnostic } from "./lint.ts";
import { acceptedBy } from "./shapes.ts";
import { alternativeAt, isSlip, keyOf, listed } from "./written.ts";

export interface KnownEvents {
  /** What providers show of their senders. */
  samples: readonly Event[];
  /** What was received. */
  recorded: readonly Event[];
}

/** With fewer recorded events of a type nothing is concluded from them. */
const RECORDED_MIN = 20;
/** Events read for all fields together; past it the remaining fields are not looked at, so that `check` stays fast. */
const LOOKS_MAX = 1_000_000;
/** Attributes that a type of event always has or never has; others differ from event to event. */
const ATTRIBUTES: ReadonlySet<string> = new Set([
  "repo",
  "branch",
  "isDefaultBranch",
  "sha",
  "number",
  "title",
  "actor",
  "url",
  "status",
]);

/** SB0313 and SB0314 by what is known of events, in the order of the rules; paths start at the rule. */
export function unseen(rules: readonly CompiledRule[], known: KnownEvents): RuleDiagnostic[] {
  const pass: UnseenPass = { byType: byType(known), groupsByNames: new Map(), looksLeft: LOOKS_MAX };
  return rules.flatMap((rule) => {
    const group = rule.pattern === undefined ? undefined : eventGroupFor(rule, pass);
    if (group === undefined || rule.pattern === undefined) return [];
    const diagnostics = leavesOf(rule.pattern.written).flatMap((leaf) => leafDiagnostics({ rule, leaf, group, pass }));
    return diagnostics.map((diagnostic) => ({
      rule,
      diagnostic: { ...diagnostic, path: ["match", ...(diagnostic.path ?? [])] },
    }));
  });
}

function leavesOf(all: All): Leaf[] {
  return all.children.flatMap((child) => (child.kind === "leaf" ? [child] : child.children.flatMap(leavesOf)));
}

// ---------------------------------------------------------------- what is known of the events of a rule

interface UnseenPass {
  byType: ReadonlyMap<string, { samples: Event[]; recorded: Event[] }>;
  groupsByNames: Map<string, EventGroup | undefined>;
  looksLeft: number;
}

/** The known events that a rule selects. */
interface EventGroup {
  /** The event types as the rule names them. */
  names: readonly string[];
  /** Samples first. */
  events: readonly Event[];
  samples: number;
  /** True without a prefix among the selectors: a prefix may select a type that was never seen. */
  namesEachType: boolean;
  /** True when, besides, there are enough recorded events of every type. */
  hasEnoughRecorded: boolean;
  /** True when there is a sample of every type. */
  hasSamples: boolean;
  facts: Map<string, Facts>;
}

function byType({ samples, recorded }: KnownEvents): UnseenPass["byType"] {
  const types = new Map<string, { samples: Event[]; recorded: Event[] }>();
  const of = ({ type }: Event) => {
    const existing = types.get(type) ?? { samples: [], recorded: [] };
    types.set(type, existing);
    return existing;
  };
  for (const event of samples) of(event).samples.push(event);
  for (const event of recorded) of(event).recorded.push(event);
  return types;
}

/** Undefined when no event is known for one of the rule's selectors, or when the rule selects `*`. */
function eventGroupFor(
  { rule }: CompiledRule,
  { byType: types, groupsByNames: grounds }: UnseenPass,
): EventGroup | undefined {
  const names = selectorNames(rule.event);
  if (names.includes("*")) return undefined;
  const key = JSON.stringify(names);
  if (!grounds.has(key)) grounds.set(key, newEventGroup(names, types));
  return grounds.get(key);
}

function newEventGroup(names: readonly string[], types: UnseenPass["byType"]): EventGroup | undefined {
  const eventsByType = new Map<string, { samples: Event[]; recorded: Event[] }>();
  for (const name of names) {
    const matchingTypes = [...types].filter(([type]) =>
      name.endsWith("*") ? type.startsWith(name.slice(0, -1)) : type === name,
    );
    if (matchingTypes.length === 0) return undefined;
    for (const [type, events] of matchingTypes) eventsByType.set(type, events);
  }
  const all = [...eventsByType.values()];
  const samples = all.flatMap((each) => each.samples);
  const isExact = !names.some((name) => name.endsWith("*"));
  return {
    names,
    events: [...samples, ...all.flatMap(({ recorded }) => recorded)],
    samples: samples.length,
    namesEachType: isExact,
    hasEnoughRecorded: isExact && all.every(({ recorded }) => recorded.length >= RECORDED_MIN),
    hasSamples: all.every((each) => each.samples.length > 0),
    facts: new Map(),
  };
}

function factsAt(
  path: readonly string[],
  { group: ground, pass: looking }: Pick<LeafQuery, "group" | "pass">,
): Facts | undefined {
  const key = path.join("\n");
  const cached = ground.facts.get(key);
  if (cached !== undefined) return cached;
  looking.looksLeft -= ground.events.length;
  if (looking.looksLeft < 0) return undefined;
  const facts = factsOf(ground.events, ground.samples, path);
  ground.facts.set(key, facts);
  return facts;
}

// ---------------------------------------------------------------- fields

interface LeafQuery {
  rule: CompiledRule;
  leaf: Leaf;
  group: EventGroup;
  pass: UnseenPass;
}

function leafDiagnostics(query: LeafQuery): Diagnostic[] {
  const { leaf, group: ground } = query;
  const [name = ""] = leaf.fieldPath;
  const isData = name === "data" && leaf.fieldPath.length > 1;
  if (leaf.absent || !(isData || (ATTRIBUTES.has(name) && leaf.fieldPath.length === 1))) return [];
  const facts = factsAt(leaf.fieldPath, query);
  if (facts === undefined) return [];
  if (facts.valued > 0) return valueDiagnostics(query, facts);
  if (facts.unclear) return [];
  if (!isData) return ground.hasEnoughRecorded && ground.hasSamples ? [missing(query, undefined)] : [];
  const diagnostic = mapping(query, facts) ?? blocked(query, facts) ?? misnamed(query, facts);
  return diagnostic === undefined ? [] : [diagnostic];
}

/** Only mappings are known there. A condition that null meets may be meant for their absence. */
function mapping({ leaf, group: ground }: LeafQuery, { keys }: Facts): Diagnostic | undefined {
  const takesNull = leaf.alternatives.some(({ test }) => test(null));
  if (keys.size === 0 || !ground.namesEachType || (takesNull && !ground.hasEnoughRecorded)) return undefined;
  const message = `"${leaf.fieldPath.join(".")}" is a mapping and no value in ${all(ground)}; name a field in it: ${listed([...keys], "or")}`;
  return newWarning("SB0313", message, { path: leaf.patternPath });
}

/** A value is where the path names a mapping. */
function blocked(
  { leaf, group: ground }: LeafQuery,
  { blocked: count, blockedBy, missing: part, siblings }: Facts,
): Diagnostic | undefined {
  if (blockedBy === undefined || !ground.namesEachType || count < ground.events.length) return undefined;
  if (siblings.size > 0 && part >= blockedBy.part) return undefined;
  const parent = leaf.fieldPath.slice(0, blockedBy.part).join(".");
  const message = `"${parent}" is ${typeName(blockedBy.kind)} in ${all(ground)} and has no field "${leaf.fieldPath[blockedBy.part]}"`;
  return newWarning("SB0313", message, { path: keyOf(leaf, blockedBy.part).at, atKey: true });
}

function misnamed(query: LeafQuery, { missing: part, siblings }: Facts): Diagnostic | undefined {
  const { leaf, group: ground } = query;
  const wrong = leaf.fieldPath[part] ?? "";
  const leads = (...parts: readonly string[]) =>
    (factsAt([...leaf.fieldPath.slice(0, part), ...parts, ...leaf.fieldPath.slice(part + 1)], query)?.valued ?? 0) > 0;
  const slip = [...siblings].find((each) => isSlip(wrong, each) && leads(each));
  if (slip !== undefined || !ground.hasEnoughRecorded)
    return slip === undefined ? undefined : missing(query, { part, parts: [slip] });
  const near = nearest(wrong, siblings);
  if (near !== undefined && leads(near)) return missing(query, { part, parts: [near] });
  const above = [...siblings].find((each) => leads(each, wrong));
  return missing(query, { part, parts: above === undefined ? undefined : [above, wrong] });
}

/** `instead`: what to write for the first part of the path that is missing. */
function missing(
  { leaf, group: ground }: LeafQuery,
  instead: { part: number; parts: readonly string[] | undefined } | undefined,
): Diagnostic {
  const key = keyOf(leaf, instead?.part ?? 0);
  const field = `"${leaf.fieldPath.join(".")}"`;
  const count = ground.events.length;
  const message =
    count === 1 ? `The one known ${typesOf(ground)} event has no ${field}` : `None of ${all(ground)} has ${field}`;
  const diagnostic: Diagnostic = newWarning("SB0313", message, { path: key.at, atKey: true });
  if (instead?.parts === undefined) return diagnostic;
  const at = instead.part - key.from;
  return { ...diagnostic, suggestion: key.parts.toSpliced(at, 1, ...instead.parts).join(".") };
}

const typesOf = ({ names }: EventGroup): string => listed(names, "or");

function all(group: EventGroup): string {
  const count = group.events.length;
  return count === 1 ? `the one known ${typesOf(group)} event` : `the ${count} known ${typesOf(group)} events`;
}

// ---------------------------------------------------------------- values

function valueDiagnostics(query: LeafQuery, facts: Facts): Diagnostic[] {
  const { leaf, group: ground } = query;
  if (leaf.fieldPath[0] === "data" && ground.namesEachType && isOfOtherKind(leaf, facts))
    return leaf.alternatives.map((_, i) => otherKind(query, facts, i));
  if (facts.values.size > VALUES_MAX) return [];
  return leaf.alternatives.flatMap((alternative, i): Diagnostic[] => {
    const { want, exact } = alternative;
    if (!exact || typeof want !== "string" || facts.values.has(want)) return [];
    const suggestion = facts.recorded >= RECORDED_MIN ? slipOf(want, leaf.alternatives, facts) : undefined;
    if (suggestion === undefined && !isPartOfType(query, facts)) return [];
    const values = [...facts.values].map(quoted);
    const message = `${quoted(want)} is never the value of "${leaf.fieldPath.join(".")}": in ${all(ground)} it is ${listed(values, "or")}`;
    return [newWarning("SB0314", message, { path: alternativeAt(query.rule, leaf, i), suggestion })];
  });
}

/** A known value that was probably meant; undefined when the rule accepts that one as well. */
function slipOf(want: string, alternatives: readonly Alternative[], { values }: Facts): string | undefined {
  const isTaken = (value: string) => alternatives.some((each) => !each.absent && each.test(value));
  return [...values].find((value) => typeof value === "string" && isSlip(want, value) && !isTaken(value)) as
    | string
    | undefined;
}

/** Whether the field is what the type's last word is made of: then it is always that. */
function isPartOfType({ leaf, group: ground }: LeafQuery, { values, recorded }: Facts): boolean {
  const [name = "", second] = ground.names;
  if (second !== undefined || name.endsWith("*") || values.size !== 1 || !name.includes(".")) return false;
  if (recorded < RECORDED_MIN && leaf.fieldPath.length !== 2) return false;
  return leaf.fieldPath[0] === "data" && values.has(name.slice(name.lastIndexOf(".") + 1));
}

/** Every alternative accepts only another kind of value than those that are known. */
function isOfOtherKind({ alternatives }: Leaf, { kinds }: Facts): boolean {
  if (kinds.size === 0) return false;
  return alternatives.every((each) => !each.test(null) && !acceptedBy(each).kinds.some((kind) => kinds.has(kind)));
}

function otherKind({ rule, leaf, group: ground }: LeafQuery, { kinds }: Facts, index: number): Diagnostic {
  const alternative = leaf.alternatives[index] as Alternative;
  const path: Path = alternativeAt(rule, leaf, index);
  const is = [...kinds].map(typeName).join(" or ");
  const accepted = acceptedBy(alternative).kinds.map(typeName).join(" or ");
  const what = alternative.exact
    ? `${quoted(alternative.want)} is ${accepted}`
    : `${alternative.op} is met by ${accepted} only`;
  const message = `"${leaf.fieldPath.join(".")}" is ${is} in ${all(ground)} and ${what}`;
  const suggestion = alternative.exact ? sameLetters(alternative.want, kinds) : undefined;
  return newWarning("SB0314", message, { path, suggestion });
}

/** The value with or without quotes. */
function sameLetters(want: unknown, kinds: ReadonlySet<string>): string | undefined {
  if (typeof want !== "string") return kinds.has("string") && typeof want === "boolean" ? `"${want}"` : undefined;
  if (kinds.has("boolean")) return want === "true" || want === "false" ? want : undefined;
  return kinds.has("number") && /^(?:0|[1-9]\d{0,14})$/.test(want) ? want : undefined;
}
