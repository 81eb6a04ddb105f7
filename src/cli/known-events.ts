/** Events that are known of a project: the samples of the providers, and what was recorded on this machine. Without network and secrets. */
import type { Config } from "../config/config.ts";
import type { KnownEvents } from "../core/lint/unseen.ts";
import type { CompiledRule } from "../core/match/rules.ts";
import { selectorNames } from "../core/match/selector.ts";
import type { Event, Json } from "../model.ts";
import type { Provider, Sample, Source, Webhook } from "../ports/provider.ts";
import { peekEvents } from "../store/sqlite/peek.ts";
import { draftOf } from "./samples.ts";

const EVENTS_PER_TYPE = 200;
/** A quarter of a second of reading. */
const BYTES_MAX = 16 * 1024 * 1024;

export function knownEvents(
  rules: readonly CompiledRule[],
  config: Config,
  providers: ReadonlyMap<string, Provider>,
): KnownEvents {
  const all = [...providers].flatMap(([name, { source }]) => (source === undefined ? [] : samplesOf(name, source)));
  return {
    samples: all.flatMap(({ event }) => event ?? []),
    recorded: recordedEvents(
      rules,
      config,
      all.map(({ sample }) => sample.body),
    ),
  };
}

interface Shown {
  sample: Sample;
  /** What the source makes of it; none where it shows nothing of the events that really come. */
  event?: Event;
}

function samplesOf(provider: string, source: Source): Shown[] {
  return Object.values(source.events).flatMap(({ sample: make }): Shown[] => {
    if (make === undefined) return [];
    const sample = make();
    const event = source.kind === "webhook" && hasOwnForm(source) ? eventOf(provider, source, sample) : undefined;
    return [event === undefined ? { sample } : { sample, event }];
  });
}

/** Where the configuration names the type of events, the payload is anybody's, and a sample of it is only an example. */
function hasOwnForm({ settings }: Source): boolean {
  return !Object.hasOwn((settings as { properties?: object }).properties ?? {}, "type");
}

function eventOf(provider: string, source: Webhook, { headers, body }: Sample): Event | undefined {
  const config = { name: provider, provider, secrets: [], settings: {} };
  try {
    const draft = draftOf(source, config, { headers, body: JSON.stringify(body) });
    return draft && { id: "", source: provider, time: "", receivedAt: "", ...draft };
  } catch {
    // A source whose settings cannot be left out has no sample that would hold for all of them.
    return undefined;
  }
}

function recordedEvents(rules: readonly CompiledRule[], { store, sources }: Config, samples: readonly Json[]): Event[] {
  if (store.kind !== "sqlite") return [];
  const asked = new Set(rules.flatMap(({ pattern, rule }) => (pattern === undefined ? [] : selectorNames(rule.event))));
  const prefixes = [...asked].filter((name) => name.endsWith(".*")).map((name) => name.slice(0, -1));
  const events = peekEvents(store.path, {
    wants: (type) => asked.has(type) || prefixes.some((prefix) => type.startsWith(prefix)),
    perType: EVENTS_PER_TYPE,
    bytes: BYTES_MAX,
  });
  // Our own events hold what the files say, which may just have been changed; and a sample that was sent shows no more than a sample.
  const names = new Set(sources.map(({ config }) => config.name));
  return events.filter(({ source, data }) => names.has(source) && !samples.some((sample) => isPartOf(data, sample)));
}

/** Whether a value holds no field that the other does not hold. */
function isPartOf(value: Json, whole: Json): boolean {
  if (Array.isArray(value)) {
    const wholes = Array.isArray(whole) ? whole : [];
    return value.every((element) => !isHolder(element) || wholes.some((each) => isPartOf(element, each)));
  }
  if (!isHolder(value)) return true;
  if (!isHolder(whole) || Array.isArray(whole)) return false;
  return Object.entries(value).every(
    ([key, member]) => Object.hasOwn(whole, key) && isPartOf(member, whole[key] ?? null),
  );
}

const isHolder = (value: Json): value is Json[] | { [key: string]: Json } =>
  typeof value === "object" && value !== null;
