/** Stories as people write them: mistakes are shown at their place, and what comes out otherwise is shown as a difference. */
import { describe, expect, test } from "vitest";
import { readStories } from "../../src/rehearsal/story.ts";
import { memoryStore } from "../../src/store/memory.ts";
import { shippedFiles, tell } from "../support/stories.ts";

const read = (text: string) => readStories("stories.yaml", text, shippedFiles);
const MERGE = "{ send: github.pull_request.merged, then: { deliveries: [{ jira.transition: { issue: WEB-17 } }] } }";
const SLOW = "{ send: github.pull_request.merged, then: {} }";

describe("a mistake in a file of stories is shown at its place", () => {
  test.each([
    ["policy: jira-ticket\nstories:\n  one:\n    - { sent: x }", "4:9", '"sent"'],
    ["policy: jira-ticket\nstories:\n  one:\n    - { at: soon }", "4:13", '"soon" is not a duration'],
    ["policy: nothing\nstories:\n  one: []", "1:9", "There is no rules/nothing.yaml"],
    ["policy: jira-ticket\nset: { nobody: {} }\nstories:\n  one: []", "2:6", 'names the machine "nobody"'],
    ["policy: jira-ticket\nstories:\n  one: [\n", "4:1", ""],
    ["policy: jira-ticket", "1:1", '"stories"'],
  ])("%j", (text, place, words) => {
    const { stories, diagnostics: problems } = read(text);
    expect(stories).toEqual([]);
    expect(problems.map(({ message }) => message).join("\n")).toContain(words);
    expect(problems.map(({ line, col }) => `${line}:${col}`)).toContain(place);
  });
});

describe("a story", () => {
  const outcome = async (text: string) => {
    const { stories, diagnostics: problems } = read(text);
    expect(problems).toEqual([]);
    return await tell(stories[0]!, memoryStore()).then(
      () => "true",
      (error: Error) => error.message,
    );
  };
  const story = (...steps: string[]) =>
    `policy: [jira-ticket, pull-requests]\nstories:\n  one:\n    - ${steps.join("\n    - ")}`;

  test("that comes out as written is true, and says only what matters", async () => {
    const tickets = "{ jira.transition: { issue: WEB-17 } }, { jira.transition: { issue: WEB-18 } }";
    const posts = "{ slack.post: {} }, { slack.post: { channel: '#dev' } }";
    const expected = `{ deliveries: [${posts}, ${tickets}], state: { jira-ticket/WEB-17: waiting } }`;
    expect(await outcome(story(`{ send: github.pull_request.merged, then: ${expected} }`))).toBe("true");
  });

  test("fails at the step that comes out otherwise, with what was not expected", async () => {
    const message = await outcome(story(SLOW));
    expect(message).toMatch(/^stories.yaml:4 "one", step 1 \(0s, github.pull_request.merged\)\n/);
    expect(message).toContain('  + jira.transition {"issue":"WEB-17"');
  });

  test("shows what is missing, and the difference of what is similar", async () => {
    const message = await outcome(
      story(MERGE.replace("issue: WEB-17", "to: Shipped").replace("] }", ", { jira.read: {} }] }")),
    );
    expect(message).toContain("  jira.transition.to\n  - Shipped\n  + Done");
    expect(message).toContain("  - jira.read {}");
  });

  test.each([
    ["{ then: { state: lost } }", "  state\n  - lost\n  + none"],
    ["{ then: { timers: { patience: 1h } } }", '  timers\n  - {"patience":"1h"}\n  + {}'],
    ["{ then: { ignored: late } }", "  ignored\n  - late\n  + []"],
    ["{ then: { logs: [a] } }", '  logs\n  - ["a"]\n  + []'],
    ["{ then: { context: { n: 1 } } }", "  context.n\n  - 1\n  + undefined"],
    ["{ then: { emits: [a.b] } }", "  - a.b {}"],
    ["{ send: nowhere.at_all }", 'No source is named "nowhere"'],
    ["{ send: github.nothing }", 'has no sample "github.nothing"'],
    ["{ signal: GO, to: lost }", '"lost" is one of no instances: say which'],
  ])("%s", async (step, difference) => {
    expect(await outcome(story(step))).toContain(difference);
  });

  test("that sends the same twice says so, unless that is what it is about", async () => {
    const step = "{ send: github.pull_request.opened, with: { pull_request.title: none } }";
    expect(await outcome(story(step, step))).toContain("The same request was sent before");
    expect(await outcome(story(step, step.replace(" }", " }, then: { duplicate: true }").replace("} },", "},")))).toBe(
      "true",
    );
  });

  test("rehearses the ticks of a schedule, each at its time", async () => {
    const rule =
      "[{ id: hourly, event: cron.hourly, do: [{ slack.post: { channel: '#dev', text: '{{event.time}} {{event.data.why}}' } }] }]";
    const post = (hour: string) =>
      `then: { deliveries: [{ slack.post: { text: '2026-01-05T${hour}:30:00.000Z often' } }] }`;
    const steps = `[{ at: 29m, then: {} }, { at: 30m, ${post("09")} }, { at: 1h29m, then: {} }, { at: 1h31m, ${post("10")} }]`;
    const { stories, diagnostics } = read(
      `files: { rules/hourly.yaml: "${rule}" }\npolicy: []\nstories: { one: ${steps} }`,
    );
    expect(diagnostics).toEqual([]);
    const schedules = [{ id: "hourly", cron: "30 * * * *", data: { why: "often" } }];
    expect(await tell(stories[0]!, memoryStore(), schedules)).toHaveLength(2);
  });

  test("of a policy that does not load says why", async () => {
    const { stories } = read("files: { rules/x.yaml: '[{ id: a }]' }\npolicy: jira-ticket\nstories: { one: [] }");
    await expect(tell(stories[0]!, memoryStore())).rejects.toThrow(/^stories.yaml:3 "one": rules\/x.yaml:1 SB/);
  });
});
