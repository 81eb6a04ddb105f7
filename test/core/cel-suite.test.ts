/**
 * The conformance suite of the CEL specification, see test/fixtures/cel-spec/README.md: no wrong value at all, and a refusal only where
 * REFUSED says why.
 */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { OutOfBudget, Run } from "../../src/core/cel/budget.ts";
import { compileTree } from "../../src/core/cel/compile.ts";
import { parseCel } from "../../src/core/cel/parse.ts";
import { durationText, parseDuration, timestampText } from "../../src/core/cel/time.ts";
import { CelError, CelList, CelMap, CelType, type CelValue, kindOf, Uint } from "../../src/core/cel/values.ts";

interface SpecValue {
  nullValue?: null;
  boolValue?: boolean;
  int64Value?: string;
  uint64Value?: string;
  doubleValue?: number | "NaN" | "Infinity" | "-Infinity";
  stringValue?: string;
  bytesValue?: string;
  typeValue?: string;
  objectValue?: { value: string };
  listValue?: { values?: SpecValue[] };
  mapValue?: { entries?: { key: SpecValue; value: SpecValue }[] };
}
interface SpecTest {
  file: string;
  section: string;
  name: string;
  expr: string;
  bindings?: Record<string, SpecValue>;
  value?: SpecValue;
  error?: string | true;
}

const suite = JSON.parse(
  readFileSync(new URL("../fixtures/cel-spec/suite.json", import.meta.url), "utf8"),
) as SpecTest[];

/** What is refused when it is read although it has a value, and why. */
const REFUSED: readonly { form: RegExp; because: string }[] = [
  {
    form: /^(?:x \|\| true|f_unknown\(17\) \|\| true)$/,
    because: "a name that exists nowhere is a slip, whatever stands beside it",
  },
  { form: /^a\.\w+\(\) \|\| true$/, because: "so is a function that exists nowhere" },
];

function specValue(spec: SpecValue): CelValue {
  const [kind, value] = Object.entries(spec)[0] as [keyof SpecValue, never];
  switch (kind) {
    case "int64Value":
      return BigInt(value);
    case "uint64Value":
      return new Uint(BigInt(value));
    case "doubleValue":
      return Number(value);
    case "bytesValue":
      return new Uint8Array(Buffer.from(value, "base64"));
    case "typeValue":
      return new CelType(value);
    case "listValue":
      return new CelList(((value as { values?: SpecValue[] }).values ?? []).map(specValue));
    case "mapValue": {
      const map = new CelMap();
      for (const entry of (value as NonNullable<SpecValue["mapValue"]>).entries ?? [])
        map.set(specValue(entry.key), specValue(entry.value));
      return map;
    }
    case "objectValue":
      return parseDuration((value as { value: string }).value);
    default:
      return value;
  }
}

/** A value with its type, so that 1 and 1.0 differ, and with the entries of maps in one order. */
function shown(value: CelValue): string {
  const kind = kindOf(value);
  if (typeof value !== "object" || value === null)
    return `${kind} ${typeof value === "string" ? JSON.stringify(value) : String(value)}`;
  if (value instanceof Uint8Array) return `bytes ${Buffer.from(value).toString("hex")}`;
  if (value.kind === "list") return `[${value.items.map(shown).join(", ")}]`;
  if (value.kind === "map")
    return `{${value
      .keys()
      .map((key) => `${shown(key)}: ${shown(value.get(key)!)}`)
      .sort()
      .join(", ")}}`;
  if (value.kind === "timestamp") return timestampText(value, 0);
  if (value.kind === "duration") return durationText(value);
  if (value instanceof Uint) return `uint ${value.value}`;
  if (value instanceof CelType) return `type ${value.name}`;
  return kind;
}

type Outcome = { value: string } | { refused: string } | { failed: string };

function outcome({ expr, bindings = {} }: SpecTest): Outcome {
  const names = Object.keys(bindings);
  let program: ReturnType<typeof compileTree>;
  try {
    program = compileTree(parseCel(expr), names);
  } catch (error) {
    return { refused: String((error as Error).message).split("\n")[0]! };
  }
  const run = new Run(new Array(program.slots));
  for (const [slot, name] of names.entries()) run.slots[slot] = specValue(bindings[name]!);
  try {
    return { value: shown(program.code.run(run)) };
  } catch (error) {
    if (error instanceof CelError || error instanceof OutOfBudget) return { failed: error.message };
    throw error;
  }
}

const results = suite.map((spec) => ({ spec, outcome: outcome(spec) }));
const written = ({ spec, outcome }: (typeof results)[number]) => `${spec.expr} → ${JSON.stringify(outcome)}`;

test("no test of the suite gets a wrong value, or a value where there is an error", () => {
  const wrong = results.filter(({ spec, outcome }) => {
    if (spec.error !== undefined) return "value" in outcome;
    return "value" in outcome && outcome.value !== shown(specValue(spec.value!));
  });
  expect(wrong.map(written)).toEqual([]);
});

test("what is refused or fails although it has a value is listed with its reason", () => {
  const refused = results.filter(({ spec, outcome }) => spec.error === undefined && !("value" in outcome));
  expect(refused.filter(({ spec }) => !REFUSED.some(({ form }) => form.test(spec.expr))).map(written)).toEqual([]);
  for (const { form } of REFUSED)
    expect(
      refused.some(({ spec }) => form.test(spec.expr)),
      String(form),
    ).toBe(true);
});

test("at least 97 % of the suite is right", () => {
  const right = results.filter(({ spec, outcome }) => "value" in outcome === (spec.error === undefined));
  expect(suite.length).toBe(1_592);
  expect(right.length / suite.length).toBeGreaterThan(0.97);
});
