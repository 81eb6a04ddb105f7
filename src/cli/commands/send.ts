/** `send`: builds a sample, signs it with the source's own secret and posts it through the public door. */
import { randomUUID } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { Config } from "../../config/config.ts";
import { SignalboxError } from "../../errors.ts";
import type { JsonObject } from "../../model.ts";
import type { Sample } from "../../ports/provider.ts";
import { type CommandBody, numberOf, type Options, textOf, textsOf, usage } from "../command.ts";
import type { Context } from "../context.ts";
import { reasonOf } from "../http-client.ts";
import { hostName, withApi } from "../reach.ts";
import {
  changed,
  deliveryPlace,
  draftOf,
  findSample,
  type Prepared,
  prepare,
  type Spoiling,
  sampleNames,
  sourceFor,
  strayChange,
} from "../samples.ts";
import { screenOf } from "../terminal/describe.ts";
import { EXIT } from "../terminal/failure.ts";
import { aligned, cut, safe } from "../terminal/output.ts";
import { follow, storyLines } from "../terminal/story.ts";

const COUNT_MAX = 10_000;
const HEADER_CHARS_SHOWN = 60;

export const send: CommandBody = {
  about: "server: yes. <what> is an event type with an optional variant, or a JSON file.",
  flags: [
    { flags: "--source <name>", about: "which source's path and secret" },
    { flags: "--type <type>", about: "for a file: the sample whose headers go with it" },
    { flags: "--with <path=value>", about: "changes the payload; may be repeated", repeats: true },
    { flags: "--unsigned", about: "without a signature" },
    { flags: "--bad-signature", about: "signed with another secret" },
    { flags: "--stale", about: "signed yesterday" },
    { flags: "--delivery-id <id>", about: "the sender's delivery id; the same twice is a duplicate" },
    { flags: "--count <n>", about: "how many, each another event" },
    { flags: "--to <url>", about: "the public address, default that of signalbox.yaml" },
    { flags: "--print <form>", about: "print the signed request instead of sending it", choices: ["curl", "http"] },
    { flags: "--wait", about: "until everything it causes is settled" },
    { flags: "--list", about: "the samples there are" },
  ],
  examples: [
    "signalbox send github.pull_request.merged --wait",
    "signalbox send github.pull_request.closed --with pull_request.merged=false --with number=7",
    "signalbox send github.push --bad-signature",
  ],
  async run(context, [what], options) {
    if (options.list === true) return await list(context);
    if (what === undefined) throw usage("Say what to send; signalbox send --list shows the samples");
    const config = await context.config();
    const source = await chosen(context, config, what, options);
    const url = textOf(options, "to") ?? `http://${hostName(config.server.host)}:${config.server.port}`;
    const count = numberOf(options, "count", { min: 1, max: COUNT_MAX, standard: 1 });
    const form = textOf(options, "print");
    const sent: Sent = { context, url, stream: count > 1 };
    remark(context, source, options);
    let code: number = EXIT.done;
    for (let i = 0; i < count; i++) {
      const prepared = build(source, options, context.nowMs() + i);
      code = Math.max(code, form ? print(sent, form, prepared) : await post(sent, prepared));
    }
    return code;
  },
};

/** A change that hits nothing still goes along, but is told. */
function remark(context: Context, { sample }: Chosen, options: Options): void {
  textsOf(options, "with").reduce<JsonObject>((body, change) => {
    const stray = strayChange(body, change);
    if (stray !== undefined) context.note(safe(stray));
    return changed(body, change);
  }, sample.body);
}

interface Sent {
  context: Context;
  /** The public door. */
  url: string;
  /** One of several: its document is one line. */
  stream: boolean;
}

type Chosen = Parameters<typeof prepare>[0] & { isFile: boolean };

/** A named sample, or the payload of a file in the clothes of one. */
async function chosen(context: Context, config: Config, what: string, options: Options): Promise<Chosen> {
  const providers = await context.providers();
  const named = textOf(options, "source");
  const path = resolve(context.shell.cwd, what);
  const isFile = /[./]json$/.test(what) || existsSync(path);
  if (!isFile) {
    const { provider, source, sample } = findSample(providers, what);
    return { source, sample, entry: sourceFor(config, named, provider.name), isFile };
  }
  const type = textOf(options, "type");
  const like = type === undefined ? undefined : findSample(providers, type);
  const entry = sourceFor(config, named, like?.provider.name);
  const source = providers.get(entry.config.provider)?.source;
  if (source?.kind !== "webhook") throw usage(`The source "${entry.config.name}" receives nothing`);
  const headers = like?.sample.headers ?? firstHeaders(source.events);
  return { source, sample: sampleOfFile(path, what, headers), entry, isFile };
}

