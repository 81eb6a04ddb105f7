/** Nothing that was told in secret is shown anywhere, in no form, whatever a failing outside throws back at us. */
import { readdirSync, readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Delivery } from "../../src/model.ts";
import { command } from "../cli/support/command.ts";
import { type Started, startEngine } from "../support/engine.ts";
import { type Sandbox, startSandbox } from "../support/sandbox.ts";
import { freePort, signedByGithub, until } from "../support/served.ts";

const JIRA_EMAIL = "bot@example.com";
const USERNAME = "deployer";

/** With characters that look different in JSON, in URLs and in Base64. */
const SECRETS = {
  GITHUB_SECRET: 'webhook "new" s&cret/+=1',
  GITHUB_SECRET_OLD: "webhook-old~s%cret?2",
  JIRA_TOKEN: "ATATT3x/jira+token==3",
  SLACK_TOKEN: "xoxb-4444-slack/token+4",
  SLACK_WEBHOOK_PATH: "services/T0555/B0555/webhookPathSecret5",
  BEARER: "bearer.to/ken+6==",
  PASSWORD: "pass w&rd/+7",
  WHSEC: `whsec_${Buffer.from("a signing key of ours, number 8").toString("base64")}`,
  CACHE_PASSWORD: "redis-pass-9",
};

/** Every way in which a secret travels. */
function formsOf(secret: string): string[] {
  const form = new URLSearchParams([["", secret]]).toString().slice(1);
  const url = encodeURIComponent(secret);
  const base64 = (text: string) => [Buffer.from(text).toString("base64"), Buffer.from(text).toString("base64url")];
  return [
    secret,
    JSON.stringify(secret).slice(1, -1),
    url,
    url.replace(/%../g, (hex) => hex.toLowerCase()),
    form,
    ...base64(secret),
    ...[JIRA_EMAIL, USERNAME, ""].flatMap((user) => base64(`${user}:${secret}`)),
  ];
}

/** The secrets that a text gives away, with the form it does it in. */
function leaksIn(text: string, secrets: Readonly<Record<string, string>>): string[] {
  return Object.entries(secrets).flatMap(([name, secret]) =>
    formsOf(secret).flatMap((form) => (text.includes(form) ? [`${name} as ${form} in: ${around(text, form)}`] : [])),
  );
}

function around(text: string, form: string): string {
  const at = text.indexOf(form);
  return text.slice(Math.max(0, at - 100), at + form.length + 100);
}

let echo: Server;
let echoUrl: string;
let sandbox: Sandbox;
const engines: Started[] = [];
let apiToken: string;
let cachePort: number;

/** Answers 200, 400 or 503 as the path asks, and throws back everything it was told, in every form. */
async function startEcho(): Promise<void> {
  echo = createServer((request, answer) => {
    const { authorization = "", ...headers } = request.headers;
    const decoded = Buffer.from(authorization.replace(/^Basic /, ""), "base64").toString("latin1");
    const all = { url: request.url, authorization, decoded, headers, known: Object.values(SECRETS).flatMap(formsOf) };
    const status = Number(/\/(\d{3})$/.exec(request.url ?? "")?.[1] ?? 404);
    answer.writeHead(status, {
      "content-type": "application/json",
      "x-echo": encodeURIComponent(JSON.stringify(authorization)),
    });
    answer.end(JSON.stringify(all));
  });
  await new Promise<void>((resolve) => echo.listen(0, "127.0.0.1", resolve));
  echoUrl = `http://127.0.0.1:${(echo.address() as AddressInfo).port}`;
}

const config = () => `
server: { host: 127.0.0.1, port: 0, admin: { port: 0 } }
auth: { local: false }
log: debug
cache: env:CACHE_URL
sources: { github: { provider: github, secrets: [env:GITHUB_SECRET, env:GITHUB_SECRET_OLD] } }
connections:
  jira: { provider: jira, url: "${sandbox.jira.url}", email: ${JIRA_EMAIL}, token: env:JIRA_TOKEN, allowPrivate: true }
  echoing-jira: { provider: jira, url: "${echoUrl}/400", email: ${JIRA_EMAIL}, token: env:JIRA_TOKEN, allowPrivate: true }
  slack: { provider: slack, url: "${sandbox.slack.url}", token: env:SLACK_TOKEN, allowPrivate: true }
  hook: { provider: slack, webhook: env:SLACK_WEBHOOK_URL, allowPrivate: true }
  nowhere: { provider: slack, webhook: env:SLACK_NOWHERE_URL, allowPrivate: true }
  api: { provider: http, url: "${echoUrl}", token: env:BEARER, allowPrivate: true }
  basic: { provider: http, url: "${echoUrl}", username: ${USERNAME}, password: env:PASSWORD, allowPrivate: true }
  signed: { provider: http, url: "${echoUrl}", sign: { secret: env:WHSEC }, allowPrivate: true }
`;

