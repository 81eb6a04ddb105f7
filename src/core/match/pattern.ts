/**
 * Event patterns as EventBridge has them, read and checked: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html
 * plus shorthand: a bare value is a list of one, dotted keys are nesting. `$or` is multiplied out here, once.
 */
import { type Diagnostic, newDiagnostic, type Path } from "../../errors.ts";
import { isObject, LIMITS } from "../../model.ts";
import { type Alternative, COMPARISON_SIGNS, OPERATORS, readAlternative } from "./operators.ts";

/** A field with the alternatives of which one must be met. */
export interface Leaf {
  readonly kind: "leaf";
  /** Where in the event. */
  readonly fieldPath: readonly string[];
  /** Where in the pattern as written. */
  readonly patternPath: Path;
  readonly alternatives: readonly Alternative[];
  /** Whether the lack of a value meets it. */
  readonly absent: boolean;
}

/** What was written, in its order: all of these, and `$or` as any of those. */
export interface All {
  readonly kind: "all";
  readonly patternPath: Path;
  readonly children: readonly (Leaf | Any)[];
}

export interface Any {
  readonly kind: "any";
  readonly patternPath: Path;
  readonly children: readonly All[];
}

/** The conditions of one conjunction as a tree along the event: conditions under one node lie in the same element of a list. */
export interface Node {
  readonly leaves: readonly Leaf[];
  readonly keys: readonly string[];
  readonly children: readonly Node[];
}

export interface Conjunction {
  readonly leaves: ReadonlySet<Leaf>;
  readonly root: Node;
}

/** A checked pattern. Opaque outside of core/match. */
export interface Pattern {
  readonly written: All;
  readonly conjunctions: readonly Conjunction[];
}

/** EventBridge has the same limits. */
const CONJUNCTIONS_MAX = 1_000;
const PATHS_MAX = 256;
const DEPTH_MAX = 50;

interface PatternPass {
  diagnostics: Diagnostic[];
  conditions: number;
}

// `slice` and `concat` give lists of exactly their length. A growing list keeps room for a dozen more, and a large policy has millions of lists.

/** The pattern of what can be read, and every diagnostic (SB0104, SB0108) with its path inside `match`. */
export function compilePattern(match: unknown): { pattern: Pattern; diagnostics: Diagnostic[] } {
  const pass: PatternPass = { diagnostics: [], conditions: 0 };
  const written = readAll(match, { fieldPath: [], patternPath: [] }, pass);
  const { diagnostics } = pass;
  if (pass.conditions > LIMITS.conditionsPerRule)
    diagnostics.push(
      tooMuch(`A pattern has at most ${LIMITS.conditionsPerRule} conditions, this one has ${pass.conditions}`),
    );
  const count = countConjunctions(written);
  if (count > CONJUNCTIONS_MAX) {
    diagnostics.push(
      tooMuch(`$or multiplies out to ${count} combinations, the limit is ${CONJUNCTIONS_MAX}; make it several rules`),
    );
    return { pattern: { written, conjunctions: [] }, diagnostics };
  }
  const conjunctions = conjunctionsOf(written);
  const paths = Math.max(
    ...conjunctions.map(({ leaves }) => new Set([...leaves].map(({ fieldPath: path }) => path.join("\n"))).size),
  );
  if (paths > PATHS_MAX)
    diagnostics.push(tooMuch(`A pattern names at most ${PATHS_MAX} fields, this one names ${paths}`));
  return { pattern: { written, conjunctions }, diagnostics };
}

const tooMuch = (message: string) => newDiagnostic("SB0108", message, { path: [] });

// ---------------------------------------------------------------- reading

interface PatternLocation {
  fieldPath: readonly string[];
  patternPath: Path;
}

function addDiagnostic(pass: PatternPass, at: Path, message: string, rest: Partial<Diagnostic> = {}): void {
  pass.diagnostics.push(newDiagnostic("SB0104", message, { path: at, ...rest }));
}

function readAll(value: unknown, here: PatternLocation, pass: PatternPass): All {
  const children: (Leaf | Any)[] = [];
  if (Array.isArray(value))
    addDiagnostic(
      pass,
      here.patternPath,
      "A pattern is a mapping of fields to the values that match; one of several is { $or: [ … ] }",
    );
  else if (!isObject(value))
    addDiagnostic(pass, here.patternPath, "A pattern is a mapping of fields to the values that match");
  else if (Object.keys(value).length === 0)
    addDiagnostic(pass, here.patternPath, "An empty pattern has no meaning, name a field or leave it out");
  else {
    for (const [key, member] of Object.entries(value)) {
      const inside = { fieldPath: here.fieldPath, patternPath: here.patternPath.concat(key) };
      if (key === "$or") children.push(readAny(member, inside, pass));
      else children.push(...readMember(key, member, inside, pass));
    }
  }
  return { kind: "all", patternPath: here.patternPath, children: children.slice() };
}

