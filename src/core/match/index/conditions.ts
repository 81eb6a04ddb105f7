/** Conditions that patterns share are one, asked at most once per event. */
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
  /** In how many conjunctions it stands. */
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
        condition = newCondition(leaf, fieldAt(root, leaf.path));
        byKey.set(key, condition);
      }
      condition.uses += 1;
      condition.field.popularity += 1;
      return condition;
    },
  };
}

function keyOf({ path, alternatives }: Leaf): string {
  const [only, ...more] = alternatives;
  const wanted = more.length === 0 && only ? written(only) : alternatives.map(written).toSorted().join();
  return `${JSON.stringify(path)}${wanted}`;
}

const written = ({ op, want }: Alternative): string => `${op} ${JSON.stringify(want)}`;

function newCondition({ alternatives, absent }: Leaf, field: Field): Condition {
  const plain = alternatives.length >= SET_FROM && alternatives.every(({ exact }) => exact);
  const values = plain ? new Set(alternatives.map(({ want }) => want)) : undefined;
  return { field, alternatives, values, absent, uses: 0, stamp: 0, met: false };
}

/** Whether some value of the field meets it, or none is there and that meets it; of which element of a list is not asked. */
export function holds(condition: Condition, stamp: number, noted: Field[]): boolean {
  if (condition.stamp === stamp) return condition.met;
  condition.stamp = stamp;
  const { field } = condition;
  read(field, stamp, noted);
  if (field.single !== undefined) condition.met = meets(condition, field.single);
  else if (field.several === undefined) condition.met = condition.absent;
  else condition.met = field.several.some((value) => meets(condition, value));
  return condition.met;
}

function meets({ values, alternatives }: Condition, value: Json): boolean {
  if (values !== undefined) return values.has(value);
  for (const alternative of alternatives) if (alternative.test(value)) return true;
  return false;
}
