/** Any sender whose signature can be described, any receiver that speaks HTTP: for systems without a provider of their own. */
import { Type } from "typebox";
import {
  type Json,
  type JsonObject,
  LIMITS,
  STATUS_WORDS,
  STATUSES,
  type Status,
  withoutUndefined,
} from "../../model.ts";
import type { EventDraft, Normalised, Provider, RawRequest, SourceConfig } from "../../ports/provider.ts";
import {
  at,
  FORM_TYPE,
  hasOwnMark,
  JSON_TYPE,
  mediaType,
  moment,
  type ParsedBody,
  parseFormJson,
  parseItems,
  parseJson,
  typePart,
} from "../kit/body.ts";
import { formFields } from "../kit/form.ts";
import { sign, tokenIdentity, Verifier, verifySignature } from "../kit/signature.ts";
import { ticketKeys } from "../kit/tickets.ts";
import { Connection, request } from "./request.ts";

const strict = { additionalProperties: false };
const TYPE = "^[a-z][a-z0-9_-]*(\\.[a-z0-9_-]+)*$";

const path = Type.String({ minLength: 1, description: "Dotted path into the body, e.g. build.branch" });
const header = Type.String({ pattern: "^[a-z0-9-]+$", description: "Name of a header, in lower case" });
const prefix = Type.Optional(
  Type.String({ pattern: TYPE, maxLength: 100, description: 'What stands before the value, default "http"' }),
);

const Settings = Type.Object(
  {
    verify: Verifier,
    type: Type.Optional(
      Type.Union(
        [
          Type.String({ pattern: TYPE, maxLength: LIMITS.eventNameChars, description: "The type of every event" }),
          Type.Object({ header, prefix }, strict),
          Type.Object({ field: path, prefix }, strict),
        ],
        { description: 'Event type; default "http.received"' },
      ),
    ),
    id: Type.Optional(
      Type.Union([Type.Object({ header }, strict), Type.Object({ field: path }, strict)], {
        description: "The sender's delivery id; default webhook-id where that is signed",
      }),
    ),
    attributes: Type.Optional(
      Type.Object(
        {
          ...Object.fromEntries(
            ["repo", "branch", "sha", "number", "title", "actor", "url", "status", "subject", "time"].map((name) => [
              name,
              Type.Optional(path),
            ]),
          ),
          tickets: Type.Optional(Type.Array(path, { description: "Texts in which ticket keys are looked for" })),
        },
        { ...strict, description: "Which field of the body is which attribute of the event" },
      ),
    ),
    statuses: Type.Optional(
      Type.Record(Type.String(), Type.Union(STATUSES.map((status) => Type.Literal(status))), {
        description: "The sender's words for a status, e.g. { ready: success }; others leave the status out",
      }),
    ),
    batch: Type.Optional(
      Type.Boolean({ description: `A JSON array is one event per item, at most ${LIMITS.batchItems} at once` }),
    ),
    contentTypes: Type.Optional(
      Type.Array(Type.String({ pattern: "^[a-z0-9.+-]+/[a-z0-9.+-]+$", maxLength: 100 }), {
        description: "Media types whose bodies are JSON as well, e.g. text/plain; application/*+json always is",
      }),
    ),
  },
  {
    ...strict,
    examples: [
      {
        verify: {
          kind: "hmac",
          digest: "sha256",
          encoding: "hex",
          signatureHeader: "x-signature",
          prefix: "sha256=",
          key: "utf8",
          message: ["body"],
        },
      },
    ],
  },
);

/** Written by hand: the type of the schema would be a page long, and all paths are optional strings. */
interface Settings {
  verify: Verifier;
  type?: string | { header: string; prefix?: string } | { field: string; prefix?: string };
  id?: { header: string } | { field: string };
  attributes?: Partial<Record<TextAttribute | "number" | "status" | "time", string>> & { tickets?: string[] };
  statuses?: Record<string, Status>;
  batch?: boolean;
  contentTypes?: string[];
}
type TextAttribute = "repo" | "branch" | "sha" | "title" | "actor" | "url" | "subject";
const TEXT_ATTRIBUTES: readonly TextAttribute[] = ["repo", "branch", "sha", "title", "actor", "url", "subject"];

/** Status words with one meaning everywhere; others are configured in `statuses` or left out. */
const WORDS: Readonly<Record<string, Status>> = {
  ...(Object.fromEntries(STATUSES.map((status) => [status, status])) as Record<Status, Status>),
  ...STATUS_WORDS,
  true: "success",
  false: "failure",
};

function normalise(request: RawRequest, source: SourceConfig<Settings>): Normalised {
  const { settings } = source;
  const isBatch = settings.batch === true && mediaType(request.headers) !== FORM_TYPE;
  if (!isBatch) {
    const parsed = parse(request, settings.verify);
    return parsed.ok ? { kind: "events", events: [draftOf(parsed, request, source)] } : malformed(parsed.detail);
  }
  const parsed = parseItems(request.body);
  if (!parsed.ok) return malformed(parsed.detail);
  const events = parsed.items.map((item) => draftOf(item, request, source));
  // Nothing happened, and a sender that says so has done nothing wrong.
  return events.length > 0
    ? { kind: "events", events }
    : { kind: "answer", answer: { status: 200, body: '{"eventIds":[]}' } };
}

const malformed = (detail: string): Normalised => ({ kind: "malformed", detail });

function draftOf(
  { data, text }: { data: JsonObject; text?: string },
  request: RawRequest,
  { settings, ticketProjects }: SourceConfig<Settings>,
): EventDraft {
  return {
    type: typeOf(settings.type, request, data),
    ...identityOf(settings, request, data),
    ...attributesOf(settings, data, ticketProjects),
    data,
    ...(text === undefined ? {} : { dataText: text }),
  };
}

