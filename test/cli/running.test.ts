/** Against a server that really runs: a process of its own, HTTP on loopback, stand-ins for Jira and Slack. */
import { createHmac } from "node:crypto";
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type Sandbox, startSandbox } from "../support/sandbox.ts";
import { command, type How, json, project, type Ran, type Started, start, startsProject } from "./support/command.ts";

const SECRET = "a secret of the tests";

function configText(sandbox: Sandbox): string {
  return `server: { host: 127.0.0.1, port: 0, admin: { port: 0 } }
sources:
  github: { provider: github, secret: env:GITHUB_WEBHOOK_SECRET }
  signed: { provider: http, secret: env:GITHUB_WEBHOOK_SECRET, verify: { kind: hmac, digest: sha256, encoding: base64, key: utf8, signatureHeader: webhook-signature, list: { separator: " ", tag: v1, kv: "," }, timestamp: { header: webhook-timestamp }, message: ["header:webhook-id", "lit:.", timestamp, "lit:.", body] } }
connections:
  jira: { provider: jira, url: "${sandbox.jira.url}", email: env:JIRA_EMAIL, token: env:JIRA_TOKEN, allowPrivate: true }
  slack: { provider: slack, url: "${sandbox.slack.url}", token: env:SLACK_TOKEN, allowPrivate: true }
`;
}

interface Running extends Started {
  dir: string;
  ingest: string;
  admin: string;
  /** A command in the project, asking this server. */
  ask(args: string[], how?: How): Promise<Ran>;
}

async function serve(dir: string, args: string[] = []): Promise<Running> {
  const started = start(["serve", ...args], { cwd: dir });
  const banner = await started.said("ready in");
  const ingest = /ingest +(http:\/\/[\d.:]+)/.exec(banner)![1]!;
  const admin = /api +(http:\/\/[\d.:]+)/.exec(banner)![1]!;
  const ask = (words: string[], how: How = {}) =>
    command(words, { cwd: dir, ...how, env: { SIGNALBOX_URL: admin, ...how.env } });
  return { ...started, dir, ingest, admin, ask };
}

let sandbox: Sandbox;
let server: Running;
let undo: () => void;

beforeAll(async () => {
  sandbox = await startSandbox();
  const made = await startsProject({
    "signalbox.yaml": configText(sandbox),
    ".env": `GITHUB_WEBHOOK_SECRET="${SECRET}"\nJIRA_EMAIL=${sandbox.jira.email}\nJIRA_TOKEN=${sandbox.jira.token}\nSLACK_TOKEN=${sandbox.slack.token}\n`,
  });
  undo = made.remove;
  server = await serve(made.dir);
});

afterAll(async () => {
  server?.signal("SIGKILL");
  await server?.ended;
  await sandbox?.close();
  undo?.();
});

/** The same project once more, with a log of its own. */
function copy(): Promise<string> {
  return project({
    "signalbox.yaml": configText(sandbox),
    ".env": readFileSync(join(server.dir, ".env"), "utf8"),
  });
}

const send = (args: string[], how: How = {}) => server.ask(["send", ...args, "--to", server.ingest], how);
const merged = (ticket: string) => [
  "github.pull_request.merged",
  "--with",
  `pull_request.title=${ticket} more`,
  "--with",
  "pull_request.body=",
  "--with",
  `pull_request.head.ref=feature/${ticket}`,
];

