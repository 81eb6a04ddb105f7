/** The alternatives of a pattern's leaf: what each operator accepts, and precise words for what it cannot mean. */
import { type Diagnostic, nearest, newDiagnostic, type Path } from "../../errors.ts";
import { isObject, type Json } from "../../model.ts";
import { cidr } from "./address.ts";
import { fold, wildcard } from "./text.ts";

/** One way to meet a leaf. `absent` is met by the lack of a value and by nothing else. */
export interface Alternative {
  readonly op: string;
  readonly want: Json;
  readonly absent: boolean;
  /** The scalar that must be equal, for those that are nothing more. */
  readonly exact: boolean;
  test(value: Json): boolean;
  readonly probe: Probe;
}

/**
 * How an index finds the alternative: every value that meets it is at the place where the probe points. For some kinds every value at that place meets it.
 * `block` is the beginning of an address in bits, `pieces` are texts inside the value, `any` is every value, `absence` none.
 */
export type Probe =
  | { readonly by: "value"; readonly key: Json }
  | { readonly by: "folded" | "prefix" | "suffix" | "foldedPrefix" | "foldedSuffix" | "block"; readonly key: string }
  | { readonly by: "pieces"; readonly key: readonly string[] }
  | { readonly by: "range"; readonly key: NumberRange }
  | { readonly by: "any" | "absence"; readonly key: null };

/** Both ends belong to it, also where the comparison excludes them. */
export interface NumberRange {
  readonly from: number;
  readonly to: number;
}

type Test = (value: Json) => boolean;
type OperatorResult =
  | { ok: true; test: Test; probe: Probe }
  | { ok: false; message: string; at?: Path; suggestion?: string | undefined };

export const OPERATORS = [
  "exactly",
  "prefix",
  "suffix",
  "equals-ignore-case",
  "wildcard",
  "anything-but",
  "numeric",
  "cidr",
  "exists",
] as const;

const IN_ANYTHING_BUT = ["prefix", "suffix", "equals-ignore-case", "wildcard"] as const;

/** The alternative that a member of a leaf's list means; a diagnostic is added instead when it means nothing. */
export function readAlternative(written: unknown, path: Path, diagnostics: Diagnostic[]): Alternative | undefined {
  const refuse = (message: string, at: Path = [], suggestion?: string): undefined => {
    diagnostics.push(newDiagnostic("SB0104", message, { path: [...path, ...at], suggestion }));
  };
  if (!isObject(written)) {
    const problem = scalarProblem(written);
    if (problem !== undefined) return refuse(problem);
    const want = written as Json;
    return { op: "equals", want, absent: false, exact: true, ...equal(want) };
  }
  const [op, ...more] = Object.keys(written);
  if (op === undefined) return refuse("An empty object is no condition, write an operator such as { prefix: … }");
  if (more.length > 0)
    return refuse(
      `One object holds one operator, this one has "${[op, ...more].join('", "')}"; for any of them write one object each, for all at once ${allAtOnce(written, path)}`,
    );
  const operand = written[op];
  const make = Object.hasOwn(MAKERS, op) ? MAKERS[op as keyof typeof MAKERS] : undefined;
  if (make === undefined) {
    const suggestion = nearest(op, OPERATORS);
    return refuse(`"${op}" is not an operator, known are ${OPERATORS.join(", ")}`, [], suggestion);
  }
  const operation = make(operand);
  if (!operation.ok) return refuse(operation.message, [op, ...(operation.at ?? [])], operation.suggestion);
  const { test, probe } = operation;
  return { op, want: operand as Json, absent: probe.by === "absence", exact: false, test, probe };
}

/** How to ask one value for all that stands in an object of several operators. */
function allAtOnce(written: Readonly<Record<string, unknown>>, path: Path): string {
  const { prefix, suffix, ...others } = written;
  if (typeof prefix === "string" && typeof suffix === "string" && Object.keys(others).length === 0) {
    const literal = (text: string) => text.replaceAll(/[\\*]/g, (char) => `\\${char}`);
    return `[${JSON.stringify({ wildcard: `${literal(prefix)}*${literal(suffix)}` })}]`;
  }
  const names = path.filter((step) => typeof step === "string" && step !== "$or");
  const field = ["event", ...names].join(".");
  const terms = Object.entries(written).map(([op, operand]) => celOf(op, operand, field));
  return terms.includes(undefined) || !/^[\w.]+$/.test(field)
    ? "say it in when, which is CEL"
    : `say it in when: '${terms.join(" && ")}'`;
}

