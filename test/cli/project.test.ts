import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { command, json, project, ROOT, temporary } from "./support/command.ts";

describe("init", () => {
  test.each(["pr-jira", "deploy-gate", "escalation", "all", "empty"])(
    "writes a project %s that check finds no fault with",
    async (template) => {
      const cwd = temporary();
      const made = await command(["init", "web-ops", "--template", template], { cwd });
      expect(made.code).toBe(0);
      expect(made.out).toContain("✓ check");
      expect(made.out).toContain("signalbox serve");
      const dir = join(cwd, "web-ops");
      const checked = await command(["check", "--fail-on", "warning"], { cwd: dir });
      expect(checked).toMatchObject({ code: 0, err: "" });
      expect(checked.out).toContain("0 errors, 0 warnings");
      expect(await command(["serve", "--check-only"], { cwd: dir })).toMatchObject({ code: 0 });
    },
  );

  test("what is shipped is one of the topics, and all of them are the project in this repository", async () => {
    const cwd = temporary();
    const filesOf = async (template: string) => {
      await command(["init", template, "--template", template], { cwd });
      const dir = join(cwd, template);
      const names = readdirSync(dir, { recursive: true, encoding: "utf8" }).filter((name) =>
        /^(rules|state)/.test(name),
      );
      return { dir, names: names.filter((name) => statSync(join(dir, name)).isFile()).sort() };
    };
    const topics = await Promise.all(["pr-jira", "deploy-gate", "escalation"].map(filesOf));
    const all = await filesOf("all");
    expect(topics.flatMap(({ names }) => names).sort()).toEqual(all.names);
    for (const name of ["signalbox.yaml", ...all.names])
      expect(readFileSync(join(all.dir, name), "utf8"), name).toBe(readFileSync(join(ROOT, name), "utf8"));
  });

  test("keeps the secret to itself: random, 0600, ignored by git, not in the example", async () => {
    const [one, other] = await Promise.all([project(), project()]);
    const secretOf = (dir: string) => /GITHUB_WEBHOOK_SECRET=(.*)/.exec(readFileSync(join(dir, ".env"), "utf8"))?.[1];
    expect(secretOf(one)).toMatch(/^[\w-]{43}$/);
    expect(secretOf(one)).not.toBe(secretOf(other));
    expect(statSync(join(one, ".env")).mode & 0o777).toBe(0o600);
    expect(readFileSync(join(one, ".gitignore"), "utf8").split("\n")).toContain(".env");
    expect(readFileSync(join(one, ".env.example"), "utf8")).toContain("GITHUB_WEBHOOK_SECRET=\n");
  });

  test("refuses to overwrite and lists what; --force overwrites everything but the secrets", async () => {
    const dir = await project({ "signalbox.yaml": "# mine\n" });
    const secrets = readFileSync(join(dir, ".env"), "utf8");
    const refused = await command(["init", dir]);
    expect(refused.code).toBe(6);
    expect(refused.err).toContain("signalbox.yaml\n");
    expect(readFileSync(join(dir, "signalbox.yaml"), "utf8")).toBe("# mine\n");
    expect(await command(["init", dir, "--force"])).toMatchObject({ code: 0 });
    expect(readFileSync(join(dir, "signalbox.yaml"), "utf8")).toContain("provider: github");
    expect(readFileSync(join(dir, ".env"), "utf8")).toBe(secrets);
  });

  test("every file names a schema that is there", async () => {
    const dir = await project();
    for (const file of ["signalbox.yaml", "rules/pull-requests.yaml", "statemachines/jira-ticket.yaml"]) {
      const named = /\$schema=(\S+)/.exec(readFileSync(join(dir, file), "utf8"))?.[1];
      expect(existsSync(join(dir, file, "..", named!)), `${file} → ${named}`).toBe(true);
    }
  });
});

