/**
 * What every action promises, against a real server on loopback. New providers join by themselves; what the server of a provider
 * answers when all is well stands in test/fixtures/<provider>/answers.json, or is 200 {"ok":true}.
 */
import { existsSync, readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { memoryCache } from "../../src/cache/memory.ts";
import { validatorFor } from "../../src/core/check.ts";
import type { JsonObject, Outcome } from "../../src/model.ts";
import { httpClient } from "../../src/network/http.ts";
import type { Action, ActionContext, Provider } from "../../src/ports/provider.ts";
import { loadProviders } from "../../src/providers/index.ts";

const NOW = Date.parse("2026-01-05T09:00:00Z");
const CREDENTIAL = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const KEY = "dlv_0123456789abcdef";

type Answers = Record<string, Record<string, { status: number; body?: unknown }>>;
interface Schema {
  properties: Record<string, { secret?: boolean; type?: string }>;
  additionalProperties?: boolean;
}

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}

/** Every key of the connection that holds an address or a credential. */
function settingsOf(provider: Provider, url: string): JsonObject {
  const { properties } = provider.connection as unknown as Schema;
  const settings: JsonObject = { allowPrivate: true };
  for (const [name, { secret, type }] of Object.entries(properties)) {
    if (name === "url") settings[name] = url;
    else if (name === "webhook") settings[name] = `${url}/${CREDENTIAL}`;
    else if (name === "email" || name === "username") settings[name] = "bot@example.com";
    else if (secret && type === "string") settings[name] = CREDENTIAL;
  }
  return settings;
}

interface Doing {
  provider: Provider;
  action: Action;
  redact?: (text: string) => string;
  allowPrivate?: boolean;
}

function perform(
  { provider, action, redact = (text) => text, allowPrivate = true }: Doing,
  url: string,
): Promise<Outcome> {
  const http = httpClient({ allowPrivate, redact });
  closers.push(() => http.close());
  const context: ActionContext = {
    connection: { name: provider.name, provider: provider.name, settings: settingsOf(provider, url) },
    idempotencyKey: KEY,
    attempt: 1,
    nowMs: NOW,
    http,
    cache: memoryCache({ clock: { now: () => NOW, monotonic: () => 0, sleep: async () => {} } }),
    signal: new AbortController().signal,
  };
  return action.perform(action.example, context);
}

function errorOf(outcome: Outcome) {
  return outcome.kind === "done" ? undefined : outcome.error;
}

const all = [...(await loadProviders()).values()];
const actions = all.flatMap((provider) =>
  Object.entries(provider.actions ?? {}).map(
    ([name, action]) => [`${provider.name}.${name}`, { provider, name, action }] as const,
  ),
);

test("there are actions, and each provider of actions has a connection", () => {
  expect(actions.map(([name]) => name)).toEqual(
    expect.arrayContaining(["github.comment", "github.status", "http.request"]),
  );
  for (const { name, summary, actions: own, connection } of all) {
    expect(summary, name).not.toBe("");
    expect(own === undefined || connection !== undefined, name).toBe(true);
  }
});

test("every connection has the common keys and refuses unknown ones", () => {
  for (const provider of all.filter(({ connection }) => connection !== undefined)) {
    const { properties } = provider.connection as unknown as Schema;
    expect(Object.keys(properties), provider.name).toEqual(
      expect.arrayContaining(["allowPrivate", "concurrency", "ratePerSecond"]),
    );
    const check = validatorFor(provider.connection ?? {});
    const settings = settingsOf(provider, "https://provider.example");
    expect(check(settings), provider.name).toEqual([]);
    expect(check({ ...settings, concurrency: 65 }), provider.name).not.toEqual([]);
    expect(check({ ...settings, unknownKey: 1 }), provider.name).not.toEqual([]);
  }
});

