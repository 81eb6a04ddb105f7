/** Jira's REST interface: requests, and outcomes of responses. Version 3 on Cloud, 2 on Server and Data Center. */
import { type Static, Type } from "typebox";
import { isObject, type Json, type JsonObject, type Outcome } from "../../model.ts";
import type { HttpResponse, HttpResult } from "../../ports/network.ts";
import type { ActionContext } from "../../ports/provider.ts";
import { cut, outcomeOf } from "../kit/answer.ts";
import { objectIn } from "../kit/body.ts";
import { secret } from "../kit/connection.ts";

const WORDS_CHARS_MAX = 500;

export const JiraConnection = Type.Object(
  {
    url: Type.String({ pattern: "^https?://", description: "Site, e.g. https://acme.atlassian.net" }),
    email: Type.Optional(Type.String({ minLength: 1, description: "Account of the API token (Cloud)" })),
    token: secret("API token of the account (Cloud), or a personal access token (Server, Data Center)"),
    flavour: Type.Optional(
      Type.Union([Type.Literal("cloud"), Type.Literal("server")], {
        description: "Default: cloud when an email is given, else server",
      }),
    ),
  },
  { additionalProperties: false },
);
export type JiraConnection = Static<typeof JiraConnection>;

export type JiraContext = ActionContext<JiraConnection>;
/** As much of it as a request needs. */
type JiraReach = Pick<JiraContext, "network" | "nowMs"> & { connection: Pick<JiraContext["connection"], "settings"> };

/** The value that was read, or the outcome of the action when reading failed. */
export type ReadResult<T> = { ok: true; value: T } | { ok: false; outcome: Outcome };

/** Whether this is Cloud, where texts are documents and comments have properties. */
export function isCloud({ connection: { settings } }: Pick<JiraReach, "connection">): boolean {
  return (settings.flavour ?? (settings.email ? "cloud" : "server")) === "cloud";
}

/** The site without a slash at its end. */
export function siteOf({ connection }: Pick<JiraReach, "connection">): string {
  return connection.settings.url.replace(/\/+$/, "");
}

/** One request; `path` follows /rest/api/<version>/. */
export function send(context: JiraReach, method: "GET" | "POST", path: string, body?: Json): Promise<HttpResult> {
  const { email, token } = context.connection.settings;
  const credentials = email ? `Basic ${Buffer.from(`${email}:${token}`).toString("base64")}` : `Bearer ${token}`;
  return context.network.http.request({
    method,
    url: `${siteOf(context)}/rest/api/${isCloud(context) ? 3 : 2}/${path}`,
    headers: {
      authorization: credentials,
      accept: "application/json",
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

/** Reads and parses a response. When `parse` gives undefined, the response is not Jira's, but that of a proxy for example. */
export async function readJira<T>(
  context: JiraReach,
  path: string,
  parse: (json: JsonObject) => T | undefined,
): Promise<ReadResult<T>> {
  const answer = await send(context, "GET", path);
  const outcome = outcomeOfJira(answer, context, { repeatable: true });
  if (outcome.kind !== "done") return { ok: false, outcome };
  const value = parse(jsonOf(answer));
  if (value !== undefined) return { ok: true, value };
  return { ok: false, outcome: { kind: "retry", error: { message: "Jira's answer is not of the documented form" } } };
}

/** The outcome of a response, with Jira's own error messages if it has any. */
export function outcomeOfJira(
  answer: HttpResult,
  { nowMs }: Pick<JiraReach, "nowMs">,
  { repeatable = false } = {},
): Outcome {
  const outcome = outcomeOf(answer, { target: "Jira", nowMs, repeatable, classify });
  if (outcome.kind === "done" || answer.kind !== "answered") return outcome;
  if (hasFailedLogin(answer)) {
    return { kind: "rejected", error: { ...outcome.error, message: "Jira does not accept the credentials" } };
  }
  const words = wordsOf(answer);
  return words ? { ...outcome, error: { ...outcome.error, message: `${outcome.error.message}: ${words}` } } : outcome;
}

function classify(answer: HttpResponse) {
  if (hasFailedLogin(answer)) return "auth";
  // Another change of the issue is not finished: Atlassian's advice is to try again.
  return answer.status === 409 ? "retry" : undefined;
}

/**
 * Data Center treats a request with a wrong password as anonymous and responds with 200 or 404.
 * https://support.atlassian.com/jira/kb/rest-api-calls-with-a-wrong-password-return-http-200/
 */
export function hasFailedLogin({ headers }: HttpResponse): boolean {
  return /AUTHENTICATED_FAILED|AUTHENTICATION_DENIED/i.test(headers["x-seraph-loginreason"] ?? "");
}

/** For people only: Jira has several texts for one cause, so no decision depends on them. */
function wordsOf(answer: HttpResponse): string {
  const { errorMessages, errors } = jsonOf(answer);
  const messages = Array.isArray(errorMessages) ? errorMessages.filter((one) => typeof one === "string") : [];
  const fields = Object.entries(objectOf(errors)).map(([field, text]) => `${field}: ${String(text)}`);
  return cut([...messages, ...fields].join("; "), WORDS_CHARS_MAX);
}

/** The JSON object of a response; empty when the body is none. */
export function jsonOf(answer: HttpResult): JsonObject {
  return answer.kind === "answered" ? objectIn(answer.text) : {};
}

/** The value when it is an object, else an empty one. */
export function objectOf(value: Json | undefined): JsonObject {
  return isObject(value) ? value : {};
}
