/** Equal conditions of several patterns are one object, evaluated at most once per event. */
import type { Json } from "../../../model.ts";
import type { Alternative } from "../operators.ts";
import type { Leaf } from "../pattern.ts";
import { type Field, fieldAt, read } from "./fields.ts";

export interface Condition {
  readonly field: Field;
  readonly alternatives: readonly Alternative[];
  /** The values, when alternatives are many and nothing but values. */
  readonly values: ReadonlySet<Json> | undefined;
  readonly absent: boolean;
  /** How many conjunctions use it. */
  uses: number;
  /** The number of the event that `met` is about. */
  stamp: number;
  met: boolean;
}

export interface Conditions {
  /** The condition that a leaf means, counted as used once more. */
  use(leaf: Leaf): Condition;
}

const SET_FROM = 5;

export function createConditions(root: Field): Conditions {
  const byKey = new Map<string, Condition>();
  return {
    use(leaf) {
      const key = keyOf(leaf);
      let condition = byKey.get(key);
      if (condition === undefined) {
        condition = newCondition(leaf, fieldAt(root, leaf.fieldPath));
        byKey.set(key, condition);
      }
      condition.uses += 1;
      condition.field.popularity += 1;
      return condition;
    },
  };
}

function keyOf({ fieldPath: path, alternatives }: Leaf): string {
  const [only, ...more] = alternatives;
  const alternativesKey =
    more.length === 0 && only ? alternativeKey(only) : alternatives.map(alternativeKey).toSorted().join();
  return `${JSON.stringify(path)}${alternativesKey}`;
}

const alternativeKey = ({ op, want }: Alternative): string => `${op} ${JSON.stringify(want)}`;

function newCondition({ alternatives, absent }: Leaf, field: Field): Condition {
  const areAllValues = alternatives.length >= SET_FROM && alternatives.every(({ exact }) => exact);
  const values = areAllValues ? new Set(alternatives.map(({ want }) => want)) : undefined;
  return { field, alternatives, values, absent, uses: 0, stamp: 0, met: false };
}

/** Whether some value of the field meets the condition, or its absence does; values of all elements of a list count. */
export function evaluateCondition(condition: Condition, stamp: number, noted: Field[]): boolean {
  if (condition.stamp === stamp) return condition.met;
  condition.stamp = stamp;
  const { field } = condition;
  read(field, stamp, noted);
  if (field.single !== undefined) condition.met = isMetBy(condition, field.single);
  else if (field.several === undefined) condition.met = condition.absent;
  else condition.met = field.several.some((value) => isMetBy(condition, value));
  return condition.met;
}

function isMetBy({ values, alternatives }: Condition, value: Json): boolean {
  if (values !== undefined) return values.has(value);
  for (const alternative of alternatives) if (alternative.test(value)) return true;
  return false;
}