describe("check", () => {
  const BAD = "- id: bad\n  event: github.push\n  wen: 1 == 1\n  do: [{ slack.post: { channel: a, text: b } }]\n";

  test("tells every mistake with its line, and exits 1", async () => {
    const cwd = await project({ "rules/bad.yaml": BAD, "rules/worse.yaml": "- id: Worse\n  event: github.push\n" });
    const { code, out, err } = await command(["check"], { cwd });
    expect({ code, err }).toEqual({ code: 1, err: "" });
    expect(out).toContain("rules/bad.yaml:3:3");
    expect(out).toContain("did you mean `when`?");
    expect(out).toContain("rules/worse.yaml:1:7");
    expect(await command(["lint"], { cwd })).toMatchObject({ code: 1 });
  });

  test("the same mistakes as JSON, for build servers, and one per line", async () => {
    const cwd = await project({ "rules/bad.yaml": BAD });
    const [document, sameDocument, annotations, compact] = await Promise.all([
      command(["check", "--json"], { cwd }),
      command(["check", "--format", "json"], { cwd }),
      command(["check", "--format", "github"], { cwd }),
      command(["check", "--format", "compact"], { cwd }),
    ]);
    const withoutTime = (text: string) => text.replace(/"ms": \d+/, "");
    expect(withoutTime(document.out)).toBe(withoutTime(sameDocument.out));
    expect(json(document)).toMatchObject({
      kind: "CheckResult",
      summary: { errors: 1, rules: 3 },
      diagnostics: [{ code: "SB0101", severity: "error", file: "rules/bad.yaml", line: 3, column: 3 }],
    });
    expect(annotations.out).toMatch(/^::error file=rules\/bad.yaml,line=3,endLine=3,col=3.*title=SB0101::/);
    expect(compact.out).toMatch(/^rules\/bad.yaml:3:3: error SB0101: /);
    for (const { code } of [document, sameDocument, annotations, compact]) expect(code).toBe(1);
  });

  test("warnings are findings only with --fail-on warning", async () => {
    const cwd = await project({ ".env": "" });
    expect(await command(["check"], { cwd })).toMatchObject({ code: 0 });
    expect(await command(["check", "--fail-on", "warning"], { cwd })).toMatchObject({ code: 1 });
  });

  test("a file that is not readable YAML is exit 3", async () => {
    const cwd = await project({ "rules/bad.yaml": "- id: [\n" });
    expect(await command(["check"], { cwd })).toMatchObject({ code: 3 });
  });

  test("the project is found from a folder below it, by -C, by -c, and by variable", async () => {
    const dir = await project();
    const elsewhere = temporary();
    const ways: [string[], { cwd: string; env?: Record<string, string> }][] = [
      [["check"], { cwd: join(dir, "rules", "templates") }],
      [["check", "-C", dir], { cwd: elsewhere }],
      [["-C", dir, "check"], { cwd: elsewhere }],
      [["check", "-c", join(dir, "signalbox.yaml")], { cwd: elsewhere }],
      [["check"], { cwd: elsewhere, env: { SIGNALBOX_DIR: dir } }],
      [["check"], { cwd: elsewhere, env: { SIGNALBOX_CONFIG: join(dir, "signalbox.yaml") } }],
    ];
    for (const [args, how] of ways) expect((await command(args, how)).out, args.join(" ")).toContain("2 rules");
    expect(await command(["check"], { cwd: elsewhere })).toMatchObject({ code: 3 });
  });
});

const PUSH = { ref: "refs/heads/main", commits: [], repository: { full_name: "acme/web" } };

