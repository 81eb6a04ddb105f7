/** `explain`: why an event did or did not match, stored or from a file; and what an error code means. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { actionCatalogue, type Config } from "../../config/config.ts";
import { validatorFor } from "../../core/check.ts";
import { explainEvent } from "../../core/match/rule-set.ts";
import { ERRORS, type ErrorCode, SignalboxError } from "../../errors.ts";
import { EventSchema } from "../../model/schemas.ts";
import { type Event, type Explanation, isObject, type JsonObject, withoutUndefined } from "../../model.ts";
import { compilePolicy, readPolicyFiles } from "../../policy/policy.ts";
import type { Provider, SourceConfig, Webhook } from "../../ports/provider.ts";
import { type CommandBody, notFound, type Options, textOf, usage } from "../command.ts";
import { ConfigError, type Context } from "../context.ts";
import { suggestingIds } from "../event-ids.ts";
import { jsonObject, readJson } from "../json-input.ts";
import { withApi } from "../reach.ts";
import { draftOf, findSample } from "../samples.ts";
import { screenOf } from "../terminal/describe.ts";
import { renderExplanation } from "../terminal/explanation.ts";
import { EXIT } from "../terminal/failure.ts";

export const explain: CommandBody = {
  about:
    "server: only for a stored event, and the files are read when none runs. <what> is an event's id, a JSON file, - for standard input, or a code such as SB0102.",
  flags: [
    { flags: "--rule <id>", about: "only this rule" },
    { flags: "--all", about: "every near miss, not only the nearest" },
    {
      flags: "--at <revision>",
      about: "for a stored event: with the policy of that revision, or decided = the one that decided the event",
    },
    { flags: "--type <type>", about: "for a payload: the type of the event, such as github.push" },
    { flags: "--source <name>", about: "for a payload: the source that receives it" },
    { flags: "--expect <outcome>", about: "matched:<rule> or missed:<rule>; exit 1 when the outcome is another one" },
  ],
  examples: [
    "signalbox explain evt_01JD3VKX9M --at decided",
    "signalbox explain payload.json --type github.pull_request.closed --expect matched:merged-pr-moves-ticket",
    "signalbox explain SB0104",
  ],
  async run(context, [what = ""], options) {
    if (/^SB\d+$/i.test(what)) return explainCode(context, what.toUpperCase());
    const isFile = what === "-" || /[./]json$/.test(what) || existsSync(resolve(context.shell.cwd, what));
    const at = textOf(options, "at");
    if (isFile && at !== undefined) throw usage("--at is for stored events; a file is read with the rules beside it");
    const explanation = isFile ? await explainFile(context, what, options) : await explainStored(context, what, at);
    const rule = textOf(options, "rule");
    if (rule !== undefined) requireRule(explanation, rule);
    const renderOptions = { ...withoutUndefined({ rule }), all: options.all === true };
    context.print("ExplainResult", explanation, () => renderExplanation(explanation, screenOf(context), renderOptions));
    return checkExpectation(context, explanation, textOf(options, "expect"));
  },
};

async function explainStored(context: Context, id: string, at: string | undefined): Promise<Explanation> {
  return await withApi(context, async (api) => {
    // First the event alone: explainEvent rejects with SB0905 for an unknown policy too.
    await suggestingIds(api, id, () => api.getEvent({ params: { id } }));
    return await api.explainEvent({ params: { id }, query: withoutUndefined({ at }) });
  });
}

/** Needs the files alone: no server, no network, no secrets. */
async function explainFile(context: Context, what: string, options: Options): Promise<Explanation> {
  const text = what === "-" ? await context.shell.readIn() : undefined;
  const value =
    text === undefined ? readJson(resolve(context.shell.cwd, what), what) : jsonObject(text, "standard input");
  const providers = await context.providers();
  const config = await context.config({ offline: true });
  const event = isEvent(value)
    ? checkedEvent(value, context.nowMs())
    : eventOfPayload(value, { config, providers, options }, context.nowMs());
  const files = await readPolicyFiles(config.dir);
  const actions = actionCatalogue(config.connections, providers);
  const { policy, diagnostics } = compilePolicy(files, { actions, vars: config.vars });
  if (!policy) throw new ConfigError({ diagnostics, fileTexts: new Map(Object.entries(files)) });
  return explainEvent(policy, event);
}

