/** One way to find per kind of probe: which of the many conditions on a field a value could meet. */
import type { Json } from "../../../model.ts";
import { addressBits } from "../address.ts";
import type { Probe } from "../operators.ts";
import { fold } from "../text.ts";
import { createAffixes } from "./affixes.ts";
import { createRanges } from "./ranges.ts";

/** Finds the items whose probe a value could meet. Each place of a probe holds one item. */
export interface Finder<T> {
  /** The item at the place where the probe points, made when there is none yet. */
  open(probe: Probe, make: () => T): T;
  collect(value: Json, into: T[], folds: FoldMemo): void;
}

/** The text that was folded last, and its fold: several finders of one field ask for the fold of the same value. */
export interface FoldMemo {
  text: string;
  folded: string;
}

type By = Probe["by"];

/** Shorter pieces would be found in nearly every text. */
const GRAM = 3;
/** Looking up every three letters of a text costs as much as reading so many of them in search of one piece. */
const LOOKUP_COST = 8;

/** Looking for texts of one or two letters costs more than asking the condition. */
export function findable(probe: Probe): Probe {
  return probe.by === "pieces" && !probe.key.some(({ length }) => length >= GRAM) ? { by: "any", key: null } : probe;
}

/** Whether all that the probe finds meets what it was made for. */
export function isExact({ by }: Probe): boolean {
  return by !== "pieces" && by !== "range" && by !== "any" && by !== "absence";
}

/** An empty finder of that kind. The finder for absence gives its item for any value: the caller knows that the field is absent. */
export function newFinder<T>(by: By): Finder<T> {
  switch (by) {
    case "value":
      return mapped(new Map<Json, T>(), (map, value) => map.get(value));
    case "folded":
      return mapped(new Map<Json, T>(), (map, value, folds) =>
        typeof value === "string" ? map.get(foldOf(value, folds)) : undefined,
      );
    case "prefix":
    case "suffix":
      return keyed(createAffixes<T>(by === "suffix"), (tree, value, into) => {
        if (typeof value === "string") tree.collect(value, into);
      });
    case "foldedPrefix":
    case "foldedSuffix":
      return keyed(createAffixes<T>(by === "foldedSuffix"), (tree, value, into, folds) => {
        if (typeof value === "string") tree.collect(foldOf(value, folds), into);
      });
    case "block":
      return keyed(createAffixes<T>(false), (tree, value, into) => {
        const bits = typeof value === "string" ? addressBits(value) : undefined;
        if (bits !== undefined) tree.collect(bits, into);
      });
    case "range":
      return keyed(createRanges<T>(), (tree, value, into) => {
        if (typeof value === "number") tree.collect(value, into);
      });
    case "pieces":
      return grams();
    case "any":
    case "absence":
      return mapped(new Map<Json, T>(), (map) => map.get(null));
  }
}

interface Keyed<K, T> {
  get(key: K): T | undefined;
  set(key: K, value: T): unknown;
}

/** Keys are those of the probes that the finder is made for. */
function keyed<K, T, S extends Keyed<K, T>>(
  store: S,
  collect: (store: S, value: Json, into: T[], folds: FoldMemo) => void,
): Finder<T> {
  return {
    open({ key }, make) {
      const existing = store.get(key as K);
      if (existing !== undefined) return existing;
      const item = make();
      store.set(key as K, item);
      return item;
    },
    collect: (value, into, folds) => collect(store, value, into, folds),
  };
}

function mapped<T>(
  map: Map<Json, T>,
  get: (map: Map<Json, T>, value: Json, folds: FoldMemo) => T | undefined,
): Finder<T> {
  return keyed(map, (_, value, into, folds) => {
    const item = get(map, value, folds);
    if (item !== undefined) into.push(item);
  });
}

function foldOf(text: string, folds: FoldMemo): string {
  if (text !== folds.text) {
    folds.text = text;
    folds.folded = fold(text);
  }
  return folds.folded;
}

/**
 * Texts inside values: each is filed under three letters in a row of it, those under which the fewest others are filed, and every value
 * is looked through for all its rows of three letters.
 */
function grams<T>(): Finder<T> {
  const byGram = new Map<number, { item: T; probes: number }>();
  const probesAt = (gram: number) => byGram.get(gram)?.probes ?? 0;
  return {
    open({ key }, make) {
      const all = (key as readonly string[]).flatMap(gramsOf);
      const gram = all.reduce((best, each) => (probesAt(each) < probesAt(best) ? each : best));
      const existing = byGram.get(gram);
      if (existing === undefined) {
        const item = make();
        byGram.set(gram, { item, probes: 1 });
        return item;
      }
      existing.probes += 1;
      return existing.item;
    },
    collect(value, into) {
      if (typeof value !== "string") return;
      if (byGram.size * LOOKUP_COST < value.length) {
        for (const { item } of byGram.values()) into.push(item);
        return;
      }
      for (let i = 0; i + GRAM <= value.length; i++) {
        const entry = byGram.get(gramAt(value, i));
        if (entry !== undefined) into.push(entry.item);
      }
    },
  };
}

function gramsOf(text: string): number[] {
  return Array.from({ length: Math.max(0, text.length - GRAM + 1) }, (_, i) => gramAt(text, i));
}

/** Three letters as one small integer; letters beyond the first thousand share numbers. */
function gramAt(text: string, at: number): number {
  return (
    ((text.charCodeAt(at) & 1023) << 20) | ((text.charCodeAt(at + 1) & 1023) << 10) | (text.charCodeAt(at + 2) & 1023)
  );
}