function readAny(value: unknown, here: PatternLocation, pass: PatternPass): Any {
  if (!Array.isArray(value) || value.length < 2) {
    addDiagnostic(pass, here.patternPath, "$or takes a list of at least two patterns");
    return { kind: "any", patternPath: here.patternPath, children: [] };
  }
  const children = value.map((member, i) =>
    readAll(member, { ...here, patternPath: here.patternPath.concat(i) }, pass),
  );
  return { kind: "any", patternPath: here.patternPath, children };
}

function readMember(key: string, member: unknown, here: PatternLocation, pass: PatternPass): readonly (Leaf | Any)[] {
  const names = namesOf(key);
  const fieldPath = here.fieldPath.concat(names);
  const problem =
    names.length > 1 && names.includes("")
      ? `"${key}" has an empty part between its dots; a dot that belongs to a name is written \\.`
      : fieldPath.length > DEPTH_MAX
        ? `A pattern is at most ${DEPTH_MAX} levels deep`
        : undefined;
  if (problem !== undefined) {
    addDiagnostic(pass, here.patternPath, problem, { atKey: true });
    return [];
  }
  if (isObject(member)) {
    const operator = bareOperator(member);
    if (operator === undefined) return readAll(member, { ...here, fieldPath }, pass).children;
    const message = `A mapping here names fields inside "${key}"; an operator stands in a list: [{ ${operator}: … }]`;
    addDiagnostic(pass, [...here.patternPath, operator], message, { atKey: true });
    return [];
  }
  const listed: unknown[] = Array.isArray(member) ? member : [member];
  if (listed.length === 0) {
    addDiagnostic(pass, here.patternPath, `"${key}" has an empty list, which nothing could match`);
    return [];
  }
  const alternatives = listed
    .map((written, i) =>
      readAlternative(written, Array.isArray(member) ? here.patternPath.concat(i) : here.patternPath, pass.diagnostics),
    )
    .filter((made) => made !== undefined)
    .slice();
  pass.conditions += listed.length + excludedTexts(listed);
  if (alternatives.length === 0) return [];
  return [
    {
      kind: "leaf",
      fieldPath,
      patternPath: here.patternPath,
      alternatives,
      absent: alternatives.some(({ absent }) => absent),
    },
  ];
}

/** The names that a key stands for, from the outside in: a dot leads inside, `\\.` is a dot and `\\\\` a backslash of the name. */
export function namesOf(key: string): string[] {
  if (!key.includes("\\")) return key.split(".");
  const names = [""];
  for (const part of key.match(/\\[.\\]|./gsu) ?? []) {
    if (part === ".") names.push("");
    else names.push((names.pop() ?? "") + part.slice(-1));
  }
  return names;
}

/** Texts inside `anything-but: { wildcard: [ … ] }` and its like are tried one by one, as conditions are. */
function excludedTexts(listed: readonly unknown[]): number {
  const operands = listed.map((written) => (isObject(written) ? written["anything-but"] : undefined));
  return operands.filter(isObject).reduce((sum, operand) => sum + Object.values(operand).flat().length, 0);
}

/**
 * The operator, when a mapping can only have been meant as one: by EventBridge's rules it would silently name a field of that name.
 * A field that really has an operator's name can be written with its values in a list.
 */
function bareOperator(value: Readonly<Record<string, unknown>>): string | undefined {
  const [key, ...more] = Object.keys(value);
  const operator = OPERATORS.find((name) => name === key);
  if (operator === undefined || more.length > 0) return undefined;
  const operand = value[operator];
  if (operator === "anything-but" || operator === "equals-ignore-case" || !Array.isArray(operand)) return operator;
  return operator === "numeric" && COMPARISON_SIGNS.has(operand[0]) ? operator : undefined;
}

// ---------------------------------------------------------------- multiplying out

function countConjunctions(all: All): number {
  return all.children.reduce((product, child) => {
    if (child.kind === "leaf" || child.children.length === 0) return product;
    return product * child.children.reduce((sum, branch) => sum + countConjunctions(branch), 0);
  }, 1);
}

/** Every way to meet all: one branch of each `$or`. */
export function conjunctionsOf(all: All): Conjunction[] {
  return leafSets(all).map((leaves) => ({ leaves: new Set(leaves), root: nodeOf(leaves, 0) }));
}

function leafSets(all: All): (readonly Leaf[])[] {
  return all.children.reduce<(readonly Leaf[])[]>(
    (sets, child) => {
      if (child.kind === "leaf") return sets.map((set) => set.concat(child));
      if (child.children.length === 0) return sets;
      const branches = child.children.flatMap(leafSets);
      return sets.flatMap((set) => branches.map((branch) => [...set, ...branch]));
    },
    [[]],
  );
}

function nodeOf(leaves: readonly Leaf[], depth: number): Node {
  const below = new Map<string, Leaf[]>();
  for (const leaf of leaves) {
    const key = leaf.fieldPath[depth];
    if (key === undefined) continue;
    const group = below.get(key);
    if (group === undefined) below.set(key, [leaf]);
    else group.push(leaf);
  }
  return {
    leaves: leaves.filter(({ fieldPath }) => fieldPath.length === depth).slice(),
    keys: [...below.keys()].slice(),
    children: [...below.values()].map((group) => nodeOf(group, depth + 1)),
  };
}
