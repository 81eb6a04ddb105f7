import { expect, test } from "vitest";
import { distance, explainPattern } from "../../src/core/match/explain.ts";
import { compilePattern, type Pattern } from "../../src/core/match/pattern.ts";
import type { ConditionNode, Event } from "../../src/model.ts";

function compiled(match: unknown): Pattern {
  const { pattern, diagnostics: problems } = compilePattern(match);
  expect(problems).toStrictEqual([]);
  return pattern;
}
const asEvent = (data: unknown): Event => data as Event;
const explained = (match: unknown, data: unknown): ConditionNode =>
  explainPattern(compiled(match), asEvent(data), () => undefined);

const event = {
  type: "github.pull_request",
  branch: "refs/heads/main",
  number: 412,
  title: "fix: login ",
  data: {
    pull_request: {
      merged: false,
      labels: [
        { name: "bug", id: 1 },
        { name: "p1", id: 2 },
      ],
      long: "é".repeat(500),
    },
  },
};
const leafOf = (match: unknown) => {
  const [leaf] = explained(match, event).children ?? [];
  return leaf;
};

test.each<[unknown, Partial<ConditionNode>]>([
  [
    { "data.pull_request.merged": true },
    { ok: false, path: "data.pull_request.merged", op: "equals", want: true, got: false },
  ],
  [{ type: ["a", "b"] }, { ok: false, op: "in", want: ["a", "b"], got: "github.pull_request" }],
  [{ "data.pull_request.label": "bug" }, { missing: true, hint: "`data.pull_request` has `labels`" }],
  [{ "data.pull_request": true }, { missing: true, hint: "`data.pull_request` is an object, name one of its fields" }],
  [{ "data.zebra.x": 1 }, { missing: true, hint: "`data` has no `zebra`" }],
  [{ "title.x": 1 }, { missing: true, hint: "`title` has no fields" }],
  [{ type: "GitHub.pull_request" }, { hint: "Differs only in letter case" }],
  [{ type: [{ prefix: "GITHUB." }] }, { op: "prefix", hint: "Differs only in letter case" }],
  [{ title: "fix: login" }, { hint: "Differs only by whitespace" }],
  [{ branch: "main" }, { hint: 'The value has the prefix "refs/heads/", the name follows it' }],
  [{ number: "412" }, { hint: "The value is a number with the same letters, the pattern wants a text" }],
  [{ type: [{ "anything-but": "github.pull_request" }] }, { op: "anything-but", got: "github.pull_request" }],
  [{ "data.pull_request.labels.name": "zz" }, { got: ["bug", "p1"] }],
])("%j: %j", (match, expected) => {
  expect(leafOf(match)).toMatchObject(expected);
});

test("a text is cut by characters, never through one", () => {
  const { got } = leafOf({ "data.pull_request.long": "x" }) ?? {};
  expect(got).toBe(`${"é".repeat(199)}…`);
});

test("what is shown lies in the element that comes nearest", () => {
  const tree = explained({ "data.pull_request.labels": { name: "p1", id: 3 } }, event);
  expect(tree.children).toMatchObject([
    { ok: true, got: "p1" },
    { ok: false, got: 2 },
  ]);
  expect(distance(tree)).toBe(1);
});

test("conditions that no single element meets are said to be so, though each is met somewhere", () => {
  const either = (value: string) => [{ exists: false }, value];
  const tree = explained(
    { e: { a: either("x"), b: either("y") } },
    { e: [{}, { a: "x", b: "q" }, { a: "q", b: "y" }] },
  );
  expect(tree).toMatchObject({ ok: false, hint: "No single element of the list meets all of these" });
  expect(distance(tree)).toBe(1);
});

test("a failed branch beside one that holds is harmless, a needed one is not", () => {
  const met = explained({ number: 412, $or: [{ type: "x" }, { branch: "refs/heads/main" }] }, event);
  expect(met.children?.[1]?.children).toMatchObject([
    { ok: false, counts: false, children: [{ ok: false, counts: false }] },
    { ok: true, counts: true },
  ]);
  const missed = explained({ $or: [{ type: "x" }, { type: "y", number: 1 }] }, event);
  expect(missed.children?.[0]?.children?.[0]).toMatchObject({ ok: false, counts: true });
  expect(distance(missed)).toBe(1);
});

test("mixed alternatives are shown one by one", () => {
  const [any] = explained({ branch: ["main", { prefix: "release/" }] }, event).children ?? [];
  expect(any).toMatchObject({ kind: "any", ok: false, children: [{ op: "equals" }, { op: "prefix" }] });
});

test("every condition carries the place of its own line", () => {
  const places: unknown[] = [];
  explainPattern(compiled({ type: "x", $or: [{ number: 1 }, { "data.x": [2] }] }), asEvent(event), (at) => {
    places.push(at.join("/"));
    return { file: "r.yaml", line: 1, col: 1 };
  });
  expect(places.sort()).toStrictEqual(["", "$or", "$or/0", "$or/0/number", "$or/1", "$or/1/data.x", "type"]);
});
