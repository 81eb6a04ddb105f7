import fc from "fast-check";
import { type TSchema, Type } from "typebox";
import { describe, expect, test } from "vitest";
import { type Escapes, escapeNamed } from "../../src/core/escape.ts";
import { compileValue } from "../../src/core/render.ts";
import type { Json, JsonObject } from "../../src/model.ts";
import github from "../../src/providers/github/index.ts";
import jira from "../../src/providers/jira/index.ts";
import slack from "../../src/providers/slack/index.ts";

/** The markups of all shipped providers at once. */
const escapes: Escapes = Object.assign({}, ...[github, jira, slack].map(({ connection }) => connection?.escapes));
const apply = (name: string, text: string) => escapeNamed(name, escapes)?.(text) ?? "";

const HOSTILE = "<!channel> & <@U1> @team #12 *b* _i_ [x](y) {color} | `c`";

function escaped(destination: string, text: string, value: Json): Json {
  const schema = Type.Object({ text: Type.String({ escape: destination }) });
  const { renderer } = compileValue({ text }, { schema, escapes });
  const result = renderer.render({ event: { value } });
  return result.ok ? ((result.value as JsonObject).text ?? null) : result.detail;
}

describe("text from outside is dead in its destination", () => {
  test.each<[string, string]>([
    ["none", HOSTILE],
    ["slack", "&lt;!channel&gt; &amp; &lt;@U1&gt; @team #12 *b* _i_ [x](y) {color} | `c`"],
    ["html", "&lt;!channel&gt; &amp; &lt;@U1&gt; @team #12 *b* _i_ [x](y) {color} | `c`"],
    [
      "markdown",
      "\\<\\!channel\\> \\& \\<@\u200bU1\\> @\u200bteam #\u200b12 \\*b\\* \\_i\\_ \\[x\\]\\(y\\) \\{color\\} \\| \\`c\\`",
    ],
    ["jira", "<\\!channel> & <\\@U1> \\@team #12 \\*b\\* \\_i\\_ \\[x\\]\\(y) \\{color\\} \\| `c`"],
    ["url", encodeURIComponent(HOSTILE).replace(/[!'()*_~]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)],
  ])("%s", (destination, expected) => {
    expect(escaped(destination, "{{event.value}}", HOSTILE)).toBe(expected);
    expect(escaped(destination, "a {{event.value}}", HOSTILE)).toBe(`a ${expected}`);
  });

  test.each<[string, string, string]>([
    ["markdown", "# head\n1. one\n- two\n    code\n---", "\\# head\n1\u200b. one\n\\- two\n code\n\\---"],
    ["markdown", "fixes GH-5, acme/web#7", "fixes GH-\u200b5, acme/web#\u200b7"],
    ["markdown", "https://x.io/a_b?c=1&d=2#e", "https://x.io/a%5Fb?c=1&d=2#e"],
    [
      "jira",
      "WEB-17 -gone- +new+ h1. big\nh1. big\nbq. said",
      "WEB-17 \\-gone\\- \\+new\\+ h1. big\nh1\\. big\nbq\\. said",
    ],
    ["jira", "a\\b &lt;", "a&#92;b &amp;lt;"],
    ["jira", "https://x.io/a_b[1]", "https://x.io/a%5Fb%5B1%5D"],
    ["html", `"it's"`, "&quot;it&#39;s&quot;"],
    ["slack", "a\u0000b\u001b[1mc\td\ne", "ab[1mc\td\ne"],
  ])("%s: %j", (destination, text, expected) => {
    expect(apply(destination, text)).toBe(expected);
  });

  test("Slack: nothing from outside can open a control sequence", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(escaped("slack", "{{event.value}}", text)).not.toMatch(/[<>]|&(?!amp;|lt;|gt;)/);
      }),
    );
  });

  test("HTML: what the browser shows is what came in, controls aside", () => {
    const entities: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'" };
    fc.assert(
      fc.property(fc.string(), (text) => {
        const shown = apply("html", text).replace(/&(amp|lt|gt|quot|#39);/g, (_, name: string) => entities[name] ?? "");
        // biome-ignore lint/suspicious/noControlCharactersInRegex: controls are dropped on purpose.
        expect(shown).toBe(text.replace(/[\0-\x08\x0b-\x1f\x7f]/g, ""));
      }),
    );
  });

  test("Markdown: taking the backslashes and invisible spaces out again gives what came in", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(..."ab1#@*_`[]()<>!&|~{}$\\.+-=") }), (text) => {
        expect(apply("markdown", text).replaceAll("\u200b", "").replace(/\\(.)/g, "$1")).toBe(text);
      }),
    );
  });

  test("the author's own markup stays, also as a default", () => {
    expect(escaped("slack", "<!here> {{event.value}}", "a<b")).toBe("<!here> a&lt;b");
    expect(escaped("slack", '{{default event.nope "<!here>"}}', "x")).toBe("<!here>");
    expect(escaped("slack", 'a {{default event.nope "<!here>"}}', "x")).toBe("a <!here>");
    const { renderer } = compileValue('{{default event.nope "<!here>"}}', {
      schema: Type.Unknown({ escape: "slack" }),
      escapes,
    });
    expect(renderer.render({ event: {} })).toStrictEqual({ ok: true, value: "<!here>" });
  });

  test("an encoded part of a URL is safe and not escaped twice", () => {
    expect(escaped("markdown", "[x](https://x.io/{{urlencode event.value}})", "a_b c)")).toBe(
      "[x](https://x.io/a%5Fb%20c%29)",
    );
  });

  test("CEL results and whole objects are escaped, at every depth below the field", () => {
    const schema = Type.Object({ text: Type.String({ escape: "slack" }), blocks: Type.Unknown({ escape: "slack" }) });
    const value = { text: { cel: "event.value + '<'" }, blocks: [{ text: "*{{event.value}}*" }, "{{event.deep}}"] };
    const { renderer } = compileValue(value, { schema, escapes });
    expect(renderer.render({ event: { value: "<a>", deep: { x: ["<b>", 1] } } })).toStrictEqual({
      ok: true,
      value: {
        text: "&lt;a&gt;&lt;",
        blocks: [{ text: "*&lt;a&gt;*" }, { x: ["&lt;b&gt;", 1] }],
      },
    });
  });

  test.each<[string, TSchema]>([
    ["items", Type.Array(Type.String({ escape: "slack" }))],
    ["a choice", Type.Array(Type.Union([Type.Number(), Type.String({ escape: "slack" })]))],
  ])("the schema is followed through %s", (_, schema) => {
    const { renderer } = compileValue(["{{event.a}}"], { schema, escapes });
    expect(renderer.render({ event: { a: "<" } })).toStrictEqual({ ok: true, value: ["&lt;"] });
  });

  test("the schema is followed through maps, and one field's escape does not reach its neighbour", () => {
    const schema = Type.Object({
      map: Type.Record(Type.String(), Type.String({ escape: "html" })),
      other: Type.String(),
    });
    const { renderer } = compileValue({ map: { any: "{{event.a}}" }, other: "{{event.a}}" }, { schema });
    expect(renderer.render({ event: { a: "<" } })).toStrictEqual({
      ok: true,
      value: { map: { any: "&lt;" }, other: "<" },
    });
  });

  test("a misspelt destination is our mistake and does not pass silently", () => {
    expect(() => compileValue("x", { schema: Type.String({ escape: "slak" }) })).toThrow("slak");
  });
});
