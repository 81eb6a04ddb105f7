/** What known events hold at a field, read as patterns read it: lists are looked into, lists inside lists as well. */
import { type Event, eventAsJson, type Json } from "../../model.ts";
import { typeOf } from "../words.ts";

/** A field with more different values than this is no choice among a few. */
export const VALUES_MAX = 20;

export interface Facts {
  /** Values, `null` included; one more than VALUES_MAX at most. */
  values: Set<Json>;
  /** JSON types of the values but `null`. */
  kinds: Set<string>;
  /** Events with a value there, and how many of those were recorded. */
  valued: number;
  recorded: number;
  /** Keys of mappings that are there instead of a value. */
  keys: Set<string>;
  /** Whether some event holds null, or an empty list or mapping, there or on the way: then other values may come. */
  unclear: boolean;
  /** Events that hold a value on the way, where the path needs a mapping, and the kind of that value. */
  blocked: number;
  blockedBy: { part: number; kind: string } | undefined;
  /** The first part of the path that is missing, where events lead furthest, and the keys beside it. */
  missing: number;
  siblings: Set<string>;
}

/** The first `samples` of the events are not recorded ones. */
export function factsOf(events: readonly Event[], samples: number, path: readonly string[]): Facts {
  const facts: Facts = {
    values: new Set(),
    kinds: new Set(),
    valued: 0,
    recorded: 0,
    keys: new Set(),
    unclear: false,
    blocked: 0,
    blockedBy: undefined,
    missing: 0,
    siblings: new Set(),
  };
  for (const [position, event] of events.entries()) {
    const met: EventFacts = { valued: false, blocked: false };
    collectFacts(eventAsJson(event), 0, { path, facts, met });
    if (met.valued) facts.valued += 1;
    if (met.valued && position >= samples) facts.recorded += 1;
    if (met.blocked) facts.blocked += 1;
  }
  return facts;
}

interface EventFacts {
  valued: boolean;
  blocked: boolean;
}

interface FactsPass {
  path: readonly string[];
  facts: Facts;
  /** What this event turned out to have. */
  met: EventFacts;
}

function collectFacts(value: Json, part: number, pass: FactsPass): void {
  const { path, facts, met } = pass;
  if (Array.isArray(value)) {
    if (value.length === 0) facts.unclear = true;
    for (const element of value) collectFacts(element, part, pass);
  } else if (typeof value === "object" && value !== null) lookInside(value, part, pass);
  else if (part === path.length) {
    met.valued = true;
    if (facts.values.size <= VALUES_MAX) facts.values.add(value);
    if (value !== null) facts.kinds.add(typeOf(value));
  } else if (value === null) facts.unclear = true;
  else {
    met.blocked = true;
    facts.blockedBy = { part, kind: typeOf(value) };
  }
}

function lookInside(value: { readonly [key: string]: Json }, part: number, pass: FactsPass): void {
  const { path, facts } = pass;
  const keys = Object.keys(value);
  if (keys.length === 0) facts.unclear = true;
  const key = path[part];
  if (key === undefined) for (const each of keys) facts.keys.add(each);
  else if (Object.hasOwn(value, key) && value[key] !== undefined) collectFacts(value[key], part + 1, pass);
  else if (part >= facts.missing) {
    if (part > facts.missing) facts.siblings = new Set();
    facts.missing = part;
    for (const each of keys) facts.siblings.add(each);
  }
}