describe("send", () => {
  test("--wait tells the whole story, and the ticket has really moved", async () => {
    const { code, out } = await send([...merged("WEB-1"), "--wait"]);
    expect(code).toBe(0);
    expect(out).toMatch(/^→ POST \/hooks\/github .*x-hub-signature-256: sha256=/);
    expect(out).toMatch(/^← 202 {2}evt_\w+ {2}stored$/m);
    expect(out).toMatch(/matched +✓ merged-pr-moves-ticket/);
    expect(out).toMatch(/moved +jira-ticket\/WEB-1 {2}\(new\) → moving/);
    expect(out).toMatch(/delivery +✓ done {2}jira.transition {2}1 attempt/);
    expect(out).toMatch(/moved +jira-ticket\/WEB-1 {2}moving → announcing/);
    expect(out).toMatch(/delivery +✓ done {2}slack.post/);
    expect(out).toMatch(/settled after \d+ms|settled after 1s/);
    expect(sandbox.jira.issues.get("WEB-1")?.status).toBe("Done");
    expect(sandbox.slack.messages.at(-1)?.text).toContain("WEB-1");
  });

  test("an event that no rule wants is accepted, and --wait names the condition that failed", async () => {
    const { code, out } = await send(["github.pull_request.rejected", "--wait"]);
    expect(code).toBe(0);
    expect(out).toMatch(/missed +≈ merged-pr-moves-ticket by 1 condition/);
    expect(out).toMatch(/✗ data\.pull_request\.merged equals true {2}got false {2}rules\/pull-requests\.yaml:7:31/);
  });

  test.each([
    ["--unsigned", "github.push", "missing_header"],
    ["--bad-signature", "github.push", "signature_mismatch"],
    ["--stale", "http.received", "timestamp_stale"],
    ["--bad-signature", "http.received", "signature_mismatch"],
  ])("%s %s is refused with %s and exit 1, and listed", async (how, type, reason) => {
    const { code, out } = await send([type, how]);
    expect(code).toBe(1);
    expect(out).toMatch(new RegExp(`← 401 {2}SB0503 {2}${reason}`));
    const refused = await server.ask(["events", "refused", "--limit", "1"]);
    expect(refused.out).toContain(reason);
    expect(json(await send([type, how, "--json"]))).toMatchObject({
      kind: "SendResult",
      status: 401,
      code: "SB0503",
      reason,
    });
  });

  test("what is signed without a time cannot be stale", async () => {
    const { code, err } = await send(["github.push", "--stale"]);
    expect(code).toBe(2);
    expect(err).toContain("no time");
  });

  test("the same sample twice is two events; the same --delivery-id twice is one", async () => {
    const sent = async (more: string[]) => json(await send(["github.push", "--json", ...more]));
    const [one, two] = [await sent([]), await sent([])];
    expect([one.status, two.status]).toEqual([202, 202]);
    expect(one.eventId).not.toBe(two.eventId);
    const [first, again] = [await sent(["--delivery-id", "d-1"]), await sent(["--delivery-id", "d-1"])];
    expect([first.status, again.status]).toEqual([202, 200]);
    expect(again).toMatchObject({ eventId: first.eventId, outcome: "duplicate" });
    const { event } = json(await server.ask(["events", "show", String(first.eventId), "--json"])) as unknown as {
      event: object;
    };
    expect(event).toMatchObject({ delivery: "d-1" });
  });

  test("--count sends that many events, one line of JSON each", async () => {
    const { code, out } = await send(["github.push", "--count", "3", "--json"]);
    const ids = out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).eventId);
    expect(code).toBe(0);
    expect(new Set(ids).size).toBe(3);
  });

  test("--print http is a request that the server takes as it is", async () => {
    const { out } = await send(["github.push", "--print", "http"]);
    const [head = "", body] = out.split("\r\n\r\n");
    const [line, ...lines] = head.split("\r\n");
    const headers = Object.fromEntries(lines.map((one) => one.split(": ") as [string, string]));
    expect(headers["x-hub-signature-256"]).toBe(`sha256=${createHmac("sha256", SECRET).update(body!).digest("hex")}`);
    const status = await new Promise((resolve, reject) => {
      const sent = request(server.ingest + line!.split(" ")[1], { method: "POST", headers }, (answer) => {
        answer.resume();
        resolve(answer.statusCode);
      });
      sent.on("error", reject).end(body);
    });
    expect(status).toBe(202);
    const curl = await send(["github.push", "--print", "curl", "--with", "head_commit.message=it's"]);
    expect(curl.out).toMatch(/^curl -i \\\n {2}-H 'content-type: application\/json'/);
    expect(curl.out).toContain("it'\\''s");
  });

  test("a payload from a file goes in the clothes of --type", async () => {
    const payload = { ref: "refs/heads/main", commits: [], repository: { full_name: "acme/from-a-file" } };
    writeFileSync(join(server.dir, "payload.json"), JSON.stringify(payload));
    const sent = json(await send(["payload.json", "--type", "github.push", "--json"]));
    const { event } = json(await server.ask(["events", "show", String(sent.eventId), "--json"]));
    expect(event).toMatchObject({ type: "github.push", repo: "acme/from-a-file", data: payload });
  });

  test("--list names every sample, and each of them is taken", async () => {
    const { samples } = json(await send(["--list", "--json"])) as unknown as {
      samples: { type: string; provider: string }[];
    };
    expect(samples.length).toBeGreaterThan(5);
    for (const { type, provider } of samples) {
      if (provider !== "github" && provider !== "http") continue;
      expect((await send([type])).out, type).toMatch(/← 20[02]/);
    }
  });

  test("a source that is not configured, or not known, is named", async () => {
    expect(await send(["github.push", "--source", "gitub"])).toMatchObject({ code: 5 });
    expect(await send(["github.push", "--source", "signed"])).toMatchObject({ code: 2 });
  });
});

