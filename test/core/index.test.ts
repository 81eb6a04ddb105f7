/** What the index promises beside its answers: what it reads, and what it holds on to. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { createRuleIndex } from "../../src/core/match/index/index.ts";
import { compilePattern } from "../../src/core/match/pattern.ts";
import { createRuleSet } from "../../src/core/match/rule-set.ts";
import type { CompiledRule } from "../../src/core/match/rules.ts";
import type { Event } from "../../src/model.ts";

function rule(id: string, match: object | undefined, more: object = {}): CompiledRule {
  const base = { rule: { id, event: "t.a", ...more }, id, mode: "live", stop: false, sends: [], actions: [], ...more };
  const compiled = { ...base, place: () => undefined } as unknown as CompiledRule;
  return match === undefined ? compiled : { ...compiled, pattern: compilePattern(match).pattern };
}
const indexOf = (...patterns: object[]) => {
  const index = createRuleIndex();
  index.add(patterns.map((match, rank) => ({ rule: rule(`r${rank}`, match), rank })));
  return index;
};
const idsOf = (index: ReturnType<typeof createRuleIndex>, event: object) =>
  index.match(Object.assign(event, { type: "t.a" }) as unknown as Event).map(({ rule: { id } }) => id);

/** Counts how often each member is looked at. */
function watched(members: Record<string, unknown>, seen: string[]): object {
  const object = {};
  for (const [name, value] of Object.entries(members))
    Object.defineProperty(object, name, {
      enumerable: true,
      get() {
        seen.push(name);
        return value;
      },
    });
  return object;
}

describe("reading", () => {
  test("a field that no rule names is never looked at, and one that many rules name once", () => {
    const seen: string[] = [];
    const inner = watched({ x: "1", y: "8", z: "3" }, seen);
    const patterns = Array.from({ length: 40 }, (_, i) => ({
      "data.x": String(i % 7),
      "data.y": [{ prefix: String(i) }],
    }));
    expect(idsOf(indexOf(...patterns), watched({ data: inner, repo: "acme", title: "a" }, seen))).not.toEqual([]);
    expect(seen.toSorted()).toEqual(["data", "x", "y"]);
  });

  test("a field is not looked at when no rule that asks for it is near", () => {
    const seen: string[] = [];
    const patterns = Array.from({ length: 40 }, (_, i) => ({ repo: `acme/${i}`, "data.deep.x": "1" }));
    expect(idsOf(indexOf(...patterns), watched({ repo: "acme/none", data: {} }, seen))).toEqual([]);
    expect(seen).toEqual(["repo"]);
    expect(idsOf(indexOf(...patterns), watched({ repo: "acme/3", data: { deep: { x: "1" } } }, seen))).toEqual(["r3"]);
  });

  test("nothing of an event is held when it has been matched", async () => {
    const index = indexOf(
      ...Array.from({ length: 20 }, (_, i) => ({ "data.list.name": [`n${i}`], "data.text": [{ suffix: "x" }] })),
    );
    let event: object | undefined = { data: { list: [{ name: "n3" }], text: `${"a".repeat(1_000)}x` } };
    const refs = [new WeakRef(event), new WeakRef((event as { data: object }).data)];
    expect(idsOf(index, event)).toEqual(["r3"]);
    event = undefined;
    setFlagsFromString("--expose-gc");
    // What a WeakRef was made of lives to the end of the turn.
    await new Promise((resolve) => setImmediate(resolve));
    (runInNewContext("gc") as () => void)();
    expect(refs.map((ref) => ref.deref())).toEqual([undefined, undefined]);
    expect(idsOf(index, {})).toEqual([]);
  });
});

describe("rules that are added", () => {
  test("a rule is found by events of a type that was asked for before the rule was added", () => {
    const index = indexOf({ repo: "a" });
    const ask = () => index.match({ type: "t.new", repo: "a" } as unknown as Event).map(({ rule: { id } }) => id);
    expect([ask(), index.has("t.new")]).toEqual([[], false]);
    index.add([{ rule: rule("late", { repo: "a" }, { event: "t.new" }), rank: 7 }]);
    expect([ask(), index.has("t.new")]).toEqual([["late"], true]);
  });

  test("a rule with many alternatives and combinations stands in a bounded number of places", () => {
    const many = (prefix: string) => Array.from({ length: 150 }, (_, i) => `${prefix}${i}`);
    const $or = Array.from({ length: 20 }, (_, i) => ({ a: many(`a${i}-`), b: many("b"), c: many("c"), d: [`d${i}`] }));
    const index = indexOf(...Array.from({ length: 20 }, () => ({ $or })));
    expect(idsOf(index, { a: "a3-7", b: "b1", c: "c149", d: "d3" })).toHaveLength(20);
    expect(idsOf(index, { a: "a3-7", b: "b1", c: "c149", d: "d4" })).toEqual([]);
  });
});

describe("the order of rules", () => {
  test("asked are the rules of the event's type, up to the one that stops", () => {
    const rules = Array.from({ length: 30 }, (_, i) => {
      const event = ["t.a", "t.*", "*", "t.b"][i % 4]!;
      return rule(`r${i}`, i === 17 || i === 21 ? { repo: `acme/${i}` } : { repo: "never" }, { event, stop: i === 17 });
    });
    const set = createRuleSet(rules);
    const ask = (repo: string) => {
      const { matched, considered } = set.match({ type: "t.a", repo } as unknown as Event, {});
      return [matched.map(({ rule: { id } }) => id), considered];
    };
    const ofType = (last: number) => rules.slice(0, last + 1).filter(({ rule: { event } }) => event !== "t.b").length;
    expect(ask("acme/17")).toEqual([["r17"], ofType(17)]);
    expect(ask("acme/21")).toEqual([["r21"], ofType(29)]);
    expect(ask("other")).toEqual([[], ofType(29)]);
  });

  test("a rule that names a type in several ways is asked once", () => {
    const index = createRuleIndex();
    for (const [rank, event] of [["t.a", "t.*", "t.a"], ["*", "t.a"], ["t.*"]].entries())
      index.add([{ rule: rule(`r${rank}`, undefined, { event }), rank }]);
    expect(idsOf(index, {})).toEqual(["r0", "r1", "r2"]);
    expect(index.count("t.a")).toBe(3);
    expect(index.ofType("t.a").map(({ id }) => id)).toEqual(["r0", "r1", "r2"]);
    expect(index.count("x")).toBe(1);
  });
});
