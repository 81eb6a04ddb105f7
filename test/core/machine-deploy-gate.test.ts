import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { MINUTE, machineOf, story, T0 } from "./machine-story.ts";

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
      const told = story(machine);
      const created = told.send(first, data);
      expect(created.transition).toMatchObject({ created: true, taken: true, step: 1 });
      expect(created.deliveries).toEqual([]);
      expect(created.timersSet).toEqual([{ id: "gathering.30m", dueAtMs: T0 + 30 * MINUTE }]);
      expect(told.row?.context).toEqual(data);
      told.nowMs += MINUTE;
      const ready = told.send(second, data);
      expect(ready.timersCancelled).toEqual(["gathering.30m"]);
      expect(ready.deliveries).toEqual([
        { action: "slack.post", params: { channel: "#deploys", text: "9f31c2e is ready" }, index: 0, call: CALL },
      ]);
      expect(told.row).toMatchObject({
        state: "announcing",
        version: 2,
        timers: {},
        calls: { [CALL]: 2 },
        createdAtMs: T0,
        updatedAtMs: T0 + MINUTE,
      });
      expect(told.done(CALL, { ts: "1" }).transition.to).toBe("released");
      expect(told.row).toMatchObject({ status: "done", version: 3, calls: {} });
    }
  });

  test("half an hour without the other one ends it", () => {
    const told = story(machine);
    told.send("PUSH", data);
    expect(told.fire("gathering.30m").transition.to).toBe("timedOut");
    expect(told.row?.status).toBe("done");
    expect(told.send("CI_PASSED", data).transition.ignored).toBe("final state");
  });

  test("red CI ends it, and a message that cannot be posted is told", () => {
    const red = story(machine);
    red.send("PUSH", data);
    const { transition, timersCancelled } = red.send("CI_FAILED", data);
    expect([transition.to, timersCancelled]).toEqual(["rejected", ["gathering.30m"]]);
    const lost = story(machine);
    lost.send("PUSH", data);
    lost.send("CI_PASSED", data);
    expect(lost.fail(CALL).transition.to).toBe("undelivered");
  });

  test("a second push is no transition, and the time-out of a gate that moved on is stale", () => {
    const told = story(machine);
    told.send("PUSH", data);
    const again = told.send("PUSH", data);
    expect(again.instance).toBeUndefined();
    expect(again.transition.ignored).toBe(
      'no transition: "gathering.push.seen", "gathering.ci.waiting" do not take PUSH',
    );
    told.send("CI_PASSED", data);
    expect(told.fire("gathering.30m", 1).transition.ignored).toMatch(/^stale/);
  });

  test("a stored instance is small", () => {
    const told = story(machine);
    told.send("PUSH", data);
    expect(JSON.stringify({ ...told.row, context: {} }).length).toBeLessThan(500);
  });
});
