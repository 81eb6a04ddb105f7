/** Samples of what providers send: found by name, changed by path, signed as the sender would. */
import type { Config, SourceEntry } from "../config/config.ts";
import { nearest, SignalboxError } from "../errors.ts";
import type { Json, JsonObject } from "../model.ts";
import type { EventDraft, Provider, RawRequest, Sample, Source, SourceConfig, Webhook } from "../ports/provider.ts";
import { usage } from "./command.ts";

export type Spoiling = "unsigned" | "bad-signature" | "stale";

/** A request to the public door, ready to be sent. */
export interface Prepared {
  path: string;
  headers: Record<string, string>;
  body: string;
}

/** Longer than any sender's tolerance. */
const STALE_MS = 24 * 3_600_000;
const DEPTH_MAX = 50;

/** The sample with that name, such as `github.pull_request.merged`; SB0905 with the nearest name when there is none. */
export function findSample(
  providers: ReadonlyMap<string, Provider>,
  name: string,
): { provider: Provider; source: Webhook; sample: Sample } {
  for (const provider of providers.values()) {
    const { source } = provider;
    const sample = source?.events[name]?.sample;
    if (source?.kind === "webhook" && sample) return { provider, source, sample: sample() };
  }
  const known = [...providers.values()].flatMap(({ source }) => sampleNames(source));
  const near = nearest(name, known) ?? known.find((one) => one.startsWith(`${name}.`));
  const advice = near ? `did you mean "${near}"?` : "signalbox send --list shows them";
  throw new SignalboxError("SB0905", `There is no sample "${name}"; ${advice}`);
}

/** Names of the samples of a source. */
export function sampleNames(source: Source | undefined): string[] {
  return Object.entries(source?.events ?? {}).flatMap(([name, { sample }]) => (sample ? [name] : []));
}

/** The configured source that speaks for the provider, or the one that was named; SB0901 when that is not clear. */
export function sourceFor(config: Config, named: string | undefined, provider?: string): SourceEntry {
  const fitting = config.sources.filter((entry) => provider === undefined || entry.config.provider === provider);
  const found = named === undefined ? fitting : config.sources.filter((entry) => entry.config.name === named);
  const [only, second] = found;
  if (only && !second && (provider === undefined || only.config.provider === provider)) return only;
  if (only && !second)
    throw usage(`The source "${named}" is of the provider "${only.config.provider}", not "${provider}"`);
  const names = config.sources.map((entry) => entry.config.name).join(", ") || "none";
  if (named !== undefined) throw new SignalboxError("SB0905", `There is no source "${named}"; there are: ${names}`);
  if (!only) throw usage(`No source of signalbox.yaml is of the provider "${provider}"; there are: ${names}`);
  throw usage(`Say which with --source: ${found.map((entry) => entry.config.name).join(", ")}`);
}

/** `path=value` set inside the body, `data.` in front is optional; the value is JSON, or text when it is none. */
export function changed(body: JsonObject, change: string): JsonObject {
  return put(body, pathIn(body, change), valueIn(change.slice(change.indexOf("=") + 1))) as JsonObject;
}

function pathIn(body: JsonObject, change: string): string[] {
  const at = change.indexOf("=");
  if (at < 1) throw usage(`--with is "${change}", write path=value such as number=7`);
  const written = change.slice(0, at).split(".");
  const path = written[0] === "data" && written.length > 1 && !Object.hasOwn(body, "data") ? written.slice(1) : written;
  if (path.length > DEPTH_MAX) throw usage(`--with "${change}" goes deeper than ${DEPTH_MAX} levels`);
  return path;
}

