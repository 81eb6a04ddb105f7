/** Nothing genuine is lost as a duplicate, nothing is done twice for one request: what is one event, through the real sources. */
import { createHash, createHmac } from "node:crypto";
import { describe, expect, test } from "vitest";
import { memoryCache } from "../../src/cache/memory.ts";
import { createAccept } from "../../src/flow/accept.ts";
import { createPurge } from "../../src/flow/purge.ts";
import { createReceiver } from "../../src/flow/receive.ts";
import type { JsonObject } from "../../src/model.ts";
import type { Webhook } from "../../src/ports/provider.ts";
import github from "../../src/providers/github/index.ts";
import http from "../../src/providers/http/index.ts";
import { STANDARD_WEBHOOKS, type Verifier } from "../../src/providers/kit/signature.ts";
import { memoryStore } from "../../src/store/memory.ts";
import { woundClock } from "../support/clock.ts";
import { NO_NETWORK } from "../support/world.ts";

const SECRET = "a-long-random-webhook-secret-value-32b";
const DAY_MS = 86_400_000;

interface Setup {
  settings?: object;
  dedupeWindowMs?: number;
  secret?: string;
}

/** One source with its log, and a clock that is set by hand. */
// biome-ignore lint/suspicious/noExplicitAny: each source has settings of its own.
function listening(source: Webhook<any>, { settings = {}, secret = SECRET, ...rest }: Setup = {}) {
  const clock = woundClock();
  const store = memoryStore();
  let requests = 0;
  const deps = { store, clock, observe: () => {}, stored: () => {} };
  const config = { name: "in", provider: "any", secrets: [secret], settings };
  const configured = { config, source, network: NO_NETWORK, paths: ["/in"], bodyBytesMax: 1e6, ...rest };
  const receiver = createReceiver({
    ...{ ...deps, accept: createAccept(deps), sources: [configured], cache: memoryCache({ clock }) },
  } as never);
  const json = { "content-type": "application/json" };
  return {
    clock,
    store,
    /** "new", "again" (a duplicate), or why it was refused. */
    async post(body: string, headers: Record<string, string>): Promise<string> {
      const request = {
        method: "POST",
        path: "/in",
        query: "",
        headers: { ...json, ...headers },
        body: Buffer.from(body),
      };
      const result = await receiver.receive(request, { source: "in", bodyBytesMax: 1e6 }, `req-${++requests}`);
      if (result.kind === "stored") return result.isDuplicate ? "again" : "new";
      return result.kind === "refused" ? (result.reason ?? result.code) : result.kind;
    },
    seconds: () => Math.floor(clock.now() / 1000),
  };
}

const hmac = (body: string) => createHmac("sha256", SECRET).update(body).digest("hex");

describe("GitHub, whose delivery id is not signed", () => {
  const signed = (event: string, delivery: string, body: string) => ({
    "x-github-event": event,
    "x-github-delivery": delivery,
    "x-hub-signature-256": `sha256=${hmac(body)}`,
  });
  const PULL = JSON.stringify({
    action: "closed",
    number: 1,
    pull_request: { number: 1, updated_at: "2026-01-05T09:00:00Z" },
    repository: { full_name: "acme/web" },
  });

  test("a delivery that is repeated is the same event, also after a week and a day", async () => {
    const { post, clock } = listening(github.source);
    expect(await post(PULL, signed("pull_request", "d1", PULL))).toBe("new");
    expect(await post(PULL, signed("pull_request", "d1", PULL))).toBe("again");
    clock.advance(8 * DAY_MS);
    expect(await post(PULL, signed("pull_request", "d1", PULL))).toBe("again");
  });

  test("a captured request under another delivery id is the same event for seven days", async () => {
    const { post, clock } = listening(github.source);
    await post(PULL, signed("pull_request", "d1", PULL));
    clock.advance(6.9 * DAY_MS);
    expect(await post(PULL, signed("pull_request", "d2", PULL))).toBe("again");
  });

  test.each([
    [
      "repository_dispatch",
      { action: "deploy", branch: "main", client_payload: { at: "2026-01-05T09:00:00Z", created_at: "2026-01-05" } },
    ],
    ["workflow_dispatch", { inputs: { created_at: "2026" }, ref: "refs/heads/main", workflow: "ci.yml" }],
    ["membership", { action: "added", scope: "team", member: { login: "ann" }, team: { id: 1 } }],
    ["watch", { action: "started" }],
    ["create", { ref: "v1", ref_type: "tag", master_branch: "main" }],
  ])("two equal %s events are two, because they carry no time of their own", async (event, payload) => {
    const repository = { full_name: "acme/web", pushed_at: 1, updated_at: "2026-01-05T09:00:00Z" };
    const body = JSON.stringify({
      ...payload,
      repository,
      sender: { login: "ann", created_at: "2020-01-01T00:00:00Z" },
    });
    const { post, clock } = listening(github.source);
    expect(await post(body, signed(event, "d1", body))).toBe("new");
    clock.advance(4 * 60_000);
    expect(await post(body, signed(event, "d2", body))).toBe("new");
    expect(await post(body, signed(event, "d1", body))).toBe("again");
  });

  test("they are one where the source's dedupe says so", async () => {
    const { post, clock } = listening(github.source, { dedupeWindowMs: 60_000 });
    const body = JSON.stringify({ action: "started", repository: { full_name: "acme/web" } });
    expect(await post(body, signed("watch", "d1", body))).toBe("new");
    expect(await post(body, signed("watch", "d2", body))).toBe("again");
    clock.advance(60_001);
    expect(await post(body, signed("watch", "d3", body))).toBe("new");
  });
});