function firstHeaders(events: Record<string, { sample?: () => Sample }>): Record<string, string> {
  const samples = Object.values(events).flatMap(({ sample }) => (sample ? [sample()] : []));
  const [only, second] = samples;
  if (only && !second) return only.headers;
  throw usage("Say with --type which event the file holds, such as --type github.push");
}

/** A payload, or `{ headers, body }` as captured. */
function sampleOfFile(path: string, name: string, headers: Record<string, string>): Sample {
  const value = readJson(path, name);
  const { headers: own, body, ...rest } = value;
  const isCapture = isObject(own) && isObject(body) && Object.keys(rest).length === 0;
  if (!isCapture) return { headers, body: value };
  const texts = Object.entries(own).map(([header, text]) => [header.toLowerCase(), String(text)]);
  return { headers: { ...headers, ...Object.fromEntries(texts) }, body };
}

/** The object in a JSON file; SB0003 when it cannot be read, SB0901 when it holds none. */
export function readJson(path: string, name: string): JsonObject {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new SignalboxError("SB0905", `The file "${name}" cannot be read`, { cause: error });
  }
  return jsonObject(text, name);
}

/** The object that a text holds; SB0901 when it holds none. */
export function jsonObject(text: string, name: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw usage(`"${name}" is not JSON: ${error instanceof Error ? error.message : error}`);
  }
  if (!isObject(value)) throw usage(`"${name}" holds no JSON object`);
  return value;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function build({ isFile, ...chosen }: Chosen, options: Options, nowMs: number): Prepared {
  const { source, entry } = chosen;
  const given = textOf(options, "deliveryId");
  const body = textsOf(options, "with").reduce<JsonObject>(changed, chosen.sample.body);
  const isRepeat = isFile || given !== undefined;
  const sample = { ...chosen.sample, body: isRepeat ? body : told(chosen, body) };
  const spoiling = spoilingOf(options);
  if (given === undefined) return prepare({ source, entry, sample }, nowMs, spoiling);
  const plain = prepare({ source, entry, sample }, nowMs);
  const header = deliveryPlace(source, entry.config, plain);
  if (!header) throw usage(`Deliveries of ${entry.config.provider} have no id of their own that could be set`);
  return prepare(
    { source, entry, sample: { ...sample, headers: { ...sample.headers, [header]: given } } },
    nowMs,
    spoiling,
  );
}

/**
 * An equal body is one event, so a sample that is sent again says that it is another one: at the first place where the source
 * takes what it does not know.
 */
function told({ source, entry, sample }: Omit<Chosen, "isFile">, body: JsonObject): JsonObject {
  const mark = { signalbox_sample: randomUUID() };
  const inside = Object.entries(body).flatMap(([key, value]) =>
    isObject(value) ? [{ ...body, [key]: { ...value, ...mark } }] : [],
  );
  const takes = (one: JsonObject) =>
    draftOf(source, entry.config, { headers: sample.headers, body: JSON.stringify(one) }) !== undefined;
  return [{ ...body, ...mark }, ...inside].find(takes) ?? body;
}

function spoilingOf(options: Options): Spoiling | undefined {
  const given = [
    ...(options.unsigned === true ? ["unsigned" as const] : []),
    ...(options.badSignature === true ? ["bad-signature" as const] : []),
    ...(options.stale === true ? ["stale" as const] : []),
  ];
  if (given.length > 1) throw usage(`Only one of --${given.join(" and --")} can be shown at a time`);
  return given[0];
}

// ---------------------------------------------------------------- through the door

