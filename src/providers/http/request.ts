/** The action `http.request`: one call to an API that has no provider of its own, signed when the connection says so. */
import { type Static, Type } from "typebox";
import type { Json, JsonObject, Outcome } from "../../model.ts";
import { DOT_SEGMENT, hasDotSegment } from "../../network/address.ts";
import type { HttpRequest, HttpResult } from "../../ports/network.ts";
import type { Action, ActionContext } from "../../ports/provider.ts";
import { type AnswerClass, cut, outcomeOf } from "../kit/answer.ts";
import { FORM_TYPE, JSON_TYPE, parseJson } from "../kit/body.ts";
import { secret } from "../kit/connection.ts";
import { STANDARD_WEBHOOKS, sign } from "../kit/signature.ts";

/** What of an answer is worth keeping with the delivery. */
const RESULT_CHARS_MAX = 8_000;

export const Connection = Type.Object(
  {
    url: Type.Optional(
      Type.String({
        pattern: "^https?://",
        description: "Where paths are joined to, and the only place credentials go",
      }),
    ),
    headers: Type.Optional(Type.Record(Type.String(), Type.String(), { description: "Sent with every request" })),
    token: Type.Optional(secret("Sent as Authorization: Bearer")),
    username: Type.Optional(Type.String({ minLength: 1, description: "For Authorization: Basic" })),
    password: Type.Optional(secret("For Authorization: Basic")),
    sign: Type.Optional(
      Type.Object(
        { secret: secret("whsec_ and base64") },
        {
          additionalProperties: false,
          description: "Sign requests as Standard Webhooks; what is answered neither 2xx nor 410 is then sent again",
        },
      ),
    ),
  },
  { additionalProperties: false },
);
type Connection = Static<typeof Connection>;
type Context = ActionContext<Connection>;

const Method = Type.Union(
  [
    Type.Literal("GET"),
    Type.Literal("POST"),
    Type.Literal("PUT"),
    Type.Literal("PATCH"),
    Type.Literal("DELETE"),
    Type.Literal("HEAD"),
  ],
  { description: "Default POST" },
);
/** RFC 9110 9.2.2: sending these twice has the effect of sending them once. */
const REPEATABLE: readonly string[] = ["GET", "HEAD", "PUT", "DELETE"];

const Params = Type.Object(
  {
    method: Type.Optional(Method),
    url: Type.Optional(
      Type.String({
        minLength: 1,
        description: "In full; where the connection has a url, on the same host",
        escape: "url",
      }),
    ),
    path: Type.Optional(
      Type.String({ pattern: "^/", description: "Joined to the url of the connection", escape: "url" }),
    ),
    query: Type.Optional(
      Type.Record(Type.String(), Type.Union([Type.String(), Type.Number(), Type.Boolean()]), {
        description: "Added to the url, encoded",
      }),
    ),
    headers: Type.Optional(
      Type.Record(Type.String(), Type.String(), { description: "Further headers; those of the connection win" }),
    ),
    json: Type.Optional(Type.Unknown({ description: "The body as JSON" })),
    form: Type.Optional(Type.Record(Type.String(), Type.String(), { description: "The body as a form" })),
    body: Type.Optional(Type.String({ description: "The body as text" })),
    expect: Type.Optional(
      Type.Array(Type.Integer({ minimum: 200, maximum: 499 }), {
        minItems: 1,
        description: "Statuses that count as done; default 200 to 299",
      }),
    ),
    timeoutSeconds: Type.Optional(Type.Integer({ minimum: 1, maximum: 20, description: "Default 15" })),
  },
  { additionalProperties: false },
);
type Params = Static<typeof Params>;

export const request: Action<Params, Connection> = {
  summary: "Sends one HTTP request; the delivery's id goes along as Idempotency-Key",
  params: Params,
  example: { method: "POST", path: "/deploys", json: { app: "web", ref: "main" }, expect: [200, 202] },
  result: Type.Object({
    status: Type.Integer(),
    body: Type.Optional(Type.Unknown({ description: "parsed when it is JSON" })),
  }),
  idempotency: "key",
  async perform(params, context) {
    const target = targetOf(params, context.connection.settings);
    if (!(target instanceof URL)) return target;
    const built = build(params, target, context);
    if ("kind" in built) return built;
    const answer = await context.network.http.request(built);
    const { expect } = params;
    const isSigned = context.connection.settings.sign !== undefined;
    const outcome = outcomeOf(answer, {
      nowMs: context.nowMs,
      target: context.connection.name,
      // A receiver of Standard Webhooks recognises a repeated webhook-id; for others the method decides.
      repeatable: isSigned || REPEATABLE.includes(built.method),
      ...(isSigned ? { classify: ({ status }) => webhookClass(status, expect) } : {}),
      ...(expect ? { ok: (status: number) => expect.includes(status) } : {}),
    });
    return outcome.kind === "done" ? { ...outcome, result: resultOf(answer) } : outcome;
  },
};

