import fc from "fast-check";
import { Type } from "typebox";
import { describe, expect, test } from "vitest";
import { type CompileOptions, compileValue } from "../../src/core/render.ts";
import { type Json, type JsonObject, LIMITS } from "../../src/model.ts";

const event: JsonObject = {
  type: "github.push",
  number: 412,
  flag: false,
  nothing: null,
  empty: "",
  sha: "9f31c2e0aa11bb22",
  title: "WEB-17 add login",
  time: "2026-01-05T09:08:07Z",
  tickets: ["WEB-1", "WEB-2"],
  data: {
    commits: [
      { id: "a", n: 1 },
      { id: "b", n: 2 },
    ],
    author: { name: "Ann" },
    none: [],
    evil: "{{event.sha}} {{> footer}}",
    emoji: "😀😀😀",
    broken: "x\ud800y",
  },
};
const templates = new Map([
  ["footer", "by {{event.data.author.name}}"],
  ["item", "{{id}};"],
  ["loop", "{{> pool}}"],
  ["pool", "{{> loop}}"],
  ["broken", "line\n{{#if}}"],
  ["unknown", "line\n{{evnt.title}}"],
  ["two", "- A\n- b\n"],
]);

function compile(value: unknown, options: CompileOptions = {}) {
  const { renderer, diagnostics: problems } = compileValue(value, { templates, ...options });
  expect(problems).toStrictEqual([]);
  return renderer;
}
function render(value: unknown, options: CompileOptions = {}): Json {
  const result = compile(value, options).render({ event, context: { n: 2 }, item: "WEB-1", vars: { channel: "#dev" } });
  if (!result.ok) throw new Error(result.detail);
  return result.value;
}
function failure(value: unknown, options: CompileOptions = {}): { detail: string; path: (string | number)[] } {
  const result = compile(value, options).render({ event });
  if (result.ok) throw new Error(`rendered ${JSON.stringify(result.value)}`);
  return result;
}
const problemOf = (value: unknown) => compileValue(value, { templates }).diagnostics[0];

describe("values", () => {
  test.each<[unknown, Json]>([
    ["plain", "plain"],
    [5, 5],
    [null, null],
    ["{{event.number}}", 412],
    ["{{event.tickets}}", ["WEB-1", "WEB-2"]],
    ["{{event.data.author}}", { name: "Ann" }],
    ["{{event.flag}}", false],
    ["{{event.tickets.[0]}} {{event.data.commits.0.id}}", "WEB-1 a"],
    ["#{{event.number}}", "#412"],
    [" {{event.flag}}", " false"],
    ["{{item}} in {{vars.channel}} {{context.n}}", "WEB-1 in #dev 2"],
    ["{{event.tickets}}!", "WEB-1, WEB-2!"],
    [{ a: ["{{event.number}}", { b: "x{{item}}" }] }, { a: [412, { b: "xWEB-1" }] }],
    [{ cel: "event.number + 1" }, 413],
    [{ cel: "event.tickets" }, ["WEB-1", "WEB-2"]],
    [
      { cel: "1", other: 2 },
      { cel: "1", other: 2 },
    ],
    [{ template: "footer" }, "by Ann"],
    ["{{> footer}}!", "by Ann!"],
    ["{{#each event.data.commits}}{{> item}}{{/each}}", "a;b;"],
    // A partial that stands alone on its line gives its indentation to every line, as in Handlebars.
    ["X\n  {{> two}}\nY", "X\n  - A\n  - b\nY"],
    ["\\{{event.number}}", "{{event.number}}"],
    ["a{{!-- not shown --}}b", "ab"],
  ])("%j gives %j", (value, expected) => {
    expect(render(value)).toStrictEqual(expected);
  });

  test("keys of any name survive as own keys", () => {
    const value = JSON.parse('{"__proto__": "{{event.number}}", "constructor": "{{event.sha}}"}') as unknown;
    expect(JSON.stringify(render(value))).toBe('{"__proto__":412,"constructor":"9f31c2e0aa11bb22"}');
  });

  test("data that contains braces is never rendered again", () => {
    expect(render("{{event.data.evil}} x")).toBe("{{event.sha}} {{> footer}} x");
    expect(render("{{event.data.evil}}")).toBe("{{event.sha}} {{> footer}}");
    expect(render({ cel: "event.data.evil" })).toBe("{{event.sha}} {{> footer}}");
  });
});