async function post({ context, url, stream }: Sent, prepared: Prepared): Promise<number> {
  const { status, text } = await deliver(url + prepared.path, prepared, context.timeoutMs);
  const answer = answerOf(text);
  const accepted = status >= 200 && status < 300;
  const head = `${requestLine(context, prepared)}\n${answerLine(context, { status, text })}\n`;
  if (context.options.wait !== true || !accepted || answer.eventId === undefined) {
    context.answer("SendResult", { status, ...answer }, () => head + hint(answer.outcome), { stream });
    return accepted ? EXIT.done : EXIT.no;
  }
  const { eventId } = answer;
  return await withApi(context, async (api) => {
    const story = await follow(api, eventId, context.timeoutMs);
    const lines = await storyLines(api, story, screenOf(context));
    context.answer("SendResult", { status, ...answer, ...story }, () => `${head}\n${lines}`, { stream });
    const isDead = story.events.some(({ deliveries }) => deliveries.some((one) => one.status === "dead"));
    return story.settled && !isDead ? EXIT.done : EXIT.no;
  });
}

function requestLine({ paint }: Context, { path, headers, body }: Prepared): string {
  const shown = Object.entries(headers).filter(isTelling).map(shownHeader);
  return paint.dim([`→ POST ${path}`, ...shown, size(body)].join("   "));
}

function answerLine({ paint }: Context, { status, text }: { status: number; text: string }): string {
  const { eventId, outcome, code, reason, detail } = answerOf(text);
  const accepted = status < 300;
  const words = [eventId, outcome, code, reason ?? (accepted ? undefined : detail)].filter((one) => one !== undefined);
  return `← ${accepted ? paint.green(`${status}`) : paint.red(`${status}`)}  ${safe(words.join("  ") || cut(text, 200))}`;
}

function print({ context, url, stream }: Sent, form: string, prepared: Prepared): number {
  const body = { url: url + prepared.path, ...prepared };
  context.answer("SendRequest", body, () => printed(form, url, prepared), { stream });
  return EXIT.done;
}

/** Posts the request; rejects with SB0902 when nobody answers. */
export async function deliver(
  url: string,
  { headers, body }: Prepared,
  timeoutMs: number,
): Promise<{ status: number; text: string }> {
  try {
    const signal = AbortSignal.timeout(timeoutMs);
    const response = await fetch(url, { method: "POST", headers, body, signal, redirect: "manual" });
    return { status: response.status, text: await response.text() };
  } catch (error) {
    throw new SignalboxError("SB0902", `Nobody answers at ${url} (${reasonOf(error)})`, { cause: error });
  }
}

interface Answer {
  eventId?: string;
  outcome?: string;
  code?: string;
  reason?: string;
  detail?: string;
}

/** What the public door says: an event's id, or why it was refused. */
export function answerOf(text: string): Answer {
  try {
    const { eventId, eventIds, outcome, code, reason, detail } = JSON.parse(text) as Answer & { eventIds?: string[] };
    const id = eventId ?? eventIds?.[0];
    const fields = { eventId: id, outcome, code, reason, detail };
    return Object.fromEntries(Object.entries(fields).filter(([, value]) => typeof value === "string"));
  } catch {
    return {};
  }
}

function hint(outcome: string | undefined): string {
  return outcome === "duplicate" ? "  it was stored before and nothing runs again\n" : "";
}

function isTelling([name]: [string, string]): boolean {
  return !/^(content-type|user-agent|accept)$/.test(name);
}

function shownHeader([name, value]: [string, string]): string {
  return `${name}: ${cut(value, HEADER_CHARS_SHOWN)}`;
}

function size(body: string): string {
  const bytes = Buffer.byteLength(body);
  return bytes < 1_000 ? `${bytes} B` : `${(bytes / 1_000).toFixed(1)} kB`;
}

function printed(form: string, url: string, { path, headers, body }: Prepared): string {
  if (form === "http") {
    const all = { host: new URL(url).host, ...headers, "content-length": String(Buffer.byteLength(body)) };
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
    return [`POST ${path} HTTP/1.1`, ...lines, "", body].join("\r\n");
  }
  const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
  const lines = Object.entries(headers).map(([name, value]) => `-H ${quoted(`${name}: ${value}`)}`);
  return `${["curl -i", ...lines, `--data-binary ${quoted(body)}`, quoted(url + path)].join(" \\\n  ")}\n`;
}

async function list(context: Context): Promise<number> {
  const samples = [...(await context.providers()).values()].flatMap(({ name, source }) =>
    sampleNames(source).map((type) => ({ type, provider: name, summary: source?.events[type]?.summary ?? "" })),
  );
  context.answer("SampleList", { samples }, () => aligned(samples.map(({ type, summary }) => [type, summary])));
  return EXIT.done;
}
