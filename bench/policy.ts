/** What loading a policy costs: time from texts to a policy, and the memory that it keeps, for some numbers of rules. */
import { performance } from "node:perf_hooks";
import { Type } from "typebox";
import { compilePolicy, type PolicyFiles } from "../src/policy/policy.ts";

const COUNTS = process.argv.slice(2).map(Number);
const PER_FILE = 500;
const ACTIONS = new Map([
  ["slack.post", { params: Type.Object({ channel: Type.String(), text: Type.String({ escape: "slack" }) }) }],
]);

/** Rules as people write them: no two alike, yet of a few forms. */
function rule(i: number): string {
  return `- id: rule-${i}
  description: A merged pull request of repository ${i} is announced
  event: github.pull_request.closed
  match:
    data.pull_request.merged: true
    repo: acme/repo-${i}
    branch: [main, { prefix: release/ }]
  when: size(event.tickets) > 0 && event.data.pull_request.additions > ${i % 100}
  do:
    - slack.post: { channel: "#team-${i % 50}", text: "{{event.title}} of repo ${i} is merged by {{event.actor}}" }
`;
}

function filesOf(count: number): PolicyFiles {
  const files: PolicyFiles = {};
  for (let from = 0; from < count; from += PER_FILE) {
    const texts = Array.from({ length: Math.min(PER_FILE, count - from) }, (_, i) => rule(from + i));
    files[`rules/part-${from}.yaml`] = texts.join("");
  }
  return files;
}

const megabytes = (bytes: number) => `${(bytes / 1_048_576).toFixed(0)} MB`;

console.log("rules      wall     cpu      per rule   kept    resident at most");
for (const count of COUNTS.length > 0 ? COUNTS : [10, 1_000, 10_000]) {
  const files = filesOf(count);
  globalThis.gc?.();
  const before = process.memoryUsage().heapUsed;
  const [startedMs, used] = [performance.now(), process.cpuUsage()];
  const { policy, diagnostics } = compilePolicy(files, { actions: ACTIONS, vars: {} });
  const ms = performance.now() - startedMs;
  const { user, system } = process.cpuUsage(used);
  if (policy?.rules.rules.length !== count) throw new Error(JSON.stringify(diagnostics.slice(0, 3)));
  globalThis.gc?.();
  const kept = globalThis.gc ? megabytes(process.memoryUsage().heapUsed - before) : "(--expose-gc)";
  const cpu = `${((user + system) / 1_000).toFixed(0)} ms`;
  const each = `${((ms * 1_000) / count).toFixed(0)} µs`;
  const peak = megabytes(process.resourceUsage().maxRSS * 1_024);
  console.log([String(count).padEnd(10), `${ms.toFixed(0)} ms`, cpu, each, kept, peak].join("   "));
}