describe("helpers and blocks", () => {
  test.each<[string, Json]>([
    ["{{#if event.flag}}a{{else if event.number}}b{{else}}c{{/if}}", "b"],
    ["{{#if event.missing.deep}}a{{else}}b{{/if}}", "b"],
    ["{{#if event.data.none}}a{{else}}b{{/if}}", "b"],
    ["{{#unless event.missing}}a{{/unless}}", "a"],
    ["{{#if (eq event.number 412)}}a{{/if}}", "a"],
    ['{{#if (eq event.number "412")}}a{{else}}b{{/if}}', "b"],
    ['{{#if (eq event.missing "x")}}a{{else}}b{{/if}}', "b"],
    ["{{#if (upper event.missing)}}a{{else}}b{{/if}}", "b"],
    ["{{#each event.tickets}}{{@index}}:{{this}}{{#unless @last}}, {{/unless}}{{/each}}", "0:WEB-1, 1:WEB-2"],
    ["{{#each event.data.commits as |commit i|}}{{i}}{{commit.id}}{{../event.number}}{{/each}}", "0a4121b412"],
    ["{{#each event.data.author}}{{@key}}={{this}} {{@root.event.number}}{{/each}}", "name=Ann 412"],
    ["{{#each event.data.none}}x{{else}}none{{/each}}", "none"],
    ["{{#each event.missing}}x{{else}}none{{/each}}", "none"],
    ["{{#with event.data.author}}{{name}} {{../event.number}}{{/with}}", "Ann 412"],
    [
      "{{#with event.data}}{{#each commits}}{{id}}{{../author.name}}{{../../event.number}}{{/each}}{{/with}}",
      "aAnn412bAnn412",
    ],
    ['{{default event.missing.deep "y"}}', "y"],
    ['{{default event.nothing "y"}}', "y"],
    ['{{default event.empty "y"}}', "y"],
    ["{{default event.flag 5}}", false],
    ["{{default event.missing 5}}", 5],
    ['{{default event.title "y"}}', "WEB-17 add login"],
    ["{{upper event.type}} {{lower event.title}}", "GITHUB.PUSH web-17 add login"],
    ["{{short event.sha}}", "9f31c2e0"],
    ["{{truncate event.title 6}}", "WEB-1…"],
    ["{{truncate event.data.emoji 2}}", "😀…"],
    ["{{truncate event.data.emoji 3}}", "😀😀😀"],
    ['{{join event.tickets " + "}} {{join event.tickets}}', "WEB-1 + WEB-2 WEB-1, WEB-2"],
    ["{{first event.tickets}}", "WEB-1"],
    ['{{default (first event.data.none) "none"}}', "none"],
    ["{{json event.data.author}}", '{"name":"Ann"}'],
    ['{{date event.time}} {{date event.time "DD.MM.YYYY HH:mm:ss"}}', "2026-01-05 09:08 05.01.2026 09:08:07"],
    ["{{urlencode event.title}}", "WEB-17%20add%20login"],
  ])("%s gives %j", (template, expected) => {
    expect(render(template)).toStrictEqual(expected);
  });
});

describe("what is missing is a failure that names it", () => {
  test.each<[unknown, string, (string | number)[]?]>([
    ["{{event.titel}}", 'event.titel is missing, there is "title"'],
    ["x {{event.nope.deep}}", 'event.nope.deep is missing, there is no "nope"'],
    ["{{event.nothing}}", "event.nothing is null"],
    ["x {{event.nothing}}", "event.nothing is null"],
    ["{{context.n}}", "context.n is missing"],
    ["{{upper event.nope}}", "event.nope is missing"],
    ["{{#each event.nope}}x{{/each}}", "event.nope is missing"],
    ["{{#each event.data.commits}}{{event.number}}{{/each}}", "write ../event.number or @root.event.number"],
    ["x {{event.data.author}}", "is an object, write {{json event.data.author}}"],
    ["x {{event.data.commits}}", "the list holds objects or lists"],
    ["{{date event.title}}", "date needs a time"],
    ["{{truncate event.title 0}}", "at least 1"],
    ["{{event.constructor}}", "event.constructor is missing"],
    ["{{event.__proto__.x}}", "event.__proto__.x is missing"],
    ["{{event.title.length}}", "event.title.length is missing"],
    [{ a: [1, { b: "{{event.nope}}" }] }, "event.nope is missing", ["a", 1, "b"]],
    [{ a: { cel: "event.nope" } }, 'event has no "nope"', ["a"]],
  ])("%j: %s", (value, words, path = []) => {
    const result = failure(value);
    expect(result.detail).toContain(words);
    expect(result.path).toStrictEqual(path);
  });
});

