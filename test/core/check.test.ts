import fc from "fast-check";
import { type TSchema, Type } from "typebox";
import { describe, expect, test } from "vitest";
import { validatorFor } from "../../src/core/check.ts";
import type { Diagnostic } from "../../src/errors.ts";
import { Rule, RuleFile } from "../../src/model/rule.ts";

const Params = Type.Object(
  {
    channel: Type.String({ minLength: 1, escape: "slack" }),
    retries: Type.Optional(Type.Integer({ minimum: 1, maximum: 5 })),
    kind: Type.Optional(Type.Union([Type.Literal("success"), Type.Literal("failure")])),
    url: Type.Optional(Type.String({ format: "uri" })),
    to: Type.Optional(Type.Union([Type.String(), Type.Array(Type.String())])),
    key: Type.Optional(Type.String({ pattern: "^[A-Z]+-[0-9]+$", description: "A ticket key", examples: ["WEB-17"] })),
    body: Type.Optional(Type.Object({ on: Type.Boolean() }, { additionalProperties: false })),
    tags: Type.Optional(Type.Array(Type.String(), { minItems: 1, uniqueItems: true })),
  },
  { additionalProperties: false },
);

const check = (value: unknown, schema: TSchema = Params): Diagnostic[] => validatorFor(schema)(value);

test("what fits has no problems", () => {
  expect(
    check({ channel: "#dev", retries: 5, kind: "failure", to: ["a"], key: "WEB-1", body: { on: true } }),
  ).toStrictEqual([]);
});

test.each<[unknown, Partial<Diagnostic>, string]>([
  [{ channel: 5 }, { code: "SB0102", path: ["channel"] }, '"channel" must be a text, not 5'],
  [{ channel: "" }, { path: ["channel"] }, '"channel" must not be empty'],
  [{}, { code: "SB0103", path: [] }, 'The value needs the key "channel"'],
  [
    { chanel: "x", channel: "x" },
    { code: "SB0101", path: ["chanel"], atKey: true, suggestion: "channel" },
    '"chanel" is not known here',
  ],
  [{ channel: "x", retries: 1.5 }, { path: ["retries"] }, "must be a whole number, not 1.5"],
  [{ channel: "x", retries: 9 }, { path: ["retries"] }, "must be at most 5, not 9"],
  [
    { channel: "x", kind: "sucess" },
    { path: ["kind"], suggestion: "success" },
    'must be one of "success", "failure", not "sucess"',
  ],
  [{ channel: "x", url: "nope" }, { path: ["url"] }, "must be a URL such as"],
  [{ channel: "x", to: 5 }, { path: ["to"] }, "must be a text or a list of texts, not 5"],
  [{ channel: "x", to: ["a", 5] }, { path: ["to", 1] }, 'Item 2 of "to" must be a text, not 5'],
  [
    { channel: "x", key: "web" },
    { path: ["key"] },
    'described as "A ticket key" (^[A-Z]+-[0-9]+$), for example "WEB-17"',
  ],
  [
    { channel: "x", body: { on: true, off: 1 } },
    { code: "SB0101", path: ["body", "off"] },
    '"off" is not known here, known is on',
  ],
  [{ channel: "x", tags: [] }, { path: ["tags"] }, "must have at least one item"],
  [{ channel: "x", tags: ["a", "a"] }, { path: ["tags"] }, "must not hold one item twice"],
  [[], { path: [] }, "The value must be a mapping, not a list"],
  [null, { path: [] }, "The value must be a mapping, not null"],
])("%j is told in words", (value, expected, words) => {
  const problems = check(value);
  expect(problems).toHaveLength(1);
  expect(problems[0]).toMatchObject({ severity: "error", ...expected });
  expect(problems[0]?.message).toContain(words);
});

test("all problems are told at once, at most 50", () => {
  expect(
    check({ retries: 0, kind: 1, x: 2 })
      .map(({ code }) => code)
      .sort(),
  ).toStrictEqual(["SB0101", "SB0102", "SB0102", "SB0103"]);
  const many = Array.from({ length: 80 }, () => 1);
  expect(check(many, Type.Array(Type.String()))).toHaveLength(50);
});

