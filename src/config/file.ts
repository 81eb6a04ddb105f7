/** The form of signalbox.yaml: every knob with meaning, unit, default and limit. Published as schema/signalbox.json. */

import { type Static, type TSchema, Type } from "typebox";
import { CATCH_UP } from "../core/schedule.ts";
import { isObject } from "../model.ts";
import type { Provider } from "../ports/provider.ts";

export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal"] as const;

const port = (description: string, standard: number) =>
  Type.Optional(Type.Integer({ description, minimum: 0, maximum: 65_535, default: standard }));
const host = (description: string, standard: string) =>
  Type.Optional(Type.String({ description, minLength: 1, default: standard }));

const Server = Type.Object(
  {
    host: host("Address that senders reach; 0.0.0.0 = all", "0.0.0.0"),
    port: port("Port that senders reach; 0 = any free one; SIGNALBOX_PORT overrides it", 8080),
    admin: Type.Optional(
      Type.Object(
        {
          host: host("Address of API and metrics; other than loopback needs a token", "127.0.0.1"),
          port: port("Port of API and metrics; SIGNALBOX_ADMIN_PORT overrides it", 8081),
        },
        { additionalProperties: false, description: "The listener for people and monitoring: API and metrics" },
      ),
    ),
  },
  { additionalProperties: false, description: "The listeners" },
);

/** What every source may say; the provider's own settings stand beside it. */
export const SourceKeys = Type.Object({
  provider: Type.String({ description: "The provider, see `signalbox providers`" }),
  secret: Type.Optional(
    Type.String({ secret: true, description: "What the sender signs with: env:NAME or file:/path" }),
  ),
  secrets: Type.Optional(
    Type.Array(Type.String({ secret: true }), {
      minItems: 1,
      maxItems: 10,
      description: "Several while rotating; any of them may match",
    }),
  ),
  paths: Type.Optional(
    Type.Array(Type.String({ pattern: "^/[^\\s?#]*$", patternErrorMessage: "of a path such as /gate/github" }), {
      maxItems: 100,
      description: "Paths beside /hooks/<name>, such as those a former receiver had",
    }),
  ),
  allow: Type.Optional(
    Type.Array(Type.String({ minLength: 1 }), {
      ...{ minItems: 1, maxItems: 1_000 },
      description:
        "Addresses and networks that may send, such as 192.30.252.0/22; beside the signature, not instead of it",
    }),
  ),
  trustedProxies: Type.Optional(
    Type.Array(Type.String({ minLength: 1 }), {
      ...{ minItems: 1, maxItems: 100 },
      description: "Addresses and networks whose X-Forwarded-For says where a request comes from",
    }),
  ),
  drop: Type.Optional(
    Type.Array(
      Type.String({
        pattern: "^[^.\\s]+(\\.[^.\\s]+)*$",
        patternErrorMessage: "of a path such as user.email or items.*.token",
      }),
      {
        ...{ minItems: 1, maxItems: 100 },
        description: "Paths in the payload that are not stored, such as sender.email; * = every member",
      },
    ),
  ),
  maxBody: Type.Optional(Type.String({ description: "Largest body, such as 5MiB; at most 25MiB", default: "1MiB" })),
  tickets: Type.Optional(
    Type.Object(
      {
        projects: Type.Optional(
          Type.Array(
            Type.String({ pattern: "^[A-Z][A-Z0-9_]+$", patternErrorMessage: "of a project key such as WEB" }),
            {
              minItems: 1,
              description: "Project keys that count as tickets, such as WEB",
            },
          ),
        ),
      },
      { additionalProperties: false, description: "How ticket keys are found in events" },
    ),
  ),
  allowPrivate: Type.Optional(
    Type.Boolean({
      description: "Whether private, loopback and link-local addresses may be called, such as for keys",
      default: false,
    }),
  ),
  dedupe: Type.Optional(
    Type.String({
      description:
        "How long an equal body counts as the same event, such as 10m; 0s = never; default 7d for what carries a time or number of its own",
    }),
  ),
});

/** What every connection may say; the provider's own settings stand beside it. */
export const ConnectionKeys = Type.Object({
  provider: Type.String({ description: "The provider, see `signalbox providers`" }),
  allowPrivate: Type.Optional(
    Type.Boolean({ description: "Whether private, loopback and link-local addresses may be called", default: false }),
  ),
  concurrency: Type.Optional(
    Type.Integer({ description: "Requests at the same time", minimum: 1, maximum: 64, default: 8 }),
  ),
  ratePerSecond: Type.Optional(
    Type.Number({
      description: "Requests per second; absent = as many as concurrency allows",
      exclusiveMinimum: 0,
      maximum: 10_000,
    }),
  ),
});

const Schedule = Type.Object(
  {
    cron: Type.String({
      description: "Minute, hour, day, month, weekday; six fields start with seconds; or a name such as @daily",
    }),
    timezone: Type.Optional(Type.String({ description: "IANA name such as Europe/Berlin; absent = UTC" })),
    catchUp: Type.Optional(
      Type.Enum([...CATCH_UP], {
        description:
          "What happens for ticks that were missed while nothing ran: none of them, or the last one; absent = none",
      }),
    ),
    data: Type.Optional(
      Type.Record(Type.String(), Type.Unknown(), { description: "Payload of the event cron.<name>" }),
    ),
  },
  { additionalProperties: false },
);

