/** Who may reach the admin listener: this machine, or whoever shows a token; nobody by accident. */
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { MAIN } from "../support/build.ts";
import { type Started, startEngineIn } from "../support/engine.ts";
import { recordOutput, recordSecret } from "../support/records.ts";
import { folderOf, freePort, GITHUB_SECRET, mergedPullRequest, type Served, serve } from "../support/served.ts";

const ENV = { GITHUB_WEBHOOK_SECRET: GITHUB_SECRET };

/** The rules tell nobody: what is asked here is who may look. */
function project({ host = "127.0.0.1", port = 0, adminPort = 0, local = true } = {}): string {
  return folderOf({
    "signalbox.yaml": `
server: { host: 127.0.0.1, port: ${port}, admin: { host: "${host}", port: ${adminPort} } }
sources: { github: { provider: github, secret: env:GITHUB_WEBHOOK_SECRET } }
auth: { local: ${local} }
`,
    "rules/.keep": "",
    "statemachines/.keep": "",
  });
}

/** The command as its own process, to its end. */
function signalbox(
  folder: string,
  args: string[],
  env: Record<string, string> = {},
): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, [MAIN, ...args, "--dir", folder], {
    env: { PATH: process.env.PATH ?? "", HOME: "/nonexistent", NO_COLOR: "1", ...ENV, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const said = { out: "", err: "" };
  child.stdout.on("data", (chunk) => {
    said.out += chunk;
  });
  child.stderr.on("data", (chunk) => {
    said.err += chunk;
    recordOutput(String(chunk));
  });
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, ...said })));
}

