/** The contract finds what is wrong: each provider here breaks one promise, and is told which. */
import { expect, test } from "vitest";
import { clausesOf } from "../../src/contract/contract.ts";
import { messageOf } from "../../src/errors.ts";
import type { JsonObject, Outcome } from "../../src/model.ts";
import type { Action, ActionContext, Provider, Webhook } from "../../src/ports/provider.ts";
import github from "../../src/providers/github/index.ts";
import { outcomeOf } from "../../src/providers/kit/answer.ts";

const strict = { type: "object", additionalProperties: false } as const;

async function perform(_: JsonObject, { connection, network, nowMs }: ActionContext): Promise<Outcome> {
  const { url, token } = connection.settings as { url: string; token: string };
  const answer = await network.http.request({ method: "POST", url, headers: { authorization: `Bearer ${token}` } });
  return outcomeOf(answer, { nowMs });
}

const ACTION: Action = {
  summary: "Posts",
  params: { ...strict, properties: { text: { type: "string", description: "Text" } } },
  example: { text: "x" },
  idempotency: "none",
  perform,
};

function providerWith(action: Partial<Action>, settings: object = {}): Provider {
  const properties = { url: { type: "string" }, token: { type: "string", secret: true } };
  return {
    name: "bad",
    summary: "Bad",
    connection: { settings: { ...strict, properties, ...settings }, actions: { post: { ...ACTION, ...action } } },
  };
}

function webhookWith(change: Partial<Webhook>): Provider {
  const { source } = github;
  return { name: "github", summary: "Bad", source: { ...source, ...change } as Webhook };
}

async function brokenOf(provider: Provider): Promise<string[]> {
  const broken: string[] = [];
  for (const { text, hold } of clausesOf(provider)) {
    await hold().catch((error) => broken.push(`${text}: ${messageOf(error)}`));
  }
  return broken;
}

test("an action that does all this right breaks nothing", async () => {
  expect(await brokenOf(providerWith({}))).toEqual([]);
});

function feedWith(settings: object): Provider {
  const run = async () => {};
  const events = { "bad.x": { summary: "x" } };
  return {
    name: "bad",
    summary: "Bad",
    source: { kind: "feed", summary: "x", needsSecret: false, events, run, settings: { ...strict, ...settings } },
  };
}

test("a source may need settings: a value is made up for each, or its own example is taken", async () => {
  const url = { type: "string", pattern: "^https?://" };
  const properties = { url, seconds: { type: "integer", minimum: 10 }, mode: { enum: ["poll", "stream"] } };
  expect(await brokenOf(feedWith({ required: ["url", "seconds", "mode"], properties }))).toEqual([]);
  const odd = { required: ["key"], properties: { key: { type: "string", pattern: "^k-[0-9]{4}$" } } };
  expect(await brokenOf(feedWith({ ...odd, examples: [{ key: "k-1234" }] }))).toEqual([]);
  expect((await brokenOf(feedWith(odd))).join()).toContain("write settings.examples");
});

test.each<[string, Provider, string]>([
  ["takes unknown parameters", providerWith({ params: {} }), "an unknown parameter is not refused"],
  ["refuses its own example", providerWith({ example: { text: 1 } }), "its example is refused"],
  [
    "has an undocumented parameter",
    providerWith({ params: { ...strict, properties: { text: { type: "string" } } } }),
    'the parameter "text" has no description',
  ],
  [
    "escapes for a markup that is none",
    providerWith({ params: { ...strict, properties: { text: { type: "string", description: "x", escape: "wiki" } } } }),
    'names the escape "wiki"',
  ],
  [
    "is always done",
    providerWith({ perform: (...given) => perform(...given).then(() => ({ kind: "done" })) }),
    "answered 401: rejected",
  ],
  ["sends nothing", providerWith({ perform: async () => ({ kind: "done" }) }), "nothing was sent"],
  [
    "gives what it does not declare",
    providerWith({ perform: async (...given) => gives(await perform(...given), { id: 1 }) }),
    'declare the result {"id":1}',
  ],
  [
    "gives something else than it declares",
    providerWith({
      result: { type: "object", required: ["id"] },
      perform: async (...given) => gives(await perform(...given), {}),
    }),
    "is not as declared",
  ],
  ["promises a key and sends none", providerWith({ idempotency: "key" }), "the key was not sent"],
  [
    "is certain of what it cannot know",
    providerWith({ perform: async (...given) => certain(await perform(...given)) }),
    "should be uncertain",
  ],
  [
    "has a socket of its own",
    providerWith({ perform: async (_, { connection }) => own(connection.settings) }),
    "PRIVATE_ADDRESS",
  ],
  [
    "shows its credential",
    providerWith({ perform: async (params, context) => telling(await perform(params, context), context) }),
    "the credential stands in",
  ],
  ["lets unsigned requests in", webhookWith({ verify: () => ({ ok: true, secretIndex: 1 }) }), "is refused unsigned"],
  [
    "throws for a body that is none",
    webhookWith({
      normalise: ({ body }) => ({ kind: "events", events: [{ type: "github.x", data: JSON.parse(body.toString()) }] }),
    }),
    "half of it as JSON is malformed",
  ],
  [
    "names events after others",
    webhookWith({ events: { "gitlab.push": { summary: "x" } } }),
    'the event "gitlab.push" does not begin with',
  ],
])("one that %s is found", async (_what, provider, problem) => {
  const broken = await brokenOf(provider);
  expect(broken.join("\n")).toContain(problem);
});

function gives(outcome: Outcome, result: JsonObject): Outcome {
  return outcome.kind === "done" ? { kind: "done", result } : outcome;
}

function certain(outcome: Outcome): Outcome {
  return outcome.kind === "uncertain" ? { ...outcome, kind: "retry" } : outcome;
}

async function own(settings: JsonObject): Promise<Outcome> {
  const answer = await fetch(String(settings.url)).catch(() => undefined);
  return answer?.ok ? { kind: "done" } : { kind: "retry", error: { message: "down" } };
}

function telling(outcome: Outcome, { connection }: ActionContext): Outcome {
  if (outcome.kind === "done") return outcome;
  return { ...outcome, error: { ...outcome.error, message: `with ${String(connection.settings.token)}` } };
}