const calls = ["api", "basic", "signed"].flatMap((name) =>
  [200, 400, 503].map((status) => `    - ${name}.request: { method: POST, path: /${status}, json: {} }`),
);
const RULES = `
- id: everything
  event: github.lever
  do:
${calls.join("\n")}
    - jira.transition: { issue: WEB-1, to: Done }
    - jira.transition: { issue: WEB-404, to: Done }
    - echoing-jira.comment: { issue: WEB-1, body: hello }
    - slack.post: { channel: "#dev", text: hello }
    - slack.post: { channel: "#nowhere", text: hello }
    - hook.post: { text: hello }
    - nowhere.post: { text: hello }
`;

beforeAll(async () => {
  sandbox = await startSandbox();
  await startEcho();
  cachePort = await freePort();
  Object.assign(sandbox.jira, { token: SECRETS.JIRA_TOKEN });
  Object.assign(sandbox.slack, { token: SECRETS.SLACK_TOKEN });
  for (const pretty of [false, true])
    engines.push(await startEngine({ "signalbox.yaml": config(), "rules/all.yaml": RULES }, env(), { pretty }));
  for (const one of engines) {
    const { token } = await one.engine.operations.createToken({ name: "all", scopes: ["admin"] }, { who: "test" });
    if (one === engines[0]) apiToken = token;
  }
});
afterAll(async () => {
  for (const one of engines) await one.stop();
  await sandbox.close();
  echo.close();
  echo.closeAllConnections();
});

const env = (): Record<string, string> => ({
  ...SECRETS,
  SLACK_WEBHOOK_URL: `${echoUrl}/${SECRETS.SLACK_WEBHOOK_PATH}`,
  // Nobody listens there.
  SLACK_NOWHERE_URL: `http://127.0.0.1:1/${SECRETS.SLACK_WEBHOOK_PATH}`,
  CACHE_URL: `redis://:${SECRETS.CACHE_PASSWORD}@127.0.0.1:${cachePort}/0`,
});
const secrets = () => ({ ...SECRETS, SLACK_WEBHOOK_URL: env().SLACK_WEBHOOK_URL!, API_TOKEN: apiToken });

/** Events of all kinds, good and bad; returns when each delivery had its first attempt. */
async function stir(one: Started): Promise<void> {
  const pull = (id: string, secret: string) =>
    one.post("github", signedByGithub("lever", `{"pulled":"${id}"}`, { id, secret }));
  expect((await pull("new", SECRETS.GITHUB_SECRET)).status).toBe(202);
  expect((await pull("old", SECRETS.GITHUB_SECRET_OLD)).status).toBe(202);
  expect((await pull("bad", "wrong")).status).toBe(401);
  const bare = {
    body: '{"a":',
    headers: {
      ...signedByGithub("lever", "", { id: "x" }).headers,
      authorization: `Bearer ${SECRETS.GITHUB_SECRET_OLD}`,
    },
  };
  expect((await one.post("github", bare)).status).toBe(401);
  expect(
    (await one.post(`github?token=${encodeURIComponent(SECRETS.BEARER)}`, signedByGithub("lever", "{}", { id: "q" })))
      .status,
  ).toBe(401);
  await one.api(`/api/v1/events?token=${encodeURIComponent(apiToken)}`, undefined, {
    authorization: `Bearer ${SECRETS.BEARER}`,
  });
  for (const secret of Object.values(SECRETS)) {
    await fetch(`${one.adminUrl}/api/v1/events/${encodeURIComponent(secret)}`, {
      headers: { authorization: `Bearer ${apiToken}` },
    });
  }
  await until("every delivery was tried", async () => {
    const { items } = await one.engine.operations.deliveries({}, { limit: 200 });
    return items.length === 32 && items.every(({ attempts }) => attempts.length > 0);
  });
}

