/** What an expression computes with. JavaScript's own values where they fit: a bigint is an int, a number a double. */

export type CelValue =
  | null
  | boolean
  | bigint
  | number
  | string
  | Uint8Array
  | Uint
  | Timestamp
  | Duration
  | ListValue
  | MapValue
  | CelType
  | Optional
  | IpAddress
  | CidrBlock;

/** The kind of a value, as signatures of functions write it. */
export const KINDS = [
  "null",
  "bool",
  "int",
  "uint",
  "double",
  "string",
  "bytes",
  "list",
  "map",
  "type",
  "optional",
  "timestamp",
  "duration",
  "ip",
  "cidr",
] as const;
export type Kind = (typeof KINDS)[number];

export interface ListValue {
  readonly kind: "list";
  readonly size: number;
  at(index: number): CelValue | undefined;
  readonly items: readonly CelValue[];
}

export interface MapValue {
  readonly kind: "map";
  readonly size: number;
  get(key: CelValue): CelValue | undefined;
  keys(): readonly CelValue[];
}

export class Uint {
  readonly kind = "uint";
  readonly value: bigint;
  constructor(value: bigint) {
    this.value = value;
  }
}

/** Nanoseconds since 1970. */
export class Timestamp {
  readonly kind = "timestamp";
  readonly nanos: bigint;
  constructor(nanos: bigint) {
    this.nanos = nanos;
  }
}

export class Duration {
  readonly kind = "duration";
  readonly nanos: bigint;
  constructor(nanos: bigint) {
    this.nanos = nanos;
  }
}

/** An IPv4 or IPv6 address as a number of 32 or 128 bits. */
export class IpAddress {
  readonly kind = "ip";
  readonly family: 4 | 6;
  readonly bits: bigint;
  constructor(family: 4 | 6, bits: bigint) {
    this.family = family;
    this.bits = bits;
  }
}

export class CidrBlock {
  readonly kind = "cidr";
  readonly address: IpAddress;
  readonly prefix: number;
  constructor(address: IpAddress, prefix: number) {
    this.address = address;
    this.prefix = prefix;
  }
}

export class CelType {
  readonly kind = "type";
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

export class Optional {
  readonly kind = "optional";
  readonly value: CelValue | undefined;
  constructor(value?: CelValue) {
    this.value = value;
  }
}

export const NONE = new Optional();

export class CelList implements ListValue {
  readonly kind = "list";
  readonly items: readonly CelValue[];
  constructor(items: readonly CelValue[]) {
    this.items = items;
  }
  get size(): number {
    return this.items.length;
  }
  at(index: number): CelValue | undefined {
    return this.items[index];
  }
}

/** A map that an expression builds. 1, 1u and 1.0 are one key. */
export class CelMap implements MapValue {
  readonly kind = "map";
  readonly #entries = new Map<MapKey, readonly [CelValue, CelValue]>();
  get size(): number {
    return this.#entries.size;
  }
  get(key: CelValue): CelValue | undefined {
    const own = mapKey(key);
    return own === undefined ? undefined : this.#entries.get(own)?.[1];
  }
  keys(): readonly CelValue[] {
    return Array.from(this.#entries.values(), ([key]) => key);
  }
  set(key: CelValue, value: CelValue): void {
    const own = isMapKey(key) ? mapKey(key) : undefined;
    if (own === undefined)
      throw new CelError(`The key of a map is a text, a whole number or a bool, this one is of type ${typeName(key)}`);
    if (this.#entries.has(own)) throw new CelError(`The key ${keyText(key)} stands twice in one map`);
    this.#entries.set(own, [key, value]);
  }
}

type MapKey = string | bigint | boolean;

const isMapKey = (key: CelValue): boolean => ["string", "int", "uint", "bool"].includes(kindOf(key));

/** What a key is looked up by, undefined for a value that no map has as a key. */
export function mapKey(key: CelValue): MapKey | undefined {
  if (typeof key === "string" || typeof key === "bigint" || typeof key === "boolean") return key;
  if (typeof key === "number") return Number.isInteger(key) ? BigInt(key) : undefined;
  return key instanceof Uint ? key.value : undefined;
}

/** A key of a map as text: in messages, and where a map becomes JSON. */
export const keyText = (key: CelValue): string => (key instanceof Uint ? String(key.value) : String(key));

export function kindOf(value: CelValue): Kind {
  switch (typeof value) {
    case "string":
      return "string";
    case "bigint":
      return "int";
    case "number":
      return "double";
    case "boolean":
      return "bool";
    default:
      if (value === null) return "null";
      return value instanceof Uint8Array ? "bytes" : value.kind;
  }
}

/** What CEL calls a kind. */
export const TYPE_NAME: Readonly<Record<Kind, string>> = {
  ...(Object.fromEntries(KINDS.map((kind) => [kind, kind])) as Record<Kind, string>),
  null: "null_type",
  optional: "optional_type",
  timestamp: "google.protobuf.Timestamp",
  duration: "google.protobuf.Duration",
  ip: "net.IP",
  cidr: "net.CIDR",
};

const TYPES_BY_NAME = new Map(KINDS.map((kind) => [TYPE_NAME[kind], new CelType(TYPE_NAME[kind])]));

export const typeName = (value: CelValue): string => TYPE_NAME[kindOf(value)];
export const typeOf = (value: CelValue): CelType => TYPES_BY_NAME.get(typeName(value)) as CelType;
/** The type that an expression names, as in `type(x) == int`. */
export const typeNamed = (name: string): CelType | undefined => TYPES_BY_NAME.get(name);

/**
 * Why an expression has no value. Not an Error: a quantifier swallows one per item, and a stack trace each would cost more than what
 * the budget counts. Its text is made when it is read.
 */
export class CelError {
  readonly #text: string | (() => string);
  constructor(text: string | (() => string)) {
    this.#text = text;
  }
  get message(): string {
    return typeof this.#text === "string" ? this.#text : this.#text();
  }
}

/** A text as messages quote it. */
export const quotedText = (text: string): string => JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
