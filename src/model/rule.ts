/** Rules as their files hold them: schema = type = name. Needs typebox at run time, so `model.ts` passes on the types alone. */
import { type Static, Type } from "typebox";
import { LIMITS } from "./limits.ts";

const Template = Type.Unknown({
  description: "A value; a string with {{ }} is a Handlebars template, { cel: … } is a CEL expression",
});

export const Send = Type.Object(
  {
    machine: Type.String({ minLength: 1, description: "The machine that receives the signal" }),
    key: Type.String({ minLength: 1, description: 'Which instance, a template: "{{item}}"' }),
    event: Type.String({ minLength: 1, maxLength: LIMITS.eventNameChars, description: "The name of the signal" }),
    with: Type.Optional(
      Type.Record(Type.String(), Template, { description: "Values the machine reads as `event.with`" }),
    ),
    order: Type.Optional(
      Type.Literal("time", {
        description: "Events older than the last that the instance took for their subject are stale and change nothing",
      }),
    ),
  },
  { additionalProperties: false, description: "Gives an event to an instance of a machine" },
);
export type Send = Static<typeof Send>;

export const Rule = Type.Object(
  {
    id: Type.String({
      pattern: "^[a-z0-9][a-z0-9-]*$",
      maxLength: 100,
      description: "The rule's name: a-z, 0-9 and -",
    }),
    description: Type.Optional(Type.String()),
    event: Type.Union([Type.String({ minLength: 1 }), Type.Array(Type.String({ minLength: 1 }), { minItems: 1 })], {
      description: "Event type, a list of them, or a prefix such as `github.*`",
    }),
    match: Type.Optional(
      Type.Record(Type.String(), Type.Unknown(), {
        description: "An EventBridge event pattern; dotted keys and bare values are shorthand",
      }),
    ),
    when: Type.Optional(
      Type.String({ minLength: 1, description: "CEL over event and vars, for what a pattern cannot say" }),
    ),
    forEach: Type.Optional(
      Type.String({ minLength: 1, description: "CEL that gives a list; the rule acts once per item" }),
    ),
    send: Type.Optional(Type.Union([Send, Type.Array(Send, { minItems: 1 })])),
    do: Type.Optional(
      Type.Array(Type.Record(Type.String(), Type.Unknown(), { minProperties: 1, maxProperties: 1 }), {
        minItems: 1,
        description: "Actions, each one key `connection.action` with its parameters",
      }),
    ),
    stop: Type.Optional(Type.Boolean({ description: "When this rule matches, later rules are not asked" })),
    mode: Type.Optional(
      Type.Union([Type.Literal("live"), Type.Literal("observe")], {
        description: "observe: decided and recorded, not performed",
      }),
    ),
  },
  { additionalProperties: false, description: "When an event matches, send signals and perform actions" },
);
export type Rule = Static<typeof Rule>;

export const RuleFile = Type.Array(Rule, { $id: "rules", title: "Signalbox rules" });
