/** Macros that visit the items of a list or a map: `list.all(x, …)`, `map.transformMap(k, v, …)`. */
import type { Run } from "./budget.ts";
import { sortedBy } from "./functions/lists.ts";
import type { Macro, MacroCall, MacroTable } from "./macro.ts";
import { countNodes } from "./parse.ts";
import { CelRefusal, type Code, type CompilePass, compileNode, withVariable } from "./scope.ts";
import { CelError, CelList, CelMap, type CelValue, type ListValue, type MapValue, typeName } from "./values.ts";

interface Loop {
  /** Where the first variable stands. */
  keySlot: number;
  /** One call per item, until one gives true. */
  each(run: Run, visit: (item: CelValue) => boolean): void;
  bodies: readonly Code[];
}

function loopOf(pass: CompilePass, call: MacroCall): Loop {
  const range = compileNode(pass, call.receiver);
  if (!["any", "list", "map"].includes(range.kind))
    throw new CelRefusal(`${call.name}(…) takes a list or a map, this is of type ${range.kind}`, call.receiver.pos);
  let inner = pass;
  const slots = call.variables.map((variable) => {
    const bound = withVariable(inner, variable, "any");
    inner = bound.pass;
    return bound.slot;
  });
  const bodies = call.bodies.map((body) => compileNode(inner, body));
  const stepsPerItem = call.bodies.reduce((sum, body) => sum + countNodes(body), 1);
  const keySlot = slots[0] as number;
  return { keySlot, bodies, each: (run, visit) => iterate(run, range.run(run), call.name, slots, stepsPerItem, visit) };
}

function iterate(
  run: Run,
  range: CelValue,
  name: string,
  [first = 0, second]: readonly number[],
  stepsPerItem: number,
  visit: (item: CelValue) => boolean,
): void {
  const container = rangeOf(range, name);
  run.charge(container.size / 8);
  const isList = container.kind === "list";
  const items = isList ? container.items : container.keys();
  for (let i = 0; i < items.length; i++) {
    run.charge(stepsPerItem);
    const item = items[i] as CelValue;
    run.slots[first] = second !== undefined && isList ? BigInt(i) : item;
    if (second !== undefined) run.slots[second] = isList ? item : container.get(item);
    if (visit(item)) return;
  }
}

function rangeOf(range: CelValue, name: string): ListValue | MapValue {
  const container = typeof range === "object" && range !== null && "kind" in range ? range : undefined;
  if (container?.kind === "list" || container?.kind === "map") return container;
  throw new CelError(() => `${name}(…) takes a list or a map, this is of type ${typeName(range)}`);
}

function predicate(call: MacroCall, code: Code): (run: Run) => boolean {
  if (code.kind !== "any" && code.kind !== "bool")
    throw new CelRefusal(`The condition of ${call.name}(…) is a bool, this one is of type ${code.kind}`, call.offset);
  return (run) => {
    const value = code.run(run);
    if (typeof value === "boolean") return value;
    throw new CelError(() => `The condition of ${call.name}(…) is a bool, this one is of type ${typeName(value)}`);
  };
}

// ---------------------------------------------------------------- quantifiers

/** One item that gives `decisive` decides; an item that fails only counts when none does. */
const quantifier =
  (decisive: boolean): Macro["compile"] =>
  (pass, call) => {
    const loop = loopOf(pass, call);
    const test = predicate(call, loop.bodies[0] as Code);
    return {
      kind: "bool",
      run: (run) => {
        let isDecided = false;
        let failure: CelError | undefined;
        loop.each(run, () => {
          try {
            isDecided = test(run) === decisive;
          } catch (error) {
            if (!(error instanceof CelError)) throw error;
            failure ??= error;
          }
          return isDecided;
        });
        if (!isDecided && failure !== undefined) throw failure;
        return isDecided ? decisive : !decisive;
      },
    };
  };

function existsOne(pass: CompilePass, call: MacroCall): Code {
  const loop = loopOf(pass, call);
  const test = predicate(call, loop.bodies[0] as Code);
  return {
    kind: "bool",
    run: (run) => {
      let count = 0;
      loop.each(run, () => {
        if (test(run)) count++;
        return false;
      });
      return count === 1;
    },
  };
}

// ---------------------------------------------------------------- lists and maps from lists and maps

/** What a macro makes of the items that pass the first of two bodies, of all items when there is one body. */
const transform =
  <T>(
    kind: "list" | "map",
    create: () => T,
    collect: (result: T, value: CelValue, key: CelValue) => void,
    finish: (result: T) => CelValue,
  ) =>
  (pass: CompilePass, call: MacroCall): Code => {
    const loop = loopOf(pass, call);
    const test = loop.bodies.length > 1 ? predicate(call, loop.bodies[0] as Code) : undefined;
    const body = loop.bodies.at(-1) as Code;
    const keySlot = loop.keySlot;
    return {
      kind,
      run: (run) => {
        const result = create();
        loop.each(run, () => {
          if (test === undefined || test(run)) collect(result, body.run(run), run.slots[keySlot] as CelValue);
          return false;
        });
        return finish(result);
      },
    };
  };

const toList = transform<CelValue[]>(
  "list",
  () => [],
  (items, value) => items.push(value),
  (items) => new CelList(items),
);
const toMap = transform(
  "map",
  () => new CelMap(),
  (map, value, key) => map.set(key, value),
  (map) => map,
);
const toMapOfEntries = transform(
  "map",
  () => new CelMap(),
  (map, entry) => {
    const isMap = typeof entry === "object" && entry !== null && "kind" in entry && entry.kind === "map";
    if (!isMap || entry.size !== 1) throw new CelError("transformMapEntry(…) makes maps of one entry, as in {k: v}");
    const [key] = entry.keys() as [CelValue];
    map.set(key, entry.get(key) as CelValue);
  },
  (map) => map,
);

const filter: Macro["compile"] = (pass, call) => {
  const loop = loopOf(pass, call);
  const test = predicate(call, loop.bodies[0] as Code);
  return {
    kind: "list",
    run: (run) => {
      const items: CelValue[] = [];
      loop.each(run, (item) => {
        if (test(run)) items.push(item);
        return false;
      });
      return new CelList(items);
    },
  };
};

const sortBy: Macro["compile"] = (pass, call) => {
  const loop = loopOf(pass, call);
  const body = loop.bodies[0] as Code;
  return {
    kind: "list",
    run: (run) => {
      const [items, keys]: [CelValue[], CelValue[]] = [[], []];
      loop.each(run, (item) => {
        items.push(item);
        keys.push(body.run(run));
        return false;
      });
      return sortedBy(run, items, keys);
    },
  };
};

export function defineLoops(table: MacroTable): void {
  const define = (names: readonly string[], variables: 1 | 2, bodies: number, compile: Macro["compile"]) => {
    for (const name of names) table.set(`${name}/${variables + bodies}`, { variables, compile });
  };
  for (const variables of [1, 2] as const) {
    define(["all"], variables, 1, quantifier(false));
    define(["exists"], variables, 1, quantifier(true));
    define(["exists_one", "existsOne"], variables, 1, existsOne);
  }
  for (const bodies of [1, 2]) {
    define(["map"], 1, bodies, toList);
    define(["transformList"], 2, bodies, toList);
    define(["transformMap"], 2, bodies, toMap);
    define(["transformMapEntry"], 2, bodies, toMapOfEntries);
  }
  define(["filter"], 1, 1, filter);
  define(["sortBy"], 1, 1, sortBy);
}
