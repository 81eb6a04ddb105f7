/** `order: time`: however the deliveries of one pull request's life arrive, the instance ends where the pull request did. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { decide, plan } from "../../src/core/decide.ts";
import type { Event, Instance } from "../../src/model.ts";
import { compilePolicy } from "../../src/policy/policy.ts";

const MACHINE = `
id: review
startOn: [OPENED, UPDATED, CLOSED, REOPENED, MERGED]
context: { seen: 0 }
initial: unknown
states:
  unknown: {}
  open: {}
  closed: {}
  merged: { type: final }
on:
  OPENED: .open
  UPDATED: { target: .open, actions: [{ assign: { seen: { cel: context.seen + 1 } } }] }
  CLOSED: .closed
  REOPENED: .open
  MERGED: .merged
`;
/** One rule per signal; the last state is that of the newest event. */
function policyOf(order: string, machine = MACHINE) {
  const each = ["OPENED", "UPDATED", "CLOSED", "REOPENED", "MERGED"]
    .map(
      (name) =>
        `- { id: on-${name.toLowerCase()}, event: pr.${name}, send: { machine: review, key: k, event: ${name}${order} } }`,
    )
    .join("\n");
  const { policy, diagnostics: problems } = compilePolicy(
    { "rules/a.yaml": each, "statemachines/review.yaml": machine },
    { actions: new Map(), vars: {} },
  );
  expect(problems.filter(({ severity }) => severity === "error")).toEqual([]);
  return policy!;
}
const ordered = policyOf(", order: time");
const unordered = policyOf("");

interface Arrived {
  name: string;
  /** Seconds since the beginning, by the sender's account. */
  at: number;
  subject?: string;
}

function eventOf({ name, at, subject = "acme/web#412" }: Arrived, i: number): Event {
  const time = new Date(Date.UTC(2026, 0, 5, 9, 0, at)).toISOString();
  return { id: `evt_${i}`, type: `pr.${name}`, source: "github", subject, time, receivedAt: time, data: {} };
}

function lived(policy: typeof ordered, arrivals: readonly Arrived[]) {
  let instance: Instance | undefined;
  const ignored: (string | undefined)[] = [];
  arrivals.forEach((arrived, i) => {
    const deciding = { ...policy, definition: () => policy.machines.get("review") };
    const decision = decide(deciding, plan(deciding, eventOf(arrived, i), i), () => instance, i);
    ignored.push(decision.trace.transitions[0]?.ignored);
    expect(decision.trace.problems).toEqual([]);
    instance = JSON.parse(JSON.stringify(decision.instances[0] ?? instance)) as Instance;
  });
  return { instance: instance!, ignored };
}

const LIFE: Arrived[] = [
  { name: "OPENED", at: 0 },
  { name: "UPDATED", at: 10 },
  { name: "CLOSED", at: 20 },
  { name: "REOPENED", at: 30 },
  { name: "UPDATED", at: 40 },
];
const orders = fc.shuffledSubarray(LIFE, { minLength: LIFE.length, maxLength: LIFE.length });

test("in any order of arrival the state is that of the newest event", () => {
  fc.assert(
    fc.property(orders, (arrivals) => {
      expect(lived(ordered, arrivals).instance.state).toBe("open");
    }),
  );
  const toClosed = [...LIFE, { name: "CLOSED", at: 50 }];
  fc.assert(
    fc.property(fc.shuffledSubarray(toClosed, { minLength: 6 }), (arrivals) => {
      const { instance, ignored } = lived(ordered, arrivals);
      expect(instance.state).toBe("closed");
      // Each is taken or stale, and stale is what comes after something newer.
      arrivals.forEach(({ at }, i) => {
        const newest = Math.max(-1, ...arrivals.slice(0, i).map((earlier) => earlier.at));
        expect(ignored[i]).toBe(at < newest ? "stale: older than what was taken for acme/web#412" : undefined);
      });
    }),
  );
});

test("without it the state is that of the last to arrive", () => {
  expect(lived(unordered, [LIFE[4]!, LIFE[2]!]).instance.state).toBe("closed");
  expect(lived(unordered, LIFE).instance.latest).toBeUndefined();
});

test("what ends the instance wins a tie, whichever of the two arrives first", () => {
  const end = { name: "MERGED", at: 60 };
  const beside = { name: "UPDATED", at: 60 };
  fc.assert(
    fc.property(fc.shuffledSubarray([...LIFE, beside, end], { minLength: 7 }), (arrivals) => {
      expect(lived(ordered, arrivals).instance).toMatchObject({ status: "done", state: "merged" });
    }),
  );
});

test("subjects do not count for each other, and those of long ago are forgotten first", () => {
  const other = { name: "CLOSED", at: 5, subject: "acme/web#7" };
  expect(lived(ordered, [LIFE[4]!, other]).instance).toMatchObject({
    state: "closed",
    latest: { "acme/web#412": Date.UTC(2026, 0, 5, 9, 0, 40), "acme/web#7": Date.UTC(2026, 0, 5, 9, 0, 5) },
  });
  const many = Array.from({ length: 150 }, (_, i) => ({ name: "UPDATED", at: i, subject: `acme/web#${i}` }));
  const { latest = {} } = lived(ordered, many).instance;
  expect(Object.keys(latest)).toHaveLength(100);
  expect(Object.keys(latest)).toContain("acme/web#149");
  expect(Object.keys(latest)).not.toContain("acme/web#49");
});

test("a signal that no state takes does not make later ones stale", () => {
  const deaf = policyOf(", order: time", MACHINE.replace("  UPDATED:", "  UPDATED_LATER:"));
  const { instance, ignored } = lived(deaf, [
    { name: "OPENED", at: 0 },
    { name: "UPDATED", at: 90 },
    { name: "CLOSED", at: 20 },
  ]);
  expect(instance.state).toBe("closed");
  expect(ignored).toEqual([undefined, expect.stringContaining("no transition"), undefined]);
});