describe("secrets", () => {
  beforeAll(async () => {
    for (const one of engines) await stir(one);
  });

  test("deliveries were done, refused, left uncertain and never connected", async () => {
    const { items } = await engines[0]!.engine.operations.deliveries({}, { limit: 200 });
    const outcomes = (action: string) =>
      new Set(items.filter((one) => one.action === action).map(({ attempts }) => attempts[0]?.outcome));
    expect(outcomes("api.request")).toEqual(new Set(["done", "rejected", "retry"]));
    expect(outcomes("jira.transition")).toEqual(new Set(["done", "rejected"]));
    expect(outcomes("nowhere.post")).toEqual(new Set(["retry"]));
    const echoed = items.filter(({ error, result }) => JSON.stringify([error, result]).includes("known"));
    expect(echoed.length).toBeGreaterThan(5);
  });

  test.each([
    ["as JSON", 0],
    ["as people read it", 1],
  ])("are not in the log %s", (_, index) => {
    const text = engines[index]!.lines.join("");
    expect(text).toContain("Delivery rejected".replace("rejected", "is dead"));
    expect(text).toContain("Cache not reached");
    expect(text).toContain("Request refused");
    expect(leaksIn(text, secrets())).toEqual([]);
  });

  test("are not in any answer of the API", async () => {
    const [one] = engines;
    const headers = { authorization: `Bearer ${apiToken}` };
    const get = async (path: string) => {
      const answer = await fetch(one!.adminUrl + path, { headers });
      return { status: answer.status, text: `${JSON.stringify([...answer.headers])}${await answer.text()}` };
    };
    const document = JSON.parse(
      (await (await fetch(`${one!.adminUrl}/api/v1/openapi.json`, { headers })).text()) as string,
    ) as { paths: Record<string, object> };
    const { items: events } = await one!.engine.operations.events({ type: "github.lever" }, { limit: 10 });
    const { items: deliveries } = await one!.engine.operations.deliveries({}, { limit: 200 });
    const ids = (path: string): string[] => {
      if (path.startsWith("/api/v1/events/")) return events.map(({ event }) => path.replace("{id}", event.id));
      if (path.startsWith("/api/v1/deliveries/")) return deliveries.map(({ id }: Delivery) => path.replace("{id}", id));
      return [path.replace("{machine}", "none").replace("{key}", "none")];
    };
    const paths = Object.entries(document.paths).flatMap(([path, methods]) => ("get" in methods ? ids(path) : []));
    expect(paths.length).toBeGreaterThan(40);
    for (const path of paths) {
      const { status, text } = await get(path);
      expect([200, 404], path).toContain(status);
      expect(leaksIn(text, secrets()), path).toEqual([]);
    }
  });

  test.each([
    ["events list"],
    ["events list --json"],
    ["events show {event}"],
    ["events show {event} --json"],
    ["deliveries list"],
    ["deliveries list --json"],
    ["deliveries show {delivery}"],
    ["deliveries show {delivery} --json"],
    ["explain {event}"],
    ["doctor --config"],
    ["doctor --config --json"],
    ["doctor -v"],
    ["check"],
    ["token list --json"],
  ])("are not in what `%s` prints, over the files and over the server", async (line) => {
    const [one] = engines;
    const { items } = await one!.engine.operations.deliveries({ action: "basic.request" }, { limit: 10 });
    const dead = items.find(({ status }) => status === "dead")!;
    const args = line.replace("{event}", dead.event).replace("{delivery}", dead.id).split(" ");
    for (const more of [[], ["--url", one!.adminUrl]]) {
      const ran = await command([...args, ...more], { cwd: one!.folder, env: { ...env(), SIGNALBOX_TOKEN: apiToken } });
      expect([0, 1, 2], ran.err).toContain(ran.code);
      expect(leaksIn(ran.out + ran.err, secrets())).toEqual([]);
    }
  });

  test("are not on the disk", () => {
    const data = join(engines[0]!.folder, "data");
    const text = readdirSync(data).map((name) => readFileSync(join(data, name), "latin1"));
    expect(text.join("")).toContain("api.request");
    expect(leaksIn(text.join(""), secrets())).toEqual([]);
  });

  test("in a configuration that does not load are not in what is said about it", async () => {
    const [one] = engines;
    const { err, code } = await command(["check", "--json"], {
      cwd: one!.folder,
      env: { ...env(), CACHE_URL: `amqp://:${SECRETS.CACHE_PASSWORD}@x` },
    });
    expect(code).not.toBe(0);
    expect(leaksIn(err, secrets())).toEqual([]);
  });
});

test("a secret that was planted would have been found, in each of its forms", () => {
  const clean = engines[0]!.lines.join("");
  for (const [name, secret] of Object.entries(secrets())) {
    for (const form of formsOf(secret))
      expect(leaksIn(`${clean}\n{"planted":"${form}"}`, secrets()).some((leak) => leak.startsWith(name))).toBe(true);
  }
});
