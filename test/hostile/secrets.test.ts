/** A secret is hard to guess, belongs to one sender, and is shown nowhere, however it came in. */
import { createHmac } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { loadConfig } from "../../src/config/config.ts";
import { withoutFields } from "../../src/flow/drop.ts";
import { createRedactor, MASK } from "../../src/log/redact.ts";
import { loadProviders } from "../../src/providers/index.ts";
import { temporary } from "../cli/support/command.ts";
import { startEngine } from "../support/engine.ts";

const LONG = "a-long-random-webhook-secret";

async function load(text: string, env: Record<string, string>) {
  const dir = temporary();
  mkdirSync(join(dir, "rules"));
  writeFileSync(join(dir, "signalbox.yaml"), text);
  return await loadConfig({ dir, env, providers: await loadProviders() });
}

async function problems(secret: string): Promise<string[]> {
  const { diagnostics } = await load("sources: { gh: { provider: github, secret: env:S } }\n", { S: secret });
  expect(inspect(diagnostics)).not.toContain(secret);
  return diagnostics.map(({ code, severity }) => `${severity} ${code}`);
}

describe("the secret of a source", () => {
  test.each(["abcdefghijklmno", `${LONG} `, ` ${LONG}`, `${LONG}\n`, `\t${LONG}`, `${LONG}\r`])(
    "%j is refused",
    async (secret) => {
      expect(await problems(secret)).toEqual(["error SB0211"]);
    },
  );

  test.each([
    "abcdefghijklmnop",
    LONG,
    "with a space inside",
    "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
  ])("%j is taken", async (secret) => {
    expect(await problems(secret)).toEqual([]);
  });

  test("is refused too where it is one of several", async () => {
    const text = "sources: { gh: { provider: github, secrets: [env:A, env:B] } }\n";
    const { diagnostics } = await load(text, { A: LONG, B: "short" });
    expect(diagnostics).toMatchObject([{ code: "SB0211", line: 1, col: 53 }]);
  });

  test("is warned of where another source has the same, under any name; twice in one source is no matter", async () => {
    const text =
      "sources:\n  a: { provider: github, secrets: [env:A, env:A] }\n  b: { provider: github, secret: env:B }\n";
    const { diagnostics, config } = await load(text, { A: LONG, B: LONG });
    expect(diagnostics).toMatchObject([{ code: "SB0211", severity: "warning", line: 3 }]);
    expect(diagnostics[0]?.message).toContain('"a"');
    expect(config).toBeDefined();
  });
});

test("the token of a connection is as long as its vendor makes it, but has no blanks around it", async () => {
  const text = "connections: { jira: { provider: jira, url: https://x.example, token: env:T } }\n";
  expect((await load(text, { T: "short" })).diagnostics).toEqual([]);
  expect((await load(text, { T: "short " })).diagnostics).toMatchObject([{ code: "SB0211", severity: "error" }]);
});

describe("a secret within the settings of a connection is a secret everywhere", () => {
  const TOKEN = "123456:ABC-DEF1234ghIkl";
  test.each([
    ["in the path, from a variable", "url: 'https://api.example.com/bot${BOT_TOKEN}'", { BOT_TOKEN: TOKEN }],
    ["in the path, under a harmless name", "url: 'https://api.example.com/bot${BOT}/x'", { BOT: TOKEN }],
    ["in the query", "url: 'https://api.example.com/x?key=${K}'", { K: TOKEN }],
    [
      "within an address that is a variable as a whole",
      "url: env:ADDRESS",
      { ADDRESS: `https://api.example.com/${TOKEN}` },
    ],
    ["in a header", "url: 'https://api.example.com', headers: { X-Api-Key: 'k ${API_KEY}' }", { API_KEY: TOKEN }],
    ["as a whole header", "url: 'https://api.example.com', headers: { X-Api-Key: env:API_KEY }", { API_KEY: TOKEN }],
  ])("%s", async (_, settings, env) => {
    const { config, diagnostics } = await load(`connections: { api: { provider: http, ${settings} } }\n`, env as never);
    expect(diagnostics).toEqual([]);
    expect(createRedactor(config?.secrets ?? []).text(`Cannot POST /bot${TOKEN}/send`)).not.toContain(TOKEN);
    expect(inspect(config?.origins, { depth: 9 })).not.toContain(TOKEN);
  });

  test("but a word of an address is none", async () => {
    const text = "connections: { api: { provider: http, url: 'https://${HOST}/teams/${TEAM}' } }\n";
    const { config } = await load(text, { HOST: "api.example.com", TEAM: "platform" });
    expect(config?.secrets).toEqual([]);
    expect(config?.origins.get("connections.api.url")?.value).toBe("https://api.example.com/teams/platform");
  });
});