describe("explain, on files alone", () => {
  const closed = (merged: boolean, branch = "main") => ({
    type: "github.pull_request.closed",
    branch,
    isDefaultBranch: branch === "main",
    title: "WEB-17 add login",
    tickets: ["WEB-17"],
    data: { pull_request: { merged } },
  });

  test("draws the conditions of a near miss with what was found, where it stands, and what did no harm", async () => {
    const cwd = await project();
    writeFileSync(join(cwd, "event.json"), JSON.stringify(closed(false)));
    const { code, out } = await command(["explain", "event.json"], { cwd });
    expect(code).toBe(0);
    expect(out).toContain("0 matched · 2 near miss");
    expect(out).toContain(
      [
        "MISSED by 1  merged-pr-moves-ticket   rules/pull-requests.yaml:3",
        "  ✗ all",
        "  ├─ ✗ data.pull_request.merged equals true   got false   :7:31",
        "  ├─ ✓ any",
        "  │  ├─ ✓ all",
        "  │  │  └─ ✓ isDefaultBranch equals true",
        "  │  └─ · all",
        '  │     └─ · branch prefix "release/"         got "main"   :8:48',
        '  ├─ ✓ title anything-but {"prefix":"Revert \\""}',
        "  └─ ✓ forEach event.tickets",
      ].join("\n"),
    );
    expect(out.indexOf("merged-pr-moves-ticket")).toBeLessThan(out.indexOf("pr-without-ticket"));
  });

  test.each([
    [true, "matched:merged-pr-moves-ticket", 0],
    [false, "matched:merged-pr-moves-ticket", 1],
    [true, "missed:merged-pr-moves-ticket", 1],
    [false, "missed:merged-pr-moves-ticket", 0],
    [true, "matched:no-such-rule", 1],
    [true, "moved", 2],
  ])("merged %s, --expect %s → %i", async (merged, expectation, expected) => {
    const cwd = await project();
    const { code } = await command(["explain", "-", "--expect", expectation], {
      cwd,
      input: JSON.stringify(closed(merged)),
    });
    expect(code).toBe(expected);
  });

  test("a payload becomes the event that its source would make of it", async () => {
    const cwd = await project({ "payload.json": JSON.stringify(PUSH) });
    const needsType = await command(["explain", "payload.json"], { cwd });
    expect(needsType).toMatchObject({ code: 2 });
    expect(needsType.err).toContain("--type");
    const { event } = json(await command(["explain", "payload.json", "--type", "github.push", "--json"], { cwd }));
    expect(event).toMatchObject({ type: "github.push", source: "github", branch: "main", data: PUSH });
  });

  test("needs no secret and no server", async () => {
    const cwd = await project({ ".env": "" });
    const { code } = await command(["explain", "-"], { cwd, input: JSON.stringify(closed(true)) });
    expect(code).toBe(0);
  });

  test.each([
    ["a text where a list of tickets belongs", { tickets: "WEB-17" }, "tickets"],
    ["a branch that is a number", { branch: 1 }, "branch"],
    ["an attribute that no event has", { brnch: "main" }, '"brnch"'],
    ["a time that is none", { time: "yesterday" }, "time"],
  ])("%s is refused, and the message says where", async (_, change, where) => {
    const cwd = await project({ "event.json": JSON.stringify({ ...closed(true), ...change }) });
    const { code, err } = await command(["explain", "event.json"], { cwd });
    expect(code).toBe(2);
    expect(err).toContain("The file holds no event in the form of the log");
    expect(err).toContain(where);
  });

  test.each([
    ["not JSON", "{", 2],
    ["no object", "[]", 2],
  ])("%s is refused", async (_, input, expected) => {
    expect(await command(["explain", "-"], { cwd: await project(), input })).toMatchObject({ code: expected });
  });

  test("--rule shows one rule, and names the nearest when it is misspelt", async () => {
    const cwd = await project();
    const input = JSON.stringify(closed(false));
    const one = await command(["explain", "-", "--rule", "pr-without-ticket"], { cwd, input });
    expect(one.out).not.toContain("merged-pr-moves-ticket");
    const misspelt = await command(["explain", "-", "--rule", "pr-without-tickt"], { cwd, input });
    expect(misspelt).toMatchObject({ code: 5 });
    expect(misspelt.err).toContain('did you mean "pr-without-ticket"?');
  });
});

