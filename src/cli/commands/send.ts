/** `send`: builds a sample, signs it with the source's own secret and posts it to the ingest listener. */
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { Config } from "../../config/config.ts";
import { cutText, isObject, type JsonObject } from "../../model.ts";
import type { Sample } from "../../ports/provider.ts";
import { type CommandBody, numberOf, type Options, textOf, textsOf, usage } from "../command.ts";
import type { Context } from "../context.ts";
import { ingestResponse, postRequest } from "../ingest.ts";
import { readJson } from "../json-input.ts";
import { hostName, withApi } from "../reach.ts";
import {
  buildRequest,
  deliveryIdHeader,
  draftOf,
  type Flaw,
  findSample,
  type SampleRequest,
  sampleNames,
  sourceFor,
  strayChangeProblem,
  withChange,
} from "../samples.ts";
import { screenOf } from "../terminal/describe.ts";
import { EXIT } from "../terminal/failure.ts";
import { aligned, safe } from "../terminal/output.ts";
import { follow, storyLines } from "../terminal/story.ts";

const COUNT_MAX = 10_000;
const HEADER_CHARS_SHOWN = 60;

export const send: CommandBody = {
  about: "server: yes. <what> is an event type with an optional variant, or a JSON file.",
  flags: [
    { flags: "--source <name>", about: "the source whose path and secret are used" },
    { flags: "--type <type>", about: "for a file: the sample whose headers are sent with it" },
    { flags: "--with <path=value>", about: "changes the payload; may be repeated", repeats: true },
    { flags: "--unsigned", about: "without a signature" },
    { flags: "--bad-signature", about: "signed with another secret" },
    { flags: "--stale", about: "signed yesterday" },
    {
      flags: "--delivery-id <id>",
      about: "the sender's delivery id; a second request with the same id is a duplicate",
    },
    { flags: "--count <n>", about: "how many requests, each another event" },
    { flags: "--to <url>", about: "address of the ingest listener, default that of signalbox.yaml" },
    { flags: "--print <format>", about: "print the signed request instead of sending it", choices: ["curl", "http"] },
    { flags: "--wait", about: "wait until everything that the event causes is settled" },
    { flags: "--list", about: "list the samples" },
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
    const source = await resolveSample(context, config, what, options);
    const url = textOf(options, "to") ?? `http://${hostName(config.server.host)}:${config.server.port}`;
    const count = numberOf(options, "count", { min: 1, max: COUNT_MAX, standard: 1 });
    const printFormat = textOf(options, "print");
    const target: SendTarget = { context, url, stream: count > 1 };
    noteStrayChanges(context, source, options);
    let code: number = EXIT.done;
    for (let i = 0; i < count; i++) {
      const prepared = preparedRequest(source, options, context.nowMs() + i);
      code = Math.max(code, printFormat ? printRequest(target, printFormat, prepared) : await post(target, prepared));
    }
    return code;
  },
};

/** Prints a note for each --with path that the sample does not have. The change is still applied. */
function noteStrayChanges(context: Context, { sample }: SampleChoice, options: Options): void {
  textsOf(options, "with").reduce<JsonObject>((body, change) => {
    const stray = strayChangeProblem(body, change);
    if (stray !== undefined) context.note(safe(stray));
    return withChange(body, change);
  }, sample.body);
}

interface SendTarget {
  context: Context;
  /** Address of the ingest listener. */
  url: string;
  /** One of several requests: each document is printed on one line. */
  stream: boolean;
}

type SampleChoice = Parameters<typeof buildRequest>[0] & { isFile: boolean };

