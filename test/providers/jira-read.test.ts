/** Reading an issue's status, against the stand-in over real HTTP. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { memoryCache } from "../../src/cache/memory.ts";
import { createNetwork, type OwnedNetwork } from "../../src/network/network.ts";
import type { Action, ActionContext } from "../../src/ports/provider.ts";
import jira from "../../src/providers/jira/index.ts";
import { woundClock } from "../support/clock.ts";
import { type Sandbox, startSandbox } from "../support/sandbox.ts";

const read = jira.connection?.actions.read as Action;
let sandbox: Sandbox;
let http: OwnedNetwork;

beforeEach(async () => {
  sandbox = await startSandbox();
  http = createNetwork({ allowPrivate: true, redact: (text) => text });
});
afterEach(async () => {
  await http.close();
  await sandbox.close();
});

function context(settings: Record<string, string>): ActionContext {
  const clock = woundClock();
  return {
    connection: { name: "jira", provider: "jira", settings: { url: sandbox.jira.url, ...settings } },
    idempotencyKey: "dlv_1",
    attempt: 1,
    nowMs: clock.now(),
    network: http,
    cache: memoryCache({ clock }),
    session: undefined,
  };
}

test.each([
  ["Cloud", () => ({ email: sandbox.jira.email, token: sandbox.jira.token })],
  ["Server", () => ({ token: sandbox.jira.token })],
] as const)("on %s it gives the status as it is now, each time anew, and changes nothing", async (_name, settings) => {
  const at = context(settings());
  expect(await read.perform({ issue: "WEB-17" }, at)).toEqual({
    kind: "done",
    result: { issue: "WEB-17", status: "In Review" },
  });
  sandbox.jira.issues.get("WEB-17")!.status = "In Progress";
  expect(await read.perform({ issue: "WEB-17" }, at)).toMatchObject({ result: { status: "In Progress" } });
  expect(sandbox.jira.calls.map(({ method }) => method)).toEqual(["GET", "GET"]);
});

test("an issue that is not there, or an account that may not see it, is a refusal with its status", async () => {
  const { email, token } = sandbox.jira;
  expect(await read.perform({ issue: "WEB-404" }, context({ email, token }))).toMatchObject({
    kind: "rejected",
    error: { status: 404 },
  });
  expect(await read.perform({ issue: "WEB-17" }, context({ email, token: "wrong" }))).toMatchObject({
    kind: "rejected",
    error: { status: 401 },
  });
});