function isEvent({ type, data }: JsonObject): boolean {
  return typeof type === "string" && type.includes(".") && isObject(data);
}

/** The attributes that the log would add. */
function addedByLog(nowMs: number) {
  const now = new Date(nowMs).toISOString();
  return { id: "(file)", source: "(file)", time: now, receivedAt: now };
}

/** The event of the file; SB0907 with every diagnostic when it is none. */
function checkedEvent(value: JsonObject, nowMs: number): Event {
  const event: unknown = { ...addedByLog(nowMs), ...value };
  const problems = validatorFor(EventSchema)(event, "The event");
  if (problems.length > 0)
    throw new SignalboxError("SB0907", "The file holds no event in the form of the log", { problems });
  return event as Event;
}

interface PayloadContext {
  config: Config;
  providers: ReadonlyMap<string, Provider>;
  options: Options;
}

/** The event that the source makes of the payload. */
function eventOfPayload(body: JsonObject, { config, providers, options }: PayloadContext, nowMs: number): Event {
  const type = textOf(options, "type");
  if (type === undefined) throw usage("The file holds a payload; name its event type with --type, such as github.push");
  const { provider, source, sample } = findSample(providers, type);
  const settings = sourceSettings(config, textOf(options, "source"), provider.name);
  const draft = draftOf(source, settings, { headers: sample.headers, body: JSON.stringify(body) }, nowMs);
  if (!draft)
    throw usage(`The payload makes no event "${type}": ${malformedReason(source, settings, sample.headers, body)}`);
  const { dataText: _text, bodyCounts: _counts, provenUntilMs: _until, ...attributes } = draft;
  return { ...addedByLog(nowMs), tickets: [], ...attributes, source: settings.name };
}

function malformedReason(
  source: Webhook,
  config: SourceConfig,
  headers: Record<string, string>,
  body: JsonObject,
): string {
  const request = { method: "POST", path: "/", query: "", headers, body: Buffer.from(JSON.stringify(body)) };
  const normalised = source.normalise(request, config, 0);
  return normalised.kind === "malformed" ? normalised.detail : "it makes no event";
}

function sourceSettings(config: Config, sourceName: string | undefined, provider: string): SourceConfig {
  const entry = config.sources.find((entry) =>
    sourceName === undefined ? entry.config.provider === provider : entry.config.name === sourceName,
  );
  if (entry) return entry.config;
  if (sourceName !== undefined)
    throw new SignalboxError("SB0905", `There is no source "${sourceName}" in signalbox.yaml`);
  return { name: provider, provider, secrets: [], settings: {} };
}

function requireRule({ rules, notConsidered }: Explanation, rule: string): void {
  const ruleIds = [...rules.map(({ id }) => id), ...notConsidered.ids];
  if (ruleIds.includes(rule)) return;
  throw notFound("rule", rule, ruleIds);
}

function checkExpectation(context: Context, { rules }: Explanation, expectation: string | undefined): number {
  if (expectation === undefined) return EXIT.done;
  const [, outcome, id] = /^(matched|missed):(.+)$/.exec(expectation) ?? [];
  if (outcome === undefined || id === undefined)
    throw usage(`--expect is "${expectation}", write matched:<rule> or missed:<rule>`);
  const matched = rules.some((rule) => rule.id === id && rule.matched);
  if (matched === (outcome === "matched")) return EXIT.done;
  context.note(`expected ${id} to be ${outcome}, it ${matched ? "matched" : "did not match"}`);
  return EXIT.no;
}

/** The text about an error code, as in docs/errors.md. */
function explainCode(context: Context, code: string): number {
  if (!Object.hasOwn(ERRORS, code)) {
    throw notFound("error", code, Object.keys(ERRORS));
  }
  const row: { title: string; help: string; status?: number } = ERRORS[code as ErrorCode];
  const { bold } = context.paint;
  const status = row.status === undefined ? "" : `  HTTP status ${row.status}\n`;
  const page = () =>
    `${bold(code)}  ${row.title}\n\n  ${row.help}.\n${status}  more: docs/errors.md#${code.toLowerCase()}\n`;
  context.print("ErrorPage", { code, ...row }, page);
  return EXIT.done;
}
