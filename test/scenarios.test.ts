/**
 * Golden stories, test/scenarios/*.yaml: given a policy, when these events come at these times, then these deliveries; on every store. And
 * the stories are enough: every transition of every shipped machine is taken, every guard was seen to fail, every shipped rule matches.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import type { Decision } from "../src/model.ts";
import { instrumented, uncovered } from "../src/rehearsal/coverage.ts";
import { memoryStore } from "../src/store/memory.ts";
import { command } from "./cli/support/command.ts";
import { STORES } from "./support/stores.ts";
import { ROOT, shippedFiles, shippedStories, tell } from "./support/stories.ts";

const stories = shippedStories();

describe.each(STORES)("on $name", ({ open }) => {
  test.each(stories.map((story) => [`${story.file} ${story.name}`, story] as const))("%s", async (_name, story) => {
    const { store, remove } = await open();
    try {
      await tell(story, store);
    } finally {
      await remove();
    }
  });
});

const shipped = (folder: string) =>
  readdirSync(join(ROOT, folder))
    .filter((name) => name.endsWith(".yaml"))
    .map((name) => `${folder}/${name}`);
const textOf = (file: string) => readFileSync(join(ROOT, file), "utf8");

describe("the stories are enough", () => {
  const machines = new Map(shipped("statemachines").map((file) => [file, instrumented(textOf(file))]));
  const decisions: Decision[] = [];
  beforeAll(async () => {
    const texts = Object.entries(shippedFiles).map(([file, text]) => [file, machines.get(file)?.text ?? text]);
    for (const story of shippedStories(Object.fromEntries(texts)))
      decisions.push(...(await tell(story, memoryStore())));
  });

  test.each([...machines])("%s: every transition is taken, and every guard fails once", (_file, machine) => {
    expect(uncovered(machine, decisions)).toEqual([]);
  });

  test("every shipped rule matches", () => {
    const matched = new Set(decisions.flatMap(({ trace }) => trace.matched.map(({ rule }) => rule)));
    const ids = shipped("rules").flatMap((file) => [...textOf(file).matchAll(/^- id: (.+)$/gm)].map(([, id]) => id!));
    expect(ids.length).toBeGreaterThan(0);
    expect(ids.filter((id) => !matched.has(id))).toEqual([]);
  });
});

test("what is shipped loads with the shipped signalbox.yaml, without a warning", async () => {
  const names = [...textOf("signalbox.yaml").matchAll(/env:([A-Z_]+)|\$\{([A-Z_]+)/g)].map(
    (match) => match[1] ?? match[2]!,
  );
  const env = Object.fromEntries(
    names.map((name) => [name, name.endsWith("URL") ? "https://example.com" : "a value that is long enough"]),
  );
  const { code, out } = await command(["check", "--fail-on", "warning"], { cwd: ROOT, env });
  expect({ code, out }).toMatchObject({ code: 0, out: expect.stringContaining("0 errors, 0 warnings") });
});