describe.each(actions)("%s", (_name, { provider, name, action }) => {
  test("documents its parameters, takes its own example and refuses what it does not know", () => {
    expect(action.summary).not.toBe("");
    const check = validatorFor(action.params);
    expect(check(action.example)).toEqual([]);
    expect(check({ ...action.example, unknownParameter: 1 })).not.toEqual([]);
    for (const [key, schema] of Object.entries((action.params as unknown as Schema).properties)) {
      expect(JSON.stringify(schema), key).toMatch(/description|anyOf|const/);
    }
  });

  test("is done when the provider confirms, and has sent its key when it says so", async () => {
    const file = join(import.meta.dirname, "../fixtures", provider.name, "answers.json");
    const answers: Answers = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {};
    const seen: string[] = [];
    const url = await serve(async (request, response) => {
      seen.push(JSON.stringify(request.headers) + (await textOf(request)));
      const { status, body } = answers[name]?.[request.method ?? ""] ?? { status: 200, body: { ok: true } };
      response
        .writeHead(status, { "content-type": "application/json" })
        .end(body === undefined ? "" : JSON.stringify(body));
    });
    expect(await perform({ provider, action }, url)).toMatchObject({ kind: "done" });
    expect(seen.length).toBeGreaterThan(0);
    if (action.idempotency === "key") expect(seen.join("\n")).toContain(KEY);
  });

  test.each([
    [429, { "retry-after": "7" }, { kind: "retry", afterMs: 7_000 }],
    [503, {}, { kind: "retry" }],
    [503, { "retry-after": "120" }, { kind: "retry", afterMs: 120_000 }],
    [401, {}, { kind: "rejected", error: { status: 401 } }],
    [403, {}, { kind: "rejected", error: { status: 403 } }],
  ])("answered %i %j: %j", async (status, headers, outcome) => {
    const url = await serve((_request, response) => void response.writeHead(status, headers).end("{}"));
    expect(await perform({ provider, action }, url)).toMatchObject(outcome);
  });

  test("is tried again when nobody listens", async () => {
    const url = await serve(() => {});
    await closers.pop()?.();
    expect(await perform({ provider, action }, url)).toMatchObject({ kind: "retry" });
  });

  test("is uncertain when the connection breaks after the request was taken, unless asking again does no harm", async () => {
    let method = "";
    const url = await serve((request) => {
      method = request.method ?? "";
      request.socket.destroy();
    });
    const outcome = await perform({ provider, action }, url);
    const isHarmless = action.idempotency === "state" || method === "GET";
    expect(isHarmless ? ["retry", "uncertain"] : ["uncertain"]).toContain(outcome.kind);
  });

  test("has no success in an answer that is none", async () => {
    for (const status of [301, 400, 404, 500]) {
      const url = await serve((_request, response) => void response.writeHead(status, { location: "/x" }).end("{}"));
      expect((await perform({ provider, action }, url)).kind, String(status)).not.toBe("done");
    }
  });

  test("calls no private address unless the connection allows it", async () => {
    let calls = 0;
    const url = await serve((_request, response) => {
      calls++;
      response.end();
    });
    const outcome = await perform({ provider, action, allowPrivate: false }, url);
    expect(outcome).toMatchObject({ kind: "rejected", error: { code: "PRIVATE_ADDRESS" } });
    expect(calls).toBe(0);
  });

  test("shows no credential in a failure", async () => {
    const basic = Buffer.from(`bot@example.com:${CREDENTIAL}`).toString("base64");
    const hidden = (outcome: Outcome) => {
      const text = JSON.stringify(errorOf(outcome) ?? {});
      expect(text).not.toContain(CREDENTIAL);
      expect(text).not.toContain(basic);
    };
    const gone = await serve(() => {});
    await closers.pop()?.();
    hidden(await perform({ provider, action }, gone));
    hidden(await perform({ provider, action }, await serve((request) => void request.socket.destroy())));
    // A provider that gives back what it was sent.
    const mirror = await serve(
      (request, response) => void response.writeHead(400).end(JSON.stringify(request.headers)),
    );
    const redact = (text: string) => text.replaceAll(CREDENTIAL, "***").replaceAll(basic, "***");
    hidden(await perform({ provider, action, redact }, mirror));
  });
});
