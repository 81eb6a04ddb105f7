/** The fields that conditions name, as a tree along the event: each read at most once per event, and only when a condition on it is evaluated. */
import type { Json } from "../../../model.ts";
import { objectsOf, scalarsOf } from "../evaluate.ts";

export interface Field {
  /** The last name of the path; the tree's root stands for the event itself. */
  readonly name: string;
  readonly parent: Field | undefined;
  /** Whether every object inherits something of that name, so that finding it does not mean that it is the event's. */
  readonly isInherited: boolean;
  readonly below: Map<string, Field>;
  /** How many conjunctions have a condition on it. */
  popularity: number;
  /** The number of the event that the rest was read from. */
  stamp: number;
  /** What is there; with `rows`: what is there in each element of the lists on the way. */
  raw: unknown;
  rows: unknown[] | undefined;
  /** The one scalar that is there, or the list of them. */
  single: Json | undefined;
  several: readonly Json[] | undefined;
}

/** Whether lists of objects lie on the way, so that its values need not belong together with those of another field. */
export const isListed = (field: Field): boolean => field.rows !== undefined;

export function newField(name: string, parent: Field | undefined): Field {
  return {
    name,
    parent,
    isInherited: name in Object.prototype,
    below: new Map(),
    popularity: 0,
    stamp: 0,
    raw: undefined,
    rows: undefined,
    single: undefined,
    several: undefined,
  };
}

/** The field at a path, made when it is new. */
export function fieldAt(root: Field, path: readonly string[]): Field {
  let field = root;
  for (const name of path) {
    let next = field.below.get(name);
    if (next === undefined) {
      next = newField(name, field);
      field.below.set(name, next);
    }
    field = next;
  }
  return field;
}

/** Reads the field of event number `stamp`; the root was set to the event. The field is added to `noted`, so that its values are cleared afterwards. */
export function read(field: Field, stamp: number, noted: Field[]): void {
  const { parent } = field;
  if (field.stamp === stamp || parent === undefined) return;
  field.stamp = stamp;
  noted.push(field);
  read(parent, stamp, noted);
  if (parent.rows === undefined && !Array.isArray(parent.raw)) field.raw = memberOf(parent.raw, field);
  else readRows(field, parent);
  const { raw } = field;
  if (field.rows !== undefined) setScalars(field, scalarsOf(field.rows));
  else if (Array.isArray(raw)) setScalars(field, scalarsOf(raw));
  else if (typeof raw !== "object" || raw === null) field.single = raw as Json | undefined;
}

/** Forgets what was read, so that nothing of an event is held longer than its matching takes. */
export function clearValues(field: Field): void {
  field.raw = undefined;
  field.rows = undefined;
  field.single = undefined;
  field.several = undefined;
}

function readRows(field: Field, parent: Field): void {
  const rows: unknown[] = [];
  const objects: object[] = [];
  for (const row of parent.rows ?? [parent.raw]) {
    if (Array.isArray(row)) objectsOf(row, objects);
    else if (typeof row === "object" && row !== null) objects.push(row);
  }
  for (const each of objects) {
    const value = memberOf(each, field);
    if (value !== undefined) rows.push(value);
  }
  // A list without objects has no fields, and no elements to choose between.
  if (objects.length > 0 || parent.rows !== undefined) field.rows = rows;
}

function setScalars(field: Field, scalars: readonly Json[]): void {
  if (scalars.length === 1) field.single = scalars[0];
  else if (scalars.length > 1) field.several = scalars;
}

function memberOf(value: unknown, { name, isInherited }: Field): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  if (isInherited && !Object.hasOwn(value, name)) return undefined;
  return (value as Readonly<Record<string, unknown>>)[name];
}