describe("a choice gives one useful message", () => {
  const Step = Type.Union([
    Type.Object({ kind: Type.Literal("wait"), ms: Type.Number() }, { additionalProperties: false }),
    Type.Object({ kind: Type.Literal("send"), to: Type.String() }, { additionalProperties: false }),
    Type.String(),
  ]);
  test.each<[unknown, string, Partial<Diagnostic>]>([
    [{ kind: "wait", ms: "5" }, '"ms" must be a number', { path: ["ms"] }],
    [{ kind: "send" }, 'needs the key "to"', { code: "SB0103" }],
    [{ kind: "send", to: "x", form: 1 }, '"form" is not known here', { code: "SB0101", path: ["form"] }],
    [5, 'must be a mapping with "kind", "ms" or a mapping with "kind", "to" or a text', { path: [] }],
  ])("%j", (value, words, expected) => {
    const problems = check(value, Step);
    expect(problems).toHaveLength(1);
    expect(problems[0]?.message).toContain(words);
    expect(problems[0]).toMatchObject(expected);
  });
});

test("a rule file is checked by the schema of the model", () => {
  const problems = check(
    [{ id: "a", event: "x", send: [{ machine: "m", key: "k", event: "E", wth: {} }], mode: "liv" }],
    RuleFile,
  );
  expect(problems).toEqual([
    expect.objectContaining({ code: "SB0101", path: [0, "send", 0, "wth"], suggestion: "with" }),
    expect.objectContaining({ code: "SB0102", path: [0, "mode"], suggestion: "live" }),
  ]);
  expect(check({ id: "a", event: "x" }, Rule)).toStrictEqual([]);
});

describe("with templates", () => {
  const templated = validatorFor(Params, { templates: true });
  test("a template stands for any value", () => {
    const value = {
      channel: "{{event.x}}",
      retries: "{{event.n}}",
      kind: { cel: "event.status" },
      url: "https://{{event.host}}",
      to: ["{{event.a}}", { cel: "event.b" }],
      key: { template: "key" },
      body: { cel: "event.data" },
      tags: { cel: "event.tickets" },
    };
    expect(templated(value)).toStrictEqual([]);
    expect(check(value).length).toBeGreaterThan(4);
    expect(templated({ cel: "event.data" })).toStrictEqual([]);
  });
  test.each<[unknown, (string | number)[]]>([
    [{ channel: "x", retries: 9 }, ["retries"]],
    [{ channel: "x", kind: "sucess" }, ["kind"]],
    [{ channel: "x", to: ["{{a}}", 5] }, ["to", 1]],
    [{ channel: "x", body: { on: "{{a}}", off: "{{b}}" } }, ["body", "off"]],
    [{ channel: "x", chanel: "{{a}}" }, ["chanel"]],
    [{ channel: "x", body: { cel: "a", also: 1 } }, ["body", "also"]],
  ])("what is no template is still checked: %j", (value, path) => {
    expect(templated(value).map((problem) => problem.path)).toContainEqual(path);
  });
});

test("a schema that only differs in its $id from another is no trouble, and a check is kept with its schema", () => {
  const one = Type.Object({ a: Type.String() }, { $id: "same" });
  const two = Type.Object({ a: Type.Number() }, { $id: "same" });
  expect(check({ a: "x" }, one)).toStrictEqual([]);
  expect(check({ a: 1 }, two)).toStrictEqual([]);
  expect(validatorFor(one)).toBe(validatorFor(one));
  expect(validatorFor(one)).not.toBe(validatorFor(one, { templates: true }));
});

test("no message shows the checker's own words", () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.constantFrom("channel", "retries", "kind", "url", "to", "key", "body", "x"), fc.jsonValue()),
      (value) => {
        for (const { message, code } of check(value)) {
          expect(message).toMatch(/^["A-Z].*[^.]$/s);
          expect(message).not.toMatch(/must NOT|should|instancePath|schema|must match|another form/);
          expect(code).toMatch(/^SB010[123]$/);
        }
      },
    ),
  );
});
