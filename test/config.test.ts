/** signalbox.yaml + environment → Config: what may be said, where it comes from, and that secrets stay secret. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { inspect } from "node:util";
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { renderDiagnostics } from "../src/cli/terminal/diagnostics.ts";
import { actionCatalogue, type Config, type Loaded, type LoadOptions, loadConfig } from "../src/config/config.ts";
import { createEnvironment, interpolate } from "../src/config/environment.ts";
import { PROVIDERS } from "./support/providers.ts";

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function folderWith(files: Record<string, string | Uint8Array>): string {
  const folder = mkdtempSync(join(tmpdir(), "signalbox-config-"));
  folders.push(folder);
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  return folder;
}

type More = Partial<LoadOptions> & { files?: Record<string, string> };

function load(text: string, { files = {}, ...more }: More = {}): Promise<Loaded> {
  return loadConfig({ dir: folderWith({ "signalbox.yaml": text, ...files }), env: {}, providers: PROVIDERS, ...more });
}

async function good(text: string, more: More = {}): Promise<Config> {
  const { config, diagnostics: problems } = await load(text, more);
  expect(problems).toEqual([]);
  if (config === undefined) throw new Error("no problems, and yet no configuration");
  return config;
}

const codes = async (text: string, more: More = {}) => (await load(text, more)).diagnostics.map(({ code }) => code);

test("an empty file is a configuration: everything has a default", async () => {
  const { dir, file, origins, ...config } = await good("");
  expect(file).toBe(join(dir, "signalbox.yaml"));
  expect(config).toEqual({
    server: { host: "0.0.0.0", port: 8080, admin: { host: "127.0.0.1", port: 8081 } },
    store: { kind: "sqlite", path: join(dir, "data/signalbox.db") },
    cache: { kind: "memory" },
    sources: [],
    connections: [],
    schedules: [],
    vars: {},
    retention: { eventsMs: 30 * 86_400_000, deliveriesMs: 30 * 86_400_000 },
    auth: { local: true },
    log: "info",
    secrets: [],
  });
  expect([...origins.values()].every(({ origin }) => origin === "default")).toBe(true);
});

test("the example of the design loads as it stands", async () => {
  const text = `sources:
  github-acme: { provider: github, secret: env:GITHUB_WEBHOOK_SECRET, paths: [/gate/GitHub/Acme] }
  travis:      { provider: travis, repos: [acme/web] }
connections:
  jira:  { provider: jira, url: https://acme.atlassian.net, email: env:JIRA_EMAIL, token: env:JIRA_TOKEN }
  slack: { provider: slack, webhook: env:SLACK_WEBHOOK_URL }
store: sqlite:./data/signalbox.db        # or postgres://…
cache: memory                            # or redis://…
`;
  const env = {
    GITHUB_WEBHOOK_SECRET: "s1-of-16-or-more",
    JIRA_EMAIL: "a@example.com",
    JIRA_TOKEN: "t1",
    SLACK_WEBHOOK_URL: "https://s",
  };
  const config = await good(text, { env });
  expect(config.sources).toEqual([
    {
      config: { name: "github-acme", provider: "github", secrets: ["s1-of-16-or-more"], settings: {} },
      paths: ["/hooks/github-acme", "/gate/GitHub/Acme"],
      bodyBytesMax: 1024 * 1024,
      allowPrivate: false,
    },
    {
      config: { name: "travis", provider: "travis", secrets: [], settings: { repos: ["acme/web"] } },
      paths: ["/hooks/travis"],
      bodyBytesMax: 1024 * 1024,
      allowPrivate: false,
    },
  ]);
  expect(config.connections.map(({ config: connection }) => connection)).toEqual([
    {
      name: "jira",
      provider: "jira",
      settings: { url: "https://acme.atlassian.net", email: "a@example.com", token: "t1" },
    },
    { name: "slack", provider: "slack", settings: { webhook: "https://s" } },
  ]);
  expect(config.secrets.toSorted()).toEqual(["https://s", "s1-of-16-or-more", "t1"]);
  expect([...actionCatalogue(config.connections, PROVIDERS).keys()]).toEqual(["jira.transition", "slack.post"]);
});

describe("sources", () => {
  test("take everything that can be said of one", async () => {
    const text = `sources:
  all:
    provider: custom
    secrets: [env:OLD, env:NEW]
    paths: [/a/, /a, /b]
    maxBody: 25MiB
    tickets: { projects: [WEB, OPS2] }
    dedupe: 10m
    allowPrivate: true
    tolerance: 60
`;
    const { sources } = await good(text, { env: { OLD: "one-of-16-or-more", NEW: "two-of-16-or-more" } });
    expect(sources).toEqual([
      {
        config: {
          name: "all",
          provider: "custom",
          secrets: ["one-of-16-or-more", "two-of-16-or-more"],
          settings: { open: false, tolerance: 60 },
          ticketProjects: ["WEB", "OPS2"],
        },
        paths: ["/hooks/all", "/a", "/b"],
        bodyBytesMax: 25 * 1024 * 1024,
        allowPrivate: true,
        dedupeWindowMs: 600_000,
      },
    ]);
  });

  test.each([
    ["{ provider: github }", ["SB0103"]],
    ["{ provider: custom }", ["SB0103"]],
    ["{ provider: custom, open: true }", []],
    ["{ provider: travis }", []],
    ["{ provider: travis, secret: env:A, secrets: [env:A] }", ["SB0102"]],
    ["{ provider: github, secrets: [] }", ["SB0102"]],
    ["{ secret: env:A }", ["SB0103"]],
    ["{ provider: githb, secret: env:A }", ["SB0206"]],
    ["{ provider: jira, secret: env:A }", ["SB0206"]],
    ["{ provider: travis, repo: [x] }", ["SB0101"]],
    ["{ provider: travis, repos: x }", ["SB0102"]],
    ["{ provider: travis, paths: [no-slash] }", ["SB0102"]],
    ["{ provider: travis, paths: [/a?b] }", ["SB0102"]],
    ["{ provider: travis, maxBody: 26MiB }", ["SB0108"]],
    ["{ provider: travis, maxBody: 0B }", ["SB0102"]],
    ["{ provider: travis, maxBody: huge }", ["SB0102"]],
    ["{ provider: travis, dedupe: 31d }", ["SB0108"]],
    ["{ provider: travis, allow: [10.0.0.0/33] }", ["SB0102"]],
    ["{ provider: travis, allow: [example.org] }", ["SB0102"]],
    ["{ provider: travis, allow: [10.0.0.1, 2001:db8::/32, 192.0.2.0/24] }", []],
    ["{ provider: travis, trustedProxies: [10.0.0/8] }", ["SB0102"]],
    ["{ provider: travis, dedupe: soon }", ["SB0107"]],
    ["{ provider: travis, tickets: { projects: [web] } }", ["SB0102"]],
    ["travis", ["SB0102"]],
  ])("%s: %j", async (entry, expected) => {
    expect(await codes(`sources: { one: ${entry} }`, { env: { A: "a-secret-of-16-or-more" } })).toEqual(expected);
  });

  test("a mistake in one does not hide those of another, nor make new ones up", async () => {
    const text =
      "sources:\n  a: { provider: githb }\n  b: { provider: github }\n  c: { provider: travis, repo: x, dedupe: soon }\n  d: { provider: travis, dedupe: soon }\nretention: { events: soon }\n";
    const { diagnostics: problems } = await load(text);
    expect(problems.map(({ code, line }) => `${code} ${line}`)).toEqual([
      "SB0206 2",
      "SB0103 3",
      "SB0101 4",
      "SB0107 5",
      "SB0107 6",
    ]);
  });

  test.each([
    ["paths: [/x]", "paths: [/x]", ["SB0209"]],
    ["paths: [/x]", "paths: [/x/]", ["SB0209"]],
    ["paths: [/hooks/b]", "repos: []", ["SB0209"]],
    ["paths: [/x]", "paths: [/X]", []],
    ["paths: [/x, /x]", "paths: [/y]", []],
  ])("one says %s, the other %s: %j", async (a, b, expected) => {
    expect(await codes(`sources:\n  a: { provider: travis, ${a} }\n  b: { provider: travis, ${b} }\n`)).toEqual(
      expected,
    );
  });

  test.each(["a.b", "-a", "a b", "", "ü", "a/b", "x".repeat(101)])("the name %j is refused", async (name) => {
    expect(await codes(`sources: { ${JSON.stringify(name)}: { provider: travis } }`)).toEqual(["SB0102"]);
    expect(
      await codes(`connections: { ${JSON.stringify(name)}: { provider: slack, webhook: env:A } }`, { env: { A: "a" } }),
    ).toEqual(["SB0102"]);
  });
});

describe("connections", () => {
  const entry = (rest: string) => `connections: { slack: { provider: slack, webhook: env:A, ${rest} } }`;

  test("have limits of their own, and private addresses are closed unless they say so", async () => {
    const given = await good(entry("allowPrivate: true, concurrency: 2, ratePerSecond: 0.5"), { env: { A: "a" } });
    expect(given.connections[0]).toMatchObject({ allowPrivate: true, concurrency: 2, ratePerSecond: 0.5 });
    const standard = await good(entry(""), { env: { A: "a" } });
    expect(standard.connections[0]).toMatchObject({ allowPrivate: false, concurrency: 8 });
    expect(standard.connections[0]).not.toHaveProperty("ratePerSecond");
  });

  test.each([
    ["concurrency: 0", ["SB0102"]],
    ["concurrency: 65", ["SB0102"]],
    ["ratePerSecond: 0", ["SB0102"]],
    ["allowPrivate: maybe", ["SB0102"]],
    ["chanel: x", ["SB0101"]],
  ])("%s: %j", async (rest, expected) => {
    expect(await codes(entry(rest), { env: { A: "a" } })).toEqual(expected);
  });

  test("a provider without actions is none", async () => {
    expect(await codes("connections: { x: { provider: travis } }")).toEqual(["SB0206"]);
  });
});

describe("secrets", () => {
  const source = (reference: string) => `sources: { a: { provider: github, secret: ${JSON.stringify(reference)} } }`;

  test("come from the environment as they are, from files without the last line end", async () => {
    const files = { "one.txt": "line one\nline two\n", "two.txt": "with a space inside\r\n" };
    const text = `sources: { a: { provider: github, secrets: [env:A, file:./one.txt, file:two.txt] } }`;
    const config = await good(text, { files, env: { A: "value\nof two lines" } });
    expect(config.sources[0]?.config.secrets).toEqual([
      "value\nof two lines",
      "line one\nline two",
      "with a space inside",
    ]);
    expect(config.secrets.map(({ length }) => length)).toEqual([19, 18, 17]);
  });

  test("from an absolute path", async () => {
    const folder = folderWith({ secret: "s3cret-of-16-or-more\n" });
    expect((await good(source(`file:${folder}/secret`))).sources[0]?.config.secrets).toEqual(["s3cret-of-16-or-more"]);
  });

  test("that are not there or empty are told all at once, each in its place", async () => {
    const text = `sources:
  a: { provider: github, secrets: [env:NOT_SET, env:EMPTY, env:BLANK, file:./missing, file:./empty, file:., file:./large] }
connections:
  jira: { provider: jira, url: "https://x", token: env:NOT_SET_EITHER }
`;
    const files = { empty: "\n", large: "x".repeat(64 * 1024 + 1) };
    const { diagnostics: problems, config } = await load(text, { files, env: { EMPTY: "", BLANK: "  " } });
    expect(config).toBeUndefined();
    expect(problems.map(({ code }) => code)).toEqual(Array(8).fill("SB0207"));
    expect(new Set(problems.map(({ line, col }) => `${line}:${col}`)).size).toBe(8);
  });

  test("that are not there are warnings for commands that work offline, and then there is a configuration", async () => {
    const { diagnostics: problems, config } = await load(source("env:NOT_SET"), { offline: true });
    expect(problems).toMatchObject([{ code: "SB0207", severity: "warning" }]);
    expect(config?.sources[0]?.config.secrets).toEqual([]);
  });

  test.each([
    ["in a source", 'sources: { a: { provider: github, secret: "geh$eim" } }'],
    ["in a list", "sources: { a: { provider: github, secrets: [geh$eim, env:A] } }"],
    ["as a number", "sources: { a: { provider: github, secret: 4711000815 } }"],
    ["in a connection", "connections: { slack: { provider: slack, webhook: https://geh$eim } }"],
    [
      "below a list of a provider's own",
      "sources: { a: { provider: custom, open: true, keys: [{ id: x, key: geh$eim }] } }",
    ],
    ["as a default", 'sources: { a: { provider: github, secret: "${A:-geh$eim}" } }'],
    ["behind an alias", "vars: { x: &s geh$eim }\nsources: { a: { provider: github, secret: *s } }"],
    ["in an address", "store: postgres://me:geh$eim@db/x"],
    ["in an address with a variable", "store: postgres://${USER:-me}:geh$eim@db/x"],
  ])("that stand in the file %s are refused and shown nowhere", async (_place, text) => {
    const { diagnostics: problems, config, fileTexts: sources } = await load(text, { env: { A: "a" } });
    expect(config).toBeUndefined();
    expect(problems.map(({ code }) => code)).toContain("SB0208");
    const shown =
      renderDiagnostics(problems, { fileTexts: sources, color: false }) + inspect({ problems, sources }, { depth: 9 });
    expect(shown).not.toMatch(/geh\$eim|4711000815/);
  });

  test("and variables that are not there make no second problem of the value they would have been", async () => {
    expect(await codes("store: env:NOT_SET\nretention: { events: '${NOT_SET}' }\n")).toEqual(["SB0207", "SB0210"]);
  });

  test("named by ${NAME} get the reference as advice", async () => {
    expect((await load(source("${MY_SECRET}"))).diagnostics).toMatchObject([
      { code: "SB0208", suggestion: "env:MY_SECRET" },
    ]);
  });

  test("never appear in problems or origins, whatever is wrong with them", async () => {
    const text =
      'sources: { a: { provider: github, secret: env:A } }\nconnections: { jira: { provider: jira, url: "${A}", token: env:A } }\n';
    const bad = await load(text, { env: { A: "very-secret-of-16-or-more" } });
    expect(bad.diagnostics).toHaveLength(1);
    expect(inspect(bad.diagnostics)).not.toContain("very-secret");
    const config = await good(text, { env: { A: "https://very-secret" } });
    expect(config.origins.get("sources.a.secret")).toEqual({
      value: expect.stringMatching(/^••••[0-9a-f]{4}$/),
      origin: "signalbox.yaml:1:43 (env:A)",
    });
  });

  test("in the address of store and cache are known for redaction, and origins show the address without", async () => {
    const env = { DB: "postgres://me:p%40ss@db/x", REDIS_PASSWORD: "hush" };
    const config = await good('store: env:DB\ncache: "redis://:${REDIS_PASSWORD}@cache:6379"\n', { env });
    expect(config.store).toEqual({ kind: "postgres", url: env.DB });
    expect(config.cache).toEqual({ kind: "redis", url: "redis://:hush@cache:6379" });
    expect(config.secrets).toEqual(expect.arrayContaining(["p@ss", "hush"]));
    expect(inspect(config.origins)).not.toMatch(/p%40ss|p@ss|hush/);
  });
});

describe("variables in the file", () => {
  const env = createEnvironment({ SET: "value", EMPTY: "" }, undefined);
  test.each([
    ["a ${SET} b", "a value b"],
    ["${SET}${SET}", "valuevalue"],
    ["${EMPTY}", ""],
    ["${UNSET:-default}", "default"],
    ["${EMPTY:-default}", "default"],
    ["${SET:-default}", "value"],
    ["${UNSET:-}", ""],
    ["${SET:?needed}", "value"],
    ["$${SET}", "${SET}"],
    ["$$$$", "$$"],
    ["$5 and $SET", "$5 and $SET"],
    ["${UNSET:-a:-b}", "a:-b"],
  ])("%s → %s", (text, expected) => {
    expect(interpolate(text, env)).toMatchObject({ text: expected, mistakes: [] });
  });

  test.each([
    ["${UNSET}", "unset"],
    ["${UNSET:?say why}", "unset"],
    ["${EMPTY:?say why}", "unset"],
    ["${}", "malformed"],
    ["${1X}", "malformed"],
    ["${SET", "malformed"],
    ["${SET-default}", "malformed"],
  ])("%s is told as %s", (text, kind) => {
    expect(interpolate(text, env).mistakes).toMatchObject([{ kind }]);
  });

  test("text without a dollar sign stays as it is, and escaping every dollar sign keeps any text", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(interpolate(text.replaceAll("$", "$$$$"), env).text).toBe(text);
      }),
    );
  });

  test("become numbers and booleans where the schema wants them, and stay text elsewhere", async () => {
    const text = `server: { port: "\${PORT}", host: "\${HOST:-127.0.0.1}" }
connections: { slack: { provider: slack, webhook: env:A, allowPrivate: "\${OPEN}", ratePerSecond: "\${RATE}" } }
vars: { number: "\${PORT}", deep: [{ x: "\${HOST:-y}" }] }
`;
    const config = await good(text, { env: { PORT: "9000", OPEN: "true", RATE: "1.5", A: "a" } });
    expect(config.server).toMatchObject({ port: 9000, host: "127.0.0.1" });
    expect(config.connections[0]).toMatchObject({ allowPrivate: true, ratePerSecond: 1.5 });
    expect(config.vars).toEqual({ number: "9000", deep: [{ x: "y" }] });
    expect(await codes('server: { port: "${PORT}" }', { env: { PORT: "http" } })).toEqual(["SB0102"]);
  });

  test("that are not set are errors, offline warnings, in their place inside the text", async () => {
    const text = "vars:\n  a: 'x ${NOPE} y'\n";
    expect((await load(text)).diagnostics).toMatchObject([
      { code: "SB0210", severity: "error", line: 2, col: 9, endCol: 16 },
    ]);
    expect((await load(text, { offline: true })).diagnostics).toMatchObject([{ severity: "warning" }]);
  });
});

describe("precedence: flag, environment, .env, file, default", () => {
  const TEXT = "server: { port: 1001 }\n";
  const dotenv = { ".env": "SIGNALBOX_PORT=1002\nexport OTHER='x y' # remark\nEMPTY_HERE=1\n" };
  const flags = { "server.port": "1004" };
  const env = { SIGNALBOX_PORT: "1003" };

  test.each([
    { name: "flag", more: { files: dotenv, env, flags }, port: 1004, origin: "command line" },
    { name: "environment", more: { files: dotenv, env }, port: 1003, origin: "SIGNALBOX_PORT" },
    { name: ".env", more: { files: dotenv }, port: 1002, origin: "SIGNALBOX_PORT from .env" },
    { name: "file", more: {}, port: 1001, origin: "signalbox.yaml:1:17" },
    {
      name: "file in production",
      more: { files: dotenv, env: { NODE_ENV: "production" } },
      port: 1001,
      origin: "signalbox.yaml:1:17",
    },
  ])("$name", async ({ more, port, origin }) => {
    const config = await good(TEXT, more);
    expect(config.server.port).toBe(port);
    expect(config.origins.get("server.port")).toEqual({ value: String(port), origin });
  });

  test("default", async () => {
    expect((await good("")).origins.get("server.port")).toEqual({ value: "8080", origin: "default" });
  });

  test("a variable that is set to nothing is set: .env does not override it", async () => {
    expect(
      await codes("vars: { x: '${EMPTY_HERE:?must be set}' }", { files: dotenv, env: { EMPTY_HERE: "" } }),
    ).toEqual(["SB0210"]);
    expect((await good("vars: { x: '${OTHER}' }", { files: dotenv })).vars).toEqual({ x: "x y" });
  });

  test("the admin port and the log have their variables too, and a wrong one is told by its name", async () => {
    const config = await good("", { env: { SIGNALBOX_ADMIN_PORT: "0", SIGNALBOX_LOG: "debug" } });
    expect(config.server.admin.port).toBe(0);
    expect(config.log).toBe("debug");
    const { diagnostics: problems } = await load("", { env: { SIGNALBOX_ADMIN_PORT: "99999", SIGNALBOX_LOG: "loud" } });
    expect(problems.map(({ code, file, message }) => [code, file, message.split(" ")[0]])).toEqual([
      ["SB0102", undefined, "SIGNALBOX_ADMIN_PORT"],
      ["SB0102", undefined, "SIGNALBOX_LOG"],
    ]);
  });
});

describe("store and cache", () => {
  test.each([
    ["store: memory", { store: { kind: "memory" } }],
    ["store: sqlite:/var/lib/x.db", { store: { kind: "sqlite", path: "/var/lib/x.db" } }],
    ["store: postgresql://me@db/x", { store: { kind: "postgres", url: "postgresql://me@db/x" } }],
    ["cache: rediss://cache:6380", { cache: { kind: "redis", url: "rediss://cache:6380" } }],
  ])("%s", async (text, expected) => {
    expect(await good(text)).toMatchObject(expected);
  });

  test.each([
    "store: sqlite",
    "store: mysql://x",
    'store: "sqlite:"',
    "cache: memcached",
    "store: 5",
    "cache: redis:x",
  ])("%s is refused", async (text) => {
    expect(await codes(text)).toEqual(["SB0102"]);
  });

  test("a relative path is relative to the file, wherever the file lies", async () => {
    const dir = folderWith({ "deep/er/box.yaml": "store: sqlite:./x.db\n" });
    const { config } = await loadConfig({ dir, file: "deep/er/box.yaml", env: {}, providers: PROVIDERS });
    expect(config?.store).toEqual({ kind: "sqlite", path: join(dir, "deep/er/x.db") });
    expect(config?.dir).toBe(join(dir, "deep/er"));
  });
});

describe("schedules", () => {
  test("become events by the clock", async () => {
    const text =
      'schedules: { nightly: { cron: "0 3 * * mon-fri", timezone: Europe/Berlin, data: { a: 1 } }, often: { cron: "*/10 * * * * *" } }';
    expect((await good(text)).schedules).toEqual([
      { id: "nightly", cron: "0 3 * * mon-fri", timezone: "Europe/Berlin", data: { a: 1 } },
      { id: "often", cron: "*/10 * * * * *", data: {} },
    ]);
  });

  test.each([
    ["* * * * *", true],
    ["0 0 1,15 * 0-6", true],
    ["*/5 8-18/2 * JAN,dec sunday", true],
    ["0 0 * * 7", true],
    ["60 * * * *", false],
    ["* 24 * * *", false],
    ["* * 0 * *", false],
    ["* * * 13 *", false],
    ["* * * * 8", false],
    ["*/0 * * * *", false],
    ["5-1 * * * *", false],
    ["1,,2 * * * *", false],
    ["* * * *", false],
    ["@daily", true],
    ["@reboot", false],
    ["0 0 31 4 *", false],
    ["a b c d e", false],
  ])("cron %s is taken: %s", async (cron, taken) => {
    expect(await codes(`schedules: { x: { cron: ${JSON.stringify(cron)} } }`)).toEqual(taken ? [] : ["SB0102"]);
  });
});