/** Resolves `what`: a sample by name, or a JSON file with the headers of a sample (--type, or the source's only one). */
async function resolveSample(context: Context, config: Config, what: string, options: Options): Promise<SampleChoice> {
  const providers = await context.providers();
  const sourceName = textOf(options, "source");
  const path = resolve(context.shell.cwd, what);
  const isFile = /[./]json$/.test(what) || existsSync(path);
  if (!isFile) {
    const { provider, source, sample } = findSample(providers, what);
    return { source, sample, entry: sourceFor(config, sourceName, provider.name), isFile };
  }
  const type = textOf(options, "type");
  const like = type === undefined ? undefined : findSample(providers, type);
  const entry = sourceFor(config, sourceName, like?.provider.name);
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

/** The file holds a payload, or a captured request: `{ headers, body }`. */
function sampleOfFile(path: string, name: string, headers: Record<string, string>): Sample {
  const value = readJson(path, name);
  const { headers: own, body, ...rest } = value;
  const isCapture = isObject(own) && isObject(body) && Object.keys(rest).length === 0;
  if (!isCapture) return { headers, body: value };
  const texts = Object.entries(own).map(([header, text]) => [header.toLowerCase(), String(text)]);
  return { headers: { ...headers, ...Object.fromEntries(texts) }, body };
}

function preparedRequest({ isFile, ...choice }: SampleChoice, options: Options, nowMs: number): SampleRequest {
  const { source, entry } = choice;
  const deliveryId = textOf(options, "deliveryId");
  const body = textsOf(options, "with").reduce<JsonObject>(withChange, choice.sample.body);
  const isRepeat = isFile || deliveryId !== undefined;
  const sample = { ...choice.sample, body: isRepeat ? body : withUniqueMark(choice, body) };
  const flaw = flawOf(options);
  if (deliveryId === undefined) return buildRequest({ source, entry, sample }, nowMs, flaw);
  const plain = buildRequest({ source, entry, sample }, nowMs);
  const header = deliveryIdHeader(source, entry.config, plain);
  if (!header) throw usage(`Deliveries of ${entry.config.provider} have no id of their own that could be set`);
  return buildRequest(
    { source, entry, sample: { ...sample, headers: { ...sample.headers, [header]: deliveryId } } },
    nowMs,
    flaw,
  );
}

/**
 * Adds a random mark to the body, because requests with equal bodies are one event. The mark is in the first object in which the source
 * accepts an unknown key.
 */
function withUniqueMark({ source, entry, sample }: Omit<SampleChoice, "isFile">, body: JsonObject): JsonObject {
  const mark = { signalbox_sample: randomUUID() };
  const inside = Object.entries(body).flatMap(([key, value]) =>
    isObject(value) ? [{ ...body, [key]: { ...value, ...mark } }] : [],
  );
  const isAccepted = (one: JsonObject) =>
    draftOf(source, entry.config, { headers: sample.headers, body: JSON.stringify(one) }) !== undefined;
  return [{ ...body, ...mark }, ...inside].find(isAccepted) ?? body;
}

function flawOf(options: Options): Flaw | undefined {
  const flaws = [
    ...(options.unsigned === true ? ["unsigned" as const] : []),
    ...(options.badSignature === true ? ["bad-signature" as const] : []),
    ...(options.stale === true ? ["stale" as const] : []),
  ];
  if (flaws.length > 1) throw usage(`Only one of --${flaws.join(" and --")} can be used at a time`);
  return flaws[0];
}

// ---------------------------------------------------------------- requests

async function post({ context, url, stream }: SendTarget, prepared: SampleRequest): Promise<number> {
  const { status, text } = await postRequest(url + prepared.path, prepared, context.timeoutMs);
  const body = ingestResponse(text);
  const accepted = status >= 200 && status < 300;
  const head = `${requestLine(context, prepared)}\n${answerLine(context, { status, text })}\n`;
  if (context.options.wait !== true || !accepted || body.eventId === undefined) {
    context.print("SendResult", { status, ...body }, () => head + duplicateNote(body.outcome), { stream });
    return accepted ? EXIT.done : EXIT.no;
  }
  const { eventId } = body;
  return await withApi(context, async (api) => {
    const story = await follow(api, eventId, context.timeoutMs);
    const lines = await storyLines(api, story, screenOf(context));
    context.print("SendResult", { status, ...body, ...story }, () => `${head}\n${lines}`, { stream });
    const isDead = story.events.some(({ deliveries }) => deliveries.some((one) => one.status === "dead"));
    return story.settled && !isDead ? EXIT.done : EXIT.no;
  });
}

function requestLine({ paint }: Context, { path, headers, body }: SampleRequest): string {
  const headerTexts = Object.entries(headers).filter(isTellingHeader).map(headerText);
  return paint.dim([`→ POST ${path}`, ...headerTexts, size(body)].join("   "));
}

function answerLine({ paint }: Context, { status, text }: { status: number; text: string }): string {
  const { eventId, outcome, code, reason, detail } = ingestResponse(text);
  const accepted = status < 300;
  const words = [eventId, outcome, code, reason ?? (accepted ? undefined : detail)].filter((one) => one !== undefined);
  return `← ${accepted ? paint.green(`${status}`) : paint.red(`${status}`)}  ${safe(words.join("  ") || cutText(text, 200))}`;
}

function printRequest({ context, url, stream }: SendTarget, format: string, prepared: SampleRequest): number {
  const body = { url: url + prepared.path, ...prepared };
  context.print("SendRequest", body, () => requestText(format, url, prepared), { stream });
  return EXIT.done;
}

function duplicateNote(outcome: string | undefined): string {
  return outcome === "duplicate" ? "  it was stored before and nothing runs again\n" : "";
}

function isTellingHeader([name]: [string, string]): boolean {
  return !/^(content-type|user-agent|accept)$/.test(name);
}

function headerText([name, value]: [string, string]): string {
  return `${name}: ${cutText(value, HEADER_CHARS_SHOWN)}`;
}

function size(body: string): string {
  const bytes = Buffer.byteLength(body);
  return bytes < 1_000 ? `${bytes} B` : `${(bytes / 1_000).toFixed(1)} kB`;
}

function requestText(format: string, url: string, { path, headers, body }: SampleRequest): string {
  if (format === "http") {
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
  context.print("SampleList", { samples }, () => aligned(samples.map(({ type, summary }) => [type, summary])));
  return EXIT.done;
}
