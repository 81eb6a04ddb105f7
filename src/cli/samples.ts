/** Samples of requests: found by name, changed by path, signed as the sender signs them. */
import type { Config, SourceEntry } from "../config/config.ts";
import { messageOf, nearest, SignalboxError } from "../errors.ts";
import { isObject, type Json, type JsonObject, parseJsonText } from "../model.ts";
import type { EventDraft, Provider, RawRequest, Sample, Source, SourceConfig, Webhook } from "../ports/provider.ts";
import { usage } from "./command.ts";

export type Flaw = "unsigned" | "bad-signature" | "stale";

/** A request to the ingest listener, ready to be sent. */
export interface SampleRequest {
  path: string;
  headers: Record<string, string>;
  body: string;
}

/** Longer than the tolerance of every signature scheme. */
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
  for (const { name: provider, source } of providers.values()) {
    if (source?.kind === "feed" && Object.hasOwn(source.events, name))
      throw usage(`"${name}" comes from the feed "${provider}", which takes no requests, so there is nothing to send`);
  }
  const sampleTypes = [...providers.values()].flatMap(({ source }) =>
    source?.kind === "webhook" ? sampleNames(source) : [],
  );
  const near = nearest(name, sampleTypes) ?? sampleTypes.find((one) => one.startsWith(`${name}.`));
  const advice = near ? `did you mean "${near}"?` : "signalbox send --list shows them";
  throw new SignalboxError("SB0905", `There is no sample "${name}"; ${advice}`);
}

/** Names of the samples of a source. */
export function sampleNames(source: Source | undefined): string[] {
  return Object.entries(source?.events ?? {}).flatMap(([name, { sample }]) => (sample ? [name] : []));
}

/** The named source, or the only one of the provider; SB0901 when there are several, SB0905 for an unknown name. */
export function sourceFor(config: Config, sourceName: string | undefined, provider?: string): SourceEntry {
  const ofProvider = config.sources.filter((entry) => provider === undefined || entry.config.provider === provider);
  const sources =
    sourceName === undefined ? ofProvider : config.sources.filter((entry) => entry.config.name === sourceName);
  const [only, second] = sources;
  if (only && !second && (provider === undefined || only.config.provider === provider)) return only;
  if (only && !second)
    throw usage(`The source "${sourceName}" is of the provider "${only.config.provider}", not "${provider}"`);
  const names = config.sources.map((entry) => entry.config.name).join(", ") || "none";
  if (sourceName !== undefined)
    throw new SignalboxError("SB0905", `There is no source "${sourceName}"; there are: ${names}`);
  if (!only) throw usage(`No source of signalbox.yaml is of the provider "${provider}"; there are: ${names}`);
  throw usage(`Say which with --source: ${sources.map((entry) => entry.config.name).join(", ")}`);
}

/** The body with `path=value` set; `data.` at the start is optional. The value is JSON, otherwise text. */
export function withChange(body: JsonObject, change: string): JsonObject {
  return withValueAt(body, pathIn(body, change), valueIn(change.slice(change.indexOf("=") + 1))) as JsonObject;
}

function pathIn(body: JsonObject, change: string): string[] {
  const at = change.indexOf("=");
  if (at < 1) throw usage(`--with is "${change}", write path=value such as number=7`);
  const writtenPath = change.slice(0, at).split(".");
  const path =
    writtenPath[0] === "data" && writtenPath.length > 1 && !Object.hasOwn(body, "data")
      ? writtenPath.slice(1)
      : writtenPath;
  if (path.length > DEPTH_MAX) throw usage(`--with "${change}" goes deeper than ${DEPTH_MAX} levels`);
  return path;
}