describe("problems", () => {
  test.each<
    [unknown, string, Partial<{ code: string; path: (string | number)[]; offset: number; suggestion: string }>]
  >([
    ["{{{event.title}}}", "escaped", { code: "SB0106", offset: 0 }],
    ["x {{&event.title}}", "escaped", { code: "SB0106", offset: 2 }],
    ["a\n {{title}}", '"title" is not known here', { code: "SB0106", offset: 5, suggestion: "event.title" }],
    ["{{evnt.title}}", '"evnt" is not known here', { suggestion: "event" }],
    ["{{constructor.name}}", "not known here", { code: "SB0106" }],
    ["{{uper event.title}}", "not a helper", { suggestion: "upper" }],
    ['{{lookup event "title"}}', "not a helper", { code: "SB0106" }],
    ["{{upper}}", "is written {{upper path}}", { code: "SB0106" }],
    ["{{upper event.title x=1}}", "is written", { code: "SB0106" }],
    ["{{#each}}x{{/each}}", "exactly one value", { code: "SB0106" }],
    ["{{#esch event.tickets}}x{{/esch}}", "blocks are", { suggestion: "each" }],
    ["{{@index}}", "@index is not known here", { code: "SB0106" }],
    ["{{../event.title}}", "leads out", { code: "SB0106" }],
    ["{{this}}", "names nothing", { code: "SB0106" }],
    ['{{#*inline "x"}}a{{/inline}}', "Inline partials", { code: "SB0106" }],
    ["{{#if event.flag}}x", "ends inside a block", { code: "SB0106", offset: 19 }],
    ["{{event.tickets.0}}", "in brackets", { code: "SB0106", offset: 16 }],
    ["ab\ncd {{#if event.flag}}{{/each}}", "closed by {{/each}}", { code: "SB0106" }],
    ["ab {{/if}}", "not opened", { code: "SB0106", offset: 3 }],
    ["ab\n\n {{event.title", "not well formed", { code: "SB0106" }],
    [
      { a: { cel: "evnt.x" } },
      "not known here",
      { code: "SB0105", path: ["a", "cel"], offset: 0, suggestion: "event" },
    ],
    [{ cel: 5 }, "empty", { code: "SB0105", path: ["cel"] }],
    [{ a: { template: "foter" } }, "no template", { code: "SB0204", path: ["a", "template"], suggestion: "footer" }],
    ["ab {{> foter}}", "no template", { code: "SB0204", path: [], offset: 3, suggestion: "footer" }],
    ["ab {{> loop}}", "contains itself: loop > pool > loop", { code: "SB0106", offset: 3 }],
    ["ab {{> broken}}", 'In template "broken"', { code: "SB0106", path: [] }],
    ["ab {{> unknown}}", 'In template "unknown", line 2', { code: "SB0106", offset: 3 }],
    [{ a: ["{{x y}}"] }, "not a helper", { code: "SB0106", path: ["a", 0] }],
  ])("%j: %s", (value, words, expected) => {
    const problem = problemOf(value);
    expect(problem?.message).toContain(words);
    expect(problem).toMatchObject(expected);
  });
});

test("a template that contains itself is told by its circle, once around", () => {
  expect(problemOf("{{> loop}}")?.message).toMatch(/: loop > pool > loop$/);
});

test("every path that is read is known", () => {
  const renderer = compile({
    a: "{{event.title}} {{#each event.data.commits as |c|}}{{c.id}}{{../event.sha}}{{/each}}",
    b: { cel: "event.number + context.n" },
    c: "{{> footer}}",
    d: "{{#with event.data.author}}{{name}}{{/with}}{{#if event.flag}}{{/if}}",
  });
  expect([...renderer.reads].sort()).toStrictEqual([
    "context.n",
    "event.data.author",
    "event.data.author.name",
    "event.data.commits",
    "event.data.commits.*.id",
    "event.flag",
    "event.number",
    "event.sha",
    "event.title",
  ]);
});

test("where the schema wants a text, a lone number becomes one", () => {
  const schema = Type.Object({
    s: Type.String(),
    n: Type.Number(),
    either: Type.Union([Type.String(), Type.Number()]),
  });
  const value = { s: "{{event.number}}", n: "{{event.number}}", either: "{{event.number}}" };
  expect(render(value, { schema })).toStrictEqual({ s: "412", n: 412, either: 412 });
});

describe("limits and well-formedness", () => {
  test("half a character never leaves, whatever the template", () => {
    expect(render("a {{event.data.broken}}")).toBe("a x\ufffdy");
    expect(render("{{event.data.broken}}")).toBe("x\ufffdy");
    expect(render({ cel: "event.data.broken" })).toBe("x\ufffdy");
  });
  test("all texts of one value together stay below the limit", () => {
    const half = "x".repeat(LIMITS.renderedBytes / 2);
    const two = compile(["{{event.half}}", "a{{event.half}}"]).render({ event: { half } });
    expect(two).toMatchObject({ ok: false, path: [1] });
    const one = compile("{{event.half}}").render({ event: { half } });
    expect(one.ok).toBe(true);
    const bytes = compile("a{{event.wide}}").render({ event: { wide: "é".repeat(LIMITS.renderedBytes / 2) } });
    expect(bytes.ok).toBe(false);
  });
  test("nested loops over large lists are cut, with or without output", () => {
    const list = Array.from({ length: 2_000 }, (_, i) => i);
    for (const inner of ["", "x"]) {
      const template = `{{#each event.list}}{{#each ../event.list}}{{#each ../../event.list}}${inner}{{/each}}{{/each}}{{/each}}`;
      expect(compile(template).render({ event: { list } }).ok).toBe(false);
    }
  });
});

test("anything as value and as data is answered, never a throw", () => {
  const bits = fc.constantFrom(
    "{{",
    "}}",
    "event",
    ".",
    "x",
    "#if ",
    "/if",
    "#each ",
    " ",
    "\n",
    "(",
    ")",
    '"',
    ">",
    "../",
    "@",
    "|",
  );
  fc.assert(
    fc.property(fc.array(bits, { maxLength: 12 }), fc.jsonValue(), (parts, data) => {
      const { renderer, diagnostics: problems } = compileValue({ text: parts.join(""), data });
      if (problems.length === 0) renderer.render({ event: { x: data as Json } });
    }),
    { numRuns: 1_000 },
  );
});