describe("an id that the signature covers decides alone", () => {
  const BODY = JSON.stringify({ type: "deploy", n: 1 });

  test("Standard Webhooks: equal bodies under two ids are two events, one id is one event whatever the body", async () => {
    const { post, seconds } = listening(http.source, {
      settings: { verify: STANDARD_WEBHOOKS },
      secret: `whsec_${Buffer.from(SECRET).toString("base64")}`,
    });
    const signed = (id: string, body: string) => ({
      "webhook-id": id,
      "webhook-timestamp": String(seconds()),
      "webhook-signature": `v1,${createHmac("sha256", SECRET).update(`${id}.${seconds()}.${body}`).digest("base64")}`,
    });
    expect(await post(BODY, signed("msg_1", BODY))).toBe("new");
    expect(await post(BODY, signed("msg_2", BODY))).toBe("new");
    const retried = JSON.stringify({ type: "deploy", n: 1, attempt: 2 });
    expect(await post(retried, signed("msg_1", retried))).toBe("again");
  });

  const VERIFY = { kind: "hmac", digest: "sha256", encoding: "hex", signatureHeader: "x-s", key: "utf8" } as const;

  test("a field of the signed body, such as the id of a CloudEvent, is an id that decides alone", async () => {
    const settings = { verify: { ...VERIFY, message: ["body"] } satisfies Verifier, id: { field: "id" } };
    const { post } = listening(http.source, { settings });
    const one = JSON.stringify({ specversion: "1.0", id: "a", data: { n: 1 } });
    const retried = JSON.stringify({ specversion: "1.0", id: "a", data: { n: 1 }, attempt: 2 });
    const other = JSON.stringify({ specversion: "1.0", id: "b", data: { n: 1 } });
    expect(await post(one, { "x-s": hmac(one) })).toBe("new");
    expect(await post(retried, { "x-s": hmac(retried) })).toBe("again");
    expect(await post(other, { "x-s": hmac(other) })).toBe("new");
  });

  test("a header that the signature does not cover is no proof: another id with the same body is the same event", async () => {
    const settings = { verify: { ...VERIFY, message: ["body"] } satisfies Verifier, id: { header: "x-id" } };
    const { post } = listening(http.source, { settings });
    expect(await post(BODY, { "x-s": hmac(BODY), "x-id": "1" })).toBe("new");
    expect(await post(BODY, { "x-s": hmac(BODY), "x-id": "2" })).toBe("again");
    const changed = JSON.stringify({ type: "deploy", n: 1, attempt: 2 });
    expect(await post(changed, { "x-s": hmac(changed), "x-id": "1" })).toBe("again");
  });

  test.each([
    { body: { app: "web", success: true }, second: "new" },
    { body: { app: "web", repository: { id: 5, updated_at: "2026-01-05T09:00:00Z" } }, second: "new" },
    { body: { app: "web", build: 17 }, second: "again" },
    { body: { app: "web", run: { id: "5ebc34bf" } }, second: "again" },
    { body: { app: "web", steps: [{ at: "2026-01-05T09:00:00Z" }] }, second: "again" },
  ])("without any id $body comes $second, because of what it says of itself", async ({ body, second }) => {
    const text = JSON.stringify(body);
    const { post } = listening(http.source, { settings: { verify: { ...VERIFY, message: ["body"] } } });
    expect(await post(text, { "x-s": hmac(text) })).toBe("new");
    expect(await post(text, { "x-s": hmac(text) })).toBe(second);
  });
});