/** Why a change probably has no effect: the sample does not have its path. undefined = it has. */
export function strayChangeProblem(body: JsonObject, change: string): string | undefined {
  const path = pathIn(body, change);
  const paths = pathsIn(body);
  const dottedPath = path.join(".");
  if (paths.includes(dottedPath)) return undefined;
  const deeper = paths.filter((one) => one.endsWith(`.${dottedPath}`)).toSorted((a, b) => a.length - b.length);
  const suggestion = deeper[0] ?? paths.find((one) => isMisspelt(path, one.split(".")));
  const parent = path.slice(0, -1).join(".");
  // A new field in an existing object is probably intended.
  if (suggestion === undefined && parent !== "" && paths.includes(parent)) return undefined;
  return `the sample has no \`${dottedPath}\`${suggestion === undefined ? "; it is added" : `; did you mean \`${suggestion}\`?`}`;
}

/** Whether the paths differ in one key, and that key resembles the other. */
function isMisspelt(path: readonly string[], otherPath: readonly string[]): boolean {
  if (path.length !== otherPath.length) return false;
  const [wrong, second] = path.flatMap((key, i) => (key === otherPath[i] ? [] : [i]));
  if (wrong === undefined || second !== undefined || /^\d+$/.test(path[wrong] ?? "")) return false;
  return nearest(path[wrong] ?? "", [otherPath[wrong] ?? ""]) !== undefined;
}

/** Every dotted path in the value. */
function pathsIn(value: Json, prefix = ""): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, member]) => {
    const path = `${prefix}${key}`;
    return [path, ...pathsIn(member, `${path}.`)];
  });
}

function withValueAt(parent: Json | undefined, [key, ...rest]: readonly string[], value: Json): Json {
  if (key === undefined) return value;
  if (Array.isArray(parent) && /^\d+$/.test(key)) {
    const index = Math.min(Number(key), parent.length);
    return parent.with(index === parent.length ? -1 : index, withValueAt(parent[index], rest, value));
  }
  const object = isObject(parent) ? parent : {};
  return { ...object, [key]: withValueAt(object[key], rest, value) };
}

function valueIn(text: string): Json {
  try {
    return parseJsonText(text).value;
  } catch {
    return text;
  }
}

/** The request as the sender makes it at that time, or with one flaw. SB0901 when the source cannot do that. */
export function buildRequest(
  { source, entry, sample }: { source: Webhook; entry: SourceEntry; sample: Sample },
  nowMs: number,
  flaw?: Flaw,
): SampleRequest {
  const { config, paths } = entry;
  const body = JSON.stringify(sample.body);
  const path = paths[0] ?? `/hooks/${config.name}`;
  if (flaw === "unsigned") return { path, headers: sample.headers, body };
  const signed = signedHeaders(source, sample, flaw === "bad-signature" ? otherSecret(config) : config, nowMs);
  if (flaw !== "stale") return { path, headers: { ...sample.headers, ...signed }, body };
  const old = signedHeaders(source, sample, config, nowMs - STALE_MS);
  const delivery = deliveryIdHeader(source, config, { headers: { ...sample.headers, ...signed }, body });
  const proof = (headers: Record<string, string>) => JSON.stringify({ ...headers, [delivery ?? ""]: "" });
  if (proof(old) === proof(signed)) throw usage(`Signatures of ${config.provider} hold no time, so none can be stale`);
  return { path, headers: { ...sample.headers, ...old }, body };
}

function signedHeaders(source: Webhook, sample: Sample, config: SourceConfig, nowMs: number): Record<string, string> {
  if (!source.sign) throw usage(`Requests of ${config.provider} can only be signed by ${config.provider} itself`);
  try {
    return source.sign(sample, config, nowMs);
  } catch (error) {
    throw usage(messageOf(error));
  }
}

/** The settings with other secrets of the same form. */
function otherSecret(config: SourceConfig): SourceConfig {
  const wrong = (secret: string) =>
    secret.replace(/[A-Za-z0-9](?=[^A-Za-z0-9]*$)/, (last) => (last === "A" ? "B" : "A"));
  const secrets = config.secrets.map((secret) => wrong(secret));
  const isUnchanged = secrets.every((secret, i) => secret === config.secrets[i]);
  return { ...config, secrets: isUnchanged ? config.secrets.map((secret) => `${secret}x`) : secrets };
}

/** The header that holds the sender's delivery id, if there is one. */
export function deliveryIdHeader(
  source: Webhook,
  config: SourceConfig,
  { headers, body }: Pick<SampleRequest, "headers" | "body">,
): string | undefined {
  const delivery = draftOf(source, config, { headers, body })?.delivery;
  if (delivery === undefined) return undefined;
  return Object.entries(headers).find(([, value]) => value === delivery)?.[0];
}

/** The event that the source makes of a request, without verifying the signature; undefined when it makes none. */
export function draftOf(
  source: Webhook,
  config: SourceConfig,
  { headers, body }: Pick<SampleRequest, "headers" | "body">,
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