/** https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md: all but success and 410 is sent again. */
function webhookClass(status: number, expect: Params["expect"]): AnswerClass | undefined {
  return expect?.includes(status) || status < 300 || status === 410 ? undefined : "retry";
}

function targetOf({ url, path, query = {} }: Params, { url: base }: Connection): URL | Outcome {
  if (url !== undefined && path !== undefined) return rejected("Only one of url and path can be called");
  const target = url === undefined ? joined(path ?? "", base) : absolute(url, base);
  if (target instanceof URL) {
    for (const [name, value] of Object.entries(query)) target.searchParams.append(name, String(value));
  }
  return target;
}

function joined(path: string, base: string | undefined): URL | Outcome {
  if (base === undefined) return rejected("The connection has no url to join a path to");
  if (hasDotSegment(path)) return rejected(DOT_SEGMENT);
  const root = new URL(base);
  return new URL(`${root.origin}${root.pathname.replace(/\/+$/, "")}${path}`);
}

/** A credential is never sent to an address from an event. */
function absolute(text: string, base: string | undefined): URL | Outcome {
  if (!URL.canParse(text)) return rejected("The url is not well formed");
  if (hasDotSegment(text)) return rejected(DOT_SEGMENT);
  const target = new URL(text);
  const isElsewhere = base !== undefined && new URL(base).origin !== target.origin;
  return isElsewhere ? rejected(`${target.host} is not the host of the connection`) : target;
}

function build(params: Params, target: URL, context: Context): HttpRequest | Outcome {
  const { settings } = context.connection;
  const authorization = authorizationOf(settings);
  if (settings.url === undefined && (authorization || settings.headers)) {
    return rejected("The connection has credentials or headers but no url that they are for");
  }
  const content = contentOf(params);
  if (content === undefined) return rejected("Only one of json, form and body can be sent");
  const id = context.idempotencyKey.replaceAll(".", "_");
  const signature = settings.sign
    ? sign(STANDARD_WEBHOOKS, content.body ?? "", settings.sign.secret, context.nowMs, id)
    : {};
  return {
    method: params.method ?? "POST",
    url: target.href,
    headers: lowerCased(
      { "idempotency-key": context.idempotencyKey },
      content.type ? { "content-type": content.type } : {},
      params.headers ?? {},
      settings.headers ?? {},
      authorization ? { authorization } : {},
      signature,
    ),
    ...(content.body === undefined ? {} : { body: content.body }),
    ...(params.timeoutSeconds === undefined ? {} : { timeoutMs: params.timeoutSeconds * 1000 }),
  };
}

function authorizationOf({ token, username, password }: Connection): string | undefined {
  if (token !== undefined) return `Bearer ${token}`;
  if (username === undefined) return undefined;
  return `Basic ${Buffer.from(`${username}:${password ?? ""}`, "utf8").toString("base64")}`;
}

function contentOf({ json, form, body }: Params): { type?: string; body?: string } | undefined {
  const bodies = [json, form, body].filter((value) => value !== undefined);
  if (bodies.length > 1) return undefined;
  if (json !== undefined) return { type: JSON_TYPE, body: JSON.stringify(json) };
  if (form !== undefined) return { type: FORM_TYPE, body: new URLSearchParams(form).toString() };
  return body === undefined ? {} : { type: "text/plain; charset=utf-8", body };
}

/** Later ones override: the connection's headers override those of a rule, and the signature overrides both. */
function lowerCased(...all: Readonly<Record<string, string>>[]): Record<string, string> {
  return Object.fromEntries(
    all.flatMap((headers) => Object.entries(headers)).map(([name, value]) => [name.toLowerCase(), value]),
  );
}

function resultOf(answer: HttpResult): Json {
  if (answer.kind !== "answered") return null;
  const result: JsonObject = { status: answer.status };
  if (answer.text === "") return result;
  const parsed = answer.text.length <= RESULT_CHARS_MAX ? parseJson(Buffer.from(answer.text)) : undefined;
  return { ...result, body: parsed?.ok ? parsed.data : cut(answer.text, RESULT_CHARS_MAX) };
}

function rejected(message: string): Outcome {
  return { kind: "rejected", error: { message, code: "not_sent" } };
}
