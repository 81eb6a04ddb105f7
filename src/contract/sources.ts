/** The promises of every source: unsigned requests are refused, and events have documented types. */
import type { TSchema } from "typebox";
import { memoryCache } from "../cache/memory.ts";
import { validatorFor } from "../core/check.ts";
import { type Json, parseJsonText, STATUSES } from "../model.ts";
import { createNetwork } from "../network/network.ts";
import type {
  EventDraft,
  Provider,
  RawRequest,
  Sample,
  Source,
  SourceConfig,
  SourceContext,
  Verdict,
  Webhook,
} from "../ports/provider.ts";
import { type Clause, demand, demandEqual, demandNone, shown } from "./clause.ts";

const NOW_MS = Date.UTC(2026, 0, 5, 9);
/** Long enough for every scheme, and base64 for those that want it. */
const SECRET = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const ACCOUNT = "bot@example.com";
const OTHER = SECRET.toLowerCase();

export function sourceClauses(provider: Provider, source: Source): Clause[] {
  const subject = `${provider.name} (source)`;
  const settings = settingsOf(source);
  const form: Clause = {
    subject,
    text: "says what it is, checks its settings and names its events after itself",
    async hold() {
      demand(source.summary !== "", "summary is empty");
      const validate = validatorFor(source.settings);
      demandNone(validate(settings), "its example settings are refused; write settings.examples: [{ … }]");
      demand(
        validate({ ...settings, unknownSetting: 1 }).length > 0,
        "an unknown setting is not refused; set additionalProperties: false",
      );
      const form = new RegExp(`^${provider.name}\\.[a-z0-9._-]+$`);
      for (const type of Object.keys(source.events))
        demand(form.test(type), `the event "${type}" does not begin with "${provider.name}."`);
    },
  };
  if (source.kind === "feed") return [form];
  return [form, ...webhookClauses({ subject, name: provider.name, source, settings })];
}

/** Settings under which the source can be checked: its own example, or a value for each key that it needs. */
function settingsOf(source: Source): object {
  const { examples, required = [], properties = {} } = source.settings as SettingsSchema;
  return examples?.[0] ?? Object.fromEntries(required.map((key) => [key, valueFor(properties[key] ?? {})]));
}

interface SettingsSchema {
  examples?: [object];
  required?: readonly string[];
  properties?: Readonly<Record<string, KeySchema>>;
}

interface KeySchema extends TSchema {
  default?: unknown;
  const?: unknown;
  enum?: readonly unknown[];
  minimum?: number;
}

/** The first value that the schema takes; undefined when none of these does. */
function valueFor(schema: KeySchema): unknown {
  const validate = validatorFor(schema);
  const values = [
    schema.default,
    schema.const,
    schema.enum?.[0],
    "https://example.com",
    ACCOUNT,
    SECRET,
    schema.minimum,
    1,
    true,
    [],
    {},
  ];
  return values.find((value) => value !== undefined && validate(value as Json).length === 0);
}

interface Bench {
  subject: string;
  name: string;
  source: Webhook;
  settings: object;
}

function webhookClauses(bench: Bench): Clause[] {
  const { source, settings, subject } = bench;
  const samples = Object.entries(source.events).flatMap(([type, { sample }]) =>
    sample ? [[type, sample] as const] : [],
  );
  const hasSample: Clause = {
    subject,
    text: "has a sample when it can sign one",
    async hold() {
      demand(source.sign === undefined || samples.length > 0, "it can sign and has no sample");
    },
  };
  const needsSecret =
    typeof source.needsSecret === "function" ? source.needsSecret(settings as never) : source.needsSecret;
  const signable = source.sign && needsSecret ? samples : [];
  return [
    hasSample,
    ...malformedClauses(bench),
    ...signable.flatMap(([type, sample]) =>
      Object.entries(sampleClauses(bench, type, sample)).map(([text, hold]): Clause => ({ subject: type, text, hold })),
    ),
  ];
}