function celOf(op: string, operand: unknown, field: string): string | undefined {
  if (op === "numeric" && Array.isArray(operand) && operand.length === 2 && COMPARISON_SIGNS.has(operand[0]))
    return `${field} ${operand[0] === "=" ? "==" : operand[0]} ${operand[1]}`;
  if (typeof operand !== "string") return undefined;
  const text = JSON.stringify(operand);
  if (op === "prefix") return `${field}.startsWith(${text})`;
  if (op === "suffix") return `${field}.endsWith(${text})`;
  if (op === "anything-but") return `${field} != ${text}`;
  return undefined;
}

/** Why a bare value cannot stand for itself. */
function scalarProblem(value: unknown): string | undefined {
  if (value === null || typeof value === "string" || typeof value === "boolean") return undefined;
  if (typeof value === "number") return numberProblem(value);
  if (Array.isArray(value)) return "A list inside a list of alternatives has no meaning, write its members one by one";
  return "A condition is a text, a number, true, false, null or an operator such as { prefix: … }";
}

function numberProblem(value: number): string | undefined {
  if (!Number.isFinite(value)) return `${value} is not a number that JSON knows`;
  if (Number.isInteger(value) && !Number.isSafeInteger(value))
    return `${value} is too large to be compared exactly, the limit is ${Number.MAX_SAFE_INTEGER}`;
  return undefined;
}

// ---------------------------------------------------------------- one maker per operator

const MAKERS = {
  exactly: (operand: unknown): OperatorResult =>
    typeof operand === "string" ? { ok: true, ...equal(operand) } : unmet('"exactly" takes a text'),
  prefix: (operand: unknown): OperatorResult => affix("prefix", operand),
  suffix: (operand: unknown): OperatorResult => affix("suffix", operand),
  "equals-ignore-case": (operand: unknown): OperatorResult =>
    typeof operand === "string" ? folded("folded", operand) : unmet('"equals-ignore-case" takes a text'),
  wildcard: (operand: unknown): OperatorResult => {
    if (typeof operand !== "string")
      return unmet('"wildcard" takes a text in which * stands for any run of characters');
    const condition = wildcard(operand);
    return condition.ok
      ? metByText((value) => condition.test(value), wildcardProbe(condition.pieces))
      : unmet(condition.detail);
  },
  "anything-but": (operand: unknown): OperatorResult => anythingBut(operand),
  numeric: (operand: unknown): OperatorResult => numeric(operand),
  cidr: (operand: unknown): OperatorResult => {
    if (typeof operand !== "string") return unmet('"cidr" takes a block of addresses such as 10.0.0.0/8');
    const condition = cidr(operand);
    return condition.ok
      ? metByText((value) => condition.test(value), { by: "block", key: condition.bits })
      : unmet(condition.detail);
  },
  exists: (operand: unknown): OperatorResult => {
    if (typeof operand !== "boolean") return unmet('"exists" takes true or false');
    return met(() => operand, { by: operand ? "any" : "absence", key: null });
  },
};

const ANY: Probe = { by: "any", key: null };
const equal = (want: Json): { test: Test; probe: Probe } => ({
  test: (value) => value === want,
  probe: { by: "value", key: want },
});
const met = (test: Test, probe: Probe): OperatorResult => ({ ok: true, test, probe });
const metByText = (test: (value: string) => boolean, probe: Probe): OperatorResult =>
  met((value) => typeof value === "string" && test(value), probe);
const unmet = (message: string, at: Path = []): OperatorResult => ({ ok: false, message, at });

/** A condition on the value with its letter case folded. */
function folded(by: "folded" | "foldedPrefix" | "foldedSuffix", text: string): OperatorResult {
  const key = fold(text);
  if (by === "folded") return metByText((value) => fold(value) === key, { by, key });
  if (by === "foldedPrefix") return metByText((value) => fold(value).startsWith(key), { by, key });
  return metByText((value) => fold(value).endsWith(key), { by, key });
}

/** `prefix` and `suffix`, also as { prefix: { equals-ignore-case: … } }. */
function affix(op: "prefix" | "suffix", operand: unknown): OperatorResult {
  if (typeof operand === "string") {
    const probe: Probe = { by: op, key: operand };
    if (op === "prefix") return metByText((value) => value.startsWith(operand), probe);
    return metByText((value) => value.endsWith(operand), probe);
  }
  const inner = isObject(operand) && Object.keys(operand).length === 1 ? operand["equals-ignore-case"] : undefined;
  if (typeof inner !== "string") return unmet(`"${op}" takes a text, or { equals-ignore-case: text }`);
  return folded(op === "prefix" ? "foldedPrefix" : "foldedSuffix", inner);
}

function wildcardProbe(pieces: readonly string[]): Probe {
  const [first = ""] = pieces;
  return pieces.length === 1 ? { by: "value", key: first } : { by: "pieces", key: pieces };
}

