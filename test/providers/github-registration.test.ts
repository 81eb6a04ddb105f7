/** Webhooks of a repository, against a stand-in that keeps them. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { createNetwork, type OwnedNetwork } from "../../src/network/network.ts";
import github from "../../src/providers/github/index.ts";
import {
  type LoggedRequest,
  type SandboxRequest,
  type SandboxResponse,
  type Site,
  serve,
} from "../../src/sandbox/http.ts";

const { registration } = github.source;
const HOOK = { scope: "acme/web", url: "https://hooks.example.com/hooks/github", secret: "s3cret", events: ["push"] };

interface Stored {
  id: number;
  config: { url: string; secret: string };
  events: string[];
}

let hooks: Stored[];
let site: Site;
let network: OwnedNetwork;
beforeEach(async () => {
  hooks = [{ id: 7, config: { url: "https://elsewhere.example.com", secret: "x" }, events: ["push"] }];
  site = await serve(answer);
  network = createNetwork({ allowPrivate: true, redact: (text) => text });
});
afterEach(async () => {
  await network.close();
  await site.close();
});

function answer({ method, path, body }: SandboxRequest): SandboxResponse {
  const [, id] = /^\/repos\/acme\/web\/hooks(?:\/(\d+))?$/.exec(path) ?? [];
  if (!path.startsWith("/repos/acme/web/hooks")) return { status: 404, body: {} };
  if (method === "GET") return { status: 200, body: hooks };
  if (method === "DELETE") {
    hooks = hooks.filter((hook) => hook.id !== Number(id));
    return { status: 204 };
  }
  const given = JSON.parse(body) as Stored;
  if (method === "POST") hooks.push({ ...given, id: hooks.length + 7 });
  else hooks = hooks.map((hook) => (hook.id === Number(id) ? { ...hook, ...given } : hook));
  return { status: method === "POST" ? 201 : 200, body: {} };
}

const context = () => ({ settings: { url: site.url, token: "ghp_x" }, nowMs: 0, network });
const methods = () => site.calls.map(({ method }: LoggedRequest) => method);

test("a webhook is installed once, changed when it is installed again, found, and removed; others stay", async () => {
  expect(await registration.status(HOOK, context())).toEqual({ kind: "done", result: { installed: false } });
  expect(await registration.install(HOOK, context())).toEqual({ kind: "done" });
  expect(await registration.install({ ...HOOK, events: ["push", "status"] }, context())).toEqual({ kind: "done" });
  expect(hooks).toHaveLength(2);
  expect(hooks[1]).toMatchObject({
    events: ["push", "status"],
    config: { url: HOOK.url, secret: HOOK.secret, insecure_ssl: "0" },
  });
  expect(await registration.status(HOOK, context())).toEqual({ kind: "done", result: { installed: true } });
  expect(await registration.remove(HOOK, context())).toEqual({ kind: "done" });
  expect(await registration.remove(HOOK, context())).toMatchObject({ kind: "done", note: "There is no such webhook" });
  expect(hooks.map(({ id }) => id)).toEqual([7]);
});

test("nothing is changed where the webhooks cannot be listed", async () => {
  site.fault({ times: 3, what: { status: 403, body: { message: "Resource not accessible" } } });
  for (const act of ["status", "install", "remove"] as const) {
    expect(await registration[act](HOOK, context())).toMatchObject({ kind: "rejected", error: { status: 403 } });
  }
  expect(methods()).toEqual(["GET", "GET", "GET"]);
});

test("a scope that is no repository is refused before anything is asked", async () => {
  for (const scope of ["acme", "../../user", "acme/.."]) {
    expect(await registration.install({ ...HOOK, scope }, context())).toMatchObject({ kind: "rejected" });
  }
  expect(site.calls).toEqual([]);
});
