/** Known events of a project: samples of the providers, and events recorded on this machine. Without network and secrets. */
import type { Config } from "../config/config.ts";
import type { KnownEvents } from "../core/lint/unseen.ts";
import type { CompiledRule } from "../core/match/rules.ts";
import { selectorNames } from "../core/match/selector.ts";
import type { Event, Json } from "../model.ts";
import type { Provider, Sample, Source, Webhook } from "../ports/provider.ts";
import { peekEvents } from "../store/sqlite/peek.ts";
import { draftOf } from "./samples.ts";

const EVENTS_PER_TYPE = 200;
/** Read in about a quarter of a second. */
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

interface KnownSample {
  sample: Sample;
  /** The event that the source makes of the sample; absent when it says nothing about real events. */
  event?: Event;
}

function samplesOf(provider: string, source: Source): KnownSample[] {
  return Object.values(source.events).flatMap(({ sample: make }): KnownSample[] => {
    if (make === undefined) return [];
    const sample = make();
    const event = source.kind === "webhook" && hasFixedTypes(source) ? eventOf(provider, source, sample) : undefined;
    return [event === undefined ? { sample } : { sample, event }];
  });
}

/** False when the settings decide the event type: then payloads have any form and the sample proves nothing. */
function hasFixedTypes({ settings }: Source): boolean {
  return !Object.hasOwn((settings as { properties?: object }).properties ?? {}, "type");
}

function eventOf(provider: string, source: Webhook, { headers, body }: Sample): Event | undefined {
  const config = { name: provider, provider, secrets: [], settings: {} };
  try {
    const draft = draftOf(source, config, { headers, body: JSON.stringify(body) });
    return draft && { id: "", source: provider, time: "", receivedAt: "", ...draft };
  } catch {
    // A source with required settings has no sample that is right for all of them.
    return undefined;
  }
}

function recordedEvents(rules: readonly CompiledRule[], { store, sources }: Config, samples: readonly Json[]): Event[] {
  if (store.kind !== "sqlite") return [];
  const selectedNames = new Set(
    rules.flatMap(({ pattern, rule }) => (pattern === undefined ? [] : selectorNames(rule.event))),
  );
  const prefixes = [...selectedNames].filter((name) => name.endsWith(".*")).map((name) => name.slice(0, -1));
  const events = peekEvents(store.path, {
    wants: (type) => selectedNames.has(type) || prefixes.some((prefix) => type.startsWith(prefix)),
    perType: EVENTS_PER_TYPE,
    bytes: BYTES_MAX,
  });
  // Left out: events of Signalbox itself, whose form follows from the files that may just have changed, and samples that were sent.
  const names = new Set(sources.map(({ config }) => config.name));
  return events.filter(({ source, data }) => names.has(source) && !samples.some((sample) => isPartOf(data, sample)));
}

/** Whether every field of the value is in the other one too. */
function isPartOf(value: Json, whole: Json): boolean {
  if (Array.isArray(value)) {
    const wholes = Array.isArray(whole) ? whole : [];
    return value.every((element) => !isContainer(element) || wholes.some((each) => isPartOf(element, each)));
  }
  if (!isContainer(value)) return true;
  if (!isContainer(whole) || Array.isArray(whole)) return false;
  return Object.entries(value).every(
    ([key, member]) => Object.hasOwn(whole, key) && isPartOf(member, whole[key] ?? null),
  );
}

const isContainer = (value: Json): value is Json[] | { [key: string]: Json } =>
  typeof value === "object" && value !== null;