const Retention = Type.Object(
  {
    events: Type.Optional(Type.String({ description: "How long events are kept, 1h to 3650d", default: "30d" })),
    deliveries: Type.Optional(
      Type.String({ description: "How long settled deliveries are kept, 1h to 3650d", default: "30d" }),
    ),
  },
  { additionalProperties: false, description: "What is older is dropped" },
);

/** Names become paths, metrics labels and the first part of `connection.action`. */
export const NAME_PATTERN = "^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$";

export const ConfigFile = Type.Object(
  {
    server: Type.Optional(Server),
    store: Type.Optional(
      Type.String({
        secret: "url",
        description: "sqlite:<path> or memory, or a reference env:NAME; a path is relative to this file",
        default: "sqlite:./data/signalbox.db",
      }),
    ),
    cache: Type.Optional(
      Type.String({ secret: "url", description: "memory, redis://…, or a reference env:NAME", default: "memory" }),
    ),
    sources: Type.Optional(
      Type.Record(Type.String({ pattern: NAME_PATTERN }), SourceKeys, { description: "The ways in, by name" }),
    ),
    connections: Type.Optional(
      Type.Record(Type.String({ pattern: NAME_PATTERN }), ConnectionKeys, { description: "The ways out, by name" }),
    ),
    schedules: Type.Optional(
      Type.Record(Type.String({ pattern: NAME_PATTERN }), Schedule, { description: "Events by the clock, by name" }),
    ),
    vars: Type.Optional(
      Type.Record(Type.String(), Type.Unknown(), { description: "Values that rules and machines read as vars.<name>" }),
    ),
    retention: Type.Optional(Retention),
    auth: Type.Optional(
      Type.Object(
        {
          local: Type.Optional(
            Type.Boolean({ description: "Whether an admin listener on loopback asks for no token", default: true }),
          ),
        },
        { additionalProperties: false, description: "Who may use the API" },
      ),
    ),
    log: Type.Optional(
      Type.Union(
        LOG_LEVELS.map((level) => Type.Literal(level)),
        { description: "What is logged; SIGNALBOX_LOG overrides it", default: "info" },
      ),
    ),
  },
  { additionalProperties: false, $id: "signalbox", title: "Signalbox configuration" },
);
export type ConfigFile = Static<typeof ConfigFile>;

/** The part of a JSON Schema that this module reads and writes. */
export interface ObjectSchema extends TSchema {
  type: "object";
  properties: Record<string, TSchema>;
  required?: string[];
  additionalProperties: false;
}

/** Schema of one source of the provider: the common keys and its own; undefined when the provider has no source. */
export function sourceSchema(provider: Provider): ObjectSchema | undefined {
  return provider.source === undefined ? undefined : mergedSchema(SourceKeys, provider.source.settings, provider.name);
}

/** Schema of one connection to the provider; undefined when the provider has no actions. */
export function connectionSchema(provider: Provider): ObjectSchema | undefined {
  return provider.connection === undefined
    ? undefined
    : mergedSchema(ConnectionKeys, provider.connection.settings, provider.name);
}

/** Names of the keys in the schema of an object. */
export function keysOf(schema: TSchema): string[] {
  return Object.keys((schema as Partial<ObjectSchema>).properties ?? {});
}

function mergedSchema(common: TSchema, own: TSchema, provider: string): ObjectSchema {
  const ours = common as Partial<ObjectSchema>;
  const theirs = own as Partial<ObjectSchema>;
  const providerProperty = { provider: { ...ours.properties?.provider, const: provider } as TSchema };
  return {
    type: "object",
    properties: { ...theirs.properties, ...ours.properties, ...providerProperty },
    required: [...(ours.required ?? []), ...(theirs.required ?? [])],
    additionalProperties: false,
  };
}

/** The schema of one file: the entry of a source or connection has the schema of its provider. */
export function schemaFor(value: unknown, providers: ReadonlyMap<string, Provider>): TSchema {
  const of = (section: "sources" | "connections", schemaOf: (provider: Provider) => TSchema | undefined) => {
    const properties: Record<string, TSchema> = {};
    for (const [name, entry] of entriesOf(value, section)) {
      const provider = providers.get(String(fieldOf(entry, "provider")));
      const open = section === "sources" ? SourceKeys : ConnectionKeys;
      properties[name] = (provider === undefined ? undefined : schemaOf(provider)) ?? open;
    }
    return { type: "object", properties } as TSchema;
  };
  const properties = {
    ...ConfigFile.properties,
    sources: of("sources", sourceSchema),
    connections: of("connections", connectionSchema),
  };
  return { type: "object", properties, additionalProperties: false } as TSchema;
}

/** Entries of a section of an unchecked file. */
export function entriesOf(value: unknown, section: string): [name: string, entry: unknown][] {
  const entries = fieldOf(value, section);
  return isObject(entries) ? Object.entries(entries) : [];
}

/** The field of the value; undefined when the value is no object or does not have the field. */
export function fieldOf(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null && Object.hasOwn(value, key)
    ? (value as Record<string, unknown>)[key]
    : undefined;
}

/** Bytes of `25MiB`, `512KiB`, `1000B`; undefined when the text has another form. */
export function parseBytes(text: string): number | undefined {
  const match = /^(\d+)\s*(B|KiB|MiB|kB|MB)?$/.exec(text.trim());
  if (match === null) return undefined;
  const unit = { B: 1, KiB: 1024, MiB: 1024 ** 2, kB: 1000, MB: 1000 ** 2 }[match[2] ?? "B"] ?? 1;
  return Number(match[1]) * unit;
}
