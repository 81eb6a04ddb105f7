import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { renderRule } from "../../src/cli/terminal/explanation.ts";
import {
  aligned,
  clockTime,
  dated,
  paintWith,
  relative,
  safe,
  stateText,
  table,
  width,
} from "../../src/cli/terminal/output.ts";
import type { ConditionNode } from "../../src/model.ts";

const NOW = Date.parse("2026-01-05T09:00:00Z");
const plain = paintWith(false);

/** The lines below the rule's name. */
function renderTree(tree: ConditionNode): string {
  const outcome = { id: "a", place: { file: "rules/a.yaml", line: 1, col: 3 }, matched: false, distance: 1, tree };
  return renderRule(outcome, { paint: plain, nowMs: NOW, utc: true }).replace(/^.*\n/, "");
}

test.each([
  [0, "just now"],
  [999, "just now"],
  [-999, "just now"],
  [1_000, "1s ago"],
  [3 * 60_000 + 2_000, "3m 2s ago"],
  [-(14 * 60_000 + 58_000), "in 14m 58s"],
  [26 * 3_600_000 + 59_000, "1d 2h ago"],
])("%i ms back is %j", (back, text) => {
  expect(relative(NOW - back, NOW)).toBe(text);
});

test("the day stands beside the time only when it is another one", () => {
  expect(clockTime(NOW - 60_000, { nowMs: NOW, utc: true })).toBe("08:59:00");
  expect(clockTime(NOW - 86_400_000, { nowMs: NOW, utc: true })).toBe("2026-01-04 09:00:00");
});

test("columns stay below each other whatever is in them, colours included; empty ones are left out", () => {
  const cell = fc.stringMatching(/^[\wäß→ ]{0,12}$/);
  fc.assert(
    fc.property(fc.array(fc.tuple(cell, cell, cell), { minLength: 1, maxLength: 6 }), fc.boolean(), (rows, color) => {
      const paint = paintWith(color);
      const marked = rows.map(([a, b, c], i) => [paint.red(a), `|${i % 2 ? paint.bold(b) : b}`, `|${c}`]);
      const starts = aligned(marked)
        .trimEnd()
        .split("\n")
        .map((line) => width(line.slice(0, line.indexOf("|"))));
      expect(new Set(starts).size).toBe(1);
    }),
  );
  expect(
    table(
      ["A", "B", "C"],
      [
        ["1", "", "3"],
        ["11", "", "33"],
      ],
      plain,
    ),
  ).toBe("A   C\n1   3\n11  33\n");
});

test("what senders wrote neither steers the terminal nor forges lines", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters it is about.
      expect(safe(text)).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/);
    }),
  );
  expect(safe("a\u001b[2Jb\nc")).toBe("a\ufffd[2Jb\ufffdc");
});

test("our times become RFC 3339, what senders and machines wrote stays as it is", () => {
  expect(
    dated({ atMs: 0, decidedAtMs: NOW, ms: 5, data: { atMs: 0 }, list: [{ dueAtMs: 1 }], gone: undefined }),
  ).toEqual({
    at: "1970-01-01T00:00:00.000Z",
    decidedAt: "2026-01-05T09:00:00.000Z",
    ms: 5,
    data: { atMs: 0 },
    list: [{ dueAt: "1970-01-01T00:00:00.001Z" }],
  });
});

test.each([
  ["waiting", "waiting"],
  [{ gathering: { push: "seen", ci: "waiting" } }, "gathering.push.seen, gathering.ci.waiting"],
  [{ open: {} }, "open"],
])("state %j is written %j", (state, text) => {
  expect(stateText(state)).toBe(text);
});

describe("trees of conditions", () => {
  const leaf = (ok: boolean, more: Partial<ConditionNode> = {}): ConditionNode => ({
    kind: "leaf",
    ok,
    counts: true,
    path: "data.a",
    op: "equals",
    want: "x",
    ...more,
  });
  const all = (ok: boolean, ...children: ConditionNode[]): ConditionNode => ({
    kind: "all",
    ok,
    counts: true,
    children,
  });
  const place = { file: "rules/a.yaml", line: 4, col: 7 };

  test("are drawn as a tree, what was found in a column of its own, hints below, all of all as all", () => {
    const tree = all(
      false,
      all(false, leaf(true), leaf(false, { got: "X", hint: "differs only in letter case", place })),
      {
        kind: "any",
        ok: true,
        counts: true,
        children: [leaf(true), leaf(false, { counts: false, missing: true, place })],
      },
    );
    expect(renderTree(tree)).toBe(
      [
        "  ✗ all",
        '  ├─ ✓ data.a equals "x"',
        '  ├─ ✗ data.a equals "x"      got "X"   :4:7',
        "  │       hint: differs only in letter case",
        "  └─ ✓ any",
        '     ├─ ✓ data.a equals "x"',
        '     └─ · data.a equals "x"   missing   :4:7',
        "",
      ].join("\n"),
    );
  });

  test("name the file of a condition that stands elsewhere, and cut what is long", () => {
    const found = leaf(false, { got: "g".repeat(500), place: { ...place, file: "other.yaml" } });
    const drawn = renderTree(all(false, found));
    expect(drawn).toContain("other.yaml:4:7");
    expect(drawn.split("\n").every((line) => line.length < 160)).toBe(true);
  });
});
