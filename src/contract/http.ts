/** HTTP for the contract: a server on loopback that confirms, refuses or breaks. */

import { type SandboxResponse, serve } from "../sandbox/http.ts";
import type { Behaviour, HttpAnswers, Transport } from "../sandbox/stand-in.ts";

const CONFIRMED: SandboxResponse = { status: 200, body: { ok: true } };

/** `secret` is in the path of addresses that are credentials themselves, such as incoming webhooks. */
export function httpTransport(answers: HttpAnswers, secret: string): Transport<SandboxResponse> {
  const empty = (status: number, headers: Record<string, string> = {}): SandboxResponse => ({
    status,
    headers,
    body: "{}",
  });
  const never = [301, 400, 404, 500].map((status) => ({
    says: `answered ${status}`,
    answer: empty(status, { location: "/x" }),
  }));
  return {
    async listen(behaviour) {
      const site = await serve((request) => replyOf(behaviour, request, answers));
      if (behaviour.kind === "breaks") site.fault({ times: Number.POSITIVE_INFINITY, what: "reset" });
      return {
        settings: { url: site.url, webhook: `${site.url}/${secret}` },
        get requests() {
          return site.calls.map((call) => ({ text: JSON.stringify(call), reads: call.method === "GET" }));
        },
        close: () => site.close(),
      };
    },
    answers: [
      {
        says: "answered 429 with Retry-After",
        answer: empty(429, { "retry-after": "7" }),
        outcome: { kind: "retry", afterMs: 7_000 },
      },
      { says: "answered 503", answer: empty(503), outcome: { kind: "retry" } },
      {
        says: "answered 503 with Retry-After",
        answer: empty(503, { "retry-after": "120" }),
        outcome: { kind: "retry", afterMs: 120_000 },
      },
      { says: "answered 401", answer: empty(401), outcome: { kind: "rejected", status: 401 } },
      { says: "answered 403", answer: empty(403), outcome: { kind: "rejected", status: 403 } },
      ...never,
    ],
  };
}

function replyOf(
  behaviour: Behaviour<SandboxResponse>,
  { method, headers }: { method: string; headers: Readonly<Record<string, string>> },
  answers: HttpAnswers,
): SandboxResponse {
  switch (behaviour.kind) {
    case "confirms":
      return answers[behaviour.action]?.[method] ?? CONFIRMED;
    case "answers":
      return behaviour.answer;
    case "refuses":
      return { status: 400, body: headers };
    case "breaks":
      return CONFIRMED;
  }
}