/** Every value but those named: numbers, true, false and null are values too; the lack of one is not. */
function anythingBut(operand: unknown): OperatorResult {
  if (isObject(operand)) return anythingButText(operand);
  const listed: unknown[] = Array.isArray(operand) ? operand : [operand];
  if (listed.length === 0) return unmet('"anything-but" needs at least one value');
  const texts = listed.every((value) => typeof value === "string");
  if (!texts && !listed.every((value) => typeof value === "number"))
    return unmet('"anything-but" takes texts or numbers, and not both; write two rules or { exists: … } for others');
  const problem = listed.map(scalarProblem).find((message) => message !== undefined);
  if (problem !== undefined) return unmet(problem);
  const excluded = new Set<unknown>(listed);
  return met((value) => !excluded.has(value), ANY);
}

function anythingButText(operand: Record<string, unknown>): OperatorResult {
  const [op = "", ...more] = Object.keys(operand);
  const operator = IN_ANYTHING_BUT.find((name) => name === op);
  if (operator === undefined || more.length > 0)
    return {
      ok: false,
      message: `"anything-but" takes values, or one of ${IN_ANYTHING_BUT.join(", ")}`,
      suggestion: nearest(op, IN_ANYTHING_BUT),
    };
  const value = operand[operator];
  const texts: unknown[] = Array.isArray(value) ? value : [value];
  if (texts.length === 0) return unmet(`"${operator}" needs at least one text`, [operator]);
  const tests: Test[] = [];
  for (const text of texts) {
    if (typeof text !== "string") return unmet(`"${operator}" inside "anything-but" takes texts`, [operator]);
    if (text === "" && operator !== "equals-ignore-case" && operator !== "wildcard")
      return unmet(`An empty ${operator} excludes every text, leave it out`, [operator]);
    const condition = MAKERS[operator](text);
    if (!condition.ok) return { ...condition, at: [operator] };
    tests.push(condition.test);
  }
  return met((candidate) => !tests.some((test) => test(candidate)), ANY);
}

const COMPARISONS: Readonly<Record<string, (value: number, bound: number) => boolean>> = {
  "=": (value, bound) => value === bound,
  "<": (value, bound) => value < bound,
  "<=": (value, bound) => value <= bound,
  ">": (value, bound) => value > bound,
  ">=": (value, bound) => value >= bound,
};

export const COMPARISON_SIGNS: ReadonlySet<unknown> = new Set(Object.keys(COMPARISONS));

/** `[">", 5]` or `[">=", 1, "<", 10]`. Texts that look like numbers are not numbers. */
function numeric(operand: unknown): OperatorResult {
  if (!Array.isArray(operand) || operand.length === 0)
    return unmet('"numeric" takes a list such as [">", 5] or [">=", 1, "<", 10]');
  const [sign, bound, upperSign, upper, ...more] = operand as unknown[];
  const first = comparison(sign, bound, 0);
  if (!first.ok) return first;
  if (operand.length === 2) return metByNumber(first.holds, rangeOf(String(sign), Number(bound)));
  const second = comparison(upperSign, upper, 2);
  if (!second.ok) return second;
  if (more.length > 0 || !String(sign).startsWith(">") || !String(upperSign).startsWith("<"))
    return unmet('A numeric range is a lower bound and then an upper one: [">=", 1, "<", 10]');
  if (Number(bound) >= Number(upper))
    return unmet(
      `No number is ${sign} ${bound} and ${upperSign} ${upper}, the lower bound must be less than the upper`,
    );
  return metByNumber((value) => first.holds(value) && second.holds(value), { from: Number(bound), to: Number(upper) });
}

const metByNumber = (test: (value: number) => boolean, key: NumberRange): OperatorResult =>
  met((value) => typeof value === "number" && test(value), { by: "range", key });

function rangeOf(sign: string, bound: number): NumberRange {
  if (sign === "=") return { from: bound, to: bound };
  return sign.startsWith("<") ? { from: -Infinity, to: bound } : { from: bound, to: Infinity };
}

function comparison(sign: unknown, bound: unknown, at: number) {
  const holds = typeof sign === "string" && Object.hasOwn(COMPARISONS, sign) ? COMPARISONS[sign] : undefined;
  if (holds === undefined) return refused(`"${String(sign)}" is not a comparison, known are = < <= > >=`, at);
  if (typeof bound !== "number") return refused(`"${sign}" needs a number after it`, at);
  const problem = numberProblem(bound);
  if (problem !== undefined) return refused(problem, at + 1);
  return { ok: true as const, holds: (value: number) => holds(value, bound) };
}

const refused = (message: string, at: number) => ({ ok: false as const, message, at: [at] });
