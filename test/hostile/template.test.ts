/** Templates, and texts in events, that were written to stop the process or to fill its memory, do not. */
import { describe, expect, test } from "vitest";
import { compileValue } from "../../src/core/render.ts";
import { type Json, LIMITS } from "../../src/model.ts";

const LONG = "x".repeat(300_000);
const LIST = Array.from({ length: 10_000 }, (_, i) => i);

/** What a template gives for an event with a long text and a long list, or why it gives nothing. */
function rendered(template: Json, data: Record<string, Json> = {}, files: Record<string, string> = {}): unknown {
  const { renderer, diagnostics } = compileValue(template, { templates: new Map(Object.entries(files)) });
  if (diagnostics[0] !== undefined) return diagnostics[0].message;
  const result = renderer.render({ event: { data: { long: LONG, list: LIST, ...data } } });
  return result.ok ? result.value : result.detail;
}

const eachItem = (inside: string) => `{{#each event.data.list}}{{#if (${inside})}}{{/if}}{{/each}}`;

describe("a rendering is charged for what it reads and not for what it writes", () => {
  test.each([
    ["truncate ../event.data.long 5"],
    ["upper ../event.data.long"],
    ["short ../event.data.long"],
    ["urlencode ../event.data.long"],
    ["date ../event.data.time ../event.data.long"],
    ["join ../event.data.list"],
    ["json ../event.data.list"],
    ["default ../event.data.none (lower ../event.data.long)"],
  ])("%s for each of 10,000 items", (call) => {
    expect(rendered(eachItem(call), { time: 0 })).toBe("The template needs more than 500,000 steps");
  });

  test.each([
    ["lists inside lists", "{{#each event.data.list}}{{#each ../event.data.list}}{{/each}}{{/each}}"],
    [
      "conditions that hold for nothing",
      `{{#each event.data.list}}${"{{#if @root.event.data.no}}{{/if}}".repeat(99)}{{/each}}`,
    ],
    ["a text of which the escape leaves nothing", "{{#each event.data.list}}{{@root.event.data.controls}}{{/each}}"],
  ])("%s", (_, template) => {
    const value = { type: "object", properties: { text: { type: "string", escape: "html" } } };
    const { renderer } = compileValue({ text: template }, { schema: value as never });
    const result = renderer.render({ event: { data: { list: LIST, no: "", controls: "\u0001".repeat(100_000) } } });
    expect(result).toMatchObject({ ok: false, detail: "The template needs more than 500,000 steps" });
  });

  test("all templates of one value share what they may cost", () => {
    const once = eachItem("json ../event.data.some");
    const data = { some: LIST.slice(0, 30) };
    expect(rendered(once, data)).toBe("");
    expect(rendered(Array(10).fill(once), data)).toBe("The template needs more than 500,000 steps");
  });

  test("a value that is passed on as it is, again and again", () => {
    const data = { rows: Array(100_000).fill([]) };
    expect(rendered(["{{event.data.rows}}"], data)).toStrictEqual([data.rows]);
    expect(rendered(Array(100).fill("{{event.data.rows}}"), data)).toBe("The template needs more than 500,000 steps");
  });
});

describe("a text is refused while it grows", () => {
  const deep = (levels: number): Json => (levels === 0 ? LIST : [deep(levels - 1)]);
  test.each<[string, Record<string, Json>]>([
    ["{{join event.data.list event.data.long}}", {}],
    ["{{join event.data.texts}}", { texts: Array(100_000).fill("0123456789") }],
    ["{{event.data.texts}}!", { texts: Array(100_000).fill("0123456789") }],
    ["{{short (json event.data.deep 10)}}", { deep: deep(150) }],
    ["{{short (json event.data.deep 1000000000)}}", { deep: deep(150) }],
    ["{{#each event.data.list}}{{@root.event.data.long}}{{/each}}", {}],
  ])("%s", (template, data) => {
    expect(rendered(template, data)).toBe(`The text is longer than ${LIMITS.renderedBytes} bytes`);
  });

  test("also where a template file gives its indentation to every line", () => {
    const files = { lines: "{{#each event.data.list}}\n.\n{{/each}}\n" };
    expect(rendered(`${" ".repeat(10_000)}{{> lines}}\n`, {}, files)).toBe(
      `The text is longer than ${LIMITS.renderedBytes} bytes`,
    );
  });
});

describe("a template is refused before it is parsed", () => {
  const blocks = (count: number) => "{{#if event.data.no}}".repeat(count) + "{{/if}}".repeat(count);
  const elses = (count: number) => `{{#if event.data.no}}${"{{else if event.data.no}}".repeat(count)}{{/if}}`;
  const calls = (count: number) => `{{default ${"(default ".repeat(count)}1 2${") 2".repeat(count)}}}`;
  test.each([
    ["blocks inside blocks", blocks(5_000), "tags"],
    ["blocks inside blocks, fewer", blocks(101), "nested"],
    ["inverse blocks", "{{^event}}".repeat(101), "nested"],
    ["a chain of else if", elses(100), "nested"],
    ["calls inside calls", calls(101), "nested"],
    ["a long text", `{{event.type}}${"a".repeat(LIMITS.renderedBytes)}`, "characters"],
    ["a path of 100,000 names", `{{event${".a".repeat(100_000)}}}`, "between"],
    ["a string that is never closed", `{{upper "${'\\"'.repeat(100_000)}`, "between"],
    ["thousands of comments", "{{!-- {{ --}}".repeat(17_000), "tags"],
    ["thousands of openings", "{{".repeat(130_000), "tags"],
  ])("%s", (_, template, word) => {
    expect(rendered(template)).toContain(word);
  });

  test("what lies within these bounds is rendered", () => {
    expect(rendered(blocks(90) + elses(90) + calls(90))).toBe("1");
    expect(rendered(`${blocks(1)}\n${elses(2)}`.repeat(500))).toBe("\n".repeat(500));
  });
});

describe("template files", () => {
  test("one that contains itself, by whatever way, is refused", () => {
    expect(rendered("{{> a}}", {}, { a: "{{> b}}", b: "{{#if event.data.no}}{{> a}}{{/if}}" })).toContain(
      "contains itself",
    );
  });

  test("files that contain each other many times are counted as what they become", () => {
    const names = ["a", "b", "c", "d", "e"];
    const files = Object.fromEntries(names.map((name, i) => [name, `{{> ${names[i + 1] ?? "leaf"}}}`.repeat(20)]));
    expect(rendered("{{> a}}", {}, { ...files, leaf: "x" })).toContain("at most 10000 parts");
  });

  test("a large file that is named often is parsed once", () => {
    let parsed = 0;
    const files = new Map([["large", `{{#if event.data.no}}${"z".repeat(200_000)}{{/if}}`]]);
    const get = files.get.bind(files);
    files.get = (name) => {
      parsed += 1;
      return get(name);
    };
    const { diagnostics } = compileValue("{{> large}}".repeat(1_000), { templates: files });
    expect(diagnostics).toStrictEqual([]);
    expect(parsed).toBe(1);
  });

  test("of ten thousand mistakes the first hundred are told", () => {
    expect(compileValue("{{nope}}".repeat(5_000)).diagnostics).toHaveLength(100);
  });
});
