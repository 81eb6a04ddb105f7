/** What becomes of text on its way into a message: whose words keep their power, and where a long one ends. */
import fc from "fast-check";
import { Type } from "typebox";
import { describe, expect, test } from "vitest";
import { compileValue } from "../../src/core/render.ts";
import { cutText, type Json } from "../../src/model.ts";
import { cut } from "../../src/providers/kit/answer.ts";

const vars = {
  team: "<!here>",
  teams: ["<!subteam^S1>", "<!subteam^S2>"],
  people: [{ name: "<@U1>" }],
  none: "",
};
const event = { title: "<!channel>", tags: ["<b>"], none: null };
const schema = Type.Object({
  text: Type.String({ escape: "slack" }),
  blocks: Type.Array(Type.Object({ text: Type.String({ escape: "slack" }) })),
});
const escapes = { slack: (text: string) => text.replace(/[&<>]/g, (char) => `&#${char.charCodeAt(0)};`) };
const DEAD = "&#60;!channel&#62;";

function render(value: unknown): Json {
  const { renderer, diagnostics } = compileValue(value, { schema, escapes });
  expect(diagnostics).toEqual([]);
  const rendered = renderer.render({ event, vars } as never);
  if (!rendered.ok) throw new Error(rendered.detail);
  return rendered.value;
}

describe("vars are the author's own words, as if they stood in the text", () => {
  test.each([
    ["{{vars.team}}", "<!here>"],
    ["to {{vars.team}}", "to <!here>"],
    ["{{upper vars.team}}", "<!HERE>"],
    ["{{join vars.teams}}", "<!subteam^S1>, <!subteam^S2>"],
    ['{{join vars.teams " <> "}}', "<!subteam^S1> <> <!subteam^S2>"],
    ["{{first vars.teams}} x", "<!subteam^S1> x"],
    ["{{json vars.teams}} x", '["<!subteam^S1>","<!subteam^S2>"] x'],
    ["{{truncate vars.team 3}} x", "<!… x"],
    ['{{default event.none "<!here>"}}', "<!here>"],
    ["{{default event.none vars.team}}", "<!here>"],
    ["{{#each vars.teams}}{{this}}{{/each}}", "<!subteam^S1><!subteam^S2>"],
    ["{{#each vars.people as |one|}}{{one.name}}{{/each}}", "<@U1>"],
    ["{{#with vars.people.[0]}}{{name}}{{/with}}", "<@U1>"],
    ["{{#each event.tags}}{{@root.vars.team}}{{/each}}", "<!here>"],
    [{ cel: "vars.team" }, "<!here>"],
    [{ cel: "vars.team + ' <now>'" }, "<!here> <now>"],
    [{ cel: "'<!here>'" }, "<!here>"],
  ])("%j gives %j", (text, expected) => {
    expect(render({ text })).toEqual({ text: expected });
  });

  test("also inside a value whose parts have destinations of their own", () => {
    expect(render({ blocks: { cel: "vars.people.map(p, {'text': p.name})" } })).toEqual({
      blocks: [{ text: "<@U1>" }],
    });
  });

  test.each([
    ["{{event.title}}", DEAD],
    ["{{vars.team}} {{event.title}}", `<!here> ${DEAD}`],
    ["{{default vars.none event.title}}", DEAD],
    ["{{#each event.tags as |vars|}}{{vars}}{{/each}}", "&#60;b&#62;"],
    ["{{#with event}}{{title}}{{/with}}", DEAD],
    ["{{#each vars.teams}}{{../event.title}}{{/each}}", `${DEAD}${DEAD}`],
    [{ cel: "event.title" }, DEAD],
    [{ cel: "vars.none + event.title" }, DEAD],
    [{ cel: "[1].map(event, event.title)[0]" }, undefined],
    [{ cel: "event.tags.map(vars, vars)[0]" }, "&#60;b&#62;"],
  ])("what comes from an event has no power, however it is mixed: %j", (text, expected) => {
    if (expected === undefined) expect(() => render({ text })).toThrow();
    else expect(render({ text })).toEqual({ text: expected });
  });
});

const FAMILY = "👨‍👩‍👧‍👦";
const FLAG = "🇩🇪";
const E_ACUTE = "e\u0301";

describe("long text ends between the characters that a reader sees", () => {
  test.each([
    [`${FAMILY}${FAMILY}`, 2, `${FAMILY}${FAMILY}`],
    [`${FAMILY}${FAMILY}${FAMILY}`, 2, `${FAMILY}…`],
    [`${FLAG}${FLAG}`, 1, "…"],
    [`caf${E_ACUTE} au lait`, 5, `caf${E_ACUTE}…`],
    ["👍🏽👍🏽👍🏽", 2, "👍🏽…"],
    ["a\r\nb", 3, "a\r\nb"],
    ["abc", 3, "abc"],
    ["abcd", 3, "ab…"],
    ["", 1, ""],
  ])("truncate %j to %i gives %j", (text, max, expected) => {
    expect(cutText(text, max)).toBe(expected);
  });

  test.each([
    [`a${FAMILY}b`, 12, "a…"],
    [`a${FAMILY}b`, 13, `a${FAMILY}b`],
    [`a${FAMILY}bc`, 13, `a${FAMILY}…`],
    [`caf${E_ACUTE}s`, 5, "caf…"],
  ])("a vendor's limit of code units: %j cut to %i gives %j", (text, max, expected) => {
    expect(cut(text, max)).toBe(expected);
  });

  test("accents without end are no way round the limit", () => {
    const zalgo = `a${"\u0301".repeat(100_000)}`;
    expect(cutText(zalgo, 10).length).toBeLessThan(1_000);
    expect(cutText(zalgo.repeat(3), 10).length).toBeLessThan(1_000);
    expect(cut(zalgo, 10)).toBe("…");
  });

  test("whatever the text: never longer than allowed, and a part of what was there", () => {
    const piece = fc.constantFrom("a", "é", E_ACUTE, FAMILY, FLAG, "👍🏽", "\u200d", "\ud83d", "\n");
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), fc.integer({ min: 1, max: 20 }), (pieces, max) => {
        const text = pieces.join("");
        const size = (one: string) => [...new Intl.Segmenter("en").segment(one)].length;
        for (const [result, length] of [
          [cutText(text, max), size],
          [cut(text, max), (one: string) => one.length],
        ] as const) {
          expect(length(result)).toBeLessThanOrEqual(max);
          expect(text.startsWith(result.replace(/…$/, ""))).toBe(true);
          if (length(text) <= max) expect(result).toBe(text);
        }
      }),
    );
  });
});
