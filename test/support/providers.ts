/** Providers with the shapes that configuration and policy have to deal with; they talk to nobody. */
import { Type } from "typebox";
import type { Action, Provider, Webhook } from "../../src/ports/provider.ts";

const strict = { additionalProperties: false };
const secret = (description: string) => Type.String({ minLength: 1, secret: true, description });

function source(settings: Webhook["settings"], needsSecret: Webhook["needsSecret"]): Webhook {
  return {
    kind: "webhook",
    summary: "Receives",
    settings,
    needsSecret,
    contentTypes: ["application/json"],
    events: {},
    verify: () => ({ ok: false, reason: "no_secret" }),
    normalise: () => ({ kind: "malformed", detail: "receives nothing" }),
  };
}

function action(params: Action["params"]): Action {
  return { summary: "Does", params, example: {}, idempotency: "none", perform: async () => ({ kind: "done" }) };
}

const github: Provider = { name: "github", summary: "Code", source: source(Type.Object({}, strict), true) };

const travis: Provider = {
  name: "travis",
  summary: "Builds, signed with its own key",
  source: source(Type.Object({ repos: Type.Optional(Type.Array(Type.String())) }, strict), false),
};

const custom: Provider = {
  name: "custom",
  summary: "Needs a secret unless told that it is open; has a default, numbers and a secret below a list",
  source: source(
    Type.Object(
      {
        open: Type.Optional(Type.Boolean({ default: false })),
        tolerance: Type.Optional(Type.Integer({ minimum: 0, maximum: 3600 })),
        keys: Type.Optional(Type.Array(Type.Object({ id: Type.String(), key: secret("A key") }, strict))),
      },
      strict,
    ),
    ({ open }) => open !== true,
  ),
};

const jira: Provider = {
  name: "jira",
  summary: "Tickets",
  connection: {
    settings: Type.Object(
      { url: Type.String({ pattern: "^https?://" }), email: Type.Optional(Type.String()), token: secret("API token") },
      strict,
    ),
    actions: { transition: action(Type.Object({ issue: Type.String(), to: Type.String() }, strict)) },
  },
};

const slack: Provider = {
  name: "slack",
  summary: "Messages",
  connection: {
    settings: Type.Object({ webhook: secret("Incoming webhook"), channel: Type.Optional(Type.String()) }, strict),
    actions: {
      post: action(
        Type.Object(
          {
            channel: Type.String({ minLength: 1 }),
            text: Type.String({ minLength: 1 }),
            thread: Type.Optional(Type.String()),
            unfurl: Type.Optional(Type.Boolean()),
          },
          strict,
        ),
      ),
    },
  },
};

export const PROVIDERS: ReadonlyMap<string, Provider> = new Map(
  [github, travis, custom, jira, slack].map((provider) => [provider.name, provider]),
);

/** Jira and Slack as connections of the same names. */
export const ACTIONS = new Map(
  [jira, slack].flatMap(({ name, connection }) =>
    Object.entries(connection?.actions ?? {}).map(([key, { params }]) => [`${name}.${key}`, { params }] as const),
  ),
);