describe("without a server", () => {
  test("events, instances, deliveries, refusals and tokens are read from the files, and -v says so", async () => {
    const cwd = await project();
    for (const args of [
      ["events", "list"],
      ["events", "refused"],
      ["instances", "list"],
      ["timers", "list"],
      ["schedules", "list"],
      ["deliveries", "list"],
      ["token", "list"],
    ]) {
      const { code, out, err } = await command([...args, "-v"], { cwd });
      expect({ args, code }).toEqual({ args, code: 0 });
      expect(out).toMatch(/^0 /);
      expect(err).toContain("reading the files in");
    }
  });

  test("a signal by hand is stored, listed, and said to wait for a server", async () => {
    const cwd = await project();
    const signal = ["instances", "signal", "jira-ticket", "WEB-9", "MERGED", "--reason", "by hand", "--yes"];
    const given = await command(signal, { cwd });
    expect(given.code).toBe(0);
    expect(given.err).toContain("when one starts");
    const { items } = json(await command(["events", "list", "--outcome", "undecided", "--json"], { cwd }));
    expect(items).toMatchObject([{ event: { type: "signal.sent", actor: "local" } }]);
  });

  test("a token is shown once, kept as a hash, listed and revoked", async () => {
    const cwd = await project();
    const made = await command(["token", "create", "ci", "--scope", "operate", "--expires", "90d"], { cwd });
    expect(made.out).toMatch(/^sbx_[\w-]{20,}\n$/);
    expect(await command(["token", "create", "ci"], { cwd })).toMatchObject({ code: 6 });
    const listed = await command(["token", "list", "--json"], { cwd });
    expect(json(listed).items).toMatchObject([
      { name: "ci", scopes: ["operate"], expiresAt: expect.stringMatching(/^\d{4}-.*Z$/) },
    ]);
    expect(listed.out).not.toContain(made.out.trim());
    expect(await command(["token", "revoke", "ci"], { cwd })).toMatchObject({ code: 0 });
    expect(json(await command(["token", "list", "--json"], { cwd })).items).toEqual([]);
  });
});