function sampleClauses(bench: Bench, type: string, sample: () => Sample): Record<string, () => Promise<void>> {
  const { source } = bench;
  const signed = () => signedRequest(bench, sample());
  const verdict = (request: RawRequest, secrets: string[]) => verdictOf(bench, request, secrets);
  return {
    "is verified as it is sent, and normalised to a documented type": async () => {
      const request = signed();
      demand((await verdict(request, [SECRET])).ok, "the signed sample is refused");
      const normalised = source.normalise(request, configOf(bench, [SECRET]), NOW_MS);
      if (normalised.kind === "answer") return;
      demand(normalised.kind === "events", `it is ${shown(normalised)}`);
      const [draft] = normalised.events;
      demand(draft !== undefined, "it makes no event");
      demandTyped(draft);
      // A name beside the types is one more sample of a documented type.
      demand(
        draft.type === type || Object.hasOwn(source.events, draft.type),
        `its type "${draft.type}" is not documented`,
      );
      demandEqual(draft.data, sample().body, "its data");
      demandEqual(
        source.normalise(request, configOf(bench, [SECRET]), NOW_MS),
        normalised,
        "what it is the second time",
      );
    },
    "is refused unsigned": async () => {
      const { headers, body } = sample();
      demandRefused(await verdict(requestOf(headers, JSON.stringify(body)), [SECRET]), "unsigned");
    },
    "is refused without a secret, with an empty one and with another one": async () => {
      for (const secrets of [[], [""], ["", " "]]) {
        const refused = await verdict(signed(), secrets);
        demand(
          !refused.ok && refused.reason === "no_secret",
          `with the secrets ${shown(secrets)} it is ${shown(refused)}`,
        );
      }
      demandRefused(await verdict(signed(), [OTHER]), "with another secret");
    },
    "is verified by any of several secrets": async () => {
      const verified = await verdict(signed(), [OTHER, SECRET]);
      demand(
        verified.ok && verified.secretIndex === 1,
        `it is ${shown(verified)}, and should be verified by the second`,
      );
    },
    "is refused when one byte was changed": async () => {
      const request = signed();
      for (const at of [0, Math.floor(request.body.length / 2), request.body.length - 1]) {
        const body = Buffer.from(request.body);
        body[at] = (body[at] ?? 0) ^ 1;
        demandRefused(await verdict({ ...request, body }, [SECRET]), `with byte ${at} changed`);
      }
    },
    "may hold fields that nobody knows": async () => {
      const { headers, body } = sample();
      const read = (value: object) =>
        source.normalise(requestOf(headers, JSON.stringify(value)), configOf(bench, [SECRET]), NOW_MS);
      const plain = read(body);
      const more = read({ ...body, x_unheard_of: { deep: [1, null] } });
      if (plain.kind !== "events") return;
      demand(more.kind === "events" && more.events[0]?.type === plain.events[0]?.type, `it is ${shown(more)}`);
    },
  };
}

const BODIES: Readonly<Record<string, string | Buffer>> = {
  "a list": "[1]",
  "a text": '"x"',
  null: "null",
  nothing: "",
  "half of it": '{"a":',
  "a hundred thousand levels": `{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}`,
  "broken UTF-8": Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]),
};

function malformedClauses(bench: Bench): Clause[] {
  const { source, subject } = bench;
  if (!source.contentTypes.some((type) => type === "*" || type === "application/json")) return [];
  const sample = Object.values(source.events)
    .findLast((event) => event.sample)
    ?.sample?.();
  const headers = { ...sample?.headers, "content-type": "application/json" };
  return Object.entries(BODIES).map(([what, body]) => ({
    subject,
    text: `${what} as JSON is malformed`,
    async hold() {
      const normalised = source.normalise(requestOf(headers, body), configOf(bench, [SECRET]), NOW_MS);
      demandEqual(normalised.kind, "malformed", "it");
    },
  }));
}

/** Every attribute has the type that rules rely on. */
export function demandTyped(draft: EventDraft): void {
  const { data, dataText, number, tickets, status, time, isDefaultBranch, ...texts } = draft;
  for (const [name, value] of Object.entries(texts)) {
    demand(typeof value === "string" && value !== "", `${name} is ${shown(value)}, and should be a text`);
  }
  demand(/^[a-z0-9][a-z0-9._-]{0,255}$/.test(draft.type), `the type is ${shown(draft.type)}`);
  demand(number === undefined || Number.isSafeInteger(number), `number is ${shown(number)}`);
  demand(
    isDefaultBranch === undefined || typeof isDefaultBranch === "boolean",
    `isDefaultBranch is ${shown(isDefaultBranch)}`,
  );
  demand(status === undefined || STATUSES.includes(status), `status is ${shown(status)}`);
  if (time !== undefined) demandEqual(new Date(time).toISOString(), time, "time");
  if (tickets !== undefined) {
    const areKeys = tickets.length > 0 && tickets.every((ticket) => /^[A-Z][A-Z0-9_]+-\d+$/.test(ticket));
    demand(areKeys, `tickets are ${shown(tickets)}`);
  }
  demand(Object.getPrototypeOf(data) === Object.prototype, "data is no plain object");
  if (dataText !== undefined) demandEqual(parseJsonText(dataText).value, data, "dataText");
}

function demandRefused(verdict: Verdict, how: string): void {
  demand(!verdict.ok, `${how} it is verified`);
}

function configOf({ name, settings }: Bench, secrets: string[]): SourceConfig {
  return { name: `${name}-test`, provider: name, secrets, settings } as SourceConfig;
}

function signedRequest(bench: Bench, sample: Sample): RawRequest {
  const own = configOf(bench, [SECRET]);
  return requestOf({ ...sample.headers, ...bench.source.sign?.(sample, own, NOW_MS) }, JSON.stringify(sample.body));
}

function requestOf(headers: Record<string, string>, body: string | Buffer): RawRequest {
  return { method: "POST", path: "/", query: "", headers, body: Buffer.from(body) };
}

async function verdictOf(bench: Bench, request: RawRequest, secrets: string[]): Promise<Verdict> {
  const network = createNetwork({ allowPrivate: false, redact: (text) => text });
  const cache = memoryCache({ clock: { now: () => NOW_MS, monotonic: () => 0, sleep: async () => {} } });
  const context: SourceContext = { nowMs: NOW_MS, cache, network };
  try {
    return await bench.source.verify(request, configOf(bench, secrets), context);
  } finally {
    await network.close();
  }
}