describe("asking the server", () => {
  test("what happened is found again by every noun", async () => {
    const { eventId } = json(await send([...merged("WEB-2"), "--wait", "--json"]));
    const listed = await server.ask(["events", "list", "--rule", "merged-pr-moves-ticket", "--since", "1h", "-v"]);
    expect(listed.out).toContain(String(eventId));
    expect(listed.err).toContain(`asking the server at ${server.admin}`);
    const shown = await server.ask(["events", "show", String(eventId)]);
    expect(shown.out).toMatch(/tickets +WEB-2/);
    expect(shown.out).toMatch(/decided \d\d:\d\d:\d\d \(.*\) by policy/);
    const explained = await server.ask(["explain", String(eventId), "--expect", "matched:merged-pr-moves-ticket"]);
    expect(explained).toMatchObject({ code: 0 });
    expect(explained.out).toContain("MATCHED  merged-pr-moves-ticket");
    const instance = await server.ask(["instances", "show", "jira-ticket", "WEB-2"]);
    expect(instance.out).toMatch(/state +waiting/);
    expect(instance.out).toMatch(/accepts +MERGED/);
    const { items } = json(await server.ask(["deliveries", "list", "--event", String(eventId), "--json"]));
    const [delivery] = items as { id: string }[];
    expect((await server.ask(["deliveries", "show", delivery!.id])).out).toMatch(/because +jira-ticket\/WEB-2 step \d/);
  });

  test("an id that is cut short is completed", async () => {
    const { eventId } = json(await send(["github.push", "--json"]));
    const { code, err } = await server.ask(["explain", String(eventId).slice(0, -3)]);
    expect(code).toBe(5);
    expect(err).toContain(String(eventId).slice(0, -3));
    expect(err).toMatch(/did you mean "evt_|Several events start with/);
  });

  test("a delivery that died is listed as dead and goes through when it is retried", async () => {
    const sent = await send([...merged("WEB-404"), "--wait"]);
    expect(sent.code).toBe(1);
    expect(sent.out).toContain("✗ dead");
    const dead = async () =>
      json(await server.ask(["deliveries", "list", "--status", "dead", "--json"])).items as {
        id: string;
        params: { issue: string };
      }[];
    const [delivery] = await dead();
    expect(await server.ask(["doctor"])).toMatchObject({ code: 0 });
    expect(delivery!.params.issue).toBe("WEB-404");
    sandbox.jira.issues.set("WEB-404", { ...sandbox.jira.issues.get("WEB-5")!, key: "WEB-404" });
    expect(await server.ask(["deliveries", "retry", delivery!.id])).toMatchObject({ code: 0 });
    await expect.poll(() => sandbox.jira.issues.get("WEB-404")?.status).toBe("Done");
    await expect.poll(dead).toEqual([]);
    expect(await server.ask(["deliveries", "retry", delivery!.id])).toMatchObject({ code: 6 });
  });

  test("redeliver says what would run, asks, and processes the event again", async () => {
    const { eventId } = json(await send([...merged("WEB-3"), "--wait", "--json"]));
    const asked = await server.ask(["events", "redeliver", String(eventId)], { tty: true, typed: "n" });
    expect(asked.code).toBe(1);
    expect(asked.err).toContain("merged-pr-moves-ticket");
    const again = json(await server.ask(["events", "redeliver", String(eventId), "--yes", "--json"]));
    expect(again).toMatchObject({ kind: "Redelivered", redeliveryOf: eventId });
    const { event } = json(await server.ask(["events", "show", String(again.id), "--json"]));
    expect(event).toMatchObject({ redeliveryOf: eventId });
  });

  test("a signal by hand moves the instance", async () => {
    const signal = ["instances", "signal", "jira-ticket", "WEB-4", "MERGED", "--reason", "by hand", "--yes", "--data"];
    const data = JSON.stringify({ title: "by hand" });
    expect(await server.ask([...signal, data])).toMatchObject({ code: 0, err: "" });
    await expect.poll(async () => (await server.ask(["instances", "show", "jira-ticket", "WEB-4"])).code).toBe(0);
  });

  test("a server that is not Signalbox is told apart, and one that is silent is given up on", async () => {
    const other = createServer((_, response) => response.end("<html>hello</html>"));
    const silent = createServer(() => {});
    for (const one of [other, silent]) await new Promise<void>((resolve) => one.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => {
      for (const one of [other, silent]) {
        one.close();
        one.closeAllConnections();
      }
    });
    const url = (one: typeof other) => `http://127.0.0.1:${(one.address() as AddressInfo).port}`;
    const strange = await command(["events", "list", "--url", url(other)]);
    expect(strange).toMatchObject({ code: 4 });
    expect(strange.err).toContain("is not Signalbox");
    const late = await command(["events", "list", "--url", url(silent), "--timeout", "200ms"]);
    expect(late).toMatchObject({ code: 4 });
    expect(late.err).toContain("no answer in time");
  });
});

describe("serve", () => {
  test("reloads what is saved, whole; a bad save keeps the last good policy and says why", async () => {
    const file = join(server.dir, "rules", "pull-requests.yaml");
    const good = readFileSync(file, "utf8");
    const doctor = async () => (await server.ask(["doctor", "--json", "--url", server.admin])).code;
    writeFileSync(`${file}.new`, good.replace("machine: jira-ticket", "machine: jira-tickt"));
    // As many editors save: another file takes the name.
    renameSync(`${file}.new`, file);
    await server.said(/policy rejected[\s\S]+rules\/pull-requests\.yaml:12:/);
    const { out } = await send(["github.pull_request.rejected", "--wait"]);
    expect(out).toContain("merged-pr-moves-ticket");
    const third = "\n- id: third\n  event: github.star\n  do: [{ slack.post: { channel: '#dev', text: hi } }]\n";
    writeFileSync(file, good + third);
    await server.said(/policy loaded.*3 rules/);
    expect(await doctor()).toBe(0);
    renameSync(join(server.dir, "rules"), join(server.dir, "elsewhere"));
    await server.said('The folder "rules" does not exist');
    renameSync(join(server.dir, "elsewhere"), join(server.dir, "rules"));
    await server.said(/does not exist[\s\S]+policy loaded/);
    writeFileSync(join(server.dir, "rules", "fourth.yaml"), third.replace("third", "fourth"));
    await server.said(/policy loaded.*4 rules/);
    // Nothing has changed: only who asks for it is told.
    server.signal("SIGHUP");
    await server.said(/4 rules[\s\S]+policy loaded.*4 rules/);
    rmSync(join(server.dir, "rules", "fourth.yaml"));
    await server.said(/4 rules[\s\S]+policy loaded.*3 rules/);
  });

  test("a port that is taken is exit 6 and named", async () => {
    const dir = await copy();
    const { port } = new URL(server.ingest);
    const { code, err } = await start(["serve", "--port", port], { cwd: dir }).ended;
    expect(code).toBe(6);
    expect(err).toContain(`127.0.0.1:${port} is already in use`);
  });

  test.each(["SIGTERM", "SIGINT"] as const)("%s ends what is in flight, then ends with 0", async (name) => {
    const dir = await copy();
    const own = await serve(dir);
    await own.ask(["send", "github.push", "--to", own.ingest]);
    own.signal(name);
    const { code, out, err } = await own.ended;
    expect({ code, out }).toEqual({ code: 0, out: "" });
    expect(err.trimEnd()).toMatch(/stopped$/);
    expect((await command(["events", "list"], { cwd: dir })).out).toContain("github.push");
  });

  test("a second signal ends at once, whatever is in flight", async () => {
    const own = await serve(await copy());
    sandbox.fault("jira", { what: "hang" });
    const calls = sandbox.jira.calls.length;
    await own.ask(["send", ...merged("WEB-6"), "--to", own.ingest]);
    await expect.poll(() => sandbox.jira.calls.length).toBeGreaterThan(calls);
    own.signal("SIGTERM");
    await own.said("once more ends at once");
    own.signal("SIGTERM");
    const { code, err } = await own.ended;
    expect(code).toBe(143);
    expect(err).not.toContain("stopped");
  });

  test("with --json every line of standard error is a JSON object", async () => {
    const dir = await copy();
    const own = start(["serve", "--json"], { cwd: dir });
    await own.said('"ready"');
    own.signal("SIGTERM");
    const { code, err } = await own.ended;
    expect(code).toBe(0);
    const lines = err
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines[0]).toMatchObject({ level: "info", message: "ready", admin: expect.stringContaining("http://") });
  });
});