describe("doctor", () => {
  test("is quiet about a healthy project, and its verdict is the last line", async () => {
    const cwd = await project({ "signalbox.yaml": QUIET });
    const { code, out } = await command(["doctor"], { cwd });
    expect({ code, lines: out.trimEnd().split("\n").length }).toEqual({ code: 0, lines: 3 });
    expect(out.trimEnd().split("\n").at(-1)).toBe("healthy");
    expect(json(await command(["doctor", "--json"], { cwd }))).toMatchObject({ kind: "DoctorResult", ok: true });
  });

  test("each problem comes with what to do about it", async () => {
    const cwd = await project({ "signalbox.yaml": QUIET, "rules/bad.yaml": "- id: bad\n  event: a.b\n" });
    const { code, out } = await command(["doctor"], { cwd });
    expect(code).toBe(1);
    expect(out).toMatch(/✗ policy +does not load.*-> signalbox check/);
    expect(out.trimEnd().split("\n").at(-1)).toMatch(/^not healthy: 1 problem/);
  });

  test("--connections asks under the limits of deliveries: the connection's own test, else the address", async () => {
    const asked: string[] = [];
    const target = createServer(({ method, url, headers }, answer) => {
      asked.push(`${method} ${url}`);
      answer.writeHead(headers.authorization === "Bearer wrong-token-1" ? 401 : 200, {
        "content-type": "application/json",
      });
      answer.end(method === "HEAD" ? "" : "{}");
    });
    await new Promise<void>((resolve) => target.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void target.close());
    const url = `http://127.0.0.1:${(target.address() as AddressInfo).port}`;
    const cwd = await project({
      "signalbox.yaml": `${QUIET.split("connections:")[0]}connections:
  open: { provider: http, url: "${url}", allowPrivate: true }
  closed: { provider: http, url: "${url}" }
  good: { provider: github, url: "${url}", token: env:RIGHT, allowPrivate: true }
  bad: { provider: github, url: "${url}", token: env:WRONG, allowPrivate: true }
  jira: { provider: jira, url: "${url}", token: env:WRONG, allowPrivate: true }
  tracker: { provider: jira, url: "${url}", token: env:RIGHT, allowPrivate: true }
  slack: { provider: slack, url: "${url}", token: env:WRONG, allowPrivate: true }
`,
    });
    const env = { RIGHT: "right-token-1", WRONG: "wrong-token-1" };
    const { checks } = json(await command(["doctor", "--connections", "--json"], { cwd, env })) as unknown as {
      checks: { id: string; status: string; message: string }[];
    };
    const of = (name: string) => checks.find(({ id }) => id === `connection ${name}`);
    expect(of("open")).toMatchObject({ status: "ok", message: "answers (200)" });
    expect(of("closed")).toMatchObject({ status: "fail", message: expect.stringContaining("does not answer") });
    expect(of("good")).toMatchObject({ status: "ok", message: "takes the credentials" });
    expect(of("tracker")).toMatchObject({ status: "ok", message: "takes the credentials" });
    for (const name of ["bad", "jira", "slack"]) expect(of(name)).toMatchObject({ status: "fail" });
    const myself = "GET /rest/api/2/myself";
    expect(asked.toSorted()).toEqual([myself, myself, "GET /user", "GET /user", "HEAD /", "POST /auth.test"]);
  });

  test("a missing secret is a problem, and --config shows values with their origin, secrets as dots", async () => {
    const cwd = await project();
    const shown = await command(["doctor", "--config"], { cwd });
    const secret = /GITHUB_WEBHOOK_SECRET=(.*)/.exec(readFileSync(join(cwd, ".env"), "utf8"))?.[1];
    expect(shown.out).toMatch(/sources\.github\.secret += ••••\w{4} +\(signalbox\.yaml:\d+:\d+/);
    expect(shown.out).toMatch(/server\.port +.*\(default\)/);
    expect(shown.out).not.toContain(secret);
    const overridden = await command(["doctor", "--config"], { cwd, env: { SIGNALBOX_PORT: "9000" } });
    expect(overridden.out).toMatch(/server\.port += 9000 +\(SIGNALBOX_PORT\)/);
    writeFileSync(join(cwd, ".env"), "");
    const { code, out } = await command(["doctor"], { cwd });
    expect(code).toBe(1);
    expect(out).toContain("SB0207");
  });
});

/** Ports that are always free. */
const QUIET =
  'server: { port: 0, admin: { port: 0 } }\nconnections:\n  jira: { provider: jira, url: "${JIRA_URL}", email: env:JIRA_EMAIL, token: env:JIRA_TOKEN }\n  slack: { provider: slack, token: env:SLACK_TOKEN }\n';

describe("what there is", () => {
  test("every provider is listed with its actions, and in full by name", async () => {
    const { out } = await command(["providers"]);
    expect(out).toMatch(/^github +✓ source +.*status.*comment/m);
    const { providers } = json(await command(["providers", "--json"])) as unknown as { providers: { name: string }[] };
    for (const { name } of providers) {
      expect(out).toContain(name);
      expect((await command(["providers", name])).out).toContain(name);
    }
    const jira = await command(["providers", "jira"]);
    expect(jira.out).toContain(".transition");
    expect(jira.out).toMatch(/issue +string +required/);
  });

  test("a schema is printed as it is shipped", async () => {
    const { out } = await command(["schema"]);
    expect(out.split("\n")).toEqual(expect.arrayContaining(["rules", "machine", "signalbox"]));
    expect(JSON.parse((await command(["schema", "rules"])).out)).toMatchObject({ type: "array" });
  });
});