async function createToken(folder: string, name: string, ...scopes: string[]): Promise<string> {
  const { code, out, err } = await signalbox(folder, [
    "token",
    "create",
    name,
    ...scopes.flatMap((scope) => ["--scope", scope]),
  ]);
  expect([code, err]).toEqual([0, expect.stringContaining(`Token "${name}" may`)]);
  const token = out.trim();
  expect(token).toMatch(/^sbx_[A-Za-z0-9_-]{32}$/);
  recordSecret(token);
  return token;
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

describe("an admin listener that others can reach", () => {
  test("without a token is a start-up error that says what to do instead, and nothing listens", async () => {
    const [port, adminPort] = [await freePort(), await freePort()];
    const { code, out, err } = await signalbox(project({ host: "0.0.0.0", port, adminPort }), ["serve"]);
    expect([code, out]).toEqual([3, ""]);
    expect(err).toContain('error[SB0908]: The admin listener would be open on "0.0.0.0" without authentication');
    expect(err).toContain("bind it to 127.0.0.1");
    expect(err).toContain("signalbox token create");
    for (const one of [port, adminPort]) await expect(fetch(`http://127.0.0.1:${one}/healthz`)).rejects.toThrow();
  });

  test("starts with a token that was created before, and asks for it", async () => {
    const [port, adminPort] = [await freePort(), await freePort()];
    const folder = project({ host: "0.0.0.0", port, adminPort });
    const [reader, operator] = await Promise.all([
      createToken(folder, "reader"),
      createToken(folder, "operator", "operate"),
    ]);
    const served: Served = await serve(folder, port, ENV);
    try {
      const url = `http://127.0.0.1:${adminPort}`;
      const ask = (path: string, headers: Record<string, string> = {}, method = "GET") =>
        fetch(url + path, {
          method,
          headers: method === "GET" ? headers : { ...headers, "content-type": "application/json" },
          ...(method === "GET" ? {} : { body: "{}" }),
        });
      const status = async (...args: Parameters<typeof ask>) => (await ask(...args)).status;
      expect(await status("/api/v1/status")).toBe(401);
      expect(await status("/api/v1/status", bearer("sbx_wrong"))).toBe(401);
      expect(await status("/api/v1/status", bearer(reader))).toBe(200);
      expect(await status("/metrics")).toBe(401);
      expect(await status("/metrics", bearer(reader))).toBe(200);
      expect(await status("/healthz")).toBe(200);
      const refused = await ask("/api/v1/policy/reload", bearer(reader), "POST");
      expect(refused.status).toBe(403);
      expect(refused.headers.get("www-authenticate")).toContain('scope="operate"');
      expect(await refused.json()).toMatchObject({
        code: "SB0904",
        detail: 'Token "reader" lacks the scope "operate"',
      });
      expect(await status("/api/v1/policy/reload", bearer(operator), "POST")).toBe(200);
      expect(await status("/api/v1/tokens", bearer(operator))).toBe(403);

      const { headers, body } = mergedPullRequest(1);
      const { eventId } = (await (
        await fetch(`http://127.0.0.1:${port}/hooks/github`, { method: "POST", headers, body })
      ).json()) as { eventId: string };
      const event = await (await ask(`/api/v1/events/${eventId}`, bearer(reader))).json();
      expect(event).toMatchObject({ event: { id: eventId, data: { redacted: true } } });
      const cli = await signalbox(folder, ["events", "list", "--json"], { SIGNALBOX_TOKEN: reader });
      expect([cli.code, JSON.parse(cli.out).items.length]).toEqual([0, 1]);
      const without = await signalbox(folder, ["events", "list"]);
      expect([without.code, without.err]).toEqual([4, expect.stringContaining("error[SB0903]")]);
      // Nobody who has no token can ask the server for one; whoever may write its files can.
      const late = await createToken(folder, "late");
      expect(await status("/api/v1/status", bearer(late))).toBe(200);
    } finally {
      served.child.kill("SIGTERM");
      expect(await served.ended).toBe(0);
    }
    expect(served.output()).not.toContain(reader);
    expectNowhereOnDisk(folder, [reader, operator]);
  });
});

/** Not in the database, its log or any other file, neither as it is nor in Base64. */
function expectNowhereOnDisk(folder: string, tokens: string[]): void {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  expect(files.map(({ name }) => name)).toContain("signalbox.db");
  for (const { parentPath, name } of files) {
    const bytes = readFileSync(join(parentPath, name));
    for (const token of tokens) {
      expect(bytes.includes(token), name).toBe(false);
      expect(bytes.includes(Buffer.from(token).toString("base64")), name).toBe(false);
    }
  }
}

describe("a listener on loopback", () => {
  let started: Started | undefined;
  afterEach(async () => {
    await started?.stop();
    started = undefined;
  });

  test("asks for no token, and is deaf to foreign host names and foreign pages", async () => {
    started = await startEngineIn(project(), ENV);
    const { adminUrl } = started;
    const { port } = new URL(adminUrl);
    expect(await as(adminUrl, `127.0.0.1:${port}`)).toBe(200);
    expect(await as(adminUrl, `localhost:${port}`)).toBe(200);
    for (const host of [`evil.example:${port}`, `127.0.0.1.evil.example:${port}`, `127.evil.example`, "0x7f000001"]) {
      expect(await as(adminUrl, host), host).toBe(403);
    }
    const { status } = await started.api("/api/v1/policy/reload", {}, { origin: "http://evil.example" });
    expect(status).toBe(403);
  });

  test("with auth.local: false asks for a token like any other; one that was created before it starts lets in", async () => {
    const folder = project({ local: false });
    const admin = await createToken(folder, "admin", "admin");
    started = await startEngineIn(folder, ENV);
    expect((await started.api("/api/v1/status")).status).toBe(401);
    expect((await started.api("/api/v1/status", undefined, bearer(admin))).status).toBe(200);
    expect(
      (await started.api("/api/v1/tokens", { name: "short", scopes: ["read"], expiresAtMs: 1 }, bearer(admin))).status,
    ).toBe(201);
    const made = await started.api<{ token: string }>(
      "/api/v1/tokens",
      { name: "next", scopes: ["read"] },
      bearer(admin),
    );
    expect(made.status).toBe(201);
    const { token } = made.body;
    expect((await started.api("/api/v1/events", undefined, bearer(token))).status).toBe(200);
    const revoked = await fetch(`${started.adminUrl}/api/v1/tokens/next`, { method: "DELETE", headers: bearer(admin) });
    expect(revoked.status).toBe(204);
    expect((await started.api("/api/v1/events", undefined, bearer(token))).status).toBe(401);
  });
});

test.each(["127.evil.example", "127.0.0.1.evil.example", "::", "0.0.0.0"])(
  "%s is not taken for this machine alone",
  async (host) => {
    await expect(startEngineIn(project({ host }), ENV)).rejects.toMatchObject({ code: "SB0908" });
  },
);

/** A request under another Host header; its status. */
function as(url: string, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    request(`${url}/api/v1/status`, { headers: { host } }, (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    })
      .on("error", reject)
      .end();
  });
}
