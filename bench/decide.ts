/** Deciding alone: match, step and render, without store or network. */
import { decide, plan } from "../src/core/decide.ts";
import type { Event, Instance, JsonObject } from "../src/model.ts";
import { compilePolicy } from "../src/policy/policy.ts";
import { pullRequest } from "./payload.ts";

const FILES = (rules: number) => ({
  "rules/bench.yaml": Array.from(
    { length: rules },
    (_, index) => `
- id: rule-${index}
  event: github.pull_request.closed
  match: { repo: acme/web-${index === 0 ? "" : index}, data.pull_request.merged: true }
  send: { machine: tell, key: "{{event.repo}}", event: MERGED }
`,
  )
    .join("")
    .replace("acme/web-,", "acme/web,"),
  "statemachines/tell.yaml": `
id: tell
startOn: [MERGED]
context: { merges: 0, title: "" }
initial: idle
states:
  idle:
    on:
      MERGED:
        actions:
          - assign: { merges: { cel: context.merges + 1 }, title: "{{event.title}}" }
`,
});

export function decideAlone(): string[] {
  const payload = JSON.parse(pullRequest(1, 20_000).body.toString()) as JsonObject;
  const event: Event = {
    id: "evt_bench",
    type: "github.pull_request.closed",
    source: "github",
    time: "2026-01-05T09:00:00.000Z",
    receivedAt: "2026-01-05T09:00:00.000Z",
    repo: "acme/web",
    branch: "main",
    title: "WEB-1 add a login page",
    data: payload,
  };
  return [1, 10, 100].map((rules) => {
    const { policy, diagnostics: problems } = compilePolicy(FILES(rules), { actions: new Map(), vars: {} });
    if (!policy) throw new Error(JSON.stringify(problems));
    const deciding = { ...policy, definition: () => policy.machines.get("tell") };
    let instance: Instance | undefined;
    const once = () => {
      const decision = decide(deciding, plan(deciding, event, 0), () => instance, 0);
      instance = decision.instances.at(-1) ?? instance;
    };
    for (let i = 0; i < 2_000; i++) once();
    const count = 10_000;
    const before = process.cpuUsage();
    for (let i = 0; i < count; i++) once();
    const { user, system } = process.cpuUsage(before);
    return `decide alone, ${String(rules).padStart(3)} rules of its type, one machine step: ${((user + system) / count).toFixed(1)} µs`;
  });
}
