import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { MINUTE, machineOf, startRun, T0 } from "./machine-story.ts";

const FILE = `
id: deploy-gate
initial: gathering
context: { repo: "{{event.repo}}", sha: "{{event.sha}}" }
states:
  gathering:
    type: parallel
    states:
      push: { initial: waiting, states: { waiting: { on: { PUSH: seen } }, seen: { type: final } } }
      ci:   { initial: waiting, states: { waiting: { on: { CI_PASSED: passed } }, passed: { type: final } } }
    on: { CI_FAILED: rejected }
    after: { 30m: timedOut }
    onDone: announcing
  announcing:
    invoke:
      src: slack.post
      input: { channel: "#deploys", text: "{{context.sha}} is ready" }
      onDone: released
      onError: undelivered
  released: { type: final }
  rejected: { type: final }
  timedOut: { type: final }
  undelivered: { type: final }
`;

describe("the deploy gate", () => {
  const machine = machineOf(parse(FILE) as Record<string, unknown>);
  const data = { repo: "acme/web", sha: "9f31c2e" };
  const CALL = "announcing.slack.post";

  test("holds the message until push and green CI were seen, in either order, and is released when it is posted", () => {
    for (const [first, second] of [
      ["PUSH", "CI_PASSED"],
      ["CI_PASSED", "PUSH"],
    ] as const) {
      const run = startRun(machine);
      const created = run.send(first, data);
      expect(created.transition).toMatchObject({ created: true, taken: true, step: 1 });
      expect(created.deliveries).toEqual([]);
      expect(created.timersSet).toEqual([{ id: "gathering.30m", dueAtMs: T0 + 30 * MINUTE }]);
      expect(run.row?.context).toEqual(data);
      run.nowMs += MINUTE;
      const ready = run.send(second, data);
      expect(ready.timersCancelled).toEqual(["gathering.30m"]);
      expect(ready.deliveries).toEqual([
        { action: "slack.post", params: { channel: "#deploys", text: "9f31c2e is ready" }, index: 0, call: CALL },
      ]);
      expect(run.row).toMatchObject({
        state: "announcing",
        version: 2,
        timers: {},
        calls: { [CALL]: 2 },
        createdAtMs: T0,
        updatedAtMs: T0 + MINUTE,
      });
      expect(run.done(CALL, { ts: "1" }).transition.to).toBe("released");
      expect(run.row).toMatchObject({ status: "done", version: 3, calls: {} });
    }
  });

  test("half an hour without the other one ends it", () => {
    const run = startRun(machine);
    run.send("PUSH", data);
    expect(run.fire("gathering.30m").transition.to).toBe("timedOut");
    expect(run.row?.status).toBe("done");
    expect(run.send("CI_PASSED", data).transition.ignored).toBe("final state");
  });

  test("red CI ends it, and a message that cannot be posted is told", () => {
    const red = startRun(machine);
    red.send("PUSH", data);
    const { transition, timersCancelled } = red.send("CI_FAILED", data);
    expect([transition.to, timersCancelled]).toEqual(["rejected", ["gathering.30m"]]);
    const lost = startRun(machine);
    lost.send("PUSH", data);
    lost.send("CI_PASSED", data);
    expect(lost.fail(CALL).transition.to).toBe("undelivered");
  });

  test("a second push is no transition, and the time-out of a gate that moved on is stale", () => {
    const run = startRun(machine);
    run.send("PUSH", data);
    const again = run.send("PUSH", data);
    expect(again.instance).toBeUndefined();
    expect(again.transition.ignored).toBe(
      'no transition: "gathering.push.seen", "gathering.ci.waiting" do not take PUSH',
    );
    run.send("CI_PASSED", data);
    expect(run.fire("gathering.30m", 1).transition.ignored).toMatch(/^stale/);
  });

  test("a stored instance is small", () => {
    const run = startRun(machine);
    run.send("PUSH", data);
    expect(JSON.stringify({ ...run.row, context: {} }).length).toBeLessThan(500);
  });
});
