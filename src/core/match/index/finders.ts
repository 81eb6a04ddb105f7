/** One way to find per kind of probe: which of the many conditions on a field a value could meet. */
import type { Json } from "../../../model.ts";
import { addressBits } from "../address.ts";
import type { Probe } from "../operators.ts";
import { fold } from "../text.ts";
import { affixes } from "./affixes.ts";
import { ranges } from "./ranges.ts";

/** What stands at a place is there once, and found by every value that the place is meant for. */
export interface Finder<T> {
  readonly size: number;
  /** What stands where the probe points; `make` is told the place, for closing it. */
  open(probe: Probe, make: (place: unknown) => T): T;
  close(place: unknown): void;
  collect(value: Json, into: T[]): void;
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

/** An empty finder of that kind. Absence is found by nothing: who looks for it takes the finder itself. */
export function newFinder<T>(by: By): Finder<T> {
  switch (by) {
    case "value":
      return mapped(new Map<Json, T>(), (map, value) => map.get(value));
    case "folded":
      return mapped(new Map<Json, T>(), (map, value) =>
        typeof value === "string" ? map.get(remembered(value)) : undefined,
      );
    case "prefix":
    case "suffix":
      return keyed(affixes<T>(by === "suffix"), (tree, value, into) => {
        if (typeof value === "string") tree.collect(value, into);
      });
    case "foldedPrefix":
    case "foldedSuffix":
      return keyed(affixes<T>(by === "foldedSuffix"), (tree, value, into) => {
        if (typeof value === "string") tree.collect(remembered(value), into);
      });
    case "block":
      return keyed(affixes<T>(false), (tree, value, into) => {
        const bits = typeof value === "string" ? addressBits(value) : undefined;
        if (bits !== undefined) tree.collect(bits, into);
      });
    case "range":
      return keyed(ranges<T>(), (tree, value, into) => {
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
  readonly size: number;
  get(key: K): T | undefined;
  set(key: K, value: T): unknown;
  delete(key: K): unknown;
}

/** Keys are those of the probes that the finder is made for. */
function keyed<K, T, S extends Keyed<K, T>>(store: S, collect: (store: S, value: Json, into: T[]) => void): Finder<T> {
  return {
    get size() {
      return store.size;
    },
    open({ key }, make) {
      const known = store.get(key as K);
      if (known !== undefined) return known;
      const made = make(key);
      store.set(key as K, made);
      return made;
    },
    close: (place) => void store.delete(place as K),
    collect: (value, into) => collect(store, value, into),
  };
}

function mapped<T>(map: Map<Json, T>, get: (map: Map<Json, T>, value: Json) => T | undefined): Finder<T> {
  return keyed(map, (_, value, into) => {
    const found = get(map, value);
    if (found !== undefined) into.push(found);
  });
}

let lastText = "";
let lastFold = "";

/** One value is asked for by several finders. */
function remembered(text: string): string {
  if (text !== lastText) {
    lastText = text;
    lastFold = fold(text);
  }
  return lastFold;
}

/**
 * Texts inside values: each stands at one run of three of its letters, the one where the fewest others stand, and every value
 * is looked through for all of its runs.
 */
function grams<T>(): Finder<T> {
  const byGram = new Map<number, { there: T; opened: number }>();
  const openedAt = (gram: number) => byGram.get(gram)?.opened ?? 0;
  return {
    get size() {
      return byGram.size;
    },
    open({ key }, make) {
      const all = (key as readonly string[]).flatMap(gramsOf);
      const gram = all.reduce((best, each) => (openedAt(each) < openedAt(best) ? each : best));
      const known = byGram.get(gram);
      if (known === undefined) {
        const there = make(gram);
        byGram.set(gram, { there, opened: 1 });
        return there;
      }
      known.opened += 1;
      return known.there;
    },
    close: (place) => void byGram.delete(place as number),
    collect(value, into) {
      if (typeof value !== "string") return;
      if (byGram.size * LOOKUP_COST < value.length) {
        for (const { there } of byGram.values()) into.push(there);
        return;
      }
      for (let i = 0; i + GRAM <= value.length; i++) {
        const found = byGram.get(gramAt(value, i));
        if (found !== undefined) into.push(found.there);
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