test.each([
  ["server: { prot: 1 }", ["SB0101"]],
  ["server: { port: -1 }", ["SB0102"]],
  ["server: []", ["SB0102"]],
  ["sources: []", ["SB0102"]],
  ["log: loud", ["SB0102"]],
  ["retention: { events: 59m }", ["SB0108"]],
  ["retention: { deliveries: 3651d }", ["SB0108"]],
  ["auth: { local: 1 }", ["SB0102"]],
  ["- a", ["SB0102"]],
  ["just text", ["SB0102"]],
  ["a: [", ["SB0001"]],
  ["log: info\nlog: debug", ["SB0002"]],
])("%s: %j", async (text, expected) => {
  expect(await codes(text)).toEqual(expected);
});

test("a file that is missing, a folder, not UTF-8 or too large is a problem and not a crash", async () => {
  const dir = folderWith({
    "latin.yaml": new Uint8Array([0x61, 0x3a, 0x20, 0xe9]),
    "large.yaml": "#".repeat(1024 * 1024 + 1),
    "sub/x": "",
  });
  const problem = async (file: string) => (await loadConfig({ dir, file, env: {}, providers: PROVIDERS })).diagnostics;
  expect(await problem("missing.yaml")).toMatchObject([{ code: "SB0003", file: "missing.yaml" }]);
  expect(await problem("sub")).toMatchObject([{ code: "SB0003" }]);
  expect(await problem("latin.yaml")).toMatchObject([{ code: "SB0001" }]);
  expect(await problem("large.yaml")).toMatchObject([{ code: "SB0108" }]);
});

test("no file makes it reject, and there is a configuration exactly when no problem is an error", async () => {
  const word = fc.constantFrom(
    "sources",
    "server",
    "github",
    "provider",
    "secret",
    "env:A",
    "port",
    "store",
    "${A}",
    "${",
    "a",
    "1",
    "null",
    "~",
  );
  const node = fc.letrec((tie) => ({
    any: fc.oneof(
      { depthSize: "small" },
      word,
      fc.integer(),
      fc.array(tie("any"), { maxLength: 3 }),
      fc.dictionary(word, tie("any"), { maxKeys: 3, noNullPrototype: true }),
    ),
  })).any;
  const dir = folderWith({});
  await fc.assert(
    fc.asyncProperty(node, async (value) => {
      writeFileSync(join(dir, "signalbox.yaml"), JSON.stringify(value));
      const { config, diagnostics: problems } = await loadConfig({ dir, env: { A: "x" }, providers: PROVIDERS });
      expect(config === undefined).toBe(problems.some(({ severity }) => severity === "error"));
      for (const { line, col } of problems) expect([line, col]).toEqual([expect.any(Number), expect.any(Number)]);
    }),
    { numRuns: 100 },
  );
});
