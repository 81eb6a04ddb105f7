/** GitHub's REST interface: requests, and outcomes of responses. */
import { type Static, Type } from "typebox";
import type { Json, Outcome } from "../../model.ts";
import type { HttpResponse, HttpResult, Network } from "../../ports/network.ts";
import { type AnswerClass, type OutcomeOptions, outcomeOf } from "../kit/answer.ts";
import { JSON_TYPE, parseJson, textAt } from "../kit/body.ts";
import { secret } from "../kit/connection.ts";

/** A secondary rate limit that names no time: "wait for at least one minute". https://docs.github.com/en/rest/using-the-rest-api */
const RATE_LIMIT_MS = 60_000;

export const GitHubConnection = Type.Object(
  {
    url: Type.Optional(
      Type.String({ pattern: "^https?://", description: "Root of the REST API, default https://api.github.com" }),
    ),
    token: secret("Personal access token or installation token"),
  },
  { additionalProperties: false },
);
export type GitHubConnection = Static<typeof GitHubConnection>;

export interface Reach {
  settings: GitHubConnection;
  network: Network;
}

export function send({ settings, network }: Reach, method: string, path: string, body?: object): Promise<HttpResult> {
  const { url = "https://api.github.com", token } = settings;
  return network.http.request({
    method,
    url: `${url.replace(/\/+$/, "")}${path}`,
    headers: {
      accept: "application/vnd.github+json",
      authorization: `Bearer ${token}`,
      "x-github-api-version": "2022-11-28",
      ...(body ? { "content-type": JSON_TYPE } : {}),
    },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
}

export function outcomeOfGithub(
  answer: HttpResult,
  { nowMs }: { nowMs: number },
  options: Partial<OutcomeOptions>,
): Outcome {
  const result = outcomeOf(answer, { target: "github", classify: rateLimit, ...options, nowMs });
  if (result.kind === "done") {
    const parsed = answer.kind === "answered" ? parseJson(Buffer.from(answer.text)) : undefined;
    return parsed?.ok ? { ...result, result: resultOf(parsed.data) } : result;
  }
  const isLimited = result.kind === "retry" && result.error.code === "rate_limited";
  return isLimited ? { afterMs: RATE_LIMIT_MS, ...result } : result;
}

/** A 403 may be a rate limit. https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api */
function rateLimit({ status: code, headers, text }: HttpResponse): AnswerClass | undefined {
  if (code !== 403) return undefined;
  const isLimit = "retry-after" in headers || headers["x-ratelimit-remaining"] === "0" || /rate limit/i.test(text);
  return isLimit ? "retry" : undefined;
}

/** The web address of what was written. */
export function resultOf(value: Json) {
  return { url: textAt(value, "html_url") ?? textAt(value, "url") ?? null };
}

/** The list in a response with 200; undefined = the body is no list. */
export function listOf(answer: HttpResult): Json[] | undefined {
  if (answer.kind !== "answered" || answer.status !== 200) return undefined;
  const parsed = parseJson(Buffer.from(`{"list":${answer.text}}`));
  return parsed.ok && Array.isArray(parsed.data.list) ? parsed.data.list : undefined;
}
