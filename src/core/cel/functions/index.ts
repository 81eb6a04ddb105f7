/** Every function that expressions know. */
import { defineEncoders, defineOptionals } from "./encoders.ts";
import { defineLists } from "./lists.ts";
import { defineMath } from "./math.ts";
import { defineNetwork } from "./network.ts";
import { defineStandard } from "./standard.ts";
import { defineStrings } from "./strings.ts";
import type { FunctionTable } from "./table.ts";

function everyFunction(): FunctionTable {
  const table: FunctionTable = new Map();
  for (const add of [
    defineStandard,
    defineStrings,
    defineMath,
    defineLists,
    defineEncoders,
    defineOptionals,
    defineNetwork,
  ])
    add(table);
  return table;
}

export const FUNCTIONS = everyFunction();

/** The owners of `math.abs(…)` and the like, which are no variables. */
export const NAMESPACES: ReadonlySet<string> = new Set([
  "cel",
  ...[...FUNCTIONS.keys()].filter((key) => key.indexOf(".") > 0).map((key) => key.slice(0, key.indexOf("."))),
]);

/** `size`, `startsWith`, `abs` and the like, for suggestions. */
export const FUNCTION_NAMES: ReadonlySet<string> = new Set(
  [...FUNCTIONS.keys()].map((key) => key.slice(key.indexOf(".") + 1, key.indexOf("/"))),
);
