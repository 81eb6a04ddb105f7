/** The trees inside the index against plain lists: whatever is put in, everything that fits is found and nothing else. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { createAffixes } from "../../src/core/match/index/affixes.ts";
import { type Finder, newFinder } from "../../src/core/match/index/finders.ts";
import { createRanges } from "../../src/core/match/index/ranges.ts";
import type { NumberRange } from "../../src/core/match/operators.ts";

const letters = fc.string({ unit: fc.constantFrom("a", "b", "é", "😀"), maxLength: 6 });

/** Keys in any order, some of them more than once. */
function keyLists<K>(keys: fc.Arbitrary<K>) {
  return fc.array(keys, { maxLength: 60, size: "max" });
}

test.each([false, true])("affixes, from the end %s", (fromEnd) => {
  const fits = (text: string, key: string) => (fromEnd ? text.endsWith(key) : text.startsWith(key));
  fc.assert(
    fc.property(keyLists(letters), fc.array(letters, { minLength: 5, maxLength: 20 }), (keys, texts) => {
      const tree = createAffixes<string>(fromEnd);
      const plain = new Set<string>();
      for (const key of keys) {
        expect(tree.get(key)).toBe(plain.has(key) ? key : undefined);
        tree.set(key, key);
        plain.add(key);
        expect(tree.get(key)).toBe(key);
      }
      for (const text of [...texts, ...plain]) {
        const collected: string[] = [];
        tree.collect(text, collected);
        expect(collected.toSorted()).toEqual([...plain].filter((key) => fits(text, key)).toSorted());
      }
    }),
    { numRuns: 1_000 },
  );
});

test("ranges", () => {
  const ends = fc.constantFrom(-Infinity, -3, -1, 0, 0.5, 1, 2, 4, 7, Infinity);
  const range = fc.tuple(ends, ends).map(([a, b]): NumberRange => ({ from: Math.min(a, b), to: Math.max(a, b) }));
  const nameOf = ({ from, to }: NumberRange) => `${from}..${to}`;
  fc.assert(
    fc.property(keyLists(range), (keys) => {
      const tree = createRanges<string>();
      const plain = new Map<string, NumberRange>();
      for (const key of keys) {
        expect(tree.get(key)).toBe(plain.has(nameOf(key)) ? nameOf(key) : undefined);
        tree.set(key, nameOf(key));
        plain.set(nameOf(key), key);
        expect(tree.get(key)).toBe(nameOf(key));
      }
      for (const number of [-5, -3, -2, -1, 0, 0.5, 0.7, 1, 2, 3, 4, 6, 7, 9]) {
        const collected: string[] = [];
        tree.collect(number, collected);
        const expected = [...plain].filter(([, { from, to }]) => from <= number && number <= to).map(([name]) => name);
        expect(collected.toSorted()).toEqual(expected.toSorted());
      }
    }),
    { numRuns: 1_000 },
  );
});

test("ranges that come in order make no deep tree", () => {
  const tree = createRanges<number>();
  for (let i = 0; i < 100_000; i++) tree.set({ from: i, to: i }, i);
  const collected: number[] = [];
  tree.collect(77_777, collected);
  tree.collect(100_000, collected);
  expect(collected).toEqual([77_777]);
});

test("pieces of texts: every value that holds them is led there, wherever they stand", () => {
  const words = fc.string({ unit: fc.constantFrom("a", "b", "c", "é"), minLength: 3, maxLength: 6 });
  const pieces = fc.tuple(fc.constantFrom("", "a"), words, fc.constantFrom("", "b")).map((key) => key as string[]);
  fc.assert(
    fc.property(
      fc.array(pieces, { minLength: 1, maxLength: 40, size: "max" }),
      fc.array(fc.tuple(letters, letters), { minLength: 3, maxLength: 6 }),
      (all, around) => {
        const finder: Finder<Set<string>> = newFinder("pieces");
        const open = (key: readonly string[]) => finder.open({ by: "pieces", key }, () => new Set<string>());
        for (const key of all) open(key).add(key.join("*"));
        for (const key of all)
          for (const [before, after] of around) {
            // Long texts are not looked through where few pieces are wanted.
            for (const text of [`${before}${key[1]}${after}`, `${key[1]}`, `${"x".repeat(500)}${key[1]}`]) {
              const collected: Set<string>[] = [];
              finder.collect(text, collected, { text: "", folded: "" });
              expect(collected.some((keys) => keys.has(key.join("*")))).toBe(true);
            }
          }
      },
    ),
    { numRuns: 300 },
  );
});
