/** Provider state in Redis: shared by engines, and missed by nobody when it goes away. */
import type { ChildProcess } from "node:child_process";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Started, startEngine } from "../support/engine.ts";
import { hasRedisServer, killRedis, startRedis } from "../support/redis.ts";
import { type Sandbox, startSandbox } from "../support/sandbox.ts";
import { freePort, mergedPullRequest, until } from "../support/served.ts";
import { shippedPolicy, teamConfig, teamEnv } from "../support/team.ts";

const hasServer = hasRedisServer("an engine whose Redis dies and comes back (test/e2e/redis.test.ts)");

describe.runIf(hasServer)("an engine with its cache in Redis", () => {
  let port: number;
  let redis: ChildProcess;
  let sandbox: Sandbox;
  let started: Started;
  const others: Started[] = [];

  const start = () =>
    startEngine(
      { ...shippedPolicy(), "signalbox.yaml": teamConfig(sandbox, `cache: "redis://127.0.0.1:${port}"`) },
      teamEnv(sandbox),
    );
  beforeAll(async () => {
    port = await freePort();
    redis = await startRedis(port);
    sandbox = await startSandbox();
    started = await start();
  });
  afterAll(async () => {
    for (const one of [started, ...others]) await one.stop();
    await sandbox.close();
    await killRedis(redis);
  });

  /** Merges a pull request for the ticket; how often Jira was then asked what transitions there are. */
  const merge = async (number: number, by = started): Promise<number> => {
    const asked = () =>
      sandbox.jira.calls.filter(({ method, path }) => method === "GET" && path.includes("/transitions")).length;
    const before = asked();
    expect((await by.post("github", mergedPullRequest(number))).status).toBe(202);
    await by.quiet();
    expect(sandbox.jira.issues.get(`WEB-${number}`)?.history).toEqual(["In Review", "Done"]);
    return asked() - before;
  };
  const cache = async () => (await started.api<{ cache: { healthy: boolean } }>("/api/v1/status")).body.cache;
  const gauge = async () => /^signalbox_cache_healthy (\d)$/m.exec(String((await started.api("/metrics")).body))?.[1];
  const logged = (message: string) =>
    started.lines.map((line) => JSON.parse(line)).filter((line) => line.message === message);

  test("asks Jira for the transitions of a kind of ticket once; the next ticket is served from Redis", async () => {
    expect([await merge(1), await merge(2)]).toEqual([1, 0]);
    const client = new Redis(port);
    const keys = await client.keys("signalbox:cache:jira|transitions|*");
    client.disconnect();
    expect(keys).toHaveLength(1);
    expect(keys[0]).not.toContain(sandbox.jira.token);
  });

  test("shares what it knows with another engine", async () => {
    const other = await start();
    others.push(other);
    expect(await merge(3, other)).toBe(0);
  });

  test("loses Redis and goes on; status, metric and log say so; Redis comes back and is used again", async () => {
    expect([await cache(), await gauge()]).toEqual([{ backend: "redis", healthy: true }, "1"]);
    await killRedis(redis);
    await until("the loss is noticed", async () => !(await cache()).healthy);
    expect(await gauge()).toBe("0");
    expect(logged("Cache not reached, work goes on without it")).toMatchObject([
      { level: "warn", detail: expect.stringContaining(`127.0.0.1:${port}`) },
    ]);
    // Nothing is known any more, so Jira is asked once; from then on this process remembers.
    expect([await merge(4), await merge(5)]).toEqual([1, 0]);
    expect((await fetch(`${started.adminUrl}/readyz`)).status).toBe(200);

    redis = await startRedis(port);
    await until("Redis is used again", async () => (await cache()).healthy);
    expect(await gauge()).toBe("1");
    expect(logged("Cache reached")).toHaveLength(2);
    expect([await merge(6), await merge(7)]).toEqual([1, 0]);
  });

  test("dies while a ticket is being moved: it is moved, once", async () => {
    sandbox.fault("jira", {
      method: "GET",
      path: "/WEB-8/transitions",
      what: (carryOut) => {
        redis.kill("SIGKILL");
        return carryOut();
      },
    });
    const client = new Redis(port);
    await client.flushall();
    client.disconnect();
    await merge(8);
    expect(sandbox.slack.messages.filter(({ text }) => text.includes("*WEB-8*"))).toHaveLength(1);
  });

  test("nothing in all this was a fault", async () => {
    expect(String((await started.api("/metrics")).body)).not.toContain("signalbox_faults_total{");
  });
});