// Put together here, so that no scanner takes the examples for real ones.
const made = (...parts: string[]) => parts.join("");
const run = "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8";
describe("a credential of known form is masked in the log, though nobody configured it", () => {
  test.each([
    ["GitHub", made("ghp", "_", run)],
    ["GitHub, of an installation", made("ghs", "_", run)],
    ["GitHub, fine-grained", made("github", "_pat_", run)],
    ["GitLab", made("glpat", "-", run)],
    ["Slack", made("xoxb", "-123456789012-", run)],
    ["AWS", made("AKIA", "IOSFODNN7EXAMPLE")],
    ["Stripe", made("sk", "_live_", run)],
    ["JWT", made("eyJhbGciOiJIUzI1NiJ9", ".", "eyJzdWIiOiIxIn0", ".", run)],
    ["Standard Webhooks", made("whsec", "_", run)],
    ["a private key", made("-----BEGIN RSA ", "PRIVATE KEY-----\n", run, "\n-----END RSA PRIVATE KEY-----")],
  ])("%s", (_, token) => {
    const { text } = createRedactor([]);
    for (const around of [`failed: ${token}`, `{"a":"${token}"}`, `(${token})`, `x=${token}&y=1`])
      expect(text(around)).not.toContain(token.slice(8));
  });

  test.each([
    ["Authorization: token abcdefgh12345678", "abcdefgh12345678"],
    ["authorization=abcdefgh12345678", "abcdefgh12345678"],
    ["password=hunter2-hunter2", "hunter2"],
    ["https://user:hunter2@example.com/x", "hunter2"],
    [`https://${run}@example.com/x`, run],
  ])("%s", (line, secret) => {
    const masked = createRedactor([]).text(line);
    expect(masked).toContain(MASK);
    expect(masked).not.toContain(secret);
  });

  test.each([
    "ghp_short",
    "the token of the author",
    "authorization: none",
    "9f31c2e4d1b0a7c65e8f3d2b1a0c9e8f7d6c5b4a",
    "https://example.com/eyJ/x",
    "mail me@example.com",
    "git+https://example.com/a@1.2.3",
  ])("%j is no credential", (line) => {
    expect(createRedactor([]).text(line)).toBe(line);
  });
});

describe("a field that a source drops is not stored", () => {
  const data = { a: { token: "t", b: 1 }, list: [{ token: "t", c: 2 }, { c: 3 }], deep: [[{ x: 1 }]], n: null };
  test.each([
    [["a.token"], { ...data, a: { b: 1 } }],
    [["list.*.token"], { ...data, list: [{ c: 2 }, { c: 3 }] }],
    [["list.0"], { ...data, list: [null, { c: 3 }] }],
    [["*.token"], { ...data, a: { b: 1 } }],
    [["deep.*.*.x", "n"], { a: data.a, list: data.list, deep: [[{}]] }],
  ])("%j", (paths, expected) => {
    const before = structuredClone(data);
    expect(withoutFields(data, paths)).toEqual(expected);
    expect(data).toEqual(before);
  });

  test.each(["a.none", "n.x", "a.b.c", "__proto__", "constructor.name", "list.7"])(
    "and %s, which is not there, changes nothing",
    (path) => {
      expect(withoutFields(data, [path])).toBe(data);
    },
  );

  test("by what the source says and by what its vendor is known to send", async () => {
    const started = await startEngine(
      {
        "signalbox.yaml": `server: { host: 127.0.0.1, port: 0, admin: { port: 0 } }
sources: { gh: { provider: github, secret: env:S, drop: [sender.email] } }
`,
      },
      { S: LONG },
    );
    try {
      const body = JSON.stringify({
        action: "created",
        alert: { number: 1, secret: "the-leaked-one", secret_type: "x" },
        sender: { login: "ada", email: "ada@example.com" },
      });
      const response = await fetch(`${started.ingestUrl}/hooks/gh`, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          "x-github-event": "secret_scanning_alert",
          "x-github-delivery": "d1",
          "x-hub-signature-256": `sha256=${createHmac("sha256", LONG).update(body).digest("hex")}`,
        },
        body,
      });
      expect(response.status).toBe(202);
      const id = /evt_\w+/.exec(await response.text())?.[0];
      const stored = await (await fetch(`${started.adminUrl}/api/v1/events/${id}`)).text();
      expect(stored).toContain("secret_type");
      expect(stored).not.toMatch(/the-leaked-one|ada@example/);
    } finally {
      await started.stop();
    }
  });
});