describe("a token that holds the hash of the body", () => {
  const VERIFY = {
    ...{ kind: "jwt-body-hash", signatureHeader: "x-signature", alg: "HS256", issuer: "app", claim: "sha256" },
    key: "utf8",
  } as const satisfies Verifier;
  const REPORT = JSON.stringify({ app: "web", success: true });
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const token = (claims: JsonObject, body = REPORT) => {
    const sha256 = createHash("sha256").update(body).digest("hex");
    const message = `${part({ alg: "HS256" })}.${part({ iss: "app", sha256, ...claims })}`;
    return { "x-signature": `${message}.${createHmac("sha256", SECRET).update(message).digest("base64url")}` };
  };

  test("two reports with one body four minutes apart are two events, and a captured one is none", async () => {
    const { post, clock, seconds } = listening(http.source, { settings: { verify: VERIFY } });
    const first = token({ iat: seconds() });
    expect(await post(REPORT, first)).toBe("new");
    clock.advance(4 * 60_000);
    expect(await post(REPORT, token({ iat: seconds() }))).toBe("new");
    expect(await post(REPORT, first)).toBe("again");
    for (const minutes of [2, 4, 525_600]) {
      clock.advance(minutes * 60_000);
      expect(await post(REPORT, first)).toBe("timestamp_stale");
    }
  });

  test("its jti is the id: the same in a fresh token with another body is the same event", async () => {
    const { post, clock, seconds } = listening(http.source, { settings: { verify: VERIFY } });
    expect(await post(REPORT, token({ jti: "r1", iat: seconds() }))).toBe("new");
    clock.advance(60_000);
    const retried = JSON.stringify({ app: "web", success: true, attempt: 2 });
    expect(await post(retried, token({ jti: "r1", iat: seconds() }, retried))).toBe("again");
    expect(await post(REPORT, token({ jti: "r2", iat: seconds() }))).toBe("new");
  });

  test("without a jti a retry with the same token is the same event", async () => {
    const { post } = listening(http.source, { settings: { verify: VERIFY } });
    expect(await post(REPORT, token({}))).toBe("new");
    expect(await post(REPORT, token({}))).toBe("again");
  });

  test.each([
    { claims: { iat: 0 }, reason: "timestamp_stale" },
    { claims: { iat: -1 }, reason: "timestamp_stale" },
    { claims: { iat: 10 ** 11 }, reason: "timestamp_future" },
    { claims: { iat: "1970" }, reason: "malformed_header" },
    { claims: { iat: null }, reason: "malformed_header" },
    { claims: { exp: 1 }, reason: "timestamp_stale" },
  ])("with $claims is refused without any setting", async ({ claims, reason }) => {
    const { post } = listening(http.source, { settings: { verify: VERIFY } });
    expect(await post(REPORT, token(claims))).toBe(reason);
  });

  test("iat may be five minutes off either way, or as much as the source allows, which then requires it", async () => {
    const { post, seconds } = listening(http.source, { settings: { verify: VERIFY } });
    expect(await post(REPORT, token({ iat: seconds() - 300 }))).toBe("new");
    expect(await post(REPORT, token({ iat: seconds() + 300 }))).toBe("new");
    expect(await post(REPORT, token({ iat: seconds() - 301 }))).toBe("timestamp_stale");
    expect(await post(REPORT, token({ iat: seconds() + 301 }))).toBe("timestamp_future");
    const strict = listening(http.source, { settings: { verify: { ...VERIFY, toleranceSeconds: 10 } } });
    expect(await strict.post(REPORT, token({ iat: strict.seconds() - 11 }))).toBe("timestamp_stale");
    expect(await strict.post(REPORT, token({}))).toBe("timestamp_stale");
  });

  test("is remembered for as long as it is good, though its event is long gone", async () => {
    const { post, clock, store, seconds } = listening(http.source, { settings: { verify: VERIFY } });
    const long = token({ exp: seconds() + 20 * 86_400 });
    expect(await post(REPORT, long)).toBe("new");
    const claim = await store.claim("n", { nowMs: clock.now(), leaseMs: 1e12, limit: 9, bytes: 1e9 });
    const { trace } = {
      trace: {
        policy: "",
        matched: [],
        considered: 0,
        transitions: [],
        deliveries: [],
        timers: { set: [], cancelled: [] },
        emitted: [],
        problems: [],
      },
    };
    const nothing = { instances: [], timersSet: [], timersCancelled: [], deliveries: [], cancelled: [], emitted: [] };
    await store.commit([{ event: claim.ids[0]!, decidedAtMs: clock.now(), trace, ...nothing } as never], claim);
    const purge = createPurge({ store, clock, retention: { eventsMs: 3_600_000, deliveriesMs: 3_600_000 } });
    clock.advance(19 * DAY_MS);
    for (let busy = true; busy; ) ({ busy } = await purge());
    expect((await store.events({}, { limit: 9 })).items).toEqual([]);
    expect(await post(REPORT, long)).toBe("again");
    clock.advance(2 * DAY_MS);
    expect(await post(REPORT, long)).toBe("timestamp_stale");
  });
});
