/** Where lines begin and end around blocks and template files is as in Handlebars, held against Handlebars itself. */
import fc from "fast-check";
import Handlebars from "handlebars";
import { expect, test } from "vitest";
import { compileValue } from "../../src/core/render.ts";
import { thorough } from "../support/thorough.ts";

const FILES = {
  word: "a",
  lines: "- a\n- b\n",
  open: "- a\n- b",
  blank: "a\n\n b\n",
  empty: "",
  nested: "x\n  {{> lines}}\n y",
  value: "{{vars.text}}\n",
  block: "{{#each vars.list}}\n  {{this}}\n{{/each}}\n",
};
const SCOPE = { event: {}, vars: { text: "one\ntwo", list: [1, 2], none: [] } };

const whole = fc.constantFrom(
  ...Object.keys(FILES).map((name) => `{{> ${name}}}`),
  "{{vars.text}}",
  "{{#each vars.list}}{{this}}\n{{/each}}",
  "{{#if vars.none}}\n a\n{{else}}\n b\n{{/if}}",
  "{{! said to nobody }}",
  "{{~> open~}}",
);
const between = fc.constantFrom("\n", " ", "  ", "\t", "x", "\n\n", "\r\n", "");

test("any text with blocks and template files has the lines that Handlebars gives it", () => {
  const theirs = Handlebars.create();
  for (const [name, file] of Object.entries(FILES)) theirs.registerPartial(name, file);
  const templates = new Map(Object.entries(FILES));
  fc.assert(
    fc.property(fc.array(fc.tuple(between, between, whole, between, between), { maxLength: 4 }), (parts) => {
      const source = `.${parts.flat().join("")}.`;
      const ours = compileValue(source, { templates });
      expect(ours.diagnostics).toStrictEqual([]);
      const expected = theirs.compile(source, { noEscape: true })(SCOPE);
      expect([source, ours.renderer.render(SCOPE)]).toStrictEqual([source, { ok: true, value: expected }]);
    }),
    { numRuns: thorough(1_000, 20_000) },
  );
});