/** When one field of a form is signed, only that field is verified: the event as JSON. */
function parse({ headers, body }: RawRequest, verifier: Verifier): ParsedBody {
  if (mediaType(headers) !== FORM_TYPE) return parseJson(body);
  const parts = "message" in verifier ? verifier.message : [];
  const field = parts.find((part) => part.startsWith("formfield:"))?.slice("formfield:".length);
  if (field !== undefined && !parts.includes("body")) return parseFormJson(body, field);
  const fields = formFields(body);
  return fields ? parseJson(Buffer.from(JSON.stringify(fields))) : { ok: false, detail: "The form cannot be decoded" };
}

function typeOf(type: Settings["type"], { headers }: RawRequest, data: JsonObject): string {
  if (typeof type === "string") return type;
  const value = type && ("header" in type ? headers[type.header] : valueAt(data, type.field));
  const name = String(value ?? "")
    .split(".")
    .map(typePart)
    .filter((part) => part !== "")
    .join(".");
  return `${type?.prefix ?? "http"}.${name || "received"}`.slice(0, LIMITS.eventNameChars);
}

function idPlace({ id, verify }: Settings): Settings["id"] {
  return id ?? (isSigned(verify, "webhook-id") ? { header: "webhook-id" } : undefined);
}

function isSigned(verify: Verifier, header: string): boolean {
  return "message" in verify && verify.message.includes(`header:${header}`);
}

/** What makes it the same event as an earlier one. An id that is signed, in a header or with the body, decides alone. */
function identityOf(
  settings: Settings,
  { headers }: RawRequest,
  data: JsonObject,
): Pick<EventDraft, "delivery" | "bodyCounts" | "provenUntilMs"> {
  const { verify } = settings;
  const from = idPlace(settings);
  const value = String((from && ("header" in from ? headers[from.header] : valueAt(data, from.field))) ?? "");
  const delivery = value !== "" && value.length <= 200 ? { delivery: value } : {};
  const isProven = from !== undefined && ("field" in from || isSigned(verify, from.header));
  if (isProven && delivery.delivery !== undefined) return { ...delivery, bodyCounts: "never" };
  if (verify.kind === "jwt-body-hash") return { ...tokenIdentity(verify, headers), bodyCounts: "never" };
  return hasOwnMark(data) ? delivery : { ...delivery, bodyCounts: "if-asked" };
}

function attributesOf({ attributes = {}, statuses = {} }: Settings, data: JsonObject, projects?: readonly string[]) {
  const at = (path: string | undefined) => (path === undefined ? undefined : valueAt(data, path));
  const text = (path: string | undefined) => {
    const value = at(path);
    return value === undefined || value === "" ? undefined : String(value);
  };
  const number = Number(at(attributes.number) ?? Number.NaN);
  const word = text(attributes.status) ?? "";
  const searched = attributes.tickets ?? [attributes.title ?? "", attributes.branch ?? ""];
  const tickets = searched.flatMap((path) =>
    ticketKeys(text(path) ?? [], { projects, branch: path === attributes.branch }),
  );
  return withoutUndefined({
    ...Object.fromEntries(TEXT_ATTRIBUTES.map((name) => [name, text(attributes[name])])),
    number: Number.isSafeInteger(number) ? number : undefined,
    status: lookUp(statuses, word) ?? lookUp(WORDS, word.toLowerCase()),
    time: moment(at(attributes.time)),
    tickets: tickets.length > 0 ? [...new Set(tickets)] : undefined,
  });
}

function lookUp(table: Readonly<Record<string, Status>>, word: string): Status | undefined {
  return Object.hasOwn(table, word) ? table[word] : undefined;
}

/** A text, number or boolean as text; undefined for other values. */
function valueAt(data: JsonObject, path: string): Exclude<Json, null | object> | undefined {
  const value = at(data, ...path.split("."));
  return typeof value === "object" || value === undefined ? undefined : value;
}

export default {
  name: "http",
  summary: "Receives webhooks of any sender whose signature can be described, and calls any HTTP API",
  docs: "https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md",
  source: {
    kind: "webhook",
    summary: "JSON or form bodies with a signature, token or address that `verify` describes",
    settings: Settings,
    needsSecret: (settings: Settings) => settings.verify.kind !== "ip",
    contentTypes: [JSON_TYPE, FORM_TYPE],
    moreContentTypes: ({ contentTypes = [] }: Settings) => contentTypes,
    deliveryHeader(settings: Settings) {
      const place = idPlace(settings);
      return place && "header" in place ? place.header : undefined;
    },
    verify(incoming: RawRequest, source: SourceConfig<Settings>, { nowMs }) {
      return verifySignature(source.settings.verify, incoming, source.secrets, nowMs);
    },
    normalise,
    events: {
      "http.received": {
        summary: "A verified request; `type` in the source's settings gives it another name",
        sample: () => ({
          headers: { "content-type": JSON_TYPE },
          body: { event: "deploy", app: "web", state: "success", branch: "main", title: "WEB-17 add login" },
        }),
      },
    },
    sign(sample, source: SourceConfig<Settings>, nowMs) {
      const body = JSON.stringify(sample.body);
      return {
        ...sample.headers,
        ...sign(source.settings.verify, body, source.secrets[0] ?? "", nowMs, `msg_${nowMs}`),
      };
    },
  },
  connection: { settings: Connection, actions: { request } },
} satisfies Provider;