/** A remark on a change that hits nothing: what it adds is probably read by no rule. */
export function strayChange(body: JsonObject, change: string): string | undefined {
  const path = pathIn(body, change);
  const known = pathsIn(body);
  const written = path.join(".");
  if (known.includes(written)) return undefined;
  const deeper = known.filter((one) => one.endsWith(`.${written}`)).toSorted((a, b) => a.length - b.length);
  const meant = deeper[0] ?? known.find((one) => isMisspelt(path, one.split(".")));
  const parent = path.slice(0, -1).join(".");
  // A field more in an object that is there may well be meant.
  if (meant === undefined && parent !== "" && known.includes(parent)) return undefined;
  return `the sample has no \`${written}\`${meant === undefined ? "; it is added" : `; did you mean \`${meant}\`?`}`;
}

/** One key is nearly another one, the rest is the same. */
function isMisspelt(path: readonly string[], known: readonly string[]): boolean {
  if (path.length !== known.length) return false;
  const [wrong, second] = path.flatMap((key, i) => (key === known[i] ? [] : [i]));
  if (wrong === undefined || second !== undefined || /^\d+$/.test(path[wrong] ?? "")) return false;
  return nearest(path[wrong] ?? "", [known[wrong] ?? ""]) !== undefined;
}

/** Every dotted path that leads to something in the value. */
function pathsIn(value: Json, prefix = ""): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, member]) => {
    const path = `${prefix}${key}`;
    return [path, ...pathsIn(member, `${path}.`)];
  });
}

function put(holder: Json | undefined, [key, ...rest]: readonly string[], value: Json): Json {
  if (key === undefined) return value;
  if (Array.isArray(holder) && /^\d+$/.test(key)) {
    const index = Math.min(Number(key), holder.length);
    return holder.with(index === holder.length ? -1 : index, put(holder[index], rest, value));
  }
  const object = typeof holder === "object" && holder !== null && !Array.isArray(holder) ? holder : {};
  return { ...object, [key]: put(object[key], rest, value) };
}

function valueIn(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}

/** The request as the sender would make it at that time, or spoilt in one way. SB0901 when that cannot be done. */
export function prepare(
  { source, entry, sample }: { source: Webhook; entry: SourceEntry; sample: Sample },
  nowMs: number,
  spoiling?: Spoiling,
): Prepared {
  const { config, paths } = entry;
  const body = JSON.stringify(sample.body);
  const path = paths[0] ?? `/hooks/${config.name}`;
  if (spoiling === "unsigned") return { path, headers: sample.headers, body };
  const signed = signedHeaders(source, sample, spoiling === "bad-signature" ? otherSecret(config) : config, nowMs);
  if (spoiling !== "stale") return { path, headers: { ...sample.headers, ...signed }, body };
  const old = signedHeaders(source, sample, config, nowMs - STALE_MS);
  const delivery = deliveryPlace(source, config, { headers: { ...sample.headers, ...signed }, body });
  const proof = (headers: Record<string, string>) => JSON.stringify({ ...headers, [delivery ?? ""]: "" });
  if (proof(old) === proof(signed)) throw usage(`Signatures of ${config.provider} carry no time, so none can be stale`);
  return { path, headers: { ...sample.headers, ...old }, body };
}

function signedHeaders(source: Webhook, sample: Sample, config: SourceConfig, nowMs: number): Record<string, string> {
  if (!source.sign) throw usage(`Requests of ${config.provider} can only be signed by ${config.provider} itself`);
  try {
    return source.sign(sample, config, nowMs);
  } catch (error) {
    throw usage(error instanceof Error ? error.message : String(error));
  }
}

/** A secret of the same form that is not the right one. */
function otherSecret(config: SourceConfig): SourceConfig {
  const wrong = (secret: string) =>
    secret.replace(/[A-Za-z0-9](?=[^A-Za-z0-9]*$)/, (last) => (last === "A" ? "B" : "A"));
  const secrets = config.secrets.map((secret) => wrong(secret));
  const same = secrets.every((secret, i) => secret === config.secrets[i]);
  return { ...config, secrets: same ? config.secrets.map((secret) => `${secret}x`) : secrets };
}

/** The header that holds the sender's delivery id, if there is one. */
export function deliveryPlace(
  source: Webhook,
  config: SourceConfig,
  { headers, body }: Pick<Prepared, "headers" | "body">,
): string | undefined {
  const delivery = draftOf(source, config, { headers, body })?.delivery;
  if (delivery === undefined) return undefined;
  return Object.entries(headers).find(([, value]) => value === delivery)?.[0];
}

/** What the source makes of a request, without asking for a signature; undefined when it makes no event of it. */
export function draftOf(
  source: Webhook,
  config: SourceConfig,
  { headers, body }: Pick<Prepared, "headers" | "body">,
  nowMs = 0,
): EventDraft | undefined {
  const request: RawRequest = {
    method: "POST",
    path: `/hooks/${config.name}`,
    query: "",
    headers,
    body: Buffer.from(body),
  };
  const normalised = source.normalise(request, config, nowMs);
  return normalised.kind === "events" ? normalised.events[0] : undefined;
}
